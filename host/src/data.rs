//! Files of data that plugins name and do not carry: found in folders of the user's, or downloaded once into the cache.

use std::env;
use std::fs::{self, File, TryLockError};
use std::io::{self, Read, Write};
use std::path::{Component, Path, PathBuf};
use std::thread;
use std::time::Duration;

use plugin_api_data::{DataFile, Error};
use sha2::{Digest, Sha256};

use crate::cache;
use crate::download::receive;
use crate::error::Context;
use crate::plugins::hexadecimal;

/// How often whoever waits for another's download looks whether it has ended.
const TICK: Duration = Duration::from_millis(100);

/// Where files of data are looked for.
#[derive(Debug, Clone, PartialEq)]
pub struct Places {
    /// The user's own folders, the nearest first. pleach writes nothing there.
    pub folders: Vec<PathBuf>,
    /// Where downloads are kept.
    pub cache: PathBuf,
    /// Whether nothing may be downloaded.
    pub offline: bool,
}

impl Places {
    /// What the environment says: the folders of `PLEACH_DATA`, separated like those of `PATH`, the user's cache, and
    /// no downloads where `PLEACH_OFFLINE` is set to anything but 0.
    pub fn of_environment() -> Self {
        let folders = env::var_os("PLEACH_DATA").unwrap_or_default();
        let folders = env::split_paths(&folders).filter(|folder| !folder.as_os_str().is_empty());
        Places {
            folders: folders.collect(),
            cache: cache::folder().join("data"),
            offline: env::var_os("PLEACH_OFFLINE").is_some_and(|o| !o.is_empty() && o != "0"),
        }
    }

    /// Where the file lies, downloaded if need be. `progress` is told how many bytes of it are there, and of how many;
    /// at its end the two are equal.
    ///
    /// # Errors
    /// Where it is nowhere and cannot be had, or a folder of the user's holds another of its name.
    pub fn find(
        &self,
        file: &DataFile,
        mut progress: impl FnMut(u64, Option<u64>),
    ) -> Result<PathBuf, Error> {
        check_name(&file.name)?;
        for folder in &self.folders {
            let path = folder.join(&file.name);
            if path.exists() {
                return checked(path, file);
            }
        }
        let path = self.cache.join(&file.name);
        if is_there(&path, file)? {
            return Ok(path);
        }
        if self.offline || file.urls.is_empty() {
            return Err(self.nowhere(file));
        }
        let folder = path.parent().unwrap_or(&self.cache);
        fs::create_dir_all(folder)
            .context(|| format!("cannot make the folder `{}`", folder.display()))?;
        let _lock = lock(folder, &mut progress)?;
        // Another process may have downloaded it while this one waited.
        if !is_there(&path, file)? {
            self.download(file, &path, &mut progress)?;
        }
        Ok(path)
    }

    fn download(
        &self,
        file: &DataFile,
        path: &Path,
        progress: &mut impl FnMut(u64, Option<u64>),
    ) -> Result<(), Error> {
        let mut failures = vec![];
        for url in &file.urls {
            match download(url, file, path, progress) {
                Ok(()) => return Ok(()),
                Err(e) => failures.push(e.to_string()),
            }
        }
        let what = format!("the data file `{}` cannot be downloaded", file.name);
        Err(Error::new(what)
            .found(failures.join("\n"))
            .expected(format!("SHA-256 {}", file.sha256))
            .help(self.by_hand(file)))
    }

    /// It is not there, and is not to be downloaded.
    fn nowhere(&self, file: &DataFile) -> Error {
        let why = match file.urls.is_empty() {
            true => "cannot be downloaded",
            false => "must not be downloaded: PLEACH_OFFLINE is set",
        };
        Error::new(format!(
            "the data file `{}` is not here, and {why}",
            file.name
        ))
        .expected(format!("SHA-256 {}", file.sha256))
        .help(self.by_hand(file))
    }

    /// How a person gets it.
    fn by_hand(&self, file: &DataFile) -> String {
        let places = self.folders.iter().chain([&self.cache]);
        let places = places.map(|folder| format!("\n{}", folder.join(&file.name).display()));
        let from = match file.urls.as_slice() {
            [] => "get it".into(),
            urls => format!("get it from {}", urls.join(" or ")),
        };
        format!("{from} and put it at one of{}", places.collect::<String>())
    }
}

