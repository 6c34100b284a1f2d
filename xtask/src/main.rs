//! `cargo xtask`: sets libtorch up, then runs what a person would type, and prints it.
//!
//! It never links libtorch, which it has to find first, so it builds in seconds.

mod book;
mod commands;
mod install;
mod libtorch;
mod setup;
mod shell;
mod workspace;

use std::ffi::OsString;
use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, Subcommand};

use libtorch::Flavour;

/// Sets libtorch up, builds pleach, and runs its demo, tests and benches.
#[derive(Parser)]
#[command(
    name = "cargo xtask",
    bin_name = "cargo xtask",
    arg_required_else_help = true
)]
struct Cli {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Finds libtorch, or installs one, and links `.libtorch/current` to it
    ///
    /// Looks at LIBTORCH, at what `.libtorch/current` names, at Python's torch, in this order, and then
    /// installs one under `.libtorch`. Remove `.libtorch/current` to choose anew.
    Setup {
        /// A libtorch with CUDA (4.7 GB, if it has to be installed)
        #[arg(long)]
        cuda: bool,
    },
    /// Builds the workspace and the third-party plugins of `examples`
    Build,
    /// Builds what `examples/demo.toml` needs, and runs it
    Demo,
    /// Builds and tests everything; formatting, lints and documentation are among the tests
    Test {
        /// For `cargo test`, as in `-p pleach journal`
        #[arg(allow_hyphen_values = true)]
        args: Vec<OsString>,
        /// For the test programs, as in `-- --nocapture`
        #[arg(last = true)]
        harness: Vec<OsString>,
    },
    /// Builds everything and runs a bench beside its peer; without a name, lists them
    Bench {
        /// A program of `benches/src/bin`
        name: Option<String>,
        /// For the bench
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        args: Vec<OsString>,
    },
    /// Builds everything and runs ten thousand trials with faults among them, which takes minutes
    ///
    /// Fails where a trial is not accounted for, memory grows, or a process or checkpoint is left.
    Soak,
    /// Makes the pages of components in `docs`, and the book of it where mdBook is installed
    Book,
}

impl Task {
    fn run(self) -> Result<()> {
        match self {
            Task::Setup { cuda: true } => setup::setup(Flavour::Cuda),
            Task::Setup { cuda: false } => setup::setup(Flavour::Cpu),
            Task::Build => commands::build(),
            Task::Demo => commands::demo(),
            Task::Test { args, harness } => commands::test(&args, &harness),
            Task::Bench {
                name: Some(name),
                args,
            } => commands::bench(&name, &args),
            Task::Bench { name: None, .. } => commands::list_benches(),
            Task::Soak => commands::soak(),
            Task::Book => book::book(),
        }
    }
}

fn main() -> ExitCode {
    let Err(error) = Cli::parse().task.run() else {
        return ExitCode::SUCCESS;
    };
    // A command that failed has said why itself.
    if let Some(failed) = error.downcast_ref::<shell::Failed>() {
        return failed.code();
    }
    eprintln!("error: {error:#}");
    ExitCode::FAILURE
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_reach_the_program_they_are_for() {
        let check = |line: &str, expected: &[&[&str]]| {
            let task = Cli::try_parse_from(line.split(' '))
                .unwrap_or_else(|error| panic!("{line}: {error}"))
                .task;
            let args: Vec<Vec<OsString>> = match task {
                Task::Test { args, harness } => vec![args, harness],
                Task::Bench { name, args } => {
                    vec![name.into_iter().map(OsString::from).collect(), args]
                }
                _ => panic!("{line}: another task"),
            };
            assert_eq!(args, expected, "{line}");
        };
        check("xtask test", &[&[], &[]]);
        check(
            "xtask test -p pleach journal",
            &[&["-p", "pleach", "journal"], &[]],
        );
        check("xtask test -- --nocapture", &[&[], &["--nocapture"]]);
        // A later `--` is one of the arguments, and cargo makes the same of it.
        check(
            "xtask test --lib -- --skip slow",
            &[&["--lib", "--", "--skip", "slow"], &[]],
        );
        check("xtask bench", &[&[], &[]]);
        check(
            "xtask bench gnn --rounds 3 -q",
            &[&["gnn"], &["--rounds", "3", "-q"]],
        );
    }
}
