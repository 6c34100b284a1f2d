//! Paired arms: of one seed all begin alike and see the same batches, whoever trains which layers.

use std::rc::Rc;
use std::sync::{Arc, Mutex};

use pleach_worker::{NetSession, SubjectBench};
use plugin_api::host::Services;
use plugin_api::prelude::*;
use plugin_api::role::TaskObj;
use plugin_api::serde_json::json;

use crate::support::{host, linear, on};

/// Handwritten digits; what is handed out for training is written down.
struct Watched {
    digits: TaskObj,
    handed: Arc<Mutex<Vec<Batch>>>,
}

fn digits() -> TaskObj {
    let digits = Recipe::new("baselines/digits").with("train_per_class", 5);
    host().task(&digits).unwrap()
}

impl Task for Watched {
    fn ports(&self) -> Result<Ports> {
        self.digits.ports()
    }

    fn batch(&self, split: &str, at: &At) -> Result<Option<Batch>> {
        let batch = self.digits.batch(split, at)?;
        if let ("train", Some(batch)) = (split, &batch) {
            self.handed.lock().unwrap().push(batch.clone());
        }
        Ok(batch)
    }

    fn loss(&self, outputs: &Batch, batch: &Batch) -> Result<Tensors> {
        self.digits.loss(outputs, batch)
    }

    fn metrics(&self, outputs: &Batch, batch: &Batch) -> Result<Named<f64>> {
        self.digits.metrics(outputs, batch)
    }
}

/// Three epochs of four batches.
const BATCHES: usize = 12;
const SIZE: i64 = 16;

/// The weights that an arm begins with, and the batches that it sees.
fn arm(arch: &Arch, seed: u64, train: &dyn Fn(&mut NetSession)) -> (Tensors, Vec<Batch>) {
    let handed = Arc::default();
    let task = Watched {
        digits: digits(),
        handed: Arc::clone(&handed),
    };
    let mut session = on(task).on_task(arch.clone(), seed).unwrap();
    let begun = session.snapshot("all").unwrap();
    train(&mut session);
    let handed = handed.lock().unwrap().clone();
    (begun, handed)
}

fn fit(trainer: Recipe) -> impl Fn(&mut NetSession) {
    move |session| {
        host().trainer(&trainer).unwrap().fit(session).unwrap();
    }
}

fn same(one: &[Batch], other: &[Batch]) -> bool {
    let equal = |a: &Batch, b: &Batch| ["x", "y"].iter().all(|port| a[*port].equal(&b[*port]));
    one.len() == other.len() && one.iter().zip(other).all(|(a, b)| equal(a, b))
}

fn digits_arch() -> Arch {
    Arch::new(digits().ports().unwrap().inputs)
}

/// A body and a head, and nothing between them.
fn plain() -> Arch {
    digits_arch()
        .layer("body", linear(8), &[("x", "in.x")])
        .layer("head", linear(10), &[("x", "body.x")])
        .output("y", "head.x")
}

/// The same body and head, with layers of other files before, between and beside them.
fn other() -> Arch {
    let thrice = Recipe::new("wrappers/layer").with("inner", json!(linear(8)));
    let low = Recipe::new("mixhop/low-rank")
        .with("rank", 2)
        .with("inner", json!(linear(8)));
    digits_arch()
        .layer("before", thrice, &[("x", "in.x")])
        .layer("body", linear(8), &[("x", "in.x")])
        .layer(
            "both",
            "baselines/add",
            &[("a", "before.x"), ("b", "body.x")],
        )
        .layer("between", low, &[("x", "both.x")])
        .layer("head", linear(10), &[("x", "between.x")])
        .output("y", "head.x")
}

/// The body in a supernet.
fn open() -> Arch {
    let functions =
        ["tanh", "relu"].map(|kind| Recipe::new("baselines/activation").with("kind", kind));
    digits_arch()
        .layer("body", linear(8), &[("x", "in.x")])
        .mix("act", Mix::new("act", functions), &[("x", "body.x")])
        .layer("head", linear(10), &[("x", "act.x")])
        .output("y", "head.x")
        .decide(Decision::options("act", ["tanh", "relu"]))
}

