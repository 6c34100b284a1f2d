//! What the tests share: the programs as cargo built them, experiments in folders of their own, and journals.

use std::env;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use pleach::protocol::PluginFile;
use tempfile::TempDir;

/// The root of the repository.
pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("tests/ stands in the root")
}

/// The folder into which cargo puts programs and plugins, beside which the tests stand.
pub fn built() -> PathBuf {
    let test = env::current_exe().expect("a test has a path");
    test.ancestors()
        .nth(2)
        .expect("a test stands in target/PROFILE/deps")
        .into()
}

/// The file of a plugin that cargo built.
///
/// # Panics
/// Where it was not built.
pub fn plugin(name: &str) -> PluginFile {
    file(&built().join(format!("lib{name}.so")))
}

/// The same of a plugin that is built as an example, to be kept apart from the others: `faulty`, and all of `tests/wrong`.
///
/// # Panics
/// Where it was not built.
pub fn example(name: &str) -> PluginFile {
    file(&built().join(format!("examples/lib{name}.so")))
}

/// The plugin in this file, by its path and hash.
///
/// # Panics
/// Where there is no such file.
pub fn file(path: &Path) -> PluginFile {
    let plugin = pleach::plugins::at(path);
    plugin
        .unwrap_or_else(|| {
            panic!(
                "{} is not there: `cargo xtask build` makes it",
                path.display()
            )
        })
        .file()
}

/// The bytes of a plugin's file with `from` replaced by `to` wherever it stands, which keeps every place in the file.
///
/// # Panics
/// Where it stands nowhere, or the lengths differ.
pub fn patched(file: &PluginFile, from: &str, to: &str) -> Vec<u8> {
    assert_eq!(from.len(), to.len(), "`{from}` and `{to}`");
    let mut bytes = std::fs::read(&file.path).expect("a plugin");
    let places: Vec<usize> = memchr::memmem::find_iter(&bytes, from).collect();
    assert!(
        !places.is_empty(),
        "{} holds no `{from}`",
        file.path.display()
    );
    for at in places {
        bytes[at..at + to.len()].copy_from_slice(to.as_bytes());
    }
    bytes
}

/// A folder with an experiment, in which `pleach` is run.
pub struct Place {
    /// Everything is in here, and goes with it.
    pub folder: TempDir,
}

impl Place {
    /// A folder with this experiment as `experiment.toml`.
    ///
    /// # Panics
    /// Where it cannot be written.
    pub fn new(experiment: &str) -> Self {
        let folder = TempDir::new().expect("a folder for the test");
        std::fs::write(folder.path().join("experiment.toml"), experiment)
            .expect("an experiment for the test");
        Place { folder }
    }

    /// The same with the faulty plugin in its folder `plugins`: cargo keeps that one apart from the others.
    ///
    /// # Panics
    /// Where it was not built.
    pub fn with_faulty(self) -> Self {
        let bytes = std::fs::read(example("faulty").path).expect("`cargo xtask test` builds it");
        self.with_plugin("faulty", &bytes)
    }

    /// The same with these bytes as the file of a plugin in its folder `plugins`.
    ///
    /// # Panics
    /// Where they cannot be written.
    pub fn with_plugin(self, name: &str, bytes: &[u8]) -> Self {
        let plugins = self.folder.path().join("plugins");
        std::fs::create_dir_all(&plugins).expect("a folder for a plugin");
        std::fs::write(plugins.join(format!("lib{name}.so")), bytes).expect("a plugin");
        self
    }

    /// `pleach` with these arguments, in this folder, with nothing of the user's own.
    pub fn pleach(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(built().join("pleach"));
        command
            .args(arguments)
            .current_dir(self.folder.path())
            .env("NO_COLOR", "1")
            .env_remove("PLEACH_PLUGINS")
            .env_remove("PLEACH_LOG");
        command.env("XDG_DATA_HOME", self.folder.path().join("data"));
        command
    }

