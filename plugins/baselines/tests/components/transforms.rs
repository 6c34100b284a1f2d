//! Optimizers against PyTorch's, step by step, and against closed forms.

use plugin_api::plugin::Plugin;
use plugin_api::prelude::*;
use plugin_api::role::TransformObj;
use plugin_api::{Json, serde_json::json};

use crate::{close, nowhere, numbers, params, plugin, reference};

/// The updates of a weight `[2]` that begins at `start` and sees these gradients.
fn updates(name: &str, json: Json, start: [f64; 2], gradients: &[[f64; 2]]) -> Vec<Vec<f64>> {
    let transform = plugin().transform(name, &params(json)).unwrap();
    let mut spec = WeightSpec::new("a.w", &[("in", 2)], "baselines/zeros");
    spec.dtype = Dtype::F64;
    let mut state = transform.init(&[spec], &nowhere()).unwrap();
    let mut weight = Tensor::from_slice(&start);
    let mut seen = vec![];
    for (step, gradient) in (0..).zip(gradients) {
        let (gradient, weights) = (
            Tensors::new().with("a.w", Tensor::from_slice(gradient)),
            Tensors::new().with("a.w", &weight),
        );
        let update = transform
            .update(gradient, &weights, &mut state, &Tick { step, seed: 0 })
            .unwrap();
        seen.push(numbers(&update["a.w"]));
        weight += &update["a.w"];
    }
    seen
}

/// A weight of this shape, float64.
fn double(name: &str, size: &[i64]) -> WeightSpec {
    WeightSpec {
        dtype: Dtype::F64,
        ..WeightSpec::new(
            name,
            size.iter().map(|n| axis("axis", *n)),
            "baselines/zeros",
        )
    }
}

/// A chain of transforms at work on weights, as a session runs it.
struct Chain {
    transforms: Vec<TransformObj>,
    states: Vec<Tensors>,
    weights: Tensors,
    step: i64,
}

impl Chain {
    fn new(transforms: &[(&str, Json)], weights: &Tensors) -> Self {
        // Its kernels do the work of `adam` and `sgd`.
        pleach_worker::host();
        let specs: Vec<WeightSpec> = weights
            .iter()
            .map(|(path, w)| double(path, &w.size()))
            .collect();
        let made = transforms
            .iter()
            .map(|(name, json)| plugin().transform(name, &params(json.clone())).unwrap());
        let transforms: Vec<TransformObj> = made.collect();
        Chain {
            states: transforms
                .iter()
                .map(|t| t.init(&specs, &nowhere()).unwrap())
                .collect(),
            transforms,
            weights: weights.map(|_, w| w.copy()),
            step: 0,
        }
    }

    fn step(&mut self, gradients: Tensors) {
        let tick = Tick {
            step: self.step,
            seed: 0,
        };
        let mut updates = gradients;
        for (transform, state) in self.transforms.iter().zip(&mut self.states) {
            updates = transform
                .update(updates, &self.weights, state, &tick)
                .unwrap();
        }
        for (path, weight) in self.weights.iter_mut() {
            let _ = weight.g_add_(&updates[path]);
        }
        self.step += 1;
    }
}

/// How far weights, or what `seen` makes of the chain, are from those of PyTorch at most, over all steps of a case.
fn off(case: &str, transforms: &[(&str, Json)], seen: impl Fn(&Chain) -> Tensors) -> f64 {
    let (of_torch, mut furthest) = (reference("transforms"), 0.0_f64);
    let (gradients, expected) = (
        of_torch.under("gradients."),
        of_torch.under(&format!("{case}.")),
    );
    let mut chain = Chain::new(transforms, &of_torch.under("start."));
    assert_eq!(expected.len(), 2, "{case}");
    for step in 0..20 {
        chain.step(gradients.map(|_, g| g.get(step).copy()));
        for (path, found) in seen(&chain).iter() {
            let off = (&**found - expected[path].get(step)).abs().max();
            furthest = furthest.max(off.double_value(&[]));
        }
    }
    furthest
}

#[test]
fn go_where_pytorch_s_go() {
    let check = |case: &str, transforms: &[(&str, Json)]| {
        let off = off(case, transforms, |chain| chain.weights.clone());
        assert!(off < 1e-10, "{case}: {off:e}");
    };
    check("sgd", &[("sgd", json!({}))]);
    let momentum = json!({ "momentum": 0.9, "decay": 0.05 });
    check("sgd-momentum", &[("sgd", momentum)]);
    let nesterov = json!({ "momentum": 0.9, "nesterov": true, "decay": 0.05 });
    check("sgd-nesterov", &[("sgd", nesterov)]);
    let others =
        json!({ "rate": 0.05, "beta1": 0.8, "beta2": 0.95, "epsilon": 1e-3, "decay": 0.1 });
    check("adam", &[("adam", json!({ "rate": 0.05 }))]);
    check("adam-decay", &[("adam", others.clone())]);
    check("adamw", &[("adamw", json!({}))]);
    check("adamw-decay", &[("adamw", others)]);
    check("rmsprop", &[("rmsprop", json!({}))]);
    let momentum =
        json!({ "rate": 0.02, "alpha": 0.9, "epsilon": 1e-3, "momentum": 0.7, "decay": 0.1 });
    check("rmsprop-momentum", &[("rmsprop", momentum)]);
    let centered = json!({ "rate": 0.02, "alpha": 0.9, "momentum": 0.7, "centered": true });
    check("rmsprop-centered", &[("rmsprop", centered)]);
    check("adagrad", &[("adagrad", json!({}))]);
    let decay = json!({ "rate": 0.2, "rate_decay": 0.1, "decay": 0.1, "initial_accumulator_value": 0.5, "epsilon": 1e-3 });
    check("adagrad-decay", &[("adagrad", decay)]);
    let sgd = || ("sgd", json!({}));
    check("clip-norm", &[("clip", json!({ "limit": 2.5 })), sgd()]);
    check(
        "clip-value",
        &[("clip", json!({ "by": "value", "limit": 0.8 })), sgd()],
    );
    let decay = ("weight-decay", json!({ "decay": 0.3 }));
    check(
        "weight-decay",
        &[decay, ("rmsprop", json!({ "rate": 0.02 }))],
    );
}

