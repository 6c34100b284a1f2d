//! Walks over the boundary between plugin files in every role, and drops everything: what `tests/valgrind.rs` looks at.
//!
//! `boundary-walk FOLDER`, where FOLDER is the one into which cargo built the plugins. `wrappers` has for each role a
//! component around one of another file, so that each call crosses twice; `tests/roles.rs` holds what they compute.

use std::path::Path;

use anyhow::{Context, Result, ensure};
use pleach_worker::{NetSession, Registry, SubjectBench};
use plugin_api::Json;
use plugin_api::host::Services;
use plugin_api::plugin::Plugin;
use plugin_api::prelude::*;
use plugin_api::serde_json::json;
use plugin_api::testing::{Alone, Scripted};
use tracing_subscriber::filter::LevelFilter;

fn main() -> Result<()> {
    let built = std::env::args().nth(1);
    let built = built.context("usage: boundary-walk FOLDER")?;
    // What plugins trace crosses too.
    tracing_subscriber::fmt()
        .with_max_level(LevelFilter::TRACE)
        .with_writer(std::io::sink)
        .init();
    for file in [
        "libbaselines.so",
        "libmixhop.so",
        "examples/libwrappers.so",
        "examples/libfaulty.so",
    ] {
        pleach_worker::load(&pleach_tests::file(&Path::new(&built).join(file)))?;
    }
    let host = pleach_worker::host();
    cards(host)?;
    failures(host)?;
    layers(host)?;
    search(host)?;
    relaxation(host)?;
    training(host)?;
    parts(host)?;
    println!("walked");
    Ok(())
}

/// A component with parameters.
fn recipe(component: &str, params: Json) -> Recipe {
    let params = params.as_object().expect("parameters").clone();
    let component = component.into();
    Recipe { component, params }
}

/// The wrapper of a role around another component.
fn wrapped(role: &str, inner: Recipe) -> Recipe {
    Recipe::new(format!("wrappers/{role}")).with("inner", inner)
}

fn linear() -> Recipe {
    recipe("baselines/linear", json!({ "out": 10 }))
}

fn backprop() -> Recipe {
    recipe("baselines/backprop", json!({ "epochs": 2, "batch": 500 }))
}

fn low_rank(inner: &str) -> Recipe {
    Recipe::new("mixhop/low-rank")
        .with("rank", 2)
        .with("inner", Recipe::new(inner).with("out", 4))
}

/// Texts and plain data, both ways.
fn cards(host: Registry) -> Result<()> {
    for name in ["baselines", "mixhop", "wrappers", "faulty"] {
        let card = host.plugin(name)?.card()?;
        ensure!(card.name == name && !card.components.is_empty());
    }
    Ok(())
}

/// Errors, panics and C++ exceptions, through one boundary and through two.
fn failures(host: Registry) -> Result<()> {
    for refused in [
        Recipe::new("baselines/nothing"),
        Recipe::new("baselines/adam"),
        recipe("baselines/linear", json!({ "out": -1 })),
        low_rank("baselines/nothing"),
    ] {
        ensure!(host.layer(&refused).is_err(), "{refused:?}");
    }
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
        let faulty = recipe("faulty/faulty", json!({ "how": how }));
        for layer in [host.layer(&faulty)?, host.layer(&wrapped("layer", faulty))?] {
            ensure!(layer.forward(&w, &x, &Alone::eval()).is_err(), "{how}");
        }
    }
    Ok(())
}

/// Layers inside wrappers of another file, with derivatives of two orders, and over a graph of the host's.
fn layers(host: Registry) -> Result<()> {
    let sources = Tensor::from_slice(&[0i64, 1, 1, 2, 3]);
    let targets = Tensor::from_slice(&[1i64, 0, 2, 1, 3]);
    let graph = Graph::new(4, &sources, &targets, None)?;
    for recipe in [
        low_rank("baselines/linear"),
        low_rank("baselines/gcn"),
        recipe("mixhop/mixhop", json!({ "out": 4 })),
        wrapped("layer", recipe("baselines/gat", json!({ "out": 4 }))),
        wrapped("layer", Recipe::new("baselines/dropout")),
    ] {
        differentiate(&host.layer(&recipe)?, &graph).context(recipe.component)?;
    }
    Ok(())
}

fn differentiate(layer: &dyn Layer, graph: &Graph) -> Result<()> {
    let shapes = Shapes::new()
        .with("x", vec![axis("nodes", None), axis("features", 3)])
        .with("graph", vec![axis("nodes", None)]);
    layer.shapes(&shapes)?;
    let weights = layer.weights(&shapes)?;
    let leaf = |size: &[i64]| random::normal(size, 1).set_requires_grad(true);
    let mut leaves: Tensors = weights.iter().map(|w| (&w.name, leaf(&w.size()))).collect();
    let x = leaf(&[4, 3]);
    let batch = Batch::new()
        .with("x", x.shallow_clone())
        .with("graph", graph.clone());
    let given = layer.forward(&leaves, &batch, &Alone::train(3))?;
    drop(batch);
    let value = given.tensor("x")?.tanh().sum(Kind::Float);
    drop(given);
    leaves.put("x", x);
    let first = gradients_of(&value, &leaves, true)?;
    let lengths: Vec<_> = first
        .values()
        .map(|g| g.square().sum(Kind::Float))
        .collect();
    gradients_of(&Tensor::stack(&lengths, 0).sum(Kind::Float), &leaves, false)?;
    Ok(())
}

