//! `pleach components`.

use std::collections::BTreeSet;

use clap::Args;
use comfy_table::{Table, presets};
use pleach::cards::Catalog;
use pleach::worker::Program;
use plugin_api_data::{Card, Error, Json};
use serde_json::json;

use super::plugins::first_line;
use super::{Failure, Search, print, print_json};

#[derive(Args)]
#[command(after_help = "Examples:
  pleach components
  pleach components --role layer")]
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

pub(super) fn catalog(search: &Search) -> Result<Catalog, Failure> {
    Ok(Catalog::new(&search.list()?, Program::find().ok()))
}
