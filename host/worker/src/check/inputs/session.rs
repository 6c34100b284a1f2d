//! Pruners, scorers and trainers, on a session with a small network for a small task.

use std::rc::Rc;

use plugin_api::host::Services;
use plugin_api::role::{Pruner, Scorer, Task, Trainer};
use plugin_api::{Arch, Error, Recipe, Result, Session, Tensors};
use tch::{Device, Tensor};

use super::super::differs;
use super::{Exercise, Output};
use crate::registry::host;
use crate::session::NetSession;

/// What stands for every session.
const INPUT: &str = "a session with a network 64 -> 8 -> 10 for 20 digits";

pub(super) fn pruner(recipe: &Recipe, seed: u64) -> Result<Vec<Exercise>> {
    let pruner = host().pruner(recipe)?;
    let call = move |_: &Tensors| {
        Ok(Output {
            tensors: pruner.scores(&mut session(seed)?)?,
            text: String::new(),
        })
    };
    let promise = move |output: &Output| {
        let weights = session(seed)?.effective("all")?;
        for (path, scores) in output.tensors.iter() {
            let weight = weights.get(path).ok_or_else(|| {
                Error::new(format!("`{path}` has scores, but there is no such weight"))
            })?;
            if weight.size() != scores.size() {
                let what = format!("the scores of `{path}` have another shape");
                return Err(differs(
                    what,
                    format!("{:?}", scores.size()),
                    format!("{:?}", weight.size()),
                ));
            }
            if bool::try_from(scores.f_isnan()?.f_any()?)? {
                return Err(Error::new(format!("some scores of `{path}` are no numbers")).into());
            }
        }
        Ok(())
    };
    Ok(of_session(call, promise))
}

pub(super) fn scorer(recipe: &Recipe, seed: u64) -> Result<Vec<Exercise>> {
    let scorer = host().scorer(recipe)?;
    let call = move |_: &Tensors| {
        let score = scorer.score(&mut session(seed)?)?;
        Ok(Output {
            tensors: Tensors::new().with("score", Tensor::from(score)),
            text: scorer.higher_is_better().to_string(),
        })
    };
    let promise = move |output: &Output| match f64::try_from(&output.tensors["score"])?.is_nan() {
        true => Err(Error::new("the score is no number").into()),
        false => Ok(()),
    };
    Ok(of_session(call, promise))
}

pub(super) fn trainer(recipe: &Recipe, seed: u64) -> Result<Vec<Exercise>> {
    let trainer = host().trainer(recipe)?;
    let call = move |_: &Tensors| {
        let mut session = session(seed)?;
        let report = trainer.fit(&mut session)?;
        let mut output = Output::of_numbers(&report.metrics);
        for (path, weight) in session.weights("all")? {
            output
                .tensors
                .put(format!("weight {path}"), weight.detach());
        }
        Ok(output)
    };
    let promise = move |output: &Output| {
        let weights = output.tensors.under("weight ");
        for (path, fresh) in session(seed)?.weights("all")?.iter() {
            let size = weights.get(path).map(|t| t.size());
            if size.as_ref() != Some(&fresh.size()) {
                let what = format!("training gives `{path}` another shape");
                return Err(differs(
                    what,
                    format!("{size:?}"),
                    format!("{:?}", fresh.size()),
                ));
            }
        }
        Ok(())
    };
    Ok(of_session(call, promise))
}

fn of_session(
    call: impl Fn(&Tensors) -> Result<Output> + 'static,
    promise: impl Fn(&Output) -> Result<()> + 'static,
) -> Vec<Exercise> {
    vec![Exercise {
        input: INPUT.into(),
        lent: Tensors::new(),
        call: Box::new(call),
        promise: Box::new(promise),
    }]
}

fn session(seed: u64) -> Result<NetSession> {
    let task = Recipe::new("baselines/digits")
        .with("train_per_class", 2)
        .with("val", 10);
    let task = host().task(&task)?;
    let linear = |out: i64| Recipe::new("baselines/linear").with("out", out);
    let arch = Arch::new(task.ports()?.inputs)
        .layer("first", linear(8), &[("x", "in.x")])
        .layer(
            "middle",
            Recipe::new("baselines/activation").with("kind", "tanh"),
            &[("x", "first.x")],
        )
        .layer("last", linear(10), &[("x", "middle.x")])
        .output("y", "last.x");
    NetSession::new(arch, Rc::new(task), seed, Device::Cpu)
}
