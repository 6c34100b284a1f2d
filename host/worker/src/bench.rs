//! A bench: subjects, for analyses to look at.

use std::rc::Rc;

use plugin_api::boundary::caught;
use plugin_api::host::Services;
use plugin_api::role::{Analysis, Space, Strategy, Task, TaskObj, Trainer};
use plugin_api::{
    Arch, Bench, Error, Goal, Observation, Outcome, Point, Recipe, Report, Result, Searching,
    Session, Setting, Tensors, TrialId,
};
use tch::Device;

use crate::crumb;
use crate::plain::PlainHost;
use crate::registry::host;
use crate::session::NetSession;

/// Subjects of one task.
pub struct SubjectBench {
    task: Rc<TaskObj>,
    seed: u64,
    device: Device,
    subjects: Vec<Subject>,
}

/// A network to look at.
struct Subject {
    name: String,
    arch: Arch,
    /// Weights and masks, as a session's snapshot.
    snapshot: Tensors,
    reports: Vec<Report>,
}

impl SubjectBench {
    /// A bench without subjects.
    pub fn new(task: Rc<TaskObj>, seed: u64, device: Device) -> Self {
        SubjectBench {
            task,
            seed,
            device,
            subjects: vec![],
        }
    }

    /// Puts a subject on the bench: an architecture, the snapshot of its weights and masks, and what its steps reported.
    pub fn put(&mut self, name: &str, arch: Arch, snapshot: Tensors, reports: Vec<Report>) {
        self.subjects.push(Subject {
            name: name.into(),
            arch,
            snapshot,
            reports,
        });
    }

    /// Has an analysis measure what is on the bench.
    ///
    /// # Errors
    /// Where it cannot be made, or fails.
    pub fn measure(&self, analysis: &Recipe) -> Result<Report> {
        let component = &analysis.component;
        let analysis = host().analysis(analysis)?;
        let _here = crumb::enter(component);
        analysis.measure(self, &self.host())
    }

    fn host(&self) -> PlainHost {
        PlainHost {
            task: Rc::clone(&self.task),
            device: self.device,
        }
    }

    fn of(&self, name: &str) -> Result<&Subject> {
        self.subjects
            .iter()
            .find(|s| s.name == name)
            .ok_or_else(|| {
                let there: Vec<&str> = self.subjects.iter().map(|s| s.name.as_str()).collect();
                Error::new(format!("no subject `{name}` is on the bench"))
                    .found(there.join(", "))
                    .into()
            })
    }

    fn session(&self, arch: Arch, seed: u64) -> Result<NetSession> {
        NetSession::new(arch, Rc::clone(&self.task), seed, self.device)
    }
}

impl Bench for SubjectBench {
    fn subjects(&self) -> Result<Vec<String>> {
        Ok(self.subjects.iter().map(|s| s.name.clone()).collect())
    }

    fn subject(&self, name: &str) -> Result<Box<dyn Session>> {
        let subject = self.of(name)?;
        let mut session = self.session(subject.arch.clone(), self.seed)?;
        session.restore(&subject.snapshot)?;
        Ok(Box::new(session))
    }

    fn reports(&self, name: &str) -> Result<Vec<Report>> {
        Ok(self.of(name)?.reports.clone())
    }

    fn search(&self, searching: &Searching) -> Result<Vec<Observation>> {
        let plain = self.host();
        let ports = self.task.ports()?;
        let space = host().space(&searching.space)?;
        let trainer = host().trainer(&searching.trainer)?;
        let mut strategy = host().strategy(&searching.strategy)?;
        let goal = Goal {
            metric: ports.metric.clone(),
            higher_is_better: ports.higher_is_better,
        };
        strategy.begin(&Setting {
            decisions: space.decisions(&ports)?,
            goals: vec![goal],
            seed: searching.seed,
        })?;
        let evaluate = |point: &Point| {
            let arch = space.arch(&ports, point, &plain)?;
            let mut session = self.session(arch, searching.seed)?;
            trainer.fit(&mut session)?;
            session.evaluate("val")
        };
        let mut seen = vec![];
        for trial in 0..u64::try_from(searching.trials)? {
            let Some(proposal) = strategy.ask(1, &plain)?.pop() else {
                break;
            };
            let observation = Observation {
                trial: TrialId(trial),
                outcome: match caught(|| evaluate(&proposal.point)) {
                    Ok(metrics) => Outcome::Done(metrics),
                    Err(error) => Outcome::Failed(error),
                },
                point: proposal.point,
            };
            strategy.tell(std::slice::from_ref(&observation), &plain)?;
            seen.push(observation);
        }
        Ok(seen)
    }
}
