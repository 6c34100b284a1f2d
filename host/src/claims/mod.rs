//! What plugins claim to reproduce, and whether it holds here.
//!
//! A plugin carries its `claims.toml` and the experiments that it names: [`Claims`] reads them. [`Verdict`] holds a claim
//! against what a run has measured; [`Reproduction`] is what a run keeps of that, and [`page()`] shows what several runs
//! have kept.

mod page;
mod stored;
mod verdict;

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use plugin_api_data::{CLAIMS, Error, Named, PluginCard};
use serde::{Deserialize, Serialize};

use crate::error::{Context, nearest};
use crate::experiment::Source;
use crate::package::inside;

pub use page::{Shown, page};
pub use stored::Reproduction;
pub use verdict::{Verdict, table};

/// What a plugin claims.
#[derive(Debug, Clone, PartialEq)]
pub struct Claims {
    /// The plugin.
    pub plugin: String,
    /// The paper that it follows, if one.
    pub paper: String,
    /// The claims, in order.
    pub claims: Vec<Claim>,
    experiments: Named<Experiment>,
    /// The files that it carries, by their paths in its crate.
    files: Named<String>,
}

/// A claim: what is measured, and within which bounds it must lie.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Claim {
    /// What it is called.
    pub name: String,
    /// What is claimed, in a sentence.
    pub says: String,
    /// Where it stands in the paper.
    #[serde(default, rename = "where", skip_serializing_if = "Option::is_none")]
    pub place: Option<String>,
    /// The paper's figure, in the unit of `here`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub paper: Option<String>,
    /// Name of the experiment that measures it.
    pub experiment: String,
    /// What is measured.
    pub here: Measure,
    /// What that is compared with, seed by seed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub against: Option<Measure>,
    /// How it is compared.
    #[serde(default)]
    pub by: By,
    /// Whether the bounds are for the mean or for each seed.
    #[serde(default)]
    pub of: Of,
    /// The least that it may be: what is measured, or the difference or ratio of the two.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub least: Option<f64>,
    /// The most that it may be.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub most: Option<f64>,
    /// Whether a reproduction has failed where it does not hold.
    #[serde(default)]
    pub required: bool,
    /// The bounds in the smoke version, which only measures where there are none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub smoke: Option<Bounds>,
    /// Why it does not hold, where that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// A metric of a stage: of a search that of its best trial.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Measure {
    /// Name of the stage; of an arm `GROUP.ARM`.
    pub stage: String,
    /// Name of the metric, such as `test.accuracy`; of an analysis as that one gives it.
    pub metric: String,
}

/// How two measures are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum By {
    /// The one less the other.
    #[default]
    Difference,
    /// The one divided by the other.
    Ratio,
}

/// What bounds are for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Of {
    /// The mean over the seeds.
    #[default]
    Mean,
    /// The value of every seed.
    Every,
}

/// Within which something must lie.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Bounds {
    /// The least.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub least: Option<f64>,
    /// The most.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub most: Option<f64>,
}

/// An experiment that measures claims.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
struct Experiment {
    /// What is changed for the smoke version, each as `KEY=VALUE`.
    #[serde(default)]
    smoke: Vec<String>,
}

/// `claims.toml` as it is written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    #[serde(default)]
    experiment: Named<Experiment>,
    claim: Vec<Claim>,
}

impl Claims {
    /// What this plugin claims; nothing where it claims nothing.
    ///
    /// # Errors
    /// Where its claims make no sense: all that is wrong with them.
    pub fn of(card: &PluginCard) -> Result<Option<Self>, Error> {
        let Some(text) = card.claims.get(CLAIMS) else {
            return Ok(None);
        };
        let attempt = || format!("the claims of `{}` make no sense", card.name);
        let written: Written = toml::from_str(text).context(attempt)?;
        let claims = Claims {
            plugin: card.name.clone(),
            paper: card.paper.clone(),
            claims: written.claim,
            experiments: written.experiment,
            files: card.claims.clone(),
        };
        let wrong = claims.wrong();
        if !wrong.is_empty() {
            return Err(Error::new(attempt()).found(wrong.join("\n")));
        }
        Ok(Some(claims))
    }

