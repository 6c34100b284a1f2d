//! Makes a package of a plugin that is built.

use std::fs;
use std::path::{Path, PathBuf};

use plugin_api_data::{CLAIMS, Error, PluginCard};

use super::manifest::{file_name, inside};
use super::{Manifest, Package, shown};
use crate::error::Context;
use crate::plugins::Contents;

/// What an author puts beside the library.
#[derive(Debug, Clone, Default)]
pub struct Extras {
    /// What to know before using it.
    pub readme: Vec<PathBuf>,
    /// What one may do with it.
    pub licences: Vec<PathBuf>,
}

impl Extras {
    /// Those in a crate's folder, by their usual names.
    ///
    /// # Errors
    /// Where the folder cannot be read.
    pub fn of(folder: &Path) -> Result<Self, Error> {
        let entries = fs::read_dir(folder)
            .context(|| format!("cannot read the folder `{}`", folder.display()))?;
        let mut files: Vec<PathBuf> = entries
            .flatten()
            .map(|e| e.path())
            .filter(|p| p.is_file())
            .collect();
        files.sort();
        let named = |starts: &[&str]| -> Vec<PathBuf> {
            let fits = |path: &&PathBuf| {
                let name = path.file_name().map(|n| n.to_string_lossy());
                name.is_some_and(|n| starts.iter().any(|s| n.starts_with(s)))
            };
            files.iter().filter(fits).cloned().collect()
        };
        Ok(Extras {
            readme: named(&["README"]),
            licences: named(&["LICENSE", "LICENCE"]),
        })
    }

    /// The files with their places in the package.
    fn read(&self) -> Result<Vec<(String, Vec<u8>)>, Error> {
        let read = |path: &PathBuf| {
            let name = path.file_name().unwrap_or_default();
            let name = name.to_string_lossy().into_owned();
            let bytes = fs::read(path).context(|| format!("cannot read `{}`", path.display()))?;
            if !inside(&name) {
                return Err(
                    Error::new(format!("`{}` cannot be packed", shown(name.as_bytes())))
                        .help("give it a name of letters, digits, `.`, `-`, `_` and `+`"),
                );
            }
            Ok((name, bytes))
        };
        self.readme.iter().chain(&self.licences).map(read).collect()
    }
}

/// Packs a library with its card and what stands beside it.
///
/// # Errors
/// Where this host could not use the library, the card is another one's, or a file cannot be packed.
pub fn pack(library: Vec<u8>, card: &PluginCard, extras: &Extras) -> Result<Package, Error> {
    let contents = Contents::of(&library);
    if let Some(problem) = contents.problem() {
        return Err(problem);
    }
    let note = contents.note.expect("a plugin without a problem has one");
    if (&card.name, &card.version) != (&note.name, &note.version) {
        return Err(Error::new("the library's note and its card disagree")
            .found(format!("{} {}", card.name, card.version))
            .expected(format!("{} {}", note.name, note.version))
            .help("build the plugin again"));
    }
    let place = format!("lib/{}/{}", note.target, file_name(&note.name));
    let mut files = vec![(place, library)];
    files.extend(extras.read()?);
    // For readers; the library carries them too, with the experiments that they name.
    let claims = card.claims.get(CLAIMS);
    files.extend(claims.map(|text| (CLAIMS.to_owned(), text.clone().into_bytes())));
    let manifest = Manifest::new(&note, contents.glibc, card, &files);
    // Names and texts are the author's; what holds for manifests that are read must hold for this one.
    let manifest = Manifest::parse(&manifest.to_bytes()?)?;
    Ok(Package::new(manifest, files))
}
