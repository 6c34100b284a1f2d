//! Networks in ONNX: onnxruntime computes what layers and runs do.
//!
//! It comes from PyPI into a folder of the build. Without `pip` or a network the test is skipped, but not under `CI=true`.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use baselines as _;
use dgmlp as _;
use pleach_tests::{Place, both, built, plugin, root};
use pleach_worker::{NetSession, Onnx, host};
use plugin_api::host::Services;
use plugin_api::role::{Layer, Task, TaskObj};
use plugin_api::testing::Alone;
use plugin_api::{
    Ask, At, Batch, Dtype, Edges, Graph, Json, Recipe, Session, Shapes, Source, Tensors, Value,
    axis, random, stream,
};
use serde_json::json;
use tch::{Device, Kind, Tensor};

/// What the test needs of PyPI.
const PACKAGES: [&str; 3] = ["onnx==1.23.2", "onnxruntime==1.32.0", "numpy"];

#[test]
fn onnxruntime_computes_what_layers_and_runs_do() {
    let Some(python) = python() else {
        assert!(
            env::var_os("CI").is_none(),
            "onnxruntime cannot be installed"
        );
        eprintln!("skipped: onnxruntime cannot be installed");
        return;
    };
    let place = tempfile::TempDir::new().expect("a folder");
    layers(place.path());
    runs(place.path());
    let mut check = Command::new(python);
    check
        .arg(root().join("tests/hold_onnx.py"))
        .arg(place.path());
    let output = check.output().expect("Python can be started");
    assert!(output.status.success(), "{}", both(&output));
}

/// The Python that has the packages; they are installed where they are not.
fn python() -> Option<PathBuf> {
    let home = built().join("venv-onnx");
    let python = home.join("bin/python");
    let runs = |command: &mut Command| command.output().is_ok_and(|output| output.status.success());
    let imports = ["-c", "import numpy, onnx, onnxruntime"];
    if runs(Command::new(&python).args(imports)) {
        return Some(python);
    }
    let pip = ["-m", "pip", "install", "--disable-pip-version-check"];
    let installed = runs(Command::new("python3").args(["-m", "venv"]).arg(&home))
        && runs(Command::new(&python).args(pip).args(PACKAGES));
    installed.then_some(python)
}

