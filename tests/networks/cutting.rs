//! A cut network equals the masked one, and goes on learning as it does.

use std::collections::BTreeSet;

use plugin_api::plugin::Plugin;
use plugin_api::prelude::*;
use plugin_api::serde_json::json;

use crate::support::{Dice, graphs, host, images, linear, off, rows, run, session};

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
    run(session, &batch, &Ask::eval())
}

fn train(session: &mut dyn Session, steps: usize) {
    for _ in 0..steps {
        let batch = session.next("train", 0).unwrap();
        session.step("main", &batch, &Ask::train()).unwrap();
    }
}

/// Cuts random units of random networks; returns how many could be cut, and why others could not.
fn cut_some(make: fn(&mut Dice) -> Arch, seeds: u64, answer: i64) -> (usize, Vec<String>) {
    let (mut cuts, mut refused) = (0, vec![]);
    for seed in 0..seeds {
        let arch = make(&mut Dice::new(seed));
        let (more, why) = cut_all(&arch, answer, seed, Alike::Always);
        cuts += more;
        refused.extend(why);
    }
    (cuts, refused)
}

/// Cuts random units of each axis of a network and holds it to the masked one, as far as these are alike.
fn cut_all(arch: &Arch, answer: i64, seed: u64, alike: Alike) -> (usize, Vec<String>) {
    let (mut cuts, mut refused) = (0, vec![]);
    let mut dice = Dice::new(seed + 1000);
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
        let near = off(&outputs(&masked), &outputs(&cut)) < 1e-6;
        assert!(near || alike == Alike::Never, "{whole}");
        train(&mut masked, 3);
        train(&mut cut, 3);
        let near = off(&outputs(&masked), &outputs(&cut)) < 1e-6;
        assert!(near || alike != Alike::Always, "learning: {whole}");
        assert_eq!(length(&cut, &units), keep.len() as i64);
        cuts += 1;
    }
    (cuts, refused)
}

/// What a network says of its units: the mean of what `of` gives each weight over all that a mask of the unit hides.
fn by_masks(arch: &Arch, answer: i64, units: &str, of: &Tensors) -> Vec<f64> {
    let begin = || session(arch.clone(), answer, 0).unwrap();
    let n = length(&begin(), units);
    let mean = |unit: i64| {
        let mut masked = begin();
        let ones = Tensor::ones([n], (Kind::Float, Device::Cpu));
        let mask = ones.index_fill(0, &Tensor::from_slice(&[unit]), 0);
        masked.mask(&Tensors::new().with(units, mask)).unwrap();
        let (mut sum, mut count) = (0.0, 0.0);
        for (path, mask) in masked.masks().unwrap().iter() {
            let hidden = mask.rsub_scalar(1).to_kind(Kind::Double);
            let hidden_sum = (&hidden * of[path].to_kind(Kind::Double)).sum(Kind::Double);
            sum += hidden_sum.double_value(&[]);
            count += hidden.sum(Kind::Double).double_value(&[]);
        }
        sum / count
    };
    (0..n).map(mean).collect()
}

