//! Files and folders of the user's as parameters, which are there when they are read. Where a path is relative, it begins in
//! the folder in which pleach runs.

use std::fs;
use std::ops::Deref;
use std::path::{Path, PathBuf};

use plugin_api::prelude::*;
use plugin_api::{schemars, serde};

/// A file that is there. Where its path is relative, it begins in the folder in which pleach runs.
#[derive(serde::Deserialize, schemars::JsonSchema)]
#[serde(crate = "plugin_api::serde", try_from = "PathBuf")]
#[schemars(crate = "plugin_api::schemars", inline, with = "String")]
pub(crate) struct OwnFile(PathBuf);

impl TryFrom<PathBuf> for OwnFile {
    type Error = String;

    fn try_from(path: PathBuf) -> Result<Self, String> {
        match path.is_file() {
            true => Ok(OwnFile(path)),
            false => Err(missing("file", &path)),
        }
    }
}

impl Deref for OwnFile {
    type Target = Path;
    fn deref(&self) -> &Path {
        &self.0
    }
}

/// A folder that is there. Where its path is relative, it begins in the folder in which pleach runs.
#[derive(serde::Deserialize, schemars::JsonSchema)]
#[serde(crate = "plugin_api::serde", try_from = "PathBuf")]
#[schemars(crate = "plugin_api::schemars", inline, with = "String")]
pub(crate) struct OwnFolder(PathBuf);

impl TryFrom<PathBuf> for OwnFolder {
    type Error = String;

    fn try_from(path: PathBuf) -> Result<Self, String> {
        match path.is_dir() {
            true => Ok(OwnFolder(path)),
            false => Err(missing("folder", &path)),
        }
    }
}

impl Deref for OwnFolder {
    type Target = Path;
    fn deref(&self) -> &Path {
        &self.0
    }
}

fn missing(what: &str, path: &Path) -> String {
    let place = match (path.is_relative(), std::env::current_dir()) {
        (true, Ok(folder)) => format!(" in `{}`, where pleach runs", folder.display()),
        _ => String::new(),
    };
    format!("there is no {what} `{}`{place}", path.display())
}

/// What stands in a folder, by name, without what is hidden.
pub(crate) fn entries(folder: &Path) -> Result<Vec<PathBuf>> {
    let attempt = || format!("cannot read the folder `{}`", folder.display());
    let mut paths = vec![];
    for entry in fs::read_dir(folder).with_context(attempt)? {
        let entry = entry.with_context(attempt)?;
        if !entry.file_name().as_encoded_bytes().starts_with(b".") {
            paths.push(entry.path());
        }
    }
    paths.sort();
    Ok(paths)
}

/// The last part of a path, as people read it.
pub(crate) fn name(path: &Path) -> String {
    let name = path.file_name().unwrap_or_default();
    name.to_string_lossy().into_owned()
}
