//! Methods of one plugin file on layers and transforms of another: what they ask of a session.

use plugin_api::host::Services;
use plugin_api::prelude::*;
use plugin_api::serde_json::json;

use crate::support::{host, linear, off, on, rows, run, session};

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
        ("b.weight", vec![2, 4]),
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
    let hidden = x["x"].matmul(&w["a.weight"].tr()).narrow(1, 0, 2);
    assert!(off(&y, &hidden.matmul(&w["b.weight"].tr().narrow(0, 0, 2))) < 1e-6);

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

/// `tanh` between two maps, to be found among three functions.
fn functions() -> Arch {
    let function = |kind: &str| Recipe::new("baselines/activation").with("kind", kind);
    let options = ["tanh", "relu", "sigmoid"];
    Arch::new(rows(4))
        .of(Dtype::F64)
        .layer("a", linear(5), &[("x", "in.x")])
        .layer("norm", "baselines/batch-norm", &[("x", "a.x")])
        .mix(
            "f",
            Mix::new("f", options.map(function)),
            &[("x", "norm.x")],
        )
        .layer("b", linear(1), &[("x", "f.x")])
        .output("y", "b.x")
        .decide(Decision::options("f", options))
}

#[test]
fn the_gradient_through_a_step_of_the_weights_is_that_of_finite_differences() {
    let mut session = session(functions(), 1, 3).unwrap();
    let ahead = 0.1;
    let unrolled = Recipe::new("wrappers/unrolled").with("ahead", ahead);
    session.relax(&unrolled).unwrap();
    let alpha = Tensor::from_slice(&[0.3, -0.2, 0.5]);
    let path = "relaxation.f";
    let begin = session.snapshot("everything").unwrap();
    // Those that a step of the search takes.
    let train = session.next("train", 0).unwrap();
    let val = session.next("val", 0).unwrap();

    let loss_ahead = |session: &mut dyn Session, alpha: &Tensor| {
        session.set(&Tensors::new().with(path, alpha)).unwrap();
        let weights = session.weights("model").unwrap();
        let seen = session.forward(&train, &Ask::train().dry()).unwrap();
        let loss = session.loss(&seen, &train).unwrap();
        let down = gradients_of(&loss, &weights, false).unwrap();
        let moved = weights.map(|path, w| w - &down[path] * ahead);
        let seen = session.forward(&val, &Ask::train().weights(moved)).unwrap();
        session.loss(&seen, &val).unwrap().double_value(&[])
    };
    let mut expected = vec![];
    for k in 0..3 {
        let h = Tensor::from_slice(&[i64::from(k)])
            .one_hot(3)
            .get(0)
            .to_kind(Kind::Double)
            * 1e-4;
        let up = loss_ahead(&mut session, &(&alpha + &h));
        expected.push((up - loss_ahead(&mut session, &(&alpha - &h))) / 2e-4);
    }

    session.restore(&begin).unwrap();
    session.set(&Tensors::new().with(path, &alpha)).unwrap();
    let down = Recipe::new("baselines/sgd").with("rate", 1.0);
    for group in ["model", "choice"] {
        let name = if group == "model" { "weights" } else { group };
        session
            .chain(name, std::slice::from_ref(&down), group)
            .unwrap();
    }
    session.search().unwrap();
    let moved = &alpha - &session.weights("choice").unwrap()[path];
    assert!(
        off(&moved, &Tensor::from_slice(&expected)) < 1e-7,
        "{moved} {expected:?}"
    );
    assert!(moved.abs().max().double_value(&[]) > 1e-4);
}

#[test]
fn what_is_decided_is_fixed_in_the_session() {
    let mut session = session(functions(), 1, 3).unwrap();
    let inner = json!({ "use": "wrappers/unrolled", "ahead": 0.02 });
    let perturbed = Recipe::new("wrappers/perturbed")
        .with("inner", inner)
        .with("tune", 3);
    session.relax(&perturbed).unwrap();
    for _ in 0..10 {
        session.search().unwrap();
    }
    let scores = session.decide().unwrap();
    assert_eq!(scores["f"].size(), [3]);
    let best = usize::try_from(scores["f"].argmax(0, false).int64_value(&[])).unwrap();
    let choice = &session.mixture(false).unwrap()["f"];
    assert_eq!(choice.active().collect::<Vec<_>>(), [best]);
    // So it is saved and comes back with it.
    let saved = session.snapshot("everything").unwrap();
    assert_eq!(saved["relaxation.fixed-f"].double_value(&[0]), best as f64);
}

/// Noisy patterns of three classes.
struct Patterns;

impl Patterns {
    fn pure() -> Tensor {
        random::normal(&[3, 120], 1).sign()
    }
}

