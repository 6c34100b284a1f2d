//! Correlations of ranks: closed forms, their definitions pair by pair, and what is left out.

use std::rc::Rc;

use pleach_worker::{PlainHost, SubjectBench, host};
use plugin_api::host::Services;
use plugin_api::prelude::*;
use plugin_api::role::TaskObj;
use plugin_api::{Json, serde_json::json};

use crate::{close, params, task};

/// Perceptrons of one hidden layer, whose width is open: the wider, the more parameters.
fn perceptrons(widths: &[i64]) -> Json {
    json!({ "use": "baselines/mlp-space", "depths": [1], "widths": widths, "activations": ["relu"], "dropouts": [0] })
}

/// A table with what perceptrons of these widths are worth, as a trainer.
fn table(folder: &tempfile::TempDir, name: &str, values: &[(i64, &str)]) -> Json {
    let path = folder.path().join(format!("{name}.csv"));
    let rows = values.iter();
    let rows = rows.map(|(width, value)| format!("1,relu,0,{width},{value}\n"));
    let text = format!(
        "depth,activation,dropout,width-0,value\n{}",
        rows.collect::<String>()
    );
    std::fs::write(&path, text).unwrap();
    let trainer = json!({ "use": "baselines/tabular", "file": path, "value": "value" });
    json!({ "name": name, "trainer": trainer })
}

fn digits() -> Rc<TaskObj> {
    Rc::new(task("digits", json!({ "train_per_class": 2 })).unwrap())
}

fn measured(task: &Rc<TaskObj>, analysis: Json) -> Result<Report> {
    let mut bench = SubjectBench::new(Rc::clone(task), 0, Device::Cpu);
    let arch = Arch::new(task.ports()?.inputs);
    let arch = arch.layer(
        "only",
        Recipe::new("baselines/linear").with("out", 10),
        &[("x", "in.x")],
    );
    bench.put("any", arch.output("y", "only.x"), Tensors::new(), vec![]);
    bench.measure(&Recipe {
        component: "baselines/rank-correlation".into(),
        params: params(analysis),
    })
}

/// With scores 1, 2, 3, 4 by rank: the coefficients of textbooks.
#[test]
fn of_four_points_the_coefficients_are_known() {
    let (task, space) = (digits(), perceptrons(&[2, 3, 5, 9]));
    let folder = tempfile::tempdir().unwrap();
    let of = |values: [&str; 4]| {
        let rows: Vec<(i64, &str)> = [2, 3, 5, 9].into_iter().zip(values).collect();
        table(&folder, &values.join(""), &rows)
    };
    let values = [
        of(["1", "20", "21", "1000"]),
        of(["7", "6", "5", "-1"]),
        of(["1", "2", "2", "3"]),
        of(["2", "1", "4", "3"]),
        of(["5", "5", "5", "5"]),
        of(["1", "none", "3", "2"]),
    ];
    let scorers = json!([{ "name": "params", "scorer": "baselines/params" }]);
    let report = measured(
        &task,
        json!({ "space": space, "scorers": scorers, "values": values, "points": 10 }),
    )
    .unwrap();
    let metric = |value: &str, what: &str| {
        report
            .metrics
            .get(&format!("params.{value}.{what}"))
            .copied()
    };
    for (value, spearman, kendall, points) in [
        ("120211000", 1.0, 1.0, 4.0),
        ("765-1", -1.0, -1.0, 4.0),
        // Of ranks 1, 2.5, 2.5, 4; five pairs of six agree, one is equal.
        (
            "1223",
            4.5 / (5.0_f64 * 4.5).sqrt(),
            5.0 / 30_f64.sqrt(),
            4.0,
        ),
        // 1 - 6 * 4 / (4 * 15); four pairs of six agree.
        ("2143", 0.6, 2.0 / 6.0, 4.0),
        // What has no value is left out: ranks 1, 3, 2.
        ("1none32", 0.5, 1.0 / 3.0, 3.0),
    ] {
        close(
            &[
                metric(value, "spearman").unwrap(),
                metric(value, "kendall").unwrap(),
            ],
            &[spearman, kendall],
        );
        assert_eq!(metric(value, "points"), Some(points));
    }
    assert_eq!(
        [metric("5555", "spearman"), metric("5555", "points")],
        [None, Some(4.0)]
    );
    let points = &report.tables["points"];
    assert_eq!(points.rows.len(), 4);
    assert_eq!(points.columns[..2], ["params", "120211000"]);
    let unknown = points.rows.iter().filter(|row| row[6].is_nan());
    assert_eq!(unknown.count(), 1);
}

