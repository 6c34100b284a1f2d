//! The score against the derivative worked out by hand.

use plugin_api::plugin::Plugin;
use plugin_api::prelude::*;
use plugin_api::serde_json::json;
use plugin_api::testing::close;

use crate::session::{gradient, session, start};
use crate::{params, plugin};

#[test]
fn is_its_equation() {
    let saliency = plugin().scorer("saliency", &params(json!({}))).unwrap();
    let score = saliency.score(&mut session()).unwrap();
    let expected = (start() * gradient(&start())).abs().sum(Kind::Double);
    close(&Tensor::from(score), &expected);
    assert!(saliency.higher_is_better());
}
