//! A bench: subjects, for analyses to look at.

use std::collections::HashMap;
use std::rc::Rc;

use plugin_api::boundary::caught;
use plugin_api::host::Services;
use plugin_api::role::{Analysis, Space, Task, TaskObj, Trainer};
use plugin_api::{
    Arch, Bench, Error, Observation, Outcome, Parent, Proposal, Recipe, Report, Result, Searching,
    Session, Tensors, TrialId,
};
use tch::Device;

use crate::crumb;
use crate::plain::PlainHost;
use crate::registry::host;
use crate::search::Searcher;
use crate::work::measured;

/// Subjects of one task.
pub struct SubjectBench {
    plain: PlainHost,
    seed: u64,
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
            plain: PlainHost::new(task, device),
            seed,
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
        analysis.measure(self, &self.plain)
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
}

impl Bench for SubjectBench {
    fn subjects(&self) -> Result<Vec<String>> {
        Ok(self.subjects.iter().map(|s| s.name.clone()).collect())
    }

    fn subject(&self, name: &str) -> Result<Box<dyn Session>> {
        let subject = self.of(name)?;
        let mut session = self.plain.on_task(subject.arch.clone(), self.seed)?;
        session.restore(&subject.snapshot)?;
        Ok(Box::new(session))
    }

    fn reports(&self, name: &str) -> Result<Vec<Report>> {
        Ok(self.of(name)?.reports.clone())
    }

    fn search(&self, searching: &Searching) -> Result<Vec<Observation>> {
        let ports = self.plain.task.ports()?;
        let space = host().space(&searching.space)?;
        let trainer = host().trainer(&searching.trainer)?;
        let decisions = space.decisions(&ports)?;
        let plain = self.plain.searching(space, searching.seed)?;
        let mut searcher = Searcher::begin(&searching.strategy, decisions, &ports, searching.seed)?;
        let mut left: HashMap<TrialId, Parent> = HashMap::new();
        let mut evaluate = |trial: TrialId, proposal: &Proposal, inherits: bool| {
            let Proposal { point, from, .. } = proposal;
            let parent = from.map(|from| {
                let parent = left.get(&from).cloned();
                parent.ok_or_else(|| Error::new(format!("trial {from} left no weights to inherit")))
            });
            let mut session = plain.candidate(point, parent.transpose()?)?;
            let report = trainer.fit(&mut session)?;
            if inherits {
                let parent = Parent::new(&session.arch()?, session.snapshot("all")?);
                left.insert(trial, parent);
            }
            let mut metrics = measured(&session, Some(&report), "val")?;
            let reported = report.metrics.iter();
            metrics.extend(reported.map(|(name, value)| (format!("train.{name}"), *value)));
            Ok(metrics)
        };
        let mut seen = vec![];
        for trial in 0..u64::try_from(searching.trials)? {
            let Some(proposal) = searcher.ask(1, &plain)?.pop() else {
                break;
            };
            let inherits = searcher.inherits();
            let trial = TrialId(trial);
            let outcome = match caught(|| evaluate(trial, &proposal, inherits)) {
                Ok(metrics) => Outcome::Done(metrics),
                Err(error) => Outcome::Failed(error),
            };
            let observation = Observation::of(trial, &proposal, outcome);
            searcher.tell(std::slice::from_ref(&observation), &plain)?;
            seen.push(observation);
        }
        Ok(seen)
    }
}
