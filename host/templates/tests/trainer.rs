//! Training against the closed form of gradient descent on a quadratic loss.

use plugin_api::plugin::Plugin;
use plugin_api::prelude::*;
use plugin_api::serde_json::json;
use plugin_api::testing::close;

use crate::session::{RATE, gradient, session, start, x, y};
use crate::{params, plugin};

fn fit(session: &mut dyn Session, epochs: i64) -> Report {
    let descent = concat!(env!("CARGO_PKG_NAME"), "/test-descent");
    let given = params(json!({ "epochs": epochs, "transforms": [descent] }));
    let trainer = plugin().trainer("full-batch", &given).unwrap();
    trainer.fit(session).unwrap()
}

/// `w_t = w* + (I - 2 rate / n x' x)^t (w_0 - w*)`, where `w*` solves the least squares.
#[test]
fn goes_the_way_of_gradient_descent() {
    let square = x().tr().matmul(&x());
    let best = square.inverse().matmul(&x().tr().matmul(&y()));
    let shrink = Tensor::eye(2, (Kind::Double, Device::Cpu)) - square * (2.0 * RATE / 3.0);
    for epochs in [1, 7] {
        let mut session = session();
        fit(&mut session, epochs);
        let expected = &best
            + shrink
                .linalg_matrix_power(epochs)
                .matmul(&(start() - &best));
        close(&session.weights("all").unwrap()["map.weight"], &expected);
        assert_eq!(session.steps(), epochs);
    }
}

#[test]
fn reports_the_loss_of_its_last_step() {
    let report = fit(&mut session(), 2);
    let before = start() - gradient(&start()) * RATE;
    let loss = (x().matmul(&before) - y()).square().mean(Kind::Double);
    close(&Tensor::from(report.metrics["loss"]), &loss);
}
