//! Packages that are put together without a worker.

use pleach::package::{self, Extras, Package};
use plugin_api_data::{Named, Note, PluginCard};

use crate::support::{note, plugin};

/// What the plugin says of itself once it is loaded.
pub fn card(note: &Note) -> PluginCard {
    PluginCard {
        name: note.name.clone(),
        version: note.version.clone(),
        description: "Scales.".into(),
        licence: "MIT".into(),
        paper: String::new(),
        components: vec![],
        claims: Named::new(),
    }
}

/// A package of a plugin file with this note, and nothing else.
pub fn packed(note: &Note) -> Package {
    package::pack(plugin(note), &card(note), &Extras::default()).unwrap()
}

pub fn version(name: &str, version: &str) -> Note {
    Note {
        version: version.into(),
        ..note(name)
    }
}
