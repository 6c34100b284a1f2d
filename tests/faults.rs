//! A plugin that misbehaves costs its trial and nothing else, and the trial says what happened.

use std::collections::BTreeMap;

use pleach_tests::{Place, both};
use serde_json::Value;

/// How the faulty layer can misbehave, and what its trial says; nothing where it must do no harm. `…` is a number.
const FAULTS: &[(&str, &str)] = &[
    ("none", ""),
    ("print", ""),
    ("error", "refused on purpose"),
    (
        "panic",
        "panicked at tests/faulty/src/how.rs:…:…: on purpose",
    ),
    (
        "payload",
        "panicked at tests/faulty/src/how.rs:…:…: with something that is no text",
    ),
    (
        "libtorch",
        "libtorch: mat1 and mat2 shapes cannot be multiplied (2x3 and 2x3)",
    ),
    ("exception", "threw a C++ exception: thrown on purpose"),
    ("odd-exception", "threw a C++ exception: 42"),
    ("abort", "died of SIGABRT"),
    (
        "exit",
        "ended its process with status 0 before its work was done",
    ),
    ("segv", "died of SIGSEGV"),
    ("stack", "died of SIGABRT"),
    ("loop", "ran longer than 3 s and was killed"),
    ("memory", "died of SIGABRT"),
];

/// What a trial says after this fault: those that a process survives come through the trainer, the others from outside.
fn message(how: &str, says: &str) -> String {
    match how {
        "error" | "panic" | "payload" | "libtorch" | "exception" | "odd-exception" => {
            format!(
                "`baselines/backprop`: `faulty/faulty` failed\n  caused by `faulty/faulty`: {says}"
            )
        }
        _ => format!("`faulty/faulty`: {says}\n  help: what it printed is in logs/search-t….log"),
    }
}

/// A search over networks with one faulty layer, long enough to meet every fault.
fn experiment() -> String {
    let layers: Vec<String> = FAULTS
        .iter()
        .map(|(how, _)| format!("{{ use = 'faulty/faulty', how = '{how}' }}"))
        .collect();
    format!(
        "task = 'baselines/digits-graph'\nlimits = {{ seconds = 3, memory = '1 GiB' }}\n[[stage]]\nname = 'search'\n\
         search = 'baselines/random'\nspace = {{ use = 'baselines/gnn', depth = 1, layers = [{}] }}\n\
         each = [{{ train = {{ use = 'baselines/backprop', epochs = 1 }} }}]\nbudget = 70\nahead = 2\n",
        layers.join(", ")
    )
}

/// Whether a text is the pattern, in which `…` stands for a number.
fn matches(text: &str, pattern: &str) -> bool {
    match pattern.split_once('…') {
        Some((head, rest)) => text.strip_prefix(head).is_some_and(|text| {
            let number = text.trim_start_matches(|c: char| c.is_ascii_digit());
            number.len() < text.len() && matches(number, rest)
        }),
        None => text == pattern,
    }
}

#[test]
fn each_fault_costs_its_trial_and_nothing_else() {
    let place = Place::new(&experiment()).with_faulty();
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
        let (how, says) = FAULTS[option];
        *met.entry(how).or_default() += 1;
        if says.is_empty() {
            assert_eq!(outcome, "done", "{how}: {result}");
            continue;
        }
        assert_eq!(outcome, "failed", "{how}: {result}");
        let error: plugin_api::Error = serde_json::from_str(&result).unwrap();
        let wanted = message(how, says);
        assert!(
            matches(&error.to_string(), &wanted),
            "{how} says\n{error}\ninstead of\n{wanted}"
        );
    }
    assert_eq!(met.values().sum::<usize>(), 70, "{met:?}");
    assert_eq!(met.len(), FAULTS.len(), "not every fault was met: {met:?}");
}

