//! What a person does with a run that has come to its end: the networks that it has made are measured again.

use std::fs;
use std::process::Output;

use pleach_tests::{Place, both, root};
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
        let class = ["no", "yes"][usize::from((a * 10.0 > b) != i.is_multiple_of(7))];
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
fn data_that_have_changed_are_refused() {
    let place = place();
    let write = |name: &str, text: &str| {
        fs::write(place.folder.path().join(name), text).expect("a table");
    };
    write("t.csv", &table(0.3));
    let said = "error: the run was begun with other data\n  found     `t.csv` has changed";
    let run = "runs/experiment-1";
    for arguments in [
        &["evaluate", run][..],
        &["predict", run, "--input", "t.csv"],
        &["export", run],
        &["resume", run],
    ] {
        refused(&place, arguments, 1, said);
    }
    json(&place, &["evaluate", run, "--set", "task.file=t.csv"]);
    place.run(&[]);
    let diff = json(&place, &["runs", "diff", run, "runs/experiment-2"]);
    assert_eq!(diff["experiment"][0]["key"], "data.t.csv", "{diff:#}");
    refused(
        &place,
        &["run", "experiment.toml", "--locked", run],
        1,
        "error: plugins or data are not those of the lock\n  found     `t.csv` has changed",
    );
    write("t.csv", &table(0.0));
    json(&place, &["evaluate", run]);
    fs::remove_file(place.folder.path().join("t.csv")).expect("a table");
    refused(&place, &["evaluate", run], 1, "`t.csv` cannot be read");
}

#[test]
fn a_task_that_cannot_be_made_leaves_no_run() {
    let task = r#"task = { use = "baselines/table", file = "none.csv", target = "class", kind = "classes" }"#;
    let place = Place::new(&format!("{task}\n{STAGES}"));
    refused(
        &place,
        &["run", "experiment.toml"],
        1,
        "there is no file `none.csv`",
    );
    let runs = fs::read_dir(place.folder.path().join("runs")).expect("the folder of runs");
    assert_eq!(runs.count(), 0);
}

#[test]
fn a_network_that_does_not_fit_is_told_before_the_first_stage() {
    let own = "\n[[stage]]\nname = \"own\"\narch = \"net.json\"\ntrain = \"baselines/backprop\"\n";
    let task = r#"task = { use = "baselines/table", file = "t.csv", target = "class", kind = "classes", categories = ["kind"] }"#;
    let place = Place::new(&format!("{task}\n{STAGES}{own}"));
    fs::write(place.folder.path().join("t.csv"), table(0.0)).expect("a table");
    let net = fs::read(root().join("examples/lenet-300-100.json")).expect("an example");
    fs::write(place.folder.path().join("net.json"), net).expect("its copy");
    let said = "error: the stage `own` cannot begin";
    refused(&place, &["run", "experiment.toml"], 1, said);
    let trials = ["trials", "runs/experiment-1", "--stage", "search"];
    assert_eq!(json(&place, &trials).as_array().map(Vec::len), Some(0));
}

#[test]
fn points_are_shown_as_they_are_written() {
    let place = place();
    let trials = ["trials", "runs/experiment-1", "--stage", "search"];
    for row in json(&place, &trials).as_array().expect("rows") {
        assert_eq!(row["point.depth"], 1);
        let activation = row["point.activation"].as_str();
        assert!(
            ["relu", "tanh", "elu"].map(Some).contains(&activation),
            "{row}"
        );
    }
    let report = json(&place, &["report", "runs/experiment-1"]);
    let point = &report["stages"][0]["search"]["trials"][0]["point"];
    assert_eq!(point["depth"], 1, "{point}");
    assert!(point["activation"].is_string(), "{point}");
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

/// Which rows of a table of so many are for testing, and the table with a column that says so.
fn with_splits(text: &str) -> (Vec<usize>, String) {
    let split = |row: usize| ["train", "val", "test"][row % 3];
    let lines = text.lines().enumerate().map(|(line, text)| match line {
        0 => format!("{text},split\n"),
        line => format!("{text},{}\n", split(line - 1)),
    });
    let rows = text.lines().count() - 1;
    (
        (0..rows).filter(|row| split(*row) == "test").collect(),
        lines.collect(),
    )
}

fn column<'a>(answers: &'a Value, name: &str) -> Vec<&'a Value> {
    let rows = answers.as_array().expect("rows").iter();
    rows.map(|row| &row[name]).collect()
}

