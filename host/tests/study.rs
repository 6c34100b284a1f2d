//! Studies from the command line to the journal, with a worker that computes next to nothing.

mod support;

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::record::Field;
use plugin_api_data::{Arch, Decided, Named, Note, Proposal};
use rusqlite::Connection;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use support::{note, plugin};
use tempfile::TempDir;

/// A scratch folder with a plugin, an experiment and its runs.
struct Scratch(TempDir);

/// What the table `trial` holds of a trial.
type Row = (
    i64,
    i64,
    i64,
    Option<String>,
    Option<String>,
    Option<String>,
);

impl Scratch {
    /// With a search of twelve trials, four ahead, and a training of three seeds.
    fn new(strategy: &str, trainer: &str) -> Self {
        let scratch = Scratch(tempfile::tempdir().unwrap());
        fs::write(scratch.plugin(), plugin(&note("fake"))).unwrap();
        let toml = format!(
            r#"
            task = "fake/task"
            seeds = 3
            [[stage]]
            name = "found"
            search = {{ use = "fake/walk"{strategy} }}
            space = "fake/line"
            each = [{{ train = {{ use = "fake/fit"{trainer} }} }}]
            budget = 12
            ahead = 4
            [[stage]]
            name = "final"
            train = "fake/fit"
            "#
        );
        fs::write(scratch.path().join("e.toml"), toml).unwrap();
        scratch
    }

    /// The same with a search of a hundred trials, so that there is time to change it; late in it the strategy's worker dies.
    fn long() -> Self {
        let scratch = Scratch::new(", dies_at = 95", ", sleep = 25");
        let experiment = scratch.path().join("e.toml");
        let text = fs::read_to_string(&experiment).unwrap();
        fs::write(&experiment, text.replace("budget = 12", "budget = 100")).unwrap();
        scratch
    }

