//! Files of one's own that are not as they should be: what is said of each.

use std::fs;
use std::path::Path;

use expect_test::{Expect, expect};
use plugin_api::prelude::*;
use plugin_api::{Json, serde_json::json};

use crate::{cifar10, idx_images, own_images, task};

/// What a task says of a folder that was prepared so; `folder` among its parameters is that folder.
fn check(
    name: &str,
    prepare: impl FnOnce(&Path),
    params: impl FnOnce(&Path) -> Json,
    expected: Expect,
) {
    let folder = tempfile::tempdir().unwrap();
    prepare(folder.path());
    let asked = task(name, params(folder.path())).and_then(|task| task.batch("train", &At::ALL));
    let error = asked.err().expect("refused").to_string();
    expected.assert_eq(&error.replace(folder.path().to_str().unwrap(), "DIR"));
}

fn idx(change: impl FnOnce(&Path), expected: Expect) {
    let prepare = |folder: &Path| {
        idx_images::small_set(folder);
        change(folder);
    };
    let params = |folder: &Path| json!({ "data": { "folder": folder }, "val": 3 });
    check("idx-images", prepare, params, expected);
}

/// Three images of each of two classes, then changed.
fn own(change: impl FnOnce(&Path), expected: Expect) {
    let prepare = |folder: &Path| {
        for name in ["cats/1", "cats/2", "cats/3", "dogs/1", "dogs/2", "dogs/3"] {
            own_images::write(&folder.join(format!("{name}.png")), [4, 4], [0, 0, 0]);
        }
        change(folder);
    };
    check(
        "images",
        prepare,
        |folder| json!({ "folder": folder }),
        expected,
    );
}

fn put(folder: &Path, name: &str, bytes: impl AsRef<[u8]>) {
    fs::write(folder.join(name), bytes).unwrap();
}

