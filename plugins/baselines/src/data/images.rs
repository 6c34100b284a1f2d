//! Labelled images in memory, and what tasks over them share.
//!
//! A batch holds `x`, `[batch, channels, height, width]`, float32, and the labels `y`, `[batch]`, int64:
//!
//! ```text
//! x = (pixel - mean_c) / sd_c        with mean and standard deviation of each channel over the training images,
//! x = pixel / 255                    or where nothing is normalised
//! ```

use plugin_api::prelude::*;
use rand::seq::SliceRandom;

use crate::data::splits::Splits;

/// Images one behind the other, with the class of each.
pub(crate) struct Labelled {
    /// Channels, height and width of each.
    pub size: [i64; 3],
    /// Image by image, channel by channel, row by row.
    pub pixels: Vec<u8>,
    /// Class by class from 0.
    pub labels: Vec<i64>,
}

impl Labelled {
    /// These, and others of their size behind them.
    fn and(mut self, other: Labelled) -> Result<Self> {
        if self.size != other.size {
            return Err(
                Error::new("test images have another size than training images")
                    .found(shown(other.size))
                    .expected(shown(self.size))
                    .into(),
            );
        }
        self.pixels.extend(other.pixels);
        self.labels.extend(other.labels);
        Ok(self)
    }
}

/// Height and width as people read them.
pub(crate) fn shown([_, height, width]: [i64; 3]) -> String {
    format!("{width} x {height} pixels")
}

/// How training images are drawn from those of the source.
pub(crate) struct Drawn {
    /// Decides which.
    pub seed: u64,
    /// How many to learn from; all that are left where it is `None`.
    pub train: Option<usize>,
    /// How many to choose by.
    pub val: usize,
}

/// A data set in memory.
pub(crate) struct Images {
    /// `[images, channels, height, width]`, uint8.
    pixels: Tensor,
    /// `[images]`, int64.
    labels: Tensor,
    size: [i64; 3],
    classes: i64,
    splits: Splits,
    /// What is taken from each pixel of a channel, and what the rest is divided by: `[channels, 1, 1]`.
    scale: [Tensor; 2],
}

impl Images {
    /// A data set whose source says what is for training and what for testing.
    ///
    /// # Errors
    /// Where the two do not fit together, or there are fewer than are to be drawn.
    pub(crate) fn official(
        train: Labelled,
        test: Labelled,
        drawn: &Drawn,
        normalise: bool,
    ) -> Result<Self> {
        let (n, all) = (train.labels.len(), train.labels.len() + test.labels.len());
        let mut order: Vec<i64> = (0..n as i64).collect();
        order.shuffle(&mut random::generator(stream(drawn.seed, "split")));
        let wanted = drawn.train.unwrap_or(1);
        if drawn.val.saturating_add(wanted) > n {
            return Err(Error::new("there are too few training images")
                .found(n)
                .expected(format!("{} for `val` and {wanted} to train on", drawn.val))
                .help("lower `train` or `val`")
                .into());
        }
        // Those to choose by come first, so that they stay where `train` changes.
        let (val, rest) = order.split_at(drawn.val);
        let train_on = &rest[..drawn.train.unwrap_or(rest.len())];
        let tested = (n as i64..all as i64).collect();
        let splits = Splits::new([train_on.to_vec(), val.to_vec(), tested]);
        Images::new(train.and(test)?, splits, normalise)
    }

