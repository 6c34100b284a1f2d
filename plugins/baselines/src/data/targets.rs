//! What tasks over data of one's own want: a class of each sample, or numbers.
//!
//! Classes: logits `[samples, classes]` beside labels `[samples]`; the loss is the mean cross-entropy. Numbers: outputs
//! `[samples, outputs]` beside `[samples, outputs]`; outputs are in units of `scale` from `shift`, and so is the loss, the
//! mean squared error, whereas metrics are in the data's own units.

use std::fmt::Display;

use plugin_api::prelude::*;
use plugin_api::{schemars, serde};

use crate::data::classes;
use crate::data::npz::Array;

/// Which of the two is wanted.
#[derive(Clone, Copy, PartialEq, serde::Deserialize, schemars::JsonSchema)]
#[serde(crate = "plugin_api::serde", rename_all = "kebab-case")]
#[schemars(crate = "plugin_api::schemars", inline)]
pub(crate) enum Wanted {
    /// A class of each sample.
    Classes,
    /// A number of each sample, or several: regression.
    Numbers,
}

/// What is wanted of a network.
pub(crate) enum Targets {
    /// One of so many classes.
    Classes(i64),
    /// Numbers, in units of `scale` from `shift`: `[outputs]` each.
    Numbers { shift: Tensor, scale: Tensor },
}

/// Whether a sample may be of no class, which -1 says.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Unlabelled {
    Refused,
    Allowed,
}

impl Targets {
    /// The targets that an array holds, and its numbers: labels `[samples]`, int64, or `[samples, outputs]`, float32.
    /// Whole numbers are labels, unless numbers are wanted.
    ///
    /// # Errors
    /// Where they are none of a task.
    pub(crate) fn of(
        y: Array,
        wanted: Option<Wanted>,
        unlabelled: Unlabelled,
    ) -> Result<(Targets, Tensor)> {
        let is_classes = wanted.map_or(y.is_whole(), |wanted| wanted == Wanted::Classes);
        if is_classes {
            y.has_shape(&[("samples", None)])?;
            if !y.is_whole() {
                return Err(y
                    .is("holds floats where labels are wanted")
                    .expected("whole numbers from 0")
                    .help("save it as `y.astype(\"int64\")`, or set kind = \"numbers\"")
                    .into());
            }
            let labels = y.list()?;
            let classes = count(&labels, &y.place, unlabelled)?;
            return Ok((Targets::Classes(classes), y.whole()?));
        }
        let numbers = y.floats()?;
        let numbers = match numbers.dim() {
            1 => numbers.f_unsqueeze(1)?,
            _ => {
                y.has_shape(&[("samples", None), ("outputs", None)])?;
                numbers
            }
        };
        Ok((Targets::plain(&numbers)?, numbers))
    }

    /// Numbers as they are.
    pub(crate) fn plain(y: &Tensor) -> Result<Targets> {
        let width = y.size2()?.1;
        let of = (Kind::Double, Device::Cpu);
        Ok(Targets::Numbers {
            shift: Tensor::f_zeros([width], of)?,
            scale: Tensor::f_ones([width], of)?,
        })
    }

    /// What is drawn in equal shares: the classes of samples, or all as one.
    pub(crate) fn groups(&self, y: &Tensor) -> Result<Vec<i64>> {
        match self {
            Targets::Classes(_) => Ok(Vec::try_from(y)?),
            Targets::Numbers { .. } => Ok(vec![0; y.size()[0] as usize]),
        }
    }

    /// Axes of what a network gives for samples along `samples`.
    pub(crate) fn shape(&self, samples: &str) -> Shape {
        let last = match self {
            Targets::Classes(classes) => axis("classes", *classes),
            Targets::Numbers { shift, .. } => axis("outputs", shift.size()[0]),
        };
        vec![axis(samples, None), last]
    }

    /// The ports of a task over these inputs, which wants these targets of what lies along `samples`.
    pub(crate) fn ports(&self, inputs: Shapes, samples: &str) -> Ports {
        let (metric, higher_is_better) = match self {
            Targets::Classes(_) => ("accuracy", true),
            Targets::Numbers { .. } => ("rmse", false),
        };
        Ports {
            inputs,
            targets: Shapes::new(),
            outputs: Shapes::new().with("y", self.shape(samples)),
            metric: metric.into(),
            higher_is_better,
        }
    }

    /// The loss of the samples that count.
    pub(crate) fn loss(&self, outputs: &Batch, batch: &Batch) -> Result<Tensors> {
        let (given, wanted) = classes::of_split(outputs, batch)?;
        Ok(match self {
            Targets::Classes(_) => {
                Tensors::new().with("cross-entropy", classes::cross_entropy(&given, &wanted)?)
            }
            Targets::Numbers { .. } => {
                Tensors::new().with("squared-error", self.squared_error(&given, &wanted)?)
            }
        })
    }

