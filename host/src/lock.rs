//! The plugins of a run by name, version and hash, as `plugins.lock` holds them.

use std::fs;
use std::path::{Path, PathBuf};

use plugin_api_data::{Error, Recipe};
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use crate::cards::Catalog;
use crate::data::hash;
use crate::error::Context;
use crate::plugins::Plugin;

/// Its name in the folder of a run.
pub(crate) const LOCK: &str = "plugins.lock";

/// What a run was begun with.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Lock {
    /// SHA-256 of the resolved experiment.
    pub experiment: String,
    /// The files of data that its task names.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub data: Vec<LockedFile>,
    /// Its plugins.
    pub plugin: Vec<Locked>,
}

/// One plugin of a run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Locked {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// SHA-256 of its file.
    pub sha256: String,
    /// Where the file was.
    pub path: PathBuf,
}

/// A file of data.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LockedFile {
    /// As the task names it: where it is relative, seen from the folder in which pleach runs.
    pub path: PathBuf,
    /// SHA-256 of it.
    pub sha256: String,
}

impl Lock {
    /// Reads a lock; of a run's folder, the one in it.
    ///
    /// # Errors
    /// Where it cannot be read.
    pub fn read(path: &Path) -> Result<Self, Error> {
        let inside = path.join(LOCK);
        let path = if path.is_dir() { &inside } else { path };
        let attempt = || format!("cannot read the lock `{}`", path.display());
        toml::from_str(&fs::read_to_string(path).context(attempt)?).context(attempt)
    }

    /// The plugins of these names, as they are now.
    ///
    /// # Errors
    /// Where one of them cannot be used.
    pub(crate) fn plugins(names: &[String], catalog: &Catalog) -> Result<Vec<Locked>, Error> {
        let locked = names.iter().map(|name| {
            let version = catalog.plugin(name)?.version.clone();
            let file = catalog
                .file(name)
                .ok_or_else(|| Error::new(format!("the plugin `{name}` has no file")))?;
            Ok(Locked {
                name: name.clone(),
                version,
                sha256: file.sha256.clone(),
                path: file.path.clone(),
            })
        });
        locked.collect()
    }

    /// The files that a task names: whatever in its parameters is the path of one.
    ///
    /// # Errors
    /// Where one cannot be read.
    pub(crate) fn data(task: &Recipe) -> Result<Vec<LockedFile>, Error> {
        let mut names = vec![];
        task.params
            .values()
            .for_each(|value| texts(value, &mut names));
        let files = names
            .into_iter()
            .map(PathBuf::from)
            .filter(|path| path.is_file());
        let locked = files.map(|path| {
            let sha256 = hash(&path).context(|| format!("cannot read `{}`", path.display()))?;
            Ok(LockedFile { path, sha256 })
        });
        locked.collect()
    }

    /// The files of data that are gone or have changed, each with what it is now.
    pub fn changed_data(&self) -> Vec<String> {
        let changed = self.data.iter().filter_map(|file| {
            let path = file.path.display();
            match hash(&file.path) {
                Ok(now) if now == file.sha256 => None,
                Ok(_) => Some(format!("`{path}` has changed")),
                Err(_) => Some(format!("`{path}` cannot be read")),
            }
        });
        changed.collect()
    }

    /// Refuses other data and plugins than those of the lock: one that has changed or is gone, and one that an experiment
    /// `uses` and the lock does not name.
    ///
    /// # Errors
    /// All differences.
    pub fn check(&self, uses: &[String], found: &[Plugin]) -> Result<(), Error> {
        let nearest = |name: &str| {
            found
                .iter()
                .find(|p| p.shadowed_by.is_none() && p.name() == Some(name))
        };
        let mut differences = self.changed_data();
        for locked in &self.plugin {
            let Locked { name, version, .. } = locked;
            match nearest(name) {
                None => differences.push(format!("`{name}` {version} is gone")),
                Some(now) if now.sha256 != locked.sha256 => differences.push(format!(
                    "`{name}` has changed\n  before  {version} {}\n  now     {}",
                    locked.sha256,
                    identity(now)
                )),
                Some(_) => {}
            }
        }
        for name in uses {
            if !self.plugin.iter().any(|locked| locked.name == *name) {
                let now = nearest(name).map(identity).unwrap_or_default();
                differences.push(format!("`{name}` is not in the lock\n  now     {now}"));
            }
        }
        if differences.is_empty() {
            return Ok(());
        }
        Err(Error::new("plugins or data are not those of the lock")
            .found(differences.join("\n"))
            .help("put the files of the lock back, or run without `--locked`"))
    }
}

/// The texts in a value.
fn texts<'a>(value: &'a Json, all: &mut Vec<&'a str>) {
    match value {
        Json::String(text) => all.push(text),
        Json::Array(values) => values.iter().for_each(|value| texts(value, all)),
        Json::Object(fields) => fields.values().for_each(|value| texts(value, all)),
        _ => {}
    }
}

/// Version and hash of a plugin.
fn identity(plugin: &Plugin) -> String {
    let version = plugin.note.as_ref().map_or("?", |n| n.version.as_str());
    format!("{version} {}", plugin.sha256)
}
