//! A plugin that misbehaves costs its trial and nothing else, and the trial says what happened.

use std::fs;
use std::path::Path;

use pleach::journal::{Entry, Journal};
use pleach_tests::{Place, both};
use plugin_api::Decided;
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
    ("panic-twice", "died of SIGABRT"),
    (
        "panic-without-grad",
        "panicked at tests/faulty/src/how.rs:…:…: on purpose",
    ),
    (
        "libtorch",
        "libtorch: mat1 and mat2 shapes cannot be multiplied (2x3 and 2x3)",
    ),
    (
        "libtorch-error",
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
    (
        "tensor-memory",
        "libtorch: [enforce fail at alloc_cpu.cpp:…] err == 0. DefaultCPUAllocator: can't allocate memory: you tried to \
         allocate … bytes. Error code … (Cannot allocate memory)",
    ),
    ("threads", "libtorch has 3 threads"),
    ("thread", ""),
    ("parallel", ""),
];

/// Layers of the trials around a fault, which are healthy and worth something different.
const HEALTHY: [&str; 3] = ["baselines/gcn", "baselines/linear", "baselines/gin"];

/// What a trial says after this fault: of those that end the process, from outside; of the others, through the trainer.
fn message(how: &str, says: &str) -> String {
    match how {
        "panic-twice" | "abort" | "exit" | "segv" | "stack" | "loop" | "memory" => {
            format!("`faulty/faulty`: {says}\n  help: what it printed is in logs/search-t….log")
        }
        "tensor-memory" => format!(
            "`baselines/backprop`: `faulty/faulty` failed\n  help: `limits.memory` lets work have 1024 MiB\n  caused by \
             `faulty/faulty`: {says}"
        ),
        _ => format!(
            "`baselines/backprop`: `faulty/faulty` failed\n  caused by `faulty/faulty`: {says}"
        ),
    }
}

/// The layers that are tried in turn: a healthy one, a fault, a healthy one, a fault, …, and a healthy one.
fn layers() -> Vec<String> {
    let healthy = (0..).map(|i| format!("'{}'", HEALTHY[i % HEALTHY.len()]));
    let faulty = FAULTS.iter();
    let faulty = faulty.map(|(how, _)| format!("{{ use = 'faulty/faulty', how = '{how}' }}"));
    let pairs = healthy.clone().zip(faulty).flat_map(|(a, b)| [a, b]);
    pairs
        .chain([healthy.clone().next().expect("it is endless")])
        .collect()
}

/// A search that meets every fault once, and a stage that goes on with what it found.
fn experiment() -> String {
    let layers = layers();
    format!(
        "task = 'baselines/digits-graph'\nlimits = {{ seconds = 3, memory = '1 GiB' }}\n[[stage]]\nname = 'search'\n\
         search = 'faulty/in-turn'\nspace = {{ use = 'baselines/gnn', depth = 1, layers = [{}] }}\n\
         each = [{{ train = {{ use = 'baselines/backprop', epochs = 1 }} }}]\nbudget = {}\nahead = 2\n\
         [[stage]]\nname = 'found'\ntrain = {{ use = 'baselines/backprop', epochs = 1 }}\n",
        layers.join(", "),
        layers.len()
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

/// A trial that ended.
struct Trial {
    /// Which of the layers it tried.
    layer: usize,
    /// What it is worth, or why it failed.
    result: Result<f64, plugin_api::Error>,
}

/// The trials of the search, which knows no others.
fn trials(run: &Path) -> Vec<Trial> {
    let journal = Journal::open(&run.join("journal.sqlite")).expect("a journal");
    let entries = journal.entries(0).expect("trials");
    let trial = |entry: Entry| {
        let point = entry.proposal.expect("a proposal").point;
        let Decided::Option(layer) = point["layer-0"] else {
            panic!("a layer is an option: {point:?}");
        };
        let result = entry.result.expect("it has ended");
        let result = result.map(|done| done.metrics["val.accuracy"]);
        Trial { layer, result }
    };
    entries.into_iter().map(trial).collect()
}

#[test]
fn each_fault_costs_its_trial_and_nothing_else() {
    let place = Place::new(&experiment()).with_faulty();
    let run = place.run(&["--jobs", "2", "--plugins", "plugins", "--json"]);
    let log = fs::read_to_string(run.join("logs/search-strategy.log")).expect("a log");
    let trials = trials(&run);
    let order: Vec<usize> = trials.iter().map(|trial| trial.layer).collect();
    assert_eq!(order, (0..2 * FAULTS.len() + 1).collect::<Vec<_>>());
    for (number, Trial { layer, result }) in trials.iter().enumerate() {
        let (how, says) = match layer % 2 {
            0 => ("healthy", ""),
            _ => FAULTS[layer / 2],
        };
        let told = match result {
            Ok(_) => "done".to_owned(),
            Err(error) => format!("failed, {}", error.what),
        };
        let told = format!("told of t{number}: {told}");
        // The search ends with its last results.
        let is_asked_after = number + 2 < trials.len();
        assert!(
            !is_asked_after || log.contains(&told),
            "{how}: no `{told}` in\n{log}"
        );
        match result {
            Ok(_) => assert_eq!(says, "", "{how} did no harm"),
            Err(error) => {
                let wanted = message(how, says);
                assert!(
                    !says.is_empty() && matches(&error.to_string(), &wanted),
                    "{how} says\n{error}\ninstead of\n{wanted}"
                );
            }
        }
    }
    // Of equals the first; the stage behind has gone on with it.
    let worth = |trial: &Trial| trial.result.as_ref().copied().unwrap_or(f64::NEG_INFINITY);
    let best = (0..trials.len())
        .rev()
        .max_by(|a, b| worth(&trials[*a]).total_cmp(&worth(&trials[*b])));
    let resumed = place
        .pleach(&["resume", "runs/experiment-1", "--json"])
        .output()
        .unwrap();
    let summary: Value = serde_json::from_slice(&resumed.stdout).unwrap();
    assert_eq!(
        summary["searches"][0]["best"].as_u64(),
        best.map(|best| best as u64)
    );
    assert_eq!(
        summary["searches"][0]["trials"].as_u64(),
        Some(trials.len() as u64)
    );
    assert_eq!(summary["stages"][0]["seeds"], 1);
}

/// The table above knows every way to misbehave.
#[test]
fn no_fault_is_left_out() {
    let place = Place::new("").with_faulty();
    let described = place
        .pleach(&[
            "describe",
            "faulty/faulty",
            "--json",
            "--plugins",
            "plugins",
        ])
        .output()
        .unwrap();
    let described: Value = serde_json::from_slice(&described.stdout).expect("JSON");
    let mut known: Vec<&str> = FAULTS.iter().map(|(how, _)| *how).collect();
    let mut all = options(&described["schema"]["properties"]["how"]);
    known.sort_unstable();
    all.sort_unstable();
    assert_eq!(all, known);
}

/// The texts that a schema allows.
fn options(schema: &Value) -> Vec<&str> {
    let one = schema["const"].as_str();
    let lists = ["enum", "oneOf"].map(|key| schema[key].as_array());
    let [of_texts, of_schemas] = lists.map(|list| list.into_iter().flatten());
    let texts = of_texts.filter_map(Value::as_str);
    one.into_iter()
        .chain(texts)
        .chain(of_schemas.flat_map(options))
        .collect()
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
    let said = fs::read_to_string(log).unwrap();
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
