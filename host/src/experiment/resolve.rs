//! Reads an experiment and resolves it against the plugins' cards.

use std::ops::Range;

use plugin_api_data::{Json, Recipe};
use toml::de::DeTable;

use super::component::Checker;
use super::fields::{
    Errors, Node, Place, a, array, integer, json, number, refuse_unknown, string, table, unknown,
};
use super::{ARM, Diagnostic, Experiment, Origin, Refused, Source, Stage, Verb, arm_name};
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
const VERBS: [&str; 9] = [
    "search", "train", "prune", "cut", "generate", "score", "each", "arms", "analyse",
];
/// What an arm may do.
const ARM_VERBS: &[&str] = &["train", "prune", "cut", "generate", "score", "each"];
/// Keys that say what a stage starts from.
const SUBJECT: [&str; 3] = ["from", "arch", "weights"];

/// Keys that a verb brings with it.
pub(super) fn keys(verb: &str) -> &'static [&'static str] {
    match verb {
        "search" => &[
            "search", "space", "each", "budget", "ahead", "batch", "equal", "mix", "steps",
        ],
        "cut" => &["cut"],
        "score" => &["score"],
        "each" => &["each"],
        "arms" => &["arms"],
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
            seeds: None,
        };
        let experiment = reader.experiment(table.get_ref());
        match experiment {
            Some(experiment) if reader.errors.is_empty() => return Ok(experiment),
            _ => diagnostics = reader.errors,
        }
    }
    diagnostics.sort_by_key(|d| d.span.start);
    // One component may stand twice in a file that is named.
    diagnostics.dedup();
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
        seeds: None,
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
    /// The first seed, and how many there are; nothing where one of the two is wrong.
    pub(super) seeds: Option<(u64, u64)>,
}

