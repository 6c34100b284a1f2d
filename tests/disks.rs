//! A disk that is full or cannot be written, a journal that is cut short, held by another or newer: `pleach` says so with the
//! file's name and a way out, and once the cause is gone `resume` goes on to the same result.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::OnceLock;
use std::thread::sleep;
use std::time::Duration;

use pleach_tests::{Place, both, journal, weights};
use rusqlite::Connection;

/// A search, training and pruning: three stages, the last of them with weights of two seeds.
const STUDY: &str = r#"
task  = "baselines/digits-graph"
seeds = 2
checkpoint = 0

[[stage]]
name   = "search"
search = "baselines/random"
space  = { use = "baselines/gnn", depth = 1, widths = [16], layers = ["baselines/gcn", "baselines/linear"] }
each   = [{ train = { use = "baselines/backprop", epochs = 2 } }]
budget = 4
ahead  = 2

[[stage]]
name  = "found"
train = { use = "baselines/backprop", epochs = 2 }

[[stage]]
name     = "pruned"
prune    = "baselines/magnitude"
sparsity = 0.5
"#;

/// The run that every other one must come to.
const RUN: &str = "runs/experiment-1";

/// What a run has come to.
type Result = (Vec<String>, Vec<(String, Vec<u8>)>);

fn result(run: &Path) -> Result {
    (journal(run), weights(run))
}

/// What nothing has disturbed.
fn undisturbed() -> &'static Result {
    static WHOLE: OnceLock<Result> = OnceLock::new();
    WHOLE.get_or_init(|| {
        let (journal, weights) = result(&Place::new(STUDY).run(&[]));
        assert_eq!((journal.len(), weights.len()), (4 + 2 + 2, 2 * 2));
        (journal, weights)
    })
}

fn check_same(run: &Path, what: &str) {
    let (journal, weights) = result(run);
    assert_eq!(journal, undisturbed().0, "{what}");
    assert!(weights == undisturbed().1, "{what}: other weights");
}

/// A run that has its last stage still to do.
fn unfinished() -> (Place, PathBuf) {
    let place = Place::new(STUDY);
    let run = place.run(&[]);
    let db = Connection::open(run.join("journal.sqlite")).expect("a journal");
    db.execute("DELETE FROM trial WHERE stage = 2", [])
        .expect("its table");
    (place, run)
}

/// That a command has failed, and says all of this.
fn check_failed(output: &Output, says: &[&str], what: &str) {
    let said = both(output);
    assert_eq!(output.status.code(), Some(1), "{what}: {said}");
    assert!(said.contains("\nerror: "), "{what}: {said}");
    assert!(!said.contains("panicked"), "{what}: {said}");
    for text in says {
        assert!(said.contains(text), "{what}: no `{text}` in {said}");
    }
}

fn resume(place: &Place, run: &str) -> Output {
    let output = place.pleach(&["resume", run]).output();
    output.expect("pleach can be started")
}

fn check_resumes(place: &Place, run: &str, what: &str) {
    let output = resume(place, run);
    assert!(output.status.success(), "{what}: {}", both(&output));
    check_same(&place.folder.path().join(run), what);
}

/// Goes on once the cause is gone: with the run, or with a new one where nothing had begun.
fn check_goes_on(place: &Place, what: &str) {
    let runs = place.folder.path().join("runs");
    match runs.join("experiment-1/experiment.toml").exists() {
        true => check_resumes(place, RUN, what),
        false => {
            let _ = fs::remove_dir_all(&runs);
            check_same(&place.run(&[]), what);
        }
    }
}

/// The command as a shell starts it, behind this text; `"$@"` is the command.
fn behind(script: &str, command: &Command) -> Command {
    let mut shell = Command::new("sh");
    shell.args(["-c", script, "sh"]).arg(command.get_program());
    shell.args(command.get_args());
    shell.current_dir(command.get_current_dir().expect("the folder of the test"));
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => shell.env(name, value),
            None => shell.env_remove(name),
        };
    }
    shell
}

