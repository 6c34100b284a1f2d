//! What needs a session: training, scoring, pruning, generated weights.

use pleach_worker::{NetSession, host};
use plugin_api::host::Services;
use plugin_api::prelude::*;
use plugin_api::{Generated, Json, serde_json::json};

use crate::close;

fn recipe(component: &str, json: Json) -> Recipe {
    Recipe {
        component: format!("baselines/{component}"),
        params: crate::params(json),
    }
}

/// `width` units and a second layer, of graph convolutions where the task has a graph.
fn session(task: &str, width: i64, dropout: f64, seed: u64) -> NetSession {
    // As a worker does: on a busy machine more threads wait for each other.
    tch::set_num_threads(1);
    let task = host().task(&recipe(task, json!({}))).unwrap();
    let ports = task.ports().unwrap();
    let (layer, graph) = if ports.inputs.contains("graph") {
        ("gcn", Some(("graph", "in.graph")))
    } else {
        ("linear", None)
    };
    let inputs = |x| [("x", x)].into_iter().chain(graph).collect::<Vec<_>>();
    let arch = Arch::new(ports.inputs)
        .layer(
            "first",
            recipe(layer, json!({ "out": width })),
            &inputs("in.x"),
        )
        .layer("relu", "baselines/activation", &[("x", "first.x")])
        .layer(
            "dropout",
            recipe("dropout", json!({ "rate": dropout })),
            &[("x", "relu.x")],
        )
        .layer(
            "second",
            recipe(layer, json!({ "out": 10 })),
            &inputs("dropout.x"),
        )
        .output("y", "second.x");
    NetSession::new(arch, task.into(), seed, Device::Cpu).unwrap()
}

fn fit(session: &mut NetSession, json: Json) -> Result<Report> {
    host()
        .trainer(&recipe("backprop", json))
        .unwrap()
        .fit(session)
}

/// All numbers of the weights.
fn numbers(weights: &Tensors) -> Vec<f64> {
    weights.values().flat_map(|t| crate::numbers(t)).collect()
}

#[test]
fn training_learns_digits_from_a_hundred_labels_and_their_neighbours() {
    let mut session = session("digits-graph", 32, 0.5, 0);
    let report = fit(
        &mut session,
        json!({ "epochs": 60, "transforms": [{ "use": "baselines/adam", "rate": 0.02 }] }),
    )
    .unwrap();
    // 300 images, of which chance gets a tenth; k-nearest-neighbour methods get over nine tenths.
    assert!(report.metrics["best"] > 0.85, "{report:?}");
    assert!(session.evaluate("test", &Ask::eval()).unwrap()["accuracy"] > 0.85);
}

#[test]
fn training_in_batches_learns_digits() {
    let mut session = session("digits", 64, 0.0, 0);
    let report = fit(
        &mut session,
        json!({ "epochs": 15, "batch": 50, "transforms": ["baselines/adam"] }),
    )
    .unwrap();
    assert_eq!(session.steps(), 15 * 20); // 1,000 images
    assert!(report.metrics["best"] > 0.9, "{report:?}");
}

#[test]
fn training_follows_from_the_seed() {
    let trained = |seed| {
        let mut session = session("digits", 8, 0.3, seed);
        fit(&mut session, json!({ "epochs": 2, "batch": 300 })).unwrap();
        numbers(&session.weights("all").unwrap())
    };
    assert_eq!(trained(1), trained(1));
    assert_ne!(trained(1), trained(2));
}

