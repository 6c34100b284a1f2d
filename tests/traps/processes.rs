//! Traps of a process: how it dies, hangs, prints, and what it inherits. Each is met in a trial, as `pleach run` runs it.

use std::fs;
use std::path::PathBuf;

use pleach_tests::{Place, both};
use plugin_api::Error;

/// A search with one candidate, whose one layer is this.
fn search(layer: &str, top: &str) -> Place {
    let task = match top.contains("task") {
        true => "",
        false => "task = 'baselines/digits-graph'\n",
    };
    Place::new(&format!(
        "{task}{top}\n[[stage]]\nname = 'search'\nsearch = 'baselines/random'\n\
         space = {{ use = 'baselines/gnn', depth = 1, layers = [{layer}] }}\n\
         each = [{{ train = {{ use = 'baselines/backprop', epochs = 1 }} }}]\nbudget = 1\n"
    ))
    .with_faulty()
}

/// A layer that misbehaves in this way.
fn faulty(how: &str) -> String {
    format!("{{ use = 'faulty/faulty', how = '{how}' }}")
}

/// A layer that tells this of its process.
fn tell(what: &str) -> String {
    format!("{{ use = 'faulty/tell', what = '{what}' }}")
}

/// What came of the one trial of a search.
struct Trial {
    _place: Place,
    /// All that `pleach` printed.
    said: String,
    outcome: String,
    result: String,
    log: String,
}

impl Trial {
    fn of(place: Place, environment: &[(&str, &str)]) -> Self {
        let mut pleach = place.pleach(&["run", "experiment.toml", "--plugins", "plugins"]);
        let said = both(&pleach.envs(environment.iter().copied()).output().unwrap());
        let run: PathBuf = place.folder.path().join("runs/experiment-1");
        let db = rusqlite::Connection::open(run.join("journal.sqlite"))
            .unwrap_or_else(|e| panic!("{e}\n{said}"));
        let row = db.query_row("SELECT outcome, result FROM trial", [], |row| {
            Ok((row.get(0)?, row.get(1)?))
        });
        let (outcome, result) = row.unwrap_or_else(|e| panic!("{e}\n{said}"));
        let log = fs::read_to_string(run.join("logs/search-t0.log")).unwrap_or_default();
        Trial {
            _place: place,
            said,
            outcome,
            result,
            log,
        }
    }

    /// Why it failed, in one text.
    fn failure(&self) -> String {
        assert_eq!(self.outcome, "failed", "{}\n{}", self.result, self.said);
        let error: Error = serde_json::from_str(&self.result).unwrap();
        error.to_string()
    }
}

/// A trial with this layer fails with these words, and its log ends with these.
fn check(layer: &str, top: &str, wanted: &str, logged: &str) {
    let trial = Trial::of(search(layer, top), &[]);
    let failure = trial.failure();
    assert!(failure.contains(wanted), "{failure}");
    assert!(trial.log.contains(logged), "{}", trial.log);
}

#[test]
fn trap_15_a_panic_of_a_plugin_is_an_error_with_its_place_and_is_printed_nowhere() {
    let trial = Trial::of(search(&faulty("panic"), ""), &[]);
    let failure = trial.failure();
    assert!(
        failure.contains("panicked at tests/faulty/src/how.rs:"),
        "{failure}"
    );
    assert_eq!(trial.log, "");
}

#[test]
fn trap_19_a_panic_while_unwinding_costs_one_trial() {
    let wanted =
        "`faulty/faulty`: died of SIGABRT\n  help: what it printed is in logs/search-t0.log";
    check(
        &faulty("panic-twice"),
        "",
        wanted,
        "on purpose, while dropped",
    );
}

#[test]
fn trap_19_a_stack_overflow_costs_one_trial() {
    check(
        &faulty("stack"),
        "",
        "`faulty/faulty`: died of SIGABRT",
        "has overflowed its stack",
    );
}

#[test]
fn trap_19_a_failed_allocation_of_rust_costs_one_trial() {
    let limits = "limits = { memory = '1 GiB' }";
    check(
        &faulty("memory"),
        limits,
        "`faulty/faulty`: died of SIGABRT",
        "memory allocation of ",
    );
}

#[test]
fn trap_19_an_abort_costs_one_trial() {
    check(&faulty("abort"), "", "`faulty/faulty`: died of SIGABRT", "");
}

#[test]
fn trap_19_a_bad_pointer_costs_one_trial() {
    check(&faulty("segv"), "", "`faulty/faulty`: died of SIGSEGV", "");
}

#[test]
fn trap_20_a_process_that_ends_with_status_0_has_not_done_its_work() {
    let wanted = "`faulty/faulty`: ended its process with status 0 before its work was done";
    check(&faulty("exit"), "", wanted, "");
}

#[test]
fn trap_21_an_endless_loop_ends_at_its_limit() {
    let wanted = "`faulty/faulty`: ran longer than 1 s and was killed";
    check(&faulty("loop"), "limits = { seconds = 1 }", wanted, "");
}

#[test]
fn trap_22_what_a_trial_prints_goes_to_its_log() {
    let trial = Trial::of(search(&faulty("print"), ""), &[]);
    assert_eq!(trial.outcome, "done", "{}", trial.result);
    for by in ["println", "puts", "printf", "cout"] {
        assert!(
            trial.log.contains(&format!("printed by {by} on purpose\n")),
            "{}",
            trial.log
        );
    }
}