    /// Has its search do so many trials in a process.
    fn in_batches(&self, batch: u32) {
        let experiment = self.path().join("e.toml");
        let text = fs::read_to_string(&experiment).unwrap();
        let batched = format!("ahead = 4\nbatch = {batch}");
        fs::write(&experiment, text.replace("ahead = 4", &batched)).unwrap();
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    fn plugin(&self) -> PathBuf {
        self.path().join("libfake.so")
    }

    fn folder(&self) -> PathBuf {
        self.path().join("runs/e-1")
    }

    fn command(&self, args: &[&str]) -> Command {
        let worker = env::current_exe()
            .unwrap()
            .parent()
            .unwrap()
            .with_file_name("examples")
            .join("fake-worker");
        assert!(
            worker.is_file(),
            "`cargo build --example fake-worker` makes the worker of these tests"
        );
        let mut command = Command::new(env!("CARGO_BIN_EXE_pleach"));
        command
            .args(args)
            .current_dir(self.path())
            .env("PLEACH_WORKER", worker)
            .env("PLEACH_CACHE", self.path().join("cache"));
        command
            .env_remove("PLEACH_PLUGINS")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }

    fn run(&self, jobs: u32) -> Output {
        self.command(&[
            "run",
            "e.toml",
            "--plugins",
            ".",
            "--jobs",
            &jobs.to_string(),
        ])
        .output()
        .unwrap()
    }

    fn resume(&self) -> Output {
        self.command(&["resume", "runs/e-1"]).output().unwrap()
    }

    /// Begins a run and returns once the journal holds this many results.
    fn begin(&self, results: usize) -> Child {
        let child = self
            .command(&["run", "e.toml", "--plugins", "."])
            .spawn()
            .unwrap();
        let limit = Instant::now() + Duration::from_secs(60);
        while self.ended().unwrap_or(0) < results {
            assert!(Instant::now() < limit, "the study does not get on");
            thread::sleep(Duration::from_millis(1));
        }
        child
    }

    fn ended(&self) -> Option<usize> {
        let journal = self.folder().join("journal.sqlite");
        let db = Connection::open(journal.is_file().then_some(journal)?).ok()?;
        db.query_row("SELECT count(outcome) FROM trial", [], |row| row.get(0))
            .ok()
    }

    /// The part of the journal that must not depend on the day.
    fn journal(&self) -> Vec<Row> {
        self.journal_of("e-1")
    }

    fn journal_of(&self, run: &str) -> Vec<Row> {
        let journal = self.path().join("runs").join(run).join("journal.sqlite");
        let db = Connection::open(journal).unwrap();
        let mut statement = db.prepare("SELECT stage, number, seed, proposal, outcome, result FROM trial ORDER BY stage, number").unwrap();
        let rows = statement
            .query_map([], |r| {
                Ok((
                    r.get(0)?,
                    r.get(1)?,
                    r.get(2)?,
                    r.get(3)?,
                    r.get(4)?,
                    r.get(5)?,
                ))
            })
            .unwrap();
        rows.map(Result::unwrap).collect()
    }

    fn outcomes(&self) -> String {
        self.journal()
            .iter()
            .map(|row| {
                if row.4.as_deref() == Some("done") {
                    '.'
                } else {
                    'x'
                }
            })
            .collect()
    }
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn succeeded(output: &Output) {
    assert!(output.status.success(), "{}", stderr(output));
}

/// The journal of a study that nothing happened to.
fn undisturbed() -> Vec<Row> {
    let scratch = Scratch::new("", ", sleep = 5");
    succeeded(&scratch.run(2));
    scratch.journal()
}

/// How the worker was asked to misbehave stands in no journal, so the journals must be equal.
fn check_same(scratch: &Scratch) {
    assert_eq!(scratch.journal(), undisturbed());
}

#[test]
fn jobs_change_nothing() {
    for jobs in [1, 2, 8] {
        let scratch = Scratch::new("", ", sleep = 5");
        succeeded(&scratch.run(jobs));
        check_same(&scratch);
    }
}

#[test]
fn batches_change_nothing() {
    for (trainer, batch, jobs) in [
        ("", 2, 1),
        ("", 3, 2),
        ("", 50, 1),
        // The work on which a worker dies is done again, and so is what stood behind it.
        (", dies_at = 5", 4, 1),
        (", killed_at = 1", 4, 2),
    ] {
        let scratch = Scratch::new("", &format!(", sleep = 5{trainer}"));
        scratch.in_batches(batch);
        succeeded(&scratch.run(jobs));
        check_same(&scratch);
    }
    // One that fails takes nobody with it.
    let alone = Scratch::new("", ", fails_at = 2");
    succeeded(&alone.run(1));
    let batched = Scratch::new("", ", fails_at = 2");
    batched.in_batches(4);
    succeeded(&batched.run(1));
    assert_eq!(batched.journal(), alone.journal());
    assert_eq!(batched.outcomes().matches('x').count(), 1);
}

#[test]
fn points_are_asked_after_exactly_what_was_told() {
    let proposals = undisturbed()
        .into_iter()
        .filter_map(|row| serde_json::from_str::<Proposal>(&row.3?).ok());
    let told: Vec<Decided> = proposals.map(|p| p.point["told"].clone()).collect();
    assert_eq!(
        told,
        [0, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8].map(Decided::Integer)
    );
}

#[test]
fn a_killed_study_goes_on() {
    for results in [1, 5, 11] {
        let scratch = Scratch::new("", ", sleep = 20");
        let mut child = scratch.begin(results);
        child.kill().unwrap();
        child.wait().unwrap();
        succeeded(&scratch.resume());
        check_same(&scratch);
    }
}

#[test]
fn a_killed_study_leaves_no_worker() {
    let scratch = Scratch::new("", ", sleep = 1000");
    let mut child = scratch.begin(1);
    child.kill().unwrap();
    child.wait().unwrap();
    let pids = fs::read_dir(scratch.folder().join("logs"))
        .unwrap()
        .filter_map(|e| {
            e.unwrap()
                .file_name()
                .to_str()?
                .strip_suffix(".pid")
                .map(str::to_owned)
        });
    let limit = Instant::now() + Duration::from_secs(5);
    for pid in pids {
        let gone = || {
            fs::read_to_string(format!("/proc/{pid}/stat"))
                .map_or(true, |stat| stat.contains(") Z "))
        };
        while !gone() {
            assert!(Instant::now() < limit, "the worker {pid} lives on");
            thread::sleep(Duration::from_millis(5));
        }
    }
}

#[test]
fn an_interrupted_study_says_how_to_go_on() {
    let scratch = Scratch::new("", ", sleep = 20");
    let child = scratch.begin(3);
    kill_process(Pid::from_child(&child), Signal::INT).unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(130));
    assert!(
        stderr(&output).ends_with("stopped; to go on: pleach resume runs/e-1\n"),
        "{}",
        stderr(&output)
    );
    succeeded(&scratch.resume());
    check_same(&scratch);
}

/// A search of a strategy that goes round in a circle of three points.
fn circling(keys: &str) -> Scratch {
    let scratch = Scratch::new(", circles = 3", ", sleep = 2, fails_at = 1");
    let experiment = scratch.path().join("e.toml");
    let text = fs::read_to_string(&experiment).unwrap();
    let keyed = format!("budget = 12\n{keys}");
    fs::write(&experiment, text.replace("budget = 12", &keyed)).unwrap();
    scratch
}

#[test]
fn equal_trials_are_evaluated_reused_or_refused() {
    let begun = |scratch: &Scratch| {
        let logs = fs::read_dir(scratch.folder().join("logs")).unwrap();
        let names = logs.map(|e| e.unwrap().file_name().into_string().unwrap());
        names.filter(|name| name.starts_with("found-t")).count()
    };
    let evaluated = circling("");
    succeeded(&evaluated.run(2));
    // Point 1 fails as trial 1 alone.
    assert_eq!(&evaluated.outcomes()[..12], ".x..........");
    assert_eq!(begun(&evaluated), 12);
    let reused = circling("equal = \"reuse\"");
    succeeded(&reused.run(2));
    assert_eq!(&reused.outcomes()[..12], ".x..x..x..x.");
    assert_eq!(begun(&reused), 3);
    let (all, reused) = (evaluated.journal(), reused.journal());
    for (row, twin) in [(3, 0), (5, 2), (10, 1)] {
        assert_eq!(reused[row].5, reused[twin].5);
    }
    assert_eq!(reused[11], all[11]);
    let refused = circling("equal = \"forbid\"");
    succeeded(&refused.run(2));
    assert_eq!(&refused.outcomes()[..12], ".x.xxxxxxxxx");
    assert_eq!(begun(&refused), 3);
    let said = refused.journal()[5].5.clone().unwrap();
    assert!(said.contains("its point was tried before, as t2"), "{said}");
}

#[test]
fn a_killed_search_with_equal_trials_goes_on() {
    let undisturbed = circling("equal = \"reuse\"");
    succeeded(&undisturbed.run(2));
    let scratch = circling("equal = \"reuse\"");
    let mut child = scratch.begin(5);
    child.kill().unwrap();
    child.wait().unwrap();
    succeeded(&scratch.resume());
    assert_eq!(scratch.journal(), undisturbed.journal());
}

#[test]
fn a_search_ends_when_what_it_counts_is_spent() {
    // Each trial has 42 parameters; four are ahead when the fifth one is told.
    for (most, trials) in [(1.0, 4), (42.0, 4), (43.0, 5), (210.0, 8), (1e9, 12)] {
        let scratch = Scratch::new("", "");
        let experiment = scratch.path().join("e.toml");
        let text = fs::read_to_string(&experiment).unwrap();
        let budget = format!("budget = {{ trials = 12, parameters = {most} }}");
        fs::write(&experiment, text.replace("budget = 12", &budget)).unwrap();
        succeeded(&scratch.run(2));
        assert_eq!(scratch.outcomes().len(), trials + 3, "{most}");
        let before = scratch.journal();
        succeeded(&scratch.resume());
        assert_eq!(scratch.journal(), before);
    }
    let scratch = Scratch::new("", "");
    let experiment = scratch.path().join("e.toml");
    let text = fs::read_to_string(&experiment).unwrap();
    let budget = "budget = { trials = 12, parameter = 100 }";
    fs::write(&experiment, text.replace("budget = 12", budget)).unwrap();
    let refused = scratch.run(2);
    assert_eq!(refused.status.code(), Some(1));
    let told = stderr(&refused);
    let says = "error: the budget counts `parameter`, which trials do not report\n  help: did you mean `parameters`?";
    assert!(told.contains(says), "{told}");
}

#[test]
fn what_is_reused_costs_nothing() {
    // Three points of 42 parameters, one of which fails.
    let scratch = circling("equal = \"reuse\"");
    let experiment = scratch.path().join("e.toml");
    let text = fs::read_to_string(&experiment).unwrap();
    let budget = "budget = { trials = 12, parameters = 100 }";
    fs::write(&experiment, text.replace("budget = 12", budget)).unwrap();
    succeeded(&scratch.run(2));
    assert_eq!(scratch.outcomes().len(), 12 + 3);
}

#[test]
fn a_finished_study_can_be_resumed() {
    let scratch = Scratch::new("", "");
    succeeded(&scratch.run(2));
    let before = scratch.journal();
    succeeded(&scratch.resume());
    assert_eq!(scratch.journal(), before);
}

#[test]
fn a_plugin_may_have_moved() {
    let scratch = Scratch::new("", "");
    succeeded(&scratch.run(2));
    let elsewhere = scratch.path().join("elsewhere");
    fs::create_dir(&elsewhere).unwrap();
    let file = scratch.plugin();
    fs::rename(&file, elsewhere.join(file.file_name().unwrap())).unwrap();
    let resume = || scratch.command(&["resume", "runs/e-1"]);
    let refused = resume().output().unwrap();
    assert!(stderr(&refused).contains("`fake` is gone: "));
    succeeded(&resume().env("PLEACH_PLUGINS", &elsewhere).output().unwrap());
}

#[test]
fn a_failing_candidate_costs_its_trial() {
    let scratch = Scratch::new("", ", fails_at = 3");
    succeeded(&scratch.run(2));
    assert_eq!(scratch.outcomes(), "...x...........");
}

#[test]
fn a_candidate_without_a_value_does_not_win() {
    let scratch = Scratch::new("", ", nan_at = 0");
    let output = scratch
        .command(&["run", "e.toml", "--plugins", ".", "--json"])
        .output()
        .unwrap();
    succeeded(&output);
    let summary: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(summary["searches"][0]["trials"], 12);
    assert_ne!(summary["searches"][0]["best"], 0);
    assert_eq!(summary["stages"][0]["seeds"], 3);
    assert_eq!(summary["stages"][0]["parameters"]["mean"], 42.0);
}

#[test]
fn work_is_redone_after_a_death() {
    for trainer in [", sleep = 5, dies_at = 5", ", sleep = 5, killed_at = 5"] {
        let scratch = Scratch::new("", trainer);
        succeeded(&scratch.run(4));
        check_same(&scratch);
    }
}

#[test]
fn work_that_always_kills_the_worker_is_given_up() {
    let scratch = Scratch::new("", ", sleep = 5, always_dies_at = 5");
    let output = scratch.run(4);
    succeeded(&output);
    assert_eq!(scratch.outcomes(), ".....x.........");
    assert!(
        stderr(&output)
            .contains("found-t5: failed: it was begun 3 times, and each time its process died"),
        "{}",
        stderr(&output)
    );
    assert!(
        stderr(&output).contains("the worker died of SIGABRT"),
        "{}",
        stderr(&output)
    );
}

#[test]
fn a_strategy_that_dies_is_brought_up_to_date() {
    let scratch = Scratch::new(", dies_at = 3", ", sleep = 5");
    succeeded(&scratch.run(2));
    check_same(&scratch);
}

#[test]
fn a_strategy_that_hangs_is_begun_anew() {
    let scratch = Scratch::new(", hangs_at = 3", ", sleep = 5");
    let file = scratch.path().join("e.toml");
    let toml = fs::read_to_string(&file).unwrap();
    fs::write(&file, format!("limits = {{ seconds = 1 }}\n{toml}")).unwrap();
    succeeded(&scratch.run(2));
    check_same(&scratch);
}

#[test]
fn a_strategy_that_is_not_deterministic_is_caught() {
    let scratch = Scratch::new(", unstable = 1", ", sleep = 20");
    let mut child = scratch.begin(3);
    child.kill().unwrap();
    child.wait().unwrap();
    let output = scratch.resume();
    assert_eq!(output.status.code(), Some(1));
    assert!(
        stderr(&output).contains("the strategy is not deterministic: asked again"),
        "{}",
        stderr(&output)
    );
}

#[test]
fn a_failing_stage_fails_the_run() {
    let scratch = Scratch::new("", "");
    let toml = fs::read_to_string(scratch.path().join("e.toml")).unwrap();
    fs::write(
        scratch.path().join("e.toml"),
        toml.replace(
            "train = \"fake/fit\"",
            "train = { use = \"fake/fit\", fails_at = 1 }",
        ),
    )
    .unwrap();
    let output = scratch.run(2);
    assert_eq!(output.status.code(), Some(1));
    assert!(
        stderr(&output).contains("error: the stage `final` failed for 1 of 3 seeds"),
        "{}",
        stderr(&output)
    );
    assert!(
        stderr(&output).contains("final-s1: `fake/fit`: out of luck"),
        "{}",
        stderr(&output)
    );
    // The other seeds are done, and the one that failed is tried again by whoever resumes.
    assert_eq!(scratch.outcomes(), "..............");
}

#[test]
fn one_process_works_on_a_run() {
    let scratch = Scratch::new("", ", sleep = 20");
    let mut child = scratch.begin(1);
    let output = scratch.resume();
    assert_eq!(output.status.code(), Some(1));
    assert!(
        stderr(&output).starts_with("error: another process is working on the run `runs/e-1`"),
        "{}",
        stderr(&output)
    );
    child.kill().unwrap();
    child.wait().unwrap();
}

#[test]
fn a_changed_plugin_is_refused() {
    let scratch = Scratch::new("", "");
    succeeded(&scratch.run(2));
    fs::write(
        scratch.plugin(),
        plugin(&Note {
            version: "0.2.0".into(),
            ..note("fake")
        }),
    )
    .unwrap();
    assert!(stderr(&scratch.resume()).contains("`fake` has changed"));
    fs::remove_file(scratch.plugin()).unwrap();
    let output = scratch.resume();
    assert!(stderr(&output).contains("`fake` is gone"));
    assert_eq!(output.status.code(), Some(1));
}

#[test]
fn an_architecture_file_is_kept_with_the_run() {
    let scratch = Scratch::new("", "");
    let toml = "task = \"fake/task\"\n[[stage]]\nname = \"only\"\narch = \"net/a.json\"\ntrain = \"fake/fit\"\n";
    fs::write(scratch.path().join("e.toml"), toml).unwrap();
    fs::create_dir(scratch.path().join("net")).unwrap();
    let arch = Arch::new(Named::new()).layer("first", "fake/dense", &[("x", "in.x")]);
    let file = scratch.path().join("net/a.json");
    fs::write(&file, serde_json::to_string(&arch).unwrap()).unwrap();
    succeeded(&scratch.run(1));
    fs::remove_file(file).unwrap();
    succeeded(&scratch.resume());
    let kept = fs::read(scratch.folder().join("arch/only.json")).unwrap();
    assert_eq!(serde_json::from_slice::<Arch>(&kept).unwrap(), arch);

    // One that differs in its network alone is another experiment.
    let file = scratch.path().join("net/a.json");
    let other = Arch::new(Named::new()).layer("other", "fake/dense", &[("x", "in.x")]);
    fs::write(&file, serde_json::to_string(&other).unwrap()).unwrap();
    succeeded(&scratch.run(1));
    let args = ["runs", "diff", "runs/e-1", "runs/e-2"];
    let said = scratch.command(&args).output().unwrap();
    let said = String::from_utf8(said.stdout).unwrap();
    let expected = "experiment:\n  stage.only.arch.nodes.0.name: \"first\" -> \"other\"\n";
    assert!(said.starts_with(expected), "{said}");
}

#[test]
fn a_long_download_is_shown_and_is_no_hang() {
    let scratch = Scratch::new("", "");
    let file = scratch.path().join("e.toml");
    let toml = fs::read_to_string(&file).unwrap();
    // Longer than a worker may take for an answer.
    let toml = toml.replace(
        r#"task = "fake/task""#,
        "limits = { seconds = 1 }\ntask = { use = \"fake/task\", downloads = 7 }",
    );
    fs::write(&file, toml).unwrap();
    let output = scratch.run(2);
    succeeded(&output);
    let shown = stderr(&output);
    assert_eq!(
        shown.lines().take(4).collect::<Vec<_>>(),
        [
            "digits/images.gz: downloading, 0 B of 7.00 MiB",
            "digits/images.gz: downloading, 5.00 MiB of 7.00 MiB",
            "digits/images.gz: downloaded",
            "found: 12 to do",
        ]
    );
}

/// Who proposed each trial of the search, as far as it is known.
fn proposers(rows: &[Row]) -> Vec<Option<String>> {
    let search = rows.iter().filter(|row| row.0 == 0);
    let proposals = search.map(|row| serde_json::from_str::<Proposal>(row.3.as_ref().unwrap()));
    proposals.map(|proposal| proposal.unwrap().by).collect()
}

#[test]
fn a_running_search_is_changed_and_repeated() {
    let scratch = Scratch::long();
    let running = scratch.begin(2);
    let mix = |args: &[&str]| {
        let args = [&["mix", "runs/e-1"], args].concat();
        scratch.command(&args).output().unwrap()
    };
    let joined = mix(&[
        "--add",
        "a=fake/walk",
        "--add",
        "b={ use = \"fake/walk\", dies_at = 100 }",
    ]);
    let said = String::from_utf8(joined.stdout).unwrap();
    let before: usize = said
        .strip_prefix("found: + a (fake/walk), + b (fake/walk), before t")
        .unwrap_or_else(|| panic!("{said}"))
        .trim()
        .parse()
        .unwrap();
    let refused = mix(&["--drop", "nobody"]);
    assert_eq!(refused.status.code(), Some(1));
    assert_eq!(stderr(&refused), "error: nobody is called `nobody`\n");
    let ended = running.wait_with_output().unwrap();
    assert!(ended.status.success());
    let told = stderr(&ended);
    assert!(told.contains(&said), "{told}");
    assert!(
        told.contains("found: - nobody, refused: nobody is called `nobody`"),
        "{told}"
    );

    let rows = scratch.journal();
    let by = proposers(&rows);
    assert!(by[..before].iter().all(Option::is_none));
    assert!(by[before..].iter().all(Option::is_some));
    assert!(by[before..].contains(&Some("a".into())) && by[before..].contains(&Some("b".into())));

    // The same again from its folder; the changes now stand in its experiment.
    let again = scratch
        .command(&["run", "runs/e-1", "--plugins", "."])
        .output()
        .unwrap();
    assert!(again.status.success(), "{}", stderr(&again));
    let folder = scratch.path().join("runs/e-2");
    assert_eq!(scratch.journal_of("e-2"), rows);
    let experiment = fs::read_to_string(folder.join("experiment.toml")).unwrap();
    assert!(
        experiment.contains(&format!("at = {before}")),
        "{experiment}"
    );
    // And that experiment is one like any other.
    let copy = scratch.path().join("copy.toml");
    fs::copy(folder.join("experiment.toml"), &copy).unwrap();
    let third = scratch
        .command(&["run", "copy.toml", "--plugins", "."])
        .output()
        .unwrap();
    assert!(third.status.success(), "{}", stderr(&third));
    assert_eq!(scratch.journal_of("copy-1"), rows);
}

#[test]
fn a_changed_search_is_resumed_as_it_was() {
    let scratch = Scratch::long();
    let mut running = scratch.begin(2);
    let changed = scratch
        .command(&["mix", "runs/e-1", "--add", "a=fake/walk"])
        .output()
        .unwrap();
    assert!(changed.status.success(), "{}", stderr(&changed));
    running.kill().unwrap();
    running.wait().unwrap();
    // What is wanted of a run that nobody works on waits for it to go on.
    let waits = scratch
        .command(&["mix", "runs/e-1", "--add", "b=fake/walk"])
        .output()
        .unwrap();
    let said = "found: wanted; the search changes before it asks for its next point, once the run goes on\n";
    assert_eq!(String::from_utf8(waits.stdout).unwrap(), said);
    let resumed = scratch.resume();
    assert!(resumed.status.success(), "{}", stderr(&resumed));
    let rows = scratch.journal();
    let by = proposers(&rows);
    assert!(by.contains(&Some("b".into())), "{by:?}");

    let again = scratch
        .command(&["run", "runs/e-1", "--plugins", "."])
        .output()
        .unwrap();
    assert!(again.status.success(), "{}", stderr(&again));
    assert_eq!(scratch.journal_of("e-2"), rows);
    // Where nothing is asked for any more there is nothing to change.
    let late = scratch
        .command(&["mix", "runs/e-1", "--drop", "a"])
        .output()
        .unwrap();
    assert_eq!(late.status.code(), Some(2));
    assert_eq!(
        stderr(&late),
        "error: the run has no search that asks for more points\n  found     `found` is over\n"
    );
}

#[test]
fn what_cannot_be_wanted_is_refused_at_once() {
    let scratch = Scratch::new("", "");
    assert!(scratch.run(1).status.success());
    for (args, code, said) in [
        (
            &["mix", "runs/none-1", "--drop", "a"][..],
            1,
            "is not the folder of a run",
        ),
        (&["mix", "runs/e-1"], 2, "--add <NAME=STRATEGY>"),
        (
            &["mix", "runs/e-1", "--add", "a"],
            2,
            "expected NAME=STRATEGY",
        ),
        (
            &["mix", "runs/e-1", "--add", "a=fake/wlak"],
            2,
            "did you mean `fake/walk`?",
        ),
        (&["mix", "runs/e-1", "--add", "a=fake/line"], 2, "fake/line"),
        (
            &["mix", "runs/e-1", "--drop", "a", "--stage", "final"],
            2,
            "no search `final`",
        ),
    ] {
        let refused = scratch.command(args).output().unwrap();
        let printed = stderr(&refused);
        assert_eq!(refused.status.code(), Some(code), "{args:?}: {printed}");
        assert!(printed.contains(said), "{args:?}: {printed}");
    }
}

#[test]
fn values_are_set_and_shown_before_anything_runs() {
    let scratch = Scratch::new("", "");
    let dry = |set: &[&str]| {
        let set = set.iter().flat_map(|set| ["--set", set]);
        let args = ["run", "e.toml", "--plugins", ".", "--dry-run"];
        let args: Vec<&str> = args.into_iter().chain(set).collect();
        scratch.command(&args).output().unwrap()
    };
    let output = dry(&["seeds=5", "stage.found.budget=7", "stage.1.train.sleep=3"]);
    succeeded(&output);
    let shown = String::from_utf8(output.stdout.clone()).unwrap();
    for line in ["seeds = 5", "budget = 7", "sleep = 3"] {
        assert!(shown.contains(line), "{line}: {shown}");
    }
    assert_eq!(
        stderr(&output),
        "found: 7 to do\nfinal: 5 to do\nhow long it takes is known once there was a run of it\n"
    );
    assert!(!scratch.path().join("runs").exists());
    // What is shown can be run.
    fs::write(scratch.path().join("shown.toml"), shown).unwrap();
    let ran = scratch
        .command(&["run", "shown.toml", "--plugins", "."])
        .output()
        .unwrap();
    succeeded(&ran);

    // How long it takes is that of the run before, per work and job: two trials a job here take as long as one did there.
    let db = Connection::open(scratch.path().join("runs/shown-1/journal.sqlite")).unwrap();
    let set = "UPDATE timing SET seconds = CASE stage WHEN 0 THEN 10 + number ELSE 60 END";
    db.execute(set, []).unwrap();
    let again = [
        "run",
        "shown.toml",
        "--plugins",
        ".",
        "--dry-run",
        "--jobs",
        "2",
    ];
    let again = scratch.command(&again).output().unwrap();
    succeeded(&again);
    assert_eq!(
        stderr(&again),
        "found: 7 to do, about 46 seconds\nfinal: 5 to do, about 3 minutes\nin all about 3 minutes, by shown-1\n"
    );

    let wrong = dry(&["stage.found.budget=many"]);
    assert_eq!(wrong.status.code(), Some(2));
    let told = stderr(&wrong);
    assert!(told.contains("`budget` must be a whole number"), "{told}");
    assert!(told.contains("e.toml with --set:"), "{told}");
    let nowhere = dry(&["stage.first.budget=1"]);
    assert_eq!(nowhere.status.code(), Some(2));
    assert!(stderr(&nowhere).contains("`stage` has no entry `first`"));
}

#[test]
fn a_planned_change_comes_before_its_trial() {
    let scratch = Scratch::new("", "");
    let experiment = scratch.path().join("e.toml");
    let text = fs::read_to_string(&experiment).unwrap();
    let planned =
        "ahead = 4\nmix = [{ at = 7, drop = ['a'] }, { at = 2, add = { a = 'fake/walk' } }]";
    fs::write(&experiment, text.replace("ahead = 4", planned)).unwrap();
    succeeded(&scratch.run(2));
    let by = proposers(&scratch.journal());
    let who: Vec<bool> = by.iter().map(Option::is_some).collect();
    let expected: Vec<bool> = (0..12).map(|trial| (2..7).contains(&trial)).collect();
    assert_eq!(who, expected);
    // A change that its strategy refuses.
    let wrong = planned.replace("drop = ['a']", "drop = ['b']");
    fs::write(&experiment, text.replace("ahead = 4", &wrong)).unwrap();
    let refused = scratch.run(1);
    assert_eq!(refused.status.code(), Some(1));
    let told = stderr(&refused);
    assert!(told.contains("error: the search `found` cannot change as `mix` says"));
    assert!(told.contains("nobody is called `b`"), "{told}");
    let journal = Connection::open(scratch.path().join("runs/e-2/journal.sqlite")).unwrap();
    let trials = journal.query_row("SELECT count(*) FROM trial", [], |row| row.get::<_, i64>(0));
    assert_eq!(trials, Ok(0), "it is told before the first trial");
}

#[test]
fn runs_are_listed() {
    let scratch = Scratch::new("", ", sleep = 20");
    let mut running = scratch.begin(3);
    let list = || {
        let output = scratch.command(&["runs"]).output().unwrap();
        succeeded(&output);
        let text = String::from_utf8(output.stdout).unwrap();
        let words = |line: &str| {
            line.split_whitespace()
                .map(String::from)
                .collect::<Vec<_>>()
        };
        text.lines().map(words).collect::<Vec<_>>()
    };
    assert_eq!(list()[1][..2], ["e-1", "running"]);
    running.kill().unwrap();
    running.wait().unwrap();
    let stopped = &list()[1];
    assert_eq!(stopped[..2], ["e-1", "stopped"]);
    assert_eq!(stopped[3], "val.score", "the best so far: {stopped:?}");
    succeeded(&scratch.resume());
    fs::write(scratch.path().join("runs/no-run"), "").unwrap();
    let listed = list();
    assert_eq!(listed.len(), 2, "{listed:?}");
    assert_eq!(listed[0], ["run", "status", "works", "best", "size"]);
    assert_eq!(listed[1][..4], ["e-1", "complete", "15", "val.score"]);
    let nowhere = scratch.command(&["runs", "nowhere"]).output().unwrap();
    assert_eq!(nowhere.status.code(), Some(2));
    assert!(stderr(&nowhere).contains("cannot look into `nowhere`"));
}

/// The journal's own words of a stage: what each trial measured and what was proposed, by another way than the program's.
fn journal_as_json(rows: &[Row], stage: i64) -> Vec<(Value, Value, i64)> {
    let of_stage = rows.iter().filter(|row| row.0 == stage);
    let json = |text: &Option<String>| {
        let text = text.as_deref().unwrap_or("null");
        serde_json::from_str::<Value>(text).unwrap()
    };
    of_stage
        .map(|row| (json(&row.5), json(&row.3), row.2))
        .collect()
}

#[test]
fn trials_are_written_as_tables() {
    let scratch = Scratch::new("", ", fails_at = 3, nan_at = 5");
    succeeded(&scratch.run(2));
    let rows = scratch.journal();
    let csv = scratch.command(&["trials", "runs/e-1"]).output().unwrap();
    succeeded(&csv);
    let mut reader = csv::Reader::from_reader(&*csv.stdout);
    let header = reader.headers().unwrap().clone();
    let expected = "number,seed,outcome,by,from,value,val.score,parameters,alive,point.x,point.told,seconds,attempts,error";
    assert_eq!(header.iter().collect::<Vec<_>>().join(","), expected);
    let read: Vec<Named<String>> = reader
        .records()
        .map(|record| {
            let record = record.unwrap();
            let cells = header.iter().zip(record.iter().map(String::from));
            cells.collect()
        })
        .collect();
    let journal = journal_as_json(&rows, 0);
    assert_eq!(read.len(), journal.len());
    for (number, (row, (result, proposal, seed))) in read.iter().zip(&journal).enumerate() {
        assert_eq!(row["number"], number.to_string());
        assert_eq!(row["seed"], seed.to_string());
        let x: f64 = row["point.x"].parse().unwrap();
        assert_eq!(
            x.to_bits(),
            proposal["point"]["x"]["real"].as_f64().unwrap().to_bits()
        );
        assert_eq!(
            row["point.told"],
            proposal["point"]["told"]["integer"].to_string()
        );
        assert_eq!(row["attempts"], "1");
        match number {
            3 => {
                assert_eq!([&row["outcome"], &row["val.score"]], ["failed", ""]);
                assert!(row["error"].contains("out of luck"), "{}", row["error"]);
            }
            // No number is worth nothing.
            5 => assert_eq!([&row["val.score"], &row["value"]], ["NaN", ""]),
            _ => {
                let score: f64 = row["val.score"].parse().unwrap();
                let expected = result["metrics"]["val.score"].as_f64().unwrap();
                assert_eq!(score.to_bits(), expected.to_bits());
                assert_eq!([&row["value"], &row["error"]], [&row["val.score"], ""]);
            }
        }
    }

    // The same as Parquet, and as JSON.
    let out = scratch.path().join("t.parquet");
    let args = ["trials", "runs/e-1", "--out", "t.parquet"];
    succeeded(&scratch.command(&args).output().unwrap());
    let reader = SerializedFileReader::new(fs::File::open(&out).unwrap()).unwrap();
    let same = reader.get_row_iter(None).unwrap().zip(&read);
    for (row, text) in same {
        let row = row.unwrap();
        let cells = row.get_column_iter().map(|(name, field)| {
            let cell = match field {
                Field::Null => String::new(),
                Field::Long(i) => i.to_string(),
                Field::Double(x) => format!("{x:?}"),
                Field::Str(text) => text.clone(),
                other => panic!("{name}: {other:?}"),
            };
            (name, cell)
        });
        assert_eq!(&cells.collect::<Named<String>>(), text);
    }
    let json = scratch
        .command(&["trials", "runs/e-1", "--json"])
        .output()
        .unwrap();
    let json: Vec<Value> = serde_json::from_slice(&json.stdout).unwrap();
    assert_eq!(json.len(), 12);
    assert_eq!(json[5]["val.score"], "NaN");
    assert_eq!(json[4]["value"], journal[4].0["metrics"]["val.score"]);

    // Of another stage the seeds.
    let seeds = scratch
        .command(&["trials", "runs/e-1", "--stage", "final", "--json"])
        .output()
        .unwrap();
    let seeds: Vec<Value> = serde_json::from_slice(&seeds.stdout).unwrap();
    let of_seed: Vec<(&Value, &Value)> = seeds.iter().map(|r| (&r["seed"], &r["by"])).collect();
    let null = &Value::Null;
    assert_eq!(
        of_seed,
        [(&json!(0), null), (&json!(1), null), (&json!(2), null)]
    );
}

#[test]
fn what_is_no_table_of_trials_is_refused() {
    let scratch = Scratch::new("", "");
    succeeded(&scratch.run(2));
    for (args, code, said) in [
        (
            &["runs/e-1", "--stage", "fond"][..],
            2,
            "error: the run has no stage `fond`\n  help: did you mean `found`?\n",
        ),
        (
            &["runs/e-1", "--out", "t.xlsx"],
            2,
            "error: `t.xlsx` names no format of tables\n  expected  a file that ends in .csv or .parquet\n",
        ),
        (
            &["runs/e-2"],
            1,
            "error: `runs/e-2` is not the folder of a run\n",
        ),
        (
            &["runs/e-1", "--out", "none/t.csv"],
            1,
            "error: cannot write `none/t.csv`\n  caused by No such file or directory (os error 2)\n",
        ),
    ] {
        let args = [&["trials"], args].concat();
        let output = scratch.command(&args).output().unwrap();
        assert_eq!(output.status.code(), Some(code), "{args:?}");
        assert!(
            stderr(&output).starts_with(said),
            "{args:?}: {}",
            stderr(&output)
        );
    }
}

#[test]
fn a_run_is_stopped_from_another_shell() {
    let scratch = Scratch::new("", ", sleep = 20");
    let stop = || {
        let output = scratch.command(&["stop", "runs/e-1"]).output().unwrap();
        succeeded(&output);
        String::from_utf8(output.stdout).unwrap()
    };
    let nobody = "nobody works on runs/e-1; to go on: pleach resume runs/e-1\n";
    let file = scratch.folder().join("stop");
    let child = scratch.begin(3);
    assert_eq!(
        stop(),
        "stopped runs/e-1; to go on: pleach resume runs/e-1\n"
    );
    // It has waited: the process lets go of the folder before it ends.
    assert_eq!(stop(), nobody);
    assert!(!file.exists());
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(130));
    assert!(stderr(&output).ends_with("stopped; to go on: pleach resume runs/e-1\n"));
    let before = scratch.ended().unwrap();
    assert!((3..12).contains(&before), "{before}");
    // What a process that was killed has left stops nobody.
    fs::write(&file, "").unwrap();
    assert_eq!(stop(), nobody);
    succeeded(&scratch.resume());
    assert!(!file.exists());
    check_same(&scratch);
    assert_eq!(stop(), "nobody works on runs/e-1; it is complete\n");
}

