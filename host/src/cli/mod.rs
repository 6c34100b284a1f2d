//! The command line: what can be typed, and how it ends.

mod check;
mod components;
mod describe;
mod doctor;
mod estimate;
mod evaluate;
mod export;
mod made;
mod mix;
mod new;
mod packages;
mod plugin_page;
mod plugins;
mod predict;
mod progress;
mod report;
mod reproduce;
mod runs;
mod schema;
mod stop;
mod study;
mod table;
mod trials;

use std::env;
use std::io::{self, IsTerminal, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, CommandFactory, Parser, Subcommand};
use clap_complete::Shell;
use pleach::experiment::Refused;
use plugin_api_data::Error;
use serde::Serialize;

const MORE: &str = "\
`pleach COMMAND --help` shows examples. Exit codes: 0, all went well; 1, something failed; 2, the experiment or the command \
line is wrong; 130, stopped by Ctrl-C.

Examples:
  pleach run first.toml
  pleach report runs/first-1
  pleach describe baselines/backprop";

/// Interlaces machine-learning methods of different papers.
#[derive(Parser)]
#[command(version, arg_required_else_help = true, after_help = MORE)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Run an experiment
    Run(study::Run),
    /// Go on with a run that was stopped or failed
    Resume(study::Resume),
    /// Stop a run in good order from another shell, as Ctrl-C does
    Stop(stop::Stop),
    /// List runs: whether they are complete, the best that they found, their size
    Runs(runs::Runs),
    /// Write the trials of a run's search as a table: CSV, Parquet or JSON
    Trials(trials::Trials),
    /// Show a run on one page: results, searches, learning curves, architectures, who contributed what
    Report(report::Command),
    /// Measure the networks of a run, on its own data or on other
    Evaluate(evaluate::Evaluate),
    /// Have a network of a run say what new samples are
    Predict(predict::Predict),
    /// Write the network of a run for other programs: weights, a PyTorch module, or ONNX
    Export(export::Export),
    /// Show what a paper says beside what is measured here: run what its plugin claims
    Reproduce(reproduce::Reproduce),
    /// Have strategies join a running search and leave it
    Mix(mix::Mix),
    /// Show, pack, install and remove plugins
    #[command(subcommand)]
    Plugins(plugins::Command),
    /// List the components of all plugins
    Components(components::List),
    /// Show what a component does and which parameters it takes
    Describe(describe::Describe),
    /// Print the JSON Schema of experiments, for editors
    Schema(schema::Schema),
    /// Make the crate of a new plugin
    New(new::New),
    /// Check that everything is in place
    Doctor(doctor::Doctor),
    /// Print what a shell needs to complete commands
    #[command(after_help = "Example:
  pleach completions bash > ~/.local/share/bash-completion/completions/pleach")]
    Completions {
        /// The shell
        shell: Shell,
    },
}

/// Where plugins are looked for.
#[derive(Args)]
struct Search {
    /// Look for plugins in this folder first; may be repeated
    #[arg(long = "plugins", value_name = "DIR")]
    folders: Vec<PathBuf>,
}

impl Search {
    /// The plugins, to be run.
    fn find(&self) -> Result<Vec<pleach::plugins::Plugin>, Error> {
        pleach::plugins::find(&pleach::plugins::folders(&self.folders))
    }

    /// The plugins, to be shown.
    fn list(&self) -> Result<Vec<pleach::plugins::Plugin>, Error> {
        pleach::plugins::list(&pleach::plugins::folders(&self.folders))
    }
}

/// Why a command did not succeed.
enum Failure {
    /// What was asked for makes no sense.
    Usage(Error),
    /// The experiment makes no sense.
    Experiment(Refused),
    /// Something failed.
    Failed(Error),
    /// The user stopped it; this is how to go on.
    Interrupted(String),
    /// What is wrong has been printed already.
    Reported,
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Failure::Failed(error)
    }
}

/// Parses the arguments and does what they say.
pub fn main() -> ExitCode {
    let done = match Cli::parse().command {
        Command::Run(command) => command.run(),
        Command::Resume(command) => command.run(),
        Command::Stop(command) => command.run(),
        Command::Runs(command) => command.run(),
        Command::Trials(command) => command.run(),
        Command::Report(command) => command.run(),
        Command::Evaluate(command) => command.run(),
        Command::Predict(command) => command.run(),
        Command::Export(command) => command.run(),
        Command::Reproduce(command) => command.run(),
        Command::Mix(command) => command.run(),
        Command::Plugins(command) => command.run(),
        Command::Components(command) => command.run(),
        Command::Describe(command) => command.run(),
        Command::Schema(command) => command.run(),
        Command::New(command) => command.run(),
        Command::Doctor(command) => command.run(),
        Command::Completions { shell } => {
            clap_complete::generate(shell, &mut Cli::command(), "pleach", &mut io::stdout());
            Ok(())
        }
    };
    let code = match done {
        Ok(()) => 0,
        Err(Failure::Usage(error)) => say(&error, 2),
        Err(Failure::Experiment(refused)) => {
            eprintln!("{}", refused.render(colour()));
            2
        }
        Err(Failure::Failed(error)) => say(&error, 1),
        Err(Failure::Interrupted(how_to_go_on)) => {
            eprintln!("{how_to_go_on}");
            130
        }
        Err(Failure::Reported) => 1,
    };
    ExitCode::from(code)
}

fn say(error: &Error, code: u8) -> u8 {
    eprintln!(
        "{} {error}",
        if colour() {
            "\x1b[1;91merror:\x1b[0m"
        } else {
            "error:"
        }
    );
    code
}

/// Whether standard error shall be in colour.
fn colour() -> bool {
    io::stderr().is_terminal() && env::var_os("NO_COLOR").is_none_or(|v| v.is_empty())
}

/// Prints to standard output; whoever closes it early, as `head` does, has seen enough.
fn print(text: &str) {
    let _ = writeln!(io::stdout(), "{text}");
}

fn print_json(value: &impl Serialize) -> Result<(), Failure> {
    let text = serde_json::to_string_pretty(value).map_err(|e| {
        Error::new("cannot write the answer as JSON").caused_by(Error::new(e.to_string()))
    })?;
    print(&text);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_command_shows_examples() {
        let mut without = vec![];
        let mut commands = vec![Cli::command()];
        while let Some(command) = commands.pop() {
            commands.extend(command.get_subcommands().cloned());
            let help = command.get_after_help().or(command.get_after_long_help());
            let examples = help.is_some_and(|help| help.to_string().contains("Example"));
            // What only gathers others has nothing to show.
            let gathers = command.has_subcommands() && command.get_arguments().next().is_none();
            if !examples && !gathers {
                without.push(command.get_name().to_owned());
            }
        }
        assert_eq!(without, Vec::<String>::new());
    }
}
