//! Generated weights against their equation, element by element.

use plugin_api::plugin::Plugin;
use plugin_api::prelude::*;
use plugin_api::serde_json::json;
use plugin_api::testing::close;

use crate::{params, plugin};

fn targets() -> [WeightSpec; 2] {
    [
        WeightSpec::new("first.weight", &[("in", 4), ("out", 2)], ""),
        WeightSpec::new("last.bias", &[("out", 3)], ""),
    ]
}

fn generate(pool: &Tensor) -> Tensors {
    let given = params(json!({ "size": pool.numel() }));
    let hypernet = plugin().hypernet("pool", &given).unwrap();
    let own = hypernet.weights(&targets()).unwrap();
    assert_eq!(own[0].size(), pool.size());
    let w = Tensors::new().with("pool", pool);
    hypernet.generate(&w, &Batch::new(), &targets()).unwrap()
}

#[test]
fn are_their_equation() {
    let pool = [1.0, 2.0, 3.0, 4.0, 5.0_f64];
    let made = generate(&Tensor::from_slice(&pool));
    let element = |place: usize, fan_in: f64| pool[place % 5] / fan_in.sqrt();
    let first = [0, 1, 2, 3].map(|row| [0, 1].map(|column| element(2 * row + column, 4.0)));
    let last = [8, 9, 10].map(|place| element(place, 3.0));
    close(&made["first.weight"], &Tensor::from_slice2(&first));
    close(&made["last.bias"], &Tensor::from_slice(&last));
}

#[test]
fn send_their_gradients_back_to_the_pool() {
    let pool = Tensor::ones([5], (Kind::Double, Device::Cpu)).set_requires_grad(true);
    let sum = generate(&pool)["first.weight"].sum(Kind::Double);
    let gradient = gradients_of(&sum, &Tensors::new().with("pool", &pool), false).unwrap();
    // Eight elements, each half a number of the pool: three numbers serve twice.
    let expected = Tensor::from_slice(&[1.0, 1.0, 1.0, 0.5, 0.5]);
    close(&gradient["pool"], &expected);
}
