//! A folder a class: files, sizes, splits.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use image::{ImageFormat, Rgb, RgbImage};
use plugin_api::prelude::*;
use plugin_api::role::TaskObj;
use plugin_api::{Json, serde_json::json};

use crate::{numbers, task, whole};

/// Writes an image of one colour.
pub(crate) fn write(path: &Path, [width, height]: [u32; 2], colour: [u8; 3]) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    let image = RgbImage::from_pixel(width, height, Rgb(colour));
    let format = ImageFormat::from_path(path).unwrap_or(ImageFormat::Png);
    image.save_with_format(path, format).unwrap();
}

fn made(folder: &Path, more: Json) -> TaskObj {
    let mut params = json!({ "folder": folder, "normalise": false });
    let all = params.as_object_mut().unwrap();
    all.extend(more.as_object().unwrap().clone());
    task("images", params).unwrap()
}

/// Of each class the colours in a split, by the first pixel: red, green and blue.
fn colours(task: &TaskObj, split: &str) -> BTreeMap<i64, Vec<[u8; 3]>> {
    let batch = whole(task, split);
    let first = (batch["x"].select(3, 0).select(2, 0) * 255.0).round();
    let mut of_class: BTreeMap<i64, Vec<_>> = BTreeMap::new();
    for (colour, y) in numbers(&first).chunks(3).zip(numbers(&batch["y"])) {
        let colour = [0, 1, 2].map(|c| colour[c] as u8);
        of_class.entry(y as i64).or_default().push(colour);
    }
    of_class
}

#[test]
fn classes_are_sub_folders_and_splits_hold_equal_parts_of_each() {
    let folder = tempfile::tempdir().unwrap();
    for (class, n) in [("cats", 10), ("ants", 20)] {
        for i in 0..n {
            // Files of deeper folders count too; the name does not matter.
            let name = ["a.png", "more/b.webp", "even/more/c", "d.png"][i % 4];
            let path = folder.path().join(class).join(format!("{i:02}")).join(name);
            write(&path, [4, 5], [n as u8, i as u8, 200]);
        }
    }
    fs::write(folder.path().join(".hidden"), "no class").unwrap();
    fs::write(folder.path().join("ants/.hidden"), "no image").unwrap();
    let splits = |seed| {
        let task = made(
            folder.path(),
            json!({ "split": seed, "val": 0.1, "test": 0.25 }),
        );
        assert_eq!(show(&task.ports().unwrap().inputs["x"]), "[batch, 3, 5, 4]");
        ["train", "val", "test"].map(|split| colours(&task, split))
    };
    let drawn = splits(0);
    let sizes = |class: i64| drawn.each_ref().map(|split| split[&class].len());
    // In alphabetical order: 20 ants, 10 cats.
    assert_eq!([sizes(0), sizes(1)], [[13, 2, 5], [6, 1, 3]]);
    for (class, n) in [(0, 20), (1, 10)] {
        let mut all: Vec<[u8; 3]> = drawn
            .iter()
            .flat_map(|split| split[&class].clone())
            .collect();
        all.sort_unstable();
        assert_eq!(all, (0..n).map(|i| [n, i, 200]).collect::<Vec<_>>());
    }
    assert_eq!(splits(0), drawn);
    assert_ne!(splits(1), drawn);
}

#[test]
fn splits_can_be_folders() {
    let folder = tempfile::tempdir().unwrap();
    for (split, n) in [("train", 4), ("val", 2), ("test", 3)] {
        for (class, blue) in [("a", 1), ("b", 2)] {
            for i in 0..n {
                let path = folder.path().join(format!("{split}/{class}/{i}.png"));
                write(&path, [2, 2], [n, i, blue]);
            }
        }
    }
    let task = made(folder.path(), json!({}));
    for (split, n) in [("train", 4), ("val", 2), ("test", 3)] {
        for (class, mut found) in colours(&task, split) {
            found.sort_unstable();
            let blue = class as u8 + 1;
            assert_eq!(found, (0..n).map(|i| [n, i, blue]).collect::<Vec<_>>());
        }
    }
    // Without a folder of its own, `val` comes from `train`.
    fs::remove_dir_all(folder.path().join("val")).unwrap();
    let task = made(folder.path(), json!({ "val": 0.25 }));
    let sizes = ["train", "val", "test"].map(|split| colours(&task, split)[&1].len());
    assert_eq!(sizes, [3, 1, 3]);
}

#[test]
fn images_become_grey_and_of_one_size() {
    let folder = tempfile::tempdir().unwrap();
    for class in ["a", "b"] {
        for i in 0..3 {
            let path = folder.path().join(format!("{class}/{i}.jpeg"));
            write(&path, [20 + i, 30 - i], [60, 60, 60]);
        }
    }
    let task = made(folder.path(), json!({ "size": 8, "grey": true }));
    let x = whole(&task, "train")["x"].shallow_clone();
    assert_eq!(x.size(), [2, 1, 8, 8]);
    // One grey stays that grey, whatever the size; JPEG may be off by one.
    assert!((x * 255.0 - 60.0).abs().max().double_value(&[]) <= 1.01);
}
