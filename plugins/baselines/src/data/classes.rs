//! What tasks of classification share: loss and metrics of logits, `[samples, classes]`, beside labels, `[samples]`.

use plugin_api::prelude::*;

/// The mean cross-entropy as the one term of a task's loss.
pub(crate) fn loss(outputs: &Batch, batch: &Batch) -> Result<Tensors> {
    let (logits, labels) = of_split(outputs, batch)?;
    Ok(Tensors::new().with("cross-entropy", cross_entropy(&logits, &labels)?))
}

/// `accuracy` and `loss` as a task's metrics.
pub(crate) fn measured(outputs: &Batch, batch: &Batch) -> Result<Named<f64>> {
    let (logits, labels) = of_split(outputs, batch)?;
    metrics(&logits, &labels)
}

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

/// What logits `[samples, classes]` say of each sample: the class as `wanted`, by its name, or number where classes have no
/// `names`, and `probability.CLASS`.
pub(crate) fn answers(logits: &Tensor, wanted: &str, names: &[String]) -> Result<Answers> {
    let probabilities = logits.f_to_kind(Kind::Double)?.f_softmax(1, Kind::Double)?;
    let chosen: Vec<i64> = Vec::try_from(logits.f_argmax(-1, false)?)?;
    let name = |class: i64| names.get(class as usize).cloned();
    let answers = match names.is_empty() {
        true => Answers::default().column(wanted, chosen),
        false => {
            let chosen = chosen
                .into_iter()
                .map(|class| name(class).unwrap_or_default());
            Answers::default().column(wanted, chosen.collect::<Vec<_>>())
        }
    };
    (0..probabilities.size2()?.1).try_fold(answers, |answers, class| {
        let of_class: Vec<f64> = Vec::try_from(probabilities.f_select(1, class)?)?;
        let name = name(class).unwrap_or_else(|| class.to_string());
        Ok(answers.column(format!("probability.{name}"), of_class))
    })
}
