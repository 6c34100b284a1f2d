//! Opening a plugin: it needs nothing that a host lacks, fits, and does nothing but say what it is.

use std::collections::BTreeMap;
use std::env;
use std::ffi::OsString;
use std::fs;
use std::path::PathBuf;

use plugin_api::plugin::Plugin;
use plugin_api::{Error, PluginCard, Result};

use super::{calls::Printed, differs};
use crate::load::Vetted;

pub(super) const ABOUT: &str =
    "the file needs nothing that a host lacks, and opening it changes nothing in the process";

/// In a child: opens the file. What it says of itself is worth having also where opening it did what it must not do.
pub(super) fn opens(file: &Vetted) -> Result<(PluginCard, Result<()>)> {
    let (before, printed) = (Surroundings::now()?, Printed::now()?);
    let card = file.open()?.card()?;
    let quiet = printed.nothing_since("opening the file");
    Ok((
        card,
        quiet.and_then(|()| before.compare(&Surroundings::now()?)),
    ))
}

/// What a library's initializers must leave alone.
struct Surroundings {
    threads: usize,
    folder: PathBuf,
    variables: BTreeMap<OsString, OsString>,
    /// libtorch's.
    compute_threads: i32,
}

impl Surroundings {
    fn now() -> Result<Self> {
        Ok(Surroundings {
            threads: fs::read_dir("/proc/self/task")?.count(),
            folder: env::current_dir()?,
            variables: env::vars_os().collect(),
            compute_threads: tch::get_num_threads(),
        })
    }

    fn compare(&self, now: &Self) -> Result<()> {
        if now.threads != self.threads {
            return Err(Error::new("opening the file starts threads")
                .found(format!("{} more", now.threads - self.threads))
                .help("start them in `forward`, `fit` or `score` only: trials are forked from a process with one thread")
                .into());
        }
        if now.folder != self.folder {
            return Err(differs(
                "opening the file changes the working directory",
                now.folder.display(),
                self.folder.display(),
            ));
        }
        if now.variables != self.variables {
            let changed = |of: &Self| of.variables.clone().into_iter();
            let names: Vec<String> = changed(now)
                .filter(|(name, value)| self.variables.get(name) != Some(value))
                .chain(changed(self).filter(|(name, _)| !now.variables.contains_key(name)))
                .map(|(name, _)| name.to_string_lossy().into_owned())
                .collect();
            return Err(Error::new("opening the file changes the environment")
                .found(names.join(", "))
                .into());
        }
        if now.compute_threads != self.compute_threads {
            return Err(differs(
                "opening the file changes libtorch's number of threads",
                now.compute_threads,
                self.compute_threads,
            ));
        }
        Ok(())
    }
}