/// Refuses a name that could lead out of a folder.
fn check_name(name: &str) -> Result<(), Error> {
    let mut parts = Path::new(name).components().peekable();
    if parts.peek().is_some() && parts.all(|part| matches!(part, Component::Normal(_))) {
        return Ok(());
    }
    Err(Error::new(format!("`{name}` is no name of a data file"))
        .expected("a relative path without `..`"))
}

/// A file of the user's own, which must be the one that is meant.
fn checked(path: PathBuf, file: &DataFile) -> Result<PathBuf, Error> {
    let found = hash(&path).context(|| format!("cannot read `{}`", path.display()))?;
    if found == file.sha256 {
        return Ok(path);
    }
    let what = format!("`{}` is another file than is meant", path.display());
    Err(Error::new(what)
        .found(format!("SHA-256 {found}"))
        .expected(format!("SHA-256 {}", file.sha256))
        .help("take it away or rename it; what is missing is downloaded"))
}

/// Whether the cache has it. One that has become another is as good as not there.
fn is_there(path: &Path, file: &DataFile) -> Result<bool, Error> {
    match hash(path) {
        Ok(found) => Ok(found == file.sha256),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(e) => Err(e).context(|| format!("cannot read `{}`", path.display())),
    }
}

/// SHA-256 of a file of any size.
pub(crate) fn hash(path: &Path) -> io::Result<String> {
    let (mut file, mut hash, mut chunk) = (File::open(path)?, Sha256::new(), vec![0; 1 << 20]);
    loop {
        match file.read(&mut chunk)? {
            0 => return Ok(hexadecimal(&hash.finalize())),
            read => hash.update(&chunk[..read]),
        }
    }
}

/// Waits until nobody else downloads into this folder, and keeps others out as long as the file is open.
fn lock(folder: &Path, progress: &mut impl FnMut(u64, Option<u64>)) -> Result<File, Error> {
    let attempt = || format!("cannot lock the folder `{}`", folder.display());
    let lock = File::open(folder).context(attempt)?;
    loop {
        match lock.try_lock() {
            Ok(()) => return Ok(lock),
            Err(TryLockError::WouldBlock) => {
                progress(0, None);
                thread::sleep(TICK);
            }
            Err(TryLockError::Error(e)) => return Err(e).context(attempt),
        }
    }
}

/// Downloads it beside its place and renames it there, once its bytes are the right ones.
fn download(
    url: &str,
    file: &DataFile,
    path: &Path,
    progress: &mut impl FnMut(u64, Option<u64>),
) -> Result<(), Error> {
    let mut beside = path.as_os_str().to_owned();
    beside.push(".part");
    let beside = PathBuf::from(beside);
    let placed = download_to(url, file, &beside, progress).and_then(|()| {
        fs::rename(&beside, path).context(|| format!("cannot write `{}`", path.display()))
    });
    if placed.is_err() {
        // What is left of it is of no use; the error says why.
        let _ = fs::remove_file(&beside);
    }
    placed
}

fn download_to(
    url: &str,
    file: &DataFile,
    path: &Path,
    progress: &mut impl FnMut(u64, Option<u64>),
) -> Result<(), Error> {
    let attempt = || format!("cannot write `{}`", path.display());
    let mut to = Hashed {
        file: File::create(path).context(attempt)?,
        hash: Sha256::new(),
    };
    let mut last = (0, None);
    receive(url, true, &mut to, |done, total| {
        last = (done, total);
        progress(done, total);
        Ok(())
    })?;
    to.file.sync_all().context(attempt)?;
    let found = hexadecimal(&to.hash.finalize());
    if found != file.sha256 {
        return Err(
            Error::new(format!("`{url}` gives another file")).found(format!("SHA-256 {found}"))
        );
    }
    if let (received, None) = last {
        progress(received, Some(received));
    }
    Ok(())
}

/// A file that is hashed while it is written.
struct Hashed {
    file: File,
    hash: Sha256,
}

impl Write for Hashed {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.file.write(bytes)?;
        self.hash.update(&bytes[..written]);
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}
