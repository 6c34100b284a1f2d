//! Data, splits, batches, neighbours.

use std::collections::BTreeSet;

use baselines::data::digits::{CLASSES, images, neighbours, splits};
use plugin_api::plugin::Plugin;
use plugin_api::prelude::*;
use plugin_api::serde_json::json;

use crate::{numbers, params, plugin};

/// How many of these images show each digit.
fn per_class(which: &[i64]) -> Vec<usize> {
    let labels: Vec<u8> = images().map(|image| image.label).collect();
    (0..CLASSES)
        .map(|class| {
            which
                .iter()
                .filter(|i| usize::from(labels[**i as usize]) == class)
                .count()
        })
        .collect()
}

#[test]
fn data_are_those_of_the_source() {
    // Class sizes as scikit-learn documents them for its copy.
    let all: Vec<i64> = (0..images().len() as i64).collect();
    assert_eq!(
        per_class(&all),
        [178, 182, 177, 183, 181, 182, 181, 179, 174, 180]
    );
    assert!(images().all(|image| image.pixels.iter().all(|pixel| *pixel <= 16)));
    let first = images().next().unwrap();
    assert_eq!(
        (&first.pixels[..8], first.label),
        (&[0, 0, 5, 13, 9, 1, 0, 0][..], 0)
    );
}

#[test]
fn splits_are_disjoint_stratified_and_decided_by_their_seed() {
    let check = |seed, train_per_class, val: usize| {
        let draw = |seed| splits(seed, train_per_class, val).unwrap();
        let drawn = draw(seed);
        let mut all = [&drawn.train[..], &drawn.val, &drawn.test].concat();
        all.sort_unstable();
        assert_eq!(all, (0..1797).collect::<Vec<i64>>());
        assert_eq!(per_class(&drawn.train), [train_per_class; CLASSES]);
        let val_per_class = per_class(&drawn.val);
        assert_eq!(val_per_class.iter().sum::<usize>(), val);
        assert!(val_per_class.iter().max().unwrap() - val_per_class.iter().min().unwrap() <= 1);
        assert!(per_class(&drawn.test).iter().all(|n| *n > 0));
        assert_eq!(draw(seed).train, drawn.train);
        assert_ne!(draw(seed + 1).train, drawn.train);
    };
    check(0, 100, 300);
    check(7, 10, 304);
    check(1, 120, 500); // the most that the ranges allow
    check(1, 1, 10);
}

#[test]
fn an_epoch_shows_each_image_once_in_an_order_of_its_own() {
    let task = plugin()
        .task("digits", &params(json!({ "train_per_class": 13 })))
        .unwrap();
    let epoch = |epoch, seed| -> Vec<Vec<u64>> {
        let batches = (0..).map_while(|index| {
            task.batch(
                "train",
                &At {
                    epoch,
                    index,
                    size: 50,
                    seed,
                },
            )
            .unwrap()
        });
        let xs: Vec<Tensor> = batches
            .map(|batch| batch.tensor("x").unwrap().shallow_clone())
            .collect();
        assert_eq!(
            xs.iter().map(|x| x.size()[0]).collect::<Vec<_>>(),
            [50, 50, 30]
        );
        numbers(&Tensor::cat(&xs, 0))
            .chunks(64)
            .map(|row| row.iter().map(|x| x.to_bits()).collect())
            .collect()
    };
    let (first, again, next, other) = (epoch(0, 1), epoch(0, 1), epoch(1, 1), epoch(0, 2));
    assert_eq!(first, again);
    assert_ne!(first, next);
    assert_ne!(first, other);
    let whole = task.batch("train", &At::ALL).unwrap().unwrap();
    let rows: BTreeSet<Vec<u64>> = numbers(&whole["x"])
        .chunks(64)
        .map(|row| row.iter().map(|x| x.to_bits()).collect())
        .collect();
    assert_eq!(first.into_iter().collect::<BTreeSet<_>>(), rows);
    assert!(
        task.batch(
            "train",
            &At {
                index: 1,
                ..At::ALL
            }
        )
        .unwrap()
        .is_none()
    );
    assert!(whole["x"].max().double_value(&[]) == 1.0 && whole["x"].min().double_value(&[]) == 0.0);
}

