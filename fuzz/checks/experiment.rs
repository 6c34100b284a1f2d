//! An experiment, with the architecture that it may name.

use std::fs;

use pleach::cards::Catalog;
use pleach::experiment::{Source, read};

/// What stands between the experiment and the file `arch.json` beside it.
const ARCH: &str = "\n# arch.json\n";

/// Reads an experiment; one that is accepted means the same once it is resolved and written, and the errors of any
/// other can be shown.
pub fn experiment(bytes: &[u8]) {
    // The program refuses other files before it reads them.
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let (text, arch) = text.split_once(ARCH).unwrap_or((text, ""));
    if !arch.is_empty() {
        fs::write(folder.path().join("arch.json"), arch).unwrap();
    }
    let source = |text: &str| Source {
        path: folder.path().join("e.toml"),
        text: text.into(),
    };
    let card = serde_json::from_str(include_str!("../cards.json")).unwrap();
    let catalog = Catalog::of([card]);
    match read(&source(text), &catalog) {
        Ok(experiment) => {
            let written = experiment.to_toml().unwrap();
            let again = read(&source(&written), &catalog)
                .unwrap_or_else(|refused| panic!("{}\n{written}", refused.render(false)));
            assert_eq!(again, experiment, "{written}");
        }
        Err(refused) => {
            assert!(!refused.diagnostics.is_empty());
            refused.render(true);
        }
    }
}