#[test]
fn the_moving_average_is_pytorch_s() {
    let chain = [("sgd", json!({})), ("ema", json!({ "decay": 0.8 }))];
    let off = off("ema", &chain, |chain| chain.states[1].under("average:"));
    assert!(off < 1e-10, "{off:e}");
}

#[test]
fn an_average_begins_with_what_is_seen_first() {
    let weight = Tensors::new().with("w", Tensor::from_slice(&[1.0, 2.0]));
    let mut chain = Chain::new(&[("ema", json!({ "decay": 0.75 }))], &weight);
    let update = || Tensors::new().with("w", Tensor::from_slice(&[4.0, 8.0]));
    chain.step(update());
    let average = |chain: &Chain| numbers(&chain.states[0]["average:w"]);
    assert_eq!(average(&chain), [5.0, 10.0]);
    // As where a unit has been grown: nothing is known of the second.
    chain.states[0].put("average:w", Tensor::from_slice(&[5.0, f64::NAN]));
    chain.step(update());
    assert_eq!(average(&chain), [6.0, 18.0]);
}

#[test]
fn a_steady_gradient_has_no_variance() {
    // Its variance is less than nothing at some steps, by rounding; the root of that would be no number.
    let weight = Tensors::new().with("w", Tensor::from_slice(&[0.1, 0.7, 1.3]));
    let mut chain = Chain::new(
        &[(
            "rmsprop",
            json!({ "rate": 1e-9, "alpha": 0.5, "centered": true }),
        )],
        &weight,
    );
    for _ in 0..200 {
        chain.step(weight.map(|_, w| w.copy()));
    }
    let finite = chain.weights["w"].isfinite().all();
    assert!(bool::try_from(finite).unwrap(), "{:?}", chain.weights);
}

#[test]
fn sgd_is_the_gradient() {
    let seen = updates("sgd", json!({}), [1.0, 2.0], &[[3.0, -4.0], [0.5, 0.0]]);
    close(&seen.concat(), &[-0.3, 0.4, -0.05, 0.0]);
}

#[test]
fn sgd_with_decay_shrinks_by_a_constant_factor() {
    // w_t = w_0 (1 - rate decay)^t, so the update is -rate decay w_t.
    let seen = updates(
        "sgd",
        json!({ "rate": 0.5, "decay": 0.2 }),
        [1.0, -2.0],
        &[[0.0; 2]; 3],
    );
    for (t, update) in (0..).zip(seen) {
        let w = 0.9_f64.powi(t);
        close(&update, &[-0.1 * w, 0.2 * w]);
    }
}

#[test]
fn momentum_is_a_geometric_sum() {
    let (rate, mu, g) = (0.1, 0.9_f64, [1.0, -2.0]);
    let sum = |t: i32| (1.0 - mu.powi(t)) / (1.0 - mu);
    let plain = updates(
        "sgd",
        json!({ "rate": rate, "momentum": mu }),
        [0.0; 2],
        &[g; 5],
    );
    let nesterov = updates(
        "sgd",
        json!({ "rate": rate, "momentum": mu, "nesterov": true }),
        [0.0; 2],
        &[g; 5],
    );
    for t in 1..=5 {
        close(&plain[t as usize - 1], &g.map(|g| -rate * g * sum(t)));
        // g + mu m_t is the sum of one more term.
        close(
            &nesterov[t as usize - 1],
            &g.map(|g| -rate * g * sum(t + 1)),
        );
    }
}

#[test]
fn adam_of_a_constant_gradient_makes_equal_steps() {
    // Both means are unbiased: m' = g and v' = g^2 at each step.
    let (g, epsilon) = ([0.5, -1e-3], 1e-3);
    let seen = updates(
        "adam",
        json!({ "rate": 0.1, "epsilon": epsilon }),
        [0.0; 2],
        &[g; 4],
    );
    for update in seen {
        close(&update, &g.map(|g: f64| -0.1 * g / (g.abs() + epsilon)));
    }
}

#[test]
fn adam_weighs_later_gradients_more() {
    let (b1, b2, g) = (0.8, 0.6, [[1.0, -3.0], [2.0, 0.5]]);
    let seen = updates(
        "adam",
        json!({ "rate": 0.1, "beta1": b1, "beta2": b2, "epsilon": 1e-12 }),
        [0.0; 2],
        &g,
    );
    // m' = (b1 g1 + g2) / (1 + b1), v' alike.
    let expected = [0, 1].map(|i| {
        -0.1 * (b1 * g[0][i] + g[1][i])
            / (1.0 + b1)
            / ((b2 * g[0][i].powi(2) + g[1][i].powi(2)) / (1.0 + b2)).sqrt()
    });
    close(&seen[1], &expected);
}

#[test]
fn adam_s_decay_is_inside_the_gradient() {
    let decayed = updates("adam", json!({ "decay": 0.5 }), [2.0, -1.0], &[[1.0, 1.0]]);
    let plain = updates("adam", json!({}), [2.0, -1.0], &[[2.0, 0.5]]);
    close(&decayed.concat(), &plain.concat());
}
