//! Low precision around layers of other plugin files: what is rounded, what passes back, what size does to a search.

use pleach_worker::NetSession;
use plugin_api::prelude::*;
use plugin_api::serde_json::json;

use crate::support::{off, rows, run, session};

const BITS: [i64; 4] = [4, 6, 8, 32];

/// A layer around which `weights` and `taps` choose bits.
fn quantised(inner: Recipe) -> Recipe {
    Recipe::new("wrappers/quantised")
        .with("inner", inner)
        .with("bits", json!(BITS))
        .with("weights", "weights")
        .with("taps", "taps")
}

/// The same with what there is to choose.
fn with_bits(arch: Arch) -> Arch {
    arch.decide(Decision::options("weights", BITS))
        .decide(Decision::options("taps", BITS))
}

/// So many bits for weights and taps.
fn at(weights: i64, taps: i64) -> Choices {
    let choice = |bits| {
        let option = BITS.iter().position(|b| *b == bits).unwrap();
        Choice::hard(option, BITS.len())
    };
    Choices::new()
        .with("weights", choice(weights))
        .with("taps", choice(taps))
}

#[test]
fn weights_are_rounded_and_gradients_pass_where_none_is_cut_off() {
    let inner = Recipe::new("baselines/linear")
        .with("out", 1)
        .with("bias", false);
    let arch = Arch::new(rows(8))
        .layer("only", quantised(inner), &[("x", "in.x")])
        .output("y", "only.x");
    let mut session = session(with_bits(arch), 1, 0).unwrap();
    let path = "only.inner.weight";
    let each = Batch::new().with("x", Tensor::eye(8, (Kind::Float, Device::Cpu)));
    let mut check = |weights: [f32; 8], bits: i64, expected: [f32; 8], slopes: [f32; 8]| {
        let weights = Tensor::from_slice(&weights).view([1, 8]);
        session.set(&Tensors::new().with(path, weights)).unwrap();
        let y = run(&session, &each, &Ask::eval().choices(at(bits, 32)));
        let found: Vec<f32> = y.view([-1]).try_into().unwrap();
        assert_eq!(found, expected, "{bits} bits");
        let of = session.weights("model").unwrap();
        let g = &gradients_of(&y.sum(Kind::Float), &of, false).unwrap()[path];
        let found: Vec<f32> = g.view([-1]).try_into().unwrap();
        assert_eq!(found, slopes, "{bits} bits");
    };
    let x = [0.3, -0.11, 0.02, -0.47, 0.85, -1.2, 0.0, 0.061];
    let passes = [1.0; 8];
    check(x, 4, [0.25, 0., 0., -0.5, 0.75, -1.25, 0., 0.], passes);
    let y = [0.3125, -0.125, 0., -0.5, 0.875, -1.1875, 0., 0.0625];
    check(x, 6, y, passes);
    let y = [
        0.296875, -0.109375, 0.015625, -0.46875, 0.84375, -1.203125, 0., 0.0625,
    ];
    check(x, 8, y, passes);
    check(x, 32, x, passes);
    check([0.0; 8], 4, [0.0; 8], passes);
    // A power of two is just beyond the largest step, its negative is not.
    let x = [1.0, -1.0, 0.9, 0.5, 0.0, 0.0, 0.0, 0.0];
    let y = [0.875, -1.0, 0.875, 0.5, 0.0, 0.0, 0.0, 0.0];
    check(x, 4, y, [0., 1., 1., 1., 1., 1., 1., 1.]);
}

/// Convolutions of three files over a graph, one of which is to be chosen, and one more.
fn convolutions() -> Arch {
    let inputs = rows(4).with("graph", vec![axis("rows", None)]);
    let options = ["baselines/gcn", "baselines/gat", "mixhop/mixhop"];
    let graph = ("graph", "in.graph");
    let of = |component: &str, out: i64| quantised(Recipe::new(component).with("out", out));
    with_bits(Arch::new(inputs))
        .mix(
            "first",
            Mix::new("layer", options.map(|component| of(component, 8))),
            &[("x", "in.x"), graph],
        )
        .layer("act", "baselines/activation", &[("x", "first.x")])
        .layer("last", of("baselines/gcn", 2), &[("x", "act.x"), graph])
        .output("y", "last.x")
        .decide(Decision::options("layer", options))
}

