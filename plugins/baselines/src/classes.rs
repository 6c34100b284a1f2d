//! What tasks of classification share: loss and metrics of logits, `[samples, classes]`, beside labels, `[samples]`.

use plugin_api::prelude::*;

/// Logits and labels of the samples that count.
pub(crate) fn of_split(outputs: &Batch, batch: &Batch) -> Result<(Tensor, Tensor)> {
    Ok((
        batch.counted(outputs.tensor("y")?)?,
        batch.counted(batch.tensor("y")?)?,
    ))
}

/// Mean cross-entropy of logits `[samples, classes]`.
pub(crate) fn cross_entropy(logits: &Tensor, labels: &Tensor) -> Result<Tensor> {
    Ok(logits.f_cross_entropy_loss::<Tensor>(labels, None, tch::Reduction::Mean, -100, 0.0)?)
}

/// `accuracy` and `loss` of logits `[samples, classes]`.
pub(crate) fn metrics(logits: &Tensor, labels: &Tensor) -> Result<Named<f64>> {
    let hits = logits
        .f_argmax(-1, false)?
        .f_eq_tensor(labels)?
        .f_to_kind(Kind::Double)?
        .f_mean(Kind::Double)?;
    let loss = cross_entropy(logits, labels)?;
    Ok(Named::new()
        .with("accuracy", f64::try_from(&hits)?)
        .with("loss", f64::try_from(&loss)?))
}
