//! From gradients to updates.

use plugin_api::prelude::*;

mod adagrad;
mod adam;
mod adamw;
mod clip;
mod ema;
mod only;
mod rmsprop;
mod sgd;
mod weight_decay;

/// State like the weights, `slot:PATH`, that begins with this number everywhere.
fn filled(slot: &str, value: f64, specs: &[WeightSpec]) -> Result<Tensors> {
    let slots = specs.iter().map(|spec| {
        let begun = Tensor::f_full(spec.size(), value, (kind(spec.dtype), Device::Cpu))?;
        Ok((format!("{slot}:{}", spec.name), begun))
    });
    slots.collect()
}

/// A handle to the state `slot:PATH`: what changes it in place changes the state.
fn slot(state: &Tensors, slot: &str, path: &str) -> Result<Tensor> {
    let name = format!("{slot}:{path}");
    let found = state.get(&name);
    let found = found.with_context(|| format!("there is no state `{name}`"))?;
    Ok(found.shallow_clone())
}

/// `gradient + decay w`.
fn decayed(gradient: &Tensor, weight: &Tensor, decay: f64) -> Result<Tensor> {
    Ok(match decay {
        0.0 => gradient.shallow_clone(),
        _ => gradient.f_add(&weight.f_mul_scalar(decay)?)?,
    })
}