#[test]
fn what_is_shown_inside_a_layer_of_another_plugin_is_rounded() {
    let session = session(convolutions(), 2, 3).unwrap();
    let batch = session.batch("val", &At::ALL).unwrap().unwrap();
    let tap = "first.1/inner/attention";
    let seen = |weights, taps| {
        let choices = at(weights, taps).with("layer", Choice::hard(1, 3));
        let ask = Ask::eval().choices(choices).tapped([tap, "first.x"]);
        session.forward(&batch, &ask).unwrap()
    };
    let (whole, low) = (seen(32, 32), seen(32, 4));
    // The largest of these probabilities is between a half and one: steps of an eighth.
    let attention = &whole.taps[tap];
    let largest = attention.max().double_value(&[]);
    assert!(0.5 < largest && largest < 1.0, "{largest}");
    let expected = (attention * 8.0).round().clamp_max(7.0) / 8.0;
    assert_eq!(off(&low.taps[tap], &expected), 0.0);
    // The layer goes on with it.
    assert!(off(&low.taps["first.x"], &whole.taps["first.x"]) > 1e-3);
    let again = seen(4, 32);
    assert!(off(&again.taps[tap], attention) > 1e-3);
}

/// Searches layers and bits of the convolutions, where the size counts so much in the loss, once so many steps are done.
fn searched(size: f64, warm: i64, seed: u64) -> NetSession {
    let mut session = session(convolutions(), 2, seed).unwrap();
    let adam = Recipe::new("baselines/adam").with("rate", 0.05);
    let relaxation = Recipe::new("wrappers/three-levels")
        .with("bits", json!(["weights", "taps"]))
        .with("size", size)
        .with("warm", warm)
        .with("transforms", json!([adam]));
    session.relax(&relaxation).unwrap();
    for _ in 0..80 {
        session.search().unwrap();
    }
    session
}

/// The bits of all weights that are expected of logits.
fn expected_bits(session: &mut NetSession) -> f64 {
    let logits = session.decide().unwrap();
    let p = logits.map(|_, logits| logits.softmax(0, Kind::Double));
    session.cost("bits", &p).unwrap().double_value(&[])
}

#[test]
fn bits_fall_where_the_size_is_part_of_the_loss() {
    for seed in 0..4 {
        // Nothing was learned of bits: each of the four is as likely as the others.
        let mut warm = searched(20.0, i64::MAX, seed);
        let logits = warm.decide().unwrap();
        assert_eq!(logits["weights"].abs().max().double_value(&[]), 0.0);
        let p = logits["layer"].softmax(0, Kind::Double);
        let numbers = |select: &str| {
            let specs = warm.specs(select).unwrap();
            specs.iter().map(WeightSpec::numel).sum::<i64>() as f64
        };
        let options = (0..3).map(|k| p.double_value(&[k]) * numbers(&format!("first.{k}.*")));
        let before = (options.sum::<f64>() + numbers("last.*")) * (4.0 + 6.0 + 8.0 + 32.0) / 4.0;
        assert!((expected_bits(&mut warm) - before).abs() < 1e-6);

        let mut small = searched(20.0, 0, seed);
        let bits = expected_bits(&mut small);
        assert!(bits < 0.45 * before, "{seed}: {bits} of {before}");
        let fewest = small.decide().unwrap()["weights"].argmax(0, false);
        assert_eq!(fewest.int64_value(&[]), 0, "{seed}");
        let free = expected_bits(&mut searched(0.0, 0, seed));
        assert!(bits < 0.7 * free, "{seed}: {bits} of {free}");
    }
}