#[test]
fn splits_may_follow_the_order_of_the_source() {
    let task = crate::task("digits", json!({ "first": 64, "val": 100 })).unwrap();
    let labels: Vec<i64> = images().map(|image| i64::from(image.label)).collect();
    let (train, rest) = labels.split_at(64);
    let (val, test) = rest.split_at(100);
    for (split, expected) in [("train", train), ("val", val), ("test", test)] {
        let batch = crate::whole(&task, split);
        assert_eq!(crate::whole_numbers(&batch["y"]), expected, "{split}");
    }
    let first = &numbers(&crate::whole(&task, "train")["x"])[..8];
    assert_eq!(
        first.iter().map(|x| x * 16.0).collect::<Vec<_>>(),
        [0.0, 0.0, 5.0, 13.0, 9.0, 1.0, 0.0, 0.0]
    );
}

#[test]
fn an_unknown_split_is_refused() {
    for task in ["digits", "digits-graph"] {
        let refused = plugin()
            .task(task, &params(json!({})))
            .unwrap()
            .batch("dev", &At::ALL)
            .err()
            .expect("refused");
        assert_eq!(
            refused.to_string(),
            format!("`baselines/{task}`: there is no split `dev`\n  expected  train, val or test")
        );
    }
}

#[test]
fn loss_and_metrics_are_the_field_s() {
    let task = plugin().task("digits", &params(json!({}))).unwrap();
    let batch = task.batch("test", &At::ALL).unwrap().unwrap();
    let labels = &batch["y"];
    // Logits of s for the right class and 0 for the nine others: -ln(e^s / (e^s + 9)).
    let sure = Batch::new().with("y", labels.one_hot(10).to_kind(Kind::Double) * 2.0);
    let expected = -(2_f64.exp() / (2_f64.exp() + 9.0)).ln();
    crate::close(
        &[task.loss(&sure, &batch).unwrap()["cross-entropy"].double_value(&[])],
        &[expected],
    );
    let metrics = task.metrics(&sure, &batch).unwrap();
    crate::close(&[metrics["accuracy"], metrics["loss"]], &[1.0, expected]);
    // A constant answer is right for its class alone.
    let sevens = Batch::new().with(
        "y",
        Tensor::full_like(labels, 7)
            .one_hot(10)
            .to_kind(Kind::Float),
    );
    let of_seven = labels
        .eq(7)
        .to_kind(Kind::Double)
        .mean(Kind::Double)
        .double_value(&[]);
    crate::close(
        &[task.metrics(&sevens, &batch).unwrap()["accuracy"]],
        &[of_seven],
    );
}

#[test]
fn rows_and_images_hold_the_same_pixels() {
    let x = |form: &str| {
        let task = crate::task("digits", json!({ "form": form })).unwrap();
        let x = crate::whole(&task, "val")["x"].shallow_clone();
        (show(&task.ports().unwrap().inputs["x"]), x)
    };
    let (flat, pixels) = x("flat");
    assert_eq!(flat, "[batch, 64]");
    for (form, ports, size) in [
        ("rows", "[batch, 8, 8]", &[300, 8, 8][..]),
        ("image", "[batch, 1, 8, 8]", &[300, 1, 8, 8]),
    ] {
        let (shape, x) = x(form);
        assert_eq!((shape.as_str(), x.size().as_slice()), (ports, size));
        assert_eq!(x.flatten(1, -1), pixels);
    }
}

#[test]
fn neighbours_are_those_of_a_full_sort() {
    let k = 10;
    let pixels: Vec<Vec<f64>> = images()
        .map(|image| image.pixels.iter().map(|p| f64::from(*p)).collect())
        .collect();
    let nearest: Vec<BTreeSet<usize>> = (0..pixels.len())
        .map(|i| {
            let distance = |j: usize| {
                pixels[i]
                    .iter()
                    .zip(&pixels[j])
                    .map(|(a, b)| (a - b).powi(2))
                    .sum::<f64>()
                    .sqrt()
            };
            let mut others: Vec<(f64, usize)> = (0..pixels.len())
                .filter(|j| *j != i)
                .map(|j| (distance(j), j))
                .collect();
            others.sort_by(|a, b| a.partial_cmp(b).unwrap());
            others[..k].iter().map(|(_, j)| *j).collect()
        })
        .collect();
    let mut expected = vec![];
    for i in 0..pixels.len() {
        expected.extend(
            (0..pixels.len())
                .filter(|j| nearest[i].contains(j) || nearest[*j].contains(&i))
                .map(|j| (i as i64, j as i64)),
        );
    }
    assert_eq!(neighbours(k), expected);
}
