//! The cell of NAS-Bench-201: its table's numbers of weights, its points, its disconnected cells.

use std::collections::{BTreeSet, HashSet};

use pleach_worker::{NetSession, PlainHost, host};
use plugin_api::plugin::Plugin;
use plugin_api::prelude::*;
use plugin_api::role::SpaceObj;
use plugin_api::{Json, NodeKind, hard, serde_json, serde_json::json};

use crate::searching::{Images, plain, setting};
use crate::tabular::rows_of;
use crate::{numbers, params, plugin};

const TABLE: &str = "nas_nasbench201/accuracy.csv.gz";
/// One cell, small enough to be made often.
fn small() -> SpaceObj {
    space(json!({ "channels": 4, "cells": 1, "stages": 2 }))
}

fn space(json: Json) -> SpaceObj {
    host();
    plugin().space("cell-cnn", &params(json)).unwrap()
}

fn ports(side: i64) -> Ports {
    Images(side).ports().unwrap()
}

fn point(operations: [usize; 6]) -> Point {
    let decided = operations.into_iter().enumerate();
    decided
        .map(|(edge, i)| (format!("op{edge}"), Decided::Option(i)))
        .collect()
}

fn session(space: &SpaceObj, operations: [usize; 6], side: i64) -> NetSession {
    let arch = space
        .arch(&ports(side), &point(operations), &plain())
        .unwrap();
    NetSession::new(arch, Images::task(side), 1, Device::Cpu).unwrap()
}

fn parameters(session: &NetSession) -> i64 {
    let weights = session.weights("model").unwrap();
    weights.values().map(|t| t.numel() as i64).sum()
}

/// All points in the order of a grid.
fn all() -> Vec<[usize; 6]> {
    (0..5_usize.pow(6))
        .map(|n| [5, 4, 3, 2, 1, 0].map(|digit| n / 5_usize.pow(digit) % 5))
        .collect()
}

/// The table counts in millions, with six digits behind the point: every weight. In 204 of its rows it has the mean of two
/// or three runs that were not of the same cell.
#[test]
fn has_as_many_weights_as_the_table_says() {
    let Some(rows) = rows_of(
        TABLE,
        &["op0", "op1", "op2", "op3", "op4", "op5", "params_M_c10"],
    ) else {
        return;
    };
    let space = space(json!({}));
    let counted = |operations| parameters(&session(&space, operations, 32));
    // What each operation adds on each edge, counted in networks that have it there alone.
    let none = counted([0; 6]);
    let adds: Vec<[i64; 5]> = (0..6)
        .map(|edge| {
            [0, 1, 2, 3, 4].map(|operation| {
                let mut operations = [0; 6];
                operations[edge] = operation;
                counted(operations) - none
            })
        })
        .collect();
    assert_eq!(rows.len(), 15_625);
    let mut means = 0;
    for (i, row) in rows.iter().enumerate() {
        let operations: [usize; 6] = std::array::from_fn(|edge| row[edge].parse().unwrap());
        let added = operations
            .iter()
            .zip(&adds)
            .map(|(operation, adds)| adds[*operation]);
        let sum = none + added.sum::<i64>();
        let table = (row[6].parse::<f64>().unwrap() * 1e6).round() as i64;
        if sum != table {
            // Halves and thirds of what one operation adds.
            let sixths = ((sum - table) * 6) as f64;
            let operations = [adds[0][2], adds[0][3]].map(|adds| sixths / adds as f64);
            assert!(operations.iter().any(|n| (n - n.round()).abs() < 1e-3));
            means += 1;
        }
        if i % 1000 == 0 {
            assert_eq!(counted(operations), sum, "{operations:?}");
        }
    }
    assert_eq!(means, 204);
}

#[test]
fn all_points_are_valid_and_stand_for_networks_of_their_own() {
    let (space, host, ports) = (small(), plain(), ports(8));
    let mut grid = plugin().strategy("grid", &params(json!({}))).unwrap();
    grid.begin(&setting(space.decisions(&ports).unwrap(), true, 0))
        .unwrap();
    let proposed = grid.ask(1_000_000, &host).unwrap();
    let proposed: Vec<Point> = proposed.into_iter().map(|p| p.point).collect();
    let expected: Vec<Point> = all().into_iter().map(point).collect();
    assert_eq!(proposed, expected);
    let archs = proposed
        .iter()
        .map(|point| space.arch(&ports, point, &host).unwrap());
    let texts: HashSet<String> = archs
        .map(|arch| serde_json::to_string(&arch).unwrap())
        .collect();
    assert_eq!(texts.len(), 15_625);
}

