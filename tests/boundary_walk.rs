//! Walks over the boundary between plugin files in every way, and drops everything: what `tests/valgrind.rs` looks at.
//!
//! `boundary-walk FOLDER`, where FOLDER is the one into which cargo built the plugins.

use std::path::Path;

use anyhow::{Context, Result, ensure};
use pleach_worker::{NetSession, Registry};
use plugin_api::host::Services;
use plugin_api::plugin::Plugin;
use plugin_api::role::{
    Hypernet, Initializer, Layer, LayerObj, Pruner, Scorer, Space, Strategy, Task, Trainer,
};
use plugin_api::testing::Alone;
use plugin_api::{
    Arch, Ask, At, Batch, Decided, Decision, Goal, Graph, Hook, Host, Observation, Outcome, Point,
    Recipe, Session, Setting, Shapes, Tensor, Tensors, TrialId, WeightSpec, axis, gradients_of,
    random,
};
use tch::{Device, Kind};

fn main() -> Result<()> {
    let built = std::env::args()
        .nth(1)
        .context("usage: boundary-walk FOLDER")?;
    // Plugins' events are written, too.
    tracing_subscriber::fmt()
        .with_max_level(tracing_subscriber::filter::LevelFilter::TRACE)
        .with_writer(std::io::sink)
        .init();
    for file in ["libbaselines.so", "libmixhop.so", "examples/libfaulty.so"] {
        pleach_worker::load(&pleach_tests::file(&Path::new(&built).join(file)))?;
    }
    let host = pleach_worker::host();
    cards(host)?;
    failures(host)?;
    layers(host)?;
    search(host)?;
    session(host)?;
    println!("walked");
    Ok(())
}

/// Texts and MessagePack, both ways.
fn cards(host: Registry) -> Result<()> {
    for name in ["baselines", "mixhop", "faulty"] {
        let card = host.plugin(name)?.card()?;
        ensure!(card.name == name && !card.components.is_empty());
    }
    Ok(())
}

/// Errors, panics and C++ exceptions, through one boundary and through two.
fn failures(host: Registry) -> Result<()> {
    ensure!(host.layer(&Recipe::new("baselines/nothing")).is_err());
    ensure!(host.layer(&Recipe::new("baselines/adam")).is_err());
    ensure!(
        host.layer(&Recipe::new("baselines/linear").with("out", -1))
            .is_err()
    );
    ensure!(host.layer(&low_rank("baselines/nothing")).is_err());
    let (w, x) = (
        Tensors::new(),
        Batch::new().with("x", random::uniform(&[2, 2], 0)),
    );
    for how in [
        "error",
        "panic",
        "panic-without-grad",
        "libtorch",
        "libtorch-error",
        "exception",
        "odd-exception",
    ] {
        let layer = host.layer(&Recipe::new("faulty/faulty").with("how", how))?;
        ensure!(layer.forward(&w, &x, &Alone::eval()).is_err(), "{how}");
    }
    // The wrapper's own failure, and that of the layer inside.
    let wrapper = host.layer(&low_rank("baselines/linear"))?;
    ensure!(wrapper.forward(&w, &x, &Alone::eval()).is_err());
    ensure!(wrapper.weights(&Shapes::new()).is_err());
    Ok(())
}

fn low_rank(inner: &str) -> Recipe {
    Recipe::new("mixhop/low-rank")
        .with("rank", 2)
        .with("inner", Recipe::new(inner).with("out", 4))
}

/// Layers of one file inside a wrapper of another, with derivatives of two orders, and over a graph of the host's.
fn layers(host: Registry) -> Result<()> {
    let sources = tch::Tensor::from_slice(&[0i64, 1, 1, 2, 3]);
    let targets = tch::Tensor::from_slice(&[1i64, 0, 2, 1, 3]);
    let graph = Graph::new(4, &sources, &targets, None)?;
    for recipe in [
        low_rank("baselines/linear"),
        low_rank("baselines/gcn"),
        Recipe::new("mixhop/mixhop").with("out", 4),
        Recipe::new("baselines/gat").with("out", 4),
        Recipe::new("baselines/dropout"),
    ] {
        let layer = host.layer(&recipe)?;
        differentiate(&layer, &graph).with_context(|| recipe.component)?;
    }
    Ok(())
}

