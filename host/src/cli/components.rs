//! `pleach components` and `pleach describe`.

use std::collections::BTreeSet;

use clap::Args;
use comfy_table::{Table, presets};
use pleach::cards::Catalog;
use pleach::experiment::{Parameter, parameters};
use pleach::worker::Program;
use plugin_api_data::{Card, Error, Json};
use serde_json::json;

use super::plugins::first_line;
use super::{Failure, Search, print, print_json};

#[derive(Args)]
pub(super) struct List {
    /// Only components of this role
    #[arg(long)]
    role: Option<String>,
    #[command(flatten)]
    search: Search,
    /// Print as JSON
    #[arg(long)]
    json: bool,
}

#[derive(Args)]
pub(super) struct Describe {
    /// The component, as PLUGIN/COMPONENT
    component: String,
    #[command(flatten)]
    search: Search,
    /// Print as JSON
    #[arg(long)]
    json: bool,
}

impl List {
    pub(super) fn run(self) -> Result<(), Failure> {
        let catalog = catalog(&self.search)?;
        // A plugin that cannot be asked would otherwise only be missing from the list.
        for name in catalog.names() {
            if let Err(error) = catalog.plugin(name) {
                eprintln!("warning: {error}");
            }
        }
        if let Some(role) = &self.role {
            let roles: BTreeSet<&str> = catalog
                .components()
                .map(|(_, card)| card.role.as_str())
                .collect();
            if !roles.contains(role.as_str()) {
                let there: Vec<&str> = roles.into_iter().collect();
                let error = Error::new(format!("no component is a `{role}`"));
                return Err(Failure::Usage(error.expected(there.join(", "))));
            }
        }
        let wanted = |card: &Card| self.role.as_ref().is_none_or(|role| *role == card.role);
        let rows = catalog
            .components()
            .filter(|(_, card)| wanted(card))
            .map(|(plugin, card)| (format!("{}/{}", plugin.name, card.name), card));
        if self.json {
            let rows: Vec<Json> = rows
                .map(
                    |(name, card)| json!({ "component": name, "role": card.role, "doc": card.doc }),
                )
                .collect();
            return print_json(&rows);
        }
        let mut table = Table::new();
        table.load_style(presets::NOTHING);
        for (name, card) in rows {
            table.add_row([&name, &card.role, first_line(&card.doc)]);
        }
        print(&table.trim_fmt());
        Ok(())
    }
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
        print(&text(&self.component, card, &parameters));
        Ok(())
    }
}

fn catalog(search: &Search) -> Result<Catalog, Failure> {
    Ok(Catalog::new(&search.list()?, Program::find().ok()))
}

fn text(component: &str, card: &Card, parameters: &[Parameter]) -> String {
    let mut lines = vec![
        format!("{component} ({})", card.role),
        String::new(),
        card.doc.trim().into(),
    ];
    if !parameters.is_empty() {
        lines.extend([String::new(), "parameters:".into()]);
    }
    for parameter in parameters {
        let default = match &parameter.default {
            Some(default) => format!("; default {}", toml_value(default)),
            None if parameter.required => "; required".into(),
            None => String::new(),
        };
        lines.push(format!("  {}: {}{default}", parameter.name, parameter.kind));
        lines.extend(
            parameter
                .doc
                .trim()
                .lines()
                .map(|line| format!("      {line}").trim_end().to_owned()),
        );
    }
    lines.extend([
        String::new(),
        "example:".into(),
        format!("  {}", example(component, card, parameters)),
    ]);
    lines.join("\n")
}

/// A line for an experiment that uses the component.
fn example(component: &str, card: &Card, parameters: &[Parameter]) -> String {
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
fn toml_value(value: &Json) -> String {
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
