//! What fuzzing begins with, replayed on the stable compiler together with some thousand mutations.
//!
//! The functions are those of the fuzz targets; whatever they are given, they must come to an end without a panic,
//! write nothing outside of the folder that they are given, and not more than a package may hold.

#[path = "../../fuzz/checks/archive.rs"]
mod archive;
#[path = "../../fuzz/checks/experiment.rs"]
mod experiment;
#[path = "../../fuzz/checks/manifest.rs"]
mod manifest;
#[path = "support/needing.rs"]
mod needing;
#[path = "../../fuzz/checks/note.rs"]
mod note;
#[path = "support/seeds.rs"]
mod seeds;
mod support;

use std::collections::BTreeSet;
use std::env;
use std::fs;
use std::io::{self, Write};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::path::PathBuf;

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

fn folder(target: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("../fuzz/corpus")
        .join(target)
}

#[test]
fn the_corpus_is_what_its_generator_makes() {
    let update = env::var_os("UPDATE_EXPECT").is_some();
    let mut total = 0;
    for (target, seeds) in seeds::all() {
        let folder = folder(target);
        if update {
            let _ = fs::remove_dir_all(&folder);
            fs::create_dir_all(&folder).unwrap();
        }
        let mut names = BTreeSet::new();
        for (name, bytes) in seeds {
            let path = folder.join(name);
            if update {
                fs::write(&path, &bytes).unwrap();
            }
            let there = fs::read(&path).unwrap_or_default();
            assert!(
                there == bytes,
                "{}: UPDATE_EXPECT=1 makes it anew",
                path.display()
            );
            assert!(names.insert(name.to_owned()), "two seeds are named {name}");
            total += bytes.len();
        }
        let there = fs::read_dir(&folder).unwrap();
        let there = there.map(|e| e.unwrap().file_name().into_string().unwrap());
        assert_eq!(there.collect::<BTreeSet<_>>(), names);
    }
    assert!(total < 300_000, "{total} bytes are too many to keep");
}

/// Replays a target's corpus and this many mutations of it.
fn replay(target: &str, mutations: usize, check: impl Fn(&[u8])) {
    let corpus: Vec<(PathBuf, Vec<u8>)> = {
        let mut paths: Vec<PathBuf> = fs::read_dir(folder(target))
            .unwrap()
            .map(|e| e.unwrap().path())
            .collect();
        paths.sort();
        paths
            .into_iter()
            .map(|p| (p.clone(), fs::read(p).unwrap()))
            .collect()
    };
    let check = |what: &str, bytes: &[u8]| {
        if let Err(panic) = catch_unwind(AssertUnwindSafe(|| check(bytes))) {
            let path = env::temp_dir().join(format!("pleach-{target}-crash"));
            fs::write(&path, bytes).unwrap();
            println!("{what} made it panic; the input is {}", path.display());
            resume_unwind(panic);
        }
    };
    for (path, bytes) in &corpus {
        check(&path.display().to_string(), bytes);
    }
    let mut random = ChaCha8Rng::seed_from_u64(0);
    for n in 0..mutations {
        let (path, bytes) = &corpus[n % corpus.len()];
        let other = &corpus[random.random_range(0..corpus.len())].1;
        let mutated = mutated(bytes, other, &mut random);
        check(&format!("mutation {n} of {}", path.display()), &mutated);
    }
    tell(&format!(
        "{target}: {} inputs and {mutations} mutations of them",
        corpus.len()
    ));
}

/// Prints past the harness, which keeps to itself what a passing test prints by a macro.
fn tell(text: &str) {
    io::stderr()
        .write_all(format!("{text}\n").as_bytes())
        .unwrap();
}

/// A few of: a bit turned round, a byte replaced, a piece cut out, doubled, or taken from elsewhere.
fn mutated(bytes: &[u8], other: &[u8], random: &mut ChaCha8Rng) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    for _ in 0..random.random_range(1..=4) {
        if bytes.is_empty() {
            bytes = other.to_vec();
            continue;
        }
        let at = random.random_range(0..bytes.len());
        let end = at + random.random_range(0..=(bytes.len() - at).min(64));
        match random.random_range(0..6) {
            0 | 1 => bytes[at] ^= 1 << random.random_range(0..8),
            2 => bytes[at] = [0, 0xff, b'"', b'[', b'.', b'/'][random.random_range(0..6)],
            3 => drop(bytes.drain(at..end)),
            4 => {
                let piece = bytes[at..end].to_vec();
                bytes.splice(at..at, piece);
            }
            _ => {
                let from = random.random_range(0..=other.len());
                bytes.splice(at..end, other[from..].iter().take(64).copied());
            }
        }
    }
    bytes
}

#[test]
fn notes() {
    replay("note", 4000, note::note);
}

#[test]
fn manifests() {
    replay("manifest", 4000, manifest::manifest);
}

#[test]
fn archives() {
    replay("archive", 2000, |bytes| {
        archive::archive(bytes);
    });
}

/// Archives are whole again after each mutation of their manifest, so that more than their first check is reached.
#[test]
fn archives_with_mutated_manifests() {
    let written = std::cell::Cell::new(0);
    replay("manifest", 2000, |manifest| {
        let package = seeds::with_manifest(manifest.to_vec());
        written.set(written.get() + u64::from(archive::archive(&package) > 0));
    });
    tell(&format!(
        "archive: {} of these were unpacked",
        written.get()
    ));
    assert!(written.get() > 0);
}

#[test]
fn experiments() {
    replay("experiment", 1500, experiment::experiment);
}
