//! What a session remembers: snapshots, other architectures, files, what is frozen.

use std::rc::Rc;

use pleach_worker::NetSession;
use plugin_api::boundary::Owner;
use plugin_api::prelude::*;
use plugin_api::role::TaskObj;
use safetensors::tensor::TensorView;

use crate::support::{Dice, Noise, graphs, images, linear, rows, run, session};

fn train(session: &mut dyn Session, steps: usize) {
    for _ in 0..steps {
        let batch = session.next("train", 0).unwrap();
        session.step("main", &batch, &Ask::train()).unwrap();
    }
}

fn trained(seed: u64) -> impl Session {
    let mut session = session(images(&mut Dice::new(seed)), 3, seed).unwrap();
    let scores = session.weights("#prunable").unwrap().map(|_, w| w.abs());
    session.prune(&scores, &Keep::Overall(0.7)).unwrap();
    session
        .chain("main", &["baselines/adam".into()], "model")
        .unwrap();
    train(&mut session, 2);
    session
}

fn same(a: &Tensors, b: &Tensors) {
    assert_eq!(a.names().collect::<Vec<_>>(), b.names().collect::<Vec<_>>());
    for (name, t) in a.iter() {
        assert!(t.equal(&b[name]), "{name}");
    }
}

#[test]
fn rewinding_and_resuming_are_one_thing() {
    for seed in 0..5 {
        let mut session = trained(seed);
        let then = session.snapshot("everything").unwrap();
        train(&mut session, 3);
        let later = session.snapshot("everything").unwrap();
        session.restore(&then).unwrap();
        same(&session.snapshot("everything").unwrap(), &then);
        train(&mut session, 3);
        same(&session.snapshot("everything").unwrap(), &later);
    }
}

#[test]
fn going_on_with_the_same_architecture_changes_no_bit() {
    for seed in 0..5 {
        let mut session = trained(seed);
        let before = session.snapshot("everything").unwrap();
        let arch = session.arch().unwrap();
        session.replace(&arch, &[]).unwrap();
        same(&session.snapshot("everything").unwrap(), &before);
        // Nor does carrying each entry to where it was.
        let same_place = |spec: WeightSpec| {
            let carry = Carry::renamed(&spec.name, &spec.name);
            let axes = spec.size().into_iter().enumerate();
            let all = |n: i64| Tensor::arange(n, (Kind::Int64, Device::Cpu));
            axes.fold(carry, |carry, (axis, n)| carry.along(axis, all(n)))
        };
        let specs = session.specs("all").unwrap().into_iter();
        let carry: Vec<Carry> = specs.map(same_place).collect();
        session.replace(&arch, &carry).unwrap();
        same(&session.snapshot("everything").unwrap(), &before);
        train(&mut session, 3);
        let later = session.snapshot("everything").unwrap();
        let mut other = trained(seed);
        train(&mut other, 3);
        same(&other.snapshot("everything").unwrap(), &later);
    }
}

#[test]
fn saving_and_opening_changes_no_bit() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("whole.safetensors");
    for seed in 0..5 {
        for (make, out) in [(images as fn(&mut Dice) -> Arch, 3), (graphs, 2)] {
            let arch = make(&mut Dice::new(seed));
            let inputs = arch.inputs.clone();
            let mut saved = session(arch, out, seed).unwrap();
            let scores = saved.weights("#prunable").unwrap().map(|_, w| w.abs());
            saved.prune(&scores, &Keep::Overall(0.7)).unwrap();
            saved
                .chain("main", &["baselines/sgd".into()], "model")
                .unwrap();
            train(&mut saved, 2);
            saved.save(&file).unwrap();
            let task = TaskObj::new(Box::new(Noise { inputs, out }), Owner::UNNAMED);
            let opened = NetSession::open(&file, Rc::new(task), seed, Device::Cpu).unwrap();
            assert_eq!(opened.arch().unwrap(), saved.arch().unwrap());
            let all = |s: &NetSession| s.snapshot("all,masks").unwrap();
            same(&all(&opened), &all(&saved));
            let batch = saved.batch("val", &At::ALL).unwrap().unwrap();
            let y = |s: &NetSession| run(s, &batch, &Ask::eval());
            assert!(y(&opened).equal(&y(&saved)));
        }
    }
}

