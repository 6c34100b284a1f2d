//! `pleach new` without a compiler: what it refuses, and what it writes. That what it writes works is tested in `tests/`.

mod support;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use expect_test::{Expect, expect};
use support::{note, plugin};
use tempfile::TempDir;

/// A folder with the plugin `fake`, something that passes for libtorch, and something that passes for a checkout.
fn place() -> TempDir {
    let place = tempfile::tempdir().unwrap();
    let write = |path: &str, text: &[u8]| {
        let path = place.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    };
    write("plugins/libfake.so", &plugin(&note("fake")));
    write("libtorch/include/torch.h", b"");
    write("libtorch/lib/libtorch_cpu.so", b"");
    write(
        "pleach/Cargo.toml",
        b"[workspace]\nmembers = ['plugin-api', 'host/worker']\nresolver = '3'\n",
    );
    write("pleach/Cargo.lock", b"version = 4\n");
    for (folder, name) in [
        ("plugin-api", "pleach-plugin-api"),
        ("host/worker", "pleach-worker"),
    ] {
        let manifest = format!("[package]\nname = '{name}'\n");
        write(&format!("pleach/{folder}/Cargo.toml"), manifest.as_bytes());
        write(&format!("pleach/{folder}/src/lib.rs"), b"");
    }
    place
}

fn new(place: &Path, libtorch: Option<&str>, arguments: &str) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_pleach"));
    command
        .arg("new")
        .args(arguments.split_whitespace())
        .current_dir(place)
        .env("HOME", place)
        .env("PLEACH_PLUGINS", place.join("plugins"))
        .env("PLEACH_WORKER", place.join("no-worker"))
        .env_remove("CARGO_TARGET_DIR")
        .env_remove("LIBTORCH")
        .env_remove("XDG_CACHE_HOME")
        .env_remove("XDG_DATA_HOME");
    if let Some(libtorch) = libtorch {
        command.env("LIBTORCH", place.join(libtorch));
    }
    command.output().unwrap()
}