/// Each layer by itself, on all that it can be given, with weights drawn at random.
fn layers(folder: &Path) {
    // Graphs are made by the host, which this makes, too.
    pleach_worker::load(&plugin("mixhop")).expect("a plugin");
    let features = |n: i64| port("x", &[None, Some(n)], numbers(&[5, n]));
    let sequences = || port("x", &[None, None, Some(8)], numbers(&[5, 6, 8]));
    let lengths = || port("lengths", &[None], Tensor::from_slice(&[6_i64, 1, 0, 4, 3]));
    let line = || port("x", &[None, Some(4), Some(9)], numbers(&[2, 4, 9]));
    let images = || {
        port(
            "x",
            &[None, Some(4), Some(8), Some(8)],
            numbers(&[2, 4, 8, 8]),
        )
    };
    let nodes = || port("x", &[None, Some(8)], numbers(&[6, 8]));
    let graph = || port("graph", &[None], Value::from(graph()));
    let groups = || {
        port(
            "groups",
            &[None],
            Value::from(Graph::members(&[3, 0, 3]).expect("groups")),
        )
    };
    let symbols = || {
        port(
            "x",
            &[None, None],
            Tensor::from_slice(&[3_i64, 0, 1, 1, 2, 0]).view([2, 3]),
        )
    };
    let pairs = || {
        port(
            "pairs",
            &[None, Some(2)],
            Tensor::from_slice(&[0_i64, 1, 5, 2, 3, 3]).view([3, 2]),
        )
    };
    let other = |name: &str, n: i64| port(name, &[None, None, Some(n)], numbers(&[5, 7, n]));
    let mut cases = vec![];
    let mut case = |component: &str, params: Json, inputs: Vec<Port>| {
        cases.push((format!("baselines/{component}"), params, inputs));
    };

    for kind in [
        "relu",
        "leaky-relu",
        "elu",
        "gelu",
        "silu",
        "tanh",
        "sigmoid",
    ] {
        case("activation", json!({ "kind": kind }), vec![features(8)]);
    }
    case("linear", json!({ "out": 3 }), vec![features(8)]);
    case(
        "linear",
        json!({ "out": 3, "bias": false }),
        vec![sequences()],
    );
    case("dropout", json!({}), vec![features(8)]);
    case("identity", json!({}), vec![features(8)]);
    case("zero", json!({}), vec![features(8)]);
    case("flatten", json!({}), vec![images()]);
    let second = || port("y", &[None, Some(8)], numbers(&[5, 8]));
    case("add", json!({}), vec![features(8), second()]);
    case("concat", json!({}), vec![features(3), second()]);
    case(
        "embedding",
        json!({ "symbols": 4, "out": 3 }),
        vec![symbols()],
    );
    case(
        "begun",
        json!({ "inner": "baselines/linear", "init": "baselines/zeros" }),
        vec![features(8)],
    );
    let within = json!({ "layers": ["baselines/linear", "baselines/activation"] });
    case("sequence", within, vec![features(8)]);

    for images in [line(), images()] {
        let images = || vec![images.clone()];
        case("conv", json!({ "out": 3 }), images());
        case(
            "conv",
            json!({ "kernel": 2, "stride": 2, "padding": 1, "bias": false }),
            images(),
        );
        case("batch-norm", json!({ "eps": 1e-3 }), images());
        case("group-norm", json!({ "groups": 2 }), images());
        for kind in ["mean", "max"] {
            case("pool", json!({ "kind": kind }), images());
            case("pool", json!({ "kind": kind, "kernel": 2 }), images());
            case(
                "pool",
                json!({ "kind": kind, "kernel": 3, "stride": 2, "padding": 1 }),
                images(),
            );
        }
    }
    case("batch-norm", json!({}), vec![features(8)]);
    case("group-norm", json!({}), vec![features(8)]);
    case("layer-norm", json!({ "eps": 1e-3 }), vec![sequences()]);

    for recurrent in ["rnn", "gru", "lstm"] {
        case(recurrent, json!({ "out": 3 }), vec![sequences()]);
        case(recurrent, json!({}), vec![sequences(), lengths()]);
    }
    for causal in [false, true] {
        let params = || json!({ "heads": 2, "causal": causal });
        for inputs in [vec![sequences()], vec![sequences(), lengths()]] {
            case("multi-head-attention", params(), inputs.clone());
            case("transformer-block", params(), inputs);
        }
    }
    let sides = vec![sequences(), other("key", 5), other("value", 3), lengths()];
    case(
        "multi-head-attention",
        json!({ "out": 4, "bias": false }),
        sides,
    );
    let block = json!({ "norm-first": true, "activation": "gelu", "hidden": 5, "eps": 1e-3 });
    case("transformer-block", block, vec![sequences(), lengths()]);

    for (component, params) in [
        ("gcn", json!({ "out": 3 })),
        ("sage", json!({ "out": 3 })),
        ("gat", json!({ "heads": 2, "out": 6 })),
        ("gin", json!({ "eps": 0.5 })),
        ("gin", json!({ "train-eps": true })),
        ("appnp", json!({ "hops": 3 })),
    ] {
        case(component, params, vec![nodes(), graph()]);
    }
    for kind in ["sum", "mean", "max"] {
        case(
            "graph-pool",
            json!({ "kind": kind }),
            vec![nodes(), groups()],
        );
    }
    for kind in ["product", "inner"] {
        case("pairs", json!({ "kind": kind }), vec![nodes(), pairs()]);
    }

    let inputs = vec![nodes(), graph()];
    cases.push(("mixhop/mixhop".into(), json!({ "out": 5 }), inputs));

    for (i, (component, params, inputs)) in cases.iter().enumerate() {
        layer(
            &folder.join(format!("{i}-{}", component.replace('/', "-"))),
            component,
            params,
            inputs,
        );
    }
}

/// A port, its shape, and what comes in there.
#[derive(Clone)]
struct Port(String, Vec<plugin_api::Axis>, Value);

fn port(name: &str, sizes: &[Option<i64>], value: impl Into<Value>) -> Port {
    let axes = sizes.iter().enumerate();
    let axes = axes.map(|(i, size)| axis(&format!("{name}-axis-{i}"), *size));
    Port(name.into(), axes.collect(), value.into())
}

fn numbers(size: &[i64]) -> Tensor {
    random::normal(size, stream(7, "numbers")).into()
}

/// One with a self-loop, an edge twice, unlike weights, one of them 0, and nodes without edges.
fn graph() -> Graph {
    let sources = Tensor::from_slice(&[0_i64, 1, 1, 2, 1, 3, 3]);
    let targets = Tensor::from_slice(&[1_i64, 0, 2, 1, 2, 3, 0]);
    let weight = Tensor::from_slice(&[1.0_f32, 0.5, 2.0, 1.0, 1.0, 3.0, 0.0]);
    Graph::new(6, &sources, &targets, Some(&weight)).expect("a graph")
}

