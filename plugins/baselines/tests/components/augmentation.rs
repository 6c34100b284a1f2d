//! What is done to training images, held to the same images left alone.

use plugin_api::prelude::*;
use plugin_api::{Json, serde_json::json};

use crate::{numbers, task};

const SIDE: usize = 8;
const AT: At = At {
    epoch: 2,
    index: 1,
    size: 40,
    seed: 9,
};

/// Images as rows of pixels.
type Rows = Vec<Vec<f64>>;

fn rows(name: &str, params: Json, split: &str, at: At) -> Rows {
    let batch = task(name, params).unwrap().batch(split, &at).unwrap();
    let batch = batch.expect("the epoch has not ended");
    let pixels = SIDE * SIDE;
    numbers(&batch["x"])
        .chunks(pixels)
        .map(<[f64]>::to_vec)
        .collect()
}

fn digits() -> Json {
    json!({ "form": "image" })
}

/// Digits with this augmentation, whose own parameters are added.
fn augmented(name: &str, own: Json, split: &str, at: At) -> Rows {
    let mut params = json!({ "task": { "use": "baselines/digits", "form": "image" } });
    let all = params.as_object_mut().unwrap();
    all.extend(own.as_object().unwrap().clone());
    rows(name, params, split, at)
}

fn pixel(image: &[f64], row: i64, column: i64) -> f64 {
    let inside = 0..SIDE as i64;
    match inside.contains(&row) && inside.contains(&column) {
        true => image[row as usize * SIDE + column as usize],
        false => 0.0,
    }
}

/// An image of which each pixel is told by its place.
fn drawn(at: impl Fn(i64, i64) -> f64) -> Vec<f64> {
    let side = SIDE as i64;
    let places = (0..side).flat_map(|row| (0..side).map(move |column| (row, column)));
    places.map(|(row, column)| at(row, column)).collect()
}

#[test]
fn only_training_images_change_and_always_in_the_same_way() {
    for name in ["flip", "crop", "cutout"] {
        let of = |split, at| augmented(name, json!({}), split, at);
        assert_eq!(of("train", AT), of("train", AT));
        assert_ne!(
            of("train", AT),
            rows("digits", digits(), "train", AT),
            "{name}"
        );
        for split in ["val", "test"] {
            assert_eq!(of(split, AT), rows("digits", digits(), split, AT), "{name}");
        }
        // All of the split has one order, so that what differs is what was drawn.
        let all = |epoch, seed| {
            of(
                "train",
                At {
                    epoch,
                    seed,
                    ..At::ALL
                },
            )
        };
        assert_ne!(all(0, 0), all(1, 0), "{name}");
        assert_ne!(all(0, 0), all(0, 1), "{name}");
    }
}

#[test]
fn images_are_mirrored_or_not() {
    let plain = rows("digits", digits(), "train", AT);
    let mirrored: Rows = plain
        .iter()
        .map(|image| drawn(|row, column| pixel(image, row, SIDE as i64 - 1 - column)))
        .collect();
    let flip = |rate| augmented("flip", json!({ "rate": rate }), "train", AT);
    assert_eq!(flip(0.0), plain);
    assert_eq!(flip(1.0), mirrored);
    let some = flip(0.5);
    let n = (0..plain.len())
        .filter(|i| {
            assert!(some[*i] == plain[*i] || some[*i] == mirrored[*i]);
            some[*i] == mirrored[*i]
        })
        .count();
    // Of 40 fair coins: farther off than that in one of a hundred thousand.
    assert!((6..=34).contains(&n), "{n}");
}

#[test]
fn images_are_moved_as_far_as_the_padding() {
    let plain = rows("digits", digits(), "train", AT);
    assert_eq!(
        augmented("crop", json!({ "padding": 0 }), "train", AT),
        plain
    );
    let moved = augmented("crop", json!({ "padding": 2 }), "train", AT);
    let mut shifts = vec![];
    for (image, moved) in plain.iter().zip(&moved) {
        let all = (-2..=2).flat_map(|dy| (-2..=2).map(move |dx| (dy, dx)));
        let fits = |(dy, dx): &(i64, i64)| {
            *moved == drawn(|row, column| pixel(image, row + dy, column + dx))
        };
        shifts.push(all.into_iter().find(fits).expect("a shift"));
    }
    let all: std::collections::BTreeSet<_> = shifts.into_iter().collect();
    assert!(all.len() > 10, "{all:?}");
    assert!(all.iter().any(|(dy, _)| *dy == -2) && all.iter().any(|(_, dx)| *dx == 2));
}

#[test]
fn a_square_is_cut_out() {
    let plain = rows("digits", digits(), "train", AT);
    let cut = augmented("cutout", json!({ "length": 3 }), "train", AT);
    let mut centres = std::collections::BTreeSet::new();
    for (image, cut) in plain.iter().zip(&cut) {
        let side = SIDE as i64;
        let all = (0..side).flat_map(|row| (0..side).map(move |column| (row, column)));
        let fits = |(y, x): &(i64, i64)| {
            *cut == drawn(|row, column| {
                let within = (row - y).abs() <= 1 && (column - x).abs() <= 1;
                if within {
                    0.0
                } else {
                    pixel(image, row, column)
                }
            })
        };
        centres.insert(all.into_iter().find(fits).expect("a centre"));
    }
    assert!(centres.len() > 10, "{centres:?}");
}

#[test]
fn augmentations_can_follow_each_other() {
    let inner = json!({ "use": "baselines/crop", "padding": 0, "task": { "use": "baselines/digits", "form": "image" } });
    let both = rows("flip", json!({ "task": inner, "rate": 1.0 }), "train", AT);
    assert_eq!(both, augmented("flip", json!({ "rate": 1.0 }), "train", AT));
}
