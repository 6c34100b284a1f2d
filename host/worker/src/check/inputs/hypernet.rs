//! A hypernet, on the weights of a small layer.

use std::rc::Rc;

use plugin_api::host::Services;
use plugin_api::role::Hypernet;
use plugin_api::{Arch, Batch, Recipe, Result, Shapes, Tensors, WeightSpec};

use super::super::differs;
use super::{Exercise, Output, weights};
use crate::registry::host;

pub(super) fn exercises(recipe: &Recipe, seed: u64) -> Result<Vec<Exercise>> {
    let hypernet = Rc::new(host().hypernet(recipe)?);
    let target = [
        WeightSpec::new("first.weight", &[("in", 4), ("out", 3)], "baselines/glorot"),
        WeightSpec::new("first.bias", &[("out", 3)], "baselines/zeros"),
    ];
    let own = weights(&hypernet.weights(&target)?, &Arch::new(Shapes::new()), seed)?;
    let lent = own
        .iter()
        .map(|(name, t)| (format!("weight {name}"), t.clone()))
        .collect();
    let (maker, made) = (Rc::clone(&hypernet), target.clone());
    let call = move |lent: &Tensors| {
        Ok(Output {
            tensors: maker.generate(&lent.under("weight "), &Batch::new(), &made)?,
            text: String::new(),
        })
    };
    let promise = move |output: &Output| {
        for spec in &target {
            let size = output.tensors.get(&spec.name).map(|t| t.size());
            if size.as_ref() != Some(&spec.size()) {
                let found = size.map_or("nothing".into(), |size| format!("{size:?}"));
                let what = format!("the hypernet does not make `{}`", spec.name);
                return Err(differs(what, found, format!("{:?}", spec.size())));
            }
        }
        Ok(())
    };
    Ok(vec![Exercise {
        input: "the weights [4, 3] and [3] of a layer".into(),
        lent,
        differentiable: true,
        call: Box::new(call),
        promise: Box::new(promise),
    }])
}
