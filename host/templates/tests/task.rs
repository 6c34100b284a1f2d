//! The rings against their definition.

use plugin_api::plugin::Plugin;
use plugin_api::prelude::*;
use plugin_api::role::TaskObj;
use plugin_api::serde_json::json;
use plugin_api::testing::close;

use crate::{params, plugin};

const NOISE: f64 = 0.1;

fn rings() -> TaskObj {
    plugin()
        .task("rings", &params(json!({ "noise": NOISE })))
        .unwrap()
}

fn batch(at: &At) -> Option<Batch> {
    rings().batch("train", at).unwrap()
}

#[test]
fn points_lie_in_the_ring_of_their_label() {
    let all = batch(&At::ALL).unwrap();
    let distance = all["x"]
        .square()
        .sum_dim_intlist(-1, false, Kind::Float)
        .sqrt();
    let off = (distance - &all["y"] - 1.0).abs();
    let farthest = off.max().double_value(&[]);
    assert!(
        (0.9 * NOISE..NOISE + 1e-6).contains(&farthest),
        "{farthest}"
    );
    let classes = all["y"].bincount::<Tensor>(None, 2);
    assert_eq!(Vec::<i64>::try_from(&classes).unwrap(), [128, 128]);
}

#[test]
fn an_epoch_has_each_point_once_in_an_order_of_its_own() {
    let epoch = |epoch| {
        let at = |index| At {
            epoch,
            index,
            size: 100,
            seed: 7,
        };
        let batches: Vec<Batch> = (0..).map_while(|index| batch(&at(index))).collect();
        let x: Vec<&Tensor> = batches.iter().map(|batch| &batch["x"]).collect();
        Tensor::cat(&x, 0)
    };
    let sorted = |x: &Tensor| x.select(1, 0).sort(0, false).0;
    let (first, second) = (epoch(0), epoch(1));
    assert_eq!(first.size(), [256, 2]);
    assert_ne!(first, second);
    close(&sorted(&first), &sorted(&second));
    close(&sorted(&first), &sorted(&batch(&At::ALL).unwrap()["x"]));
}

#[test]
fn loss_and_metrics_are_those_of_known_answers() {
    let all = batch(&At::ALL).unwrap();
    let equal = Batch::new().with("y", Tensor::zeros([256, 2], (Kind::Double, Device::Cpu)));
    let loss = &rings().loss(&equal, &all).unwrap()["cross-entropy"];
    close(loss, &Tensor::from(2.0_f64.ln()));

    let right = all["y"].one_hot(2).to_kind(Kind::Double);
    let accuracy = |logits: Tensor| {
        let outputs = Batch::new().with("y", logits);
        rings().metrics(&outputs, &all).unwrap()["accuracy"]
    };
    assert_eq!((accuracy(-&right), accuracy(right)), (0.0, 1.0));
}
