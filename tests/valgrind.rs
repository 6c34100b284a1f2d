//! The boundary under valgrind: nothing is read or written where nothing is, nothing is used before it is set, nothing
//! is lost.

use std::io::{self, Write};
use std::process::Command;

use pleach_tests::{both, built, root};

/// What is reported and is not ours stands in `valgrind.supp`, each with its reason. What lives as long as the process,
/// as plugins and their callsites do, must stay reachable.
#[test]
fn a_walk_over_the_boundary_has_no_error_and_loses_nothing() {
    if Command::new("valgrind").arg("--version").output().is_err() {
        let ci = std::env::var("CI").is_ok_and(|ci| ci == "true");
        assert!(!ci, "valgrind is not installed: `apt-get install valgrind`");
        // Past the harness, which keeps to itself what a passing test prints by a macro.
        let why = b"skipped: valgrind is not installed\n";
        io::stderr().write_all(why).unwrap();
        return;
    }
    let suppressions = root().join("tests/valgrind.supp");
    let output = Command::new("valgrind")
        .args([
            "--error-exitcode=99",
            "--leak-check=full",
            "--num-callers=40",
        ])
        .args([
            "--show-leak-kinds=definite,indirect",
            "--errors-for-leak-kinds=definite",
        ])
        // For whoever has to add one.
        .arg("--gen-suppressions=all")
        .arg(format!("--suppressions={}", suppressions.display()))
        .arg(built().join("examples/boundary-walk"))
        .arg(built())
        // It does not know the widest instructions, which libtorch would choose by itself.
        .env("ATEN_CPU_CAPABILITY", "default")
        .output()
        .unwrap();
    let said = both(&output);
    assert!(output.status.success(), "{said}");
    assert!(said.starts_with("walked\n"), "{said}");
}
