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

/// One step of a search with the gradient through a step of the weights (after Liu et al. 2019, equation 7, exact), then
/// a step of the weights. Choices are a softmax.
#[component(relaxation = "unrolled")]
struct Unrolled {
    /// Length of the step that is looked ahead.
    ahead: f64,
}

impl Unrolled {
    /// How the loss on `val` depends on the choices, when the weights go a step down that on `train`.
    fn gradient(&self, session: &dyn Session, train: &Batch, val: &Batch) -> Result<Tensors> {
        let seen = session.forward(train, &Ask::train().dry())?;
        let (weights, choice) = (session.weights("model")?, session.weights("choice")?);
        let loss = session.loss(&seen, train)?;
        let down = gradients_of(&loss, &weights, true)?;
        let moved = weights.iter().map(|(path, w)| {
            let step = down[path].f_mul_scalar(self.ahead)?;
            Ok((path, w.f_sub(&step)?))
        });
        let moved = moved.collect::<Result<Tensors>>()?;
        let seen = session.forward(val, &Ask::train().weights(moved))?;
        let loss = session.loss(&seen, val)?;
        gradients_of(&loss, &choice, false)
    }
}

impl Relaxation for Unrolled {
    fn weights(&self, decisions: &[Decision]) -> Result<Vec<WeightSpec>> {
        let spec = |d: &Decision| {
            let Domain::Options(options) = &d.domain else {
                bail!("`{}` has no options", d.name);
            };
            let axes = [axis("options", options.len() as i64)];
            Ok(WeightSpec::new(&d.name, axes, "baselines/zeros").group(Group::Choice))
        };
        decisions.iter().map(spec).collect()
    }

    fn mix(&self, w: &Tensors, decisions: &[Decision], _: &Draw) -> Result<Choices> {
        let choice =
            |d: &Decision| Ok((d.name.clone(), Choice::all(w[&d.name].f_softmax(0, None)?)));
        decisions.iter().map(choice).collect()
    }

    fn update(&self, session: &mut dyn Session) -> Result<Report> {
        if session.chains()?.is_empty() {
            let adam = || Recipe::new("baselines/adam").with("rate", 0.02);
            session.chain("weights", &[adam()], "model")?;
            session.chain("choice", &[adam()], "choice")?;
        }
        let (train, val) = (session.next("train", 0)?, session.next("val", 0)?);
        let gradient = self.gradient(session, &train, &val)?;
        session.apply("choice", &gradient)?;
        let loss = session.step("weights", &train, &Ask::train())?;
        Ok(Report::default().metric("loss", loss))
    }

    fn decide(&self, session: &mut dyn Session) -> Result<Tensors> {
        Ok(session.weights("choice")?.under("relaxation."))
    }
}

/// Fixes one decision after the other by the option whose removal hurts most, and goes on with another relaxation in
/// between (after Wang et al. 2021).
#[component(relaxation = "perturbed")]
struct Perturbed {
    /// The other one.
    inner: Use<dyn Relaxation>,
    /// Its steps between two decisions.
    tune: i64,
}

impl Perturbed {
    fn fixed(decision: &Decision) -> String {
        format!("fixed-{}", decision.name)
    }
}

impl Relaxation for Perturbed {
    fn weights(&self, decisions: &[Decision]) -> Result<Vec<WeightSpec>> {
        let mut weights = self.inner.weights(decisions)?;
        let open = || Recipe::new("baselines/constant").with("value", -1.0);
        weights.extend(decisions.iter().map(|d| {
            WeightSpec::new(&Self::fixed(d), [axis("one", 1)], open()).group(Group::Buffer)
        }));
        Ok(weights)
    }

    fn mix(&self, w: &Tensors, decisions: &[Decision], draw: &Draw) -> Result<Choices> {
        let mut choices = self.inner.mix(w, decisions, draw)?;
        for decision in decisions {
            let fixed = w[&Self::fixed(decision)].f_double_value(&[0])?;
            if let (true, Domain::Options(options)) = (fixed >= 0.0, &decision.domain) {
                choices.put(&decision.name, Choice::hard(fixed as usize, options.len()));
            }
        }
        Ok(choices)
    }

    fn update(&self, session: &mut dyn Session) -> Result<Report> {
        self.inner.update(session)
    }

