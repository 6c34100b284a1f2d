//! Agreement of single samples in the signs of their gradients, an evolution whose children a score can thin, and a space
//! that both work on. Source: Zhang & Jia 2022, "GradSign".

use std::collections::VecDeque;

use plugin_api::Json;
use plugin_api::prelude::*;
use plugin_api::serde_json::json;

/// How far single samples agree on which way each weight should go: the sum over weights `w` of
/// `|sum_i sign(dL_i / dw)|`, with the loss `L_i` of sample `i` alone (after Zhang & Jia 2022).
#[component(scorer = "gradsign")]
struct GradSign {
    /// Samples that are looked at; 0 for the whole split.
    #[param(default = 0, range = "0 <= x")]
    size: i64,
}

impl Scorer for GradSign {
    fn score(&self, session: &mut dyn Session) -> Result<f64> {
        let at = At {
            size: self.size,
            seed: session.seed("gradsign"),
            ..At::ALL
        };
        let batch = session.batch("train", &at)?;
        let batch = batch.context("the task has no training batch")?;
        let mut signs = Signs::default();
        // As in training, for the norms; but what a norm sees of single samples is nothing to keep.
        let ask = Ask::train().dry();
        session.each_gradient(&batch, &ask, &Of::Loss, "#prunable", &mut signs)?;
        let agreed = signs.sums.values().map(|sum| {
            let agreed = sum.f_abs()?.f_sum(Kind::Int64)?;
            Ok(agreed.f_int64_value(&[])?)
        });
        Ok(agreed.sum::<Result<i64>>()? as f64)
    }
}

/// Adds up signs of gradients, so that those of one sample are gone before the next one's come.
#[derive(Default)]
struct Signs {
    /// By path, int64.
    sums: Tensors,
}

impl Sink for Signs {
    fn take(&mut self, _: i64, gradients: &Tensors) -> Result<()> {
        for (path, gradient) in gradients.iter() {
            let sign = gradient.f_sign()?.f_to_kind(Kind::Int64)?;
            let sum = match self.sums.get(path) {
                Some(sum) => sum.f_add(&sign)?,
                None => sign,
            };
            self.sums.put(path, sum);
        }
        Ok(())
    }
}

/// Regularised evolution (Real et al. 2019): children of the best of some that are drawn from the youngest points, all
/// that are asked for at once of the same parent.
#[component(strategy = "evolution")]
struct Evolution {
    /// Points that live at once; so many are drawn at random before any has children.
    #[param(default = 4, range = "1 <= x")]
    population: usize,
    /// Of how many a parent is the best.
    #[param(default = 3, range = "1 <= x")]
    tournament: u64,
    /// What the search is about.
    #[serde(skip)]
    setting: Option<Setting>,
    /// Those that live, the oldest first, and what they are worth, the higher the better.
    #[serde(skip)]
    living: VecDeque<(Point, f64)>,
    /// How often it was asked.
    #[serde(skip)]
    asked: u64,
}

impl Evolution {
    fn setting(&self) -> Result<&Setting> {
        self.setting.as_ref().context("the search has not begun")
    }

    /// The best of some that are drawn by this seed, the earliest drawn of equals.
    fn parent(&self, seed: u64) -> Option<&Point> {
        let drawn = (0..self.tournament).map(|i| {
            let draw = stream(seed, &format!("tournament:{i}"));
            &self.living[(draw % self.living.len() as u64) as usize]
        });
        let best = drawn.reduce(|best, other| if other.1 > best.1 { other } else { best });
        best.map(|(point, _)| point)
    }
}

impl Strategy for Evolution {
    fn begin(&mut self, setting: &Setting) -> Result<()> {
        self.setting = Some(setting.clone());
        (self.living, self.asked) = (VecDeque::new(), 0);
        Ok(())
    }

    fn ask(&mut self, n: i64, host: &dyn Host) -> Result<Vec<Proposal>> {
        let Setting {
            decisions, seed, ..
        } = self.setting()?;
        let seed = stream(*seed, &self.asked.to_string());
        let points = if self.living.len() < self.population {
            host.sample(decisions, n, seed)?
        } else {
            let parent = self.parent(seed).context("nobody lives")?;
            let child = |i| host.mutate(decisions, parent, stream(seed, &format!("child:{i}")));
            (0..n).map(child).collect::<Result<_>>()?
        };
        self.asked += 1;
        Ok(points.into_iter().map(Proposal::from).collect())
    }

    fn tell(&mut self, seen: &[Observation], _: &dyn Host) -> Result<()> {
        let goal = self.setting()?.goals.first().context("a goal")?;
        let (metric, sign) = match goal.higher_is_better {
            true => (goal.metric.clone(), 1.0),
            false => (goal.metric.clone(), -1.0),
        };
        for observation in seen {
            if let Outcome::Done(metrics) = &observation.outcome {
                let worth = metrics.get(&metric).context("the goal was not measured")?;
                self.living
                    .push_back((observation.point.clone(), sign * worth));
            }
        }
        while self.living.len() > self.population {
            self.living.pop_front();
        }
        Ok(())
    }
}

/// Two hidden layers, each with a width to be decided.
#[component(space = "widths")]
struct Widths {
    /// What there is to choose from.
    #[param(default = [2, 4, 8, 16])]
    widths: Vec<i64>,
}

impl Space for Widths {
    fn supernet(&self, ports: &Ports) -> Result<Option<Arch>> {
        let linear = |out: Json| Recipe::new("baselines/linear").with("out", out);
        let relu = Recipe::new("baselines/activation").with("kind", "relu");
        let classes = width(&ports.outputs, "y")?;
        let widths = |name: &str| Decision::options(name, self.widths.iter().copied());
        let arch = Arch::new(Shapes::new().with("x", port(&ports.inputs, "x")?.clone()))
            .layer(
                "first",
                linear(json!({ "decide": "first" })),
                &[("x", "in.x")],
            )
            .layer("act", relu, &[("x", "first.x")])
            .layer(
                "second",
                linear(json!({ "decide": "second" })),
                &[("x", "act.x")],
            )
            .layer("answer", linear(classes.into()), &[("x", "second.x")])
            .output("y", "answer.x")
            .decide(widths("first"))
            .decide(widths("second"));
        Ok(Some(arch))
    }
}