/// A system may refuse to let users mount; then what needs that is skipped, with a word.
fn can_mount() -> bool {
    let probe = Command::new("unshare")
        .args(["-rm", "mount", "-t", "tmpfs", "tmpfs", "/mnt"])
        .output();
    let can = probe.is_ok_and(|output| output.status.success());
    if !can {
        eprintln!("skipped: `unshare -rm mount` is not allowed here");
    }
    can
}

/// No file may grow beyond a size, which is how a full disk looks to whoever writes the file; each of the sizes stops the
/// run at another place.
#[test]
fn a_file_that_cannot_grow() {
    let mut failed = 0;
    for bytes in [0, 1_000, 10_000, 20_000, 30_000, 40_000, 60_000, 90_000] {
        let place = Place::new(STUDY);
        let what = format!("files of {bytes} bytes at most");
        // Ignored, the signal becomes an error of the system's call.
        let script = format!("trap '' XFSZ; exec prlimit --fsize={bytes} \"$@\"");
        let run = place.pleach(&["run", "experiment.toml", "--jobs", "2"]);
        let output = behind(&script, &run).output().expect("a shell");
        if !output.status.success() {
            failed += 1;
            check_failed(&output, &["runs/experiment-1"], &what);
        }
        check_goes_on(&place, &what);
    }
    assert!(failed >= 5, "{failed} runs have met the limit");
}

/// A disk of its own for the runs, which is full before they are done, and larger afterwards.
#[test]
fn a_full_disk() {
    if !can_mount() {
        return;
    }
    for kib in [4, 8, 40, 80, 120, 160, 200] {
        let place = Place::new(STUDY);
        let what = format!("a disk of {kib} KiB");
        let script = format!(
            "exec unshare -rm sh -c '
                mkdir runs && mount -t tmpfs -o size={kib}k tmpfs runs || exit 99
                \"$@\"
                code=$?
                mount -o remount,size=1g runs && cp -a runs kept || exit 99
                exit $code' sh \"$@\""
        );
        let run = place.pleach(&["run", "experiment.toml", "--jobs", "2"]);
        let output = behind(&script, &run).output().expect("a shell");
        check_failed(&output, &["runs/experiment-1"], &what);
        let said = both(&output);
        let is_told = ["No space left on device", "disk is full"]
            .iter()
            .any(|text| said.contains(text));
        assert!(is_told, "{what}: {said}");
        let folder = place.folder.path();
        fs::remove_dir(folder.join("runs")).expect("the place of the disk");
        fs::rename(folder.join("kept"), folder.join("runs")).expect("what was on it");
        check_goes_on(&place, &what);
    }
}

#[test]
fn a_folder_that_cannot_be_written() {
    let place = Place::new(STUDY);
    let run = ["run", "experiment.toml", "--runs", "experiment.toml"];
    let output = place.pleach(&run).output().expect("pleach can be started");
    check_failed(
        &output,
        &["cannot make a folder in `experiment.toml`"],
        "a file",
    );
    if !can_mount() {
        return;
    }
    let (place, _) = unfinished();
    let script = "exec unshare -rm sh -c '
        mount --bind runs runs && mount -o remount,ro,bind runs || exit 99
        exec \"$@\"' sh \"$@\"";
    let read_only = |arguments: &[&str]| {
        let output = behind(script, &place.pleach(arguments)).output();
        output.expect("a shell")
    };
    let says = ["cannot make a folder in `runs`", "Read-only file system"];
    check_failed(&read_only(&["run", "experiment.toml"]), &says, "a new run");
    let output = read_only(&["resume", RUN]);
    check_failed(&output, &[RUN, "Read-only file system"], "a run");
    // What is there can be looked at.
    for arguments in [
        &["trials", RUN][..],
        &["report", RUN, "--json"],
        &["runs"],
        &["runs", "diff", RUN, RUN],
    ] {
        let output = read_only(arguments);
        assert!(output.status.success(), "{arguments:?}: {}", both(&output));
    }
    check_resumes(&place, RUN, "no longer read-only");
}

/// A copy of a run under another name.
fn copy(run: &Path, name: &str) -> PathBuf {
    let to = run.with_file_name(name);
    let copied = Command::new("cp").arg("-a").args([run, &to]).status();
    assert!(copied.expect("cp").success());
    to
}

