//! Where installed plugins lie, and which file there is which.
//!
//! ```text
//! plugins/
//!   libscale.so -> .installed/scale-0.2.0-1/lib/TRIPLE/libscale.so
//!   .installed/
//!     scale-0.2.0-1/          a package, unpacked; its manifest is the record of what was installed
//! ```
//!
//! The link decides: one rename puts another package in the place of the one before, on every file system, and what no
//! link points to is not installed. A file beside the links was put there by hand and is nobody's business here.

use std::fs::{self, File, TryLockError};
use std::io::ErrorKind;
use std::path::{Component, Path, PathBuf};

use plugin_api_data::Error;

use super::Manifest;
use super::manifest::{MANIFEST, MANIFEST_LIMIT, file_name};
use crate::error::Context;
use crate::files::read_within;

/// The folder of unpacked packages.
const STORE: &str = ".installed";

/// The record of an unpacked package.
///
/// # Errors
/// Where it cannot be read.
pub(super) fn record(package: &Path) -> Result<Manifest, Error> {
    let path = package.join(MANIFEST);
    let bytes = read_within(&path, MANIFEST_LIMIT as u64)
        .context(|| format!("cannot read `{}`", path.display()))?;
    Manifest::parse(&bytes)
}

/// Refuses a file that is not the one that was installed; a file that was not installed may be anything. `path` has
/// no links in it.
pub(crate) fn check(path: &Path, sha256: &str) -> Result<(), Error> {
    let in_store = |p: &&Path| {
        p.parent()
            .and_then(Path::file_name)
            .is_some_and(|n| n == STORE)
    };
    let Some(package) = path.ancestors().find(in_store) else {
        return Ok(());
    };
    let help = |error: Error, name: &str| {
        error.help(format!(
            "install it again, or remove it: pleach plugins remove {name}"
        ))
    };
    let record = record(package).map_err(|e| {
        let error = Error::new("the record of its installation cannot be used").caused_by(e);
        help(error, &plugin_of(path))
    })?;
    let listed = record
        .files
        .iter()
        .find(|f| package.join(&f.path) == path)
        .map(|f| f.sha256.as_str());
    if listed == Some(sha256) {
        return Ok(());
    }
    let expected = listed.map_or("no such file".into(), |hash| format!("SHA-256 {hash}"));
    let error = Error::new("changed since it was installed")
        .found(format!("SHA-256 {sha256}"))
        .expected(expected);
    Err(help(error, &record.note.name))
}

/// A folder of plugins in which nobody else installs or removes any.
pub(super) struct Store {
    folder: PathBuf,
    _lock: File,
}

/// A plugin that is installed.
pub(super) struct Entry {
    /// The link by which it is found.
    pub(super) link: PathBuf,
    /// Its unpacked package.
    pub(super) package: PathBuf,
}

impl Entry {
    /// The plugin's name; without a record, that of its file is all that is known.
    pub(super) fn name(&self) -> String {
        record(&self.package).map_or_else(|_| plugin_of(&self.link), |r| r.note.name)
    }
}

/// The plugin that a file is named after.
fn plugin_of(file: &Path) -> String {
    let stem = file.file_stem().unwrap_or_default().to_string_lossy();
    stem.strip_prefix("lib").unwrap_or(&stem).to_owned()
}

impl Store {
    /// Opens the store of a folder, if it has one.
    pub(super) fn existing(folder: &Path) -> Result<Option<Self>, Error> {
        let there = folder.join(STORE).is_dir();
        there.then(|| Store::open(folder)).transpose()
    }

    /// Opens the store of a folder, and makes both where they are not there.
    pub(super) fn open(folder: &Path) -> Result<Self, Error> {
        let attempt = || format!("cannot use the plugin folder `{}`", folder.display());
        let packages = folder.join(STORE);
        fs::create_dir_all(&packages).context(attempt)?;
        let lock = File::open(&packages).context(attempt)?;
        match lock.try_lock() {
            Ok(()) => Ok(Store {
                folder: folder.into(),
                _lock: lock,
            }),
            Err(TryLockError::WouldBlock) => Err(Error::new(format!(
                "another process installs or removes plugins in `{}`",
                folder.display()
            ))
            .help("wait until it ends")),
            Err(TryLockError::Error(e)) => Err(e).context(attempt),
        }
    }

