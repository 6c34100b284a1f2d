//! Gradients sample by sample.

use plugin_api::{Ask, Batch, Error, Result, Session, Sink, Tensors, gradients_of};
use tch::Tensor;

use super::NetSession;
use super::samples::{only, samples};

impl NetSession {
    /// Of the loss of each sample alone.
    pub(super) fn gradients_of_losses(
        &self,
        batch: &Batch,
        ask: &Ask<'_>,
        select: &str,
        sink: &mut dyn Sink,
    ) -> Result<()> {
        let weights = self.weights(select)?;
        for sample in 0..samples(batch)? {
            let alone = only(batch, sample)?;
            let loss = self.loss(&self.run(&alone, ask)?, &alone)?;
            sink.take(sample, &gradients_of(&loss, &weights, false)?)?;
        }
        Ok(())
    }

    /// Of each number of an output, from one pass.
    pub(super) fn jacobians(
        &self,
        batch: &Batch,
        ask: &Ask<'_>,
        port: &str,
        select: &str,
        sink: &mut dyn Sink,
    ) -> Result<()> {
        let weights = self.weights(select)?;
        let seen = self.run(batch, ask)?;
        let outputs = seen.outputs.tensor(port)?;
        let samples = *outputs
            .size()
            .first()
            .ok_or_else(|| Error::new(format!("output `{port}` is one number, of no sample")))?;
        let leaves: Vec<&Tensor> = weights.values().map(|t| &**t).collect();
        for sample in 0..samples {
            let numbers = outputs.f_get(sample)?.f_flatten(0, -1)?;
            let mut rows: Vec<Vec<Tensor>> = leaves.iter().map(|_| vec![]).collect();
            for i in 0..numbers.size()[0] {
                // The numbers that follow still need the graph of the pass.
                let gradients = Tensor::f_run_backward(&[numbers.f_get(i)?], &leaves, true, false)?;
                for ((row, gradient), leaf) in rows.iter_mut().zip(gradients).zip(&leaves) {
                    row.push(match gradient.defined() {
                        true => gradient,
                        false => leaf.f_zeros_like()?,
                    });
                }
            }
            let rows = weights.names().zip(&rows);
            let jacobian = rows.map(|(path, rows)| Ok((path, Tensor::f_stack(rows, 0)?)));
            sink.take(sample, &jacobian.collect::<Result<Tensors>>()?)?;
        }
        Ok(())
    }
}
