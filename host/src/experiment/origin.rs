//! Reads what a stage starts from.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::Read;
use std::ops::Range;
use std::path::{Path, PathBuf};

use plugin_api_data::{Arch, Error};
use serde::Deserialize;
use toml::de::{DeTable, DeValue};

use super::component::Checker;
use super::fields::{Node, Place, integer, json, params, refuse_unknown, string, table};
use super::resolve::{Reader, arms_of};
use super::{ARM, Diagnostic, Origin, Saved, recipes};
use crate::error::{Context, nearest};
use crate::files::read_within;
use crate::run::Run;

/// A larger file is no architecture that anyone could mean.
const ARCH: u64 = 64 << 20;
/// What files end with that hold weights, and the architecture beside them.
const SAVED: &str = ".safetensors";

impl Reader<'_> {
    /// What a stage starts from.
    pub(super) fn origin(
        &mut self,
        node: &Node,
        fields: &DeTable,
        name: &str,
        earlier: &[String],
    ) -> Option<Origin> {
        let (arch, from) = (fields.get("arch"), fields.get("from"));
        if let Some(weights) = fields.get("weights")
            && arch.is_none()
        {
            let error = Diagnostic::new(weights.span(), "`weights` are those of an `arch`");
            self.errors
                .push(error.help("a stage of another run is `from = { run = …, stage = … }`"));
            return None;
        }
        match (arch, from) {
            (Some(_), Some(from)) => {
                self.errors.push(Diagnostic::new(
                    from.span(),
                    "a stage starts from one subject; this one has `arch` and `from`",
                ));
                None
            }
            (Some(arch), None) => self.arch(arch, fields.get("weights")),
            (None, Some(from)) => match from.get_ref() {
                DeValue::Table(fields) => self.other_run(from, fields),
                _ => Some(Origin::Stage(self.earlier(from, "from", earlier)?)),
            },
            (None, None) => match earlier.last().map(|last| (last, last.split_once(ARM))) {
                Some((last, None)) => Some(Origin::Stage(last.clone())),
                Some((_, Some((group, _)))) => {
                    self.errors.push(which_arm(node.span(), group, earlier));
                    None
                }
                None => {
                    let error = Diagnostic::new(
                        node.span(),
                        format!("the first stage, `{name}`, has no subject"),
                    );
                    self.errors.push(error.help("begin with a search, or give it `arch = \"file.json\"` or `arch = { use = SPACE, point = {…} }`"));
                    None
                }
            },
        }
    }

    /// The name of a stage that stands before this one.
    pub(super) fn earlier(&mut self, node: &Node, key: &str, earlier: &[String]) -> Option<String> {
        let wanted = string(node, key, &mut self.errors)?;
        if arms_of(wanted, earlier).next().is_some() {
            self.errors.push(which_arm(node.span(), wanted, earlier));
        } else if !earlier.iter().any(|s| s == wanted) {
            let error = Diagnostic::new(
                node.span(),
                format!("no stage before this one is named `{wanted}`"),
            );
            let list = earlier
                .iter()
                .map(|s| format!("`{s}`"))
                .collect::<Vec<_>>()
                .join(", ");
            self.errors.push(if earlier.is_empty() {
                error
            } else {
                error.help(format!("there is {list}"))
            });
        }
        Some(wanted.into())
    }

    /// An architecture, with the weights that stand beside it, where some do.
    fn arch(&mut self, node: &Node, weights: Option<&Node>) -> Option<Origin> {
        let is_json = |file: &str| !file.ends_with(SAVED);
        if let Some(weights) = weights
            && !node.get_ref().as_str().is_some_and(is_json)
        {
            let what = "`weights` belong to an architecture in a JSON file";
            self.errors.push(Diagnostic::new(weights.span(), what));
            return None;
        }
        match node.get_ref() {
            DeValue::String(file) if is_json(file) => {
                let weights = match weights {
                    Some(node) => Some(self.weights(node)?),
                    None => None,
                };
                let (path, arch) = self.arch_in(node, file)?;
                Some(Origin::File(path, Box::new(arch), weights))
            }
            DeValue::String(file) => {
                let (path, arch) = self.arch_in(node, file)?;
                Some(Origin::Saved(vec![Saved { path, arch }]))
            }
            DeValue::Array(files) => {
                let saved = files.iter().map(|node| {
                    let file = string(node, "arch", &mut self.errors)?;
                    let (path, arch) = self.arch_in(node, file)?;
                    Some(Saved { path, arch })
                });
                let saved: Vec<Option<Saved>> = saved.collect();
                let saved: Vec<Saved> = saved.into_iter().collect::<Option<_>>()?;
                let (_, seeds) = self.seeds?;
                if saved.len() as u64 != seeds {
                    let what = format!("`arch` needs a file for each of {seeds} seeds");
                    let found = format!("found {}", saved.len());
                    self.errors
                        .push(Diagnostic::new(node.span(), what).label(found));
                }
                Some(Origin::Saved(saved))
            }
            DeValue::Table(fields) => {
                let point = self
                    .required(fields, node.span(), "an architecture of a space", "point")
                    .and_then(|n| table(n, "point", &mut self.errors));
                let point = point.map(|p| params(p, &mut self.errors));
                let mut space = json(node, &mut self.errors);
                space
                    .as_object_mut()
                    .expect("it is a table")
                    .shift_remove("point");
                Some(Origin::Point(self.check(&space, node, "space")?, point?))
            }
            _ => {
                self.errors.push(Diagnostic::new(
                    node.span(),
                    "`arch` must be a file, or { use = SPACE, point = {…} }",
                ));
                None
            }
        }
    }

    /// A file of weights that is there; what is in it a worker sees.
    fn weights(&mut self, node: &Node) -> Option<PathBuf> {
        let file = string(node, "weights", &mut self.errors)?;
        let path = self.source.folder().join(file);
        if !path.is_file() {
            let what = format!("there is no file `{}`", path.display());
            self.errors.push(Diagnostic::new(node.span(), what));
            return None;
        }
        Some(file.into())
    }

    /// The architecture in a file, whose components are there: JSON, or what a network was saved with.
    fn arch_in(&mut self, node: &Node, file: &str) -> Option<(PathBuf, Arch)> {
        let path = self.source.folder().join(file);
        let read = match file.ends_with(SAVED) {
            true => saved_arch(&path),
            false => read_within(&path, ARCH).context(|| "it cannot be read".into()),
        };
        let parsed = read.and_then(|bytes| {
            serde_json::from_slice::<Arch>(&bytes).context(|| "it is no architecture".into())
        });
        match parsed {
            Ok(arch) => {
                // The architecture holds no place of the experiment, so errors point at the file's name.
                for recipe in recipes(&arch) {
                    let role = if arch.generated.iter().any(|g| g.hypernet == *recipe) {
                        "hypernet"
                    } else {
                        "layer"
                    };
                    let value = serde_json::to_value(recipe).expect("a recipe is JSON");
                    Checker {
                        catalog: self.catalog,
                        errors: &mut self.errors,
                    }
                    .component(&value, &Place::of(node), role, true);
                }
                Some((file.into(), arch))
            }
            Err(e) => {
                let cause = e.cause.map(|c| c.what).unwrap_or_default();
                self.errors.push(
                    Diagnostic::new(
                        node.span(),
                        format!("the architecture `{}` cannot be used", path.display()),
                    )
                    .label(format!("{}: {cause}", e.what)),
                );
                None
            }
        }
    }

    /// What a stage of another run has made: its networks, seed by seed, or the one of a seed that is named.
    fn other_run(&mut self, node: &Node, fields: &DeTable) -> Option<Origin> {
        let of = "another run's stage";
        refuse_unknown(fields, of, &["run", "stage", "seed"], &mut self.errors);
        let [run, stage] = ["run", "stage"].map(|key| {
            let value = self.required(fields, node.span(), of, key)?;
            string(value, key, &mut self.errors)
        });
        let seed = match fields.get("seed") {
            Some(seed) => Some(integer(seed, "seed", 0..=(1 << 62), &mut self.errors)?),
            None => None,
        };
        let (run, stage) = (run?, stage?);
        let folder = self.source.folder().join(run);
        if !folder.join("experiment.toml").is_file() {
            let what = format!("`{}` is not the folder of a run", folder.display());
            let error = Diagnostic::new(fields["run"].span(), what);
            let help = "write it as seen from the folder of this file, such as \"runs/first-1\"";
            self.errors.push(error.help(help));
            return None;
        }
        let found = format!("{run}/arch/{stage}.json");
        if self.source.folder().join(&found).is_file() {
            let (path, arch) = self.arch_in(node, &found)?;
            return Some(Origin::File(path, Box::new(arch), None));
        }
        let (first, seeds) = self.seeds?;
        let wanted = seed.map_or(first..first + seeds, |seed| seed..seed + 1);
        let mut saved = vec![];
        for seed in wanted {
            let file = format!("{run}/weights/{stage}-s{seed}{SAVED}");
            if !self.source.folder().join(&file).is_file() {
                let what =
                    format!("the run `{run}` has no network of stage `{stage}`, seed {seed}");
                let error = Diagnostic::new(node.span(), what);
                self.errors.push(error.help(what_is_there(&folder, stage)));
                return None;
            }
            let (path, arch) = self.arch_in(node, &file)?;
            saved.push(Saved { path, arch });
        }
        Some(Origin::Saved(saved))
    }
}

