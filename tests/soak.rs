//! Ten thousand trials through two workers, a fault in every hundredth: all are accounted for, and nothing grows.
//!
//! `cargo xtask soak`. Half of the trials run in a process each, half in batches of 50; each half is a run of its own, with
//! two trials at once. Prints a table, and exits with 1 where a bound does not hold.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::{Child, ExitCode, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use pleach::journal::Journal;
use pleach_tests::Place;
use plugin_api::Decided;

/// Trials of each half.
const TRIALS: usize = 5_000;
/// A fault in every so many of them.
const EVERY: usize = 100;
/// The faults in turn, and what their trials say.
const FAULTS: [(&str, &str); 5] = [
    ("panic", "on purpose"),
    ("abort", "died of SIGABRT"),
    ("exit", "ended its process with status 0"),
    ("error", "refused on purpose"),
    ("loop", "ran longer than 2 s and was killed"),
];
/// By which part a program may have grown from the first tenth of the run to the last.
const GROWTH: f64 = 1.1;
/// From one look at the processes to the next.
const PAUSE: Duration = Duration::from_millis(100);

fn main() -> Result<ExitCode> {
    println!("{TRIALS} trials each, two at once, a fault in every {EVERY}th");
    let mut holds = true;
    for (name, batch) in [("a process each", 1), ("in batches of 50", 50)] {
        holds &= half(name, batch)?;
    }
    Ok(match holds {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    })
}

/// One run; whether all bounds hold.
fn half(name: &str, batch: usize) -> Result<bool> {
    let place = Place::new(&experiment(batch)).with_faulty();
    let start = Instant::now();
    let run = ["run", "experiment.toml", "--quiet", "--jobs", "2"];
    let mut pleach = place.pleach(&[&run[..], &["--plugins", "plugins"]].concat());
    let mut pleach = pleach.stdout(Stdio::null()).spawn()?;
    let (watched, seen) = watch(&mut pleach)?;
    let took = start.elapsed();
    ensure!(pleach.wait()?.success(), "the run has failed");

    let run = place.folder.path().join("runs/experiment-1");
    let faults = account(&run)?;
    println!(
        "\n{name}: {:.0} trials/s",
        TRIALS as f64 / took.as_secs_f64()
    );
    for (how, trials) in &faults {
        println!("  {how:8} {trials}");
    }
    let mut holds = true;
    holds &= is_flat("pleach-worker", &watched.worker)?;
    holds &= is_flat("pleach", &watched.pleach)?;
    let orphans: Vec<u32> = seen.into_iter().filter(|pid| is_ours(*pid)).collect();
    print!("  processes left: {}", orphans.len());
    holds &= verdict(orphans.len() as f64, 0.0);
    let checkpoints = fs::read_dir(run.join("checkpoints"))?.count();
    print!("  checkpoints left: {checkpoints}");
    Ok(holds & verdict(checkpoints as f64, 0.0))
}

/// Networks of one layer, healthy or not, that are evaluated untrained: what a trial costs is its process.
fn experiment(batch: usize) -> String {
    let options: Vec<String> = (0..EVERY * FAULTS.len())
        .map(|number| match fault(number) {
            Some((how, _)) => format!("{{ use = 'faulty/faulty', how = '{how}' }}"),
            None => "'faulty/faulty'".into(),
        })
        .collect();
    format!(
        "task = 'baselines/digits'\n\
         limits = {{ seconds = 2 }}\n\
         [[stage]]\n\
         name = 'search'\n\
         search = 'faulty/in-turn'\n\
         space = {{ use = 'baselines/gnn', depth = 1, widths = [4], dropouts = [0.0], \
         activations = ['relu'], layers = [{}] }}\n\
         budget = {TRIALS}\n\
         ahead = 200\n\
         batch = {batch}\n",
        options.join(", ")
    )
}

/// What the trial of this number does wrong, and says.
fn fault(number: usize) -> Option<(&'static str, &'static str)> {
    let is_faulty = number % EVERY == EVERY - 1;
    is_faulty.then(|| FAULTS[number / EVERY % FAULTS.len()])
}

