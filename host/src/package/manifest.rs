//! What a package says that it holds.

use std::collections::BTreeSet;

use plugin_api_data::{Card, Error, Note, PluginCard};
use serde::{Deserialize, Serialize};

use super::shown;
use crate::error::Context;
use crate::plugins::{Glibc, sha256};

/// The form of manifests, `major.minor`. A newer minor may have fields that are not known here; they mean nothing to
/// this host. That is where an index or a signature will stand.
const FORMAT: (u32, u32) = (1, 0);
/// Where it stands in a package.
pub(super) const MANIFEST: &str = "manifest.json";
/// A larger manifest is not read.
pub(super) const MANIFEST_LIMIT: usize = 1 << 20;
/// More files are not unpacked.
pub(super) const FILES: usize = 64;
/// More bytes are not unpacked.
pub(super) const UNPACKED: u64 = 512 << 20;

/// What stands in `manifest.json`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Manifest {
    /// The form of the manifest, `major.minor`.
    pub format: String,
    /// The note of the library: name, version, and what it was built for.
    #[serde(flatten)]
    pub note: Note,
    /// The newest glibc of which the library needs a symbol.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub glibc: Option<Glibc>,
    /// What the plugin is, in a sentence.
    pub description: String,
    /// Its licence, as SPDX writes it.
    pub licence: String,
    /// The paper that it follows, if one.
    pub paper: String,
    /// What it offers.
    pub components: Vec<Component>,
    /// All other files of the package, in its order.
    pub files: Vec<Listed>,
}

/// A component, in short.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Component {
    /// `layer`, `strategy`, …
    pub role: String,
    /// Its name inside the plugin.
    pub name: String,
    /// What it is.
    pub doc: String,
}

/// A file of a package.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Listed {
    /// Where it stands in the package, with `/` between folders.
    pub path: String,
    /// Its size in bytes.
    pub size: u64,
    /// SHA-256 of its bytes, in lower-case hexadecimal digits.
    pub sha256: String,
}

impl Manifest {
    /// The manifest of a plugin and these files.
    pub(super) fn new(
        note: &Note,
        glibc: Option<Glibc>,
        card: &PluginCard,
        files: &[(String, Vec<u8>)],
    ) -> Self {
        let component = |card: &Card| Component {
            role: card.role.clone(),
            name: card.name.clone(),
            doc: card.doc.clone(),
        };
        let listed = |(path, bytes): &(String, Vec<u8>)| Listed {
            path: path.clone(),
            size: bytes.len() as u64,
            sha256: sha256(bytes),
        };
        Manifest {
            format: format!("{}.{}", FORMAT.0, FORMAT.1),
            note: note.clone(),
            glibc,
            description: card.description.clone(),
            licence: card.licence.clone(),
            paper: card.paper.clone(),
            components: card.components.iter().map(component).collect(),
            files: files.iter().map(listed).collect(),
        }
    }

    /// Reads a manifest and refuses one that makes no sense: behind this, every path in it stays in its folder and
    /// every text can be shown.
    ///
    /// # Errors
    /// All that is wrong with it.
    pub fn parse(bytes: &[u8]) -> Result<Self, Error> {
        #[derive(Deserialize)]
        #[serde(expecting = "a manifest")]
        struct Head {
            format: String,
        }
        let attempt = || "the manifest cannot be read".into();
        if bytes.len() > MANIFEST_LIMIT {
            return Err(Error::new("the manifest is too large")
                .found(format!("{} bytes", bytes.len()))
                .expected(format!("at most {MANIFEST_LIMIT}")));
        }
        let head: Head = serde_json::from_slice(bytes).context(attempt)?;
        check_format(&head.format)?;
        let manifest: Manifest = serde_json::from_slice(bytes).context(attempt)?;
        let wrong = manifest.wrong();
        if wrong.is_empty() {
            return Ok(manifest);
        }
        Err(Error::new("the manifest makes no sense").found(wrong.join("\n")))
    }

    /// The manifest as it stands in a package.
    pub(super) fn to_bytes(&self) -> Result<Vec<u8>, Error> {
        serde_json::to_vec_pretty(self).context(|| "the manifest cannot be written".into())
    }

