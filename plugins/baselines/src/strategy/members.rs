//! Strategies that one strategy asks, by name.
//!
//! Each begins with a seed of its own, which follows from its name, and is told of every trial in order, whoever proposed
//! it. One that joins later is told of all that was seen before.

use plugin_api::Goal;
use plugin_api::host::services;
use plugin_api::prelude::*;
use plugin_api::role::StrategyObj;

use super::goal;

/// Strategies at work.
pub(super) struct Members {
    setting: Setting,
    all: Vec<Member>,
    seen: Vec<Observation>,
}

struct Member {
    name: String,
    strategy: StrategyObj,
}

impl Members {
    /// They begin a search.
    ///
    /// # Errors
    /// Where there is none, two have one name, or one cannot be made or begin.
    pub(super) fn begin<'a>(
        setting: &Setting,
        given: impl IntoIterator<Item = (&'a str, &'a Recipe)>,
    ) -> Result<Self> {
        let mut members = Members {
            setting: setting.clone(),
            all: vec![],
            seen: vec![],
        };
        for (name, strategy) in given {
            let member = members.begun(name, strategy)?;
            members.all.push(member);
        }
        ensure!(!members.all.is_empty(), "there is no strategy to ask");
        Ok(members)
    }

    /// What the search is for.
    pub(super) fn goal(&self) -> Result<&Goal> {
        goal(&self.setting)
    }

    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.all.iter().map(|member| member.name.as_str())
    }

    pub(super) fn name(&self, member: usize) -> &str {
        &self.all[member].name
    }

    /// Whether one of them wants the weights of trials kept.
    pub(super) fn inherit(&self) -> bool {
        self.all.iter().any(|member| member.strategy.inherits())
    }

    /// What the strategy of this number proposes, in its name.
    pub(super) fn ask(&mut self, member: usize, n: i64, host: &dyn Host) -> Result<Vec<Proposal>> {
        let Member { name, strategy } = &mut self.all[member];
        let proposals = strategy.ask(n, host)?.into_iter();
        Ok(proposals.map(|proposal| proposal.by(name)).collect())
    }

    /// Tells all of them. What one of them proposed comes back to it as it proposed it; to the others it is nobody's.
    pub(super) fn tell(&mut self, seen: &[Observation], host: &dyn Host) -> Result<()> {
        for Member { name, strategy } in &mut self.all {
            strategy.tell(&addressed(seen, name), host)?;
        }
        self.seen.extend_from_slice(seen);
        Ok(())
    }

    /// Takes strategies in and lets others go: all of it, or nothing.
    ///
    /// # Errors
    /// Where a name is taken or not there, a strategy cannot be made, or none would be left.
    pub(super) fn change(
        &mut self,
        add: &[(String, Recipe)],
        drop: &[String],
        host: &dyn Host,
    ) -> Result<()> {
        if let Some(unknown) = drop.iter().find(|name| !self.names().any(|n| n == *name)) {
            let there: Vec<&str> = self.names().collect();
            return Err(Error::new(format!("no strategy is called `{unknown}`"))
                .found(there.join(", "))
                .into());
        }
        let mut after = Members {
            setting: self.setting.clone(),
            all: vec![],
            seen: vec![],
        };
        let stay = |member: &Member| !drop.contains(&member.name);
        let left = self.all.iter().filter(|member| stay(member)).count();
        ensure!(left + add.len() > 0, "no strategy would be left to ask");
        for (name, recipe) in add {
            let taken = self
                .all
                .iter()
                .any(|member| stay(member) && member.name == *name);
            ensure!(!taken, "a strategy is called `{name}` already");
            let mut member = after.begun(name, recipe)?;
            member.strategy.tell(&addressed(&self.seen, name), host)?;
            after.all.push(member);
        }
        self.all.retain(stay);
        self.all.append(&mut after.all);
        Ok(())
    }

    /// A strategy that has begun under this name.
    fn begun(&self, name: &str, recipe: &Recipe) -> Result<Member> {
        if name.is_empty() || name.contains('/') || self.names().any(|taken| taken == name) {
            return Err(Error::new(format!("no strategy can be called `{name}`"))
                .expected("a name of its own, without `/`")
                .into());
        }
        let mut strategy = services()?.strategy(recipe)?;
        strategy.begin(&Setting {
            seed: stream(self.setting.seed, name),
            ..self.setting.clone()
        })?;
        Ok(Member {
            name: name.into(),
            strategy,
        })
    }
}

/// Who among several proposed what was seen, and under which name of its own.
pub(super) fn proposer(seen: &Observation) -> Option<(&str, Option<&str>)> {
    let by = seen.by.as_deref()?;
    Some(match by.split_once('/') {
        Some((name, inner)) => (name, Some(inner)),
        None => (by, None),
    })
}

/// What was seen, as it is told to the strategy of this name.
fn addressed(seen: &[Observation], name: &str) -> Vec<Observation> {
    let to = |seen: &Observation| {
        let inner = proposer(seen).filter(|(who, _)| *who == name);
        Observation {
            by: inner.and_then(|(_, inner)| inner.map(String::from)),
            ..seen.clone()
        }
    };
    seen.iter().map(to).collect()
}
