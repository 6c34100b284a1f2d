//! Stages other than searches: one step, once for each seed.

use std::collections::BTreeMap;

use plugin_api_data::{Arch, Error};

use super::{Event, Halt, Handed, Study};
use crate::experiment::Origin;
use crate::journal::Key;
use crate::protocol::{Done, Step, Subject, Work};

impl Study<'_> {
    /// Runs a step for each seed; hands on architectures, and the names of the work whose weights were saved.
    pub(super) fn step(
        &mut self,
        stage: usize,
        name: &str,
        origin: &Origin,
        step: &Step,
        handed: &[Handed],
    ) -> Result<Vec<(Arch, String)>, Halt> {
        let seeds = self.experiment.seeds;
        let mut done: BTreeMap<u64, Done> = BTreeMap::new();
        for (number, result) in self.journal.results(stage)? {
            done.insert(number, result?);
        }
        (self.watch)(Event::Stage {
            name,
            works: seeds,
            done: done.len() as u64,
        });
        self.set_jobs(seeds);
        let key = |number| Key {
            stage,
            number,
            seed: self.experiment.seed + number,
        };
        let work_name = |number| format!("{name}-s{}", key(number).seed);
        let open: Vec<u64> = (0..seeds)
            .filter(|number| !done.contains_key(number))
            .collect();
        for &number in &open {
            let work = Work {
                subject: self.subject(origin, number, handed),
                steps: vec![step.clone()],
                seed: key(number).seed,
                evaluate: vec!["val".into(), "test".into()],
                save: Some(self.run.weights(&work_name(number))),
                limits: self.experiment.limits,
            };
            self.pool.submit(number, work_name(number), work);
        }
        let mut failures = vec![];
        for _ in &open {
            let ended = self.pool.next()?;
            self.tell_watcher(&ended);
            // A failure is not written down: whoever resumes wants it tried again.
            if ended.result.is_ok() {
                self.record(key(ended.number), &ended)?;
            }
            match ended.result {
                Ok(result) => drop(done.insert(ended.number, result)),
                Err(error) => failures.push(format!("{}: {error}", ended.name)),
            }
        }
        if failures.is_empty() {
            return Ok(done
                .into_iter()
                .map(|(number, done)| (done.arch, work_name(number)))
                .collect());
        }
        // In the order of the seeds, whichever ended first.
        failures.sort();
        Err(Error::new(format!(
            "the stage `{name}` failed for {} of {seeds} seeds",
            failures.len()
        ))
        .found(failures.join("\n"))
        .into())
    }

    fn subject(&self, origin: &Origin, number: u64, handed: &[Handed]) -> Subject {
        match origin {
            Origin::File(_, arch) => Subject::Arch((**arch).clone()),
            Origin::Point(space, point) => Subject::Values(space.clone(), point.clone()),
            Origin::Stage(from) => {
                let index = self
                    .experiment
                    .stages
                    .iter()
                    .position(|s| s.name == *from)
                    .expect("resolving has found it");
                handed[index].subject(number as usize, self.run)
            }
        }
    }
}
