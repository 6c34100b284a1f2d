//! What the benches share: clocks, bounds, data, and peers that run beside pleach.

pub mod graphs;
mod images;
mod peer;

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Result;
use pleach::protocol::PluginFile;
use plugin_api::Tensors;
use rustix::time::{ClockId, clock_gettime};

pub use images::Images;
pub use peer::Peer;

/// CPU time of this thread: other processes do not count.
pub fn cpu() -> Duration {
    let now = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(now.tv_sec.unsigned_abs(), now.tv_nsec.unsigned_abs() as u32)
}

/// The one in the middle.
pub fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times[times.len() / 2]
}

/// Medians of how long the one and the other say that they take, in turns; the first turn warms up.
///
/// # Errors
/// Where a turn fails.
pub fn in_turn(
    rounds: usize,
    mut one: impl FnMut() -> Result<Duration>,
    mut other: impl FnMut() -> Result<Duration>,
) -> Result<[Duration; 2]> {
    let (mut ones, mut others) = (vec![], vec![]);
    for round in 0..=rounds {
        let (one, other) = (one()?, other()?);
        if round > 0 {
            ones.push(one);
            others.push(other);
        }
    }
    Ok([median(ones), median(others)])
}

/// The loss of tasks that tell classes apart: `[samples, classes]` and the class of each sample.
///
/// # Errors
/// Where libtorch refuses them.
pub fn cross_entropy(logits: &tch::Tensor, y: &tch::Tensor) -> Result<Tensors> {
    let (weight, mean) = (None::<tch::Tensor>, tch::Reduction::Mean);
    let loss = logits.f_cross_entropy_loss(y, weight, mean, -100, 0.0)?;
    Ok(Tensors::new().with("loss", loss))
}

/// In microseconds.
pub fn micros(d: Duration) -> f64 {
    d.as_secs_f64() * 1e6
}

/// Ends a line with the bound of its figure, and says whether that is within.
pub fn verdict(value: f64, bound: f64) -> bool {
    let holds = value <= bound;
    let verdict = if holds { "holds" } else { "DOES NOT HOLD" };
    println!(", bound {bound}: {verdict}");
    holds
}

/// Prints a figure beside its peer's, and whether their ratio is within the bound.
pub fn ratio(what: &str, ours: Duration, whose: &str, peer: Duration, bound: f64) -> bool {
    let ratio = ours.as_secs_f64() / peer.as_secs_f64();
    let (ours, peer) = (micros(ours), micros(peer));
    print!("{what}: {ours:.0} us; {whose}: {peer:.0} us; ratio {ratio:.3}");
    verdict(ratio, bound)
}

/// A plugin that stands in the folder that cargo built into.
///
/// # Panics
/// Where it is not there.
pub fn plugin(built: &Path, name: &str) -> PluginFile {
    let path = built.join(format!("lib{name}.so"));
    pleach::plugins::at(&path)
        .unwrap_or_else(|| {
            panic!(
                "{} is not there: `cargo xtask build` makes it",
                path.display()
            )
        })
        .file()
}

/// A file of the folder that `PLEACH_DATA` names, or of the one that stands beside the workspace.
pub fn data(file: &str) -> PathBuf {
    let folder = std::env::var_os("PLEACH_DATA").map(PathBuf::from);
    let folder = folder.unwrap_or_else(|| root().join("../shared/data"));
    folder.join(file)
}

/// The folder of the workspace.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}
