//! Methods of several files in one network: a wrapper of one around a layer of another, and a foreign layer on the
//! host's graph.

use pleach_tests::plugin;
use plugin_api::host::Services;
use plugin_api::role::{Layer, Task};
use plugin_api::testing::Alone;
use plugin_api::{
    Arch, Ask, At, Batch, Edges, Graph, Hook, Keep, Recipe, Result, Session, Shapes, Tensor,
    Tensors, axis, gradients_of, random, stream,
};
use tch::{Device, Kind};

/// The host with three plugin files.
fn host() -> pleach_worker::Registry {
    static LOADED: std::sync::Once = std::sync::Once::new();
    LOADED.call_once(|| {
        for name in ["baselines", "mixhop", "dgmlp"] {
            pleach_worker::load(&plugin(name)).unwrap_or_else(|e| panic!("{e:?}"));
        }
    });
    pleach_worker::host()
}

fn normal(size: &[i64], seed: u64) -> tch::Tensor {
    random::normal(size, seed).to_kind(Kind::Double)
}

/// A graph with an isolated node, a self-loop and a double edge.
fn graph() -> Graph {
    let sources = tch::Tensor::from_slice(&[0i64, 1, 1, 2, 2, 3, 3, 0, 0]);
    let targets = tch::Tensor::from_slice(&[1i64, 0, 2, 1, 3, 2, 3, 2, 2]);
    Graph::new(5, &sources, &targets, None).unwrap()
}

/// A smooth scalar of a layer's output and its weights and inputs, all in f64.
struct Probe {
    layer: Box<dyn Layer>,
    graph: Option<Graph>,
}

impl Probe {
    fn new(recipe: &Recipe, graph: Option<Graph>) -> (Self, Tensors) {
        let layer = host().layer(recipe).unwrap();
        let mut shapes = Shapes::new().with("x", vec![axis("nodes", None), axis("features", 3)]);
        if graph.is_some() {
            shapes.put("graph", vec![axis("nodes", None)]);
        }
        let specs = layer.weights(&shapes).unwrap();
        let mut leaves: Tensors = specs
            .iter()
            .map(|s| {
                (
                    format!("w:{}", s.name),
                    normal(&s.size(), stream(1, &s.name)).set_requires_grad(true),
                )
            })
            .collect();
        leaves.put("x", normal(&[5, 3], 7).set_requires_grad(true));
        (
            Probe {
                layer: Box::new(layer),
                graph,
            },
            leaves,
        )
    }

    fn value(&self, leaves: &Tensors) -> tch::Tensor {
        let mut x = Batch::new().with("x", leaves["x"].shallow_clone());
        if let Some(graph) = &self.graph {
            x.put("graph", graph.clone());
        }
        let y = self
            .layer
            .forward(&leaves.under("w:"), &x, &Alone::eval())
            .unwrap();
        let y = &y["x"];
        (y.tanh() * normal(&y.size(), 9)).sum(Kind::Double)
    }

    /// `sum of gradient * direction`: its own gradient is a product of the Hessian.
    fn slope(&self, leaves: &Tensors, create: bool) -> tch::Tensor {
        let gradients = gradients_of(&self.value(leaves), leaves, create).unwrap();
        let parts: Vec<_> = gradients
            .iter()
            .map(|(name, g)| (&**g * normal(&g.size(), stream(3, name))).sum(Kind::Double))
            .collect();
        tch::Tensor::stack(&parts, 0).sum(Kind::Double)
    }
}

