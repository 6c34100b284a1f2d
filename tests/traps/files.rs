//! Traps of a plugin's file: finding, checking, opening, keeping it.

use std::fs;
use std::path::Path;
use std::process::Command;

use pleach::files::write_whole;
use pleach::protocol::PluginFile;
use pleach_tests::{Place, both, built, file, patched, plugin};
use pleach_worker::open;
use plugin_api::plugin::{Plugin, PluginObj};
use plugin_api::role::Layer;
use plugin_api::testing::Alone;
use plugin_api::{Batch, LIBTORCH, Params, Tensors, random};
use tempfile::TempDir;

use crate::builds::rustc;

/// A file with these bytes, in a folder that goes with it.
fn scratch(name: &str, bytes: &[u8]) -> (TempDir, PluginFile) {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join(name);
    fs::write(&path, bytes).unwrap();
    let plugin = file(&path);
    (folder, plugin)
}

fn bytes(name: &str) -> Vec<u8> {
    fs::read(plugin(name).path).unwrap()
}

/// What is said of a file that is refused.
fn refused(plugin: &PluginFile) -> String {
    match open(plugin) {
        Ok(_) => panic!("{} was opened", plugin.path.display()),
        Err(error) => error.to_string(),
    }
}

#[test]
fn trap_03_two_plugins_loaded_one_after_the_other_stay_two() {
    let name = |plugin: &PluginObj| plugin.card().unwrap().name;
    let (first, second) = (
        open(&plugin("dgmlp")).unwrap(),
        open(&plugin("mixhop")).unwrap(),
    );
    assert_eq!([name(&first), name(&second)], ["dgmlp", "mixhop"]);
    let components = |plugin: &PluginObj| {
        let components = plugin.card().unwrap().components.into_iter();
        components.map(|c| c.name).collect::<Vec<_>>()
    };
    let own = [
        "smoothing",
        "sweep",
        "propagation",
        "transformation",
        "depths",
    ];
    assert_eq!(components(&first), own);
    assert_eq!(components(&second), ["low-rank", "mixhop"]);
}

/// A method of another name, five types below the header: the whole report has hundreds of lines.
#[test]
fn trap_04_another_layout_is_told_in_few_lines_with_both_versions() {
    let other = patched(&plugin("dgmlp"), "score;it,session", "valued;it,sessio");
    let (_folder, plugin) = scratch("libdgmlp.so", &other);
    let said = refused(&plugin);
    assert!(said.lines().count() < 8, "{said}");
    for wanted in [
        "the types of `dgmlp` are laid out differently from the host's: unexpected field in `ScorerVTable",
        "found     a plugin built for API ",
        "expected  API ",
        "help: rebuild the plugin",
    ] {
        assert!(said.contains(wanted), "{said}");
    }
}