#[test]
fn idx_files() {
    idx(
        |f| fs::remove_dir_all(f).unwrap(),
        expect!["`baselines/idx-images`: parameter `data.folder`: there is no folder `DIR`"],
    );
    idx(
        |f| fs::remove_file(f.join("t10k-images-idx3-ubyte")).unwrap(),
        expect![[r#"
            `baselines/idx-images`: `DIR` lacks a file of a data set
              found     t10k-labels-idx1-ubyte.gz, train-images-idx3-ubyte.gz, train-labels-idx1-ubyte
              expected  one whose name contains t10k-images or test-images"#]],
    );
    idx(
        |f| put(f, "old-train-labels", ""),
        expect![[r#"
        `baselines/idx-images`: `DIR` lacks a file of a data set
          found     old-train-labels, t10k-images-idx3-ubyte, t10k-labels-idx1-ubyte.gz, train-images-idx3-ubyte.gz, train-labels-idx1-ubyte
          expected  one whose name contains train-labels"#]],
    );
    idx(
        |f| {
            put(
                f,
                "train-images-idx3-ubyte.gz",
                idx_images::labels(&[0; 12]),
            )
        },
        expect![[r#"
            `baselines/idx-images`: `DIR/train-images-idx3-ubyte.gz` is no IDX file of images
              found     one of labels
              expected  the mark 0x00000803"#]],
    );
    idx(
        |f| put(f, "train-labels-idx1-ubyte", "label,1"),
        expect![[r#"
            `baselines/idx-images`: `DIR/train-labels-idx1-ubyte` is no IDX file of labels
              found     the mark 0x6c616265
              expected  the mark 0x00000801"#]],
    );
    idx(
        |f| put(f, "train-labels-idx1-ubyte", ""),
        expect![[r#"
        `baselines/idx-images`: `DIR/train-labels-idx1-ubyte` is no IDX file of labels
          found     nothing
          expected  the mark 0x00000801"#]],
    );
    idx(
        |f| put(f, "train-labels-idx1-ubyte", idx_images::labels(&[0; 11])),
        expect![[r#"
            `baselines/idx-images`: images and labels differ in number
              found     12 in `DIR/train-images-idx3-ubyte.gz`, 11 in `DIR/train-labels-idx1-ubyte`
              help: take both files from one set"#]],
    );
    idx(
        |f| {
            let mut cut = idx_images::gzip(&idx_images::images([12, 2, 3], &[7; 72]));
            cut.truncate(cut.len() - 9);
            put(f, "train-images-idx3-ubyte.gz", cut);
        },
        expect![[r#"
            `baselines/idx-images`: `DIR/train-images-idx3-ubyte.gz` cannot be unpacked
              found     incomplete deflate stream
              help: get it again: it may have been cut short"#]],
    );
    idx(
        |f| {
            put(
                f,
                "t10k-images-idx3-ubyte",
                idx_images::images([4, 2, 3], &[7; 23]),
            )
        },
        expect![[r#"
            `baselines/idx-images`: `DIR/t10k-images-idx3-ubyte` is not whole
              found     23 bytes of images
              expected  24, as it says at its head
              help: get it again"#]],
    );
    idx(
        |f| {
            put(
                f,
                "t10k-images-idx3-ubyte",
                idx_images::images([u32::MAX; 3], &[7; 23]),
            )
        },
        expect![[r#"
            `baselines/idx-images`: `DIR/t10k-images-idx3-ubyte` is not whole
              found     23 bytes of images
              expected  79228162458924105385300197375, as it says at its head
              help: get it again"#]],
    );
    idx(
        |f| {
            put(
                f,
                "t10k-images-idx3-ubyte",
                idx_images::images([4, 3, 2], &[7; 24]),
            )
        },
        expect![[r#"
            `baselines/idx-images`: test images have another size than training images
              found     2 x 3 pixels
              expected  3 x 2 pixels"#]],
    );
    idx(
        |f| put(f, "train-labels-idx1-ubyte", idx_images::labels(&[1; 12])),
        expect![[r#"
            `baselines/idx-images`: no training image has the label 0
              found     labels up to 1
              expected  some of each, counted from 0
              help: number the labels anew, or train on more images"#]],
    );
    let params = |folder: &Path| json!({ "data": { "folder": folder }, "val": 10, "train": 3 });
    check(
        "idx-images",
        idx_images::small_set,
        params,
        expect![[r#"
        `baselines/idx-images`: there are too few training images
          found     12
          expected  10 for `val` and 3 to train on
          help: lower `train` or `val`"#]],
    );
}

#[test]
fn folders_of_images() {
    own(
        |f| fs::remove_dir_all(f).unwrap(),
        expect!["`baselines/images`: parameter `folder`: there is no folder `DIR`"],
    );
    own(
        |f| {
            for class in ["cats", "dogs"] {
                fs::remove_dir_all(f.join(class)).unwrap();
            }
        },
        expect![[r#"
            `baselines/images`: `DIR` is empty
              expected  a sub-folder for each class, and images in these"#]],
    );
    own(
        |f| fs::create_dir(f.join("birds")).unwrap(),
        expect![[r#"
        `baselines/images`: `DIR/birds` holds no image
          help: put images of this class into it, or remove the folder"#]],
    );
    own(
        |f| put(f, "notes.txt", "Cats are missing."),
        expect![[r#"
        `baselines/images`: `DIR/notes.txt` is in no class
          expected  a sub-folder for each class, and images in these alone"#]],
    );
    own(
        |f| put(f, "cats/notes.txt", "Two are missing."),
        expect![[r#"
            `baselines/images`: `DIR/cats/notes.txt` cannot be read as an image
              found     The image format could not be determined
              expected  a whole PNG, JPEG or WebP file
              help: mend it, or take it out of the folder"#]],
    );
    own(
        |f| {
            let whole = fs::read(f.join("cats/2.png")).unwrap();
            put(f, "cats/2.png", &whole[..whole.len() / 2]);
        },
        expect![[r#"
            `baselines/images`: `DIR/cats/2.png` cannot be read as an image
              found     unexpected end of file
              expected  a whole PNG, JPEG or WebP file
              help: mend it, or take it out of the folder"#]],
    );
    own(
        |f| own_images::write(&f.join("dogs/2.png"), [5, 4], [0; 3]),
        expect![[r#"
            `baselines/images`: `DIR/dogs/2.png` has another size than `DIR/cats/1.png`
              found     5 x 4 pixels
              expected  4 x 4 pixels
              help: have all of them resized: `size = 64`"#]],
    );
    own(
        |f| fs::remove_file(f.join("dogs/2.png")).unwrap(),
        expect![[r#"
            `baselines/images`: class `dogs` has too few images
              found     2
              expected  one or more for each split
              help: add images, or lower `val` and `test`"#]],
    );
    own(
        |f| {
            own_images::write(&f.join("train/cats/1.png"), [4, 4], [0; 3]);
            own_images::write(&f.join("train/cats/2.png"), [4, 4], [0; 3]);
            own_images::write(&f.join("test/owls/1.png"), [4, 4], [0; 3]);
        },
        expect![[r#"
            `baselines/images`: `DIR/test` has a class that is not to be learned
              found     owls
              expected  one of cats, as in `train`"#]],
    );
}

#[test]
fn batches_of_photographs() {
    let params = |folder: &Path| json!({ "data": { "folder": folder }, "val": 3 });
    let changed = |change: fn(&Path), expected| {
        let prepare = |folder: &Path| {
            cifar10::small_set(folder);
            change(folder);
        };
        check("cifar10", prepare, params, expected);
    };
    changed(
        |f| fs::remove_file(f.join("data_batch_4.bin")).unwrap(),
        expect![
            "`baselines/cifar10`: cannot read `DIR/data_batch_4.bin`: No such file or directory (os error 2)"
        ],
    );
    changed(
        |f| put(f, "test_batch.bin", [0; 3000]),
        expect![[r#"
        `baselines/cifar10`: `test_batch.bin` is not whole
          found     3000 bytes
          expected  3073 for each image
          help: get it again"#]],
    );
    changed(
        |f| put(f, "test_batch.bin", ""),
        expect![[r#"
        `baselines/cifar10`: `test_batch.bin` is not whole
          found     0 bytes
          expected  3073 for each image
          help: get it again"#]],
    );
}

#[test]
fn augmentations_want_images() {
    for name in ["flip", "crop", "cutout"] {
        let error = task(name, json!({ "task": "baselines/digits" })).err();
        assert_eq!(
            error.expect("refused").to_string(),
            format!(
                "`baselines/{name}`: parameter `task`: `baselines/digits` gives [batch, 64] as `x`, expected images, [batch, channels, height, width]"
            )
        );
    }
}
