//! How weights begin: in their range, of their variance, from their seed.

use plugin_api::plugin::Plugin;
use plugin_api::prelude::*;
use plugin_api::{Json, serde_json::json};

use crate::{nowhere, numbers, params, plugin};

fn spec(dtype: Dtype, axes: &[(&str, i64)]) -> WeightSpec {
    WeightSpec {
        dtype,
        ..WeightSpec::new("w", axes, "")
    }
}

fn init(name: &str, json: Json, spec: &WeightSpec, seed: u64) -> Tensor {
    plugin()
        .initializer(name, &params(json))
        .unwrap()
        .init(spec, &nowhere(), seed)
        .unwrap()
        .into()
}

#[test]
fn have_the_size_and_type_of_their_spec() {
    for name in ["zeros", "constant", "uniform", "glorot"] {
        for dtype in [Dtype::F32, Dtype::F64] {
            let made = init(
                name,
                json!({}),
                &spec(dtype, &[("in", 3), ("k", 2), ("out", 4)]),
                1,
            );
            assert_eq!(
                (made.size(), made.kind()),
                (vec![3, 2, 4], kind(dtype)),
                "{name}"
            );
        }
    }
    assert_eq!(
        init("zeros", json!({}), &spec(Dtype::I64, &[("n", 2)]), 0).kind(),
        Kind::Int64
    );
}

#[test]
fn follow_from_their_seed() {
    for name in ["uniform", "glorot"] {
        let made = |seed| {
            numbers(&init(
                name,
                json!({}),
                &spec(Dtype::F32, &[("in", 5), ("out", 5)]),
                seed,
            ))
        };
        assert_eq!(made(3), made(3), "{name}");
        assert_ne!(made(3), made(4), "{name}");
    }
}

#[test]
fn fill_their_range() {
    let check = |name, json, low: f64, high: f64| {
        let n = 40_000.0;
        let made = init(
            name,
            json,
            &spec(Dtype::F64, &[("in", 100), ("out", 400)]),
            1,
        );
        let (least, most) = (made.min().double_value(&[]), made.max().double_value(&[]));
        let mean = made.mean(Kind::Double).double_value(&[]);
        let width = high - low;
        assert!(
            low <= least && least < low + 0.001 * width,
            "{name}: {least}"
        );
        assert!(most < high && high - 0.001 * width < most, "{name}: {most}");
        // Five standard errors of a uniform mean.
        assert!(
            (mean - (low + high) / 2.0).abs() < 5.0 * width / (12.0_f64 * n).sqrt(),
            "{name}: {mean}"
        );
    };
    let bound = (6.0 / 500.0_f64).sqrt();
    check("uniform", json!({ "low": -1.0, "high": 3.0 }), -1.0, 3.0);
    check("glorot", json!({}), -bound, bound);
}

#[test]
fn constant_is_constant() {
    assert_eq!(
        numbers(&init(
            "constant",
            json!({ "value": 2.5 }),
            &spec(Dtype::F32, &[("n", 3)]),
            0
        )),
        [2.5; 3]
    );
    assert_eq!(
        numbers(&init("zeros", json!({}), &spec(Dtype::F32, &[("n", 3)]), 0)),
        [0.0; 3]
    );
}

#[test]
fn glorot_needs_an_axis() {
    let glorot = plugin().initializer("glorot", &params(json!({}))).unwrap();
    assert_eq!(
        glorot
            .init(&spec(Dtype::F32, &[]), &nowhere(), 0)
            .unwrap_err()
            .to_string(),
        "`baselines/glorot`: nothing goes into `w`\n  found     []\n  help: use baselines/constant"
    );
}
