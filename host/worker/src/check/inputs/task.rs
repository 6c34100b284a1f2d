//! A task, on random outputs of the shapes that it wants.

use std::rc::Rc;

use plugin_api::boundary::as_error;
use plugin_api::host::Services;
use plugin_api::role::{Task, TaskObj};
use plugin_api::{
    At, Batch, Error, Json, Ports, Recipe, Result, Shape, Tensors, Value, random, show, stream,
};

use super::super::{Skip, differs};
use super::{Call, Exercise, Output, Promise, episode, shown};
use crate::registry::host;

/// Samples in a small batch.
const SIZE: i64 = 7;
/// The number of a batch that no epoch has.
const PAST_THE_END: i64 = 1_000_000_000;

pub(super) fn exercises(recipe: &Recipe, seed: u64) -> Result<Vec<Exercise>> {
    let task = Rc::new(host().task(recipe)?);
    let ports = task.ports().map_err(|error| of_examples(recipe, error))?;
    if task.episode("train", &At::ALL)?.is_some() {
        return episode::exercises(&task, seed);
    }
    let mut exercises = vec![];
    for split in ["train", "val", "test"] {
        let small = At {
            epoch: 1,
            index: 0,
            size: SIZE,
            seed,
        };
        for (of, at) in [("all of", At::ALL), ("a batch of", small)] {
            let batch = task
                .batch(split, &at)?
                .ok_or_else(|| Error::new(format!("split `{split}` is empty")))?;
            let lent = outputs(&ports, &batch, seed)?;
            let shapes: Vec<String> = lent
                .iter()
                .map(|(name, t)| format!("{name} {}", shown(t)))
                .collect();
            exercises.push(Exercise {
                input: format!("{of} `{split}`: {}", shapes.join(", ")),
                lent,
                differentiable: false,
                call: call(&task, split, at),
                promise: promise(&task, &ports, split, at),
            });
        }
    }
    Ok(exercises)
}

/// Why a task has no ports. What parameters name that stand in for a user's need not be here.
fn of_examples(recipe: &Recipe, error: anyhow::Error) -> anyhow::Error {
    match recipe.params.is_empty() {
        true => error,
        false => {
            let given = Json::Object(recipe.params.clone());
            let why = Error::new("the task cannot read what its parameters name").found(given);
            Skip(why.caused_by(as_error(error)).to_string()).into()
        }
    }
}

fn call(task: &Rc<TaskObj>, split: &'static str, at: At) -> Call {
    let task = Rc::clone(task);
    Box::new(move |lent| {
        let batch = task.batch(split, &at)?.unwrap_or_default();
        let outputs: Batch = lent.under("output ").into_iter().collect();
        let mut output = Output::of_batch(&batch);
        for (name, term) in task.loss(&outputs, &batch)? {
            output.tensors.put(format!("loss {name}"), term);
        }
        let metrics = Output::of_numbers(&task.metrics(&outputs, &batch)?);
        for (name, number) in metrics.tensors {
            output.tensors.put(format!("metric {name}"), number);
        }
        Ok(output)
    })
}

fn promise(task: &Rc<TaskObj>, ports: &Ports, split: &'static str, at: At) -> Promise {
    let (task, ports) = (Rc::clone(task), ports.clone());
    Box::new(move |output| {
        let batch = task.batch(split, &at)?.unwrap_or_default();
        for (port, shape) in ports.inputs.iter() {
            given(&batch, port, shape)?;
        }
        let terms = output
            .tensors
            .iter()
            .filter(|(name, _)| name.starts_with("loss "));
        for (name, term) in terms {
            if !term.size().is_empty() {
                return Err(differs(
                    format!("`{name}` is no scalar"),
                    format!("{:?}", term.size()),
                    "[]",
                ));
            }
        }
        let metric = format!("metric {}", ports.metric);
        if !output.tensors.contains(&metric) {
            let there: Vec<&str> = output.tensors.names().collect();
            return Err(differs(
                "the main metric is not measured",
                there.join(", "),
                metric,
            ));
        }
        if task.batch("no-such-split", &At::ALL).is_ok() {
            return Err(Error::new("a split that is not there gives a batch")
                .expected("an error")
                .into());
        }
        if task.inputs("no such file").is_ok() {
            return Err(Error::new("a file that is not there gives samples")
                .expected("an error")
                .into());
        }
        let past = At {
            index: PAST_THE_END,
            size: SIZE,
            ..at
        };
        match task.batch(split, &past)? {
            None => Ok(()),
            Some(_) => Err(differs(
                "an epoch has no end",
                format!("batch {PAST_THE_END}"),
                "nothing",
            )),
        }
    })
}

fn given(batch: &Batch, port: &str, promised: &Shape) -> Result<()> {
    let wrong = |found: String| {
        differs(
            format!("input `{port}` is not as `ports` promised"),
            found,
            show(promised),
        )
    };
    match batch.get(port) {
        None => Err(wrong("nothing".into())),
        Some(Value::Graph(_)) => Ok(()),
        Some(Value::Tensor(t)) => {
            let size = t.size();
            let fits = size.len() == promised.len()
                && size
                    .iter()
                    .zip(promised)
                    .all(|(n, axis)| axis.size.is_none_or(|m| m == *n));
            if fits {
                Ok(())
            } else {
                Err(wrong(format!("{size:?}")))
            }
        }
    }
}

/// Random outputs for a batch. What is known at run time only is as long as the input's axis of that name.
pub(super) fn outputs(ports: &Ports, batch: &Batch, seed: u64) -> Result<Tensors> {
    let length = |name: &str| {
        ports.inputs.iter().find_map(|(port, shape)| {
            let place = shape.iter().position(|axis| axis.name == name)?;
            batch.tensor(port).ok()?.size().get(place).copied()
        })
    };
    let mut outputs = Tensors::new();
    for (port, shape) in ports.outputs.iter() {
        let size = shape.iter().map(|axis| {
            axis.size.or_else(|| length(&axis.name)).ok_or_else(|| {
                Error::new(format!(
                    "nobody knows how long axis `{}` of output `{port}` is",
                    axis.name
                ))
                .found(show(shape))
                .expected("a length, or the name of an axis of an input")
            })
        });
        let size: Vec<i64> = size.collect::<Result<_, _>>()?;
        outputs.put(
            format!("output {port}"),
            random::normal(&size, stream(seed, port)),
        );
    }
    Ok(outputs)
}
