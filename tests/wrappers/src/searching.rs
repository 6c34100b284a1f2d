//! What a search is made of: space, strategy, relaxation.

use plugin_api::prelude::*;
use plugin_api::services;

/// Another space, of which every point stands for its mutation by one seed; scores speak for what scores lowest.
#[component(space = "space")]
struct Turned {
    /// The other one.
    inner: Use<dyn Space>,
}

impl Space for Turned {
    fn supernet(&self, ports: &Ports) -> Result<Option<Arch>> {
        self.inner.supernet(ports)
    }

    fn arch(&self, ports: &Ports, point: &Point, host: &dyn Host) -> Result<Arch> {
        let mutated = host.mutate(&self.decisions(ports)?, point, 0)?;
        self.inner.arch(ports, &mutated, host)
    }

    fn project(&self, ports: &Ports, scores: &Tensors) -> Result<Point> {
        self.inner.project(ports, &scores.map(|_, t| -t))
    }
}

/// Proposes the children of pairs that another strategy proposes, by way of their encoding. It sees points as these, the
/// wrong way round, and draws around them.
#[component(strategy = "strategy")]
struct Children {
    /// The other one.
    inner: Use<dyn Strategy>,
    /// Known from the beginning.
    #[serde(skip)]
    decisions: Vec<Decision>,
}

impl Strategy for Children {
    fn begin(&mut self, setting: &Setting) -> Result<()> {
        self.decisions = setting.decisions.clone();
        self.inner.begin(setting)
    }

    fn ask(&mut self, n: i64, host: &dyn Host) -> Result<Vec<Proposal>> {
        let parents = self.inner.ask(2 * n, host)?;
        let child = |pair: &[Proposal]| {
            let [one, other] = pair else {
                bail!("the other strategy proposed an odd number of points");
            };
            host.crossover(&self.decisions, &one.point, &other.point, 1)
        };
        let children = parents.chunks(2).map(child).collect::<Result<Vec<_>>>()?;
        let rows = host.encode(&self.decisions, &children)?;
        let decoded = host.decode(&self.decisions, &rows)?;
        Ok(decoded.into_iter().map(Proposal::from).collect())
    }

    fn tell(&mut self, seen: &[Observation], host: &dyn Host) -> Result<()> {
        self.inner.tell(seen, host)
    }

    fn embed(&self, points: &[Point], host: &dyn Host) -> Result<Option<plugin_api::Tensor>> {
        let rows = host.encode(&self.decisions, points)?;
        Ok(Some(rows.f_flip([1])?.into()))
    }

    fn sample(
        &self,
        seen: &plugin_api::Tensor,
        seed: u64,
        host: &dyn Host,
    ) -> Result<Option<Vec<Point>>> {
        let noise = random::normal(&seen.size(), seed).f_mul_scalar(0.01)?;
        let rows = seen.f_add(&noise)?.f_flip([1])?;
        Ok(Some(host.decode(&self.decisions, &rows.into())?))
    }
}

/// Asks others in turn, in whose name it proposes; each is told of its own points alone.
#[component(strategy = "turns")]
struct Turns {
    /// The others, by name.
    #[serde(skip)]
    others: Vec<(String, Box<dyn Strategy>)>,
    /// What the search is about.
    #[serde(skip)]
    setting: Option<Setting>,
    /// How often somebody was asked.
    #[serde(skip)]
    asked: usize,
}

impl Strategy for Turns {
    fn begin(&mut self, setting: &Setting) -> Result<()> {
        (self.others, self.asked) = (vec![], 0);
        self.setting = Some(setting.clone());
        Ok(())
    }

    fn ask(&mut self, n: i64, host: &dyn Host) -> Result<Vec<Proposal>> {
        let mut proposals = vec![];
        while proposals.len() < usize::try_from(n)? && !self.others.is_empty() {
            let turn = self.asked % self.others.len();
            let (name, other) = &mut self.others[turn];
            let asked = other.ask(1, host)?;
            proposals.extend(asked.into_iter().map(|proposal| proposal.by(name)));
            self.asked += 1;
        }
        Ok(proposals)
    }

    fn tell(&mut self, seen: &[Observation], host: &dyn Host) -> Result<()> {
        for (name, other) in &mut self.others {
            let own = seen.iter().filter(|o| o.by.as_ref() == Some(name));
            other.tell(&own.cloned().collect::<Vec<_>>(), host)?;
        }
        Ok(())
    }

    fn control(&mut self, add: &[(String, Recipe)], drop: &[String], _: &dyn Host) -> Result<()> {
        for name in drop {
            let known = self.others.iter().position(|(other, _)| other == name);
            let known = known.with_context(|| format!("nobody here is called `{name}`"))?;
            self.others.remove(known);
        }
        let setting = self.setting.as_ref().context("the search has not begun")?;
        for (name, recipe) in add {
            let mut other = services()?.strategy(recipe)?;
            other.begin(setting)?;
            self.others.push((name.clone(), Box::new(other)));
        }
        Ok(())
    }
}

/// Another relaxation whose surest option is computed alone.
#[component(relaxation = "relaxation")]
struct Surest {
    /// The other one.
    inner: Use<dyn Relaxation>,
}

impl Relaxation for Surest {
    fn weights(&self, decisions: &[Decision]) -> Result<Vec<WeightSpec>> {
        self.inner.weights(decisions)
    }

    fn mix(&self, w: &Tensors, decisions: &[Decision], draw: &Draw) -> Result<Choices> {
        let mixed = self.inner.mix(w, decisions, draw)?;
        let surest = mixed.into_iter().map(|(decision, choice)| {
            let surest = choice.weights.f_argmax(0, false)?.f_int64_value(&[])?;
            Ok((
                decision,
                Choice::new(choice.weights, [usize::try_from(surest)?]),
            ))
        });
        surest.collect()
    }

    fn update(&self, session: &mut dyn Session) -> Result<Report> {
        self.inner.update(session)
    }

    fn decide(&self, session: &mut dyn Session) -> Result<Tensors> {
        self.inner.decide(session)
    }
}