#[test]
fn a_run_that_dies_while_it_is_to_stop_is_stopped() {
    let scratch = Scratch::new("", ", sleep = 100");
    let mut child = scratch.begin(1);
    // So that it sees nothing of what it is asked.
    kill_process(Pid::from_child(&child), Signal::STOP).unwrap();
    let asking = scratch
        .command(&["stop", "runs/e-1", "--json"])
        .spawn()
        .unwrap();
    let file = scratch.folder().join("stop");
    let limit = Instant::now() + Duration::from_secs(60);
    while !file.exists() {
        assert!(Instant::now() < limit, "nobody asks it to stop");
        thread::sleep(Duration::from_millis(5));
    }
    assert!(matches!(child.try_wait(), Ok(None)));
    child.kill().unwrap();
    child.wait().unwrap();
    let asked = asking.wait_with_output().unwrap();
    succeeded(&asked);
    let said: Value = serde_json::from_slice(&asked.stdout).unwrap();
    assert_eq!(
        said,
        json!({ "run": "runs/e-1", "stopped": true, "complete": false })
    );
    assert!(!file.exists());
}

#[test]
fn two_runs_are_compared() {
    let scratch = Scratch::new("", "");
    succeeded(&scratch.run(2));
    for set in [&["--set", "stage.found.budget=6"][..], &["--seed", "7"]] {
        let args = [&["run", "e.toml", "--plugins", "."], set].concat();
        succeeded(&scratch.command(&args).output().unwrap());
    }
    let diff = |second: &str, more: &[&str]| {
        let args = [&["runs", "diff", "runs/e-1", second], more].concat();
        let output = scratch.command(&args).output().unwrap();
        succeeded(&output);
        String::from_utf8(output.stdout).unwrap()
    };
    let said = diff("runs/e-2", &[]);
    let (begun, came_out) = said.split_once("results").unwrap();
    assert_eq!(
        begun.trim_end(),
        "experiment:\n  stage.found.budget: 12 -> 6\nplugins: the same\nenvironment: the same"
    );
    // The score of a seed is 1 - seed / 100.
    let final_ = came_out
        .lines()
        .find(|line| line.contains("test.score"))
        .unwrap();
    let words: Vec<&str> = final_.split_whitespace().collect();
    let expected = [
        "final",
        "test.score",
        "0.9900",
        "±",
        "0.0100",
        "0.9900",
        "±",
        "0.0100",
        "0.0000",
    ];
    assert_eq!(words, expected);

    let json: Value = serde_json::from_str(&diff("runs/e-3", &["--json"])).unwrap();
    let changed = json!([{ "key": "seed", "first": 0, "second": 7 }]);
    assert_eq!(json["experiment"], changed);
    let of = |stage: &str| {
        let results = json["results"].as_array().unwrap().iter();
        results
            .filter(|r| r["stage"] == stage)
            .cloned()
            .collect::<Vec<_>>()
    };
    assert_eq!((of("found").len(), of("final").len()), (1, 2));
    let val = &of("final")[0];
    assert_eq!(val["metric"], "val.score");
    // Other seeds are not paired.
    assert_eq!(val["paired"], Value::Null);
    let mean = |of: &Value| of["mean"].as_f64().unwrap();
    assert!(
        (mean(&val["first"]) - 0.99).abs() < 1e-12 && (mean(&val["second"]) - 0.92).abs() < 1e-12
    );
    let gone = scratch
        .command(&["runs", "diff", "runs/e-1", "runs/e-9"])
        .output()
        .unwrap();
    assert_eq!(gone.status.code(), Some(1));
}

