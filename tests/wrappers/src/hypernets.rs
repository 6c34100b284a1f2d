//! Hypernets that know which task it is, parts to put around others, and training on one task after the other.

use std::f64::consts::FRAC_PI_2;

use plugin_api::prelude::*;

/// Takes a row of numbers apart into the weights that are wanted of it.
fn split(flat: &Tensor, target: &[WeightSpec]) -> Result<Tensors> {
    let mut begin = 0;
    let each = target.iter().map(|spec| {
        let part = flat.f_narrow(0, begin, spec.numel())?;
        begin += spec.numel();
        Ok((&spec.name, part.f_view(spec.size().as_slice())?))
    });
    each.collect()
}

fn numel(target: &[WeightSpec]) -> i64 {
    target.iter().map(WeightSpec::numel).sum()
}

/// Makes weights in chunks, one after the other: a recurrent network sees an embedding of the task, whose number is the
/// first of the condition `task`, and one of the chunk (after Chandra et al. 2023).
#[component(hypernet = "recurrent")]
struct Recurrent {
    /// Tasks.
    #[param(default = 2, range = "1 <= x")]
    tasks: i64,
    /// Weights that are made in one step.
    #[param(default = 8, range = "1 <= x")]
    chunk: i64,
    /// Units of the recurrent network.
    #[param(default = 8, range = "1 <= x")]
    hidden: i64,
    /// Length of an embedding.
    #[param(default = 4, range = "1 <= x")]
    embedding: i64,
}

impl Hypernet for Recurrent {
    fn weights(&self, target: &[WeightSpec]) -> Result<Vec<WeightSpec>> {
        let chunks = ("chunks", (numel(target) + self.chunk - 1) / self.chunk);
        let (hidden, embedding) = (("hidden", self.hidden), ("embedding", self.embedding));
        let drawn = || {
            let uniform = Recipe::new("baselines/uniform");
            uniform.with("low", -0.5).with("high", 0.5)
        };
        let both = ("both", 2 * self.embedding);
        Ok(vec![
            WeightSpec::new("task", &[("tasks", self.tasks), embedding], drawn()),
            WeightSpec::new("chunk", &[chunks, embedding], drawn()),
            WeightSpec::new("input", &[both, hidden], "baselines/glorot"),
            WeightSpec::new("recurrent", &[hidden, hidden], "baselines/glorot").tag("recurrent"),
            WeightSpec::new("head", &[hidden, ("chunk", self.chunk)], drawn()),
        ])
    }

    fn generate(&self, w: &Tensors, condition: &Batch, target: &[WeightSpec]) -> Result<Tensors> {
        let which = condition
            .tensor("task")?
            .f_flatten(0, -1)?
            .f_narrow(0, 0, 1)?;
        let task = w["task"].f_index_select(0, &which)?; // [1, embedding]
        let hidden = w["recurrent"].size()[0];
        let mut state = Tensor::f_zeros([1, hidden], (task.kind(), task.device()))?;
        let mut chunks = vec![];
        for chunk in 0..w["chunk"].size()[0] {
            let both = Tensor::f_cat(&[&task, &w["chunk"].f_narrow(0, chunk, 1)?], 1)?;
            let again = state.f_matmul(&w["recurrent"])?;
            state = both.f_matmul(&w["input"])?.f_add(&again)?.f_tanh()?;
            chunks.push(state.f_matmul(&w["head"])?.f_flatten(0, -1)?);
        }
        split(&Tensor::f_cat(&chunks, 0)?, target)
    }
}

/// Each weight is a linear map of what comes in at the condition `g`: `[features]`, or rows whose mean counts.
#[component(hypernet = "mapped")]
struct Mapped {
    /// Length of the condition.
    #[param(default = 1, range = "1 <= x")]
    features: i64,
}

impl Hypernet for Mapped {
    fn weights(&self, target: &[WeightSpec]) -> Result<Vec<WeightSpec>> {
        let axes = [("features", self.features), ("weights", numel(target))];
        Ok(vec![WeightSpec::new("map", &axes, "baselines/glorot")])
    }

    fn generate(&self, w: &Tensors, condition: &Batch, target: &[WeightSpec]) -> Result<Tensors> {
        let g = condition.tensor("g")?.f_view([-1, self.features])?;
        let g = g.f_mean_dim(0_i64, true, None::<Kind>)?;
        split(&g.f_matmul(&w["map"])?.f_flatten(0, -1)?, target)
    }
}

/// Any hypernet that sees `cos(pi g / 2)` and `sin(pi g / 2)` side by side in place of each `g`: what it sees has the same
/// length whatever `g` is (Ortiz et al. 2024).
#[component(hypernet = "encoded")]
struct Encoded {
    /// The other one.
    #[param(default = "wrappers/mapped")]
    inner: Use<dyn Hypernet>,
}

