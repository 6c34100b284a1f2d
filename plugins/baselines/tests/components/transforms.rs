//! Optimizers against closed forms.

use plugin_api::plugin::Plugin;
use plugin_api::prelude::*;
use plugin_api::{Json, serde_json::json};

use crate::{close, nowhere, numbers, params, plugin};

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
