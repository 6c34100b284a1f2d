//! Killed at any moment and resumed, a study is the study that was never killed.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::thread::sleep;
use std::time::{Duration, Instant};

use pleach_tests::{Place, STUDY, journal, weights};
use plugin_api::{random, stream};

const MOMENTS: u64 = 10;

/// The study, never killed.
struct Whole {
    journal: Vec<String>,
    weights: Vec<(String, Vec<u8>)>,
    took: Duration,
}

fn whole() -> &'static Whole {
    static WHOLE: OnceLock<Whole> = OnceLock::new();
    WHOLE.get_or_init(|| {
        let place = Place::new(STUDY).with_faulty();
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
            took,
        }
    })
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
    let took = whole().took;
    for moment in 0..MOMENTS {
        let (place, _) = (0..)
            .map(|attempt| struck_at(victim, moment, attempt, took, &strike))
            .find(|(_, struck)| *struck)
            .expect("some moment has somebody to kill");
        let run: PathBuf = place.folder.path().join("runs/experiment-1");
        let arguments: &[&str] = match run.join("experiment.toml").exists() {
            true => &["resume", "runs/experiment-1"],
            // Killed before there was anything to resume.
            false => {
                std::fs::remove_dir_all(place.folder.path().join("runs")).ok();
                &["run", "experiment.toml", "--plugins", "plugins"]
            }
        };
        let resumed = place
            .pleach(arguments)
            .output()
            .expect("pleach can be started");
        assert!(
            resumed.status.success(),
            "moment {moment}: {}",
            pleach_tests::both(&resumed)
        );
        same(&run, &format!("{victim} killed at moment {moment}"));
    }
}

/// A run of the study in which somebody was killed at a random moment, if there was anybody from then on.
fn struck_at(
    victim: &str,
    moment: u64,
    attempt: u64,
    took: Duration,
    strike: impl Fn(&mut Child, usize) -> bool,
) -> (Place, bool) {
    let place = Place::new(STUDY).with_faulty();
    let mut pleach = start(
        &place,
        &[
            "run",
            "experiment.toml",
            "--jobs",
            "2",
            "--plugins",
            "plugins",
        ],
    );
    let seed = stream(moment, &format!("{victim}{attempt}"));
    sleep(took.mul_f64(0.05 + 0.9 * random::uniform(&[1], seed).double_value(&[0])));
    let mut struck = false;
    while !struck && pleach.try_wait().expect("a child").is_none() {
        struck = strike(&mut pleach, moment as usize);
        sleep(Duration::from_millis(2));
    }
    pleach.wait().expect("a child");
    (place, struck)
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
