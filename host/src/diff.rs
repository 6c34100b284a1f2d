//! What differs between two runs: what they were begun with, and what came out.

use std::collections::BTreeMap;
use std::fs;

use plugin_api_data::{Error, Json};
use serde::Serialize;

use crate::error::Context;
use crate::journal::{Entry, Journal};
use crate::lock::Lock;
use crate::plugins::sha256;
use crate::run::Run;
use crate::spread::Spread;
use crate::study::best;

/// What differs between a run and another.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Difference {
    /// Of the resolved experiments, by the path of each key; of stages by their names.
    pub experiment: Vec<Changed>,
    /// Of the plugins, by name: version and hash.
    pub plugins: Vec<Changed>,
    /// Of the environments.
    pub environment: Vec<Changed>,
    /// What came out, of the stages of both.
    pub results: Vec<Compared>,
}

/// Something that is not the same in both.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Changed {
    /// Where it stands: `stage.search.budget`.
    pub key: String,
    /// What the first has there.
    pub first: Option<Json>,
    /// What the second has there.
    pub second: Option<Json>,
}

/// A metric of a stage in both.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Compared {
    /// Name of the stage.
    pub stage: String,
    /// Name of the metric, such as `test.accuracy`; of a search that of its best trial.
    pub metric: String,
    /// Over the seeds of the first.
    pub first: Option<Spread>,
    /// Over the seeds of the second.
    pub second: Option<Spread>,
    /// The second less the first, seed by seed, where both have the same seeds.
    pub paired: Option<Spread>,
}

impl Difference {
    /// Compares two runs.
    ///
    /// # Errors
    /// Where one of them cannot be read.
    pub fn of(first: &Run, second: &Run) -> Result<Self, Error> {
        let runs = [first, second];
        let experiments = runs.map(experiment);
        let plugins = runs.map(plugins);
        let environments = runs.map(|run| {
            serde_json::to_value(run.environment()?)
                .context(|| "cannot compare the environments".into())
        });
        Ok(Difference {
            experiment: changed(experiments)?,
            plugins: changed(plugins)?,
            environment: changed(environments)?,
            results: results(first, second)?,
        })
    }
}

fn changed([first, second]: [Result<Json, Error>; 2]) -> Result<Vec<Changed>, Error> {
    let mut all = vec![];
    compare("", Some(&first?), Some(&second?), &mut all);
    Ok(all)
}

/// Goes into tables that both have, and tells of the rest.
fn compare(key: &str, first: Option<&Json>, second: Option<&Json>, all: &mut Vec<Changed>) {
    match (first, second) {
        (Some(Json::Object(one)), Some(Json::Object(other))) => {
            let spare = other.keys().filter(|name| !one.contains_key(*name));
            for name in one.keys().chain(spare) {
                let key = match key {
                    "" => name.clone(),
                    key => format!("{key}.{name}"),
                };
                compare(&key, one.get(name), other.get(name), all);
            }
        }
        (Some(Json::Array(one)), Some(Json::Array(other))) if one.len() == other.len() => {
            for (i, (one, other)) in one.iter().zip(other).enumerate() {
                compare(&format!("{key}.{i}"), Some(one), Some(other), all);
            }
        }
        (one, other) if one == other => {}
        (one, other) => all.push(Changed {
            key: key.into(),
            first: one.cloned(),
            second: other.cloned(),
        }),
    }
}

/// The resolved experiment, with its architecture files in it, and what its files of data hash to.
fn experiment(run: &Run) -> Result<Json, Error> {
    let mut experiment = table(&run.source()?.text)?;
    let stages = experiment.get_mut("stage").and_then(Json::as_array_mut);
    for stage in stages.into_iter().flatten() {
        fill_in(run, stage)?;
        let arms = stage.get_mut("arms").and_then(Json::as_object_mut);
        for (_, arm) in arms.into_iter().flatten() {
            fill_in(run, arm)?;
        }
    }
    let data = Lock::read(run.folder())?.data.into_iter();
    let data = data.map(|file| (file.path.display().to_string(), short(&file.sha256).into()));
    experiment["data"] = Json::Object(data.collect());
    Ok(by_name(experiment))
}

