//! What the bytes of a plugin's file say, whichever machine reads them.

use plugin_api_data::{Error, Note};
use serde::{Deserialize, Serialize};

use super::{Glibc, elf, fit, sha256};

/// What was read out of a plugin's file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Contents {
    /// SHA-256 of its bytes, in lower-case hexadecimal digits.
    pub sha256: String,
    /// Its note; nothing where it has none or is damaged.
    pub note: Option<Note>,
    /// The newest glibc of which it needs a symbol.
    pub glibc: Option<Glibc>,
    /// The libraries that it asks the loader for.
    pub needed: Vec<String>,
    /// Why it is no whole library.
    pub damage: Option<Error>,
}

impl Contents {
    /// Reads a plugin's file.
    pub fn of(bytes: &[u8]) -> Self {
        let sha256 = sha256(bytes);
        match elf::read(bytes) {
            Ok(library) => Contents {
                sha256,
                note: library.note,
                glibc: library.glibc,
                needed: library.needed,
                damage: None,
            },
            Err(damage) => Contents {
                sha256,
                ..Contents::unreadable(damage)
            },
        }
    }

    /// Those of a file that cannot be read at all.
    pub(super) fn unreadable(why: Error) -> Self {
        Contents {
            sha256: String::new(),
            note: None,
            glibc: None,
            needed: vec![],
            damage: Some(why),
        }
    }

    /// Why this host cannot use it.
    pub fn problem(&self) -> Option<Error> {
        if self.damage.is_some() {
            return self.damage.clone();
        }
        let Some(note) = &self.note else {
            return Some(Error::new("no note: not a pleach plugin"));
        };
        let glibc = || self.glibc.as_ref().map_or(Ok(()), fit::check_glibc);
        fit::check(note)
            .and_then(|()| fit::check_needed(&self.needed))
            .and_then(|()| glibc())
            .err()
    }
}