/// The coefficients again, from the table of points by their definitions: pair by pair, and as Pearson's of counted ranks.
#[test]
fn the_coefficients_are_their_definitions() {
    let task = digits();
    let depths = json!({ "use": "baselines/mlp-space", "depths": [1, 2], "widths": [2, 3, 4] });
    let space: Recipe = plugin_api::serde_json::from_value(depths.clone()).unwrap();
    let scorers = json!([
        { "name": "params", "scorer": "baselines/params" },
        { "name": "norm", "scorer": { "use": "baselines/grad-norm", "size": 8 } },
    ]);
    let trained =
        json!([{ "name": "trained", "trainer": { "use": "baselines/backprop", "epochs": 1 } }]);
    let report = measured(
        &task,
        json!({ "space": depths, "scorers": scorers, "values": trained, "points": 9 }),
    )
    .unwrap();
    let points = &report.tables["points"];
    assert_eq!(points.rows.len(), 9);
    let column = |i: usize| -> Vec<f64> { points.rows.iter().map(|row| row[i]).collect() };
    let ranks = |x: &[f64]| -> Vec<f64> {
        let mut sorted = x.to_vec();
        sorted.sort_by(f64::total_cmp);
        let places = |v: &f64| {
            (
                sorted.iter().position(|s| s == v).unwrap(),
                sorted.iter().rposition(|s| s == v).unwrap(),
            )
        };
        x.iter()
            .map(|v| {
                let (first, last) = places(v);
                (first + last) as f64 / 2.0
            })
            .collect()
    };
    let mean = |x: &[f64]| x.iter().sum::<f64>() / x.len() as f64;
    let product = |x: &[f64], y: &[f64]| -> f64 {
        let (mx, my) = (mean(x), mean(y));
        x.iter().zip(y).map(|(x, y)| (x - mx) * (y - my)).sum()
    };
    for (i, name) in ["params", "norm"].into_iter().enumerate() {
        let (score, value) = (column(i), column(2));
        let (a, b) = (ranks(&score), ranks(&value));
        let spearman = product(&a, &b) / (product(&a, &a) * product(&b, &b)).sqrt();
        // Signs of the differences of all ordered pairs.
        let signs = |x: &[f64]| -> Vec<f64> {
            x.iter()
                .flat_map(|p| {
                    x.iter()
                        .map(move |q| if p == q { 0.0 } else { (p - q).signum() })
                })
                .collect()
        };
        let dot = |x: &[f64], y: &[f64]| x.iter().zip(y).map(|(x, y)| x * y).sum::<f64>();
        let (a, b) = (signs(&score), signs(&value));
        let kendall = dot(&a, &b) / (dot(&a, &a) * dot(&b, &b)).sqrt();
        let metrics =
            ["spearman", "kendall"].map(|what| report.metrics[&format!("{name}.trained.{what}")]);
        close(&metrics, &[spearman, kendall]);
    }

    // A score is that of a fresh network of its point, as any session would have it.
    let made = host().space(&space).unwrap();
    let ports = task.ports().unwrap();
    let plain = PlainHost::new(Rc::clone(&task), Device::Cpu);
    let decisions = made.decisions(&ports).unwrap();
    let mut counted: Vec<f64> = vec![];
    for point in plain.sample(&decisions, 200, 1).unwrap() {
        let arch = made.arch(&ports, &point, &plain).unwrap();
        let session = plain.on_task(arch, 0).unwrap();
        counted.push(
            session
                .cost("parameters", &Tensors::new())
                .unwrap()
                .double_value(&[]),
        );
    }
    assert!(column(0).iter().all(|params| counted.contains(params)));
}

#[test]
fn columns_have_names_of_their_own() {
    let task = digits();
    let scorer = json!({ "name": "same", "scorer": "baselines/params" });
    let value = json!({ "name": "same", "trainer": "baselines/backprop" });
    for (scorers, values, expected) in [
        (json!([]), json!([value]), "there is no scorer"),
        (
            json!([scorer]),
            json!([]),
            "there is nothing to rank scores by",
        ),
        (
            json!([scorer]),
            json!([value]),
            "two columns are called `same`",
        ),
    ] {
        let error = measured(
            &task,
            json!({ "scorers": scorers, "values": values, "points": 2 }),
        );
        assert_eq!(
            error.unwrap_err().to_string(),
            format!("`baselines/rank-correlation`: {expected}")
        );
    }
}
