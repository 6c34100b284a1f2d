//! A plugin that misbehaves costs its trial and nothing else, and the trial says what happened.

use std::collections::BTreeMap;

use pleach_tests::{Place, both, built};
use serde_json::Value;

/// How the faulty layer can misbehave, and what its trial must say; `None` where it must do no harm. What a line holds
/// beyond `…` depends on the platform.
const FAULTS: &[(&str, Option<&str>)] = &[
    ("none", None),
    ("print", None),
    (
        "error",
        Some(
            "`baselines/backprop`: `faulty/faulty` failed\n  caused by `faulty/faulty`: refused on purpose",
        ),
    ),
    (
        "panic",
        Some(
            "`baselines/backprop`: `faulty/faulty` failed\n  caused by `faulty/faulty`: panicked at tests/faulty/src/how.rs:…: on purpose",
        ),
    ),
    (
        "payload",
        Some(
            "`baselines/backprop`: `faulty/faulty` failed\n  caused by `faulty/faulty`: panicked at tests/faulty/src/how.rs:…: with something that is no text",
        ),
    ),
    (
        "libtorch",
        Some(
            "`baselines/backprop`: `faulty/faulty` failed\n  caused by `faulty/faulty`: libtorch: mat1 and mat2 shapes cannot be multiplied (2x3 and 2x3)",
        ),
    ),
    (
        "exception",
        Some("`faulty/faulty`: died of SIGABRT\n  found     …"),
    ),
    ("abort", Some("`faulty/faulty`: died of SIGABRT")),
    (
        "exit",
        Some("`faulty/faulty`: ended its process with status 0 before its work was done"),
    ),
    ("segv", Some("`faulty/faulty`: died of SIGSEGV")),
    (
        "stack",
        Some("`faulty/faulty`: died of SIGABRT\n  found     …"),
    ),
    (
        "loop",
        Some("`faulty/faulty`: ran longer than 3 s and was killed"),
    ),
    (
        "memory",
        Some(
            "`faulty/faulty`: died of SIGABRT\n  found     memory allocation of 16777216 bytes failed…",
        ),
    ),
];

/// A search over networks with one faulty layer, long enough to meet every fault.
fn experiment() -> String {
    let layers: Vec<String> = FAULTS
        .iter()
        .map(|(how, _)| format!("{{ use = 'faulty/faulty', how = '{how}' }}"))
        .collect();
    format!(
        "task = 'baselines/digits-graph'\nlimits = {{ seconds = 3, memory = '1 GiB' }}\n[[stage]]\nname = 'search'\n\
         search = 'baselines/random'\nspace = {{ use = 'baselines/gnn', depth = 1, layers = [{}] }}\n\
         each = [{{ train = {{ use = 'baselines/backprop', epochs = 1 }} }}]\nbudget = 60\nahead = 2\n",
        layers.join(", ")
    )
}

/// A place for an experiment, with the faulty plugin in its folder `plugins`: cargo keeps it apart from the others.
fn place(experiment: &str) -> Place {
    let place = Place::new(experiment);
    let plugins = place.folder.path().join("plugins");
    std::fs::create_dir(&plugins).unwrap();
    let faulty = built().join("examples/libfaulty.so");
    std::fs::copy(faulty, plugins.join("libfaulty.so")).expect("`cargo xtask test` builds it");
    place
}

/// Whether a text is the pattern, in which `…` stands for anything.
fn matches(text: &str, pattern: &str) -> bool {
    match pattern.split_once('…') {
        Some((head, "")) => text.starts_with(head),
        Some((head, rest)) => text
            .strip_prefix(head)
            .is_some_and(|t| t.char_indices().any(|(i, _)| matches(&t[i..], rest))),
        None => text == pattern,
    }
}

#[test]
fn each_fault_costs_its_trial_and_nothing_else() {
    let place = place(&experiment());
    let run = place.run(&["--jobs", "2", "--plugins", "plugins"]);
    let db = rusqlite::Connection::open(run.join("journal.sqlite")).unwrap();
    let mut rows = db
        .prepare("SELECT proposal, outcome, result FROM trial ORDER BY number")
        .unwrap();
    let rows = rows
        .query_map([], |row| {
            Ok((
                row.get::<_, String>(0)?,
                row.get::<_, String>(1)?,
                row.get::<_, String>(2)?,
            ))
        })
        .unwrap();
    let mut met: BTreeMap<&str, usize> = BTreeMap::new();
    for row in rows {
        let (proposal, outcome, result) = row.unwrap();
        let proposal: Value = serde_json::from_str(&proposal).unwrap();
        let option = proposal["point"]["layer-0"]["option"].as_u64().unwrap() as usize;
        let (how, wanted) = FAULTS[option];
        *met.entry(how).or_default() += 1;
        match wanted {
            None => assert_eq!(outcome, "done", "{how}: {result}"),
            Some(wanted) => {
                assert_eq!(outcome, "failed", "{how}: {result}");
                let error: plugin_api::Error = serde_json::from_str(&result).unwrap();
                assert!(
                    matches(&error.to_string(), wanted),
                    "{how} says\n{error}\ninstead of\n{wanted}"
                );
            }
        }
    }
    assert_eq!(met.values().sum::<usize>(), 60, "{met:?}");
    assert_eq!(met.len(), FAULTS.len(), "not every fault was met: {met:?}");
}

/// A strategy lives in a process of its own: it is started anew, and given up with a reason.
#[test]
fn a_faulty_strategy_ends_the_search_with_its_reason() {
    let check = |how: &str, wanted: &str| {
        let place = place(&format!(
            "task = 'baselines/digits-graph'\nlimits = {{ seconds = 5 }}\n[[stage]]\nname = 'search'\n\
             search = {{ use = 'faulty/faulty-strategy', how = '{how}', at = 1 }}\nspace = {{ use = 'baselines/gnn', depth = 1, layers = ['baselines/gcn'] }}\n\
             each = [{{ train = {{ use = 'baselines/backprop', epochs = 1 }} }}]\nbudget = 4\n"
        ));
        let output = place
            .pleach(&["run", "experiment.toml", "--plugins", "plugins"])
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(1), "{}", both(&output));
        assert!(
            String::from_utf8_lossy(&output.stderr).contains(wanted),
            "{how}: {}",
            both(&output)
        );
    };
    check(
        "panic",
        "`faulty/faulty-strategy`: panicked at tests/faulty/src/how.rs:",
    );
    check("error", "`faulty/faulty-strategy`: refused on purpose");
    check("abort", "the worker died of SIGABRT");
}

/// A point that a scorer cannot score comes last; the search goes on.
#[test]
fn a_faulty_scorer_costs_its_scores_and_nothing_else() {
    for how in ["panic", "abort", "exit"] {
        let place = place(&format!(
            "task = 'baselines/digits-graph'\n[[stage]]\nname = 'search'\n\
             search = {{ use = 'baselines/prescreen', of = 2, scorer = {{ use = 'faulty/faulty-scorer', how = '{how}' }} }}\n\
             space = {{ use = 'baselines/gnn', depth = 1, layers = ['baselines/gcn'] }}\n\
             each = [{{ train = {{ use = 'baselines/backprop', epochs = 1 }} }}]\nbudget = 2\n"
        ));
        let run = place.run(&["--plugins", "plugins"]);
        let journal = pleach_tests::journal(&run);
        assert!(
            journal.len() == 2 && journal.iter().all(|row| row.contains("done")),
            "{how}: {journal:#?}"
        );
    }
}
