//! The score: closed forms, its definition, `torch.func`, and what follows from them.

use std::rc::Rc;

use baselines::data::digits::images;
use pleach_worker::{NetSession, PlainHost, SubjectBench, host};
use plugin_api::host::Services;
use plugin_api::prelude::*;
use plugin_api::role::TaskObj;
use plugin_api::serde_json::json;

use crate::{One, chain, linear, recipe, relu, samples, score, session};

/// What the analysis says of a session's network.
fn signs(task: &Rc<TaskObj>, session: &NetSession, params: plugin_api::Json) -> Report {
    let mut bench = SubjectBench::new(Rc::clone(task), 0, Device::Cpu);
    let snapshot = session.snapshot("all,masks").unwrap();
    bench.put("net", session.arch().unwrap(), snapshot, vec![]);
    bench.measure(&recipe("gradsign/signs", params)).unwrap()
}

/// The first 64 handwritten digits.
fn digits() -> Rc<TaskObj> {
    let first = recipe("baselines/digits", json!({ "first": 64 }));
    Rc::new(host().task(&first).unwrap())
}

/// The gradient of a softmax regression is `(p - y) x`: its signs are those of the pixels, turned round at the label,
/// whatever the weights are.
#[test]
fn of_a_softmax_regression_the_score_is_known() {
    let mut sums = vec![[0_i64; 64]; 10];
    for image in images().take(64) {
        for (class, sums) in sums.iter_mut().enumerate() {
            let sign = if class == usize::from(image.label) {
                -1
            } else {
                1
            };
            for (sum, pixel) in sums.iter_mut().zip(image.pixels) {
                *sum += if *pixel > 0 { sign } else { 0 };
            }
        }
    }
    let sums = sums.concat();
    assert_eq!(sums.iter().map(|sum| sum.abs()).sum::<i64>(), 16652);
    assert_eq!(sums.iter().filter(|sum| **sum == 0).count(), 134);

    let task = digits();
    let arch = chain(&task, &[("only", linear(10))]);
    for seed in 0..5 {
        let mut session = session(arch.clone(), &task, seed);
        for params in [
            json!({ "samples": 0 }),
            json!({ "samples": 64, "training": false }),
        ] {
            assert_eq!(score(&mut session, params).unwrap(), 16652.0, "{seed}");
        }
        let report = signs(&task, &session, json!({ "samples": 0 }));
        let metrics = ["score", "zeros", "parameters", "per-parameter"];
        let found = metrics.map(|metric| report.metrics[&format!("net.{metric}")]);
        assert_eq!(found, [16652.0, 134.0, 640.0, 16652.0 / 640.0]);
    }
}

/// Per-sample gradients by `vmap` of `grad` in PyTorch 2.11, in float64: `tests/reference/gradsign.py` of the workspace.
#[test]
fn signs_are_those_of_torch_func() {
    let file = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/tests/reference/convolution.safetensors"
    );
    let read: Tensors = Tensor::read_safetensors(file)
        .unwrap()
        .into_iter()
        .collect();
    let task = One::of(read["x"].shallow_clone(), read["y"].shallow_clone());
    let conv = |out: i64| Recipe::new("baselines/conv").with("out", out);
    let layers = [
        ("conv-1", conv(6)),
        ("relu-1", relu()),
        ("conv-2", conv(8).with("stride", 2)),
        ("relu-2", relu()),
        ("pool", "baselines/pool".into()),
        ("flatten", "baselines/flatten".into()),
        ("linear", linear(4)),
    ];
    let arch = chain(&task, &layers).of(Dtype::F64);
    let mut session = session(arch, &task, 0);
    session.set(&read.under("weight.")).unwrap();

    let expected = read["score"].double_value(&[]);
    assert_eq!(
        score(&mut session, json!({ "samples": 12 })).unwrap(),
        expected
    );
    let report = signs(&task, &session, json!({ "samples": 12 }));
    let table = &report.tables["net"];
    assert_eq!(
        table.labels,
        ["conv-1.weight", "conv-2.weight", "linear.weight"]
    );
    for (path, row) in table.labels.iter().zip(&table.rows) {
        let sums = &read[&format!("signs.{path}")];
        let agreed = sums.abs().sum(Kind::Double).double_value(&[]);
        let numbers = sums.numel() as f64;
        assert_eq!(row[..], [agreed, numbers, agreed / numbers], "{path}");
    }
    let zeros = read
        .under("signs.")
        .values()
        .map(|sums| sums.eq(0.0).sum(Kind::Int64).int64_value(&[]))
        .sum::<i64>();
    assert_eq!(report.metrics["net.zeros"], zeros as f64);
}

