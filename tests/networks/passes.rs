//! What one pass may ask: parts of the network, cuts, dry passes, conditions, weights that are made.

use plugin_api::Generated;
use plugin_api::prelude::*;

use crate::support::{Dice, graphs, images, linear, off, rows, run, session};

fn deep() -> Arch {
    Arch::new(rows(3))
        .layer("a", linear(4), &[("x", "in.x")])
        .layer("norm", "baselines/batch-norm", &[("x", "a.x")])
        .layer("b", linear(2), &[("x", "norm.x")])
        .output("y", "b.x")
}

fn x(samples: i64, features: i64) -> Batch {
    Batch::new().with("x", random::normal(&[samples, features], 5))
}

#[test]
fn single_nodes_run_on_what_they_are_given() {
    let session = session(deep(), 2, 0).unwrap();
    let whole = session
        .forward(&x(4, 3), &Ask::eval().tapped(["norm.x"]))
        .unwrap();
    let given = Batch::new().with("norm.x", &whole.taps["norm.x"]);
    let y = run(&session, &given, &Ask::eval().only(["b"]));
    assert_eq!(off(&y, &whole.outputs["y"]), 0.0);

    let seen = session
        .forward(&x(4, 3), &Ask::eval().until("norm").tapped(["*"]))
        .unwrap();
    assert_eq!(seen.taps.names().collect::<Vec<_>>(), ["a.x", "norm.x"]);
    assert!(seen.outputs.is_empty());
    assert_eq!(off(&seen.taps["norm.x"], &whole.taps["norm.x"]), 0.0);

    let error = session.forward(&x(4, 3), &Ask::eval().until("c")).map(drop);
    assert_eq!(
        error.unwrap_err().to_string(),
        "there is no node `c`\n  found     a, norm, b"
    );
}

#[test]
fn gradients_stop_at_a_cut() {
    let session = session(deep(), 2, 0).unwrap();
    let weights = session.weights("model").unwrap();
    let slopes = |ask: &Ask<'_>| {
        let y = run(&session, &x(4, 3), ask);
        gradients_of(&y.square().sum(Kind::Float), &weights, false).unwrap()
    };
    let (whole, cut) = (slopes(&Ask::train()), slopes(&Ask::train().cut(["norm.x"])));
    assert_eq!(off(&whole["b.weight"], &cut["b.weight"]), 0.0);
    assert!(whole["a.weight"].abs().max().double_value(&[]) > 0.0);
    assert_eq!(cut["a.weight"].abs().max().double_value(&[]), 0.0);
}

#[test]
fn a_dry_pass_leaves_no_trace() {
    let session = session(deep(), 2, 0).unwrap();
    let statistics = || session.snapshot("buffer").unwrap();
    let before = statistics();
    let dry = run(&session, &x(4, 3), &Ask::train().dry());
    assert!(statistics()["norm.mean"].equal(&before["norm.mean"]));
    // The statistics of the batch all the same.
    let trained = run(&session, &x(4, 3), &Ask::train());
    assert_eq!(off(&dry, &trained), 0.0);
    assert!(!statistics()["norm.mean"].equal(&before["norm.mean"]));
    assert!(off(&run(&session, &x(4, 3), &Ask::eval()), &dry) > 1e-3);
}

#[test]
fn a_batch_of_two_equals_two_of_one() {
    for seed in 0..10 {
        let mut dice = Dice::new(seed);
        let session = session(images(&mut dice), 3, seed).unwrap();
        let batch = session.batch("val", &At::ALL).unwrap().unwrap();
        let all = run(&session, &batch, &Ask::eval());
        let rows: Vec<Tensor> = (0..2)
            .map(|i| {
                let one = batch
                    .names()
                    .map(|p| Ok((p, batch.tensor(p)?.narrow(0, i, 1))));
                let one = one.collect::<Result<Batch>>().unwrap();
                run(&session, &one, &Ask::eval())
            })
            .collect();
        assert!(
            off(&all.narrow(0, 0, 2), &Tensor::cat(&rows, 0)) < 1e-6,
            "{seed}"
        );
    }
}

fn conditioned(each: bool) -> Arch {
    let inputs = rows(3).with("task", vec![axis("rows", None), axis("features", 1)]);
    let generated = Generated::new("hyper", "wrappers/scaled", "map.weight").conditioned(["task"]);
    let generated = if each { generated.each() } else { generated };
    Arch::new(inputs)
        .layer("map", linear(2), &[("x", "in.x")])
        .output("y", "map.x")
        .generate(generated)
}

