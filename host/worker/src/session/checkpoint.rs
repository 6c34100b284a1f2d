//! Checkpoints: all that a session is in one file, so that work that was cut off goes on where it was.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::{Duration, Instant};

use plugin_api::{Arch, Point, Recipe, Report, Result, Session, Tensors};
use serde::{Deserialize, Serialize};

use super::NetSession;
use crate::chain::Plan;
use crate::weights;

/// Where checkpoints go.
pub(super) struct Keeper {
    file: PathBuf,
    every: Duration,
    last: Instant,
    /// What the steps of the work that are done reported: as many as these are done.
    reports: Vec<Report>,
}

/// What a checkpoint says beside its tensors.
#[derive(Serialize, Deserialize)]
struct Head {
    arch: Arch,
    point: Option<Point>,
    relaxation: Option<Recipe>,
    objectives: Vec<Recipe>,
    chains: Vec<Plan>,
    frozen: BTreeSet<String>,
    reports: Vec<Report>,
    /// Whether the step that follows had begun.
    begun: bool,
}

/// Names of what a trainer keeps for itself begin with this.
const OWN: &str = "own:";
const HEAD: &str = "checkpoint";

impl NetSession {
    /// Has checkpoints go to this file, one in `every` at most. Where one lies there already, this session goes on from
    /// it; what is returned are the reports of the steps that are done.
    pub(crate) fn keep(&mut self, file: &Path, every: Duration) -> Vec<Report> {
        let mut reports = vec![];
        if file.exists() {
            match self.go_on_from(file) {
                Ok(done) => {
                    tracing::info!("goes on from {}", file.display());
                    reports = done;
                }
                // The same will come of it, only later.
                Err(why) => {
                    let file = file.display();
                    tracing::warn!("{file} is no checkpoint, so the work begins anew: {why}");
                }
            }
        }
        self.keeper = Some(Keeper {
            file: file.into(),
            every,
            last: Instant::now(),
            reports: reports.clone(),
        });
        reports
    }

    /// Says that so many steps are done, with these reports.
    pub(crate) fn advanced(&mut self, reports: &[Report]) -> Result<()> {
        self.resumed = None;
        if let Some(keeper) = &mut self.keeper {
            keeper.reports = reports.to_vec();
        }
        self.write_down(None)
    }

    /// Hands the checkpoints over to the session that takes this one's place.
    pub(crate) fn keep_as(&mut self, before: &mut NetSession) {
        self.keeper = before.keeper.take();
    }

    /// Writes a checkpoint, if it is time for one; `own` is what the component keeps that is at work.
    pub(super) fn write_down(&mut self, own: Option<&Tensors>) -> Result<()> {
        let Some(keeper) = &self.keeper else {
            return Ok(());
        };
        if keeper.last.elapsed() < keeper.every {
            return Ok(());
        }
        let mut chains: Vec<Plan> = self.chains.values().map(|c| c.plan.clone()).collect();
        chains.sort_by(|a, b| a.name.cmp(&b.name));
        let head = Head {
            arch: self.network.arch.clone(),
            point: self.point.clone(),
            relaxation: self.relaxed.as_ref().map(|r| r.recipe.clone()),
            objectives: self.objective_recipes(),
            chains,
            frozen: self.frozen.clone(),
            reports: keeper.reports.clone(),
            begun: own.is_some(),
        };
        let mut all = self.take("everything");
        let own = own.into_iter().flat_map(|own| own.iter());
        all.extend(own.map(|(name, t)| (format!("{OWN}{name}"), t.clone())));
        weights::save(&keeper.file, &all, (HEAD, &serde_json::to_string(&head)?))?;
        if let Some(keeper) = &mut self.keeper {
            keeper.last = Instant::now();
        }
        Ok(())
    }

    /// Becomes what the session was that wrote a checkpoint.
    fn go_on_from(&mut self, file: &Path) -> Result<Vec<Report>> {
        let (head, tensors) = weights::load_with(file, HEAD)?;
        let head: Head = serde_json::from_str(&head)?;
        let mut next = NetSession::new(head.arch, Rc::clone(&self.task), self.seed, self.device)?;
        next.descend(head.point, self.parent.take());
        next.companions = std::mem::take(&mut self.companions);
        next.set_objectives(&head.objectives)?;
        if let Some(relaxation) = head.relaxation {
            next.attach(&relaxation)?;
        }
        for plan in &head.chains {
            next.chain(&plan.name, &plan.transforms, &plan.select)?;
        }
        let own = tensors.under(OWN);
        let session = tensors
            .into_iter()
            .filter(|(name, _)| !name.starts_with(OWN));
        next.put_back(&session.collect())?;
        for path in &head.frozen {
            next.freeze(path, true)?;
        }
        next.resumed = head.begun.then_some(own);
        *self = next;
        Ok(head.reports)
    }
}
