//! Which samples are for training, validation and testing, and in which order an epoch shows them.
//!
//! Splits come with the data, [`Splits::given`], or are drawn from a seed: by [shares](Splits::drawn), by numbers
//! [of each class](Splits::of_each), or as [Planetoid](Splits::public)'s are made.

use std::cell::RefCell;

use plugin_api::prelude::*;
use rand::seq::SliceRandom;

/// The names of splits.
pub const NAMES: [&str; 3] = ["train", "val", "test"];

/// Which samples each split holds, ascending.
#[derive(Debug, Default)]
pub struct Splits {
    /// For training.
    pub train: Vec<i64>,
    /// For validation.
    pub val: Vec<i64>,
    /// For testing.
    pub test: Vec<i64>,
    /// The epoch that was asked for last: each of its batches asks for it again.
    last: RefCell<Option<Epoch>>,
}

/// The samples of a split in the order of an epoch.
#[derive(Debug)]
struct Epoch {
    split: String,
    epoch: i64,
    seed: u64,
    samples: Vec<i64>,
}

impl Splits {
    /// These samples for training, validation and testing.
    pub(crate) fn new(mut splits: [Vec<i64>; 3]) -> Self {
        splits.iter_mut().for_each(|split| split.sort_unstable());
        let [train, val, test] = splits;
        Splits {
            train,
            val,
            test,
            last: RefCell::default(),
        }
    }

    /// Splits that come with so many samples. `file` is where they come from.
    ///
    /// # Errors
    /// Where one of them is empty, or names a sample that is not there, or one that it or another has already.
    pub fn given(splits: [Vec<i64>; 3], samples: usize, file: &str) -> Result<Self> {
        let mut of: Vec<Option<&str>> = vec![None; samples];
        for (name, split) in NAMES.into_iter().zip(&splits) {
            if split.is_empty() {
                return Err(Error::new(format!("split `{name}` of `{file}` is empty"))
                    .expected("one sample or more")
                    .into());
            }
            for sample in split {
                let place = usize::try_from(*sample).ok().and_then(|i| of.get_mut(i));
                let other = place.ok_or_else(|| {
                    Error::new(format!(
                        "split `{name}` of `{file}` has a sample that is not there"
                    ))
                    .found(sample)
                    .expected(format!("numbers from 0 to {}", samples as i64 - 1))
                })?;
                if let Some(other) = other.replace(name) {
                    let twice = match other == name {
                        true => format!("sample {sample} is twice in split `{name}` of `{file}`"),
                        false => format!(
                            "sample {sample} is in two splits of `{file}`, `{other}` and `{name}`"
                        ),
                    };
                    return Err(Error::new(twice)
                        .expected("splits that have no sample in common")
                        .into());
                }
            }
        }
        Ok(Splits::new(splits))
    }

    /// Shares for validation and testing, of each class as nearly as it comes out even; the rest is for training.
    /// Samples of negative class are in no split.
    ///
    /// # Errors
    /// Where a split would be empty.
    pub fn drawn(classes: &[i64], [val, test]: [f64; 2], seed: u64) -> Result<Self> {
        let all = by_class(classes, seed).concat();
        let (test, rest) = evenly(&all, part(test, all.len()));
        let (val, train) = evenly(&rest, part(val, all.len()));
        if [&train, &val, &test].iter().any(|split| split.is_empty()) {
            return Err(Error::new("a split would be empty")
                .found(format!(
                    "{} samples: {} for training, {} for validation, {} for testing",
                    all.len(),
                    train.len(),
                    val.len(),
                    test.len()
                ))
                .expected("one sample or more in each")
                .help("set the shares `val` and `test`, or bring more samples")
                .into());
        }
        Ok(Splits::new([train, val, test]))
    }

    /// A share of the samples, of each class as nearly as it comes out even, and the others.
    pub fn share(classes: &[i64], share: f64, seed: u64) -> (Vec<i64>, Vec<i64>) {
        let all = by_class(classes, seed).concat();
        evenly(&all, part(share, all.len()))
    }

