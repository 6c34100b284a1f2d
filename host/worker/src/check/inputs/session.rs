//! Pruners, scorers, trainers and analyses, on sessions with a small network for a small task.

use std::rc::Rc;

use plugin_api::host::Services;
use plugin_api::role::{Pruner, Scorer, Task, TaskObj, Trainer};
use plugin_api::{Arch, Ask, Error, Recipe, Report, Result, Session, Tensors};
use tch::{Device, Tensor};

use super::super::{Skip, differs};
use super::{Exercise, Output};
use crate::bench::SubjectBench;
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
        let session = session(seed)?;
        let mut ranked = session.effective("all", &Ask::eval())?;
        // Or units, by the axis at which they come into being.
        let units = session.by_units(&ranked)?;
        ranked.extend(units);
        for (path, scores) in output.tensors.iter() {
            let weight = ranked.get(path).ok_or_else(|| {
                Error::new(format!("`{path}` has scores, but there is no such weight"))
            })?;
            if weight.size() != scores.size() {
                let (found, expected) = (scores.size(), weight.size());
                let what = format!("the scores of `{path}` have another shape");
                return Err(differs(what, format!("{found:?}"), format!("{expected:?}")));
            }
            if bool::try_from(scores.f_isnan()?.f_any()?)? {
                return Err(Error::new(format!("some scores of `{path}` are no numbers")).into());
            }
        }
        Ok(())
    };
    Ok(vec![Exercise::alone(INPUT, call, promise)])
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
    let promise = |output: &Output| match f64::try_from(&output.tensors["score"])?.is_nan() {
        true => Err(Error::new("the score is no number").into()),
        false => Ok(()),
    };
    Ok(vec![Exercise::alone(INPUT, call, promise)])
}

pub(super) fn trainer(recipe: &Recipe, seed: u64) -> Result<Vec<Exercise>> {
    let trainer = host().trainer(recipe)?;
    // A trainer may be for other networks, such as points of a space, and says so.
    if let Err(error) = trainer.fit(&mut session(seed)?) {
        return Err(Skip(format!("the trainer does not take {INPUT}: {error}")).into());
    }
    let call = move |_: &Tensors| {
        let mut session = session(seed)?;
        let mut output = of_report(&trainer.fit(&mut session)?)?;
        for (path, weight) in session.weights("all")? {
            output
                .tensors
                .put(format!("weight {path}"), weight.detach());
        }
        Ok(output)
    };
    let promise = |output: &Output| {
        for (path, weight) in output.tensors.under("weight ").iter() {
            if !bool::try_from(weight.f_isfinite()?.f_all()?)? {
                return Err(Error::new(format!(
                    "training gives `{path}` what is no finite number"
                ))
                .into());
            }
        }
        Ok(())
    };
    Ok(vec![Exercise::alone(INPUT, call, promise)])
}

pub(super) fn analysis(recipe: &Recipe, seed: u64) -> Result<Vec<Exercise>> {
    let mut bench = SubjectBench::new(task()?, seed, Device::Cpu);
    let trainer = Recipe::new("baselines/backprop").with("epochs", 2);
    for (name, seed) in [("first", seed), ("second", seed.wrapping_add(1))] {
        let mut session = session(seed)?;
        let report = host().trainer(&trainer)?.fit(&mut session)?;
        bench.put(
            name,
            session.arch()?,
            session.snapshot("all,masks")?,
            vec![report],
        );
    }
    let recipe = recipe.clone();
    let call = move |_: &Tensors| of_report(&bench.measure(&recipe)?);
    Ok(vec![Exercise::alone(
        "a bench with two networks 64 -> 8 -> 10, trained on 20 digits",
        call,
        |_| Ok(()),
    )])
}

fn of_report(report: &Report) -> Result<Output> {
    let mut output = Output::of_numbers(&report.metrics);
    for (split, metrics) in report.measured.iter() {
        let metrics = Output::of_numbers(metrics).tensors.into_iter();
        let named = metrics.map(|(name, number)| (format!("{split} {name}"), number));
        output.tensors.extend(named);
    }
    for (name, table) in report.tables.iter() {
        output.text += &format!("{name}: {:?} {:?}\n", table.columns, table.labels);
        let numbers = Tensor::f_from_slice(&table.rows.concat())?;
        output.tensors.put(format!("table {name}"), numbers);
    }
    Ok(output)
}

/// The task that stands in for every other.
pub(super) fn task() -> Result<Rc<TaskObj>> {
    let task = Recipe::new("baselines/digits")
        .with("train_per_class", 2)
        .with("val", 10);
    Ok(Rc::new(host().task(&task)?))
}

/// A session that nobody has worked on.
pub(super) fn session(seed: u64) -> Result<NetSession> {
    let task = task()?;
    let linear = |out: i64| Recipe::new("baselines/linear").with("out", out);
    let tanh = Recipe::new("baselines/activation").with("kind", "tanh");
    let arch = Arch::new(task.ports()?.inputs)
        .layer("first", linear(8), &[("x", "in.x")])
        .layer("middle", tanh, &[("x", "first.x")])
        .layer("last", linear(10), &[("x", "middle.x")])
        .output("y", "last.x");
    NetSession::new(arch, task, seed, Device::Cpu)
}