#[test]
fn every_sample_has_weights_of_its_own() {
    let batch = x(3, 3).with(
        "task",
        Tensor::from_slice(&[1.0_f32, 2.0, -1.0]).view([3, 1]),
    );
    let all = session(conditioned(false), 2, 0).unwrap();
    let each = session(conditioned(true), 2, 0).unwrap();
    let base = |s: &dyn Session| s.weights("hyper.*").unwrap()["hyper.map.weight"].shallow_clone();
    // One weight for all, from the mean of the condition, 2 / 3; or one for each.
    let plain = batch["x"].matmul(&base(&all).tr());
    assert!(off(&run(&all, &batch, &Ask::eval()), &(&plain * (2.0 / 3.0))) < 1e-6);
    let scaled = batch["x"].matmul(&base(&each).tr()) * &batch["task"];
    assert!(off(&run(&each, &batch, &Ask::eval()), &scaled) < 1e-6);

    // Without a batch the condition is the caller's.
    let condition = || Batch::new().with("task", Tensor::from_slice(&[5.0_f32]));
    let made = all
        .effective("map.weight", &Ask::eval().condition(condition()))
        .unwrap();
    assert!(off(&made["map.weight"], &(base(&all) * 5.0)) < 1e-6);
    let error = all
        .effective("map.weight", &Ask::eval())
        .map(drop)
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        "hypernet `hyper` sees `task`, which is not there\n  help: give it with the batch, or as the condition of the pass"
    );
}

#[test]
fn weights_for_every_sample_need_samples() {
    let arch = Arch::new(rows(3))
        .layer("map", linear(2), &[("x", "in.x")])
        .output("y", "map.x")
        .generate(Generated::new("hyper", "wrappers/scaled", "map.weight").each());
    let error = session(arch, 2, 0).map(drop).unwrap_err();
    assert_eq!(
        error.to_string(),
        "hypernet `hyper` makes weights for every sample, but sees none\n  help: name the inputs that it sees: `condition`"
    );
}

#[test]
fn a_layer_shares_the_weights_of_another() {
    let arch = Arch::new(rows(3))
        .layer("a", linear(3), &[("x", "in.x")])
        .layer("b", linear(3), &[("x", "a.x")])
        .sharing("a")
        .output("y", "b.x");
    let mut session = session(arch, 3, 0).unwrap();
    let paths: Vec<String> = session
        .specs("all")
        .unwrap()
        .into_iter()
        .map(|s| s.name)
        .collect();
    assert_eq!(paths, ["a.weight", "a.bias"]);
    let w = &session.weights("all").unwrap()["a.weight"];
    let twice = x(2, 3)["x"].matmul(&w.tr()).matmul(&w.tr());
    assert!(off(&run(&session, &x(2, 3), &Ask::eval()), &twice) < 1e-6);
    // Their inputs and outputs are the same units now, those of the network's input among them.
    let error = session.cut("a.out", &[0]).unwrap_err().to_string();
    assert!(error.contains("tied to the network's input"), "{error}");
}

#[test]
fn graphs_run_in_double_precision() {
    let session = session(graphs(&mut Dice::new(0)), 2, 0).unwrap();
    let batch = session.batch("val", &At::ALL).unwrap().unwrap();
    assert_eq!(run(&session, &batch, &Ask::eval()).kind(), Kind::Double);
}

#[test]
fn all_faults_of_an_architecture_come_at_once() {
    let inner = Arch::new(rows(4))
        .layer("map", linear(2), &[("x", "in.z")])
        .output("y", "map.x");
    let arch = Arch::new(rows(3))
        .nested("block", inner.clone(), &[("x", "in.x")])
        .layer("on", linear(2), &[("x", "block.y")])
        .layer("graph", "baselines/gcn", &[("x", "in.x")])
        .layer("b", linear(2), &[("x", "in.x")])
        .sharing("c")
        .output("y", "on.x");
    let error = session(arch, 2, 0).map(drop).unwrap_err().to_string();
    let expected = "the architecture has 3 faults
the network at node `block` takes another `x`
  found     [rows, 3]
  expected  [rows, 4]
at node `graph`
  caused by `baselines/gcn`: nothing comes in at port `graph`
  found     `x`
node `b` shares the weights of `c`, which does not stand before it
  found     block, on, graph";
    assert_eq!(error, expected);
    let arch = Arch::new(rows(4))
        .nested("block", inner, &[("x", "in.x")])
        .output("y", "block.y");
    let error = session(arch, 2, 0).map(drop).unwrap_err().to_string();
    assert_eq!(
        error,
        "node `block.map` takes `in.z`, which nothing before it gives\n  found     in.x"
    );
}