/// A strategy lives in a process of its own: it is started anew, and given up with a reason.
#[test]
fn a_faulty_strategy_ends_the_search_with_its_reason() {
    let check = |how: &str, wanted: &str| {
        let place = Place::new(&format!(
            "task = 'baselines/digits-graph'\nlimits = {{ seconds = 5 }}\n[[stage]]\nname = 'search'\n\
             search = {{ use = 'faulty/faulty-strategy', how = '{how}', at = 1 }}\nspace = {{ use = 'baselines/gnn', depth = 1, layers = ['baselines/gcn'] }}\n\
             each = [{{ train = {{ use = 'baselines/backprop', epochs = 1 }} }}]\nbudget = 4\n"
        )).with_faulty();
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
    let panicked = "error: `faulty/faulty-strategy`: panicked at tests/faulty/src/how.rs:";
    check("panic", panicked);
    check(
        "error",
        "error: `faulty/faulty-strategy`: refused on purpose\n",
    );
    check(
        "exception",
        "error: `faulty/faulty-strategy`: threw a C++ exception: thrown on purpose\n",
    );
    let died = "error: the worker of the strategy `faulty/faulty-strategy` died 3 times over the same request";
    check("abort", died);
    check("abort", "the worker died of SIGABRT");
    check("exit", died);
    check("exit", "the worker ended without an answer, with code 0");
}

/// Scorers that are asked together say what each says alone, also where one of them brings down its process for some of
/// the points.
#[test]
fn a_faulty_scorer_costs_its_own_scores_alone() {
    let place = Place::new(
        "task = 'baselines/digits-graph'\n[[stage]]\nname = 'search'\n\
         search = { use = 'faulty/scored', scorers = ['baselines/params', { use = 'faulty/faulty-scorer', how = 'abort', above = 2000 }, 'baselines/grad-norm'] }\n\
         space = { use = 'baselines/gnn', depth = 1, layers = ['baselines/gcn'] }\n\
         each = [{ train = { use = 'baselines/backprop', epochs = 1 } }]\nbudget = 4\nahead = 4\n",
    )
    .with_faulty();
    let output = place
        .pleach(&["run", "experiment.toml", "--plugins", "plugins"])
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", both(&output));
    let log = place
        .folder
        .path()
        .join("runs/experiment-1/logs/search-strategy.log");
    let said = std::fs::read_to_string(log).unwrap();
    let row = |scorer: &str| {
        let (_, row) = said
            .split_once(&format!("scores of {scorer}: "))
            .expect(scorer);
        row.lines().next().unwrap().to_string()
    };
    for whole in ["baselines/params", "baselines/grad-norm"] {
        assert!(!row(whole).contains("None"), "{said}");
    }
    assert!(row("faulty/faulty-scorer").contains("None"), "{said}");
    assert!(row("faulty/faulty-scorer").contains("Some"), "{said}");
}

/// A scorer that fails on every point says so, in a process of its own.
#[test]
fn a_faulty_scorer_ends_the_search_with_its_reason() {
    let run = |how: &str| {
        let place = Place::new(&format!(
            "task = 'baselines/digits-graph'\n[[stage]]\nname = 'search'\n\
             search = {{ use = 'baselines/prescreen', of = 2, scorers = [{{ use = 'faulty/faulty-scorer', how = '{how}' }}] }}\n\
             space = {{ use = 'baselines/gnn', depth = 1, layers = ['baselines/gcn'] }}\n\
             each = [{{ train = {{ use = 'baselines/backprop', epochs = 1 }} }}]\nbudget = 2\n"
        ))
        .with_faulty();
        place
            .pleach(&["run", "experiment.toml", "--plugins", "plugins"])
            .output()
            .unwrap()
    };
    for (how, reason) in [
        (
            "error",
            "caused by `faulty/faulty-scorer`: refused on purpose",
        ),
        (
            "exception",
            "caused by `faulty/faulty-scorer`: threw a C++ exception: thrown on purpose",
        ),
        ("abort", "caused by `faulty/faulty-scorer`: died of SIGABRT"),
        (
            "exit",
            "caused by `faulty/faulty-scorer`: ended its process with status 0 before its work was done",
        ),
    ] {
        let output = run(how);
        let said = both(&output);
        assert_eq!(output.status.code(), Some(1), "{said}");
        assert!(
            said.contains("`faulty/faulty-scorer` could not score a single point"),
            "{said}"
        );
        assert!(said.contains(reason), "{how}: {said}");
    }
    assert!(run("print").status.success());
}
