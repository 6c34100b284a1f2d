//! What a person does with a run that has come to its end: the networks that it has made are measured again.

use std::fs;
use std::process::Output;

use pleach_tests::{Place, both};
use serde_json::Value;

/// A search, and what becomes of the best that it finds: three stages with weights of two seeds.
const STAGES: &str = r#"
seeds = 2
seed  = 3

[[stage]]
name   = "search"
search = "baselines/random"
space  = { use = "baselines/mlp-space", depths = [1] }
each   = [{ train = { use = "baselines/backprop", epochs = 2 } }]
budget = 2

[[stage]]
name  = "found"
train = { use = "baselines/backprop", epochs = 20 }

[[stage]]
name     = "pruned"
prune    = { use = "baselines/magnitude" }
sparsity = 0.5

[[stage]]
name  = "tuned"
train = { use = "baselines/backprop", epochs = 5 }
"#;

/// A table of 90 rows: two numbers, a category, and a class that hangs on them.
fn table(shift: f64) -> String {
    let row = |i: u32| {
        let a = (f64::from(i) * 0.37).fract() + shift;
        let b = (f64::from(i) * 0.61).fract() * 10.0;
        let kind = ["dry", "wet"][i as usize % 2];
        // Some are of the other class, so that nobody is right throughout.
        let class = ["no", "yes"][usize::from((a * 10.0 > b) != (i % 7 == 0))];
        format!("{a},{b},{kind},{class}\n")
    };
    let rows: String = (0..90).map(row).collect();
    format!("a,b,kind,class\n{rows}")
}

/// A run over that table.
fn place() -> Place {
    let task = r#"task = { use = "baselines/table", file = "t.csv", target = "class", kind = "classes", categories = ["kind"] }"#;
    let place = Place::new(&format!("{task}\n{STAGES}"));
    fs::write(place.folder.path().join("t.csv"), table(0.0)).expect("a table");
    place.run(&[]);
    place
}

fn asked(place: &Place, arguments: &[&str]) -> Output {
    place
        .pleach(arguments)
        .output()
        .expect("pleach can be started")
}

fn json(place: &Place, arguments: &[&str]) -> Value {
    let output = asked(place, &[arguments, &["--json"]].concat());
    assert!(output.status.success(), "{}", both(&output));
    serde_json::from_slice(&output.stdout).expect("JSON")
}

fn refused(place: &Place, arguments: &[&str], code: i32, said: &str) {
    let output = asked(place, arguments);
    let text = both(&output);
    assert_eq!(output.status.code(), Some(code), "{arguments:?}: {text}");
    assert!(text.contains(said), "{arguments:?}: {text}");
}

/// Metrics of the splits `val` and `test`.
fn measured(metrics: &Value) -> Vec<(String, u64)> {
    let all = metrics.as_object().expect("metrics").iter();
    let of_split = all.filter(|(name, _)| name.starts_with("val.") || name.starts_with("test."));
    of_split
        .map(|(name, x)| (name.clone(), x.as_f64().expect("a number").to_bits()))
        .collect()
}

#[test]
fn what_is_measured_again_is_what_the_journal_holds() {
    let place = place();
    for stage in ["found", "pruned", "tuned"] {
        let again = json(
            &place,
            &[
                "evaluate",
                "runs/experiment-1",
                "--stage",
                stage,
                "--split",
                "val",
                "--split",
                "test",
            ],
        );
        let journal = json(&place, &["trials", "runs/experiment-1", "--stage", stage]);
        let rows = journal.as_array().expect("rows");
        let seeds = again["seeds"].as_array().expect("seeds");
        assert_eq!((seeds.len(), rows.len()), (2, 2));
        for (now, then) in seeds.iter().zip(rows) {
            assert_eq!(now["seed"], then["seed"]);
            let (now, then) = (measured(&now["metrics"]), measured(then));
            assert_eq!(now.len(), 4, "{now:?}");
            assert_eq!(now, then, "{stage}");
        }
    }
    // The last stage goes without saying; its mean is that of the summary.
    let last = json(&place, &["evaluate", "runs/experiment-1"]);
    let summary = json(&place, &["resume", "runs/experiment-1"]);
    assert_eq!(last["stage"], "tuned");
    let of = |stages: &Value| stages.as_array().map(|s| s[s.len() - 1]["test"].clone());
    assert_eq!(
        Some(&last["metrics"]["test.accuracy"]),
        of(&summary["stages"]).as_ref()
    );
    let one = json(&place, &["evaluate", "runs/experiment-1", "--seed", "4"]);
    assert_eq!(one["seeds"][0], last["seeds"][1]);
}

#[test]
fn other_data_may_stand_in() {
    let place = place();
    let write = |name: &str, text: &str| {
        fs::write(place.folder.path().join(name), text).expect("a table");
    };
    write("same.csv", &table(0.0));
    write("other.csv", &table(0.3));
    write("wider.csv", &table(0.0).replacen("dry", "damp", 1));
    let on = |file: &str| {
        let set = format!("task.file={file}");
        json(&place, &["evaluate", "runs/experiment-1", "--set", &set])
    };
    let own = json(&place, &["evaluate", "runs/experiment-1"]);
    assert_eq!(on("same.csv"), own);
    assert_ne!(on("other.csv"), own);
    let evaluate = ["evaluate", "runs/experiment-1"];
    let refuse = |arguments: &[&str], code, said: &str| {
        refused(&place, &[&evaluate, arguments].concat(), code, said);
    };
    refuse(
        &["--set", "task.file=wider.csv"],
        1,
        "input `x` has another shape",
    );
    refuse(
        &["--set", "task.file=none.csv"],
        1,
        "there is no file `none.csv`",
    );
    refuse(&["--set", "task.fil=same.csv"], 2, "has no key `fil`");
    refuse(&["--set", "seeds=3"], 2, "and nothing else changes");
    refuse(&["--split", "all"], 1, "there is no split `all`");
    refuse(
        &["--seed", "5"],
        2,
        "error: no stage has handed on weights of seed 5",
    );
    refuse(
        &["--stage", "search"],
        2,
        "error: stage `search` hands on an architecture, and no weights\n  expected  found, pruned, tuned",
    );
}