#[test]
fn time_is_measured_and_statistics_settle_without_a_trace() {
    let mut session = session(deep(), 2, 0).unwrap();
    let latency = session.latency(&x(4, 3), 20).unwrap();
    assert!(latency.median > 0.0 && latency.spread >= 0.0 && latency.runs == 20);
    let error = session.latency(&x(4, 3), 0).unwrap_err().to_string();
    assert_eq!(
        error,
        "nothing is measured in no run\n  found     0\n  expected  1 or more"
    );

    let before = session.snapshot("all,clock").unwrap();
    session.recalibrate("train", 0, 3).unwrap();
    for (name, t) in session.snapshot("all,clock").unwrap().iter() {
        let settles = ["norm.mean", "norm.var"].contains(&name);
        assert_eq!(t.equal(&before[name]), !settles, "{name}");
    }
}

#[test]
fn what_depends_on_inputs_alone_is_kept_while_they_stay() {
    let inputs = rows(3).with("graph", vec![axis("rows", None)]);
    let arch = Arch::new(inputs)
        .layer(
            "smooth",
            Recipe::new("dgmlp/propagation").with("hops", 3),
            &[("x", "in.x"), ("graph", "in.graph")],
        )
        .output("y", "smooth.x");
    let session = session(arch, 3, 0).unwrap();
    let ring: Vec<(usize, usize)> = (0..5).map(|i| (i, (i + 1) % 5)).collect();
    let hosts = |pairs: &[(usize, usize)]| {
        let end = |of: fn(&(usize, usize)) -> usize| {
            Tensor::from_slice(&pairs.iter().map(|p| of(p) as i64).collect::<Vec<_>>())
        };
        Graph::new(5, &end(|p| p.0), &end(|p| p.1), None).unwrap()
    };
    let mut x = Tensor::from(random::normal(&[5, 3], 1));
    let on = |x: &Tensor, graph: &Graph| Batch::new().with("x", x).with("graph", graph.clone());
    let graph = hosts(&ring);
    let batch = on(&x, &graph);

    let first = run(&session, &batch, &Ask::eval());
    for ask in [Ask::eval(), Ask::train()] {
        assert_eq!(run(&session, &batch, &ask).data_ptr(), first.data_ptr());
    }
    // Where somebody looks, it runs.
    let shown = session.forward(&batch, &Ask::eval().tapped(["smooth.x"]));
    let shown = shown.unwrap().taps["smooth.x"].shallow_clone();
    assert!(shown.data_ptr() != first.data_ptr() && shown.equal(&first));
    // Another graph, and one whose weights learn.
    let other = run(&session, &on(&x, &hosts(&ring[1..])), &Ask::eval());
    assert!(!other.equal(&first));
    let weight = Tensor::ones([5], (Kind::Float, Device::Cpu)).set_requires_grad(true);
    let learning = on(&x, &graph.weighted(&(&weight).into()).unwrap());
    let before = tch::no_grad(|| run(&session, &learning, &Ask::eval()));
    let _ = tch::no_grad(|| weight.shallow_clone().get(0).fill_(3.0));
    let after = tch::no_grad(|| run(&session, &learning, &Ask::eval()));
    assert!(before.equal(&first) && !after.equal(&before));
    // A tensor that was changed, coming in or gone out.
    let again = run(&session, &batch, &Ask::eval());
    let _ = again.shallow_clone().zero_();
    assert!(run(&session, &batch, &Ask::eval()).equal(&first));
    let _ = x.get(0).fill_(2.0);
    let changed = run(&session, &on(&x, &graph), &Ask::eval());
    assert!(!changed.equal(&first));
    // What learns before it gets its gradient.
    x = x.set_requires_grad(true);
    let y = run(&session, &on(&x, &graph), &Ask::train());
    assert!(y.equal(&changed));
    let slopes = gradients_of(&y.sum(Kind::Float), &Tensors::new().with("x", &x), false);
    assert!(
        slopes.unwrap()["x"]
            .abs()
            .sum(Kind::Float)
            .double_value(&[])
            > 0.0
    );
}
