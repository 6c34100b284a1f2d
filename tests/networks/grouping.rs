//! Batches of what belongs together in unlike numbers: documents of queries, and a few samples of each class.

use plugin_api::host::Services;
use plugin_api::prelude::*;
use plugin_api::serde_json::json;

use crate::support::{Dice, host, linear, off, on};

const FEATURES: i64 = 3;

/// Queries with two to seven documents each, of which the one nearest to their mean is the best.
struct Ranking;

/// Documents of groups of these sizes: `x` `[documents, features]`, and the graph from documents to groups.
fn documents(sizes: &[i64], seed: u64) -> Batch {
    let x = random::normal(&[sizes.iter().sum(), FEATURES], stream(seed, "documents"));
    // Groups lie anywhere: where a document is says nothing.
    let places = random::normal(&[sizes.len() as i64, FEATURES], stream(seed, "places"));
    let places = &*places * 3.0;
    let place = places.repeat_interleave_self_tensor(&Tensor::from_slice(sizes), 0, None);
    Batch::new()
        .with("x", &*x + place)
        .with("groups", Graph::members(sizes).unwrap())
}

/// From documents to what is wanted of them, `[documents]`: the negative distance from the mean of the group.
fn merit(x: &Tensor, groups: &Graph) -> Tensor {
    let mean = groups
        .transposed()
        .unwrap()
        .matmul(&groups.mean(&x.into()).unwrap());
    let far = (x - mean.unwrap()).square();
    -far.sum_dim_intlist([1_i64].as_slice(), false, None::<Kind>)
}

impl Task for Ranking {
    fn ports(&self) -> Result<Ports> {
        let documents = || axis("documents", None);
        Ok(Ports {
            inputs: Shapes::new()
                .with("x", vec![documents(), axis("features", FEATURES)])
                .with("groups", vec![axis("queries", None)]),
            targets: Shapes::new(),
            outputs: Shapes::new().with("score", vec![documents(), axis("score", 1)]),
            metric: "first".into(),
            higher_is_better: true,
        })
    }

    fn batch(&self, split: &str, at: &At) -> Result<Option<Batch>> {
        let seed = stream(at.seed, &format!("{split}:{}:{}", at.epoch, at.index));
        let mut dice = Dice::new(seed);
        let sizes: Vec<i64> = (0..100).map(|_| 2 + dice.roll(6) as i64).collect();
        Ok(Some(documents(&sizes, seed)))
    }

    /// Between the chances that scores and merits give the documents of a query to be first (Cao et al. 2007).
    fn loss(&self, outputs: &Batch, batch: &Batch) -> Result<Tensors> {
        let (x, groups) = (batch.tensor("x")?, batch.graph("groups")?);
        let wanted = groups.softmax(&merit(x, groups).f_unsqueeze(1)?.into())?;
        let given = groups.softmax(&outputs.tensor("score")?.into())?;
        let surprise = wanted.f_mul(&given.f_clamp_min(1e-30)?.f_log()?)?;
        let of_query = groups.matmul(&surprise.f_neg()?)?;
        Ok(Tensors::new().with("listwise", of_query.f_mean(None::<Kind>)?))
    }

    /// How often the best document of a query is the first.
    fn metrics(&self, outputs: &Batch, batch: &Batch) -> Result<Named<f64>> {
        let (x, groups) = (batch.tensor("x")?, batch.graph("groups")?);
        let is_first = |score: &Tensor| -> Result<Tensor> {
            let best = groups.max(&score.into())?;
            Ok(score.f_eq_tensor(&groups.transposed()?.matmul(&best)?)?)
        };
        let both = is_first(&merit(x, groups).f_unsqueeze(1)?)?;
        let both = both.f_logical_and(&is_first(outputs.tensor("score")?)?)?;
        let right = both.f_sum(Kind::Double)?.f_double_value(&[])?;
        Ok(Named::new().with("first", right / groups.nodes() as f64))
    }
}

/// Scores documents by themselves, or beside those of their query.
fn ranker(beside_others: bool) -> Arch {
    let arch = Arch::new(Ranking.ports().unwrap().inputs);
    let (arch, from) = match beside_others {
        true => {
            let ports = [("x", "in.x"), ("groups", "in.groups")];
            (
                arch.layer("context", "wrappers/context", &ports),
                "context.x",
            )
        }
        false => (arch, "in.x"),
    };
    arch.layer("hidden", linear(32), &[("x", from)])
        .layer("act", "baselines/activation", &[("x", "hidden.x")])
        .layer("score", linear(1), &[("x", "act.x")])
        .output("score", "score.x")
}

#[test]
fn documents_are_ranked_among_those_of_their_query() {
    for seed in 0..3 {
        let first = |beside_others: bool| {
            let mut session = on(Ranking).on_task(ranker(beside_others), seed).unwrap();
            let adam = json!([{ "use": "baselines/adam", "rate": 0.02 }]);
            let steps = Recipe::new("wrappers/steps").with("steps", 200);
            let trainer = host().trainer(&steps.with("transforms", adam)).unwrap();
            trainer.fit(&mut session).unwrap();
            session.evaluate("val", &Ask::eval()).unwrap()["first"]
        };
        let (beside, alone) = (first(true), first(false));
        assert!(beside > 0.8, "{seed}: {beside}");
        assert!(alone < 0.6, "{seed}: {alone}");
    }
}

