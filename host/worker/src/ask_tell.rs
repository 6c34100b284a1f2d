//! A search whose trials are run by a program of one's own.

use std::rc::Rc;

use plugin_api::host::Services;
use plugin_api::role::{Space, Task, TaskObj};
use plugin_api::{
    Error, Goal, Named, Observation, Outcome, Parent, Proposal, Recipe, Result, TrialId,
};
use tch::Device;

use crate::plain::PlainHost;
use crate::registry::host;
use crate::search::Searcher;
use crate::session::NetSession;

/// Asks a strategy for points and tells it what they are worth. Whoever holds it decides when, where and how each is tried.
///
/// From the same seed, and told the same in the same order, a strategy proposes here what it does in a study.
///
/// ```no_run
/// use plugin_api::{Ask, Recipe, Session};
/// # fn main() -> plugin_api::Result<()> {
/// let host = pleach_worker::host();
/// let task = host.task(&Recipe::new("baselines/digits"))?;
/// let trainer = host.trainer(&Recipe::new("baselines/backprop"))?;
/// let (strategy, space) = (Recipe::new("baselines/evolution"), Recipe::new("baselines/mlp-space"));
/// let mut search = pleach_worker::AskTell::new(&strategy, &space, task.into(), 0, tch::Device::Cpu)?;
/// for _ in 0..20 {
///     for trial in search.ask(1)? {
///         let mut session = search.session(trial)?;
///         let value = trainer.fit(&mut session).and_then(|_| session.evaluate("val", &Ask::eval()));
///         search.tell(trial, value.map(|metrics| metrics["accuracy"]))?;
///     }
/// }
/// println!("{:?}", search.best());
/// # Ok(())
/// # }
/// # use plugin_api::{host::Services as _, role::Trainer as _};
/// ```
pub struct AskTell {
    searcher: Searcher,
    host: PlainHost,
    goal: Goal,
    asked: Vec<Proposal>,
    best: Option<(TrialId, f64)>,
}

impl AskTell {
    /// Begins a search of a space for a task; networks begin with this seed, and the strategy has it too.
    ///
    /// # Errors
    /// Where strategy or space cannot be made, or do not fit the task.
    pub fn new(
        strategy: &Recipe,
        space: &Recipe,
        task: Rc<TaskObj>,
        seed: u64,
        device: Device,
    ) -> Result<Self> {
        let ports = task.ports()?;
        let space = host().space(space)?;
        let decisions = space.decisions(&ports)?;
        Ok(AskTell {
            searcher: Searcher::begin(strategy, decisions, &ports, seed)?,
            host: PlainHost::new(task, device).searching(space, seed)?,
            goal: Goal {
                metric: ports.metric,
                higher_is_better: ports.higher_is_better,
            },
            asked: vec![],
            best: None,
        })
    }

    /// Asks for so many points; fewer come where the strategy has no more.
    ///
    /// # Errors
    /// Where the strategy fails, or proposes what is no point of the space.
    pub fn ask(&mut self, n: usize) -> Result<Vec<TrialId>> {
        let proposals = self.searcher.ask(i64::try_from(n)?, &self.host)?;
        let first = self.asked.len() as u64;
        self.asked.extend(proposals);
        Ok((first..self.asked.len() as u64).map(TrialId).collect())
    }

    /// What was proposed as this trial.
    ///
    /// # Errors
    /// Where nothing was.
    pub fn proposal(&self, trial: TrialId) -> Result<&Proposal> {
        let known = usize::try_from(trial.0).ok();
        let known = known.and_then(|number| self.asked.get(number));
        known.ok_or_else(|| {
            Error::new(format!("nothing was asked for as {trial}"))
                .found(format!("{} trials", self.asked.len()))
                .into()
        })
    }

    /// The network of a trial, with fresh weights.
    ///
    /// # Errors
    /// Where its point cannot be built.
    pub fn session(&self, trial: TrialId) -> Result<NetSession> {
        let no_parent: Option<Parent> = None;
        self.host.candidate(&self.proposal(trial)?.point, no_parent)
    }

    /// Tells what a trial is worth by the task's main metric, or why it is worth nothing.
    ///
    /// # Errors
    /// Where the trial is unknown, its worth no finite number, or the strategy fails.
    pub fn tell<E: Into<anyhow::Error>>(
        &mut self,
        trial: TrialId,
        worth: Result<f64, E>,
    ) -> Result<()> {
        let worth = worth.map_err(|e| plugin_api::boundary::as_error(e.into()));
        if let Ok(value) = &worth
            && !value.is_finite()
        {
            return Err(Error::new(format!("{trial} is worth {value}"))
                .expected("a finite number, or the reason why it has none")
                .into());
        }
        let outcome = match &worth {
            Ok(value) => Outcome::Done(Named::new().with(&self.goal.metric, *value)),
            Err(why) => Outcome::Failed(why.clone()),
        };
        let seen = Observation::of(trial, self.proposal(trial)?, outcome);
        self.searcher.tell(&[seen], &self.host)?;
        if let Ok(value) = worth
            && self
                .best
                .is_none_or(|(_, best)| pleach::study::is_better(value, best, &self.goal))
        {
            self.best = Some((trial, value));
        }
        Ok(())
    }

    /// The best trial that was told, and its worth; of equals the one that was told first.
    pub fn best(&self) -> Option<(TrialId, f64)> {
        self.best
    }
}
