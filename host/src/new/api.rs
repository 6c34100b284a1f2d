//! Where a new plugin has the API from: the registry, or a checkout of pleach.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use plugin_api_data::{Error, Json};

use super::{library, quoted};
use crate::error::Context;

/// Where a new plugin has the API from.
pub enum Api {
    /// The registry, in the version of this program.
    Registry,
    /// A checkout of pleach.
    Checkout(Checkout),
}

impl Api {
    /// How the API is named in the manifest of a crate that stands at `place`.
    pub(super) fn plugin_api(&self, place: &Path) -> String {
        self.source(place, "plugin-api")
    }

    /// How the crate of sessions is named there.
    pub(super) fn worker(&self, place: &Path) -> String {
        self.source(place, "host/worker")
    }

    /// The lock file with the versions that the API was tested with.
    pub(super) fn lock(&self) -> Option<PathBuf> {
        match self {
            Api::Registry => None,
            Api::Checkout(checkout) => {
                Some(checkout.root.join("Cargo.lock")).filter(|p| p.exists())
            }
        }
    }

    fn source(&self, place: &Path, folder: &str) -> String {
        match self {
            Api::Registry => format!("version = \"{}\"", env!("CARGO_PKG_VERSION")),
            Api::Checkout(checkout) => {
                format!("path = {}", quoted(&checkout.seen_from(place, folder)))
            }
        }
    }
}

/// A checkout of pleach.
pub struct Checkout {
    root: PathBuf,
    /// Where intermediate results of its builds are.
    pub build: PathBuf,
    /// The crates that are built there, under the names that Rust has for them.
    crates: Vec<String>,
}

impl Checkout {
    /// The checkout in this folder, or around this folder `plugin-api`.
    ///
    /// # Errors
    /// Where there is none, or cargo cannot say what is in it.
    pub fn open(path: &Path) -> Result<Self, Error> {
        let none = || {
            Error::new(format!("`{}` is no checkout of pleach", path.display()))
                .expected("a folder with `plugin-api` and `host`, or its `plugin-api`")
        };
        let given = path.canonicalize().map_err(|e| none().found(e))?;
        let root = match given.parent() {
            Some(parent) if given.ends_with("plugin-api") => parent.to_owned(),
            _ => given,
        };
        let is_there = package(&root.join("plugin-api")).as_deref() == Some("pleach-plugin-api")
            && package(&root.join("host/worker")).as_deref() == Some("pleach-worker");
        if !is_there {
            return Err(none());
        }
        let metadata = metadata(&root)?;
        // The second is what cargo had for both before they could differ.
        let build = (metadata["build_directory"].as_str())
            .or(metadata["target_directory"].as_str())
            .ok_or_else(|| Error::new("cargo does not say where it builds"))?;
        let packages = metadata["packages"].as_array().into_iter().flatten();
        let names = packages.flat_map(|package| {
            let targets = package["targets"].as_array().into_iter().flatten();
            targets
                .chain([package])
                .filter_map(|it| it["name"].as_str())
        });
        Ok(Checkout {
            build: build.into(),
            crates: names.map(|name| name.replace('-', "_")).collect(),
            root,
        })
    }

    /// Refuses the names of crates that are built there.
    ///
    /// # Errors
    /// Where it is one.
    pub fn check_name(&self, name: &str) -> Result<(), Error> {
        if self.crates.contains(&name.replace('-', "_")) {
            let there = format!("a crate of this name in {}", self.root.display());
            return Err(taken(name)
                .found(there)
                .help("both are built in one folder: choose another name"));
        }
        Ok(())
    }

    /// The libtorch that it is built with, unless `LIBTORCH` names another.
    pub fn libtorch(&self) -> Option<PathBuf> {
        // As cargo is told by the checkout: with the same libtorch under another path, torch-sys would be built anew.
        Some(self.root.join(".libtorch/current")).filter(|path| path.exists())
    }

    /// The path of one of its folders: relative where the two stand beside each other, and may be moved together.
    fn seen_from(&self, place: &Path, folder: &str) -> PathBuf {
        let path = self.root.join(folder);
        let around = self.root.parent();
        match around.filter(|around| around.parent().is_some() && place.starts_with(around)) {
            Some(_) => pathdiff::diff_paths(&path, place).unwrap_or(path),
            None => path,
        }
    }
}

/// Refuses a name under which another plugin was built in this folder. The libraries of plugins carry no hash in their
/// names: cargo would take one of the two for the other, without a word.
///
/// # Errors
/// Where there is such a library.
pub fn check_built(name: &str, build: &Path) -> Result<(), Error> {
    let library = build.join("debug/deps").join(library(name));
    if library.exists() {
        return Err(taken(name)
            .found(library.display())
            .expected("a name of its own among plugins that share what they compile")
            .help("choose another name; where that plugin is gone, remove the file"));
    }
    Ok(())
}

fn taken(name: &str) -> Error {
    Error::new(format!("no plugin can be called `{name}`"))
}

/// The name of the package in a folder.
fn package(folder: &Path) -> Option<String> {
    let manifest = fs::read_to_string(folder.join("Cargo.toml")).ok()?;
    let manifest: toml::Table = toml::from_str(&manifest).ok()?;
    Some(manifest.get("package")?.get("name")?.as_str()?.into())
}

/// What cargo says of the checkout.
fn metadata(root: &Path) -> Result<Json, Error> {
    let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo)
        .args(["metadata", "--no-deps", "--offline", "--format-version=1"])
        .current_dir(root)
        .output()
        .map_err(|e| {
            Error::new("cannot start cargo")
                .found(e)
                .help("install Rust: https://rustup.rs")
        })?;
    let attempt = || format!("cargo cannot say what is in {}", root.display());
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
        return Err(Error::new(attempt()).found(said));
    }
    serde_json::from_slice(&output.stdout).context(attempt)
}
