//! `pleach schema`.

use clap::Args;
use pleach::cards::Catalog;
use pleach::experiment::editor_schema;
use pleach::worker::Program;

use super::{Failure, Search, print_json};

/// What `--help` says below the options.
const MORE: &str = "\
Editors that know JSON Schema for TOML, such as VS Code with \"Even Better TOML\" or any editor with the language server \
taplo, complete keys and components by it, show what they are, and mark mistakes. It holds the components of the plugins \
that are found; write it anew when these change.

Example:
  pleach schema > pleach.schema.json
and as the first line of an experiment beside it:
  #:schema ./pleach.schema.json";

#[derive(Args)]
#[command(after_long_help = MORE)]
pub(super) struct Schema {
    #[command(flatten)]
    search: Search,
}

impl Schema {
    pub(super) fn run(self) -> Result<(), Failure> {
        let plugins = self.search.find()?;
        let catalog = Catalog::new(&plugins, Some(Program::find()?));
        print_json(&editor_schema(&catalog))
    }
}
