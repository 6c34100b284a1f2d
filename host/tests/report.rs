//! What a report says of a run, made with a worker that computes next to nothing.

mod support;

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use expect_test::expect_file;
use serde_json::{Value, json};
use support::{note, plugin};
use tempfile::TempDir;

/// A search in which a trial fails and others join, and a training of two seeds.
const EXPERIMENT: &str = r#"
task = "fake/task"
seeds = 2
[[stage]]
name = "found"
search = "fake/walk"
space = "fake/line"
each = [{ train = { use = "fake/fit", fails_at = 1 } }]
budget = 4
mix = [{ at = 2, add = { young = "fake/walk" } }]
[[stage]]
name = "final"
train = "fake/fit"
"#;

fn scratch() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("libfake.so"), plugin(&note("fake"))).unwrap();
    fs::write(folder.path().join("e.toml"), EXPERIMENT).unwrap();
    folder
}

fn pleach(folder: &Path, arguments: &[&str]) -> Output {
    let tests = env::current_exe().unwrap();
    let worker: PathBuf = tests
        .parent()
        .unwrap()
        .with_file_name("examples")
        .join("fake-worker");
    let mut command = Command::new(env!("CARGO_BIN_EXE_pleach"));
    command
        .args(arguments)
        .current_dir(folder)
        .env("PLEACH_WORKER", worker)
        .env("PLEACH_CACHE", folder.join("cache"))
        .env_remove("PLEACH_PLUGINS")
        .stdin(Stdio::null());
    command.output().unwrap()
}

fn said(output: &Output) -> String {
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout.clone()).unwrap()
}

/// What differs from day to day and from machine to machine, by its place.
const OF_THE_DAY: [&str; 8] = [
    "/begun",
    "/last",
    "/seconds",
    "/environment",
    "/plugins/0/sha256",
    "/plugins/0/path",
    "/stages/0/seconds",
    "/stages/1/seconds",
];

fn settled(mut report: Value) -> Value {
    // `baselines` takes part where it was built.
    let plugins = report["plugins"].as_array_mut().unwrap();
    plugins.retain(|plugin| plugin["plugin"] == "fake");
    for place in OF_THE_DAY {
        *report.pointer_mut(place).unwrap() = json!("…");
    }
    let works = ["/stages/0/search/trials", "/stages/1/seeds"];
    for place in works {
        for work in report.pointer_mut(place).unwrap().as_array_mut().unwrap() {
            work["seconds"] = json!("…");
        }
    }
    report["summary"]["run"] = json!("…");
    report["experiment"] = report["experiment"].as_str().unwrap().lines().collect();
    report
}

#[test]
fn says_what_the_run_did() {
    let folder = scratch();
    said(&pleach(folder.path(), &["run", "e.toml", "--plugins", "."]));
    let report = said(&pleach(folder.path(), &["report", "runs/e-1", "--json"]));
    let report = settled(serde_json::from_str(&report).unwrap());
    expect_file!["golden/report.json"].assert_eq(&serde_json::to_string_pretty(&report).unwrap());
}

/// A run writes its page at its end; `report` writes the same, there or elsewhere, whatever became of the plugin's file.
#[test]
fn a_page_lies_in_the_folder_of_the_run() {
    let folder = scratch();
    let page = |name: &str| fs::read_to_string(folder.path().join(name)).unwrap();
    said(&pleach(folder.path(), &["run", "e.toml", "--plugins", "."]));
    let first = page("runs/e-1/report.html");
    assert!(first.starts_with("<!DOCTYPE html>") && first.contains(">complete<"));
    fs::remove_file(folder.path().join("libfake.so")).unwrap();
    let written = said(&pleach(folder.path(), &["report", "runs/e-1"]));
    assert_eq!(written, "runs/e-1/report.html\n");
    assert!(page("runs/e-1/report.html") == first, "it is the same page");
    let elsewhere = ["report", "runs/e-1", "--out", "page.html"];
    assert_eq!(said(&pleach(folder.path(), &elsewhere)), "page.html\n");
    assert!(page("page.html") == first, "it is the same page");
}

#[test]
fn a_run_that_was_stopped_has_a_report() {
    let folder = scratch();
    let failing = EXPERIMENT.replace(
        "train = \"fake/fit\"",
        "train = { use = \"fake/fit\", fails_at = 1 }",
    );
    fs::write(folder.path().join("e.toml"), failing).unwrap();
    assert!(
        !pleach(folder.path(), &["run", "e.toml", "--plugins", "."])
            .status
            .success()
    );
    let report = said(&pleach(folder.path(), &["report", "runs/e-1", "--json"]));
    let report: Value = serde_json::from_str(&report).unwrap();
    let ended = [
        "/status",
        "/stages/0/ended",
        "/stages/1/ended",
        "/stages/1/works",
    ];
    assert_eq!(
        ended.map(|place| report.pointer(place).unwrap().clone()),
        [json!("stopped"), json!(4), json!(1), json!(2)]
    );
    said(&pleach(folder.path(), &["report", "runs/e-1"]));
}

#[test]
fn what_cannot_be_reported_says_why() {
    let folder = scratch();
    let nowhere = pleach(folder.path(), &["report", "runs"]);
    assert_eq!(nowhere.status.code(), Some(2));
    said(&pleach(folder.path(), &["run", "e.toml", "--plugins", "."]));
    let unwritable = pleach(
        folder.path(),
        &["report", "runs/e-1", "--out", "no/page.html"],
    );
    let why = String::from_utf8(unwritable.stderr).unwrap();
    assert_eq!(unwritable.status.code(), Some(1));
    assert!(
        why.starts_with("error: cannot write the report `no/page.html`"),
        "{why}"
    );
    fs::remove_file(folder.path().join("runs/e-1/goal.json")).unwrap();
    let unknown = pleach(folder.path(), &["report", "runs/e-1"]);
    let why = String::from_utf8(unknown.stderr).unwrap();
    assert!(why.contains("pleach resume runs/e-1"), "{why}");
}
