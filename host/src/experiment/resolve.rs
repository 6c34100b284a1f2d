//! Reads an experiment and resolves it against the plugins' cards.

use std::ops::Range;

use plugin_api_data::{Json, Named, Recipe};
use toml::de::DeTable;

use super::component::Checker;
use super::fields::{
    Errors, Node, Place, a, array, integer, json, number, refuse_unknown, string, table, unknown,
};
use super::{Diagnostic, Experiment, Mix, Origin, Refused, Relax, Search, Source, Stage, Verb};
use crate::cards::Catalog;
use crate::keep::Keep;
use crate::protocol::{Change, Step};

const TOP: [&str; 8] = [
    "task",
    "seed",
    "seeds",
    "threads",
    "limits",
    "checkpoint",
    "keep",
    "stage",
];
const VERBS: [&str; 5] = ["search", "train", "prune", "generate", "analyse"];
/// Those that stand in `each`.
const STEPS: &[&str] = &["train", "prune", "generate"];
/// Keys of a stage that has a subject.
const SUBJECT: [&str; 3] = ["name", "from", "arch"];

/// Keys that a verb brings with it.
fn keys(verb: &str) -> &'static [&'static str] {
    match verb {
        "search" => &[
            "search", "space", "each", "budget", "ahead", "batch", "mix", "steps",
        ],
        "analyse" => &["analyse", "subjects"],
        "prune" => &["prune", "sparsity", "scope"],
        "generate" => &["generate", "target"],
        _ => &["train"],
    }
}

/// Reads an experiment.
///
/// # Errors
/// All that is wrong with it, at once.
pub fn read(source: &Source, catalog: &Catalog) -> Result<Experiment, Refused> {
    let (table, syntax) = DeTable::parse_recoverable(&source.text);
    let of_syntax =
        |e: toml::de::Error| Diagnostic::new(e.span().unwrap_or(0..0), e.message().to_owned());
    let mut diagnostics: Errors = syntax.into_iter().map(of_syntax).collect();
    // What is left of a broken text would only be misunderstood.
    if diagnostics.is_empty() {
        let mut reader = Reader {
            source,
            catalog,
            errors: vec![],
            stages: vec![],
        };
        let experiment = reader.experiment(table.get_ref());
        match experiment {
            Some(experiment) if reader.errors.is_empty() => return Ok(experiment),
            _ => diagnostics = reader.errors,
        }
    }
    diagnostics.sort_by_key(|d| d.span.start);
    Err(Refused {
        source: source.clone(),
        diagnostics,
    })
}

/// Reads a change of a running search: `add.NAME = STRATEGY`, `drop = [NAME, …]`.
///
/// # Errors
/// All that is wrong with it, at once.
pub fn read_change(source: &Source, catalog: &Catalog) -> Result<Change, Refused> {
    let refused = |diagnostics| Refused {
        source: source.clone(),
        diagnostics,
    };
    let table = DeTable::parse(&source.text).map_err(|e| {
        let span = e.span().unwrap_or(0..0);
        refused(vec![Diagnostic::new(span, e.message().to_owned())])
    })?;
    let mut reader = Reader {
        source,
        catalog,
        errors: vec![],
        stages: vec![],
    };
    let change = reader.change(table.get_ref());
    match change {
        Some(change) if reader.errors.is_empty() => Ok(change),
        _ => Err(refused(reader.errors)),
    }
}

pub(super) struct Reader<'a> {
    pub(super) source: &'a Source,
    pub(super) catalog: &'a Catalog,
    pub(super) errors: Errors,
    /// The names of the stages so far.
    stages: Vec<String>,
}