/// Puts what files hold in the place of their names, with which a stage begins: an architecture itself, and of weights the hash.
fn fill_in(run: &Run, stage: &mut Json) -> Result<(), Error> {
    let in_file = |name: &Json| -> Result<Json, Error> {
        let Some(name) = name.as_str() else {
            // A point of a space stands in the experiment itself.
            return Ok(name.clone());
        };
        let file = run.folder().join(name);
        let attempt = || format!("cannot read `{}`", file.display());
        let bytes = fs::read(&file).context(attempt)?;
        match name.ends_with(".json") {
            true => serde_json::from_slice(&bytes).context(attempt),
            false => Ok(sha256(&bytes).into()),
        }
    };
    for key in ["arch", "weights"] {
        if let Some(named) = stage.get_mut(key) {
            *named = match named.as_array() {
                Some(names) => names.iter().map(in_file).collect::<Result<_, _>>()?,
                None => in_file(named)?,
            };
        }
    }
    Ok(())
}

fn table(text: &str) -> Result<Json, Error> {
    toml::from_str(text).context(|| "cannot read a resolved experiment".into())
}

/// Stages by their names: one that is put before others leaves these the same.
fn by_name(mut experiment: Json) -> Json {
    if let Some(Json::Array(stages)) = experiment.get_mut("stage").map(Json::take) {
        let named = stages.into_iter().map(|mut stage| {
            let name = stage
                .as_object_mut()
                .and_then(|fields| fields.shift_remove("name"));
            (
                name.and_then(|name| Some(name.as_str()?.to_owned()))
                    .unwrap_or_default(),
                stage,
            )
        });
        experiment["stage"] = Json::Object(named.collect());
    }
    experiment
}

/// As many digits of a hash as tell files apart.
fn short(sha256: &str) -> String {
    sha256.chars().take(12).collect()
}

fn plugins(run: &Run) -> Result<Json, Error> {
    let locked = Lock::read(run.folder())?.plugin.into_iter();
    let plugins = locked.map(|plugin| {
        let hash = short(&plugin.sha256);
        (plugin.name, format!("{} ({hash})", plugin.version).into())
    });
    Ok(Json::Object(plugins.collect()))
}

/// What came out of the stages that both runs have, by the main metric of both.
fn results(first: &Run, second: &Run) -> Result<Vec<Compared>, Error> {
    let (Some(goal), Some(other)) = (first.goal()?, second.goal()?) else {
        return Ok(vec![]);
    };
    if goal != other {
        return Ok(vec![]);
    }
    let journals = [first, second].map(|run| Journal::look(&run.journal()));
    let [one, another] = journals;
    let (one, another) = (one?, another?);
    let names = second.stages()?;
    let mut all = vec![];
    for (index, stage) in first.stages()?.into_iter().enumerate() {
        let Some(same) = names.iter().position(|other| other.name == stage.name) else {
            continue;
        };
        let trials = [one.entries(index)?, another.entries(same)?];
        let is_search = trials
            .iter()
            .flatten()
            .any(|trial| trial.proposal.is_some());
        if is_search {
            let of = |journal: &Journal, stage| {
                let results = journal.results(stage)?;
                let best = best(&results, &goal).map(|(_, value, _)| value);
                Ok::<_, Error>(Spread::over(best))
            };
            all.push(Compared {
                stage: stage.name,
                metric: format!("val.{}", goal.metric),
                first: of(&one, index)?,
                second: of(&another, same)?,
                paired: None,
            });
            continue;
        }
        for split in ["val", "test"] {
            let metric = format!("{split}.{}", goal.metric);
            let measured = [&trials[0], &trials[1]].map(|trials| by_seed(trials, &metric));
            all.extend(Compared::of(&stage.name, metric, &measured));
        }
    }
    Ok(all)
}

