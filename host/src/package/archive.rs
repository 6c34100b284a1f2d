//! A package as bytes: made so that the same files give the same bytes, and read without trusting any of them.

use std::collections::BTreeSet;
use std::io::{Cursor, Read, Write};

use plugin_api_data::Error;
use zip::read::{ArchiveOffset, Config};
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, DateTime, System, ZipArchive, ZipWriter};

use super::manifest::{FILES, MANIFEST, MANIFEST_LIMIT, inside};
use super::{Manifest, shown};
use crate::error::Context;
use crate::plugins::sha256;

/// A larger archive is not read.
pub(super) const LIMIT: usize = 256 << 20;
/// An archive that says that it becomes more than this many times larger is not unpacked; libraries become three to
/// six times larger.
const RATIO: u64 = 100;
/// The length of a zip archive's last record.
const END: usize = 22;
/// The part of a Unix mode that says what kind of file it is, and the kind that is wanted.
const KIND: u32 = 0o170_000;
const REGULAR: u32 = 0o100_000;

type Archive<'a> = ZipArchive<Cursor<&'a [u8]>>;

/// A package whose files are whole, and are those that its manifest lists.
#[derive(Debug, Clone, PartialEq)]
pub struct Package {
    /// What it says of itself.
    pub manifest: Manifest,
    /// The bytes of its files, in the manifest's order.
    contents: Vec<Vec<u8>>,
}

impl Package {
    /// A package of these files, which the manifest was made from.
    pub(super) fn new(manifest: Manifest, files: Vec<(String, Vec<u8>)>) -> Self {
        Package {
            manifest,
            contents: files.into_iter().map(|(_, bytes)| bytes).collect(),
        }
    }

    /// Reads a package. Nothing is written, and no more is held in memory than a package may hold.
    ///
    /// # Errors
    /// Where anything of it is not as it should be.
    pub fn read(bytes: &[u8]) -> Result<Self, Error> {
        check_end(bytes)?;
        let config = Config {
            archive_offset: ArchiveOffset::Known(0),
        };
        let mut archive = ZipArchive::with_config(config, Cursor::new(bytes)).context(damaged)?;
        check_entries(&mut archive)?;
        let manifest = Manifest::parse(&manifest(&mut archive)?)?;
        check_listed(&archive, &manifest)?;
        check_growth(&manifest, bytes.len())?;
        let contents = contents(&mut archive, &manifest)?;
        Ok(Package { manifest, contents })
    }

    /// The package as bytes. The same package gives the same bytes: no times, no owners, one order.
    ///
    /// # Errors
    /// Where it cannot be written, or is beyond what may be installed.
    pub fn to_bytes(&self) -> Result<Vec<u8>, Error> {
        let attempt = || "the package cannot be written".into();
        let options = SimpleFileOptions::default()
            .compression_method(CompressionMethod::Deflated)
            .compression_level(Some(9))
            .last_modified_time(DateTime::DEFAULT)
            .system(System::Unix)
            .unix_permissions(0o644);
        let mut archive = ZipWriter::new(Cursor::new(vec![]));
        let manifest = self.manifest.to_bytes()?;
        for (path, bytes) in [(MANIFEST, &*manifest)].into_iter().chain(self.files()) {
            archive.start_file(path, options).context(attempt)?;
            archive.write_all(bytes).context(attempt)?;
        }
        let bytes = archive.finish().context(attempt)?.into_inner();
        // What nobody could install is not handed out.
        Package::read(&bytes)?;
        Ok(bytes)
    }

    /// Its files but for the manifest, with their paths.
    pub fn files(&self) -> impl Iterator<Item = (&str, &[u8])> {
        let paths = self.manifest.files.iter().map(|f| f.path.as_str());
        paths.zip(self.contents.iter().map(Vec::as_slice))
    }

    /// The bytes of the plugin's library.
    pub fn library(&self) -> &[u8] {
        let path = self.manifest.library();
        let library = self.files().find(|(p, _)| *p == path);
        library.expect("a manifest lists its library").1
    }
}

fn damaged() -> String {
    "the package is damaged".into()
}

/// Looks at the last record by itself: it says how many headers the zip crate would read before it can be asked.
fn check_end(bytes: &[u8]) -> Result<(), Error> {
    if bytes.len() > LIMIT {
        return Err(Error::new("the package is too large")
            .found(format!("{} bytes", bytes.len()))
            .expected(format!("at most {LIMIT}")));
    }
    let end = bytes
        .split_last_chunk::<END>()
        .filter(|(_, end)| end.starts_with(b"PK\x05\x06"));
    let Some((before, end)) = end else {
        let found = match bytes {
            [] => "an empty file",
            [b'P', b'K', ..] => "a zip archive that is cut short, or has something behind it",
            _ => "something else",
        };
        return Err(Error::new("not a package")
            .found(found)
            .expected("a file that `pleach plugins pack` has made"));
    };
    let count = usize::from(u16::from_le_bytes([end[10], end[11]]));
    let number = |at: usize| u32::from_le_bytes(end[at..at + 4].try_into().expect("four bytes"));
    let headers = u64::from(number(12)) + u64::from(number(16));
    // A count or a place that is too large for this record would stand in another one.
    if count > FILES + 1 {
        return Err(Error::new("the package holds too many files")
            .found(count)
            .expected(format!("at most {}", FILES + 1)));
    }
    if headers != before.len() as u64 {
        return Err(Error::new(damaged()).found("an end that does not follow the headers"));
    }
    Ok(())
}

