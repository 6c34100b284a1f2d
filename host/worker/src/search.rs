//! A strategy at work, and what the host does for it.

use std::fs::File;
use std::rc::Rc;

use pleach::protocol::{Begin, Change, Limits, Reply, send};
use plugin_api::host::Services;
use plugin_api::role::{Space, Strategy, StrategyObj, Task, TaskObj};
use plugin_api::{
    Arch, Decision, Error, Goal, Host, Observation, On, Point, Ports, Proposal, Recipe, Result,
    Session, Setting, Tensor, ensure,
};
use tch::Device;

use crate::child::{Child, ChildSettings, Ended, messages};
use crate::plain::{PlainHost, Scored, Scoring, table};
use crate::registry::host;
use crate::{device, points};

/// A strategy at work: what it proposes is held to its decisions.
pub(crate) struct Searcher {
    strategy: StrategyObj,
    name: String,
    decisions: Vec<Decision>,
}

impl Searcher {
    /// Makes a strategy, and tells it what the search is about.
    pub(crate) fn begin(
        strategy: &Recipe,
        decisions: Vec<Decision>,
        ports: &Ports,
        seed: u64,
    ) -> Result<Self> {
        let goal = Goal {
            metric: ports.metric.clone(),
            higher_is_better: ports.higher_is_better,
        };
        points::check_decisions(&decisions)?;
        let name = strategy.component.clone();
        let mut strategy = host().strategy(strategy)?;
        strategy.begin(&Setting {
            decisions: decisions.clone(),
            goals: vec![goal],
            seed,
        })?;
        Ok(Searcher {
            strategy,
            name,
            decisions,
        })
    }

    pub(crate) fn ask(&mut self, n: i64, host: &dyn Host) -> Result<Vec<Proposal>> {
        let proposals = self.strategy.ask(n, host)?;
        for proposal in &proposals {
            points::check(&self.decisions, &proposal.point).map_err(|e| {
                Error::new(format!(
                    "`{}` proposed what is no point of the space",
                    self.name
                ))
                .caused_by(e)
            })?;
        }
        Ok(proposals)
    }

    pub(crate) fn inherits(&self) -> bool {
        self.strategy.inherits()
    }

    pub(crate) fn tell(&mut self, seen: &[Observation], host: &dyn Host) -> Result<()> {
        self.strategy.tell(seen, host)
    }
}

/// A searcher with the space that it searches.
pub(crate) struct Search {
    searcher: Searcher,
    host: StrategyHost,
}

impl Search {
    pub(crate) fn begin(
        begin: &Begin,
        task: &Rc<TaskObj>,
        device: Device,
        settings: &ChildSettings,
        out: &File,
    ) -> Result<Self> {
        let ports = task.ports()?;
        let space = host().space(&begin.space)?;
        let decisions = space.decisions(&ports)?;
        let searcher = Searcher::begin(&begin.strategy, decisions, &ports, begin.seed)?;
        let host = StrategyHost {
            plain: PlainHost::new(Rc::clone(task), device).searching(space, begin.seed)?,
            seed: begin.seed,
            limits: begin.limits,
            settings: settings.clone(),
            pleach: out.try_clone()?,
        };
        Ok(Search { searcher, host })
    }

    pub(crate) fn ask(&mut self, n: u32) -> Result<Vec<Proposal>> {
        self.searcher.ask(i64::from(n), &self.host)
    }

    /// What is known of it once it was begun or changed.
    pub(crate) fn began(&self) -> Reply {
        Reply::Began {
            inherits: self.searcher.inherits(),
            decisions: self.searcher.decisions.clone(),
        }
    }

    pub(crate) fn tell(&mut self, seen: &[Observation]) -> Result<()> {
        self.searcher.tell(seen, &self.host)
    }

    /// Has strategies join and leave.
    pub(crate) fn change(&mut self, change: &Change) -> Result<()> {
        let add = change.add.iter();
        let add: Vec<(String, Recipe)> = add.map(|(n, r)| (n.into(), r.clone())).collect();
        let strategy = &mut self.searcher.strategy;
        strategy.control(&add, &change.drop, &self.host)
    }
}

/// What the host does for a strategy: points become networks that can be scored.
struct StrategyHost {
    plain: PlainHost,
    seed: u64,
    limits: Limits,
    settings: ChildSettings,
    /// Where `pleach` hears that scoring goes on.
    pleach: File,
}

/// How often scoring is begun before it is given up because children were killed from outside.
const ATTEMPTS: u32 = 3;

impl StrategyHost {
    /// Has a child score points one after the other, until all are scored or it dies; of the first point this many scores
    /// are there.
    fn score_in_child(&self, scorers: &[Scoring], points: &[Point], there: usize) -> Result<Ended> {
        let mut child = Child::fork("score", &self.limits, &self.settings, |pipe| {
            device::open(self.plain.device)?;
            for (i, point) in points.iter().enumerate() {
                self.settings.renew(self.seed)?;
                let scorers = &scorers[if i == 0 { there } else { 0 }..];
                let sent = |score: Scored| Ok(send(pipe, &score)?);
                self.plain.score_one(scorers, point, sent)?;
            }
            Ok(())
        })?;
        child.wait(|| Ok(send(&mut &self.pleach, &Reply::Alive)?))
    }
}

impl Host for StrategyHost {
    fn resolve(&self, supernet: &Arch, point: &Point) -> Result<Arch> {
        self.plain.resolve(supernet, point)
    }

    fn sample(&self, decisions: &[Decision], n: i64, seed: u64) -> Result<Vec<Point>> {
        self.plain.sample(decisions, n, seed)
    }

    fn mutate(&self, decisions: &[Decision], point: &Point, seed: u64) -> Result<Point> {
        self.plain.mutate(decisions, point, seed)
    }

    fn crossover(
        &self,
        decisions: &[Decision],
        one: &Point,
        other: &Point,
        seed: u64,
    ) -> Result<Point> {
        self.plain.crossover(decisions, one, other, seed)
    }

    fn encode(&self, decisions: &[Decision], points: &[Point]) -> Result<Tensor> {
        self.plain.encode(decisions, points)
    }

    fn decode(&self, decisions: &[Decision], rows: &Tensor) -> Result<Vec<Point>> {
        self.plain.decode(decisions, rows)
    }

    fn session(&self, arch: &Arch, on: On, seed: u64) -> Result<Box<dyn Session>> {
        self.plain.session(arch, on, seed)
    }

    /// Scores in a child, many one after the other; where a scorer brings the child down there is no score, and another
    /// child goes on behind it.
    fn score(&self, scorers: &[Recipe], points: &[Point]) -> Result<Vec<Vec<Option<f64>>>> {
        let scorers = Scoring::all(scorers)?;
        let all = points.len() * scorers.len();
        let mut scores: Vec<Scored> = vec![];
        let mut blows = 0;
        while scores.len() < all {
            let rest = &points[scores.len() / scorers.len()..];
            let mut ended = self.score_in_child(&scorers, rest, scores.len() % scorers.len())?;
            scores.extend(messages(&mut ended.sent));
            if scores.len() == all {
                break;
            }
            match ended.why {
                Some(why) => scores.push(Err(why)),
                // Killed from outside: nothing is known of the point, and it is scored again.
                None => blows += 1,
            }
            ensure!(
                blows < ATTEMPTS,
                "a child that scored points was killed from outside {blows} times"
            );
        }
        table(&scorers, points, scores)
    }
}
