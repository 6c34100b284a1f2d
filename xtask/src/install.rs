//! Installing libtorch with pip: whole, or not at all.

use std::collections::VecDeque;
use std::ffi::OsStr;
use std::fs;
use std::io::{self, BufRead, BufReader};
use std::os::fd::AsFd;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail, ensure};
use tempfile::TempDir;

use crate::libtorch::{Flavour, Libtorch, VERSION};
use crate::shell;

/// How the names of folders begin that nobody needs once the run that made them has ended.
pub const SCRATCH: &str = "partial-";

/// How much of what pip printed is repeated in an error.
const LAST_LINES: usize = 8;

/// A folder that goes when it is dropped, on the file system where libtorch is going to lie.
pub fn scratch(home: &Path) -> Result<TempDir> {
    let scratch = tempfile::Builder::new().prefix(SCRATCH).tempdir_in(home);
    scratch.with_context(|| format!("making a folder in {}", home.display()))
}

/// Installs into a scratch folder, checks what came, and only then gives it its name.
pub fn install(python: &OsStr, home: &Path, flavour: Flavour) -> Result<Libtorch> {
    check_pip(python)?;
    eprintln!(
        "libtorch {VERSION} is not here yet: installing it in {}",
        home.display()
    );
    let scratch = scratch(home)?;
    let site = scratch.path().join("site");
    // pip keeps its wheels in TMPDIR, which is often too small, and is not swept when pip is killed.
    let mut pip = Command::new(python);
    pip.env("TMPDIR", scratch.path());
    // Settings of the user's that go badly with --target.
    pip.envs([("PIP_USER", "0"), ("PIP_REQUIRE_VIRTUALENV", "0")]);
    pip.args("-m pip install --disable-pip-version-check --no-compile --target".split(' '));
    run_pip(pip.arg(&site).args(packages(flavour)))?;

    Libtorch::open(&site.join("torch")).context("what pip installed does not serve")?;
    let place = home.join(flavour.folder());
    let naming = || format!("moving what pip installed to {}", place.display());
    if place.exists() {
        // An incomplete one, or it would have been taken; it goes with the scratch folder.
        fs::rename(&place, scratch.path().join("broken")).with_context(naming)?;
    }
    fs::rename(&site, &place).with_context(naming)?;
    Libtorch::open(&place.join("torch"))
}

fn packages(flavour: Flavour) -> Vec<String> {
    let torch = format!("torch=={VERSION}");
    match flavour {
        Flavour::Cuda => vec![torch],
        // libtorch_cpu of the Linux wheel needs these two of CUDA's libraries; the others are 3.5 GB.
        Flavour::Cpu if cfg!(target_os = "linux") => {
            let cuda = ["nvidia-cuda-runtime==13.0.96", "nvidia-cuda-cupti==13.0.85"];
            let [runtime, cupti] = cuda.map(str::to_owned);
            vec!["--no-deps".into(), torch, runtime, cupti]
        }
        Flavour::Cpu => vec!["--no-deps".into(), torch],
    }
}

fn check_pip(python: &OsStr) -> Result<()> {
    let program = python.display();
    let (found, packages) = match Command::new(python)
        .args(["-m", "pip", "--version"])
        .output()
    {
        Ok(output) if output.status.success() => return Ok(()),
        Ok(_) => (format!("{program} without pip"), "python3-pip"),
        Err(error) => (format!("{program}: {error}"), "python3 python3-pip"),
    };
    bail!(
        "nothing to install libtorch {VERSION} with\n  found     {found}\n  \
         expected  `{program} -m pip`\n  help: `apt-get install {packages}`, or {}",
        by_hand()
    )
}

fn by_hand() -> String {
    format!("download libtorch {VERSION} by hand and export LIBTORCH with its path")
}

/// Runs pip in view of the user, and keeps the last of its complaints for the error.
fn run_pip(pip: &mut Command) -> Result<()> {
    eprintln!("$ {}", shell::line(pip));
    // Progress goes to our stderr: our stdout is the demo's.
    let progress = io::stderr().as_fd().try_clone_to_owned();
    pip.stdout(progress.context("sharing stderr with pip")?)
        .stderr(Stdio::piped());
    let mut child = pip.spawn().context("starting pip")?;
    let mut last = VecDeque::new();
    for line in BufReader::new(child.stderr.take().expect("it is piped")).split(b'\n') {
        let line = line.context("reading what pip prints")?;
        let line = String::from_utf8_lossy(&line).trim_end().to_owned();
        eprintln!("{line}");
        last.push_back(format!("\n            {line}"));
        if last.len() > LAST_LINES {
            last.pop_front();
        }
    }
    let status = child.wait().context("waiting for pip")?;
    let said = Vec::from(last).concat();
    ensure!(
        status.success(),
        "pip could not install libtorch {VERSION}; nothing was left behind\n  found     {status}{said}\n  \
         help: check the network and run `cargo xtask setup` again, or {}",
        by_hand()
    );
    Ok(())
}

