//! The program where no study runs: what it prints, and the codes that it ends with.

mod support;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Output};

use expect_test::{Expect, expect};
use support::{note, plugin};

fn pleach(folder: &Path, worker: Option<&str>, args: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_pleach"));
    command
        .args(args)
        .current_dir(folder)
        .env("PLEACH_CACHE", folder.join("cache"))
        .env("HOME", folder)
        .env_remove("XDG_DATA_HOME")
        .env_remove("PLEACH_PLUGINS");
    let script = folder.join("worker.sh");
    if let Some(text) = worker {
        fs::write(&script, format!("#!/bin/sh\n{text}\n")).unwrap();
        fs::set_permissions(&script, fs::Permissions::from_mode(0o755)).unwrap();
    }
    command.env("PLEACH_WORKER", script).output().unwrap()
}

/// The code and standard error of a command, with the scratch folder's own name left out.
fn check(worker: Option<&str>, args: &[&str], expected: Expect) {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("libfake.so"), plugin(&note("fake"))).unwrap();
    fs::write(
        folder.path().join("e.toml"),
        "task = \"fake/task\"\nseed = true\n",
    )
    .unwrap();
    let output = pleach(folder.path(), worker, args);
    let stderr =
        String::from_utf8_lossy(&output.stderr).replace(folder.path().to_str().unwrap(), "DIR");
    expected.assert_eq(&format!("{}\n{stderr}", output.status.code().unwrap()));
}

const NO_LIBTORCH: &str = "echo 'pleach-worker: error while loading shared libraries: libtorch_cpu.so: cannot open shared object file' >&2; exit 127";

#[test]
fn errors() {
    check(
        None,
        &["run", "none.toml"],
        expect![[r#"
        2
        error: cannot read the experiment `none.toml`
          caused by No such file or directory (os error 2)
    "#]],
    );
    check(
        None,
        &["run", "e.toml"],
        expect![[r#"
        1
        error: the program `pleach-worker` is missing
          expected  a file at DIR/worker.sh
          help: install it beside `pleach`, or name it in PLEACH_WORKER
    "#]],
    );
    check(
        Some(NO_LIBTORCH),
        &["plugins", "info", "fake", "--plugins", "."],
        expect![[r#"
            1
            error: the plugin `fake` cannot be used
              caused by the worker cannot find libtorch
              found     pleach-worker: error while loading shared libraries: libtorch_cpu.so: cannot open shared object file
              help: run `cargo xtask setup` once, or put libtorch's `lib` folder into LD_LIBRARY_PATH
        "#]],
    );
    check(
        Some("kill -SEGV $$"),
        &["plugins", "info", "fake", "--plugins", "."],
        expect![[r#"
            1
            error: the plugin `fake` cannot be used
              caused by the worker died of SIGSEGV
        "#]],
    );
    check(
        Some("exit 0"),
        &["plugins", "info", "fak", "--plugins", "."],
        expect![[r#"
            1
            error: no plugin is named `fak`
              help: did you mean `fake`?
        "#]],
    );
    check(
        Some(NO_LIBTORCH),
        &["run", "e.toml", "--plugins", "."],
        expect![[r#"
            2
            error: an experiment needs a stage
             --> e.toml:1:1
              |
            1 | task = "fake/task"
              | ^
              |
              = help: begin each with [[stage]]

            error: the plugin `fake` cannot be used: the worker cannot find libtorch
             --> e.toml:1:8
              |
            1 | task = "fake/task"
              |        ^^^^^^^^^^^
              |
              = note: found pleach-worker: error while loading shared libraries: libtorch_cpu.so: cannot open shared object file
              = help: run `cargo xtask setup` once, or put libtorch's `lib` folder into LD_LIBRARY_PATH

            error: `seed` must be a whole number from 0 to 4611686018427387904
             --> e.toml:2:8
              |
            2 | seed = true
              |        ^^^^ found true or false
        "#]],
    );
    check(
        Some(NO_LIBTORCH),
        &["doctor", "--plugins", "."],
        expect![[r#"
        1
        error: the worker cannot find libtorch
          found     pleach-worker: error while loading shared libraries: libtorch_cpu.so: cannot open shared object file
          help: run `cargo xtask setup` once, or put libtorch's `lib` folder into LD_LIBRARY_PATH
    "#]],
    );
    check(
        None,
        &["plugins", "list", "--plugins", "nowhere"],
        expect![[r#"
            1
            error: cannot read the plugin folder `nowhere`
              caused by No such file or directory (os error 2)
        "#]],
    );
    check(
        None,
        &["resume", "."],
        expect![[r#"
        1
        error: `.` is not the folder of a run
          help: `pleach run` prints the folder that it makes, such as runs/first-1
    "#]],
    );
    check(
        None,
        &["run", "e.toml", "--device", "tpu"],
        expect![[r#"
        2
        error: invalid value 'tpu' for '--device <DEVICE>': expected cpu, cuda or cuda:N

        For more information, try '--help'.
    "#]],
    );
}

#[test]
fn lists_without_a_worker() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("libfake.so"), plugin(&note("fake"))).unwrap();
    let output = pleach(
        folder.path(),
        None,
        &["plugins", "list", "--plugins", ".", "--json"],
    );
    let list: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(list[0]["note"]["name"], "fake");
    assert_eq!(list[0]["problem"], serde_json::Value::Null);
}
