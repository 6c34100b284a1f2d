//! Batches taken apart into their samples, and put together again.

use plugin_api::{Batch, Error, Result, Seen, Tensors, Value};
use tch::Tensor;

/// Where a batch names the samples that count, such as nodes of a graph.
const SPLIT: &str = "split";

/// How many samples a batch holds: as many as it names, else the common length of the first axes of its tensors.
pub(super) fn samples(batch: &Batch) -> Result<i64> {
    if let Some(Value::Tensor(named)) = batch.get(SPLIT) {
        return Ok(named.numel() as i64);
    }
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

/// One sample of a batch: alone, or as the only one that counts where the batch names those that do.
pub(super) fn only(batch: &Batch, sample: i64) -> Result<Batch> {
    if let Some(Value::Tensor(named)) = batch.get(SPLIT) {
        let one = named.f_narrow(0, sample, 1)?;
        return Ok(batch.clone().with(SPLIT, one));
    }
    let one = batch.names().map(|port| {
        let row = batch.tensor(port)?.f_narrow(0, sample, 1)?;
        Ok((port, row))
    });
    one.collect()
}

/// Runs each sample alone; what they give is put together along the first axis. Graphs, and tensors of another length
/// than the samples', belong to all of them.
pub(super) fn one_by_one(
    batch: &Batch,
    samples: i64,
    run: impl Fn(&Batch) -> Result<Seen>,
) -> Result<Seen> {
    let alone = |sample: i64| {
        let one = batch.iter().map(|(port, value)| {
            let value = match value {
                Value::Tensor(t) if t.size().first() == Some(&samples) => {
                    t.f_narrow(0, sample, 1)?.into()
                }
                value => value.clone(),
            };
            Ok((port, value))
        });
        run(&one.collect::<Result<Batch>>()?)
    };
    let all = (0..samples).map(alone).collect::<Result<Vec<Seen>>>()?;
    let Some(first) = all.first() else {
        return Err(Error::new("the batch is empty").into());
    };
    let outputs = first.outputs.names().map(|port| {
        let parts = all
            .iter()
            .map(|seen| Ok(seen.outputs.tensor(port)?.shallow_clone()));
        let parts = parts.collect::<Result<Vec<Tensor>>>()?;
        Ok((port, Tensor::f_cat(&parts, 0)?))
    });
    let taps = first.taps.names().map(|tap| {
        let parts: Vec<Tensor> = all
            .iter()
            .map(|seen| seen.taps[tap].shallow_clone())
            .collect();
        Ok((tap, Tensor::f_cat(&parts, 0)?))
    });
    Ok(Seen {
        outputs: outputs.collect::<Result<Batch>>()?,
        taps: taps.collect::<Result<Tensors>>()?,
        step: first.step,
    })
}
