//! What is in the plugins: their cards, asked once from a worker and kept by the hash of the file.

use std::cell::OnceCell;
use std::path::PathBuf;
use std::time::Duration;

use plugin_api_data::{Card, Error, PluginCard};

use crate::cache;
use crate::error::nearest;
use crate::lock::{Lock, Locked};
use crate::plugins::Plugin;
use crate::protocol::PluginFile;
use crate::worker::Program;

/// A plugin that has not said what it offers by then never will.
const LIMIT: Duration = Duration::from_secs(30);

/// The cards of all plugins that were found. A plugin is asked when its card is first wanted.
#[derive(Debug, Default)]
pub struct Catalog {
    entries: Vec<Entry>,
    /// What is wrong with each file that does not even tell its name.
    nameless: Vec<(PathBuf, Error)>,
    program: Option<Program>,
}

#[derive(Debug)]
struct Entry {
    name: String,
    /// `None` for a card that was given as data.
    file: Option<PluginFile>,
    card: OnceCell<Result<PluginCard, Error>>,
}

impl Catalog {
    /// The cards of these plugins, asked from this program where they are not known yet.
    pub fn new(plugins: &[Plugin], program: Option<Program>) -> Self {
        let entries = plugins
            .iter()
            .filter(|p| p.shadowed_by.is_none())
            .filter_map(|plugin| {
                let card = OnceCell::new();
                if let Some(problem) = problem(plugin) {
                    card.set(Err(problem)).expect("it is new");
                }
                Some(Entry {
                    name: plugin.name()?.into(),
                    file: Some(plugin.file()),
                    card,
                })
            });
        let nameless = plugins
            .iter()
            .filter(|p| p.note.is_none())
            .filter_map(|p| Some((p.path.clone(), problem(p)?)));
        Catalog {
            entries: entries.collect(),
            nameless: nameless.collect(),
            program,
        }
    }

    /// The cards of the plugins of a run, whatever has become of their files: those that the cache does not hold are asked
    /// from this program.
    pub fn locked(lock: &Lock, program: Option<Program>) -> Self {
        let entry = |locked: &Locked| Entry {
            name: locked.name.clone(),
            file: Some(PluginFile {
                path: locked.path.clone(),
                sha256: locked.sha256.clone(),
            }),
            card: OnceCell::new(),
        };
        Catalog {
            entries: lock.plugin.iter().map(entry).collect(),
            nameless: vec![],
            program,
        }
    }

    /// A catalogue of cards given as data.
    pub fn of(cards: impl IntoIterator<Item = PluginCard>) -> Self {
        let entry = |card: PluginCard| Entry {
            name: card.name.clone(),
            file: None,
            card: OnceCell::from(Ok(card)),
        };
        Catalog {
            entries: cards.into_iter().map(entry).collect(),
            nameless: vec![],
            program: None,
        }
    }

    /// The card of a plugin.
    ///
    /// # Errors
    /// Where there is no such plugin, or it cannot be used.
    pub fn plugin(&self, name: &str) -> Result<&PluginCard, Error> {
        let Some(entry) = self.entries.iter().find(|e| e.name == name) else {
            if let Some(error) = self.nameless(name) {
                return Err(error);
            }
            let error = Error::new(format!("no plugin is named `{name}`"));
            return Err(match nearest(name, self.names()) {
                Some(near) => error.help(format!("did you mean `{near}`?")),
                None => error.help("`pleach plugins list` shows the plugins that were found"),
            });
        };
        entry
            .card
            .get_or_init(|| self.ask(entry))
            .as_ref()
            .map_err(|e| unusable(name, e))
    }

    /// What is wrong with the file that ought to be this plugin: cargo names a plugin's file after it.
    fn nameless(&self, name: &str) -> Option<Error> {
        let file = format!("lib{}.so", name.replace('-', "_"));
        let (_, problem) = self
            .nameless
            .iter()
            .find(|(path, _)| path.ends_with(&file))?;
        Some(unusable(name, problem))
    }

    /// The card of `plugin/component`.
    ///
    /// # Errors
    /// Where there is no such component, or its plugin cannot be used.
    pub fn component(&self, name: &str) -> Result<&Card, Error> {
        let missing = || {
            let error = Error::new(format!("no component is named `{name}`"));
            let all: Vec<String> = self
                .components()
                .map(|(plugin, card)| format!("{}/{}", plugin.name, card.name))
                .collect();
            let of_a_plugin =
                |full: &&str| full.split_once('/').is_some_and(|(_, own)| own == name);
            let all = all.iter().map(String::as_str);
            match all.clone().find(of_a_plugin).or(nearest(name, all)) {
                Some(near) => error.help(format!("did you mean `{near}`?")),
                None => error.help("`pleach components` shows all of them"),
            }
        };
        let (plugin, component) = name.split_once('/').ok_or_else(missing)?;
        if !self.names().any(|n| n == plugin) {
            return Err(self.nameless(plugin).unwrap_or_else(missing));
        }
        self.plugin(plugin)?
            .components
            .iter()
            .find(|c| c.name == component)
            .ok_or_else(missing)
    }

    /// The plugins' names.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.entries.iter().map(|e| e.name.as_str())
    }

    /// All components of the plugins that can be used.
    pub fn components(&self) -> impl Iterator<Item = (&PluginCard, &Card)> {
        self.names()
            .filter_map(|n| self.plugin(n).ok())
            .flat_map(|p| p.components.iter().map(move |c| (p, c)))
    }

    /// The file of a plugin.
    pub fn file(&self, name: &str) -> Option<&PluginFile> {
        self.entries.iter().find(|e| e.name == name)?.file.as_ref()
    }

    fn ask(&self, entry: &Entry) -> Result<PluginCard, Error> {
        let file = entry
            .file
            .as_ref()
            .expect("cards given as data are there from the start");
        let cached = format!("cards/{}.json", file.sha256);
        if let Some(card) = cache::recall(&cached) {
            return Ok(card);
        }
        let program = self
            .program
            .as_ref()
            .ok_or_else(|| Error::new("nobody can be asked what it offers: there is no worker"))?;
        let path = file
            .path
            .to_str()
            .ok_or_else(|| Error::new("its path is not UTF-8"))?;
        let card =
            program.query::<Result<PluginCard, Error>>(&["cards", path, &file.sha256], LIMIT)??;
        cache::keep(&cached, &card);
        Ok(card)
    }
}

/// What is wrong with a plugin's file, with its path: several folders may hold files of one name.
fn problem(plugin: &Plugin) -> Option<Error> {
    let problem = plugin.problem.clone()?;
    let what = format!("{}: {}", plugin.path.display(), problem.what);
    Some(Error { what, ..problem })
}

fn unusable(name: &str, why: &Error) -> Error {
    Error::new(format!("the plugin `{name}` cannot be used")).caused_by(why.clone())
}
