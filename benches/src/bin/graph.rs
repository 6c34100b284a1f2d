//! What layers do on graphs: maps of sparse features, products of powers, attention.
//!
//! `cargo xtask bench graph`. Each figure is a median, beside a peer that was measured in turn with it, and its bound: the
//! CPU time of one thread, or the time that passes with two; exit code 1 where one does not hold.

use std::hint::black_box;
use std::process::ExitCode;

use anyhow::{Context, Result};
use pleach_benches::graphs::{CORA, Data, PHYSICS};
use pleach_benches::{Peer, cpu, micros, plugin, ratio, verdict};
use plugin_api::host::Services;
use plugin_api::prelude::Kind;
use plugin_api::role::{Layer, LayerObj};
use plugin_api::testing::Alone;
use plugin_api::{
    Batch, Edges, Graph, Recipe, Shapes, Tensor, Tensors, axis, gradients_of, random, stream,
};

fn main() -> Result<ExitCode> {
    // As the worker does.
    pleach_worker::keep_memory();
    pleach_worker::host();
    let built = std::env::current_exe()?;
    let built = built.parent().context("a program stands in a folder")?;
    pleach_worker::load(&plugin(built, "baselines"))?;
    let mut peer = Peer::start("graph.py", &["torch-geometric==2.8.0", "numpy==2.4.6"])?;
    let (cora, physics) = (Data::read(CORA)?, Data::read(PHYSICS)?);
    let all = [
        // First: the peak is that of the process.
        attention_in_memory(&physics)?,
        sparse_features(&cora, 1, 0.15, &mut peer)?,
        sparse_features(&physics, 1, 0.15, &mut peer)?,
        sparse_features(&physics, 2, 0.2, &mut peer)?,
        powers(&cora, &cora.dense()?, 0.2, &mut peer)?,
        powers(
            &physics,
            &random::normal(&[physics.nodes(), 256], 0),
            0.35,
            &mut peer,
        )?,
        attention(&cora, 0.5, &mut peer)?,
    ];
    Ok(match all.into_iter().all(|holds| holds) {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    })
}

/// `X W` to 64 columns, forward and backward.
fn sparse_features(data: &Data, threads: u32, bound: f64, peer: &mut Peer) -> Result<bool> {
    let features = data.features()?;
    let w = random::normal(&[features.source_nodes(), 64], 0);
    let w = w.set_requires_grad(true);
    let leaves = Tensors::new().with("w", w);
    let times = if data.is_small() { 30 } else { 3 };
    let [ours, theirs] = data.compare(15, ("features", threads, times), peer, || {
        let loss = features.matmul(&leaves["w"])?.f_sum(Kind::Float)?;
        black_box(gradients_of(&loss, &leaves, false)?);
        Ok(())
    })?;
    let what = format!(
        "sparse features of {} to 64 columns, forward and backward",
        data.name
    );
    let what = match threads {
        1 => what,
        _ => format!("{what}, {threads} threads"),
    };
    Ok(ratio(&what, ours, "libtorch's CSR", theirs, bound))
}

const HOPS: i64 = 32;

/// `A^32 x` for the normalised graph, at first and again.
fn powers(data: &Data, x: &tch::Tensor, bound: f64, peer: &mut Peer) -> Result<bool> {
    let graph = data.graph()?.with_self_loops()?.normalised()?;
    // What is kept belongs to one of the last tensors: each time it is another.
    let mut xs: Vec<Tensor> = (0..6).map(|_| x.copy().into()).collect();
    let times = if data.is_small() { 5 } else { 1 };
    let [ours, theirs] = data.compare(9, ("power", 1, times), peer, || {
        black_box(graph.power(&xs[0], HOPS)?);
        xs.rotate_left(1);
        Ok(())
    })?;
    let what = format!("{HOPS} hops over {} of {:?}", data.name, x.size());
    let holds = ratio(&what, ours, "libtorch's CSR", theirs, bound);
    let last = &xs[xs.len() - 1];
    let start = cpu();
    for _ in 0..100 {
        black_box(graph.power(last, HOPS)?);
    }
    let again = (cpu() - start) / 100;
    print!("the same again: {:.1} us", micros(again));
    Ok(verdict(again.as_secs_f64() / ours.as_secs_f64(), 0.001) && holds)
}

/// A layer that maps 64 features of each node to 8 heads of 8, with all that gets gradients.
struct Attention {
    layer: LayerObj,
    graph: Graph,
    leaves: Tensors,
}

impl Attention {
    fn on(data: &Data) -> Result<Self> {
        let graph = data.graph()?;
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

/// A layer of attention, beside PyTorch Geometric's.
fn attention(data: &Data, bound: f64, peer: &mut Peer) -> Result<bool> {
    let layer = Attention::on(data)?;
    let [ours, theirs] = data.compare(31, ("attention", 1, 10), peer, || layer.pass())?;
    let what = format!(
        "attention on {}, 8 heads of 8, forward and backward",
        data.name
    );
    Ok(ratio(&what, ours, "PyTorch Geometric", theirs, bound))
}

/// Forward and backward, where the messages of all heads would take 270 MB each time that they are made.
fn attention_in_memory(data: &Data) -> Result<bool> {
    let layer = Attention::on(data)?;
    for _ in 0..3 {
        layer.pass()?;
    }
    let status = std::fs::read_to_string("/proc/self/status")?;
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let peak = peak.and_then(|peak| peak.trim().strip_suffix(" kB"));
    let kilobytes: f64 = peak.context("no VmHWM in /proc/self/status")?.parse()?;
    let megabytes = kilobytes / 1e3;
    print!(
        "attention on {}: at most {megabytes:.0} MB of memory",
        data.name
    );
    Ok(verdict(megabytes, 2000.0))
}