    /// The folder of unpacked packages.
    pub(super) fn packages(&self) -> PathBuf {
        self.folder.join(STORE)
    }

    /// The link of a plugin.
    pub(super) fn link(&self, plugin: &str) -> PathBuf {
        self.folder.join(file_name(plugin))
    }

    /// What a link points to in a file's own words, for a package of the store.
    pub(super) fn target(&self, package: &Path, manifest: &Manifest) -> PathBuf {
        let name = package.file_name().unwrap_or_default();
        Path::new(STORE).join(name).join(manifest.library())
    }

    /// The plugin that this link stands for; `None` where nothing was installed there.
    pub(super) fn entry(&self, link: &Path) -> Option<Entry> {
        let target = fs::read_link(link).ok()?;
        let mut steps = target.components();
        let (store, package) = (steps.next()?, steps.next()?);
        let name = match package {
            Component::Normal(name) if store == Component::Normal(STORE.as_ref()) => name,
            _ => return None,
        };
        Some(Entry {
            link: link.into(),
            package: self.packages().join(name),
        })
    }

    /// All that is installed.
    pub(super) fn entries(&self) -> Result<Vec<Entry>, Error> {
        let names = names(&self.folder)?;
        Ok(names
            .iter()
            .filter_map(|name| self.entry(&self.folder.join(name)))
            .collect())
    }

    /// Removes what a killed installation or removal has left: the packages that no link points to.
    pub(super) fn sweep(&self) -> Result<(), Error> {
        let installed = self.entries()?;
        for name in names(&self.packages())? {
            let package = self.packages().join(name);
            if !installed.iter().any(|e| e.package == package) {
                clear(&package)?;
            }
        }
        Ok(())
    }
}

/// The names in a folder, sorted.
fn names(folder: &Path) -> Result<Vec<PathBuf>, Error> {
    let attempt = || format!("cannot read `{}`", folder.display());
    let mut names = vec![];
    for entry in fs::read_dir(folder).context(attempt)? {
        names.push(entry.context(attempt)?.file_name().into());
    }
    names.sort();
    Ok(names)
}

/// Removes an unpacked package, as far as its record goes. Returns what somebody else has put into it, which stays.
pub(super) fn clear(package: &Path) -> Result<Vec<PathBuf>, Error> {
    // A link that was not yet in its place.
    if package.is_symlink() {
        fs::remove_file(package).context(|| format!("cannot remove `{}`", package.display()))?;
        return Ok(vec![]);
    }
    let listed = record(package).map_or(vec![], |manifest| manifest.files);
    let files = listed.iter().map(|f| package.join(&f.path));
    // The record goes last: without it nobody would know which files to remove.
    let record = [format!("{MANIFEST}.part"), MANIFEST.into()];
    for file in files.chain(record.map(|name| package.join(name))) {
        if file.symlink_metadata().is_ok() {
            fs::remove_file(&file).context(|| format!("cannot remove `{}`", file.display()))?;
        }
        // A folder that holds something else stays.
        let folders = file.ancestors().skip(1);
        folders
            .take_while(|f| f.starts_with(package))
            .take_while(|f| gone(fs::remove_dir(f)))
            .for_each(drop);
    }
    let mut left = vec![];
    remaining(package, &mut left);
    Ok(left)
}

/// Whether a folder is not there any more, or never was.
fn gone(removal: std::io::Result<()>) -> bool {
    removal.map_or_else(|e| e.kind() == ErrorKind::NotFound, |()| true)
}

/// The files below a folder.
fn remaining(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        match entry.file_type() {
            Ok(kind) if kind.is_dir() => remaining(&entry.path(), found),
            _ => found.push(entry.path()),
        }
    }
}
