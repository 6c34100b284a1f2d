//! Sparse networks as points of a space, and an analysis that searches it.

use pleach_worker::SubjectBench;
use plugin_api::host::Services;
use plugin_api::prelude::*;
use plugin_api::serde_json::json;
use plugin_api::{Goal, TrialId};

use crate::support::{Noise, host, linear, off, on, rows, run};

const UNITS: usize = 12;

/// Measures of how many dimensions the outputs are.
struct Rank;

impl Task for Rank {
    fn ports(&self) -> Result<Ports> {
        let y = vec![axis("rows", None), axis("out", UNITS as i64)];
        Ok(Ports {
            inputs: rows(UNITS as i64),
            targets: Shapes::new(),
            outputs: Shapes::new().with("y", y),
            metric: "rank".into(),
            higher_is_better: true,
        })
    }

    fn batch(&self, split: &str, at: &At) -> Result<Option<Batch>> {
        let x = random::normal(&[30, UNITS as i64], stream(0, split));
        Ok((at.index == 0).then(|| Batch::new().with("x", x)))
    }

    fn loss(&self, outputs: &Batch, _: &Batch) -> Result<Tensors> {
        let y = outputs.tensor("y")?;
        Ok(Tensors::new().with("square", y.square().mean(y.kind())))
    }

    fn metrics(&self, outputs: &Batch, _: &Batch) -> Result<Named<f64>> {
        let y = outputs.tensor("y")?.to_kind(Kind::Double);
        let rank = (&y / y.norm()).linalg_matrix_rank(1e-5, false);
        let rank = rank.int64_value(&[]) as f64;
        Ok(Named::new().with("rank", rank))
    }
}

/// Networks of another file's space, of one hidden layer whose units live or not; the first always does.
fn space() -> Recipe {
    let tanh = json!({ "use": "baselines/activation", "kind": "tanh" });
    let inner = Recipe::new("baselines/gnn")
        .with("layers", json!([tanh]))
        .with("depth", 1)
        .with("widths", json!([UNITS]))
        .with("dropouts", json!([0.0]))
        .with("activations", json!(["tanh"]));
    Recipe::new("wrappers/living")
        .with("inner", inner)
        .with("units", UNITS)
}

/// The only network of the inner space, with the first unit and these.
fn with_units(units: &[usize]) -> Arch {
    let space = host().space(&space()).unwrap();
    let ports = Rank.ports().unwrap();
    let only = ["width", "activation", "dropout", "layer-0"].map(|d| (d, Decided::Option(0)));
    let point: Point = only.into_iter().collect();
    let point = point.with(
        "living",
        Decided::Subset(units.iter().map(|unit| unit - 1).collect()),
    );
    space.arch(&ports, &point, &on(Rank)).unwrap()
}

#[test]
fn a_sparse_network_begins_as_the_whole_one_without_its_units() {
    let all: Vec<usize> = (1..UNITS).collect();
    for (seed, living) in [[1, 4, 5].as_slice(), &[], &[2, 11]]
        .into_iter()
        .enumerate()
    {
        let sparse = on(Rank).on_task(with_units(living), seed as u64).unwrap();
        let mut whole = on(Rank).on_task(with_units(&all), seed as u64).unwrap();
        let batch = whole.batch("val", &At::ALL).unwrap().unwrap();
        let found = run(&sparse, &batch, &Ask::eval());

        let w = whole.snapshot("model").unwrap();
        let living: Vec<i64> = [0].iter().chain(living).map(|unit| *unit as i64).collect();
        let index = Tensor::from_slice(&living);
        let rows = |path: &str| w[path].index_select(0, &index);
        let hidden = batch["x"].matmul(&rows("input.weight").tr()) + rows("input.bias");
        let last = w["output.weight"].index_select(1, &index);
        let expected = hidden.tanh().tanh().matmul(&last.tr()) + &w["output.bias"];
        assert!(off(&found, &expected) < 1e-5, "{living:?}");
        assert_eq!(
            sparse.specs("input.weight").unwrap()[0].size(),
            [living.len() as i64, 12]
        );

        // So does the whole one, masked.
        let mask = Tensor::zeros(UNITS as i64, (Kind::Float, Device::Cpu));
        let mask = mask.index_fill(0, &index, 1.0);
        whole.mask(&Tensors::new().with("input.out", mask)).unwrap();
        assert!(
            off(&found, &run(&whole, &batch, &Ask::eval())) < 1e-5,
            "{living:?}"
        );
    }
}

