//! The components against their equations, and what follows from them.

use baselines as _;
use dgmlp as _;
use pleach_worker::host;
use plugin_api::host::Services;
use plugin_api::prelude::*;
use plugin_api::role::LayerObj;
use plugin_api::{Json, Params};

plugin_api::testing::conformance!();

mod propagation;
mod study;
mod transformation;

/// A component with these parameters.
fn recipe(component: &str, params: Json) -> Recipe {
    let params: Params = params.as_object().expect("an object").clone();
    Recipe {
        component: component.into(),
        params,
    }
}

fn layer(component: &str, params: Json) -> Result<LayerObj> {
    host().layer(&recipe(component, params))
}
