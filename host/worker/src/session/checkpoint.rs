//! Checkpoints: what work that was cut off needs to go on to the same bits.
//!
//! Work that is begun anew does all again that led to the step at which it was cut off, except that it takes the state
//! after the last whole step from the file. Where it comes to the trainer's call of `resumed` behind which the checkpoint
//! was written, the session becomes what it was then; so trainers around others need not know of it.

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
    /// What the steps that are done reported: as many as these are done.
    reports: Vec<Report>,
    /// How the session was after them; `None` before the first, which is begun as the work says.
    start: Option<State>,
    /// How often the step at work has asked to be resumed.
    asked: u64,
    /// What waits for that question.
    waiting: Option<Midst>,
}

/// All that a session is.
struct State {
    head: Head,
    tensors: Tensors,
}

/// What of it is not tensors.
#[derive(Clone, Serialize, Deserialize)]
struct Head {
    arch: Arch,
    point: Option<Point>,
    relaxation: Option<Recipe>,
    objectives: Vec<Recipe>,
    chains: Vec<Plan>,
    frozen: BTreeSet<String>,
}

/// A session in the midst of a step.
struct Midst {
    asked: u64,
    state: State,
    /// What the trainer kept for itself.
    own: Tensors,
}

/// What a file says beside its tensors.
#[derive(Serialize, Deserialize)]
struct Said {
    reports: Vec<Report>,
    start: Option<Head>,
    midst: Option<(u64, Head)>,
}

/// The key under which it is said, and prefixes of the tensors' names.
const SAID: &str = "checkpoint";
const START: &str = "start/";
const MIDST: &str = "midst/";
const OWN: &str = "own/";

impl NetSession {
    /// Has checkpoints go to this file, one in `every` at most. Where one lies there already, this session goes on behind
    /// the steps that are done; what is returned are their reports.
    pub(crate) fn keep(&mut self, file: &Path, every: Duration) -> Vec<Report> {
        let mut keeper = Keeper {
            file: file.into(),
            every,
            last: Instant::now(),
            reports: vec![],
            start: None,
            asked: 0,
            waiting: None,
        };
        if file.exists() {
            match self.go_on(&mut keeper) {
                Ok(()) => tracing::info!("goes on from {}", file.display()),
                // The same will come of it, only later.
                Err(why) => {
                    let file = file.display();
                    tracing::warn!("{file} is no checkpoint, so the work begins anew: {why}");
                }
            }
        }
        self.keeper.insert(keeper).reports.clone()
    }

    fn go_on(&mut self, keeper: &mut Keeper) -> Result<()> {
        let (said, tensors) = weights::load_with(&keeper.file, SAID)?;
        let said: Said = serde_json::from_str(&said)?;
        let state = |head, prefix: &str| State {
            head,
            tensors: tensors.under(prefix),
        };
        let start = said.start.map(|head| state(head, START));
        if let Some(start) = &start {
            self.become_as(start)?;
        }
        keeper.waiting = said.midst.map(|(asked, head)| Midst {
            asked,
            state: state(head, MIDST),
            own: tensors.under(OWN),
        });
        (keeper.reports, keeper.start) = (said.reports, start);
        Ok(())
    }

    /// Says that so many steps are done, with these reports.
    pub(crate) fn advanced(&mut self, reports: &[Report]) -> Result<()> {
        if self.keeper.is_none() {
            return Ok(());
        }
        let start = self.state();
        if let Some(keeper) = &mut self.keeper {
            keeper.reports = reports.to_vec();
            keeper.start = Some(start);
            (keeper.asked, keeper.waiting) = (0, None);
        }
        self.write_down(None)
    }

    /// Hands the checkpoints over to the session that takes this one's place.
    pub(crate) fn keep_as(&mut self, before: &mut NetSession) {
        self.keeper = before.keeper.take();
    }

    /// What the trainer kept for itself that was cut off behind this question; the session becomes what it was.
    pub(super) fn go_on_here(&mut self) -> Option<Tensors> {
        let keeper = self.keeper.as_mut()?;
        keeper.asked += 1;
        let midst = keeper
            .waiting
            .take_if(|midst| midst.asked == keeper.asked)?;
        match self.become_as(&midst.state) {
            Ok(()) => Some(midst.own),
            Err(why) => {
                tracing::warn!("the checkpoint does not fit, so the step begins anew: {why}");
                None
            }
        }
    }

    /// Writes a checkpoint, if it is time for one; `own` is what the trainer keeps for itself that is at work.
    pub(super) fn write_down(&mut self, own: Option<&Tensors>) -> Result<()> {
        let Some(keeper) = &self.keeper else {
            return Ok(());
        };
        if keeper.last.elapsed() < keeper.every {
            return Ok(());
        }
        let midst = own.map(|own| (own, self.state()));
        let mut tensors = Tensors::new();
        let mut put = |prefix: &str, of: &Tensors| {
            tensors.extend(
                of.iter()
                    .map(|(name, t)| (format!("{prefix}{name}"), t.clone())),
            );
        };
        if let Some(start) = &keeper.start {
            put(START, &start.tensors);
        }
        if let Some((own, midst)) = &midst {
            put(MIDST, &midst.tensors);
            put(OWN, own);
        }
        let head = |state: &State| state.head.clone();
        let said = Said {
            reports: keeper.reports.clone(),
            start: keeper.start.as_ref().map(head),
            midst: midst.map(|(_, midst)| (keeper.asked, midst.head)),
        };
        let said = serde_json::to_string(&said)?;
        if let Err(why) = weights::save(&keeper.file, &tensors, (SAID, &said)) {
            // A full disk is no outcome of the work. Where it is killed now, more of it is lost, and nothing else.
            tracing::warn!("the work goes on without a checkpoint: {why}");
        }
        if let Some(keeper) = &mut self.keeper {
            keeper.last = Instant::now();
        }
        Ok(())
    }

    fn state(&self) -> State {
        let mut chains: Vec<Plan> = self.chains.values().map(|c| c.plan.clone()).collect();
        chains.sort_by(|a, b| a.name.cmp(&b.name));
        let head = Head {
            arch: self.network.arch.clone(),
            point: self.point.clone(),
            relaxation: self.relaxed.as_ref().map(|r| r.recipe.clone()),
            objectives: self.objective_recipes(),
            chains,
            frozen: self.frozen.clone(),
        };
        State {
            head,
            tensors: self.take("everything"),
        }
    }

    /// Becomes what the session was that was in this state; stays what it is where that fails.
    fn become_as(&mut self, State { head, tensors }: &State) -> Result<()> {
        let (task, arch) = (Rc::clone(&self.task), head.arch.clone());
        let mut next = NetSession::new(arch, task, self.seed, self.device)?;
        next.descend(head.point.clone(), self.parent.clone());
        next.companions = std::mem::take(&mut self.companions);
        if let Err(why) = next.set_up(head).and_then(|()| next.put_back(tensors)) {
            self.companions = next.companions;
            return Err(why);
        }
        next.keep_as(self);
        *self = next;
        Ok(())
    }

    /// Has objectives, relaxation and chains as they were, to be filled.
    fn set_up(&mut self, head: &Head) -> Result<()> {
        self.set_objectives(&head.objectives)?;
        if let Some(relaxation) = &head.relaxation {
            self.attach(relaxation)?;
        }
        for plan in &head.chains {
            self.chain(&plan.name, &plan.transforms, &plan.select)?;
        }
        let mut frozen = head.frozen.iter();
        frozen.try_for_each(|path| self.freeze(path, true))
    }
}
