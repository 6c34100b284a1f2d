//! Papers and their citations: sizes, splits, forms of the features.

use std::collections::BTreeSet;

use plugin_api::plugin::Plugin;
use plugin_api::prelude::*;
use plugin_api::role::TaskObj;
use plugin_api::{Json, serde_json::json};

use crate::{params, plugin, whole_numbers};

fn task(json: Json) -> TaskObj {
    // Graphs are the host's.
    pleach_worker::host();
    plugin().task("planetoid", &params(json)).unwrap()
}

fn batch(task: &TaskObj, split: &str) -> Batch {
    task.batch(split, &At::ALL).unwrap().unwrap()
}

#[test]
fn data_are_those_of_the_source() {
    for (data, nodes, edges, words, classes) in [
        (
            "cora",
            2708,
            5278,
            1433,
            &[351, 217, 418, 818, 426, 298, 180][..],
        ),
        // Fifteen of the first class are papers without one.
        (
            "citeseer",
            3327,
            4552,
            3703,
            &[264, 590, 668, 701, 596, 508][..],
        ),
    ] {
        let batch = batch(&task(json!({ "data": data })), "train");
        assert_eq!(batch["x"].size(), [nodes, words]);
        let graph = batch.graph("graph").unwrap();
        assert_eq!(graph.sources().size(), [2 * edges]);
        let sizes = batch["y"].bincount::<Tensor>(None, 0);
        assert_eq!(whole_numbers(&sizes), classes);
        // The words of a paper add up to 1, if it has any.
        let sums = batch["x"].sum_dim_intlist([1_i64].as_slice(), false, Kind::Double);
        let known = sums.gt(0.0);
        let without = nodes - known.sum(Kind::Int64).int64_value(&[]);
        assert_eq!(without, if data == "cora" { 0 } else { 15 });
        assert!(
            (sums - known.to_kind(Kind::Double))
                .abs()
                .max()
                .double_value(&[])
                < 1e-6
        );
    }
}

#[test]
fn splits_have_the_public_sizes_and_nothing_in_common() {
    for (data, of_each, classes) in [("cora", 20, 7), ("citeseer", 20, 6)] {
        let mut of_seed = vec![];
        for seed in [Json::Null, json!(0), json!(1)] {
            let task = task(json!({ "data": data, "split": seed }));
            let splits = ["train", "val", "test"].map(|split| {
                let batch = batch(&task, split);
                (whole_numbers(&batch["split"]), batch)
            });
            let sizes = splits.each_ref().map(|(split, _)| split.len() as i64);
            assert_eq!(sizes, [of_each * classes, 500, 1000]);
            let all: BTreeSet<i64> = splits
                .iter()
                .flat_map(|(split, _)| split)
                .copied()
                .collect();
            assert_eq!(all.len() as i64, sizes.iter().sum::<i64>());
            let (train, batch) = &splits[0];
            let labels = batch["y"].index_select(0, &Tensor::from_slice(train));
            let of_class = whole_numbers(&labels.bincount::<Tensor>(None, 0));
            assert!(of_class.iter().all(|n| *n == of_each), "{of_class:?}");
            // Nobody is asked about a paper without words.
            let known = batch["x"]
                .sum_dim_intlist([1_i64].as_slice(), false, Kind::Float)
                .gt(0.0);
            let known = whole_numbers(&known.to_kind(Kind::Int64));
            assert!(all.iter().all(|paper| known[*paper as usize] == 1));
            of_seed.push(train.clone());
        }
        let [public, first, second] = &of_seed[..] else {
            unreachable!("three")
        };
        assert!(public != first && first != second);
    }
    let error = task(json!({})).batch("tset", &At::ALL).err().unwrap();
    assert_eq!(
        error.to_string(),
        "`baselines/planetoid`: there is no split `tset`\n  expected  train, val or test"
    );
}

#[test]
fn sparse_features_are_the_dense_ones() {
    for normalise in [true, false] {
        let of = |sparse: bool| {
            let task = task(json!({ "normalise": normalise, "sparse": sparse }));
            batch(&task, "val")
        };
        let w = random::normal(&[1433, 3], 0);
        let [dense, sparse] = [false, true].map(|sparse| of(sparse).product("x", &w).unwrap());
        assert!((dense - sparse).abs().max().double_value(&[]) < 1e-4);
        assert!(of(true).graph("x").is_ok() && of(false).tensor("x").is_ok());
    }
}
