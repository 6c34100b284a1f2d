//! What the benches share: clocks, and peers that run beside pleach.

mod peer;

use std::path::{Path, PathBuf};
use std::time::Duration;

use pleach::protocol::PluginFile;
use rustix::time::{ClockId, clock_gettime};

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

/// The folder of the workspace.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}
