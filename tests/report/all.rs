//! A report with something of everything, in which each text of others is nasty.

use std::path::PathBuf;

use pleach::claims::{Bounds, By, Claim, Measure, Of, Reproduction, Verdict};
use pleach::report::{
    Contribution, Credit, Failure, Network, Report, Reported, Search, Seed, Stage, Trial, Used,
};
use pleach::run::{Environment, Status};
use pleach::spread::{Difference, Spread};
use pleach::summary::{Compared, Found, Measured, Row, Summary};
use plugin_api::{Arch, Generated, Goal, Named, Recipe, Table};
use serde_json::json;

/// A text that would run, or show as markup, were it not escaped.
pub const NASTY: &str = r#"</script><script>errors.push('it ran')</script><b>nasty & "so"</b>"#;

/// With so many trials.
pub fn report(trials: u64) -> Report {
    let metric = "accuracy";
    let steps = ["short", "rate.low", "rate.high", "looked"];
    let values =
        |stage: usize| move |seed: u64| 0.9 - 0.07 * stage as f64 + 0.01 * (seed * 7 % 5) as f64;
    let mut stages: Vec<Stage> = { steps.iter().enumerate() }
        .map(|(i, name)| stage(name, values(i)))
        .collect();
    stages[3].verb = "analyse".into();
    stages[3].tables = analysed();
    stages.insert(0, searched(trials));
    let row = |stage: &Stage| {
        let spread = |metric: &str| Spread::over(stage.values(metric).into_iter().map(|(_, x)| x));
        Row {
            stage: stage.name.clone(),
            seeds: stage.seeds.len(),
            val: spread("val.accuracy"),
            test: spread("test.accuracy"),
            parameters: Spread::over([13258.0; 3]),
            alive: Spread::over([1623.0; 3]),
        }
    };
    Report {
        name: format!("run-1 {NASTY}"),
        status: Status::Complete,
        task: Recipe::new(format!("baselines/{NASTY}")),
        goal: Goal {
            metric: metric.into(),
            higher_is_better: true,
        },
        begun: "2026-11-28T20:29:02Z".into(),
        last: Some("2026-11-28T20:31:02Z".into()),
        seconds: 120.0,
        seed: 0,
        seeds: 3,
        repeat: format!("pleach run {NASTY}"),
        reproduction: Some(reproduction()),
        summary: Summary {
            run: PathBuf::from("runs/run-1"),
            metric: metric.into(),
            best: Some(0.9123),
            searches: vec![Found {
                stage: "search".into(),
                trials: trials as usize,
                best: 7,
                value: 0.95,
            }],
            stages: stages[1..4].iter().map(row).collect(),
            comparisons: vec![Compared {
                metric: format!("val.{metric}"),
                reference: "rate.low".into(),
                differences: vec![Difference {
                    stage: "rate.high".into(),
                    difference: Spread::over([0.02, 0.01, 0.03]),
                }],
            }],
            analyses: vec![Measured {
                stage: "looked".into(),
                metrics: Named::new().with(NASTY, Spread::over([0.5, 0.25]).unwrap()),
                tables: vec![],
            }],
        },
        networks: networks(),
        plugins: vec![Contribution {
            plugin: "baselines".into(),
            version: "0.1.0".into(),
            sha256: "0123456789abcdef".repeat(4),
            path: PathBuf::from(format!("/plugins/{NASTY}/libbaselines.so")),
            description: NASTY.into(),
            licence: "MIT".into(),
            paper: NASTY.into(),
            components: vec![Used {
                name: "gcn".into(),
                role: "layer".into(),
                about: NASTY.into(),
                places: vec!["search".into(), "a-stage-with-a-long-name".into()],
            }],
        }],
        experiment: format!("seed = 0\n\n[task]\nuse = '{NASTY}'\n"),
        environment: Environment {
            pleach: "0.1.0".into(),
            os: "linux".into(),
            cpu: NASTY.into(),
            cores: 2,
            libtorch: "2.11.0".into(),
            device: "cpu".into(),
        },
        stages,
    }
}

