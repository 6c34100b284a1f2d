//! Classification of one's own images: a folder with a sub-folder a class, in it PNG, JPEG or WebP files.
//!
//! Gives `x`: `[batch, channels, height, width]`, and wants `y`: logits, `[batch, classes]`. A batch also holds the labels
//! `y`: `[batch]`, int64, by the classes' names in alphabetical order. The loss is the mean cross-entropy.
//!
//! ```text
//! folder/CLASS/..                    splits are drawn, equal parts of each class, or
//! folder/train/CLASS/..              they are those of the folder; without `val` that is drawn from `train`
//! folder/val/CLASS/..
//! folder/test/CLASS/..
//! ```

use std::cell::OnceCell;
use std::fs;
use std::path::{Path, PathBuf};

use image::DynamicImage;
use image::imageops::FilterType;
use plugin_api::prelude::*;
use rand::seq::SliceRandom;
use walkdir::WalkDir;

use crate::data::classes;
use crate::data::images::{Images, Labelled, by_channel, shown};
use crate::data::own_path::{OwnFolder, entries, name};
use crate::data::splits::Splits;

/// One's own images, to be told apart: a folder with a sub-folder a class, in it PNG, JPEG or WebP files.
#[component(task = "images")]
struct OwnImages {
    /// The folder: a sub-folder a class, or `train`, `test` and perhaps `val` with these in each.
    #[param(example = "photos")]
    folder: OwnFolder,
    /// Pixels along each side, to which all images are resized; images must be of one size where it is left out.
    #[param(range = "1 <= x <= 4096")]
    size: Option<usize>,
    /// Whether images become grey, one channel instead of three.
    #[param(default = false)]
    grey: bool,
    /// Part of each class's images that is held out to choose by, at least one, unless the folder says which.
    #[param(default = 0.1, range = "0 < x < 1")]
    val: f64,
    /// Part of each class's images that is held out to test on, at least one, unless the folder says which.
    #[param(default = 0.2, range = "0 < x < 1")]
    test: f64,
    /// Seed of the splits that are drawn.
    #[param(default = 0)]
    split: u64,
    /// Whether each channel has mean 0 and standard deviation 1 over the training images; otherwise it lies in `[0, 1]`.
    #[param(default = true)]
    normalise: bool,
    /// What was read.
    #[serde(skip)]
    read: OnceCell<Read>,
}

/// A folder that was read.
struct Read {
    images: Images,
    /// The names of the classes.
    classes: Vec<String>,
}

/// The files of a class, in alphabetical order.
struct Class {
    name: String,
    files: Vec<PathBuf>,
}

/// The classes in a folder.
fn classes_in(folder: &Path) -> Result<Vec<Class>> {
    let mut classes = vec![];
    for path in entries(folder)? {
        if !path.is_dir() {
            return Err(Error::new(format!("`{}` is in no class", path.display()))
                .expected("a sub-folder for each class, and images in these alone")
                .into());
        }
        let files = files_in(&path)?;
        if files.is_empty() {
            return Err(Error::new(format!("`{}` holds no image", path.display()))
                .help("put images of this class into it, or remove the folder")
                .into());
        }
        classes.push(Class {
            name: name(&path),
            files,
        });
    }
    if classes.is_empty() {
        return Err(Error::new(format!("`{}` is empty", folder.display()))
            .expected("a sub-folder for each class, and images in these")
            .into());
    }
    Ok(classes)
}

/// The files in a folder and those in it, but for what is hidden.
fn files_in(folder: &Path) -> Result<Vec<PathBuf>> {
    let is_hidden = |name: &std::ffi::OsStr| name.as_encoded_bytes().starts_with(b".");
    let walk = WalkDir::new(folder).follow_links(true).sort_by_file_name();
    let mut files = vec![];
    for entry in walk
        .into_iter()
        .filter_entry(|entry| entry.depth() == 0 || !is_hidden(entry.file_name()))
    {
        let entry = entry.with_context(|| format!("cannot read `{}`", folder.display()))?;
        if entry.file_type().is_file() {
            files.push(entry.into_path());
        }
    }
    Ok(files)
}

