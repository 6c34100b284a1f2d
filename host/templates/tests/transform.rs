//! Clipping on gradients whose norm is known: that of (3, 4) and (12) together is 13.

use plugin_api::plugin::Plugin;
use plugin_api::prelude::*;
use plugin_api::serde_json::json;
use plugin_api::testing::close;

use crate::{params, plugin};

fn check(limit: f64, given: [f64; 3], expected: [f64; 3]) {
    let clip = plugin()
        .transform("clip", &params(json!({ "limit": limit })))
        .unwrap();
    let tensors = |[a, b, c]: [f64; 3]| {
        Tensors::new()
            .with("map.weight", Tensor::from_slice(&[a, b]))
            .with("map.bias", Tensor::from_slice(&[c]))
    };
    let (weights, tick) = (tensors([1.0; 3]), Tick { step: 0, seed: 0 });
    let mut state = clip.init(&[], &Arch::new(Shapes::new())).unwrap();
    let cut = clip
        .update(tensors(given), &weights, &mut state, &tick)
        .unwrap();
    for (path, expected) in tensors(expected).iter() {
        close(&cut[path], expected);
    }
}

#[test]
fn cuts_what_is_too_long_and_keeps_its_direction() {
    check(1.3, [3.0, 4.0, 12.0], [0.3, 0.4, 1.2]);
    check(13.0, [-30.0, 40.0, 120.0], [-3.0, 4.0, 12.0]);
}

#[test]
fn leaves_alone_what_is_short_enough() {
    check(13.5, [3.0, 4.0, 12.0], [3.0, 4.0, 12.0]);
    check(1.0, [0.0; 3], [0.0; 3]);
}
