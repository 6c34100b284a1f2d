//! What loading plugins costs: one file, a hundred files listed, a hundred files in one process.
//!
//! `cargo xtask bench loading`. Medians, each beside its bound.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use memchr::memmem;
use pleach::plugins;
use pleach::protocol::PluginFile;
use pleach_benches::median;
use tempfile::TempDir;

/// The plugin that is copied; every plugin holds the layouts of all roles.
const PLUGIN: &str = "dgmlp";
const FILES: usize = 100;

fn main() -> Result<()> {
    let built = std::env::current_exe()?
        .parent()
        .context("a program stands in a folder")?
        .to_path_buf();
    let scratch = TempDir::new()?;
    let stripped = scratch.path().join(format!("lib{PLUGIN}.so"));
    strip(&built.join(format!("lib{PLUGIN}.so")), &stripped)?;
    let bytes = std::fs::read(&stripped)?;
    println!(
        "a plugin's file, stripped: {:.1} MB",
        bytes.len() as f64 / 1e6
    );

    // The first one pays for libtorch's own first steps.
    pleach_worker::host();
    one(&copies(&scratch.path().join("one"), &bytes, 21, false)?)?;
    listed(&built, scratch.path(), &bytes)?;
    many(&copies(&scratch.path().join("many"), &bytes, FILES, false)?)
}

/// As a plugin is given to others: without what only a debugger reads.
fn strip(from: &Path, to: &Path) -> Result<()> {
    let mut strip = Command::new("strip");
    let output = strip.arg("-o").arg(to).arg(from).output();
    ran(&output.context("starting strip, which comes with the C++ compiler")?)
}

fn ran(output: &Output) -> Result<()> {
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{said}");
    Ok(())
}

/// This many copies; `renamed` are plugins of a name each.
fn copies(folder: &Path, bytes: &[u8], n: usize, renamed: bool) -> Result<Vec<PathBuf>> {
    std::fs::create_dir(folder)?;
    let note = format!(r#"{{"name":"{PLUGIN}""#);
    let at = memmem::find(bytes, note.as_bytes()).context("a plugin has a note")?;
    let write = |i: usize| {
        let mut copy = bytes.to_vec();
        if renamed {
            // Of the same length: all else in the file stays where it is.
            let name = format!(r#"{{"name":"p{i:04}""#);
            copy[at..at + note.len()].copy_from_slice(name.as_bytes());
        }
        let path = folder.join(format!("libp{i:04}.so"));
        std::fs::write(&path, copy)?;
        Ok(path)
    };
    (0..n).map(write).collect()
}

fn file(path: &Path) -> Result<PluginFile> {
    Ok(plugins::at(path).context("a plugin's file")?.file())
}

fn millis(d: Duration) -> f64 {
    d.as_secs_f64() * 1e3
}

/// Prints a figure, what it consists of, and whether the bound holds.
fn report(what: &str, took: Duration, beside: &str, bound: Duration) {
    let verdict = if took <= bound {
        "holds"
    } else {
        "DOES NOT HOLD"
    };
    println!(
        "{what}: {:.2} ms{beside}; bound {:.0} ms: {verdict}",
        millis(took),
        millis(bound)
    );
}

/// `dlopen`, comparing layouts, and the plugin's own opening; the hash and the note are read apart.
fn one(files: &[PathBuf]) -> Result<()> {
    let (mut looked, mut opened) = (vec![], vec![]);
    for path in files {
        let plugin = file(path)?;
        let start = Instant::now();
        file(path)?;
        looked.push(start.elapsed());
        let start = Instant::now();
        drop(pleach_worker::open(&plugin)?);
        opened.push(start.elapsed());
    }
    let (looked, opened) = (median(looked), median(opened));
    let beside = format!(", after {:.2} ms for hash and note", millis(looked));
    let took = opened.saturating_sub(looked);
    report("one plugin opened", took, &beside, Duration::from_millis(3));
    Ok(())
}

/// `pleach plugins list` over many files, the first time and again.
fn listed(built: &Path, scratch: &Path, bytes: &[u8]) -> Result<()> {
    let folder = scratch.join("listed");
    copies(&folder, bytes, FILES, true)?;
    let list = || -> Result<Duration> {
        let mut pleach = Command::new(built.join("pleach"));
        pleach.args(["plugins", "list", "--plugins"]).arg(&folder);
        // The program's own folder would be listed too; caches of earlier runs would make the first time a second one.
        pleach.env("XDG_CACHE_HOME", scratch.join("cache"));
        pleach.env("PLEACH_CACHE", scratch.join("cache"));
        let start = Instant::now();
        let output = pleach.output()?;
        let took = start.elapsed();
        ran(&output)?;
        let lines = String::from_utf8_lossy(&output.stdout);
        let found = lines.lines().filter(|line| line.starts_with('p')).count();
        ensure!(found == FILES, "{found} plugins are listed\n{lines}");
        Ok(took)
    };
    let first = list()?;
    let again = median((0..21).map(|_| list()).collect::<Result<_>>()?);
    let beside = format!(", the first time {:.2} ms", millis(first));
    let what = format!("{FILES} plugin files listed again");
    report(&what, again, &beside, Duration::from_millis(20));
    Ok(())
}

/// Many files in one process: what each costs in time and memory.
fn many(files: &[PathBuf]) -> Result<()> {
    let plugins = files
        .iter()
        .map(|path| file(path))
        .collect::<Result<Vec<_>>>()?;
    let (before, start) = (resident()?, Instant::now());
    let mut points = vec![];
    for (i, plugin) in plugins.iter().enumerate() {
        pleach_worker::open(plugin)?;
        let n = i + 1;
        let took = millis(start.elapsed());
        points.push((n as f64, took, (resident()? - before) / 1e6));
        if [1, 10, 50, 100].contains(&n) {
            let (_, took, memory) = points[i];
            println!(
                "{n:>3} plugins in one process: {:.2} ms and {:.2} MB each",
                took / n as f64,
                memory / n as f64
            );
        }
    }
    let time = line(points.iter().map(|(n, time, _)| (*n, *time)));
    let memory = line(points.iter().map(|(n, _, memory)| (*n, *memory)));
    println!(
        "fitted: {:.2} ms + {:.2} ms each, hash and note among it",
        time.0, time.1
    );
    println!("fitted: {:.2} MB + {:.2} MB each", memory.0, memory.1);
    Ok(())
}

/// Memory of this process that is resident, in bytes.
fn resident() -> Result<f64> {
    let statm = std::fs::read_to_string("/proc/self/statm")?;
    let pages = statm
        .split_whitespace()
        .nth(1)
        .context("statm has a second number")?;
    Ok(pages.parse::<f64>()? * rustix::param::page_size() as f64)
}

/// Offset and slope of the least squares.
fn line(points: impl Iterator<Item = (f64, f64)> + Clone) -> (f64, f64) {
    let n = points.clone().count() as f64;
    let mean = |f: fn((f64, f64)) -> f64| points.clone().map(f).sum::<f64>() / n;
    let (x, y) = (mean(|(x, _)| x), mean(|(_, y)| y));
    let slope = (mean(|(x, y)| x * y) - x * y) / (mean(|(x, _)| x * x) - x * x);
    (y - slope * x, slope)
}