    /// `accuracy` and `loss`, or `rmse`, `mae`, `r2` and `loss`, of the samples that count.
    pub(crate) fn metrics(&self, outputs: &Batch, batch: &Batch) -> Result<Named<f64>> {
        let (given, wanted) = classes::of_split(outputs, batch)?;
        let Targets::Numbers { shift, scale } = self else {
            return classes::metrics(&given, &wanted);
        };
        let loss = self.squared_error(&given, &wanted)?;
        let (scale, shift) = (like(scale, &given)?, like(shift, &given)?);
        let given = given
            .f_mul(&scale)?
            .f_add(&shift)?
            .f_to_kind(Kind::Double)?;
        let wanted = wanted.f_to_kind(Kind::Double)?;
        let error = given.f_sub(&wanted)?;
        let number = |t: Tensor| -> Result<f64> { Ok(f64::try_from(&t)?) };
        Ok(Named::new()
            .with(
                "rmse",
                number(error.f_square()?.f_mean(Kind::Double)?)?.sqrt(),
            )
            .with("mae", number(error.f_abs()?.f_mean(Kind::Double)?)?)
            .with("r2", number(determination(&error, &wanted)?)?)
            .with("loss", number(loss)?))
    }

    /// What outputs say of each sample, in columns called after what is wanted: the class by its name, or number where
    /// classes have no `names`, and `probability.CLASS`; or numbers in the data's own units.
    pub(crate) fn answers(&self, y: &Tensor, wanted: &str, names: &[String]) -> Result<Answers> {
        let Targets::Numbers { shift, scale } = self else {
            return classes::answers(y, wanted, names);
        };
        // As metrics do it, so that these can be found again.
        let y = y.f_mul(&like(scale, y)?)?.f_add(&like(shift, y)?)?;
        let y = y.f_to_kind(Kind::Double)?;
        let width = y.size2()?.1;
        let mut answers = Answers::default();
        for output in 0..width {
            let numbers: Vec<f64> = Vec::try_from(y.f_select(1, output)?)?;
            let name = match width {
                1 => wanted.to_owned(),
                _ => format!("{wanted}.{output}"),
            };
            answers = answers.column(name, numbers);
        }
        Ok(answers)
    }

    fn squared_error(&self, given: &Tensor, wanted: &Tensor) -> Result<Tensor> {
        let Targets::Numbers { shift, scale } = self else {
            return Err(Error::new("classes have no squared error").into());
        };
        let wanted = like(wanted, given)?.f_sub(&like(shift, given)?)?;
        let wanted = wanted.f_div(&like(scale, given)?)?;
        Ok(given.f_mse_loss(&wanted, tch::Reduction::Mean)?)
    }
}

/// `t` where `other` is, in its type.
fn like(t: &Tensor, other: &Tensor) -> Result<Tensor> {
    Ok(t.f_to_device(other.device())?.f_to_kind(other.kind())?)
}

/// The coefficient of determination, the mean of all outputs: `1 - sum error^2 / sum (y - mean y)^2`. Where an output does
/// not vary it is 1 if there is no error, else 0, as in scikit-learn.
fn determination(error: &Tensor, wanted: &Tensor) -> Result<Tensor> {
    let sum = |t: &Tensor| {
        t.f_square()?
            .f_sum_dim_intlist([0_i64].as_slice(), false, Kind::Double)
    };
    let mean = wanted.f_mean_dim([0_i64].as_slice(), true, Kind::Double)?;
    let (left, all) = (sum(error)?, sum(&wanted.f_sub(&mean)?)?);
    let r2 = left.f_div(&all)?.f_neg()?.f_add_scalar(1.0)?;
    let flat = left.f_eq(0.0)?.f_to_kind(Kind::Double)?;
    Ok(r2
        .f_where_self(&all.f_gt(0.0)?, &flat)?
        .f_mean(Kind::Double)?)
}

/// How many classes there are, where each of `0..classes` must have a sample; `place` is where the labels stand.
///
/// # Errors
/// Where one has none, or a label is negative.
pub(crate) fn count(labels: &[i64], place: impl Display, unlabelled: Unlabelled) -> Result<i64> {
    let least = match unlabelled {
        Unlabelled::Refused => 0,
        Unlabelled::Allowed => -1,
    };
    if let Some((at, label)) = labels.iter().enumerate().find(|(_, label)| **label < least) {
        return Err(
            Error::new(format!("{place} holds a negative label at [{at}]"))
                .found(label)
                .expected("whole numbers from 0")
                .into(),
        );
    }
    // A class without samples is found before a table of so many classes would be made.
    let mut there = vec![false; labels.len() + 1];
    for label in labels.iter().filter(|label| **label >= 0) {
        if let Some(there) = there.get_mut(*label as usize) {
            *there = true;
        }
    }
    let largest = labels.iter().max().copied().unwrap_or(-1);
    let missing = there.iter().position(|there| !there).unwrap_or_default() as i64;
    if missing <= largest {
        let (what, help) = match missing {
            0 => (
                "labels that do not begin with 0",
                "subtract the smallest label: `y - y.min()`",
            ),
            _ => (
                "classes with gaps between their numbers",
                "number them anew: `_, y = numpy.unique(y, return_inverse=True)`",
            ),
        };
        return Err(Error::new(format!("{place} holds {what}"))
            .found(format!("labels up to {largest}, none is {missing}"))
            .expected("a sample of each class, numbered from 0")
            .help(help)
            .into());
    }
    match largest + 1 {
        classes @ 2.. => Ok(classes),
        few => Err(Error::new(format!("{place} holds nothing to tell apart"))
            .found(match few {
                1 => "one class",
                _ => "no class",
            })
            .expected("two classes or more")
            .into()),
    }
}
