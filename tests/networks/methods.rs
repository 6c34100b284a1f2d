//! Methods of one plugin file on layers and transforms of another: what they ask of a session.

use plugin_api::host::Services;
use plugin_api::prelude::*;
use plugin_api::serde_json::json;

use crate::support::{host, linear, off, rows, run, session};

fn with_norm() -> Arch {
    Arch::new(rows(4))
        .layer("a", linear(6), &[("x", "in.x")])
        .layer("norm", "baselines/batch-norm", &[("x", "a.x")])
        .layer("act", "baselines/activation", &[("x", "norm.x")])
        .layer("b", linear(2), &[("x", "act.x")])
        .output("y", "b.x")
}

fn fit(session: &mut dyn Session, trainer: &str, params: plugin_api::Json) -> Report {
    let params = params.as_object().unwrap().clone();
    let component = trainer.into();
    let trainer = host().trainer(&Recipe { component, params }).unwrap();
    trainer.fit(session).unwrap()
}

#[test]
fn every_round_of_a_ticket_sees_the_same_batches_and_keeps_exact_counts() {
    let mut session = session(with_norm(), 2, 1).unwrap();
    let adam = json!({
        "use": "baselines/adam",
        "rate": { "use": "baselines/cosine", "start": 0.05, "end": 0.0, "steps": 40 }
    });
    let report = fit(
        &mut session,
        "wrappers/imp",
        json!({
            "pruner": "baselines/magnitude", "transforms": [adam],
            "rounds": 3, "rate": 0.2, "rewind": 2, "steps": 8
        }),
    );
    assert_eq!(report.metrics.len(), 4 * 6);
    for step in 2..8 {
        let of = |round: i64| report.metrics[&format!("{round}:{step}")];
        assert!((1..=3).all(|round| of(round) == of(0)), "{report:?}");
    }
    let (masks, weights) = (session.masks().unwrap(), session.weights("model").unwrap());
    for (path, n) in [("a.weight", 24.0), ("b.weight", 12.0)] {
        let kept = (n * 0.8_f64.powi(3)).round();
        assert_eq!(
            masks[path].sum(Kind::Double).double_value(&[]),
            kept,
            "{path}"
        );
        let alive = weights[path].ne(0.0).sum(Kind::Double).double_value(&[]);
        assert_eq!(alive, kept, "{path}");
    }
}

#[test]
fn a_network_shrinks_while_it_trains() {
    let mut session = session(with_norm(), 2, 1).unwrap();
    let alive = Tensor::from_slice(&[1.0_f32, 0.0, 1.0, 1.0, 0.0, 1.0]);
    session.mask(&Tensors::new().with("a.out", alive)).unwrap();
    let report = fit(
        &mut session,
        "wrappers/two-in-one",
        json!({
            "axis": "a.out", "norm": "norm", "pruner": "baselines/magnitude",
            "steps": 30, "keep": 0.5
        }),
    );
    assert_eq!(report.metrics["alive"], 4.0);
    assert!(report.metrics["off"] < 1e-5, "{report:?}");
    let sizes = session.specs("all").unwrap().into_iter();
    let sizes: Vec<(String, Vec<i64>)> = sizes.map(|s| (s.name.clone(), s.size())).collect();
    for (path, size) in [
        ("a.weight", vec![4, 4]),
        ("norm.mean", vec![4]),
        ("b.weight", vec![4, 2]),
    ] {
        assert!(sizes.contains(&(path.into(), size)), "{path}: {sizes:?}");
    }
    let masks = session.masks().unwrap();
    let kept: f64 = session
        .specs("#prunable")
        .unwrap()
        .iter()
        .map(|s| masks[&s.name].sum(Kind::Double).double_value(&[]))
        .sum();
    assert_eq!(kept, 12.0, "half of 16 + 8");
}

#[test]
fn widths_are_chosen_around_a_layer_of_another_plugin() {
    let elastic = |decision: &str| {
        let inner = json!({ "use": "baselines/linear", "out": 4, "bias": false });
        let elastic = Recipe::new("wrappers/elastic").with("inner", inner);
        elastic
            .with("decision", decision)
            .with("widths", json!([2, 4]))
    };
    let arch = Arch::new(rows(3))
        .layer("a", elastic("first"), &[("x", "in.x")])
        .layer("b", elastic("second"), &[("x", "a.x")])
        .output("y", "b.x")
        .decide(Decision::options("first", [2, 4]))
        .decide(Decision::options("second", [2, 4]));
    let mut open = session(arch.clone(), 4, 0).unwrap();
    let x = Batch::new().with("x", random::normal(&[5, 3], 1));
    let point = Point::new()
        .with("first", Decided::Option(0))
        .with("second", Decided::Option(1));
    let y = run(
        &open,
        &x,
        &Ask::eval().choices(hard(&arch.decisions, &point)),
    );
    let w = open.weights("model").unwrap();
    let hidden = x["x"].matmul(&w["a.weight"]).narrow(1, 0, 2);
    assert!(off(&y, &hidden.matmul(&w["b.weight"].narrow(0, 0, 2))) < 1e-6);

    // 3 x first + first x second, over independent widths of 2 or 4; differentiable in both.
    let p = |p: [f64; 2]| Tensor::from_slice(&p).set_requires_grad(true);
    let p = Tensors::new()
        .with("first", p([0.25, 0.75]))
        .with("second", p([0.5, 0.5]));
    let cost = open.cost("macs", &p).unwrap();
    assert!((cost.double_value(&[]) - (3.0 * 3.5 + 3.5 * 3.0)).abs() < 1e-9);
    let slopes = gradients_of(&cost, &p, false).unwrap();
    assert_eq!(
        Vec::<f64>::try_from(&slopes["first"]).unwrap(),
        [12.0, 24.0]
    );
    assert_eq!(
        Vec::<f64>::try_from(&slopes["second"]).unwrap(),
        [7.0, 14.0]
    );

    // Another plugin's relaxation searches over it; what it learns is in the session, and resumes to the bit.
    open.relax(&"baselines/softmax".into()).unwrap();
    for _ in 0..2 {
        open.search().unwrap();
    }
    let then = open.snapshot("everything").unwrap();
    let go_on = |session: &mut dyn Session| {
        session.search().unwrap();
        session.snapshot("everything").unwrap()
    };
    let later = go_on(&mut open);
    open.restore(&then).unwrap();
    for (name, t) in go_on(&mut open).iter() {
        assert!(t.equal(&later[name]), "{name}");
    }
    // It stays where the architecture is replaced.
    open.replace(&arch, &[]).unwrap();
    let before = later["relaxation.first"].shallow_clone();
    assert!(open.weights("choice").unwrap()["relaxation.first"].equal(&before));
    go_on(&mut open);
}
