//! A file of the user's as a parameter.

use std::ops::Deref;
use std::path::{Path, PathBuf};

use plugin_api::{schemars, serde};

/// A file that is there. Where its path is relative, it begins in the folder in which pleach runs.
#[derive(serde::Deserialize, schemars::JsonSchema)]
#[serde(crate = "plugin_api::serde", try_from = "PathBuf")]
#[schemars(crate = "plugin_api::schemars", inline, with = "String")]
pub(crate) struct OwnFile(PathBuf);

impl TryFrom<PathBuf> for OwnFile {
    type Error = String;

    fn try_from(path: PathBuf) -> Result<Self, String> {
        if path.is_file() {
            return Ok(OwnFile(path));
        }
        let place = match (path.is_relative(), std::env::current_dir()) {
            (true, Ok(folder)) => format!(" in `{}`, where pleach runs", folder.display()),
            _ => String::new(),
        };
        Err(format!("there is no file `{}`{place}", path.display()))
    }
}

impl Deref for OwnFile {
    type Target = Path;
    fn deref(&self) -> &Path {
        &self.0
    }
}
