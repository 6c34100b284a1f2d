//! Puts a package where its plugin is found, and takes it away again.

use std::fs::{self, File};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use plugin_api_data::{Error, Note};
use serde::Serialize;

use super::manifest::{MANIFEST, file_name};
use super::store::{self, Entry, Store};
use super::{Manifest, Package};
use crate::error::{Context, nearest};
use crate::files::write_whole;
use crate::plugins::{self, Contents, Folder, Origin};

/// A plugin that has been installed.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Installed {
    /// Where it is found.
    pub path: PathBuf,
    /// The version that was there before, where there was one.
    pub replaced: Option<String>,
}

/// A plugin that has been removed.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Removed {
    /// Where it was found.
    pub path: PathBuf,
    /// Files that somebody has put beside it, and that are still there.
    pub left: Vec<PathBuf>,
}

/// Refuses a package whose library is another one than the manifest says, or does not fit this host.
///
/// # Errors
/// All in which they differ, or why the library does not fit.
pub fn check(package: &Package) -> Result<(), Error> {
    let (manifest, contents) = (&package.manifest, Contents::of(package.library()));
    if let Some(damage) = &contents.damage {
        return Err(Error::new("the package's library cannot be used").caused_by(damage.clone()));
    }
    if let Some(note) = &contents.note {
        let mut differences = differences(note, &manifest.note);
        if contents.glibc != manifest.glibc {
            let shown = |glibc: &Option<plugins::Glibc>| {
                glibc.as_ref().map_or("none".into(), |g| format!("`{g}`"))
            };
            differences.push(format!(
                "glibc: {} in the library, {} in the manifest",
                shown(&contents.glibc),
                shown(&manifest.glibc)
            ));
        }
        if !differences.is_empty() {
            return Err(
                Error::new("the package's manifest and its library disagree")
                    .found(differences.join("\n"))
                    .help("make packages with `pleach plugins pack`"),
            );
        }
    }
    match contents.problem() {
        None => Ok(()),
        Some(problem) => Err(Error::new(format!(
            "`{}` {} does not fit this host",
            manifest.note.name, manifest.note.version
        ))
        .caused_by(problem)),
    }
}

fn differences(library: &Note, manifest: &Note) -> Vec<String> {
    let fields = [
        ("name", &library.name, &manifest.name),
        ("version", &library.version, &manifest.version),
        ("api", &library.api, &manifest.api),
        ("tch", &library.tch, &manifest.tch),
        ("libtorch", &library.libtorch, &manifest.libtorch),
        ("target", &library.target, &manifest.target),
        ("features", &library.features, &manifest.features),
    ];
    fields
        .iter()
        .filter(|(_, library, manifest)| library != manifest)
        .map(|(what, library, manifest)| {
            let library = super::shown(library.as_bytes());
            format!("{what}: `{library}` in the library, `{manifest}` in the manifest")
        })
        .collect()
}

/// Installs a package into a folder of plugins, in the place of the same plugin's package that may be there. A
/// process that is killed in between leaves the folder as it was, or with the new package.
///
/// # Errors
/// Where the package does not fit this host, a file that was not installed is in its way, or the folder cannot be
/// written.
pub fn install(package: &Package, folder: &Path) -> Result<Installed, Error> {
    check(package)?;
    let store = Store::open(folder)?;
    store.sweep()?;
    let manifest = &package.manifest;
    let link = store.link(&manifest.note.name);
    let before = store.entry(&link);
    refuse_strangers(manifest, folder, &link, before.is_some())?;
    let record = before.as_ref().map(|e| store::record(&e.package));
    if let Some(Ok(record)) = &record
        && record.note.name != manifest.note.name
    {
        let (ours, theirs) = (&manifest.note.name, &record.note.name);
        return Err(
            Error::new(format!("`{ours}` and `{theirs}` have the same file name"))
                .found(link.display())
                .help(format!(
                    "remove the other one first: pleach plugins remove {theirs}"
                )),
        );
    }
    let attempt = || format!("cannot install into `{}`", folder.display());
    let unpacked = place(&store.packages(), manifest).context(attempt)?;
    package.unpack(&unpacked).inspect_err(|_| {
        // What is left of it is of no use; the error says why.
        let _ = store::clear(&unpacked);
    })?;
    // The link is made beside its place and takes it by a rename.
    let beside = store.packages().join("link");
    symlink(store.target(&unpacked, manifest), &beside).context(attempt)?;
    sync(&store.packages()).context(attempt)?;
    fs::rename(&beside, &link).context(attempt)?;
    sync(folder).context(attempt)?;
    if let Some(before) = before {
        store::clear(&before.package)?;
    }
    let version = |r: Result<Manifest, Error>| r.map_or("?".into(), |m| m.note.version);
    Ok(Installed {
        path: link,
        replaced: record.map(version),
    })
}

