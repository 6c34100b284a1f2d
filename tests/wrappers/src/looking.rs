//! What is looked at, and what looks: task, analysis.

use plugin_api::prelude::*;

/// Another task with twice its loss. Its episodes show the same samples a few times over: an action is the class of the
/// first, and is worth 1 where it is the batch's own label `y`.
#[component(task = "task")]
struct Heavier {
    /// The other one.
    inner: Use<dyn Task>,
    /// Actions in an episode.
    #[param(default = 3, range = "1 <= x")]
    actions: i64,
}

impl Task for Heavier {
    fn ports(&self) -> Result<Ports> {
        self.inner.ports()
    }

    fn batch(&self, split: &str, at: &At) -> Result<Option<Batch>> {
        self.inner.batch(split, at)
    }

    fn loss(&self, outputs: &Batch, batch: &Batch) -> Result<Tensors> {
        Ok(self.inner.loss(outputs, batch)?.map(|_, t| t * 2.0))
    }

    fn metrics(&self, outputs: &Batch, batch: &Batch) -> Result<Named<f64>> {
        self.inner.metrics(outputs, batch)
    }

    fn episode(&self, split: &str, at: &At) -> Result<Option<Box<dyn Episode>>> {
        let batch = self.batch(split, at)?.context("the split is empty")?;
        Ok(Some(Box::new(Naming {
            batch,
            left: self.actions,
            right: 0,
        })))
    }
}

struct Naming {
    batch: Batch,
    left: i64,
    right: i64,
}

impl Episode for Naming {
    fn observe(&self) -> Result<Option<Batch>> {
        Ok((self.left > 0).then(|| self.batch.clone()))
    }

    fn act(&mut self, outputs: &Batch, _: u64) -> Result<Acted> {
        let named = outputs.tensor("y")?.f_argmax(-1, false)?.f_get(0)?;
        let label = self.batch.tensor("y")?.f_get(0)?;
        let reward = f64::from(named.f_int64_value(&[])? == label.f_int64_value(&[])?);
        self.left -= 1;
        self.right += reward as i64;
        let record = Batch::new().with("action", named).with("label", label);
        Ok(Acted { reward, record })
    }

    fn metrics(&self) -> Result<Named<f64>> {
        Ok(Named::new().with("right", self.right as f64))
    }
}

/// What another analysis says, the number of subjects, how the first of them does on `val`, and the best of a search of
/// its own.
#[component(analysis = "analysis")]
struct Wider {
    /// The other one.
    inner: Use<dyn Analysis>,
    /// The search.
    space: RecipeOf<dyn Space>,
}

impl Analysis for Wider {
    fn measure(&self, bench: &dyn Bench, host: &dyn Host) -> Result<Report> {
        let report = self.inner.measure(bench, host)?;
        let subjects = bench.subjects()?;
        let mut subject = bench.subject(&subjects[0])?;
        let ports = subject.ports()?;
        let before = subject.evaluate("val", &Ask::eval())?[&*ports.metric];
        // What is done to a subject is done to a copy.
        let zeros = subject.weights("model")?.map(|_, t| t.zeros_like());
        subject.set(&zeros)?;
        let after = bench.subject(&subjects[0])?.evaluate("val", &Ask::eval())?[&*ports.metric];
        ensure!(before == after, "the bench gave out its own subject");
        let fresh = host.session(&subject.arch()?, On::SameTask, 7)?;

        let seen = bench.search(&Searching {
            strategy: Recipe::new("baselines/random"),
            space: self.space.recipe.clone(),
            trainer: Recipe::new("baselines/backprop").with("epochs", 3),
            trials: 3,
            seed: 0,
        })?;
        let values = seen
            .iter()
            .filter_map(|observation| match &observation.outcome {
                Outcome::Done(metrics) => metrics.get(&ports.metric).copied(),
                Outcome::Failed(_) => None,
            });
        Ok(report
            .metric("subjects", subjects.len() as f64)
            .metric("first", before)
            .metric(
                "fresh",
                fresh.evaluate("val", &Ask::eval())?[&*ports.metric],
            )
            .metric("trials", seen.len() as f64)
            .metric("found", values.fold(f64::NAN, f64::max)))
    }
}
