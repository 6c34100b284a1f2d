//! Schedules against PyTorch's schedulers, step by step.

use plugin_api::plugin::Plugin;
use plugin_api::prelude::*;
use plugin_api::role::ScheduleObj;
use plugin_api::{Json, serde_json::json};

use crate::{numbers, params, plugin, reference};

fn schedule(name: &str, json: Json) -> ScheduleObj {
    // It makes those that stand in the parameters of others.
    pleach_worker::host();
    plugin().schedule(name, &params(json)).unwrap()
}

#[test]
fn give_the_rates_of_pytorch() {
    let of_torch = reference("schedules");
    let check = |case: &str, name: &str, json: Json| {
        let schedule = schedule(name, json);
        let expected = numbers(&of_torch[case]);
        for (step, expected) in (0..).zip(&expected) {
            let found = schedule.at(step);
            assert!(
                (found - expected).abs() < 1e-12,
                "{case}, {step}: {found} {expected}"
            );
        }
        expected.len()
    };
    let steps = [
        check(
            "cosine",
            "cosine",
            json!({ "start": 0.1, "end": 0.01, "steps": 50 }),
        ),
        check("step", "step", json!({ "gamma": 0.3, "step_size": 7 })),
        // In whatever order they are written.
        check(
            "piecewise",
            "piecewise",
            json!({ "milestones": [[12, 0.025], [5, 0.05], [30, 0.0125]] }),
        ),
        check(
            "piecewise-schedules",
            "piecewise",
            json!({
                "start": { "use": "baselines/step", "gamma": 0.5, "step_size": 3 },
                "milestones": [[15, { "use": "baselines/cosine", "steps": 25 }]],
            }),
        ),
        check("warm-up", "warm-up", json!({ "steps": 8 })),
        check(
            "warm-up-cosine",
            "warm-up",
            json!({
                "steps": 10, "start_factor": 0.05, "then": { "use": "baselines/cosine", "steps": 40 },
            }),
        ),
        check("one-cycle", "one-cycle", json!({ "steps": 50 })),
        check(
            "one-cycle-given",
            "one-cycle",
            json!({
                "steps": 37, "pct_start": 0.45, "div_factor": 10.0, "final_div_factor": 50.0,
            }),
        ),
        check("one-cycle-short", "one-cycle", json!({ "steps": 3 })),
    ];
    assert_eq!(steps, [51, 40, 40, 40, 20, 51, 50, 37, 3]);
}

#[test]
fn a_cycle_that_is_over_stays_where_it_ended() {
    let lowest = 0.1 / 25.0 / 1e4;
    for steps in [1, 2, 50] {
        let cycle = schedule("one-cycle", json!({ "steps": steps }));
        for step in [steps - 1, steps, 10 * steps] {
            assert_eq!(cycle.at(step), lowest, "{step} of {steps}");
        }
    }
    // All of it is the way up, or nothing.
    let up = schedule("one-cycle", json!({ "steps": 11, "pct_start": 1.0 }));
    crate::close(&[up.at(0), up.at(10)], &[0.1 / 25.0, 0.1]);
    let at_once = schedule("one-cycle", json!({ "steps": 10, "pct_start": 0.1 }));
    assert_eq!(at_once.at(0), 0.1);
}
