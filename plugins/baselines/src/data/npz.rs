//! Arrays of NumPy, read by name: errors say which array of which file, and at which index.

use std::borrow::Cow;
use std::io::{Cursor, Read};
use std::path::Path;

use npyz::npz::{NpzArchive, file_name_from_array_name};
use npyz::{DType, Endianness, NpyHeader, Order, TypeChar};
use plugin_api::prelude::*;

use crate::data::splits::{NAMES, Splits};

/// A file of arrays.
pub(crate) struct Npz {
    /// What it is called in errors.
    pub(crate) file: String,
    archive: NpzArchive<Cursor<Cow<'static, [u8]>>>,
}

/// One of its arrays, with the type of its numbers.
pub(crate) struct Array {
    /// What it is called in errors: the name, and the file.
    pub(crate) place: String,
    /// Its numbers.
    pub(crate) tensor: Tensor,
}

impl Npz {
    /// The file at this path.
    ///
    /// # Errors
    /// Where there is none that can be read.
    pub(crate) fn open(path: &Path) -> Result<Self> {
        Npz::of(path.display(), read(path)?)
    }

    /// What a file holds that is called so.
    ///
    /// # Errors
    /// Where it is no archive of arrays.
    pub(crate) fn of(file: impl ToString, content: impl Into<Cow<'static, [u8]>>) -> Result<Self> {
        let file = file.to_string();
        let archive = NpzArchive::new(Cursor::new(content.into())).map_err(|e| {
            Error::new(format!("`{file}` is no npz file, or not all of one"))
                .found(e)
                .help("write it anew, by `numpy.savez_compressed`")
        })?;
        Ok(Npz { file, archive })
    }

    /// Whether there is an array of this name.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.archive.array_names().any(|there| there == name)
    }

    /// The array of this name.
    ///
    /// # Errors
    /// Where there is none, or it cannot be read.
    pub(crate) fn get(&mut self, name: &str) -> Result<Array> {
        if let Some(array) = self.find(name)? {
            return Ok(array);
        }
        let mut there: Vec<&str> = self.archive.array_names().collect();
        there.sort_unstable();
        Err(Error::new(format!("`{}` has no array `{name}`", self.file))
            .found(there.join(", "))
            .into())
    }

    /// The array of this name, if there is one.
    ///
    /// # Errors
    /// Where it cannot be read.
    pub(crate) fn find(&mut self, name: &str) -> Result<Option<Array>> {
        if !self.has(name) {
            return Ok(None);
        }
        let place = format!("array `{name}` of `{}`", self.file);
        let unread = |e: &dyn std::fmt::Display| {
            Error::new(format!("{place} cannot be read"))
                .found(e)
                .help("write the file anew, by `numpy.savez_compressed`")
        };
        let zip = self.archive.zip_archive();
        let mut file = zip
            .by_name(&file_name_from_array_name(name))
            .map_err(|e| unread(&e))?;
        let header = NpyHeader::from_reader(&mut file).map_err(|e| unread(&e))?;
        let kind = kind_of(&header.dtype(), &place)?;
        let shape: Vec<i64> = header.shape().iter().map(|n| *n as i64).collect();
        let mut bytes = vec![];
        // What is there decides how much memory it takes, not what the header says.
        file.read_to_end(&mut bytes).map_err(|e| unread(&e))?;
        let wanted = shape.iter().try_fold(kind.elt_size_in_bytes(), |all, n| {
            all.checked_mul(usize::try_from(*n).ok()?)
        });
        if wanted != Some(bytes.len()) {
            return Err(unread(&format!("{} bytes for {shape:?}", bytes.len())).into());
        }
        let tensor = match header.order() {
            Order::C => Tensor::f_from_data_size(&bytes, &shape, kind)?,
            Order::Fortran => {
                let turned: Vec<i64> = shape.iter().rev().copied().collect();
                let axes: Vec<i64> = (0..shape.len() as i64).rev().collect();
                Tensor::f_from_data_size(&bytes, &turned, kind)?
                    .f_permute(&axes)?
                    .f_contiguous()?
            }
        };
        Ok(Some(Array { place, tensor }))
    }

    /// The splits of so many samples that come with them: `train`, `val` and `test`, or `train_idx`, .., numbers of samples
    /// or a mask; `train_mask`, ..; or `train_masks`, .., `[splits, samples]`, of which `fold` is taken.
    ///
    /// # Errors
    /// Where some are missing, or they are no splits.
    pub(crate) fn splits(&mut self, samples: i64, fold: i64) -> Result<Option<Splits>> {
        let forms = ["", "_idx", "_mask", "_masks"];
        let names = NAMES.map(|name| {
            let names = forms.iter().map(|form| format!("{name}{form}"));
            names.into_iter().find(|name| self.has(name))
        });
        if names.iter().all(Option::is_none) {
            return Ok(None);
        }
        let mut splits = [vec![], vec![], vec![]];
        for ((split, name), wanted) in splits.iter_mut().zip(&names).zip(NAMES) {
            let name = name.as_ref().ok_or_else(|| {
                Error::new(format!("`{}` has no split `{wanted}`", self.file))
                    .found(
                        names
                            .iter()
                            .flatten()
                            .cloned()
                            .collect::<Vec<_>>()
                            .join(", "),
                    )
                    .expected("all of train, val and test, or none")
                    .help("add it, or set the seed `split` to draw all of them")
            })?;
            *split = self.get(name)?.fold(name, fold)?.samples(samples)?;
        }
        Ok(Some(Splits::given(splits, samples as usize, &self.file)?))
    }
}

