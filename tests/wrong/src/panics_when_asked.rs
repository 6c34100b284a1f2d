//! A plugin that panics when it is asked what its component takes.

use std::borrow::Cow;

use plugin_api::prelude::*;
use plugin_api::{schemars, serde};

plugin_api::plugin!();

/// A score that nobody can ask for.
#[component(scorer = "panics")]
struct Panics {
    /// What cannot be described.
    what: Indescribable,
}

impl Scorer for Panics {
    fn score(&self, _: &mut dyn Session) -> Result<f64> {
        Ok(self.what.0)
    }
}

#[derive(serde::Deserialize)]
#[serde(crate = "plugin_api::serde")]
struct Indescribable(f64);

impl schemars::JsonSchema for Indescribable {
    fn schema_name() -> Cow<'static, str> {
        "Indescribable".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        panic!("on purpose")
    }
}
