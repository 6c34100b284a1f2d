//! Measuring alone: while a child measures time, its siblings stand still, and no other child on this machine measures.

use std::fs::{self, File};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicI32, AtomicU64, Ordering::SeqCst};
use std::time::Duration;

use plugin_api::Result;
use rustix::process::{Pid, Signal, getpid, kill_process};
use rustix::time::{ClockId, clock_gettime};

use crate::shared::SharedPage;

/// Whose child this process is; 0 where it is none of a worker.
static PARENT: AtomicI32 = AtomicI32::new(0);

/// In a child of a worker: says whose it is.
pub(crate) fn set_parent(parent: Pid) {
    PARENT.store(parent.as_raw_nonzero().get(), SeqCst);
}

/// How long the children of this worker have had each other stand still, on a page that they share with it: such time
/// counts towards no limit but that of the child that measures.
static STILL: OnceLock<&'static Still> = OnceLock::new();

/// Times are nanoseconds of the clock that all processes share.
struct Still {
    /// Who measures; 0 where nobody does.
    measurer: AtomicI32,
    /// Since when.
    since: AtomicU64,
    /// How long everybody did who has ended.
    before: AtomicU64,
}

/// In a worker, before it forks: shares the page with its children.
pub(crate) fn share() -> Result<()> {
    if STILL.get().is_none() {
        let page = SharedPage::new()?.leak().cast();
        // SAFETY: the page is never unmapped, its start is aligned for all types, and zeros are atomics.
        let page = unsafe { page.as_ref() };
        // A worker that forks has one thread: nobody else has set it meanwhile.
        let _ = STILL.set(page);
    }
    Ok(())
}

/// How long a child that has been there all the time has stood still.
pub(crate) fn still(child: Pid) -> Duration {
    let Some(still) = STILL.get() else {
        return Duration::ZERO;
    };
    let (measurer, before) = (still.measurer.load(SeqCst), still.before.load(SeqCst));
    let now = match measurer == 0 || measurer == child.as_raw_nonzero().get() {
        true => 0,
        false => now().saturating_sub(still.since.load(SeqCst)),
    };
    Duration::from_nanos(before + now)
}

/// Ends what this child measures, if it does: it is done, or dead.
pub(crate) fn end(child: Pid) {
    let Some(still) = STILL.get() else {
        return;
    };
    if still.measurer.load(SeqCst) == child.as_raw_nonzero().get() {
        // In this order, whoever looks meanwhile sees too long a time rather than too short a one.
        let took = now().saturating_sub(still.since.load(SeqCst));
        still.before.fetch_add(took, SeqCst);
        still.measurer.store(0, SeqCst);
    }
}

fn now() -> u64 {
    let now = clock_gettime(ClockId::Monotonic);
    Duration::new(now.tv_sec.unsigned_abs(), now.tv_nsec.unsigned_abs() as u32).as_nanos() as u64
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
        if let Some(still) = STILL.get() {
            still.since.store(now(), SeqCst);
            still
                .measurer
                .store(getpid().as_raw_nonzero().get(), SeqCst);
        }
        alone.again()?;
        Ok(alone)
    }

    /// The same for siblings that were born or woken since.
    pub(crate) fn again(&mut self) -> Result<()> {
        let Some(parent) = Pid::from_raw(PARENT.load(SeqCst)) else {
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
        end(getpid());
    }
}