/// What a file holds.
///
/// # Errors
/// Where it cannot be read.
pub(crate) fn read(path: &Path) -> Result<Vec<u8>> {
    std::fs::read(path).with_context(|| format!("`{}` cannot be read", path.display()))
}

/// The type of tensors that has the numbers of an array.
fn kind_of(of: &DType, place: &str) -> Result<Kind> {
    let refused = |what: &str, help: &str| {
        Error::new(format!("{place} holds {what}"))
            .found(of.descr())
            .expected("numbers")
            .help(help.to_string())
    };
    let DType::Plain(of) = of else {
        return Err(refused("records", "save each field as an array of its own").into());
    };
    Ok(match (of.type_char(), of.size_field(), of.endianness()) {
        (TypeChar::Object, ..) => {
            return Err(refused("pickled objects", "save plain numbers: `x.astype(float)`").into());
        }
        (TypeChar::ByteStr | TypeChar::UnicodeStr, ..) => {
            return Err(refused(
                "text",
                "save numbers for it: `names, y = numpy.unique(y, return_inverse=True)`",
            )
            .into());
        }
        (TypeChar::Bool, ..) => Kind::Bool,
        (TypeChar::Int, 1, _) => Kind::Int8,
        (TypeChar::Uint, 1, _) => Kind::Uint8,
        (TypeChar::Int, 2, Endianness::Little) => Kind::Int16,
        (TypeChar::Int, 4, Endianness::Little) => Kind::Int,
        (TypeChar::Int, 8, Endianness::Little) => Kind::Int64,
        (TypeChar::Float, 2, Endianness::Little) => Kind::Half,
        (TypeChar::Float, 4, Endianness::Little) => Kind::Float,
        (TypeChar::Float, 8, Endianness::Little) => Kind::Double,
        _ => {
            let help = "save it as `x.astype(\"int64\")` or `x.astype(\"float32\")`";
            return Err(refused("numbers of a rare type", help).into());
        }
    })
}

impl Array {
    /// Its lengths.
    pub(crate) fn size(&self) -> Vec<i64> {
        self.tensor.size()
    }

    /// Whether it holds whole numbers or truth values.
    pub(crate) fn is_whole(&self) -> bool {
        !matches!(self.tensor.kind(), Kind::Half | Kind::Float | Kind::Double)
    }

    /// An error about it.
    pub(crate) fn is(&self, what: &str) -> Error {
        Error::new(format!("{} {what}", self.place))
    }

    /// The same, held to its number of axes, and to those of their lengths that are known.
    ///
    /// # Errors
    /// Where they differ.
    pub(crate) fn shaped(self, axes: &[(&str, Option<i64>)]) -> Result<Self> {
        self.has_shape(axes)?;
        Ok(self)
    }

