//! Points of the plane in two rings around the origin, to be told apart.
//!
//! Gives `x`: `[batch, 2]`; wants `y`: logits, `[batch, 2]`. A batch also holds the labels `y`: `[batch]`, int64. A point
//! of class `c` is `1 + c + u` away from the origin, where `u` is uniform in `[-noise, noise)`. The loss is the mean
//! cross-entropy.

use std::f64::consts::TAU;

use plugin_api::prelude::*;

/// Points of the plane in two rings around the origin, to be told apart.
#[component(task = "rings")]
struct Rings {
    /// How far a point may be from the middle of its ring.
    #[param(default = 0.2, range = "0 <= x < 0.5")]
    noise: f64,
}

/// In each split.
const POINTS: i64 = 256;

impl Task for Rings {
    fn ports(&self) -> Result<Ports> {
        Ok(Ports {
            inputs: Shapes::new().with("x", vec![axis("batch", None), axis("features", 2)]),
            targets: Shapes::new(),
            outputs: Shapes::new().with("y", vec![axis("batch", None), axis("classes", 2)]),
            metric: "accuracy".into(),
            higher_is_better: true,
        })
    }

    fn batch(&self, split: &str, at: &At) -> Result<Option<Batch>> {
        let (x, y) = self.points(split)?;
        let size = if at.size > 0 { at.size } else { POINTS };
        let from = at.index * size;
        if from >= POINTS {
            return Ok(None);
        }
        // An order of its own for each epoch, which follows from the seed alone.
        let keys = random::uniform(&[POINTS], stream(at.seed, &at.epoch.to_string()));
        let order = keys.f_argsort(0, false)?;
        let here = order.f_narrow(0, from, size.min(POINTS - from))?;
        let batch = Batch::new()
            .with("x", x.f_index_select(0, &here)?)
            .with("y", y.f_index_select(0, &here)?);
        Ok(Some(batch))
    }

    fn loss(&self, outputs: &Batch, batch: &Batch) -> Result<Tensors> {
        let loss = cross_entropy(outputs.tensor("y")?, batch.tensor("y")?)?;
        Ok(Tensors::new().with("cross-entropy", loss))
    }

    fn metrics(&self, outputs: &Batch, batch: &Batch) -> Result<Named<f64>> {
        let (logits, labels) = (outputs.tensor("y")?, batch.tensor("y")?);
        let hits = logits.f_argmax(-1, false)?.f_eq_tensor(labels)?;
        let accuracy = hits.f_to_kind(Kind::Double)?.f_mean(Kind::Double)?;
        Ok(Named::new()
            .with("accuracy", f64::try_from(&accuracy)?)
            .with("loss", f64::try_from(&cross_entropy(logits, labels)?)?))
    }
}

impl Rings {
    /// The points of a split, `[points, 2]`, and their labels, `[points]`.
    fn points(&self, split: &str) -> Result<(Tensor, Tensor)> {
        if !["train", "val", "test"].contains(&split) {
            return Err(Error::new(format!("there is no split `{split}`"))
                .expected("train, val or test")
                .into());
        }
        let labels = Tensor::f_arange(POINTS, (Kind::Int64, Device::Cpu))?.f_remainder(2)?;
        let draw = |what: &str| random::uniform(&[POINTS], stream(0, &format!("{split} {what}")));
        let away = draw("distance")
            .f_mul_scalar(2.0 * self.noise)?
            .f_add_scalar(1.0 - self.noise)?
            .f_add(&labels)?;
        let angle = draw("angle").f_mul_scalar(TAU)?;
        let x = Tensor::f_stack(
            &[angle.f_cos()?.f_mul(&away)?, angle.f_sin()?.f_mul(&away)?],
            -1,
        )?;
        Ok((x, labels))
    }
}

fn cross_entropy(logits: &Tensor, labels: &Tensor) -> Result<Tensor> {
    Ok(logits.f_cross_entropy_loss::<Tensor>(labels, None, tch::Reduction::Mean, -100, 0.0)?)
}
