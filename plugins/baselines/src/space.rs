//! Families of architectures.

use plugin_api::prelude::*;
use plugin_api::{Json, serde_json};

mod cell_cnn;
mod gnn;
mod mlp_space;
mod tabular_space;

/// A parameter that a decision fills in.
fn decided(decision: &str) -> Json {
    serde_json::json!({ "decide": decision })
}

/// The one output that the task wants, and its width.
fn output(ports: &Ports) -> Result<(&str, i64)> {
    match ports.outputs.names().collect::<Vec<_>>()[..] {
        [output] => Ok((output, width(&ports.outputs, output)?)),
        ref several => Err(Error::new("the space makes networks of one output")
            .found(several.join(", "))
            .into()),
    }
}

/// Refuses parameters, by their names, that are empty lists.
fn some_of_each(lists: &[(&str, bool)]) -> Result<()> {
    match lists.iter().find(|(_, empty)| *empty) {
        Some((name, _)) => Err(Error::new(format!(
            "parameter `{name}` leaves nothing to choose from"
        ))
        .expected("one or more")
        .into()),
        None => Ok(()),
    }
}
