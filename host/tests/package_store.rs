//! The folder of installed plugins: what is in the way, what was lost, and what a killed installation leaves.

#[path = "support/hashes.rs"]
mod hashes;
#[path = "support/home.rs"]
mod home;
#[path = "support/packing.rs"]
mod packing;
mod support;

use std::fs::{self, File};
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Stdio;
use std::thread;
use std::time::Instant;

use expect_test::{Expect, expect};
use home::Home;
use packing::{card, packed, version};
use pleach::package::{self, Extras};
use pleach::plugins::{Folder, Origin, find};
use support::{note, plugin};

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

    symlink("elsewhere.so", path.join("libscale.so")).unwrap();
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
    let leave: [fn(&Path); 6] = [
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
        // The folder of the library was not made yet, or is already gone; that above it is there.
        |unpacked| {
            fs::create_dir(unpacked).unwrap();
            let package = packed(&version("scale", "0.2.0"));
            package.unpack(unpacked).unwrap();
            let folder = unpacked.join(package.manifest.library());
            fs::remove_dir_all(folder.parent().unwrap()).unwrap();
        },
        |unpacked| {
            fs::create_dir(unpacked).unwrap();
            packed(&version("scale", "0.2.0")).unpack(unpacked).unwrap();
        },
        |unpacked| {
            fs::create_dir(unpacked).unwrap();
            packed(&version("scale", "0.2.0")).unpack(unpacked).unwrap();
            let beside = unpacked.with_file_name("link");
            symlink(".installed/scale-0.2.0-1/x", beside).unwrap();
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
    let home = Home::new();
    // Large enough to be killed within.
    let ballast: Vec<u8> = (0..1_000_000_u32)
        .flat_map(|n| (n.wrapping_mul(2_654_435_761) >> 16).to_le_bytes())
        .collect();
    for name in ["0.1.0", "0.2.0"] {
        let note = version("scale", name);
        let library = [plugin(&note), ballast.clone()].concat();
        let package = package::pack(library, &card(&note), &Extras::default()).unwrap();
        home.write(&format!("{name}.pleach"), package.to_bytes().unwrap());
    }
    let plugins = home.path().join("data/pleach/plugins");
    let install = |version: &str| {
        let file = format!("{version}.pleach");
        let mut command = home.command(&["plugins", "install", &file]);
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
        let after = found(&plugins);
        if after == [usable("scale", other)] {
            before = other;
            happened += 1;
        } else {
            assert_eq!(after, [usable("scale", before)]);
        }
    }
    println!("killed {kills} times within {whole:?}; {happened} times it had happened");
    let said = home.says(&["plugins", "install", "0.2.0.pleach"]);
    assert!(said.starts_with("0\n"), "{said}");
    assert_eq!(found(&plugins), [usable("scale", "0.2.0")]);
    let packages = fs::read_dir(plugins.join(".installed")).unwrap();
    assert_eq!(packages.count(), 1);
}
