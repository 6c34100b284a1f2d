//! Killed at any moment and resumed, a study is the study that was never killed.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::thread::sleep;
use std::time::{Duration, Instant};

use pleach_tests::{Place, STUDY, both, journal, weights};
use plugin_api::{random, stream};
use serde_json::Value;

/// From which the moments are drawn at which somebody is killed.
const SEED: u64 = 0;
/// How many there are for each victim.
const MOMENTS: u64 = 10;

/// The study, never killed.
struct Whole {
    journal: Vec<String>,
    weights: Vec<(String, Vec<u8>)>,
    report: Value,
    took: Duration,
}

/// The study with checkpoints as often as can be, for work to go on from.
fn place() -> Place {
    Place::new(&format!("checkpoint = 0\n{STUDY}")).with_faulty()
}

fn whole() -> &'static Whole {
    static WHOLE: OnceLock<Whole> = OnceLock::new();
    WHOLE.get_or_init(|| {
        let place = place();
        let start = Instant::now();
        let run = place.run(&["--jobs", "2", "--plugins", "plugins"]);
        let took = start.elapsed();
        let (journal, weights) = (journal(&run), weights(&run));
        assert_eq!(journal.len(), 4 + 6 + 3 * 2, "{journal:#?}");
        let failed = journal.iter().filter(|row| row.contains("failed")).count();
        assert!(
            (1..4).contains(&failed),
            "the first search has good trials and bad: {journal:#?}"
        );
        assert_eq!(weights.len(), 3 * 2);
        Whole {
            journal,
            weights,
            report: report(&place),
            took,
        }
    })
}

/// What the page of a run shows, without what clocks say and where its folder is.
fn report(place: &Place) -> Value {
    let output = place
        .pleach(&["report", "runs/experiment-1", "--json"])
        .output()
        .expect("pleach can be started");
    assert!(output.status.success(), "{}", both(&output));
    let folder = place.folder.path().canonicalize().expect("a folder");
    let text = String::from_utf8(output.stdout).expect("text");
    let text = text.replace(folder.to_str().expect("text"), "DIR");
    without_clocks(serde_json::from_str(&text).expect("JSON"))
}

fn without_clocks(value: Value) -> Value {
    const CLOCKS: [&str; 3] = ["begun", "last", "seconds"];
    match value {
        Value::Object(fields) => {
            let timeless = fields
                .into_iter()
                .filter(|(key, _)| !CLOCKS.contains(&&**key));
            timeless
                .map(|(key, value)| (key, without_clocks(value)))
                .collect()
        }
        Value::Array(items) => items.into_iter().map(without_clocks).collect(),
        plain => plain,
    }
}

fn same(run: &Path, what: &str) {
    let then = whole();
    let journal_now = journal(run);
    if let Some((now, then)) = journal_now
        .iter()
        .zip(&then.journal)
        .find(|(now, then)| now != then)
    {
        panic!("{what}: another journal\n{now}\ninstead of\n{then}");
    }
    assert_eq!(journal_now.len(), then.journal.len(), "{what}");
    for ((name, now), (name_then, then)) in weights(run).iter().zip(&then.weights) {
        assert_eq!(name, name_then, "{what}");
        assert!(now == then, "{what}: {name} has other bits");
    }
    assert_eq!(weights(run).len(), then.weights.len(), "{what}");
}

#[test]
fn one_worker_and_two_give_the_same_study() {
    same(
        &Place::new(STUDY)
            .with_faulty()
            .run(&["--jobs", "1", "--plugins", "plugins"]),
        "one job",
    );
}

/// Some of the trials of the first search bring their process down in the midst of a batch.
#[test]
fn batches_give_the_same_study() {
    let batched = STUDY
        .replace("ahead  = 2", "ahead  = 2\nbatch  = 2")
        .replace("ahead  = 3", "ahead  = 3\nbatch  = 3");
    assert_eq!(batched.matches("batch").count(), 2);
    same(
        &Place::new(&batched)
            .with_faulty()
            .run(&["--jobs", "1", "--plugins", "plugins"]),
        "in batches",
    );
}

/// Descendants of a process by what they are: the workers it started, and the children that those forked.
fn descendants(pid: u32) -> (Vec<u32>, Vec<u32>) {
    let children = |pid: u32| -> Vec<u32> {
        let list =
            std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
        list.split_whitespace()
            .filter_map(|pid| pid.parse().ok())
            .collect()
    };
    let workers = children(pid);
    let trials = workers
        .iter()
        .flat_map(|worker| children(*worker))
        .collect();
    (workers, trials)
}

