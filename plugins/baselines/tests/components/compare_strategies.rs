//! Strategies against each other, on a table whose best is known.

use std::fs;

use pleach_worker::{SubjectBench, host};
use plugin_api::host::Services;
use plugin_api::prelude::*;
use plugin_api::{Json, Searching, serde_json::json};

use crate::params;

fn recipe(name: &str, json: Json) -> Recipe {
    Recipe {
        component: format!("baselines/{name}"),
        params: params(json),
    }
}

/// The mean, and both ends of Student's interval of 95 % for 5 numbers: the quantile is that of tables, for 4 degrees of
/// freedom.
fn interval(values: &[f64]) -> [f64; 3] {
    let n = values.len() as f64;
    assert_eq!(n, 5.0);
    let mean = values.iter().sum::<f64>() / n;
    let variance = values.iter().map(|x| (x - mean) * (x - mean)).sum::<f64>() / (n - 1.0);
    let half = 2.776_445_105_197_793 * (variance / n).sqrt();
    [mean, mean - half, mean + half]
}

#[test]
fn reports_what_searches_alone_would_find() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("results.csv");
    let rows = (0..64).map(|i| format!("{},{},{},{}\n", i / 8, i % 8, (i * 37) % 64, i));
    fs::write(
        &path,
        format!("a,b,error,test\n{}", rows.collect::<String>()),
    )
    .unwrap();
    let task = recipe(
        "tabular-task",
        json!({ "metric": "error", "higher-is-better": false }),
    );
    let task = std::rc::Rc::new(host().task(&task).unwrap());
    let space = recipe(
        "tabular-space",
        json!({ "file": path, "decisions": ["a", "b"] }),
    );
    let trainer = recipe(
        "tabular",
        json!({ "file": path, "value": "error", "test": "test" }),
    );
    let strategies = [
        ("local", recipe("local-search", json!({}))),
        ("random", recipe("random", json!({}))),
    ];
    let (trials, seeds) = (20, 5);

    let mut bench = SubjectBench::new(task.clone(), 0, Device::Cpu);
    let named = strategies.iter();
    let named: Vec<Json> = named
        .map(|(name, strategy)| json!({ "name": name, "strategy": strategy }))
        .collect();
    let analysis = json!({ "strategies": named, "space": space, "trainer": trainer, "trials": trials, "seeds": seeds });
    let arch = Arch::new(task.ports().unwrap().inputs).output("y", "in.x");
    bench.put("any", arch, Tensors::new(), vec![]);
    let report = bench
        .measure(&recipe("compare-strategies", analysis))
        .unwrap();

    let begin = bench.subject("any").unwrap().seed("compare-strategies");
    let mut last: Vec<Vec<f64>> = vec![];
    for (name, strategy) in strategies {
        let (mut curves, mut tests) = (vec![], vec![]);
        for number in 0..seeds {
            let seen = bench.search(&Searching {
                strategy: strategy.clone(),
                space: space.clone(),
                trainer: trainer.clone(),
                trials,
                seed: stream(begin, &number.to_string()),
            });
            let worth: Vec<[f64; 2]> = seen
                .unwrap()
                .iter()
                .map(|seen| match &seen.outcome {
                    Outcome::Done(metrics) => [metrics["error"], metrics["train.test"]],
                    Outcome::Failed(error) => panic!("{error}"),
                })
                .collect();
            let least = |n: usize| {
                worth[..=n]
                    .iter()
                    .copied()
                    .min_by(|a, b| a[0].total_cmp(&b[0]))
                    .unwrap()
            };
            curves.push(
                (0..trials as usize)
                    .map(|n| least(n)[0])
                    .collect::<Vec<_>>(),
            );
            tests.push(least(trials as usize - 1)[1]);
        }
        let table = &report.tables[name];
        assert_eq!(table.columns, ["trial", "mean", "low", "high"]);
        assert_eq!(table.rows.len(), trials as usize);
        for (n, row) in table.rows.iter().enumerate() {
            let values: Vec<f64> = curves.iter().map(|curve| curve[n]).collect();
            crate::close(row, &[&[n as f64 + 1.0][..], &interval(&values)].concat());
        }
        let ends: Vec<f64> = curves
            .iter()
            .map(|curve| curve[trials as usize - 1])
            .collect();
        let metrics =
            ["best", "low", "high", "test"].map(|what| report.metrics[&format!("{name}.{what}")]);
        crate::close(
            &metrics,
            &[&interval(&ends)[..], &[interval(&tests)[0]]].concat(),
        );
        last.push(ends);
    }
    let differences: Vec<f64> = last[0].iter().zip(&last[1]).map(|(a, b)| a - b).collect();
    let paired =
        ["mean", "low", "high"].map(|what| report.metrics[&format!("local-random.{what}")]);
    crate::close(&paired, &interval(&differences));
}

