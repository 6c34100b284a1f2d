//! Files that are written whole or not at all, and read within a limit.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::Path;

/// Writes a file beside its place and renames it there: whoever reads it, after whatever crash, finds all of it or the
/// one before. What a crash leaves beside it, the next attempt overwrites.
///
/// # Errors
/// Where it cannot be written; the place is as it was.
pub fn write_whole(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".part");
    let beside = path.with_file_name(name);
    let written = fs::write(&beside, bytes).and_then(|()| File::open(&beside)?.sync_all());
    let placed = written.and_then(|()| fs::rename(&beside, path));
    if placed.is_err() {
        // What is left of it is of no use; the error says why.
        let _ = fs::remove_file(&beside);
    }
    placed
}

/// Reads an ordinary file of at most `limit` bytes. A device might never end, and a pipe would be waited for.
///
/// # Errors
/// Where it cannot be read, is no ordinary file or is larger.
pub fn read_within(path: &Path, limit: u64) -> io::Result<Vec<u8>> {
    if !path.metadata()?.is_file() {
        return Err(io::Error::other("not a file"));
    }
    let mut bytes = vec![];
    File::open(path)?.take(limit + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > limit {
        return Err(io::Error::other(format!("larger than {limit} bytes")));
    }
    Ok(bytes)
}
