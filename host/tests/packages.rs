//! Plugins on their way: packed, installed, changed, replaced, removed, and all that is refused on the way.

#[path = "support/home.rs"]
mod home;
#[path = "support/needing.rs"]
mod needing;
mod support;

use std::fs::{self, File};
use std::io::{Cursor, Read, Write};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::thread;
use std::time::{Duration, Instant};

use expect_test::{Expect, expect};
use home::{Home, without_hashes};
use needing::needing;
use object::Architecture;
use pleach::package::{self, Extras, Package};
use pleach::plugins::{Contents, Folder, Glibc, Origin, find, sha256};
use plugin_api_data::{Note, PluginCard};
use serde_json::{Value, json};
use support::{library, note, plugin};
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

/// What the plugin says of itself once it is loaded.
fn card(note: &Note) -> PluginCard {
    PluginCard {
        name: note.name.clone(),
        version: note.version.clone(),
        description: "Scales.".into(),
        licence: "MIT".into(),
        paper: String::new(),
        components: vec![],
    }
}

/// A package of a plugin file with this note, and nothing else.
fn packed(note: &Note) -> Package {
    package::pack(plugin(note), &card(note), &Extras::default()).unwrap()
}

fn version(name: &str, version: &str) -> Note {
    Note {
        version: version.into(),
        ..note(name)
    }
}

/// A home with the crate of the plugin `scale` in it, built in two versions.
fn with_crate() -> Home {
    let home = Home::new();
    home.write("scale/libscale.so", plugin(&note("scale")));
    home.write("scale/newer.so", plugin(&version("scale", "0.2.0")));
    home.write("scale/README.md", "# scale\n");
    home.write("scale/LICENSE-MIT", "Do what you like.\n");
    home.write("scale/LICENCE.txt", "Or this.\n");
    home.write("scale/claims.toml", "[claim]\n");
    home
}

/// The plugin folder of a home.
fn plugins(home: &Home) -> PathBuf {
    home.path().join("data/pleach/plugins")
}

/// The one package in the home's folder `out` with this version.
fn package_file(home: &Home, version: &str) -> PathBuf {
    let name = format!("out/scale-{version}-{}.pleach", pleach::plugins::TARGET);
    home.path().join(name)
}

fn make_packages(home: &Home) {
    fs::create_dir(home.path().join("out")).unwrap();
    for file in ["scale/libscale.so", "scale/newer.so"] {
        let said = home.says(&[
            "plugins", "pack", file, "--from", "scale", "--output", "out",
        ]);
        assert!(said.starts_with("0\n"), "{said}");
    }
}

/// What the program says of its plugins, without those beside the program itself.
fn listed(home: &Home) -> String {
    home.says(&["plugins", "list"])
        .lines()
        .skip(1)
        .filter(|line| !line.contains("/target/"))
        .map(|line| format!("{line}\n"))
        .collect()
}