/// Whether a path leads from the input of the first cell to its output, past no zeros.
fn is_connected(arch: &Arch) -> bool {
    let cell = arch.nodes.iter().find_map(|node| match &node.kind {
        NodeKind::Network(cell) => Some(cell),
        _ => None,
    });
    let cell = cell.unwrap();
    let mut reached = BTreeSet::from(["in"]);
    for node in &cell.nodes {
        let zero =
            matches!(&node.kind, NodeKind::Layer(layer) if layer.component == "baselines/zero");
        if !zero
            && node
                .inputs
                .values()
                .any(|from| reached.contains(from.node()))
        {
            reached.insert(&node.name);
        }
    }
    reached.contains(cell.outputs["x"].node())
}

#[test]
fn cells_without_a_path_are_those_that_the_table_cannot_score() {
    let (space, host) = (
        space(json!({ "channels": 1, "cells": 1, "stages": 1 })),
        plain(),
    );
    let cut_off = |operations: &[usize; 6]| {
        let arch = space.arch(&ports(8), &point(*operations), &host).unwrap();
        !is_connected(&arch)
    };
    let disconnected: BTreeSet<[usize; 6]> = all().into_iter().filter(cut_off).collect();
    assert_eq!(disconnected.len(), 341);
    let Some(rows) = rows_of(
        TABLE,
        &["op0", "op1", "op2", "op3", "op4", "op5", "naswot_c10"],
    ) else {
        return;
    };
    let unscored = rows.iter().filter(|row| row[6].is_empty());
    let unscored = unscored.map(|row| std::array::from_fn(|edge| row[edge].parse().unwrap()));
    assert_eq!(disconnected, unscored.collect());
}

#[test]
fn a_disconnected_cell_builds_trains_and_gives_the_same_for_all_inputs() {
    for operations in [[0; 6], [3, 0, 0, 0, 0, 2], [0, 0, 3, 0, 3, 4]] {
        let mut session = session(&small(), operations, 8);
        let batch = session.next("train", 0).unwrap();
        let y = session.forward(&batch, &Ask::eval()).unwrap().outputs["y"].shallow_clone();
        let rows: Vec<Vec<f64>> = numbers(&y).chunks(10).map(<[f64]>::to_vec).collect();
        assert!(rows.iter().all(|row| *row == rows[0]));
        session
            .chain("main", &["baselines/sgd".into()], "model")
            .unwrap();
        for _ in 0..3 {
            assert!(
                session
                    .step("main", &batch, &Ask::train())
                    .unwrap()
                    .is_finite()
            );
        }
        let weights = session.weights("all").unwrap();
        assert!(
            weights
                .values()
                .all(|t| numbers(t).iter().all(|x| x.is_finite()))
        );
    }
    // Where a path is left, inputs differ.
    let session = session(&small(), [0, 0, 0, 1, 0, 0], 8);
    let batch = session.batch("train", &At::ALL).unwrap().unwrap();
    let y = numbers(&session.forward(&batch, &Ask::eval()).unwrap().outputs["y"]);
    assert_ne!(y[..10], y[10..20]);
}

/// `x3 = op3(x0) + op4(x1) + op5(x2)`, on values that are written out: each edge from and to its own nodes.
#[test]
fn edges_join_the_nodes_that_they_are_named_for() {
    let host = plain();
    let arch = space(json!({ "channels": 2, "cells": 1, "stages": 1 }));
    let arch = arch
        .arch(&ports(8), &point([1, 4, 0, 3, 2, 1]), &host)
        .unwrap();
    let NodeKind::Network(cell) = &arch.nodes[2].kind else {
        panic!("a cell stands behind the stem");
    };
    let fed = |name: &str| -> Vec<&str> {
        let node = cell.nodes.iter().find(|node| node.name == name).unwrap();
        node.inputs.values().map(|from| from.0.as_str()).collect()
    };
    for (name, inputs) in [
        ("op0", &["in.x"][..]),
        ("op1", &["in.x"]),
        ("op2", &["node1.x"]),
        ("op3", &["in.x"]),
        ("op4", &["node1.x"]),
        ("op5", &["node2.x"]),
        ("node1", &["op0.x"]),
        ("node2", &["op1.x", "op2.x"]),
        ("node3", &["op3.x", "op4.x", "op5.x"]),
    ] {
        assert_eq!(fed(name), inputs, "{name}");
    }
    let layers = ["op0", "op1", "op2"].map(|name| {
        let node = cell.nodes.iter().find(|node| node.name == name).unwrap();
        match &node.kind {
            NodeKind::Layer(layer) => layer.component.as_str(),
            _ => panic!("resolved"),
        }
    });
    assert_eq!(
        layers,
        ["baselines/identity", "baselines/pool", "baselines/zero"]
    );
}