    /// A data set with these splits.
    ///
    /// # Errors
    /// Where a split is empty, or a class has no training image.
    pub(crate) fn new(all: Labelled, splits: Splits, normalise: bool) -> Result<Self> {
        for name in ["train", "val", "test"] {
            ensure!(
                !splits.get(name)?.is_empty(),
                Error::new(format!("split `{name}` has no image"))
            );
        }
        let classes = all.labels.iter().max().map_or(0, |most| most + 1);
        let mut learned = vec![false; classes as usize];
        for image in &splits.train {
            learned[all.labels[*image as usize] as usize] = true;
        }
        if let Some(class) = learned.iter().position(|is_learned| !is_learned) {
            return Err(
                Error::new(format!("no training image has the label {class}"))
                    .found(format!("labels up to {}", classes - 1))
                    .expected("some of each, counted from 0")
                    .help("number the labels anew, or train on more images")
                    .into(),
            );
        }
        let [channels, height, width] = all.size;
        let pixels = Tensor::f_from_slice(&all.pixels)?;
        let pixels = pixels.f_view([-1, channels, height, width])?;
        Ok(Images {
            scale: scale(&pixels, &splits.train, normalise)?,
            labels: Tensor::f_from_slice(&all.labels)?,
            size: all.size,
            pixels,
            classes,
            splits,
        })
    }

    /// The ports of a task of classification over them.
    pub(crate) fn ports(&self) -> Ports {
        let [channels, height, width] = self.size;
        let batch = || axis("batch", None);
        Ports {
            inputs: Shapes::new().with(
                "x",
                vec![
                    batch(),
                    axis("channels", channels),
                    axis("height", height),
                    axis("width", width),
                ],
            ),
            targets: Shapes::new(),
            outputs: Shapes::new().with("y", vec![batch(), axis("classes", self.classes)]),
            metric: "accuracy".into(),
            higher_is_better: true,
        }
    }

    /// What comes in for other images.
    ///
    /// # Errors
    /// Where they are of another size.
    pub(crate) fn inputs(&self, others: Labelled) -> Result<Batch> {
        if others.size != self.size {
            return Err(Error::new(
                "the images have another size than those that were learned from",
            )
            .found(shown(others.size))
            .expected(shown(self.size))
            .into());
        }
        let [channels, height, width] = self.size;
        let pixels = Tensor::f_from_slice(&others.pixels)?;
        let pixels = pixels.f_view([-1, channels, height, width])?;
        Ok(Batch::new().with("x", self.scaled(&pixels)?))
    }

    /// Pixels as a network gets them.
    fn scaled(&self, pixels: &Tensor) -> Result<Tensor> {
        let [mean, sd] = &self.scale;
        Ok(pixels.f_to_kind(Kind::Float)?.f_sub_(mean)?.f_div_(sd)?)
    }

    /// A batch of a split.
    ///
    /// # Errors
    /// Where there is no such split.
    pub(crate) fn batch(&self, split: &str, at: &At) -> Result<Option<Batch>> {
        let Some(which) = self.splits.batch(split, at)? else {
            return Ok(None);
        };
        let which = Tensor::f_from_slice(&which)?;
        let x = self.pixels.f_index_select(0, &which)?;
        Ok(Some(
            Batch::new()
                .with("x", self.scaled(&x)?)
                .with("y", self.labels.f_index_select(0, &which)?),
        ))
    }
}

/// Mean and standard deviation of each channel over these images, or what leaves pixels between 0 and 1.
fn scale(pixels: &Tensor, train: &[i64], normalise: bool) -> Result<[Tensor; 2]> {
    if !normalise {
        return Ok([Tensor::from(0_f32), Tensor::from(255_f32)]);
    }
    let train = pixels.f_index_select(0, &Tensor::f_from_slice(train)?)?;
    let (sd, mean) =
        train
            .f_to_kind(Kind::Float)?
            .f_std_mean_dim([0_i64, 2, 3].as_slice(), false, true)?;
    // A channel that is the same everywhere tells nothing, and becomes zeros.
    let sd = sd.f_where_scalarother(&sd.f_gt(0.0)?, 1.0)?;
    Ok([mean.f_squeeze_dim(0)?, sd.f_squeeze_dim(0)?])
}

/// Pixels that lie one behind the other, three numbers or one each, channel by channel.
pub(crate) fn by_channel(interleaved: &[u8], channels: usize) -> impl Iterator<Item = u8> + '_ {
    (0..channels).flat_map(move |channel| {
        let of_channel = interleaved.iter().skip(channel).step_by(channels);
        of_channel.copied()
    })
}
