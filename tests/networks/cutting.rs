//! A cut network equals the masked one, and goes on learning as it does.

use plugin_api::prelude::*;

use crate::support::{Dice, graphs, images, session};

/// All units that a network has, and that are not its inputs'.
fn axes(session: &dyn Session) -> Vec<String> {
    let mut axes = vec![];
    for spec in session.specs("model").unwrap() {
        for leaf in spec.axes.iter().flat_map(Axis::leaves) {
            let Some(units) = leaf.units.clone() else {
                continue;
            };
            if !units.starts_with("in.") && !axes.contains(&units) {
                axes.push(units);
            }
        }
    }
    axes
}

fn length(session: &dyn Session, units: &str) -> i64 {
    let specs = session.specs("model").unwrap();
    let mut leaves = specs.iter().flat_map(|s| &s.axes).flat_map(Axis::leaves);
    let leaf = leaves.find(|leaf| leaf.units.as_deref() == Some(units));
    leaf.unwrap().size.unwrap()
}

fn outputs(session: &dyn Session) -> Tensor {
    let batch = session.batch("val", &At::ALL).unwrap().unwrap();
    let seen = session.forward(&batch, &Ask::eval()).unwrap();
    seen.outputs["y"].shallow_clone()
}

fn train(session: &mut dyn Session, steps: usize) {
    for _ in 0..steps {
        let batch = session.next("train", 0).unwrap();
        session.step("main", &batch, &Ask::train()).unwrap();
    }
}

fn off(a: &Tensor, b: &Tensor) -> f64 {
    (a - b).abs().max().double_value(&[])
}

/// Cuts random units of random networks; returns how many could be cut, and why others could not.
fn cut_some(make: fn(&mut Dice) -> Arch, seeds: u64, answer: i64) -> (usize, Vec<String>) {
    let (mut cuts, mut refused) = (0, vec![]);
    for seed in 0..seeds {
        let mut dice = Dice::new(seed);
        let arch = make(&mut dice);
        let begin = || {
            let mut session = session(arch.clone(), answer, seed).unwrap();
            session
                .chain("main", &["baselines/adam".into()], "model")
                .unwrap();
            train(&mut session, 3);
            session
        };
        for units in axes(&begin()) {
            let (mut masked, mut cut) = (begin(), begin());
            let n = length(&masked, &units);
            let mut keep: Vec<i64> = (0..n).filter(|_| dice.roll(2) == 0).collect();
            keep.is_empty().then(|| keep.push(0));
            if let Err(error) = cut.cut(&units, &keep) {
                refused.push(format!("{units}: {error}"));
                continue;
            }
            let alive = Tensor::zeros([n], (Kind::Float, Device::Cpu)).index_fill(
                0,
                &Tensor::from_slice(&keep),
                1,
            );
            masked.mask(&Tensors::new().with(&units, alive)).unwrap();
            let whole = format!("seed {seed}, `{units}` to {keep:?}\n{arch:?}");
            assert!(off(&outputs(&masked), &outputs(&cut)) < 1e-6, "{whole}");
            train(&mut masked, 3);
            train(&mut cut, 3);
            assert!(
                off(&outputs(&masked), &outputs(&cut)) < 1e-6,
                "learning: {whole}"
            );
            assert_eq!(length(&cut, &units), keep.len() as i64);
            cuts += 1;
        }
    }
    (cuts, refused)
}

#[test]
fn a_cut_network_of_images_equals_the_masked_one() {
    let (cuts, refused) = cut_some(images, 8, 3);
    assert!(cuts > 50, "{cuts}");
    for why in refused {
        assert!(why.starts_with("answer.out"), "{why}");
    }
}

#[test]
fn a_cut_network_of_graphs_equals_the_masked_one() {
    let (cuts, refused) = cut_some(graphs, 12, 2);
    assert!(cuts > 40, "{cuts}");
    for why in refused {
        assert!(why.starts_with("answer.out"), "{why}");
    }
}
