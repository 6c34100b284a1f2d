//! The folder of a run: what it was begun with, and where its results go.

use std::cell::LazyCell;
use std::env;
use std::ffi::OsStr;
use std::fmt;
use std::fs::{self, File, TryLockError};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, SystemTime};

use plugin_api_data::{Arch, Decision, Error, Goal, LIBTORCH, Named};
use serde::{Deserialize, Serialize};

use crate::cards::Catalog;
use crate::error::Context;
use crate::experiment::{Experiment, Origin, Saved, Source, Stage, Verb, arm_name, keep_comments};
use crate::files::write_whole;
use crate::lock::{LOCK, Lock};
use crate::plugins::{self, Plugin};
use crate::summary::{Brief, Summary};

/// The file of what came out of a run.
const SUMMARY: &str = "summary.json";
/// The file of what its task measures.
const GOAL: &str = "goal.json";
/// The file that says who has removed weights.
const REMOVED: &str = "weights/removed.txt";
/// What searches leave open, by their names.
const DECISIONS: &str = "decisions.json";
/// The file that is there while somebody wants whoever works on the run to stop.
const STOP: &str = "stop";
/// How often one looks whether it is there, or whether the run has stopped.
const PAUSE: Duration = Duration::from_millis(100);

/// A run: one that no other process works on, unless it was opened to be looked at.
#[derive(Debug)]
pub struct Run {
    folder: PathBuf,
    /// Held as long as the run is; by who only looks at it, not.
    _hold: Option<Hold>,
}

/// A stage of a run, as far as the run's folder tells without its plugins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outline {
    /// Its name.
    pub name: String,
    /// Whether it looks at what others have made, and makes nothing.
    pub is_analysis: bool,
}

/// Where a run was begun.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Environment {
    /// Version of pleach.
    pub pleach: String,
    /// Operating system and release.
    pub os: String,
    /// Model of the processor.
    pub cpu: String,
    /// Its cores, as many as may be used.
    pub cores: usize,
    /// Version of libtorch.
    pub libtorch: String,
    /// `cpu`, `cuda` or `cuda:N`; a run stays on the device on which it was begun.
    pub device: String,
}

/// How far a run is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Status {
    /// A process works on it.
    Running,
    /// All is done.
    Complete,
    /// `pleach resume` goes on.
    Stopped,
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Status::Running => "running",
            Status::Complete => "complete",
            Status::Stopped => "stopped",
        })
    }
}

impl Run {
    /// Makes the folder of a new run: `STEM-N` with the first `N` that is free. What the experiment names by a file is copied
    /// into it, and the comments in its source are kept. Comes with the experiment as it stands there.
    ///
    /// # Errors
    /// Where it cannot be written.
    pub fn create(
        (runs, stem): (&Path, &str),
        (experiment, source): (&Experiment, &Source),
        plugins: &[String],
        catalog: &Catalog,
        device: &str,
    ) -> Result<(Self, Experiment), Error> {
        let locked = Lock::plugins(plugins, catalog)?;
        let data = Lock::data(&experiment.task)?;
        let folder = claim(runs, stem)?;
        let run = Run {
            _hold: Some(Hold::of(&folder)?),
            folder,
        };
        for name in ["arch", "weights", "checkpoints", "logs"] {
            let path = run.folder.join(name);
            fs::create_dir(&path)
                .context(|| format!("cannot make the folder `{}`", path.display()))?;
        }
        let mut experiment = experiment.clone();
        let from = source.folder();
        for Stage { name, verb } in &mut experiment.stages {
            match verb {
                Verb::Steps(Origin::File(path, arch, weights), _) => {
                    *path = run.keep_arch(name, arch)?;
                    if let Some(weights) = weights {
                        *weights = run.take_in(&from.join(&*weights), name)?;
                    }
                }
                Verb::Steps(Origin::Saved(files), _) => {
                    let one = files.len() == 1;
                    for (number, Saved { path, .. }) in files.iter_mut().enumerate() {
                        let name = match one {
                            true => name.clone(),
                            false => format!("{name}-{number}"),
                        };
                        *path = run.take_in(&from.join(&*path), &name)?;
                    }
                }
                _ => {}
            }
        }
        let text = keep_comments(&experiment.to_toml()?, &source.text);
        let lock = Lock {
            experiment: plugins::sha256(text.as_bytes()),
            data,
            plugin: locked,
        };
        run.write(
            LOCK,
            &toml::to_string(&lock).context(|| "cannot write the lock".into())?,
        )?;
        let environment = Environment::here(device);
        run.write(
            "environment.json",
            &serde_json::to_string_pretty(&environment)
                .context(|| "cannot write the environment".into())?,
        )?;
        // Last: a folder with an experiment is a run that can be resumed.
        run.write("experiment.toml", &text)?;
        Ok((run, experiment))
    }

