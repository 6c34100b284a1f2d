//! What a run keeps of what it reproduces.

use std::fs;
use std::path::Path;

use plugin_api_data::Error;
use serde::{Deserialize, Serialize};

use super::Verdict;
use crate::error::Context;
use crate::files::write_whole;

/// Its name in the folder of a run.
const FILE: &str = "claims.json";

/// What a run reproduces.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Reproduction {
    /// The plugin whose claims it measures.
    pub plugin: String,
    /// The paper that the plugin follows.
    pub paper: String,
    /// Name of the experiment.
    pub experiment: String,
    /// Whether it is the smoke version.
    pub smoke: bool,
    /// How many seeds, where they are other than the experiment's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seeds: Option<u64>,
    /// SHA-256 of the device, of the experiment as it was changed, and of what it finds beside it.
    pub of: String,
    /// The state of the sources from whose folder the plugin was taken, as `git describe` has it; nothing for one that was
    /// installed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub commit: Option<String>,
    /// What came out; nothing before the run is complete.
    #[serde(default)]
    pub verdicts: Vec<Verdict>,
}

impl Reproduction {
    /// What the run in this folder reproduces, if anything.
    ///
    /// # Errors
    /// Where that cannot be read.
    pub fn read(folder: &Path) -> Result<Option<Self>, Error> {
        let path = folder.join(FILE);
        if !path.is_file() {
            return Ok(None);
        }
        let attempt = || format!("cannot read `{}`", path.display());
        let text = fs::read_to_string(&path).context(attempt)?;
        serde_json::from_str(&text).map(Some).context(attempt)
    }

    /// Keeps it in the folder of its run.
    ///
    /// # Errors
    /// Where it cannot be written.
    pub fn write(&self, folder: &Path) -> Result<(), Error> {
        let path = folder.join(FILE);
        let attempt = || format!("cannot write `{}`", path.display());
        let text = serde_json::to_string_pretty(self).context(attempt)?;
        write_whole(&path, text.as_bytes()).context(attempt)
    }
}
