//! The components as a host sees them: made by name from their parameters, called across the boundary.

use std::env;
use std::path::PathBuf;

use baselines as _;
use plugin_api::plugin::{Plugin, PluginObj, linked};
use plugin_api::prelude::*;
use plugin_api::role::TaskObj;
use plugin_api::{Json, Params};

mod analyses;
mod attention;
mod augmentation;
mod bad_images;
mod cell_cnn;
mod cifar10;
mod compare_strategies;
mod digits;
mod embedding;
mod exports;
mod files;
mod hypernet;
mod idx_images;
mod initializers;
mod layers;
mod mlp_space;
mod multi_task;
mod objectives;
mod own_data;
mod own_graphs;
mod own_images;
mod parameters;
mod parity;
mod planetoid;
mod portfolio;
mod predicting;
mod rank_correlation;
mod schedules;
mod scorers;
mod searching;
mod sequence;
mod sessions;
mod space;
mod strategies;
mod tabular;
mod transforms;
mod wrong_data;

/// The plugin.
fn plugin() -> PluginObj {
    linked().into_iter().next().expect("the plugin is linked")
}

/// Parameters, written as JSON.
fn params(json: Json) -> Params {
    json.as_object().expect("parameters are an object").clone()
}

/// A task of this plugin.
fn task(name: &str, json: Json) -> Result<TaskObj> {
    // Other tasks, and files of data, are the host's.
    pleach_worker::host();
    plugin().task(name, &params(json))
}

/// A whole split.
fn whole(task: &TaskObj, split: &str) -> Batch {
    task.batch(split, &At::ALL).unwrap().unwrap()
}

/// A network without nodes, for those that look at none.
fn nowhere() -> Arch {
    Arch::new(Shapes::new())
}

/// What a script of `tests/reference` has written: numbers of PyTorch, by name.
fn reference(name: &str) -> Tensors {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/reference");
    let file = format!("{folder}/{name}.safetensors");
    let read = Tensor::read_safetensors(file).expect("vectors");
    read.into_iter().collect()
}

/// Numbers of a tensor.
fn numbers(t: &Tensor) -> Vec<f64> {
    t.detach().flatten(0, -1).try_into().expect("numbers")
}

/// Whole numbers of a tensor.
fn whole_numbers(t: &Tensor) -> Vec<i64> {
    t.flatten(0, -1).try_into().expect("whole numbers")
}

/// Rows of a tensor, one for each place along its first axis.
fn rows(t: &Tensor) -> Vec<Vec<f64>> {
    let width = t.size()[1..].iter().product::<i64>() as usize;
    numbers(t).chunks(width).map(<[f64]>::to_vec).collect()
}

/// Holds numbers to others, to a relative or absolute 1e-9.
#[track_caller]
fn close(found: &[f64], expected: &[f64]) {
    assert_eq!(found.len(), expected.len());
    for (f, e) in found.iter().zip(expected) {
        assert!(
            (f - e).abs() <= 1e-9 * e.abs().max(1.0),
            "found {found:?}\nexpected {expected:?}"
        );
    }
}

/// A file or folder of data that no plugin carries, in a folder of `PLEACH_DATA`. Without it a test says so and is skipped,
/// but not under `CI=true`.
fn shared_data(path: &str) -> Option<PathBuf> {
    let folders = env::var_os("PLEACH_DATA").unwrap_or_default();
    let mut there = env::split_paths(&folders).map(|folder| folder.join(path));
    let found = there.find(|path| path.exists());
    if found.is_none() {
        let ci = env::var("CI").is_ok_and(|ci| ci == "true");
        assert!(!ci, "`{path}` is in no folder of PLEACH_DATA");
        eprintln!("skipped: `{path}` is in no folder of PLEACH_DATA");
    }
    found
}