/// A claim that holds, and one that does not.
fn reproduction() -> Reproduction {
    let measure = |stage: &str| Measure {
        stage: stage.into(),
        metric: "test.accuracy".into(),
    };
    let verdict = |name: &str, holds: bool| Verdict {
        claim: Claim {
            name: name.into(),
            says: format!("It is so, {NASTY}"),
            place: Some(NASTY.into()),
            paper: Some(format!("0.9 {NASTY}")),
            experiment: "lenet".into(),
            here: measure("rate.high"),
            against: Some(measure("rate.low")),
            by: By::Difference,
            of: Of::Every,
            least: Some(0.01),
            most: None,
            required: holds,
            smoke: None,
            reason: Some(NASTY.into()),
        },
        here: Spread::over([0.91, 0.92]).unwrap(),
        against: Spread::over([0.89, 0.9]),
        values: vec![(0, 0.02), (1, 0.02)],
        over: Spread::over([0.02, 0.02]).unwrap(),
        bounds: Bounds {
            least: Some(0.01),
            most: None,
        },
        holds: Some(holds),
    };
    Reproduction {
        plugin: "baselines".into(),
        paper: String::new(),
        experiment: "lenet".into(),
        smoke: false,
        seeds: None,
        of: "0".repeat(64),
        commit: None,
        verdicts: vec![
            verdict("ticket-over-reinitialised-17", true),
            verdict("early", false),
        ],
    }
}

/// A training of three seeds, whose loss falls by four orders of magnitude.
fn stage(name: &str, value: impl Fn(u64) -> f64) -> Stage {
    let curve = |seed: u64| {
        let row = |epoch: u32| {
            let x = f64::from(epoch);
            vec![x, 3.0 * (-0.09 * x).exp(), 1.0 - 1.0 / (x + seed as f64)]
        };
        Table {
            columns: ["epoch", "loss", "val.accuracy"].map(String::from).to_vec(),
            rows: (1..=100).map(row).collect(),
            labels: vec![],
        }
    };
    let seed = |seed: u64| Seed {
        seed,
        metrics: Named::new()
            .with("val.accuracy", value(seed))
            .with("test.accuracy", value(seed) - 0.02),
        seconds: Some(1.5),
    };
    Stage {
        name: name.into(),
        verb: "train".into(),
        works: 3,
        ended: 3,
        seconds: 4.5,
        seeds: (0..3).map(seed).collect(),
        tables: vec![Reported {
            step: 0,
            name: "curve".into(),
            seeds: (0..3).map(|seed| (seed, curve(seed))).collect(),
        }],
        search: None,
    }
}

/// A curve of two seeds and one of twenty, a table with names, and a square of numbers.
fn analysed() -> Vec<Reported> {
    let names: Vec<String> = (0..10).map(|class| class.to_string()).collect();
    let square = Table {
        columns: names.clone(),
        rows: (0..10)
            .map(|i| (0..10).map(|j| f64::from(i * j)).collect())
            .collect(),
        labels: names,
    };
    let parts = Table {
        columns: vec!["parameters".into(), format!("share {NASTY}")],
        rows: vec![vec![520.0, 0.5], vec![90.0, 1.0 / 3.0]],
        labels: vec!["hidden".into(), NASTY.into()],
    };
    let curve = Table {
        columns: vec!["epoch".into(), "best so far".into()],
        rows: vec![
            vec![1.0, 0.5],
            vec![2.0, 0.75],
            vec![3.0, f64::NAN],
            vec![4.0, 0.8],
        ],
        labels: vec![],
    };
    let tables = [("confusion", square), ("parts", parts), ("short", curve)];
    let reported = tables.map(|(name, table)| Reported {
        step: 0,
        name: name.into(),
        seeds: vec![(0, table.clone()), (1, table)],
    });
    let height = |seed: u64| Table {
        columns: vec!["depth".into(), "height".into()],
        rows: (1..=4)
            .map(|depth| vec![f64::from(depth), f64::from(depth) + seed as f64])
            .collect(),
        labels: vec![],
    };
    let many = Reported {
        step: 0,
        name: "many".into(),
        seeds: (0..20).map(|seed| (seed, height(seed))).collect(),
    };
    reported.into_iter().chain([many]).collect()
}

