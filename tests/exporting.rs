//! `pleach export`: the files hold what a run has learned, and what is written in PyTorch computes the same.

use std::fs;
use std::path::Path;

use baselines as _;
use dgmlp as _;
use expect_test::expect;
use pleach_tests::{Place, both, root};
use pleach_worker::{NetSession, Script, host};
use plugin_api::host::Services;
use plugin_api::role::{Task, TaskObj};
use plugin_api::{Arch, Ask, At, Batch, Json, Recipe, Session, Shapes, Source, Tensors, axis};
use serde_json::json;
use tch::{Device, Tensor};

/// A network of these nodes, `name, inputs, what it is`, on inputs of these shapes, with the output `y`.
fn network(inputs: &Json, nodes: &[(&str, Json, Json)], y: &str) -> Json {
    let node = |(name, inputs, kind): &(&str, Json, Json)| {
        let mut node = json!({ "name": name, "inputs": inputs });
        let kind = kind.as_object().expect("what it is").clone();
        node.as_object_mut().expect("a node").extend(kind);
        node
    };
    let nodes: Vec<Json> = nodes.iter().map(node).collect();
    json!({ "version": 1, "inputs": inputs, "nodes": nodes, "outputs": { "y": y } })
}

fn layer(component: &str, params: Json) -> Json {
    let mut recipe = params;
    recipe["use"] = component.into();
    json!({ "layer": recipe })
}

/// The input `x` of so many axes behind the samples.
fn x(sizes: &[i64]) -> Json {
    let known = sizes.iter().map(|n| axis("axis", *n));
    let shape = [axis("batch", None)].into_iter().chain(known).collect();
    serde_json::to_value(Shapes::new().with("x", shape)).expect("a shape")
}

/// An experiment that trains a network for two epochs, and prunes it.
fn place(task: &str, network: &Json) -> Place {
    let place = Place::new(&format!(
        "task = {task}\nseed = 3\n\n[[stage]]\nname = 'fit'\narch = 'net.json'\ntrain = {{ use = 'baselines/backprop', epochs = 2 }}\n\n[[stage]]\nname = 'cut'\nprune = 'baselines/magnitude'\nsparsity = 0.5\n"
    ));
    fs::write(place.folder.path().join("net.json"), network.to_string()).expect("a network");
    place
}

fn exported(place: &Place, arguments: &[&str]) -> String {
    let fixed = ["export", "runs/experiment-1"];
    let output = place.pleach(&[&fixed, arguments].concat()).output();
    let output = output.expect("pleach can be started");
    assert!(output.status.success(), "{}", both(&output));
    String::from_utf8(output.stdout).expect("text")
}

fn read(file: &Path) -> Tensors {
    let read = Tensor::read_safetensors(file).expect("weights");
    read.into_iter().collect()
}

/// Runs and exports an experiment, and holds what PyTorch computes with the exported weights to the run's own network.
fn check(task: &str, recipe: Recipe, net: &Json) -> String {
    let place = place(task, net);
    let run = place.run(&[]);
    let out = place.folder.path().join("out");
    let said = exported(&place, &["--to", "pytorch", "--out", "out/net.py"]);
    assert_eq!(said, "out/net.py\nout/net.safetensors\n");

    let task: TaskObj = host().task(&recipe).expect("a task");
    let batch = task
        .batch("test", &At::ALL)
        .expect("data")
        .expect("a split");
    let saved = run.join("weights/cut-s3.safetensors");
    let session = NetSession::open(&saved, task.into(), 0, Device::Cpu).expect("a network");
    let expected = session.forward(&batch, &Ask::eval()).expect("outputs");

    let (source, specs) = (
        session.source(Source::PYTORCH).expect("PyTorch"),
        session.specs("all"),
    );
    let weights = read(&out.join("net.safetensors"));
    let (inputs, y) = (&session.arch().expect("an architecture").inputs, "y");
    let batch = batch.iter().filter(|(port, _)| inputs.contains(port));
    let batch: Batch = batch.map(|(port, value)| (port, value.clone())).collect();
    let script = Script::compile(
        &source,
        &specs.expect("weights"),
        &weights,
        &batch,
        &Shapes::new().with(y, vec![]),
    );
    let found = script.expect("it compiles").run(&batch, false);
    let (found, expected) = (&found.expect("it runs")[y], &expected.outputs[y]);
    assert!(
        found.size() == expected.size() && found.allclose(expected, 1e-5, 1e-5, false),
        "{net}"
    );
    fs::read_to_string(out.join("net.py")).expect("a module")
}

