//! A transform, on two weights over several ticks.

use std::rc::Rc;

use plugin_api::host::Services;
use plugin_api::role::Transform;
use plugin_api::{Arch, Error, Recipe, Result, Shapes, Tensors, Tick, WeightSpec, random, stream};

use super::super::differs;
use super::{Exercise, Output};
use crate::registry::host;

/// Updates in a row: some transforms do nothing on the first.
const TICKS: i64 = 3;

pub(super) fn exercises(recipe: &Recipe, seed: u64) -> Result<Vec<Exercise>> {
    let transform = Rc::new(host().transform(recipe)?);
    let specs = [
        WeightSpec::new("layer.weight", &[("in", 4), ("out", 3)], "baselines/glorot")
            .tag("prunable"),
        WeightSpec::new("layer.bias", &[("out", 3)], "baselines/zeros"),
    ];
    let mut lent = Tensors::new();
    for spec in &specs {
        for kind in ["gradient", "weight"] {
            let name = format!("{kind} {}", spec.name);
            lent.put(&name, random::normal(&spec.size(), stream(seed, &name)));
        }
    }
    let (runner, declared) = (Rc::clone(&transform), specs.clone());
    let call = move |lent: &Tensors| {
        let (gradients, weights) = (lent.under("gradient "), lent.under("weight "));
        let mut state = runner.init(&declared, &Arch::new(Shapes::new()))?;
        let mut output = Output::default();
        tch::no_grad(|| -> Result<()> {
            for step in 0..TICKS {
                let updates = runner.update(
                    gradients.clone(),
                    &weights,
                    &mut state,
                    &Tick { step, seed },
                )?;
                output.tensors = updates
                    .iter()
                    .map(|(path, t)| (format!("update {path}"), t.clone()))
                    .collect();
            }
            Ok(())
        })?;
        for (slot, t) in state {
            output.tensors.put(format!("state {slot}"), t);
        }
        Ok(output)
    };
    let promise = move |output: &Output| {
        for (name, t) in output.tensors.iter() {
            // A slot is cut and grown with the weight whose path it names.
            let path = match name.split_once(' ') {
                Some(("state", slot)) => slot.split_once(':').map(|(_, path)| path),
                of_update => of_update.map(|(_, path)| path),
            };
            let spec = specs.iter().find(|spec| Some(spec.name.as_str()) == path);
            match spec {
                Some(spec) if t.size() != spec.size() => {
                    let what = format!("`{name}` has another shape than its weight");
                    return Err(differs(
                        what,
                        format!("{:?}", t.size()),
                        format!("{:?}", spec.size()),
                    ));
                }
                None if name.starts_with("update") => {
                    return Err(Error::new(format!(
                        "`{name}` is of a weight that had no gradient"
                    ))
                    .into());
                }
                _ => {}
            }
        }
        Ok(())
    };
    Ok(vec![Exercise {
        input: format!("gradients of the weights [4, 3] and [3], {TICKS} times"),
        lent,
        differentiable: false,
        call: Box::new(call),
        promise: Box::new(promise),
    }])
}