/// The names of what is in a folder.
fn entries(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap();
    let mut names: Vec<String> = entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

#[track_caller]
fn refused(libtorch: Option<&str>, arguments: &str, expected: Expect) {
    let place = place();
    let before = entries(place.path());
    let output = new(place.path(), libtorch, arguments);
    let said =
        String::from_utf8_lossy(&output.stderr).replace(place.path().to_str().unwrap(), "DIR");
    expected.assert_eq(&format!("{}\n{said}", output.status.code().unwrap()));
    assert_eq!(entries(place.path()), before);
}

#[test]
fn what_makes_no_sense_is_refused_and_leaves_nothing() {
    let check = |arguments, expected| refused(Some("libtorch"), arguments, expected);
    check(
        "Scale --role layer",
        expect![[r#"
        2
        error: no plugin can be called `Scale`
          expected  lower-case letters, digits, `-` and `_`, a letter first
          help: the name is that of a crate, and stands in experiments: `NAME/component`
    "#]],
    );
    check(
        "match --role layer",
        expect![[r#"
        2
        error: no plugin can be called `match`
          found     a keyword of Rust
    "#]],
    );
    check(
        "test --role layer",
        expect![[r#"
        2
        error: no plugin can be called `test`
          found     the name of a crate that every plugin sees
    "#]],
    );
    check(
        "scale --role layer,scorr",
        expect![[r#"
        2
        error: there is no role `scorr`
          expected  task, layer, initializer, space, strategy, scorer, trainer, transform, pruner, hypernet, relaxation, objective, schedule, kernel, analysis
          help: did you mean `scorer`?
    "#]],
    );
    check(
        "fake --role layer",
        expect![[r#"
        2
        error: a plugin is called `fake` already
          found     DIR/plugins/libfake.so
          help: choose another name, or remove that file
    "#]],
    );
    check(
        "pleach --role layer",
        expect![[r#"
        2
        error: `./pleach` is there already
          help: choose another name, or another folder with `--path`
    "#]],
    );
    check(
        "scale --role layer --path nowhere",
        expect![[r#"
        2
        error: there is no folder `nowhere`
          help: make it first, or leave `--path` out
    "#]],
    );
    check(
        "scale --role layer --api libtorch",
        expect![[r#"
        2
        error: `libtorch` is no checkout of pleach
          expected  a folder with `plugin-api` and `host`, or its `plugin-api`
    "#]],
    );
    check(
        "plugin_api --role layer --api pleach",
        expect![[r#"
        2
        error: no plugin can be called `plugin_api`
          found     the name of a crate that every plugin sees
    "#]],
    );
    check(
        "pleach-plugin-api --role layer --api pleach",
        expect![[r#"
        2
        error: no plugin can be called `pleach-plugin-api`
          found     a crate of this name in DIR/pleach
          help: both are built in one folder: choose another name
    "#]],
    );
}

#[test]
fn without_libtorch_it_says_what_to_do() {
    refused(
        None,
        "scale --role layer",
        expect![[r#"
        1
        error: cannot tell which libtorch to build with
          help: export LIBTORCH with the path of libtorch 2.11.0
          caused by the program `pleach-worker` is missing
          expected  a file at DIR/no-worker
          help: install it beside `pleach`, or name it in PLEACH_WORKER
    "#]],
    );
    refused(
        Some("pleach"),
        "scale --role layer",
        expect![[r#"
        1
        error: `DIR/pleach` is no libtorch to build with
          found     no include in it
          help: export LIBTORCH with the path of libtorch 2.11.0
    "#]],
    );
}

#[test]
fn a_name_that_was_built_with_is_refused() {
    let place = place();
    let library = place.path().join("pleach/target/debug/deps/libscale_up.so");
    fs::create_dir_all(library.parent().unwrap()).unwrap();
    fs::write(&library, "").unwrap();
    let again = || {
        let arguments = "scale-up --role layer --api pleach";
        new(place.path(), Some("libtorch"), arguments)
    };
    let said = String::from_utf8(again().stderr).unwrap();
    assert!(said.contains(library.to_str().unwrap()), "{said}");
    fs::remove_file(library).unwrap();
    assert!(again().status.success());
}

/// The files of a crate that is made so, by their paths.
fn made(place: &Path, arguments: &str) -> BTreeMap<String, String> {
    let output = new(place, Some("libtorch"), arguments);
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    let root = place.join("every");
    let (mut files, mut folders) = (BTreeMap::new(), vec![root.clone()]);
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let name = path.strip_prefix(&root).unwrap().display().to_string();
                files.insert(name, fs::read_to_string(&path).unwrap());
            }
        }
    }
    files
}

/// The value of a key in a file of TOML.
fn value(files: &BTreeMap<String, String>, file: &str, keys: &[&str]) -> String {
    let table: toml::Value = toml::from_str(&files[file]).unwrap();
    let value = keys.iter().fold(&table, |table, key| &table[*key]);
    value.as_str().unwrap().into()
}

#[test]
fn a_crate_beside_the_checkout_has_what_that_has() {
    let place = place();
    let files = made(place.path(), "every --role layer,scorer,layer --api pleach");
    let here = place.path().canonicalize().unwrap();
    let path = |keys: &[&str]| value(&files, "Cargo.toml", keys);
    assert_eq!(
        path(&["dependencies", "plugin_api", "path"]),
        "../pleach/plugin-api"
    );
    assert_eq!(
        path(&["dev-dependencies", "pleach_worker", "path"]),
        "../pleach/host/worker"
    );
    assert_eq!(files["Cargo.lock"], "version = 4\n");
    let config = |keys: &[&str]| value(&files, ".cargo/config.toml", keys);
    assert_eq!(
        Path::new(&config(&["build", "build-dir"])),
        here.join("pleach/target")
    );
    assert_eq!(
        Path::new(&config(&["env", "LIBTORCH"])),
        place.path().join("libtorch")
    );
    expect![[r#"
        .cargo/config.toml
        .gitignore
        Cargo.lock
        Cargo.toml
        README.md
        build.rs
        examples/experiment.toml
        src/layer.rs
        src/lib.rs
        src/scorer.rs
        tests/components/layer.rs
        tests/components/main.rs
        tests/components/scorer.rs
        tests/components/session.rs"#]]
    .assert_eq(&files.keys().cloned().collect::<Vec<_>>().join("\n"));
}

#[test]
fn a_crate_by_itself_has_the_api_of_this_version() {
    let place = place();
    let files = made(place.path(), "every --role layer");
    let version = value(
        &files,
        "Cargo.toml",
        &["dependencies", "plugin_api", "version"],
    );
    assert_eq!(version, env!("CARGO_PKG_VERSION"));
    assert!(!files.contains_key("Cargo.lock"));
    assert_eq!(
        Path::new(&value(
            &files,
            ".cargo/config.toml",
            &["build", "build-dir"]
        )),
        place.path().join(".cache/pleach/target")
    );
}

#[test]
fn every_placeholder_is_filled_in() {
    let place = place();
    let all: Vec<&str> = pleach::new::roles().collect();
    let files = made(place.path(), &format!("every --role {}", all.join(",")));
    for (path, text) in files {
        assert!(!text.contains("{{"), "{path}\n{text}");
    }
}
