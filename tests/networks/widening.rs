//! How wide networks begin and learn: an initializer that asks the layer before, and rates by the place of a layer.

use pleach_worker::NetSession;
use plugin_api::prelude::*;

use crate::support::{linear, off, rows, run, session};

const WIDTH: i64 = 400;

/// Six maps with an activation between them, whose weights begin so.
fn deep(kind: &str, init: &str, seed: u64) -> NetSession {
    let map = || {
        let linear = Recipe::new("baselines/linear").with("bias", false);
        Recipe::new("baselines/begun")
            .with("inner", linear)
            .with("init", init)
    };
    let activation = || Recipe::new("baselines/activation").with("kind", kind);
    let mut arch = Arch::new(rows(WIDTH)).layer("map-0", map(), &[("x", "in.x")]);
    for k in 1..6 {
        arch = arch
            .layer(
                &format!("act-{k}"),
                activation(),
                &[("x", &format!("map-{}.x", k - 1))],
            )
            .layer(&format!("map-{k}"), map(), &[("x", &format!("act-{k}.x"))]);
    }
    session(arch.output("y", "map-5.x"), WIDTH, seed).unwrap()
}

/// The mean square of what the last map gives, of inputs whose mean square is one.
fn size(session: &NetSession) -> f64 {
    let x = random::normal(&[8, WIDTH], 7);
    let x = &*x / x.square().mean_dim([1_i64].as_slice(), true, None).sqrt();
    let y = run(session, &Batch::new().with("x", x), &Ask::eval());
    y.square().mean(Kind::Double).double_value(&[])
}

#[test]
fn sizes_stay_whichever_activation_stands_between() {
    let sizes = |kind: &str, init: &str| {
        let sizes = (0..4).map(|seed| size(&deep(kind, init, seed)));
        sizes.sum::<f64>() / 4.0
    };
    for kind in ["relu", "elu", "gelu", "silu", "tanh", "sigmoid"] {
        let steady = sizes(kind, "wrappers/steady");
        assert!((steady - 1.0).abs() < 0.25, "{kind}: {steady}");
    }
    // The variance of Glorot is right without an activation: a rectifier takes a half away, each time.
    let falling = sizes("relu", "baselines/glorot");
    assert!((falling * 32.0 - 1.0).abs() < 0.4, "{falling}");
}

#[test]
fn rates_follow_the_place_of_a_layer() {
    let activation = "baselines/activation";
    // Two ways of unlike length to the sum.
    let arch = Arch::new(rows(5))
        .layer("a", linear(6), &[("x", "in.x")])
        .layer("act", activation, &[("x", "a.x")])
        .layer("short", linear(4), &[("x", "act.x")])
        .layer("long", linear(3), &[("x", "act.x")])
        .layer("longer", linear(4), &[("x", "long.x")])
        .layer(
            "sum",
            "baselines/add",
            &[("a", "short.x"), ("b", "longer.x")],
        )
        .layer("last", linear(2), &[("x", "sum.x")])
        .output("y", "last.x");
    let mut session = session(arch, 2, 0).unwrap();
    let sgd = Recipe::new("baselines/sgd").with("rate", 0.6);
    let transforms = ["wrappers/by-depth".into(), sgd];
    session.chain("main", &transforms, "model").unwrap();
    let before = session.snapshot("model").unwrap();
    session
        .apply("main", &before.map(|_, w| w.ones_like()))
        .unwrap();
    let after = session.weights("model").unwrap();
    for (node, depth, into) in [
        ("a", 1.0, 5.0),
        ("short", 2.0, 6.0),
        ("long", 2.0, 6.0),
        ("longer", 3.0, 3.0),
        ("last", 4.0, 4.0),
    ] {
        for (weight, over) in [("bias", depth), ("weight", into)] {
            let path = format!("{node}.{weight}");
            let step = &before[&path] - &after[&path];
            assert!(off(&step, &step.full_like(0.6 / over)) < 1e-6, "{path}");
        }
    }
}