    /// Removes a run in which nothing has begun, unless a worker has printed why.
    ///
    /// # Errors
    /// Where its folder cannot be removed.
    pub fn give_up(self) -> Result<(), Error> {
        let attempt = || format!("cannot remove `{}`", self.folder.display());
        for log in fs::read_dir(self.logs()).context(attempt)? {
            if log.and_then(|log| log.metadata()).context(attempt)?.len() > 0 {
                return Ok(());
            }
        }
        fs::remove_dir_all(&self.folder).context(attempt)
    }

    /// Opens the folder of a run that was begun before.
    ///
    /// # Errors
    /// Where it is none, or another process works on it.
    pub fn open(folder: &Path) -> Result<Self, Error> {
        let run = Run::look(folder)?;
        Ok(Run {
            _hold: Some(Hold::of(folder)?),
            ..run
        })
    }

    /// Opens the folder of a run to read in it, whoever works on it.
    ///
    /// # Errors
    /// Where it is none.
    pub fn look(folder: &Path) -> Result<Self, Error> {
        if !folder.join("experiment.toml").is_file() {
            return Err(
                Error::new(format!("`{}` is not the folder of a run", folder.display()))
                    .help("`pleach run` prints the folder that it makes, such as runs/first-1"),
            );
        }
        Ok(Run {
            _hold: None,
            folder: folder.into(),
        })
    }

    /// Whether a process works on it.
    ///
    /// # Errors
    /// Where that cannot be found out.
    pub fn is_worked_on(&self) -> Result<bool, Error> {
        let attempt = || format!("cannot look at `{}`", self.folder.display());
        match File::open(&self.folder).context(attempt)?.try_lock() {
            Ok(()) => Ok(false),
            Err(TryLockError::WouldBlock) => Ok(true),
            Err(TryLockError::Error(e)) => Err(e).context(attempt),
        }
    }

    /// Has whoever works on it stop in good order, on whichever machine, and waits until that has happened. `false` where
    /// nobody works on it.
    ///
    /// # Errors
    /// Where its folder cannot be written.
    pub fn stop(&self) -> Result<bool, Error> {
        let mut had_to = false;
        while self.is_worked_on()? {
            had_to = true;
            // Again where it is gone: a process that was about to begin took it for one that an earlier process was to see.
            if !self.folder.join(STOP).exists() {
                self.write(STOP, "")?;
            }
            thread::sleep(PAUSE);
        }
        if had_to {
            // A process that was killed has left it.
            remove(&self.folder.join(STOP))?;
        }
        Ok(had_to)
    }

    /// Sets `stop` as soon as somebody has this process stop; for whoever holds the run.
    pub fn watch(&self, stop: &Arc<AtomicBool>) {
        let (file, stop) = (self.folder.join(STOP), Arc::clone(stop));
        thread::spawn(move || {
            while !file.exists() {
                thread::sleep(PAUSE);
            }
            stop.store(true, Ordering::Relaxed);
        });
    }

    /// How far it is. Who holds the run asks [`Run::is_complete`] alone.
    ///
    /// # Errors
    /// Where that cannot be found out.
    pub fn status(&self) -> Result<Status, Error> {
        let is_held_elsewhere = self._hold.is_none() && self.is_worked_on()?;
        Ok(match (is_held_elsewhere, self.is_complete()) {
            (true, _) => Status::Running,
            (false, true) => Status::Complete,
            (false, false) => Status::Stopped,
        })
    }

    /// When it was begun.
    ///
    /// # Errors
    /// Where that cannot be found out.
    pub fn begun(&self) -> Result<SystemTime, Error> {
        let path = self.folder.join("experiment.toml");
        let modified = fs::metadata(&path).and_then(|meta| meta.modified());
        modified.context(|| format!("cannot look at `{}`", path.display()))
    }

