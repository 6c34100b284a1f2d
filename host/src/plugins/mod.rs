//! Plugin files: where they are looked for, and whether they fit this host. Nothing of a plugin is run here.

mod contents;
mod elf;
mod fit;
mod glibc;
mod remembered;

use std::collections::HashSet;
use std::env;
use std::fs;
use std::path::{Path, PathBuf};

use etcetera::BaseStrategy;
use plugin_api_data::{Error, Note};
use serde::Serialize;
use sha2::{Digest, Sha256};

use crate::error::Context;
use crate::package::store;
use crate::protocol::PluginFile;
use remembered::Memory;

pub use contents::Contents;
pub use fit::{LIBRARIES, TARGET};
pub use glibc::Glibc;

/// A folder that is looked into.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Folder {
    /// Where it is.
    pub path: PathBuf,
    /// How it came to be looked into.
    pub origin: Origin,
}

/// How a folder came to be looked into. The first has precedence.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Origin {
    /// By `--plugins`.
    Argument,
    /// By `$PLEACH_PLUGINS`.
    Environment,
    /// It is the program's own.
    Program,
    /// It is the user's own.
    User,
}

/// A file that was found.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Plugin {
    /// Where it lies, without links.
    pub path: PathBuf,
    /// SHA-256 of its bytes, in lower-case hexadecimal digits.
    pub sha256: String,
    /// What it says of itself; nothing where it is no whole plugin.
    pub note: Option<Note>,
    /// Why it cannot be used.
    pub problem: Option<Error>,
    /// The nearer file of the same plugin, which is used instead.
    pub shadowed_by: Option<PathBuf>,
}

impl Plugin {
    /// What the worker needs to load it.
    pub fn file(&self) -> PluginFile {
        PluginFile {
            path: self.path.clone(),
            sha256: self.sha256.clone(),
        }
    }

    /// The plugin's name, where its note could be read.
    pub fn name(&self) -> Option<&str> {
        self.note.as_ref().map(|n| n.name.as_str())
    }
}

/// The folders in the order in which they are looked into: `given`, `$PLEACH_PLUGINS`, the program's, the user's.
pub fn folders(given: &[PathBuf]) -> Vec<Folder> {
    let argument = given.iter().map(|path| (path.clone(), Origin::Argument));
    let variable = env::var_os("PLEACH_PLUGINS").unwrap_or_default();
    let environment = env::split_paths(&variable)
        .filter(|p| !p.as_os_str().is_empty())
        .map(|p| (p, Origin::Environment));
    let program = env::current_exe()
        .ok()
        .and_then(|p| Some((p.parent()?.to_owned(), Origin::Program)));
    let user = user_folder().map(|path| (path, Origin::User));
    argument
        .chain(environment)
        .chain(program)
        .chain(user)
        .map(|(path, origin)| Folder { path, origin })
        .collect()
}

/// The user's own folder, into which plugins are installed.
pub fn user_folder() -> Option<PathBuf> {
    let strategy = etcetera::choose_base_strategy().ok()?;
    Some(strategy.data_dir().join("pleach/plugins"))
}

/// Every plugin file in these folders, nearest first, each read and hashed.
///
/// # Errors
/// Where a folder that the user named cannot be read.
pub fn find(folders: &[Folder]) -> Result<Vec<Plugin>, Error> {
    search(folders, read)
}

/// The same for showing them: a file that looks unchanged since it was last read is not read again.
///
/// # Errors
/// Where a folder that the user named cannot be read.
pub fn list(folders: &[Folder]) -> Result<Vec<Plugin>, Error> {
    let mut memory = Memory::recall();
    let found = search(folders, |path| memory.contents(path));
    memory.keep();
    found
}

