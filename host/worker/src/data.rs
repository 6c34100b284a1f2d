//! Files of data for components, and word of their downloads to `pleach`.

use std::fs::File;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use pleach::data::Places;
use pleach::protocol::{Reply, send};
use plugin_api::{DataFile, Error, Result};

/// How often `pleach` hears how a download gets on.
const PAUSE: Duration = Duration::from_millis(200);

/// Where `pleach` hears of downloads; nowhere in children and in programs of one's own.
static PLEACH: Mutex<Option<File>> = Mutex::new(None);

/// Has `pleach` hear of what is downloaded during `work`, which would seem to hang otherwise.
pub(crate) fn telling<T>(pleach: File, work: impl FnOnce() -> T) -> T {
    let set = |to| *PLEACH.lock().unwrap_or_else(PoisonError::into_inner) = to;
    set(Some(pleach));
    let done = work();
    set(None);
    done
}

/// Where a file of data lies, downloaded if need be.
pub(crate) fn path(file: &DataFile) -> Result<String> {
    let mut told: Option<Instant> = None;
    let path = Places::of_environment().find(file, |done, total| {
        let is_due = told.is_none_or(|told| told.elapsed() >= PAUSE);
        if is_due || Some(done) == total {
            tell(file, done, total);
            told = Some(Instant::now());
        }
    })?;
    path.into_os_string().into_string().map_err(|path| {
        Error::new(format!("the path {path:?} is no text"))
            .help("have PLEACH_DATA name a folder whose path is UTF-8")
            .into()
    })
}

fn tell(file: &DataFile, done: u64, total: Option<u64>) {
    tracing::debug!(file = file.name, done, total, "downloading");
    let mut pleach = PLEACH.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(pleach) = &mut *pleach {
        let file = file.name.clone();
        // A `pleach` that is gone is noticed where this worker reads its next request.
        let _ = send(pleach, &Reply::Fetching { file, done, total });
    }
}
