//! What is kept from one call to the next. All of it can be found out again, so nothing here ever fails: what is
//! missing, damaged or written by another version is as good as not there.

use std::env;
use std::fs::{self, File};
use std::path::{Path, PathBuf};

use etcetera::BaseStrategy;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::files::write_whole;

/// Where things are kept: `$PLEACH_CACHE`, else the user's cache folder.
pub(crate) fn folder() -> PathBuf {
    let user = || {
        etcetera::choose_base_strategy()
            .map_or_else(|_| env::temp_dir(), |s| s.cache_dir())
            .join("pleach")
    };
    env::var_os("PLEACH_CACHE").map_or_else(user, PathBuf::from)
}

/// What was kept under this name, a path inside the cache.
pub(crate) fn recall<T: DeserializeOwned>(name: &str) -> Option<T> {
    serde_json::from_slice(&fs::read(folder().join(name)).ok()?).ok()
}

/// Keeps a value under a name, whole or not at all.
pub(crate) fn keep(name: &str, value: &impl Serialize) {
    // Without a cache all works, only slower.
    let _ = try_to_keep(&folder().join(name), value);
}

fn try_to_keep(path: &Path, value: &impl Serialize) -> Option<()> {
    let bytes = serde_json::to_vec(value).ok()?;
    let folder = path.parent()?;
    fs::create_dir_all(folder).ok()?;
    // Two processes would write into the same file beside the place. Who comes second has found out nothing that
    // cannot be found out again.
    let lock = File::open(folder).ok()?;
    lock.try_lock().ok()?;
    write_whole(path, &bytes).ok()
}
