//! Who contributed what: the components that a run used, by plugin.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use plugin_api_data::Error;
use serde::Serialize;
use serde_json::Value;

use super::Network;
use crate::cards::Catalog;
use crate::error::Context;
use crate::lock::{Lock, Locked};

/// A plugin that took part.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Contribution {
    /// Its name.
    pub plugin: String,
    /// Its version.
    pub version: String,
    /// SHA-256 of its file.
    pub sha256: String,
    /// Where its file was.
    pub path: PathBuf,
    /// What it is, in a sentence.
    pub description: String,
    /// Its licence, as SPDX writes it.
    pub licence: String,
    /// The paper that it follows, if one.
    pub paper: String,
    /// Its components that were used.
    pub components: Vec<Used>,
}

/// A component that was used.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Used {
    /// Its name inside the plugin.
    pub name: String,
    /// `layer`, `strategy`, …
    pub role: String,
    /// What it is, in the first words of its documentation.
    pub about: String,
    /// Where it was used: names of stages, and `task`.
    pub places: Vec<String>,
}

/// Places by component.
type Places = BTreeMap<String, Vec<String>>;

/// The plugins of a run, and which of their components the experiment names or an architecture holds.
pub(super) fn contributions(
    experiment: &str,
    networks: &[Network],
    lock: &Lock,
    catalog: &Catalog,
) -> Result<Vec<Contribution>, Error> {
    let places = places(experiment, networks)?;
    Ok({ lock.plugin.iter() }
        .map(|locked| contribution(locked, &places, catalog))
        .collect())
}

fn contribution(locked: &Locked, places: &Places, catalog: &Catalog) -> Contribution {
    // Without its card a plugin still has its name and hash.
    let card = catalog.plugin(&locked.name).ok();
    let used = places.iter().filter_map(|(component, places)| {
        let (plugin, name) = component.split_once('/')?;
        let of = card.and_then(|card| card.components.iter().find(|c| c.name == name));
        (plugin == locked.name).then(|| Used {
            name: name.into(),
            role: of.map(|of| of.role.clone()).unwrap_or_default(),
            about: of.map(|of| first_paragraph(&of.doc)).unwrap_or_default(),
            places: places.clone(),
        })
    });
    Contribution {
        plugin: locked.name.clone(),
        version: locked.version.clone(),
        sha256: locked.sha256.clone(),
        path: locked.path.clone(),
        description: card.map(|c| c.description.clone()).unwrap_or_default(),
        licence: card.map(|c| c.licence.clone()).unwrap_or_default(),
        paper: card.map(|c| c.paper.clone()).unwrap_or_default(),
        components: used.collect(),
    }
}

/// Where the resolved experiment names each component, and which stages handed on an architecture with it.
fn places(experiment: &str, networks: &[Network]) -> Result<Places, Error> {
    let attempt = || "the experiment of the run is no TOML".to_owned();
    let whole: Value = toml::from_str(experiment).context(attempt)?;
    let mut found = Places::new();
    let mut add = |component: String, place: &str| {
        let places = found.entry(component).or_default();
        if !places.iter().any(|p| p == place) {
            places.push(place.into());
        }
    };
    for component in components(&whole["task"]) {
        add(component, "task");
    }
    for stage in whole["stage"].as_array().into_iter().flatten() {
        let name = stage["name"].as_str().unwrap_or_default();
        for component in components(stage) {
            add(component, name);
        }
    }
    for network in networks {
        let arch = serde_json::to_value(&network.arch).context(|| "an architecture".into())?;
        for component in components(&arch) {
            for stage in &network.stages {
                add(component.clone(), stage);
            }
        }
    }
    Ok(found)
}

/// All that stands behind a key `use` in this value.
fn components(value: &Value) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let mut open = vec![value];
    while let Some(value) = open.pop() {
        match value {
            Value::Object(map) => {
                found.extend(map.get("use").and_then(Value::as_str).map(String::from));
                open.extend(map.values());
            }
            Value::Array(items) => open.extend(items),
            _ => {}
        }
    }
    found
}

/// What the documentation says first, on one line.
fn first_paragraph(doc: &str) -> String {
    let paragraph = doc.split("\n\n").next().unwrap_or_default();
    paragraph.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_components_wherever_they_stand() {
        let experiment = r#"
            task = { use = "a/task", inner = { use = "a/inner" } }
            [[stage]]
            name = "found"
            search = { use = "b/walk" }
            each = [{ train = { use = "a/fit", transforms = [{ use = "b/adam" }] } }]
            [[stage]]
            name = "final"
            train = { use = "a/fit" }
        "#;
        let places = places(experiment, &[]).unwrap();
        let line = |(component, places): (&String, &Vec<String>)| {
            format!("{component}: {}", places.join(", "))
        };
        assert_eq!(
            places.iter().map(line).collect::<Vec<_>>(),
            [
                "a/fit: found, final",
                "a/inner: task",
                "a/task: task",
                "b/adam: found",
                "b/walk: found"
            ]
        );
    }
}
