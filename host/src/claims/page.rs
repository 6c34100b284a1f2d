//! What was reproduced, as a page of Markdown.

use std::fmt::Write;

use super::{Reproduction, Verdict};
use crate::run::Environment;

/// A run that is shown.
#[derive(Debug, Clone, PartialEq)]
pub struct Shown {
    /// What it reproduces.
    pub reproduction: Reproduction,
    /// Where it ran.
    pub environment: Environment,
    /// On which day.
    pub day: String,
}

/// A page of these reproductions; those of a plugin stand together, in the order in which they are given.
pub fn page(shown: &[Shown]) -> String {
    let mut page = "# Results\n\nWhat the papers say and what was measured here. `pleach reproduce PLUGIN` measures it anew; \
         this page is made by `pleach reproduce --all` of what these runs have left.\n"
        .to_owned();
    for of_plugin in shown.chunk_by(|a, b| a.reproduction.plugin == b.reproduction.plugin) {
        let first = &of_plugin[0].reproduction;
        write!(page, "\n## {}\n\n{}\n", first.plugin, first.paper).expect("text takes any text");
        for Shown {
            reproduction,
            environment,
            day,
        } in of_plugin
        {
            let Environment {
                cpu,
                cores,
                libtorch,
                ..
            } = environment;
            let commit = match &reproduction.commit {
                Some(commit) => format!(", commit {commit}"),
                None => String::new(),
            };
            write!(
                page,
                "\n### {}\n\n{day}, {cpu}, {cores} cores, libtorch {libtorch}{commit}. A required claim is in bold.\n\n{}",
                reproduction.experiment,
                table(&reproduction.verdicts),
            )
            .expect("text takes any text");
        }
    }
    page
}

fn table(verdicts: &[Verdict]) -> String {
    let mut table = "| claim | paper | here | baseline | bound | holds? |\n| --- | --- | --- | --- | --- | --- |\n".to_owned();
    let mut reasons = String::new();
    for verdict in verdicts {
        let claim = &verdict.claim;
        let name = match claim.required {
            true => format!("**{}**", claim.name),
            false => claim.name.clone(),
        };
        let says = match &claim.place {
            Some(place) => format!("{} ({place})", claim.says.trim_end_matches('.')),
            None => claim.says.clone(),
        };
        let cells = [
            format!("{name}: {says}"),
            claim.paper.clone().unwrap_or_else(|| "-".into()),
            verdict.here(),
            verdict.against(),
            verdict.bound(),
            verdict.word().to_lowercase(),
        ];
        let cells = cells.map(|cell| cell.replace('|', "\\|"));
        writeln!(table, "| {} |", cells.join(" | ")).expect("text takes any text");
        if let Some(reason) = verdict.reason() {
            writeln!(reasons, "\n`{}` does not hold: {reason}", claim.name)
                .expect("text takes any text");
        }
    }
    table + &reasons
}
