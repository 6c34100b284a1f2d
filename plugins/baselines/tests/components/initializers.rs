//! How weights begin: from the distribution that PyTorch has, of their seed.

use plugin_api::plugin::Plugin;
use plugin_api::prelude::*;
use plugin_api::{Json, serde_json::json};

use crate::{nowhere, numbers, params, plugin, reference};

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
    for name in [
        "zeros",
        "constant",
        "uniform",
        "normal",
        "glorot",
        "kaiming",
        "orthogonal",
    ] {
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
    for name in ["uniform", "normal", "glorot", "kaiming", "orthogonal"] {
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

/// A distribution, of which draws know mean, variance and, where there are some, bounds.
#[derive(Clone, Copy)]
enum Law {
    /// Uniform, between these.
    Uniform(f64, f64),
    /// Normal, of this mean and deviation.
    Normal(f64, f64),
}

/// Holds two hundred draws of a weight to a distribution.
#[track_caller]
fn follows(name: &str, json: Json, spec: &WeightSpec, law: Law) {
    let draws: Vec<Tensor> = (0..200)
        .map(|seed| init(name, json.clone(), spec, seed))
        .collect();
    let drawn = Tensor::stack(&draws, 0);
    let n = drawn.numel() as f64;
    let number = |t: Tensor| t.double_value(&[]);
    // Mean, variance, and the variance of the squared distance from the mean.
    let (mean, variance, spread) = match law {
        Law::Uniform(low, high) => {
            let width = high - low;
            let (least, most) = (number(drawn.min()), number(drawn.max()));
            assert!(
                low <= least && least < low + 1e-3 * width,
                "{name}: {least} {low}"
            );
            assert!(
                most <= high && high - 1e-3 * width < most,
                "{name}: {most} {high}"
            );
            (
                f64::midpoint(low, high),
                width.powi(2) / 12.0,
                width.powi(4) / 180.0,
            )
        }
        Law::Normal(mean, std) => (mean, std.powi(2), 2.0 * std.powi(4)),
    };
    let off = (&drawn - mean).mean(Kind::Double);
    let off = number(off).abs() / (variance / n).sqrt();
    let square = (&drawn - mean).square().mean(Kind::Double);
    let wide = (number(square) - variance).abs() / (spread / n).sqrt();
    assert!(
        off < 5.0 && wide < 5.0,
        "{name}: {off} and {wide} standard errors"
    );
}

#[test]
fn are_drawn_from_what_they_are_asked_for() {
    let spec = spec(Dtype::F64, &[("out", 40), ("in", 30)]);
    follows("uniform", json!({}), &spec, Law::Uniform(-0.05, 0.05));
    let given = json!({ "low": -1.0, "high": 3.0 });
    follows("uniform", given, &spec, Law::Uniform(-1.0, 3.0));
    follows("normal", json!({}), &spec, Law::Normal(0.0, 1.0));
    let given = json!({ "mean": -2.0, "std": 0.3 });
    follows("normal", given, &spec, Law::Normal(-2.0, 0.3));
}

#[test]
fn are_drawn_from_what_pytorch_draws_from() {
    let of_torch = reference("initializers");
    let linear = [("out", 40), ("in", 30)];
    // The same numbers of inputs and outputs, though they lie the other way round.
    let turned = [("in", 30), ("out", 40)];
    let conv = [("out", 8), ("in", 5), ("height", 3), ("width", 3)];
    let axes: [(&str, &[(&str, i64)]); 3] =
        [("linear", &linear), ("linear", &turned), ("conv", &conv)];
    let check = |case: &str, name: &str, json: Json, law: fn(f64, f64) -> Law| {
        for (of, axes) in axes {
            let drawn_from = numbers(&of_torch[&format!("{case}.{of}")]);
            let law = law(drawn_from[0], drawn_from[1]);
            follows(name, json.clone(), &spec(Dtype::F64, axes), law);
        }
    };
    let tanh = json!({ "gain": 5.0 / 3.0 });
    let (uniform, normal) = (
        json!({ "distribution": "uniform" }),
        json!({ "distribution": "normal" }),
    );
    check("glorot", "glorot", json!({}), Law::Uniform);
    check("glorot-gain", "glorot", tanh, Law::Uniform);
    check("glorot-normal", "glorot", normal, Law::Normal);
    check("kaiming", "kaiming", json!({}), Law::Normal);
    check(
        "kaiming-linear",
        "kaiming",
        json!({ "gain": 1.0 }),
        Law::Normal,
    );
    check("kaiming-uniform", "kaiming", uniform, Law::Uniform);
}

#[test]
fn orthogonal_rows_or_columns_keep_lengths() {
    let axes: [&[(&str, i64)]; 4] = [
        &[("out", 5), ("in", 5)],
        &[("out", 3), ("in", 7)],
        &[("out", 7), ("in", 3)],
        &[("out", 4), ("in", 2), ("height", 3), ("width", 3)],
    ];
    for axes in axes {
        for (dtype, least) in [(Dtype::F32, 1e-6), (Dtype::F64, 1e-14)] {
            for gain in [1.0, 2.0] {
                let made = init("orthogonal", json!({ "gain": gain }), &spec(dtype, axes), 1);
                let matrix = made.flatten(1, -1).to_kind(Kind::Double) / gain;
                let (rows, columns) = matrix.size2().unwrap();
                let products = match rows <= columns {
                    true => matrix.matmul(&matrix.tr()),
                    false => matrix.tr().matmul(&matrix),
                };
                let off = products - Tensor::eye(rows.min(columns), (Kind::Double, Device::Cpu));
                let off = off.abs().max().double_value(&[]);
                assert!(off < least, "{axes:?} {dtype:?}: {off}");
            }
        }
    }
}

#[test]
fn orthogonal_matrices_are_drawn_uniformly() {
    // So each entry is as often positive as negative, of variance 1/3; the signs of a plain QR decomposition are not.
    let spec = spec(Dtype::F64, &[("out", 3), ("in", 3)]);
    let seeds = 2000;
    let drawn: Vec<Tensor> = (0..seeds)
        .map(|seed| init("orthogonal", json!({}), &spec, seed))
        .collect();
    let means = Tensor::stack(&drawn, 0).mean_dim(0_i64, false, Kind::Double);
    for mean in numbers(&means) {
        assert!(mean.abs() < 5.0 / (3.0 * seeds as f64).sqrt(), "{means}");
    }
}

#[test]
fn orthogonal_wants_a_matrix() {
    let orthogonal = plugin()
        .initializer("orthogonal", &params(json!({})))
        .unwrap();
    let refused = orthogonal.init(&spec(Dtype::F32, &[("out", 3)]), &nowhere(), 0);
    assert_eq!(
        refused.unwrap_err().to_string(),
        "`baselines/orthogonal`: `w` has no two axes\n  found     [3]\n  help: use baselines/normal"
    );
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
