//! A trainer that searches within each of its steps, held to what a linear decoder has in closed form.

use pleach_worker::NetSession;
use plugin_api::host::Services;
use plugin_api::prelude::*;
use plugin_api::serde_json::json;

use crate::support::{host, linear, off, on, rows};

const PAIRS: i64 = 5;

/// Pairs of numbers `x` and `y = x_0 - x_1 + offset`: each batch is a program with an offset of its own.
struct Offsets;

impl Task for Offsets {
    fn ports(&self) -> Result<Ports> {
        Ok(Ports {
            inputs: rows(2).with("pair", vec![axis("rows", None), axis("pair", 3)]),
            targets: Shapes::new(),
            outputs: Shapes::new().with("y", vec![axis("rows", None), axis("out", 1)]),
            metric: "error".into(),
            higher_is_better: false,
        })
    }

    fn batch(&self, split: &str, at: &At) -> Result<Option<Batch>> {
        let seed = stream(at.seed, &format!("{split}:{}:{}", at.epoch, at.index));
        let x = random::normal(&[PAIRS, 2], stream(seed, "x"));
        let offset = random::normal(&[1, 1], stream(seed, "offset"));
        let y = x.narrow(1, 0, 1) - x.narrow(1, 1, 1) + &*offset * 2.0;
        let pair = Tensor::cat(&[&x, &y], 1);
        Ok(Some(
            Batch::new().with("x", x).with("y", y).with("pair", pair),
        ))
    }

    fn loss(&self, outputs: &Batch, batch: &Batch) -> Result<Tensors> {
        let off = outputs.tensor("y")? - batch.tensor("y")?;
        Ok(Tensors::new().with("error", off.square().mean(off.kind())))
    }

    fn metrics(&self, outputs: &Batch, batch: &Batch) -> Result<Named<f64>> {
        let error = self.loss(outputs, batch)?["error"].double_value(&[]);
        Ok(Named::new().with("error", error))
    }
}

fn session(seed: u64) -> NetSession {
    let arch = Arch::new(Offsets.ports().unwrap().inputs)
        .of(Dtype::F64)
        .layer("encode", linear(2), &[("x", "in.pair")])
        .layer(
            "both",
            "baselines/concat",
            &[("input", "in.x"), ("latent", "encode.x")],
        )
        .layer("decode", linear(1), &[("x", "both.x")])
        .output("y", "decode.x");
    let mut session = on(Offsets).on_task(arch, seed).unwrap();
    // A latent that says enough: the last two weights are its own.
    let decode = Tensor::from_slice(&[0.3, -0.2, 0.8, -0.5]).view([1, 4]);
    let decode = Tensors::new().with("decode.weight", decode);
    session.set(&decode).unwrap();
    session
}

/// Trains, and returns the losses of each step: with latents as they were, and as they were moved.
fn trained(session: &mut NetSession, moves: i64, steps: i64, transform: Recipe) -> Vec<Vec<f64>> {
    let recipe = Recipe::new("wrappers/leave-one-out")
        .with("moves", moves)
        .with("rate", 0.2)
        .with("steps", steps)
        .with("transforms", json!([transform]));
    let report = host().trainer(&recipe).unwrap().fit(session).unwrap();
    report.tables["curve"].rows.clone()
}

#[test]
fn a_latent_that_was_searched_says_what_the_other_pairs_say() {
    for seed in 0..3 {
        let mut session = session(seed);
        let w = session.snapshot("model").unwrap();
        // The batch of the step, from another session of the same seed.
        let batch = self::session(seed).next("train", 0).unwrap();
        let sgd = Recipe::new("baselines/sgd").with("rate", 1.0);
        let curve = trained(&mut session, 200, 1, sgd);

        // What the latent has to add to the rest, for each pair.
        let of_x = w["decode.weight"].narrow(1, 0, 2).tr();
        let missing = &batch["y"] - batch["x"].matmul(&of_x) - &w["decode.bias"];
        let of_latent = w["decode.weight"].narrow(1, 2, 2).tr();
        let mean_of_others = |t: &Tensor| {
            let sum = t.sum_dim_intlist([0_i64].as_slice(), true, None);
            (sum - t) / (PAIRS - 1) as f64
        };
        let pairs = mean_of_others(&batch["pair"]);
        let codes = pairs.matmul(&w["encode.weight"].tr()) + &w["encode.bias"];
        let unmoved = &missing - codes.matmul(&of_latent);
        // The least squares over others: a number that a latent can always add.
        let moved = &missing - mean_of_others(&missing);
        let loss = |off: &Tensor| off.square().mean(Kind::Double).double_value(&[]);
        assert!((curve[0][0] - loss(&unmoved)).abs() < 1e-9, "{curve:?}");
        // The loss is flat around the best latent, which is known half as well.
        assert!((curve[0][1] - loss(&moved)).abs() < 1e-6, "{curve:?}");

        // The encoder learns as if what it gave were what was found.
        let slopes = (&moved * (-2.0 / PAIRS as f64)).matmul(&of_latent.tr());
        let expected = &w["encode.weight"] - slopes.tr().matmul(&pairs);
        let found = &session.weights("model").unwrap()["encode.weight"];
        assert!(off(found, &expected) < 1e-6);
        assert!(off(found, &w["encode.weight"]) > 0.01);
    }
}

#[test]
fn training_with_a_search_in_it_learns_what_programs_have_in_common() {
    for seed in 0..3 {
        let adam = Recipe::new("baselines/adam").with("rate", 0.01);
        let curve = trained(&mut session(seed), 5, 200, adam);
        let mean = |rows: &[Vec<f64>], column: usize| {
            let losses = rows.iter().map(|row| row[column]);
            losses.sum::<f64>() / rows.len() as f64
        };
        let (begin, end) = (&curve[..20], &curve[180..]);
        let [unmoved, first, last] = [mean(begin, 0), mean(begin, 1), mean(end, 1)];
        assert!(first < 0.5 * unmoved, "{seed}: {unmoved} {first}");
        assert!(last < 0.02 * first, "{seed}: {first} {last}");
    }
}