    /// Runs the experiment to its end, and returns the folder of the run.
    ///
    /// # Panics
    /// Where it fails.
    pub fn run(&self, arguments: &[&str]) -> PathBuf {
        let output = self
            .pleach(&[&["run", "experiment.toml"], arguments].concat())
            .output()
            .expect("pleach can be started");
        assert!(output.status.success(), "{}", both(&output));
        self.folder.path().join("runs/experiment-1")
    }
}

/// Takes away what cargo has told this test, so that a cargo below it is as one that a person starts. Build scripts that
/// look at such variables would run anew there, and again at the next build here.
pub fn as_typed(command: &mut Command) -> &mut Command {
    let told = [
        "CARGO_PKG_",
        "CARGO_MANIFEST_",
        "CARGO_CRATE_",
        "CARGO_BIN_",
        "OUT_DIR",
    ];
    for (variable, _) in env::vars_os() {
        let name = variable.to_string_lossy();
        if told.iter().any(|prefix| name.starts_with(prefix)) {
            command.env_remove(&variable);
        }
    }
    command
}

/// All that a program printed.
pub fn both(output: &Output) -> String {
    format!(
        "{}\n{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    )
}

/// The journal of a run as text, without what clocks and processes leave in it.
///
/// # Panics
/// Where it cannot be read.
pub fn journal(run: &Path) -> Vec<String> {
    let db = rusqlite::Connection::open(run.join("journal.sqlite")).expect("a journal");
    let mut rows = db.prepare("SELECT stage, number, seed, proposal, outcome, result FROM trial ORDER BY stage, number").expect("the table of trials");
    let text = |row: &rusqlite::Row<'_>| {
        let columns: Result<Vec<rusqlite::types::Value>, _> = (0..6).map(|i| row.get(i)).collect();
        columns.map(|c| format!("{c:?}"))
    };
    rows.query_map([], text)
        .expect("trials")
        .collect::<Result<_, _>>()
        .expect("trials that can be read")
}

/// The bytes of all weights of a run, by file name.
///
/// # Panics
/// Where they cannot be read.
pub fn weights(run: &Path) -> Vec<(String, Vec<u8>)> {
    let folder = std::fs::read_dir(run.join("weights")).expect("weights");
    let mut files: Vec<_> = folder.map(|f| f.expect("a file").path()).collect();
    files.retain(|f| f.extension().is_some_and(|e| e == "safetensors"));
    files.sort();
    files
        .iter()
        .map(|f| {
            (
                f.file_name()
                    .expect("a name")
                    .to_string_lossy()
                    .into_owned(),
                std::fs::read(f).expect("weights"),
            )
        })
        .collect()
}

/// A small study with layers of four files: a search in which some trials crash, one that is prescreened, then training,
/// pruning and training for two seeds.
pub const STUDY: &str = r#"
task  = { use = "baselines/digits-graph" }
seeds = 2

[[stage]]
name   = "unlucky"
search = "baselines/random"
space  = { use = "baselines/gnn", depth = 1, widths = [16], layers = ["baselines/gcn", { use = "faulty/faulty", how = "stack" }] }
each   = [{ train = { use = "baselines/backprop", epochs = 2 } }]
budget = 4
ahead  = 2

[[stage]]
name   = "search"
search = { use = "baselines/prescreen", inner = { use = "baselines/random" }, scorers = ["baselines/grad-norm"], of = 2 }
space  = { use = "baselines/gnn", depth = 1, widths = [16], layers = ["baselines/gcn", { use = "dgmlp/propagation", hops = 2 }, "mixhop/mixhop"] }
each   = [{ train = { use = "baselines/backprop", epochs = 5 } }]
budget = 6
ahead  = 3

[[stage]]
name  = "found"
train = { use = "baselines/backprop", epochs = 10 }

[[stage]]
name     = "pruned"
prune    = { use = "baselines/magnitude" }
sparsity = 0.5

[[stage]]
name  = "tuned"
train = { use = "baselines/backprop", epochs = 5 }
"#;