/// A relaxation learns what every cell shares, all options at once; a point of it is the network of the space.
#[test]
fn the_supernet_is_searched_by_a_relaxation() {
    let (space, ports) = (small(), ports(8));
    let supernet = space.supernet(&ports).unwrap().unwrap();
    let mut session = NetSession::new(supernet, Images::task(8), 1, Device::Cpu).unwrap();
    session.relax(&"baselines/softmax".into()).unwrap();
    for _ in 0..2 {
        session.search().unwrap();
    }
    let scores = session.decide().unwrap();
    assert_eq!(
        scores.names().collect::<Vec<_>>(),
        ["op0", "op1", "op2", "op3", "op4", "op5"]
    );
    for (decision, scores) in scores.iter() {
        let scores = numbers(scores);
        assert_eq!(scores.len(), 5);
        assert!(
            scores.iter().any(|p| *p != scores[0]),
            "`{decision}` learned nothing"
        );
    }
    let point = space.project(&ports, &scores).unwrap();
    space.arch(&ports, &point, &plain()).unwrap();

    // All weight on the options of a point is the network of that point.
    let point = self::point([3, 1, 2, 4, 0, 3]);
    let batch = session.batch("val", &At::ALL).unwrap().unwrap();
    let choices = hard(&space.decisions(&ports).unwrap(), &point);
    let mixed = session
        .forward(&batch, &Ask::eval().choices(choices))
        .unwrap();
    let mut alone = self::session(&space, [3, 1, 2, 4, 0, 3], 8);
    let all = session.weights("all").unwrap();
    let of_point = alone.weights("all").unwrap().into_iter().map(|(path, _)| {
        // In the supernet an option stands under its number: `cell-0-0.op0.3.1.weight`.
        let in_supernet = match path.split_once(".op") {
            Some((cell, rest)) => {
                let edge: usize = rest[..1].parse().unwrap();
                format!("{cell}.op{edge}.{}{}", [3, 1, 2, 4, 0, 3][edge], &rest[1..])
            }
            None => path.clone(),
        };
        let weight = all
            .get(&in_supernet)
            .unwrap_or_else(|| panic!("no `{in_supernet}`"));
        (path, weight.shallow_clone())
    });
    let of_point: Tensors = of_point.collect();
    alone.set(&of_point).unwrap();
    let resolved = alone.forward(&batch, &Ask::eval()).unwrap();
    let [a, b] = [mixed, resolved].map(|seen| numbers(&seen.outputs["y"]));
    for (a, b) in a.iter().zip(&b) {
        assert!((a - b).abs() < 1e-5, "{a} and {b}");
    }
}

#[test]
fn is_for_images_and_has_something_in_it() {
    let digits = plugin()
        .task("digits", &params(json!({})))
        .unwrap()
        .ports()
        .unwrap();
    assert_eq!(
        space(json!({})).supernet(&digits).unwrap_err().to_string(),
        "`baselines/cell-cnn`: the networks are for images\n  found     [batch, 64]\n  expected  [batch, channels, height, width]"
    );
    for (name, range) in [
        ("cells", "1 <= cells <= 100"),
        ("stages", "1 <= stages <= 8"),
        ("channels", "1 <= channels <= 65536"),
    ] {
        let refused = plugin()
            .space("cell-cnn", &params(json!({ name: 0 })))
            .err()
            .unwrap();
        assert_eq!(
            refused.to_string(),
            format!(
                "`baselines/cell-cnn`: parameter `{name}` is out of range\n  found     0\n  expected  {range}"
            )
        );
    }
}

/// A network whose inputs reach no output may well have weights and multiplications.
#[test]
fn a_disconnected_cell_has_no_score() {
    let space = space(json!({ "channels": 2, "cells": 1, "stages": 1 }));
    let arch = |cell| space.arch(&ports(8), &point(cell), &plain()).unwrap();
    // Every disconnected cell, and some of the others.
    let some = all().into_iter().step_by(157);
    let cells: BTreeSet<[usize; 6]> = (all().into_iter())
        .filter(|cell| !is_connected(&arch(*cell)))
        .chain(some)
        .collect();
    let connected: Vec<bool> = cells
        .iter()
        .map(|cell| is_connected(&arch(*cell)))
        .collect();
    assert_eq!(
        connected.iter().filter(|connected| !**connected).count(),
        341
    );

    let points: Vec<Point> = cells.iter().map(|cell| point(*cell)).collect();
    let scorers = ["params", "macs", "grad-norm", "saliency"];
    let scorers = scorers.map(|name| Recipe::new(format!("baselines/{name}")));
    let host = PlainHost::new(Images::task(8), Device::Cpu);
    let host = host.searching(space, 0).unwrap();
    let rows = host.score(&scorers, &points).unwrap();
    for (scorer, row) in scorers.iter().zip(rows) {
        let scored: Vec<bool> = row.iter().map(Option::is_some).collect();
        assert_eq!(scored, connected, "{}", scorer.component);
    }
    // Not even where none of them has one.
    let none = host.score(&scorers, &[point([0; 6])]).unwrap();
    assert_eq!(none, [[None]; 4]);
}
