//! Reads a search.

use std::ops::RangeInclusive;

use plugin_api_data::{Json, Named, Recipe};
use toml::de::{DeTable, DeValue};

use super::fields::{Node, array, integer, json, number, refuse_unknown, string, table};
use super::resolve::Reader;
use super::{Budget, Diagnostic, Equal, Mix, Relax, Search, Verb};
use crate::protocol::Change;

/// How many trials a search may have.
const TRIALS: RangeInclusive<u64> = 1..=1_000_000;

impl Reader<'_> {
    /// A search by whichever of the two roles that search.
    pub(super) fn any_search(&mut self, node: &Node, fields: &DeTable) -> Option<Verb> {
        let named = json(&fields["search"], &mut vec![]);
        let relaxes = serde_json::from_value::<Recipe>(named)
            .ok()
            .and_then(|recipe| self.catalog.component(&recipe.component).ok())
            .is_some_and(|card| card.role == "relaxation");
        let (spare, of): (&[&str], _) = match relaxes {
            true => (
                &["each", "budget", "ahead", "batch", "equal", "mix"],
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

    fn search(&mut self, node: &Node, fields: &DeTable) -> Option<Search> {
        let strategy = self.component(&fields["search"], "strategy");
        let space = self.space(node, fields);
        let each = fields.get("each").map_or(Some(vec![]), |n| self.each(n));
        let budget = self
            .required(fields, node.span(), "a search", "budget")
            .and_then(|n| self.budget(n));
        let ahead = fields.get("ahead").map_or(Some(1), |n| {
            integer(n, "ahead", 1..=1_000_000, &mut self.errors)
        });
        let batch = fields.get("batch").map_or(Some(1), |n| {
            integer(n, "batch", 1..=1_000_000, &mut self.errors)
        });
        let equal = fields.get("equal");
        let equal = equal.map_or(Some(Equal::default()), |n| self.equal(n));
        let trials = budget.as_ref().map(|budget| budget.trials);
        let mix = fields
            .get("mix")
            .map_or(Some(vec![]), |n| self.mix(n, trials));
        Some(Search {
            strategy: strategy?,
            space: space?,
            each: each?,
            budget: budget?,
            ahead: ahead?,
            batch: batch?,
            equal: equal?,
            mix: mix?,
        })
    }

    /// A number of trials, or a table of it and of what is counted beside them.
    fn budget(&mut self, node: &Node) -> Option<Budget> {
        let DeValue::Table(fields) = node.get_ref() else {
            let trials = integer(node, "budget", TRIALS, &mut self.errors)?;
            let costs = Named::new();
            return Some(Budget { trials, costs });
        };
        let trials = self
            .required(fields, node.span(), "a budget", "trials")
            .and_then(|n| integer(n, "trials", TRIALS, &mut self.errors));
        let costs = fields.iter().filter(|(key, _)| key.get_ref() != "trials");
        let costs: Vec<Option<(String, f64)>> = costs
            .map(|(key, node)| {
                let fits = |x: f64| x.is_finite() && x > 0.0;
                let most = number(node, key.get_ref(), "more than 0", fits, &mut self.errors)?;
                Some((key.get_ref().to_string(), most))
            })
            .collect();
        Some(Budget {
            trials: trials?,
            costs: costs.into_iter().collect::<Option<_>>()?,
        })
    }

    fn equal(&mut self, node: &Node) -> Option<Equal> {
        let wanted = string(node, "equal", &mut self.errors)?;
        let known = serde_json::from_value(Json::from(wanted)).ok();
        if known.is_none() {
            let what = "`equal` must be \"evaluate\", \"reuse\" or \"forbid\"";
            self.errors.push(Diagnostic::new(node.span(), what));
        }
        known
    }

    /// Who joins a search of so many trials and leaves it, in the order of the trials.
    fn mix(&mut self, node: &Node, trials: Option<u64>) -> Option<Vec<Mix>> {
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
                if let (Some(at), Some(trials), Some(node)) = (at, trials, fields.get("at"))
                    && at >= trials
                {
                    let what = format!("the search ends before trial {at}");
                    let error = Diagnostic::new(node.span(), what);
                    let help = format!("its budget is {trials} trials, which are counted from 0");
                    self.errors.push(error.help(help));
                }
                let change = self.change(fields);
                if fields.len() == 1 && change.as_ref().is_some_and(Change::is_empty) {
                    let error = Diagnostic::new(item.span(), "an entry of mix changes nothing");
                    let help = "it has who joins, `add`, or who leaves, `drop`";
                    self.errors.push(error.help(help));
                }
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

    pub(super) fn change(&mut self, fields: &DeTable) -> Option<Change> {
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
}