#[cfg(test)]
pub mod tests {
    use std::ffi::OsString;
    use std::os::unix::fs::symlink;
    use std::path::PathBuf;

    use super::*;
    use crate::workspace;

    /// A `python3` that answers as told; see `tests/python3`.
    pub struct Python(TempDir);

    impl Python {
        pub fn new() -> Self {
            let folder = tempfile::tempdir().unwrap();
            // A link, as a script just written may still be open in a child of another test when it is run.
            symlink(
                workspace::root().join("xtask/tests/python3"),
                folder.path().join("python3"),
            )
            .unwrap();
            Python(folder)
        }

        pub fn folder(&self) -> &Path {
            self.0.path()
        }

        pub fn program(&self) -> OsString {
            self.0.path().join("python3").into()
        }

        /// It has this torch.
        pub fn has(&self, version: &str, torch: &Path) {
            fs::write(
                self.0.path().join("torch"),
                format!("{version}\n{}\n", torch.display()),
            )
            .unwrap();
        }

        /// What its `pip install` does.
        pub fn pip(&self, script: &str) {
            fs::write(self.0.path().join("pip"), script).unwrap();
        }

        fn install(&self) -> Result<Libtorch> {
            install(&self.program(), self.folder(), Flavour::Cpu)
        }

        fn entries(&self) -> Vec<PathBuf> {
            let mut names: Vec<_> = fs::read_dir(self.folder())
                .unwrap()
                .map(|entry| entry.unwrap().file_name().into())
                .collect();
            names.sort();
            names
        }
    }

    #[track_caller]
    fn check_failure(pip: &str, expected: &[&str]) {
        let python = Python::new();
        python.pip(pip);
        let error = format!("{:#}", python.install().unwrap_err());
        for part in expected {
            assert!(error.contains(part), "{part}: {error}");
        }
        assert_eq!(python.entries(), [Path::new("pip"), Path::new("python3")]);
    }

    #[test]
    fn failures_leave_nothing_behind() {
        let help = "help: check the network and run `cargo xtask setup` again, or download libtorch 2.11.0";
        check_failure(
            "torch 2.11.0; echo 'ERROR: no route' >&2; exit 3",
            &["exit status: 3\n", "ERROR: no route\n", help],
        );
        check_failure("touch $TMPDIR/wheel; kill -9 $$", &["signal: 9", help]);
        check_failure(
            "torch 2.10.0",
            &[
                "what pip installed does not serve",
                "found     version 2.10.0",
            ],
        );
        check_failure(
            "torch 2.11.0; rm -r $target/torch/include",
            &["found     no include"],
        );
        check_failure("exit 0", &["nothing there"]);
    }

    #[test]
    fn errors_repeat_only_the_end() {
        check_failure(
            "seq 100 >&2; exit 1",
            &[
                "exit status: 1\n            93\n",
                "\n            100\n  help",
            ],
        );
    }

    #[test]
    fn whole_installs_get_their_name() {
        let python = Python::new();
        python.pip("torch 2.11.0; touch $TMPDIR/wheel");
        let torch = python.install().unwrap();
        assert_eq!(
            torch.path(),
            python
                .folder()
                .canonicalize()
                .unwrap()
                .join("cpu-2.11.0/torch")
        );
        assert_eq!(
            python.entries(),
            [
                Path::new("cpu-2.11.0"),
                Path::new("pip"),
                Path::new("python3")
            ]
        );
    }

    #[test]
    fn says_which_package_is_missing() {
        let home = tempfile::tempdir().unwrap();
        let check = |python: &OsStr, expected: &str| {
            let error = install(python, home.path(), Flavour::Cpu)
                .unwrap_err()
                .to_string();
            assert!(error.contains(expected), "{error}");
        };
        check(
            "/nowhere/python3".as_ref(),
            "`apt-get install python3 python3-pip`, or download",
        );
        check("false".as_ref(), "found     false without pip");
    }
}
