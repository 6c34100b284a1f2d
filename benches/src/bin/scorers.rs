//! Six scorers over one untrained network of NAS-Bench-201, a convolution of 3x3 on every edge of its cells, with a batch
//! of 32 images: beside plain PyTorch, where each stands for itself.
//!
//! `cargo xtask bench scorers`. CPU time of one thread; each figure is a median of what was measured in turn with its peer,
//! the network built anew each time; exit code 1 where the bound does not hold.

use std::process::ExitCode;
use std::rc::Rc;
use std::time::Duration;

use anyhow::{Context, Result};
use pleach_benches::{Images, Peer, cpu, median, micros, plugin, ratio};
use pleach_worker::{NetSession, PlainHost};
use plugin_api::boundary::Owner;
use plugin_api::host::Services;
use plugin_api::prelude::Device;
use plugin_api::role::{Scorer, ScorerObj, Space, Task, TaskObj};
use plugin_api::{Arch, Decided, Point, Probe, Recipe, Session};

/// What is asked of both, and how pleach calls it.
fn scorers() -> [(&'static str, Recipe); 6] {
    let of = |name: &str| Recipe::new(format!("baselines/{name}"));
    let batch = |name: &str| of(name).with("size", 32);
    [
        ("params", of("params")),
        ("macs", of("macs")),
        ("grad-norm", batch("grad-norm")),
        ("naswot", batch("naswot")),
        ("snip", of("saliency").with("pruner", batch("snip"))),
        ("synflow", of("saliency").with("pruner", of("synflow"))),
    ]
}

fn main() -> Result<ExitCode> {
    // As the worker does.
    pleach_worker::keep_memory();
    pleach_worker::host();
    let built = std::env::current_exe()?;
    let built = built.parent().context("a program stands in a folder")?;
    pleach_worker::load(&plugin(built, "baselines"))?;
    tch::set_num_threads(1);
    let mut peer = Peer::start("scorers.py", &[])?;
    let task = Rc::new(TaskObj::new(Box::new(Images), Owner::UNNAMED));
    let arch = heavy(&task)?;
    let (mut ours, mut alone) = (vec![], vec![]);
    let mut theirs = scorers().map(|_| vec![]);
    let made: Vec<ScorerObj> = scorers()
        .iter()
        .map(|(_, scorer)| pleach_worker::host().scorer(scorer))
        .collect::<Result<_>>()?;
    // The first round warms up.
    for round in 0..6 {
        let together = shared(&made, &arch, &task)?;
        let one_by_one = made
            .chunks(1)
            .map(|scorer| shared(scorer, &arch, &task))
            .sum::<Result<Duration>>()?;
        let peers = scorers().map(|(what, _)| peer.time(&format!("{what} 1")));
        if round == 0 {
            continue;
        }
        ours.push(together);
        alone.push(one_by_one);
        for (all, took) in theirs.iter_mut().zip(peers) {
            all.push(took?);
        }
    }
    let theirs: Duration = theirs.into_iter().map(median).sum();
    println!("one by one: {:.0} us", micros(median(alone)));
    let holds = ratio(
        "six scorers of one network",
        median(ours),
        "PyTorch, one by one",
        theirs,
        0.6,
    );
    Ok(match holds {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    })
}

/// The time of these scorers over one network, which is built for them.
fn shared(scorers: &[ScorerObj], arch: &Arch, task: &Rc<TaskObj>) -> Result<Duration> {
    let start = cpu();
    let mut session = NetSession::new(arch.clone(), Rc::clone(task), 0, Device::Cpu)?;
    let needs: Vec<Vec<Probe>> = scorers
        .iter()
        .map(|scorer| scorer.needs(arch))
        .collect::<Result<_>>()?;
    session.share(&needs.concat())?;
    for scorer in scorers {
        scorer.score(&mut session)?;
    }
    Ok(cpu() - start)
}

/// The network with the most work in its cells.
fn heavy(task: &Rc<TaskObj>) -> Result<Arch> {
    let ports = task.ports()?;
    let space = pleach_worker::host().space(&"baselines/cell-cnn".into())?;
    let mut point = Point::new();
    for decision in space.decisions(&ports)? {
        point.put(&decision.name, Decided::Option(3));
    }
    let host = PlainHost::new(Rc::clone(task), Device::Cpu);
    space.arch(&ports, &point, &host)
}