#[test]
fn a_grown_network_takes_its_moments_along() {
    let arch = |out: i64| {
        Arch::new(rows(3))
            .layer("a", linear(out), &[("x", "in.x")])
            .layer("b", linear(2), &[("x", "a.x")])
            .output("y", "b.x")
    };
    let mut session = session(arch(2), 2, 0).unwrap();
    session
        .chain("main", &["baselines/adam".into()], "model")
        .unwrap();
    train(&mut session, 2);
    let before = session.snapshot("everything").unwrap();
    // One more unit between the two that were there.
    let index = || Tensor::from_slice(&[0_i64, -1, 1]);
    let along = |path: &str, axis: usize| Carry::renamed(path, path).along(axis, index());
    let carry = [
        along("a.weight", 0),
        along("a.bias", 0),
        along("b.weight", 1),
    ];
    session.replace(&arch(3), &carry).unwrap();
    let after = session.snapshot("everything").unwrap();
    let names: Vec<&str> = before.names().filter(|n| n.contains(":a.weight")).collect();
    assert_eq!(names.len(), 2, "two moments: {names:?}");
    for name in names {
        let (old, new) = (&before[name], &after[name]);
        assert!(
            new.index_select(0, &Tensor::from_slice(&[0_i64, 2]))
                .equal(old),
            "{name}"
        );
        assert_eq!(new.get(1).abs().max().double_value(&[]), 0.0, "{name}");
    }
    train(&mut session, 2);
}

#[test]
fn what_is_frozen_stays() {
    let mut session = trained(1);
    session.freeze("answer.*", true).unwrap();
    let before = session.snapshot("all").unwrap();
    train(&mut session, 2);
    let after = session.snapshot("all").unwrap();
    assert!(after["answer.weight"].equal(&before["answer.weight"]));
    assert!(!after["hidden.weight"].equal(&before["hidden.weight"]));
    // What is frozen has gradients all the same: pruners and scorers may ask.
    let batch = session.batch("val", &At::ALL).unwrap().unwrap();
    let seen = session.forward(&batch, &Ask::eval()).unwrap();
    let loss = session.loss(&seen, &batch).unwrap();
    let slopes = gradients_of(&loss, &session.weights("model").unwrap(), false).unwrap();
    assert!(slopes["answer.weight"].abs().max().double_value(&[]) > 0.0);
    // Nor does another architecture thaw it.
    let arch = session.arch().unwrap();
    session.replace(&arch, &[]).unwrap();
    train(&mut session, 1);
    let after = session.snapshot("all").unwrap();
    assert!(after["answer.weight"].equal(&before["answer.weight"]));
    session.freeze("answer.*", false).unwrap();
    train(&mut session, 1);
    let thawed = session.snapshot("all").unwrap();
    assert!(!thawed["answer.weight"].equal(&before["answer.weight"]));
    assert_eq!(
        session.freeze("nothing", true).unwrap_err().to_string(),
        "`nothing` matches no weight to freeze"
    );
}

#[test]
fn a_file_of_other_names_is_loaded_by_a_map() {
    let arch = Arch::new(rows(3))
        .layer("a", linear(2), &[("x", "in.x")])
        .layer("b", linear(2), &[("x", "a.x")])
        .output("y", "b.x");
    let mut session = session(arch, 2, 0).unwrap();
    let numbers: Vec<f32> = (0..6_u8).map(f32::from).collect();
    let bytes: Vec<u8> = numbers.iter().flat_map(|x| x.to_le_bytes()).collect();
    let view = |shape: &[usize], bytes| {
        TensorView::new(safetensors::Dtype::F32, shape.to_vec(), bytes).unwrap()
    };
    let of_file = [
        ("model.body.kernel", view(&[2, 3], &bytes)),
        ("model.body.bias", view(&[2], &bytes[..8])),
        ("head.weight", view(&[2, 3], &bytes)),
    ];
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("public.safetensors");
    let whole = safetensors::serialize(of_file, None).unwrap();
    std::fs::write(&path, whole).unwrap();
    let path = path.to_str().unwrap();

    let map = |pairs: &[(&str, &str)]| -> Vec<(String, String)> {
        let pairs = pairs.iter();
        pairs
            .map(|(from, to)| ((*from).into(), (*to).into()))
            .collect()
    };
    let names = map(&[("model.body.kernel", "a.weight"), ("model.body.*", "a.*")]);
    let loaded = session.load(path, &names).unwrap();
    assert_eq!(loaded, ["a.bias", "a.weight"]);
    let weights = session.weights("a.*").unwrap();
    assert!(
        weights["a.weight"]
            .flatten(0, -1)
            .equal(&Tensor::from_slice(&numbers))
    );

    let before = session.snapshot("all").unwrap();
    let wrong = session.load(path, &map(&[("head.*", "b.*")])).unwrap_err();
    assert_eq!(
        wrong.to_string(),
        "the weight of `b.weight` has another shape\n  found     [2, 3]\n  expected  [2, 2]"
    );
    let unknown = session.load(path, &map(&[("head.*", "c.*")])).unwrap_err();
    assert!(
        unknown.to_string().contains("found     c.weight"),
        "{unknown}"
    );
    same(&session.snapshot("all").unwrap(), &before);
}
