//! Wrong files, and all that `pleach` says of them: the real program, its whole standard error, in `tests/golden`.
//!
//! `UPDATE_EXPECT=1` writes what is said now into the golden files; the difference is to be read.

use std::fs;
use std::path::Path;
use std::process::Command;

use expect_test::expect_file;
use pleach_tests::{Place, built, example, patched, plugin, root};
use plugin_api::{API, LIBTORCH};

/// What `pleach` with these arguments says when it fails with this code, the names of this test's own folders left out.
fn said(place: &Place, arguments: &[&str], code: i32) -> String {
    let output = place.pleach(arguments).output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(code), "{said}");
    let folder = place.folder.path().canonicalize().unwrap();
    said.replace(folder.to_str().unwrap(), "DIR")
        .replace(built().to_str().unwrap(), "BUILT")
}

fn golden(path: impl AsRef<Path>) -> std::path::PathBuf {
    root().join("tests/golden").join(path)
}

/// Each `NAME.toml` in the folder of wrong experiments beside its `NAME.stderr`; `beside` holds the files that some of them
/// name.
#[test]
fn wrong_experiments() {
    let folder = golden("experiments");
    let mut experiments: Vec<_> = fs::read_dir(&folder)
        .unwrap()
        .map(|file| file.unwrap().path())
        .filter(|path| path.extension().is_some_and(|e| e == "toml"))
        .collect();
    experiments.sort();
    assert!(experiments.len() >= 40, "{} of them", experiments.len());
    let place = Place::new("");
    let copied = Command::new("cp")
        .arg("-r")
        .args([&folder.join("beside"), place.folder.path()])
        .status();
    assert!(copied.unwrap().success());
    for path in experiments {
        let name = path.file_name().unwrap().to_str().unwrap();
        fs::copy(&path, place.folder.path().join(name)).unwrap();
        expect_file![path.with_extension("stderr")].assert_eq(&said(&place, &["run", name], 2));
        assert!(
            !place.folder.path().join("runs").exists(),
            "{name} began a run"
        );
    }
}

/// An experiment with a layer of the plugin in question.
fn experiment(layer: &str) -> String {
    format!(
        r#"task = "baselines/digits-graph"

[[stage]]
search = "baselines/random"
space  = {{ use = "baselines/gnn", depth = 1, layers = ["{layer}"] }}
each   = [{{ train = {{ use = "baselines/backprop", epochs = 1 }} }}]
budget = 1
"#
    )
}

/// What is said of an experiment that uses a plugin with these bytes.
fn check(case: &str, component: &str, bytes: &[u8]) {
    let (name, _) = component.split_once('/').unwrap();
    let place = Place::new(&experiment(component)).with_plugin(name, bytes);
    let output = said(
        &place,
        &["run", "experiment.toml", "--plugins", "plugins"],
        2,
    );
    expect_file![golden(format!("plugins/{case}.stderr"))].assert_eq(&output);
    assert!(
        !place.folder.path().join("runs").exists(),
        "{case} began a run"
    );
}

/// A sound plugin with some bytes replaced by as many others.
fn check_patched(case: &str, from: &str, to: &str) {
    let bytes = patched(&plugin("dgmlp"), from, to);
    check(case, "dgmlp/propagation", &bytes);
}

/// A plugin of `tests/wrong`.
fn check_built(case: &str) {
    let bytes = fs::read(example(case).path).unwrap();
    check(case, "wrong/same", &bytes);
}

#[test]
fn a_text() {
    check("text", "wrong/same", b"fn main() {}\n");
}

#[test]
fn a_plugin_cut_short() {
    let bytes = fs::read(plugin("dgmlp").path).unwrap();
    check("truncated", "dgmlp/propagation", &bytes[..100_000]);
}

#[test]
fn a_plugin_for_another_target() {
    check_patched(
        "other_target",
        "\"x86_64-unknown-linux-gnu\"",
        "\"mips64-unknown-linux-gnu\"",
    );
}

#[test]
fn a_plugin_for_another_api() {
    let note = |api: &str| format!("\"api\":\"{api}\"");
    let (major, minor) = API.split_once('.').unwrap();
    let (major, minor): (u32, u32) = (major.parse().unwrap(), minor.parse().unwrap());
    let next_major = format!("{}.{minor}", major + 1);
    check_patched("other_api_major", &note(API), &note(&next_major));
    let next_minor = format!("{major}.{}", minor + 1);
    check_patched("newer_api_minor", &note(API), &note(&next_minor));
}

#[test]
fn a_plugin_for_another_libtorch() {
    let note = |version: &str| format!("\"libtorch\":\"{version}\"");
    check_patched("other_libtorch", &note(LIBTORCH), &note("2.99.0"));
}

/// A method of the role `scorer` has another name: the host's types changed, and the note does not tell.
#[test]
fn a_plugin_with_another_layout() {
    check_patched("other_layout", "score;it,session", "valued;it,sessio");
}

#[test]
fn a_plugin_that_needs_a_library_of_its_authors() {
    check_patched("needs_a_library", "libgcc_s.so.1", "libhdf5.so.9x");
}

#[test]
fn a_plugin_without_components() {
    check_built("no_components");
}

#[test]
fn a_plugin_with_two_components_of_one_name() {
    check_built("one_name_twice");
}

#[test]
fn a_plugin_that_panics_when_it_is_asked_what_it_has() {
    check_built("panics_when_asked");
}

#[test]
fn a_plugin_without_a_header() {
    check_built("no_header");
}

#[test]
fn a_plugin_that_changed_since_its_run_began() {
    // One that lies nowhere else.
    let mut bytes = fs::read(plugin("dgmlp").path).unwrap();
    bytes.push(0);
    let place = Place::new(&experiment("dgmlp/propagation")).with_plugin("dgmlp", &bytes);
    place.run(&["--plugins", "plugins"]);
    let mut changed = bytes;
    let middle = changed.len() / 2;
    changed[middle] ^= 1;
    let place = place.with_plugin("dgmlp", &changed);
    let output = said(&place, &["resume", "runs/experiment-1"], 1);
    expect_file![golden("plugins/changed_since_the_run_began.stderr")].assert_eq(&output);
}
