//! A claim beside what was measured.

use comfy_table::presets;
use plugin_api_data::{Error, Goal};
use serde::{Deserialize, Serialize};

use super::{Bounds, By, Claim, Measure, Of};
use crate::error::nearest;
use crate::experiment::{Experiment, Verb};
use crate::journal::Journal;
use crate::run::Run;
use crate::spread::Spread;
use crate::study::best;

/// Whether a claim holds, and what was measured for it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Verdict {
    /// The claim.
    pub claim: Claim,
    /// What was measured, over the seeds.
    pub here: Spread,
    /// What it is compared with, over the seeds.
    pub against: Option<Spread>,
    /// What has to lie within the bounds: what was measured, or the difference or ratio of the two, by seed.
    pub values: Vec<(u64, f64)>,
    /// The same over the seeds.
    pub over: Spread,
    /// The bounds that it was held to.
    pub bounds: Bounds,
    /// Whether it holds; nothing where there are no bounds.
    pub holds: Option<bool>,
}

impl Verdict {
    /// What a complete run says of a claim.
    ///
    /// # Errors
    /// Where the run has not measured what the claim is about.
    pub fn of(
        claim: &Claim,
        smoke: bool,
        run: &Run,
        experiment: &Experiment,
    ) -> Result<Self, Error> {
        let journal = Journal::look(&run.journal())?;
        let attempt = |error| {
            Error::new(format!("the claim `{}` cannot be judged", claim.name)).caused_by(error)
        };
        let goal = { run.goal()? }.ok_or_else(|| attempt(Error::new("its run has not begun")))?;
        let measured =
            |measure: &Measure| values(measure, experiment, &journal, &goal).map_err(attempt);
        let here = measured(&claim.here)?;
        let against = claim.against.as_ref().map(measured).transpose()?;
        let values = match &against {
            None => here.clone(),
            Some(against) => paired(&here, against, claim.by),
        };
        let bounds = claim.bounds(smoke);
        let nothing = || attempt(Error::new("no seed was measured"));
        let over = spread(&values).ok_or_else(nothing)?;
        Ok(Verdict {
            here: spread(&here).ok_or_else(nothing)?,
            against: against.and_then(|against| spread(&against)),
            holds: bounds.hold(&values, &over, claim.of),
            claim: claim.clone(),
            values,
            over,
            bounds,
        })
    }

    /// Whether a reproduction has failed by it.
    pub fn has_failed(&self) -> bool {
        self.claim.required && self.holds == Some(false)
    }

    /// Why it does not hold, where that is so and is known.
    pub fn reason(&self) -> Option<&str> {
        let reason = self.claim.reason.as_deref();
        reason.filter(|_| self.holds == Some(false))
    }

    /// `yes`, `no`, `NO` of what is required, or `-` where there is nothing to hold.
    pub fn word(&self) -> &'static str {
        match (self.holds, self.claim.required) {
            (Some(true), _) => "yes",
            (Some(false), true) => "NO",
            (Some(false), false) => "no",
            (None, _) => "-",
        }
    }

    /// What was measured, for people: mean, interval, number of seeds.
    pub fn here(&self) -> String {
        with_interval(&self.here)
    }

    /// What it was compared with, for people: its mean, and by how much they differ.
    pub fn against(&self) -> String {
        let Some(against) = &self.against else {
            return "-".into();
        };
        let over = match self.claim.by {
            By::Difference => format!("{:+.4}", self.over.mean),
            By::Ratio => format!("x {:.3}", self.over.mean),
        };
        let interval = match (self.claim.by, self.over.interval) {
            (By::Difference, Some((low, high))) => format!(" ({low:+.4} to {high:+.4})"),
            (By::Ratio, Some((low, high))) => format!(" ({low:.3} to {high:.3})"),
            (_, None) => String::new(),
        };
        format!("{}: {over}{interval}", short(against.mean))
    }

    /// The bounds, for people.
    pub fn bound(&self) -> String {
        let Bounds { least, most } = self.bounds;
        let every = match self.claim.of {
            Of::Every if self.values.len() > 1 => ", every seed",
            _ => "",
        };
        match (least, most) {
            (Some(least), Some(most)) if least == most => format!("= {}{every}", short(least)),
            (Some(least), Some(most)) => format!("{} to {}{every}", short(least), short(most)),
            (Some(least), None) => format!(">= {}{every}", short(least)),
            (None, Some(most)) => format!("<= {}{every}", short(most)),
            (None, None) => "-".into(),
        }
    }
}

impl Bounds {
    fn hold(self, values: &[(u64, f64)], over: &Spread, of: Of) -> Option<bool> {
        let Bounds { least, most } = self;
        if least.is_none() && most.is_none() {
            return None;
        }
        // A value that is no number lies within no bounds.
        let within = |x: f64| {
            least.is_none_or(|least| x >= least) && most.is_none_or(|most| x <= most) && !x.is_nan()
        };
        Some(match of {
            Of::Mean => within(over.mean),
            Of::Every => values.iter().all(|(_, x)| within(*x)),
        })
    }
}

