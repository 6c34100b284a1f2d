//! An objective, on what it needs to see of a pass over a few digits.

use std::rc::Rc;

use plugin_api::host::Services;
use plugin_api::role::{Objective, Task};
use plugin_api::{At, Batch, Error, Named, Recipe, Result, Seen, Tensors, random, stream};

use super::super::{Skip, differs};
use super::{Exercise, Output, session, task};
use crate::registry::host;

/// Samples and, of what a tap shows, features.
const SIZE: [i64; 2] = [7, 8];

pub(super) fn exercises(recipe: &Recipe, seed: u64) -> Result<Vec<Exercise>> {
    let objective = Rc::new(host().objective(recipe)?);
    let needs = objective.needs()?;
    let digits = session::task()?;
    let at = At {
        size: SIZE[0],
        seed,
        ..At::ALL
    };
    let batch = digits
        .batch("train", &at)?
        .ok_or_else(|| Error::new("the task that stands in has no batch"))?;

    // What the pass shows, then what each companion shows, under its name.
    let outputs = task::outputs(&digits.ports()?, &batch, seed)?;
    let mut lent = Tensors::new();
    let weight = needs.weights.map(|_| "weight:node.weight".to_string());
    let own = needs.taps.into_iter().chain(weight).collect();
    let of_companions = needs.companions.iter();
    let of_companions = of_companions.map(|(name, taps)| (format!("{name} "), taps.clone()));
    let passes = [(String::new(), own)].into_iter().chain(of_companions);
    for (whose, taps) in passes {
        for (name, t) in outputs.iter() {
            // No two passes show the same.
            let moved = t.f_add_scalar(whose.len() as f64 / 10.0)?;
            lent.put(format!("{whose}{name}"), moved);
        }
        for tap in taps {
            let name = format!("{whose}tap {tap}");
            lent.put(&name, random::normal(&SIZE, stream(seed, &name)));
        }
    }

    let companions: Vec<String> = needs.companions.into_iter().map(|(name, _)| name).collect();
    let call = move |lent: &Tensors| {
        let others: Named<Seen> = companions
            .iter()
            .map(|name| (name, seen(lent, &format!("{name} "))))
            .collect();
        let term = objective.value(&seen(lent, ""), &batch, &others)?;
        Ok(Output {
            text: term.is_some().to_string(),
            tensors: term.into_iter().map(|term| ("term", term)).collect(),
        })
    };
    if let Err(e) = call(&lent) {
        let what = "the objective is not for outputs and labels of a classification";
        return Err(Skip(format!("{what}\n  caused by {e}")).into());
    }
    let promise = |output: &Output| match output.tensors.get("term") {
        Some(term) if !term.size().is_empty() => Err(differs(
            "the term is no scalar",
            format!("{:?}", term.size()),
            "[]",
        )),
        _ => Ok(()),
    };
    Ok(vec![Exercise {
        input: "outputs [7, 10] and labels of 7 digits".into(),
        lent,
        differentiable: true,
        call: Box::new(call),
        promise: Box::new(promise),
    }])
}

fn seen(lent: &Tensors, whose: &str) -> Seen {
    let of = |what: &str| lent.under(&format!("{whose}{what} "));
    let outputs: Batch = of("output").into_iter().collect();
    Seen {
        step: 0,
        outputs,
        taps: of("tap"),
    }
}
