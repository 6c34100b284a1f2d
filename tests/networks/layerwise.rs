//! Blocks of layers of several plugin files that learn one after the other, each by a loss of its own.

use std::rc::Rc;

use pleach_worker::NetSession;
use plugin_api::host::Services;
use plugin_api::prelude::*;
use plugin_api::role::TaskObj;
use plugin_api::serde_json::json;
use plugin_api::testing::Alone;

use crate::support::{host, linear, off};

/// Digits as nodes of a graph, ten of each class labelled.
fn task() -> Rc<TaskObj> {
    Rc::new(host().task(&"baselines/digits-graph".into()).unwrap())
}

/// A rectified convolution.
fn block(convolution: &Recipe, features: i64) -> Arch {
    let nodes = || axis("nodes", None);
    let inputs = Shapes::new()
        .with("x", vec![nodes(), axis("features", features)])
        .with("graph", vec![nodes()]);
    let ports = [("x", "in.x"), ("graph", "in.graph")];
    Arch::new(inputs)
        .layer("conv", convolution.clone(), &ports)
        .layer("act", "baselines/activation", &[("x", "conv.x")])
        .output("x", "act.x")
}

const WIDTH: i64 = 64;

fn gcn() -> Recipe {
    Recipe::new("baselines/gcn").with("out", WIDTH)
}

fn mixhop() -> Recipe {
    Recipe::new("mixhop/mixhop").with("out", WIDTH)
}

fn gat() -> Recipe {
    Recipe::new("baselines/gat")
        .with("out", WIDTH)
        .with("heads", 4)
}

fn chain(convolutions: &[Recipe], seed: u64) -> NetSession {
    let task = task();
    let mut arch = Arch::new(task.ports().unwrap().inputs);
    let mut last = "in.x".to_string();
    for (i, convolution) in convolutions.iter().enumerate() {
        let name = format!("block{i}");
        let features = if i == 0 { 64 } else { WIDTH };
        let ports = [("x", last.as_str()), ("graph", "in.graph")];
        arch = arch.nested(&name, block(convolution, features), &ports);
        last = format!("{name}.x");
    }
    let arch = arch
        .layer("head", linear(10), &[("x", &last)])
        .output("y", "head.x");
    NetSession::new(arch, task, seed, Device::Cpu).unwrap()
}

fn fit(session: &mut NetSession, trainer: &str, steps: i64) -> f64 {
    let adam = json!([{ "use": "baselines/adam", "rate": 0.01 }]);
    let recipe = Recipe::new(trainer).with("steps", steps);
    let trainer = host().trainer(&recipe.with("transforms", adam)).unwrap();
    trainer.fit(session).unwrap();
    session.evaluate("test", &Ask::eval()).unwrap()["accuracy"]
}

#[test]
fn blocks_that_learn_alone_come_close_to_back_propagation() {
    for seed in 0..3 {
        let blocks = [gcn(), mixhop()];
        let alone = |steps: i64| fit(&mut chain(&blocks, seed), "wrappers/single-forward", steps);
        let (begun, trained) = (alone(1), alone(100));
        let together = fit(&mut chain(&blocks, seed), "wrappers/steps", 60);
        // A linear map sees no graph.
        let task = task();
        let arch = Arch::new(task.ports().unwrap().inputs)
            .layer("map", linear(10), &[("x", "in.x")])
            .output("y", "map.x");
        let mut map = NetSession::new(arch, task, seed, Device::Cpu).unwrap();
        let map = fit(&mut map, "wrappers/steps", 200);
        assert!(trained > begun + 0.1, "{seed}: {begun} {trained}");
        assert!(trained > map + 0.02, "{seed}: {map} {trained}");
        assert!(trained > together - 0.04, "{seed}: {together} {trained}");
    }
}

#[test]
fn a_block_does_not_feel_those_behind_it() {
    for seed in 0..2 {
        let trained = |convolutions: &[Recipe]| {
            let mut session = chain(convolutions, seed);
            fit(&mut session, "wrappers/single-forward", 20);
            session
        };
        let of =
            |session: &NetSession, block: &str| session.snapshot(&format!("{block}.*")).unwrap();
        let short = trained(&[mixhop()]);
        let first = of(&short, "block0");
        assert_eq!(first.len(), 4);
        let (long, other) = (trained(&[mixhop(), gat()]), trained(&[mixhop(), gcn()]));
        for session in [&long, &other] {
            for (path, weight) in of(session, "block0").iter() {
                assert!(weight.equal(&first[path]), "{seed}: {path}");
            }
        }
        let begun = chain(&[mixhop(), gat()], seed);
        for block in ["block0", "block1"] {
            let (before, after) = (of(&begun, block), of(&long, block));
            for (path, weight) in after.iter() {
                assert!(off(weight, &before[path]) > 1e-3, "{seed}: {path}");
            }
        }
        // The sum over layers, of which the short network has the first.
        let batch = long.batch("val", &At::ALL).unwrap().unwrap();
        let taps = ["classes/block0", "classes/block1"];
        let seen = long.forward(&batch, &Ask::eval().tapped(taps)).unwrap();
        let [one, two] = taps.map(|tap| seen.taps[tap].softmax(1, Kind::Float));
        let alone = short.forward(&batch, &Ask::eval()).unwrap();
        assert!(alone.outputs["y"].equal(&one), "{seed}");
        assert!(off(&seen.outputs["y"], &(one + two)) < 1e-6, "{seed}");
    }
}