/// What a search finds where a point is worth as many units as live: the values, one a trial.
fn played(strategy: &Recipe, trials: u64, seed: u64) -> Vec<f64> {
    let ports = Rank.ports().unwrap();
    let decisions = host().space(&space()).unwrap().decisions(&ports).unwrap();
    let goals = vec![Goal {
        metric: "rank".into(),
        higher_is_better: true,
    }];
    let mut strategy = host().strategy(strategy).unwrap();
    strategy
        .begin(&Setting {
            decisions,
            goals,
            seed,
        })
        .unwrap();
    let mut values = vec![];
    for trial in 0..trials {
        let proposal = strategy.ask(1, &on(Rank)).unwrap().remove(0);
        let Some(Decided::Subset(units)) = proposal.point.get("living") else {
            panic!("units live or not");
        };
        let value = 1.0 + units.len() as f64;
        let metrics = Named::new().with("rank", value);
        values.push(value);
        let seen = Observation::of(TrialId(trial), &proposal, Outcome::Done(metrics));
        strategy.tell(&[seen], &on(Rank)).unwrap();
    }
    values
}

/// A bench for a task, with a network for it.
fn bench<T: Task + 'static>(task: fn() -> T, arch: Arch) -> SubjectBench {
    let subject = on(task()).on_task(arch.clone(), 0).unwrap();
    let On::Task(task) = On::task(task()) else {
        unreachable!("made of a task")
    };
    let mut bench = SubjectBench::new(task.into(), 0, Device::Cpu);
    bench.put("any", arch, subject.snapshot("all").unwrap(), vec![]);
    bench
}

#[test]
fn an_analysis_searches_and_compares_with_chance() {
    let bench = bench(|| Rank, with_units(&[1]));
    let evolution: Recipe = "wrappers/evolution".into();
    let still = json!([{ "use": "baselines/sgd", "rate": 0.0 }]);
    let trainer = Recipe::new("baselines/backprop")
        .with("epochs", 1)
        .with("transforms", still);
    let analysis = Recipe::new("wrappers/relative-improvement")
        .with("strategy", evolution.clone())
        .with("space", space())
        .with("trainer", trainer)
        .with("trials", 40)
        .with("seeds", 4);
    let report = bench.measure(&analysis).unwrap();

    let mean = |values: &[f64]| values.iter().sum::<f64>() / values.len() as f64;
    let best = |values: &[f64]| values.iter().copied().fold(0.0, f64::max);
    let rows = (0..4).map(|seed| {
        let found = best(&played(&evolution, 40, seed));
        let chance = played(&"baselines/random".into(), 40, seed);
        vec![found, mean(&chance), best(&chance)]
    });
    let rows: Vec<Vec<f64>> = rows.collect();
    assert_eq!(report.tables["seeds"].rows, rows);
    let column = |k: usize| mean(&rows.iter().map(|row| row[k]).collect::<Vec<_>>());
    assert_eq!(report.metrics["over the mean"], column(0) / column(1) - 1.0);
    assert_eq!(report.metrics["over the best"], column(0) / column(2) - 1.0);
    assert!(report.metrics["over the mean"] > 0.5, "{report:?}");
}

#[test]
fn what_should_be_little_has_no_relative_improvement() {
    let noise = || Noise {
        inputs: rows(3),
        out: 2,
    };
    let arch = Arch::new(rows(3))
        .layer("only", linear(2), &[("x", "in.x")])
        .output("y", "only.x");
    let bench = bench(noise, arch);
    let analysis = Recipe::new("wrappers/relative-improvement")
        .with("strategy", "baselines/random")
        .with("space", space());
    let error = bench.measure(&analysis).unwrap_err().to_string();
    assert_eq!(
        error,
        "`wrappers/relative-improvement`: an improvement of `off`, of which less is better, is relative to nothing"
    );
}
