//! What a plugin says of itself: a constant note in its file, and cards that it hands out once loaded.

use serde::{Deserialize, Serialize};

use crate::{Json, Named};

/// The API that this crate is, `major.minor`. A host takes plugins of its own major and of no newer minor.
pub const API: &str = if cfg!(feature = "minor-0") {
    "1.0"
} else {
    "1.1"
};
/// The version of `tch` that plugins and hosts share.
pub const TCH: &str = "0.24.0";
/// The version of libtorch that plugins and hosts share.
pub const LIBTORCH: &str = "2.11.0";
/// The section of a plugin's file that holds its [`Note`] as JSON.
pub const SECTION: &str = ".pleach";
/// The file in a plugin's crate that says what it claims to reproduce.
pub const CLAIMS: &str = "claims.toml";

/// The constant note in a plugin's file, read without running anything of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Note {
    /// Name of the plugin, which is its crate's.
    pub name: String,
    /// Its version.
    pub version: String,
    /// The API that it was built for, `major.minor`.
    pub api: String,
    /// The version of `tch` that it was built with.
    pub tch: String,
    /// The version of libtorch that it was built with.
    pub libtorch: String,
    /// The target triple that it was built for.
    pub target: String,
    /// The processor features that it takes for granted, joined by commas.
    pub features: String,
}

impl Note {
    /// The exported symbol of the plugin's header.
    pub fn symbol(&self) -> String {
        format!("pleach_plugin_{}", self.name)
    }
}

/// A plugin in its own words.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PluginCard {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// What it is, in a sentence.
    pub description: String,
    /// Its licence, as SPDX writes it.
    pub licence: String,
    /// The paper that it follows, if one.
    pub paper: String,
    /// What it offers, by role and name.
    pub components: Vec<Card>,
    /// What it claims to reproduce: the text of [`CLAIMS`] and of the files that stand beside it, by their paths in the
    /// crate. Nothing where it claims nothing.
    #[serde(default, skip_serializing_if = "Named::is_empty")]
    pub claims: Named<String>,
}

/// A component in its own words.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Card {
    /// `layer`, `strategy`, …
    pub role: String,
    /// Its name inside the plugin.
    pub name: String,
    /// What it is.
    pub doc: String,
    /// JSON Schema of its parameters, with their docs, defaults and ranges. Where another component is expected the
    /// schema says which role: `"x-role": "layer"`.
    pub schema: Json,
    /// The checks of `pleach plugins check` that it does not pass by design, each with its reason.
    #[serde(default, skip_serializing_if = "Named::is_empty")]
    pub exempt: Named<String>,
}