    /// Where it is.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The journal's file.
    pub fn journal(&self) -> PathBuf {
        self.folder.join("journal.sqlite")
    }

    /// The folder of what workers and their children print.
    pub fn logs(&self) -> PathBuf {
        self.folder.join("logs")
    }

    /// The file of the weights of this work.
    pub fn weights(&self, work: &str) -> PathBuf {
        self.folder
            .join("weights")
            .join(format!("{work}.safetensors"))
    }

    /// The file from which this work goes on where it was killed.
    pub fn checkpoint(&self, work: &str) -> PathBuf {
        self.folder
            .join("checkpoints")
            .join(format!("{work}.safetensors"))
    }

    /// Keeps the architecture that a stage begins with or has found; says where, seen from the run's folder.
    ///
    /// # Errors
    /// Where it cannot be written.
    pub fn keep_arch(&self, stage: &str, arch: &Arch) -> Result<PathBuf, Error> {
        let path = Path::new("arch").join(format!("{stage}.json"));
        let text =
            serde_json::to_string_pretty(arch).context(|| "cannot write an architecture".into())?;
        self.write(&path, &text)?;
        Ok(path)
    }

    /// Copies a file of weights, so that the run needs no other; says where it lies, seen from the run's folder.
    fn take_in(&self, file: &Path, name: &str) -> Result<PathBuf, Error> {
        let path = Path::new("arch").join(format!("{name}.safetensors"));
        fs::copy(file, self.folder.join(&path))
            .context(|| format!("cannot copy `{}` into the run", file.display()))?;
        Ok(path)
    }

    /// Removes what work that has ended would have gone on from.
    ///
    /// # Errors
    /// Where it is there and cannot be removed.
    pub fn forget_checkpoint(&self, work: &str) -> Result<(), Error> {
        remove(&self.checkpoint(work))
    }

    /// Removes the weights of the trials of this search.
    ///
    /// # Errors
    /// Where they are there and cannot be removed.
    pub fn forget_trials(&self, search: &str) -> Result<(), Error> {
        let folder = self.folder.join("weights");
        let attempt = || format!("cannot look into `{}`", folder.display());
        for entry in fs::read_dir(&folder).context(attempt)? {
            let path = entry.context(attempt)?.path();
            let work = path.file_stem().and_then(OsStr::to_str).unwrap_or_default();
            let trial = work.strip_prefix(search).and_then(|w| w.strip_prefix("-t"));
            if trial.is_some_and(|n| n.parse::<u64>().is_ok()) {
                remove(&path)?;
            }
        }
        Ok(())
    }

    /// The resolved experiment as text.
    ///
    /// # Errors
    /// Where it cannot be read.
    pub fn source(&self) -> Result<Source, Error> {
        let path = self.folder.join("experiment.toml");
        let text = self.read("experiment.toml")?;
        Ok(Source { path, text })
    }

    /// Its stages, in order, for whoever needs nothing else of the experiment, and so no plugin.
    ///
    /// # Errors
    /// Where the experiment cannot be read.
    pub fn stages(&self) -> Result<Vec<Outline>, Error> {
        #[derive(Deserialize)]
        struct Stages {
            stage: Vec<Fields>,
        }
        #[derive(Deserialize)]
        struct Fields {
            name: String,
            #[serde(default)]
            arms: toml::Table,
            analyse: Option<toml::Value>,
        }
        let attempt = || format!("cannot read the experiment of `{}`", self.folder.display());
        let stages: Stages = toml::from_str(&self.read("experiment.toml")?).context(attempt)?;
        let outlines = |stage: Fields| {
            let arms = stage.arms.keys();
            let arms: Vec<String> = arms.map(|arm| arm_name(&stage.name, arm)).collect();
            let names = if arms.is_empty() {
                vec![stage.name]
            } else {
                arms
            };
            let is_analysis = stage.analyse.is_some();
            let outline = move |name| Outline { name, is_analysis };
            names.into_iter().map(outline)
        };
        Ok(stages.stage.into_iter().flat_map(outlines).collect())
    }

    /// Writes down who has removed weights of it.
    ///
    /// # Errors
    /// Where that cannot be written.
    pub fn say_who_removed(&self, by: &str) -> Result<(), Error> {
        self.write(REMOVED, by)
    }

    /// Who has removed weights of it, where somebody has.
    pub fn who_removed(&self) -> Option<String> {
        self.read(REMOVED).ok()
    }

