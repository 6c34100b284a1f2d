//! Which files are plugins, which of them can be used, and what is said of the others.

mod support;

use std::fs;
use std::path::Path;

use expect_test::{Expect, expect};
use object::Architecture;
use pleach::plugins::{Folder, Origin, find};
use plugin_api_data::Note;
use support::{library, note, plugin};

fn folder(path: &Path) -> Folder {
    Folder {
        path: path.into(),
        origin: Origin::Argument,
    }
}

/// What is found in these folders, with the scratch folder's own name left out.
fn listed(root: &Path, folders: &[Folder]) -> String {
    let root = root.canonicalize().unwrap();
    let short = |p: &Path| p.strip_prefix(&root).unwrap().display().to_string();
    let lines = find(folders).unwrap().into_iter().map(|plugin| {
        let mut line = format!(
            "{}: {}",
            short(&plugin.path),
            plugin.note.map_or("?".into(), |n| n.name)
        );
        if let Some(nearer) = plugin.shadowed_by {
            line += &format!(", behind {}", short(&nearer));
        }
        if let Some(problem) = plugin.problem {
            line += &format!(
                ": {}",
                problem
                    .to_string()
                    .replace(&format!("{}/", root.display()), "")
            );
        }
        line
    });
    lines.collect::<Vec<_>>().join("\n")
}

/// What is said of one file.
fn check(bytes: &[u8], expected: Expect) {
    let root = tempfile::tempdir().unwrap();
    fs::write(root.path().join("libx.so"), bytes).unwrap();
    expected.assert_eq(&listed(root.path(), &[folder(root.path())]));
}

#[test]
fn files() {
    let good = plugin(&note("x"));
    check(&good, expect!["libx.so: x"]);
    check(
        b"#!/bin/sh\n",
        expect![[r#"
        libx.so: ?: not a library
          found     something else
          expected  a 64-bit ELF file"#]],
    );
    check(
        b"",
        expect![[r#"
        libx.so: ?: not a library
          found     an empty file
          expected  a 64-bit ELF file"#]],
    );
    check(
        &good[..20],
        expect![[r#"
        libx.so: ?: the file is damaged or cut short
          help: build or copy the plugin again
          caused by Invalid ELF header size or alignment"#]],
    );
    check(
        &good[..good.len() - 1],
        expect![[r#"
        libx.so: ?: the file is damaged or cut short
          help: build or copy the plugin again
          caused by Invalid ELF section header offset/size/alignment"#]],
    );
    check(
        &library(Architecture::Aarch64, Some("{}")),
        expect![[r#"
        libx.so: ?: built for another machine
          found     aarch64
          expected  x86-64"#]],
    );
    check(
        &library(Architecture::X86_64, None),
        expect!["libx.so: ?: no note: not a pleach plugin"],
    );
    check(
        &library(Architecture::X86_64, Some("{}")),
        expect![[r#"
        libx.so: ?: its note cannot be read
          caused by missing field `name` at line 1 column 2"#]],
    );
    check(
        &library(
            Architecture::X86_64,
            Some(&(serde_json::to_string(&note("x")).unwrap() + "\0\0")),
        ),
        expect!["libx.so: x"],
    );
    check(
        &plugin(&Note {
            api: "2.0".into(),
            ..note("x")
        }),
        expect![[r#"
            libx.so: x: built for plugin API 2.0; this host offers 1.1
              help: update pleach"#]],
    );
    check(
        &plugin(&Note {
            api: "1.9".into(),
            ..note("x")
        }),
        expect![[r#"
            libx.so: x: built for plugin API 1.9; this host offers 1.1
              help: update pleach, or rebuild the plugin"#]],
    );
    check(
        &plugin(&Note {
            libtorch: "2.12.0".into(),
            ..note("x")
        }),
        expect![[r#"
            libx.so: x: built for another libtorch
              found     2.12.0
              expected  2.11.0
              help: rebuild the plugin for this host"#]],
    );
}

#[test]
fn every_shorter_file_is_refused() {
    let good = plugin(&note("x"));
    for length in 0..good.len() {
        let root = tempfile::tempdir().unwrap();
        fs::write(root.path().join("libx.so"), &good[..length]).unwrap();
        assert!(
            find(&[folder(root.path())]).unwrap()[0].problem.is_some(),
            "{length} bytes of {}",
            good.len()
        );
    }
}

#[test]
fn nearer_files_hide_farther_ones() {
    let root = tempfile::tempdir().unwrap();
    let (near, far) = (root.path().join("near"), root.path().join("far"));
    for folder in [&near, &far] {
        fs::create_dir(folder).unwrap();
    }
    fs::write(near.join("liba.so"), plugin(&note("a"))).unwrap();
    fs::write(far.join("libother.so"), plugin(&note("a"))).unwrap();
    fs::write(far.join("libb.so"), plugin(&note("b"))).unwrap();
    fs::write(far.join("libb2.so"), plugin(&note("b"))).unwrap();
    fs::write(far.join("notes.txt"), "not a plugin").unwrap();
    // The same file by another way counts once.
    std::os::unix::fs::symlink(near.join("liba.so"), far.join("liblink.so")).unwrap();
    fs::write(near.join("libc.so"), "cut short").unwrap();
    fs::write(far.join("libc.so"), plugin(&note("c"))).unwrap();
    let folders = [folder(&near), folder(&far), folder(&near)];
    expect![[r#"
        near/liba.so: a
        near/libc.so: ?: not a library
          found     something else
          expected  a 64-bit ELF file
        far/libb.so: b: two files of the plugin `b` in one folder
          found     far/libb.so
                    far/libb2.so
          help: remove one of them
        far/libb2.so: b: two files of the plugin `b` in one folder
          found     far/libb2.so
                    far/libb.so
          help: remove one of them
        far/libc.so: c, behind near/libc.so
        far/libother.so: a, behind near/liba.so"#]]
    .assert_eq(&listed(root.path(), &folders));
}

#[test]
fn the_programs_folder_may_hold_other_libraries() {
    let root = tempfile::tempdir().unwrap();
    fs::write(
        root.path().join("libserde.so"),
        library(Architecture::X86_64, None),
    )
    .unwrap();
    let program = Folder {
        origin: Origin::Program,
        ..folder(root.path())
    };
    assert_eq!(find(&[program]).unwrap(), []);
}