#[test]
fn the_best_weights_come_back() {
    // So long a step that results go up and down.
    let given = |best: bool| json!({ "epochs": 30, "best": best, "transforms": [{ "use": "baselines/sgd", "rate": 3.0 }] });
    let mut kept = session("digits", 16, 0.0, 0);
    let report = fit(&mut kept, given(true)).unwrap();
    let curve = &report.tables["curve"];
    assert_eq!(curve.columns, ["epoch", "loss", "val.accuracy"]);
    assert_eq!(
        curve.rows.iter().map(|row| row[0]).collect::<Vec<_>>(),
        (1..=30).map(f64::from).collect::<Vec<_>>()
    );
    let best = curve.rows.iter().map(|row| row[2]).fold(0.0, f64::max);
    assert_ne!(
        curve.rows[29][2], best,
        "the last epoch is the best one: this run shows nothing"
    );
    assert_eq!(
        (
            report.metrics["best"],
            kept.evaluate("val", &Ask::eval()).unwrap()["accuracy"]
        ),
        (best, best)
    );
    assert_eq!(
        (report.metrics["epochs"], report.metrics["loss"]),
        (30.0, curve.rows[29][1])
    );

    let mut last = session("digits", 16, 0.0, 0);
    let report = fit(&mut last, given(false)).unwrap();
    assert_eq!(
        last.evaluate("val", &Ask::eval()).unwrap()["accuracy"],
        report.tables["curve"].rows[29][2]
    );

    // Of equals the earlier: the weights after as many epochs as the first best one.
    let first = 1 + curve.rows.iter().position(|row| row[2] == best).unwrap();
    let mut short = session("digits", 16, 0.0, 0);
    let mut given = given(false);
    given["epochs"] = first.into();
    fit(&mut short, given).unwrap();
    assert_eq!(
        numbers(&short.weights("all").unwrap()),
        numbers(&kept.weights("all").unwrap())
    );
}

#[test]
fn training_stops_when_nothing_gets_better() {
    // Steps of no length: the first epoch stays the best.
    let still = json!([{ "use": "baselines/sgd", "rate": 0.0 }]);
    let report = fit(
        &mut session("digits", 4, 0.0, 0),
        json!({ "patience": 3, "transforms": still }),
    )
    .unwrap();
    assert_eq!(report.metrics["epochs"], 4.0);
    let report = fit(
        &mut session("digits", 4, 0.0, 0),
        json!({ "patience": 3, "every": 2, "transforms": still }),
    )
    .unwrap();
    assert_eq!(
        report.tables["curve"]
            .rows
            .iter()
            .map(|row| row[0])
            .collect::<Vec<_>>(),
        [2.0, 4.0, 6.0]
    );
    let report = fit(
        &mut session("digits", 4, 0.0, 0),
        json!({ "epochs": 5, "every": 3, "transforms": still }),
    )
    .unwrap();
    assert_eq!(
        report.tables["curve"]
            .rows
            .iter()
            .map(|row| row[0])
            .collect::<Vec<_>>(),
        [3.0, 5.0]
    );
}

#[test]
fn steps_are_those_of_epochs_and_may_end_within_one() {
    let plain = |given: Json| {
        let mut given = given;
        given["batch"] = 300.into(); // of 1,000 images: 4 batches in an epoch, the last one smaller
        given["best"] = false.into();
        let mut session = session("digits", 8, 0.3, 1);
        let report = fit(&mut session, given).unwrap();
        let weights = numbers(&session.weights("all").unwrap());
        (weights, report, session.steps())
    };
    let (whole, by_epochs, steps) = plain(json!({ "epochs": 3 }));
    assert_eq!(steps, 12);
    let (same, by_steps, _) = plain(json!({ "steps": 12, "every": 4 }));
    assert_eq!(whole, same);
    assert_eq!(by_steps.metrics["steps"], 12.0);
    assert_eq!(by_steps.metrics["loss"], by_epochs.metrics["loss"]);
    let (curve, before) = (&by_steps.tables["curve"], &by_epochs.tables["curve"]);
    assert_eq!(curve.columns, ["step", "loss", "val.accuracy"]);
    for (row, before) in curve.rows.iter().zip(&before.rows) {
        assert_eq!((row[0], &row[1..]), (4.0 * before[0], &before[1..]));
    }

    let (_, within, steps) = plain(json!({ "steps": 10, "every": 4 }));
    assert_eq!(steps, 10);
    let at: Vec<f64> = within.tables["curve"].rows.iter().map(|r| r[0]).collect();
    assert_eq!(at, [4.0, 8.0, 10.0]);
    // Of batches that are averaged in pairs an epoch has two updates.
    let (_, _, steps) = plain(json!({ "epochs": 3, "accumulate": 2 }));
    assert_eq!(steps, 6);
    let (of_pairs, ..) = plain(json!({ "steps": 6, "accumulate": 2 }));
    assert_eq!(of_pairs, plain(json!({ "epochs": 3, "accumulate": 2 })).0);
}

