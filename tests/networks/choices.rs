//! What is open: mixes that share a decision, options with inputs of their own, joins, absent mixes, expected costs.

use pleach_worker::NetSession;
use plugin_api::prelude::*;
use plugin_api::serde_json::json;

use crate::support::{linear, off, resolved, rows, run, session};

fn activation(kind: &str) -> Recipe {
    Recipe::new("baselines/activation").with("kind", kind)
}

/// A grid of width and function in one decision: two mixes offer two options each.
fn grid() -> Arch {
    let functions = || [activation("tanh"), activation("relu")];
    Arch::new(rows(3))
        .layer("a", linear(4), &[("x", "in.x")])
        .layer("b", linear(4), &[("x", "in.x")])
        .mix("of-a", Mix::new("grid", functions()), &[("x", "a.x")])
        .mix(
            "of-b",
            Mix::new("grid", functions()).starting(2),
            &[("x", "b.x")],
        )
        .layer("sum", "baselines/add", &[("a", "of-a.x"), ("b", "of-b.x")])
        .output("y", "sum.x")
        .decide(Decision::options(
            "grid",
            ["a-tanh", "a-relu", "b-tanh", "b-relu"],
        ))
}

#[test]
fn several_mixes_share_a_decision() {
    let open = session(grid(), 4, 1).unwrap();
    let x = Batch::new().with("x", random::normal(&[2, 3], 5));
    let weights = Tensor::from_slice(&[0.1_f32, 0.2, 0.3, 0.4]);
    let choices = Choices::new().with("grid", Choice::all(weights));
    let seen = open
        .forward(&x, &Ask::eval().choices(choices).tapped(["a.x", "b.x"]))
        .unwrap();
    let (a, b) = (&seen.taps["a.x"], &seen.taps["b.x"]);
    let mixture = a.tanh() * 0.1 + a.relu() * 0.2 + b.tanh() * 0.3 + b.relu() * 0.4;
    assert!(off(&seen.outputs["y"], &mixture) < 1e-6);

    // Where what is chosen is not offered, the mix is absent, and what hangs on it alone.
    let point = Point::new().with("grid", Decided::Option(2));
    let chosen = Ask::eval().choices(hard(&grid().decisions, &point));
    let y = run(&open, &x, &chosen);
    assert!(off(&y, &b.tanh()) < 1e-6);
    let decided = session(resolved(&grid(), &point), 4, 1).unwrap();
    let names: Vec<String> = decided
        .arch()
        .unwrap()
        .nodes
        .into_iter()
        .map(|n| n.name)
        .collect();
    assert_eq!(names, ["b", "of-b", "sum"]);
    assert_eq!(off(&run(&decided, &x, &Ask::eval()), &y), 0.0);
}

/// Depth: the output takes the first, second or third of three layers of unlike widths.
fn depths() -> Arch {
    let layer = |k: i64| {
        Recipe::new("baselines/linear")
            .with("out", 4 + k)
            .with("bias", false)
    };
    let options = [0, 1, 2].map(|_| Recipe::new("baselines/dropout"));
    let from = ["l0.x", "l1.x", "l2.x"].map(|from| refs(&[("x", from)]));
    Arch::new(rows(3))
        .layer("l0", layer(0), &[("x", "in.x")])
        .layer("l1", layer(1), &[("x", "l0.x")])
        .layer("l2", layer(2), &[("x", "l1.x")])
        .mix(
            "depth",
            Mix::new("depth", options)
                .fed(from)
                .joined("wrappers/widest"),
            &[],
        )
        .output("y", "depth.x")
        .decide(Decision::options("depth", [1, 2, 3]))
}

#[test]
fn depth_is_options_with_inputs_of_their_own() {
    let open = session(depths(), 6, 0).unwrap();
    let p = Tensor::from_slice(&[0.2_f32, 0.5, 0.3]).set_requires_grad(true);
    let x = Batch::new().with("x", random::normal(&[2, 3], 5));
    let all = Choices::new().with("depth", Choice::all(&p));
    let y = run(&open, &x, &Ask::eval().choices(all));
    assert_eq!(y.size(), [2, 6]);
    let loss = y.square().sum(Kind::Float);
    let g = gradients_of(&loss, &Tensors::new().with("p", &p), false).unwrap();
    assert!(
        g["p"].abs().min().double_value(&[]) > 0.0,
        "every depth gets a gradient"
    );

    // Only what the chosen depth needs is there once it is decided.
    for k in 0..3 {
        let point = Point::new().with("depth", Decided::Option(k));
        let decided = resolved(&depths(), &point);
        assert_eq!(decided.nodes.len(), k + 2);
        let decided = session(decided, 4 + k as i64, 0).unwrap();
        let narrow = run(&decided, &x, &Ask::eval());
        let wide = run(
            &open,
            &x,
            &Ask::eval().choices(hard(&depths().decisions, &point)),
        );
        assert_eq!(off(&wide.narrow(1, 0, 4 + k as i64), &narrow), 0.0);
    }
}