#[test]
fn arms_of_one_seed_begin_alike_and_see_the_same_batches() {
    let steps = |transform: &str| {
        Recipe::new("wrappers/steps")
            .with("steps", BATCHES)
            .with("batch", SIZE)
            .with("transforms", json!([transform]))
    };
    let backprop = Recipe::new("baselines/backprop")
        .with("epochs", 3)
        .with("batch", SIZE);
    let search = |session: &mut NetSession| {
        let softmax = Recipe::new("baselines/softmax").with("batch", SIZE);
        session.relax(&softmax).unwrap();
        for _ in 0..BATCHES {
            session.search().unwrap();
        }
    };
    for seed in 0..3 {
        let (begun, seen) = arm(&plain(), seed, &fit(steps("baselines/adam")));
        assert_eq!(seen.len(), BATCHES);
        assert!(!same(&seen[..4], &seen[4..8]), "epochs differ");
        let arms = [
            (
                "another transform",
                arm(&plain(), seed, &fit(steps("baselines/sgd"))),
            ),
            (
                "other layers",
                arm(&other(), seed, &fit(steps("baselines/adam"))),
            ),
            (
                "another trainer",
                arm(&other(), seed, &fit(backprop.clone())),
            ),
            ("a relaxation", arm(&open(), seed, &search)),
        ];
        for (what, (weights, batches)) in arms {
            assert!(same(&batches, &seen), "{what}");
            for path in ["body.weight", "head.weight"] {
                assert!(weights[path].equal(&begun[path]), "{what}: {path}");
            }
        }
        let (weights, batches) = arm(&plain(), seed + 1, &fit(steps("baselines/adam")));
        assert!(!same(&batches, &seen) && !weights["body.weight"].equal(&begun["body.weight"]));
    }
}

fn compared(second: Arch, paired: Recipe) -> Report {
    let task = Rc::new(digits());
    let mut bench = SubjectBench::new(Rc::clone(&task), 0, Device::Cpu);
    for (name, arch) in [("first", plain()), ("second", second)] {
        let session = NetSession::new(arch.clone(), Rc::clone(&task), 0, Device::Cpu).unwrap();
        bench.put(name, arch, session.snapshot("all").unwrap(), vec![]);
    }
    bench.measure(&paired).unwrap()
}

fn mean(numbers: &[f64]) -> f64 {
    numbers.iter().sum::<f64>() / numbers.len() as f64
}

fn variance(numbers: &[f64]) -> f64 {
    let mean = mean(numbers);
    let squares = numbers.iter().map(|x| (x - mean).powi(2));
    squares.sum::<f64>() / (numbers.len() - 1) as f64
}

fn column(report: &Report, i: usize) -> Vec<f64> {
    let rows = report.tables["pairs"].rows.iter();
    rows.map(|row| row[i]).collect()
}

#[test]
fn paired_arms_are_compared_with_an_interval() {
    let paired = |first: f64, second: f64, seed: u64| {
        let steps = |rate: f64| {
            let adam = json!([{ "use": "baselines/adam", "rate": rate }]);
            json!({ "use": "wrappers/steps", "steps": 20, "batch": SIZE, "transforms": adam })
        };
        Recipe::new("wrappers/paired")
            .with("first", steps(first))
            .with("second", steps(second))
            .with("pairs", 5)
            .with("seed", seed)
    };
    // Arms that are the same never differ.
    let same = compared(plain(), paired(0.03, 0.03, 0)).metrics;
    let numbers = ["mean", "low", "high", "p"].map(|name| same[name]);
    assert_eq!(numbers, [0.0, 0.0, 0.0, 1.0]);

    for seed in 0..3 {
        let report = compared(plain(), paired(0.03, 0.01, seed));
        let [first, second, differences] = [0, 1, 2].map(|i| column(&report, i));
        let expected: Vec<f64> = first.iter().zip(&second).map(|(a, b)| a - b).collect();
        assert_eq!(differences, expected);
        let mean = mean(&differences);
        let error = (variance(&differences) / 5.0).sqrt();
        // The quantile 0.975 of four degrees of freedom, from a table, and their distribution, which is known.
        let margin = 2.776445105 * error;
        let t = mean / error;
        let s = t.abs() / (t * t + 4.0).sqrt();
        let expected = [
            ("mean", mean),
            ("low", mean - margin),
            ("high", mean + margin),
            ("p", 1.0 - 1.5 * s + 0.5 * s.powi(3)),
        ];
        for (name, expected) in expected {
            let found = report.metrics[name];
            assert!((found - expected).abs() < 1e-9, "{name}: {found}");
        }
        assert!(report.metrics["low"] > 0.0, "{report:?}");

        // Of arms that are nearly alike the seeds do the same to both, and drop out of the interval.
        let near = compared(plain(), paired(0.03, 0.029, seed));
        let [first, second, differences] = [0, 1, 2].map(|i| variance(&column(&near, i)));
        assert!(differences < 0.1 * (first + second), "{near:?}");
    }
}
