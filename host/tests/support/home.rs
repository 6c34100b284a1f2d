//! A home of its own for a test, in which the program runs with a worker that computes next to nothing.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use tempfile::TempDir;

use crate::hashes::without_hashes;

/// A scratch folder that is the user's home.
pub struct Home(TempDir);

impl Home {
    pub fn new() -> Self {
        Home(tempfile::tempdir().unwrap())
    }

    pub fn path(&self) -> &Path {
        self.0.path()
    }

    /// Puts a file somewhere into it.
    pub fn write(&self, name: &str, bytes: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, bytes).unwrap();
        path
    }

    /// The program, in this home and with nothing of the real one.
    pub fn command(&self, args: &[&str]) -> Command {
        let worker = env::current_exe()
            .unwrap()
            .parent()
            .unwrap()
            .with_file_name("examples")
            .join("fake-worker");
        assert!(
            worker.is_file(),
            "`cargo build --example fake-worker` makes the worker of these tests"
        );
        let mut command = Command::new(env!("CARGO_BIN_EXE_pleach"));
        command
            .args(args)
            .current_dir(self.path())
            .env("HOME", self.path())
            .env("XDG_DATA_HOME", self.path().join("data"))
            .env("PLEACH_CACHE", self.path().join("cache"))
            .env("PLEACH_WORKER", worker)
            .env_remove("PLEACH_PLUGINS")
            .stdin(Stdio::null());
        for proxy in ["http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"] {
            command.env_remove(proxy);
        }
        command
    }

    /// The code of a command and what it prints, with the home's own name, hashes and sizes left out.
    pub fn says(&self, args: &[&str]) -> String {
        let output = self.command(args).output().unwrap();
        let text = format!(
            "{}\n{}{}",
            output.status.code().unwrap(),
            String::from_utf8(output.stdout).unwrap(),
            String::from_utf8(output.stderr).unwrap()
        );
        self.plain(&text)
    }

    /// A text with what differs from machine to machine left out.
    pub fn plain(&self, text: &str) -> String {
        let real = self.path().canonicalize().unwrap();
        without_hashes(text)
            .replace(real.to_str().unwrap(), "~")
            .replace(pleach::plugins::TARGET, "TRIPLE")
    }
}
