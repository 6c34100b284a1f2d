//! IDX files: the known sets, and those of one's own.

use std::collections::BTreeSet;
use std::fs;
use std::io::Write;
use std::path::Path;

use flate2::Compression;
use flate2::write::GzEncoder;
use plugin_api::prelude::*;
use plugin_api::role::TaskObj;
use plugin_api::{Json, serde_json::json};
use tempfile::TempDir;

use crate::{close, numbers, shared_data, task, whole};

/// A file of images, a byte a pixel.
pub(crate) fn images(size: [u32; 3], pixels: &[u8]) -> Vec<u8> {
    let lengths = size.map(u32::to_be_bytes).concat();
    [&[0, 0, 8, 3], &lengths[..], pixels].concat()
}

/// A file of labels.
pub(crate) fn labels(labels: &[u8]) -> Vec<u8> {
    let length = (labels.len() as u32).to_be_bytes();
    [&[0, 0, 8, 1], &length[..], labels].concat()
}

pub(crate) fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut packed = GzEncoder::new(vec![], Compression::default());
    packed.write_all(bytes).unwrap();
    packed.finish().unwrap()
}

/// Twelve training images of 2x3 pixels in two classes, and four to test. Pixel `p` of image `i` is `10 i + p`, and test
/// images go on counting.
pub(crate) fn small_set(folder: &Path) {
    let pixels: Vec<u8> = (0..16)
        .flat_map(|i| (0..6).map(move |p| 10 * i + p))
        .collect();
    let classes: Vec<u8> = (0..16).map(|i| i % 2).collect();
    let (train, test) = pixels.split_at(12 * 6);
    for (name, bytes) in [
        (
            "train-images-idx3-ubyte.gz",
            gzip(&images([12, 2, 3], train)),
        ),
        ("train-labels-idx1-ubyte", labels(&classes[..12])),
        ("t10k-images-idx3-ubyte", images([4, 2, 3], test)),
        ("t10k-labels-idx1-ubyte.gz", gzip(&labels(&classes[12..]))),
    ] {
        fs::write(folder.join(name), bytes).unwrap();
    }
}

fn own(more: &Json) -> (TempDir, TaskObj) {
    let folder = tempfile::tempdir().unwrap();
    small_set(folder.path());
    let mut params = json!({ "data": { "folder": folder.path() }, "normalise": false, "val": 3 });
    let all = params.as_object_mut().unwrap();
    all.extend(more.as_object().unwrap().clone());
    let task = task("idx-images", params).unwrap();
    (folder, task)
}

/// Which images of the small set these are, by their first pixels.
fn which(batch: &Batch) -> Vec<i64> {
    let first = batch["x"].select(3, 0).select(2, 0) * 25.5;
    numbers(&first).iter().map(|x| x.round() as i64).collect()
}

fn whole_numbers(t: &Tensor) -> Vec<i64> {
    Vec::try_from(t).unwrap()
}

#[test]
fn pixels_and_labels_are_those_of_the_files() {
    let (_folder, task) = own(&json!({}));
    for split in ["train", "val", "test"] {
        let batch = whole(&task, split);
        let images = which(&batch);
        let expected: Vec<f64> = images
            .iter()
            .flat_map(|i| (0..6).map(move |p| (10 * i + p) as f64 / 255.0))
            .collect();
        assert_eq!(batch["x"].size(), [images.len() as i64, 1, 2, 3]);
        let found = numbers(&batch["x"].to_kind(Kind::Double));
        assert!(
            found
                .iter()
                .zip(&expected)
                .all(|(f, e)| (f - e).abs() < 1e-6)
        );
        let classes: Vec<i64> = images.iter().map(|i| i % 2).collect();
        assert_eq!(whole_numbers(&batch["y"]), classes);
    }
    let ports = task.ports().unwrap();
    assert_eq!(show(&ports.inputs["x"]), "[batch, 1, 2, 3]");
    assert_eq!(show(&ports.outputs["y"]), "[batch, 2]");
}

#[test]
fn splits_are_drawn_from_the_training_images() {
    let of = |more: Json| {
        let (_folder, task) = own(&more);
        ["train", "val", "test"].map(|split| which(&whole(&task, split)))
    };
    let [train, val, test] = of(json!({}));
    assert_eq!((train.len(), val.len()), (9, 3));
    assert_eq!(test, [12, 13, 14, 15]);
    let both: BTreeSet<i64> = train.iter().chain(&val).copied().collect();
    assert_eq!(both, (0..12).collect());
    // Fewer to train on are some of these, and leave the others alone.
    let [fewer, same, _] = of(json!({ "train": 4 }));
    assert!(fewer.len() == 4 && fewer.iter().all(|image| train.contains(image)));
    assert_eq!(same, val);
    assert_ne!(fewer, train[..4]);
    assert_ne!(of(json!({ "split": 1 }))[1], val);
}

#[test]
fn normalised_pixels_have_mean_0_and_deviation_1_over_the_training_images() {
    let (_folder, task) = own(&json!({ "normalise": true }));
    let x = whole(&task, "train")["x"].to_kind(Kind::Double);
    let (sd, mean) = x.std_mean(false);
    assert!(mean.double_value(&[]).abs() < 1e-6 && (sd.double_value(&[]) - 1.0).abs() < 1e-6);
    // Others are moved and scaled by the same numbers.
    let (_folder, plain) = own(&json!({}));
    let [train, test] =
        ["train", "test"].map(|split| whole(&plain, split)["x"].to_kind(Kind::Double));
    let (sd, mean) = train.std_mean(false);
    let apart = (test - mean) / sd - whole(&task, "test")["x"].to_kind(Kind::Double);
    assert!(apart.abs().max().double_value(&[]) < 1e-5);
}

#[test]
fn the_known_sets_are_those_of_the_source() {
    for (data, folder, sizes, mean, sd) in [
        (
            "mnist",
            "mnist",
            [
                [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949],
                [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009],
            ],
            0.1307,
            0.3081,
        ),
        (
            "fashion-mnist",
            "fashion_mnist",
            [[6000; 10], [1000; 10]],
            0.2860,
            0.3530,
        ),
    ] {
        if shared_data(folder).is_none() {
            continue;
        }
        let task = task("idx-images", json!({ "data": data, "normalise": false })).unwrap();
        let [train, val, test] = ["train", "val", "test"].map(|split| whole(&task, split));
        assert_eq!(train["x"].size(), [55_000, 1, 28, 28]);
        assert_eq!(val["x"].size(), [5000, 1, 28, 28]);
        let x = Tensor::cat(&[&train["x"], &val["x"]], 0);
        let y = Tensor::cat(&[&train["y"], &val["y"]], 0);
        let of_class = |y: &Tensor| whole_numbers(&y.bincount::<Tensor>(None, 0));
        assert_eq!([of_class(&y), of_class(&test["y"])], sizes);
        let (found_sd, found_mean) = x.std_mean(false);
        let rounded = |t: &Tensor| (t.double_value(&[]) * 1e4).round() / 1e4;
        close(&[rounded(&found_mean), rounded(&found_sd)], &[mean, sd]);
    }
}
