//! Scores of networks and of weights: those of plain PyTorch, from the files that `tests/reference/scorers.py` has
//! written, and what several of them share.

use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use pleach_worker::{NetSession, host};
use plugin_api::host::Services;
use plugin_api::prelude::*;
use plugin_api::role::TaskObj;
use plugin_api::{Json, serde_json::json};

use crate::reference;

/// A task of one batch, which counts how often its loss was computed.
struct One {
    batch: Batch,
    losses: Arc<AtomicU32>,
}

impl Task for One {
    fn ports(&self) -> Result<Ports> {
        let shape = self.batch.tensor("x")?.size();
        let along = shape[1..].iter().map(|size| axis("along", *size));
        let x = [axis("batch", None)].into_iter().chain(along);
        Ok(Ports {
            inputs: Shapes::new().with("x", x.collect::<Vec<_>>()),
            targets: Shapes::new(),
            outputs: Shapes::new().with("y", vec![axis("batch", None), axis("classes", 4)]),
            metric: "loss".into(),
            higher_is_better: false,
        })
    }

    fn batch(&self, _: &str, at: &At) -> Result<Option<Batch>> {
        let first = |t: &Tensor| match at.size {
            0 => t.shallow_clone(),
            size => t.narrow(0, 0, size.min(t.size()[0])),
        };
        let x = first(self.batch.tensor("x")?);
        let y = first(self.batch.tensor("y")?);
        Ok((at.index == 0).then(|| Batch::new().with("x", x).with("y", y)))
    }

    fn loss(&self, outputs: &Batch, batch: &Batch) -> Result<Tensors> {
        self.losses.fetch_add(1, Ordering::Relaxed);
        let logits = outputs.tensor("y")?;
        let loss = logits.f_cross_entropy_loss::<Tensor>(
            batch.tensor("y")?,
            None,
            tch::Reduction::Mean,
            -100,
            0.0,
        )?;
        Ok(Tensors::new().with("cross-entropy", loss))
    }

    fn metrics(&self, _: &Batch, _: &Batch) -> Result<Named<f64>> {
        Ok(Named::new())
    }
}

fn made(component: &str, params: Json) -> Recipe {
    Recipe {
        component: format!("baselines/{component}"),
        params: crate::params(params),
    }
}

/// The layers of the script's networks.
fn layers(network: &str) -> Vec<(&'static str, Recipe)> {
    let relu = || made("activation", json!({}));
    let linear = |out: i64| made("linear", json!({ "out": out }));
    match network {
        "perceptron" => vec![
            ("first", linear(16)),
            ("relu-1", relu()),
            ("second", linear(12)),
            ("relu-2", relu()),
            ("third", linear(4)),
        ],
        _ => vec![
            ("conv-1", made("conv", json!({ "out": 6 }))),
            ("norm-1", made("batch-norm", json!({}))),
            ("relu-1", relu()),
            ("conv-2", made("conv", json!({ "out": 8, "stride": 2 }))),
            ("norm-2", made("batch-norm", json!({}))),
            ("relu-2", relu()),
            ("pool", made("pool", json!({}))),
            ("flatten", made("flatten", json!({}))),
            ("linear", linear(4)),
        ],
    }
}

/// One of the script's networks with its weights on its batch, and the counter of losses.
fn session(network: &str) -> (NetSession, Tensors, Arc<AtomicU32>) {
    let reference = reference(&format!("scorers-{network}"));
    let losses = Arc::new(AtomicU32::new(0));
    let batch = Batch::new()
        .with("x", &reference["x"])
        .with("y", &reference["y"]);
    let task = One {
        batch,
        losses: Arc::clone(&losses),
    };
    host(); // its layers and initializers
    let mut arch = Arch::new(task.ports().unwrap().inputs);
    let mut last = "in.x".to_string();
    for (name, layer) in layers(network) {
        arch = arch.layer(name, layer, &[("x", &last)]);
        last = format!("{name}.x");
    }
    let On::Task(task) = On::task(task) else {
        unreachable!("a task of one's own")
    };
    let task: Rc<TaskObj> = Rc::new(task);
    let mut session = NetSession::new(arch.output("y", &last), task, 0, Device::Cpu).unwrap();
    session.set(&reference.under("weight.")).unwrap();
    (session, reference, losses)
}

/// To a relative 1e-4.
#[track_caller]
fn near(what: &str, found: f64, expected: f64) {
    let off = (found - expected).abs() / expected.abs();
    assert!(off < 1e-4, "{what}: found {found}, expected {expected}");
}

