//! Methods of several papers in one run, and what their plugins claim, in versions that take seconds.

use std::collections::BTreeSet;
use std::env;
use std::fs;
use std::path::{Path, PathBuf};

use pleach::journal::Journal;
use pleach_tests::{Place, both, root};
use plugin_api::Json;

/// Runs a shortened example, and returns the folder of the run.
fn example(place: &Place, name: &str, changes: &[&str]) -> PathBuf {
    for file in [format!("{name}.toml"), "mlp.json".into()] {
        let text = fs::read(root().join("examples").join(&file)).expect("an example");
        fs::write(place.folder.path().join(file), text).expect("its copy");
    }
    let file = format!("{name}.toml");
    let mut arguments = vec!["run", &file, "--quiet"];
    arguments.extend(changes.iter().flat_map(|change| ["--set", *change]));
    let output = place.pleach(&arguments).output().expect("pleach starts");
    assert!(output.status.success(), "{}", both(&output));
    place.folder.path().join(format!("runs/{name}-1"))
}

/// How many weights are alive in the first seed of each of these stages, counted from 0.
fn alive(run: &Path, stages: &[usize]) -> Vec<f64> {
    let journal = Journal::open(&run.join("journal.sqlite")).expect("a journal");
    let alive = stages.iter().map(|stage| {
        let results = journal.results(*stage).expect("results");
        results[&0].as_ref().expect("it was done").metrics["alive"]
    });
    alive.collect()
}

#[test]
fn a_ticket_of_what_an_assisted_search_found() {
    let place = Place::new("");
    let run = example(
        &place,
        "ticket-of-a-search",
        &[
            "seeds=1",
            "stage.search.budget=8",
            "stage.ticket.train.train.epochs=5",
            "stage.trained.arms.ticket.train.epochs=5",
            "stage.trained.arms.dense.train.epochs=5",
        ],
    );
    // The ticket, then trained: as it is, re-initialised, shuffled, dense.
    let [ticket, trained, reinitialised, shuffled, dense] = alive(&run, &[1, 2, 3, 4, 5])[..]
    else {
        panic!("five stages");
    };
    assert_eq!([trained, reinitialised, shuffled], [ticket; 3]);
    assert!(ticket < 0.5 * dense, "{ticket} of {dense}");
}

#[test]
fn a_ticket_masks_what_a_hypernet_makes() {
    let place = Place::new("");
    let run = example(
        &place,
        "ticket-of-a-hypernet",
        &["seeds=1", "stage.ticket.train.train.epochs=5"],
    );
    let [ticket, made, whole] = alive(&run, &[0, 1, 2])[..] else {
        panic!("three stages");
    };
    assert_eq!(made, ticket);
    assert!(ticket < 0.5 * whole, "{ticket} of {whole}");
}

#[test]
fn a_portfolio_credits_assisted_and_plain_evolution() {
    let place = Place::new("");
    let run = example(
        &place,
        "portfolio-of-assisted",
        &["stage.search.budget=14", "stage.found.train.epochs=5"],
    );
    let report = place.pleach(&["report", run.to_str().expect("a path"), "--json"]);
    let report = { report }.output().expect("pleach starts").stdout;
    let report: Json = serde_json::from_slice(&report).expect("JSON");
    let credits = report["stages"][0]["search"]["credit"]
        .as_array()
        .expect("credits");
    let proposed: Vec<(&str, u64)> = { credits.iter() }
        .map(|credit| {
            (
                credit["by"].as_str().unwrap(),
                credit["proposed"].as_u64().unwrap(),
            )
        })
        .collect();
    let mut names: Vec<&str> = proposed.iter().map(|(name, _)| *name).collect();
    names.sort_unstable();
    assert_eq!(names, ["assisted", "plain"]);
    assert_eq!(proposed.iter().map(|(_, n)| n).sum::<u64>(), 14);
}

#[test]
fn an_assisted_search_over_low_rank_layers_proposes_each_point_once() {
    let place = Place::new("");
    let run = example(
        &place,
        "assisted-low-rank",
        &["stage.found.budget=6", "stage.trained.train.epochs=2"],
    );
    let journal = Journal::open(&run.join("journal.sqlite")).expect("a journal");
    let trials = journal.entries(0).expect("trials").into_iter();
    let points: BTreeSet<String> = trials
        .map(|trial| format!("{:?}", trial.proposal.expect("a trial has one").point))
        .collect();
    assert_eq!(points.len(), 6);
}

/// Whether the folder of real data is there. Without it a test says so and is skipped, but for CI.
fn has_data() -> bool {
    let there = env::var_os("PLEACH_DATA").is_some_and(|folder| !folder.is_empty());
    assert!(
        there || env::var_os("CI").is_none(),
        "PLEACH_DATA is not set"
    );
    if !there {
        eprintln!("skipped: PLEACH_DATA is not set");
    }
    there
}

/// The smoke version of what a plugin claims: each claim is measured, and what has a bound there holds.
fn reproduced(plugin: &str, held: usize) {
    if !has_data() {
        return;
    }
    let place = Place::new("");
    let mut pleach = place.pleach(&["reproduce", plugin, "--smoke", "--json", "--quiet"]);
    let output = pleach.output().expect("pleach starts");
    assert!(output.status.success(), "{}", both(&output));
    let verdicts: Vec<Json> = serde_json::from_slice(&output.stdout).expect("JSON");
    let holds = verdicts.iter().filter(|of| of["holds"] == true).count();
    let fails: Vec<&Json> = verdicts.iter().filter(|of| of["holds"] == false).collect();
    assert!(fails.is_empty(), "{fails:#?}");
    assert!(
        holds >= held,
        "{holds} of {} claims have a bound and hold",
        verdicts.len()
    );
}

#[test]
fn what_dgmlp_claims() {
    reproduced("dgmlp", 1);
}

#[test]
fn what_gradsign_claims() {
    reproduced("gradsign", 2);
}

#[test]
fn what_lottery_ticket_claims() {
    reproduced("lottery-ticket", 8);
}
