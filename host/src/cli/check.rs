//! `pleach plugins check`.

use std::hash::{BuildHasher, RandomState};
use std::path::{Path, PathBuf};

use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use pleach::error::Context;
use pleach::experiment::STANDARD;
use pleach::plugins::{self, Plugin};
use pleach::protocol::{self, Checked, Checking, Limits, Verdict};
use pleach::run::cores;
use pleach::worker::Program;
use plugin_api_data::Error;
use serde_json::json;

use super::{Failure, Search, print, print_json, progress};

/// What a check may take: far more than small inputs need, far less than the inputs that only claim to be large.
const MEMORY: u64 = 2 << 30;

#[derive(Args)]
#[command(after_help = "Examples:
  pleach plugins check target/debug/libscale.so
  pleach plugins check target/debug/libscale.so --include gradients --only-failed
  pleach plugins check target/debug/libscale.so --reproduce 81712")]
pub(super) struct Check {
    /// The plugin's file
    file: PathBuf,
    #[command(flatten)]
    search: Search,
    /// Only checks whose name, PLUGIN/COMPONENT/CHECK, holds this text or matches this pattern
    #[arg(long, value_name = "PATTERN")]
    include: Option<String>,
    /// Show only what failed
    #[arg(long)]
    only_failed: bool,
    /// Repeat the inputs of an earlier check, by the seed that it printed
    #[arg(long, value_name = "SEED")]
    reproduce: Option<u64>,
    /// How many components are checked at once [default: as many as there are cores]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    jobs: Option<u16>,
    /// Give a component up that takes longer than this for one input
    #[arg(long, value_name = "SECONDS", default_value_t = 30.0)]
    seconds: f64,
    /// Print as JSON
    #[arg(long)]
    json: bool,
}

impl Check {
    pub(super) fn run(self) -> Result<(), Failure> {
        let plugin = plugins::at(&self.file).ok_or_else(|| {
            Failure::Usage(
                Error::new(format!("there is no file `{}`", self.file.display()))
                    .expected("a plugin, e.g. target/debug/libscale.so"),
            )
        })?;
        // Not too long to be typed.
        let any = || RandomState::new().hash_one(()) >> 32;
        let logs = tempfile::tempdir()
            .context(|| "cannot make a folder for what the plugin prints".into())?;
        let question = protocol::Check {
            beside: beside(&plugin, &self.search)?,
            plugin: plugin.file(),
            seed: self.reproduce.unwrap_or_else(any),
            include: self.include,
            limits: Limits {
                seconds: self.seconds,
                memory: MEMORY,
            },
            jobs: self.jobs.map_or_else(cores, usize::from),
            logs: logs.path().into(),
        };
        let checked = ask(&question)?;
        if checked.is_empty() {
            let include = question.include.unwrap_or_default();
            return Err(Failure::Usage(
                Error::new(format!("no check matches `{include}`"))
                    .expected("a part of PLUGIN/COMPONENT/CHECK, or a pattern of it with `*`"),
            ));
        }

        let wrong = checked.iter().any(|c| c.verdict.finding().is_some());
        let shown: Vec<&Checked> = checked
            .iter()
            .filter(|c| !self.only_failed || c.verdict.finding().is_some())
            .collect();
        if self.json {
            print_json(
                &json!({ "file": plugin.path, "sha256": plugin.sha256, "seed": question.seed, "checks": shown }),
            )?;
        } else {
            print(&list(&self.file, &shown));
            print(&sum(&checked, question.seed));
        }
        if wrong {
            return Err(Failure::Reported);
        }
        Ok(())
    }
}

/// The plugins that are loaded beside the one that is checked: whose components stand in for others, and begin weights.
fn beside(plugin: &Plugin, search: &Search) -> Result<Vec<protocol::PluginFile>, Error> {
    if plugin.name() == Some(STANDARD) {
        return Ok(vec![]);
    }
    let found = search.find()?;
    let other = found
        .iter()
        .find(|p| p.name() == Some(STANDARD) && p.problem.is_none() && p.shadowed_by.is_none())
        .ok_or_else(|| {
            Error::new(format!("the plugin `{STANDARD}` was not found"))
                .expected("its initializers, which begin weights")
                .help("name its folder with --plugins")
        })?;
    Ok(vec![other.file()])
}