fn differentiate(layer: &LayerObj, graph: &Graph) -> Result<()> {
    let shapes = Shapes::new()
        .with("x", vec![axis("nodes", None), axis("features", 3)])
        .with("graph", vec![axis("nodes", None)]);
    layer.shapes(&shapes)?;
    let mut leaves: Tensors = layer
        .weights(&shapes)?
        .iter()
        .map(|spec| {
            (
                &spec.name,
                random::normal(&spec.size(), 1).set_requires_grad(true),
            )
        })
        .collect();
    let x = random::normal(&[4, 3], 2).set_requires_grad(true);
    let batch = Batch::new()
        .with("x", x.shallow_clone())
        .with("graph", graph.clone());
    let given = layer.forward(&leaves, &batch, &Alone::train(3))?;
    drop(batch);
    let value = given.tensor("x")?.tanh().sum(Kind::Float);
    drop(given);
    leaves.put("x", x);
    let first = gradients_of(&value, &leaves, true)?;
    let parts: Vec<_> = first
        .values()
        .map(|g| g.square().sum(Kind::Float))
        .collect();
    let slope = tch::Tensor::stack(&parts, 0).sum(Kind::Float);
    // Where a layer is linear in all of them there is no second derivative.
    if slope.requires_grad() {
        gradients_of(&slope, &leaves, false)?;
    }
    Ok(())
}

/// What a strategy and a space may ask of a host.
struct Draws;

impl Host for Draws {
    fn resolve(&self, _: &Arch, _: &Point) -> plugin_api::Result<Arch> {
        plugin_api::bail!("nothing is resolved here")
    }

    fn sample(&self, decisions: &[Decision], n: i64, _: u64) -> plugin_api::Result<Vec<Point>> {
        let first = || {
            decisions
                .iter()
                .map(|d| (&d.name, Decided::Option(0)))
                .collect()
        };
        Ok((0..n).map(|_| first()).collect())
    }

    fn score(&self, _: &Recipe, points: &[Point]) -> plugin_api::Result<Vec<Option<f64>>> {
        Ok(points.iter().map(|_| Some(0.5)).collect())
    }
}

fn search(host: Registry) -> Result<()> {
    let task = host.task(&Recipe::new("baselines/digits"))?;
    let ports = task.ports()?;
    let space = host.space(&Recipe::new("baselines/gnn").with(
        "layers",
        plugin_api::serde_json::json!(["baselines/linear"]),
    ))?;
    let decisions = space.decisions(&ports)?;
    let goal = Goal {
        metric: ports.metric.clone(),
        higher_is_better: true,
    };
    for strategy in [
        Recipe::new("baselines/random"),
        Recipe::new("baselines/prescreen").with("scorer", "baselines/grad-norm"),
    ] {
        let mut strategy = host.strategy(&strategy)?;
        ensure!(strategy.ask(1, &Draws).is_err(), "asked before it began");
        let setting = Setting {
            decisions: decisions.clone(),
            goals: vec![goal.clone()],
            seed: 1,
        };
        strategy.begin(&setting)?;
        let proposals = strategy.ask(2, &Draws)?;
        ensure!(space.arch(&ports, &proposals[0].point, &Draws).is_err());
        let trial = TrialId(0);
        let outcome = Outcome::Done([("accuracy", 0.5)].into_iter().collect());
        let point = proposals[0].point.clone();
        strategy.tell(
            &[Observation {
                trial,
                point,
                outcome,
            }],
            &Draws,
        )?;
    }
    Ok(())
}

/// Doubles what every tap shows.
struct Double;

impl Hook for Double {
    fn at(&self, _: &str, x: Tensor) -> Tensor {
        (&*x * 2.0).into()
    }
}

/// Training, scoring, pruning, masks, snapshots, taps.
fn session(host: Registry) -> Result<()> {
    let task = host.task(&Recipe::new("baselines/digits"))?;
    ensure!(task.batch("nowhere", &At::ALL).is_err());
    let arch = Arch::new(task.ports()?.inputs)
        .layer("wrapped", low_rank("baselines/linear"), &[("x", "in.x")])
        .layer(
            "out",
            Recipe::new("baselines/linear").with("out", 10),
            &[("x", "wrapped.x")],
        )
        .output("y", "out.x");
    let mut session = NetSession::new(arch.clone(), task.into(), 0, Device::Cpu)?;
    let trainer = Recipe::new("baselines/backprop")
        .with("epochs", 2)
        .with("batch", 500);
    host.trainer(&trainer)?.fit(&mut session)?;
    host.scorer(&Recipe::new("baselines/grad-norm"))?
        .score(&mut session)?;
    let scores = host
        .pruner(&Recipe::new("baselines/magnitude"))?
        .scores(&mut session)?;
    session.prune(&scores, 0.5, true)?;
    let snapshot = session.snapshot("everything")?;
    session.restore(&snapshot)?;
    let batch = session.next("val", 20)?;
    session.forward(&batch, &Ask::eval().tapped(["*"]).hooked(&Double))?;
    session.evaluate("val")?;

    let spec = WeightSpec::new("w", &[("in", 3), ("out", 2)], "baselines/glorot");
    let glorot = host.initializer(&Recipe::new("baselines/glorot"))?;
    ensure!(glorot.init(&spec, &arch, 1)?.size() == [3, 2]);
    let hypernet = host.hypernet(&Recipe::new("baselines/mlp"))?;
    hypernet.weights(&[spec])?;
    Ok(())
}
