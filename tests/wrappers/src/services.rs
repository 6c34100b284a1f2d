//! A trainer that calls what others do not: sinks, hooks, spawned sessions on a task of its own, replacement.

use std::cell::Cell;

use plugin_api::prelude::*;

/// Calls the services of a session that no other component here calls, and reports what they gave.
#[component(trainer = "services")]
struct Services {}

impl Trainer for Services {
    fn fit(&self, session: &mut dyn Session) -> Result<Report> {
        let batch = session
            .batch("train", &At { size: 4, ..At::ALL })?
            .context("the task has no training batch")?;

        let mut sum = Sum::default();
        session.each_gradient(&batch, &Ask::eval(), &Of::Loss, "model", &mut sum)?;
        let seen = session.forward(&batch, &Ask::eval())?;
        let loss = session.loss(&seen, &batch)?;
        let whole = gradients_of(&loss, &session.weights("model")?, false)?;
        let mut apart = 0.0_f64;
        for (path, gradient) in whole.iter() {
            // The loss is a mean over four samples.
            let mean = sum.gradients[path].f_div_scalar(4.0)?;
            let difference = mean.f_sub(gradient)?.f_abs()?.f_max()?;
            apart = apart.max(difference.f_double_value(&[])?);
        }

        let mut rows = Rows::default();
        session.each_gradient(
            &batch,
            &Ask::eval(),
            &Of::Output("y".into()),
            "model",
            &mut rows,
        )?;

        let looks = Cell::new(0);
        let zero = Zeroing(&looks);
        let hooked = session.forward(&batch, &Ask::eval().hooked(&zero))?;
        let left = hooked.outputs.tensor("y")?.f_abs()?.f_max()?;

        let own = On::task(Own {
            input: session.ports()?.inputs,
        });
        let child = session.spawn(&session.arch()?, own, 5)?;
        let own_loss = child.evaluate("train", &Ask::eval())?["mean"];
        let idle = session.spawn(&session.arch()?, On::Nothing, 5)?;
        let refused = idle
            .evaluate("train", &Ask::eval())
            .err()
            .context("it has a task after all")?;

        Ok(Report::default()
            .metric("samples", sum.samples as f64)
            .metric("apart", apart)
            .metric("rows", rows.rows as f64)
            .metric("looks", f64::from(looks.get()))
            .metric("left", left.f_double_value(&[])?)
            .metric("own", own_loss)
            .metric(
                "refused",
                f64::from(refused.to_string().contains("no task")),
            ))
    }
}

/// Adds gradients up.
#[derive(Default)]
struct Sum {
    samples: i64,
    gradients: Tensors,
}

impl Sink for Sum {
    fn take(&mut self, sample: i64, gradients: &Tensors) -> Result<()> {
        ensure!(sample == self.samples, "samples come out of turn");
        self.samples += 1;
        for (path, gradient) in gradients.iter() {
            let sum = match self.gradients.get(path) {
                Some(before) => before.f_add(gradient)?,
                None => gradient.shallow_clone(),
            };
            self.gradients.put(path, sum);
        }
        Ok(())
    }
}

/// Counts the rows of Jacobians.
#[derive(Default)]
struct Rows {
    rows: i64,
}

impl Sink for Rows {
    fn take(&mut self, _: i64, gradients: &Tensors) -> Result<()> {
        let first = gradients.values().next().context("no gradients")?;
        self.rows += first.size()[0];
        Ok(())
    }
}

/// Puts zeros in place of everything that it is shown.
struct Zeroing<'a>(&'a Cell<u32>);

impl Hook for Zeroing<'_> {
    fn at(&self, _: &str, x: plugin_api::Tensor) -> plugin_api::Tensor {
        self.0.set(self.0.get() + 1);
        x.zeros_like().into()
    }
}

/// A task of a plugin's own: two samples of ones, measured by the mean of what comes out.
struct Own {
    input: Shapes,
}

impl Task for Own {
    fn ports(&self) -> Result<Ports> {
        Ok(Ports {
            inputs: self.input.clone(),
            targets: Shapes::new(),
            outputs: Shapes::new(),
            metric: "mean".into(),
            higher_is_better: true,
        })
    }

    fn batch(&self, _: &str, at: &At) -> Result<Option<Batch>> {
        let width = width(&self.input, "x")?;
        let ones = Tensor::f_ones([2, width], (Kind::Float, Device::Cpu))?;
        Ok((at.index == 0).then(|| Batch::new().with("x", ones)))
    }

    fn loss(&self, outputs: &Batch, _: &Batch) -> Result<Tensors> {
        Ok(Tensors::new().with("mean", outputs.tensor("y")?.f_mean(None::<Kind>)?))
    }

    fn metrics(&self, outputs: &Batch, _: &Batch) -> Result<Named<f64>> {
        let mean = outputs.tensor("y")?.f_mean(None::<Kind>)?;
        Ok(Named::new().with("mean", mean.f_double_value(&[])?))
    }
}