#[test]
fn from_pack_to_remove() {
    let home = with_crate();
    fs::create_dir(home.path().join("out")).unwrap();
    let pack = [
        "plugins",
        "pack",
        "scale/libscale.so",
        "--from",
        "scale",
        "--output",
        "out",
    ];
    let said = home.says(&pack);
    expect![[r#"
        0
        out/scale-0.1.0-TRIPLE.pleach: N bytes
          lib/TRIPLE/libscale.so: N bytes
          README.md: 8 bytes
          LICENCE.txt: 9 bytes
          LICENSE-MIT: 18 bytes
          claims.toml: 8 bytes
        SHA-256 HASH
    "#]]
    .assert_eq(&without_sizes(&said));
    home.says(&[
        "plugins",
        "pack",
        "scale/newer.so",
        "--from",
        "scale",
        "--output",
        "out",
    ]);

    let old = package_file(&home, "0.1.0");
    let old = old.to_str().unwrap();
    expect![[r#"
        0
        scale 0.1.0: Computes next to nothing.
        licence: MIT
        installed: ~/data/pleach/plugins/libscale.so
        note: a plugin is native code; whenever it is used it may do all that you may do, and nothing confines it
    "#]]
    .assert_eq(&home.says(&["plugins", "install", old]));
    expect![[r#"
        scale 0.1.0  ~/data/pleach/plugins/.installed/scale-0.1.0-1/lib/TRIPLE/libscale.so
    "#]]
    .assert_eq(&listed(&home));

    let mut changed = plugin(&note("scale"));
    changed.push(0);
    fs::write(plugins(&home).join("libscale.so"), changed).unwrap();
    expect![[r#"
        scale 0.1.0  ~/data/pleach/plugins/.installed/scale-0.1.0-1/lib/TRIPLE/libscale.so
          error: changed since it was installed
            found     SHA-256 HASH
            expected  SHA-256 HASH
            help: install it again, or remove it: pleach plugins remove scale
    "#]]
    .assert_eq(&listed(&home));

    let new = package_file(&home, "0.2.0");
    expect![[r#"
        0
        scale 0.2.0: Computes next to nothing.
        licence: MIT
        installed: ~/data/pleach/plugins/libscale.so
        in the place of version 0.1.0
        note: a plugin is native code; whenever it is used it may do all that you may do, and nothing confines it
    "#]]
    .assert_eq(&home.says(&["plugins", "install", new.to_str().unwrap()]));
    expect![[r#"
        scale 0.2.0  ~/data/pleach/plugins/.installed/scale-0.2.0-1/lib/TRIPLE/libscale.so
    "#]]
    .assert_eq(&listed(&home));
    expect![[r#"
        data/pleach/plugins/.installed/scale-0.2.0-1/LICENCE.txt
        data/pleach/plugins/.installed/scale-0.2.0-1/LICENSE-MIT
        data/pleach/plugins/.installed/scale-0.2.0-1/README.md
        data/pleach/plugins/.installed/scale-0.2.0-1/claims.toml
        data/pleach/plugins/.installed/scale-0.2.0-1/lib/TRIPLE/libscale.so
        data/pleach/plugins/.installed/scale-0.2.0-1/manifest.json
        data/pleach/plugins/libscale.so
    "#]]
    .assert_eq(&tree(&home));

    expect![[r#"
        1
        error: `scal` is not installed
          help: did you mean `scale`?
    "#]]
    .assert_eq(&home.says(&["plugins", "remove", "scal"]));
    home.write(
        "data/pleach/plugins/.installed/scale-0.2.0-1/mine.txt",
        "Mine.",
    );
    expect![[r#"
        0
        removed: ~/data/pleach/plugins/libscale.so
        left, not installed by pleach: ~/data/pleach/plugins/.installed/scale-0.2.0-1/mine.txt
    "#]]
    .assert_eq(&home.says(&["plugins", "remove", "scale"]));
    expect![[r#"
        data/pleach/plugins/.installed/scale-0.2.0-1/mine.txt
    "#]]
    .assert_eq(&tree(&home));
    expect![[r#"
        1
        error: `scale` is not installed
          help: `pleach plugins list` shows the plugins that were found
    "#]]
    .assert_eq(&home.says(&["plugins", "remove", "scale"]));
}

/// Sizes of more than two digits, which change with the versions in a note.
fn without_sizes(text: &str) -> String {
    let line = |line: &str| match line.rsplit_once(": ") {
        Some((name, size)) if size.ends_with(" bytes") && size.len() > "99 bytes".len() => {
            format!("{name}: N bytes\n")
        }
        _ => format!("{line}\n"),
    };
    text.lines().map(line).collect()
}

/// The files and links in the data folder of a home.
fn tree(home: &Home) -> String {
    fn walk(folder: &Path, found: &mut Vec<PathBuf>) {
        for entry in fs::read_dir(folder).unwrap() {
            let entry = entry.unwrap();
            if entry.file_type().unwrap().is_dir() {
                walk(&entry.path(), found);
            } else {
                found.push(entry.path());
            }
        }
    }
    let mut found = vec![];
    walk(&home.path().join("data"), &mut found);
    found.sort();
    let lines = found.iter().map(|path| {
        let path = path.strip_prefix(home.path()).unwrap();
        format!("{}\n", path.display())
    });
    home.plain(&lines.collect::<String>())
        .replace(pleach::plugins::TARGET, "TRIPLE")
}

#[test]
fn all_of_it_is_told_as_json() {
    let home = with_crate();
    make_packages(&home);
    let ask = |args: &[&str]| -> Value {
        let output = home.command(args).output().unwrap();
        serde_json::from_slice(&output.stdout).unwrap()
    };
    let file = package_file(&home, "0.1.0");
    let file = file.to_str().unwrap();
    let packed = ask(&[
        "plugins",
        "pack",
        "scale/libscale.so",
        "--output",
        "out",
        "--json",
    ]);
    assert_eq!(packed["sha256"], sha256(&fs::read(file).unwrap()));
    assert_eq!(packed["manifest"]["components"][0]["role"], "task");
    let installed = ask(&["plugins", "install", file, "--json"]);
    assert_eq!(installed["plugin"]["version"], "0.1.0");
    assert_eq!(installed["installed"]["replaced"], Value::Null);
    let removed = ask(&["plugins", "remove", "scale", "--json"]);
    assert_eq!(removed["left"], json!([]));
}

#[test]
fn the_same_input_gives_the_same_bytes() {
    let pack = || {
        let home = with_crate();
        make_packages(&home);
        fs::read(package_file(&home, "0.1.0")).unwrap()
    };
    let first = pack();
    // The clock of zip archives ticks every two seconds.
    thread::sleep(Duration::from_millis(2100));
    assert_eq!(first, pack());
    // What is read is what was written.
    assert_eq!(Package::read(&first).unwrap().to_bytes().unwrap(), first);
}

#[test]
fn what_stands_beside_the_library_can_be_named() {
    let home = with_crate();
    home.write("other.md", "Other.");
    let said = home.says(&[
        "plugins",
        "pack",
        "scale/libscale.so",
        "--readme",
        "other.md",
        "--licence",
        "scale/LICENSE-MIT",
        "scale/LICENCE.txt",
        "--claims",
        "scale/claims.toml",
    ]);
    expect![[r#"
        0
        ./scale-0.1.0-TRIPLE.pleach: N bytes
          lib/TRIPLE/libscale.so: N bytes
          other.md: 6 bytes
          LICENSE-MIT: 18 bytes
          LICENCE.txt: 9 bytes
          claims.toml: 8 bytes
        SHA-256 HASH
    "#]]
    .assert_eq(&without_sizes(&said));
}

#[test]
fn a_file_with_a_problem_is_not_packed() {
    let home = Home::new();
    let check = |bytes: &[u8], expected: Expect| {
        home.write("libx.so", bytes);
        expected.assert_eq(&home.says(&["plugins", "pack", "libx.so"]));
    };
    check(
        b"text",
        expect![[r#"
            1
            error: cannot pack `libx.so`
              caused by not a library
              found     something else
              expected  a 64-bit ELF file
        "#]],
    );
    check(
        &library(Architecture::X86_64, None),
        expect![[r#"
            1
            error: cannot pack `libx.so`
              caused by no note: not a pleach plugin
        "#]],
    );
    check(
        &plugin(&Note {
            libtorch: "1.0.0".into(),
            ..note("x")
        }),
        expect![[r#"
            1
            error: cannot pack `libx.so`
              caused by built for another libtorch
              found     1.0.0
              expected  2.11.0
              help: rebuild the plugin for this host
        "#]],
    );
    check(
        &plugin(&note("../x")),
        expect![[r#"
            1
            error: cannot pack `libx.so`
              caused by the manifest makes no sense
              found     `name` is no name: ../x
        "#]],
    );
    home.write("libx.so", plugin(&note("x")));
    home.write("README of x", "x");
    expect![[r#"
        1
        error: cannot pack `libx.so`
          caused by `README of x` cannot be packed
          help: give it a name of letters, digits, `.`, `-`, `_` and `+`
    "#]]
    .assert_eq(&home.says(&["plugins", "pack", "libx.so"]));
    expect![[r#"
        1
        error: cannot pack `libx.so`
          caused by cannot read the folder `nowhere`
          caused by No such file or directory (os error 2)
    "#]]
    .assert_eq(&home.says(&["plugins", "pack", "libx.so", "--from", "nowhere"]));
    expect![[r#"
        1
        error: cannot pack `liby.so`
          caused by it cannot be read
          caused by No such file or directory (os error 2)
    "#]]
    .assert_eq(&home.says(&["plugins", "pack", "liby.so"]));
    let other = PluginCard {
        version: "0.3.0".into(),
        ..card(&note("x"))
    };
    expect![[r#"
        the library's note and its card disagree
          found     x 0.3.0
          expected  x 0.1.0
          help: build the plugin again"#]]
    .assert_eq(
        &package::pack(plugin(&note("x")), &other, &Extras::default())
            .unwrap_err()
            .to_string(),
    );
}

/// A zip archive with these entries.
fn zipped(entries: &[(&str, &[u8])]) -> Vec<u8> {
    let mut writer = ZipWriter::new(Cursor::new(vec![]));
    for (name, bytes) in entries {
        writer
            .start_file(*name, SimpleFileOptions::default())
            .unwrap();
        writer.write_all(bytes).unwrap();
    }
    writer.finish().unwrap().into_inner()
}

/// The manifest of a package as JSON, and the file that it lists.
fn parts() -> (Value, String, Vec<u8>) {
    let package = packed(&note("scale"));
    let manifest = serde_json::to_value(&package.manifest).unwrap();
    (
        manifest,
        package.manifest.library(),
        package.library().to_vec(),
    )
}

/// Why a package is refused, with what changes with the versions in a note left out.
fn refusal(bytes: &[u8]) -> String {
    let refused = without_hashes(&Package::read(bytes).unwrap_err().to_string());
    let size = packed(&note("scale")).library().len();
    let less = format!("{} bytes, not {size}", size - 1);
    refused
        .split(" at line 1 column")
        .next()
        .unwrap()
        .replace(pleach::plugins::TARGET, "TRIPLE")
        .replace(&format!("{} bytes that", bytes.len()), "N bytes that")
        .replace(&less, "N - 1 bytes, not N")
        .replace(&format!("more than {size} bytes"), "more than N bytes")
}

/// What is said of a package with another manifest.
fn check_manifest(change: impl FnOnce(&mut Value), expected: Expect) {
    let (mut manifest, path, library) = parts();
    change(&mut manifest);
    let text = manifest.to_string();
    expected.assert_eq(&refusal(&zipped(&[
        ("manifest.json", text.as_bytes()),
        (&path, &library),
    ])));
}

#[test]
fn manifests() {
    check_manifest(
        |m| m["format"] = json!("2.0"),
        expect![[r#"
            a package of another form
              found     2.0
              expected  1.0
              help: update pleach, or pack the plugin again"#]],
    );
    check_manifest(
        |m| m["format"] = json!("\u{1b}[2J"),
        expect![[r#"
            a package of another form
              found     \u{1b}[2J
              expected  1.0
              help: update pleach, or pack the plugin again"#]],
    );
    check_manifest(
        |m| *m = json!({ "format": "1.0" }),
        expect![[r#"
            the manifest cannot be read
              caused by missing field `description`"#]],
    );
    check_manifest(
        |m| *m = json!("1.0"),
        expect![[r#"
            the manifest cannot be read
              caused by invalid type: string "1.0", expected a manifest"#]],
    );
    check_manifest(
        |m| m["glibc"] = json!("new"),
        expect![[r#"
            the manifest cannot be read
              caused by `new` is no version of glibc"#]],
    );
    check_manifest(
        |m| m["files"][0]["size"] = json!(-1),
        expect![[r#"
            the manifest cannot be read
              caused by invalid value: integer `-1`, expected u64"#]],
    );
    check_manifest(
        |m| {
            m["name"] = json!("..");
            m["version"] = json!("1/2");
            m["target"] = json!("\u{1b}[31m");
            m["description"] = json!("\u{1b}[31mred");
            m["files"] = json!([]);
        },
        expect![[r#"
            the manifest makes no sense
              found     `name` is no name: ..
                        `version` is no name: 1/2
                        `target` is no name: \u{1b}[31m
                        a text holds control characters: \u{1b}[31mred
                        the library is not listed: lib/\u{1b}[31m/lib...so"#]],
    );
    let file = |path: &str| json!({ "path": path, "size": 0, "sha256": "00" });
    check_manifest(
        |m| {
            for path in [
                "/etc/passwd",
                "../up",
                "a/../b",
                "a\\b",
                "a//b",
                "",
                "README.md",
                "README.md/x",
                "README.md",
                ".hidden",
                "manifest.json",
            ] {
                m["files"].as_array_mut().unwrap().push(file(path));
            }
        },
        expect![[r#"
            the manifest makes no sense
              found     `/etc/passwd` is no path inside a package
                        `/etc/passwd` has no SHA-256
                        `../up` is no path inside a package
                        `../up` has no SHA-256
                        `a/../b` is no path inside a package
                        `a/../b` has no SHA-256
                        `a\\b` is no path inside a package
                        `a\\b` has no SHA-256
                        `a//b` is no path inside a package
                        `a//b` has no SHA-256
                        `` is no path inside a package
                        `` has no SHA-256
                        `README.md` has no SHA-256
                        `README.md/x` has no SHA-256
                        `README.md` is listed twice
                        `README.md` has no SHA-256
                        `.hidden` is no path inside a package
                        `.hidden` has no SHA-256
                        `manifest.json` is no path inside a package
                        `manifest.json` has no SHA-256
                        `` is a file and a folder
                        `README.md` is a file and a folder"#]],
    );
    check_manifest(
        |m| {
            let files = m["files"].as_array_mut().unwrap();
            files[0]["size"] = json!(u64::MAX);
            for n in 0..64 {
                files.push(json!({ "path": format!("f{n}"), "size": 1, "sha256": "0".repeat(64) }));
            }
        },
        expect![[r#"
            the manifest makes no sense
              found     65 files; at most 64 are unpacked
                        18446744073709551615 bytes; at most 536870912 are unpacked"#]],
    );
    check_manifest(
        |m| m["files"][0]["size"] = json!(100_000_000),
        expect![[r#"
            the package becomes too much larger
              found     N bytes that become 100000000
              expected  at most 100 times as many"#]],
    );
    check_manifest(
        |m| {
            m["files"]
                .as_array_mut()
                .unwrap()
                .push(json!({ "path": "README.md", "size": 1, "sha256": "0".repeat(64) }));
        },
        expect![[r#"
            the package does not hold what its manifest lists
              found     `README.md` is missing"#]],
    );
    let long = " ".repeat(1 << 20);
    check_manifest(
        |m| m["description"] = json!(long),
        expect![[r#"
            the manifest is too large
              found     1048577 bytes
              expected  at most 1048576"#]],
    );
}

#[test]
fn a_newer_manifest_may_say_more() {
    let (mut manifest, path, library) = parts();
    manifest["format"] = json!("1.7");
    manifest["signature"] = json!({ "key": "k", "bytes": "b" });
    manifest["files"][0]["origin"] = json!("somewhere");
    let text = manifest.to_string();
    let read = Package::read(&zipped(&[
        ("manifest.json", text.as_bytes()),
        (&path, &library),
    ]));
    assert_eq!(read.unwrap().library(), library);
}

#[test]
fn archives() {
    let (manifest, path, library) = parts();
    let text = manifest.to_string();
    let manifest = ("manifest.json", text.as_bytes());
    let good = zipped(&[manifest, (&path, &library)]);
    assert!(Package::read(&good).is_ok());
    let check = |bytes: &[u8], expected: Expect| expected.assert_eq(&refusal(bytes));

    check(
        b"",
        expect![[r#"
            not a package
              found     an empty file
              expected  a file that `pleach plugins pack` has made"#]],
    );
    check(
        b"\x1f\x8b\x08",
        expect![[r#"
            not a package
              found     something else
              expected  a file that `pleach plugins pack` has made"#]],
    );
    check(
        &good[..good.len() - 1],
        expect![[r#"
            not a package
              found     a zip archive that is cut short, or has something behind it
              expected  a file that `pleach plugins pack` has made"#]],
    );
    check(
        &[b"#!/bin/sh\n", &*good].concat(),
        expect![[r#"
            the package is damaged
              found     an end that does not follow the headers"#]],
    );
    let many: Vec<(String, Vec<u8>)> = (0..70).map(|n| (format!("f{n}"), vec![])).collect();
    let many: Vec<(&str, &[u8])> = many
        .iter()
        .map(|(n, b)| (n.as_str(), b.as_slice()))
        .collect();
    check(
        &zipped(&many),
        expect![[r#"
            the package holds too many files
              found     70
              expected  at most 65"#]],
    );
    check(
        &zipped(&[(&path, &library), manifest]),
        expect![[r#"
            the package does not begin with its manifest
              expected  manifest.json
              help: make packages with `pleach plugins pack`"#]],
    );
    check(
        &zipped(&[]),
        expect![[r#"
            the package does not begin with its manifest
              expected  manifest.json
              help: make packages with `pleach plugins pack`"#]],
    );
    check(
        &zipped(&[manifest, (&path, &library), ("EXTRA", b"")]),
        expect![[r#"
            the package does not hold what its manifest lists
              found     `EXTRA` is not listed"#]],
    );
    check(
        &zipped(&[manifest]),
        expect![[r#"
            the package does not hold what its manifest lists
              found     `lib/TRIPLE/libscale.so` is missing"#]],
    );
    let mut other = library.clone();
    *other.last_mut().unwrap() ^= 1;
    check(
        &zipped(&[manifest, (&path, &other)]),
        expect![[r#"
            the package's files are not those that its manifest lists
              found     `lib/TRIPLE/libscale.so` has SHA-256 HASH, not HASH
              help: get the package again"#]],
    );
    check(
        &zipped(&[manifest, (&path, &library[1..])]),
        expect![[r#"
            the package's files are not those that its manifest lists
              found     `lib/TRIPLE/libscale.so` has N - 1 bytes, not N
              help: get the package again"#]],
    );
    // Ten megabytes of nothing, packed small: no more than what is listed, and one byte, is ever inflated.
    check(
        &zipped(&[manifest, (&path, &vec![0; 10 << 20])]),
        expect![[r#"
            the package's files are not those that its manifest lists
              found     `lib/TRIPLE/libscale.so` has more than N bytes
              help: get the package again"#]],
    );
    check(
        &zipped(&[("manifest.json", &vec![b' '; 10 << 20])]),
        expect![[r#"
            the manifest is too large
              found     1048577 bytes
              expected  at most 1048576"#]],
    );
    check(
        &zipped(&[
            manifest,
            (&path, &library),
            ("/etc/passwd", b""),
            ("../../up", b""),
            ("a\\..\\b", b""),
            ("\u{1b}[2J", b""),
        ]),
        expect![[r#"
            the package holds what it must not
              found     `/etc/passwd` is no path inside a package
                        `../../up` is no path inside a package
                        `a\\..\\b` is no path inside a package
                        `\u{1b}[2J` is no path inside a package"#]],
    );
    let mut writer = ZipWriter::new(Cursor::new(vec![]));
    let options = SimpleFileOptions::default();
    writer.start_file("manifest.json", options).unwrap();
    writer.add_symlink("link", "/etc/passwd", options).unwrap();
    writer.add_directory("folder", options).unwrap();
    writer
        .start_file("pipe", options.external_attributes(0o010_644 << 16))
        .unwrap();
    check(
        &writer.finish().unwrap().into_inner(),
        expect![[r#"
            the package holds what it must not
              found     `link` is a link
                        `folder/` is a folder
                        `pipe` is no ordinary file"#]],
    );
    // Two entries of one name, of which two readers could take different ones.
    let two = zipped(&[manifest, (&path, &library), ("manifest.jsox", b"")]);
    let two = replaced(&two, b"manifest.jsox", b"manifest.json");
    check(&two, expect!["the package holds two files of one name"]);
    // A name in the list at the end that is another one where the file stands.
    let split = good.windows(path.len()).position(|w| w == path.as_bytes());
    let mut split_name = good.clone();
    split_name[split.unwrap()] = b'L';
    check(
        &split_name,
        expect![[r#"
            the package is damaged
              caused by invalid Zip archive: header inconsistency detected: Local file header filename mismatch (does not match central directory)"#]],
    );
    // A method that nobody offers.
    let stored = SimpleFileOptions::default().compression_method(CompressionMethod::Stored);
    let mut writer = ZipWriter::new(Cursor::new(vec![]));
    writer.start_file("manifest.json", stored).unwrap();
    let mut unknown = writer.finish().unwrap().into_inner();
    let header = unknown.windows(4).position(|w| w == b"PK\x01\x02").unwrap();
    unknown[header + 10] = 99;
    check(
        &unknown,
        expect![[r#"
            the package holds what it must not
              found     `manifest.json` is packed in a way that is not known here"#]],
    );
    unknown[header + 10] = 0;
    unknown[header + 8] |= 1;
    check(
        &unknown,
        expect![[r#"
            the package holds what it must not
              found     `manifest.json` is encrypted"#]],
    );
}

fn replaced(bytes: &[u8], old: &[u8], new: &[u8]) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    for at in 0..bytes.len() - old.len() {
        if bytes[at..].starts_with(old) {
            bytes[at..at + old.len()].copy_from_slice(new);
        }
    }
    bytes
}

/// What is said of a sound package that this host must not install.
fn check_fit(package: &Package, expected: Expect) {
    let folder = tempfile::tempdir().unwrap();
    let refused = package::install(package, folder.path()).unwrap_err();
    let here = Glibc::here().unwrap().to_string();
    expected.assert_eq(&refused.to_string().replace(&here, "HERE"));
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
}

/// A package with another manifest and another library than `pack` would have put together.
fn forged(library: Vec<u8>, change: impl FnOnce(&mut Value)) -> Package {
    let (mut manifest, path, _) = parts();
    manifest["files"][0]["size"] = json!(library.len());
    manifest["files"][0]["sha256"] = json!(sha256(&library));
    change(&mut manifest);
    let text = manifest.to_string();
    Package::read(&zipped(&[
        ("manifest.json", text.as_bytes()),
        (&path, &library),
    ]))
    .unwrap()
}

#[test]
fn a_package_must_fit() {
    check_fit(
        &forged(b"text".to_vec(), |_| ()),
        expect![[r#"
            the package's library cannot be used
              caused by not a library
              found     something else
              expected  a 64-bit ELF file"#]],
    );
    check_fit(
        &forged(library(Architecture::X86_64, None), |_| ()),
        expect![[r#"
            `scale` 0.1.0 does not fit this host
              caused by no note: not a pleach plugin"#]],
    );
    check_fit(
        &forged(plugin(&version("scale\u{1b}", "0.2.0")), |m| {
            m["glibc"] = json!("2.2.5");
        }),
        expect![[r#"
            the package's manifest and its library disagree
              found     name: `scale\u{1b}` in the library, `scale` in the manifest
                        version: `0.2.0` in the library, `0.1.0` in the manifest
                        glibc: none in the library, `2.2.5` in the manifest
              help: make packages with `pleach plugins pack`"#]],
    );
    let another = Note {
        libtorch: "2.12.0".into(),
        ..note("scale")
    };
    check_fit(
        &forged(plugin(&another), |m| m["libtorch"] = json!("2.12.0")),
        expect![[r#"
            `scale` 0.1.0 does not fit this host
              caused by built for another libtorch
              found     2.12.0
              expected  2.11.0
              help: rebuild the plugin for this host"#]],
    );
    let note = note("scale");
    check_fit(
        &forged(needing(&note, "GLIBC_2.99"), |m| m["glibc"] = json!("2.99")),
        expect![[r#"
            `scale` 0.1.0 does not fit this host
              caused by built for glibc 2.99; this machine has HERE
              help: build the plugin on a machine whose glibc is as old as this one's"#]],
    );
}

#[test]
fn the_glibc_that_a_file_needs() {
    let needs = |version| Contents::of(&needing(&note("x"), version)).glibc;
    assert_eq!(needs("GLIBC_2.2.5"), Glibc::parse("2.2.5"));
    assert_eq!(needs("GLIBC_PRIVATE"), None);
    assert_eq!(needs("GLIBCXX_3.4"), None);
    // By another route: this very program, and the names among its strings.
    let bytes = fs::read(std::env::current_exe().unwrap()).unwrap();
    let needed = Contents::of(&bytes).glibc.unwrap();
    assert!(needed <= Glibc::here().unwrap(), "{needed}");
    let name = format!("\0GLIBC_{needed}\0");
    assert!(bytes.windows(name.len()).any(|w| w == name.as_bytes()));
    assert!(Glibc::parse("2.9") < Glibc::parse("2.10"));
    assert!(Glibc::parse("2.34.1") > Glibc::parse("2.34"));
}

/// What is found in a folder: names, versions, problems.
fn found(folder: &Path) -> Vec<(String, String, bool)> {
    let folder = Folder {
        path: folder.into(),
        origin: Origin::Argument,
    };
    let plugins = find(&[folder]).unwrap().into_iter().map(|p| {
        let note = p.note.unwrap();
        (note.name, note.version, p.problem.is_none())
    });
    plugins.collect()
}

fn usable(name: &str, version: &str) -> (String, String, bool) {
    (name.into(), version.into(), true)
}

#[test]
fn strangers_are_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    let package = packed(&note("scale"));
    let check = |expected: Expect| {
        let refused = package::install(&package, path).unwrap_err().to_string();
        expected.assert_eq(&refused.replace(path.canonicalize().unwrap().to_str().unwrap(), "DIR"));
    };
    fs::write(path.join("libscale.so"), "mine").unwrap();
    check(expect![[r#"
        another file of `scale` is there already
          found     DIR/libscale.so
          help: that file was not installed by pleach: move it away first"#]]);
    expect![[r#"
        `scale` is not installed
          found     DIR/libscale.so
          help: that file was not installed by pleach: delete it yourself"#]]
    .assert_eq(
        &package::remove("scale", path)
            .unwrap_err()
            .to_string()
            .replace(path.to_str().unwrap(), "DIR"),
    );
    assert_eq!(fs::read(path.join("libscale.so")).unwrap(), b"mine");
    fs::remove_file(path.join("libscale.so")).unwrap();

    fs::write(path.join("libother.so"), plugin(&note("scale"))).unwrap();
    check(expect![[r#"
        another file of `scale` is there already
          found     DIR/libother.so
          help: that file was not installed by pleach: move it away first"#]]);
    fs::remove_file(path.join("libother.so")).unwrap();

    std::os::unix::fs::symlink("elsewhere.so", path.join("libscale.so")).unwrap();
    check(expect![[r#"
        another file of `scale` is there already
          found     DIR/libscale.so
          help: that file was not installed by pleach: move it away first"#]]);
    fs::remove_file(path.join("libscale.so")).unwrap();

    let lock = File::open(path.join(".installed")).unwrap();
    lock.lock().unwrap();
    check(expect![[r#"
        another process installs or removes plugins in `DIR`
          help: wait until it ends"#]]);
    drop(lock);

    package::install(&packed(&note("sc_ale")), path).unwrap();
    let twin = package::install(&packed(&note("sc-ale")), path).unwrap_err();
    expect![[r#"
        `sc-ale` and `sc_ale` have the same file name
          found     DIR/libsc_ale.so
          help: remove the other one first: pleach plugins remove sc_ale"#]]
    .assert_eq(&twin.to_string().replace(path.to_str().unwrap(), "DIR"));
    assert_eq!(found(path), [usable("sc_ale", "0.1.0")]);
}

#[test]
fn a_lost_record_is_said_and_mended() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    package::install(&packed(&note("scale")), path).unwrap();
    let record = path.join(".installed/scale-0.1.0-1/manifest.json");
    fs::write(&record, "{").unwrap();
    let here = Folder {
        path: path.into(),
        origin: Origin::Argument,
    };
    let problem = find(&[here]).unwrap()[0].problem.clone().unwrap();
    expect![[r#"
        the record of its installation cannot be used
          help: install it again, or remove it: pleach plugins remove scale
          caused by the manifest cannot be read
          caused by EOF while parsing an object at line 1 column 1"#]]
    .assert_eq(&problem.to_string());
    package::install(&packed(&version("scale", "0.2.0")), path).unwrap();
    assert_eq!(found(path), [usable("scale", "0.2.0")]);
}

/// The moments at which an installation can be killed, as what it has left.
#[test]
fn what_a_killed_installation_leaves_is_never_seen_and_goes() {
    let leave: [fn(&Path); 5] = [
        |unpacked| fs::create_dir(unpacked).unwrap(),
        |unpacked| {
            fs::create_dir(unpacked).unwrap();
            fs::write(unpacked.join("manifest.json.part"), "{").unwrap();
        },
        |unpacked| {
            fs::create_dir(unpacked).unwrap();
            packed(&version("scale", "0.2.0")).unpack(unpacked).unwrap();
            let library = packed(&version("scale", "0.2.0")).manifest.library();
            fs::write(unpacked.join(library), "half").unwrap();
        },
        |unpacked| {
            fs::create_dir(unpacked).unwrap();
            packed(&version("scale", "0.2.0")).unpack(unpacked).unwrap();
        },
        |unpacked| {
            fs::create_dir(unpacked).unwrap();
            packed(&version("scale", "0.2.0")).unpack(unpacked).unwrap();
            let beside = unpacked.with_file_name("link");
            std::os::unix::fs::symlink(".installed/scale-0.2.0-1/x", beside).unwrap();
        },
    ];
    for leave in leave {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path();
        package::install(&packed(&note("scale")), path).unwrap();
        leave(&path.join(".installed/scale-0.2.0-1"));
        assert_eq!(found(path), [usable("scale", "0.1.0")]);
        package::install(&packed(&note("other")), path).unwrap();
        let both = [usable("other", "0.1.0"), usable("scale", "0.1.0")];
        assert_eq!(found(path), both);
        assert_eq!(fs::read_dir(path.join(".installed")).unwrap().count(), 2);
    }
}

/// The same with the program itself, at moments that nobody chose.
#[test]
fn an_installation_that_is_killed_has_happened_or_not() {
    let home = with_crate();
    // Large enough to be killed within.
    let mut object = plugin(&note("scale"));
    object.extend(
        (0..1_000_000_u32).flat_map(|n| (n.wrapping_mul(2_654_435_761) >> 16).to_le_bytes()),
    );
    for (name, file) in [("0.1.0", "scale/libscale.so"), ("0.2.0", "scale/newer.so")] {
        let mut bytes = plugin(&version("scale", name));
        bytes.extend(&object);
        home.write(file, bytes);
    }
    make_packages(&home);
    let install = |version: &str| {
        let file = package_file(&home, version);
        let mut command = home.command(&["plugins", "install", file.to_str().unwrap()]);
        command
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap()
    };
    let began = Instant::now();
    assert!(install("0.1.0").wait().unwrap().success());
    let whole = began.elapsed();
    let mut before = "0.1.0";
    let (mut happened, kills) = (0, 40);
    for n in 0..kills {
        let other = if before == "0.1.0" { "0.2.0" } else { "0.1.0" };
        let mut child = install(other);
        // From its first moment to a while after its last.
        thread::sleep(whole * n / (kills - 8));
        child.kill().unwrap();
        child.wait().unwrap();
        let after = found(&plugins(&home));
        if after == [usable("scale", other)] {
            before = other;
            happened += 1;
        } else {
            assert_eq!(after, [usable("scale", before)]);
        }
    }
    println!("killed {kills} times within {whole:?}; {happened} times it had happened");
    assert!(install("0.2.0").wait().unwrap().success());
    assert_eq!(found(&plugins(&home)), [usable("scale", "0.2.0")]);
    let packages = fs::read_dir(plugins(&home).join(".installed")).unwrap();
    assert_eq!(packages.count(), 1);
}

/// A web server that gives each caller one of these answers, in turn.
fn serve(answers: Vec<Vec<u8>>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    thread::spawn(move || {
        for answer in answers {
            let (mut stream, _) = listener.accept().unwrap();
            let mut request = [0; 4096];
            let _ = stream.read(&mut request).unwrap();
            // Who has heard enough hangs up.
            let _ = stream.write_all(&answer);
        }
    });
    address
}

fn answer(status: &str, length: usize, body: &[u8]) -> Vec<u8> {
    let head =
        format!("HTTP/1.1 {status}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n");
    [head.as_bytes(), body].concat()
}

#[test]
fn from_the_web() {
    let home = with_crate();
    make_packages(&home);
    let package = fs::read(package_file(&home, "0.1.0")).unwrap();
    let hash = sha256(&package);
    let check = |answers: Vec<Vec<u8>>, hash: &str, expected: Expect| {
        let address = serve(answers);
        let url = format!("{address}/scale.pleach");
        let said = home.says(&["plugins", "install", &url, "--sha256", hash]);
        let said = said.replace(&format!("after {} bytes", package.len()), "after N bytes");
        expected.assert_eq(&said.replace(&address, "http://HOST"));
    };
    check(
        vec![answer("404 Not Found", 0, b"")],
        &hash,
        expect![[r#"
            1
            error: cannot get `http://HOST/scale.pleach`
              caused by the server does not give it
              caused by http status: 404
        "#]],
    );
    check(
        vec![answer("200 OK", package.len() + 1, &package)],
        &hash,
        expect![[r#"
            1
            error: cannot get `http://HOST/scale.pleach`
              caused by it ends after N bytes
              caused by Peer disconnected
        "#]],
    );
    check(
        vec![answer("200 OK", 1 << 40, b"")],
        &hash,
        expect![[r#"
            1
            error: cannot get `http://HOST/scale.pleach`
              caused by it is too large for a package
              found     1099511627776 bytes
              expected  at most 268435456 bytes
        "#]],
    );
    check(
        vec![answer("200 OK", package.len(), &package)],
        &"0".repeat(64),
        expect![[r#"
            1
            error: `http://HOST/scale.pleach` is not the expected package
              found     SHA-256 HASH
              expected  SHA-256 HASH
              help: do not install it before you know why it differs
        "#]],
    );
    assert!(!plugins(&home).exists());
    let chunked = [
        format!(
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n{:x}\r\n",
            package.len()
        )
        .as_bytes(),
        &package,
        b"\r\n0\r\n\r\n",
    ]
    .concat();
    let moved =
        b"HTTP/1.1 302 Found\r\nLocation: /there\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
    check(
        vec![moved.to_vec(), chunked],
        &hash.to_uppercase(),
        expect![[r#"
            0
            scale 0.1.0: Computes next to nothing.
            licence: MIT
            installed: ~/data/pleach/plugins/libscale.so
            note: a plugin is native code; whenever it is used it may do all that you may do, and nothing confines it
        "#]],
    );
}

#[test]
fn sources() {
    let home = with_crate();
    make_packages(&home);
    let check = |args: &[&str], expected: Expect| {
        expected.assert_eq(&home.says(&[&["plugins", "install"], args].concat()));
    };
    check(
        &["http://example.org/scale.pleach"],
        expect![[r#"
            1
            error: `http://example.org/scale.pleach` could be changed by anyone on the way
              help: use https, or give the hash that its author has published: --sha256 HASH
        "#]],
    );
    check(
        &["ftp://example.org/scale.pleach"],
        expect![[r#"
            1
            error: `ftp://example.org/scale.pleach` cannot be fetched
              expected  a path, or a URL with https, http or file:///
        "#]],
    );
    check(
        &["file://host/scale.pleach"],
        expect![[r#"
            1
            error: `file://host/scale.pleach` cannot be fetched
              expected  a path, or a URL with https, http or file:///
        "#]],
    );
    check(
        &["nowhere.pleach"],
        expect![[r#"
            1
            error: cannot get `nowhere.pleach`
              caused by it cannot be read
              caused by No such file or directory (os error 2)
        "#]],
    );
    check(
        &["."],
        expect![[r#"
            1
            error: cannot get `.`
              caused by not a file
        "#]],
    );
    check(
        &["x", "--sha256", "abc"],
        expect![[r#"
            2
            error: invalid value 'abc' for '--sha256 <HASH>': expected 64 hexadecimal digits

            For more information, try '--help'.
        "#]],
    );
    let large = File::create(home.path().join("large.pleach")).unwrap();
    large.set_len(1 << 30).unwrap();
    check(
        &["large.pleach"],
        expect![[r#"
            1
            error: cannot get `large.pleach`
              caused by it is too large for a package
              found     1073741824 bytes
              expected  at most 268435456 bytes
        "#]],
    );
    fs::rename(package_file(&home, "0.1.0"), home.path().join("a b.pleach")).unwrap();
    let url = format!("file://{}/a%20b.pleach", home.path().display());
    check(
        &[&url],
        expect![[r#"
            0
            scale 0.1.0: Computes next to nothing.
            licence: MIT
            installed: ~/data/pleach/plugins/libscale.so
            note: a plugin is native code; whenever it is used it may do all that you may do, and nothing confines it
        "#]],
    );
}