impl Reader<'_> {
    /// `None` where something is missing; what is wrong stands in `errors`.
    fn experiment(&mut self, top: &DeTable) -> Option<Experiment> {
        refuse_unknown(top, "an experiment", &TOP, &mut self.errors);
        for (key, _) in VERBS.iter().filter_map(|verb| top.get_key_value(*verb)) {
            let mut errors = self.errors.iter_mut();
            if let Some(error) = errors.find(|error| error.span == key.span()) {
                error.help = Some("it belongs to a stage, below [[stage]]".into());
            }
        }
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
        let stages = self.listed(top.get("stage"));
        self.seeds = seed.zip(seeds);
        let stages: Vec<Option<Vec<Stage>>> = stages
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
            stages: stages.into_iter().collect::<Option<Vec<_>>>()?.concat(),
        })
    }

    /// The tables of the stages.
    fn listed<'n>(&mut self, stages: Option<&'n Node<'n>>) -> Option<&'n [Node<'n>]> {
        let list = stages.and_then(|node| node.get_ref().as_array());
        let error = match (stages, list) {
            (_, Some(list)) if !list.is_empty() => return Some(list),
            (Some(node), None) => Diagnostic::new(node.span(), "stages are a list"),
            _ => Diagnostic::new(0..0, "an experiment needs a stage"),
        };
        self.errors.push(error.help("begin each with [[stage]]"));
        None
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

    /// A stage, or the arms of one.
    fn stage(&mut self, node: &Node, number: usize) -> Option<Vec<Stage>> {
        let fields = table(node, "stage", &mut self.errors)?;
        let verb = self.verb(node, fields, &VERBS, "stage");
        let name = self.name(fields, verb.unwrap_or("stage"), number);
        // Known from here on, so that a later stage may refer to it even if this one is wrong.
        let earlier = self.stages.clone();
        match fields
            .get("arms")
            .and_then(|arms| arms.get_ref().as_table())
        {
            Some(arms) => {
                let arms = arms.keys().map(|arm| arm.get_ref());
                self.stages.extend(arms.map(|arm| arm_name(&name, arm)));
            }
            None => self.stages.push(name.clone()),
        }
        let verb = verb?;
        let known: Vec<&str> = match verb {
            "search" | "analyse" => [&["name"], keys(verb)].concat(),
            _ => [&["name"], &SUBJECT[..], keys(verb)].concat(),
        };
        self.refuse_keys(fields, verb, "stage", &known);
        let verb = match verb {
            "search" => self.any_search(node, fields),
            "analyse" => self.analysis(node, fields, &earlier),
            "arms" => return self.arms(node, fields, &name, &earlier),
            _ => {
                let (origin, steps) = (
                    self.origin(node, fields, &name, &earlier),
                    self.steps(node, fields, verb),
                );
                { origin.zip(steps) }.map(|(origin, steps)| Verb::Steps(origin, steps))
            }
        };
        Some(vec![Stage { name, verb: verb? }])
    }

    /// The arms of a stage; those without a subject of their own start from that of the stage.
    fn arms(
        &mut self,
        node: &Node,
        fields: &DeTable,
        name: &str,
        earlier: &[String],
    ) -> Option<Vec<Stage>> {
        let list = table(&fields["arms"], "arms", &mut self.errors)?;
        if list.is_empty() {
            let what = "a comparison needs an arm";
            let error = Diagnostic::new(fields["arms"].span(), what);
            let help = "write it as arms.NAME = { train = … }, with `from` or `arch` where it has a subject of its own";
            self.errors.push(error.help(help));
        }
        let wrong = list.keys().filter(|arm| !is_name(arm.get_ref()));
        self.errors
            .extend(wrong.map(|arm| misnamed(arm.span(), "an arm")));
        let tables: Vec<(&str, &Node, Option<&DeTable>)> = list
            .iter()
            .map(|(arm, node)| {
                let fields = table(node, arm.get_ref(), &mut self.errors);
                (arm.get_ref().as_ref(), node, fields)
            })
            .collect();
        let has_subject = |fields: &DeTable| SUBJECT.iter().any(|key| fields.contains_key(*key));
        let of_its_own = |arm: &(&str, &Node, Option<&DeTable>)| arm.2.is_none_or(has_subject);
        let shared = match has_subject(fields) || !tables.iter().all(of_its_own) {
            true => self.origin(node, fields, name, earlier),
            false => None,
        };
        let mut arms = vec![];
        for (arm, node, fields) in tables {
            let stage = fields.and_then(|fields| {
                let verb = self.verb(node, fields, ARM_VERBS, "arm")?;
                self.refuse_keys(fields, verb, "arm", &[&SUBJECT, keys(verb)].concat());
                let name = arm_name(name, arm);
                let origin = match has_subject(fields) {
                    true => self.origin(node, fields, &name, earlier),
                    false => shared.clone(),
                };
                let verb = Verb::Steps(origin?, self.steps(node, fields, verb)?);
                Some(Stage { name, verb })
            });
            arms.push(stage);
        }
        arms.into_iter().collect()
    }

    /// The one verb of a stage.
    pub(super) fn verb(
        &mut self,
        node: &Node,
        fields: &DeTable,
        verbs: &'static [&'static str],
        of: &str,
    ) -> Option<&'static str> {
        // A search brings its own `each` with it.
        let brought = |v: &str| v == "each" && fields.contains_key("search");
        let is_here = |v: &&str| fields.contains_key(*v) && !brought(v);
        let mut present = verbs.iter().copied().filter(is_here);
        let Some(verb) = present.next() else {
            let list = verbs
                .iter()
                .map(|v| format!("`{v}`"))
                .collect::<Vec<_>>()
                .join(", ");
            self.errors.push(Diagnostic::new(
                node.span(),
                format!("{} needs one of {list}", a(of)),
            ));
            return None;
        };
        let spare: Vec<&str> = present.collect();
        for second in &spare {
            let (key, _) = fields.get_key_value(*second).expect("it is present");
            self.errors.push(
                Diagnostic::new(
                    key.span(),
                    format!(
                        "{} does one thing; this one has `{verb}` and `{second}`",
                        a(of)
                    ),
                )
                .help(format!("make {} of each", a(of))),
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
        let is_taken = |s: &String| s == name || s.split_once(ARM).is_some_and(|(g, _)| g == name);
        if !is_name(name) {
            self.errors.push(misnamed(node.span(), "a stage"));
        } else if self.stages.iter().any(is_taken) {
            self.errors.push(Diagnostic::new(
                node.span(),
                format!("two stages are named `{name}`"),
            ));
        }
        name.into()
    }

    /// Refuses keys that mean nothing beside this verb.
    pub(super) fn refuse_keys(&mut self, fields: &DeTable, verb: &str, of: &str, known: &[&str]) {
        for key in fields
            .keys()
            .filter(|k| !known.contains(&k.get_ref().as_ref()))
        {
            let whose = format!("{} {of}", a(verb));
            let mut error = unknown(key.span(), key.get_ref(), &whose, known.iter().copied());
            if let Some(other) = VERBS
                .iter()
                .find(|v| keys(v).contains(&key.get_ref().as_ref()))
            {
                error.help = Some(format!("it belongs to {} stage", a(other)));
            }
            self.errors.push(error);
        }
    }

    /// An analysis of earlier stages, by default of the last; it hands on the first of them.
    fn analysis(&mut self, node: &Node, fields: &DeTable, earlier: &[String]) -> Option<Verb> {
        let analysis = self.component(&fields["analyse"], "analysis");
        let subjects: Vec<String> = match fields.get("subjects") {
            None => match earlier.last() {
                Some(last) => match last.split_once(ARM) {
                    Some((group, _)) => arms_of(group, earlier).collect(),
                    None => vec![last.clone()],
                },
                None => {
                    let what = "an analysis looks at what an earlier stage has made";
                    self.errors.push(Diagnostic::new(node.span(), what));
                    return None;
                }
            },
            Some(list) => {
                let list = array(list, "subjects", &mut self.errors)?;
                let named = list.iter().map(|node| {
                    let group = node.get_ref().as_str().unwrap_or_default();
                    let arms: Vec<String> = arms_of(group, earlier).collect();
                    match arms.is_empty() {
                        true => Some(vec![self.earlier(node, "subjects", earlier)?]),
                        false => Some(arms),
                    }
                });
                named.collect::<Option<Vec<_>>>()?.concat()
            }
        };
        let Some(first) = subjects.first() else {
            let what = "an analysis needs a subject";
            self.errors.push(Diagnostic::new(node.span(), what));
            return None;
        };
        let origin = Origin::Stage(first.clone());
        let analysis = analysis?;
        let step = Step::Analyse { analysis, subjects };
        Some(Verb::Steps(origin, vec![step]))
    }

    pub(super) fn component(&mut self, node: &Node, role: &str) -> Option<Recipe> {
        let mut unreadable = vec![];
        let value = json(node, &mut unreadable);
        let first = self.errors.len();
        let recipe = self.check(&value, node, role);
        // What cannot be read stands as another number in the value, of which there is nothing to be said.
        let found = self.errors.split_off(first);
        let is_read = |e: &Diagnostic| unreadable.iter().all(|other| other.span != e.span);
        self.errors.extend(found.into_iter().filter(is_read));
        let is_whole = unreadable.is_empty();
        self.errors.append(&mut unreadable);
        recipe.filter(|_| is_whole)
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

/// The arms of a group among these stages, by their full names.
pub(super) fn arms_of<'s>(group: &str, stages: &'s [String]) -> impl Iterator<Item = String> + 's {
    let group = group.to_owned();
    let arms = stages.iter();
    arms.filter(move |stage| stage.split_once(ARM).is_some_and(|(g, _)| g == group))
        .cloned()
}

/// Whether stages and arms may be called so.
fn is_name(name: &str) -> bool {
    let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    !name.is_empty() && name.chars().all(fits)
}

fn misnamed(span: Range<usize>, whose: &str) -> Diagnostic {
    Diagnostic::new(span, format!("{whose}'s name is made of a-z, 0-9 and `-`"))
}