    fn decide(&self, session: &mut dyn Session) -> Result<Tensors> {
        let ports = session.ports()?;
        let mut scores = Tensors::new();
        for decision in session.arch()?.decisions {
            let mut hurts = vec![];
            let mixture = session.mixture(false)?;
            let own = mixture.get(&decision.name).context("a choice")?;
            for option in own.active() {
                let index = Tensor::from_slice(&[i64::try_from(option)?]);
                let without = own.weights.f_index_fill(0, &index, 0.0)?;
                let others = own.active().filter(|other| *other != option);
                let mut choices = mixture.clone();
                choices.put(&decision.name, Choice::new(without, others));
                // Statistics of the batch, and no trace of them.
                let ask = Ask::train().dry().choices(choices);
                let worth = session.evaluate("val", &ask)?[&*ports.metric];
                hurts.push(if ports.higher_is_better {
                    -worth
                } else {
                    worth
                });
            }
            let hurts = Tensor::from_slice(&hurts);
            let best = hurts.f_argmax(0, true)?.f_to_kind(Kind::Float)?;
            let path = format!("relaxation.{}", Self::fixed(&decision));
            session.set(&Tensors::new().with(&path, best))?;
            scores.put(&decision.name, hurts);
            for _ in 0..self.tune {
                self.inner.update(session)?;
            }
        }
        Ok(scores)
    }
}

/// A network of `+1` and `-1` that falls into what its couplings remember (after Hopfield 1982).
#[component(layer = "hopfield")]
struct Hopfield {
    /// Steps at most.
    #[param(default = 20)]
    steps: i64,
}

impl Layer for Hopfield {
    fn weights(&self, inputs: &Shapes) -> Result<Vec<WeightSpec>> {
        let units = last_axis(inputs, "x")?;
        let axes = [units.clone(), units];
        Ok(vec![
            WeightSpec::new("couplings", axes, "baselines/zeros").group(Group::Buffer),
        ])
    }

    fn shapes(&self, inputs: &Shapes) -> Result<Shapes> {
        Ok(inputs.clone())
    }

    fn forward(&self, w: &Tensors, x: &Batch, pass: &dyn Pass) -> Result<Batch> {
        let mut state = x.tensor("x")?.shallow_clone();
        for step in 0..self.steps {
            let next = state.f_matmul(&w["couplings"])?.f_sign()?;
            let next = pass.tap(&format!("state-{step}"), next.into());
            if next.f_equal(&state)? {
                break;
            }
            state = next.shallow_clone();
        }
        Ok(Batch::new().with("x", state))
    }
}

/// Writes the mean pattern of each class into couplings, without gradients.
#[component(trainer = "store")]
struct Store {
    /// The node that remembers.
    node: String,
}

impl Trainer for Store {
    fn fit(&self, session: &mut dyn Session) -> Result<Report> {
        let batch = session.next("train", 0)?;
        let (x, class) = (batch.tensor("x")?, batch.tensor("class")?);
        let classes = class.f_max()?.f_int64_value(&[])? + 1;
        let members = class.f_one_hot(classes)?.f_to_kind(x.kind())?;
        let patterns = members.f_tr()?.f_matmul(x)?.f_sign()?; // [classes, units]
        let couplings = patterns.f_tr()?.f_matmul(&patterns)?;
        let couplings = couplings
            .f_div_scalar(x.size()[1])?
            .f_fill_diagonal_(0, false)?;
        let path = format!("{}.couplings", self.node);
        session.set(&Tensors::new().with(&path, couplings))?;
        Ok(Report::default())
    }
}

/// A recurrent cell: `h' = tanh(x U + h V)`.
#[component(layer = "cell")]
struct Cell {}

impl Layer for Cell {
    fn weights(&self, inputs: &Shapes) -> Result<Vec<WeightSpec>> {
        let hidden = last_axis(inputs, "state")?;
        let from = [last_axis(inputs, "x")?.named("in"), hidden.clone()];
        let again = [hidden.clone(), hidden];
        Ok(vec![
            WeightSpec::new("input", from, "baselines/glorot"),
            WeightSpec::new("recurrent", again, "baselines/glorot").tag("recurrent"),
        ])
    }

    fn shapes(&self, inputs: &Shapes) -> Result<Shapes> {
        let state = port(inputs, "state")?.clone();
        Ok(Shapes::new().with("x", state.clone()).with("state", state))
    }

    fn forward(&self, w: &Tensors, x: &Batch, _: &dyn Pass) -> Result<Batch> {
        let fresh = x.tensor("x")?.f_matmul(&w["input"])?;
        let again = x.tensor("state")?.f_matmul(&w["recurrent"])?;
        let state = fresh.f_add(&again)?.f_tanh()?;
        Ok(Batch::new().with("x", &state).with("state", &state))
    }
}
