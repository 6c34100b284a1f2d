//! Which samples of a data set make a split, and which of a split a batch.

use plugin_api::prelude::*;
use rand::seq::SliceRandom;

/// Which samples each split holds, ascending.
#[derive(Default)]
pub struct Splits {
    /// To learn from.
    pub train: Vec<i64>,
    /// To choose by.
    pub val: Vec<i64>,
    /// To report.
    pub test: Vec<i64>,
}

impl Splits {
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

    /// The same, each ascending.
    pub(crate) fn sorted(mut self) -> Self {
        for split in [&mut self.train, &mut self.val, &mut self.test] {
            split.sort_unstable();
        }
        self
    }
}

/// The samples of one batch: all of a split in their order, or so many of them in the order of an epoch. `None` past the
/// end of the epoch.
pub(crate) fn of_batch(split: &[i64], at: &At) -> Option<Vec<i64>> {
    let mut samples = split.to_vec();
    let mut size = samples.len();
    if at.size > 0 {
        let seed = stream(at.seed, &at.epoch.to_string());
        samples.shuffle(&mut random::generator(seed));
        size = at.size as usize;
    }
    samples
        .chunks(size.max(1))
        .nth(at.index as usize)
        .map(<[i64]>::to_vec)
}