    /// Where the library stands.
    pub fn library(&self) -> String {
        format!("lib/{}/{}", self.note.target, self.file_name())
    }

    /// The library's own name.
    pub(super) fn file_name(&self) -> String {
        file_name(&self.note.name)
    }

    /// All that is wrong with it.
    fn wrong(&self) -> Vec<String> {
        let mut wrong = vec![];
        for (what, text) in [
            ("name", &self.note.name),
            ("version", &self.note.version),
            ("target", &self.note.target),
        ] {
            if !portable(text) {
                wrong.push(format!("`{what}` is no name: {}", shown(text.as_bytes())));
            }
        }
        let components = self
            .components
            .iter()
            .flat_map(|c| [&c.role, &c.name, &c.doc]);
        let note = [
            &self.note.api,
            &self.note.tch,
            &self.note.libtorch,
            &self.note.features,
        ];
        let texts = [&self.description, &self.licence, &self.paper];
        if let Some(text) = note
            .into_iter()
            .chain(texts)
            .chain(components)
            .find(|t| t.chars().any(|c| c.is_control() && c != '\n'))
        {
            let shown = shown(text.as_bytes());
            wrong.push(format!("a text holds control characters: {shown}"));
        }
        wrong.extend(self.wrong_files());
        wrong
    }

    fn wrong_files(&self) -> Vec<String> {
        let mut wrong = vec![];
        if self.files.len() > FILES {
            wrong.push(format!(
                "{} files; at most {FILES} are unpacked",
                self.files.len()
            ));
        }
        let mut paths = BTreeSet::new();
        for file in &self.files {
            let path = shown(file.path.as_bytes());
            if !inside(&file.path) {
                wrong.push(format!("`{path}` is no path inside a package"));
            }
            if !paths.insert(file.path.as_str()) {
                wrong.push(format!("`{path}` is listed twice"));
            }
            let digits = |c: char| c.is_ascii_digit() || ('a'..='f').contains(&c);
            if file.sha256.len() != 64 || !file.sha256.chars().all(digits) {
                wrong.push(format!("`{path}` has no SHA-256"));
            }
        }
        for path in &paths {
            let mut folders = path.match_indices('/').map(|(end, _)| &path[..end]);
            if let Some(file) = folders.find(|folder| paths.contains(folder)) {
                wrong.push(format!(
                    "`{}` is a file and a folder",
                    shown(file.as_bytes())
                ));
            }
        }
        let size = self
            .files
            .iter()
            .fold(0, |sum: u64, file| sum.saturating_add(file.size));
        if size > UNPACKED {
            wrong.push(format!("{size} bytes; at most {UNPACKED} are unpacked"));
        }
        if !paths.contains(self.library().as_str()) {
            let library = shown(self.library().as_bytes());
            wrong.push(format!("the library is not listed: {library}"));
        }
        wrong
    }
}

/// The file name of a plugin's library, as Cargo makes it.
pub(super) fn file_name(plugin: &str) -> String {
    format!("lib{}.so", plugin.replace('-', "_"))
}

/// Same major; what a newer minor adds can be left out.
fn check_format(format: &str) -> Result<(), Error> {
    let major = format
        .split_once('.')
        .and_then(|(major, minor)| minor.parse::<u32>().ok().and(major.parse::<u32>().ok()));
    match major {
        Some(major) if major == FORMAT.0 => Ok(()),
        _ => Err(Error::new("a package of another form")
            .found(shown(format.as_bytes()))
            .expected(format!("{}.{}", FORMAT.0, FORMAT.1))
            .help("update pleach, or pack the plugin again")),
    }
}

/// Whether a text is a path that stays inside a folder, whatever system reads it.
pub(crate) fn inside(path: &str) -> bool {
    path.len() <= 200 && path != MANIFEST && path.split('/').all(portable)
}

/// Whether a text can name a file on every system: POSIX's portable characters and `+`, which versions may have, and
/// no dot in front.
fn portable(name: &str) -> bool {
    let first = |c: char| c.is_ascii_alphanumeric() || c == '_';
    name.starts_with(first)
        && name.len() <= 100
        && name
            .chars()
            .all(|c| first(c) || matches!(c, '.' | '-' | '+'))
}