/// Has a worker make the checks, and shows on a terminal how far it is.
fn ask(question: &protocol::Check) -> Result<Vec<Checked>, Error> {
    let style = ProgressStyle::with_template("{bar:30} {pos}/{len} {elapsed} {wide_msg}")
        .expect("the template is constant");
    let bar = match progress::moves() {
        true => ProgressBar::new(0).with_style(style),
        false => ProgressBar::hidden(),
    };
    let mut checked = vec![];
    Program::find()?.converse(&["check"], question, |answer| match answer {
        Checking::Planned(n) => bar.set_length(n),
        Checking::Checked(one) => {
            bar.inc(1);
            bar.set_message(name(&one));
            checked.push(*one);
        }
    })?;
    bar.finish_and_clear();
    Ok(checked)
}

fn name(checked: &Checked) -> String {
    match &checked.component {
        Some(component) => format!("{component}/{}", checked.check),
        None => checked.check.clone(),
    }
}

/// A line for each check, below its component.
fn list(file: &Path, checked: &[&Checked]) -> String {
    let mut lines = vec![];
    let mut heading = String::new();
    for one in checked {
        let component = match &one.component {
            Some(component) => component.clone(),
            None => file.display().to_string(),
        };
        if component != heading {
            lines.push(component.clone());
            heading = component;
        }
        lines.push(format!("  {:14} {}", one.check, verdict(one)));
    }
    lines.join("\n")
}

fn verdict(checked: &Checked) -> String {
    let word = word(&checked.verdict);
    let text = match &checked.verdict {
        Verdict::Ok => word.into(),
        Verdict::Skipped { reason } | Verdict::Exempt { reason } => format!("{word}: {reason}"),
        Verdict::Failed(finding) | Verdict::Crashed(finding) | Verdict::TimedOut(finding) => {
            let input = finding
                .input
                .as_ref()
                .map(|input| format!("\ninput: {input}"));
            let (rule, input) = (&checked.about, input.unwrap_or_default());
            format!("{word}\nrule:  {rule}{input}\nerror: {}", finding.error)
        }
    };
    text.replace('\n', "\n      ")
}

fn word(verdict: &Verdict) -> &'static str {
    match verdict {
        Verdict::Ok => "ok",
        Verdict::Skipped { .. } => "skipped",
        Verdict::Exempt { .. } => "exempt",
        Verdict::Failed(_) => "failed",
        Verdict::Crashed(_) => "crashed",
        Verdict::TimedOut(_) => "timed out",
    }
}

/// How many checks ended how, and how to repeat them.
fn sum(checked: &[Checked], seed: u64) -> String {
    let counts = ["ok", "failed", "crashed", "timed out", "skipped", "exempt"]
        .iter()
        .filter_map(
            |kind| match checked.iter().filter(|c| word(&c.verdict) == *kind).count() {
                0 => None,
                n => Some(format!("{n} {kind}")),
            },
        );
    let n = checked.len();
    format!(
        "{n} check{}: {}\nseed {seed}: --reproduce {seed} repeats the inputs",
        if n == 1 { "" } else { "s" },
        counts.collect::<Vec<_>>().join(", ")
    )
}

#[cfg(test)]
mod tests {
    use expect_test::expect;
    use pleach::protocol::Finding;

    use super::*;

    #[test]
    fn reads_as_a_list() {
        let one = |component: Option<&str>, check: &str, verdict| Checked {
            component: component.map(Into::into),
            check: check.into(),
            about: "nothing changes".into(),
            verdict,
        };
        let finding = Finding {
            input: Some("features: x [5, 8]".into()),
            error: Error::new("`input x` was changed").help("copy it first"),
        };
        let reason = || "straight-through".to_owned();
        let checked = [
            one(None, "opens", Verdict::Ok),
            one(Some("a/sign"), "pure", Verdict::Failed(finding)),
            one(
                Some("a/sign"),
                "gradients",
                Verdict::Exempt { reason: reason() },
            ),
        ];
        let listed = list(Path::new("liba.so"), &checked.iter().collect::<Vec<_>>());
        expect![[r#"
            liba.so
              opens          ok
            a/sign
              pure           failed
                  rule:  nothing changes
                  input: features: x [5, 8]
                  error: `input x` was changed
                    help: copy it first
              gradients      exempt: straight-through
            3 checks: 1 ok, 1 failed, 1 exempt
            seed 7: --reproduce 7 repeats the inputs"#]]
        .assert_eq(&format!("{listed}\n{}", sum(&checked, 7)));
    }
}
