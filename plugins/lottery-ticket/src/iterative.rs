//! Finds a ticket: trains, prunes what matters least and rewinds what is left, round by round.
//!
//! ```text
//! theta_k            the weights that came in, or what `rewind` makes of them: k steps of training
//! m <- what is alive already
//! repeat `rounds` times:
//!     theta <- training of theta_k * m
//!     of the n weights of a tensor that are alive, the round(p n) of the lowest score leave m
//! hands on theta_k * m, untrained
//! ```
//!
//! So after `r` rounds `N (1 - p)^r` weights of a tensor of `N` are alive, to within what rounding makes of it. Of equal
//! scores the later weight goes. What comes in masked stays masked: three rounds are three stages of one round each, and
//! one round is one-shot pruning. Buffers and the clock are rewound with the weights, and each training makes its chains
//! anew, on the same data in the same order.
//!
//! The report has the metrics `alive` (weights tagged `prunable` that no mask prunes) and `fraction` (of all of these), the
//! table `tensors` with both by tensor, and the table `rounds`, a row for each round: `alive` and `fraction` of the network
//! that was trained in it, all metrics of its training as `train.METRIC`, and the task's main one on `val`, and on `test`
//! where there is such a split. It is the curve of the method over sparsities, from the dense network on.
//!
//! Source: Frankle & Carbin 2019, section 1 (iterative pruning with resetting) and appendix B (the reset at the end alone);
//! Frankle et al. 2020, "Linear Mode Connectivity and the Lottery Ticket Hypothesis", for `rewind`.

use plugin_api::prelude::*;
use plugin_api::{schemars, serde};

use crate::alive::Alive;
use crate::ranked::Ranked;
use crate::rates::{Rate, Rates};
use crate::table::common;

/// Finds a ticket by rounds of training, pruning and rewinding, and hands it on untrained (Frankle & Carbin 2019).
#[component(trainer = "iterative")]
struct Iterative {
    /// What trains the network in each round.
    #[param(example = Recipe::new("baselines/backprop").with("steps", 100))]
    train: Use<dyn Trainer>,
    /// What brings the network, before the first round, to the weights that each round is rewound to, as so many steps of
    /// `baselines/backprop` do; they are those that came in where it is left out.
    rewind: Option<Use<dyn Trainer>>,
    /// Rounds; one is one-shot pruning.
    #[param(default = 5, range = "1 <= x")]
    rounds: i64,
    /// Part that goes in a round, of what is alive then.
    #[param(default = 0.2, range = "0 < x < 1")]
    rate: f64,
    /// Other parts for some of what the pruner ranks; of several that name a weight the first counts.
    #[param(default = [])]
    rates: Vec<Rate>,
    /// Among what the lowest scores are looked for.
    #[param(default = "layer")]
    scope: Scope,
    /// Says what matters least. It ranks units, such as channels, as well as weights.
    #[param(default = "baselines/magnitude")]
    pruner: Use<dyn Pruner>,
    /// When weights are rewound.
    #[param(default = "each-round")]
    reset: Reset,
}

/// Among what the lowest scores are looked for.
#[derive(Clone, Copy, PartialEq, serde::Deserialize, schemars::JsonSchema)]
#[serde(crate = "plugin_api::serde", rename_all = "kebab-case")]
#[schemars(crate = "plugin_api::schemars", inline)]
enum Scope {
    /// Among those of each tensor.
    Layer,
    /// Among those of all tensors of one rate together.
    Global,
}

/// When weights are rewound.
#[derive(Clone, Copy, PartialEq, serde::Deserialize, schemars::JsonSchema)]
#[serde(crate = "plugin_api::serde", rename_all = "kebab-case")]
#[schemars(crate = "plugin_api::schemars", inline)]
enum Reset {
    /// After each round.
    EachRound,
    /// After the last one; the others go on from the trained weights.
    AtEnd,
}

impl Trainer for Iterative {
    fn fit(&self, session: &mut dyn Session) -> Result<Report> {
        if let Some(rewind) = &self.rewind {
            rewind.fit(session)?;
        }
        let start = session.snapshot("all,clock")?;
        // What cannot be pruned is better known before hours of training; a pruner may leave its traces.
        self.groups(session)?;
        session.restore(&start)?;

        let mut rounds = vec![];
        for round in 1..=self.rounds {
            let row = Named::new().with("round", round as f64);
            rounds.push(self.trained(session, row)?);
            self.prune(session)?;
            if self.reset == Reset::EachRound || round == self.rounds {
                session.restore(&start)?;
            }
        }
        let alive = Alive::of(session)?;
        let (columns, rows) = common(&rounds);
        Ok(alive
            .metrics(Report::default())
            .labelled("tensors", &Alive::COLUMNS, alive.rows())
            .table("rounds", &columns, rows))
    }
}

impl Iterative {
    /// Trains for a round, and adds to its row what is trained and how well.
    fn trained(&self, session: &mut dyn Session, mut row: Named<f64>) -> Result<Named<f64>> {
        let alive = Alive::of(session)?.metrics(Report::default());
        row.extend(alive.metrics);
        let arch = session.arch()?;
        let report = self.train.fit(session)?;
        if session.arch()? != arch {
            let what = format!(
                "`{}` has changed the network, so its weights cannot be rewound",
                self.train.recipe.component
            );
            return Err(Error::new(what)
                .help("have it train the network as it is")
                .into());
        }
        let metric = session.ports()?.metric;
        for split in ["val", "test"] {
            let measured = match report.measured.get(split) {
                Some(measured) => measured.clone(),
                None if session.batch(split, &At::ALL)?.is_none() => continue,
                None => session.evaluate(split, &Ask::eval())?,
            };
            if let Some(value) = measured.get(&metric) {
                row.put(format!("{split}.{metric}"), *value);
            }
        }
        let of_training = report.metrics.into_iter();
        row.extend(of_training.map(|(name, value)| (format!("train.{name}"), value)));
        Ok(row)
    }

    /// Masks the part that goes in a round.
    fn prune(&self, session: &mut dyn Session) -> Result<()> {
        for (rate, scores) in self.groups(session)? {
            Ranked::of(session, &scores)?.prune(session, rate)?;
        }
        Ok(())
    }

    /// What is ranked together, with the part of it that goes.
    fn groups(&self, session: &mut dyn Session) -> Result<Vec<(f64, Tensors)>> {
        let scores = self.pruner.scores(session)?;
        ensure!(
            !scores.is_empty(),
            "`{}` has ranked no weight",
            self.pruner.recipe.component
        );
        let rates = Rates::new(self.rate, &self.rates);
        let of_scores = rates.of(scores.names(), &*session)?;
        let mut groups: Vec<(usize, f64, Tensors)> = vec![];
        for ((name, score), (rule, rate)) in scores.into_iter().zip(of_scores) {
            if !bool::try_from(score.f_isfinite()?.f_all()?)? {
                return Err(
                    Error::new(format!("some scores of `{name}` are not finite"))
                        .help("the weights may have diverged: try a lower rate in training")
                        .into(),
                );
            }
            match groups.iter_mut().find(|(of, ..)| *of == rule) {
                Some((.., scores)) if self.scope == Scope::Global => scores.put(name, score),
                _ => groups.push((rule, rate, Tensors::new().with(name, score))),
            }
        }
        let groups = groups.into_iter().filter(|(_, rate, _)| *rate > 0.0);
        Ok(groups.map(|(_, rate, scores)| (rate, scores)).collect())
    }
}
