//! Gradients sample by sample.

use plugin_api::{Ask, Batch, Error, Result, Session, Sink, Tensors, Value, gradients_of};
use tch::Tensor;

use super::NetSession;

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

/// How many samples a batch holds: the common length of the first axes of its tensors.
fn samples(batch: &Batch) -> Result<i64> {
    let mut length = None;
    for (port, value) in batch.iter() {
        let Value::Tensor(t) = value else {
            let what = format!("a batch with a graph (`{port}`) cannot be taken apart");
            return Err(Error::new(what)
                .help("take gradients of an output, sample by sample, instead of the loss")
                .into());
        };
        let first = t.size().first().copied();
        if first.is_none() || length.is_some_and(|length| Some(length) != first) {
            let what = format!("`{port}` has not one row for each sample");
            return Err(Error::new(what).found(format!("{:?}", t.size())).into());
        }
        length = first;
    }
    length.ok_or_else(|| Error::new("the batch is empty").into())
}

/// One sample of a batch.
fn only(batch: &Batch, sample: i64) -> Result<Batch> {
    let one = batch.names().map(|port| {
        let row = batch.tensor(port)?.f_narrow(0, sample, 1)?;
        Ok((port, row))
    });
    one.collect()
}