fn layer(folder: &Path, component: &str, params: &Json, inputs: &[Port]) {
    let mut recipe = params.clone();
    recipe["use"] = component.into();
    let recipe: Recipe = serde_json::from_value(recipe).expect("a recipe");
    let layer = host().layer(&recipe).expect("a layer");
    let shapes: Shapes = inputs
        .iter()
        .map(|Port(name, shape, _)| (name, shape.clone()))
        .collect();
    let batch: Batch = inputs
        .iter()
        .map(|Port(name, _, value)| (name, value.clone()))
        .collect();
    let specs = layer.weights(&shapes).expect("weights");
    let weights = specs.iter().map(|spec| {
        let drawn = random::uniform(&spec.size(), stream(3, &spec.name));
        // Variances are positive.
        let low = if spec.name == "var" { 0.5 } else { -0.5 };
        (&spec.name, Tensor::from(drawn) + low)
    });
    let weights: Tensors = weights.collect();
    let expected = layer.forward(&weights, &batch, &Alone::eval());
    let expected = expected.unwrap_or_else(|error| panic!("{component} {params}: {error:#}"));
    let source = layer
        .export(Source::ONNX, &shapes)
        .expect("a layer that exports");
    let source = source.unwrap_or_else(|| panic!("{component} gives no ONNX"));
    let onnx = Onnx {
        source: &source,
        weights: &weights,
        inputs: &shapes,
        sample: &batch,
        outputs: &layer.shapes(&shapes).expect("shapes"),
        floats: Dtype::F32,
        about: component,
        metadata: &[],
    };
    let bytes = onnx.bytes();
    let bytes = bytes.unwrap_or_else(|error| panic!("{component} {params}: {error:#}"));
    fs::create_dir(folder).expect("a folder");
    fs::write(folder.join("net.onnx"), bytes).expect("a file");
    // An output is called otherwise where an input has its name.
    let outputs = expected.names().map(|port| {
        let name = match shapes.contains(port) {
            true => format!("{port}_2"),
            false => port.to_string(),
        };
        (
            name,
            expected.tensor(port).expect("a tensor").shallow_clone(),
        )
    });
    held(folder, &batch, outputs.collect());
}

/// Writes what goes in and what should come out.
fn held(folder: &Path, inputs: &Batch, outputs: Vec<(String, Tensor)>) {
    let mut given: Vec<(String, Tensor)> = vec![];
    for (port, value) in inputs.iter() {
        match value {
            Value::Tensor(t) => given.push((port.into(), t.shallow_clone())),
            Value::Graph(graph) => {
                let nodes = Tensor::from_slice(&[graph.nodes()]).view([0_i64; 0]);
                given.push((format!("{port}.nodes"), nodes));
                given.push((format!("{port}.sources"), graph.sources().shallow_clone()));
                given.push((format!("{port}.targets"), graph.targets().shallow_clone()));
                let weight = graph.weight().to_kind(Kind::Float);
                given.push((format!("{port}.weight"), weight));
            }
        }
    }
    Tensor::write_npz(&given, folder.join("inputs.npz")).expect("a file");
    let outputs = outputs.into_iter().map(|(port, y)| (port, y.contiguous()));
    let outputs: Vec<(String, Tensor)> = outputs.collect();
    Tensor::write_npz(&outputs, folder.join("outputs.npz")).expect("a file");
}

/// Whole networks, trained, pruned and exported by the program.
fn runs(folder: &Path) {
    let read = |name: &str| {
        let text = fs::read_to_string(root().join("examples").join(name)).expect("a network");
        serde_json::from_str(&text).expect("a network")
    };
    let digits = Recipe::new("baselines/digits");
    run(&folder.join("mlp"), digits.clone(), &mlp());
    run(
        &folder.join("lenet"),
        digits.clone().with("form", "image"),
        &lenet(),
    );
    run(
        &folder.join("lstm"),
        digits.with("form", "rows"),
        &read("lstm-digits.json"),
    );
    run(
        &folder.join("graph"),
        Recipe::new("baselines/digits-graph"),
        &read("gcn.json"),
    );
}

