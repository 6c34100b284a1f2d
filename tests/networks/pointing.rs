//! A pointer network behind an encoder of another file: as many positions come out as items came in.

use pleach_worker::NetSession;
use plugin_api::host::Services;
use plugin_api::prelude::*;
use plugin_api::serde_json::json;

use crate::support::{host, off, on};

/// Numbers to be sorted, upwards: five of them, seven in the split `long`.
struct Sorting;

impl Task for Sorting {
    fn ports(&self) -> Result<Ports> {
        let sequence = || vec![axis("batch", None), axis("items", None)];
        let x = [sequence(), vec![axis("features", 1)]].concat();
        Ok(Ports {
            inputs: Shapes::new()
                .with("x", x)
                .with("lengths", vec![axis("batch", None)]),
            targets: Shapes::new().with("target", sequence()),
            outputs: Shapes::new()
                .with("order", sequence())
                .with("log-likelihood", vec![axis("batch", None)]),
            metric: "right".into(),
            higher_is_better: true,
        })
    }

    fn batch(&self, split: &str, at: &At) -> Result<Option<Batch>> {
        let items = if split == "long" { 7 } else { 5 };
        let seed = stream(at.seed, &format!("{split}:{}:{}", at.epoch, at.index));
        let x = random::normal(&[128, items, 1], seed);
        let order = x.squeeze_dim(2).argsort(1, false);
        Ok(Some(Batch::new().with("x", x).with("target", order)))
    }

    fn loss(&self, outputs: &Batch, _: &Batch) -> Result<Tensors> {
        let likelihood = outputs.tensor("log-likelihood")?;
        let surprise = -likelihood.mean(likelihood.kind());
        Ok(Tensors::new().with("surprise", surprise))
    }

    /// Items at their places.
    fn metrics(&self, outputs: &Batch, batch: &Batch) -> Result<Named<f64>> {
        let right = outputs.tensor("order")?.eq_tensor(batch.tensor("target")?);
        let right = right.to_kind(Kind::Double).mean(None::<Kind>);
        Ok(Named::new().with("right", right.double_value(&[])))
    }
}

/// A pointer behind a recurrent encoder.
fn session(beams: i64, seed: u64) -> NetSession {
    let pointer = Recipe::new("wrappers/pointer").with("beams", beams);
    let inputs = [
        ("x", "encoder.x"),
        ("target", "in.target"),
        ("lengths", "in.lengths"),
    ];
    let lstm = Recipe::new("baselines/lstm").with("out", 32);
    let ports = Sorting.ports().unwrap();
    let arch = Arch::new(ports.inputs.into_iter().chain(ports.targets).collect())
        .of(Dtype::F64)
        .layer("encoder", lstm, &[("x", "in.x")])
        .layer("pointer", pointer, &inputs)
        .output("x", "pointer.x")
        .output("order", "pointer.order")
        .output("log-likelihood", "pointer.log-likelihood");
    on(Sorting).on_task(arch, seed).unwrap()
}

/// An untrained network, whose larger weights make some orders a good deal more probable than others.
fn untrained(beams: i64, seed: u64) -> NetSession {
    let mut session = session(beams, seed);
    let larger = session.weights("model").unwrap().map(|_, w| w * 3.0);
    session.set(&larger).unwrap();
    session
}

fn sequences(samples: i64, items: i64, seed: u64) -> Batch {
    let x = random::normal(&[samples, items, 1], seed);
    Batch::new().with("x", x.to_kind(Kind::Double))
}

fn outputs(session: &NetSession, batch: &Batch, ask: &Ask<'_>) -> Batch {
    session.forward(batch, ask).unwrap().outputs
}

#[test]
fn weights_that_sort_five_items_sort_seven() {
    for seed in 0..3 {
        let mut session = session(1, seed);
        let right = |session: &NetSession, split: &str| {
            session.evaluate(split, &Ask::eval()).unwrap()["right"]
        };
        let before = right(&session, "val");
        let adam = json!([{ "use": "baselines/adam", "rate": 0.005 }]);
        let steps = Recipe::new("wrappers/steps").with("steps", 300);
        let trainer = host().trainer(&steps.with("transforms", adam)).unwrap();
        trainer.fit(&mut session).unwrap();
        let (five, seven) = (right(&session, "val"), right(&session, "long"));
        assert!(before < 0.75, "{seed}: {before}");
        assert!(five > 0.93, "{seed}: {five}");
        assert!(seven > 0.9, "{seed}: {seven}");
        for (split, items) in [("val", 5), ("long", 7)] {
            let batch = session.batch(split, &At::ALL).unwrap().unwrap();
            let x = outputs(&session, &batch, &Ask::eval())["x"].shallow_clone();
            assert_eq!(x.size()[1..], [items, items]);
            // At each step one item is pointed at, and over all steps each item once.
            let ones = Tensor::ones([128, items], (Kind::Double, Device::Cpu));
            let steps = x.sum_dim_intlist([2_i64].as_slice(), false, None::<Kind>);
            assert!(off(&steps, &ones) < 1e-12);
        }
    }
}

