//! A task of episodes, played by a network whose outputs are random and always the same.

use std::rc::Rc;

use plugin_api::role::{Task, TaskObj};
use plugin_api::{At, Batch, Episode, Error, Result, Tensors};
use tch::Tensor;

use super::super::differs;
use super::{Exercise, Output, shown, task};

/// Actions after which nobody waits for the end.
const ACTIONS: u64 = 10;

pub(super) fn exercises(task: &Rc<TaskObj>, seed: u64) -> Result<Vec<Exercise>> {
    let ports = task.ports()?;
    let at = At { seed, ..At::ALL };
    let mut exercises = vec![];
    for split in ["train", "val", "test"] {
        let seen = begun(task, split, &at)?.observe()?.ok_or_else(|| {
            Error::new(format!("an episode of `{split}` is over before it begins"))
        })?;
        let lent = task::outputs(&ports, &seen, seed)?;
        let shapes: Vec<String> = lent
            .iter()
            .map(|(name, t)| format!("{name} {}", shown(t)))
            .collect();
        let player = Rc::clone(task);
        let call = move |lent: &Tensors| play(&mut *begun(&player, split, &at)?, lent, seed);
        let (task, metric) = (Rc::clone(task), format!("metric {}", ports.metric));
        let promise = move |output: &Output| {
            if !output.tensors.contains(&metric) {
                let there: Vec<&str> = output.tensors.names().collect();
                return Err(differs(
                    "the main metric is not measured",
                    there.join(", "),
                    &metric,
                ));
            }
            match task.episode("no-such-split", &at) {
                Err(_) => Ok(()),
                Ok(_) => Err(Error::new("a split that is not there has an episode")
                    .expected("an error")
                    .into()),
            }
        };
        exercises.push(Exercise {
            input: format!("an episode of `{split}`: {}", shapes.join(", ")),
            lent,
            differentiable: false,
            call: Box::new(call),
            promise: Box::new(promise),
        });
    }
    Ok(exercises)
}

fn begun(task: &TaskObj, split: &str, at: &At) -> Result<Box<dyn Episode>> {
    task.episode(split, at)?
        .ok_or_else(|| Error::new(format!("split `{split}` has no episode")).into())
}

fn play(episode: &mut dyn Episode, lent: &Tensors, seed: u64) -> Result<Output> {
    let mut output = Output::default();
    for action in 0..ACTIONS {
        let Some(seen) = episode.observe()? else {
            break;
        };
        let outputs: Batch = lent.under("output ").into_iter().collect();
        let acted = episode.act(&outputs, seed.wrapping_add(action))?;
        let shown = Output::of_batch(&seen).tensors.into_iter();
        let kept = Output::of_batch(&acted.record).tensors.into_iter();
        let named = |what: &'static str| {
            move |(name, t): (String, _)| (format!("{what} {name} at {action}"), t)
        };
        output.tensors.extend(shown.map(named("sees")));
        output.tensors.extend(kept.map(named("keeps")));
        output
            .tensors
            .put(format!("reward at {action}"), Tensor::from(acted.reward));
    }
    for (name, number) in Output::of_numbers(&episode.metrics()?).tensors {
        output.tensors.put(format!("metric {name}"), number);
    }
    Ok(output)
}