    /// Keeps the task's main metric, which only the task knows.
    ///
    /// # Errors
    /// Where it cannot be written.
    pub fn keep_goal(&self, goal: &Goal) -> Result<(), Error> {
        let text = serde_json::to_string_pretty(goal)
            .context(|| "cannot write the task's main metric".into())?;
        self.write(GOAL, &text)
    }

    /// The task's main metric; nothing where the task was not made yet.
    ///
    /// # Errors
    /// Where that cannot be read.
    pub fn goal(&self) -> Result<Option<Goal>, Error> {
        if !self.folder.join(GOAL).is_file() {
            return Ok(None);
        }
        let attempt = || format!("cannot read what `{}` measures", self.folder.display());
        serde_json::from_str(&self.read(GOAL)?)
            .map(Some)
            .context(attempt)
    }

    /// Keeps what a search leaves open, by which people read its points.
    ///
    /// # Errors
    /// Where it cannot be written.
    pub fn keep_decisions(&self, search: &str, decisions: &[Decision]) -> Result<(), Error> {
        let mut all = self.all_decisions()?;
        all.put(search, decisions.to_vec());
        let text = serde_json::to_string(&all)
            .context(|| "cannot write what a search leaves open".into())?;
        self.write(DECISIONS, &text)
    }

    /// What a search leaves open; nothing where it has not begun.
    ///
    /// # Errors
    /// Where that cannot be read.
    pub fn decisions(&self, search: &str) -> Result<Vec<Decision>, Error> {
        let mut all = self.all_decisions()?;
        Ok(all.remove(search).unwrap_or_default())
    }

    fn all_decisions(&self) -> Result<Named<Vec<Decision>>, Error> {
        if !self.folder.join(DECISIONS).is_file() {
            return Ok(Named::new());
        }
        let attempt = || {
            let run = self.folder.display();
            format!("cannot read what searches of `{run}` leave open")
        };
        serde_json::from_str(&self.read(DECISIONS)?).context(attempt)
    }

    /// Keeps what came out of it: the run is complete.
    ///
    /// # Errors
    /// Where it cannot be written.
    pub fn complete(&self, summary: &Summary) -> Result<(), Error> {
        let text = serde_json::to_string_pretty(summary)
            .context(|| "cannot write what came out".into())?;
        self.write(SUMMARY, &text)
    }

    /// Whether what came out of it is there.
    pub fn is_complete(&self) -> bool {
        self.folder.join(SUMMARY).is_file()
    }

    /// What came out of it, where it is complete.
    ///
    /// # Errors
    /// Where that cannot be read.
    pub fn summary(&self) -> Result<Option<Brief>, Error> {
        if !self.is_complete() {
            return Ok(None);
        }
        let attempt = || format!("cannot read what came out of `{}`", self.folder.display());
        serde_json::from_str(&self.read(SUMMARY)?)
            .map(Some)
            .context(attempt)
    }

    /// Where the run was begun.
    ///
    /// # Errors
    /// Where that cannot be read.
    pub fn environment(&self) -> Result<Environment, Error> {
        serde_json::from_str(&self.read("environment.json")?)
            .context(|| "cannot read the run's environment".into())
    }

    /// Refuses to go on where the data that the task was made of are not what they were: scales and the order of classes
    /// follow from them.
    ///
    /// # Errors
    /// Where a file of them is gone or has changed since; all of these are named.
    pub fn check_data(&self) -> Result<(), Error> {
        let changed = Lock::read(&self.folder)?.changed_data();
        if changed.is_empty() {
            return Ok(());
        }
        Err(Error::new("the run was begun with other data")
            .found(changed.join("\n"))
            .help("put the old files back, where they were seen from the folder in which pleach ran; or begin a new run"))
    }