    fn wrong(&self) -> Vec<String> {
        let mut wrong = vec![];
        let mut names = BTreeSet::new();
        for claim in &self.claims {
            let name = &claim.name;
            if !names.insert(name) {
                wrong.push(format!("two claims are named `{name}`"));
            }
            if self.experiments.get(&claim.experiment).is_none() {
                wrong.push(format!(
                    "`{name}`: there is no [experiment.{}]",
                    claim.experiment
                ));
            }
            if claim.against.is_none() && claim.by == By::Ratio {
                wrong.push(format!("`{name}`: a ratio needs something `against` it"));
            }
            if claim.required && claim.least.is_none() && claim.most.is_none() {
                wrong.push(format!(
                    "`{name}`: what is required needs a bound, `least` or `most`"
                ));
            }
            for Bounds { least, most } in [claim.bounds(false), claim.bounds(true)] {
                if least.zip(most).is_some_and(|(least, most)| least > most) {
                    wrong.push(format!("`{name}`: nothing lies between its bounds"));
                }
            }
        }
        for (name, experiment) in self.experiments.iter() {
            let file = file(name);
            if self.files.get(&file).is_none() {
                wrong.push(format!("the plugin does not carry `{file}`"));
            }
            if self.of_experiment(name).next().is_none() {
                wrong.push(format!("no claim is measured by [experiment.{name}]"));
            }
            for set in &experiment.smoke {
                if !set.contains('=') {
                    wrong.push(format!("[experiment.{name}]: `{set}` is not KEY=VALUE"));
                }
            }
        }
        wrong
    }

    /// The claims of these names; all where none is named.
    ///
    /// # Errors
    /// Where there is no such claim.
    pub fn named(&self, names: &[String]) -> Result<Vec<&Claim>, Error> {
        let all = || self.claims.iter().map(|claim| claim.name.as_str());
        for name in names {
            if !all().any(|known| known == name) {
                let error = Error::new(format!("`{}` makes no claim `{name}`", self.plugin));
                return Err(match nearest(name, all()) {
                    Some(near) => error.help(format!("did you mean `{near}`?")),
                    None => {
                        error.expected(format!("one of {}", all().collect::<Vec<_>>().join(", ")))
                    }
                });
            }
        }
        let wanted = |claim: &&Claim| names.is_empty() || names.contains(&claim.name);
        Ok(self.claims.iter().filter(wanted).collect())
    }

    /// The experiments that measure these claims, in order, with what is changed for their smoke versions as `KEY=VALUE`.
    pub fn experiments<'a>(
        &'a self,
        claims: &'a [&Claim],
    ) -> impl Iterator<Item = (&'a str, &'a [String])> {
        let measures = |name: &str| claims.iter().any(|claim| claim.experiment == name);
        let experiments = self
            .experiments
            .iter()
            .filter(move |(name, _)| measures(name));
        experiments.map(|(name, experiment)| (name, &*experiment.smoke))
    }

    /// All claims that the experiment of this name measures.
    pub fn of_experiment(&self, name: &str) -> impl Iterator<Item = &Claim> {
        self.claims
            .iter()
            .filter(move |claim| claim.experiment == name)
    }

    /// Writes the files that the plugin carries into a folder, where an experiment finds those that it names; the source of
    /// the experiment of this name there.
    ///
    /// # Errors
    /// Where they cannot be written, or one of them would lie elsewhere.
    pub fn unpack(&self, experiment: &str, folder: &Path) -> Result<Source, Error> {
        for (path, text) in self.files.iter() {
            // The plugin's author chose it.
            if !inside(path) {
                let what = "a file that a plugin carries would lie outside its folder";
                return Err(Error::new(what).found(path));
            }
            let to = folder.join(path);
            let attempt = || format!("cannot write `{}`", to.display());
            if let Some(parent) = to.parent() {
                fs::create_dir_all(parent).context(attempt)?;
            }
            fs::write(&to, text).context(attempt)?;
        }
        let file = file(experiment);
        Ok(Source {
            path: folder.join(&file),
            text: self.files[&file].clone(),
        })
    }

    /// What experiments find beside them, such as architectures, as one text of which a hash tells whether it has changed. An
    /// experiment is run anew where it has changed itself, not where another one or a claim has.
    pub fn beside(&self) -> String {
        let files = self.files.iter();
        let beside = files.filter(|(path, _)| !path.ends_with(".toml"));
        beside
            .map(|(path, text)| format!("{path}\n{text}\n"))
            .collect()
    }
}