/// One sample after the other, by hand, in training and in evaluation, through norms over the batch; the session stays as
/// it was.
#[test]
fn the_score_is_its_definition_and_leaves_no_trace() {
    let task = One::of(
        random::normal(&[6, 3, 6, 6], 1).shallow_clone(),
        Tensor::from_slice(&[0_i64, 1, 2, 3, 0, 1]),
    );
    let layers = [
        ("conv", Recipe::new("baselines/conv").with("out", 5)),
        ("norm", "baselines/batch-norm".into()),
        ("relu", relu()),
        ("dropout", "baselines/dropout".into()),
        ("pool", "baselines/pool".into()),
        ("flatten", "baselines/flatten".into()),
        ("linear", linear(4)),
    ];
    let mut session = session(chain(&task, &layers), &task, 3);
    let before = session.snapshot("everything").unwrap();
    let batch = session.batch("train", &At::ALL).unwrap().unwrap();
    let weights = session.weights("#prunable").unwrap();
    for training in [true, false] {
        let mut sums = weights.map(|_, w| w.zeros_like());
        for i in 0..6 {
            let alone: Batch = batch
                .names()
                .map(|port| (port, batch[port].narrow(0, i, 1)))
                .collect();
            let ask = if training {
                Ask::train().dry()
            } else {
                Ask::eval()
            };
            let loss = session
                .loss(&session.forward(&alone, &ask).unwrap(), &alone)
                .unwrap();
            let gradients = gradients_of(&loss, &weights, false).unwrap();
            sums = sums.map(|path, sum| sum + gradients[path].sign());
        }
        let expected: f64 = sums
            .values()
            .map(|sum| sum.abs().sum(Kind::Double).double_value(&[]))
            .sum();
        let found = score(&mut session, json!({ "samples": 6, "training": training })).unwrap();
        assert_eq!(found, expected, "{training}");
    }
    for (name, t) in session.snapshot("everything").unwrap().iter() {
        assert!(t.equal(&before[name]), "{name}");
    }
}

/// Behind units that are never on all gradients are exactly 0, and so are their signs.
#[test]
fn what_does_not_matter_has_no_sign() {
    let (x, y) = samples(5, 8, 2);
    let task = One::of(x, y);
    let mut session = session(
        chain(
            &task,
            &[("first", linear(6)), ("relu", relu()), ("last", linear(4))],
        ),
        &task,
        1,
    );
    let off = Tensors::new().with(
        "first.bias",
        Tensor::full([6], -1e6, (Kind::Float, Device::Cpu)),
    );
    session.set(&off).unwrap();
    assert_eq!(score(&mut session, json!({ "samples": 5 })).unwrap(), 0.0);
    let report = signs(&task, &session, json!({ "samples": 5 }));
    assert_eq!(
        report.metrics["net.zeros"],
        report.metrics["net.parameters"]
    );
}

/// A sample agrees with itself; alone it scores the numbers that its loss depends on.
#[test]
fn a_sample_that_is_there_twice_counts_twice() {
    let (x, y) = samples(1, 8, 4);
    let layers = [("first", linear(16)), ("relu", relu()), ("last", linear(4))];
    let of = |copies: i64| {
        let task = One::of(x.repeat([copies, 1]), y.repeat([copies]));
        let mut session = session(chain(&task, &layers), &task, 5);
        (
            score(&mut session, json!({ "samples": copies })).unwrap(),
            signs(&task, &session, json!({ "samples": copies })),
        )
    };
    let (once, report) = of(1);
    assert_eq!(
        once,
        report.metrics["net.parameters"] - report.metrics["net.zeros"]
    );
    assert!(once > 0.0);
    for copies in [2, 5] {
        assert_eq!(of(copies).0, copies as f64 * once);
    }
}