#[test]
fn the_report_says_when_it_was_best() {
    let given = json!({
        "steps": 60, "every": 2, "monitor": "loss", "mode": "min",
        "transforms": [{ "use": "baselines/sgd", "rate": 3.0 }],
    });
    let mut session = session("digits", 16, 0.0, 0);
    let report = fit(&mut session, given).unwrap();
    let rows = &report.tables["curve"].rows;
    let least = rows.iter().map(|row| row[2]).fold(f64::INFINITY, f64::min);
    let first = rows.iter().find(|row| row[2] == least).unwrap();
    assert_eq!(
        (report.metrics["best"], report.metrics["best-at"]),
        (least, first[0])
    );
    assert!(
        first[0] < 60.0,
        "the end is the best: this run shows nothing"
    );

    // Steps of no length: the first evaluation stays the best, and patience counts from there.
    let report = fit(
        &mut self::session("digits", 4, 0.0, 0),
        json!({ "steps": 50, "every": 2, "patience": 5, "transforms": [{ "use": "baselines/sgd", "rate": 0.0 }] }),
    )
    .unwrap();
    assert_eq!(
        (report.metrics["best-at"], report.metrics["steps"]),
        (2.0, 8.0)
    );
}

#[test]
fn training_that_goes_astray_is_told() {
    let wild = json!({ "transforms": [{ "use": "baselines/sgd", "rate": 1e30 }] });
    let error = fit(&mut session("digits", 4, 0.0, 0), wild)
        .unwrap_err()
        .to_string();
    assert!(
        error.starts_with("`baselines/backprop`: the training loss of epoch "),
        "{error}"
    );
    assert!(
        error.ends_with("expected  a finite number\n  help: try a lower rate"),
        "{error}"
    );
}

#[test]
fn the_gradient_s_norm_is_the_length_of_a_step_of_rate_one() {
    let mut session = session("digits", 16, 0.0, 3);
    let score = host()
        .scorer(&recipe("grad-norm", json!({ "size": 0 })))
        .unwrap()
        .score(&mut session)
        .unwrap();
    let before = session.snapshot("model").unwrap();
    session
        .chain("step", &[recipe("sgd", json!({ "rate": 1.0 }))], "model")
        .unwrap();
    let batch = session.batch("train", &At::ALL).unwrap().unwrap();
    session.step("step", &batch, &Ask::train()).unwrap();
    let moved = numbers(&session.weights("model").unwrap())
        .into_iter()
        .zip(numbers(&before))
        .map(|(a, b)| (a - b).powi(2))
        .sum::<f64>()
        .sqrt();
    // Single precision.
    assert!((moved / score - 1.0).abs() < 1e-4, "{moved} {score}");
    let few = host()
        .scorer(&recipe("grad-norm", json!({ "size": 20 })))
        .unwrap();
    assert_ne!(few.score(&mut session).unwrap(), score);
}

#[test]
fn magnitude_keeps_the_large() {
    let mut session = session("digits", 16, 0.0, 0);
    let scores = host()
        .pruner(&recipe("magnitude", json!({})))
        .unwrap()
        .scores(&mut session)
        .unwrap();
    assert_eq!(
        scores.names().collect::<Vec<_>>(),
        ["first.weight", "second.weight"]
    );
    for (path, score) in scores.iter() {
        let weight = numbers(&session.weights(path).unwrap());
        close(
            &crate::numbers(score),
            &weight.iter().map(|w| w.abs()).collect::<Vec<_>>(),
        );
    }
    let mut sorted = numbers(&scores);
    sorted.sort_by(f64::total_cmp);
    session.prune(&scores, &Keep::Overall(0.25)).unwrap();
    let kept: Vec<f64> = numbers(&session.weights("#prunable").unwrap())
        .into_iter()
        .map(f64::abs)
        .filter(|w| *w > 0.0)
        .collect();
    assert_eq!(kept.len(), sorted.len() / 4);
    assert!(kept.into_iter().fold(f64::INFINITY, f64::min) >= sorted[sorted.len() * 3 / 4]);
}