/// A scorer for each score of the files.
fn scorers() -> [(&'static str, Recipe); 6] {
    let summed = |pruner: &str| {
        made(
            "saliency",
            json!({ "pruner": format!("baselines/{pruner}") }),
        )
    };
    [
        ("grad-norm", made("grad-norm", json!({}))),
        ("params", made("params", json!({}))),
        ("macs", made("macs", json!({}))),
        ("naswot", made("naswot", json!({}))),
        ("snip", summed("snip")),
        ("synflow", summed("synflow")),
    ]
}

#[test]
fn networks_score_as_in_pytorch() {
    for network in ["perceptron", "convolution"] {
        let (mut session, reference, _) = session(network);
        let before = session.snapshot("everything").unwrap();
        for (name, scorer) in scorers() {
            let scorer = host().scorer(&scorer).unwrap();
            assert!(scorer.higher_is_better());
            let expected = reference[&format!("score.{name}")].double_value(&[]);
            let what = format!("{name} of the {network}");
            near(&what, scorer.score(&mut session).unwrap(), expected);
        }
        // Running statistics too stay what they are.
        let after = session.snapshot("everything").unwrap();
        for (path, weight) in before.iter() {
            assert_eq!(**weight, after[path], "{path}");
        }
    }
}

#[test]
fn weights_score_as_in_pytorch() {
    for network in ["perceptron", "convolution"] {
        let (mut session, reference, _) = session(network);
        for pruner in ["snip", "synflow"] {
            let made = host().pruner(&made(pruner, json!({}))).unwrap();
            let scores = made.scores(&mut session).unwrap();
            let expected = reference.under(&format!("{pruner}."));
            let names = |scores: &Tensors| {
                let mut names: Vec<String> = scores.names().map(String::from).collect();
                names.sort();
                names
            };
            assert_eq!(names(&scores), names(&expected));
            for (path, score) in scores.iter() {
                let expected = &expected[path].to_kind(Kind::Double);
                let off = (score.to_kind(Kind::Double) - expected).abs().max();
                let off = off.double_value(&[]) / expected.max().double_value(&[]);
                assert!(off < 1e-4, "{pruner} of `{path}` is off by {off}");
            }
        }
    }
}

#[test]
fn what_scorers_measure_alike_is_measured_once() {
    let (mut session, _, losses) = session("convolution");
    let arch = session.arch().unwrap();
    let scorers = scorers().map(|(_, scorer)| host().scorer(&scorer).unwrap());
    let scores = |session: &mut NetSession| scorers.each_ref().map(|s| s.score(session).unwrap());
    // Of the six, `grad-norm` and `snip` need the loss.
    let alone = scores(&mut session);
    assert_eq!(losses.swap(0, Ordering::Relaxed), 2);
    let needs: Vec<Probe> = scorers
        .iter()
        .flat_map(|s| s.needs(&arch).unwrap())
        .collect();
    session.share(&needs).unwrap();
    assert_eq!(scores(&mut session), alone);
    assert_eq!(losses.swap(0, Ordering::Relaxed), 1);
    assert_eq!(scores(&mut session), alone);
    assert_eq!(losses.swap(0, Ordering::Relaxed), 0, "it is kept");

    // What was kept holds as long as the weights stay what they are.
    let bias = Tensors::new().with("linear.bias", Tensor::ones([4], (Kind::Float, Device::Cpu)));
    session.set(&bias).unwrap();
    let other = scores(&mut session);
    assert_eq!(losses.swap(0, Ordering::Relaxed), 1);
    assert_ne!(other[0], alone[0]);
    let mask = Tensor::zeros([8, 6, 3, 3], (Kind::Float, Device::Cpu));
    session
        .mask(&Tensors::new().with("conv-2.weight", mask))
        .unwrap();
    let masked = scores(&mut session);
    assert_eq!(losses.swap(0, Ordering::Relaxed), 1);
    assert_ne!(masked[4], other[4]);
    session.share(&[]).unwrap();
    assert_eq!(scores(&mut session), masked);
    assert_eq!(losses.load(Ordering::Relaxed), 2, "nobody shares any more");
}

#[test]
fn a_network_that_tells_no_samples_apart_has_no_score() {
    let (mut session, ..) = session("perceptron");
    let zeros = Tensors::new().with(
        "first.weight",
        Tensor::zeros([16, 8], (Kind::Float, Device::Cpu)),
    );
    session.set(&zeros).unwrap();
    let naswot = host().scorer(&made("naswot", json!({}))).unwrap();
    let error = naswot.score(&mut session).unwrap_err().to_string();
    assert!(
        error.contains("two samples of the batch switch the same units"),
        "{error}"
    );
}

#[test]
fn chance_ranks_by_seed_and_path() {
    let (mut session, ..) = session("convolution");
    let pruner = host().pruner(&made("random-pruning", json!({}))).unwrap();
    let scores = pruner.scores(&mut session).unwrap();
    let again = pruner.scores(&mut session).unwrap();
    assert_eq!(
        scores.names().collect::<Vec<_>>(),
        ["conv-1.weight", "conv-2.weight", "linear.weight"]
    );
    for (path, score) in scores.iter() {
        assert_eq!(**score, again[path]);
    }
    let first = |path: &str| scores[path].flatten(0, -1).double_value(&[0]);
    assert_ne!(first("conv-1.weight"), first("conv-2.weight"));
    session.prune(&scores, &Keep::Overall(0.25)).unwrap();
    let (kept, all) = session
        .masks()
        .unwrap()
        .values()
        .fold((0.0, 0), |(kept, all), mask| {
            (
                kept + mask.sum(Kind::Double).double_value(&[]),
                all + mask.numel(),
            )
        });
    assert_eq!(kept, (all as f64 / 4.0).round());
}
