//! What the host does for spaces and analyses, wherever they are asked.

use std::rc::Rc;

use plugin_api::boundary::caught;
use plugin_api::host::Services;
use plugin_api::role::{Scorer, ScorerObj, Space, SpaceObj, Task, TaskObj};
use plugin_api::{
    Arch, Decision, Error, Host, On, Parent, Point, Ports, Probe, Recipe, Result, Session, Tensor,
    ensure,
};
use tch::Device;

use crate::registry::host;
use crate::session::NetSession;
use crate::{crumb, encoding, points, variation};

/// A host for sessions on one task; where it knows what is searched, it scores points too, in this process.
pub struct PlainHost {
    pub(crate) task: Rc<TaskObj>,
    pub(crate) device: Device,
    searched: Option<Searched>,
}

/// What the points of a search stand for.
struct Searched {
    space: SpaceObj,
    ports: Ports,
    seed: u64,
}

impl PlainHost {
    /// A host whose sessions are on this task, on this device.
    pub fn new(task: Rc<TaskObj>, device: Device) -> Self {
        PlainHost {
            task,
            device,
            searched: None,
        }
    }

    /// The same for a search of this space; candidates begin from this seed.
    ///
    /// # Errors
    /// Where the task cannot say what its ports are.
    pub fn searching(&self, space: SpaceObj, seed: u64) -> Result<Self> {
        let ports = self.task.ports()?;
        Ok(PlainHost {
            task: Rc::clone(&self.task),
            device: self.device,
            searched: Some(Searched { space, ports, seed }),
        })
    }

    /// A session on the task, with fresh weights.
    ///
    /// # Errors
    /// Where the architecture does not fit itself or the task.
    pub fn on_task(&self, arch: Arch, seed: u64) -> Result<NetSession> {
        NetSession::new(arch, Rc::clone(&self.task), seed, self.device)
    }

    fn searched(&self) -> Result<&Searched> {
        self.searched.as_ref().ok_or_else(|| {
            Error::new("points are scored where a space is searched: for a strategy").into()
        })
    }

    /// The network of a point of the space that is searched, with fresh weights; `parent` is what it may inherit from.
    pub(crate) fn candidate(&self, point: &Point, parent: Option<Parent>) -> Result<NetSession> {
        let Searched { space, ports, seed } = self.searched()?;
        let mut session = self.on_task(space.arch(ports, point, self)?, *seed)?;
        session.descend(Some(point.clone()), parent);
        Ok(session)
    }

    /// The scores of a candidate by these scorers, one after the other; what they measure alike is measured once. A
    /// candidate whose inputs reach no output has none, whatever a scorer would make of it.
    pub(crate) fn score_one(
        &self,
        scorers: &[Scoring],
        point: &Point,
        mut scored: impl FnMut(Scored) -> Result<()>,
    ) -> Result<()> {
        let mut candidate = match caught(|| self.candidate(point, None)) {
            Ok(candidate) => candidate,
            Err(why) => return scorers.iter().try_for_each(|_| scored(Err(why.clone()))),
        };
        if !candidate.is_connected() {
            tracing::warn!("{point:?} has no score: none of its inputs reaches an output");
            return scorers.iter().try_for_each(|_| scored(Ok(None)));
        }
        let arch = candidate.arch()?;
        // A scorer that cannot say what it needs says so again when it scores.
        let needs = scorers.iter().map(|s| caught(|| s.scorer.needs(&arch)));
        let needs: Vec<Probe> = needs.flatten().flatten().collect();
        candidate.share(&needs)?;
        scorers
            .iter()
            .try_for_each(|scoring| scored(caught(|| scoring.score(&mut candidate).map(Some))))
    }
}

/// A score, nothing where the candidate is worth none, or why the scorer failed.
pub(crate) type Scored = Result<Option<f64>, Error>;

