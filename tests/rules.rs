//! The rules of the architecture, and the checks that a person would type.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

use object::{Object, ObjectSymbol};
use pleach::plugins::{LIBRARIES, needed};
use pleach_tests::{as_typed, both, built, root};
use serde_json::Value;

fn cargo(arguments: &[&str]) {
    cargo_in(root(), arguments);
}

fn cargo_in(folder: &Path, arguments: &[&str]) {
    let mut cargo = Command::new(env!("CARGO"));
    cargo
        .args(arguments)
        .env("RUSTDOCFLAGS", "-D warnings")
        .current_dir(folder);
    let output = as_typed(&mut cargo).output().expect("cargo can be started");
    assert!(
        output.status.success(),
        "cargo {}\n{}",
        arguments.join(" "),
        both(&output)
    );
}

#[test]
fn the_code_is_formatted() {
    cargo(&["fmt", "--all", "--check"]);
    cargo_in(&root().join("examples/mixhop"), &["fmt", "--check"]);
    cargo_in(&root().join("fuzz"), &["fmt", "--check"]);
}

#[test]
fn clippy_is_content() {
    cargo(&[
        "clippy",
        "--workspace",
        "--all-targets",
        "--quiet",
        "--",
        "-D",
        "warnings",
    ]);
}

#[test]
fn the_documentation_has_no_warning() {
    cargo(&["doc", "--workspace", "--no-deps", "--quiet"]);
}

/// Features that tests alone turn on would have all that depends on them built a second time.
#[test]
fn programs_and_tests_are_one_build() {
    let packages = |edges: &str| -> BTreeSet<String> {
        let output = Command::new(env!("CARGO"))
            .args(["tree", "--offline", "--workspace", "--no-dedupe"])
            .args(["--prefix", "none", "--format", "{p} {f}", "--edges", edges])
            .current_dir(root())
            .output()
            .expect("cargo can be started");
        assert!(output.status.success(), "{}", both(&output));
        let text = String::from_utf8(output.stdout).expect("text");
        text.lines().map(String::from).collect()
    };
    let (programs, all) = (packages("normal,build"), packages("normal,build,dev"));
    let otherwise: Vec<&String> = programs.difference(&all).collect();
    assert!(otherwise.is_empty(), "{otherwise:#?}");
}

/// Packages of the workspace: name, folder, names of the workspace's packages that it depends on outside tests.
fn packages() -> Vec<(String, PathBuf, BTreeSet<String>)> {
    let output = Command::new(env!("CARGO"))
        .args([
            "metadata",
            "--format-version",
            "1",
            "--no-deps",
            "--offline",
        ])
        .current_dir(root())
        .output()
        .unwrap();
    let metadata: Value = serde_json::from_slice(&output.stdout).unwrap();
    let packages = metadata["packages"].as_array().unwrap();
    packages
        .iter()
        .map(|p| {
            let folder = Path::new(p["manifest_path"].as_str().unwrap())
                .parent()
                .unwrap()
                .to_path_buf();
            let ours = p["dependencies"]
                .as_array()
                .unwrap()
                .iter()
                .filter(|d| d["source"].is_null() && d["kind"].as_str() != Some("dev"));
            (
                p["name"].as_str().unwrap().into(),
                folder,
                ours.map(|d| d["name"].as_str().unwrap().to_string())
                    .collect(),
            )
        })
        .collect()
}

#[test]
fn a_plugin_depends_on_the_api_alone() {
    let plugins: Vec<_> = packages()
        .into_iter()
        .filter(|(_, folder, _)| folder.parent() == Some(&root().join("plugins")))
        .collect();
    assert!(plugins.len() >= 2, "{plugins:?}");
    for (name, _, ours) in plugins {
        assert_eq!(
            ours,
            BTreeSet::from(["pleach-plugin-api".to_string()]),
            "`{name}` depends on more of the workspace than the API"
        );
    }
}

#[test]
fn the_api_depends_on_nothing_of_the_host() {
    for (name, _, ours) in packages()
        .iter()
        .filter(|(name, ..)| name.starts_with("pleach-plugin-api"))
    {
        assert!(
            ours.iter().all(|d| d.starts_with("pleach-plugin-api")),
            "`{name}` depends on {ours:?}"
        );
    }
}

fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, found);
        } else if path
            .extension()
            .is_some_and(|e| e == "rs" || e == "cpp" || e == "toml")
        {
            found.push(path);
        }
    }
}

#[test]
fn the_host_knows_no_paper() {
    let papers: Vec<String> = std::fs::read_dir(root().join("plugins"))
        .unwrap()
        .map(|p| p.unwrap().file_name().into_string().unwrap())
        .filter(|p| p != "baselines")
        .collect();
    assert!(!papers.is_empty());
    let mut files = vec![];
    for folder in ["host", "plugin-api"] {
        sources(&root().join(folder), &mut files);
    }
    for file in files {
        let text = std::fs::read_to_string(&file).unwrap().to_lowercase();
        for paper in &papers {
            assert!(
                !text.contains(paper.as_str()),
                "{} names `{paper}`",
                file.display()
            );
        }
    }
}

#[test]
fn pleach_needs_no_libtorch() {
    let bytes = std::fs::read(built().join("pleach")).expect("`cargo xtask build` makes it");
    let file = object::File::parse(&*bytes).unwrap();
    let needed = needed(&built().join("pleach")).unwrap();
    assert!(
        !needed.is_empty()
            && needed
                .iter()
                .all(|lib| !lib.contains("torch") && !lib.contains("c10")),
        "{needed:?}"
    );
    assert!(
        file.dynamic_symbols()
            .filter_map(|s| s.name().ok())
            .all(|s| !s.starts_with("at_"))
    );
}

/// A plugin that pulls in CUDA's half of libtorch would not load where that is not installed.
#[test]
fn a_plugin_needs_only_what_every_host_has() {
    for name in ["baselines", "dgmlp", "gradsign", "lottery_ticket", "mixhop"] {
        let needed =
            needed(&built().join(format!("lib{name}.so"))).expect("`cargo xtask build` makes it");
        assert!(
            needed.iter().all(|lib| LIBRARIES.contains(&lib.as_str())),
            "{name}: {needed:?}"
        );
        assert!(
            needed.iter().any(|lib| lib == "libtorch_cpu.so"),
            "{name}: {needed:?}"
        );
    }
}

#[test]
fn every_component_and_parameter_is_documented() {
    let ask = |arguments: &[&str]| -> Value {
        let output = Command::new(built().join("pleach"))
            .args(arguments)
            .arg("--json")
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", both(&output));
        serde_json::from_slice(&output.stdout).unwrap()
    };
    let listed = ask(&["components"]);
    let components = listed.as_array().unwrap();
    assert!(components.len() > 20, "{}", components.len());
    for component in components {
        let name = component["component"].as_str().unwrap();
        let described = ask(&["describe", name]);
        assert!(
            described["doc"].as_str().is_some_and(|d| d.len() > 15),
            "{name} says too little of itself"
        );
        for (parameter, schema) in described["schema"]["properties"]
            .as_object()
            .into_iter()
            .flatten()
        {
            assert!(
                schema["description"].as_str().is_some_and(|d| d.len() > 5),
                "{name}: `{parameter}` has no doc"
            );
        }
        for parameter in described["parameters"].as_array().unwrap() {
            assert!(
                parameter["required"] == false || !parameter["example"].is_null(),
                "{name}: {} is required and has no example",
                parameter["name"]
            );
        }
    }
}

/// Versions stand in `Cargo.toml`, but for those that a plugin's note and the set-up must know.
#[test]
fn the_pinned_versions_agree() {
    let read = |path: &str| std::fs::read_to_string(root().join(path)).unwrap();
    let tch = format!("tch = {{ version = \"={}\"", plugin_api::TCH);
    assert!(
        read("Cargo.toml").contains(&tch),
        "Cargo.toml pins another tch"
    );
    let libtorch = format!("\"{}\"", plugin_api::LIBTORCH);
    assert!(
        read("xtask/src/libtorch.rs").contains(&libtorch),
        "the set-up fetches another libtorch"
    );
}
