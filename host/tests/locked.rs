//! `pleach run --locked`: the same plugin files as in an earlier run, or none.

#[path = "support/hashes.rs"]
mod hashes;
#[path = "support/home.rs"]
mod home;
#[path = "support/needing.rs"]
mod needing;
mod support;

use std::fs;

use expect_test::{Expect, expect};
use home::Home;
use needing::needing;
use plugin_api_data::Note;
use support::{note, plugin};

/// A home with an experiment, and a run of it.
fn with_run() -> Home {
    let home = Home::new();
    home.write("plugins/libfake.so", plugin(&note("fake")));
    home.write("plugins/libspare.so", plugin(&note("spare")));
    let toml = "task = \"fake/task\"\n[[stage]]\nname = \"found\"\nsearch = \"fake/walk\"\nspace = \"spare/line\"\neach = [{ train = \"fake/fit\" }]\nbudget = 1\n";
    home.write("e.toml", toml);
    let said = home.says(&["run", "e.toml", "--plugins", "plugins", "--quiet"]);
    assert!(said.starts_with("0\n"), "{said}");
    home
}

fn check(home: &Home, lock: &str, expected: Expect) {
    let args = [
        "run",
        "e.toml",
        "--plugins",
        "plugins",
        "--quiet",
        "--locked",
        lock,
    ];
    let said = home.says(&args);
    // What came out is not what is asked here.
    let said = if said.starts_with("0\n") {
        "0\n".into()
    } else {
        said
    };
    expected.assert_eq(&said);
}

#[test]
fn the_same_plugins_run_again() {
    let home = with_run();
    check(
        &home,
        "runs/e-1",
        expect![[r#"
        0
    "#]],
    );
    check(
        &home,
        "runs/e-1/plugins.lock",
        expect![[r#"
        0
    "#]],
    );
    // Where a file lies says nothing of what is in it.
    fs::rename(
        home.path().join("plugins/libfake.so"),
        home.path().join("plugins/libmoved.so"),
    )
    .unwrap();
    check(
        &home,
        "runs/e-1",
        expect![[r#"
        0
    "#]],
    );
}

#[test]
fn all_differences_are_named_at_once() {
    let home = with_run();
    let newer = Note {
        version: "0.2.0".into(),
        ..note("fake")
    };
    home.write("plugins/libfake.so", plugin(&newer));
    fs::remove_file(home.path().join("plugins/libspare.so")).unwrap();
    home.write("plugins/libother.so", plugin(&note("other")));
    let toml = fs::read_to_string(home.path().join("e.toml")).unwrap();
    home.write("e.toml", toml.replace("spare/line", "other/line"));
    check(
        &home,
        "runs/e-1",
        expect![[r#"
            1
            error: plugins or data are not those of the lock
              found     `fake` has changed
                          before  0.1.0 HASH
                          now     0.2.0 HASH
                        `spare` 0.1.0 is gone
                        `other` is not in the lock
                          now     0.1.0 HASH
              help: put the files of the lock back, or run without `--locked`
        "#]],
    );
    // An experiment that cannot be read for want of a plugin does not hide the reason.
    home.write("e.toml", toml);
    check(
        &home,
        "runs/e-1",
        expect![[r#"
            1
            error: plugins or data are not those of the lock
              found     `fake` has changed
                          before  0.1.0 HASH
                          now     0.2.0 HASH
                        `spare` 0.1.0 is gone
              help: put the files of the lock back, or run without `--locked`
        "#]],
    );
    assert!(!home.path().join("runs/e-2").exists());
}

#[test]
fn the_same_version_with_other_bytes_is_another_plugin() {
    let home = with_run();
    home.write("plugins/libfake.so", needing(&note("fake"), "GLIBC_2.2.5"));
    check(
        &home,
        "runs/e-1",
        expect![[r#"
            1
            error: plugins or data are not those of the lock
              found     `fake` has changed
                          before  0.1.0 HASH
                          now     0.1.0 HASH
              help: put the files of the lock back, or run without `--locked`
        "#]],
    );
}

#[test]
fn what_is_no_lock() {
    let home = with_run();
    check(
        &home,
        "nowhere",
        expect![[r#"
        1
        error: cannot read the lock `nowhere`
          caused by No such file or directory (os error 2)
    "#]],
    );
    check(
        &home,
        "e.toml",
        expect![[r#"
        1
        error: cannot read the lock `e.toml`
          caused by TOML parse error at line 1, column 1
          |
        1 | task = "fake/task"
          | ^
        missing field `experiment`

    "#]],
    );
}