#[test]
fn classes_are_predicted_as_accurately_as_evaluated() {
    let (tested, text) = with_splits(&table(0.0));
    let task = r#"task = { use = "baselines/table", file = "t.csv", target = "class", kind = "classes", categories = ["kind"], split_column = "split" }"#;
    let place = Place::new(&format!("{task}\n{STAGES}"));
    let write = |name: &str, text: &str| {
        fs::write(place.folder.path().join(name), text).expect("a table");
    };
    write("t.csv", &text);
    place.run(&[]);
    let rows: Vec<Vec<&str>> = text.lines().map(|line| line.split(',').collect()).collect();
    let truth: Vec<&str> = tested.iter().map(|row| rows[row + 1][3]).collect();
    // The rows of the test split, without what is wanted, in another order of columns.
    let line = |row: usize| {
        let cells = &rows[row];
        format!("{},{},{}\n", cells[2], cells[1], cells[0])
    };
    let chosen = [0].into_iter().chain(tested.iter().map(|row| row + 1));
    write("new.csv", &chosen.map(line).collect::<String>());

    let predict = ["predict", "runs/experiment-1", "--input", "new.csv"];
    let own = ["--stage", "found", "--seed", "4"];
    let answers = json(&place, &[&predict[..], &own].concat());
    let classes = column(&answers, "class");
    assert_eq!(classes.len(), tested.len());
    let hits = classes
        .iter()
        .zip(&truth)
        .filter(|(class, truth)| class == truth);
    let accuracy = hits.count() as f64 / tested.len() as f64;
    let evaluated = json(
        &place,
        &[&["evaluate", "runs/experiment-1"][..], &own].concat(),
    );
    assert_eq!(
        evaluated["metrics"]["test.accuracy"]["mean"].as_f64(),
        Some(accuracy)
    );
    // Probabilities: their sum is 1, and the class has the larger; the loss is the mean of their logarithms.
    let of = |class: &str| {
        let cells = column(&answers, &format!("probability.{class}"));
        cells
            .into_iter()
            .map(|p| p.as_f64().expect("a number"))
            .collect::<Vec<_>>()
    };
    let (no, yes) = (of("no"), of("yes"));
    let mut loss = 0.0;
    for (row, (no, yes)) in no.iter().zip(&yes).enumerate() {
        assert!((no + yes - 1.0).abs() < 1e-12);
        assert_eq!(classes[row] == "yes", yes > no);
        loss -= if truth[row] == "yes" { yes } else { no }.ln() / tested.len() as f64;
    }
    let evaluated = evaluated["metrics"]["test.loss"]["mean"]
        .as_f64()
        .expect("a loss");
    assert!((loss - evaluated).abs() < 1e-5, "{loss} {evaluated}");
    // To files.
    let said = asked(
        &place,
        &[&predict[..], &own, &["--out", "out.csv"]].concat(),
    );
    assert_eq!(both(&said), "out.csv\n\n");
    let file = fs::read_to_string(place.folder.path().join("out.csv")).expect("a table");
    let plain = asked(&place, &[&predict[..], &own].concat());
    assert_eq!(String::from_utf8(plain.stdout).expect("text"), file);
    assert!(
        file.starts_with("class,probability.no,probability.yes\n"),
        "{file}"
    );

    write("narrow.csv", "kind,a\ndry,1\n");
    write("unknown.csv", "a,b,kind\n0.5,1,dry\n0.5,1,damp\n");
    write("text.csv", "a,b,kind\n0.5,one,dry\n");
    for (file, said) in [
        (
            "narrow.csv",
            "`baselines/table`: `DIR/narrow.csv` has no column `b`\n  found     kind, a",
        ),
        (
            "unknown.csv",
            "`DIR/unknown.csv`, line 3, column `kind`: this category is not in the table that was learned from\n  found     `damp`\n  expected  dry, wet",
        ),
        (
            "text.csv",
            "`DIR/text.csv`, line 2, column `b`: this is no number",
        ),
    ] {
        let folder = place.folder.path().canonicalize().expect("a folder");
        let said = said.replace("DIR", &folder.display().to_string());
        refused(
            &place,
            &["predict", "runs/experiment-1", "--input", file],
            1,
            &said,
        );
    }
    refused(
        &place,
        &["predict", "runs/experiment-1", "--input", "none.csv"],
        2,
        "there is no file `none.csv`",
    );
}