/// Verdicts as text for people, with the reasons that are known for what does not hold.
pub fn table(verdicts: &[Verdict]) -> String {
    let mut table = comfy_table::Table::new();
    table.load_style(presets::NOTHING);
    table.set_header(["claim", "paper", "here", "baseline", "bound", "holds?"]);
    table.add_rows(verdicts.iter().map(|verdict| {
        let claim = &verdict.claim;
        [
            claim.name.clone(),
            claim.paper.clone().unwrap_or_else(|| "-".into()),
            verdict.here(),
            verdict.against(),
            verdict.bound(),
            verdict.word().into(),
        ]
    }));
    let reasons = verdicts.iter().filter_map(|verdict| {
        let reason = verdict.reason()?;
        Some(format!("\n{} does not hold: {reason}", verdict.claim.name))
    });
    table.trim_fmt() + &reasons.collect::<String>()
}

/// What the seeds of a stage measured, or the best trial of a search.
fn values(
    measure: &Measure,
    experiment: &Experiment,
    journal: &Journal,
    goal: &Goal,
) -> Result<Vec<(u64, f64)>, Error> {
    let Measure {
        stage: name,
        metric,
    } = measure;
    let names = || experiment.stages.iter().map(|stage| stage.name.as_str());
    let Some(index) = names().position(|known| known == name) else {
        let error = Error::new(format!("the experiment has no stage `{name}`"));
        return Err(match nearest(name, names()) {
            Some(near) => error.help(format!("did you mean `{near}`?")),
            None => error.expected(format!("one of {}", names().collect::<Vec<_>>().join(", "))),
        });
    };
    let stage = &experiment.stages[index];
    let metric = match stage.is_analysis() {
        true => format!("analyse.{metric}"),
        false => metric.clone(),
    };
    let entries = journal.entries(index)?;
    let best = match &stage.verb {
        Verb::Search(_) => best(&journal.results(index)?, goal).map(|(number, ..)| number),
        _ => None,
    };
    let wanted = entries
        .iter()
        .filter(|entry| best.is_none_or(|best| best == entry.number));
    let done = wanted.filter_map(|entry| Some((entry.seed, entry.result.as_ref()?.as_ref().ok()?)));
    let mut values = vec![];
    for (seed, done) in done {
        let value = done.metrics.get(&metric).ok_or_else(|| {
            let there = done
                .metrics
                .names()
                .map(|name| name.trim_start_matches("analyse."));
            Error::new(format!(
                "the stage `{name}` has no metric `{}`",
                measure.metric
            ))
            .expected(format!("one of {}", there.collect::<Vec<_>>().join(", ")))
        })?;
        values.push((seed, *value));
    }
    Ok(values)
}

/// The one compared with the other, over the seeds that both have; over all of one where the other has a single value, as
/// an analysis of several stages or a search may.
fn paired(here: &[(u64, f64)], against: &[(u64, f64)], by: By) -> Vec<(u64, f64)> {
    let other = |seed: u64| match against {
        [(_, alone)] => Some(*alone),
        _ => against.iter().find(|(of, _)| *of == seed).map(|(_, x)| *x),
    };
    let compared = here.iter().filter_map(|(seed, x)| {
        let other = other(*seed)?;
        let value = match by {
            By::Difference => x - other,
            By::Ratio => x / other,
        };
        Some((*seed, value))
    });
    compared.collect()
}

fn spread(values: &[(u64, f64)]) -> Option<Spread> {
    Spread::over(values.iter().map(|(_, x)| *x))
}

fn with_interval(spread: &Spread) -> String {
    let mean = short(spread.mean);
    match spread.interval {
        Some((low, high)) if low < high => {
            format!(
                "{mean} ({} to {}), n = {}",
                short(low),
                short(high),
                spread.n
            )
        }
        _ => format!("{mean}, n = {}", spread.n),
    }
}

/// Whole numbers as they are, others with four digits behind the point.
fn short(x: f64) -> String {
    match x.fract() == 0.0 {
        true => format!("{x}"),
        false => format!("{x:.4}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_are_for_the_mean_or_for_every_seed() {
        let values = [(0, 0.25), (1, 0.75)];
        let over = spread(&values).unwrap();
        let hold = |least, most, of| Bounds { least, most }.hold(&values, &over, of);
        for (least, most, mean, every) in [
            (Some(0.5), None, Some(true), Some(false)),
            (Some(0.51), None, Some(false), Some(false)),
            (None, Some(0.5), Some(true), Some(false)),
            (Some(0.25), Some(0.75), Some(true), Some(true)),
            (None, None, None, None),
        ] {
            assert_eq!(
                (hold(least, most, Of::Mean), hold(least, most, Of::Every)),
                (mean, every),
                "{least:?} {most:?}"
            );
        }
        let nan = [(0, f64::NAN)];
        let bounds = Bounds {
            least: None,
            most: Some(1.0),
        };
        assert_eq!(
            bounds.hold(&nan, &spread(&nan).unwrap(), Of::Every),
            Some(false)
        );
    }

    #[test]
    fn seeds_are_paired() {
        let here = [(3, 0.5), (4, 0.8), (9, 1.0)];
        let against = [(4, 0.4), (3, 0.25)];
        assert_eq!(paired(&here, &against, By::Ratio), [(3, 2.0), (4, 2.0)]);
        assert_eq!(
            paired(&here[..2], &[(0, 0.5)], By::Difference),
            [(3, 0.0), (4, 0.30000000000000004)]
        );
    }
}
