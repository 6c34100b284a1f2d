//! The two programs as a person meets them.

use std::fs;
use std::path::{Path, PathBuf};

use expect_test::expect;
use pleach_tests::{Place, both, built, root, weights};
use plugin_api::Result;
use safetensors::SafeTensors;

/// A place for an experiment that begins with `mlp.json`.
fn mlp(experiment: &str) -> Place {
    let place = Place::new(experiment);
    fs::copy(
        root().join("examples/mlp.json"),
        place.folder.path().join("mlp.json"),
    )
    .unwrap();
    place
}

fn lines(place: &Place, arguments: &[&str]) -> String {
    let output = place.pleach(arguments).output().unwrap();
    assert!(output.status.success(), "{}", both(&output));
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn lists_what_stands_beside_it() {
    let place = Place::new("");
    let plugins = lines(&place, &["plugins", "list"]);
    for name in ["baselines", "dgmlp", "gradsign", "lottery-ticket", "mixhop"] {
        assert!(plugins.contains(&format!("{name} 0.1.0")), "{plugins}");
    }
    let layers = lines(&place, &["components", "--role", "layer"]);
    for name in ["baselines/gcn", "dgmlp/propagation", "mixhop/low-rank"] {
        assert!(layers.contains(name), "{layers}");
    }
    assert!(!layers.contains("baselines/adam"), "{layers}");
    let json: serde_json::Value =
        serde_json::from_str(&lines(&place, &["describe", "dgmlp/propagation", "--json"])).unwrap();
    assert_eq!(json["schema"]["properties"]["hops"]["default"], 20);
    for (name, example) in [
        (
            "embedding",
            r#"layer = { use = "baselines/embedding", symbols = 1000, out = 64 }"#,
        ),
        (
            "flip",
            r#"task = { use = "baselines/flip", task = { use = "baselines/digits", form = "image" }, rate = 0.5 }"#,
        ),
    ] {
        let described = lines(&place, &["describe", &format!("baselines/{name}")]);
        assert!(
            described.contains(&format!("example:\n  {example}")),
            "{described}"
        );
    }
}

#[test]
fn a_relaxation_searches_and_an_analysis_looks_at_what_was_trained() {
    let place = Place::new(
        r#"
task = "baselines/digits-graph"
seeds = 2

[[stage]]
search = { use = "baselines/softmax", weights = [{ use = "baselines/adam", rate = { use = "baselines/cosine", start = 0.02, steps = 20 } }] }
space  = { use = "baselines/gnn", depth = 2, widths = [16], dropouts = [0.0], activations = ["relu"], layers = ["baselines/gcn", "mixhop/mixhop"] }
steps  = 20

[[stage]]
name  = "short"
train = { use = "baselines/backprop", epochs = 3, objectives = ["baselines/label-smoothing"] }

[[stage]]
name  = "long"
train = { use = "baselines/backprop", epochs = 20 }

[[stage]]
name     = "curves"
analyse  = "baselines/learning-curves"
subjects = ["short", "long"]
"#,
    );
    let said = lines(&place, &["run", "experiment.toml", "--json"]);
    let summary: serde_json::Value = serde_json::from_str(&said).unwrap();
    let measured = &summary["analyses"][0]["metrics"];
    let of = |metric: &str| measured[metric]["mean"].as_f64().unwrap();
    assert!(of("long.mean") > of("short.mean"), "{summary}");
    assert!(of("short.epoch") <= 3.0 && of("long.epoch") <= 20.0);
    // The same again, from what the journal holds.
    let again = lines(&place, &["resume", "runs/experiment-1", "--json"]);
    let again: serde_json::Value = serde_json::from_str(&again).unwrap();
    assert_eq!(again["analyses"], summary["analyses"]);
}

#[test]
fn a_relaxation_for_several_tasks_shows_an_architecture_for_each() {
    let wrappers = fs::read(pleach_tests::example("wrappers").path).expect("a plugin");
    let task = r#"task = { use = "baselines/multi-task", tasks = [
    { name = "a", task = { use = "wrappers/ring", around = ["v"] } },
    { name = "b", task = { use = "wrappers/ring", around = ["u"] } },
] }"#;
    let place =
        |stages: &str| Place::new(&format!("{task}\n{stages}")).with_plugin("wrappers", &wrappers);
    let searching = place(
        r#"
[[stage]]
name   = "search"
steps  = 600
space  = { use = "wrappers/slots", layers = ["baselines/linear", { use = "mixhop/mixhop", powers = 1 }, "baselines/gcn"] }
search = { use = "wrappers/importance", tasks = ["a", "b"], weights = [{ use = "baselines/adam", rate = 0.02 }], choices = [{ use = "baselines/adam", rate = { use = "baselines/cosine", start = 0.0, end = 0.06, steps = 600 } }] }
"#,
    );
    let run = ["run", "experiment.toml", "--plugins", "plugins"];
    let output = searching.pleach(&run).output().unwrap();
    assert!(!output.status.success());
    let said = both(&output);
    let (_, error) = said.split_once("\nerror: ").expect("an error");
    let archs = error
        .lines()
        .filter_map(|line| Some(&line[line.find("arch = ")?..]));
    let archs: Vec<&str> = archs.collect();
    // Each task needs what the other has no use for, so the right ones are known.
    expect![[r#"
        arch = { use = "wrappers/slots", layers = [{ use = "baselines/linear", bias = true }, { use = "mixhop/mixhop", powers = 1 }, { use = "baselines/gcn" }], point = { u = { use = "baselines/linear", bias = true }, v = { use = "baselines/gcn" } } }
        arch = { use = "wrappers/slots", layers = [{ use = "baselines/linear", bias = true }, { use = "mixhop/mixhop", powers = 1 }, { use = "baselines/gcn" }], point = { u = { use = "baselines/gcn" }, v = { use = "baselines/linear", bias = true } } }"#]]
    .assert_eq(&archs.join("\n"));

    // As they stand there, they are subjects of stages.
    let stages = archs.iter().map(|arch| {
        format!("[[stage]]\n{arch}\ntrain = {{ use = 'baselines/backprop', epochs = 2 }}\n")
    });
    let training = place(&stages.collect::<String>());
    let run = training.run(&["--plugins", "plugins"]);
    assert_eq!(weights(&run).len(), 2);
}

#[test]
fn the_doctor_finds_nothing_wrong() {
    let said = lines(&Place::new(""), &["doctor"]);
    assert!(said.contains("libtorch: 2.11.0"), "{said}");
}

#[test]
fn a_device_that_is_not_there_is_refused() {
    let place = Place::new(
        "task = 'baselines/digits'\n[[stage]]\narch = { use = 'baselines/gnn', layers = ['baselines/linear'], point = {} }\ntrain = 'baselines/backprop'\n",
    );
    let check = |device: &str, wanted: &[&str]| {
        let output = place
            .pleach(&["run", "experiment.toml", "--device", device])
            .output()
            .unwrap();
        let said = both(&output);
        assert!(
            !output.status.success() && wanted.iter().any(|w| said.contains(w)),
            "{said}"
        );
    };
    check("tpu", &["there is no device `tpu`", "invalid value 'tpu'"]);
    check(
        "cuda:99",
        &[
            "there is no device `cuda:99`",
            "libtorch sees no CUDA device",
            "CUDA's half of libtorch cannot be loaded",
        ],
    );
}

#[test]
fn a_nearer_file_shadows_a_farther_one_and_the_run_says_so() -> Result<()> {
    let place = Place::new(
        "task = 'baselines/digits-graph'\n[[stage]]\nname = 'search'\nsearch = 'baselines/random'\n\
         space = { use = 'baselines/gnn', depth = 1, layers = ['dgmlp/propagation'] }\n\
         each = [{ train = { use = 'baselines/backprop', epochs = 1 } }]\nbudget = 1\n",
    );
    let near = place.folder.path().join("near");
    fs::create_dir(&near)?;
    fs::copy(built().join("libdgmlp.so"), near.join("libdgmlp.so"))?;
    let listed = lines(&place, &["plugins", "list", "--plugins", "near"]);
    assert!(
        listed.contains("near/libdgmlp.so") && listed.contains("not used: "),
        "{listed}"
    );

    let (near, far) = (
        near.join("libdgmlp.so").canonicalize()?,
        built().join("libdgmlp.so"),
    );
    let warning = format!(
        "warning: the plugin `dgmlp` is taken from {}, not from {}",
        near.display(),
        far.display()
    );
    let output = place
        .pleach(&["run", "experiment.toml", "--plugins", "near"])
        .output()?;
    assert!(
        output.status.success() && both(&output).contains(&warning),
        "{}",
        both(&output)
    );
    Ok(())
}

/// The errors of an architecture come all at once, and name what does not fit.
#[test]
fn an_architecture_that_does_not_fit_says_where() -> Result<()> {
    let place = Place::new(
        "task = 'baselines/digits-graph'\n[[stage]]\nname = 'wrong'\narch = 'wrong.json'\ntrain = 'baselines/backprop'\n",
    );
    let node = |name: &str, layer: &str, from: &str| {
        format!(r#"{{"name":"{name}","inputs":{{"x":"{from}"}},"layer":{{"use":"{layer}"}}}}"#)
    };
    let arch = format!(
        r#"{{"version":1,"inputs":{{"x":[{{"name":"nodes"}},{{"name":"features","size":63}}]}},"nodes":[{},{}],"outputs":{{"z":"first.x"}}}}"#,
        node("first", "baselines/linear", "in.x"),
        node("second", "baselines/linear", "nowhere.x"),
    );
    fs::write(place.folder.path().join("wrong.json"), arch)?;
    let output = place.pleach(&["run", "experiment.toml"]).output()?;
    let said = both(&output);
    for wanted in [
        "the architecture has 3 faults",
        "the task's input `x` has another shape",
        "node `second` takes `nowhere.x`, which nothing before it gives",
        "the task wants an output `y`",
    ] {
        assert!(said.contains(wanted), "{said}");
    }
    Ok(())
}

/// Spans and events of a plugin's own `tracing` go to the host's subscriber, by the host's filter.
#[test]
fn a_plugins_events_reach_the_host() {
    let place = mlp(
        "task = 'baselines/digits'\n[[stage]]\nname = 'only'\narch = 'mlp.json'\ntrain = { use = 'baselines/backprop', epochs = 2 }\n",
    );
    let logged = |run: &str, filter: &str| {
        let output = place
            .pleach(&["run", "experiment.toml"])
            .env("PLEACH_LOG", filter)
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", both(&output));
        fs::read_to_string(place.folder.path().join(run).join("logs/only-s0.log"))
            .unwrap_or_default()
    };
    let log = logged("runs/experiment-1", "baselines=info");
    assert!(
        log.contains("INFO baselines::trainer::backprop: epoch 1: evaluated accuracy loss="),
        "{log}"
    );
    assert_eq!(logged("runs/experiment-2", "baselines=warn"), "");
}

/// A hypernet that makes some of the weights leaves the others as they were trained.
#[test]
fn generating_some_weights_keeps_the_others() {
    let place = mlp(
        "task = 'baselines/digits'\n[[stage]]\nname = 'trained'\narch = 'mlp.json'\ntrain = { use = 'baselines/backprop', epochs = 3 }\n\
         [[stage]]\nname = 'made'\ngenerate = 'baselines/mlp'\ntarget = 'first.weight'\n",
    );
    let files = weights(&place.run(&[]));
    let [made, trained] = [0, 1].map(|i| SafeTensors::deserialize(&files[i].1).unwrap());
    assert_eq!(
        (files[0].0.as_str(), files[1].0.as_str()),
        ("made-s0.safetensors", "trained-s0.safetensors")
    );
    for kept in ["first.bias", "second.weight", "second.bias"] {
        assert_eq!(
            made.tensor(kept).unwrap().data(),
            trained.tensor(kept).unwrap().data(),
            "`{kept}`"
        );
    }
    assert!(
        made.tensor("first.weight").is_err() && made.tensor("hypernet-0.z").is_ok(),
        "{:?}",
        made.names()
    );
}

/// Hypernets whose weights hypernets make.
#[test]
fn a_hypernet_may_make_the_weights_of_another() {
    let place = mlp(
        "task = 'baselines/digits'\n[[stage]]\nname = 'made'\narch = 'mlp.json'\ngenerate = { use = 'baselines/mlp', hidden = 4 }\n\
         [[stage]]\nname = 'made-again'\ngenerate = { use = 'baselines/mlp', hidden = 2 }\ntarget = 'hypernet-0.z'\n\
         [[stage]]\nname = 'trained'\ntrain = { use = 'baselines/backprop', epochs = 2 }\n",
    );
    let files = weights(&place.run(&[]));
    let trained = SafeTensors::deserialize(&files[2].1).unwrap();
    assert!(
        trained.tensor("hypernet-1.z").is_ok() && trained.tensor("hypernet-0.z").is_err(),
        "{:?}",
        trained.names()
    );
}

/// A small space is not searched by the same point again and again.
#[test]
fn a_prescreened_search_proposes_each_point_once() {
    let place = Place::new(
        "task = 'baselines/digits-graph'\n[[stage]]\nname = 'search'\nsearch = { use = 'baselines/prescreen', of = 20 }\n\
         space = { use = 'baselines/gnn', depth = 1, layers = ['baselines/gcn'], widths = [8, 16], dropouts = [0.0], activations = ['relu', 'tanh'] }\n\
         each = [{ train = { use = 'baselines/backprop', epochs = 1 } }]\nbudget = 4\n",
    );
    let db = rusqlite::Connection::open(place.run(&[]).join("journal.sqlite")).unwrap();
    let distinct: i64 = db
        .query_row("SELECT count(DISTINCT proposal) FROM trial", [], |row| {
            row.get(0)
        })
        .unwrap();
    assert_eq!(distinct, 4);
}

#[test]
fn a_run_is_not_resumed_with_another_experiment() {
    let place = mlp(
        "task = 'baselines/digits'\n[[stage]]\nname = 'only'\narch = 'mlp.json'\ntrain = { use = 'baselines/backprop', epochs = 2 }\n",
    );
    let file = place.run(&[]).join("experiment.toml");
    let experiment = fs::read_to_string(&file).unwrap();
    fs::write(&file, experiment.replace("seed = 0", "seed = 5")).unwrap();
    let output = place
        .pleach(&["resume", "runs/experiment-1"])
        .output()
        .unwrap();
    let said = both(&output);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(
        said.contains(
            "the run was begun with other files\n  found     experiment.toml has changed"
        ),
        "{said}"
    );
}

/// Editors find all right with the examples, and something wrong with what the reader refuses.
#[test]
fn the_schema_says_what_an_experiment_is() {
    let place = Place::new("");
    let output = place.pleach(&["schema"]).output().expect("pleach starts");
    assert!(output.status.success(), "{}", both(&output));
    let schema: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let validator = jsonschema::draft7::new(&schema).expect("a schema of draft 7");
    let check = |name: &str, text: &str, fits: bool| {
        let experiment: serde_json::Value = toml::from_str(text).expect("TOML");
        let errors: Vec<String> = { validator.iter_errors(&experiment) }
            .map(|e| format!("{}: {e}", e.instance_path()))
            .collect();
        assert_eq!(errors.is_empty(), fits, "{name}: {}", errors.join("\n"));
    };
    let examples = experiments(&root().join("examples"));
    assert!(examples.len() > 8, "{examples:?}");
    for example in &examples {
        let text = fs::read_to_string(example).expect("an example");
        check(&example.display().to_string(), &text, true);
    }
    for (from, to) in [
        ("budget", "bugdet"),
        ("baselines/digits-graph", "baselines/digits-grahp"),
        ("epochs = 100", "epochs = 0"),
        ("hops = 5", "hop = 5"),
        ("sparsity = 0.5", ""),
        ("sparsity = 0.5", "sparsity = 1.5"),
        (
            "train = { use = \"baselines/backprop\", epochs = 200 }",
            "train = \"baselines/magnitude\"",
        ),
        ("depth = 2", "depth = { decide = \"depth\" }"),
        ("arch = \"gcn.json\"", "arch = 3"),
        ("seeds = 3", "seeds = \"three\""),
    ] {
        let demo = fs::read_to_string(root().join("examples/demo.toml")).expect("the demo");
        let changed = demo.replace(from, to);
        assert_ne!(demo, changed, "{from}");
        check(to, &changed, to.contains("decide"));
    }
}

/// The experiments in a folder.
fn experiments(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).expect("a folder");
    let paths = entries.map(|entry| entry.expect("an entry").path());
    paths
        .filter(|path| path.extension().is_some_and(|e| e == "toml"))
        .collect()
}