/// The files that a user names: of a folder all that are in it, of a text file those that stand there, a line each, relative
/// to its folder; else the file itself.
fn named(path: &Path) -> Result<Vec<PathBuf>> {
    if path.is_dir() {
        return files_in(path);
    }
    if path.extension().is_none_or(|ending| ending != "txt") {
        return Ok(vec![path.into()]);
    }
    let list =
        fs::read_to_string(path).with_context(|| format!("cannot read `{}`", path.display()))?;
    let folder = path.parent().unwrap_or(Path::new(""));
    let lines = list.lines().map(str::trim).filter(|line| !line.is_empty());
    Ok(lines.map(|line| folder.join(line)).collect())
}

/// Images that are read one by one, and become of one size.
struct Reading<'a> {
    of: &'a OwnImages,
    all: Labelled,
    /// The names of the classes.
    classes: Vec<String>,
    /// The file that decided the size.
    first: PathBuf,
}

impl<'a> Reading<'a> {
    fn new(of: &'a OwnImages) -> Self {
        Reading {
            of,
            all: Labelled {
                size: [0; 3],
                pixels: vec![],
                labels: vec![],
            },
            classes: vec![],
            first: PathBuf::new(),
        }
    }

    /// Reads an image of a class; its number.
    fn add(&mut self, file: &Path, class: usize) -> Result<i64> {
        let image = self.of.decoded(file)?;
        let channels = if self.of.grey { 1 } else { 3 };
        let size = [
            channels,
            i64::from(image.height()),
            i64::from(image.width()),
        ];
        let number = self.all.labels.len() as i64;
        if number == 0 {
            (self.all.size, self.first) = (size, file.into());
        }
        if self.all.size != size {
            let (this, first) = (file.display(), self.first.display());
            let what = format!("`{this}` has another size than `{first}`");
            return Err(Error::new(what)
                .found(shown(size))
                .expected(shown(self.all.size))
                .help("have all of them resized: `size = 64`")
                .into());
        }
        self.all.labels.push(class as i64);
        match self.of.grey {
            true => self.all.pixels.extend(image.into_luma8().into_raw()),
            false => {
                let pixels = image.into_rgb8();
                self.all.pixels.extend(by_channel(pixels.as_raw(), 3));
            }
        }
        Ok(number)
    }

    /// Reads images of a class; their numbers, in random order.
    fn add_shuffled(&mut self, class: &Class, number: usize) -> Result<Vec<i64>> {
        let read = class.files.iter().map(|file| self.add(file, number));
        let mut images = read.collect::<Result<Vec<i64>>>()?;
        let seed = stream(self.of.split, &format!("class {}", class.name));
        images.shuffle(&mut random::generator(seed));
        Ok(images)
    }
}

impl OwnImages {
    fn decoded(&self, file: &Path) -> Result<DynamicImage> {
        let bytes = fs::read(file).with_context(|| format!("cannot read `{}`", file.display()))?;
        // What a file is shows in its first bytes, whatever its name.
        let image = image::load_from_memory(&bytes).map_err(|e| {
            Error::new(format!("`{}` cannot be read as an image", file.display()))
                .found(e)
                .expected("a whole PNG, JPEG or WebP file")
                .help("mend it, or take it out of the folder")
        })?;
        Ok(match self.size {
            Some(side) => image.resize_exact(side as u32, side as u32, FilterType::Triangle),
            None => image,
        })
    }

    fn images(&self) -> Result<&Images> {
        Ok(&self.read()?.images)
    }

    fn read(&self) -> Result<&Read> {
        if let Some(read) = self.read.get() {
            return Ok(read);
        }
        let mut reading = Reading::new(self);
        let of = |split: &str| self.folder.join(split);
        let splits = match ["train", "test"].iter().all(|split| of(split).is_dir()) {
            true => self.given(&mut reading, [of("train"), of("val"), of("test")])?,
            false => self.drawn(&mut reading)?,
        };
        let splits = Splits::new([splits.train, splits.val, splits.test]);
        let images = Images::new(reading.all, splits, self.normalise)?;
        let classes = reading.classes;
        Ok(self.read.get_or_init(|| Read { images, classes }))
    }