fn kill(pid: u32) {
    if let Some(pid) = rustix::process::Pid::from_raw(pid as i32) {
        // It may just have ended by itself.
        let _ = rustix::process::kill_process(pid, rustix::process::Signal::KILL);
    }
}

fn start(place: &Place, arguments: &[&str]) -> Child {
    let mut command: Command = place.pleach(arguments);
    command
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("pleach can be started")
}

/// Runs the study, kills somebody at each of ten moments, each in a run of its own, and sees that nothing came of it.
fn killed_at_ten_moments(victim: &str, strike: impl Fn(&mut Child, usize) -> bool) {
    let whole = whole();
    for number in 0..MOMENTS {
        let (place, moment) = (0..)
            .find_map(|attempt| {
                let name = format!("{victim}, moment {number}, attempt {attempt}");
                let part = random::uniform(&[1], stream(SEED, &name)).double_value(&[0]);
                let moment = whole.took.mul_f64(part);
                let place = struck_at(moment, |pleach| strike(pleach, number as usize))?;
                Some((place, moment))
            })
            .expect("some moment has somebody to kill");
        let what = format!("{victim} killed after {moment:?}, number {number} of seed {SEED}");
        let run: PathBuf = place.folder.path().join("runs/experiment-1");
        let arguments: &[&str] = match run.join("experiment.toml").exists() {
            true => &["resume", "runs/experiment-1", "--jobs", "2"],
            // Killed before there was anything to resume.
            false => {
                std::fs::remove_dir_all(place.folder.path().join("runs")).ok();
                &RUN
            }
        };
        let resumed = place
            .pleach(arguments)
            .output()
            .expect("pleach can be started");
        assert!(resumed.status.success(), "{what}: {}", both(&resumed));
        same(&run, &what);
        let report = report(&place);
        for (key, then) in whole.report.as_object().expect("a report") {
            assert_eq!(report.get(key), Some(then), "{what}: `{key}` of the report");
        }
    }
}

/// The study with two trials at once.
const RUN: [&str; 6] = [
    "run",
    "experiment.toml",
    "--jobs",
    "2",
    "--plugins",
    "plugins",
];

/// A run of the study in which somebody was killed, if there was anybody to kill from this moment on.
fn struck_at(moment: Duration, strike: impl Fn(&mut Child) -> bool) -> Option<Place> {
    let place = place();
    let mut pleach = start(&place, &RUN);
    sleep(moment);
    let mut struck = false;
    while !struck && pleach.try_wait().expect("a child").is_none() {
        struck = strike(&mut pleach);
        sleep(Duration::from_millis(2));
    }
    pleach.wait().expect("a child");
    struck.then_some(place)
}

/// A study whose works take long enough to be cut off: a relaxation's search, trials of several steps, a trainer that has
/// another one train twice.
const LONG: &str = r#"
task = { use = "baselines/digits-graph" }

[[stage]]
name   = "chosen"
search = "baselines/softmax"
space  = { use = "baselines/gnn", depth = 1, widths = [16], dropouts = [0.5], activations = ["relu"], layers = ["baselines/gcn", "mixhop/mixhop"] }
steps  = 40

[[stage]]
name   = "search"
search = "baselines/random"
space  = { use = "baselines/gnn", depth = 1, widths = [16], layers = ["baselines/gcn", "mixhop/mixhop"] }
each   = [
    { train = { use = "baselines/backprop", epochs = 5 } },
    { prune = { use = "baselines/magnitude" }, sparsity = 0.5 },
    { train = { use = "baselines/backprop", epochs = 80, transforms = [{ use = "baselines/sgd", momentum = 0.9 }] } },
]
budget = 2

[[stage]]
name  = "found"
train = { use = "wrappers/trainer", inner = { use = "baselines/backprop", epochs = 40 } }
"#;

fn long(first: &str) -> Place {
    let wrappers = std::fs::read(pleach_tests::example("wrappers").path).expect("a plugin");
    Place::new(&format!("{first}\n{LONG}")).with_plugin("wrappers", &wrappers)
}

/// Runs the experiment until this work has written a checkpoint, and kills pleach and all that it has started.
fn cut_off(place: &Place, work: &str) -> PathBuf {
    let run = place.folder.path().join("runs/experiment-1");
    let checkpoint = run.join(format!("checkpoints/{work}.safetensors"));
    let mut pleach = start(place, &["run", "experiment.toml", "--plugins", "plugins"]);
    while !checkpoint.exists() {
        let running = pleach.try_wait().expect("a child").is_none();
        assert!(running, "{work} was not cut off");
        sleep(Duration::from_millis(1));
    }
    let (workers, trials) = descendants(pleach.id());
    kill(pleach.id());
    pleach.wait().expect("a child");
    for pid in workers.iter().chain(&trials) {
        while Path::new(&format!("/proc/{pid}")).exists() {
            sleep(Duration::from_millis(1));
        }
    }
    checkpoint
}

