//! Commands, printed as a person would type them before they run.

use std::ffi::OsStr;
use std::fmt;
use std::io::{BufRead, BufReader};
use std::os::unix::process::ExitStatusExt;
use std::process::{Command, ExitCode, ExitStatus, Stdio};

use anyhow::{Context, Result};

use crate::workspace;

/// A command that was run and did not succeed.
#[derive(Debug)]
pub struct Failed(ExitStatus);

impl Failed {
    /// The command's own exit code, or a shell's 128 + n for one that signal n ended.
    pub fn code(&self) -> ExitCode {
        let code = self.0.code().or(self.0.signal().map(|signal| 128 + signal));
        code.and_then(|code| u8::try_from(code).ok())
            .map_or(ExitCode::FAILURE, ExitCode::from)
    }
}

impl fmt::Display for Failed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl std::error::Error for Failed {}

/// Prints the command and runs it; an exit code other than 0 is [`Failed`].
pub fn run(command: &mut Command) -> Result<()> {
    eprintln!("$ {}", line(command));
    let status = command
        .status()
        .with_context(|| format!("starting {}", command.get_program().display()))?;
    if status.success() {
        Ok(())
    } else {
        Err(Failed(status).into())
    }
}

/// The same, for a command whose standard output is wanted as well as shown.
pub fn read(command: &mut Command) -> Result<String> {
    eprintln!("$ {}", line(command));
    let name = command.get_program().display().to_string();
    let child = command.stdout(Stdio::piped()).spawn();
    let mut child = child.with_context(|| format!("starting {name}"))?;
    let mut text = String::new();
    for line in BufReader::new(child.stdout.take().context("it is a pipe")?).lines() {
        let line = line.with_context(|| format!("reading what {name} prints"))?;
        println!("{line}");
        text += &format!("{line}\n");
    }
    let status = child.wait()?;
    match status.success() {
        true => Ok(text),
        false => Err(Failed(status).into()),
    }
}

/// The line that does the same in a shell at the workspace's root.
pub fn line(command: &Command) -> String {
    let vars = command
        .get_envs()
        .filter_map(|(name, value)| Some(format!("{}={}", name.display(), word(value?))));
    let words = [command.get_program()]
        .into_iter()
        .chain(command.get_args())
        .map(word);
    let line = vars.chain(words).collect::<Vec<_>>().join(" ");
    match command
        .get_current_dir()
        .and_then(|dir| dir.strip_prefix(workspace::root()).ok())
    {
        Some(dir) if dir != "" => format!("(cd {} && {line})", word(dir.as_os_str())),
        _ => line,
    }
}

fn word(word: &OsStr) -> String {
    let text = word.to_string_lossy();
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_=+:,./@%".contains(c);
    if !text.is_empty() && text.chars().all(plain) {
        text.into()
    } else {
        format!("'{}'", text.replace('\'', r"'\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_can_be_typed() {
        let check = |command: &Command, expected: &str| assert_eq!(line(command), expected);
        check(
            Command::new("cargo").args(["test", "--", "two words", "it's", ""]),
            r"cargo test -- 'two words' 'it'\''s' ''",
        );
        check(
            Command::new("cargo")
                .env("A", "b c")
                .env_remove("D")
                .current_dir(workspace::root()),
            "A='b c' cargo",
        );
        check(
            Command::new("cargo").current_dir(workspace::root().join("examples/x")),
            "(cd examples/x && cargo)",
        );
    }

    #[test]
    fn failures_keep_their_code() {
        let check = |script: &str, code: u8| {
            let error = run(Command::new("sh").args(["-c", script])).unwrap_err();
            assert_eq!(
                error.downcast_ref::<Failed>().unwrap().code(),
                ExitCode::from(code),
                "{script}"
            );
        };
        check("exit 101", 101);
        check("kill -9 $$", 137);
        run(&mut Command::new("true")).unwrap();
    }
}
