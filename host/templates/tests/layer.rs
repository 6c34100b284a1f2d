//! The layer against its equation.

use plugin_api::plugin::Plugin;
use plugin_api::prelude::*;
use plugin_api::role::LayerObj;
use plugin_api::serde_json::json;
use plugin_api::testing::{Alone, close};

use crate::{params, plugin};

fn scale() -> LayerObj {
    plugin()
        .layer("scale", &params(json!({ "start": 0.5 })))
        .unwrap()
}

fn inputs() -> Shapes {
    Shapes::new().with("x", vec![axis("batch", None), axis("features", 3)])
}

#[test]
fn is_its_equation() {
    let (x, scale_of) = ([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]], [2.0, -1.0, 0.5]);
    let w = Tensors::new().with("scale", Tensor::from_slice(&scale_of));
    let given = Batch::new().with("x", Tensor::from_slice2(&x));
    let y = scale().forward(&w, &given, &Alone::eval()).unwrap();

    // Number by number.
    let expected = x.map(|row| [0, 1, 2].map(|feature| row[feature] * scale_of[feature]));
    close(&y["x"], &Tensor::from_slice2(&expected));
}

#[test]
fn declares_a_factor_for_each_feature() {
    let specs = scale().weights(&inputs()).unwrap();
    let [spec] = &specs[..] else {
        panic!("{specs:?}")
    };
    assert_eq!(
        (spec.size(), &spec.init.params["value"]),
        (vec![3], &json!(0.5))
    );
    assert_eq!(scale().shapes(&inputs()).unwrap(), inputs());
}
