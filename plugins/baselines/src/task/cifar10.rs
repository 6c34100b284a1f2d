//! Classification of small photographs.
//!
//! Gives `x`: `[batch, 3, 32, 32]`, and wants `y`: logits, `[batch, 10]`. A batch also holds the labels `y`: `[batch]`,
//! int64. The loss is the mean cross-entropy. `test` is that of the source, but for `tiles`, which have none of it.
//!
//! Source: Krizhevsky 2009, "Learning Multiple Layers of Features from Tiny Images".

use std::cell::OnceCell;
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::Read;
use std::path::Path;

use flate2::read::GzDecoder;
use plugin_api::prelude::*;
use plugin_api::{DataFile, data_file, schemars, serde};
use tar::Archive;

use crate::data::images::{Drawn, Images, Labelled, by_channel};
use crate::data::own_path::{OwnFolder, name};
use crate::data::{classes, idx};

/// Channels, height and width.
const SIZE: [i64; 3] = [3, 32, 32];
/// Bytes of an image.
const PIXELS: usize = 3 * 32 * 32;

/// 60,000 photographs of 32x32 pixels, of animals and vehicles of 10 kinds (Krizhevsky 2009).
#[component(task = "cifar10")]
struct Cifar10 {
    /// Where the photographs come from.
    #[param(example = "official")]
    data: Data,
    /// Images to train on, drawn at random; all that `val` leaves where it is left out.
    #[param(range = "1 <= x")]
    train: Option<usize>,
    /// Images of the training set that are held out to choose by.
    #[param(default = 5000, range = "1 <= x")]
    val: usize,
    /// Seed of the splits.
    #[param(default = 0)]
    split: u64,
    /// Whether each channel has mean 0 and standard deviation 1 over the training images; otherwise it lies in `[0, 1]`.
    #[param(default = true)]
    normalise: bool,
    /// What was read.
    #[serde(skip)]
    images: OnceCell<Images>,
}

/// Where the photographs come from.
#[derive(serde::Deserialize, schemars::JsonSchema)]
#[serde(crate = "plugin_api::serde", rename_all = "kebab-case")]
#[schemars(crate = "plugin_api::schemars", inline)]
enum Data {
    /// A folder with the files of the official binary archive: `data_batch_1.bin` to `data_batch_5.bin`, `test_batch.bin`.
    Folder(OwnFolder),
    /// The official binary archive of 170 MB: 50,000 images to train on, 10,000 to test.
    Official,
    /// 8,000 of the 50,000 training images, as lossless WebP files in a folder of data: 6,000 to train on, and the last
    /// 2,000, which are no official test images, to test. Not to be compared with what others report of CIFAR-10.
    Tiles,
}

/// The files of the official archive with 10,000 images each; the last is for testing.
const BATCHES: [&str; 6] = [
    "data_batch_1.bin",
    "data_batch_2.bin",
    "data_batch_3.bin",
    "data_batch_4.bin",
    "data_batch_5.bin",
    "test_batch.bin",
];

/// Files of 1,000 images each, by the number of their first thousand; the last two are for testing.
const TILES: [(&str, &str); 8] = [
    (
        "00",
        "165073096bba5da193fdc55e590994440044582be9ec81caa8986d81fbfc9897",
    ),
    (
        "02",
        "8823d77a1de5bb6f0a436495218e1f739e1c5aa9479cb1e15ab47d0e16e74892",
    ),
    (
        "04",
        "4b404b81249ef654d26a8a8d639fdefe0b6f3b4de214fe93ad2a2647c1414561",
    ),
    (
        "06",
        "5b711201d838eff9b55c6b791f5c66a6d6ca42236686e0bbe38b29fc205a14c2",
    ),
    (
        "08",
        "bdb7b6be514df500b64c254caaa0d430d2b915d52c1cb9f66b87dca93cbf2ab2",
    ),
    (
        "10",
        "99ae604d66910d2dea92ea5f339a1fbe5521ab8a5059c1c0fd4b046acf434946",
    ),
    (
        "12",
        "8dcfe9b6b35f99436f687a24d4eeb101885e5a86d63199827661f5a0cfcc9805",
    ),
    (
        "14",
        "fb09fb9e934abe99222ac7beec93e0ba7fffe763e2c1c180775cb322a5e3dd48",
    ),
];
const TILE_LABELS: &str = "70bf0168d3e8f5fd2cbcc5ffbd90e6c6a13a56683c954c2aabe2adc9055e7f44";

