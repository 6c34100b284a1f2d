//! What stages hand on, seen from the command line to the weights: arms, cutting, scoring, networks of other runs.

use std::fs;
use std::path::Path;

use pleach::journal::Journal;
use pleach::protocol::Done;
use pleach_tests::{Place, both, root, weights};
use plugin_api::Json;

/// Half of the hidden units of a trained network leave; two arms go on from there, and one from before.
const PRUNED: &str = r#"
task  = "baselines/digits-graph"
seeds = 2

[[stage]]
name  = "whole"
arch  = "mlp.json"
train = { use = "baselines/backprop", epochs = 20 }

[[stage]]
name     = "masked"
prune    = "baselines/units"
sparsity = 0.5

[[stage]]
name = "cut"
cut  = "masked"

[[stage]]
name  = "worth"
score = "baselines/saliency"

[[stage]]
name = "on"
arms.first  = { train = { use = "baselines/backprop", epochs = 3 } }
arms.second = { train = { use = "baselines/backprop", epochs = 3 } }
arms.whole  = { from = "whole", each = [
    { prune = "baselines/units", sparsity = 0.5 },
    { cut = "masked" },
    { train = { use = "baselines/backprop", epochs = 3 } },
] }

[[stage]]
name    = "parts"
analyse = "baselines/summary"
"#;

fn place(experiment: &str) -> Place {
    let place = Place::new(experiment);
    let net = fs::read(root().join("examples/mlp.json")).expect("an architecture");
    fs::write(place.folder.path().join("mlp.json"), net).expect("its copy");
    place
}

fn done(run: &Path, stage: usize, number: u64) -> Done {
    let journal = Journal::open(&run.join("journal.sqlite")).expect("a journal");
    let results = journal.results(stage).expect("results");
    results[&number].clone().expect("it was done")
}

fn saved(run: &Path, work: &str) -> Vec<u8> {
    fs::read(run.join(format!("weights/{work}.safetensors"))).expect("weights")
}

#[test]
fn stages_hand_on_what_they_make() {
    let place = place(PRUNED);
    let run = place.run(&[]);
    let [whole, masked, cut, worth, first, second, again, parts] =
        [0, 1, 2, 3, 4, 5, 6, 7].map(|stage| done(&run, stage, 1));

    // What is masked everywhere is gone, and nothing else is.
    assert!(masked.metrics["alive"] < masked.metrics["parameters"]);
    assert_eq!(masked.metrics["parameters"], whole.metrics["parameters"]);
    assert_eq!(cut.metrics["parameters"], masked.metrics["alive"]);
    assert_eq!(cut.metrics["cut.before"], whole.metrics["parameters"]);
    for metric in ["val.accuracy", "test.accuracy"] {
        assert_eq!(cut.metrics[metric], masked.metrics[metric]);
    }
    assert_ne!(
        masked.metrics["val.accuracy"],
        whole.metrics["val.accuracy"]
    );

    // A score changes nothing.
    assert!(worth.metrics["score.saliency"] > 0.0);
    assert_eq!(saved(&run, "worth-s1"), saved(&run, "cut-s1"));

    // Arms begin alike and draw alike; a pipeline is what its steps are one by one.
    assert_eq!(first, second);
    assert_eq!(first.metrics["train.epochs"], 3.0);
    assert_eq!(first.arch, again.arch);
    assert_eq!(
        first.metrics["test.accuracy"],
        again.metrics["test.accuracy"]
    );
    assert_eq!(again.reports.len(), 3);
    assert_eq!(saved(&run, "on.first-s1"), saved(&run, "on.whole-s1"));

    // An analysis behind arms looks at all of them.
    for arm in ["first", "second", "whole"] {
        let metric = format!("analyse.on.{arm}.parameters");
        assert_eq!(parts.metrics[&metric], cut.metrics["parameters"]);
    }
}

#[test]
fn a_run_goes_on_from_another_and_needs_it_no_more() {
    let place = place(PRUNED);
    let first = place.run(&[]);
    let second = r#"
task  = "baselines/digits-graph"
seeds = 2

[[stage]]
name  = "worth"
from  = { run = "runs/experiment-1", stage = "cut" }
score = "baselines/saliency"

[[stage]]
name  = "one"
from  = { run = "runs/experiment-1", stage = "on.first", seed = 1 }
score = "baselines/saliency"

[[stage]]
name    = "mine"
arch    = "mlp.json"
weights = "mine.safetensors"
score   = "baselines/saliency"
"#;
    fs::write(place.folder.path().join("second.toml"), second).expect("an experiment");
    let mine = saved(&first, "whole-s0");
    fs::write(place.folder.path().join("mine.safetensors"), &mine).expect("weights");
    let run = |experiment: &str| {
        let output = place.pleach(&["run", experiment]).output();
        let output = output.expect("pleach can be started");
        assert!(output.status.success(), "{}", both(&output));
    };
    run("second.toml");
    let second = place.folder.path().join("runs/second-1");
    for seed in [0, 1] {
        let before = done(&first, 2, seed);
        let after = done(&second, 0, seed);
        assert_eq!(after.arch, before.arch);
        assert_eq!(
            after.metrics["val.accuracy"],
            before.metrics["val.accuracy"]
        );
        let one = done(&second, 1, seed);
        assert_eq!(one.arch, done(&first, 4, 1).arch);
        let mine = done(&second, 2, seed);
        let whole = done(&first, 0, 0);
        assert_eq!(
            mine.metrics["test.accuracy"],
            whole.metrics["test.accuracy"]
        );
    }
    let cut = |run: &Path, file: &str| {
        let file = run.join(file);
        fs::read(&file).unwrap_or_else(|e| panic!("{}: {e}", file.display()))
    };
    assert_eq!(
        cut(&second, "arch/worth-1.safetensors"),
        saved(&first, "cut-s1")
    );
    // What a run begins with is compared by what is in its files.
    let differ = |one: &str, other: &str| {
        let output = place
            .pleach(&["runs", "diff", one, other, "--json"])
            .output();
        let output = output.expect("pleach can be started");
        assert!(output.status.success(), "{}", both(&output));
        let said: Json = serde_json::from_slice(&output.stdout).expect("JSON");
        said["experiment"].as_array().expect("a list").len()
    };
    assert!(differ("runs/experiment-1", "runs/second-1") > 0);
    // The same again, without the run that it began from.
    fs::remove_dir_all(&first).expect("it can go");
    run("runs/second-1");
    let again = place.folder.path().join("runs/second-2");
    assert_eq!(weights(&again), weights(&second));
    assert_eq!(differ("runs/second-1", "runs/second-2"), 0);
}

/// While a trial measures time, those beside it stand still, which counts towards no limit; afterwards they go on.
#[test]
fn a_trial_measures_alone() {
    let place = place(
        "task = 'baselines/digits-graph'\nseeds = 2\nlimits = { seconds = 2.5 }\n[[stage]]\n\
         arch = 'mlp.json'\ntrain = { use = 'faulty/measuring', count = 'count' }\n",
    )
    .with_faulty();
    let run = place.run(&["--plugins", "plugins", "--jobs", "2"]);
    let both = [0, 1].map(|seed| done(&run, 0, seed).metrics);
    let measured = { both.iter() }.find(|metrics| metrics.contains("train.during"));
    let measured = measured.expect("one of them measures");
    let (during, took) = (measured["train.during"], measured["train.milliseconds"]);
    // What it does between two measurements the other one sees.
    assert!(during < 0.1 * took, "{during} of {took}");
}
