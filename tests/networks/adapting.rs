//! Weights of a file, frozen within low-rank additions of one plugin to a layer of another, learn a task that is played.

use pleach_worker::NetSession;
use plugin_api::host::Services;
use plugin_api::prelude::*;
use plugin_api::serde_json::json;

use crate::support::{host, linear, off};

/// A body over what is seen, and a head on its last state.
fn session(body: Recipe, slip: f64, seed: u64) -> NetSession {
    let walk = Recipe::new("wrappers/walk").with("slip", slip);
    let task = host().task(&walk).unwrap();
    let arch = Arch::new(task.ports().unwrap().inputs)
        .layer("body", body, &[("x", "in.x")])
        .layer("head", linear(2), &[("x", "body.state")])
        .output("y", "head.x");
    NetSession::new(arch, task.into(), seed, Device::Cpu).unwrap()
}

fn bare() -> Recipe {
    Recipe::new("baselines/lstm").with("out", 16)
}

fn low_rank() -> Recipe {
    let low = Recipe::new("mixhop/low-rank").with("inner", json!(bare()));
    low.with("rank", 2).with("scale", 4.0)
}

/// Names of the body's weights here and in the file.
const WEIGHTS: [(&str, &str); 4] = [
    ("input", "weight_ih_l0"),
    ("recurrent", "weight_hh_l0"),
    ("input-bias", "bias_ih_l0"),
    ("recurrent-bias", "bias_hh_l0"),
];

/// What somebody else has trained, as PyTorch names it, with an output layer that nobody needs here.
fn published(seed: u64) -> (tempfile::TempDir, Tensors) {
    let sizes: [&[i64]; 5] = [&[64, 3], &[64, 16], &[64], &[64], &[100, 16]];
    let names = WEIGHTS.iter().map(|(_, name)| format!("rnn.{name}"));
    let names = names.chain(["decoder.weight".to_string()]);
    let weights: Tensors = names
        .zip(sizes)
        .map(|(name, size)| {
            let normal = random::normal(size, stream(seed, &name));
            (name, &*normal * 0.3)
        })
        .collect();
    let folder = tempfile::tempdir().unwrap();
    let all: Vec<(&str, &Tensor)> = weights.iter().map(|(n, t)| (n, &**t)).collect();
    Tensor::write_safetensors(&all, folder.path().join("model.safetensors")).unwrap();
    (folder, weights)
}

/// Loads the file into the layer at this path.
fn load(session: &mut NetSession, folder: &tempfile::TempDir, path: &str) {
    let names = WEIGHTS.map(|(own, theirs)| (format!("*.{theirs}"), format!("{path}.{own}")));
    let file = folder.path().join("model.safetensors");
    let mut loaded = session.load(file.to_str().unwrap(), &names).unwrap();
    loaded.sort();
    let mut expected = names.map(|(_, path)| path);
    expected.sort();
    assert_eq!(loaded, expected);
}

fn at(index: i64) -> At {
    At {
        epoch: 0,
        index,
        size: 1,
        seed: 5,
    }
}

/// What 20 episodes bring: their returns, and how many reach the goal.
fn played(session: &dyn Session) -> (Vec<f64>, f64) {
    let all: Vec<Played> = (0..20)
        .map(|i| session.play("test", &at(i)).unwrap())
        .collect();
    let returns = all.iter().map(|p| {
        assert_eq!(p.metrics["return"], p.reward);
        p.reward
    });
    (
        returns.collect(),
        all.iter().map(|p| p.metrics["reached"]).sum(),
    )
}

/// A network on the file's weights, of which these learned from a rule's experience.
fn adapted(folder: &tempfile::TempDir, learn: &str, seed: u64) -> NetSession {
    let mut session = session(low_rank(), 0.0, seed);
    load(&mut session, folder, "body.inner");
    let adam = json!([{ "use": "baselines/adam", "rate": 0.02 }]);
    let offline = Recipe::new("wrappers/offline")
        .with("learn", learn)
        .with("steps", 150)
        .with("transforms", adam);
    host().trainer(&offline).unwrap().fit(&mut session).unwrap();
    session
}