/// The files in a folder of the run, by name.
fn files(scratch: &Scratch, folder: &str) -> Vec<String> {
    let entries = fs::read_dir(scratch.folder().join(folder)).unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<String> = names.collect();
    names.sort();
    names
}

#[test]
fn space_is_freed() {
    let scratch = Scratch::new("", "");
    succeeded(&scratch.run(2));
    let checkpoint = scratch.folder().join("checkpoints/final-s1.safetensors");
    fs::write(&checkpoint, "12345").unwrap();
    let all = [
        "final-s0.safetensors",
        "final-s1.safetensors",
        "final-s2.safetensors",
    ];
    let gc = |args: &[&str]| {
        let args = [&["runs", "gc"], args].concat();
        let output = scratch.command(&args).output().unwrap();
        succeeded(&output);
        String::from_utf8(output.stdout).unwrap()
    };
    let dry = gc(&["--dry-run", "--keep-weights", "none"]);
    assert!(dry.contains("complete      4"), "{dry}");
    // Each holds its own name.
    assert!(dry.ends_with("29 B could be freed\n"), "{dry}");
    assert_eq!(files(&scratch, "weights"), all);
    assert!(gc(&[]).ends_with("5 B freed\n"));
    assert!(!checkpoint.exists());
    assert_eq!(files(&scratch, "weights"), all);

    let (journal, before) = (scratch.journal(), scratch.resume().stdout);
    let freed: Value =
        serde_json::from_str(&gc(&["runs/e-1", "--keep-weights", "best", "--json"])).unwrap();
    assert_eq!(freed[0]["bytes"], 16);
    // The first seed has the best score.
    assert_eq!(files(&scratch, "weights"), [all[0], "removed.txt"]);
    assert_eq!(scratch.resume().stdout, before);
    assert_eq!(scratch.journal(), journal);
    succeeded(&scratch.command(&["runs"]).output().unwrap());
    let evaluate = |seed: &str| {
        let args = ["evaluate", "runs/e-1", "--seed", seed];
        scratch.command(&args).output().unwrap()
    };
    succeeded(&evaluate("0"));
    let gone = evaluate("1");
    assert_eq!(gone.status.code(), Some(1));
    let said = "error: no stage has handed on weights of seed 1\n  found     weights of this run were removed, by `pleach runs gc`\n  help: to make them again: pleach run ";
    assert!(stderr(&gone).starts_with(said), "{}", stderr(&gone));
}