#[test]
fn numbers_are_predicted_in_their_own_unit() {
    let rows: String = (0..60)
        .map(|i| {
            let x = (f64::from(i) * 0.37).fract();
            format!("{x},{}\n", 1000.0 + 50.0 * x)
        })
        .collect();
    let (tested, text) = with_splits(&format!("x,price\n{rows}"));
    let place = Place::new(
        r#"
task = { use = "baselines/table", file = "t.csv", target = "price", kind = "numbers", split_column = "split" }
[[stage]]
arch  = { use = "baselines/mlp-space", depths = [1], widths = [16], point = { depth = 1, width-0 = 16, dropout = 0.0, activation = "relu" } }
train = { use = "baselines/backprop", epochs = 30, transforms = [{ use = "baselines/adam", rate = 0.01 }] }
"#,
    );
    fs::write(place.folder.path().join("t.csv"), &text).expect("a table");
    place.run(&[]);
    let answers = json(
        &place,
        &["predict", "runs/experiment-1", "--input", "t.csv"],
    );
    let price = column(&answers, "price");
    let truth: Vec<f64> = text
        .lines()
        .skip(1)
        .map(|line| {
            line.split(',')
                .nth(1)
                .expect("a price")
                .parse()
                .expect("a number")
        })
        .collect();
    let squares = tested
        .iter()
        .map(|row| (price[*row].as_f64().expect("a number") - truth[*row]).powi(2));
    let rmse = (squares.sum::<f64>() / tested.len() as f64).sqrt();
    let evaluated = json(&place, &["evaluate", "runs/experiment-1"]);
    let evaluated = evaluated["metrics"]["test.rmse"]["mean"]
        .as_f64()
        .expect("a number");
    assert!(
        (rmse - evaluated).abs() < 1e-3 * evaluated.max(1.0),
        "{rmse} {evaluated}"
    );
}

#[test]
fn a_task_without_files_says_so() {
    let place = Place::new(
        r#"
task = "baselines/digits"
[[stage]]
arch  = { use = "baselines/mlp-space", depths = [1], widths = [16], point = { depth = 1, width-0 = 16, dropout = 0.0, activation = "relu" } }
train = { use = "baselines/backprop", epochs = 1 }
"#,
    );
    place.run(&[]);
    fs::write(place.folder.path().join("t.csv"), "x\n1\n").expect("a table");
    refused(
        &place,
        &["predict", "runs/experiment-1", "--input", "t.csv"],
        1,
        "`baselines/digits`: the task does not say how it reads samples from a file\n  help: `baselines/table` reads CSV",
    );
}

/// A stage whose trainer looks its figures up in a table: the network that stands there has not made them.
#[test]
fn what_weights_do_not_decide_is_not_measured_by_them() {
    let place = Place::new(
        r#"
task = "baselines/tabular-task"
[[stage]]
name  = "looked-up"
arch  = { use = "baselines/tabular-space", file = "r.csv", decisions = ["a"], point = { a = 2 } }
train = { use = "baselines/tabular", file = "r.csv", value = "val", test = "test" }
"#,
    );
    fs::write(
        place.folder.path().join("r.csv"),
        "a,val,test\n1,0.5,0.25\n2,0.75,0.5\n",
    )
    .expect("a table");
    place.run(&[]);
    let said = "error: what stage `looked-up` is worth hangs on more than its weights: its component measured it itself\n  help: what it measured: pleach trials ";
    refused(&place, &["evaluate", "runs/experiment-1"], 2, said);
    refused(
        &place,
        &["predict", "runs/experiment-1", "--input", "r.csv"],
        2,
        said,
    );
    let rows = json(
        &place,
        &["trials", "runs/experiment-1", "--stage", "looked-up"],
    );
    assert_eq!(rows[0]["val.accuracy"], 0.75);
}