#[test]
fn a_hypernet_s_network_learns() {
    for (hypernet, rate) in [("mlp", 0.003), ("chunked", 0.02)] {
        let task = host().task(&recipe("digits", json!({}))).unwrap();
        let mut arch = session("digits", 16, 0.0, 0).arch().unwrap();
        arch.generated
            .push(Generated::new("hyper", recipe(hypernet, json!({})), "*"));
        let mut session = NetSession::new(arch, task.into(), 0, Device::Cpu).unwrap();
        assert!(
            session
                .weights("model")
                .unwrap()
                .names()
                .all(|path| path.starts_with("hyper."))
        );
        let report = fit(
            &mut session,
            json!({ "epochs": 40, "transforms": [{ "use": "baselines/adam", "rate": rate }] }),
        )
        .unwrap();
        assert!(report.metrics["best"] > 0.8, "{hypernet}: {report:?}");
        // What is generated is pruned like any other weight.
        let scores = host()
            .pruner(&recipe("magnitude", json!({})))
            .unwrap()
            .scores(&mut session)
            .unwrap();
        assert_eq!(
            scores.names().collect::<Vec<_>>(),
            ["first.weight", "second.weight"]
        );
    }
}

#[test]
fn a_network_does_well_with_the_average_of_its_weights() {
    let mut session = session("digits", 32, 0.0, 0);
    // Steps so long that the weights wander.
    let transforms = [
        recipe("sgd", json!({ "rate": 0.7 })),
        recipe("ema", json!({ "decay": 0.98 })),
    ];
    session.chain("main", &transforms, "model").unwrap();
    let mut alone = vec![];
    for step in 0..400 {
        let batch = session.next("train", 20).unwrap();
        session.step("main", &batch, &Ask::train()).unwrap();
        if step % 10 == 9 && step >= 200 {
            alone.push(session.evaluate("val", &Ask::eval()).unwrap()["accuracy"]);
        }
    }
    let alone = alone.iter().sum::<f64>() / alone.len() as f64;
    let averages = session
        .snapshot("chains")
        .unwrap()
        .under("chain:main:1.average:");
    let ask = Ask::eval().weights(averages.clone());
    let averaged = session.evaluate("val", &ask).unwrap()["accuracy"];
    assert!(averaged > alone, "{averaged} {alone}");
    session.set(&averages).unwrap();
    assert_eq!(
        session.evaluate("val", &Ask::eval()).unwrap()["accuracy"],
        averaged
    );
}

#[test]
fn a_chain_sees_masks_that_come_and_go() {
    let begun = |transform: &str| {
        let mut session = session("digits", 4, 0.0, 0);
        let given = recipe(transform, json!({ "rate": 0.1 }));
        session.chain("step", &[given], "model").unwrap();
        session
    };
    for transform in ["sgd", "adam", "adamw", "rmsprop", "adagrad"] {
        let mut session = begun(transform);
        let batch = session.batch("train", &At::ALL).unwrap().unwrap();
        let step = |session: &mut NetSession| {
            session.step("step", &batch, &Ask::train()).unwrap();
        };
        step(&mut session);
        let before = session.snapshot("all,masks,chains,clock").unwrap();
        let weights = session.weights("#prunable").unwrap();
        let halves = weights.map(|_, w| w.gt(0.0).to_kind(w.kind()));
        let zeroed = |session: &NetSession| {
            let weights = session.weights("#prunable").unwrap();
            let names: Vec<&str> = weights.names().collect();
            names.iter().all(|name| {
                f64::try_from((&weights[name] * (&halves[name] - 1.0)).abs().max()).unwrap() == 0.0
            })
        };

        session.mask(&halves).unwrap();
        step(&mut session);
        assert!(zeroed(&session), "{transform}");
        let masked = numbers(&session.weights("all").unwrap());

        // Restored to a time without masks, and masked anew: the same steps.
        session.restore(&before).unwrap();
        step(&mut session);
        assert!(!zeroed(&session), "{transform}");
        session.restore(&before).unwrap();
        session.mask(&halves).unwrap();
        step(&mut session);
        assert_eq!(numbers(&session.weights("all").unwrap()), masked);

        // A chain that is made under masks has them, and masks of another architecture are its own.
        session.restore(&before).unwrap();
        session.mask(&halves).unwrap();
        let arch = session.arch().unwrap();
        session.replace(&arch, &[]).unwrap();
        session
            .chain(
                "step",
                &[recipe(transform, json!({ "rate": 0.1 }))],
                "model",
            )
            .unwrap();
        step(&mut session);
        assert!(zeroed(&session), "{transform}");
    }
}