/// Refuses to take the place of a file that was put there by hand, or to become the second file of one plugin.
fn refuse_strangers(
    manifest: &Manifest,
    folder: &Path,
    link: &Path,
    installed: bool,
) -> Result<(), Error> {
    let name = &manifest.note.name;
    let in_the_way = |path: &Path| {
        Error::new(format!("another file of `{name}` is there already"))
            .found(path.display())
            .help("that file was not installed by pleach: move it away first")
    };
    if !installed && link.symlink_metadata().is_ok() {
        return Err(in_the_way(link));
    }
    let here = Folder {
        path: folder.into(),
        origin: Origin::Argument,
    };
    let installed = link.canonicalize().ok();
    let other = plugins::list(&[here])?
        .into_iter()
        .find(|p| p.name() == Some(name) && Some(&p.path) != installed.as_ref());
    other.map_or(Ok(()), |other| Err(in_the_way(&other.path)))
}

/// Makes the first folder that is free for this package.
fn place(packages: &Path, manifest: &Manifest) -> std::io::Result<PathBuf> {
    for n in 1_u32.. {
        let Note { name, version, .. } = &manifest.note;
        let folder = packages.join(format!("{name}-{version}-{n}"));
        match fs::create_dir(&folder) {
            Ok(()) => return Ok(folder),
            Err(e) if e.kind() == ErrorKind::AlreadyExists => {}
            Err(e) => return Err(e),
        }
    }
    unreachable!("there are more numbers than folders")
}

impl Package {
    /// Writes all files below an empty folder, so that they outlive a crash. The manifest is first: it tells what to
    /// remove if not all of them get there.
    ///
    /// # Errors
    /// Where one cannot be written, or is there already.
    pub fn unpack(&self, folder: &Path) -> Result<(), Error> {
        let attempt = || format!("cannot unpack into `{}`", folder.display());
        let manifest = self.manifest.to_bytes()?;
        write_whole(&folder.join(MANIFEST), &manifest).context(attempt)?;
        for (path, bytes) in self.files() {
            let path = folder.join(path);
            let parent = path.parent().expect("a file lies in a folder");
            fs::create_dir_all(parent).context(attempt)?;
            let mut file = File::create_new(&path).context(attempt)?;
            file.write_all(bytes)
                .and_then(|()| file.sync_all())
                .context(attempt)?;
            for within in parent.ancestors().take_while(|p| p.starts_with(folder)) {
                sync(within).context(attempt)?;
            }
        }
        Ok(())
    }
}

/// Makes sure that the names in a folder outlive a crash.
fn sync(folder: &Path) -> std::io::Result<()> {
    File::open(folder)?.sync_all()
}

/// Removes an installed plugin from a folder, and nothing that was not installed with it.
///
/// # Errors
/// Where no plugin of this name is installed there, or the folder cannot be written.
pub fn remove(name: &str, folder: &Path) -> Result<Removed, Error> {
    let store = Store::existing(folder)?;
    let entries = store.as_ref().map_or(Ok(vec![]), Store::entries)?;
    let installed: Vec<(String, Entry)> = entries.into_iter().map(|e| (e.name(), e)).collect();
    let Some((_, entry)) = installed.iter().find(|(n, _)| n == name) else {
        return Err(not_installed(
            name,
            folder,
            installed.iter().map(|(n, _)| n.as_str()),
        ));
    };
    let attempt = || format!("cannot remove `{}`", entry.link.display());
    fs::remove_file(&entry.link).context(attempt)?;
    sync(folder).context(attempt)?;
    Ok(Removed {
        path: entry.link.clone(),
        left: store::clear(&entry.package)?,
    })
}

fn not_installed<'a>(name: &str, folder: &Path, installed: impl Iterator<Item = &'a str>) -> Error {
    let error = Error::new(format!("`{name}` is not installed"));
    let stranger = folder.join(file_name(name));
    if stranger.symlink_metadata().is_ok() {
        return error
            .found(stranger.display())
            .help("that file was not installed by pleach: delete it yourself");
    }
    match nearest(name, installed) {
        Some(near) => error.help(format!("did you mean `{near}`?")),
        None => error.help("`pleach plugins list` shows the plugins that were found"),
    }
}
