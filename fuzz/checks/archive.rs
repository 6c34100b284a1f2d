//! A package from a stranger.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use pleach::package::Package;

/// Reads a package and really unpacks it: what is accepted lands in its folder, byte for byte, and nothing else does
/// anywhere. Returns how many bytes were written.
pub fn archive(bytes: &[u8]) -> u64 {
    let Ok(package) = Package::read(bytes) else {
        return 0;
    };
    // Room for paths that climb.
    let root = tempfile::tempdir().unwrap();
    let folder = root.path().join("a/b/c");
    fs::create_dir_all(&folder).unwrap();
    package.unpack(&folder).unwrap();
    let mut written = BTreeMap::new();
    walk(root.path(), &mut written);
    let size = written.values().map(|bytes| bytes.len() as u64).sum();
    written
        .remove(&folder.join("manifest.json"))
        .expect("the manifest is unpacked");
    for (path, bytes) in package.files() {
        assert_eq!(written.remove(&folder.join(path)).as_deref(), Some(bytes));
    }
    assert!(written.is_empty(), "{:?} was not listed", written.keys());
    let most = 100 * bytes.len() as u64 + (2 << 20);
    assert!(size <= most, "{size} bytes came out of {}", bytes.len());
    // Packed smaller it may be beyond the limit for what becomes larger.
    if let Ok(again) = package.to_bytes() {
        assert_eq!(Package::read(&again).unwrap(), package);
    }
    size
}

fn walk(folder: &Path, found: &mut BTreeMap<PathBuf, Vec<u8>>) {
    for entry in fs::read_dir(folder).unwrap() {
        let entry = entry.unwrap();
        let kind = entry.file_type().unwrap();
        assert!(!kind.is_symlink(), "{} is a link", entry.path().display());
        if kind.is_dir() {
            walk(&entry.path(), found);
        } else {
            found.insert(entry.path(), fs::read(entry.path()).unwrap());
        }
    }
}
