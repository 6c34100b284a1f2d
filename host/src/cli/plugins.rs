//! `pleach plugins`.

use clap::Subcommand;
use comfy_table::{Table, presets};
use pleach::cards::Catalog;
use pleach::plugins::Plugin;
use pleach::worker::Program;
use plugin_api_data::PluginCard;

use super::packages::{Install, Pack, Remove};
use super::{Failure, Search, check, plugin_page, print, print_json};

#[derive(Subcommand)]
pub(super) enum Command {
    /// List every plugin file that was found, and what is wrong with it
    #[command(after_help = "Examples:
  pleach plugins list
  pleach plugins list --plugins target/debug")]
    List {
        #[command(flatten)]
        search: Search,
        /// Print as JSON
        #[arg(long)]
        json: bool,
    },
    /// Hold a plugin to what hosts rely on
    Check(check::Check),
    /// Show one plugin in its own words
    #[command(after_help = "Examples:
  pleach plugins info baselines
  pleach plugins info baselines --markdown > baselines.md")]
    Info {
        /// Its name
        name: String,
        #[command(flatten)]
        search: Search,
        /// Print all that it says as a page of Markdown, for its documentation
        #[arg(long, conflicts_with = "json")]
        markdown: bool,
        /// Print as JSON
        #[arg(long)]
        json: bool,
    },
    /// Make a package of a plugin file, for others to install
    Pack(Pack),
    /// Install a package
    Install(Install),
    /// Remove an installed plugin
    Remove(Remove),
}

impl Command {
    pub(super) fn run(self) -> Result<(), Failure> {
        match self {
            Command::Check(check) => check.run(),
            Command::List { search, json: true } => print_json(&search.list()?),
            Command::List {
                search,
                json: false,
            } => {
                print(&list(&search.list()?));
                Ok(())
            }
            Command::Info {
                name,
                search,
                markdown,
                json,
            } => {
                let plugins = search.list()?;
                let catalog = Catalog::new(&plugins, Program::find().ok());
                let card = catalog.plugin(&name)?;
                if json {
                    return print_json(card);
                }
                if markdown {
                    print(&plugin_page::page(card)?);
                    return Ok(());
                }
                let path = catalog
                    .file(&name)
                    .map(|f| f.path.display().to_string())
                    .unwrap_or_default();
                print(&info(card, &path));
                Ok(())
            }
            Command::Pack(command) => command.run(),
            Command::Install(command) => command.run(),
            Command::Remove(command) => command.run(),
        }
    }
}

/// One line a file, with what is wrong below it.
pub(super) fn list(plugins: &[Plugin]) -> String {
    if plugins.is_empty() {
        return "no plugins were found".into();
    }
    let lines = plugins.iter().map(|plugin| {
        let name = plugin
            .note
            .as_ref()
            .map_or("?".into(), |note| format!("{} {}", note.name, note.version));
        let mut line = format!("{name}  {}", plugin.path.display());
        if let Some(nearer) = &plugin.shadowed_by {
            line += &format!("\n  not used: {} is nearer", nearer.display());
        }
        if let Some(problem) = &plugin.problem {
            line += &format!("\n  error: {}", problem.to_string().replace('\n', "\n  "));
        }
        line
    });
    lines.collect::<Vec<_>>().join("\n")
}

fn info(card: &PluginCard, path: &str) -> String {
    let mut lines = vec![format!(
        "{} {}: {}",
        card.name, card.version, card.description
    )];
    let facts = [
        ("paper", card.paper.as_str()),
        ("licence", &card.licence),
        ("file", path),
    ];
    lines.extend(
        facts
            .iter()
            .filter(|(_, fact)| !fact.is_empty())
            .map(|(name, fact)| format!("{name}: {fact}")),
    );
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    for component in &card.components {
        table.add_row([
            &format!("{}/{}", card.name, component.name),
            &component.role,
            first_line(&component.doc),
        ]);
    }
    lines.push(table.trim_fmt());
    lines.join("\n")
}

/// The summary of a doc comment.
pub(super) fn first_line(doc: &str) -> &str {
    doc.trim().lines().next().unwrap_or_default()
}