#[test]
fn work_goes_on_from_its_checkpoint() {
    let place = long("");
    let whole = place.run(&["--plugins", "plugins"]);
    let (journal_then, weights_then) = (journal(&whole), weights(&whole));
    assert_eq!((journal_then.len(), weights_then.len()), (1 + 2 + 1, 1));
    for work in ["chosen-s0", "search-t1", "found-s0"] {
        let place = long("checkpoint = 0");
        let run = place.folder.path().join("runs/experiment-1");
        cut_off(&place, work);
        let mut resume = place.pleach(&["resume", "runs/experiment-1"]);
        let resumed = resume
            .env("PLEACH_LOG", "info")
            .output()
            .expect("pleach can be started");
        assert!(resumed.status.success(), "{work}: {}", both(&resumed));
        let log = std::fs::read_to_string(run.join(format!("logs/{work}.log"))).expect("a log");
        assert!(log.contains("goes on from"), "{work}: {log}");
        assert_eq!(journal(&run), journal_then, "{work}");
        assert!(weights(&run) == weights_then, "{work}: other weights");
        let left = std::fs::read_dir(run.join("checkpoints"))
            .expect("a folder")
            .count();
        assert_eq!(left, 0, "{work}");
    }
}

/// What a stage came to.
struct Trained {
    journal: Vec<String>,
    weights: Vec<(String, Vec<u8>)>,
    /// How often it was begun.
    attempts: i64,
    log: String,
}

/// A stage with this trainer on digits, in batches of which an epoch has 20 if they are of 50; it may be `wrappers/mortal`.
fn trained(trainer: &str) -> Trained {
    let wrappers = std::fs::read(pleach_tests::example("wrappers").path).expect("a plugin");
    let experiment = format!(
        r#"
task = "baselines/digits"
checkpoint = 0

[[stage]]
name  = "trained"
arch  = {{ use = "baselines/gnn", point = {{ "layer-0" = "baselines/linear", width = 16, activation = "tanh", dropout = 0.3 }}, depth = 1, widths = [16], layers = ["baselines/linear"] }}
train = {trainer}
"#
    );
    let place = Place::new(&experiment).with_plugin("wrappers", &wrappers);
    let mut pleach = place.pleach(&["run", "experiment.toml", "--plugins", "plugins"]);
    let output = pleach.env("PLEACH_LOG", "info").output();
    let output = output.expect("pleach can be started");
    assert!(output.status.success(), "{}", both(&output));
    let run = place.folder.path().join("runs/experiment-1");
    let db = rusqlite::Connection::open(run.join("journal.sqlite")).expect("a journal");
    let attempts = db.query_row("SELECT attempts FROM timing", [], |row| row.get(0));
    Trained {
        journal: journal(&run),
        weights: weights(&run),
        attempts: attempts.expect("one work"),
        log: std::fs::read_to_string(run.join("logs/trained-s0.log")).expect("a log"),
    }
}

/// Holds a training that is killed at a step, which `trainer` takes as a parameter, to the one that is not, so many times
/// begun.
fn killed_and_gone_on(trainer: impl Fn(&str) -> String, at: i64, attempts: i64) {
    let whole = trained(&trainer(""));
    let killed = trained(&trainer(&format!(", at = {at}")));
    assert_eq!((whole.attempts, killed.attempts), (1, attempts));
    assert!(killed.log.contains("goes on from"), "{}", killed.log);
    assert_eq!(killed.journal, whole.journal);
    assert!(killed.weights == whole.weights);
}

/// It is killed in both trainings.
#[test]
fn a_trainer_that_has_another_train_twice_goes_on_in_either() {
    let trainer = |at: &str| {
        format!(
            r#"{{ use = "wrappers/trainer", inner = {{ use = "baselines/backprop", epochs = 10, transforms = [{{ use = "wrappers/mortal"{at} }}, "baselines/adam"] }} }}"#
        )
    };
    killed_and_gone_on(trainer, 5, 3);
}

/// It is killed in the first round and in the second.
#[test]
fn a_ticket_is_the_same_whichever_round_was_killed() {
    let trainer = |at: &str| {
        format!(
            r#"{{ use = "lottery-ticket/iterative", rounds = 3, rate = 0.3, train = {{ use = "baselines/backprop", steps = 10, batch = 50, transforms = [{{ use = "wrappers/mortal"{at} }}, "baselines/adam"] }} }}"#
        )
    };
    killed_and_gone_on(trainer, 5, 3);
}