/// A scorer, and what it was made of.
pub(crate) struct Scoring {
    recipe: Recipe,
    scorer: ScorerObj,
}

impl Scoring {
    pub(crate) fn all(recipes: &[Recipe]) -> Result<Vec<Scoring>> {
        let scoring = |recipe: &Recipe| {
            Ok(Scoring {
                scorer: host().scorer(recipe)?,
                recipe: recipe.clone(),
            })
        };
        recipes.iter().map(scoring).collect()
    }

    /// The score of a candidate, the higher the better.
    fn score(&self, candidate: &mut NetSession) -> Result<f64> {
        let _here = crumb::enter(&self.recipe.component);
        let score = self.scorer.score(candidate)?;
        ensure!(!score.is_nan(), "the score is not a number");
        Ok(match self.scorer.higher_is_better() {
            true => score,
            false => -score,
        })
    }
}

/// The scores of points as a strategy gets them, a row for each scorer, `None` where there is no score; they come point
/// by point.
///
/// # Errors
/// Where a scorer could not score a single point: then it is the scorer that has failed, not a point.
pub(crate) fn table(
    scorers: &[Scoring],
    points: &[Point],
    scores: Vec<Scored>,
) -> Result<Vec<Vec<Option<f64>>>> {
    let mut rows = vec![vec![]; scorers.len()];
    for (i, score) in scores.into_iter().enumerate() {
        rows[i % scorers.len()].push(score);
    }
    let rows = rows.into_iter().zip(scorers);
    rows.map(|(row, scoring)| of_one(&scoring.recipe, points, row))
        .collect()
}

fn of_one(scorer: &Recipe, points: &[Point], scores: Vec<Scored>) -> Result<Vec<Option<f64>>> {
    for (score, point) in scores.iter().zip(points) {
        if let Err(why) = score {
            tracing::warn!("`{}` could not score {point:?}: {why}", scorer.component);
        }
    }
    match scores.first() {
        Some(Err(why)) if scores.iter().all(Result::is_err) => {
            let what = format!("`{}` could not score a single point", scorer.component);
            Err(Error::new(what).caused_by(why.clone()).into())
        }
        _ => Ok(scores
            .into_iter()
            .map(|score| score.ok().flatten())
            .collect()),
    }
}

impl Host for PlainHost {
    fn resolve(&self, supernet: &Arch, point: &Point) -> Result<Arch> {
        points::resolve(supernet, point)
    }

    fn sample(&self, decisions: &[Decision], n: i64, seed: u64) -> Result<Vec<Point>> {
        Ok(points::sample(decisions, n, seed))
    }

    fn mutate(&self, decisions: &[Decision], point: &Point, seed: u64) -> Result<Point> {
        variation::mutate(decisions, point, seed)
    }

    fn crossover(
        &self,
        decisions: &[Decision],
        one: &Point,
        other: &Point,
        seed: u64,
    ) -> Result<Point> {
        variation::crossover(decisions, one, other, seed)
    }

    fn encode(&self, decisions: &[Decision], points: &[Point]) -> Result<Tensor> {
        Ok(encoding::encode(decisions, points)?.into())
    }

    fn decode(&self, decisions: &[Decision], rows: &Tensor) -> Result<Vec<Point>> {
        encoding::decode(decisions, rows)
    }

    fn session(&self, arch: &Arch, on: On, seed: u64) -> Result<Box<dyn Session>> {
        let session = NetSession::on(arch.clone(), on, &self.task, seed, self.device)?;
        Ok(Box::new(session))
    }

    fn score(&self, scorers: &[Recipe], points: &[Point]) -> Result<Vec<Vec<Option<f64>>>> {
        self.searched()?;
        let scorers = Scoring::all(scorers)?;
        let mut scores = vec![];
        for point in points {
            self.score_one(&scorers, point, |score| {
                scores.push(score);
                Ok(())
            })?;
        }
        table(&scorers, points, scores)
    }
}
