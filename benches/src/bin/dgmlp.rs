//! What DGMLP costs on Coauthor-Physics: 32 hops and what they weigh, beside PyTorch; and an epoch of the whole network
//! once they are there, beside one of its head alone.
//!
//! `cargo xtask bench dgmlp`. CPU time of one thread; each figure is a median of what was measured in turn with what it
//! stands beside; exit code 1 where a bound does not hold.

use std::hint::black_box;
use std::process::ExitCode;
use std::rc::Rc;
use std::time::Duration;

use anyhow::{Context, Result};
use pleach_benches::graphs::{Data, Nodes, PHYSICS};
use pleach_benches::{Peer, cpu, in_turn, plugin, ratio};
use pleach_worker::NetSession;
use plugin_api::boundary::Owner;
use plugin_api::host::Services;
use plugin_api::prelude::Device;
use plugin_api::role::{Layer, Task, TaskObj};
use plugin_api::testing::Alone;
use plugin_api::{Arch, Ask, At, Batch, Recipe, Session, Tensor, Tensors, random};

const HOPS: i64 = 32;
const FEATURES: i64 = 256;

fn main() -> Result<ExitCode> {
    // As the worker does.
    pleach_worker::keep_memory();
    pleach_worker::host();
    let built = std::env::current_exe()?;
    let built = built.parent().context("a program stands in a folder")?;
    for name in ["baselines", "dgmlp"] {
        pleach_worker::load(&plugin(built, name))?;
    }
    tch::set_num_threads(1);
    let physics = Data::read(PHYSICS)?;
    let all = [propagation(&physics)?, epochs(&physics)?];
    Ok(match all.into_iter().all(|holds| holds) {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    })
}

fn features(data: &Data) -> Tensor {
    random::normal(&[data.nodes(), FEATURES], 0)
}

/// The features smoothed, each node's as suits it.
fn propagation(data: &Data) -> Result<bool> {
    let mut peer = Peer::start("graph.py", &["torch-geometric==2.8.0", "numpy==2.4.6"])?;
    let recipe = Recipe::new("dgmlp/propagation").with("hops", HOPS);
    let layer = pleach_worker::host().layer(&recipe)?;
    let batch = Batch::new()
        .with("x", features(data))
        .with("graph", data.graph()?);
    let [ours, theirs] = data.compare(9, ("smoothing", 1, 1), &mut peer, || {
        black_box(layer.forward(&Tensors::new(), &batch, &Alone::eval())?);
        Ok(())
    })?;
    let what = format!(
        "{HOPS} hops and their weights over {} of {FEATURES} features",
        data.name
    );
    Ok(ratio(&what, ours, "PyTorch, CSR", theirs, 0.5))
}

/// Training steps of the whole network, whose propagation is there after the first, beside those of its head.
fn epochs(data: &Data) -> Result<bool> {
    let (mut whole, mut head) = (network(data, true)?, network(data, false)?);
    let [whole, head] = in_turn(15, || epoch(&mut whole), || epoch(&mut head))?;
    let what = format!("an epoch of DGMLP on {}", data.name);
    Ok(ratio(&what, whole, "its head alone", head, 1.1))
}

/// A head of four transformations, with propagation in front of it or without.
fn network(data: &Data, propagates: bool) -> Result<NetSession> {
    let nodes = Nodes::of(data, features(data).into())?;
    let head = Recipe::new("dgmlp/transformation")
        .with("depth", 4)
        .with("out", nodes.classes);
    let mut arch = Arch::new(nodes.ports()?.inputs);
    let mut x = "in.x";
    if propagates {
        let propagation = Recipe::new("dgmlp/propagation").with("hops", HOPS);
        let inputs = [("x", "in.x"), ("graph", "in.graph")];
        arch = arch.layer("propagation", propagation, &inputs);
        x = "propagation.x";
    }
    let arch = arch.layer("head", head, &[("x", x)]).output("y", "head.x");
    let task = Rc::new(TaskObj::new(Box::new(nodes), Owner::UNNAMED));
    let mut session = NetSession::new(arch, task, 0, Device::Cpu)?;
    session.chain("main", &["baselines/adam".into()], "model")?;
    Ok(session)
}

/// The CPU time of one full-batch step.
fn epoch(session: &mut NetSession) -> Result<Duration> {
    let start = cpu();
    let batch = session.batch("train", &At::ALL)?.context("a batch")?;
    session.step("main", &batch, &Ask::train())?;
    Ok(cpu() - start)
}