#[test]
fn trap_06_a_plugin_for_another_libtorch_is_refused_before_it_is_opened() {
    let note = format!(r#""libtorch":"{LIBTORCH}""#);
    let other = patched(&plugin("dgmlp"), &note, &note.replace("2.", "9."));
    let (_folder, plugin) = scratch("libdgmlp.so", &other);
    let said = refused(&plugin);
    assert!(
        said.contains("built for another libtorch\n  found     9."),
        "{said}"
    );
    assert!(!is_mapped(&plugin.path));
}

/// Of some of these the loader itself would die, by SIGBUS.
#[test]
fn trap_07_what_is_no_whole_plugin_is_refused_before_it_is_opened() {
    let whole = bytes("dgmlp");
    let check = |bytes: &[u8], wanted: &str| {
        let (_folder, plugin) = scratch("libdgmlp.so", bytes);
        let said = refused(&plugin);
        assert!(said.contains(wanted), "{said}");
        assert!(!is_mapped(&plugin.path));
    };
    check(b"#!/bin/sh\n", "not a library");
    check(b"", "found     an empty file");
    for part in 1..8 {
        check(
            &whole[..whole.len() / 8 * part],
            "the file is damaged or cut short",
        );
    }
    check(
        &whole[..whole.len() - 1],
        "the file is damaged or cut short",
    );
    let mut arm = whole.clone();
    // The machine stands at byte 18; 183 is aarch64.
    arm[18..20].copy_from_slice(&[183, 0]);
    check(&arm, "built for another machine");
}

#[test]
fn trap_07_a_plugin_without_its_header_is_refused() {
    let other = patched(
        &plugin("dgmlp"),
        "pleach_plugin_dgmlp",
        "pleach_plugin_other",
    );
    let (_folder, plugin) = scratch("libdgmlp.so", &other);
    let said = refused(&plugin);
    assert!(
        said.contains("libdgmlp.so has a note, but no header"),
        "{said}"
    );
}

/// The loader takes them without a word.
#[test]
fn trap_07_bytes_that_were_flipped_since_the_hash_was_taken_are_refused() {
    let whole = bytes("dgmlp");
    let (folder, plugin) = scratch("libdgmlp.so", &whole);
    for at in [100, whole.len() / 3, whole.len() / 2, whole.len() - 1] {
        let mut flipped = whole.clone();
        flipped[at] ^= 1;
        fs::write(folder.path().join("libdgmlp.so"), flipped).unwrap();
        assert!(refused(&plugin).contains("libdgmlp.so has changed"));
    }
    assert!(!is_mapped(&plugin.path));
}

/// The system would look for it in its own folders, or find another of its name there.
#[test]
fn trap_08_a_bare_file_name_is_the_file_in_the_folder_that_one_is_in() {
    let (folder, plugin) = scratch("libdgmlp.so", &bytes("dgmlp"));
    let cards = |at: &Path| {
        Command::new(built().join("pleach-worker"))
            .args(["cards", "libdgmlp.so", &plugin.sha256])
            .current_dir(at)
            .output()
            .unwrap()
    };
    let found = cards(folder.path());
    assert!(found.status.success(), "{}", both(&found));
    assert!(both(&found).contains("propagation"), "{}", both(&found));
    let elsewhere = cards(Path::new("/"));
    let said = both(&elsewhere);
    assert!(said.contains("there is no plugin libdgmlp.so"), "{said}");
}

/// Written over in place, the next call into it would die of SIGBUS.
#[test]
fn trap_08_a_file_that_is_written_anew_while_it_is_loaded_leaves_the_loaded_one_whole() {
    let (_folder, before) = scratch("libdgmlp.so", &bytes("dgmlp"));
    let loaded = open(&before).unwrap();
    write_whole(&before.path, &bytes("mixhop")).unwrap();

    let layer = loaded.layer("propagation", &Params::new()).unwrap();
    drop(layer);
    assert_eq!(loaded.card().unwrap().name, "dgmlp");
    assert!(refused(&before).contains("libdgmlp.so has changed"));
    // The loader knows a library by its path: it would hand out the old one for the new.
    let said = refused(&file(&before.path));
    assert!(
        said.contains("libdgmlp.so is loaded already, with other bytes"),
        "{said}"
    );
}

/// What `-C prefer-dynamic` makes of a plugin: it needs a library of one build of one compiler.
#[test]
fn trap_13_a_plugin_that_prefers_dynamic_libraries_is_refused() {
    let folder = TempDir::new().unwrap();
    let note = pleach::plugins::at(&plugin("dgmlp").path).unwrap().note;
    let note = serde_json::to_string(&note).unwrap();
    let source = format!(
        "#[used]\n#[unsafe(link_section = \".pleach\")]\nstatic NOTE: [u8; {}] = *br#\"{note}\"#;\n\
         #[unsafe(no_mangle)]\npub extern \"C\" fn uses_std() {{ println!() }}\n",
        note.len()
    );
    fs::write(folder.path().join("lib.rs"), source).unwrap();
    let compiled = Command::new(rustc())
        .args(["--edition=2024", "--crate-type=cdylib", "-Cprefer-dynamic"])
        .args(["-o", "libdgmlp.so", "lib.rs"])
        .current_dir(folder.path())
        .output()
        .unwrap();
    assert!(compiled.status.success(), "{}", both(&compiled));

    let plugin = file(&folder.path().join("libdgmlp.so"));
    let said = refused(&plugin);
    assert!(
        said.contains("needs libraries that not every host has\n  found     libstd-"),
        "{said}"
    );
    assert!(
        said.contains("help: build the plugin without `-C prefer-dynamic`"),
        "{said}"
    );
    assert!(!is_mapped(&plugin.path));
}

#[test]
fn trap_13_a_plugin_that_needs_a_library_of_its_authors_is_refused() {
    let other = patched(&plugin("dgmlp"), "libgcc_s.so.1", "libhdf5.so.9x");
    let (_folder, plugin) = scratch("libdgmlp.so", &other);
    let said = refused(&plugin);
    assert!(said.contains("found     libhdf5.so.9x"), "{said}");
    let place = Place::new("").with_plugin("dgmlp", &other);
    let listed = place
        .pleach(&["plugins", "list", "--plugins", "plugins"])
        .output()
        .unwrap();
    let listed = both(&listed);
    assert!(
        listed.contains("error: needs libraries that not every host has"),
        "{listed}"
    );
}

#[test]
fn trap_35_a_library_stays_when_everything_of_it_was_dropped() {
    let (_folder, plugin) = scratch("libmixhop.so", &bytes("mixhop"));
    let mixhop = open(&plugin).unwrap();
    let layer = mixhop.layer("mixhop", &Params::new()).unwrap();
    drop(mixhop);
    let error = layer
        .forward(
            &Tensors::new(),
            &Batch::new().with("x", random::uniform(&[2, 2], 0)),
            &Alone::eval(),
        )
        .err()
        .unwrap();
    drop(layer);
    // Its text was written in memory of the library's own making.
    assert!(
        error.to_string().starts_with("`mixhop/mixhop`: "),
        "{error}"
    );
    assert!(is_mapped(&plugin.path));
}

/// Whether this process has the file in its memory.
fn is_mapped(path: &Path) -> bool {
    let maps = fs::read_to_string("/proc/self/maps").unwrap();
    maps.contains(path.canonicalize().unwrap().to_str().unwrap())
}