impl Reader<'_> {
    /// `None` where something is missing; what is wrong stands in `errors`.
    fn experiment(&mut self, top: &DeTable) -> Option<Experiment> {
        refuse_unknown(top, "an experiment", &TOP, &mut self.errors);
        let task = self
            .required(top, 0..0, "an experiment", "task")
            .and_then(|n| self.component(n, "task"));
        let mut whole = |key: &str, range, default| {
            top.get(key)
                .map_or(Some(default), |n| integer(n, key, range, &mut self.errors))
        };
        // The last seed is still a number that TOML and the journal can write.
        let (seed, seeds, threads) = (
            whole("seed", 0..=(1 << 62), 0),
            whole("seeds", 1..=10_000, 1),
            whole("threads", 1..=1024, 1),
        );
        let limits = self.limits(top.get("limits"));
        let checkpoint = top.get("checkpoint").map_or(Some(60.0), |n| {
            let expected = "a number of seconds, 0 or more";
            let fits = |x: f64| (0.0..1e9).contains(&x);
            number(n, "checkpoint", expected, fits, &mut self.errors)
        });
        let keep = top
            .get("keep")
            .map_or(Some(Keep::default()), |n| self.keep(n));
        let stages = self
            .required(top, 0..0, "an experiment", "stage")
            .and_then(|n| array(n, "stage", &mut self.errors));
        if stages.is_some_and(|stages| stages.is_empty()) {
            let what = "an experiment needs a stage";
            self.errors
                .push(Diagnostic::new(0..0, what).help("begin one with [[stage]]"));
        }
        let stages: Vec<Option<Stage>> = stages
            .unwrap_or_default()
            .iter()
            .enumerate()
            .map(|(i, node)| self.stage(node, i + 1))
            .collect();
        Some(Experiment {
            task: task?,
            seed: seed?,
            seeds: seeds?,
            threads: threads?.try_into().ok()?,
            limits: limits?,
            checkpoint: checkpoint?,
            keep: keep?,
            stages: stages.into_iter().collect::<Option<_>>()?,
        })
    }

    fn keep(&mut self, node: &Node) -> Option<Keep> {
        let keep = node.get_ref().as_str().and_then(Keep::of);
        if keep.is_none() {
            let names = Keep::NAMES.map(|(name, _)| format!("\"{name}\""));
            let [names @ .., last] = &names;
            let what = format!("`keep` must be {} or {last}", names.join(", "));
            self.errors.push(Diagnostic::new(node.span(), what));
        }
        keep
    }

    fn stage(&mut self, node: &Node, number: usize) -> Option<Stage> {
        let fields = table(node, "stage", &mut self.errors)?;
        let verb = self.verb(node, fields, &VERBS, "stage");
        let name = self.name(fields, verb.unwrap_or("stage"), number);
        // Known from here on, so that a later stage may refer to it even if this one is wrong.
        let earlier = self.stages.clone();
        self.stages.push(name.clone());
        let verb = verb?;
        let known: Vec<&str> = match verb {
            "search" | "analyse" => [&SUBJECT[..1], keys(verb)].concat(),
            _ => [&SUBJECT, keys(verb)].concat(),
        };
        self.refuse_keys(fields, verb, &known);
        let verb = match verb {
            "search" => self.any_search(node, fields),
            "analyse" => self.analysis(node, fields, &earlier),
            _ => {
                let (origin, step) = (
                    self.origin(node, fields, &name, &earlier),
                    self.step(node, fields, verb),
                );
                origin
                    .zip(step)
                    .map(|(origin, step)| Verb::Step(origin, step))
            }
        };
        Some(Stage { name, verb: verb? })
    }

    /// The one verb of a stage.
    fn verb(
        &mut self,
        node: &Node,
        fields: &DeTable,
        verbs: &'static [&'static str],
        of: &str,
    ) -> Option<&'static str> {
        let mut present = verbs.iter().copied().filter(|v| fields.contains_key(*v));
        let Some(verb) = present.next() else {
            let list = verbs
                .iter()
                .map(|v| format!("`{v}`"))
                .collect::<Vec<_>>()
                .join(", ");
            self.errors.push(Diagnostic::new(
                node.span(),
                format!("a {of} needs one of {list}"),
            ));
            return None;
        };
        let spare: Vec<&str> = present.collect();
        for second in &spare {
            let (key, _) = fields.get_key_value(*second).expect("it is present");
            self.errors.push(
                Diagnostic::new(
                    key.span(),
                    format!("a {of} does one thing; this one has `{verb}` and `{second}`"),
                )
                .help(format!("make a {of} of each")),
            );
        }
        spare.is_empty().then_some(verb)
    }

    fn name(&mut self, fields: &DeTable, verb: &str, number: usize) -> String {
        let default = || format!("{verb}-{number}");
        let Some(node) = fields.get("name") else {
            if self.stages.contains(&default()) {
                let (key, _) = fields.get_key_value(verb).expect("the stage has its verb");
                let what = format!(
                    "without a name this stage is `{}`, as another is",
                    default()
                );
                self.errors
                    .push(Diagnostic::new(key.span(), what).help("give it a `name`"));
            }
            return default();
        };
        let Some(name) = string(node, "name", &mut self.errors) else {
            return default();
        };
        if name.is_empty()
            || !name
                .chars()
                .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-')
        {
            self.errors.push(Diagnostic::new(
                node.span(),
                "a stage's name is made of a-z, 0-9 and `-`",
            ));
        } else if self.stages.iter().any(|s| s == name) {
            self.errors.push(Diagnostic::new(
                node.span(),
                format!("two stages are named `{name}`"),
            ));
        }
        name.into()
    }

    /// Refuses keys that mean nothing beside this verb.
    fn refuse_keys(&mut self, fields: &DeTable, verb: &str, known: &[&str]) {
        for key in fields
            .keys()
            .filter(|k| !known.contains(&k.get_ref().as_ref()))
        {
            let of = format!("{} stage", a(verb));
            let mut error = unknown(key.span(), key.get_ref(), &of, known.iter().copied());
            if let Some(other) = VERBS
                .iter()
                .find(|v| keys(v).contains(&key.get_ref().as_ref()))
            {
                error.help = Some(format!("it belongs to {} stage", a(other)));
            }
            self.errors.push(error);
        }
    }

    /// A search by whichever of the two roles that search.
    fn any_search(&mut self, node: &Node, fields: &DeTable) -> Option<Verb> {
        let named = json(&fields["search"], &mut vec![]);
        let relaxes = serde_json::from_value::<Recipe>(named)
            .ok()
            .and_then(|recipe| self.catalog.component(&recipe.component).ok())
            .is_some_and(|card| card.role == "relaxation");
        let (spare, of): (&[&str], _) = match relaxes {
            true => (
                &["each", "budget", "ahead", "batch", "mix"],
                "a relaxation takes `steps`",
            ),
            false => (&["steps"], "a strategy takes a `budget` of trials"),
        };
        for (key, _) in fields
            .iter()
            .filter(|(k, _)| spare.contains(&k.get_ref().as_ref()))
        {
            let what = format!("`{}` means nothing here: {of}", key.get_ref());
            self.errors.push(Diagnostic::new(key.span(), what));
        }
        match relaxes {
            true => self.relax(node, fields).map(Verb::Relax),
            false => self.search(node, fields).map(Verb::Search),
        }
    }

    fn space(&mut self, node: &Node, fields: &DeTable) -> Option<Recipe> {
        self.required(fields, node.span(), "a search", "space")
            .and_then(|n| self.component(n, "space"))
    }

    fn relax(&mut self, node: &Node, fields: &DeTable) -> Option<Relax> {
        let relaxation = self.component(&fields["search"], "relaxation");
        let space = self.space(node, fields);
        let steps = self
            .required(fields, node.span(), "a search by relaxation", "steps")
            .and_then(|n| integer(n, "steps", 1..=1_000_000_000, &mut self.errors));
        Some(Relax {
            relaxation: relaxation?,
            space: space?,
            steps: steps?,
        })
    }

    /// An analysis of earlier stages, by default of the last; it hands on the first of them.
    fn analysis(&mut self, node: &Node, fields: &DeTable, earlier: &[String]) -> Option<Verb> {
        let analysis = self.component(&fields["analyse"], "analysis");
        let subjects = match fields.get("subjects") {
            None => match earlier.last() {
                Some(last) => vec![last.clone()],
                None => {
                    let what = "an analysis looks at what an earlier stage has made";
                    self.errors.push(Diagnostic::new(node.span(), what));
                    return None;
                }
            },
            Some(list) => {
                let list = array(list, "subjects", &mut self.errors)?;
                let named = list.iter().map(|n| self.earlier(n, "subjects", earlier));
                named.collect::<Option<_>>()?
            }
        };
        let Some(first) = subjects.first() else {
            let what = "an analysis needs a subject";
            self.errors.push(Diagnostic::new(node.span(), what));
            return None;
        };
        let origin = Origin::Stage(first.clone());
        let analysis = analysis?;
        Some(Verb::Step(origin, Step::Analyse { analysis, subjects }))
    }

    fn search(&mut self, node: &Node, fields: &DeTable) -> Option<Search> {
        let strategy = self.component(&fields["search"], "strategy");
        let space = self.space(node, fields);
        let each = fields.get("each").map_or(Some(vec![]), |n| self.each(n));
        let budget = self
            .required(fields, node.span(), "a search", "budget")
            .and_then(|n| integer(n, "budget", 1..=1_000_000, &mut self.errors));
        let ahead = fields.get("ahead").map_or(Some(1), |n| {
            integer(n, "ahead", 1..=1_000_000, &mut self.errors)
        });
        let batch = fields.get("batch").map_or(Some(1), |n| {
            integer(n, "batch", 1..=1_000_000, &mut self.errors)
        });
        let mix = fields.get("mix").map_or(Some(vec![]), |n| self.mix(n));
        Some(Search {
            strategy: strategy?,
            space: space?,
            each: each?,
            budget: budget?,
            ahead: ahead?,
            batch: batch?,
            mix: mix?,
        })
    }

    /// Who joins a search and leaves it, in the order of the trials.
    fn mix(&mut self, node: &Node) -> Option<Vec<Mix>> {
        let items = array(node, "mix", &mut self.errors)?;
        let mixes: Vec<Option<Mix>> = items
            .iter()
            .map(|item| {
                let fields = table(item, "an entry of mix", &mut self.errors)?;
                refuse_unknown(
                    fields,
                    "an entry of mix",
                    &["at", "add", "drop"],
                    &mut self.errors,
                );
                let at = self
                    .required(fields, item.span(), "an entry of mix", "at")
                    .and_then(|n| integer(n, "at", 0..=1_000_000, &mut self.errors));
                let change = self.change(fields);
                Some(Mix {
                    at: at?,
                    change: change?,
                })
            })
            .collect();
        let mut mixes: Vec<Mix> = mixes.into_iter().collect::<Option<_>>()?;
        mixes.sort_by_key(|mix| mix.at);
        Some(mixes)
    }

    fn change(&mut self, fields: &DeTable) -> Option<Change> {
        let mut add = Some(Named::new());
        if let Some(node) = fields.get("add") {
            for (name, strategy) in table(node, "add", &mut self.errors)? {
                let strategy = self.component(strategy, "strategy");
                add = add.zip(strategy).map(|(mut add, strategy)| {
                    add.put(name.get_ref().as_ref(), strategy);
                    add
                });
            }
        }
        let drop = fields.get("drop").map_or(Some(vec![]), |list| {
            let list = array(list, "drop", &mut self.errors)?;
            let names = list.iter().map(|n| string(n, "drop", &mut self.errors));
            names.map(|name| name.map(String::from)).collect()
        });
        Some(Change {
            add: add?,
            drop: drop?,
        })
    }

    fn each(&mut self, node: &Node) -> Option<Vec<Step>> {
        let items = array(node, "each", &mut self.errors)?;
        let steps: Vec<Option<Step>> = items
            .iter()
            .map(|item| {
                let fields = table(item, "a step of each", &mut self.errors)?;
                let verb = self.verb(item, fields, STEPS, "step")?;
                self.refuse_keys(fields, verb, keys(verb));
                self.step(item, fields, verb)
            })
            .collect();
        steps.into_iter().collect()
    }

    fn step(&mut self, node: &Node, fields: &DeTable, verb: &str) -> Option<Step> {
        match verb {
            "prune" => {
                let pruner = self.component(&fields["prune"], "pruner");
                let sparsity = self
                    .required(fields, node.span(), "a prune", "sparsity")
                    .and_then(|n| {
                        number(
                            n,
                            "sparsity",
                            "at least 0 and less than 1",
                            |x| (0.0..1.0).contains(&x),
                            &mut self.errors,
                        )
                    });
                let global = fields.get("scope").map_or(Some(true), |n| self.scope(n));
                Some(Step::Prune {
                    pruner: pruner?,
                    sparsity: sparsity?,
                    global: global?,
                })
            }
            "generate" => {
                let hypernet = self.component(&fields["generate"], "hypernet");
                let target = fields
                    .get("target")
                    .map_or(Some("model"), |n| string(n, "target", &mut self.errors));
                Some(Step::Generate {
                    hypernet: hypernet?,
                    target: target?.into(),
                })
            }
            _ => self.component(&fields["train"], "trainer").map(Step::Train),
        }
    }

    fn scope(&mut self, node: &Node) -> Option<bool> {
        match node.get_ref().as_str() {
            Some("global") => Some(true),
            Some("layer") => Some(false),
            _ => {
                self.errors.push(Diagnostic::new(
                    node.span(),
                    "`scope` must be \"global\" or \"layer\"",
                ));
                None
            }
        }
    }

    fn component(&mut self, node: &Node, role: &str) -> Option<Recipe> {
        let value = json(node, &mut self.errors);
        self.check(&value, node, role)
    }

    pub(super) fn check(&mut self, value: &Json, node: &Node, role: &str) -> Option<Recipe> {
        Checker {
            catalog: self.catalog,
            errors: &mut self.errors,
        }
        .component(value, &Place::of(node), role, false)
    }

    pub(super) fn required<'n>(
        &mut self,
        fields: &'n DeTable<'n>,
        span: Range<usize>,
        of: &str,
        key: &str,
    ) -> Option<&'n Node<'n>> {
        let value = fields.get(key);
        if value.is_none() {
            self.errors
                .push(Diagnostic::new(span, format!("{of} needs `{key}`")));
        }
        value
    }
}