#[test]
fn what_a_run_goes_on_from_is_not_freed() {
    let scratch = Scratch::new("", ", sleep = 20");
    let mut running = scratch.begin(3);
    let put = |work: &str| {
        let folder = scratch.folder().join("checkpoints");
        fs::write(folder.join(format!("{work}.safetensors")), work).unwrap();
    };
    put("final-s9");
    let gc = || {
        let args = ["runs", "gc", "--keep-weights", "none"];
        let output = scratch.command(&args).output().unwrap();
        succeeded(&output);
        String::from_utf8(output.stdout).unwrap()
    };
    assert!(gc().contains("running"));
    running.kill().unwrap();
    running.wait().unwrap();
    assert_eq!(files(&scratch, "checkpoints"), ["final-s9.safetensors"]);
    let ended = scratch.journal();
    let (ended, open) = ended.iter().partition::<Vec<_>, _>(|row| row.4.is_some());
    put(&format!("found-t{}", ended[0].1));
    put(&format!("found-t{}", open[0].1));
    fs::write(scratch.folder().join("weights/final-s0.safetensors"), "x").unwrap();
    assert!(gc().contains("stopped"));
    let mut kept = vec![
        "final-s9.safetensors".to_owned(),
        format!("found-t{}.safetensors", open[0].1),
    ];
    kept.sort();
    assert_eq!(files(&scratch, "checkpoints"), kept);
    assert_eq!(files(&scratch, "weights"), ["final-s0.safetensors"]);
    succeeded(&scratch.resume());
    check_same(&scratch);
}

