//! What layers cost on graphs: attention.
//!
//! `cargo xtask bench graph`. One thread, CPU time; each figure is a median, beside a peer that was measured in turn
//! with it, and its bound; exit code 1 where one does not hold.

use std::hint::black_box;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result};
use pleach_benches::{Peer, cpu, data, median, plugin, ratio, verdict};
use plugin_api::host::Services;
use plugin_api::prelude::Kind;
use plugin_api::role::{Layer, LayerObj};
use plugin_api::testing::Alone;
use plugin_api::{
    Batch, Edges, Graph, Recipe, Shapes, Tensors, axis, gradients_of, random, stream,
};

const CORA: &str = "planetoid/cora.npz";
const PHYSICS: &str = "graphs_node/coauthor_phy.npz";

fn main() -> Result<ExitCode> {
    // As the worker does.
    pleach_worker::keep_memory();
    pleach_worker::host();
    let built = std::env::current_exe()?;
    let built = built.parent().context("a program stands in a folder")?;
    pleach_worker::load(&plugin(built, "baselines"))?;
    let all = [attention()?, attention_in_memory()?];
    Ok(match all.into_iter().all(|holds| holds) {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    })
}

/// The undirected graph of a file: each of its edges in both directions.
fn graph(file: &str) -> Result<Graph> {
    let path: PathBuf = data(file);
    let arrays = tch::Tensor::read_npz(&path).with_context(|| path.display().to_string())?;
    let array = |name: &str| {
        let found = arrays.iter().find(|(found, _)| found == name);
        found
            .map(|(_, array)| array.to_kind(Kind::Int64))
            .context("no such array")
    };
    let (edges, nodes) = (array("edges")?, array("y")?.size()[0]);
    let (one, other) = (edges.select(1, 0), edges.select(1, 1));
    let sources = tch::Tensor::cat(&[&one, &other], 0);
    let targets = tch::Tensor::cat(&[&other, &one], 0);
    Graph::new(nodes, &sources, &targets, None)
}

const REPETITIONS: usize = 31;
/// Passes in a turn: enough that it counts little that the other one has used the caches.
const PASSES: u32 = 10;

/// A layer that maps 64 features of each node to 8 heads of 8, with all that gets gradients.
struct Attention {
    layer: LayerObj,
    graph: Graph,
    leaves: Tensors,
}

impl Attention {
    fn on(file: &str) -> Result<Self> {
        let graph = graph(file)?;
        let recipe = Recipe::new("baselines/gat").with("heads", 8);
        let layer = pleach_worker::host().layer(&recipe)?;
        let nodes = vec![axis("nodes", None)];
        let x = [nodes.clone(), vec![axis("features", 64)]].concat();
        let shapes = Shapes::new().with("x", x).with("graph", nodes);
        let leaf = |name: &str, size: &[i64]| {
            (&*random::normal(size, stream(0, name)) * 0.1).set_requires_grad(true)
        };
        let specs = layer.weights(&shapes)?;
        let weights = specs
            .iter()
            .map(|spec| (&spec.name, leaf(&spec.name, &spec.size())));
        let leaves: Tensors = weights.collect();
        let leaves = leaves.with("x", leaf("x", &[graph.nodes(), 64]));
        Ok(Attention {
            layer,
            graph,
            leaves,
        })
    }

    /// Forward and backward.
    fn pass(&self) -> Result<()> {
        let batch = Batch::new().with("x", &self.leaves["x"]);
        let batch = batch.with("graph", self.graph.clone());
        let made = self.layer.forward(&self.leaves, &batch, &Alone::train(0))?;
        let loss = made.tensor("x")?.f_square()?.f_sum(Kind::Float)?;
        black_box(gradients_of(&loss, &self.leaves, false)?);
        Ok(())
    }
}

/// A layer of attention on Cora, beside PyTorch Geometric's.
fn attention() -> Result<bool> {
    let ours = Attention::on(CORA)?;
    let path = data(CORA);
    let mut peer = Peer::start("gat.py", &["torch-geometric==2.8.0", "numpy==2.4.6"])?;
    let time = || -> Result<Duration> {
        let start = cpu();
        for _ in 0..PASSES {
            ours.pass()?;
        }
        Ok((cpu() - start) / PASSES)
    };
    let mut theirs = || peer.time(&format!("{PASSES} {}", path.display()));
    (time()?, theirs()?);
    let (mut times, mut peers) = (vec![], vec![]);
    for _ in 0..REPETITIONS {
        times.push(time()?);
        peers.push(theirs()?);
    }
    let what = "attention on Cora, 8 heads of 8, forward and backward";
    Ok(ratio(
        what,
        median(times),
        "PyTorch Geometric",
        median(peers),
        0.5,
    ))
}

/// The same on Coauthor Physics, whose messages of all heads would take 270 MB each time that they are made.
fn attention_in_memory() -> Result<bool> {
    let layer = Attention::on(PHYSICS)?;
    for _ in 0..3 {
        layer.pass()?;
    }
    let status = std::fs::read_to_string("/proc/self/status")?;
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let peak = peak.and_then(|peak| peak.trim().strip_suffix(" kB"));
    let kilobytes: f64 = peak.context("no VmHWM in /proc/self/status")?.parse()?;
    let megabytes = kilobytes / 1e3;
    print!("the same on Coauthor Physics: at most {megabytes:.0} MB of memory");
    Ok(verdict(megabytes, 2000.0))
}
