//! How long a run will take, by one that was made before.

use std::path::Path;

use pleach::experiment::{Experiment, Verb};
use pleach::journal::Journal;
use pleach::run::Run;
use pleach::study::jobs;
use plugin_api_data::{Error, Named};
use statrs::statistics::{Data, OrderStatistics};

/// How long it will take.
pub(super) struct Estimate {
    /// The name of the run before.
    pub(super) by: String,
    /// Wall-clock seconds by stage, of those that it has come to.
    pub(super) seconds: Named<f64>,
}

impl Estimate {
    /// By the newest of the runs `STEM-N` that knows something; `at_once` is how much work runs at once, where a person
    /// says so.
    pub(super) fn of(
        experiment: &Experiment,
        (runs, stem): (&Path, &str),
        at_once: Option<usize>,
    ) -> Option<Self> {
        let mut earlier: Vec<(u64, Run)> = { runs.read_dir().ok()?.flatten() }
            .filter_map(|entry| {
                let name = entry.file_name().into_string().ok()?;
                let number = name.strip_prefix(stem)?.strip_prefix('-')?.parse().ok()?;
                Some((number, Run::look(&entry.path()).ok()?))
            })
            .collect();
        earlier.sort_by_key(|(number, _)| *number);
        let mut newest_first = earlier.into_iter().rev();
        newest_first.find_map(|(number, run)| {
            // One that cannot be read says nothing.
            let of_each = medians(&run).ok()?;
            let of = |stage: &pleach::experiment::Stage| {
                let (works, most) = match &stage.verb {
                    Verb::Search(search) => (search.budget.trials, search.ahead),
                    Verb::Relax(_) => (1, 1),
                    Verb::Steps(..) => (experiment.seeds, experiment.seeds),
                };
                let at_once = at_once.unwrap_or(jobs(experiment, most));
                let seconds = of_each.get(&stage.name)? * works as f64 / at_once as f64;
                Some((stage.name.clone(), seconds))
            };
            let seconds: Named<f64> = experiment.stages.iter().filter_map(of).collect();
            (!seconds.is_empty()).then(|| Estimate {
                by: format!("{stem}-{number}"),
                seconds,
            })
        })
    }
}

/// How long a work of each stage has taken, in seconds.
fn medians(run: &Run) -> Result<Named<f64>, Error> {
    let journal = Journal::look(&run.journal())?;
    let mut medians = Named::new();
    for (index, stage) in run.stages()?.into_iter().enumerate() {
        let entries = journal.entries(index)?.into_iter();
        let seconds: Vec<f64> = { entries.filter_map(|entry| entry.timing) }
            .map(|timing| timing.seconds)
            .collect();
        if !seconds.is_empty() {
            medians.put(&stage.name, Data::new(seconds).median());
        }
    }
    Ok(medians)
}
