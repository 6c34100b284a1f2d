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

/// On a bench for samples that stand alone; an analysis of graphs on one for nodes.
pub(super) fn analysis(recipe: &Recipe, seed: u64) -> Result<Vec<Exercise>> {
    let alone = bench(task()?, "baselines/linear", seed)?;
    let joined = bench(nodes()?, "baselines/gcn", seed)?;
    let wants_graph = alone.measure(recipe).is_err() && joined.measure(recipe).is_ok();
    let (bench, input) = match wants_graph {
        false => (alone, "trained on 20 digits"),
        true => (joined, "over a graph, trained on 20 digits"),
    };
    let recipe = recipe.clone();
    let call = move |_: &Tensors| of_report(&bench.measure(&recipe)?);
    let input = format!("a bench with two networks 64 -> 8 -> 10, {input}");
    Ok(vec![Exercise::alone(&input, call, |_| Ok(()))])
}

/// With two networks of this layer, trained.
fn bench(task: Rc<TaskObj>, layer: &str, seed: u64) -> Result<SubjectBench> {
    let mut bench = SubjectBench::new(Rc::clone(&task), seed, Device::Cpu);
    let trainer = Recipe::new("baselines/backprop").with("epochs", 2);
    for (name, seed) in [("first", seed), ("second", seed.wrapping_add(1))] {
        let arch = network(&task, layer)?;
        let mut session = NetSession::new(arch, Rc::clone(&task), seed, Device::Cpu)?;
        let report = host().trainer(&trainer)?.fit(&mut session)?;
        bench.put(
            name,
            session.arch()?,
            session.snapshot("all,masks")?,
            vec![report],
        );
    }
    Ok(bench)
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

/// The same digits as nodes of a graph.
fn nodes() -> Result<Rc<TaskObj>> {
    let task = Recipe::new("baselines/digits-graph").with("train_per_class", 2);
    Ok(Rc::new(host().task(&task)?))
}

/// A session that nobody has worked on.
pub(super) fn session(seed: u64) -> Result<NetSession> {
    let task = task()?;
    let arch = network(&task, "baselines/linear")?;
    NetSession::new(arch, task, seed, Device::Cpu)
}

/// 64 -> 8 -> 10, of two such layers.
fn network(task: &TaskObj, layer: &str) -> Result<Arch> {
    let inputs = task.ports()?.inputs;
    let has_graph = inputs.get("graph").is_some();
    let made = |out: i64| Recipe::new(layer).with("out", out);
    let fed = |from: &'static str| {
        let graph = ("graph", "in.graph");
        [("x", from)]
            .into_iter()
            .chain(has_graph.then_some(graph))
            .collect::<Vec<_>>()
    };
    let tanh = Recipe::new("baselines/activation").with("kind", "tanh");
    Ok(Arch::new(inputs)
        .layer("first", made(8), &fed("in.x"))
        .layer("middle", tanh, &[("x", "first.x")])
        .layer("last", made(10), &fed("middle.x"))
        .output("y", "last.x"))
}
