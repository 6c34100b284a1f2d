//! Traps of a build: how a plugin is compiled, and what it and the programs are linked with.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use object::read::elf::{Dyn, ElfFile64};
use object::{Endianness, elf};
use pleach_tests::{as_typed, both, built, root};
use serde_json::Value;
use tempfile::TempDir;

/// The compiler that cargo uses.
pub(crate) fn rustc() -> PathBuf {
    std::env::var_os("RUSTC").map_or("rustc".into(), PathBuf::from)
}

/// What a build in this folder makes: package, whether it was there already, files.
fn artifacts(folder: &Path, arguments: &[&str]) -> Vec<(String, bool, BTreeSet<PathBuf>)> {
    let mut cargo = Command::new(env!("CARGO"));
    cargo
        .args(["build", "--offline", "--message-format=json"])
        .args(arguments)
        .current_dir(folder);
    let output = as_typed(&mut cargo).output().unwrap();
    assert!(output.status.success(), "{}", both(&output));
    let messages = String::from_utf8(output.stdout).unwrap();
    let messages = messages
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap());
    messages
        .filter(|m| m["reason"] == "compiler-artifact" && m["target"]["kind"][0] != "custom-build")
        .map(|m| {
            let files = m["filenames"].as_array().unwrap().iter();
            (
                m["target"]["name"].as_str().unwrap().into(),
                m["fresh"].as_bool().unwrap(),
                files
                    .map(|f| fs::canonicalize(f.as_str().unwrap()).unwrap())
                    .collect(),
            )
        })
        .collect()
}

/// Checks a plugin with a panic strategy, as cargo would.
fn plugin_with(panic: &str) -> Output {
    let made = artifacts(root(), &["--workspace"]);
    let (.., api) = made.iter().find(|(name, ..)| name == "plugin_api").unwrap();
    let rlib = api
        .iter()
        .find(|f| f.extension().is_some_and(|e| e == "rlib"))
        .unwrap();
    let folder = TempDir::new().unwrap();
    fs::write(folder.path().join("lib.rs"), "plugin_api::plugin!();").unwrap();
    Command::new(rustc())
        .args([
            "--edition=2024",
            "--crate-type=cdylib",
            "--crate-name=scratch",
        ])
        .args(["--emit=metadata", "lib.rs"])
        .arg(format!("-Cpanic={panic}"))
        .arg(format!("--extern=plugin_api={}", rlib.display()))
        .arg(format!("-Ldependency={}", built().join("deps").display()))
        .envs([
            ("CARGO_PKG_NAME", "scratch"),
            ("CARGO_PKG_VERSION", "0.1.0"),
        ])
        .envs([("CARGO_PKG_DESCRIPTION", ""), ("CARGO_PKG_LICENSE", "")])
        .current_dir(folder.path())
        .output()
        .unwrap()
}

#[test]
fn trap_14_a_plugin_whose_panics_abort_does_not_compile() {
    let unwinds = plugin_with("unwind");
    assert!(unwinds.status.success(), "{}", both(&unwinds));
    let aborts = plugin_with("abort");
    assert!(!aborts.status.success());
    let said = both(&aborts);
    let wanted = "error: a plugin is built with panic = \"unwind\": a panic that aborts takes the whole worker with it";
    assert!(said.contains(wanted), "{said}");
}

#[test]
fn trap_32_programs_find_libtorch_by_themselves_and_plugins_look_for_nothing() {
    let doctor = Command::new(built().join("pleach-worker"))
        .arg("doctor")
        .env_clear()
        .current_dir("/")
        .output()
        .unwrap();
    assert!(doctor.status.success(), "{}", both(&doctor));
    for name in ["baselines", "dgmlp", "gradsign", "mixhop"] {
        let bytes = fs::read(built().join(format!("lib{name}.so"))).unwrap();
        assert_eq!(search_path(&bytes), None, "{name}");
    }
}

/// Where a file tells the loader to look.
fn search_path(bytes: &[u8]) -> Option<String> {
    let file = ElfFile64::<Endianness>::parse(bytes).unwrap();
    let (endian, sections) = (file.endian(), file.elf_section_table());
    let (entries, strings) = sections.dynamic(endian, bytes).unwrap().unwrap();
    let strings = sections.strings(endian, bytes, strings).unwrap();
    let path = entries
        .iter()
        .find(|e| [elf::DT_RPATH, elf::DT_RUNPATH].contains(&e.tag(endian)))?;
    Some(String::from_utf8_lossy(path.string(endian, strings).unwrap()).into_owned())
}

/// Its C++ takes minutes, and a plugin must have the very same tch as its host.
#[test]
fn trap_33_a_third_partys_plugin_uses_the_torch_sys_that_is_there() {
    let torch_sys = |folder: &Path, arguments: &[&str]| {
        let built = artifacts(folder, arguments).into_iter();
        let all: Vec<_> = built.filter(|(name, ..)| name == "torch_sys").collect();
        assert_eq!(all.len(), 1, "{all:?}");
        assert!(all[0].1, "it was built again");
        all[0].2.clone()
    };
    let ours = torch_sys(root(), &["--workspace"]);
    assert_eq!(torch_sys(&root().join("examples/mixhop"), &[]), ours);
}
