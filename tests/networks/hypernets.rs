//! Hypernets through plugin files: tasks that are learned one after the other, base weights, masks, growth.

use plugin_api::Generated;
use plugin_api::host::Services;
use plugin_api::prelude::*;
use plugin_api::serde_json::json;

use crate::support::{host, linear, off, on, rows, run, session};

/// Two tasks with opposite answers: whether the first feature is positive. The batch says which task it is.
struct Opposite;

impl Task for Opposite {
    fn ports(&self) -> Result<Ports> {
        let y = vec![axis("rows", None), axis("classes", 2)];
        Ok(Ports {
            inputs: rows(4).with("task", vec![axis("one", 1)]),
            targets: Shapes::new(),
            outputs: Shapes::new().with("y", y),
            metric: "accuracy".into(),
            higher_is_better: true,
        })
    }

    fn batch(&self, split: &str, at: &At) -> Result<Option<Batch>> {
        let task: i64 = split.strip_prefix("task-").context("a task")?.parse()?;
        let x = random::normal(&[40, 4], 1);
        let positive = x.select(1, 0).gt(0.0).to_kind(Kind::Int64);
        let batch = Batch::new()
            .with("class", (positive - task).abs())
            .with("x", x)
            .with("task", Tensor::from_slice(&[task]));
        Ok((at.index == 0).then_some(batch))
    }

    fn loss(&self, outputs: &Batch, batch: &Batch) -> Result<Tensors> {
        let loss = outputs
            .tensor("y")?
            .cross_entropy_for_logits(batch.tensor("class")?);
        Ok(Tensors::new().with("loss", loss))
    }

    fn metrics(&self, outputs: &Batch, batch: &Batch) -> Result<Named<f64>> {
        let accuracy = outputs
            .tensor("y")?
            .accuracy_for_logits(batch.tensor("class")?);
        Ok(Named::new().with("accuracy", accuracy.double_value(&[])))
    }
}

/// A small network whose weights a recurrent hypernet of this many units makes for each task, added to base weights.
fn by_task(hidden: i64) -> Arch {
    let recurrent = json!({ "use": "wrappers/recurrent", "chunk": 7, "hidden": hidden });
    let based = Recipe::new("wrappers/based").with("inner", recurrent);
    Arch::new(Opposite.ports().unwrap().inputs)
        .layer("net-a", linear(6), &[("x", "in.x")])
        .layer("act", "baselines/activation", &[("x", "net-a.x")])
        .layer("net-b", linear(2), &[("x", "act.x")])
        .output("y", "net-b.x")
        .generate(Generated::new("hyper", based, "net*").conditioned(["task"]))
}

fn task(number: i64) -> Ask<'static> {
    let condition = Batch::new().with("task", Tensor::from_slice(&[number]));
    Ask::eval().condition(condition)
}

fn continual(strength: f64) -> Recipe {
    let adam = json!([{ "use": "baselines/adam", "rate": 0.02 }]);
    Recipe::new("wrappers/continual")
        .with("strength", strength)
        .with("transforms", adam)
}

#[test]
fn what_is_made_for_a_task_is_kept_while_the_next_is_learned() {
    const SEEDS: u64 = 6;
    let mut forgotten = 0.0;
    for seed in 0..SEEDS {
        let fit = |strength: f64| {
            let mut session = on(Opposite).on_task(by_task(8), seed).unwrap();
            let trainer = host().trainer(&continual(strength)).unwrap();
            trainer.fit(&mut session).unwrap().metrics
        };
        let (forgets, keeps) = (fit(0.0), fit(0.5));
        for learned in ["0 after 0", "1 after 1"] {
            assert!(forgets[learned] > 0.85, "{learned}: {forgets:?}");
            assert!(keeps[learned] > 0.85, "{learned}: {keeps:?}");
        }
        assert!(keeps["0 after 1"] > 0.9, "{keeps:?}");
        assert!(keeps["0 after 1"] > forgets["0 after 1"], "{forgets:?}");
        forgotten += forgets["0 after 1"] / SEEDS as f64;
    }
    // How much one network forgets is luck; most forget nearly all.
    assert!(forgotten < 0.6, "{forgotten}");
}

/// What a hypernet makes for a task.
fn made(session: &dyn Session, number: i64) -> Tensors {
    session.effective("net*", &task(number)).unwrap()
}

fn size(t: &Tensor) -> f64 {
    t.abs().max().double_value(&[])
}

fn furthest(a: &Tensors, b: &Tensors) -> f64 {
    a.iter()
        .map(|(path, t)| off(t, &b[path]))
        .fold(0.0, f64::max)
}