#[test]
fn a_query_is_as_it_is_alone_whatever_stands_beside_it() {
    let session = on(Ranking).on_task(ranker(true).of(Dtype::F64), 0).unwrap();
    let score = |batch: &Batch| {
        let seen = session.forward(batch, &Ask::eval()).unwrap();
        seen.outputs["score"].shallow_clone()
    };
    let sizes = [3, 1, 6, 2];
    let batch = documents(&sizes, 1);
    let x = batch["x"].to_kind(Kind::Double);
    let together = score(&batch.clone().with("x", &x));
    let mut from = 0;
    for size in sizes {
        let alone = Batch::new()
            .with("x", x.narrow(0, from, size))
            .with("groups", Graph::members(&[size]).unwrap());
        assert!(off(&score(&alone), &together.narrow(0, from, size)) < 1e-12);
        from += size;
    }
    // Their order among themselves counts as little.
    let order = Tensor::from_slice(&[2_i64, 0, 1, 3, 9, 4, 8, 5, 7, 6, 11, 10]);
    let turned = batch.clone().with("x", x.index_select(0, &order));
    assert!(off(&score(&turned), &together.index_select(0, &order)) < 1e-12);
}

/// Classes that no batch has had before, told by three of eight features; the others are noise. A batch holds a few samples
/// of each as `support`, and others that are asked for.
struct FewShot;

impl FewShot {
    /// Samples of classes: so many of each, class by class.
    fn samples(classes: &Tensor, of_each: i64, seed: u64) -> Tensor {
        let all = classes.repeat_interleave_self_int(of_each, 0, None);
        let near = &*random::normal(&all.size(), stream(seed, "near")) * 0.3;
        let noise = &*random::normal(&[all.size()[0], 5], stream(seed, "noise")) * 2.0;
        Tensor::cat(&[all + near, noise], 1)
    }
}

const ASKED: i64 = 10;

impl Task for FewShot {
    fn ports(&self) -> Result<Ports> {
        let features = || axis("features", 8);
        Ok(Ports {
            inputs: Shapes::new()
                .with("support", vec![axis("samples", None), features()])
                .with("classes", vec![axis("classes", None)])
                .with("query", vec![axis("queries", None), features()]),
            targets: Shapes::new(),
            outputs: Shapes::new().with("y", vec![axis("queries", None), axis("classes", None)]),
            metric: "accuracy".into(),
            higher_is_better: true,
        })
    }

    /// Five classes of two samples; in the split `wide` nine of four.
    fn batch(&self, split: &str, at: &At) -> Result<Option<Batch>> {
        let (classes, samples) = if split == "wide" { (9, 4) } else { (5, 2) };
        let seed = stream(at.seed, &format!("{split}:{}:{}", at.epoch, at.index));
        let of: Tensor = random::normal(&[classes, 3], seed).into();
        let class = Tensor::arange(classes, (Kind::Int64, Device::Cpu));
        Ok(Some(
            Batch::new()
                .with(
                    "support",
                    Self::samples(&of, samples, stream(seed, "support")),
                )
                .with("classes", Graph::members(&vec![samples; classes as usize])?)
                .with("query", Self::samples(&of, ASKED, stream(seed, "query")))
                .with("y", class.repeat_interleave_self_int(ASKED, 0, None)),
        ))
    }

    fn loss(&self, outputs: &Batch, batch: &Batch) -> Result<Tensors> {
        let y = outputs.tensor("y")?;
        let loss = y.f_cross_entropy_loss::<Tensor>(
            batch.tensor("y")?,
            None,
            tch::Reduction::Mean,
            -100,
            0.0,
        )?;
        Ok(Tensors::new().with("surprise", loss))
    }

    fn metrics(&self, outputs: &Batch, batch: &Batch) -> Result<Named<f64>> {
        let right = outputs.tensor("y")?.f_argmax(1, false)?;
        let right = right
            .f_eq_tensor(batch.tensor("y")?)?
            .f_to_kind(Kind::Double)?;
        let accuracy = right.f_mean(None::<Kind>)?.f_double_value(&[])?;
        Ok(Named::new().with("accuracy", accuracy))
    }
}

#[test]
fn classes_are_told_by_a_few_samples_that_come_with_the_question() {
    for seed in 0..3 {
        let arch = Arch::new(FewShot.ports().unwrap().inputs)
            .layer("support", linear(4), &[("x", "in.support")])
            .layer("query", linear(4), &[("x", "in.query")])
            .sharing("support")
            .layer(
                "near",
                "wrappers/nearest-mean",
                &[
                    ("support", "support.x"),
                    ("classes", "in.classes"),
                    ("query", "query.x"),
                ],
            )
            .output("y", "near.x");
        let mut session = on(FewShot).on_task(arch, seed).unwrap();
        // Several batches, as one tells little.
        let accuracy = |session: &dyn Session, split: &str| {
            let accuracies = (0..40).map(|index| {
                let at = At { index, ..At::ALL };
                let batch = session.batch(split, &at).unwrap().unwrap();
                let seen = session.forward(&batch, &Ask::eval()).unwrap();
                FewShot.metrics(&seen.outputs, &batch).unwrap()["accuracy"]
            });
            accuracies.sum::<f64>() / 40.0
        };
        let splits = ["val", "wide"];
        let before = splits.map(|split| accuracy(&session, split));
        let adam = json!([{ "use": "baselines/adam", "rate": 0.01 }]);
        let steps = Recipe::new("wrappers/steps").with("steps", 300);
        let trainer = host().trainer(&steps.with("transforms", adam)).unwrap();
        trainer.fit(&mut session).unwrap();
        let after = splits.map(|split| accuracy(&session, split));
        assert!(before.iter().all(|&a| a < 0.4), "{seed}: {before:?}");
        assert!(after.iter().all(|&a| a > 0.85), "{seed}: {after:?}");
    }
}
