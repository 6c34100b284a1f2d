//! `pleach describe`: a component as a page of documentation.

use clap::Args;
use console::{Term, style};
use pleach::experiment::{Parameter, parameters};
use plugin_api_data::{Card, Json, PluginCard};
use serde_json::json;

use super::components::catalog;
use super::{Failure, Search, print, print_json};

/// Longer lines are hard to read.
const WIDTH: usize = 100;

#[derive(Args)]
#[command(after_help = "Examples:
  pleach describe baselines/backprop
  pleach describe baselines/gcn --json | jq .schema")]
pub(super) struct Describe {
    /// The component, as PLUGIN/COMPONENT
    component: String,
    #[command(flatten)]
    search: Search,
    /// Print as JSON
    #[arg(long)]
    json: bool,
}

impl Describe {
    pub(super) fn run(self) -> Result<(), Failure> {
        let catalog = catalog(&self.search)?;
        let card = catalog.component(&self.component)?;
        let parameters = parameters(card);
        if self.json {
            return print_json(
                &json!({ "component": self.component, "role": card.role, "doc": card.doc, "parameters": parameters, "schema": card.schema }),
            );
        }
        let (plugin, _) = self.component.split_once('/').unwrap_or_default();
        print(&page(
            &self.component,
            card,
            &parameters,
            catalog.plugin(plugin)?,
        ));
        Ok(())
    }
}

fn page(component: &str, card: &Card, parameters: &[Parameter], plugin: &PluginCard) -> String {
    let mut lines = vec![
        format!("{} ({})", style(component).bold(), card.role),
        String::new(),
        wrapped(&card.doc, ""),
        String::new(),
        wrapped(&format!("A {}: {}", card.role, is(&card.role)), ""),
    ];
    if !parameters.is_empty() {
        lines.extend([String::new(), heading("parameters:")]);
    }
    for parameter in parameters {
        let default = match &parameter.default {
            Some(default) => format!("; default {}", toml_value(default)),
            None if parameter.required => "; required".into(),
            None => String::new(),
        };
        let name = style(&parameter.name).cyan();
        lines.push(format!("  {name}: {}{default}", parameter.kind));
        lines.push(wrapped(&parameter.doc, "      "));
    }
    // Not wrapped: it is copied.
    let example = format!("  {}", example(component, card, parameters));
    lines.extend([String::new(), heading("example:"), example, String::new()]);
    let mut from = format!("From {} {}", plugin.name, plugin.version);
    if !plugin.paper.is_empty() {
        from = format!("{from}, which follows {}", plugin.paper);
    }
    lines.push(wrapped(&format!("{from}."), ""));
    lines.join("\n")
}

fn heading(text: &str) -> String {
    style(text).bold().to_string()
}

/// Text as wide as the terminal; lines that are set in, as equations are, stay as they are.
fn wrapped(text: &str, indent: &str) -> String {
    let terminal = Term::stdout().size_checked();
    let width = terminal.map_or(WIDTH, |(_, columns)| WIDTH.min(columns.into()));
    let wrap = |line: &str| match line.starts_with("  ") {
        true => format!("{indent}{line}"),
        false => {
            let options = textwrap::Options::new(width)
                .initial_indent(indent)
                .subsequent_indent(indent)
                .break_words(false);
            textwrap::fill(line, options)
        }
    };
    let lines: Vec<String> = text.trim().lines().map(wrap).collect();
    lines.join("\n")
}

/// What components of a role are.
fn is(role: &str) -> &'static str {
    match role {
        "task" => "batches of a split, a loss and metrics; the `task` of an experiment.",
        "layer" => {
            "weights and inputs to outputs; among the `layers` of a space, in an architecture, inside another layer."
        }
        "initializer" => "what weights begin with; the `initializer` of layers that take one.",
        "space" => "decisions, and a point of them to an architecture; the `space` of a search.",
        "strategy" => "which points to try next, by what was seen; a `search`.",
        "scorer" => "what a network is worth; a stage `score`, and what strategies choose by.",
        "relaxation" => {
            "the mixture of a supernet's options, learned with its weights; a `search` over all of them at once."
        }
        "trainer" => "better weights; a stage `train`.",
        "objective" => "a term of the loss; among the `objectives` of a trainer.",
        "transform" => "gradients to updates; among the `transforms` of a trainer, in their order.",
        "schedule" => "a number that changes with the steps; in place of any real parameter.",
        "pruner" => "which weights matter; a stage `prune`.",
        "hypernet" => "weights of another network; a stage `generate`.",
        "kernel" => "how alike samples are; what kernel methods take.",
        "analysis" => "what is to be seen of networks that were made; a stage `analyse`.",
        // Of a later pleach.
        _ => "see the documentation of its plugin.",
    }
}

/// A line for an experiment that uses the component.
pub(super) fn example(component: &str, card: &Card, parameters: &[Parameter]) -> String {
    let key = match card.role.as_str() {
        "strategy" | "relaxation" => "search",
        "analysis" => "analyse",
        "trainer" => "train",
        "pruner" => "prune",
        "hypernet" => "generate",
        role => role,
    };
    let values = parameters
        .iter()
        .filter(|p| p.required || p.default.is_some())
        .map(|p| match p.default.as_ref().or(p.example.as_ref()) {
            Some(value) => format!(", {} = {}", p.name, toml_value(value)),
            None => format!(", {} = …", p.name),
        });
    format!(
        "{key} = {{ use = \"{component}\"{} }}",
        values.collect::<String>()
    )
}

/// A value as it is written in an experiment.
pub(super) fn toml_value(value: &Json) -> String {
    match value {
        Json::Object(members) => {
            let members: Vec<String> = members
                .iter()
                .map(|(name, value)| format!("{name} = {}", toml_value(value)))
                .collect();
            format!("{{ {} }}", members.join(", "))
        }
        Json::Array(items) => format!(
            "[{}]",
            items.iter().map(toml_value).collect::<Vec<_>>().join(", ")
        ),
        other => other.to_string(),
    }
}