impl Hypernet for Encoded {
    fn weights(&self, target: &[WeightSpec]) -> Result<Vec<WeightSpec>> {
        self.inner.weights(target)
    }

    fn generate(&self, w: &Tensors, condition: &Batch, target: &[WeightSpec]) -> Result<Tensors> {
        let encoded = condition.names().map(|port| {
            let angle = condition.tensor(port)?.f_mul_scalar(FRAC_PI_2)?;
            let both = Tensor::f_cat(&[angle.f_cos()?, angle.f_sin()?], -1)?;
            Ok((port, both))
        });
        let encoded = encoded.collect::<Result<Batch>>()?;
        self.inner.generate(w, &encoded, target)
    }
}

/// What any hypernet makes, added to weights that are learned themselves and begin as their layers ask (Ortiz et al. 2024).
#[component(hypernet = "based")]
struct Based {
    /// The other one.
    #[param(default = "wrappers/mapped")]
    inner: Use<dyn Hypernet>,
}

impl Hypernet for Based {
    fn weights(&self, target: &[WeightSpec]) -> Result<Vec<WeightSpec>> {
        let inner = self.inner.weights(target)?.into_iter();
        let base = target.iter().cloned().map(|spec| spec.under("base."));
        Ok(inner.map(|spec| spec.under("inner.")).chain(base).collect())
    }

    fn generate(&self, w: &Tensors, condition: &Batch, target: &[WeightSpec]) -> Result<Tensors> {
        let made = self.inner.generate(&w.under("inner."), condition, target)?;
        let sums = made.iter().map(|(path, made)| {
            let base = &w[&format!("base.{path}")];
            Ok((path, base.f_add(made)?))
        });
        sums.collect()
    }
}

/// Trains on the splits `task-0`, `task-1`, … one after the other, and holds what a hypernet makes for earlier tasks to
/// what it made when they were learned (after von Oswald et al. 2020). `I after J` is how task `I` does then.
#[component(trainer = "continual")]
struct Continual {
    /// Tasks.
    #[param(default = 2, range = "1 <= x")]
    tasks: i64,
    /// What the squared change of earlier tasks' weights costs.
    #[param(default = 0.5, range = "0 <= x")]
    strength: f64,
    /// Steps for each task.
    #[param(default = 80, range = "1 <= x")]
    steps: i64,
    /// The weights that are made.
    #[param(default = "net*")]
    made: String,
    /// From gradients to updates.
    #[param(default = ["baselines/adam"])]
    transforms: Vec<RecipeOf<dyn Transform>>,
}

impl Trainer for Continual {
    fn fit(&self, session: &mut dyn Session) -> Result<Report> {
        let transforms: Vec<Recipe> = self.transforms.iter().map(|t| t.recipe.clone()).collect();
        let metric = session.ports()?.metric;
        let mut earlier: Vec<(Batch, Tensors)> = vec![];
        let mut report = Report::default();
        for task in 0..self.tasks {
            session.chain("main", &transforms, "model")?;
            let batch = session.batch(&format!("task-{task}"), &At::ALL)?;
            let batch = batch.with_context(|| format!("task {task} has no batch"))?;
            for _ in 0..self.steps {
                let seen = session.forward(&batch, &Ask::train())?;
                let mut loss = session.loss(&seen, &batch)?.shallow_clone();
                for (condition, then) in &earlier {
                    let change = self.change(session, condition, then)?;
                    loss = loss.f_add(&change.f_mul_scalar(self.strength)?)?;
                }
                let down = gradients_of(&loss, &session.weights("model")?, false)?;
                session.apply("main", &down)?;
            }
            let condition = Batch::new().with("task", batch.tensor("task")?);
            let made = session.effective(&self.made, &Ask::eval().condition(condition.clone()))?;
            earlier.push((condition, made.map(|_, t| t.detach())));
            for before in 0..=task {
                let metrics = session.evaluate(&format!("task-{before}"), &Ask::eval())?;
                report = report.metric(&format!("{before} after {task}"), metrics[&*metric]);
            }
        }
        Ok(report)
    }
}

impl Continual {
    /// How far the weights that are made for a task are from those that were, squared.
    fn change(&self, session: &dyn Session, task: &Batch, then: &Tensors) -> Result<Tensor> {
        let made = session.effective(&self.made, &Ask::eval().condition(task.clone()))?;
        let changes = made.iter().map(|(path, now)| {
            let change = now.f_sub(&then[path])?.f_square()?;
            Ok(change.f_sum(None::<Kind>)?)
        });
        let changes = changes.collect::<Result<Vec<Tensor>>>()?;
        Ok(Tensor::f_stack(&changes, 0)?.f_sum(None::<Kind>)?)
    }
}