/// In the worker's own process: while a file is opened, and by a strategy.
#[test]
fn trap_22_what_a_plugin_prints_in_the_worker_disturbs_nobody() {
    let place = Place::new(
        "task = 'baselines/digits-graph'\n[[stage]]\nname = 'search'\nsearch = { use = 'faulty/faulty-strategy', how = 'print' }\n\
         space = { use = 'baselines/gnn', depth = 1, layers = ['baselines/gcn'] }\n\
         each = [{ train = { use = 'baselines/backprop', epochs = 1 } }]\nbudget = 1\n",
    )
    .with_faulty();
    let cache = place.folder.path().join("cache");
    let card = place
        .pleach(&[
            "plugins",
            "info",
            "faulty",
            "--json",
            "--plugins",
            "plugins",
        ])
        .env("FAULTY_OPENING", "print")
        .env("PLEACH_CACHE", &cache)
        .output()
        .unwrap();
    let card: serde_json::Value = serde_json::from_slice(&card.stdout).unwrap();
    assert_eq!(card["name"], "faulty");

    let run = place
        .pleach(&["run", "experiment.toml", "--plugins", "plugins"])
        .env("FAULTY_OPENING", "print")
        .output()
        .unwrap();
    assert!(run.status.success(), "{}", both(&run));
    let mut logs = String::new();
    for log in fs::read_dir(place.folder.path().join("runs/experiment-1/logs")).unwrap() {
        logs += &fs::read_to_string(log.unwrap().path()).unwrap();
    }
    for wanted in ["opened\n", "printed by cout on purpose"] {
        assert!(logs.contains(wanted), "{logs}");
    }
}

#[test]
fn trap_23_no_error_pays_for_a_backtrace_whatever_the_environment_says() {
    let asked = [("RUST_BACKTRACE", "1"), ("RUST_LIB_BACKTRACE", "1")];
    let failure = Trial::of(search(&tell("backtrace"), ""), &asked).failure();
    assert!(
        failure.ends_with("`faulty/tell`: backtrace: Disabled"),
        "{failure}"
    );
}

/// libtorch maps half a gigabyte when it is loaded, of which it uses little: the limit is on data.
#[test]
fn trap_24_memory_beyond_the_limit_is_an_error_of_libtorch() {
    let memory = |limit: &str| {
        let top = format!("limits = {{ memory = '{limit}' }}");
        Trial::of(search(&faulty("tensor-memory"), &top), &[])
    };
    let failure = memory("1 GiB").failure();
    assert!(
        failure.contains("caused by `faulty/faulty`: libtorch: "),
        "{failure}"
    );
    assert!(failure.contains("can't allocate memory"), "{failure}");
    let within = memory("4 GiB");
    assert_eq!(within.outcome, "done", "{}", within.result);
}

#[test]
fn trap_24_libtorch_itself_fits_into_a_small_limit() {
    let trial = Trial::of(
        search("'baselines/gcn'", "limits = { memory = '300 MiB' }"),
        &[],
    );
    assert_eq!(trial.outcome, "done", "{}", trial.result);
}

/// A component should not draw from it; one that does is reproducible all the same.
#[test]
fn trap_26_libtorchs_generator_is_seeded_for_each_trial() {
    let draw =
        |seed: u64| Trial::of(search(&tell("draw"), &format!("seed = {seed}")), &[]).failure();
    let (first, again, other) = (draw(1), draw(1), draw(2));
    assert!(first.contains("draw: 0."), "{first}");
    assert_eq!(first, again);
    assert_ne!(first, other);
}

/// The task sets it in the process from which trials are forked.
#[test]
fn trap_28_the_number_of_threads_is_set_anew_for_each_trial() {
    let task =
        "task = { use = 'faulty/faulty-task', inner = 'baselines/digits-graph', how = 'threads' }";
    let threads = |top: &str| Trial::of(search(&tell("threads"), top), &[]).failure();
    assert!(threads(task).ends_with("threads: 1"));
    assert!(threads(&format!("{task}\nthreads = 2")).ends_with("threads: 2"));
}

/// Many points are scored by one process.
#[test]
fn trap_28_the_number_of_threads_is_set_anew_for_each_score() {
    let place = Place::new(
        "task = 'baselines/digits-graph'\n[[stage]]\nname = 'search'\n\
         search = { use = 'baselines/prescreen', of = 3, scorers = [{ use = 'faulty/faulty-scorer', how = 'threads' }] }\n\
         space = { use = 'baselines/gnn', depth = 1, layers = ['baselines/gcn'] }\n\
         each = [{ train = { use = 'baselines/backprop', epochs = 1 } }]\nbudget = 1\n",
    )
    .with_faulty();
    let run = place.run(&["--plugins", "plugins"]);
    for log in fs::read_dir(run.join("logs")).unwrap() {
        let log = fs::read_to_string(log.unwrap().path()).unwrap();
        assert!(!log.contains("could not score"), "{log}");
    }
}

/// A forked child has one thread: what another one held when it was forked is never let go.
#[test]
fn trap_34_a_worker_with_threads_is_not_forked() {
    for how in ["thread", "parallel"] {
        let task = format!(
            "task = {{ use = 'faulty/faulty-task', inner = 'baselines/digits-graph', how = '{how}' }}"
        );
        let place = search("'baselines/gcn'", &task);
        let run = place
            .pleach(&["run", "experiment.toml", "--plugins", "plugins"])
            .output()
            .unwrap();
        let said = both(&run);
        assert_eq!(run.status.code(), Some(1), "{said}");
        let wanted = "a plugin started threads in the process from which trials are forked";
        assert!(said.contains(wanted), "{how}: {said}");
    }
}