#[test]
fn an_experiment_says_whose_weights_are_kept() {
    let scratch = Scratch::new("", "");
    let experiment = scratch.path().join("e.toml");
    let text = fs::read_to_string(&experiment).unwrap();
    let more = "[[stage]]\nname = \"tuned\"\ntrain = \"fake/fit\"\n";
    for (number, (keep, expected)) in [
        (
            "all",
            &[
                "final-s0", "final-s1", "final-s2", "tuned-s0", "tuned-s1", "tuned-s2",
            ][..],
        ),
        ("last", &["tuned-s0", "tuned-s1", "tuned-s2"]),
        ("best", &["tuned-s0"]),
        ("none", &[]),
    ]
    .into_iter()
    .enumerate()
    {
        fs::write(&experiment, format!("keep = \"{keep}\"\n{text}{more}")).unwrap();
        succeeded(&scratch.run(2));
        let run = format!("runs/e-{}", number + 1);
        let entries = fs::read_dir(scratch.path().join(&run).join("weights")).unwrap();
        let mut names: Vec<String> = entries
            .filter_map(|entry| {
                let name = entry.unwrap().file_name().into_string().unwrap();
                Some(name.strip_suffix(".safetensors")?.to_owned())
            })
            .collect();
        names.sort();
        assert_eq!(names, expected, "{keep}");
        succeeded(&scratch.command(&["resume", &run]).output().unwrap());
    }
    fs::write(&experiment, format!("keep = \"some\"\n{text}")).unwrap();
    let wrong = scratch.run(1);
    assert_eq!(wrong.status.code(), Some(2));
    let said = "error: `keep` must be \"all\", \"last\", \"best\" or \"none\"\n --> e.toml:1:8\n";
    assert!(stderr(&wrong).starts_with(said), "{}", stderr(&wrong));
}