#[test]
fn pytorch_computes_what_the_run_does() {
    let images = network(
        &x(&[1, 8, 8]),
        &[
            (
                "conv-1",
                json!({ "x": "in.x" }),
                layer("baselines/conv", json!({ "out": 4 })),
            ),
            (
                "norm",
                json!({ "x": "conv-1.x" }),
                layer("baselines/batch-norm", json!({})),
            ),
            (
                "relu",
                json!({ "x": "norm.x" }),
                layer("baselines/activation", json!({})),
            ),
            (
                "pool",
                json!({ "x": "relu.x" }),
                layer("baselines/pool", json!({})),
            ),
            (
                "flat",
                json!({ "x": "pool.x" }),
                layer("baselines/flatten", json!({})),
            ),
            (
                "y",
                json!({ "x": "flat.x" }),
                layer("baselines/linear", json!({ "out": 10 })),
            ),
        ],
        "y.x",
    );
    let task = Recipe::new("baselines/digits").with("form", "image");
    check(
        "{ use = 'baselines/digits', form = 'image' }",
        task,
        &images,
    );

    let rows = fs::read_to_string(root().join("examples/lstm-digits.json")).expect("a network");
    let rows = serde_json::from_str(&rows).expect("a network");
    let task = Recipe::new("baselines/digits").with("form", "rows");
    check("{ use = 'baselines/digits', form = 'rows' }", task, &rows);

    let graph = fs::read_to_string(root().join("examples/gcn.json")).expect("a network");
    let graph = serde_json::from_str(&graph).expect("a network");
    let task = Recipe::new("baselines/digits-graph");
    let module = check("'baselines/digits-graph'", task, &graph);
    assert!(module.contains("class Graph(NamedTuple):"), "{module}");
}