    /// The plugins of the run, unchanged, for the experiment, unchanged. Such a file is taken from where it was, else from
    /// wherever plugins are found.
    ///
    /// # Errors
    /// Where one of them is gone or has changed since; all of these are named.
    pub fn plugins(&self) -> Result<Vec<Plugin>, Error> {
        let lock = Lock::read(&self.folder)?;
        let mut differences = vec![];
        let mut found = vec![];
        if plugins::sha256(self.read("experiment.toml")?.as_bytes()) != lock.experiment {
            differences.push("experiment.toml has changed".into());
        }
        // Only where it is needed: they are all read for it.
        let elsewhere = LazyCell::new(|| plugins::find(&plugins::folders(&[])).unwrap_or_default());
        for locked in lock.plugin {
            let (name, path) = (&locked.name, locked.path.display());
            let at = plugins::at(&locked.path);
            let was_there = at.is_some();
            let is_it = |plugin: &Plugin| plugin.sha256 == locked.sha256;
            match at
                .filter(is_it)
                .or_else(|| elsewhere.iter().find(|p| is_it(p)).cloned())
            {
                Some(plugin) => found.push(plugin),
                None if was_there => differences.push(format!("`{name}` has changed: {path}")),
                None => differences.push(format!("`{name}` is gone: {path}")),
            }
        }
        if differences.is_empty() {
            return Ok(found);
        }
        Err(Error::new("the run was begun with other files")
            .found(differences.join("\n"))
            .help("put the old files back, or begin a new run"))
    }

    fn read(&self, name: &str) -> Result<String, Error> {
        let path = self.folder.join(name);
        fs::read_to_string(&path).context(|| format!("cannot read `{}`", path.display()))
    }

    fn write(&self, name: impl AsRef<Path>, text: &str) -> Result<(), Error> {
        let path = self.folder.join(name);
        write_whole(&path, text.as_bytes()).context(|| format!("cannot write `{}`", path.display()))
    }
}

/// Removes a file, if it is there.
fn remove(path: &Path) -> Result<(), Error> {
    match fs::remove_file(path) {
        // A file system that is read-only refuses before it looks.
        Err(_) if !path.exists() => Ok(()),
        removed => removed.context(|| format!("cannot remove `{}`", path.display())),
    }
}

/// Makes the first folder that is free; who makes it has it.
fn claim(runs: &Path, stem: &str) -> Result<PathBuf, Error> {
    let attempt = || format!("cannot make a folder in `{}`", runs.display());
    fs::create_dir_all(runs).context(attempt)?;
    for n in 1_u64.. {
        let folder = runs.join(format!("{stem}-{n}"));
        match fs::create_dir(&folder) {
            Ok(()) => return folder.canonicalize().context(attempt),
            Err(e) if e.kind() == ErrorKind::AlreadyExists => {}
            failed => failed.context(attempt)?,
        }
    }
    unreachable!("there are more numbers than folders")
}

/// A folder that is locked for as long as this is held; the system unlocks it when the process ends, however that happens.
#[derive(Debug)]
struct Hold {
    _lock: File,
    stop: PathBuf,
}

impl Hold {
    fn of(folder: &Path) -> Result<Self, Error> {
        let attempt = || format!("cannot lock `{}`", folder.display());
        let lock = File::open(folder).context(attempt)?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let what = format!(
                    "another process is working on the run `{}`",
                    folder.display()
                );
                let help = format!(
                    "wait until it ends, or stop it: pleach stop {}",
                    folder.display()
                );
                return Err(Error::new(what).help(help));
            }
            Err(TryLockError::Error(e)) => return Err(e).context(attempt),
        }
        let stop = folder.join(STOP);
        // It meant another process, which is gone.
        remove(&stop)?;
        Ok(Hold { _lock: lock, stop })
    }
}

impl Drop for Hold {
    /// What was wanted is done. The lock goes after this, so that nobody takes it for wanted of the next process.
    fn drop(&mut self) {
        // One that stays is removed by whoever holds the run next.
        let _ = fs::remove_file(&self.stop);
    }
}

impl Environment {
    fn here(device: &str) -> Self {
        let uname = rustix::system::uname();
        let cpuinfo = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
        let model = cpuinfo.lines().find_map(|line| {
            line.strip_prefix("model name")?
                .split_once(": ")
                .map(|(_, model)| model)
        });
        Environment {
            pleach: env!("CARGO_PKG_VERSION").into(),
            os: format!(
                "{} {} {}",
                env::consts::OS,
                uname.release().to_string_lossy(),
                env::consts::ARCH
            ),
            cpu: model.unwrap_or("unknown").into(),
            cores: cores(),
            // Plugins for another version were refused, and so is a worker that loads another one.
            libtorch: LIBTORCH.into(),
            device: device.into(),
        }
    }
}

/// Cores that may be used.
pub fn cores() -> usize {
    thread::available_parallelism().map_or(1, usize::from)
}
