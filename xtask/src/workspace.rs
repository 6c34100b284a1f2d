//! What lies where in the workspace.

use std::env;
use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::LazyLock;

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use crate::shell;

/// The workspace's root; every command runs there, wherever `cargo xtask` was typed.
pub fn root() -> &'static Path {
    // Cargo's word at run time first: it does not compile xtask anew in a workspace that was moved or
    // copied together with its target folder.
    static XTASK: LazyLock<PathBuf> = LazyLock::new(|| {
        env::var_os("CARGO_MANIFEST_DIR").map_or(env!("CARGO_MANIFEST_DIR").into(), PathBuf::from)
    });
    XTASK.parent().expect("xtask is a folder of the workspace")
}

/// `cargo ARGS` at the root.
pub fn cargo<A: AsRef<OsStr>>(args: impl IntoIterator<Item = A>) -> Command {
    let mut cargo = Command::new("cargo");
    cargo.args(args).current_dir(root());
    cargo
}

/// Where cargo puts the programs: only cargo knows all the variables and files that decide it.
pub fn target_directory() -> Result<PathBuf> {
    let mut cargo = cargo(["metadata", "--no-deps", "--format-version=1"]);
    let output = cargo.output().context("starting cargo")?;
    ensure!(
        output.status.success(),
        "`{}` failed\n{}",
        shell::line(&cargo),
        String::from_utf8_lossy(&output.stderr)
    );
    let metadata: Value =
        serde_json::from_slice(&output.stdout).context("reading what `cargo metadata` printed")?;
    let target = metadata["target_directory"]
        .as_str()
        .context("`cargo metadata` named no target_directory")?;
    Ok(target.into())
}

/// The plugins of third parties: packages in `examples`, outside the workspace.
pub fn third_party() -> Result<Vec<PathBuf>> {
    Ok(entries(&root().join("examples"))?
        .into_iter()
        .filter(|folder| folder.join("Cargo.toml").exists())
        .collect())
}

/// The programs of `benches/src/bin`, by name.
pub fn benches() -> Result<Vec<String>> {
    let bins = entries(&root().join("benches/src/bin"))?;
    let name = |path: &PathBuf| Some(path.file_stem()?.to_string_lossy().into_owned());
    let is_program =
        |path: &&PathBuf| path.join("main.rs").exists() || path.extension() == Some("rs".as_ref());
    Ok(bins.iter().filter(is_program).filter_map(name).collect())
}

fn entries(folder: &Path) -> Result<Vec<PathBuf>> {
    let reading = || format!("reading the folder {}", folder.display());
    let entries = fs::read_dir(folder).with_context(reading)?;
    let mut paths = entries
        .map(|entry| Ok(entry?.path()))
        .collect::<Result<Vec<_>>>()
        .with_context(reading)?;
    paths.sort();
    Ok(paths)
}
