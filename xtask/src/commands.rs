//! What follows the set-up: build, demo, test, bench, soak.
//!
//! Always the dev profile: in a second one, torch-sys would be built a second time, which takes minutes.

use std::env;
use std::ffi::OsString;
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::libtorch::Flavour;
use crate::setup::setup;
use crate::shell::{read, run};
use crate::workspace::{self, cargo, root};

/// The workspace, then the third-party plugins.
pub fn build() -> Result<()> {
    setup(Flavour::Cpu)?;
    run(&mut cargo(["build", "--workspace"]))?;
    in_third_party("build")
}

/// `examples/demo.toml`, from nothing to its report, and to a network that PyTorch can load.
pub fn demo() -> Result<()> {
    build()?;
    let said = read(program("pleach")?.args(["run", "examples/demo.toml", "--runs", "runs"]))?;
    let made = said.lines().find_map(|line| line.strip_prefix("run: "));
    let made = made.context("`pleach run` has named no run")?;
    let mut export = program("pleach")?;
    export.args(["export", made, "--stage", "tuned", "--to", "pytorch"]);
    run(export.arg("--out").arg(format!("{made}/tuned.py")))
}

/// Every test; `args` are for `cargo test`, `harness` for the test programs.
pub fn test(args: &[OsString], harness: &[OsString]) -> Result<()> {
    setup(Flavour::Cpu)?;
    // Some tests start programs and load plugins that `cargo test` alone would not build.
    run(&mut cargo(["build", "--workspace", "--all-targets"]))?;
    in_third_party("build")?;
    // In its own folder, as above: an older minor version of the API.
    run(cargo(["build", "--examples"]).current_dir(root().join("tests/minors")))?;

    // Without --workspace, which would overrule a `-p`; the root has no package, so all are tested.
    let mut test = cargo(["test"]);
    test.args(args);
    if !harness.is_empty() {
        test.arg("--").args(harness);
    }
    let data = root().join("../shared/data").canonicalize();
    if let (Ok(data), None) = (data, env::var_os("PLEACH_DATA")) {
        test.env("PLEACH_DATA", data);
    }
    run(&mut test)?;
    // A third party's tests are run as it runs them; what is asked of one package is not asked of these.
    match args.is_empty() && harness.is_empty() {
        true => in_third_party("test"),
        false => Ok(()),
    }
}

/// One bench, with its arguments.
pub fn bench(name: &str, args: &[OsString]) -> Result<()> {
    let known = workspace::benches()?;
    if !known.iter().any(|bench| bench == name) {
        bail!(
            "no bench is called `{name}`\n  expected  one of: {}",
            known.join(", ")
        );
    }
    build()?;
    run(program(name)?.args(args))
}

/// Ten thousand trials with faults among them.
pub fn soak() -> Result<()> {
    build()?;
    for example in ["faulty", "soak"] {
        run(&mut cargo(["build", "--workspace", "--example", example]))?;
    }
    run(&mut program("examples/soak")?)
}

/// The names that [`bench()`] takes.
pub fn list_benches() -> Result<()> {
    for bench in workspace::benches()? {
        println!("{bench}");
    }
    Ok(())
}

/// A program that [`build()`] has made; started at the root. `cargo run -p` would unify features anew, and build the
/// plugins a second time.
pub fn program(name: &str) -> Result<Command> {
    let program = workspace::target_directory()?.join("debug").join(name);
    // Relative where it can be: shorter to read, and runs the same from the root.
    let mut command = Command::new(program.strip_prefix(root()).unwrap_or(&program));
    command.current_dir(root());
    Ok(command)
}

fn in_third_party(verb: &str) -> Result<()> {
    // In the plugin's own folder: only there does cargo read its `.cargo/config.toml`.
    workspace::third_party()?
        .iter()
        .try_for_each(|folder| run(cargo([verb]).current_dir(folder)))
}