/// A metric of each seed.
fn by_seed(trials: &[Entry], metric: &str) -> BTreeMap<u64, f64> {
    let measured = trials.iter().filter_map(|trial| {
        let done = trial.result.as_ref()?.as_ref().ok()?;
        Some((trial.seed, *done.metrics.get(metric)?))
    });
    measured.collect()
}

impl Compared {
    /// Nothing where neither has measured it.
    fn of(stage: &str, metric: String, measured: &[BTreeMap<u64, f64>; 2]) -> Option<Self> {
        let [first, second] = measured;
        let spread = |of: &BTreeMap<u64, f64>| Spread::over(of.values().copied());
        let is_paired = first.keys().eq(second.keys());
        let pairs = first.values().zip(second.values());
        let differences: Vec<f64> = pairs.map(|(first, second)| second - first).collect();
        (!first.is_empty() || !second.is_empty()).then(|| Compared {
            stage: stage.into(),
            metric,
            first: spread(first),
            second: spread(second),
            paired: Spread::over(differences).filter(|_| is_paired),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What differs between two texts, as `key: first -> second`.
    fn check(first: &str, second: &str, expected: &[&str]) {
        let read = |text: &str| Ok(by_name(table(text).unwrap()));
        let changed = changed([read(first), read(second)]).unwrap();
        let shown = |value: &Option<Json>| value.as_ref().map_or("-".into(), Json::to_string);
        let lines = changed.iter().map(|changed| {
            format!(
                "{}: {} -> {}",
                changed.key,
                shown(&changed.first),
                shown(&changed.second)
            )
        });
        assert_eq!(lines.collect::<Vec<_>>(), expected);
    }

    #[test]
    fn keys_are_compared_by_their_paths() {
        check(
            "seed = 1\nx = [1, { y = 2 }]",
            "x = [1, { y = 2 }]\nseed = 1",
            &[],
        );
        check("seed = 1", "seed = 2", &["seed: 1 -> 2"]);
        check(
            "task = { use = 'a/b', k = 1 }",
            "task = { use = 'a/b' }",
            &["task.k: 1 -> -"],
        );
        check(
            "x = [1, { y = 2 }]",
            "x = [1, { y = 3 }]",
            &["x.1.y: 2 -> 3"],
        );
        check("x = [1]", "x = [1, 2]", &["x: [1] -> [1,2]"]);
        check("x = 1", "x = { y = 1 }", &["x: 1 -> {\"y\":1}"]);
    }

    #[test]
    fn stages_are_compared_by_their_names() {
        check(
            "[[stage]]\nname = 'found'\nbudget = 20\n[[stage]]\nname = 'last'\ntrain = 'a/b'",
            "[[stage]]\nname = 'first'\ntrain = 'a/b'\n[[stage]]\nname = 'last'\ntrain = 'a/b'\n[[stage]]\nname = 'found'\nbudget = 40",
            &[
                "stage.found.budget: 20 -> 40",
                "stage.first: - -> {\"train\":\"a/b\"}",
            ],
        );
    }

    #[test]
    fn metrics_are_paired_by_their_seeds() {
        let of = |values: &[(u64, f64)]| values.iter().copied().collect::<BTreeMap<_, _>>();
        let compared = |first: &[(u64, f64)], second: &[(u64, f64)]| {
            Compared::of("s", "val.m".into(), &[of(first), of(second)])
        };
        let both = compared(&[(1, 0.5), (2, 0.25)], &[(2, 0.5), (1, 1.0)]).unwrap();
        let paired = both.paired.unwrap();
        // Differences of 0.5 and 0.25: mean 3/8, standard deviation sqrt(2)/8.
        assert_eq!(paired.mean, 0.375);
        assert!((paired.sd.unwrap() - 2_f64.sqrt() / 8.0).abs() < 1e-12);
        assert_eq!(both.first.unwrap().mean, 0.375);
        assert!(compared(&[(1, 0.5)], &[(2, 0.5)]).unwrap().paired.is_none());
        assert!(compared(&[(1, 0.5)], &[]).unwrap().paired.is_none());
        assert!(compared(&[], &[]).is_none());
    }
}