/// A strategy, its space, an analysis, and what the host lends them.
fn search(host: Registry) -> Result<()> {
    let task: std::rc::Rc<_> = host.task(&"baselines/digits".into())?.into();
    let gnn = recipe(
        "baselines/gnn",
        json!({ "layers": ["baselines/linear"], "depth": 1, "widths": [8] }),
    );
    let mut bench = SubjectBench::new(std::rc::Rc::clone(&task), 0, Device::Cpu);
    let seen = bench.search(&Searching {
        strategy: wrapped("strategy", "baselines/random".into()),
        space: wrapped("space", gnn.clone()),
        trainer: backprop(),
        trials: 2,
        seed: 1,
    })?;
    ensure!(seen.iter().all(|o| matches!(o.outcome, Outcome::Done(_))));

    let strategy = wrapped("strategy", "baselines/random".into());
    let asked = host.strategy(&strategy)?.ask(1, &Scripted::default());
    ensure!(asked.is_err(), "asked before it began");

    let mut session = session(host, &"baselines/digits".into(), linear())?;
    let report = host.trainer(&backprop())?.fit(&mut session)?;
    let weights = session.snapshot("all,masks")?;
    bench.put("trained", session.arch()?, weights, vec![report]);
    let curves = wrapped("analysis", "baselines/learning-curves".into());
    bench.measure(&curves.with("space", gnn))?;
    Ok(())
}

/// One layer from pixels to classes.
fn session(host: Registry, task: &Recipe, layer: Recipe) -> Result<NetSession> {
    let task = host.task(task)?;
    let arch = Arch::new(task.ports()?.inputs)
        .layer("only", layer, &[("x", "in.x")])
        .output("y", "only.x");
    NetSession::new(arch, task.into(), 0, Device::Cpu)
}

/// Two layers to choose from, both at once.
fn relaxation(host: Registry) -> Result<()> {
    let task = host.task(&"baselines/digits".into())?;
    let options = [linear(), wrapped("layer", linear())];
    let mix = Mix::new("which", options);
    let arch = Arch::new(task.ports()?.inputs)
        .mix("slot", mix, &[("x", "in.x")])
        .output("y", "slot.x")
        .decide(Decision::options("which", ["plain", "thrice"]));
    let mut session = NetSession::new(arch, task.into(), 0, Device::Cpu)?;
    session.relax(&wrapped("relaxation", "baselines/softmax".into()))?;
    session.search()?;
    session.decide()?;
    Ok(())
}

/// Doubles what every tap shows.
struct Double;

impl Hook for Double {
    fn at(&self, _: &str, x: plugin_api::Tensor) -> plugin_api::Tensor {
        (&*x * 2.0).into()
    }
}

/// Everything that a session lends and takes.
fn training(host: Registry) -> Result<()> {
    let task = wrapped("task", "baselines/digits".into());
    let mut session = session(host, &task, wrapped("layer", linear()))?;
    ensure!(session.batch("nowhere", &At::ALL).is_err());
    session.objectives(&[wrapped("objective", "baselines/label-smoothing".into())])?;
    let cosine = wrapped(
        "schedule",
        recipe("baselines/cosine", json!({ "start": 0.1, "steps": 8 })),
    );
    let sgd = Recipe::new("baselines/sgd").with("rate", cosine);
    let trainer = backprop().with("transforms", vec![Json::from(wrapped("transform", sgd))]);
    host.trainer(&wrapped("trainer", trainer))?
        .fit(&mut session)?;
    host.trainer(&"wrappers/services".into())?
        .fit(&mut session)?;
    host.scorer(&wrapped("scorer", "baselines/grad-norm".into()))?
        .score(&mut session)?;
    let scores = host
        .pruner(&wrapped("pruner", "baselines/magnitude".into()))?
        .scores(&mut session)?;
    session.prune(&scores, &Keep::Overall(0.5))?;
    let snapshot = session.snapshot("everything")?;
    session.restore(&snapshot)?;
    let batch = session.next("val", 20)?;
    session.forward(&batch, &Ask::eval().tapped(["*"]).hooked(&Double))?;
    session.play("train", &At::ALL)?;
    session.evaluate("val", &Ask::eval())?;
    Ok(())
}

/// What is made apart from a session.
fn parts(host: Registry) -> Result<()> {
    let arch = Arch::new(Shapes::new());
    let spec = WeightSpec::new("w", &[("in", 3), ("out", 2)], "baselines/glorot");
    let glorot = host.initializer(&wrapped("initializer", "baselines/glorot".into()))?;
    ensure!(glorot.init(&spec, &arch, 1)?.size() == [3, 2]);

    let hypernet = host.hypernet(&wrapped("hypernet", "baselines/mlp".into()))?;
    let target = [spec];
    let own = hypernet.weights(&target)?;
    let own: Tensors = own
        .iter()
        .map(|w| (&w.name, random::normal(&w.size(), 2)))
        .collect();
    ensure!(hypernet.generate(&own, &Batch::new(), &target)?.len() == 1);

    let kernel = host.kernel(&wrapped("kernel", "wrappers/empirical".into()))?;
    let net = session(host, &"baselines/digits".into(), linear())?;
    let x = net
        .batch("val", &At { size: 5, ..At::ALL })?
        .context("a batch")?;
    kernel.gram(&Tensors::new(), &x, &x, Some(&net))?;
    ensure!(kernel.gram(&Tensors::new(), &x, &x, None).is_err());
    Ok(())
}
