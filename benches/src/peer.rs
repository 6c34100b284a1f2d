//! Peers in Python: a script of `benches/peers` that answers each line with one.

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, ensure};

use crate::root;

/// A script at work.
pub struct Peer {
    script: String,
    child: Child,
    to: ChildStdin,
    from: BufReader<ChildStdout>,
}

impl Peer {
    /// Starts a script that needs these packages, and torch of our version.
    ///
    /// # Errors
    /// Where Python or a package is missing and cannot be installed.
    pub fn start(script: &str, packages: &[&str]) -> Result<Self> {
        let torch = format!("torch=={}", plugin_api::LIBTORCH);
        let packages: Vec<&str> = [torch.as_str()]
            .into_iter()
            .chain(packages.iter().copied())
            .collect();
        let mut child = Command::new(python(&packages)?)
            .arg(root().join("benches/peers").join(script))
            .env("OMP_NUM_THREADS", "1")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        Ok(Peer {
            script: script.into(),
            to: child.stdin.take().context("piped")?,
            from: BufReader::new(child.stdout.take().context("piped")?),
            child,
        })
    }

    /// How long the script says that what was asked took it.
    ///
    /// # Errors
    /// Where it answers with anything but seconds.
    pub fn time(&mut self, asked: &str) -> Result<Duration> {
        writeln!(self.to, "{asked}")?;
        let mut answer = String::new();
        self.from.read_line(&mut answer)?;
        let seconds = answer.trim().parse();
        let seconds = seconds.with_context(|| format!("{}: {asked}: {answer}", self.script))?;
        Ok(Duration::from_secs_f64(seconds))
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A Python that has these packages: the user's own, else one of the benches'.
fn python(packages: &[&str]) -> Result<PathBuf> {
    let home = root().join(".venv-bench");
    let ours = home.join("bin/python");
    for python in [Path::new("python3"), &ours] {
        if has(python, packages) {
            return Ok(python.into());
        }
    }
    eprintln!("installing {} in .venv-bench", packages.join(", "));
    ran(Command::new("python3").args(["-m", "venv"]).arg(&home))?;
    ran(Command::new(&ours)
        .args(["-m", "pip", "install", "--disable-pip-version-check"])
        .args(packages))?;
    Ok(ours)
}

fn has(python: &Path, packages: &[&str]) -> bool {
    const ASK: &str = "import sys, importlib.metadata as m
for p in sys.argv[1:]:
    assert m.version(p.split('==')[0]) == p.split('==')[1]";
    let mut ask = Command::new(python);
    ask.args(["-c", ASK]).args(packages).stderr(Stdio::null());
    ask.status().is_ok_and(|status| status.success())
}

fn ran(command: &mut Command) -> Result<()> {
    ensure!(command.status()?.success(), "{command:?} failed");
    Ok(())
}
