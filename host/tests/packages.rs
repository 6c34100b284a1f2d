//! Plugins on their way: packed, fetched, installed, changed, replaced, removed.

#[path = "support/hashes.rs"]
mod hashes;
#[path = "support/home.rs"]
mod home;
#[path = "support/server.rs"]
mod server;
mod support;

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use expect_test::{Expect, expect};
use home::Home;
use object::Architecture;
use pleach::package::Package;
use pleach::plugins::sha256;
use plugin_api_data::Note;
use serde_json::{Value, json};
use server::{answer, serve};
use support::{library, note, plugin};

/// A home with the crate of the plugin `scale` in it, built in two versions.
fn with_crate() -> Home {
    let home = Home::new();
    let newer = Note {
        version: "0.2.0".into(),
        ..note("scale")
    };
    home.write("scale/libscale.so", plugin(&note("scale")));
    home.write("scale/newer.so", plugin(&newer));
    home.write("scale/README.md", "# scale\n");
    home.write("scale/LICENSE-MIT", "Do what you like.\n");
    home.write("scale/LICENCE.txt", "Or this.\n");
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
          claims.toml: N bytes
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
        paper: Nobody 2026
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
        paper: Nobody 2026
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
    ]);
    expect![[r#"
        0
        ./scale-0.1.0-TRIPLE.pleach: N bytes
          lib/TRIPLE/libscale.so: N bytes
          other.md: 6 bytes
          LICENSE-MIT: 18 bytes
          LICENCE.txt: 9 bytes
          claims.toml: N bytes
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
            paper: Nobody 2026
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
            paper: Nobody 2026
            licence: MIT
            installed: ~/data/pleach/plugins/libscale.so
            note: a plugin is native code; whenever it is used it may do all that you may do, and nothing confines it
        "#]],
    );
}
