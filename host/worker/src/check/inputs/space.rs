//! A space, for the ports of the tasks that stand in, at points drawn from it.

use std::rc::Rc;

use plugin_api::host::Services;
use plugin_api::role::{Space, SpaceObj, Task};
use plugin_api::{Arch, Error, Ports, Recipe, Result, Tensors};
use tch::Device;

use super::super::Skip;
use super::{Exercise, Output, session};
use crate::network::Network;
use crate::plain::PlainHost;
use crate::points;
use crate::registry::host;

/// Points that are drawn.
const POINTS: i64 = 8;
/// What is offered to every space: the ports of tasks over rows of features, and over nodes.
const USUAL: [&str; 2] = ["digits", "digits-graph"];
/// What is offered to those that are for neither.
const SPECIAL: [&str; 1] = ["digits as images"];

pub(super) fn exercises(recipe: &Recipe, seed: u64) -> Result<Vec<Exercise>> {
    let space = Rc::new(host().space(recipe)?);
    for tasks in [&USUAL[..], &SPECIAL] {
        let mut exercises = vec![];
        for task in tasks {
            exercises.extend(exercise(&space, task, seed)?);
        }
        if !exercises.is_empty() {
            return Ok(exercises);
        }
    }
    let tried = [&USUAL[..], &SPECIAL].concat().join(", ");
    Err(Skip(format!(
        "the space is for none of the tasks that are tried: {tried}"
    ))
    .into())
}

fn ports(task: &str) -> Result<Ports> {
    let task = match task {
        "digits as images" => Recipe::new("baselines/digits").with("form", "image"),
        name => Recipe::new(format!("baselines/{name}")),
    };
    host().task(&task)?.ports()
}

/// The space at work for a task; nothing where it is for others, and says so.
fn exercise(space: &Rc<SpaceObj>, task: &str, seed: u64) -> Result<Option<Exercise>> {
    let ports = ports(task)?;
    if space.decisions(&ports).is_err() {
        return Ok(None);
    }
    let (maker, offered) = (Rc::clone(space), ports.clone());
    let call = move |_: &Tensors| {
        let decisions = maker.decisions(&offered)?;
        Output::of_text(&(decisions, archs(&maker, &offered, seed)?))
    };
    let space = Rc::clone(space);
    let promise = move |_: &Output| {
        if let Some(supernet) = space.supernet(&ports)?
            && supernet.decisions != space.decisions(&ports)?
        {
            return Err(Error::new(
                "the supernet leaves other decisions open than `decisions` lists",
            )
            .into());
        }
        for arch in archs(&space, &ports, seed)? {
            Network::build(arch, &ports)?;
        }
        Ok(())
    };
    let input = format!("the ports of {task}, {POINTS} points");
    Ok(Some(Exercise::alone(&input, call, promise)))
}

fn archs(space: &SpaceObj, ports: &Ports, seed: u64) -> Result<Vec<Arch>> {
    let plain = PlainHost::new(session::task()?, Device::Cpu);
    points::sample(&space.decisions(ports)?, POINTS, seed)
        .iter()
        .map(|point| space.arch(ports, point, &plain))
        .collect()
}