/// A search by two strategies in which every seventh trial fails.
fn searched(trials: u64) -> Stage {
    let names = ["evolution", "young"];
    let trial = |number: u64| {
        let failure = (number % 7 == 3).then(|| format!("`faulty/faulty`: {NASTY}"));
        Trial {
            number,
            by: names[(number % 3 == 1) as usize].into(),
            from: (number > 10).then_some(number / 2),
            value: failure
                .is_none()
                .then(|| 0.95 - 1.0 / (number + 2) as f64 - 0.01 * (number % 5) as f64),
            point: Named::new()
                .with("width", json!(number % 4))
                .with(NASTY, json!(0.125)),
            layers: vec!["baselines/linear".into(), format!("strange/{NASTY}")],
            seconds: Some(0.25 + number as f64 / 1000.0),
            failure,
        }
    };
    let trials: Vec<Trial> = (0..trials).map(trial).collect();
    let so_far = |by: Option<&str>| {
        let mut steps: Vec<(u64, f64)> = vec![];
        for trial in trials
            .iter()
            .filter(|trial| by.is_none_or(|by| trial.by == by))
        {
            if let Some(value) = trial.value
                && steps.last().is_none_or(|(_, best)| value > *best)
            {
                steps.push((trial.number, value));
            }
        }
        steps
    };
    let credit = names.map(|by| Credit {
        by: by.into(),
        proposed: trials.iter().filter(|trial| trial.by == by).count(),
        failed: 1,
        improved: 4,
        best_so_far: so_far(Some(by)),
    });
    let failed = trials.iter().filter(|trial| trial.failure.is_some());
    let search = Search {
        strategy: format!("baselines/{NASTY}"),
        space: "baselines/gnn".into(),
        best_so_far: so_far(None),
        credit: credit.to_vec(),
        failures: vec![Failure {
            reason: NASTY.into(),
            trials: failed.map(|trial| trial.number).collect(),
        }],
        trials,
    };
    Stage {
        name: "search".into(),
        verb: "search".into(),
        works: search.trials.len() as u64,
        ended: search.trials.len() as u64,
        seconds: 100.0,
        seeds: vec![],
        tables: vec![],
        search: Some(search),
    }
}

/// A chain with a way around it, and one whose weights are made.
fn networks() -> Vec<Network> {
    let linear = Recipe::new("baselines/linear")
        .with("out", 64)
        .with("note", NASTY);
    let residual = Arch::new(Named::new().with("x", vec![]).with("graph", vec![]))
        .layer("first", linear, &[("x", "in.x")])
        .layer(
            "second",
            "baselines/gcn",
            &[("x", "first.x"), ("graph", "in.graph")],
        )
        .layer("third", "baselines/activation", &[("x", "second.x")])
        .layer(
            "sum",
            "baselines/add",
            &[("a", "first.x"), ("b", "third.x")],
        )
        .layer("head", "baselines/linear", &[("x", "sum.x")])
        .output("y", "head.x");
    let made = Arch::new(Named::new().with("x", vec![]))
        .layer("only", NASTY, &[("x", "in.x")])
        .output("y", "only.x")
        .generate(Generated::new("hypernet-0", "baselines/mlp", "model"));
    let network = |stages: &[&str], arch| Network {
        stages: stages.iter().map(|stage| stage.to_string()).collect(),
        arch,
    };
    vec![
        network(&["search", "short", "rate.low", "rate.high"], residual),
        network(&["made", NASTY], made),
    ]
}