fn cut(file: &Path, length: u64) {
    let file = fs::OpenOptions::new().write(true).open(file);
    file.and_then(|file| file.set_len(length)).expect("a file");
}

#[test]
fn a_journal_that_was_cut_short() {
    let (place, run) = unfinished();
    let whole = fs::metadata(run.join("journal.sqlite"))
        .expect("a journal")
        .len();
    for length in [
        1,
        99,
        1_000,
        4_096,
        whole / 2,
        whole - 4_096,
        whole - 2,
        whole - 1,
    ] {
        let name = format!("runs/cut-{length}");
        let run = copy(&run, &format!("cut-{length}"));
        let file = run.join("journal.sqlite");
        cut(&file, length);
        let says = [
            &*format!("the journal `{name}/journal.sqlite`"),
            "help: put a copy of it back; or remove it",
        ];
        check_failed(&resume(&place, &name), &says, &name);
        fs::remove_file(&file).expect("a journal");
        check_resumes(&place, &name, &name);
    }
    // As it is where `pleach` was killed before its first table: a journal without anything.
    cut(&copy(&run, "cut-0").join("journal.sqlite"), 0);
    check_resumes(&place, "runs/cut-0", "cut-0");
}

/// What was written last stands beside the journal. Where its end is lost, so are the results there, and they are made again.
#[test]
fn a_log_of_the_journal_that_was_cut_short() {
    let place = Place::new(STUDY);
    let run = place.folder.path().join(RUN);
    let mut pleach = place.pleach(&["run", "experiment.toml"]);
    let mut pleach = pleach.spawn().expect("pleach can be started");
    while !run.join("weights/found-s0.safetensors").exists() {
        assert!(matches!(pleach.try_wait(), Ok(None)), "it goes on");
        sleep(Duration::from_millis(1));
    }
    pleach.kill().expect("a process");
    pleach.wait().expect("a process");
    let log = fs::metadata(run.join("journal.sqlite-wal"));
    let whole = log.expect("what was not yet put into the journal").len();
    for length in [0, 10, whole / 4, whole / 2, whole * 3 / 4, whole - 1] {
        let name = format!("cut-{length}");
        cut(&copy(&run, &name).join("journal.sqlite-wal"), length);
        check_resumes(&place, &format!("runs/{name}"), &name);
    }
}

#[test]
fn a_journal_that_another_program_holds() {
    let (place, run) = unfinished();
    let other = Connection::open(run.join("journal.sqlite")).expect("a journal");
    other.execute_batch("BEGIN EXCLUSIVE").expect("it is free");
    let says = [
        "the journal `",
        "runs/experiment-1/journal.sqlite`",
        "database is locked",
        "help: another program holds it",
    ];
    check_failed(&resume(&place, RUN), &says, "held");
    other.execute_batch("ROLLBACK").expect("it is held");
    check_resumes(&place, RUN, "free again");
}

/// Who holds it for a moment only is waited for.
#[test]
fn a_journal_that_another_program_holds_for_a_while() {
    let (place, run) = unfinished();
    let other = Connection::open(run.join("journal.sqlite")).expect("a journal");
    other.execute_batch("BEGIN EXCLUSIVE").expect("it is free");
    let free = std::thread::spawn(move || {
        sleep(Duration::from_secs(2));
        other.execute_batch("ROLLBACK").expect("it is held");
    });
    check_resumes(&place, RUN, "held for two seconds");
    free.join().expect("it was freed");
}

#[test]
fn a_journal_of_a_newer_version() {
    let (place, run) = unfinished();
    let version = |version: i64| {
        let db = Connection::open(run.join("journal.sqlite")).expect("a journal");
        let before = db.pragma_query_value(None, "user_version", |row| row.get::<_, i64>(0));
        db.pragma_update(None, "user_version", version)
            .expect("a version");
        before.expect("a version")
    };
    let ours = version(99);
    let says = [
        "runs/experiment-1/journal.sqlite` was written by another pleach",
        "version 99",
    ];
    check_failed(&resume(&place, RUN), &says, "newer");
    version(ours);
    check_resumes(&place, RUN, "ours again");
}
