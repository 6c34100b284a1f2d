//! `pleach reproduce`, with a worker that computes next to nothing.

#[path = "support/hashes.rs"]
mod hashes;
#[path = "support/home.rs"]
mod home;
mod support;

use std::fs;
use std::path::Path;

use expect_test::expect;
use home::Home;
use serde_json::{Value, json};
use support::{note, plugin};

/// A home with a plugin that makes claims.
fn with_claims() -> Home {
    let home = Home::new();
    home.write("plugins/libfake.so", plugin(&note("fake")));
    home
}

/// What the command says of the plugin.
fn reproduce(home: &Home, arguments: &[&str]) -> String {
    let command = ["reproduce", "--plugins", "plugins", "--quiet"];
    home.says(&[&command, arguments].concat())
}

/// The runs in this home that reproduce something.
fn runs(home: &Home) -> Vec<String> {
    let entries = fs::read_dir(home.path().join("runs/reproduce")).unwrap();
    let mut names: Vec<String> = entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

#[test]
fn shows_the_papers_figures_beside_those_that_were_measured() {
    let home = with_claims();
    expect![[r#"
        1
        fit: runs/reproduce/fake-fit-1/report.html

         claim             paper  here                              baseline                              bound                  holds?
         scores            0.99   0.9900 (0.9652 to 1.0148), n = 3  -                                     >= 0.9800, every seed  yes
         no-arm-is-better  -      0.9900 (0.9652 to 1.0148), n = 3  0.9900: +0.0000 (+0.0000 to +0.0000)  = 0                    yes
         found-in-time     -      0.9900 (0.9652 to 1.0148), n = 3  0.9250: x 1.070 (1.043 to 1.097)      >= 0.5000              yes
         beyond-reach      -      0.9900 (0.9652 to 1.0148), n = 3  -                                     >= 1.5000              NO
        beyond-reach does not hold: no score is above one
        error: not all that is required holds
          found     beyond-reach
    "#]].assert_eq(&reproduce(&home, &["fake"]));
    assert_eq!(runs(&home), ["fake-fit-1"]);

    // A complete run is not run again, whoever asks for which claim; another number of seeds is another run.
    let journal = home.path().join("runs/reproduce/fake-fit-1/journal.sqlite");
    let before = fs::metadata(&journal).unwrap().modified().unwrap();
    expect![[r#"
        0
        fit: runs/reproduce/fake-fit-1/report.html

         claim   paper  here                              baseline  bound                  holds?
         scores  0.99   0.9900 (0.9652 to 1.0148), n = 3  -         >= 0.9800, every seed  yes
    "#]]
    .assert_eq(&reproduce(&home, &["fake", "--claim", "scores"]));
    assert_eq!(runs(&home), ["fake-fit-1"]);
    assert_eq!(fs::metadata(&journal).unwrap().modified().unwrap(), before);
    reproduce(&home, &["fake", "--seeds", "2"]);
    assert_eq!(runs(&home), ["fake-fit-1", "fake-fit-2"]);

    // A plugin that has changed is measured anew.
    home.write(
        "plugins/libfake.so",
        [plugin(&note("fake")), vec![0]].concat(),
    );
    reproduce(&home, &["fake"]);
    assert_eq!(runs(&home), ["fake-fit-1", "fake-fit-2", "fake-fit-3"]);
}

#[test]
fn the_smoke_version_has_bounds_of_its_own() {
    let home = with_claims();
    let said = reproduce(&home, &["fake", "--smoke", "--json"]);
    let (code, verdicts) = said.split_once('\n').unwrap();
    assert_eq!(code, "0", "{said}");
    let verdicts: Value = serde_json::from_str(verdicts).unwrap();
    let of = |key: &str| -> Vec<&Value> {
        verdicts
            .as_array()
            .unwrap()
            .iter()
            .map(|v| &v[key])
            .collect()
    };
    assert_eq!(
        of("holds"),
        [&json!(true), &Value::Null, &Value::Null, &Value::Null]
    );
    assert_eq!(of("values")[0], &json!([[0, 1.0]]));
    assert_eq!(runs(&home), ["fake-fit-smoke-1"]);

    // It is no result.
    expect![[r#"
        1
        error: nothing was reproduced yet in `runs/reproduce`
          help: pleach reproduce PLUGIN
    "#]]
    .assert_eq(&reproduce(&home, &["--all"]));
}

#[test]
fn what_was_stopped_goes_on() {
    let home = with_claims();
    reproduce(&home, &["fake"]);
    let run = home.path().join("runs/reproduce/fake-fit-1");
    let page = run.join("report.html");
    let whole = fs::read_to_string(&page).unwrap();
    // As a run that was killed before its last work: without what is written at its end.
    fs::remove_file(run.join("summary.json")).unwrap();
    let journal = rusqlite::Connection::open(run.join("journal.sqlite")).unwrap();
    journal
        .execute("DELETE FROM trial WHERE stage = 2 AND number = 2", [])
        .unwrap();
    drop(journal);
    assert!(whole.contains("beyond-reach"), "the report shows claims");

    let said = reproduce(&home, &["fake", "--claim", "scores"]);
    assert!(said.starts_with("0\n"), "{said}");
    assert_eq!(runs(&home), ["fake-fit-1"]);
    assert!(Path::new(&run.join("summary.json")).is_file());
}

#[test]
fn makes_a_page_of_all_results() {
    let home = with_claims();
    reproduce(&home, &["fake"]);
    home.write("docs/kept", "");
    let said = reproduce(&home, &["--all"]);
    assert_eq!(said, "0\ndocs/results.md\n");
    let page = fs::read_to_string(home.path().join("docs/results.md")).unwrap();
    // Day and machine differ.
    let page: Vec<&str> = page
        .lines()
        .map(|line| {
            if line.contains(" cores, ") {
                "DAY, MACHINE"
            } else {
                line
            }
        })
        .collect();
    expect![[r#"
        # Results

        What the papers say and what was measured here. `pleach reproduce PLUGIN` measures it anew; this page is made by `pleach reproduce --all` of what these runs have left.

        ## fake

        Nobody 2026

        ### fit

        DAY, MACHINE

        | claim | paper | here | baseline | bound | holds? |
        | --- | --- | --- | --- | --- | --- |
        | **scores**: Whoever is fitted scores (Table 1) | 0.99 | 0.9900 (0.9652 to 1.0148), n = 3 | - | >= 0.9800, every seed | yes |
        | no-arm-is-better: Patience does not help. | - | 0.9900 (0.9652 to 1.0148), n = 3 | 0.9900: +0.0000 (+0.0000 to +0.0000) | = 0 | yes |
        | found-in-time: What is fitted scores more than half of what was found. | - | 0.9900 (0.9652 to 1.0148), n = 3 | 0.9250: x 1.070 (1.043 to 1.097) | >= 0.5000 | yes |
        | **beyond-reach**: Scores are above one. | - | 0.9900 (0.9652 to 1.0148), n = 3 | - | >= 1.5000 | no |

        `beyond-reach` does not hold: no score is above one"#]].assert_eq(&page.join("\n"));
}

#[test]
fn what_cannot_be_reproduced_is_told() {
    let home = with_claims();
    let check = |arguments: &[&str], expected: expect_test::Expect| {
        expected.assert_eq(&reproduce(&home, arguments))
    };
    check(
        &["fkae"],
        expect![[r#"
        2
        error: no plugin is named `fkae`
          help: did you mean `fake`?
    "#]],
    );
    check(
        &["fake", "--claim", "score"],
        expect![[r#"
        2
        error: `fake` makes no claim `score`
          help: did you mean `scores`?
    "#]],
    );
    check(
        &["fake", "--claim", "elsewhere"],
        expect![[r#"
        2
        error: `fake` makes no claim `elsewhere`
          expected  one of scores, no-arm-is-better, found-in-time, beyond-reach
    "#]],
    );
    check(
        &["--all"],
        expect![[r#"
        1
        error: nothing was reproduced yet in `runs/reproduce`
          help: pleach reproduce PLUGIN
    "#]],
    );
    check(
        &["--claim", "scores"],
        expect![[r#"
        2
        error: the following required arguments were not provided:
          <PLUGIN>

        Usage: pleach reproduce --plugins <DIR> --quiet --claim <NAME> <PLUGIN>

        For more information, try '--help'.
    "#]],
    );
}
