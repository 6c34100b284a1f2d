//! Files of data: found in folders, downloaded, refused.

#[path = "support/hashes.rs"]
mod hashes;
#[path = "support/server.rs"]
mod server;

use std::fs;
use std::net::TcpListener;
use std::path::Path;
use std::thread;

use expect_test::{Expect, expect};
use hashes::without_hashes;
use pleach::data::Places;
use pleach::plugins::sha256;
use plugin_api_data::DataFile;
use server::{answer, serve};
use tempfile::TempDir;

const BYTES: &[u8] = b"sixteen bytes ..";

/// A folder of the user's, an empty cache beside it, and a file that is wanted.
struct Scratch {
    folder: TempDir,
    address: String,
    places: Places,
    file: DataFile,
}

impl Scratch {
    /// Where the file can be had from as many mirrors of a server.
    fn new(address: &str, mirrors: usize) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let places = Places {
            folders: vec![folder.path().join("own")],
            cache: folder.path().join("cache"),
            offline: false,
        };
        let urls: Vec<String> = (1..=mirrors).map(|n| format!("{address}/{n}.gz")).collect();
        let urls = urls.iter().map(String::as_str);
        Scratch {
            folder,
            address: address.into(),
            places,
            file: DataFile::new("digits/images.gz", &sha256(BYTES), urls),
        }
    }

    /// With a server that gives these answers in turn, one at each mirror.
    fn served(answers: Vec<Vec<u8>>) -> Self {
        let mirrors = answers.len();
        Scratch::new(&serve(answers), mirrors)
    }

    fn put(&self, folder: &str, bytes: &[u8]) {
        let path = self.folder.path().join(folder).join(&self.file.name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }

    /// Where the file was found, or why not, then the files of the cache; what differs from run to run is left out.
    fn found(&self) -> String {
        let text = match self.places.find(&self.file, |_, _| ()) {
            Ok(path) => {
                assert_eq!(fs::read(&path).unwrap(), BYTES);
                path.display().to_string()
            }
            Err(e) => e.to_string(),
        };
        let text = format!("{text}\ncache: {}", self.cached().join(", "));
        without_hashes(&text)
            .replace(self.folder.path().to_str().unwrap(), "~")
            .replace(&self.address, "http://HOST")
    }

    fn cached(&self) -> Vec<String> {
        let folder = self.places.cache.join("digits");
        let Ok(entries) = fs::read_dir(folder) else {
            return vec![];
        };
        let names = entries.map(|e| e.unwrap().file_name().into_string().unwrap());
        names.collect()
    }
}

fn check(scratch: &Scratch, expected: Expect) {
    expected.assert_eq(&scratch.found());
}