/// Random photographs of four classes.
fn photographs() -> Rc<TaskObj> {
    let labels: Vec<i64> = (0..4).collect();
    One::of(
        random::normal(&[4, 3, 8, 8], 9).shallow_clone(),
        Tensor::from_slice(&labels),
    )
}

/// The network of NAS-Bench-201 with one operation on each edge, each by its number.
fn cell(task: &Rc<TaskObj>, operations: [usize; 6], seed: u64) -> NetSession {
    let space = recipe("baselines/cell-cnn", json!({ "channels": 4, "cells": 1 }));
    let point: Point = operations
        .iter()
        .enumerate()
        .map(|(edge, op)| (format!("op{edge}"), Decided::Option(*op)))
        .collect();
    let plain = PlainHost::new(Rc::clone(task), Device::Cpu);
    let space = host().space(&space).unwrap();
    session(
        space.arch(&task.ports().unwrap(), &point, &plain).unwrap(),
        task,
        seed,
    )
}

#[test]
fn cells_are_scored_alike_from_equal_seeds_and_convolutions_above_nothing() {
    let task = photographs();
    let params = || json!({ "samples": 4 });
    let mut scores = vec![];
    let cells = (0..20).map(|i| std::array::from_fn(|edge| (i * 7 + edge * (i + 3)) % 5));
    for operations in [[0; 6], [3; 6]].into_iter().chain(cells) {
        let of = |seed| score(&mut cell(&task, operations, seed), params()).unwrap();
        let found = of(42);
        assert!(found.is_finite() && found >= 0.0);
        assert_eq!(of(42), found, "{operations:?}");
        scores.push(found);
    }
    assert!(scores[0] < scores[1], "{scores:?}");
    assert!(
        scores[2..]
            .iter()
            .all(|score| scores[0] <= *score && *score <= scores[1]),
        "{scores:?}"
    );
}

/// Points of a space are scored by it, whose networks are of other plugins' layers.
#[test]
fn it_thins_the_proposals_of_a_search() {
    let digits = recipe("baselines/digits", json!({ "train_per_class": 4 }));
    let task = Rc::new(host().task(&digits).unwrap());
    let scorer = recipe("gradsign/gradsign", json!({ "samples": 8 }));
    let space = recipe("baselines/mlp-space", json!({}));
    let mut bench = SubjectBench::new(Rc::clone(&task), 0, Device::Cpu);
    bench.put(
        "any",
        chain(&task, &[("only", linear(10))]),
        Tensors::new(),
        vec![],
    );
    let seen = bench
        .search(&Searching {
            strategy: Recipe::new("baselines/prescreen")
                .with("scorers", vec![scorer])
                .with("of", 4),
            space: space.clone(),
            trainer: Recipe::new("baselines/backprop").with("epochs", 1),
            trials: 3,
            seed: 1,
        })
        .unwrap();
    // Of what random search proposes first, the best.
    let plain = PlainHost::new(Rc::clone(&task), Device::Cpu);
    let made = host().space(&space).unwrap();
    let ports = task.ports().unwrap();
    let mut random = host().strategy(&"baselines/random".into()).unwrap();
    random
        .begin(&Setting {
            decisions: made.decisions(&ports).unwrap(),
            goals: vec![],
            seed: 1,
        })
        .unwrap();
    let worth = |point: &Point| {
        let arch = made.arch(&ports, point, &plain).unwrap();
        score(&mut session(arch, &task, 1), json!({ "samples": 8 })).unwrap()
    };
    let asked = random.ask(4, &plain).unwrap();
    let best = asked
        .iter()
        .map(|proposal| worth(&proposal.point))
        .fold(f64::MIN, f64::max);
    assert_eq!(worth(&seen[0].point), best);
    assert!(
        seen.iter()
            .all(|seen| matches!(seen.outcome, Outcome::Done(_)))
    );
}