#[test]
fn evaluation_is_blind_to_a_target() {
    for (seed, beams) in [(0, 1), (1, 3)] {
        let session = untrained(beams, seed);
        let x = sequences(4, 5, seed);
        let backwards = Tensor::arange_start_step(4, -1, -1, (Kind::Int64, Device::Cpu));
        let backwards = backwards.expand([4, 5], false);
        let told = x.clone().with("target", &backwards);
        let (alone, beside) = (
            outputs(&session, &x, &Ask::eval()),
            outputs(&session, &told, &Ask::eval()),
        );
        for port in ["x", "order", "log-likelihood"] {
            assert!(alone[port].equal(&beside[port]), "{seed}: {port}");
        }
        assert!(!alone["order"].equal(&backwards));
        // Training goes where it is told, and without a target where evaluation does.
        let followed = outputs(&session, &told, &Ask::train());
        assert!(followed["order"].equal(&backwards));
        assert!(outputs(&session, &x, &Ask::train())["order"].equal(&alone["order"]));
    }
}

/// All orders of so many items.
fn orders(items: i64) -> Vec<Vec<i64>> {
    let Some(last) = items.checked_sub(1).filter(|last| *last >= 0) else {
        return vec![vec![]];
    };
    let shorter = orders(last).into_iter();
    let longer = shorter.flat_map(|order| {
        (0..items as usize).map(move |place| {
            let mut longer = order.clone();
            longer.insert(place, last);
            longer
        })
    });
    longer.collect()
}

#[test]
fn a_beam_as_wide_as_there_are_orders_finds_the_best_of_all() {
    for seed in 0..5 {
        let x = sequences(20, 4, seed);
        let found = |beams: i64| {
            let found = outputs(&untrained(beams, seed), &x, &Ask::eval());
            found["log-likelihood"].detach()
        };
        // How probable each order is, by following it.
        let follower = untrained(1, seed);
        let each = orders(4).into_iter().map(|order| {
            let order = Tensor::from_slice(&order).expand([20, 4], false);
            let told = x.clone().with("target", order);
            outputs(&follower, &told, &Ask::train())["log-likelihood"].detach()
        });
        let each = Tensor::stack(&each.collect::<Vec<_>>(), 0); // [orders, samples]
        assert_eq!(each.size(), [24, 20]);
        let sum = each.logsumexp([0_i64].as_slice(), false);
        assert!(off(&sum, &sum.zeros_like()) < 1e-12, "{seed}: {sum}");

        let (greedy, narrow, wide) = (found(1), found(2), found(24));
        let best = each.max_dim(0, false).0;
        assert!(off(&wide, &best) < 1e-12, "{seed}");
        // Two hypotheses already tell more than one, in the mean; nothing beats all of them.
        let gain = (&narrow - &greedy).mean(Kind::Double).double_value(&[]);
        assert!(gain > 1e-3, "{seed}: {gain}");
        assert!(wide.ge_tensor(&(&greedy - 1e-12)).all().int64_value(&[]) == 1);
        let better = wide.gt_tensor(&(&greedy + 1e-6)).sum(Kind::Int64);
        assert!(better.int64_value(&[]) >= 3, "{seed}: {better}");
    }
}

#[test]
fn each_sequence_of_a_padded_batch_is_as_it_is_alone() {
    for (seed, beams) in [(0, 1), (1, 3), (2, 9)] {
        let session = untrained(beams, seed);
        let padded = sequences(4, 7, seed);
        let lengths = [5_i64, 7, 1, 3];
        let batch = padded.clone().with("lengths", Tensor::from_slice(&lengths));
        let together = outputs(&session, &batch, &Ask::eval());
        for (sample, length) in (0..).zip(lengths) {
            let x = padded["x"].narrow(0, sample, 1).narrow(1, 0, length);
            let alone = outputs(&session, &Batch::new().with("x", x), &Ask::eval());
            let of = |port: &str| together[port].narrow(0, sample, 1);
            let order = of("order");
            assert!(
                order.narrow(1, 0, length).equal(&alone["order"]),
                "{seed}: {order}"
            );
            assert!(off(&of("log-likelihood"), &alone["log-likelihood"]) < 1e-12);
            // Padding follows at its own place, for sure.
            let x = of("x").get(0);
            assert!(
                off(
                    &x.narrow(0, 0, length).narrow(1, 0, length),
                    &alone["x"].get(0)
                ) < 1e-12
            );
            let rest = 7 - length;
            let sure = Tensor::eye(rest, (Kind::Double, Device::Cpu));
            assert!(
                x.narrow(0, length, rest)
                    .narrow(1, length, rest)
                    .equal(&sure)
            );
        }
    }
}
