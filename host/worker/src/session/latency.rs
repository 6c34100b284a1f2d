//! How long a network takes, on this machine.

use std::time::Instant;

use plugin_api::{Ask, Batch, Error, Latency, Result};
use rustix::thread::{CpuSet, sched_getaffinity, sched_getcpu, sched_setaffinity};

use super::NetSession;
use crate::alone::Alone;

/// Runs before the first that counts, at least: allocators and caches have seen everything by then.
const WARM_UP: i64 = 3;

impl NetSession {
    pub(super) fn measure(&self, batch: &Batch, runs: i64) -> Result<Latency> {
        if runs < 1 {
            return Err(Error::new("nothing is measured in no run")
                .found(runs)
                .expected("1 or more")
                .into());
        }
        let mut alone = Alone::here()?;
        let _pinned = Pinned::here()?;
        let batch = self.on_device(batch.clone())?;
        let mut run = || -> Result<f64> {
            alone.again()?;
            let began = Instant::now();
            tch::no_grad(|| self.run(&batch, &Ask::eval()))?;
            if let tch::Device::Cuda(device) = self.device {
                tch::Cuda::synchronize(i64::try_from(device)?);
            }
            Ok(began.elapsed().as_secs_f64())
        };
        for _ in 0..WARM_UP.max(runs / 10) {
            run()?;
        }
        let mut seconds = (0..runs).map(|_| run()).collect::<Result<Vec<f64>>>()?;
        seconds.sort_by(f64::total_cmp);
        let at = |share: f64| seconds[((seconds.len() - 1) as f64 * share).round() as usize];
        Ok(Latency {
            median: at(0.5),
            spread: at(0.75) - at(0.25),
            runs,
        })
    }
}

/// One thread that stays on its processor, until this is dropped.
struct Pinned {
    threads: i32,
    before: CpuSet,
}

impl Pinned {
    fn here() -> Result<Self> {
        let pinned = Pinned {
            threads: tch::get_num_threads(),
            before: sched_getaffinity(None)?,
        };
        tch::set_num_threads(1);
        let mut here = CpuSet::new();
        here.set(sched_getcpu());
        sched_setaffinity(None, &here)?;
        Ok(pinned)
    }
}

impl Drop for Pinned {
    fn drop(&mut self) {
        tch::set_num_threads(self.threads);
        // What was allowed before is allowed again; nothing can be done where it is not.
        let _ = sched_setaffinity(None, &self.before);
    }
}
