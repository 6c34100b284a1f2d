//! A plugin's own file under `pleach plugins check`.

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Holds the plugin of this crate to what hosts rely on: one line in a file of `tests/`.
///
/// ```ignore
/// plugin_api::testing::conformance!();
/// ```
///
/// It runs `pleach plugins check` on the file that cargo has built, always on the same inputs, and fails with the report.
/// `pleach` is the program that the variable `PLEACH` names, else the one in the same target folder, else the one on the
/// `PATH`.
#[macro_export]
macro_rules! conformance {
    () => {
        #[test]
        fn conformance() {
            $crate::testing::check_plugin(env!("CARGO_PKG_NAME"));
        }
    };
}
pub use conformance;

/// What [`conformance!`] does for the plugin of this name.
///
/// # Panics
/// Where a check fails, or there is no plugin or no `pleach`.
pub fn check_plugin(name: &str) {
    let test = env::current_exe().expect("a test has a path");
    // A test stands in `target/PROFILE/deps`, beside the library that cargo has built for it.
    let folders: Vec<&Path> = test.ancestors().skip(1).take(2).collect();
    let library = format!("lib{}.so", name.replace('-', "_"));
    let file = found(&folders, &library).unwrap_or_else(|| {
        panic!(
            "the plugin `{name}` is not built\n  expected  {library} in {}\n  help: add \"rlib\" to crate-type beside \"cdylib\", so that its tests build it, or run `cargo build` first",
            folders[0].display()
        )
    });
    let pleach = pleach(&folders).unwrap_or_else(|| {
        panic!(
            "the program `pleach` was not found, which checks plugins\n  expected  a path in the variable PLEACH, a file in {}, or one on the PATH\n  help: build it (`cargo xtask build` in pleach's own folder), and name it: PLEACH=…/target/debug/pleach cargo test",
            folders[1].display()
        )
    });
    let output = Command::new(&pleach)
        .args(["plugins", "check", "--only-failed", "--reproduce", "0"])
        .arg(&file)
        .output()
        .unwrap_or_else(|e| panic!("{} cannot be started: {e}", pleach.display()));
    assert!(
        output.status.success(),
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
}

fn pleach(folders: &[&Path]) -> Option<PathBuf> {
    if let Some(named) = env::var_os("PLEACH") {
        return Some(named.into());
    }
    let path = env::var_os("PATH").unwrap_or_default();
    let on_path: Vec<PathBuf> = env::split_paths(&path).collect();
    let on_path: Vec<&Path> = on_path.iter().map(PathBuf::as_path).collect();
    found(folders, "pleach").or_else(|| found(&on_path, "pleach"))
}

fn found(folders: &[&Path], name: &str) -> Option<PathBuf> {
    folders
        .iter()
        .map(|folder| folder.join(name))
        .find(|path| path.is_file())
}