#[test]
fn what_learned_by_blocks_is_an_ordinary_network() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("whole.safetensors");
    let mut session = chain(&[gcn(), mixhop()], 0);
    let accuracy = fit(&mut session, "wrappers/single-forward", 20);
    session.save(&file).unwrap();
    let mut opened = NetSession::open(&file, task(), 1, Device::Cpu).unwrap();
    assert_eq!(opened.arch().unwrap(), session.arch().unwrap());
    let batch = session.batch("test", &At::ALL).unwrap().unwrap();
    let y = |session: &NetSession| {
        let seen = session.forward(&batch, &Ask::eval()).unwrap();
        seen.outputs["y"].detach()
    };
    assert!(y(&opened).equal(&y(&session)));
    let again = opened.evaluate("test", &Ask::eval()).unwrap()["accuracy"];
    assert_eq!(again, accuracy);
    // Any other trainer goes on with it, through all blocks at once.
    let before = opened.snapshot("all").unwrap();
    fit(&mut opened, "wrappers/steps", 1);
    for (path, weight) in opened.snapshot("all").unwrap().iter() {
        let stays = path.starts_with("virtual.");
        assert_eq!(weight.equal(&before[path]), stays, "{path}");
    }
}

#[test]
fn an_appended_graph_is_the_graph_made_in_one_go() {
    const NODES: i64 = 12;
    const CLASSES: i64 = 3;
    let kind = (Kind::Double, Device::Cpu);
    let layer = Recipe::new("wrappers/virtual-nodes").with("classes", CLASSES);
    let layer = host().layer(&layer.with("labelled", 5)).unwrap();
    for seed in 0..5 {
        // Directed edges `j -> i` at `[i, j]`, some of which are weighted.
        let drawn = random::uniform(&[NODES, NODES], seed).to_kind(Kind::Double);
        let before = &drawn * drawn.lt(0.3).to_kind(Kind::Double);
        let graph = |adjacency: &Tensor| {
            let there = adjacency.nonzero();
            let (targets, sources) = (there.select(1, 0), there.select(1, 1));
            let weight = adjacency.masked_select(&adjacency.ne(0.0));
            Graph::new(adjacency.size()[0], &sources, &targets, Some(&weight)).unwrap()
        };
        let labelled = Tensor::from_slice(&[7_i64, 0, 3, 11, 4]);
        let labels = Tensor::from_slice(&[2_i64, 0, 2, 1, 0]);
        let prototypes = random::normal(&[CLASSES, 4], seed).to_kind(Kind::Double);
        let x = random::normal(&[NODES, 4], seed + 10).to_kind(Kind::Double);
        let w = Tensors::new()
            .with("prototypes", &prototypes)
            .with("labelled", &labelled)
            .with("labels", &labels);
        let batch = Batch::new().with("x", &x).with("graph", graph(&before));
        let given = layer.forward(&w, &batch, &Alone::eval()).unwrap();
        assert!(given["x"].equal(&Tensor::cat(&[x, prototypes], 0)));

        let mut whole = Tensor::zeros([NODES + CLASSES, NODES + CLASSES], kind);
        whole.narrow(0, 0, NODES).narrow(1, 0, NODES).copy_(&before);
        let class = &labels + NODES;
        for (target, source) in [(&class, &labelled), (&labelled, &class)] {
            let ones = Tensor::ones([5], kind);
            let _ = whole.index_put_(&[Some(target), Some(source)], &ones, false);
        }
        let appended = given.graph("graph").unwrap();
        let eye = Tensor::eye(NODES + CLASSES, kind);
        assert!(appended.matmul(&eye).unwrap().equal(&whole), "{seed}");
        let whole = graph(&whole);
        let parts = |graph: &Graph| [graph.sources(), graph.targets(), graph.weight()];
        for (part, expected) in parts(appended).iter().zip(parts(&whole)) {
            assert!(part.equal(&expected), "{seed}: {part:?} {expected:?}");
        }
    }
}
