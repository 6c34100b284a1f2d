//! Tables of results: as spaces, in place of training, and what is wrong with one.

use std::fs::{self, File};
use std::rc::Rc;

use flate2::read::GzDecoder;
use pleach_worker::{PlainHost, SubjectBench, host};
use plugin_api::host::Services;
use plugin_api::prelude::*;
use plugin_api::role::TaskObj;
use plugin_api::{Json, Searching, serde_json::json};
use tempfile::TempDir;

use crate::searching::Images;
use crate::{params, shared_data};

/// What the columns of a table of the shared data hold, row by row; `None` where there is no such file.
pub(crate) fn rows_of(file: &str, columns: &[&str]) -> Option<Vec<Vec<String>>> {
    let path = shared_data(file)?;
    let mut reader = csv::Reader::from_reader(GzDecoder::new(File::open(path).unwrap()));
    let header = reader.headers().unwrap().clone();
    let place = |column: &&str| header.iter().position(|name| name == *column).unwrap();
    let places: Vec<usize> = columns.iter().map(place).collect();
    let rows = reader.records().map(|row| {
        let row = row.unwrap();
        places.iter().map(|i| row[*i].to_string()).collect()
    });
    Some(rows.collect())
}

fn recipe(name: &str, json: Json) -> Recipe {
    Recipe {
        component: format!("baselines/{name}"),
        params: params(json),
    }
}

fn task() -> Rc<TaskObj> {
    Rc::new(host().task(&recipe("tabular-task", json!({}))).unwrap())
}

/// Every point of a space, as a trainer looks it up.
fn all(task: &Rc<TaskObj>, space: Recipe, trainer: Recipe) -> Result<Vec<Observation>> {
    SubjectBench::new(Rc::clone(task), 0, Device::Cpu).search(&Searching {
        strategy: recipe("grid", json!({})),
        space,
        trainer,
        trials: 100_000,
        seed: 0,
    })
}

fn file(text: &str) -> (TempDir, String) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("results.csv");
    fs::write(&path, text).unwrap();
    let path = path.display().to_string();
    (folder, path)
}

fn numbers(seen: &[Observation], metric: &str) -> Vec<Option<f64>> {
    let number = |seen: &Observation| match &seen.outcome {
        Outcome::Done(metrics) => metrics.get(metric).copied(),
        Outcome::Failed(_) => None,
    };
    seen.iter().map(number).collect()
}

const OWN: &str = "width,kind,val,test,seconds\n16,b,70,69,10\n8,a,50,51,1.5\n16,a,80,78,9\n";

#[test]
fn a_table_of_ones_own_is_a_space_and_answers_for_it() {
    let (_folder, path) = file(OWN);
    let space = recipe(
        "tabular-space",
        json!({ "file": path, "decisions": ["width", "kind"] }),
    );
    let task = task();
    let decisions = host()
        .space(&space)
        .unwrap()
        .decisions(&task.ports().unwrap())
        .unwrap();
    // Numbers upwards, not as they stand in the file.
    assert_eq!(
        decisions,
        [
            Decision::options("width", [8, 16]),
            Decision::options("kind", ["a", "b"])
        ]
    );
    let trainer =
        json!({ "file": path, "value": "val", "test": "test", "cost": "seconds", "scale": 0.5 });
    let seen = all(&task, space, recipe("tabular", trainer)).unwrap();
    assert_eq!(
        numbers(&seen, "accuracy"),
        [Some(25.0), None, Some(40.0), Some(35.0)]
    );
    assert_eq!(
        numbers(&seen, "train.test"),
        [Some(25.5), None, Some(39.0), Some(34.5)]
    );
    assert_eq!(
        numbers(&seen, "train.cost"),
        [Some(1.5), None, Some(9.0), Some(10.0)]
    );
    let Outcome::Failed(why) = &seen[1].outcome else {
        panic!("there is no such row");
    };
    let expected = format!(
        "`baselines/tabular`: the table `{path}` has no row for the point\n  found     width = 8, kind = \"b\""
    );
    assert_eq!(why.to_string(), expected);
}

