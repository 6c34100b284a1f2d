//! A schedule, at steps near and far.

use plugin_api::host::Services;
use plugin_api::role::Schedule;
use plugin_api::{Error, Recipe, Result, Tensors};
use tch::Tensor;

use super::{Exercise, Output};
use crate::registry::host;

const STEPS: [i64; 5] = [0, 1, 10, 100, 1_000_000];

pub(super) fn exercises(recipe: &Recipe) -> Result<Vec<Exercise>> {
    let schedule = host().schedule(recipe)?;
    let call = move |_: &Tensors| {
        let numbers = STEPS.map(|step| (step.to_string(), Tensor::from(schedule.at(step))));
        Ok(Output {
            tensors: numbers.into_iter().collect(),
            text: String::new(),
        })
    };
    let promise = |output: &Output| {
        for (step, number) in output.tensors.iter() {
            if !f64::try_from(&**number)?.is_finite() {
                return Err(Error::new(format!("the number for step {step} is not finite")).into());
            }
        }
        Ok(())
    };
    Ok(vec![Exercise::alone(
        "steps from 0 to a million",
        call,
        promise,
    )])
}