fn which_arm(span: Range<usize>, group: &str, earlier: &[String]) -> Diagnostic {
    let arms: Vec<String> = { arms_of(group, earlier) }
        .map(|arm| format!("`{arm}`"))
        .collect();
    let error = Diagnostic::new(span, format!("the stage `{group}` has several arms"));
    error.help(format!("name one: {}", arms.join(", ")))
}

/// The architecture in the metadata of a safetensors file, of which nothing else is read.
fn saved_arch(path: &Path) -> Result<Vec<u8>, Error> {
    #[derive(Deserialize)]
    struct Header {
        #[serde(rename = "__metadata__", default)]
        metadata: BTreeMap<String, String>,
    }
    let attempt = || "it cannot be read".into();
    let mut file = File::open(path).context(attempt)?;
    let mut length = [0; 8];
    file.read_exact(&mut length).context(attempt)?;
    let mut header = vec![];
    let length = u64::from_le_bytes(length).min(ARCH);
    file.take(length)
        .read_to_end(&mut header)
        .context(attempt)?;
    let header: Header =
        serde_json::from_slice(&header).context(|| "it is no safetensors file".into())?;
    let missing = || {
        Error::new("it holds no architecture").caused_by(Error::new(
            "give the architecture by `arch` and this file by `weights`",
        ))
    };
    let arch = header.metadata.get("arch").ok_or_else(missing)?;
    Ok(arch.clone().into_bytes())
}

/// What a run has, of which a stage was named that has no network there.
fn what_is_there(folder: &Path, stage: &str) -> String {
    let run = Run::look(folder);
    let stages = run.as_ref().ok().and_then(|run| run.stages().ok());
    let stages: Vec<String> = { stages.into_iter().flatten() }
        .map(|stage| stage.name)
        .collect();
    let is_there = stages.is_empty() || stages.iter().any(|name| name == stage);
    if !is_there {
        let names = || stages.iter().map(String::as_str);
        return match nearest(stage, names()) {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("its stages are {}", names().collect::<Vec<_>>().join(", ")),
        };
    }
    let there = networks(&folder.join("weights"));
    if !there.is_empty() {
        return format!("it has {}", there.join(", "));
    }
    match run.ok().and_then(|run| run.who_removed()) {
        Some(by) => format!("its weights were removed, by {by}: run it again to have them"),
        None => "it keeps no weights".into(),
    }
}

/// The networks in a folder, in order.
fn networks(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let name = |entry: fs::DirEntry| {
        let name = entry.file_name();
        Some(name.to_str()?.strip_suffix(SAVED)?.to_owned())
    };
    let mut networks: Vec<String> = entries.filter_map(name).collect();
    networks.sort();
    networks
}