/// Central differences of `f` in every element of every leaf against `gradients`.
fn agree(what: &str, f: impl Fn(&Tensors) -> f64, leaves: &Tensors, gradients: &Tensors) {
    let h = 1e-5;
    for (name, leaf) in leaves.iter() {
        for i in 0..leaf.numel() as i64 {
            let moved = |by: f64| {
                let t = leaf.detach().copy();
                let _ = t.view([-1]).get(i).g_add_scalar_(by);
                let t = t.set_requires_grad(true);
                f(&leaves
                    .iter()
                    .map(|(n, old)| {
                        (
                            n,
                            if n == name {
                                t.shallow_clone()
                            } else {
                                old.shallow_clone()
                            },
                        )
                    })
                    .collect())
            };
            let difference = (moved(h) - moved(-h)) / (2.0 * h);
            let exact = gradients[name].reshape([-1]).double_value(&[i]);
            assert!(
                (difference - exact).abs() <= 1e-6 * (1.0 + exact.abs()),
                "{what}, {name}[{i}]: differences give {difference}, autograd {exact}"
            );
        }
    }
}

fn check(recipe: &Recipe, graph: Option<Graph>) {
    let (probe, leaves) = Probe::new(recipe, graph);
    let first = gradients_of(&probe.value(&leaves), &leaves, false).unwrap();
    assert!(
        first
            .values()
            .any(|g| g.abs().max().double_value(&[]) > 1e-3),
        "{recipe:?} has no gradient to speak of"
    );
    agree(
        "first derivative",
        |l| probe.value(l).double_value(&[]),
        &leaves,
        &first,
    );
    let second = gradients_of(&probe.slope(&leaves, true), &leaves, false).unwrap();
    assert!(
        second
            .values()
            .any(|g| g.abs().max().double_value(&[]) > 1e-3),
        "{recipe:?} has no curvature to speak of"
    );
    agree(
        "second derivative",
        |l| probe.slope(l, false).double_value(&[]),
        &leaves,
        &second,
    );
}

fn low_rank(inner: &str) -> Recipe {
    Recipe::new("mixhop/low-rank")
        .with("rank", 2)
        .with("inner", Recipe::new(inner).with("out", 4))
}

#[test]
fn a_wrapper_around_a_foreign_layer_has_exact_derivatives() {
    check(&low_rank("baselines/linear"), None);
    check(&low_rank("baselines/gcn"), Some(graph()));
}

#[test]
fn foreign_layers_on_the_hosts_graph_have_exact_derivatives() {
    check(&Recipe::new("baselines/gcn").with("out", 4), Some(graph()));
    check(&Recipe::new("mixhop/mixhop").with("out", 4), Some(graph()));
    check(
        &Recipe::new("dgmlp/propagation").with("hops", 3),
        Some(graph()),
    );
}

/// `digits-graph` through a wrapper of one file around a layer of another.
fn session(inner: &str) -> Result<pleach_worker::NetSession> {
    let task = host().task(&Recipe::new("baselines/digits-graph"))?;
    let inputs = task.ports()?.inputs;
    let out = Recipe::new("baselines/linear").with("out", 10);
    let wrapped = Recipe::new("mixhop/low-rank").with("inner", Recipe::new(inner).with("out", 16));
    let arch = Arch::new(inputs)
        .layer("wrapped", wrapped, &[("x", "in.x"), ("graph", "in.graph")])
        .layer("out", out, &[("x", "wrapped.x")])
        .output("y", "out.x");
    pleach_worker::NetSession::new(arch, task.into(), 0, Device::Cpu)
}