fn run(folder: &Path, task: Recipe, net: &Json) {
    fs::create_dir(folder).expect("a folder");
    let form = task
        .params
        .get("form")
        .map(|form| format!(", form = {form}"));
    let place = Place::new(&format!(
        "task = {{ use = '{}'{} }}\nseed = 3\n\n[[stage]]\nname = 'fit'\narch = 'net.json'\ntrain = {{ use = 'baselines/backprop', epochs = 2 }}\n\n[[stage]]\nname = 'cut'\nprune = 'baselines/magnitude'\nsparsity = 0.5\n",
        task.component,
        form.unwrap_or_default()
    ));
    fs::write(place.folder.path().join("net.json"), net.to_string()).expect("a network");
    let run = place.run(&[]);
    let arguments = [
        "export",
        "runs/experiment-1",
        "--to",
        "onnx",
        "--out",
        "net.onnx",
    ];
    let output = place
        .pleach(&arguments)
        .output()
        .expect("pleach can be started");
    assert!(output.status.success(), "{}", both(&output));
    assert_eq!(String::from_utf8_lossy(&output.stdout), "net.onnx\n");
    fs::copy(
        place.folder.path().join("net.onnx"),
        folder.join("net.onnx"),
    )
    .expect("a file");

    let task: TaskObj = host().task(&task).expect("a task");
    let batch = task
        .batch("test", &At::ALL)
        .expect("data")
        .expect("a split");
    let saved = run.join("weights/cut-s3.safetensors");
    let session = NetSession::open(&saved, task.into(), 0, Device::Cpu).expect("a network");
    let seen = session.forward(&batch, &Ask::eval()).expect("outputs");
    let outputs = seen.outputs.names();
    let outputs = outputs.map(|port| (port.to_string(), seen.outputs[port].shallow_clone()));
    let inputs = session.arch().expect("an architecture").inputs;
    let given = batch.iter().filter(|(port, _)| inputs.contains(port));
    let given = given.map(|(port, value)| (port, value.clone()));
    held(folder, &given.collect(), outputs.collect());
}

/// A network of networks, with shared weights.
fn mlp() -> Json {
    let linear = |out: i64| json!({ "use": "baselines/linear", "out": out });
    let axes = |n: i64| json!([{ "name": "batch" }, { "name": "features", "size": n }]);
    let nodes = json!([
        { "name": "first", "inputs": { "x": "in.x" }, "layer": linear(64) },
        { "name": "relu", "inputs": { "x": "first.x" }, "layer": { "use": "baselines/activation" } },
    ]);
    let block = json!({ "version": 1, "inputs": { "x": axes(64) }, "nodes": nodes, "outputs": { "y": "relu.x" } });
    let nodes = json!([
        { "name": "block-1", "inputs": { "x": "in.x" }, "network": block },
        { "name": "wide", "inputs": { "x": "block-1.y" }, "layer": linear(64) },
        { "name": "again", "inputs": { "x": "wide.x" }, "layer": linear(64), "share": "wide" },
        { "name": "sum", "inputs": { "left": "again.x", "right": "in.x" }, "layer": { "use": "baselines/add" } },
        { "name": "classes", "inputs": { "x": "sum.x" }, "layer": linear(10) },
    ]);
    json!({ "version": 1, "inputs": { "x": axes(64) }, "nodes": nodes, "outputs": { "y": "classes.x" } })
}

/// Convolutions, normalisation and pooling, one behind the other.
fn lenet() -> Json {
    let axes = json!([
        { "name": "batch" },
        { "name": "channels", "size": 1 },
        { "name": "height", "size": 8 },
        { "name": "width", "size": 8 },
    ]);
    let layers = [
        ("conv-1", json!({ "use": "baselines/conv", "out": 4 })),
        ("norm", json!({ "use": "baselines/batch-norm" })),
        ("relu", json!({ "use": "baselines/activation" })),
        (
            "pool",
            json!({ "use": "baselines/pool", "kind": "max", "kernel": 2 }),
        ),
        ("conv-2", json!({ "use": "baselines/conv", "out": 8 })),
        ("mean", json!({ "use": "baselines/pool" })),
        ("flat", json!({ "use": "baselines/flatten" })),
        ("classes", json!({ "use": "baselines/linear", "out": 10 })),
    ];
    let mut from = "in.x".to_string();
    let nodes = layers.map(|(name, layer)| {
        let node = json!({ "name": name, "inputs": { "x": from }, "layer": layer });
        from = format!("{name}.x");
        node
    });
    json!({ "version": 1, "inputs": { "x": axes }, "nodes": nodes, "outputs": { "y": from } })
}
