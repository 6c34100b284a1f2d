//! Masks of `torch.nn.utils.prune`, which `tests/reference/tickets.py` has written: to the bit.

use plugin_api::prelude::*;
use plugin_api::{Json, serde_json::json};

use crate::{find, perceptron, same, standing_still};

fn reference() -> Tensors {
    let file = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/tests/reference/tickets.safetensors"
    );
    let read = Tensor::read_safetensors(file).expect("vectors");
    read.into_iter().collect()
}

fn check(case: &str, given: Json) {
    let reference = reference();
    for rounds in 1..=3 {
        let mut session = perceptron([12, 10, 8, 5], 0);
        session.set(&reference.under("weight:")).unwrap();
        let mut given = given.clone();
        given["rounds"] = rounds.into();
        given["train"] = standing_still();
        find(&mut session, given).unwrap();
        let found = session
            .masks()
            .unwrap()
            .map(|_, mask| mask.to_kind(Kind::Float));
        same(&found, &reference.under(&format!("{case}-{rounds}:")));
    }
}

#[test]
fn by_layer() {
    check(
        "layer",
        json!({ "rate": 0.2, "rates": [{ "weights": "third.*", "rate": 0.1 }] }),
    );
}

#[test]
fn over_all_layers() {
    check("global", json!({ "rate": 0.3, "scope": "global" }));
}
