//! Listings remember what they have read; running does not.

#[path = "support/hashes.rs"]
mod hashes;
#[path = "support/home.rs"]
mod home;
mod support;

use std::fs;
use std::thread;
use std::time::{Duration, SystemTime};

use home::Home;
use serde_json::Value;
use support::{note, plugin};

/// Longer than what a listing takes for the tick of a file system's clock.
const SETTLED: Duration = Duration::from_millis(1100);

/// The hash that a listing gives of the one plugin.
fn listed(home: &Home) -> String {
    let output = home
        .command(&["plugins", "list", "--plugins", "plugins", "--json"])
        .output()
        .unwrap();
    let list: Value = serde_json::from_slice(&output.stdout).unwrap();
    list[0]["sha256"].as_str().unwrap().into()
}

fn real(home: &Home) -> String {
    pleach::plugins::sha256(&fs::read(home.path().join("plugins/libfake.so")).unwrap())
}

/// Makes the remembered hash a wrong one, which shows who believes it.
fn mislead(home: &Home) {
    let path = home.path().join("cache/plugins.json");
    let text = fs::read_to_string(&path).unwrap();
    fs::write(&path, text.replace(&real(home), &"0".repeat(64))).unwrap();
}

fn with_plugin() -> Home {
    let home = Home::new();
    home.write("plugins/libfake.so", plugin(&note("fake")));
    home
}

#[test]
fn a_file_that_looks_unchanged_is_not_read_again() {
    let home = with_plugin();
    thread::sleep(SETTLED);
    assert_eq!(listed(&home), real(&home));
    mislead(&home);
    assert_eq!(listed(&home), "0".repeat(64));
    // The same bytes by a new inode, and others of the same size in the old one, set back to the old time.
    let path = home.path().join("plugins/libfake.so");
    let before = fs::metadata(&path).unwrap().modified().unwrap();
    let mut bytes = fs::read(&path).unwrap();
    let at = bytes.windows(5).position(|w| w == b"0.1.0").unwrap();
    bytes[at] = b'7';
    fs::write(&path, &bytes).unwrap();
    fs::File::options()
        .write(true)
        .open(&path)
        .unwrap()
        .set_modified(before)
        .unwrap();
    assert_eq!(listed(&home), real(&home));
}

#[test]
fn a_file_that_has_just_changed_is_not_remembered() {
    let home = with_plugin();
    let file = fs::File::options()
        .write(true)
        .open(home.path().join("plugins/libfake.so"))
        .unwrap();
    let listed = thread::scope(|scope| {
        let listing = scope.spawn(|| listed(&home));
        // However long that takes, the file stays young.
        while !listing.is_finished() {
            file.set_modified(SystemTime::now()).unwrap();
            thread::sleep(Duration::from_millis(10));
        }
        listing.join().unwrap()
    });
    assert_eq!(listed, real(&home));
    // Plugins that stand beside the program may well be remembered.
    let memory = fs::read_to_string(home.path().join("cache/plugins.json")).unwrap_or_default();
    assert!(!memory.contains("libfake.so"), "{memory}");
}

#[test]
fn a_damaged_memory_is_written_anew() {
    let home = with_plugin();
    thread::sleep(SETTLED);
    listed(&home);
    let path = home.path().join("cache/plugins.json");
    let whole = fs::read_to_string(&path).unwrap();
    for damaged in [
        "",
        "{",
        "[]",
        "\u{0}",
        &whole[..whole.len() / 2],
        "{\"host\":1}",
    ] {
        fs::write(&path, damaged).unwrap();
        assert_eq!(listed(&home), real(&home), "{damaged}");
        assert_eq!(fs::read_to_string(&path).unwrap(), whole, "{damaged}");
    }
    let other = whole.replace("\"host\":\"", "\"host\":\"another ");
    fs::write(&path, other).unwrap();
    listed(&home);
    assert_eq!(fs::read_to_string(&path).unwrap(), whole);
}

#[test]
fn a_run_hashes_anew() {
    let home = with_plugin();
    home.write(
        "e.toml",
        "task = \"fake/task\"\n[[stage]]\nname = \"found\"\nsearch = \"fake/walk\"\nspace = \"fake/line\"\neach = [{ train = \"fake/fit\" }]\nbudget = 1\n",
    );
    thread::sleep(SETTLED);
    listed(&home);
    mislead(&home);
    let said = home.says(&["run", "e.toml", "--plugins", "plugins", "--quiet"]);
    assert!(said.starts_with("0\n"), "{said}");
    let lock = fs::read_to_string(home.path().join("runs/e-1/plugins.lock")).unwrap();
    assert!(lock.contains(&real(&home)), "{lock}");
}