/// Decisions that stand as the characters of one column, and whole numbers.
#[test]
fn a_decision_may_be_a_character_of_a_column() {
    let (_folder, path) = file("arch,value\n10,1\n01,2\n11,3\n00,4\n");
    let space = recipe(
        "tabular-space",
        json!({ "file": path, "decisions": ["arch0", "arch1"] }),
    );
    let trainer = recipe("tabular", json!({ "file": path, "value": "value" }));
    let seen = all(&task(), space, trainer).unwrap();
    assert_eq!(numbers(&seen, "accuracy"), [4.0, 2.0, 1.0, 3.0].map(Some));
}

/// A report of the trainer for a point, in the name of a task of images.
fn looked_up(text: &str, trainer: Json) -> String {
    let (folder, path) = file(text);
    let mut trainer = trainer;
    trainer["file"] = json!(path);
    let decisions = json!(["width", "kind"]);
    let space = recipe(
        "tabular-space",
        json!({ "file": path, "decisions": decisions }),
    );
    let seen = all(&task(), space, recipe("tabular", trainer));
    let error = match seen.map(|seen| seen.into_iter().next().unwrap().outcome) {
        Ok(Outcome::Failed(error)) => error.to_string(),
        Ok(Outcome::Done(metrics)) => panic!("{metrics:?}"),
        Err(error) => error.to_string(),
    };
    let folder = folder.path().display().to_string();
    error
        .replace(&folder, "DIR")
        .replace("`baselines/tabular`: ", "")
        .replace("`baselines/tabular-space`: ", "")
}

#[test]
fn wrong_tables_are_refused_with_line_and_column() {
    let value = || json!({ "value": "val" });
    for (text, trainer, expected) in [
        (
            "width,kind,val\n8,a,high\n",
            value(),
            "line 2 of the table `DIR/results.csv`, column `val`\n  found     `high`\n  expected  a number",
        ),
        (
            "width,kind,val\n8,a,\n",
            value(),
            "line 2 of the table `DIR/results.csv`, column `val`\n  found     ``\n  expected  a number",
        ),
        (
            "width,kind,val\n8,a,nan\n",
            value(),
            "line 2 of the table `DIR/results.csv`, column `val`\n  found     `nan`\n  expected  a number",
        ),
        (
            "width,kind,val\n8,a,1\n8,a,2\n",
            value(),
            "the table `DIR/results.csv` has several rows for a point\n  found     width = 8, kind = \"a\": lines 2 and 3\n  expected  one",
        ),
        (
            "width,kind,val\n8,,1\n",
            value(),
            "line 2 of the table `DIR/results.csv`, column `kind`\n  found     nothing\n  expected  a value of the decision",
        ),
        (
            "width,val\n8,1\n",
            value(),
            "the table `DIR/results.csv` has no column `kind`\n  found     width, val",
        ),
        (
            "width,kind,val\n8,a,1\n",
            json!({ "value": "accuracy" }),
            "the table `DIR/results.csv` has no column `accuracy`\n  found     width, kind, val",
        ),
        (
            "width,kind,val\n8,a,1\n",
            json!({ "value": "val", "cost": "hours" }),
            "the table `DIR/results.csv` has no column `hours`\n  found     width, kind, val",
        ),
        (
            "width,kind,val\n8,a,1\n",
            json!({ "value": "val", "shared": "nas-bench-graph" }),
            "the point is none of NAS-Bench-Graph\n  found     width, kind\n  expected  link_id, op1, op2, op3, op4, each from 0 to 8",
        ),
        (
            "width,kind,val\n8,a\n",
            value(),
            "the table `DIR/results.csv` cannot be read\n  found     CSV error: record 1 (line: 2, byte: 15): found record with 2 fields, but the previous record has 3 fields\n  expected  a CSV file with a header, and rows as long as that",
        ),
    ] {
        assert_eq!(looked_up(text, trainer), expected, "{text}");
    }
}

