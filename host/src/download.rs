//! Receives bytes from a file or a web server, as a stream.

use std::fs::File;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use percent_encoding::percent_decode_str;
use plugin_api_data::Error;
use ureq::Agent;

use crate::error::Context;

/// A server that is silent for so long has gone.
const SILENCE: Duration = Duration::from_secs(30);
/// How much is received before progress is told.
const CHUNK: u64 = 64 << 10;

/// Where bytes come from.
enum Source<'a> {
    File(PathBuf),
    Web(&'a str),
}

/// Receives all that a path, a `file:` URL or a URL of the web gives. `progress` is told how many bytes were received,
/// and of how many, first before any; it may refuse to go on.
///
/// # Errors
/// Where it cannot be had or ends too early, `to` cannot be written, or `progress` refuses.
pub(crate) fn receive(
    source: &str,
    hash_is_known: bool,
    to: &mut impl Write,
    progress: impl FnMut(u64, Option<u64>) -> Result<(), Error>,
) -> Result<(), Error> {
    let received = match parse(source, hash_is_known)? {
        Source::File(path) => open(&path).and_then(|(from, size)| copy(from, size, to, progress)),
        Source::Web(url) => request(url).and_then(|(from, size)| copy(from, size, to, progress)),
    };
    received.map_err(|e| Error::new(format!("cannot get `{source}`")).caused_by(e))
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

fn open(path: &Path) -> Result<(File, Option<u64>), Error> {
    let attempt = || "it cannot be read".into();
    let metadata = path.metadata().context(attempt)?;
    // Reading a pipe would wait for ever.
    if !metadata.is_file() {
        return Err(Error::new("not a file"));
    }
    let file = File::open(path).context(attempt)?;
    Ok((file, Some(metadata.len())))
}

fn request(url: &str) -> Result<(impl Read, Option<u64>), Error> {
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
    let size = body.content_length();
    // Limits are the caller's, who can say what they are.
    Ok((body.into_with_config().limit(u64::MAX).reader(), size))
}

/// Copies all, and refuses what is shorter than it was said to be.
fn copy(
    mut from: impl Read,
    size: Option<u64>,
    to: &mut impl Write,
    mut progress: impl FnMut(u64, Option<u64>) -> Result<(), Error>,
) -> Result<(), Error> {
    let mut chunk = vec![];
    let mut received = 0;
    progress(received, size)?;
    loop {
        chunk.clear();
        let read = from.by_ref().take(CHUNK).read_to_end(&mut chunk);
        received += chunk.len() as u64;
        read.context(|| format!("it ends after {received} bytes"))?;
        if chunk.is_empty() {
            break;
        }
        to.write_all(&chunk)
            .context(|| "it cannot be written".into())?;
        progress(received, size)?;
    }
    match size {
        Some(size) if size != received => Err(Error::new("it is not whole")
            .found(format!("{received} bytes"))
            .expected(format!("{size} bytes"))),
        _ => Ok(()),
    }
}
