//! Stages other than searches: one step, once for each seed.

use std::collections::BTreeMap;

use plugin_api_data::{Arch, Error};

use super::{Event, Halt, Handed, Handing, Study};
use crate::experiment::{Origin, Relax, Stage, Verb};
use crate::journal::Key;
use crate::protocol::{Done, OnBench, Step, Subject, Work};

impl Study<'_> {
    /// Runs the steps of a stage for each seed.
    pub(super) fn steps(
        &mut self,
        index: usize,
        stage: &Stage,
        (origin, steps): (&Origin, &[Step]),
        handed: &[Handed],
    ) -> Result<Vec<Handing>, Halt> {
        // An analysis hands on what it was given, which was evaluated there.
        let splits: &[&str] = match stage.is_analysis() {
            true => &[],
            false => &["val", "test"],
        };
        let work = |study: &Self, number: u64, work: &str| {
            let subject = study.subject(origin, number, handed);
            let seed = study.experiment.seed + number;
            Work {
                steps: steps.to_vec(),
                evaluate: splits.iter().map(ToString::to_string).collect(),
                save: Some(study.run.weights(work)),
                bench: study.bench(steps, number, handed),
                checkpoint: study.checkpoint(work),
                ..Work::new(work.into(), subject, seed, study.experiment.limits)
            }
        };
        self.works(index, &stage.name, self.experiment.seeds, work)
    }

    /// Has a relaxation choose an architecture, as every search with the first seed.
    pub(super) fn relax(&mut self, stage: usize, name: &str, relax: &Relax) -> Result<Arch, Halt> {
        let work = |study: &Self, _, work: &str| {
            let subject = Subject::Supernet(relax.space.clone());
            let (seed, limits) = (study.experiment.seed, study.experiment.limits);
            Work {
                steps: vec![Step::Relax {
                    relaxation: relax.relaxation.clone(),
                    space: relax.space.clone(),
                    steps: relax.steps,
                }],
                checkpoint: study.checkpoint(work),
                ..Work::new(work.into(), subject, seed, limits)
            }
        };
        let mut works = self.works(stage, name, 1, work)?;
        Ok(works.remove(0).done.arch)
    }

    /// Does the work of so many seeds that the journal does not hold yet.
    fn works(
        &mut self,
        stage: usize,
        name: &str,
        seeds: u64,
        work: impl Fn(&Self, u64, &str) -> Work,
    ) -> Result<Vec<Handing>, Halt> {
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
        self.pool.batch = 1;
        let first = self.experiment.seed;
        let key = |number| Key {
            stage,
            number,
            seed: first + number,
        };
        let work_name = |number| format!("{name}-s{}", key(number).seed);
        let open: Vec<u64> = (0..seeds)
            .filter(|number| !done.contains_key(number))
            .collect();
        for &number in &open {
            let work = work(self, number, &work_name(number));
            self.pool.submit(number, work);
        }
        let mut failures = vec![];
        for _ in &open {
            let ended = self.pool.next()?;
            self.tell_watcher(&ended);
            self.run.forget_checkpoint(&ended.name)?;
            // A failure is not written down: whoever resumes wants it tried again.
            if ended.result.is_ok() {
                self.record(&[(key(ended.number), &ended)])?;
            }
            match ended.result {
                Ok(result) => drop(done.insert(ended.number, result)),
                Err(error) => failures.push(format!("{}: {error}", ended.name)),
            }
        }
        if failures.is_empty() {
            let handing = |(number, done)| Handing {
                work: work_name(number),
                done,
            };
            return Ok(done.into_iter().map(handing).collect());
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

    /// Builds the networks of the experiment's own with which later stages begin: one that does not fit the task is better
    /// known before the first stage than behind it. Nothing is kept of it.
    pub(super) fn foresee(&mut self) -> Result<(), Halt> {
        if !self.journal.results(0)?.is_empty() {
            return Ok(());
        }
        let stages = self.experiment.stages.iter().zip(0_u64..).skip(1);
        let mut waiting = 0;
        for (stage, number) in stages {
            if let Verb::Steps(origin, _) = &stage.verb
                && !matches!(origin, Origin::Stage(_))
            {
                let (seed, limits) = (self.experiment.seed, self.experiment.limits);
                let name = format!("{}-s{seed}", stage.name);
                let work = Work::new(name, self.subject(origin, 0, &[]), seed, limits);
                self.pool.submit(number, work);
                waiting += 1;
            }
        }
        (self.pool.jobs, self.pool.batch) = (1, waiting.max(1));
        let mut failed = BTreeMap::new();
        for _ in 0..waiting {
            let ended = self.pool.next()?;
            if let Err(error) = ended.result {
                failed.insert(ended.number, error);
            }
        }
        match failed.pop_first() {
            None => Ok(()),
            Some((number, error)) => {
                let name = &self.experiment.stages[number as usize].name;
                let what = format!("the stage `{name}` cannot begin");
                let help = "correct the experiment, and begin a new run";
                Err(Error::new(what).caused_by(error).help(help).into())
            }
        }
    }

    /// What an analysis looks at.
    fn bench(&self, steps: &[Step], number: u64, handed: &[Handed]) -> Vec<OnBench> {
        let [Step::Analyse { subjects, .. }] = steps else {
            return vec![];
        };
        let on_bench = |name: &String| {
            self.handed(name, handed)
                .on_bench(name, number as usize, self.run)
        };
        subjects.iter().map(on_bench).collect()
    }

    /// What an earlier stage has handed on.
    fn handed<'h>(&self, stage: &str, handed: &'h [Handed]) -> &'h Handed {
        let stages = &self.experiment.stages;
        let index = stages.iter().position(|s| s.name == stage);
        &handed[index.expect("resolving has found it")]
    }

    fn subject(&self, origin: &Origin, number: u64, handed: &[Handed]) -> Subject {
        match origin {
            Origin::File(_, arch, None) => Subject::Arch((**arch).clone()),
            Origin::File(_, arch, Some(weights)) => {
                Subject::Weights((**arch).clone(), self.run.folder().join(weights))
            }
            Origin::Saved(files) => {
                let saved = files.get(number as usize).unwrap_or(&files[0]);
                Subject::Saved(self.run.folder().join(&saved.path))
            }
            Origin::Point(space, point) => Subject::Values(space.clone(), point.clone()),
            Origin::Stage(from) => self.handed(from, handed).subject(number as usize, self.run),
        }
    }
}