#[test]
fn what_is_no_table_is_refused() {
    let ports = task().ports().unwrap();
    let refused = |json| {
        let space = host().space(&recipe("tabular-space", json)).unwrap();
        space.decisions(&ports).unwrap_err().to_string()
    };
    let unknown = refused(json!({ "file": "nowhere.csv", "decisions": ["a"] }));
    assert!(unknown.starts_with("`baselines/tabular-space`: there is no table `nowhere.csv`\n  expected  the path of a CSV file, or one of nas_nasbench201/accuracy.csv.gz, "), "{unknown}");
    assert_eq!(
        refused(json!({ "file": "nowhere.csv", "decisions": [] })),
        "`baselines/tabular-space`: parameter `decisions` leaves nothing to choose from\n  expected  one or more"
    );
}

#[test]
fn a_table_stands_for_no_network_of_another_task() {
    let (_folder, path) = file(OWN);
    let space = recipe(
        "tabular-space",
        json!({ "file": path, "decisions": ["width"] }),
    );
    let host_of = PlainHost::new(Images::task(8), Device::Cpu);
    let point = Point::new().with("width", Decided::Option(0));
    let refused = host()
        .space(&space)
        .unwrap()
        .arch(&Images(8).ports().unwrap(), &point, &host_of);
    assert_eq!(
        refused.unwrap_err().to_string(),
        "`baselines/tabular-space`: a table stands for no networks that a task could run\n  help: use the task `baselines/tabular-task`, or a space of networks and the trainer `baselines/tabular`"
    );
}

#[test]
fn a_network_that_is_no_point_has_no_row() {
    let (_folder, path) = file(OWN);
    let task = task();
    let ports = task.ports().unwrap();
    let arch = Arch::new(ports.inputs).output("y", "in.x");
    let mut session = PlainHost::new(task, Device::Cpu).on_task(arch, 0).unwrap();
    let trainer = host()
        .trainer(&recipe("tabular", json!({ "file": path, "value": "val" })))
        .unwrap();
    assert_eq!(
        trainer.fit(&mut session).unwrap_err().to_string(),
        "`baselines/tabular`: a table has no row for a network that is no point of a space\n  help: look trials of a search up, or a stage that begins with a `point`"
    );
    // Without the table there is no number.
    assert!(session.evaluate("val", &Ask::eval()).unwrap()["accuracy"].is_nan());
}

/// All of the table, by the options of its columns; and networks of the cell, by the same decisions.
#[test]
fn nas_bench_201_is_found_by_rows_and_by_cells() {
    const FILE: &str = "nas_nasbench201/accuracy.csv.gz";
    let columns = ["op0", "op1", "op2", "op3", "op4", "op5"];
    let wanted = [&columns[..], &["c10_val_200_1run", "c10_test_200"]].concat();
    let Some(rows) = rows_of(FILE, &wanted) else {
        return;
    };
    let value = |row: &[String], column: usize| row[column].parse::<f64>().unwrap();
    let code = |row: &[String]| {
        row[..6]
            .iter()
            .fold(0, |code, op| 5 * code + op.parse::<usize>().unwrap())
    };
    let mut table = vec![(0.0, 0.0); 15_625];
    for row in &rows {
        table[code(row)] = (value(row, 6), value(row, 7));
    }
    let trainer = json!({ "file": FILE, "value": "c10_val_200_1run", "test": "c10_test_200" });
    let trainer = recipe("tabular", trainer);
    let space = recipe(
        "tabular-space",
        json!({ "file": FILE, "decisions": columns }),
    );
    let seen = all(&task(), space, trainer.clone()).unwrap();
    let [val, test] = ["accuracy", "train.test"].map(|metric| numbers(&seen, metric));
    assert_eq!(
        val,
        table.iter().map(|(val, _)| Some(*val)).collect::<Vec<_>>()
    );
    assert_eq!(
        test,
        table
            .iter()
            .map(|(_, test)| Some(*test))
            .collect::<Vec<_>>()
    );

    let cells = Searching {
        strategy: recipe("random", json!({})),
        space: recipe(
            "cell-cnn",
            json!({ "channels": 1, "cells": 1, "stages": 1 }),
        ),
        trainer,
        trials: 20,
        seed: 3,
    };
    let seen = SubjectBench::new(Images::task(4), 0, Device::Cpu)
        .search(&cells)
        .unwrap();
    for seen in &seen {
        let decided = columns
            .iter()
            .fold(0, |code, column| match seen.point[*column] {
                Decided::Option(i) => 5 * code + i,
                _ => panic!("an option"),
            });
        assert_eq!(
            numbers(std::slice::from_ref(seen), "accuracy"),
            [Some(table[decided].0)]
        );
    }
}

