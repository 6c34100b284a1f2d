//! Arrays of one's own: a class or numbers for each sample of an npz file.
//!
//! The file holds `x`: `[samples, ..]`, which becomes float32 as it is, and `y`: labels `[samples]`, whole numbers from 0, or
//! floats `[samples]` or `[samples, outputs]`. Splits are drawn, or stand in the arrays `train`, `val` and `test`: numbers of
//! samples, or a mask `[samples]` of truth values each.
//!
//! Gives `x`: `[batch, ..]`; wants `y`: logits `[batch, classes]`, or `[batch, outputs]`. A batch also holds `y`: labels
//! `[batch]`, int64, or numbers `[batch, outputs]`.

use std::cell::OnceCell;
use std::path::Path;

use plugin_api::prelude::*;

use crate::data::array_task::{ArrayTask, Wholes};
use crate::data::npz::Npz;
use crate::data::own_path::OwnFile;
use crate::data::splits::Splits;
use crate::data::targets::{Targets, Unlabelled, Wanted};

/// A class or numbers for each sample of an npz file, from an array of any shape.
#[component(task = "arrays")]
struct Arrays {
    /// The file, with `x` and `y`. A relative path begins in the folder in which pleach runs.
    #[param(example = "samples.npz")]
    file: OwnFile,
    /// What `y` holds; classes where it is left out and `y` holds whole numbers.
    kind: Option<Wanted>,
    /// Seed of splits that are drawn; where it is left out, those of the file, or by seed 0 where the file has none.
    split: Option<u64>,
    /// Share of the samples for validation, where splits are drawn.
    #[param(default = 0.15, range = "0 < x < 1")]
    val: f64,
    /// Share of the samples for testing, where splits are drawn.
    #[param(default = 0.15, range = "0 < x < 1")]
    test: f64,
    /// What was read.
    #[serde(skip)]
    samples: OnceCell<ArrayTask>,
}

impl Arrays {
    fn samples(&self) -> Result<&ArrayTask> {
        if let Some(samples) = self.samples.get() {
            return Ok(samples);
        }
        let samples = self.read()?;
        Ok(self.samples.get_or_init(|| samples))
    }

    fn read(&self) -> Result<ArrayTask> {
        let mut npz = Npz::open(&self.file)?;
        let (x, y) = (npz.get("x")?, npz.get("y")?);
        let lengths = [&x, &y].map(|array| array.size().first().copied().unwrap_or(0));
        if lengths[0] != lengths[1] || lengths[0] == 0 {
            return Err(
                Error::new(format!("`x` and `y` of `{}` do not go together", npz.file))
                    .found(format!("{} and {} samples", lengths[0], lengths[1]))
                    .expected("as many of both, one or more")
                    .into(),
            );
        }
        let (targets, y) = Targets::of(y, self.kind, Unlabelled::Refused)?;
        let x = match x.floats()? {
            x if x.dim() == 1 => x.f_unsqueeze(1)?,
            x => x,
        };
        let of_file = match self.split {
            None => npz.splits(lengths[0], 0)?,
            Some(_) => None,
        };
        let splits = match of_file {
            Some(splits) => splits,
            None => Splits::drawn(
                &targets.groups(&y)?,
                [self.val, self.test],
                self.split.unwrap_or_default(),
            )?,
        };
        Ok(ArrayTask {
            x,
            y,
            targets,
            splits,
            whole: Wholes::default(),
        })
    }
}

impl Task for Arrays {
    fn ports(&self) -> Result<Ports> {
        Ok(self.samples()?.ports())
    }

    fn batch(&self, split: &str, at: &At) -> Result<Option<Batch>> {
        self.samples()?.batch(split, at)
    }

    fn loss(&self, outputs: &Batch, batch: &Batch) -> Result<Tensors> {
        self.samples()?.targets.loss(outputs, batch)
    }

    fn metrics(&self, outputs: &Batch, batch: &Batch) -> Result<Named<f64>> {
        self.samples()?.targets.metrics(outputs, batch)
    }

    fn inputs(&self, file: &str) -> Result<Batch> {
        let x = Npz::open(Path::new(file))?.get("x")?;
        let known = &self.samples()?.x.size()[1..];
        let axes = known.iter().map(|n| ("length", Some(*n)));
        let axes: Vec<_> = [("samples", None)].into_iter().chain(axes).collect();
        // A number for each sample is a list of one feature.
        let x = match (x.size().len(), known) {
            (1, [1]) => x.floats()?.f_unsqueeze(1)?,
            _ => x.shaped(&axes)?.floats()?,
        };
        Ok(Batch::new().with("x", x))
    }

    fn answers(&self, _: &str, outputs: &Batch) -> Result<Answers> {
        let targets = &self.samples()?.targets;
        targets.answers(outputs.tensor("y")?, "y", &[])
    }
}