#[test]
fn the_users_folders_come_first() {
    let scratch = Scratch::new("http://HOST", 0);
    scratch.put("own", BYTES);
    scratch.put("cache", b"not looked at");
    check(
        &scratch,
        expect![[r#"
            ~/own/digits/images.gz
            cache: images.gz"#]],
    );
    scratch.put("own", b"another");
    check(
        &scratch,
        expect![[r#"
            `~/own/digits/images.gz` is another file than is meant
              found     SHA-256 HASH
              expected  SHA-256 HASH
              help: take it away or rename it; what is missing is downloaded
            cache: images.gz"#]],
    );
}

#[test]
fn what_is_in_the_cache_is_not_downloaded_again() {
    let whole = || answer("200 OK", BYTES.len(), BYTES);
    let scratch = Scratch::served(vec![whole(), answer("404 Not Found", 0, b""), whole()]);
    let first = scratch.found();
    assert_eq!(first, scratch.found());
    expect![[r#"
        ~/cache/digits/images.gz
        cache: images.gz"#]]
    .assert_eq(&first);
    // One that was damaged is.
    scratch.put("cache", b"damaged");
    assert_eq!(first, scratch.found());
}

#[test]
fn the_next_url_is_tried_where_one_does_not_give_it() {
    let scratch = Scratch::served(vec![
        answer("404 Not Found", 0, b""),
        answer("200 OK", BYTES.len() + 1, BYTES),
        answer("200 OK", 7, b"another"),
        answer("200 OK", BYTES.len(), BYTES),
    ]);
    check(
        &scratch,
        expect![[r#"
        ~/cache/digits/images.gz
        cache: images.gz"#]],
    );
}

#[test]
fn all_that_went_wrong_is_told() {
    let scratch = Scratch::served(vec![
        answer("404 Not Found", 0, b""),
        answer("200 OK", BYTES.len() + 1, BYTES),
        answer("200 OK", 7, b"another"),
    ]);
    check(
        &scratch,
        expect![[r#"
            the data file `digits/images.gz` cannot be downloaded
              found     cannot get `http://HOST/1.gz`
                          caused by the server does not give it
                          caused by http status: 404
                        cannot get `http://HOST/2.gz`
                          caused by it ends after 16 bytes
                          caused by Peer disconnected
                        `http://HOST/3.gz` gives another file
                          found     SHA-256 HASH
              expected  SHA-256 HASH
              help: get it from http://HOST/1.gz or http://HOST/2.gz or http://HOST/3.gz and put it at one of
                        ~/own/digits/images.gz
                        ~/cache/digits/images.gz
            cache: "#]],
    );
}

#[test]
fn a_server_that_is_gone() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let scratch = Scratch::new(&address, 1);
    check(
        &scratch,
        expect![[r#"
            the data file `digits/images.gz` cannot be downloaded
              found     cannot get `http://HOST/1.gz`
                          caused by the server does not give it
                          caused by io: Connection refused (os error 111)
              expected  SHA-256 HASH
              help: get it from http://HOST/1.gz and put it at one of
                        ~/own/digits/images.gz
                        ~/cache/digits/images.gz
            cache: "#]],
    );
}

#[test]
fn nothing_is_downloaded_offline() {
    let mut scratch = Scratch::served(vec![answer("200 OK", BYTES.len(), BYTES)]);
    scratch.places.offline = true;
    check(
        &scratch,
        expect![[r#"
            the data file `digits/images.gz` is not here, and must not be downloaded: PLEACH_OFFLINE is set
              expected  SHA-256 HASH
              help: get it from http://HOST/1.gz and put it at one of
                        ~/own/digits/images.gz
                        ~/cache/digits/images.gz
            cache: "#]],
    );
    scratch.put("cache", BYTES);
    check(
        &scratch,
        expect![[r#"
        ~/cache/digits/images.gz
        cache: images.gz"#]],
    );
}

#[test]
fn what_has_no_url_is_asked_for() {
    check(
        &Scratch::new("http://HOST", 0),
        expect![[r#"
            the data file `digits/images.gz` is not here, and cannot be downloaded
              expected  SHA-256 HASH
              help: get it and put it at one of
                        ~/own/digits/images.gz
                        ~/cache/digits/images.gz
            cache: "#]],
    );
}

#[test]
fn a_name_leads_nowhere_else() {
    for name in ["../x", "/x", "a/../../x", ""] {
        let mut scratch = Scratch::new("http://HOST", 0);
        scratch.file.name = name.into();
        let error = scratch.places.find(&scratch.file, |_, _| ()).unwrap_err();
        assert_eq!(
            error.to_string(),
            format!("`{name}` is no name of a data file\n  expected  a relative path without `..`")
        );
    }
}

#[test]
fn of_two_at_once_one_downloads() {
    // Whoever asked a second time would be refused.
    let scratch = Scratch::served(vec![answer("200 OK", BYTES.len(), BYTES)]);
    let find = || scratch.places.find(&scratch.file, |_, _| ());
    thread::scope(|scope| {
        let both = [scope.spawn(find), scope.spawn(find)];
        for found in both {
            let path = found.join().unwrap().unwrap();
            assert!(Path::new(&path).starts_with(&scratch.places.cache));
        }
    });
    assert_eq!(scratch.cached(), ["images.gz"]);
}

#[test]
fn progress_begins_at_nothing_and_ends_with_all() {
    let told = |answer: Vec<u8>| {
        let (scratch, mut told) = (Scratch::served(vec![answer]), vec![]);
        let find = scratch
            .places
            .find(&scratch.file, |done, total| told.push((done, total)));
        find.unwrap();
        told
    };
    let n = BYTES.len() as u64;
    let whole = told(answer("200 OK", BYTES.len(), BYTES));
    assert_eq!(whole, [(0, Some(n)), (n, Some(n))]);
    // Without a length nobody knows before the end how much it is.
    let head = b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n";
    let until_the_end = told([head, BYTES].concat());
    assert_eq!(until_the_end, [(0, None), (n, None), (n, Some(n))]);
}