    /// Holds it to its number of axes, and to those of their lengths that are known.
    ///
    /// # Errors
    /// Where they differ.
    pub(crate) fn has_shape(&self, axes: &[(&str, Option<i64>)]) -> Result<()> {
        let size = self.size();
        let fits = size.len() == axes.len()
            && (size.iter().zip(axes)).all(|(n, (_, known))| known.is_none_or(|known| known == *n));
        if fits {
            return Ok(());
        }
        let axes = axes.iter().map(|(name, known)| match known {
            Some(known) => known.to_string(),
            None => name.to_string(),
        });
        Err(self
            .is("has another shape")
            .found(format!("{size:?}"))
            .expected(format!("[{}]", axes.collect::<Vec<_>>().join(", ")))
            .into())
    }

    /// Its numbers as float32.
    ///
    /// # Errors
    /// Where one is not finite.
    pub(crate) fn floats(&self) -> Result<Tensor> {
        let numbers = self.tensor.f_to_kind(Kind::Float)?;
        let wrong = numbers.f_isfinite()?.f_logical_not()?;
        if let Some(place) = first(&wrong)? {
            let at: Vec<i64> = Vec::try_from(place)?;
            let found =
                (at.iter()).try_fold(self.tensor.shallow_clone(), |t, i| t.f_select(0, *i))?;
            return Err(self
                .is(&format!("holds no finite float32 at {at:?}"))
                .found(format!("{:?}", found.f_double_value(&[])?))
                .expected("finite numbers")
                .help("leave such samples out, or fill numbers in")
                .into());
        }
        Ok(numbers)
    }

    /// Its numbers as int64.
    ///
    /// # Errors
    /// Where they are floats.
    pub(crate) fn whole(&self) -> Result<Tensor> {
        if self.is_whole() {
            return Ok(self.tensor.f_to_kind(Kind::Int64)?);
        }
        Err(self
            .is("holds floats")
            .found(match self.tensor.kind() {
                Kind::Half => "float16",
                Kind::Float => "float32",
                _ => "float64",
            })
            .expected("whole numbers")
            .help("save it as `.astype(\"int64\")`")
            .into())
    }

    /// Its numbers, one after the other.
    ///
    /// # Errors
    /// Where they are floats.
    pub(crate) fn list(&self) -> Result<Vec<i64>> {
        Ok(Vec::try_from(self.whole()?.f_reshape([-1])?)?)
    }

    /// The mask of this fold, where it holds those of several.
    fn fold(self, name: &str, fold: i64) -> Result<Self> {
        if !name.ends_with("_masks") {
            return Ok(self);
        }
        let masks = self.shaped(&[("splits", None), ("samples", None)])?;
        let there = masks.size()[0];
        if fold >= there {
            return Err(masks
                .is("has no such split")
                .found(format!("fold = {fold}"))
                .expected(format!("0 to {}", there - 1))
                .into());
        }
        Ok(Array {
            tensor: masks.tensor.f_select(0, fold)?,
            ..masks
        })
    }

    /// The samples that it names, of so many: by their numbers, or by a truth value (0 or 1) for each.
    ///
    /// # Errors
    /// Where it does neither.
    pub(crate) fn samples(&self, of: i64) -> Result<Vec<i64>> {
        if self.size().len() != 1 {
            return Err(self
                .is("names no samples")
                .found(format!("{:?}", self.size()))
                .expected(format!("their numbers, or a mask of {of} truth values"))
                .into());
        }
        let numbers = self.list()?;
        let is_mask = matches!(self.tensor.kind(), Kind::Bool | Kind::Uint8);
        if !is_mask {
            return Ok(numbers);
        }
        if numbers.len() as i64 != of {
            return Err(self
                .is("is no mask of the samples")
                .found(format!("{} truth values", numbers.len()))
                .expected(of)
                .into());
        }
        if let Some((at, n)) = numbers.iter().enumerate().find(|(_, n)| **n > 1) {
            return Err(self
                .is(&format!("is no mask: a number at [{at}]"))
                .found(n)
                .expected("0 or 1")
                .help("save numbers of samples as `.astype(\"int64\")`")
                .into());
        }
        let places = (0..).zip(numbers);
        Ok(places.filter(|(_, n)| *n == 1).map(|(at, _)| at).collect())
    }
}

/// The first place that holds, `[axes]`.
fn first(holds: &Tensor) -> Result<Option<Tensor>> {
    if holds.f_any()?.f_int64_value(&[])? == 0 {
        return Ok(None);
    }
    Ok(Some(holds.f_nonzero()?.f_select(0, 0)?))
}