#[test]
fn nas_bench_macro_is_found_by_characters() {
    const FILE: &str = "nas_bench_macro/cifar10.csv.gz";
    let Some(rows) = rows_of(FILE, &["arch", "mean_acc"]) else {
        return;
    };
    let mut rows: Vec<(String, f64)> = rows
        .into_iter()
        .map(|row| (row[0].clone(), row[1].parse().unwrap()))
        .collect();
    // As a grid goes through the digits.
    rows.sort_by(|(a, _), (b, _)| a.cmp(b));
    let decisions: Vec<String> = (0..8).map(|i| format!("arch{i}")).collect();
    let space = recipe(
        "tabular-space",
        json!({ "file": FILE, "decisions": decisions }),
    );
    let trainer = recipe("tabular", json!({ "file": FILE, "value": "mean_acc" }));
    let seen = all(&task(), space, trainer).unwrap();
    assert_eq!(
        numbers(&seen, "accuracy"),
        rows.iter()
            .map(|(_, value)| Some(*value))
            .collect::<Vec<_>>()
    );
}

/// Every point but those that skip everywhere has a row, every row is found, and a row's own point finds that row.
#[test]
fn nas_bench_graph_is_found_by_what_graphs_compute() {
    const FILE: &str = "nas_bench_graph/cora.csv.gz";
    let columns = ["link_id", "op1", "op2", "op3", "op4"];
    let Some(rows) = rows_of(FILE, &[&columns[..], &["hash", "valid_perf"]].concat()) else {
        return;
    };
    let space = recipe(
        "tabular-space",
        json!({ "file": FILE, "decisions": columns }),
    );
    // The column `hash` as the value tells which row it is.
    let trainer =
        json!({ "file": FILE, "value": "hash", "test": "valid_perf", "shared": "nas-bench-graph" });
    let seen = all(&task(), space, recipe("tabular", trainer)).unwrap();
    assert_eq!(seen.len(), 59_049);
    let failed: Vec<&Point> = seen
        .iter()
        .filter(|seen| matches!(seen.outcome, Outcome::Failed(_)))
        .map(|seen| &seen.point)
        .collect();
    assert_eq!(failed.len(), 9);
    for point in failed {
        assert!(
            columns[1..]
                .iter()
                .all(|op| point[*op] == Decided::Option(8)),
            "{point:?}"
        );
    }
    let hashes = numbers(&seen, "accuracy");
    let mut found: Vec<i64> = hashes.iter().flatten().map(|hash| *hash as i64).collect();
    found.sort_unstable();
    found.dedup();
    assert_eq!(found.len(), rows.len());
    for row in &rows {
        let code = row[..5]
            .iter()
            .fold(0, |code, digit| 9 * code + digit.parse::<usize>().unwrap());
        assert_eq!(hashes[code], Some(row[5].parse().unwrap()), "{row:?}");
    }
}