impl Data {
    /// What is for training, and what for testing.
    fn read(&self) -> Result<(Labelled, Labelled)> {
        match self {
            Data::Folder(folder) => official(|name| {
                let path = folder.join(name);
                fs::read(&path).with_context(|| format!("cannot read `{}`", path.display()))
            }),
            Data::Official => {
                let file = DataFile::new(
                    "cifar10/cifar-10-binary.tar.gz",
                    "c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd",
                    ["https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz"],
                );
                let mut batches = unpacked(&data_file(&file)?)?;
                official(|name| batches.remove(name).context("no such batch in the archive"))
            }
            Data::Tiles => tiles(),
        }
    }
}

/// The batches in the official archive, by name.
fn unpacked(archive: &Path) -> Result<BTreeMap<String, Vec<u8>>> {
    let mut archive = Archive::new(GzDecoder::new(File::open(archive)?));
    let mut batches = BTreeMap::new();
    for entry in archive.entries()? {
        let mut entry = entry?;
        let mut bytes = vec![];
        entry.read_to_end(&mut bytes)?;
        batches.insert(name(&entry.path()?), bytes);
    }
    Ok(batches)
}

/// The official set, from its batches by name.
fn official(mut batch: impl FnMut(&str) -> Result<Vec<u8>>) -> Result<(Labelled, Labelled)> {
    let (mut train, mut test) = (nothing(), nothing());
    for (i, name) in BATCHES.into_iter().enumerate() {
        let to = if i < 5 { &mut train } else { &mut test };
        let bytes = batch(name)?;
        let images = bytes.chunks_exact(1 + PIXELS);
        if !images.remainder().is_empty() || images.len() == 0 {
            return Err(Error::new(format!("`{name}` is not whole"))
                .found(format!("{} bytes", bytes.len()))
                .expected(format!("{} for each image", 1 + PIXELS))
                .help("get it again")
                .into());
        }
        for image in images {
            to.labels.push(image[0].into());
            to.pixels.extend(&image[1..]);
        }
    }
    Ok((train, test))
}

fn nothing() -> Labelled {
    Labelled {
        size: SIZE,
        pixels: vec![],
        labels: vec![],
    }
}

fn tiles() -> Result<(Labelled, Labelled)> {
    let file =
        |name: &str, sha256| data_file(&DataFile::new(&format!("cifar10/{name}"), sha256, []));
    let labels = idx::unpacked(&file("train_labels.csv.gz", TILE_LABELS)?)?;
    // Behind a header, a line `index,label` for each image.
    let labels = String::from_utf8(labels)?;
    let labels = labels.lines().skip(1).map(|line| {
        let (_, label) = line.split_once(',').context("no label")?;
        Ok(label.parse()?)
    });
    let mut labels = labels.collect::<Result<Vec<i64>>>()?;
    let mut pixels = vec![];
    for (number, sha256) in TILES {
        let path = file(&format!("train_{number}.webp"), sha256)?;
        let image = image::open(path)?.into_rgb8();
        for (row, column) in (0..40).flat_map(|row| (0..25).map(move |column| (row, column))) {
            let tile = image::imageops::crop_imm(&image, 32 * column, 32 * row, 32, 32).to_image();
            pixels.extend(by_channel(tile.as_raw(), 3));
        }
    }
    let test = Labelled {
        size: SIZE,
        labels: labels.split_off(6000),
        pixels: pixels.split_off(6000 * PIXELS),
    };
    let train = Labelled {
        size: SIZE,
        labels,
        pixels,
    };
    Ok((train, test))
}

impl Cifar10 {
    fn images(&self) -> Result<&Images> {
        if let Some(images) = self.images.get() {
            return Ok(images);
        }
        let drawn = Drawn {
            seed: self.split,
            train: self.train,
            val: self.val,
        };
        let (train, test) = self.data.read()?;
        let images = Images::official(train, test, &drawn, self.normalise)?;
        Ok(self.images.get_or_init(|| images))
    }
}

impl Task for Cifar10 {
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
}