#[test]
fn units_are_worth_the_mean_of_what_leaves_with_them() {
    let mut compared = 0;
    for answer in [3, 2] {
        for seed in 0..4 {
            let mut dice = Dice::new(seed);
            let arch = match answer {
                3 => images(&mut dice),
                _ => graphs(&mut dice),
            };
            let mut whole = session(arch.clone(), answer, 0).unwrap();
            let of = whole.weights("model").unwrap();
            let of: Tensors = { of.iter() }
                .map(|(path, weight)| (path, weight.detach().abs()))
                .collect();
            let worth = whole.by_units(&of).unwrap();
            for (units, worth) in worth.iter() {
                let found = Vec::<f64>::try_from(worth.shallow_clone()).unwrap();
                let expected = by_masks(&arch, answer, units, &of);
                let near = { found.iter().zip(&expected) }.all(|(a, b)| (a - b).abs() < 1e-9);
                assert!(near, "{units}: {found:?} {expected:?}\n{arch:?}");
                compared += 1;
            }
            // Each axis that can be cut is there, by itself or by one that is tied to it; no other is.
            let names: Vec<String> = worth.names().map(String::from).collect();
            for units in axes(&whole) {
                let n = length(&whole, &units);
                let mut cut = session(arch.clone(), answer, 0).unwrap();
                let fewer: Vec<i64> = (1..n).collect();
                let before = names.iter().map(|name| length(&cut, name)).sum::<i64>();
                let leaves = cut.cut(&units, &fewer).is_ok();
                let after = names.iter().map(|name| length(&cut, name)).sum::<i64>();
                assert_eq!(leaves, after < before, "{units} {names:?}\n{arch:?}");
            }
            whole.prune(&worth, &Keep::Overall(0.5)).unwrap();
        }
    }
    assert!(compared > 8, "{compared}");
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

/// Sequences in f64 through attention and recurrent layers one behind the other, and through a cell that is unrolled.
fn sequences(dice: &mut Dice) -> Arch {
    let x = [("rows", None), ("steps", Some(4)), ("features", Some(3))];
    let x = x.map(|(name, size)| axis(name, size)).to_vec();
    let begun = vec![axis("rows", None), axis("features", 3)];
    let inputs = Shapes::new().with("x", x).with("begun", begun);
    let mut arch = Arch::new(inputs).of(Dtype::F64);
    let mut last = "in.x".to_string();
    for k in 0..1 + dice.roll(2) {
        if dice.roll(2) == 0 {
            let name = format!("attention{k}");
            let layer = Recipe::new("baselines/multi-head-attention").with("heads", 2);
            let layer = layer.with("out", 6).with("causal", dice.roll(2) == 0);
            arch = arch.layer(&name, layer, &[("x", &last)]);
            last = format!("{name}.x");
        }
        let name = format!("recurrent{k}");
        let kind = dice.one_of(&["rnn", "gru", "lstm"]);
        let layer = Recipe::new(format!("baselines/{kind}")).with("out", 3 + dice.roll(3));
        arch = arch.layer(&name, layer, &[("x", &last)]);
        last = format!("{name}.x");
    }
    let last = last.replace(".x", ".state");
    arch.layer("state", linear(5), &[("x", &last)])
        .layer(
            "cell",
            "wrappers/cell",
            &[("x", "in.begun"), ("state", "state.x")],
        )
        .layer(
            "again",
            "wrappers/cell",
            &[("x", "in.begun"), ("state", "cell.state")],
        )
        .sharing("cell")
        .layer("answer", linear(3), &[("x", "again.x")])
        .output("y", "answer.x")
}

#[test]
fn a_cut_network_of_sequences_equals_the_masked_one() {
    let (cuts, refused) = cut_some(sequences, 12, 3);
    assert!(cuts > 20, "{cuts}");
    for why in refused {
        assert!(why.starts_with("answer.out"), "{why}");
    }
}

/// A layer between one whose units can be cut and one that needs them: the shape that comes in behind the rows, what comes
/// in beside it, and the layer with its parameters.
type Placed = (
    &'static str,
    &'static [i64],
    &'static [&'static str],
    Recipe,
);

