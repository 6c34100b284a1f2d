//! A folder of the user's as a parameter.

use std::fs;
use std::ops::Deref;
use std::path::{Path, PathBuf};

use plugin_api::prelude::*;
use plugin_api::{schemars, serde};

/// A folder that is there. Where its path is relative, it begins in the folder in which pleach runs.
#[derive(serde::Deserialize, schemars::JsonSchema)]
#[serde(crate = "plugin_api::serde", try_from = "PathBuf")]
#[schemars(crate = "plugin_api::schemars", inline, with = "String")]
pub(crate) struct Folder(PathBuf);

impl TryFrom<PathBuf> for Folder {
    type Error = String;

    fn try_from(path: PathBuf) -> Result<Self, String> {
        match path.is_dir() {
            true => Ok(Folder(path)),
            false => Err(format!("there is no folder `{}`", path.display())),
        }
    }
}

impl Deref for Folder {
    type Target = Path;
    fn deref(&self) -> &Path {
        &self.0
    }
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
