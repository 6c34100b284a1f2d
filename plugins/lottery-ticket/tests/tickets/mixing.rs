//! With methods of other plugins: what ranks, what is trained, what it is trained over.

use pleach_worker::{NetSession, host};
use plugin_api::host::Services;
use plugin_api::prelude::*;
use plugin_api::serde_json::json;

use crate::{count, find, small};

#[test]
fn any_pruner_finds_a_ticket() {
    for pruner in ["snip", "synflow", "random-pruning"] {
        let mut session = small(1);
        let began = session.snapshot("#prunable").unwrap();
        let pruner = format!("baselines/{pruner}");
        find(
            &mut session,
            json!({ "rounds": 2, "rate": 0.25, "pruner": pruner }),
        )
        .unwrap();
        let masks = session.masks().unwrap();
        // 80, 60, 45; 48, 36, 27; 24, 18, 18 - round(4.5) = 13.
        for (path, left) in [
            ("first.weight", 45.0),
            ("second.weight", 27.0),
            ("third.weight", 13.0),
        ] {
            assert_eq!(count(&masks[path]), left, "{pruner}: {path}");
            let rewound = began[path].f_mul(&masks[path]).unwrap();
            assert!(
                session.weights(path).unwrap()[path].equal(&rewound),
                "{pruner}: {path}"
            );
        }
    }
}

#[test]
fn units_leave_as_weights_do() {
    let mut session = small(1);
    let report = find(
        &mut session,
        json!({ "rounds": 2, "rate": 0.25, "rates": [{ "weights": "second*", "rate": 0.0 }], "pruner": "baselines/units" }),
    )
    .unwrap();
    // Of 8 units 2 leave, then 2 of 6; the 6 of the second layer stay.
    let masks = session.masks().unwrap();
    let first = &masks["first.weight"];
    let rows: Vec<f64> = first
        .sum_dim_intlist(1, false, Kind::Double)
        .try_into()
        .unwrap();
    assert_eq!(
        rows.iter().filter(|row| **row == 10.0).count(),
        4,
        "{rows:?}"
    );
    assert_eq!(
        rows.iter().filter(|row| **row == 0.0).count(),
        4,
        "{rows:?}"
    );
    // What leads on from a unit leaves with it.
    let columns = masks["second.weight"].sum_dim_intlist(0, false, Kind::Double);
    let leads_on: Vec<f64> = columns.try_into().unwrap();
    assert_eq!(
        leads_on,
        rows.iter().map(|row| row * 0.6).collect::<Vec<_>>()
    );
    assert_eq!(report.metrics["alive"], 40.0 + 24.0 + 24.0);
}

#[test]
fn a_ticket_of_a_graph_network_over_another_plugin_s_layer() {
    let task = host().task(&Recipe::new("baselines/digits-graph")).unwrap();
    let linear = |out: i64| Recipe::new("baselines/linear").with("out", out);
    let hops = Recipe::new("dgmlp/propagation").with("hops", 2);
    let arch = Arch::new(task.ports().unwrap().inputs)
        .layer("hops", hops, &[("x", "in.x"), ("graph", "in.graph")])
        .layer("first", linear(16), &[("x", "hops.x")])
        .layer("relu", "baselines/activation", &[("x", "first.x")])
        .layer("last", linear(10), &[("x", "relu.x")])
        .output("y", "last.x");
    tch::set_num_threads(1);
    let mut session = NetSession::new(arch, task.into(), 0, Device::Cpu).unwrap();
    let began = session.snapshot("model").unwrap();
    let train = json!({ "use": "baselines/backprop", "epochs": 10, "transforms": [{ "use": "baselines/adam", "rate": 0.02 }] });
    let report = find(
        &mut session,
        json!({ "rounds": 2, "rate": 0.5, "train": train }),
    )
    .unwrap();
    let masks = session.masks().unwrap();
    assert_eq!(
        (count(&masks["first.weight"]), count(&masks["last.weight"])),
        (256.0, 40.0)
    );
    for (path, mask) in masks.iter() {
        let rewound = began[path].f_mul(mask).unwrap();
        assert!(
            session.weights(path).unwrap()[path].equal(&rewound),
            "{path}"
        );
    }
    let columns = &report.tables["rounds"].columns;
    assert_eq!(&columns[3..5], ["val.accuracy", "test.accuracy"]);
}

#[test]
fn weights_that_a_hypernet_makes_are_masked_while_its_own_are_rewound() {
    let session = || {
        let noise = crate::Noise {
            features: 10,
            classes: 4,
            rows: 20,
        };
        let mut arch = Arch::new(noise.ports().unwrap().inputs)
            .layer("first", crate::linear(8), &[("x", "in.x")])
            .layer("relu", "baselines/activation", &[("x", "first.x")])
            .layer("last", crate::linear(4), &[("x", "relu.x")])
            .output("y", "last.x");
        let made = plugin_api::Generated::new("hyper", "baselines/mlp", "first.weight");
        arch.generated.push(made);
        crate::session(noise, arch, 0)
    };
    let mut found = session();
    find(&mut found, json!({ "rounds": 2, "rate": 0.25 })).unwrap();
    let masks = found.masks().unwrap();
    assert_eq!(count(&masks["first.weight"]), 45.0);
    let own = found.snapshot("hyper.*").unwrap();
    assert!(!own.is_empty());
    crate::same(&own, &session().snapshot("hyper.*").unwrap());
    // What is pruned is pruned in the pass.
    let made = found.effective("first.weight", &Ask::eval()).unwrap();
    let dead = made["first.weight"].masked_select(&masks["first.weight"].eq(0.0));
    assert_eq!((dead.numel(), count(&dead.abs())), (35, 0.0));
}
