//! Small photographs: the order of channels in each of the forms, and what is known of the tiles.

use std::fs;
use std::path::Path;

use plugin_api::prelude::*;
use plugin_api::serde_json::json;

use crate::{close, numbers, shared_data, task, whole};

/// Five batches of ten images to train on, and one of ten to test. Image `i` of a batch has the label `i`, and one red,
/// green and blue all over: `i`, `100 + i`, `200 + i`.
pub(crate) fn small_set(folder: &Path) {
    let image = |i: u8| {
        let colours = [i, 100 + i, 200 + i].map(|colour| [colour; 1024]).concat();
        [&[i], &colours[..]].concat()
    };
    let batch: Vec<u8> = (0..10).flat_map(image).collect();
    for n in 1..=5 {
        fs::write(folder.join(format!("data_batch_{n}.bin")), &batch).unwrap();
    }
    fs::write(folder.join("test_batch.bin"), &batch).unwrap();
}

#[test]
fn batches_of_the_official_form() {
    let folder = tempfile::tempdir().unwrap();
    small_set(folder.path());
    let params = json!({ "data": { "folder": folder.path() }, "val": 5, "normalise": false });
    let task = task("cifar10", params).unwrap();
    for (split, n) in [("train", 45), ("val", 5), ("test", 10)] {
        let batch = whole(&task, split);
        assert_eq!(batch["x"].size(), [n, 3, 32, 32], "{split}");
        for (x, y) in numbers(&batch["x"])
            .chunks(3 * 1024)
            .zip(numbers(&batch["y"]))
        {
            for (pixel, channel) in x.iter().zip((0..3).flat_map(|c| [c; 1024])) {
                let expected = (y + 100.0 * f64::from(channel)) / 255.0;
                assert!((pixel - expected).abs() < 1e-6);
            }
        }
    }
}

#[test]
fn tiles_are_the_first_images_of_the_official_order() {
    if shared_data("cifar10").is_none() {
        return;
    }
    let params = json!({ "data": "tiles", "val": 1000, "normalise": false });
    let task = task("cifar10", params).unwrap();
    let [train, val, test] = ["train", "val", "test"].map(|split| whole(&task, split));
    let sizes = [&train, &val, &test].map(|batch| batch["y"].size()[0]);
    assert_eq!(sizes, [5000, 1000, 2000]);
    // Both as measured by other means on the same files.
    let y = Tensor::cat(&[&train["y"], &val["y"], &test["y"]], 0);
    let of_class = numbers(&y.bincount::<Tensor>(None, 0));
    close(
        &of_class,
        &[791., 825., 809., 787., 822., 737., 810., 832., 829., 758.],
    );
    let x = Tensor::cat(&[&train["x"], &val["x"], &test["x"]], 0);
    let (sd, mean) = x.std_mean_dim([0_i64, 2, 3].as_slice(), false, false);
    let rounded = |t: &Tensor| -> Vec<f64> {
        let numbers = numbers(t).into_iter();
        numbers.map(|x| (x * 1e4).round() / 1e4).collect()
    };
    close(&rounded(&mean), &[0.4923, 0.4825, 0.4459]);
    close(&rounded(&sd), &[0.2472, 0.2435, 0.2616]);
}
