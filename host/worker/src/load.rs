//! Loading a plugin's file. This is the one place where a stranger's code enters the process.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use abi_stable::StableAbi;
use abi_stable::abi_stability::abi_checking::{
    AbiInstabilityErrors, CheckingGlobals, check_layout_compatibility_with_globals,
};
use abi_stable::library::AbiHeaderRef;
use abi_stable::std_types::RResult;
use abi_stable::type_layout::TLFieldOrFunction;
use libloading::os::unix::{Library, RTLD_LOCAL, RTLD_NOW};
use pleach::plugins;
use pleach::protocol::PluginFile;
use plugin_api::plugin::{PluginObj, RootRef};
use plugin_api::{Error, Note, Result};

use crate::registry::{host, services};

/// Loads a plugin's file into the host of this process, and returns the plugin's name.
///
/// # Errors
/// See [`open`]; and where a plugin of its name is there already.
pub fn load(file: &PluginFile) -> Result<String> {
    host().add(open(file)?)
}

/// Opens a plugin's file.
///
/// The bytes must be those that the hash names, and the note must fit, before any code runs; then the layouts of all
/// types that cross are compared.
///
/// # Errors
/// One of its own for each check, and whatever the plugin says when it is opened.
pub fn open(file: &PluginFile) -> Result<PluginObj> {
    Vetted::of(file)?.open()
}

/// A file that may be opened. Nothing of it has run.
pub(crate) struct Vetted {
    path: PathBuf,
    sha256: String,
    note: Note,
}

impl Vetted {
    /// Holds the bytes of a file to their hash, and its note to this host.
    pub(crate) fn of(file: &PluginFile) -> Result<Self> {
        let found = plugins::at(&file.path)
            .ok_or_else(|| Error::new(format!("there is no plugin {}", file.path.display())))?;
        let path = found.path;
        if found.sha256 != file.sha256 {
            return Err(Error::new(format!("{} has changed", path.display()))
                .found(&found.sha256)
                .expected(&file.sha256)
                .help("run `pleach run` anew: a run goes on with the plugins that it began with")
                .into());
        }
        match (found.note, found.problem) {
            (Some(note), None) => Ok(Vetted {
                path,
                sha256: found.sha256,
                note,
            }),
            (_, problem) => Err(Error::new(format!("{} cannot be loaded", path.display()))
                .caused_by(problem.unwrap_or_default())
                .into()),
        }
    }

    /// The plugin's name, by its note.
    pub(crate) fn name(&self) -> &str {
        &self.note.name
    }

    /// Lets the file into the process, and compares the layouts of all types that cross.
    pub(crate) fn open(&self) -> Result<PluginObj> {
        let Vetted { path, sha256, note } = self;
        let header = header(path, sha256, note)?;
        let header = header.upgrade().map_err(|e| {
            Error::new(format!(
                "the header of `{}` is of another abi_stable: {}",
                note.name,
                first_line(&e.to_string())
            ))
        })?;
        let theirs = header.layout().ok_or_else(|| {
            Error::new(format!(
                "`{}` does not say how its types are laid out",
                note.name
            ))
        })?;
        // The older side goes first: only the other one may have more fields at the end. Each plugin is held to the host
        // alone, with globals of its own: `abi_stable` would compare it with plugins before it too, in whichever order, and
        // refuse a newer one behind an older one. What two plugins both know, the host knows as well.
        let globals = CheckingGlobals::new();
        check_layout_compatibility_with_globals(theirs, RootRef::LAYOUT, &globals).map_err(
            |e| {
                Error::new(format!(
                    "the types of `{}` are laid out differently from the host's: {}",
                    note.name,
                    difference(&e)
                ))
                .found(format!("a plugin built for API {}", note.api))
                .expected(format!("API {}", plugin_api::API))
                .help("rebuild the plugin against this version of pleach-plugin-api")
            },
        )?;
        // SAFETY: the layouts agree as far as both sides know them.
        let root =
            unsafe { header.init_root_module_with_unchecked_layout::<RootRef>() }.map_err(|e| {
                Error::new(format!(
                    "`{}` did not open: {}",
                    note.name,
                    first_line(&e.to_string())
                ))
            })?;

        match root.open()(services()) {
            RResult::ROk(plugin) => Ok(plugin),
            RResult::RErr(fault) => Err(Error::new(format!("`{}` did not open", note.name))
                .caused_by(fault.into_error()?)
                .into()),
        }
    }
}

/// The header that a file exports; the file is opened where it is not yet.
fn header(path: &Path, sha256: &str, note: &Note) -> Result<AbiHeaderRef, Error> {
    // Components, strings and vtables of a plugin stand in its memory: it is never unloaded.
    static LOADED: Mutex<BTreeMap<PathBuf, (String, Library)>> = Mutex::new(BTreeMap::new());
    let mut loaded = LOADED.lock().unwrap_or_else(PoisonError::into_inner);
    let (before, library) = match loaded.entry(path.into()) {
        Entry::Occupied(there) => there.into_mut(),
        Entry::Vacant(place) => {
            // SAFETY: the initialisers of a native library do what they like; that they are trusted is what loading
            // means. The path is absolute, so no other file is searched for.
            let library = unsafe { Library::open(Some(path), RTLD_NOW | RTLD_LOCAL) }
                .map_err(|e| Error::new(format!("{} cannot be loaded: {e}", path.display())))?;
            place.insert((sha256.into(), library))
        }
    };
    if before != sha256 {
        // The loader knows a library by its path: asked for the new file, it would hand out the old one.
        let what = format!("{} is loaded already, with other bytes", path.display());
        let error = Error::new(what).found(sha256).expected(before);
        return Err(error.help("load it in a new process"));
    }
    // SAFETY: a file whose note passed exports its header under this name, by `plugin!`.
    unsafe { library.get::<AbiHeaderRef>(note.symbol()) }
        .map(|header| *header)
        .map_err(|_| {
            Error::new(format!("{} has a note, but no header", path.display()))
                .expected(format!("an exported symbol `{}`", note.symbol()))
                .help("make the crate a plugin by `plugin_api::plugin!()`, and build it again")
        })
}

/// The first difference, and the type in which it is.
fn difference(all: &AbiInstabilityErrors) -> String {
    let text = all.to_string();
    let what = first_line(&text).trim_start_matches("Error:");
    // Types that only hold a wrong one are listed too, without an error of their own.
    let wrong = all.errors.iter().find(|error| !error.errs.is_empty());
    let path = wrong.map(|error| &error.stack_trace);
    match path.and_then(|path| path.last()).map(|types| &types.found) {
        Some(TLFieldOrFunction::Field(field)) => format!("{what} in `{}`", field.full_type()),
        _ => what.into(),
    }
}

/// What `abi_stable` says goes on for hundreds of lines; the first that names an error is enough.
fn first_line(text: &str) -> &str {
    text.lines()
        .map(str::trim)
        .find(|line| line.starts_with("Error"))
        .or(text.lines().next())
        .unwrap_or("no reason given")
}
