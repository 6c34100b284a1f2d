//! The space of depths, and the analyses of the depth study.

use std::rc::Rc;

use pleach_worker::{NetSession, PlainHost, SubjectBench, host};
use plugin_api::host::Services;
use plugin_api::prelude::*;
use plugin_api::role::TaskObj;
use plugin_api::serde_json::json;
use plugin_api::{Json, NodeKind};

use crate::recipe;

fn task() -> Rc<TaskObj> {
    let task = recipe("baselines/digits-graph", json!({ "train_per_class": 2 }));
    Rc::new(host().task(&task).unwrap())
}

/// `hops` of propagation, then `depth` transformations.
fn network(task: &TaskObj, hops: i64, depth: i64) -> Arch {
    let propagate = recipe("dgmlp/propagation", json!({ "hops": hops }));
    let transform = recipe(
        "dgmlp/transformation",
        json!({ "depth": depth, "out": 10, "width": 8 }),
    );
    Arch::new(task.ports().unwrap().inputs)
        .layer("smooth", propagate, &[("x", "in.x"), ("graph", "in.graph")])
        .layer(
            "head",
            transform,
            &[("x", "smooth.x"), ("graph", "in.graph")],
        )
        .output("y", "head.x")
}

fn report(analysis: &str, params: Json, networks: &[(&str, Arch)]) -> Report {
    let task = task();
    let mut bench = SubjectBench::new(Rc::clone(&task), 0, Device::Cpu);
    for (name, arch) in networks {
        let session = NetSession::new(arch.clone(), Rc::clone(&task), 0, Device::Cpu).unwrap();
        bench.put(
            name,
            arch.clone(),
            session.snapshot("all,masks").unwrap(),
            vec![],
        );
    }
    bench.measure(&recipe(analysis, params)).unwrap()
}

#[test]
fn a_point_says_both_depths() {
    let space = host()
        .space(&recipe(
            "dgmlp/depths",
            json!({ "propagation": [1, 4], "transformation": [2, 3] }),
        ))
        .unwrap();
    let task = task();
    let supernet = space
        .supernet(&task.ports().unwrap())
        .unwrap()
        .expect("a supernet");
    let names: Vec<&str> = supernet.decisions.iter().map(|d| d.name.as_str()).collect();
    assert_eq!(names, ["propagation", "transformation"]);
    let point = Point::from_iter([
        ("propagation", Decided::Option(1)),
        ("transformation", Decided::Option(0)),
    ]);
    let arch = PlainHost::new(Rc::clone(&task), Device::Cpu)
        .resolve(&supernet, &point)
        .unwrap();
    let params: Vec<&Json> = { arch.nodes.iter() }
        .zip(["hops", "depth"])
        .map(|(node, name)| match &node.kind {
            NodeKind::Layer(recipe) => &recipe.params[name],
            _ => panic!("a layer"),
        })
        .collect();
    assert_eq!(params, [&json!(4), &json!(2)]);
}

/// By the definition: `a = 1` before the first hop, and with the symmetric limit nothing is left in the end.
#[test]
fn smoothness_falls_from_its_beginning_to_nothing() {
    let networks = [("any", network(&task(), 1, 1))];
    let levels = |hops: i64| {
        let report = report(
            "dgmlp/smoothing",
            json!({ "hops": hops, "limit": "symmetric" }),
            &networks,
        );
        report.tables["levels"].rows.clone()
    };
    let few = levels(4);
    assert_eq!(
        few.iter().map(|row| row[0]).collect::<Vec<_>>(),
        [0.0, 1.0, 2.0, 3.0, 4.0]
    );
    assert!(
        few.windows(2).all(|pair| pair[1][1] < pair[0][1]),
        "{few:?}"
    );
    let many = levels(1000);
    assert!(
        many[1000][1].abs() < 1e-3 && few[0][1] > 0.05,
        "{:?} {:?}",
        few[0],
        many[1000]
    );
}

#[test]
fn the_sweep_orders_families_by_what_differs() {
    let task = task();
    let networks = [
        ("far.a", network(&task, 5, 1)),
        ("far.b", network(&task, 2, 1)),
        ("often.a", network(&task, 2, 3)),
        ("often.b", network(&task, 2, 2)),
    ];
    let report = report("dgmlp/sweep", json!({}), &networks);
    let depths = |family: &str| -> Vec<f64> {
        report.tables[family]
            .rows
            .iter()
            .map(|row| row[0])
            .collect()
    };
    assert_eq!(depths("far"), [2.0, 5.0]);
    assert_eq!(depths("often"), [2.0, 3.0]);
    let table = &report.tables["networks"];
    assert_eq!(table.labels, ["far.a", "far.b", "often.a", "often.b"]);
    assert_eq!(&table.rows[2][..2], [2.0, 3.0]);

    // The gradient is that of the same architecture begun anew.
    let session = NetSession::new(networks[0].1.clone(), Rc::clone(&task), 0, Device::Cpu).unwrap();
    let fresh = session
        .spawn(&networks[0].1, On::SameTask, session.seed("sweep"))
        .unwrap();
    let batch = fresh.batch("train", &At::ALL).unwrap().unwrap();
    let loss = fresh
        .loss(&fresh.forward(&batch, &Ask::train().dry()).unwrap(), &batch)
        .unwrap();
    let weights = fresh.weights("head.weight0").unwrap();
    let gradients = gradients_of(&loss, &weights, false).unwrap();
    let norm = gradients.values().next().unwrap().norm().double_value(&[]);
    assert!((report.metrics["far.a.gradient"] - norm).abs() < 1e-6 * norm);
}
