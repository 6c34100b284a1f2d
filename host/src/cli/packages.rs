//! `pleach plugins pack`, `install` and `remove`.

use std::fs;
use std::path::{Path, PathBuf};

use clap::Args;
use pleach::cards::Catalog;
use pleach::error::Context;
use pleach::files::write_whole;
use pleach::package::{self, Extras, Package};
use pleach::plugins::{self, sha256};
use pleach::worker::Program;
use plugin_api_data::{Error, PluginCard};
use serde_json::json;

use super::{Failure, print, print_json, progress};

#[derive(Args)]
#[command(after_help = "Example:
  pleach plugins pack target/debug/libscale.so --from . --output packages")]
pub(super) struct Pack {
    /// The plugin's library
    file: PathBuf,
    /// Where to put the package
    #[arg(long, value_name = "DIR", default_value = ".")]
    output: PathBuf,
    /// The crate's folder, from which README*, LICENSE* and LICENCE* are taken
    #[arg(long, value_name = "DIR", default_value = ".")]
    from: PathBuf,
    /// Take this file instead of the folder's README*
    #[arg(long, value_name = "FILE")]
    readme: Option<PathBuf>,
    /// Take these files instead of the folder's LICENSE* and LICENCE*; may be repeated
    #[arg(long, value_name = "FILE", visible_alias = "license", num_args = 1..)]
    licence: Vec<PathBuf>,
    /// Print as JSON
    #[arg(long)]
    json: bool,
}

#[derive(Args)]
#[command(after_help = "Examples:
  pleach plugins install scale-0.1.0-x86_64-unknown-linux-gnu.pleach
  pleach plugins install https://example.org/scale.pleach --sha256 HASH")]
pub(super) struct Install {
    /// The package: a file, or a URL
    #[arg(value_name = "FILE|URL")]
    source: String,
    /// Refuse a package with another hash than this one
    #[arg(long, value_name = "HASH", value_parser = hash)]
    sha256: Option<String>,
    /// Install into this folder instead of your own plugin folder
    #[arg(long, value_name = "DIR")]
    to: Option<PathBuf>,
    /// Print as JSON
    #[arg(long)]
    json: bool,
}

#[derive(Args)]
#[command(after_help = "Example:
  pleach plugins remove scale")]
pub(super) struct Remove {
    /// The plugin's name
    name: String,
    /// Remove it from this folder instead of your own plugin folder
    #[arg(long, value_name = "DIR")]
    from: Option<PathBuf>,
    /// Print as JSON
    #[arg(long)]
    json: bool,
}

fn hash(text: &str) -> Result<String, String> {
    if text.len() == 64 && text.chars().all(|c| c.is_ascii_hexdigit()) {
        Ok(text.to_ascii_lowercase())
    } else {
        Err("expected 64 hexadecimal digits".into())
    }
}

impl Pack {
    pub(super) fn run(self) -> Result<(), Failure> {
        let package = self.package().map_err(|e| {
            Error::new(format!("cannot pack `{}`", self.file.display())).caused_by(e)
        })?;
        let note = &package.manifest.note;
        let name = format!("{}-{}-{}.pleach", note.name, note.version, note.target);
        let path = self.output.join(name);
        let bytes = package.to_bytes()?;
        write_whole(&path, &bytes).context(|| format!("cannot write `{}`", path.display()))?;
        let hash = sha256(&bytes);
        if self.json {
            return print_json(
                &json!({ "path": path, "size": bytes.len(), "sha256": hash, "manifest": package.manifest }),
            );
        }
        print(&format!("{}: {} bytes", path.display(), bytes.len()));
        package
            .files()
            .for_each(|(path, bytes)| print(&format!("  {path}: {} bytes", bytes.len())));
        print(&format!("SHA-256 {hash}"));
        Ok(())
    }

    fn package(&self) -> Result<Package, Error> {
        let library = fs::read(&self.file).context(|| "it cannot be read".into())?;
        let card = self.card()?;
        let mut extras = Extras::of(&self.from)?;
        if let Some(readme) = &self.readme {
            extras.readme = vec![readme.clone()];
        }
        if !self.licence.is_empty() {
            extras.licences.clone_from(&self.licence);
        }
        package::pack(library, &card, &extras)
    }

    /// The plugin's card, from a worker that has loaded it.
    fn card(&self) -> Result<PluginCard, Error> {
        let plugin = plugins::at(&self.file).ok_or_else(|| Error::new("there is no such file"))?;
        if let Some(problem) = plugin.problem {
            return Err(problem);
        }
        let name = plugin.name().unwrap_or_default().to_owned();
        let catalog = Catalog::new(&[plugin], Some(Program::find()?));
        catalog.plugin(&name).cloned()
    }
}

impl Install {
    pub(super) fn run(self) -> Result<(), Failure> {
        let folder = folder(self.to)?;
        let bytes = fetch(&self.source, self.sha256.as_deref())?;
        let package = Package::read(&bytes)?;
        package::check(&package)?;
        let manifest = &package.manifest;
        eprintln!(
            "note: a plugin is native code; whenever it is used it may do all that you may do, and nothing confines it"
        );
        let installed = package::install(&package, &folder)?;
        if self.json {
            return print_json(&json!({ "plugin": manifest, "installed": installed }));
        }
        let (name, version) = (&manifest.note.name, &manifest.note.version);
        print(&format!("{name} {version}: {}", manifest.description));
        for (what, text) in [("paper", &manifest.paper), ("licence", &manifest.licence)] {
            if !text.is_empty() {
                print(&format!("{what}: {text}"));
            }
        }
        print(&format!("installed: {}", installed.path.display()));
        if let Some(before) = installed.replaced {
            print(&format!("in the place of version {before}"));
        }
        Ok(())
    }
}

impl Remove {
    pub(super) fn run(self) -> Result<(), Failure> {
        let removed = package::remove(&self.name, &folder(self.from)?)?;
        if self.json {
            return print_json(&removed);
        }
        print(&format!("removed: {}", removed.path.display()));
        for path in &removed.left {
            print(&format!(
                "left, not installed by pleach: {}",
                path.display()
            ));
        }
        Ok(())
    }
}

/// The folder that was named, or the user's own.
fn folder(named: Option<PathBuf>) -> Result<PathBuf, Error> {
    named.or_else(plugins::user_folder).ok_or_else(|| {
        Error::new("your plugin folder is not known")
            .help("set HOME or XDG_DATA_HOME, or name a folder")
    })
}

/// Gets a package, with a bar where standard error is a terminal.
fn fetch(source: &str, sha256: Option<&str>) -> Result<Vec<u8>, Error> {
    let name = Path::new(source).file_name().unwrap_or_default();
    let bar = progress::download(&name.to_string_lossy());
    let bytes = package::fetch(source, sha256, |done, total| {
        progress::advance(&bar, done, total)
    });
    bar.finish_and_clear();
    bytes
}