/// Refuses what is no ordinary file with an ordinary name, and an archive that two readers could read in two ways.
fn check_entries(archive: &mut Archive) -> Result<(), Error> {
    if archive.has_duplicate_names() {
        return Err(Error::new("the package holds two files of one name"));
    }
    let mut wrong = vec![];
    for index in 0..archive.len() {
        let entry = archive.by_index_data(index).context(damaged)?;
        let name = entry.name_raw();
        let kind = entry.unix_mode().unwrap_or(REGULAR) & KIND;
        let why = if entry.is_symlink() {
            "a link"
        } else if entry.is_dir() {
            "a folder"
        } else if ![0, REGULAR].contains(&kind) {
            "no ordinary file"
        } else if entry.encrypted() {
            "encrypted"
        } else if ![CompressionMethod::Stored, CompressionMethod::Deflated]
            .contains(&entry.compression())
        {
            "packed in a way that is not known here"
        } else if !std::str::from_utf8(name).is_ok_and(|n| n == MANIFEST || inside(n)) {
            "no path inside a package"
        } else {
            continue;
        };
        wrong.push(format!("`{}` is {why}", shown(name)));
    }
    if !wrong.is_empty() {
        return Err(Error::new("the package holds what it must not").found(wrong.join("\n")));
    }
    archive.validate_header_consistency().context(damaged)
}

/// The bytes of the first file, which must be the manifest.
fn manifest(archive: &mut Archive) -> Result<Vec<u8>, Error> {
    let first = archive.by_index_data(0).ok();
    if first.is_none_or(|entry| entry.name_raw() != MANIFEST.as_bytes()) {
        return Err(Error::new("the package does not begin with its manifest")
            .expected(MANIFEST)
            .help("make packages with `pleach plugins pack`"));
    }
    inflate(archive, 0, MANIFEST_LIMIT as u64)
}

/// The archive must hold what the manifest lists, and nothing else.
fn check_listed(archive: &Archive, manifest: &Manifest) -> Result<(), Error> {
    let there: BTreeSet<&[u8]> = archive.file_names_raw().collect();
    let listed = |name: &[u8]| manifest.files.iter().any(|f| f.path.as_bytes() == name);
    let unlisted = there
        .iter()
        .filter(|name| **name != MANIFEST.as_bytes() && !listed(name))
        .map(|name| format!("`{}` is not listed", shown(name)));
    let missing = manifest
        .files
        .iter()
        .filter(|f| !there.contains(f.path.as_bytes()))
        .map(|f| format!("`{}` is missing", f.path));
    let wrong: Vec<String> = unlisted.chain(missing).collect();
    if wrong.is_empty() {
        return Ok(());
    }
    Err(Error::new("the package does not hold what its manifest lists").found(wrong.join("\n")))
}

/// Refuses to inflate what would become absurdly larger.
fn check_growth(manifest: &Manifest, packed: usize) -> Result<(), Error> {
    let unpacked: u64 = manifest.files.iter().map(|f| f.size).sum();
    let most = RATIO * packed as u64;
    if unpacked <= most {
        return Ok(());
    }
    Err(Error::new("the package becomes too much larger")
        .found(format!("{packed} bytes that become {unpacked}"))
        .expected(format!("at most {RATIO} times as many")))
}

/// The bytes of all listed files, which must be the listed ones.
fn contents(archive: &mut Archive, manifest: &Manifest) -> Result<Vec<Vec<u8>>, Error> {
    let mut wrong = vec![];
    let mut contents = vec![];
    for file in &manifest.files {
        let index = archive
            .index_for_name_raw(file.path.as_bytes())
            .ok_or_else(|| Error::new(damaged()))?;
        let bytes = inflate(archive, index, file.size)?;
        if bytes.len() as u64 > file.size {
            wrong.push(format!("`{}` has more than {} bytes", file.path, file.size));
        } else if (bytes.len() as u64) < file.size {
            let (found, size) = (bytes.len(), file.size);
            wrong.push(format!("`{}` has {found} bytes, not {size}", file.path));
        } else if sha256(&bytes) != file.sha256 {
            wrong.push(format!(
                "`{}` has SHA-256 {}, not {}",
                file.path,
                sha256(&bytes),
                file.sha256
            ));
        }
        contents.push(bytes);
    }
    if wrong.is_empty() {
        return Ok(contents);
    }
    Err(
        Error::new("the package's files are not those that its manifest lists")
            .found(wrong.join("\n"))
            .help("get the package again"),
    )
}

/// Inflates a file, whatever its header says of its size, to one byte more than `limit` at most.
fn inflate(archive: &mut Archive, index: usize, limit: u64) -> Result<Vec<u8>, Error> {
    let file = archive.by_index(index).context(damaged)?;
    let mut bytes = vec![];
    let read = file.take(limit + 1).read_to_end(&mut bytes);
    if bytes.len() as u64 > limit {
        return Ok(bytes);
    }
    read.context(damaged)?;
    Ok(bytes)
}
