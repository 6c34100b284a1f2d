//! The Gram matrix against its equation, and the law of kernels.

use plugin_api::plugin::Plugin;
use plugin_api::prelude::*;
use plugin_api::role::KernelObj;
use plugin_api::serde_json::json;
use plugin_api::testing::close;

use crate::{params, plugin};

fn polynomial() -> KernelObj {
    plugin()
        .kernel("polynomial", &params(json!({ "degree": 3 })))
        .unwrap()
}

fn samples(rows: &Tensor) -> Batch {
    Batch::new().with("x", rows)
}

fn gram(x: &Tensor, y: &Tensor) -> Tensor {
    let gram = polynomial().gram(&Tensors::new(), &samples(x), &samples(y), None);
    gram.unwrap().into()
}

#[test]
fn is_its_equation() {
    let x = [[1.0, 2.0], [-3.0, 0.5], [0.0, 0.0]];
    let y = [[2.0, -1.0], [0.5, 4.0]];
    let found = gram(&Tensor::from_slice2(&x), &Tensor::from_slice2(&y));
    let similar = |x: [f64; 2], y: [f64; 2]| (1.0 + (x[0] * y[0] + x[1] * y[1]) / 2.0).powi(3);
    let expected = x.map(|x| y.map(|y| similar(x, y)));
    close(&found, &Tensor::from_slice2(&expected));
}

#[test]
fn is_symmetric_and_positive_and_has_its_diagonal() {
    let x = random::normal(&[12, 4], 1).to_kind(Kind::Double);
    let gram = gram(&x, &x);
    close(&gram, &gram.tr());
    let lowest = gram.linalg_eigvalsh("L").min().double_value(&[]);
    assert!(lowest > -1e-9, "{lowest}");
    let diagonal = polynomial().diagonal(&Tensors::new(), &samples(&x), None);
    close(&diagonal.unwrap(), &gram.diagonal(0, 0, 1));
}