#[test]
fn a_step_is_its_gradients_applied_in_whatever_order() {
    let with = |turn: &dyn Fn(Tensors) -> Vec<Tensors>| {
        let mut session = session("digits", 4, 0.0, 0);
        let given = recipe(
            "sgd",
            json!({ "rate": 0.1, "momentum": 0.9, "decay": 0.01 }),
        );
        session.chain("step", &[given], "model").unwrap();
        let batch = session.batch("train", &At::ALL).unwrap().unwrap();
        for _ in 0..3 {
            let seen = session.forward(&batch, &Ask::train()).unwrap();
            let loss = session.loss(&seen, &batch).unwrap();
            let weights = session.weights("model").unwrap();
            let gradients = gradients_of(&loss, &weights, false).unwrap();
            for some in turn(gradients) {
                session.apply("step", &some).unwrap();
            }
        }
        numbers(&session.weights("all").unwrap())
    };
    let whole = with(&|gradients| vec![gradients]);
    let turned = with(&|gradients| {
        let turned = gradients.iter().rev().map(|(path, g)| (path, g.clone()));
        vec![turned.collect()]
    });
    assert_eq!(whole, turned);
    // One by one: each weight's own momentum goes on.
    let apart = with(&|gradients| {
        let alone = gradients
            .iter()
            .map(|(path, g)| Tensors::new().with(path, g.clone()));
        alone.collect()
    });
    assert_eq!(whole, apart);
}

#[test]
fn gradients_of_several_batches_make_one_update() {
    let trained = |batch: i64, accumulate: i64| {
        let mut session = session("digits", 16, 0.0, 0);
        let given = json!({
            "epochs": 2, "batch": batch, "accumulate": accumulate, "best": false,
            "transforms": [{ "use": "baselines/sgd", "rate": 0.5 }],
        });
        let report = fit(&mut session, given).unwrap();
        let weights = numbers(&session.weights("all").unwrap());
        (session.steps(), weights, report.metrics["loss"])
    };
    let near = |a: &[f64], b: &[f64]| a.iter().zip(b).all(|(a, b)| (a - b).abs() < 1e-5);
    // 1,000 images in 4 batches, and what is left over in an epoch makes an update of its own.
    let (steps, weights, loss) = trained(250, 4);
    let (whole_steps, whole, whole_loss) = trained(1000, 1);
    assert_eq!((steps, whole_steps), (2, 2));
    assert!(near(&weights, &whole) && (loss - whole_loss).abs() < 1e-5);
    assert_eq!(trained(250, 3).0, 4);
    assert!(!near(&trained(250, 1).1, &whole));
}

#[test]
fn some_weights_have_a_transform_of_their_own() {
    let steps = |transforms: &[Recipe]| {
        let mut session = session("digits", 4, 0.0, 0);
        session.chain("step", transforms, "model").unwrap();
        let batch = session.batch("train", &At::ALL).unwrap().unwrap();
        for _ in 0..3 {
            session.step("step", &batch, &Ask::train()).unwrap();
        }
        session.snapshot("model").unwrap()
    };
    let sgd = |decay: f64| {
        recipe(
            "sgd",
            json!({ "rate": 0.1, "momentum": 0.9, "decay": decay }),
        )
    };
    let only =
        |select: &str, inner: Recipe| recipe("only", json!({ "select": select, "inner": inner }));
    let decay = recipe("weight-decay", json!({ "decay": 0.3 }));
    let all = steps(&[decay.clone(), sgd(0.0)]);
    // The optimizer's own decay is the same, so decay alone is what both halves can be told apart by.
    let halves = steps(&[only("first*", sgd(0.3)), only("second.*", sgd(0.3))]);
    assert_eq!(numbers(&all), numbers(&halves));
    // A step of zero length for the others.
    let first = steps(&[
        only("first.weight", decay),
        only("first*", sgd(0.0)),
        only("second*", recipe("sgd", json!({ "rate": 0.0 }))),
    ]);
    let begun = session("digits", 4, 0.0, 0).snapshot("model").unwrap();
    assert_eq!(first["second.weight"], begun["second.weight"]);
    assert_ne!(first["first.weight"], begun["first.weight"]);
    let mut session = session("digits", 4, 0.0, 0);
    let none = session.chain("step", &[only("third", sgd(0.0))], "model");
    let none = none.unwrap_err().to_string();
    assert!(
        none.contains("`third` selects none of the chain's weights"),
        "{none}"
    );
}