/// The last checkpoint before it is killed is that of step 30, within the second epoch.
#[test]
fn training_by_steps_goes_on_within_an_epoch() {
    let trainer = |at: &str| {
        format!(
            r#"{{ use = "baselines/backprop", steps = 47, batch = 50, every = 3, transforms = [{{ use = "wrappers/mortal"{at} }}, "baselines/adam"] }}"#
        )
    };
    killed_and_gone_on(trainer, 31, 2);
}

#[test]
fn a_checkpoint_that_is_none_is_left_alone() {
    let place = long("checkpoint = 0");
    let run = place.folder.path().join("runs/experiment-1");
    let checkpoint = cut_off(&place, "found-s0");
    std::fs::write(&checkpoint, "no weights").expect("a file");
    let resumed = place.pleach(&["resume", "runs/experiment-1"]).output();
    assert!(resumed.expect("pleach can be started").status.success());
    let log = std::fs::read_to_string(run.join("logs/found-s0.log")).expect("a log");
    assert!(
        log.contains("is no checkpoint, so the work begins anew"),
        "{log}"
    );
    assert_eq!(weights(&run).len(), 1);
}

#[test]
fn a_trial_inherits_from_another() {
    let experiment = r#"
task = { use = "baselines/digits-graph" }

[[stage]]
name   = "search"
search = { use = "wrappers/lineage", inner = "baselines/random" }
space  = { use = "baselines/gnn", depth = 1, widths = [8, 16], layers = ["baselines/gcn", "mixhop/mixhop"] }
each   = [{ train = { use = "wrappers/heir", inner = { use = "baselines/backprop", epochs = 3 } } }]
budget = 4
ahead  = 1
"#;
    let wrappers = std::fs::read(pleach_tests::example("wrappers").path).expect("a plugin");
    let place = Place::new(experiment).with_plugin("wrappers", &wrappers);
    let run = place.run(&["--plugins", "plugins"]);
    let journal = journal(&run);
    let metric = |row: &str, name: &str| -> f64 {
        let (_, rest) = row.split_once(&format!("train.{name}\\\":")).expect(row);
        let number: String = rest.chars().take_while(|c| !",}".contains(*c)).collect();
        number.trim().parse().expect(rest)
    };
    assert_eq!(metric(&journal[0], "inherited"), 0.0);
    for row in &journal[1..] {
        assert!(
            metric(row, "inherited") > 0.0 && metric(row, "shared") > 0.0,
            "{row}"
        );
        assert!(metric(row, "decided") > 0.0);
    }
    // What was kept for the children is gone with the search.
    assert_eq!(weights(&run).len(), 0);
}

#[test]
fn stopped_and_resumed() {
    let place = Place::new(STUDY).with_faulty();
    let run = place.folder.path().join("runs/experiment-1");
    let mut running = start(&place, &["run", "experiment.toml", "--plugins", "plugins"]);
    let ended = || {
        let file = run.join("journal.sqlite");
        // Opening it would make it, before its tables are there.
        let journal = rusqlite::Connection::open(file.is_file().then_some(file)?).ok()?;
        let count = "SELECT count(outcome) FROM trial";
        journal
            .query_row(count, [], |row| row.get::<_, u64>(0))
            .ok()
    };
    while ended().is_none_or(|works| works == 0) {
        assert!(matches!(running.try_wait(), Ok(None)), "it goes on");
        sleep(Duration::from_millis(5));
    }
    let stop = place.pleach(&["stop", "runs/experiment-1"]).output();
    let said = both(&stop.expect("pleach can be started"));
    let status = running.wait().expect("it ends");
    assert_eq!(status.code(), Some(130), "{said}");
    assert!(
        said.starts_with("stopped runs/experiment-1; to go on: pleach resume"),
        "{said}"
    );
    let resumed = place.pleach(&["resume", "runs/experiment-1"]).output();
    let resumed = resumed.expect("pleach can be started");
    assert!(resumed.status.success(), "{}", both(&resumed));
    same(&run, "stopped");
}

#[test]
fn pleach_killed_and_resumed() {
    killed_at_ten_moments("pleach", |pleach, _| {
        kill(pleach.id());
        true
    });
}

#[test]
fn a_worker_killed() {
    killed_at_ten_moments("worker", |pleach, moment| {
        let (workers, _) = descendants(pleach.id());
        // Now the one that runs trials, now the strategy's.
        let victim = workers.get(moment % workers.len().max(1)).copied();
        victim.inspect(|pid| kill(*pid)).is_some()
    });
}

#[test]
fn a_trial_killed() {
    killed_at_ten_moments("trial", |pleach, _| {
        let (_, trials) = descendants(pleach.id());
        trials.first().copied().inspect(|pid| kill(*pid)).is_some()
    });
}
