//! Measuring alone: while a child measures time, its siblings stand still, and no other child on this machine measures.

use std::fs::{self, File};
use std::sync::atomic::{AtomicI32, Ordering};

use plugin_api::Result;
use rustix::process::{Pid, Signal, getpid, kill_process};

/// Whose child this process is; 0 where it is none of a worker.
static PARENT: AtomicI32 = AtomicI32::new(0);

/// In a child of a worker: says whose it is.
pub(crate) fn set_parent(parent: Pid) {
    PARENT.store(parent.as_raw_nonzero().get(), Ordering::Relaxed);
}

/// Has the siblings of this child stand still until it is dropped. A process that is no worker's child has none: its parent
/// may be a shell, whose other children are nobody's business.
pub(crate) struct Alone {
    /// The slot of which each machine has one, as a lock on this very program: it goes with the process, however that ends.
    _slot: File,
    still: Vec<Pid>,
}

impl Alone {
    pub(crate) fn here() -> Result<Self> {
        let slot = File::open("/proc/self/exe")?;
        slot.lock()?;
        let mut alone = Alone {
            _slot: slot,
            still: vec![],
        };
        alone.again()?;
        Ok(alone)
    }

    /// The same for siblings that were born or woken since.
    pub(crate) fn again(&mut self) -> Result<()> {
        let Some(parent) = Pid::from_raw(PARENT.load(Ordering::Relaxed)) else {
            return Ok(());
        };
        let parent = parent.as_raw_nonzero();
        let children = fs::read_to_string(format!("/proc/{parent}/task/{parent}/children"))?;
        let pids = children.split_ascii_whitespace();
        let pids = pids.filter_map(|pid| Pid::from_raw(pid.parse().ok()?));
        for sibling in pids.filter(|pid| *pid != getpid()) {
            // Each time: its parent wakes all where one has died. One that has just ended stands still enough.
            if kill_process(sibling, Signal::STOP).is_ok() && !self.still.contains(&sibling) {
                self.still.push(sibling);
            }
        }
        Ok(())
    }
}

impl Drop for Alone {
    fn drop(&mut self) {
        for sibling in &self.still {
            let _ = kill_process(*sibling, Signal::CONT);
        }
    }
}
