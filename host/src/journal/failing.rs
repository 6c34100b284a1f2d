//! What is said where SQLite fails: which file, and a way out.

use std::path::Path;

use plugin_api_data::Error;
use rusqlite::ErrorCode;

/// Says of a failure of SQLite what was being attempted.
pub(super) trait Attempt<T> {
    /// `what` goes before "the journal": `read`, `write results into`.
    ///
    /// # Errors
    /// Where SQLite failed.
    fn attempting(self, what: &str, journal: &Path) -> Result<T, Error>;
}

impl<T> Attempt<T> for rusqlite::Result<T> {
    fn attempting(self, what: &str, journal: &Path) -> Result<T, Error> {
        self.map_err(|cause| {
            let error = Error::new(attempt(what, journal)).caused_by(Error::new(cause.to_string()));
            match cause.sqlite_error_code().and_then(way_out) {
                Some(help) => error.help(help),
                None => error,
            }
        })
    }
}

/// What could not be done.
pub(super) fn attempt(what: &str, journal: &Path) -> String {
    format!("cannot {what} the journal `{}`", journal.display())
}

fn way_out(code: ErrorCode) -> Option<&'static str> {
    match code {
        ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked => Some(
            "another program holds it, such as an open `sqlite3`: close that; \
             what is done is kept, and `pleach resume` goes on",
        ),
        ErrorCode::DiskFull | ErrorCode::SystemIoFailure => Some(
            "see whether its disk is full or broken; \
             what is done is kept, and `pleach resume` goes on once there is room",
        ),
        ErrorCode::CannotOpen | ErrorCode::ReadOnly | ErrorCode::PermissionDenied => {
            Some("see whether its folder is there and can be written")
        }
        ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase => Some(
            "put a copy of it back; or remove it and what stands beside it, `-wal` and `-shm`, \
             and `pleach resume` does all again, to the same results",
        ),
        _ => None,
    }
}