    /// Splits that are drawn from each class.
    fn drawn(&self, reading: &mut Reading<'_>) -> Result<Splits> {
        let mut splits = Splits::default();
        for (number, class) in classes_in(&self.folder)?.iter().enumerate() {
            reading.classes.push(class.name.clone());
            let mut images = reading.add_shuffled(class, number)?;
            let n = images.len();
            splits
                .test
                .extend(held_out(&mut images, self.test, n, class)?);
            splits
                .val
                .extend(held_out(&mut images, self.val, n, class)?);
            splits.train.extend(images);
        }
        Ok(splits)
    }

    /// Splits that the folder gives, but for `val` where it has none.
    fn given(&self, reading: &mut Reading<'_>, [train, val, test]: [PathBuf; 3]) -> Result<Splits> {
        let classes = classes_in(&train)?;
        let mut splits = Splits::default();
        for (number, class) in classes.iter().enumerate() {
            reading.classes.push(class.name.clone());
            let mut images = reading.add_shuffled(class, number)?;
            if !val.is_dir() {
                let n = images.len();
                splits
                    .val
                    .extend(held_out(&mut images, self.val, n, class)?);
            }
            splits.train.extend(images);
        }
        for (folder, split) in [(val, &mut splits.val), (test, &mut splits.test)] {
            if !folder.is_dir() {
                continue;
            }
            for class in classes_in(&folder)? {
                let known = classes.iter().position(|known| known.name == class.name);
                let Some(number) = known else {
                    let what = format!(
                        "`{}` has a class that is not to be learned",
                        folder.display()
                    );
                    let names: Vec<&str> = classes.iter().map(|c| c.name.as_str()).collect();
                    return Err(Error::new(what)
                        .found(&class.name)
                        .expected(format!("one of {}, as in `train`", names.join(", ")))
                        .into());
                };
                split.extend(reading.add_shuffled(&class, number)?);
            }
        }
        Ok(splits)
    }
}

/// Takes a part of a class's `n` images out of those that are left, one or more, and leaves some.
fn held_out(images: &mut Vec<i64>, part: f64, n: usize, class: &Class) -> Result<Vec<i64>> {
    let wanted = ((part * n as f64).round() as usize).max(1);
    if wanted >= images.len() {
        return Err(
            Error::new(format!("class `{}` has too few images", class.name))
                .found(n)
                .expected("one or more for each split")
                .help("add images, or lower `val` and `test`")
                .into(),
        );
    }
    Ok(images.split_off(images.len() - wanted))
}

impl Task for OwnImages {
    fn ports(&self) -> Result<Ports> {
        Ok(self.images()?.ports())
    }

    fn batch(&self, split: &str, at: &At) -> Result<Option<Batch>> {
        self.images()?.batch(split, at)
    }

    fn loss(&self, outputs: &Batch, batch: &Batch) -> Result<Tensors> {
        classes::loss(outputs, batch)
    }

    fn metrics(&self, outputs: &Batch, batch: &Batch) -> Result<Named<f64>> {
        classes::measured(outputs, batch)
    }

    fn inputs(&self, file: &str) -> Result<Batch> {
        let images = self.images()?;
        let mut reading = Reading::new(self);
        for image in named(Path::new(file))? {
            reading.add(&image, 0)?;
        }
        if reading.all.labels.is_empty() {
            return Err(Error::new(format!("`{file}` names no image"))
                .expected("an image, a folder of images, or a .txt file with a path in each line")
                .into());
        }
        images.inputs(reading.all)
    }

    fn answers(&self, file: &str, outputs: &Batch) -> Result<Answers> {
        let files = named(Path::new(file))?;
        let files: Vec<String> = files
            .iter()
            .map(|file| file.display().to_string())
            .collect();
        let classes = &self.read()?.classes;
        let answers = Answers::default().column("file", files);
        Ok(answers.and(classes::answers(outputs.tensor("y")?, "class", classes)?))
    }
}
