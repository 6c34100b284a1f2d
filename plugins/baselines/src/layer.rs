//! Layers.

use plugin_api::prelude::*;

mod activation;
mod add;
mod appnp;
mod attention;
mod batch_norm;
mod begun;
mod concat;
mod conv;
mod dropout;
mod embedding;
mod flatten;
mod gat;
mod gcn;
mod gin;
mod graph_pool;
mod group_norm;
mod gru;
mod identity;
mod kernel_machine;
mod layer_norm;
mod linear;
mod lstm;
mod multi_head_attention;
mod pairs;
mod pool;
mod recurrent;
mod rnn;
mod sage;
mod sequence;
mod transformer_block;
mod zero;

/// The axis of the windows that slide over this one.
fn windows(along: &Axis, kernel: i64, stride: i64, padding: i64) -> Result<Axis> {
    let Some(length) = along.size else {
        return Ok(axis(&along.name, None).fixed());
    };
    let room = length + 2 * padding - kernel;
    if room < 0 {
        return Err(Error::new("the window is longer than what it slides over")
            .found(format!("{kernel} along `{}`", along.name))
            .expected(format!("at most {}", length + 2 * padding))
            .into());
    }
    Ok(axis(&along.name, room / stride + 1).fixed())
}
