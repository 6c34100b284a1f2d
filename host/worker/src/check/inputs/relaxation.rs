//! A relaxation, on decisions between options, and on a session with a small supernet.

use std::rc::Rc;

use plugin_api::host::Services;
use plugin_api::role::{Draw, Relaxation, RelaxationObj, Task};
use plugin_api::{Arch, Choices, Decision, Mix, Recipe, Result, Session, Shapes, Tensors};
use tch::Device;

use super::super::differs;
use super::{Exercise, Output, session, weights};
use crate::registry::host;
use crate::session::NetSession;

pub(super) fn exercises(recipe: &Recipe, seed: u64) -> Result<Vec<Exercise>> {
    let relaxation = Rc::new(host().relaxation(recipe)?);
    let decisions = vec![
        Decision::options("width", [8, 16, 32]),
        Decision::options("layer", ["a", "b"]),
    ];
    let own = weights(
        &relaxation.weights(&decisions)?,
        &Arch::new(Shapes::new()),
        seed,
    )?;
    let mut exercises = vec![search(recipe, seed)];
    for train in [false, true] {
        exercises.push(mix(&relaxation, &decisions, &own, train, seed));
    }
    Ok(exercises)
}

/// What it makes of its weights in a pass.
fn mix(
    relaxation: &Rc<RelaxationObj>,
    decisions: &[Decision],
    own: &Tensors,
    train: bool,
    seed: u64,
) -> Exercise {
    let lent = own
        .iter()
        .map(|(name, t)| (format!("weight {name}"), t.clone()));
    let (relaxation, decided) = (Rc::clone(relaxation), decisions.to_vec());
    let draw = Draw {
        seed,
        step: 1,
        train,
    };
    let call = move |lent: &Tensors| {
        let choices: Choices = relaxation.mix(&lent.under("weight "), &decided, &draw)?;
        let active = choices
            .iter()
            .map(|(name, choice)| (name, choice.active().collect::<Vec<_>>()));
        let mut output = Output::of_text(&active.collect::<Vec<_>>())?;
        for (name, choice) in choices.iter() {
            output.tensors.put(name, choice.weights.clone());
        }
        Ok(output)
    };
    Exercise {
        input: format!(
            "two decisions, of 3 and 2 options{}",
            if train { ", in training" } else { "" }
        ),
        lent: lent.collect(),
        differentiable: true,
        call: Box::new(call),
        promise: Box::new(|output| one_an_option(output, &[("width", 3), ("layer", 2)])),
    }
}

/// What it learns in two steps of a search.
fn search(recipe: &Recipe, seed: u64) -> Exercise {
    let recipe = recipe.clone();
    let call = move |_: &Tensors| {
        let mut session = supernet(seed)?;
        session.relax(&recipe)?;
        let mut output = Output::default();
        for step in 0..2 {
            let report = Output::of_numbers(&session.search()?.metrics);
            for (name, number) in report.tensors {
                output.tensors.put(format!("{name} of step {step}"), number);
            }
        }
        output.tensors.extend(session.decide()?);
        Ok(output)
    };
    Exercise::alone(
        "a session with a supernet of one decision, of 2 options",
        call,
        |output| match output.tensors.get("slot").map(|t| t.size()).as_deref() {
            // Of several tasks.
            Some([_, 2]) => Ok(()),
            _ => one_an_option(output, &[("slot", 2)]),
        },
    )
}

fn one_an_option(output: &Output, decisions: &[(&str, i64)]) -> Result<()> {
    for (decision, options) in decisions {
        let size = output.tensors.get(decision).map(|t| t.size());
        if size.as_deref() != Some(&[*options][..]) {
            let found = size.map_or("nothing".into(), |size| format!("{size:?}"));
            let what = format!("`{decision}` has not one number an option");
            return Err(differs(what, found, format!("[{options}]")));
        }
    }
    Ok(())
}

fn supernet(seed: u64) -> Result<NetSession> {
    let task = session::task()?;
    let options = ["baselines/linear", "baselines/activation"].map(Recipe::new);
    let linear = |out: i64| Recipe::new("baselines/linear").with("out", out);
    let arch = Arch::new(task.ports()?.inputs)
        .layer("first", linear(8), &[("x", "in.x")])
        .mix(
            "slot",
            Mix::new("slot", options.clone()),
            &[("x", "first.x")],
        )
        .layer("last", linear(10), &[("x", "slot.x")])
        .output("y", "last.x")
        .decide(Decision::options("slot", options));
    NetSession::new(arch, task, seed, Device::Cpu)
}