#[test]
fn frozen_weights_of_a_file_learn_a_rule_by_what_is_added_to_them() {
    let mut of_heads = 0.0;
    for seed in 0..3 {
        let (folder, published) = published(seed);
        let untrained = session(low_rank(), 0.0, seed);
        let rule = Arch::new(untrained.arch().unwrap().inputs)
            .layer("rule", "wrappers/towards", &[("x", "in.x")])
            .output("y", "rule.x");
        let rule = untrained.spawn(&rule, On::SameTask, 0).unwrap();
        let (shortest, all) = played(&*rule);
        assert_eq!(all, 20.0);
        let (_, before) = played(&untrained);
        assert!(before < 16.0, "{seed}: {before}");

        let session = adapted(&folder, "body.low.*, head.*", seed);
        assert_eq!(played(&session).0, shortest, "{seed}");
        let weights = session.weights("model").unwrap();
        for (own, theirs) in WEIGHTS {
            let (own, theirs) = (format!("body.inner.{own}"), format!("rnn.{theirs}"));
            assert!(weights[&own].equal(&published[&theirs]), "{seed}: {own}");
        }
        for name in ["input", "recurrent"] {
            let added = &weights[&format!("body.low.{name}.b")];
            assert!(added.abs().max().double_value(&[]) > 1e-3, "{seed}: {name}");
        }

        // A head alone on the frozen body does not get so far.
        let head = adapted(&folder, "head.*", seed);
        let of_head = played(&head).0.iter().sum::<f64>() / 20.0;
        let added = &head.weights("model").unwrap()["body.low.input.b"];
        assert_eq!(added.abs().max().double_value(&[]), 0.0);
        of_heads += of_head / 3.0;
    }
    assert!(of_heads < 0.5, "{of_heads}");
}

#[test]
fn what_is_added_begins_as_nothing_and_can_be_merged() {
    for seed in 0..3 {
        let (folder, _) = published(seed);
        let mut plain = session(bare(), 0.0, seed);
        load(&mut plain, &folder, "body");
        let mut wrapped = session(low_rank(), 0.0, seed);
        load(&mut wrapped, &folder, "body.inner");
        let x = Batch::new().with("x", random::normal(&[6, 4, 3], seed));
        let y = |session: &NetSession| {
            let seen = session.forward(&x, &Ask::eval()).unwrap();
            seen.outputs["y"].detach()
        };
        // Their heads are of one seed and path.
        assert!(y(&wrapped).equal(&y(&plain)), "{seed}");

        let b = wrapped
            .weights("model")
            .unwrap()
            .iter()
            .filter_map(|(path, b)| {
                let normal = || random::normal(&b.size(), stream(seed, path));
                path.ends_with(".b").then(|| (path.to_string(), normal()))
            })
            .collect::<Tensors>();
        assert_eq!(b.len(), 2);
        wrapped.set(&b).unwrap();
        assert!(off(&y(&wrapped), &y(&plain)) > 0.01, "{seed}");
        let w = wrapped.weights("model").unwrap();
        let merged = ["input", "recurrent"].map(|name| {
            let of = |part: &str| w[&format!("body.low.{name}.{part}")].detach();
            let inner = w[&format!("body.inner.{name}")].detach();
            (
                format!("body.{name}"),
                inner + of("b").matmul(&of("a")) * 4.0,
            )
        });
        plain.set(&merged.into_iter().collect()).unwrap();
        assert!(off(&y(&wrapped), &y(&plain)) < 1e-6, "{seed}");
    }
}

#[test]
fn equal_plays_give_equal_records() {
    let same = |one: &Played, other: &Played| {
        let equal =
            |(a, b): (&Batch, &Batch)| ["x", "action"].iter().all(|port| a[*port].equal(&b[*port]));
        one.records.len() == other.records.len()
            && one.records.iter().zip(&other.records).all(equal)
    };
    for seed in 0..3 {
        let play = |session: u64, index: i64| {
            let session = self::session(low_rank(), 0.4, session);
            session.play("train", &at(index)).unwrap()
        };
        let once = play(seed, 0);
        assert!(once.records.len() > 5);
        assert!(same(&once, &play(seed, 0)));
        assert!(!same(&once, &play(seed, 1)));
        assert!(!same(&once, &play(seed + 10, 0)));
    }
}

#[test]
fn an_episode_fails_in_the_name_of_its_task() {
    let task = host().task(&Recipe::new("wrappers/walk")).unwrap();
    let mut walk = task.episode("test", &at(0)).unwrap().unwrap();
    let error = walk.act(&Batch::new(), 0).err().unwrap().to_string();
    assert!(error.starts_with("`wrappers/walk`: "), "{error}");
}
