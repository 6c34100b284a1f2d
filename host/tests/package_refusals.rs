//! Packages from strangers: what is wrong with one is said before anything of it is written.

#[path = "support/hashes.rs"]
mod hashes;
#[path = "support/needing.rs"]
mod needing;
#[path = "support/packing.rs"]
mod packing;
mod support;

use std::fs;
use std::io::{Cursor, Write};

use expect_test::{Expect, expect};
use hashes::without_hashes;
use needing::needing;
use object::Architecture;
use packing::{card, packed, version};
use pleach::package::{self, Extras, Package};
use pleach::plugins::{Contents, Glibc, sha256};
use plugin_api_data::{Note, PluginCard};
use serde_json::{Value, json};
use support::{library, note, plugin};
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

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

#[test]
fn a_card_must_be_the_librarys_own() {
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

#[test]
fn what_nobody_could_install_is_not_packed() {
    let library = [plugin(&note("scale")), vec![0; 10 << 20]].concat();
    let note = note("scale");
    let package = package::pack(library, &card(&note), &Extras::default()).unwrap();
    let refused = package.to_bytes().unwrap_err().to_string();
    assert!(
        refused.starts_with("the package becomes too much larger"),
        "{refused}"
    );
}
