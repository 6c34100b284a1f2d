//! Two minor versions of the API, both really built: `tests/minors` holds a plugin and a host of the older one.

use std::process::Command;

use pleach_tests::{built, example};
use plugin_api::host::Services;
use plugin_api::plugin::{Plugin, PluginObj};
use plugin_api::prelude::*;

fn open(name: &str) -> PluginObj {
    pleach_worker::host();
    pleach_worker::open(&example(name)).unwrap_or_else(|e| panic!("{e}"))
}

/// What the host of the older minor version says of these files.
fn older_host(names: &[&str]) -> String {
    let files = names.iter().map(|name| example(name).path);
    let mut host = Command::new(built().join("examples/older-host"));
    let output = host
        .args(files)
        .output()
        .expect("`cargo xtask build` makes it");
    let text = String::from_utf8(output.stdout).expect("text");
    let folder = built().canonicalize().expect("a folder");
    text.replace(&format!("{}/", folder.display()), "")
}

#[test]
fn trap_01_an_older_plugin_loads_in_a_newer_host_and_lacks_only_what_is_newer() {
    let older = open("older");
    let none = Default::default();
    assert_eq!(plugin_api::API, "1.1");

    // What it does not have is done by the bodies that the newer trait brings.
    let task = older.task("task", &none).unwrap();
    assert!(task.batch("train", &At::ALL).unwrap().is_some());
    assert!(task.episode("train", &At::ALL).unwrap().is_none());
    let lacks = task.inputs("samples.csv").err().unwrap().to_string();
    assert!(
        lacks.contains("does not say how it reads samples"),
        "{lacks}"
    );
    let space = older.space("space", &none).unwrap();
    let scores = Tensors::new().with("which", Tensor::from_slice(&[0.0, 2.0, 1.0]));
    let point = space.project(&task.ports().unwrap(), &scores).unwrap();
    assert_eq!(point["which"], Decided::Option(1));
    assert_eq!(
        older.kernel("layer", &none).err().unwrap().to_string(),
        "the plugin is older than the role `kernel`\n  help: build it anew against this version of pleach-plugin-api"
    );
}

#[test]
fn trap_02_an_older_host_takes_plugins_of_its_own_minor_and_refuses_newer_ones_with_a_sentence() {
    assert_eq!(
        older_host(&["older", "wrappers"]),
        "loaded older into a host of API 1.0\n\
         examples/libwrappers.so cannot be loaded\n  \
         caused by built for plugin API 1.1; this host offers 1.0\n  \
         help: update pleach, or rebuild the plugin\n"
    );
}

#[test]
fn trap_05_both_minors_work_together_in_one_process_whichever_comes_first() {
    for order in ["older wrappers", "wrappers older"] {
        let itself = std::env::current_exe().expect("a test has a path");
        let status = Command::new(itself)
            .args(["--exact", "--ignored", "both_minors_in_one_process"])
            .env("ORDER", order)
            .status();
        assert!(status.expect("a test starts").success(), "{order}");
    }
}

#[test]
#[ignore = "a process of its own, started by the test above"]
fn both_minors_in_one_process() {
    for name in std::env::var("ORDER").expect("an order").split(' ') {
        pleach_worker::load(&example(name)).unwrap_or_else(|e| panic!("{e}"));
    }
    // A wrapper of the newer minor around a layer of the older one.
    let thrice = Recipe::new("wrappers/layer").with("inner", "older/layer");
    let thrice = pleach_worker::host().layer(&thrice).unwrap();
    let x = Batch::new().with("x", Tensor::from_slice(&[1.0, 2.0]));
    let pass = plugin_api::testing::Alone::eval();
    let y = thrice.forward(&Tensors::new(), &x, &pass).unwrap();
    assert_eq!(Vec::<f64>::try_from(&y["x"]).unwrap(), [3.0, 6.0]);
}