fn search(
    folders: &[Folder],
    mut read: impl FnMut(&Path) -> Contents,
) -> Result<Vec<Plugin>, Error> {
    let mut found: Vec<Plugin> = vec![];
    let mut seen = HashSet::new();
    for folder in folders {
        let mut here = vec![];
        for path in candidates(folder)? {
            // A folder may be named twice, or hold links into another one.
            let Ok(path) = path.canonicalize() else {
                continue;
            };
            if seen.insert(path.clone()) {
                here.extend(look(&path, folder.origin, read(&path)));
            }
        }
        refuse_doubles(&mut here);
        for plugin in &mut here {
            plugin.shadowed_by = found
                .iter()
                .find(|nearer| hides(nearer, plugin))
                .map(|n| n.path.clone());
        }
        found.append(&mut here);
    }
    Ok(found)
}

/// Whether a nearer file is used in place of this one, or would be if it were sound.
fn hides(nearer: &Plugin, plugin: &Plugin) -> bool {
    match &nearer.note {
        Some(note) => plugin.name() == Some(&note.name),
        None => nearer.path.file_name() == plugin.path.file_name(),
    }
}

/// The plugin in this file; `None` where there is no such file.
pub fn at(path: &Path) -> Option<Plugin> {
    let path = path.canonicalize().ok()?;
    look(&path, Origin::Argument, read(&path))
}

/// The libraries that this library or program asks the loader for.
///
/// # Errors
/// Where it cannot be read, or is none.
pub fn needed(path: &Path) -> Result<Vec<String>, Error> {
    let bytes = fs::read(path).context(|| format!("cannot read `{}`", path.display()))?;
    elf::needed(&bytes)
}

/// Files that are named like a plugin, sorted by name.
fn candidates(folder: &Folder) -> Result<Vec<PathBuf>, Error> {
    let entries = match fs::read_dir(&folder.path) {
        Ok(entries) => entries,
        // Nobody asked for these two; they need not be there.
        Err(_) if matches!(folder.origin, Origin::Program | Origin::User) => return Ok(vec![]),
        failed => failed
            .context(|| format!("cannot read the plugin folder `{}`", folder.path.display()))?,
    };
    let is_candidate = |p: &PathBuf| {
        p.file_name()
            .and_then(|n| n.to_str())
            .is_some_and(|n| n.starts_with("lib") && n.ends_with(".so"))
            // Reading a pipe would wait for ever.
            && p.is_file()
    };
    let mut files: Vec<PathBuf> = entries
        .flatten()
        .map(|e| e.path())
        .filter(is_candidate)
        .collect();
    files.sort();
    Ok(files)
}

/// SHA-256 in lower-case hexadecimal digits.
pub fn sha256(bytes: &[u8]) -> String {
    hexadecimal(&Sha256::digest(bytes))
}

/// Bytes as lower-case hexadecimal digits.
pub(crate) fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn read(path: &Path) -> Contents {
    match fs::read(path).context(|| "it cannot be read".into()) {
        Ok(bytes) => Contents::of(&bytes),
        Err(e) => Contents::unreadable(e),
    }
}

/// The plugin with these contents; `None` where it is none of our business.
fn look(path: &Path, origin: Origin, contents: Contents) -> Option<Plugin> {
    // Cargo puts other libraries beside the program.
    if origin == Origin::Program && contents.note.is_none() && contents.damage.is_none() {
        return None;
    }
    let problem = contents
        .problem()
        .or_else(|| store::check(path, &contents.sha256).err());
    Some(Plugin {
        path: path.into(),
        sha256: contents.sha256,
        note: contents.note,
        problem,
        shadowed_by: None,
    })
}

/// Of two files of one plugin in one folder neither is nearer, so neither is used.
fn refuse_doubles(here: &mut [Plugin]) {
    let names: Vec<(Option<String>, PathBuf)> = here
        .iter()
        .map(|p| (p.name().map(str::to_owned), p.path.clone()))
        .collect();
    for plugin in here {
        let other = names.iter().find(|(name, path)| {
            name.is_some() && name.as_deref() == plugin.name() && *path != plugin.path
        });
        if let (Some((Some(name), other)), None) = (other, &plugin.problem) {
            let both = format!("{}\n{}", plugin.path.display(), other.display());
            plugin.problem = Some(
                Error::new(format!("two files of the plugin `{name}` in one folder"))
                    .found(both)
                    .help("remove one of them"),
            );
        }
    }
}
