//! The scores against the derivative worked out by hand.

use plugin_api::plugin::Plugin;
use plugin_api::prelude::*;
use plugin_api::serde_json::json;
use plugin_api::testing::close;

use crate::session::{gradient, session, start};
use crate::{params, plugin};

fn scores(session: &mut dyn Session) -> Tensors {
    let taylor = plugin().pruner("taylor", &params(json!({}))).unwrap();
    taylor.scores(session).unwrap()
}

#[test]
fn are_their_equation() {
    let scores = scores(&mut session());
    assert_eq!(scores.names().collect::<Vec<_>>(), ["map.weight"]);
    close(
        &scores["map.weight"],
        &(start() * gradient(&start())).square(),
    );
}

#[test]
fn take_masked_weights_for_gone() {
    let mut session = session();
    let mask = Tensor::from_slice2(&[[1.0], [0.0]]);
    session
        .mask(&Tensors::new().with("map.weight", &mask))
        .unwrap();
    let left = start() * mask;
    let expected = (&left * gradient(&left)).square();
    close(&scores(&mut session)["map.weight"], &expected);
}
