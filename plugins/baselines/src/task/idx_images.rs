//! Classification of images from IDX files: MNIST, Fashion-MNIST, or one's own.
//!
//! Gives `x`: `[batch, 1, height, width]`, and wants `y`: logits, `[batch, classes]`. A batch also holds the labels `y`:
//! `[batch]`, int64. The loss is the mean cross-entropy. `test` is that of the source; `val` is drawn
//! from its training images.
//!
//! Source: LeCun et al. 1998 (MNIST), Xiao et al. 2017 (Fashion-MNIST).

use std::cell::OnceCell;
use std::path::{Path, PathBuf};

use plugin_api::prelude::*;
use plugin_api::{DataFile, data_file, schemars, serde};

use crate::data::classes;
use crate::data::idx;
use crate::data::images::{Drawn, Images, Labelled};
use crate::data::own_path::{OwnFolder, entries, name};

/// Images of handwritten digits (LeCun et al. 1998), of clothes (Xiao et al. 2017), or of one's own in such files.
#[component(task = "idx-images")]
struct IdxImages {
    /// Which images.
    #[param(example = "mnist")]
    data: Data,
    /// Images to train on, drawn at random; all that `val` leaves where it is left out.
    #[param(range = "1 <= x")]
    train: Option<usize>,
    /// Images of the source's training set that are held out to choose by.
    #[param(default = 5000, range = "1 <= x")]
    val: usize,
    /// Seed of the splits.
    #[param(default = 0)]
    split: u64,
    /// Whether pixels have mean 0 and standard deviation 1 over the training images; otherwise they lie in `[0, 1]`.
    #[param(default = true)]
    normalise: bool,
    /// What was read.
    #[serde(skip)]
    images: OnceCell<Images>,
}

/// Which images.
#[derive(serde::Deserialize, schemars::JsonSchema)]
#[serde(crate = "plugin_api::serde", rename_all = "kebab-case")]
#[schemars(crate = "plugin_api::schemars", inline)]
enum Data {
    /// A folder with four IDX files, plain or packed with gzip, whose names contain `train-images`, `train-labels`,
    /// `t10k-images` or `test-images`, and `t10k-labels` or `test-labels`.
    Folder(OwnFolder),
    /// Handwritten digits: 60,000 and 10,000 images of 28x28 pixels, 10 classes.
    Mnist,
    /// Clothes, shoes and bags: as many images of the same size and number of classes.
    FashionMnist,
}

/// Images and labels for training, then for testing.
type Files = [PathBuf; 4];

const MNIST: [(&str, &str); 4] = [
    (
        "train-images-idx3-ubyte.gz",
        "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609",
    ),
    (
        "train-labels-idx1-ubyte.gz",
        "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c",
    ),
    (
        "t10k-images-idx3-ubyte.gz",
        "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6",
    ),
    (
        "t10k-labels-idx1-ubyte.gz",
        "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6",
    ),
];
const FASHION_MNIST: [(&str, &str); 4] = [
    (
        "train-images-idx3-ubyte.gz",
        "3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84",
    ),
    (
        "train-labels-idx1-ubyte.gz",
        "a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845",
    ),
    (
        "t10k-images-idx3-ubyte.gz",
        "346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073",
    ),
    (
        "t10k-labels-idx1-ubyte.gz",
        "67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5",
    ),
];

impl Data {
    fn files(&self) -> Result<Files> {
        match self {
            Data::Folder(folder) => own(folder),
            Data::Mnist => known(
                "mnist",
                &MNIST,
                "https://ossci-datasets.s3.amazonaws.com/mnist",
            ),
            Data::FashionMnist => known(
                "fashion_mnist",
                &FASHION_MNIST,
                "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com",
            ),
        }
    }
}

/// The files of a set that everybody knows.
fn known(folder: &str, files: &[(&str, &str); 4], url: &str) -> Result<Files> {
    let paths = files.iter().map(|(name, sha256)| {
        let url = format!("{url}/{name}");
        data_file(&DataFile::new(&format!("{folder}/{name}"), sha256, [&*url]))
    });
    let paths: Vec<PathBuf> = paths.collect::<Result<_>>()?;
    Ok(paths.try_into().expect("four"))
}

/// The files in a folder of the user's.
fn own(folder: &Path) -> Result<Files> {
    let there = entries(folder)?;
    let find = |parts: &[&str]| -> Result<PathBuf> {
        let fits = |path: &&PathBuf| parts.iter().any(|part| name(path).contains(part));
        let found: Vec<&PathBuf> = there.iter().filter(fits).collect();
        if let [path] = found[..] {
            return Ok(path.clone());
        }
        let names: Vec<String> = there.iter().map(|path| name(path)).collect();
        let names = match names.is_empty() {
            true => "nothing".into(),
            false => names.join(", "),
        };
        let what = format!("`{}` lacks a file of a data set", folder.display());
        Err(Error::new(what)
            .found(names)
            .expected(format!("one whose name contains {}", parts.join(" or ")))
            .into())
    };
    Ok([
        find(&["train-images"])?,
        find(&["train-labels"])?,
        find(&["t10k-images", "test-images"])?,
        find(&["t10k-labels", "test-labels"])?,
    ])
}

/// Images with their labels.
fn read(images: &Path, labels: &Path) -> Result<Labelled> {
    let read = idx::images(images)?;
    let classes = idx::labels(labels)?;
    let [n, height, width] = read.size;
    if classes.len() as i64 != n {
        let what = "images and labels differ in number";
        return Err(Error::new(what)
            .found(format!(
                "{n} in `{}`, {} in `{}`",
                images.display(),
                classes.len(),
                labels.display()
            ))
            .help("take both files from one set")
            .into());
    }
    Ok(Labelled {
        size: [1, height, width],
        pixels: read.pixels,
        labels: classes.into_iter().map(i64::from).collect(),
    })
}

impl IdxImages {
    fn images(&self) -> Result<&Images> {
        if let Some(images) = self.images.get() {
            return Ok(images);
        }
        let [train_images, train_labels, test_images, test_labels] = self.data.files()?;
        let drawn = Drawn {
            seed: self.split,
            train: self.train,
            val: self.val,
        };
        let images = Images::official(
            read(&train_images, &train_labels)?,
            read(&test_images, &test_labels)?,
            &drawn,
            self.normalise,
        )?;
        Ok(self.images.get_or_init(|| images))
    }
}

impl Task for IdxImages {
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
