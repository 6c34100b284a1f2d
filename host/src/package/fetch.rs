//! Gets the bytes of a package: from a file, or from a web server.

use plugin_api_data::Error;

use super::archive::LIMIT;
use crate::download::receive;
use crate::plugins::sha256;

/// Gets a package from a path, a `file:` URL, or a URL of the web; whole, or not at all. `progress` is told how many
/// bytes are there, and of how many.
///
/// # Errors
/// Where it cannot be had, is too large, or its SHA-256 is not the given one.
pub fn fetch(
    source: &str,
    expected: Option<&str>,
    mut progress: impl FnMut(u64, Option<u64>),
) -> Result<Vec<u8>, Error> {
    let mut bytes = vec![];
    receive(source, expected.is_some(), &mut bytes, |done, total| {
        progress(done, total);
        check_size(done, total)
    })?;
    let found = sha256(&bytes);
    match expected {
        Some(expected) if found != expected => Err(Error::new(format!(
            "`{source}` is not the expected package"
        ))
        .found(format!("SHA-256 {found}"))
        .expected(format!("SHA-256 {expected}"))
        .help("do not install it before you know why it differs")),
        _ => Ok(bytes),
    }
}

/// Refuses what is too large for a package, by what was received or by what was said before.
fn check_size(done: u64, total: Option<u64>) -> Result<(), Error> {
    let limit = LIMIT as u64;
    let size = match total {
        Some(total) if total > limit => format!("{total} bytes"),
        _ if done > limit => format!("more than {limit} bytes"),
        _ => return Ok(()),
    };
    Err(Error::new("it is too large for a package")
        .found(size)
        .expected(format!("at most {limit} bytes")))
}
