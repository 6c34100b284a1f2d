//! The components as a host sees them: made by name from their parameters, called across the boundary.

use {{crate}} as _;

use plugin_api::plugin::{PluginObj, linked};
use plugin_api::{Json, Params};

{{tests}}

// What hosts rely on, whatever a component does.
plugin_api::testing::conformance!();

/// The plugin.
fn plugin() -> PluginObj {
    linked().into_iter().next().expect("the plugin is linked")
}

/// Parameters, written as JSON.
fn params(json: Json) -> Params {
    json.as_object().expect("parameters are an object").clone()
}