fn placed() -> Vec<Placed> {
    let of = |name: &'static str| Recipe::new(format!("baselines/{name}"));
    let plain = |name: &'static str| (name, &[6][..], &[][..], of(name));
    let steps = |name: &'static str, layer: Recipe| (name, &[4, 6][..], &[][..], layer);
    let images = |name: &'static str, layer: Recipe| (name, &[4, 6, 6][..], &[][..], layer);
    let nodes = |name: &'static str, layer: Recipe| (name, &[6][..], &["graph"][..], layer);
    let linear = || json!(["baselines/linear", "baselines/activation"]);
    vec![
        plain("linear"),
        plain("activation"),
        plain("dropout"),
        plain("identity"),
        plain("zero"),
        plain("batch-norm"),
        plain("layer-norm"),
        (
            "sequence",
            &[6],
            &[],
            of("sequence").with("layers", linear()),
        ),
        (
            "begun",
            &[6],
            &[],
            of("begun")
                .with("inner", "baselines/linear")
                .with("init", "baselines/normal"),
        ),
        (
            "kernel-machine",
            &[6],
            &[],
            of("kernel-machine").with("samples", 4).with("out", 5),
        ),
        ("add", &[6], &["x"], of("add")),
        ("concat", &[6], &["x"], of("concat")),
        ("pairs", &[6], &["pairs"], of("pairs")),
        ("graph-pool", &[6], &["groups"], of("graph-pool")),
        steps("rnn", of("rnn").with("out", 5)),
        steps("gru", of("gru").with("out", 5)),
        steps("lstm", of("lstm").with("out", 5)),
        steps("flatten", of("flatten")),
        steps(
            "multi-head-attention",
            of("multi-head-attention").with("heads", 2),
        ),
        steps(
            "transformer-block",
            of("transformer-block").with("heads", 2),
        ),
        images("conv", of("conv").with("out", 3)),
        images("pool", of("pool").with("kernel", 2)),
        images("group-norm", of("group-norm").with("groups", 1)),
        nodes("gcn", of("gcn").with("out", 5)),
        nodes("gat", of("gat").with("out", 6).with("heads", 2)),
        nodes("sage", of("sage").with("out", 5)),
        nodes("gin", of("gin")),
        nodes("appnp", of("appnp")),
        ("conv", &[4, 6], &[], of("conv").with("out", 3)),
        ("conv", &[4, 3, 3, 3], &[], of("conv").with("out", 3)),
        ("pool", &[4, 6], &[], of("pool").with("kernel", 2)),
        // What comes before it are symbols, which have no units.
        (
            "embedding",
            &[],
            &["symbols"],
            of("embedding").with("symbols", 6).with("out", 4),
        ),
    ]
}

/// How far a cut network is the masked one.
#[derive(Clone, Copy, PartialEq)]
enum Alike {
    /// It stays so while both go on learning.
    Always,
    /// Until it trains: there are fewer numbers to draw for.
    Untrained,
    /// Nowhere: units that are zero take part in a mean over units, or in a distance to stored samples.
    Never,
}

fn alike(layer: &str) -> Alike {
    match layer {
        "dropout" => Alike::Untrained,
        "layer-norm" | "group-norm" | "transformer-block" | "kernel-machine" => Alike::Never,
        _ => Alike::Always,
    }
}

/// The layer in its place, in f64.
fn around((_, shape, beside, layer): &Placed) -> Arch {
    let mut inputs = Shapes::new();
    let rows = || axis("rows", None);
    let along = |sizes: &[i64]| -> Shape {
        let sizes = sizes.iter().map(|n| axis("along", *n));
        [rows()].into_iter().chain(sizes).collect()
    };
    inputs.put("x", along(if shape.is_empty() { &[1] } else { shape }));
    for port in beside.iter().filter(|port| **port != "x") {
        inputs.put(
            *port,
            match *port {
                "pairs" => along(&[2]),
                "symbols" => along(&[3]),
                _ => vec![rows()],
            },
        );
    }
    // Images and signals have their units along the first axis, all else along the last.
    let is_image = layer.component.ends_with("conv")
        || layer.component.ends_with("pool")
        || layer.component.ends_with("group-norm");
    let before = match is_image && !beside.contains(&"groups") {
        true => Recipe::new("baselines/conv").with("out", 4),
        false => linear(6),
    };
    let mut arch = Arch::new(inputs).of(Dtype::F64);
    let mut given: Vec<(&str, &str)> = vec![];
    if shape.is_empty() {
        given.push(("x", "in.symbols"));
    } else {
        arch = arch.layer("before", before, &[("x", "in.x")]);
        given.push(("x", "before.x"));
        for port in *beside {
            given.push(match *port {
                "x" => ("y", "before.x"),
                "graph" => ("graph", "in.graph"),
                "groups" => ("groups", "in.groups"),
                _ => ("pairs", "in.pairs"),
            });
        }
    }
    arch.layer("layer", layer.clone(), &given)
        .layer("flat", "baselines/flatten", &[("x", "layer.x")])
        .layer("answer", linear(3), &[("x", "flat.x")])
        .output("y", "answer.x")
}