/// That every trial ended as it had to; how many did how.
fn account(run: &Path) -> Result<BTreeMap<&'static str, usize>> {
    let mut ends = BTreeMap::new();
    let entries = Journal::open(&run.join("journal.sqlite"))?.entries(0)?;
    ensure!(entries.len() == TRIALS, "{} trials", entries.len());
    for entry in entries {
        let point = entry.proposal.context("a trial was proposed")?.point;
        let number = entry.number as usize;
        let option = number % (EVERY * FAULTS.len());
        ensure!(point["layer-0"] == Decided::Option(option), "{point:?}");
        let result = entry.result.context("a trial has ended")?;
        let how = match (fault(number), result) {
            (None, Ok(_)) => "done",
            (Some((how, says)), Err(error)) if error.to_string().contains(says) => how,
            (wanted, other) => anyhow::bail!("t{number}: {other:?} instead of {wanted:?}"),
        };
        *ends.entry(how).or_default() += 1;
    }
    Ok(ends)
}

/// Resident sizes in KiB, as time went by.
#[derive(Default)]
struct Watched {
    pleach: Vec<u64>,
    /// Of the workers together, without the children that they forked.
    worker: Vec<u64>,
}

/// Looks at the processes until `pleach` has ended; comes with all that it has ever seen below it.
fn watch(pleach: &mut Child) -> Result<(Watched, Vec<u32>)> {
    let mut watched = Watched::default();
    let mut seen = vec![];
    while pleach.try_wait()?.is_none() {
        let workers = children(pleach.id());
        for pid in workers
            .iter()
            .flat_map(|pid| [vec![*pid], children(*pid)].concat())
        {
            if !seen.contains(&pid) {
                seen.push(pid);
            }
        }
        watched.pleach.extend(rss(pleach.id()));
        let sizes: Vec<u64> = workers.iter().filter_map(|pid| rss(*pid)).collect();
        // The one that makes the trials, and the strategy's.
        if sizes.len() == 2 {
            watched.worker.push(sizes.iter().sum());
        }
        sleep(PAUSE);
    }
    Ok((watched, seen))
}

/// Whether a program has stayed as large as it was, by the medians of the first tenth of what was seen and of the last.
fn is_flat(program: &str, rss: &[u64]) -> Result<bool> {
    let tenth = rss.len() / 10;
    ensure!(tenth > 0, "{program} was seen {} times", rss.len());
    let half = rss.len() / 2;
    let parts = [
        &rss[..tenth],
        &rss[half..half + tenth],
        &rss[rss.len() - tenth..],
    ];
    let [start, amid, end] = parts.map(|part| {
        let mut part = part.to_vec();
        part.sort_unstable();
        part[part.len() / 2] as f64 / 1024.0
    });
    let growth = end / start;
    print!(
        "  {program}: {start:.1} MiB, {amid:.1} in the middle, {end:.1} at the end; {growth:.2}"
    );
    Ok(verdict(growth, GROWTH))
}

fn children(pid: u32) -> Vec<u32> {
    let list = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children"));
    let list = list.unwrap_or_default();
    list.split_whitespace()
        .filter_map(|pid| pid.parse().ok())
        .collect()
}

/// Resident size in KiB; nothing where the process is gone.
fn rss(pid: u32) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.trim().strip_suffix(" kB")?.parse().ok()
}

/// Whether there is a worker or child of this id; another program may have got it since.
fn is_ours(pid: u32) -> bool {
    let name = fs::read_to_string(format!("/proc/{pid}/comm"));
    name.is_ok_and(|name| name.trim().starts_with("pleach-worker"))
}

/// Ends a line with the bound of its figure, and says whether that is within.
fn verdict(value: f64, bound: f64) -> bool {
    let holds = value <= bound;
    let verdict = if holds { "holds" } else { "DOES NOT HOLD" };
    println!(", at most {bound}: {verdict}");
    holds
}
