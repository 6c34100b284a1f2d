//! What a strategy was asked and told, and what it proposed: a strategy is what follows from this.
//!
//! It stands in a file without a name, which goes with the process, so that a search of any length takes no more memory than
//! a short one. It is read only where a strategy's worker has died.

use std::fs::File;
use std::io::{BufReader, Seek, SeekFrom};
use std::path::Path;

use plugin_api_data::{Error, Proposal};

use crate::error::Context;
use crate::protocol::{Request, receive, send};

pub(super) struct History(File);

impl History {
    /// One that takes up room in this folder.
    pub(super) fn new(folder: &Path) -> Result<Self, Error> {
        let attempt = || {
            format!(
                "cannot keep what a strategy is asked in `{}`",
                folder.display()
            )
        };
        tempfile::tempfile_in(folder).map(History).context(attempt)
    }

    /// Adds a request, and what came back.
    pub(super) fn push(&mut self, request: &Request, proposals: &[Proposal]) -> Result<(), Error> {
        send(&mut self.0, &(request, proposals))
            .context(|| "cannot keep what a strategy was asked".into())
    }

    /// All of it in order, read one after the other.
    pub(super) fn replay(
        &self,
    ) -> Result<impl Iterator<Item = Result<(Request, Vec<Proposal>), Error>> + use<>, Error> {
        let attempt = || "cannot read what a strategy was asked".to_owned();
        // It shares its place with the file itself, which is at the end again once all is read.
        let mut file = self.0.try_clone().context(attempt)?;
        file.seek(SeekFrom::Start(0)).context(attempt)?;
        let mut from = BufReader::new(file);
        Ok(std::iter::from_fn(move || {
            receive(&mut from).context(attempt).transpose()
        }))
    }
}
