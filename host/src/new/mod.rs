//! A plugin's crate, from nothing to something that builds, is tested and runs: what `pleach new` writes.
//!
//! All that is written stands in `host/templates`. A role's component and its tests are two files there; name and summary
//! of the component are read out of the first, so that they stand nowhere else.

mod api;
mod experiment;
mod name;
mod role;

use std::fs;
use std::path::{Path, PathBuf};

use plugin_api_data::{Error, LIBTORCH};

use crate::error::Context;

pub use api::{Api, Checkout, check_built};
pub use name::check as check_name;
pub use role::{Role, role, roles};

/// A crate that is to be made.
pub struct Crate {
    /// Its name, which is the plugin's.
    pub name: String,
    /// What it begins with, a component each.
    pub roles: Vec<&'static Role>,
    /// Where it has the API from.
    pub api: Api,
    /// Where intermediate results of its builds go.
    pub build: PathBuf,
    /// The libtorch that it is built with.
    pub libtorch: PathBuf,
}

impl Crate {
    /// Makes it in `folder`, under its name: whole, or not at all.
    ///
    /// # Errors
    /// Where it is there already, or cannot be written.
    pub fn write(&self, folder: &Path) -> Result<(), Error> {
        let place = folder.join(&self.name);
        let attempt = || format!("cannot make `{}`", place.display());
        let folder = folder.canonicalize().context(attempt)?;
        let beside = tempfile::Builder::new()
            .prefix(&format!(".{}-", self.name))
            .permissions(everybody())
            .tempdir_in(&folder)
            .context(attempt)?;
        for (path, text) in self.files(&folder.join(&self.name)) {
            let path = beside.path().join(path);
            let parent = path.parent().expect("a file lies in a folder");
            fs::create_dir_all(parent)
                .and_then(|()| fs::write(&path, text))
                .context(attempt)?;
        }
        if let Some(lock) = self.api.lock() {
            fs::copy(lock, beside.path().join("Cargo.lock")).context(attempt)?;
        }
        fs::rename(beside.path(), &place).context(attempt)?;
        // What was temporary is in its place now.
        let _ = beside.keep();
        Ok(())
    }

    /// The path of its library, seen from the crate.
    pub fn library(&self) -> PathBuf {
        Path::new("target/debug").join(library(&self.name))
    }

    /// Its files, by their paths in the crate; `place` is where the crate is going to be.
    fn files(&self, place: &Path) -> Vec<(String, String)> {
        let needs_session = self.roles.iter().any(|role| role.needs_session());
        let names: Vec<&str> = self.roles.iter().map(|role| role.name).collect();
        let mut tests = names.clone();
        let mut worker = String::new();
        if needs_session {
            tests.push("session");
            let path = self.api.worker(place);
            worker = fill(
                include_str!("../../templates/worker.toml"),
                &[("path", &path)],
            );
        }
        let values = [
            ("name", self.name.as_str()),
            ("crate", &self.name.replace('-', "_")),
            ("library", &library(&self.name)),
            ("rust", env!("CARGO_PKG_RUST_VERSION")),
            ("version", LIBTORCH),
            ("api", &self.api.plugin_api(place)),
            ("worker", &worker),
            ("build", &quoted(&self.build)),
            ("libtorch", &quoted(&self.libtorch)),
            ("roles", &names.join(", ")),
            ("components", &self.table()),
            ("modules", &modules(names)),
            ("tests", &modules(tests)),
            (
                "experiment",
                &experiment::experiment(&self.name, &self.roles),
            ),
        ];
        let mut files: Vec<(String, String)> = FILES
            .iter()
            .map(|(path, template)| (path.to_string(), fill(template, &values)))
            .collect();
        for role in &self.roles {
            files.push((format!("src/{}.rs", role.name), role.source.into()));
            files.push((
                format!("tests/components/{}.rs", role.name),
                role.tests.into(),
            ));
        }
        if needs_session {
            let session = include_str!("../../templates/tests/session.rs");
            files.push(("tests/components/session.rs".into(), session.into()));
        }
        files
    }

    /// The rows of its components in its README.
    fn table(&self) -> String {
        let row = |role: &&Role| {
            let summary = role.summary().replace('|', "\\|");
            format!("| `{}` | {} | {summary} |", role.component(), role.name)
        };
        self.roles.iter().map(row).collect::<Vec<_>>().join("\n")
    }
}

/// What every crate has, with placeholders.
const FILES: [(&str, &str); 8] = [
    ("Cargo.toml", include_str!("../../templates/manifest.toml")),
    (
        ".cargo/config.toml",
        include_str!("../../templates/config.toml"),
    ),
    (".gitignore", include_str!("../../templates/gitignore")),
    ("README.md", include_str!("../../templates/README.md")),
    ("build.rs", include_str!("../../templates/build.rs")),
    ("src/lib.rs", include_str!("../../templates/lib.rs")),
    (
        "tests/components/main.rs",
        include_str!("../../templates/tests.rs"),
    ),
    ("examples/experiment.toml", "{{experiment}}"),
];

/// Declarations of modules, in the order that rustfmt has for them.
fn modules(mut names: Vec<&str>) -> String {
    names.sort_unstable();
    let lines = names.iter().map(|name| format!("mod {name};"));
    lines.collect::<Vec<_>>().join("\n")
}

/// What cargo calls the library of a crate.
fn library(name: &str) -> String {
    format!("lib{}.so", name.replace('-', "_"))
}

/// A template with its placeholders `{{name}}` replaced.
fn fill(template: &str, values: &[(&str, &str)]) -> String {
    let replace = |text: String, (name, value): &(&str, &str)| {
        text.replace(&format!("{{{{{name}}}}}"), value)
    };
    values.iter().fold(template.to_owned(), replace)
}

/// A path as TOML writes it.
fn quoted(path: &Path) -> String {
    toml::Value::from(path.to_string_lossy().into_owned()).to_string()
}

/// What folders are made with: the user's mask takes away from it.
fn everybody() -> fs::Permissions {
    use std::os::unix::fs::PermissionsExt;
    fs::Permissions::from_mode(0o777)
}