#[test]
fn networks_within_are_modules_within_and_shared_weights_are_one_module() {
    let linear = |out: i64| layer("baselines/linear", json!({ "out": out }));
    let inner = network(
        &x(&[64]),
        &[
            ("first", json!({ "x": "in.x" }), linear(64)),
            (
                "relu",
                json!({ "x": "first.x" }),
                layer("baselines/activation", json!({})),
            ),
        ],
        "relu.x",
    );
    let mut again = linear(64);
    again["share"] = "wide".into();
    let net = network(
        &x(&[64]),
        &[
            ("block", json!({ "x": "in.x" }), json!({ "network": inner })),
            ("wide", json!({ "x": "block.y" }), linear(64)),
            ("again", json!({ "x": "wide.x" }), again),
            (
                "sum",
                json!({ "left": "again.x", "right": "in.x" }),
                layer("baselines/add", json!({})),
            ),
            ("classes", json!({ "x": "sum.x" }), linear(10)),
        ],
        "classes.x",
    );
    let module = check("'baselines/digits'", Recipe::new("baselines/digits"), &net);
    expect![[r#"
        """The network of stage `cut`, seed 3, of the run `experiment-1`, as pleach 0.1.0 exports it.

        Inputs:
            `x`: [batch, 64]

        Output: `y`, a tensor.

            from safetensors.torch import load_file

            network = Network()
            network.load_state_dict(load_file("net.safetensors"))
            network.eval()
        """

        import torch
        from torch import nn


        class Block_First(nn.Module):
            """`baselines/linear`"""

            def __init__(self):
                super().__init__()
                self.weight = nn.Parameter(torch.empty([64, 64]))
                self.bias = nn.Parameter(torch.empty([64]))

            def forward(self, x):
                return x @ self.weight.t() + self.bias


        class Block_Relu(nn.Module):
            """`baselines/activation`"""

            def forward(self, x):
                return torch.relu(x)


        class Block(nn.Module):
            def __init__(self):
                super().__init__()
                self.first = Block_First()
                self.relu = Block_Relu()

            def forward(self, x):
                first = self.first(x)
                relu = self.relu(first)
                return relu


        class Wide(nn.Module):
            """`baselines/linear`"""

            def __init__(self):
                super().__init__()
                self.weight = nn.Parameter(torch.empty([64, 64]))
                self.bias = nn.Parameter(torch.empty([64]))

            def forward(self, x):
                return x @ self.weight.t() + self.bias


        class Sum(nn.Module):
            """`baselines/add`"""

            def forward(self, left, right):
                return left + right


        class Classes(nn.Module):
            """`baselines/linear`"""

            def __init__(self):
                super().__init__()
                self.weight = nn.Parameter(torch.empty([10, 64]))
                self.bias = nn.Parameter(torch.empty([10]))

            def forward(self, x):
                return x @ self.weight.t() + self.bias


        class Network(nn.Module):
            def __init__(self):
                super().__init__()
                self.block = Block()
                self.wide = Wide()
                self.sum = Sum()
                self.classes = Classes()

            def forward(self, x):
                block = self.block(x)
                wide = self.wide(block)
                again = self.wide(wide)
                sum = self.sum(again, x)
                classes = self.classes(sum)
                return classes
    "#]].assert_eq(&module);
}

#[test]
fn exported_weights_are_those_that_evaluation_uses() {
    let linear = layer("baselines/linear", json!({ "out": 10 }));
    let net = network(
        &x(&[64]),
        &[("classes", json!({ "x": "in.x" }), linear)],
        "classes.x",
    );
    let place = place("'baselines/digits'", &net);
    place.run(&[]);
    let folder = place.folder.path();

    assert_eq!(exported(&place, &[]), "cut_s3.safetensors\n");
    let cut = read(&folder.join("cut_s3.safetensors"));
    let mut names: Vec<&str> = cut.names().collect();
    names.sort_unstable();
    assert_eq!(names, ["classes.bias", "classes.weight"]);
    let zeros = cut["classes.weight"]
        .eq(0.0)
        .sum(tch::Kind::Int64)
        .int64_value(&[]);
    assert!(zeros >= 320, "{zeros} of 640");
    let bytes = fs::read(folder.join("cut_s3.safetensors")).expect("a file");
    let (_, header) = safetensors::SafeTensors::read_metadata(&bytes).expect("a header");
    let arch = header.metadata().as_ref().expect("an architecture")["arch"].clone();
    let arch: Arch = serde_json::from_str(&arch).expect("an architecture");
    assert_eq!(arch.nodes.len(), 1);

    exported(&place, &["--stage", "fit", "--seed", "3", "--out", "whole"]);
    let whole = read(&folder.join("whole.safetensors"));
    assert!(
        whole["classes.weight"]
            .ne(0.0)
            .sum(tch::Kind::Int64)
            .int64_value(&[])
            > 320
    );
}

#[test]
fn what_cannot_be_exported_is_named() {
    let rbf = json!({ "samples": 4, "out": 64 });
    let wide = json!({ "inner": "baselines/linear", "init": "baselines/zeros" });
    let net = network(
        &x(&[64]),
        &[
            (
                "kept",
                json!({ "x": "in.x" }),
                layer("baselines/kernel-machine", rbf),
            ),
            (
                "train",
                json!({ "x": "kept.x" }),
                layer("baselines/begun", wide),
            ),
            (
                "classes",
                json!({ "x": "train.x" }),
                layer("baselines/linear", json!({ "out": 10 })),
            ),
        ],
        "classes.x",
    );
    let place = place("'baselines/digits'", &net);
    place.run(&[]);
    let refused = |arguments: &[&str], code: i32| {
        let fixed = ["export", "runs/experiment-1"];
        let output = place.pleach(&[&fixed, arguments].concat()).output();
        let output = output.expect("pleach can be started");
        assert_eq!(output.status.code(), Some(code), "{}", both(&output));
        String::from_utf8(output.stderr).expect("text")
    };
    expect![[r#"
        error: the network cannot be written in PyTorch
          found     `kept`: `baselines/kernel-machine` does not say how PyTorch writes it
                    `train`: its name is one that every `nn.Module` has; call it otherwise
          expected  layers that say how PyTorch writes them, and no open mix
          help: `--to safetensors` writes its weights alone
    "#]]
    .assert_eq(&refused(&["--to", "pytorch"], 1));
    expect![[r#"
        error: the network cannot be written in ONNX
          found     `kept`: `baselines/kernel-machine` does not say how ONNX writes it
          expected  layers that say how ONNX writes them, and no open mix
          help: `--to safetensors` writes its weights alone
    "#]]
    .assert_eq(&refused(&["--to", "onnx"], 1));
    expect![[r#"
        error: stage `no-such-stage` has handed on no weights of seed 3
          expected  fit, cut, seeds 3 to 3, of a run that has come so far
    "#]]
    .assert_eq(&refused(&["--stage", "no-such-stage"], 2));
    expect![[r#"
        error: no stage has handed on weights of seed 7
          expected  fit, cut, seeds 3 to 3, of a run that has come so far
    "#]]
    .assert_eq(&refused(&["--seed", "7"], 2));
    // Its weights alone go anywhere.
    assert_eq!(exported(&place, &[]), "cut_s3.safetensors\n");
}
