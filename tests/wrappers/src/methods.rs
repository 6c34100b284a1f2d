//! Small forms of methods of papers, which ask of a session what the papers do.

use plugin_api::prelude::*;

/// Trains, prunes and rewinds in rounds (after Frankle & Carbin 2019); its report holds a sum over each batch since the
/// rewind, by round.
#[component(trainer = "imp")]
struct Imp {
    /// What ranks the weights.
    pruner: Use<dyn Pruner>,
    /// From gradients to updates.
    transforms: Vec<RecipeOf<dyn Transform>>,
    /// Rounds of pruning.
    rounds: i32,
    /// Part of the weights of each tensor that goes in a round.
    rate: f64,
    /// The step that is rewound to.
    rewind: i64,
    /// Steps of a round.
    steps: i64,
}

impl Trainer for Imp {
    fn fit(&self, session: &mut dyn Session) -> Result<Report> {
        let transforms: Vec<Recipe> = self.transforms.iter().map(|t| t.recipe.clone()).collect();
        session.chain("main", &transforms, "model")?;
        let mut start = Tensors::new();
        let mut report = Report::default();
        for round in 0..=self.rounds {
            if round > 0 {
                let masks = session.masks()?;
                session.restore(&start)?;
                session.mask(&masks)?;
            }
            for step in session.steps()..self.steps {
                if round == 0 && step == self.rewind {
                    start = session.snapshot("everything")?;
                }
                let batch = session.next("train", 0)?;
                if step >= self.rewind {
                    let sum = batch.tensor("x")?.f_sum(Kind::Double)?;
                    let name = format!("{round}:{step}");
                    report = report.metric(&name, sum.f_double_value(&[])?);
                }
                session.step("main", &batch, &Ask::train())?;
            }
            if round < self.rounds {
                let scores = self.pruner.scores(session)?;
                let keep = (1.0 - self.rate).powi(round + 1);
                session.prune(&scores, &Keep::Each(keep))?;
            }
        }
        Ok(report)
    }
}

/// Trains, cuts the units whose norm has died half way, and prunes with reactivation on the way (after You et al. 2022).
#[component(trainer = "two-in-one")]
struct TwoInOne {
    /// The axis whose units may die.
    axis: String,
    /// The norm behind it.
    norm: String,
    /// What ranks the weights.
    pruner: Use<dyn Pruner>,
    /// Steps in all.
    steps: i64,
    /// Part of the weights that is kept.
    keep: f64,
}

impl Trainer for TwoInOne {
    fn fit(&self, session: &mut dyn Session) -> Result<Report> {
        session.chain("main", &["baselines/adam".into()], "model")?;
        let mut report = Report::default();
        let dead = session.masks()?;
        for step in 1..=self.steps {
            let batch = session.next("train", 0)?;
            session.step("main", &batch, &Ask::train())?;
            if step == self.steps / 2 {
                let scale = format!("{}.weight", self.norm);
                let alive = session.weights(&scale)?[&scale].f_ne(0.0)?.f_nonzero()?;
                let alive = Vec::<i64>::try_from(alive.f_view([-1])?)?;
                let before = session.forward(&batch, &Ask::eval())?;
                session.cut(&self.axis, &alive)?;
                let after = session.forward(&batch, &Ask::eval())?;
                let off = before.outputs["y"]
                    .f_sub(&after.outputs["y"])?
                    .f_abs()?
                    .f_max()?;
                report = report.metric("off", off.f_double_value(&[])?);
                report = report.metric("alive", alive.len() as f64);
            } else if step % 5 == 0 && step > self.steps / 2 {
                // Pruned, looked at, then all may grow again, from zero.
                let scores = self.pruner.scores(session)?;
                session.prune(&scores, &Keep::Overall(self.keep))?;
                let off = session.masks()?;
                let open = off
                    .iter()
                    .map(|(path, mask)| Ok((path, mask.f_ones_like()?)));
                session.mask(&open.collect::<Result<Tensors>>()?)?;
            }
        }
        ensure!(!dead.is_empty(), "nothing has died before training");
        let scores = self.pruner.scores(session)?;
        session.prune(&scores, &Keep::Overall(self.keep))?;
        Ok(report)
    }
}

/// Any layer, of which only the first features of a chosen width are used (after Dong & Yang 2019): the mean over the
/// active widths, each padded with zeros.
#[component(layer = "elastic")]
struct Elastic {
    /// The layer at its full width.
    inner: Use<dyn Layer>,
    /// What chooses.
    decision: String,
    /// What there is to choose from, the full width last.
    widths: Vec<i64>,
}

impl Layer for Elastic {
    fn weights(&self, inputs: &Shapes) -> Result<Vec<WeightSpec>> {
        self.inner.weights(inputs)
    }

    fn shapes(&self, inputs: &Shapes) -> Result<Shapes> {
        let mut shapes = self.inner.shapes(inputs)?;
        let x = shapes.get_mut("x").context("an output `x`")?;
        let last = x.pop().context("features")?;
        x.push(last.chosen(&self.decision));
        Ok(shapes)
    }

    fn forward(&self, w: &Tensors, x: &Batch, pass: &dyn Pass) -> Result<Batch> {
        let y = self.inner.forward(w, x, pass)?;
        let y = y.tensor("x")?;
        let choice = pass
            .choice(&self.decision)
            .context("nobody chooses a width")?;
        let mut sum = y.f_zeros_like()?;
        for option in choice.active() {
            let width = self.widths[option];
            let padding = [0, y.size()[1] - width];
            let narrow = y.f_narrow(1, 0, width)?.f_constant_pad_nd(padding)?;
            let weight = choice.weights.f_get(i64::try_from(option)?)?;
            sum = sum.f_add(&narrow.f_mul(&weight)?)?;
        }
        Ok(Batch::new().with("x", sum))
    }

    fn cost(&self, inputs: &Shapes) -> Result<Vec<Cost>> {
        let mut costs = self.inner.cost(inputs)?;
        for axis in costs.iter_mut().flat_map(|cost| &mut cost.axes) {
            if axis.name == "out" {
                axis.choice = Some(self.decision.clone());
            }
        }
        Ok(costs)
    }
}