#[test]
fn every_layer_that_is_cut_equals_the_masked_one() {
    let card = host().plugin("baselines").unwrap().card().unwrap();
    let layers = card.components.iter().filter(|c| c.role == "layer");
    let layers: BTreeSet<&str> = layers.map(|c| c.name.as_str()).collect();
    let placed = placed();
    assert_eq!(placed.iter().map(|p| p.0).collect::<BTreeSet<_>>(), layers);
    for placed in &placed {
        let (cuts, refused) = cut_all(&around(placed), 3, 0, alike(placed.0));
        assert!(cuts > 0, "{}: {refused:?}", placed.0);
        for why in refused {
            let is_answer = why.starts_with("answer.out");
            // Heads and groups are equally wide.
            assert!(
                is_answer || why.contains("a multiple of"),
                "{}: {why}",
                placed.0
            );
        }
    }
}

#[test]
fn a_cut_architecture_begins_with_the_weights_of_the_whole() {
    let arch = Arch::new(rows(3))
        .layer("a", linear(4), &[("x", "in.x")])
        .layer("b", linear(2), &[("x", "a.x")])
        .output("y", "b.x");
    let whole = session(arch, 2, 7).unwrap();
    let mut cut = session(whole.arch().unwrap(), 2, 7).unwrap();
    cut.cut("a.out", &[3, 1]).unwrap();
    cut.cut("a.out", &[1]).unwrap();
    // What is left of the whole is written down, whatever it was cut from.
    let arch = cut.arch().unwrap();
    assert_eq!(arch.nodes[0].living["out"], [1]);
    let anew = session(arch, 2, 7).unwrap();
    let all = |s: &dyn Session| s.weights("all").unwrap();
    for (path, of_cut) in all(&cut).iter() {
        assert_eq!(off(&all(&anew)[path], of_cut), 0.0, "{path}");
    }
    let expected = all(&whole)["a.weight"].narrow(0, 1, 1);
    assert_eq!(off(&all(&anew)["a.weight"], &expected), 0.0);
}

#[test]
fn what_cannot_be_cut_is_refused_with_its_reason() {
    let arch = Arch::new(rows(3))
        .layer("a", linear(3), &[("x", "in.x")])
        .layer("sum", "baselines/add", &[("a", "in.x"), ("b", "a.x")])
        .layer(
            "heads",
            Recipe::new("baselines/linear").with("out", 4),
            &[("x", "sum.x")],
        )
        .layer("b", linear(2), &[("x", "heads.x")])
        .output("y", "b.x");
    let mut session = session(arch, 2, 0).unwrap();
    let before = session.snapshot("everything").unwrap();
    let mut check = |axis: &str, keep: &[i64], error: &str| {
        assert_eq!(session.cut(axis, keep).unwrap_err().to_string(), error);
    };
    check(
        "a.out",
        &[0],
        "the units of `a.out` cannot leave\n  found     they are tied to the network's input `in.x.features`",
    );
    check(
        "c.out",
        &[0],
        "there is no axis `c.out`\n  found     a.out, b.out, heads.out, in.x.features\n  help: an axis is called by the node at which it comes into being, as `node.out`",
    );
    check(
        "heads.out",
        &[0, 4],
        "`heads.out` cannot be cut to these units\n  found     [0, 4]\n  expected  one or more different numbers from 0 to 3",
    );
    check(
        "b.out",
        &[0],
        "output `y` has another shape than the task wants\n  found     [rows, 1]\n  expected  [rows, 2]",
    );
    // Nothing of it has happened.
    for (name, t) in session.snapshot("everything").unwrap().iter() {
        assert!(t.equal(&before[name]), "{name}");
    }
}

#[test]
fn living_units_that_are_none_are_refused() {
    let left = |axis: &str, units: &[i64]| {
        let mut arch = Arch::new(rows(3))
            .layer("a", linear(4), &[("x", "in.x")])
            .layer("b", linear(2), &[("x", "a.x")])
            .output("y", "b.x");
        arch.nodes[0].living.put(axis, units.to_vec());
        session(arch, 2, 0).map(drop).unwrap_err().to_string()
    };
    assert_eq!(
        left("outt", &[0]),
        "node `a` has no axis `outt` whose units could be left\n  found     out"
    );
    assert_eq!(
        left("out", &[1, 1]),
        "these units of `a.out` cannot be left\n  found     [1, 1]\n  expected  one or more different numbers, counted from 0"
    );
    assert_eq!(
        left("out", &[1, 4]),
        "these units of `a.out` cannot be left\n  found     [1, 4]\n  expected  numbers below 4"
    );
}