impl Claim {
    /// Within which it must lie.
    pub fn bounds(&self, smoke: bool) -> Bounds {
        let full = Bounds {
            least: self.least,
            most: self.most,
        };
        let none = Bounds {
            least: None,
            most: None,
        };
        match smoke {
            true => self.smoke.unwrap_or(none),
            false => full,
        }
    }
}

/// The file of an experiment of this name.
fn file(experiment: &str) -> String {
    format!("experiments/{experiment}.toml")
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};

    use super::*;

    fn refused(claims: &str, expected: Expect) {
        let card = PluginCard {
            name: "fake".into(),
            version: String::new(),
            description: String::new(),
            licence: String::new(),
            paper: String::new(),
            components: vec![],
            claims: Named::new()
                .with(CLAIMS, claims.into())
                .with("experiments/one.toml", String::new()),
        };
        expected.assert_eq(&Claims::of(&card).unwrap_err().to_string());
    }

    #[test]
    fn claims_that_make_no_sense_are_refused() {
        refused(
            "[[claim]]\nname = 1\n",
            expect![[r#"
            the claims of `fake` make no sense
              caused by TOML parse error at line 2, column 8
              |
            2 | name = 1
              |        ^
            invalid type: integer `1`, expected a string
        "#]],
        );
        refused(
            r#"
[experiment.one]
smoke = ["seeds"]
[experiment.two]

[[claim]]
name = "a"
says = "It is so."
experiment = "three"
here = { stage = "s", metric = "m" }
by = "ratio"
required = true

[[claim]]
name = "a"
says = "It is not."
experiment = "one"
here = { stage = "s", metric = "m" }
least = 2
most = 1
"#,
            expect![[r#"
                the claims of `fake` make no sense
                  found     `a`: there is no [experiment.three]
                            `a`: a ratio needs something `against` it
                            `a`: what is required needs a bound, `least` or `most`
                            two claims are named `a`
                            `a`: nothing lies between its bounds
                            [experiment.one]: `seeds` is not KEY=VALUE
                            the plugin does not carry `experiments/two.toml`
                            no claim is measured by [experiment.two]"#]],
        );
        refused(
            "[experiment.one]\n[[claim]]\nname = \"a\"\nsays = \"b\"\nexperiment = \"one\"\nhere = { stage = \"s\", metric = \"m\" }\nlest = 1\n",
            expect![[r#"
                the claims of `fake` make no sense
                  caused by TOML parse error at line 7, column 1
                  |
                7 | lest = 1
                  | ^^^^
                unknown field `lest`, expected one of `name`, `says`, `where`, `paper`, `experiment`, `here`, `against`, `by`, `of`, `least`, `most`, `required`, `smoke`, `reason`
            "#]],
        );
    }

    #[test]
    fn files_stay_in_their_folder() {
        let folder = tempfile::tempdir().unwrap();
        for path in ["../one.toml", "/one.toml", "experiments/../../one.toml"] {
            let claims = Claims {
                plugin: "fake".into(),
                paper: String::new(),
                claims: vec![],
                experiments: Named::new(),
                files: Named::new().with(path, String::new()),
            };
            let error = claims.unpack("one", folder.path()).unwrap_err();
            assert!(
                error.to_string().contains("outside its folder"),
                "{path}: {error}"
            );
        }
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    }
}