impl Task for Patterns {
    fn ports(&self) -> Result<Ports> {
        let shape = || Shapes::new().with("x", vec![axis("rows", None), axis("units", 120)]);
        Ok(Ports {
            inputs: shape(),
            targets: Shapes::new(),
            outputs: Shapes::new().with("y", shape()["x"].clone()),
            metric: "overlap".into(),
            higher_is_better: true,
        })
    }

    fn batch(&self, split: &str, at: &At) -> Result<Option<Batch>> {
        let flips = random::uniform(&[30, 120], stream(at.seed, split)).ge(0.1);
        let signs = flips.to_kind(Kind::Float) * 2.0 - 1.0;
        let target = Patterns::pure().repeat([10, 1]);
        let class = Tensor::arange(3, (Kind::Int64, Device::Cpu)).repeat([10]);
        let batch = Batch::new()
            .with("x", &target * signs)
            .with("target", target);
        Ok((at.index == 0).then(|| batch.with("class", class)))
    }

    fn loss(&self, _: &Batch, _: &Batch) -> Result<Tensors> {
        bail!("patterns are stored, not learned")
    }

    fn metrics(&self, outputs: &Batch, batch: &Batch) -> Result<Named<f64>> {
        let overlap = outputs.tensor("y")? * batch.tensor("target")?;
        Ok(Named::new().with("overlap", overlap.mean(Kind::Double).double_value(&[])))
    }
}

#[test]
fn patterns_are_stored_without_gradients_and_recalled_by_the_layer_itself() {
    let task = on(Patterns);
    let arch = Arch::new(Patterns.ports().unwrap().inputs)
        .layer("memory", "wrappers/hopfield", &[("x", "in.x")])
        .output("y", "memory.x");
    let mut session = task.on_task(arch, 0).unwrap();
    assert!(session.weights("model").unwrap().is_empty());
    fit(&mut session, "wrappers/store", json!({ "node": "memory" }));
    let batch = session.batch("test", &At::ALL).unwrap().unwrap();
    let first = Ask::eval().tapped(["memory/state-0"]);
    let seen = session.forward(&batch, &first).unwrap();
    assert!(seen.taps.contains("memory/state-0"));
    let overlap = session.evaluate("test", &Ask::eval()).unwrap()["overlap"];
    assert!(overlap > 0.99, "{overlap}");
}

/// A cell with an output, whose state goes in and out.
fn recurrent() -> Arch {
    let state = vec![axis("rows", None), axis("hidden", 5)];
    Arch::new(rows(3).with("state", state))
        .of(Dtype::F64)
        .layer(
            "cell",
            "wrappers/cell",
            &[("x", "in.x"), ("state", "in.state")],
        )
        .layer("out", linear(1), &[("x", "cell.x")])
        .output("y", "out.x")
        .output("state", "cell.state")
}

#[test]
fn two_windows_of_time_with_the_true_gradient_between_them_are_the_whole() {
    let session = session(recurrent(), 1, 0).unwrap();
    let x = random::normal(&[4, 6, 3], 1).to_kind(Kind::Double);
    let y = x.select(2, 0).cumsum(1, Kind::Double).unsqueeze(2);
    // The loss of a window, its gradients by weights and first state, and its last state; `tail` comes from beyond.
    let window = |times: std::ops::Range<i64>, state: &Tensor, tail: Option<&Tensor>| {
        let start = state.detach().set_requires_grad(true);
        let mut h = start.shallow_clone();
        let mut loss = Tensor::zeros([0_i64; 0], (Kind::Double, Device::Cpu));
        for t in times {
            let step = Batch::new().with("x", x.select(1, t)).with("state", &h);
            let seen = session.forward(&step, &Ask::train()).unwrap();
            h = seen.outputs["state"].shallow_clone();
            let target = Batch::new().with("y", y.select(1, t));
            loss += &*session.loss(&seen, &target).unwrap();
        }
        if let Some(tail) = tail {
            loss += (&h * tail).sum(Kind::Double);
        }
        let of = session.weights("model").unwrap().with("start", &start);
        (gradients_of(&loss, &of, false).unwrap(), h.detach())
    };
    let zero = Tensor::zeros([4, 5], (Kind::Double, Device::Cpu));
    let (whole, _) = window(0..6, &zero, None);
    let (_, middle) = window(0..3, &zero, None);
    let (second, _) = window(3..6, &middle, None);
    let (first, _) = window(0..3, &zero, Some(&second["start"]));
    for (path, g) in whole.iter().filter(|(path, _)| *path != "start") {
        assert!(off(g, &(&first[path] + &second[path])) < 1e-12, "{path}");
    }
}
