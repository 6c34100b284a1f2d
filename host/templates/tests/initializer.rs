//! How weights begin: of their variance, and from their seed.

use plugin_api::plugin::Plugin;
use plugin_api::prelude::*;
use plugin_api::serde_json::json;
use plugin_api::testing::close;

use crate::{params, plugin};

fn made(gain: f64, axes: &[(&str, i64)], seed: u64) -> Result<Tensor> {
    let normal = plugin().initializer("normal", &params(json!({ "gain": gain })))?;
    let spec = WeightSpec {
        dtype: Dtype::F64,
        ..WeightSpec::new("weight", axes, "")
    };
    let weight = normal.init(&spec, &Arch::new(Shapes::new()), seed)?;
    assert_eq!((weight.size(), weight.kind()), (spec.size(), Kind::Double));
    Ok(weight.into())
}

#[test]
fn have_the_variance_that_is_asked_for() {
    for (fan_in, gain) in [(100, 1.0), (400, 3.0)] {
        let weight = made(gain, &[("in", fan_in), ("out", 500)], 1).unwrap();
        let variance = weight.square().mean(Kind::Double).double_value(&[]);
        // The variance of 50,000 numbers or more is off by a fortieth once in ten thousand seeds.
        let ratio = variance * fan_in as f64 / (gain * gain);
        assert!((ratio - 1.0).abs() < 0.025, "{ratio}");
    }
}

#[test]
fn follow_from_the_seed_and_grow_with_the_gain() {
    let axes = [("in", 3), ("out", 4)];
    let weight = |gain, seed| made(gain, &axes, seed).unwrap();
    close(&weight(2.0, 1), &(weight(1.0, 1) * 2.0));
    assert_eq!(weight(1.0, 1), weight(1.0, 1));
    assert_ne!(weight(1.0, 1), weight(1.0, 2));
}

#[test]
fn need_an_axis() {
    let refused = made(1.0, &[], 1).unwrap_err().to_string();
    assert!(refused.contains("`weight` has no axes"), "{refused}");
}
