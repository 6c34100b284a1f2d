//! What plugin files held when they were last read, so that a listing need not read and hash them again.
//!
//! A file counts as unchanged while its size, its times and its inode are. That is good enough to show it; before any
//! of it runs, its bytes are hashed anew.

use std::collections::BTreeMap;
use std::fs::{self, Metadata};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

use super::{Contents, TARGET, read};
use crate::cache;

const NAME: &str = "plugins.json";
/// A file that is changed twice within one tick of the file system's clock may look the same both times. So what was
/// read within this time of the last change, in nanoseconds, is not remembered.
const TICK: i64 = 1_000_000_000;

/// What is remembered of all files.
#[derive(Default, Serialize, Deserialize)]
pub(super) struct Memory {
    /// The host that read them; another one may read them otherwise.
    host: String,
    files: BTreeMap<PathBuf, Remembered>,
    #[serde(skip)]
    changed: bool,
}

#[derive(Serialize, Deserialize)]
struct Remembered {
    stamp: Stamp,
    contents: Contents,
}

/// What shows that a file is the one that was read.
#[derive(PartialEq, Serialize, Deserialize)]
struct Stamp {
    size: u64,
    inode: u64,
    /// When its bytes were changed, in nanoseconds.
    modified: i64,
    /// When anything of it was changed; unlike the other time nobody can set it back.
    changed: i64,
}

impl Memory {
    /// What earlier listings have left.
    pub(super) fn recall() -> Self {
        let host = format!("{} {TARGET}", env!("CARGO_PKG_VERSION"));
        cache::recall(NAME)
            .filter(|memory: &Memory| memory.host == host)
            .unwrap_or(Memory {
                host,
                ..Memory::default()
            })
    }

    /// What is in a file, read anew only if it looks changed.
    pub(super) fn contents(&mut self, path: &Path) -> Contents {
        let Ok(stamp) = fs::metadata(path).map(Stamp::of) else {
            return read(path);
        };
        if let Some(known) = self.files.get(path).filter(|r| r.stamp == stamp) {
            return known.contents.clone();
        }
        let (now, contents) = (now(), read(path));
        if now.saturating_sub(stamp.changed) > TICK {
            let remembered = Remembered {
                stamp,
                contents: contents.clone(),
            };
            self.files.insert(path.into(), remembered);
            self.changed = true;
        }
        contents
    }

    /// Leaves it to later listings, without the files that are gone.
    pub(super) fn keep(mut self) {
        if self.changed {
            self.files.retain(|path, _| path.exists());
            cache::keep(NAME, &self);
        }
    }
}

impl Stamp {
    fn of(file: Metadata) -> Self {
        let nanoseconds = |s: i64, ns: i64| s.saturating_mul(1_000_000_000).saturating_add(ns);
        Stamp {
            size: file.size(),
            inode: file.ino(),
            modified: nanoseconds(file.mtime(), file.mtime_nsec()),
            changed: nanoseconds(file.ctime(), file.ctime_nsec()),
        }
    }
}

/// The clock, in nanoseconds; one before 1970 makes every file look new.
fn now() -> i64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .ok()
        .and_then(|t| i64::try_from(t.as_nanos()).ok())
        .unwrap_or(0)
}
