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
/// Tasks whose ports are offered.
const TASKS: [&str; 2] = ["baselines/digits", "baselines/digits-graph"];

pub(super) fn exercises(recipe: &Recipe, seed: u64) -> Result<Vec<Exercise>> {
    let space = Rc::new(host().space(recipe)?);
    let mut exercises = vec![];
    for task in TASKS {
        let ports = host().task(&Recipe::new(task))?.ports()?;
        // A space may be for other tasks, and says so.
        if space.decisions(&ports).is_err() {
            continue;
        }
        let (maker, offered) = (Rc::clone(&space), ports.clone());
        let call = move |_: &Tensors| {
            let decisions = maker.decisions(&offered)?;
            Output::of_text(&(decisions, archs(&maker, &offered, seed)?))
        };
        let space = Rc::clone(&space);
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
        exercises.push(Exercise::alone(
            &format!("the ports of {task}, {POINTS} points"),
            call,
            promise,
        ));
    }
    if exercises.is_empty() {
        let what = format!(
            "the space is for none of the tasks that are tried: {}",
            TASKS.join(", ")
        );
        return Err(Skip(what).into());
    }
    Ok(exercises)
}

fn archs(space: &SpaceObj, ports: &Ports, seed: u64) -> Result<Vec<Arch>> {
    let plain = PlainHost::new(session::task()?, Device::Cpu);
    points::sample(&space.decisions(ports)?, POINTS, seed)
        .iter()
        .map(|point| space.arch(ports, point, &plain))
        .collect()
}
