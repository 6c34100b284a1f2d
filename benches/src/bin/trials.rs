//! Trials that cost nothing themselves: a search over six decisions whose results stand in a table of 64 rows, with the
//! durable journal, in batches of 50, beside Optuna with its SQLite and its journal file; and reading ten thousand trials.
//!
//! `cargo xtask bench trials`. CPU time of all processes of a run, without that of starting it; each figure is a median of
//! what was measured in turn with its peer; exit code 1 where a bound does not hold.

use std::fs;
use std::path::Path;
use std::process::{Command, ExitCode};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use pleach::journal::Journal;
use pleach_benches::{Peer, cpu, median, ratio};

/// Trials of a run, and of the one that is taken off as its start.
const TRIALS: [u32; 2] = [3100, 100];
/// Trials of a peer's search, which has no start that counts.
const THEIRS: u32 = 300;
/// Trials that are read again.
const REOPENED: u32 = 10_000;
const ROUNDS: usize = 5;

fn main() -> Result<ExitCode> {
    let folder = tempfile::tempdir()?;
    fs::write(folder.path().join("table.csv"), table())?;
    let mut peer = Peer::start("trials.py", &["optuna==5.0.0"])?;
    let (mut ours, mut sqlite, mut journal) = (vec![], vec![], vec![]);
    for _ in 0..ROUNDS {
        let [whole, start] = TRIALS.map(|trials| search(folder.path(), trials));
        ours.push(whole?.saturating_sub(start?) / (TRIALS[0] - TRIALS[1]));
        sqlite.push(peer.time(&format!("sqlite {THEIRS}"))?);
        journal.push(peer.time(&format!("journal {THEIRS}"))?);
    }
    search(folder.path(), REOPENED)?;
    let (mut reads, mut their_reads) = (vec![], vec![]);
    for _ in 0..ROUNDS {
        reads.push(reopen(folder.path())?);
        their_reads.push(peer.time(&format!("reopen {REOPENED}"))?);
    }
    let (ours, sqlite, journal) = (median(ours), median(sqlite), median(journal));
    let holds = [
        ratio("a trial", ours, "Optuna, SQLite", sqlite, 0.05),
        ratio("a trial", ours, "Optuna, journal file", journal, 0.3),
        ratio(
            "reading 10,000 trials",
            median(reads),
            "Optuna, journal file",
            median(their_reads),
            0.1,
        ),
    ];
    Ok(match holds.iter().all(|holds| *holds) {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    })
}

/// Every point of six decisions with two options, and something that it is worth.
fn table() -> String {
    let mut text = String::from("op0,op1,op2,op3,op4,op5,accuracy\n");
    for n in 0..64 {
        let options = (0..6).map(|i| (n >> i & 1).to_string());
        let worth = f64::from(n * 37 % 64) / 64.0;
        text.push_str(&format!(
            "{},{worth}\n",
            options.collect::<Vec<_>>().join(",")
        ));
    }
    text
}

/// Runs a search in this folder; the CPU time of all that took part.
fn search(folder: &Path, trials: u32) -> Result<Duration> {
    let experiment = format!(
        "task = 'baselines/tabular-task'\n\
         [[stage]]\n\
         name = 'search'\n\
         search = 'baselines/random'\n\
         space = {{ use = 'baselines/tabular-space', file = 'table.csv', \
         decisions = ['op0', 'op1', 'op2', 'op3', 'op4', 'op5'] }}\n\
         each = [{{ train = {{ use = 'baselines/tabular', file = 'table.csv', value = 'accuracy' }} }}]\n\
         budget = {trials}\n\
         ahead = 100\n\
         batch = 50\n"
    );
    fs::write(folder.join("search.toml"), experiment)?;
    let runs = folder.join("runs");
    if runs.exists() {
        fs::remove_dir_all(&runs)?;
    }
    let built = std::env::current_exe()?;
    let pleach = built
        .parent()
        .context("a program stands in a folder")?
        .join("pleach");
    let before = children();
    let status = Command::new(pleach)
        .args(["run", "search.toml", "--quiet", "--jobs", "1", "--json"])
        .current_dir(folder)
        .stdout(std::process::Stdio::null())
        .status()?;
    ensure!(status.success(), "the search failed");
    Ok(children().saturating_sub(before))
}

/// Reads all trials of the last search.
fn reopen(folder: &Path) -> Result<Duration> {
    let path = folder.join("runs/search-1/journal.sqlite");
    let start = cpu();
    let results = Journal::open(&path)?.results(0)?;
    let took = cpu().saturating_sub(start);
    ensure!(
        results.len() == REOPENED as usize,
        "{} trials",
        results.len()
    );
    Ok(took)
}

/// CPU time of the processes that were started here and have ended, and of theirs.
fn children() -> Duration {
    // SAFETY: fills in a struct of plain numbers.
    let usage = unsafe {
        let mut usage = std::mem::zeroed();
        libc::getrusage(libc::RUSAGE_CHILDREN, &mut usage);
        usage
    };
    let of = |time: libc::timeval| {
        Duration::from_secs(time.tv_sec.unsigned_abs())
            + Duration::from_micros(time.tv_usec.unsigned_abs())
    };
    of(usage.ru_utime) + of(usage.ru_stime)
}