/// Where the experiment has many seeds, each with one search, its results have the interval.
#[test]
fn one_search_follows_the_seed_of_its_stage_and_has_no_interval() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("results.csv");
    let rows: String = (0..64)
        .map(|i| format!("{i},{}\n", (i * 37) % 64))
        .collect();
    fs::write(&path, format!("a,value\n{rows}")).unwrap();
    let task = std::rc::Rc::new(host().task(&recipe("tabular-task", json!({}))).unwrap());
    let best = |seed: u64| {
        let arch = Arch::new(task.ports().unwrap().inputs).output("y", "in.x");
        let mut bench = SubjectBench::new(task.clone(), seed, Device::Cpu);
        bench.put("any", arch, Tensors::new(), vec![]);
        let analysis = json!({
            "strategies": [{ "name": "random", "strategy": "baselines/random" }],
            "space": { "use": "baselines/tabular-space", "file": path, "decisions": ["a"] },
            "trainer": { "use": "baselines/tabular", "file": path, "value": "value" },
            "trials": 2,
            "seeds": 1,
        });
        let report = bench.measure(&recipe("compare-strategies", analysis));
        let report = report.unwrap();
        assert_eq!(report.metrics.names().collect::<Vec<_>>(), ["random.best"]);
        assert_eq!(report.tables["random"].columns, ["trial", "mean"]);
        report.metrics["random.best"]
    };
    let found: Vec<f64> = (0..5).map(best).collect();
    assert_eq!(found[0], best(0));
    assert!(found.iter().any(|value| *value != found[0]), "{found:?}");
}

#[test]
fn a_search_that_finds_nothing_and_no_strategy_are_told() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("results.csv");
    fs::write(&path, "a,value\n1,2\n").unwrap();
    let task = std::rc::Rc::new(host().task(&recipe("tabular-task", json!({}))).unwrap());
    let arch = Arch::new(task.ports().unwrap().inputs).output("y", "in.x");
    let mut bench = SubjectBench::new(task, 0, Device::Cpu);
    bench.put("any", arch, Tensors::new(), vec![]);
    let refused = |strategies: Json, value: &str| {
        let space = json!({ "use": "baselines/tabular-space", "file": path, "decisions": ["a"] });
        let trainer = json!({ "use": "baselines/tabular", "file": path, "value": value });
        let analysis = json!({ "strategies": strategies, "space": space, "trainer": trainer, "trials": 3, "seeds": 2 });
        let error = bench
            .measure(&recipe("compare-strategies", analysis))
            .unwrap_err();
        error.to_string()
    };
    let random = json!([{ "name": "random", "strategy": "baselines/random" }]);
    assert_eq!(
        refused(json!([]), "value"),
        "`baselines/compare-strategies`: there is no strategy to search by"
    );
    assert_eq!(
        refused(random, "nothing"),
        "`baselines/compare-strategies`: search 0 of `random` found nothing"
    );
}
