//! Which weights a complete run keeps, and freeing the space of the others.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use plugin_api_data::Error;
use serde::{Deserialize, Serialize};

use crate::error::Context;
use crate::journal::Journal;
use crate::run::{Outline, Run};
use crate::study::best;

/// Whose weights a run keeps once it is complete.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Keep {
    /// Those of all stages.
    #[default]
    All,
    /// Those of the last stage that has some.
    Last,
    /// Of these the one that is best on `val`.
    Best,
    /// None.
    None,
}

impl Keep {
    /// What an experiment calls each.
    pub const NAMES: [(&str, Keep); 4] = [
        ("all", Keep::All),
        ("last", Keep::Last),
        ("best", Keep::Best),
        ("none", Keep::None),
    ];

    /// The one of this name.
    pub fn of(name: &str) -> Option<Self> {
        let named = Keep::NAMES.iter().find(|(known, _)| *known == name);
        named.map(|(_, keep)| *keep)
    }
}

/// Files of a run that nothing needs any more.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Spare {
    /// Where they are.
    pub files: Vec<PathBuf>,
    /// How large they are together.
    pub bytes: u64,
}

impl Spare {
    /// What a run can do without: where it is complete its checkpoints and the weights that are not to be kept; else the
    /// checkpoints of work that has ended, since the rest is what it goes on from.
    ///
    /// # Errors
    /// Where the run cannot be read.
    pub fn of(run: &Run, keep: Keep) -> Result<Self, Error> {
        let mut spare = Spare::default();
        let stages = run.stages()?;
        let is_complete = run.summary()?.is_some();
        let ended = match is_complete || !run.journal().is_file() {
            true => BTreeSet::new(),
            false => ended(run, &stages)?,
        };
        for file in files(&run.folder().join("checkpoints"))? {
            if is_complete || ended.contains(work(&file)) {
                spare.add(file)?;
            }
        }
        if is_complete && keep != Keep::All {
            let kept = kept(run, &stages, keep)?;
            for file in files(&run.folder().join("weights"))? {
                if is_weights(&file) && !kept.contains(&file) {
                    spare.add(file)?;
                }
            }
        }
        Ok(spare)
    }

    fn add(&mut self, file: PathBuf) -> Result<(), Error> {
        let size =
            fs::metadata(&file).context(|| format!("cannot look at `{}`", file.display()))?;
        self.bytes += size.len();
        self.files.push(file);
        Ok(())
    }

    /// Removes them; `by` says who wanted that, for those who look for weights later. The run must be held.
    ///
    /// # Errors
    /// Where one cannot be removed.
    pub fn remove(&self, run: &Run, by: &str) -> Result<(), Error> {
        if self.files.iter().any(|file| is_weights(file)) {
            run.say_who_removed(by)?;
        }
        for file in &self.files {
            fs::remove_file(file).context(|| format!("cannot remove `{}`", file.display()))?;
        }
        Ok(())
    }
}

/// The files of weights that are to be kept.
fn kept(run: &Run, stages: &[Outline], keep: Keep) -> Result<Vec<PathBuf>, Error> {
    // An analysis hands on what it was given.
    let stages = stages
        .iter()
        .enumerate()
        .filter(|(_, stage)| !stage.is_analysis);
    let journal = Journal::open(&run.journal())?;
    for (index, stage) in stages.rev() {
        let seeds = journal.entries(index)?.into_iter();
        let file = |seed: u64| run.weights(&format!("{}-s{seed}", stage.name));
        let mut there: Vec<(u64, PathBuf)> = seeds
            .map(|trial| (trial.number, file(trial.seed)))
            .filter(|(_, file)| file.is_file())
            .collect();
        if there.is_empty() {
            continue;
        }
        if let (Keep::Best, Some(goal)) = (keep, run.goal()?) {
            let results = journal.results(index)?;
            // Where no seed has a value none is better than the others.
            if let Some((number, ..)) = best(&results, &goal) {
                there.retain(|(of, _)| *of == number);
            }
        }
        return Ok(match keep {
            Keep::None => vec![],
            _ => there.into_iter().map(|(_, file)| file).collect(),
        });
    }
    Ok(vec![])
}

/// The names of the works that have ended.
fn ended(run: &Run, stages: &[Outline]) -> Result<BTreeSet<String>, Error> {
    let journal = Journal::open(&run.journal())?;
    let mut names = BTreeSet::new();
    for (index, stage) in stages.iter().enumerate() {
        for trial in journal.entries(index)? {
            if trial.result.is_some() {
                let name = &stage.name;
                names.insert(match trial.proposal {
                    Some(_) => format!("{name}-t{}", trial.number),
                    None => format!("{name}-s{}", trial.seed),
                });
            }
        }
    }
    Ok(names)
}

/// The files in a folder, by name.
fn files(folder: &Path) -> Result<Vec<PathBuf>, Error> {
    let attempt = || format!("cannot look into `{}`", folder.display());
    let entries = fs::read_dir(folder).context(attempt)?;
    let files = entries.map(|entry| Ok(entry.context(attempt)?.path()));
    let mut files = files.collect::<Result<Vec<_>, Error>>()?;
    files.sort();
    Ok(files)
}

fn is_weights(file: &Path) -> bool {
    let in_weights = file
        .parent()
        .is_some_and(|folder| folder.ends_with("weights"));
    in_weights
        && file
            .extension()
            .is_some_and(|ending| ending == "safetensors")
}

/// The work that a file belongs to.
fn work(file: &Path) -> &str {
    file.file_stem()
        .and_then(|stem| stem.to_str())
        .unwrap_or_default()
}
