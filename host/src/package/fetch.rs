//! Gets the bytes of a package: from a file, or from a web server.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::Duration;

use percent_encoding::percent_decode_str;
use plugin_api_data::Error;
use ureq::Agent;

use super::archive::LIMIT;
use crate::error::Context;
use crate::plugins::sha256;

/// A server that is silent for so long has gone.
const SILENCE: Duration = Duration::from_secs(30);
/// How much is read before progress is shown.
const CHUNK: u64 = 64 << 10;

/// Where a package comes from.
enum Source<'a> {
    File(PathBuf),
    Web(&'a str),
}

/// Gets a package from a path, a `file:` URL, or a URL of the web; whole, or not at all. `progress` is told how many
/// bytes are there, and of how many.
///
/// # Errors
/// Where it cannot be had, is too large, or its SHA-256 is not the given one.
pub fn fetch(
    source: &str,
    expected: Option<&str>,
    progress: impl FnMut(u64, Option<u64>),
) -> Result<Vec<u8>, Error> {
    let bytes = match parse(source, expected.is_some())? {
        Source::File(path) => read_file(&path, progress),
        Source::Web(url) => download(url, progress),
    };
    let bytes = bytes.map_err(|e| Error::new(format!("cannot get `{source}`")).caused_by(e))?;
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

fn parse(source: &str, hash_is_known: bool) -> Result<Source<'_>, Error> {
    let Some((scheme, rest)) = source.split_once("://") else {
        return Ok(Source::File(source.into()));
    };
    match scheme {
        "https" => Ok(Source::Web(source)),
        "http" if hash_is_known => Ok(Source::Web(source)),
        "http" => Err(
            Error::new(format!("`{source}` could be changed by anyone on the way"))
                .help("use https, or give the hash that its author has published: --sha256 HASH"),
        ),
        "file" if rest.starts_with('/') => {
            let path = percent_decode_str(rest)
                .decode_utf8()
                .context(|| format!("`{source}` names no file"))?;
            Ok(Source::File(path.as_ref().into()))
        }
        _ => Err(Error::new(format!("`{source}` cannot be fetched"))
            .expected("a path, or a URL with https, http or file:///")),
    }
}

fn read_file(path: &Path, progress: impl FnMut(u64, Option<u64>)) -> Result<Vec<u8>, Error> {
    let attempt = || "it cannot be read".into();
    let metadata = path.metadata().context(attempt)?;
    // Reading a pipe would wait for ever.
    if !metadata.is_file() {
        return Err(Error::new("not a file"));
    }
    let file = File::open(path).context(attempt)?;
    receive(file, Some(metadata.len()), progress)
}

fn download(url: &str, progress: impl FnMut(u64, Option<u64>)) -> Result<Vec<u8>, Error> {
    let config = Agent::config_builder()
        // Who asked for https shall not be led elsewhere.
        .https_only(url.starts_with("https:"))
        .timeout_connect(Some(SILENCE))
        .timeout_per_read(Some(SILENCE))
        .user_agent(concat!("pleach/", env!("CARGO_PKG_VERSION")))
        .build();
    let response = Agent::new_with_config(config)
        .get(url)
        .call()
        .context(|| "the server does not give it".into())?;
    let body = response.into_body();
    let total = body.content_length();
    // The limit is kept below, where it can say what it is.
    let reader = body.into_with_config().limit(u64::MAX).reader();
    receive(reader, total, progress)
}

/// Reads all, and refuses what is too large or shorter than it was said to be.
fn receive(
    mut from: impl Read,
    total: Option<u64>,
    mut progress: impl FnMut(u64, Option<u64>),
) -> Result<Vec<u8>, Error> {
    let limit = LIMIT as u64;
    let too_large = |size: String| {
        Error::new("it is too large for a package")
            .found(size)
            .expected(format!("at most {limit} bytes"))
    };
    if let Some(total) = total.filter(|t| *t > limit) {
        return Err(too_large(format!("{total} bytes")));
    }
    let mut bytes = vec![];
    loop {
        let read = from.by_ref().take(CHUNK).read_to_end(&mut bytes);
        let read = read.context(|| format!("it ends after {} bytes", bytes.len()))?;
        progress(bytes.len() as u64, total);
        if bytes.len() > LIMIT {
            return Err(too_large(format!("more than {limit} bytes")));
        }
        if read == 0 {
            break;
        }
    }
    match total {
        Some(total) if total != bytes.len() as u64 => Err(Error::new("it is not whole")
            .found(format!("{} bytes", bytes.len()))
            .expected(format!("{total} bytes"))),
        _ => Ok(bytes),
    }
}