fn cost(session: &NetSession, what: &str, p: &Tensors) -> f64 {
    session.cost(what, p).unwrap().double_value(&[])
}

#[test]
fn an_expected_cost_is_the_mean_over_decided_networks() {
    let check = |arch: Arch, decision: &str, p: &[f64], out: &dyn Fn(usize) -> i64| {
        let open = session(arch.clone(), out(p.len() - 1), 0).unwrap();
        for what in ["macs", "parameters", "bits"] {
            let mut mean = 0.0;
            for (k, p) in p.iter().enumerate() {
                let point = Point::new().with(decision, Decided::Option(k));
                let decided = session(resolved(&arch, &point), out(k), 0).unwrap();
                mean += p * cost(&decided, what, &Tensors::new());
            }
            let p = Tensors::new().with(decision, Tensor::from_slice(p));
            let expected = cost(&open, what, &p);
            assert!((expected - mean).abs() < 1e-9, "{what}: {expected}, {mean}");
            assert!(expected > 0.0, "{what}");
        }
    };
    check(depths(), "depth", &[0.2, 0.5, 0.3], &|k| 4 + k as i64);
    check(grid(), "grid", &[0.1, 0.2, 0.3, 0.4], &|_| 4);

    // Differentiable: the slope of each option is what it alone takes.
    let open = session(depths(), 6, 0).unwrap();
    let p = Tensor::from_slice(&[0.2, 0.5, 0.3]).set_requires_grad(true);
    let p = Tensors::new().with("depth", p);
    let g = gradients_of(&open.cost("macs", &p).unwrap(), &p, false).unwrap();
    // 3 x 4 with any depth, which the sum of probabilities, one, weighs; 4 x 5 and 5 x 6 more.
    let slopes: Vec<f64> = Vec::try_from(&g["depth"]).unwrap();
    assert_eq!(slopes, [0.0, 20.0, 50.0]);
}

#[test]
fn costs_are_counted_from_shapes() {
    let mut session = session(
        Arch::new(rows(3))
            .layer("a", linear(4), &[("x", "in.x")])
            .layer("b", linear(2), &[("x", "a.x")])
            .output("y", "b.x"),
        2,
        0,
    )
    .unwrap();
    let none = Tensors::new();
    let costs = |s: &NetSession| ["macs", "parameters", "bits"].map(|what| cost(s, what, &none));
    assert_eq!(costs(&session), [20.0, 26.0, 832.0]);
    session.cut("a.out", &[0, 3]).unwrap();
    assert_eq!(costs(&session), [10.0, 14.0, 448.0]);
    let error = session.cost("macs", &Tensors::new().with("x", Tensor::from(1.0)));
    assert_eq!(
        error.unwrap_err().to_string(),
        "the architecture does not leave `x` open\n  found     "
    );
}

#[test]
fn options_of_unlike_outputs_need_a_join() {
    let arch = Arch::new(rows(3))
        .mix(
            "m",
            Mix::new("width", [linear(2), linear(3)]),
            &[("x", "in.x")],
        )
        .output("y", "m.x")
        .decide(Decision::options("width", [2, 3]));
    let error = session(arch, 3, 0).map(drop).unwrap_err();
    assert_eq!(
        error.to_string(),
        "the options of node `m` give different outputs\n  found     x: [rows, 3] from option 1\n  expected  x: [rows, 2]\n  help: give the mix a `join`, in which unlike outputs meet"
    );
}

#[test]
fn a_hidden_parameter_of_a_nested_network_is_decided_too() {
    let inner = Arch::new(rows(3))
        .layer(
            "map",
            Recipe::new("baselines/linear").with("out", json!({ "decide": "width" })),
            &[("x", "in.x")],
        )
        .mix(
            "act",
            Mix::new("act", [activation("tanh"), activation("relu")]),
            &[("x", "map.x")],
        )
        .output("y", "act.x");
    let arch = Arch::new(rows(3))
        .nested("block", inner, &[("x", "in.x")])
        .output("y", "block.y")
        .decide(Decision::options("width", [4, 5]))
        .decide(Decision::options("act", ["tanh", "relu"]));
    let point = Point::new()
        .with("width", Decided::Option(1))
        .with("act", Decided::Option(0));
    let decided = session(resolved(&arch, &point), 5, 0).unwrap();
    let x = Batch::new().with("x", random::normal(&[2, 3], 5));
    let seen = decided
        .forward(&x, &Ask::eval().tapped(["block.map.x"]))
        .unwrap();
    assert!(off(&seen.outputs["y"], &seen.taps["block.map.x"].tanh()) < 1e-6);
}