    /// Of each class so many for training, and as many for validation as `val` says for it; the rest is for testing.
    /// Samples of negative class are in no split.
    ///
    /// # Errors
    /// Where a class is too small to leave a sample for testing.
    pub fn of_each(
        classes: &[i64],
        train: usize,
        val: impl Fn(usize) -> usize,
        seed: u64,
    ) -> Result<Self> {
        let mut splits = Splits::default();
        for (class, mut rest) in by_class(classes, seed).into_iter().enumerate() {
            let val = val(class);
            if rest.len() <= train + val {
                return Err(
                    Error::new(format!("class {class} is too small to be split"))
                        .found(format!("{} samples", rest.len()))
                        .expected(format!(
                            "more than {}: {train} for training, {val} for validation",
                            train + val
                        ))
                        .into(),
                );
            }
            splits.train.extend(rest.drain(..train));
            splits.val.extend(rest.drain(..val));
            splits.test.extend(rest);
        }
        Ok(Splits::new([splits.train, splits.val, splits.test]))
    }

    /// Of each class so many for training, and of what is left so many for validation and for testing, whatever their
    /// class, as Yang et al. 2016 do. Samples of negative class are in no split.
    pub fn public(classes: &[i64], train: usize, [val, test]: [usize; 2], seed: u64) -> Self {
        let of_class = |sample: &i64| usize::try_from(classes[*sample as usize]).ok();
        let mut order: Vec<i64> = (0..classes.len() as i64)
            .filter(|sample| of_class(sample).is_some())
            .collect();
        order.shuffle(&mut random::generator(stream(seed, "split")));
        let mut taken = vec![0; classes.len()];
        let (train, rest): (Vec<i64>, Vec<i64>) = order.into_iter().partition(|sample| {
            let taken = &mut taken[of_class(sample).unwrap_or_default()];
            *taken += 1;
            *taken <= train
        });
        let mut rest = rest.into_iter();
        let val = rest.by_ref().take(val).collect();
        Splits::new([train, val, rest.take(test).collect()])
    }

    /// The split of this name.
    ///
    /// # Errors
    /// Where there is none.
    pub fn get(&self, name: &str) -> Result<&[i64]> {
        match name {
            "train" => Ok(&self.train),
            "val" => Ok(&self.val),
            "test" => Ok(&self.test),
            _ => Err(Error::new(format!("there is no split `{name}`"))
                .expected("train, val or test")
                .into()),
        }
    }

    /// The samples of a batch, those of the split in the order of the epoch; `None` past its end.
    ///
    /// # Errors
    /// Where there is no such split.
    pub fn batch(&self, split: &str, at: &At) -> Result<Option<Vec<i64>>> {
        let samples = self.get(split)?;
        if at.size <= 0 {
            return Ok((at.index == 0).then(|| samples.to_vec()));
        }
        let mut last = self.last.borrow_mut();
        let is_it = |e: &Epoch| e.split == split && e.epoch == at.epoch && e.seed == at.seed;
        if !last.as_ref().is_some_and(is_it) {
            let mut samples = samples.to_vec();
            let order = stream(at.seed, &at.epoch.to_string());
            samples.shuffle(&mut random::generator(order));
            *last = Some(Epoch {
                split: split.into(),
                epoch: at.epoch,
                seed: at.seed,
                samples,
            });
        }
        let order = last.iter().flat_map(|e| e.samples.chunks(at.size as usize));
        Ok(order.skip(at.index as usize).map(<[i64]>::to_vec).next())
    }
}

/// The samples of each class, each class in an order of its own.
fn by_class(classes: &[i64], seed: u64) -> Vec<Vec<i64>> {
    let mut by_class: Vec<Vec<i64>> = vec![];
    for (sample, class) in classes.iter().enumerate() {
        if let Ok(class) = usize::try_from(*class) {
            if class >= by_class.len() {
                by_class.resize_with(class + 1, Vec::new);
            }
            by_class[class].push(sample as i64);
        }
    }
    for (class, samples) in by_class.iter_mut().enumerate() {
        let order = stream(seed, &format!("class {class}"));
        samples.shuffle(&mut random::generator(order));
    }
    by_class
}

/// How many samples a share of so many is.
fn part(share: f64, of: usize) -> usize {
    (share * of as f64).round() as usize
}

/// So many of these samples at equal distances, and the others.
fn evenly(samples: &[i64], count: usize) -> (Vec<i64>, Vec<i64>) {
    let up_to = |place: usize| place * count / samples.len().max(1);
    let places = samples.iter().enumerate();
    let (taken, left): (Vec<_>, Vec<_>) =
        places.partition(|(place, _)| up_to(place + 1) > up_to(*place));
    let samples = |of: Vec<(usize, &i64)>| of.into_iter().map(|(_, sample)| *sample).collect();
    (samples(taken), samples(left))
}
