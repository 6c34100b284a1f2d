//! Kernels across plugin files: fitted processes as networks with buffers, learned hyper-parameters, Jacobians.

use plugin_api::host::Services;
use plugin_api::prelude::*;
use plugin_api::serde_json::json;

use crate::support::{host, linear, off, on, rows, session};

/// Samples of one number `y`.
struct Samples {
    x: Tensor,
    y: Tensor,
}

impl Task for Samples {
    fn ports(&self) -> Result<Ports> {
        Ok(Ports {
            inputs: rows(self.x.size()[1]),
            targets: Shapes::new(),
            outputs: Shapes::new().with("y", vec![axis("rows", None), axis("out", 1)]),
            metric: "off".into(),
            higher_is_better: false,
        })
    }

    fn batch(&self, _: &str, at: &At) -> Result<Option<Batch>> {
        let batch = Batch::new().with("x", &self.x).with("y", &self.y);
        Ok((at.index == 0).then_some(batch))
    }

    fn loss(&self, outputs: &Batch, batch: &Batch) -> Result<Tensors> {
        let off = outputs.tensor("y")? - batch.tensor("y")?;
        Ok(Tensors::new().with("off", off.square().mean(Kind::Double)))
    }

    fn metrics(&self, outputs: &Batch, batch: &Batch) -> Result<Named<f64>> {
        let off = self.loss(outputs, batch)?["off"].double_value(&[]);
        Ok(Named::new().with("off", off))
    }
}

/// Five samples for which the figures of a Student t process are known, from a computation of its own.
fn known() -> Samples {
    let x = [
        [1.0, 0.0, 0.5],
        [0.6, 0.8, -0.2],
        [-0.3, 0.4, 1.0],
        [0.0, -1.0, 0.7],
        [2.0, 1.0, 0.0],
    ];
    Samples {
        x: Tensor::from_slice2(&x),
        y: Tensor::from_slice2(&[[1.0], [-1.0], [0.5], [2.0], [0.0]]),
    }
}

/// Two more, with what comes of them.
fn unseen() -> Samples {
    Samples {
        x: Tensor::from_slice2(&[[0.2, 0.1, 0.3], [-1.0, 0.5, 0.0]]),
        y: Tensor::from_slice2(&[[0.3], [-2.0]]),
    }
}

/// A process that has seen samples, and the evidence that it reports.
fn fitted(samples: Samples, kernel: &Recipe, steps: i64) -> (impl Session, f64) {
    let arch = Arch::new(rows(samples.x.size()[1]))
        .of(Dtype::F64)
        .layer("map", linear(1), &[("x", "in.x")])
        .output("y", "map.x");
    let mut session = on(samples).on_task(arch, 0).unwrap();
    let adam = json!({ "use": "baselines/adam", "rate": 0.05 });
    let evidence = Recipe::new("wrappers/evidence")
        .with("kernel", kernel.clone())
        .with("steps", steps)
        .with("transforms", json!([adam]));
    let trainer = host().trainer(&evidence).unwrap();
    let report = trainer.fit(&mut session).unwrap();
    (session, report.metrics["evidence"])
}

#[test]
fn a_fitted_process_is_a_network_with_buffers() {
    let nngp = Recipe::new("wrappers/nngp");
    let (session, evidence) = fitted(known(), &nngp, 0);
    assert!((evidence + 8.112993917).abs() < 1e-9, "{evidence}");
    let x = Batch::new().with("x", unseen().x);
    let seen = session.forward(&x, &Ask::eval()).unwrap().outputs;
    let close = |port: &str, expected: &[f64]| {
        let found = seen[port].flatten(0, -1);
        assert!(off(&found, &Tensor::from_slice(expected)) < 1e-9, "{found}");
    };
    close("y", &[0.2794830499, 0.0070466993]);
    close("scale", &[0.4727019561, 0.9010748255]);
    assert_eq!(seen["df"].double_value(&[]), 9.0);

    // The log density of one sample more is what it adds to the evidence.
    for (i, expected) in [-0.1984162537, -3.0378069987].into_iter().enumerate() {
        let (known, unseen) = (known(), unseen());
        let one = i as i64;
        let more = Samples {
            x: Tensor::cat(&[known.x, unseen.x.narrow(0, one, 1)], 0),
            y: Tensor::cat(&[known.y, unseen.y.narrow(0, one, 1)], 0),
        };
        let added = fitted(more, &nngp, 0).1 - evidence;
        assert!((added - expected).abs() < 1e-9, "{added}");
    }

    // Saved and put back elsewhere it predicts the same.
    let mut other = on(known()).on_task(session.arch().unwrap(), 7).unwrap();
    other.restore(&session.snapshot("all").unwrap()).unwrap();
    let again = other.forward(&x, &Ask::eval()).unwrap().outputs;
    for port in seen.names() {
        assert!(seen[port].equal(&again[port]), "{port}");
    }
}

