//! A kernel, on two sets of samples, with a network beside them where it reads one.

use std::rc::Rc;

use plugin_api::host::Services;
use plugin_api::role::Kernel;
use plugin_api::{Arch, Batch, Recipe, Result, Session, Shapes, Tensors, random, stream};

use super::super::differs;
use super::{Exercise, Output, session, weights};
use crate::registry::host;

/// Samples of the two sets.
const SAMPLES: [(&str, i64); 2] = [("x", 5), ("y", 3)];
/// What the network beside them takes.
const FEATURES: i64 = 64;

pub(super) fn exercises(recipe: &Recipe, seed: u64) -> Result<Vec<Exercise>> {
    let kernel = Rc::new(host().kernel(recipe)?);
    let own = weights(&kernel.weights()?, &Arch::new(Shapes::new()), seed)?;
    let mut lent: Tensors = own
        .iter()
        .map(|(name, t)| (format!("weight {name}"), t.clone()))
        .collect();
    for (name, n) in SAMPLES {
        // Not far from each other: of samples that are far apart many kernels see nothing.
        let samples = random::normal(&[n, FEATURES], stream(seed, name)).f_mul_scalar(0.1)?;
        lent.put(format!("input {name}"), samples);
    }
    let run = move |lent: &Tensors, net: Option<&dyn Session>| {
        let of = |name: &str| Batch::new().with("x", &lent[&format!("input {name}")]);
        let w = lent.under("weight ");
        let (x, y) = (of("x"), of("y"));
        Ok(Output {
            tensors: Tensors::new()
                .with("gram", kernel.gram(&w, &x, &y, net)?)
                .with("diagonal", kernel.diagonal(&w, &x, net)?),
            text: String::new(),
        })
    };
    let alone = run(&lent, None).is_ok();
    let call = move |lent: &Tensors| match alone {
        true => run(lent, None),
        false => run(lent, Some(&session::session(seed)?)),
    };
    let promise = |output: &Output| {
        let [(_, x), (_, y)] = SAMPLES;
        for (name, expected) in [("gram", vec![x, y]), ("diagonal", vec![x])] {
            let size = output.tensors[name].size();
            if size != expected {
                let what = format!("`{name}` has another shape than the samples ask for");
                return Err(differs(what, format!("{size:?}"), format!("{expected:?}")));
            }
        }
        Ok(())
    };
    Ok(vec![Exercise {
        input: format!("5 and 3 samples of {FEATURES} features"),
        lent,
        // A network is in float32.
        differentiable: alone,
        call: Box::new(call),
        promise: Box::new(promise),
    }])
}
