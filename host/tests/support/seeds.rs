//! The inputs that fuzzing begins with: what is right, and what a stranger might send instead.
//!
//! Their notes are those of one moment, so that the corpus need not change whenever a version does.

use std::io::{Cursor, Write};

use object::Architecture;
use plugin_api_data::Note;
use serde_json::{Value, json};
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, DateTime, System, ZipWriter};

use crate::needing::needing;
use crate::support::{self, library, plugin};

/// A name that says what is special, and the bytes.
pub type Seed = (&'static str, Vec<u8>);

/// The targets, and the seeds of each.
pub fn all() -> [(&'static str, Vec<Seed>); 4] {
    [
        ("note", notes()),
        ("manifest", manifests()),
        ("archive", archives()),
        ("experiment", experiments()),
    ]
}

fn note() -> Note {
    Note {
        api: "1.0".into(),
        tch: "0.24.0".into(),
        libtorch: "2.11.0".into(),
        target: "x86_64-unknown-linux-gnu".into(),
        ..support::note("scale")
    }
}

/// Another text in the place of a note.
fn noted(text: &str) -> Vec<u8> {
    library(Architecture::X86_64, Some(text))
}

/// The same bytes with others at a place.
fn with(bytes: &[u8], at: usize, new: &[u8]) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    bytes[at..at + new.len()].copy_from_slice(new);
    bytes
}

fn position(bytes: &[u8], wanted: &[u8]) -> usize {
    let mut windows = bytes.windows(wanted.len());
    windows.position(|w| w == wanted).expect("it is there")
}

fn notes() -> Vec<Seed> {
    let whole = plugin(&note());
    let needs = needing(&note(), "GLIBC_2.34");
    // A header whose first library points to one before itself.
    let table = position(&needs, &[1, 0, 1, 0]);
    let text = serde_json::to_string(&note()).unwrap();
    vec![
        ("whole", whole.clone()),
        ("needs-glibc", needs.clone()),
        ("needs-no-version", needing(&note(), "GLIBC_PRIVATE")),
        (
            "needs-a-huge-version",
            needing(&note(), "GLIBC_99999999999.1"),
        ),
        (
            "needs-an-endless-list",
            with(&needs, table + 12, &u32::MAX.to_le_bytes()),
        ),
        (
            "needs-names-from-outside",
            with(&needs, table + 24, &u32::MAX.to_le_bytes()),
        ),
        (
            "needs-65535-versions",
            with(&needs, table + 2, &[0xff, 0xff]),
        ),
        ("no-note", library(Architecture::X86_64, None)),
        (
            "another-machine",
            library(Architecture::Aarch64, Some(&text)),
        ),
        ("text", b"#!/bin/sh\nexit 0\n".to_vec()),
        ("empty", vec![]),
        ("only-the-magic", whole[..4].to_vec()),
        ("cut-in-the-header", whole[..40].to_vec()),
        ("cut-in-the-middle", whole[..whole.len() / 2].to_vec()),
        ("cut-at-the-end", whole[..whole.len() - 1].to_vec()),
        ("32-bit", with(&whole, 4, &[1])),
        ("big-endian", with(&whole, 5, &[2])),
        (
            "sections-beyond-the-end",
            with(&whole, 40, &u64::MAX.to_le_bytes()),
        ),
        (
            "segments-at-the-end",
            with(&whole, 32, &(whole.len() as u64).to_le_bytes()),
        ),
        ("65535-sections", with(&whole, 60, &[0xff, 0xff])),
        ("sections-of-no-size", with(&whole, 58, &[0, 0])),
        ("names-in-no-section", with(&whole, 62, &[0xff, 0xff])),
        ("padded-note", noted(&(text.clone() + "\0\0\0\0"))),
        ("empty-note", noted("")),
        ("note-of-zeros", noted("\0\0\0\0")),
        ("note-in-two", noted(&(text.clone() + &text))),
        ("note-of-arrays", noted(&"[".repeat(5000))),
        (
            "note-with-numbers",
            noted(&text.replace("\"1.0\"", "1e999")),
        ),
        (
            "note-with-a-huge-api",
            noted(&text.replace("1.0", "1.99999999999999999999")),
        ),
        (
            "note-that-climbs",
            noted(&text.replace("scale", "../../scale")),
        ),
        (
            "note-with-escapes",
            noted(&text.replace("scale", "\\u001b[2J\\u0000")),
        ),
        (
            "note-not-utf-8",
            with(&whole, position(&whole, b"scale"), &[0xff, 0xfe]),
        ),
    ]
}

/// The manifest of a package with a library and a text, and these two files.
fn parts() -> (Value, Vec<(String, Vec<u8>)>) {
    let files = vec![
        (
            "lib/x86_64-unknown-linux-gnu/libscale.so".to_owned(),
            needing(&note(), "GLIBC_2.34"),
        ),
        ("README.md".to_owned(), b"# scale\n".to_vec()),
    ];
    let listed = files.iter().map(|(path, bytes)| {
        json!({ "path": path, "size": bytes.len(), "sha256": pleach::plugins::sha256(bytes) })
    });
    let listed: Vec<Value> = listed.collect();
    let mut manifest = json!({ "format": "1.0" });
    let fields = manifest.as_object_mut().unwrap();
    if let Value::Object(note) = serde_json::to_value(note()).unwrap() {
        fields.extend(note);
    }
    fields.insert("glibc".into(), json!("2.34"));
    for (name, text) in [
        ("description", "Scales."),
        ("licence", "MIT"),
        ("paper", ""),
    ] {
        fields.insert(name.into(), json!(text));
    }
    let component = json!({ "role": "layer", "name": "scale", "doc": "Scales.\nBy a factor." });
    fields.insert("components".into(), json!([component]));
    fields.insert("files".into(), json!(listed));
    (manifest, files)
}

/// The manifest after a change.
fn manifest(change: impl FnOnce(&mut Value)) -> Vec<u8> {
    let (mut manifest, _) = parts();
    change(&mut manifest);
    serde_json::to_vec_pretty(&manifest).unwrap()
}

fn manifests() -> Vec<Seed> {
    let whole = manifest(|_| ());
    let listing = |path: &str| manifest(|m| m["files"][1]["path"] = json!(path));
    vec![
        ("whole", whole.clone()),
        (
            "newer-minor",
            manifest(|m| {
                m["format"] = json!("1.7");
                m["signature"] = json!({ "key": "k", "bytes": "b" });
            }),
        ),
        ("newer-major", manifest(|m| m["format"] = json!("2.0"))),
        (
            "huge-format",
            manifest(|m| m["format"] = json!("99999999999999.0")),
        ),
        (
            "no-glibc",
            manifest(|m| {
                m.as_object_mut().unwrap().shift_remove("glibc");
            }),
        ),
        ("empty", vec![]),
        ("cut", whole[..whole.len() / 2].to_vec()),
        (
            "not-utf-8",
            with(&whole, position(&whole, b"Scales"), &[0xff]),
        ),
        ("no-object", b"[1, 2]".to_vec()),
        (
            "deep",
            [b"{\"format\":".to_vec(), vec![b'['; 20_000]].concat(),
        ),
        (
            "twice",
            [b"{\"format\": \"2.0\",".to_vec(), whole[1..].to_vec()].concat(),
        ),
        ("climbing", listing("../../README.md")),
        ("climbing-later", listing("a/../../README.md")),
        ("absolute", listing("/tmp/README.md")),
        ("backslash", listing("..\\README.md")),
        ("dot", listing(".")),
        ("empty-path", listing("")),
        ("long-path", listing(&"a/".repeat(5000))),
        ("the-manifest-itself", listing("manifest.json")),
        ("file-and-folder", listing("lib")),
        ("control-characters", listing("\u{1b}[2J")),
        ("zero-byte", listing("README\0.md")),
        ("two-dots-as-name", manifest(|m| m["name"] = json!(".."))),
        (
            "slash-in-version",
            manifest(|m| m["version"] = json!("0.1.0/../..")),
        ),
        ("no-files", manifest(|m| m["files"] = json!([]))),
        (
            "a-huge-size",
            manifest(|m| m["files"][0]["size"] = json!(u64::MAX)),
        ),
        (
            "sizes-that-overflow",
            manifest(|m| {
                m["files"][0]["size"] = json!(u64::MAX);
                m["files"][1]["size"] = json!(u64::MAX);
            }),
        ),
        (
            "a-size-of-1e300",
            manifest(|m| m["files"][0]["size"] = json!(1e300)),
        ),
        (
            "a-hash-of-umlauts",
            manifest(|m| m["files"][0]["sha256"] = json!("ä".repeat(32))),
        ),
    ]
}

/// How every file of a seed is packed.
fn packed(method: CompressionMethod) -> SimpleFileOptions {
    SimpleFileOptions::default()
        .compression_method(method)
        .last_modified_time(DateTime::DEFAULT)
        .system(System::Unix)
        .unix_permissions(0o644)
}

/// A zip archive of these files.
pub fn zipped(files: &[(String, Vec<u8>)]) -> Vec<u8> {
    zipped_by(CompressionMethod::Deflated, files)
}

fn zipped_by(method: CompressionMethod, files: &[(String, Vec<u8>)]) -> Vec<u8> {
    let mut writer = ZipWriter::new(Cursor::new(vec![]));
    for (path, bytes) in files {
        writer.start_file(path, packed(method)).unwrap();
        writer.write_all(bytes).unwrap();
    }
    writer.finish().unwrap().into_inner()
}

/// A package with this manifest and the right files.
pub fn with_manifest(manifest: Vec<u8>) -> Vec<u8> {
    let mut files = vec![("manifest.json".to_owned(), manifest)];
    files.extend(parts().1);
    zipped(&files)
}

/// A package of which the manifest lists these files, and that holds them.
fn holding(extra: &[(&str, &[u8])]) -> Vec<u8> {
    let (mut manifest, mut files) = parts();
    for (path, bytes) in extra {
        manifest["files"].as_array_mut().unwrap().push(
            json!({ "path": path, "size": bytes.len(), "sha256": pleach::plugins::sha256(bytes) }),
        );
        files.push(((*path).to_owned(), bytes.to_vec()));
    }
    let manifest = serde_json::to_vec_pretty(&manifest).unwrap();
    files.insert(0, ("manifest.json".into(), manifest));
    zipped(&files)
}

fn archives() -> Vec<Seed> {
    let (_, files) = parts();
    let whole = with_manifest(manifest(|_| ()));
    let end = whole.len() - 22;
    let central = position(&whole, b"PK\x01\x02");
    let mut all = vec![("manifest.json".to_owned(), manifest(|_| ()))];
    all.extend(files.clone());
    let mut linked = ZipWriter::new(Cursor::new(vec![]));
    let options = packed(CompressionMethod::Stored);
    linked.start_file("manifest.json", options).unwrap();
    linked.write_all(&all[0].1).unwrap();
    linked
        .add_symlink(&files[0].0, "/etc/passwd", options)
        .unwrap();
    linked
        .add_symlink("README.md", "../../..", options)
        .unwrap();
    // A name that another one takes the place of, in all headers.
    let mut twice = all.clone();
    twice.push(("README.mx".into(), vec![]));
    let mut twice = zipped(&twice);
    while let Some(at) = twice.windows(9).position(|w| w == b"README.mx") {
        twice = with(&twice, at, b"README.md");
    }
    let many = (0..200).map(|n| (format!("{n:x}"), vec![]));
    let many: Vec<(String, Vec<u8>)> = many.collect();
    vec![
        ("whole", whole.clone()),
        ("stored", zipped_by(CompressionMethod::Stored, &all)),
        ("empty", vec![]),
        ("empty-archive", zipped(&[])),
        ("text", b"not a package".to_vec()),
        ("cut-at-the-end", whole[..whole.len() - 1].to_vec()),
        ("cut-in-the-middle", whole[..whole.len() / 2].to_vec()),
        ("only-the-end", whole[end..].to_vec()),
        (
            "something-in-front",
            [b"#!/bin/sh\n".to_vec(), whole.clone()].concat(),
        ),
        ("something-behind", [whole.clone(), b"\n".to_vec()].concat()),
        ("one-in-another", [whole.clone(), whole.clone()].concat()),
        ("bomb", with_library_of(10 << 20)),
        (
            "bomb-that-is-listed",
            holding(&[("zeros", &vec![0; 4 << 20])]),
        ),
        (
            "bomb-in-the-manifest",
            zipped(&[("manifest.json".into(), vec![b' '; 8 << 20])]),
        ),
        ("many-files", zipped(&many)),
        ("65535-files", with(&whole, end + 8, &[0xff; 4])),
        (
            "more-headers-than-there-are",
            with(&whole, end + 8, &[9, 0, 9, 0]),
        ),
        ("headers-at-the-front", with(&whole, end + 12, &[0; 8])),
        ("headers-far-away", with(&whole, end + 16, &[0xff; 4])),
        (
            "comment-that-is-not-there",
            with(&whole, end + 20, &[0xff, 0xff]),
        ),
        (
            "data-of-another-file",
            with(&whole, central + 42, &[1, 0, 0, 0]),
        ),
        (
            "data-behind-the-end",
            with(&whole, central + 42, &[0xff, 0xff, 0xff, 0x7f]),
        ),
        ("a-huge-size", with(&whole, central + 24, &[0xff; 4])),
        ("a-huge-packed-size", with(&whole, central + 20, &[0xff; 4])),
        ("no-size", with(&whole, central + 24, &[0; 4])),
        ("encrypted", with(&whole, central + 8, &[1, 0])),
        ("another-method", with(&whole, central + 10, &[99, 0])),
        ("damaged-data", with(&whole, 60, &[0xff; 4])),
        ("not-the-listed-bytes", holding_other(&files)),
        ("climbing", holding(&[("../../../up", b"x")])),
        ("climbing-unlisted", with_unlisted("../../../up")),
        ("absolute", holding(&[("/tmp/pleach-was-here", b"x")])),
        ("backslash", holding(&[("..\\..\\up", b"x")])),
        ("deep", holding(&[(&("d/".repeat(90) + "x"), b"x")])),
        ("file-and-folder", holding(&[("README.md/x", b"x")])),
        ("folder", with_unlisted("folder/")),
        ("links", linked.finish().unwrap().into_inner()),
        ("twice", twice),
        ("unlisted", with_unlisted("EXTRA")),
        ("missing", zipped(&all[..2])),
        (
            "manifest-last",
            zipped(&[all[1].clone(), all[2].clone(), all[0].clone()]),
        ),
        (
            "name-not-utf-8",
            with(&whole, position(&whole, b"README"), &[0xff, 0xfe]),
        ),
        (
            "newer",
            with_manifest(manifest(|m| m["format"] = json!("1.9"))),
        ),
    ]
}

/// A library that inflates to so many zeros, where a small one is listed.
fn with_library_of(zeros: usize) -> Vec<u8> {
    let (_, mut files) = parts();
    files[0].1 = vec![0; zeros];
    files.insert(0, ("manifest.json".into(), manifest(|_| ())));
    zipped(&files)
}

fn with_unlisted(path: &str) -> Vec<u8> {
    let mut files = vec![("manifest.json".to_owned(), manifest(|_| ()))];
    files.extend(parts().1);
    files.push((path.into(), vec![]));
    zipped(&files)
}

fn holding_other(files: &[(String, Vec<u8>)]) -> Vec<u8> {
    let mut files = files.to_vec();
    files[1].1 = b"# SCALE\n".to_vec();
    files.insert(0, ("manifest.json".into(), manifest(|_| ())));
    zipped(&files)
}

const SEARCH: &str = r#"task = { use = "baselines/digits-graph", shape = [4, 4] }
seed = 7
seeds = 3
threads = 2
limits = { seconds = 600, memory = "4 GiB" }

[[stage]]
name = "found"
search = { use = "baselines/prescreen", inner = "baselines/random", scorer = "baselines/grad-norm", of = 3 }
space = { use = "baselines/gnn", depth = 3, layers = ["baselines/gat", { use = "baselines/gat", heads = 2, reduce = "sum" }] }
each = [{ train = { use = "baselines/backprop", epochs = 4, transforms = [{ use = "baselines/adam", rate = 1e-3 }] } }]
budget = 12
ahead = 4

[[stage]]
train = "baselines/backprop"

[[stage]]
prune = "baselines/magnitude"
sparsity = 0.9
scope = "layer"

[[stage]]
name = "made"
arch = { use = "baselines/gnn", point = { depth = 2, layer1 = { use = "baselines/gat", heads = 8 } } }
generate = { use = "baselines/mlp", hidden = 16 }
target = "*.weight"

[[stage]]
from = "found"
train = "baselines/backprop"
"#;

const ARCH: &str = r#"task = "baselines/digits-graph"
[[stage]]
arch = "arch.json"
train = "baselines/backprop"

# arch.json
{ "version": 1, "inputs": { "x": { "axes": [["batch", 4], ["features", null]] } },
  "nodes": [{ "name": "a", "inputs": { "x": "in.x" }, "layer": "baselines/gat" }],
  "outputs": { "y": "a.x" } }
"#;

fn experiments() -> Vec<Seed> {
    let text = |text: &str| text.as_bytes().to_vec();
    let task = |value: &str| text(&SEARCH.replace("[4, 4]", value));
    let nested = |open: &str, middle: &str, close: &str, n: usize| {
        format!("{}{middle}{}", open.repeat(n), close.repeat(n))
    };
    let wrapped = "{ use = \"baselines/prescreen\", scorer = \"baselines/grad-norm\", inner = ";
    let strategy = |n| nested(wrapped, "\"baselines/random\"", " }", n);
    vec![
        ("whole", text(SEARCH)),
        ("architecture", text(ARCH)),
        (
            "architecture-that-is-deep",
            text(&ARCH.replace("null", &"[".repeat(5000))),
        ),
        (
            "architecture-with-huge-numbers",
            text(&ARCH.replace('4', "1e400")),
        ),
        (
            "architecture-that-is-missing",
            text(&ARCH[..ARCH.find("\n# arch").unwrap()]),
        ),
        (
            "architecture-that-never-ends",
            text(&ARCH.replace("\"arch.json\"", "\"/dev/zero\"")),
        ),
        (
            "architecture-that-is-a-folder",
            text(&ARCH.replace("\"arch.json\"", "\"/\"")),
        ),
        ("empty", vec![]),
        ("cut", text(&SEARCH[..SEARCH.len() / 2])),
        ("not-utf-8", with(SEARCH.as_bytes(), 9, &[0xff])),
        ("byte-order-mark", text(&format!("\u{feff}{SEARCH}"))),
        ("carriage-returns", text(&SEARCH.replace('\n', "\r\n"))),
        (
            "tabs-and-wide-letters",
            text(&SEARCH.replace("epochs", "\"\t\u{1f980}ä字\"")),
        ),
        ("zero-bytes", text(&SEARCH.replace("found", "\0"))),
        (
            "escapes",
            text(&SEARCH.replace("found", "\\u001b[2J\\u0000")),
        ),
        (
            "name-that-climbs",
            text(&SEARCH.replace("made", "../../made")),
        ),
        ("no-quotes", text(&SEARCH.replace('"', ""))),
        ("twice", text(&format!("{SEARCH}{SEARCH}"))),
        ("same-names", text(&SEARCH.replace("made", "found"))),
        (
            "every-type",
            text(&SEARCH.replace("use = ", "x = 1979-05-27T07:32:00Z, use = ")),
        ),
        (
            "huge-seed",
            text(&SEARCH.replace("seed = 7", "seed = 99999999999999999999")),
        ),
        (
            "negative-seed",
            text(&SEARCH.replace("seed = 7", "seed = -1")),
        ),
        (
            "hexadecimal",
            text(&SEARCH.replace("seed = 7", "seed = 0x_7f")),
        ),
        (
            "infinite-limits",
            text(&SEARCH.replace("600", "inf").replace("4 GiB", "1e30 TiB")),
        ),
        (
            "no-number",
            text(&SEARCH.replace("0.9", "nan").replace("1e-3", "-nan")),
        ),
        (
            "huge-numbers",
            text(
                &SEARCH
                    .replace("12", "9223372036854775807")
                    .replace("1e-3", "1e999"),
            ),
        ),
        (
            "empty-arrays",
            text(
                &SEARCH
                    .replace("[4, 4]", "[]")
                    .replace("each = [", "each = [] #"),
            ),
        ),
        ("deep-arrays", task(&nested("[", "1", "]", 70))),
        ("too-deep-arrays", task(&nested("[", "1", "]", 5000))),
        ("deep-tables", task(&nested("{ a = ", "1", " }", 70))),
        ("too-deep-tables", task(&nested("{ a = ", "1", " }", 2000))),
        ("open-arrays", task(&"[".repeat(5000))),
        (
            "long-dotted-key",
            text(&format!("{}x = 1\n{SEARCH}", "a.".repeat(4000))),
        ),
        (
            "long-dotted-key-within",
            task(&format!("[4], {}x = 1", "a.".repeat(4000))),
        ),
        (
            "long-header",
            text(&format!("{SEARCH}[{}x]\n", "stage.".repeat(2000))),
        ),
        (
            "deep-components",
            text(&SEARCH.replace("\"baselines/random\"", &strategy(20))),
        ),
        (
            "parameters-as-a-dotted-key",
            text(&SEARCH.replace("of = 3", &format!("{}use = 1", "inner.".repeat(3000)))),
        ),
        (
            "point-as-a-dotted-key",
            text(&SEARCH.replace("depth = 2", &format!("{}x = 1", "a.".repeat(3000)))),
        ),
    ]
}