/// The evidence of what a process has seen.
fn evidence(session: &dyn Session) -> Tensor {
    let batch = session.batch("train", &At::ALL).unwrap().unwrap();
    let ask = Ask::train().tapped(["process.evidence"]);
    let seen = session.forward(&batch, &ask).unwrap();
    seen.taps["process.evidence"].shallow_clone()
}

fn slopes(session: &dyn Session) -> Tensors {
    let weights = session.weights("model").unwrap();
    gradients_of(&evidence(session), &weights, false).unwrap()
}

#[test]
fn kernels_of_any_file_learn_their_parameters() {
    let half = Recipe::new("wrappers/kernel").with("inner", "baselines/rbf");
    for kernel in ["wrappers/nngp".into(), "baselines/rbf".into(), half] {
        for seed in 1..4 {
            let x = random::normal(&[12, 3], seed).to_kind(Kind::Double);
            let wave = || Samples {
                y: x.narrow(1, 0, 1).sin(),
                x: x.copy(),
            };
            let (mut session, first) = fitted(wave(), &kernel, 0);
            let begun = session.snapshot("model").unwrap();
            for (path, slope) in slopes(&session).iter() {
                let mut at = |h: f64| {
                    let moved = begun.clone().with(path, &begun[path] + h);
                    session.set(&moved).unwrap();
                    evidence(&session).double_value(&[])
                };
                let expected = (at(1e-5) - at(-1e-5)) / 2e-5;
                let slope = slope.double_value(&[0]);
                assert!((slope - expected).abs() < 1e-7, "{path}: {slope}");
            }

            let (session, last) = fitted(wave(), &kernel, 200);
            let steepest = slopes(&session)
                .values()
                .map(|t| t.double_value(&[0]).abs())
                .fold(0.0, f64::max);
            assert!(last > first + 0.3, "{kernel:?}: {first} to {last}");
            assert!(steepest < 0.02, "{kernel:?}: {steepest}");
            // It is evaluated as any network is.
            let fit = session.evaluate("train", &Ask::eval()).unwrap()["off"];
            assert!(fit < 0.05, "{kernel:?}: {fit}");
        }
    }
}

#[test]
fn the_tangent_kernel_says_what_a_step_does() {
    let kernel = host().kernel(&"wrappers/tangent".into()).unwrap();
    let none = Tensors::new();
    // Of an affine map: x x' + 1.
    let affine = Arch::new(rows(3))
        .of(Dtype::F64)
        .layer("map", linear(1), &[("x", "in.x")])
        .output("y", "map.x");
    let net = session(affine, 1, 0).unwrap();
    let x = net.batch("train", &At::ALL).unwrap().unwrap();
    let gram = kernel.gram(&none, &x, &x, Some(&net)).unwrap();
    let expected = x["x"].matmul(&x["x"].tr()) + 1.0;
    assert!(off(&gram, &expected) < 1e-12);

    // Of any network: a short step down the loss moves the outputs by the kernel times the slopes of the loss.
    let deep = Arch::new(rows(3))
        .of(Dtype::F64)
        .layer("a", linear(5), &[("x", "in.x")])
        .layer(
            "act",
            Recipe::new("baselines/activation").with("kind", "tanh"),
            &[("x", "a.x")],
        )
        .layer("b", linear(1), &[("x", "act.x")])
        .output("y", "b.x");
    for seed in 0..3 {
        let mut net = session(deep.clone(), 1, seed).unwrap();
        let gram = kernel.gram(&none, &x, &x, Some(&net)).unwrap();
        let diagonal = kernel.diagonal(&none, &x, Some(&net)).unwrap();
        assert!(off(&diagonal, &gram.diagonal(0, 0, 1)) < 1e-12);
        let rate = 1e-6;
        let sgd = Recipe::new("baselines/sgd").with("rate", rate);
        net.chain("main", &[sgd], "model").unwrap();
        let y = |net: &dyn Session| net.forward(&x, &Ask::eval()).unwrap().outputs["y"].detach();
        let before = y(&net);
        net.step("main", &x, &Ask::eval()).unwrap();
        let moved = (y(&net) - &before) / -rate;
        let slopes = (&before - &x["y"]) * 2.0 / before.numel() as f64;
        let expected = gram.matmul(&slopes);
        let most = expected.abs().max().double_value(&[]);
        assert!(off(&moved, &expected) < 1e-5 * most, "{moved} {expected}");
    }
}
