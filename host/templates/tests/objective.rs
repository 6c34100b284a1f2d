//! The term against its equation.

use plugin_api::plugin::Plugin;
use plugin_api::prelude::*;
use plugin_api::serde_json::json;
use plugin_api::testing::close;

use crate::{params, plugin};

fn value(batch: &Batch) -> Tensor {
    let given = params(json!({ "amount": 0.5, "output": "answer" }));
    let objective = plugin().objective("small-outputs", &given).unwrap();
    let y = Tensor::from_slice2(&[[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]]);
    let seen = Seen {
        outputs: Batch::new().with("answer", y),
        ..Seen::default()
    };
    let term = objective.value(&seen, batch, &Named::new()).unwrap();
    term.expect("it always has something to say").into()
}

#[test]
fn is_half_the_mean_square() {
    let expected = 0.5 * (1.0 + 4.0 + 9.0 + 16.0 + 25.0 + 36.0) / 6.0;
    close(&value(&Batch::new()), &Tensor::from(expected));
}

#[test]
fn counts_the_samples_of_the_split_alone() {
    let first_and_last = Tensor::from_slice(&[0_i64, 2]);
    let expected = 0.5 * (1.0 + 4.0 + 25.0 + 36.0) / 4.0;
    close(
        &value(&Batch::new().with("split", first_and_last)),
        &Tensor::from(expected),
    );
}