/// Doubles what one tap shows.
struct Double(&'static str);

impl Hook for Double {
    fn at(&self, tap: &str, x: Tensor) -> Tensor {
        if tap == self.0 { (&*x * 2.0).into() } else { x }
    }
}

#[test]
fn taps_inside_a_wrapped_foreign_layer_are_shown_and_replaced() -> Result<()> {
    let session = session("baselines/gat")?;
    let batch = session.batch("val", &At::ALL)?.expect("a batch");
    let taps = ["wrapped/inner/attention", "wrapped.x"];
    let plain = session.forward(&batch, &Ask::eval().tapped(taps))?;
    assert_eq!(plain.taps.names().collect::<Vec<_>>(), taps);

    let hook = Double("wrapped/inner/attention");
    let hooked = session.forward(&batch, &Ask::eval().tapped(taps).hooked(&hook))?;
    assert_eq!(hooked.taps[taps[0]], &plain.taps[taps[0]] * 2.0);
    assert_ne!(
        hooked.taps[taps[1]], plain.taps[taps[1]],
        "the layer did not go on with it"
    );
    assert!(session.forward(&batch, &Ask::eval())?.taps.is_empty());
    Ok(())
}

#[test]
fn a_wrapper_around_a_foreign_layer_trains() -> Result<()> {
    let mut session = session("baselines/gcn")?;
    let before = session.evaluate("val", &Ask::eval())?;
    let snapshot = session.snapshot("model")?;
    session.chain(
        "main",
        &[Recipe::new("baselines/adam").with("rate", 0.02)],
        "model",
    )?;
    let batch = session.next("train", 0)?;
    for _ in 0..60 {
        session.step("main", &batch, &Ask::train())?;
    }
    let after = session.evaluate("val", &Ask::eval())?;
    assert!(after["loss"] < 0.7 * before["loss"], "{before:?} {after:?}");
    assert!(after["accuracy"] > 0.8, "{after:?}");
    for (path, weight) in session.weights("model")?.iter() {
        assert_ne!(**weight, snapshot[path], "`{path}` was never updated");
    }
    Ok(())
}

#[test]
fn pruning_counts_are_exact_and_survive_training() -> Result<()> {
    let mut session = session("baselines/gcn")?;
    let scores = session.weights("model")?.map(|_, w| w.abs());
    let total: i64 = scores.values().map(|t| t.numel() as i64).sum();
    session.prune(&scores, &Keep::Overall(0.1))?;
    let alive = |session: &pleach_worker::NetSession| -> Result<i64> {
        Ok(session
            .weights("model")?
            .values()
            .map(|w| w.count_nonzero(None::<i64>).int64_value(&[]))
            .sum())
    };
    let kept: f64 = session
        .masks()?
        .values()
        .map(|m| m.sum(Kind::Double).double_value(&[]))
        .sum();
    assert_eq!(kept, (0.1 * total as f64).round());
    session.chain("main", &[Recipe::new("baselines/adam")], "model")?;
    let batch = session.next("train", 0)?;
    for _ in 0..5 {
        session.step("main", &batch, &Ask::train())?;
    }
    assert!(
        alive(&session)? <= kept as i64,
        "masked weights came back to life"
    );
    Ok(())
}

#[test]
fn a_snapshot_of_everything_resumes_bit_for_bit() -> Result<()> {
    let mut session = session("baselines/gcn")?;
    session.chain("main", &[Recipe::new("baselines/adam")], "model")?;
    let go = |session: &mut pleach_worker::NetSession| -> Result<()> {
        for _ in 0..3 {
            let batch = session.next("train", 0)?;
            session.step("main", &batch, &Ask::train())?;
        }
        Ok(())
    };
    go(&mut session)?;
    let snapshot = session.snapshot("everything")?;
    go(&mut session)?;
    let once = session.snapshot("everything")?;
    session.restore(&snapshot)?;
    go(&mut session)?;
    for (name, t) in session.snapshot("everything")?.iter() {
        assert_eq!(**t, once[name], "`{name}`");
    }
    Ok(())
}

/// What was not there when the snapshot was taken is not there afterwards: masks, and places in the data.
#[test]
fn a_snapshot_of_everything_takes_later_masks_and_batches_back() -> Result<()> {
    let task = host().task(&Recipe::new("baselines/digits"))?;
    let arch = Arch::new(task.ports()?.inputs)
        .layer(
            "out",
            Recipe::new("baselines/linear").with("out", 10),
            &[("x", "in.x")],
        )
        .output("y", "out.x");
    let mut session = pleach_worker::NetSession::new(arch, task.into(), 0, Device::Cpu)?;
    let snapshot = session.snapshot("everything")?;
    let first = session.next("train", 50)?;
    let second = session.next("train", 50)?;
    assert_ne!(first["x"], second["x"]);
    let scores = session.weights("#prunable")?.map(|_, w| w.abs());
    session.prune(&scores, &Keep::Overall(0.1))?;

    session.restore(&snapshot)?;
    assert!(session.masks()?.is_empty());
    assert_eq!(session.next("train", 50)?["x"], first["x"]);
    assert_eq!(
        session.weights("all")?["out.weight"],
        snapshot["out.weight"]
    );
    Ok(())
}

#[test]
fn a_snapshot_that_does_not_fit_changes_nothing() -> Result<()> {
    let mut session = session("baselines/gcn")?;
    let before = session.snapshot("everything")?;
    let wrong = session.snapshot("all")?.map(|_, w| w.zeros_like());
    let wrong = wrong.with(
        "nowhere.weight",
        tch::Tensor::zeros([1], (Kind::Float, Device::Cpu)),
    );
    let error = session.restore(&wrong).unwrap_err();
    assert_eq!(error.to_string(), "there is no weight `nowhere.weight`");
    for (name, t) in session.snapshot("everything")?.iter() {
        assert_eq!(**t, before[name], "`{name}`");
    }
    Ok(())
}

/// Features of which most are zero go through the first layer of any file as dense ones do, gradients included.
#[test]
fn sparse_features_are_features() {
    let dense = normal(&[5, 3], 7);
    let dense = &dense * dense.gt(0.0).to_kind(Kind::Double);
    let sparse = Graph::sparse(&dense).unwrap();
    assert!(sparse.sources().size()[0] < 15);
    for layer in [
        "baselines/linear",
        "baselines/gcn",
        "baselines/gat",
        "mixhop/mixhop",
    ] {
        let layer = host().layer(&Recipe::new(layer).with("out", 4)).unwrap();
        let nodes = || axis("nodes", None);
        let inputs = Shapes::new()
            .with("x", vec![nodes(), axis("features", 3)])
            .with("graph", vec![nodes()]);
        let specs = layer.weights(&inputs).unwrap();
        let w: Tensors = specs
            .iter()
            .map(|s| {
                let w = normal(&s.size(), stream(1, &s.name)).set_requires_grad(true);
                (s.name.clone(), w)
            })
            .collect();
        let run = |x: plugin_api::Value| {
            let x = Batch::new().with("x", x).with("graph", graph());
            let y = layer.forward(&w, &x, &Alone::eval()).unwrap()["x"].shallow_clone();
            let slopes = gradients_of(&y.square().sum(Kind::Double), &w, false).unwrap();
            (y, slopes)
        };
        let (y, slopes) = run(dense.shallow_clone().into());
        let (y_sparse, slopes_sparse) = run(sparse.clone().into());
        assert!(y.allclose(&y_sparse, 1e-12, 1e-12, false));
        for (path, slope) in slopes.iter() {
            assert!(
                slope.allclose(&slopes_sparse[path], 1e-12, 1e-12, false),
                "{path}"
            );
        }
    }
}

/// The graph that plugins test with is the host's, also from nodes of one kind to nodes of another.
#[test]
fn the_obvious_graph_is_the_hosts() {
    host();
    let (from, to) = (
        tch::Tensor::from_slice(&[0_i64, 2, 2, 1]),
        tch::Tensor::from_slice(&[1_i64, 1, 0, 3]),
    );
    let weight = tch::Tensor::from_slice(&[0.5, 2.0, 1.0, 3.0]);
    let obvious = plugin_api::testing::graph(1, &[]);
    let (from_too, to_too) = ((&from).into(), (&to).into());
    let obvious = obvious.another(4, 3, &from_too, &to_too, Some((&weight).into()));
    let hosts = Graph::bipartite(4, 3, &from, &to, Some(&weight)).unwrap();
    let x = normal(&[3, 2], 1);
    let product = |graph: &Graph| graph.normalised().unwrap().matmul(&x).unwrap();
    assert!(product(&obvious.unwrap()).allclose(&product(&hosts), 1e-12, 1e-12, false));
}