#[test]
fn a_hypernet_grows_and_makes_what_it_made() {
    let (old, new) = (8, 3);
    let mut session = on(Opposite)
        .on_task(by_task(old).of(Dtype::F64), 1)
        .unwrap();
    let trainer = host().trainer(&continual(0.5).with("steps", 20)).unwrap();
    trainer.fit(&mut session).unwrap();
    let before = [made(&session, 0), made(&session, 1)];

    let units = Tensor::cat(
        &[
            Tensor::arange(old, (Kind::Int64, Device::Cpu)),
            Tensor::full([new], -1, (Kind::Int64, Device::Cpu)),
        ],
        0,
    );
    let path = |name: &str| format!("hyper.inner.{name}");
    let carry = |name: &str| Carry::renamed(&path(name), &path(name));
    let carried = [
        carry("input").along(1, &units),
        carry("recurrent").along(0, &units).along(1, &units),
        carry("head").along(0, &units),
    ];
    session
        .replace(&by_task(old + new).of(Dtype::F64), &carried)
        .unwrap();
    // New units hear the old ones, which do not hear them: that is structure, and stays.
    let open = session
        .weights(&path("recurrent"))
        .unwrap()
        .map(|_, w| w.ones_like());
    let _ = open[&path("recurrent")]
        .narrow(0, old, new)
        .narrow(1, 0, old)
        .fill_(0.0);
    session.mask(&open).unwrap();
    // Nor has anything been learned yet of what they say.
    let silent = session.snapshot(&path("head")).unwrap();
    let _ = silent[&path("head")].narrow(0, old, new).fill_(0.0);
    assert!(furthest(&made(&session, 0), &before[0]) > 1e-3);
    session.set(&silent).unwrap();
    for (number, before) in (0..).zip(&before) {
        assert!(furthest(&made(&session, number), before) < 1e-14);
    }

    trainer.fit(&mut session).unwrap();
    let grown = session.weights("hyper.*").unwrap();
    assert!(size(&grown[&path("head")].narrow(0, old, new)) > 0.0);
    assert!(
        size(
            &grown[&path("recurrent")]
                .narrow(0, 0, old)
                .narrow(1, old, new)
        ) > 0.0
    );
    assert_eq!(
        size(
            &grown[&path("recurrent")]
                .narrow(0, old, new)
                .narrow(1, 0, old)
        ),
        0.0
    );
}

#[test]
fn what_is_made_can_be_pruned() {
    let mut session = on(Opposite).on_task(by_task(8), 1).unwrap();
    let trainer = host().trainer(&continual(0.5).with("steps", 20)).unwrap();
    trainer.fit(&mut session).unwrap();
    let whole = made(&session, 0);
    let weights = ["net-a.weight", "net-b.weight"];
    let scores = weights.map(|path| (path, whole[path].abs()));
    let scores: Tensors = scores.into_iter().collect();
    session.prune(&scores, &Keep::Overall(0.25)).unwrap();
    let masks = session.masks().unwrap();
    assert_eq!(masks.names().collect::<Vec<_>>(), weights);
    let kept = masks
        .values()
        .map(|m| m.sum(Kind::Double).double_value(&[]));
    assert_eq!(kept.sum::<f64>(), 9.0, "a quarter of 24 + 12");
    for path in weights {
        let expected = &whole[path] * &masks[path];
        assert!(made(&session, 0)[path].equal(&expected), "{path}");
    }
    // The pass runs on them, and training leaves them thin for every task.
    let batch = session.batch("task-0", &At::ALL).unwrap().unwrap();
    let thin = made(&session, 0);
    let y = run(&session, &batch, &Ask::eval());
    let layer = |x: &Tensor, name: &str| {
        let of = |what: &str| &thin[&format!("net-{name}.{what}")];
        x.linear(of("weight"), Some(of("bias")))
    };
    let expected = layer(&layer(&batch["x"], "a").relu(), "b");
    assert!(off(&y, &expected) < 1e-6);
    trainer.fit(&mut session).unwrap();
    for number in 0..2 {
        let thin = made(&session, number);
        for path in weights {
            let gone = &thin[path] * (1.0 - &masks[path]);
            assert_eq!(size(&gone), 0.0, "{path}");
            assert!(size(&thin[path]) > 0.0, "{path}");
        }
    }
    assert!(furthest(&made(&session, 0), &thin) > 1e-3);
}

#[test]
fn weights_are_based_on_what_their_layers_ask_for() {
    let plain = || {
        let inputs = rows(3).with("g", vec![axis("rows", None), axis("features", 2)]);
        Arch::new(inputs)
            .of(Dtype::F64)
            .layer("map", linear(4), &[("x", "in.x")])
            .output("y", "map.x")
    };
    let encoded =
        json!({ "use": "wrappers/encoded", "inner": { "use": "wrappers/mapped", "features": 4 } });
    let based = Recipe::new("wrappers/based").with("inner", encoded);
    let arch = plain().generate(Generated::new("hyper", based, "map.*").conditioned(["g"]));
    let session_of = |arch: Arch| session(arch, 4, 0).unwrap();
    let (whole, own) = (session_of(arch), session_of(plain()));
    let specs = |s: &dyn Session, select: &str| {
        let specs = s.specs(select).unwrap().into_iter();
        let specs = specs.map(|spec| {
            (
                spec.name.rsplit_once("map.").unwrap().1.to_string(),
                spec.size(),
                spec.init,
                spec.tags,
            )
        });
        specs.collect::<Vec<_>>()
    };
    assert_eq!(specs(&whole, "hyper.base.*"), specs(&own, "map.*"));

    let weights = whole.weights("hyper.*").unwrap();
    let map = &weights["hyper.inner.map"]; // [cos, cos, sin, sin] by [12 + 4]
    for g in [[0.0, 0.0], [1.0, 1.0], [0.25, 0.75]] {
        let angles = g.map(|g: f64| g * std::f64::consts::FRAC_PI_2);
        let both = [
            angles[0].cos(),
            angles[1].cos(),
            angles[0].sin(),
            angles[1].sin(),
        ];
        let added = Tensor::from_slice(&both)
            .unsqueeze(0)
            .matmul(map)
            .flatten(0, -1);
        let condition = Batch::new().with("g", Tensor::from_slice(&g));
        let made = whole
            .effective("map.*", &Ask::eval().condition(condition))
            .unwrap();
        let expected = &weights["hyper.base.map.weight"] + added.narrow(0, 0, 12).view([4, 3]);
        assert!(off(&made["map.weight"], &expected) < 1e-14);
        let expected = &weights["hyper.base.map.bias"] + added.narrow(0, 12, 4);
        assert!(off(&made["map.bias"], &expected) < 1e-14);
    }
}
