//! Analyses of networks, against the same counted in another way.

use std::rc::Rc;

use pleach_worker::{NetSession, SubjectBench, host};
use plugin_api::boundary::Owner;
use plugin_api::prelude::*;
use plugin_api::role::TaskObj;
use plugin_api::{Json, Table, serde_json::json};

use crate::{close, numbers, params, task, whole_numbers};

fn measure(analysis: &str, json: Json, bench: &SubjectBench) -> Result<Report> {
    bench.measure(&Recipe {
        component: format!("baselines/{analysis}"),
        params: params(json),
    })
}

/// A bench with this network, as it begins, called `net`.
fn bench(task: &Rc<TaskObj>, arch: Arch) -> (SubjectBench, NetSession) {
    host();
    let session = NetSession::new(arch.clone(), Rc::clone(task), 3, Device::Cpu).unwrap();
    let mut bench = SubjectBench::new(Rc::clone(task), 3, Device::Cpu);
    let snapshot = session.snapshot("all,masks").unwrap();
    bench.put("net", arch, snapshot, vec![]);
    (bench, session)
}

fn linear(out: i64) -> Recipe {
    Recipe::new("baselines/linear").with("out", out)
}

fn digits(json: Json) -> Rc<TaskObj> {
    Rc::new(task("digits", json).unwrap())
}

#[test]
fn a_summary_counts_each_node() {
    let task = digits(json!({}));
    let rows = Shapes::new().with("x", vec![axis("batch", None), axis("features", 8)]);
    let block = Arch::new(rows)
        .layer("linear", linear(8), &[("x", "in.x")])
        .layer("norm", "baselines/batch-norm", &[("x", "linear.x")])
        .output("x", "norm.x");
    let either = Mix::new("either", [linear(8), Recipe::new("baselines/identity")]);
    let arch = Arch::new(task.ports().unwrap().inputs)
        .layer("first", linear(8), &[("x", "in.x")])
        .nested("block", block, &[("x", "first.x")])
        .mix("slot", either, &[("x", "block.x")])
        .layer("last", linear(10), &[("x", "slot.x")])
        .output("y", "last.x")
        .decide(Decision::options("either", ["linear", "identity"]));
    let (bench, session) = bench(&task, arch);
    let report = measure("summary", json!({}), &bench).unwrap();

    let table = &report.tables["net"];
    assert_eq!(table.columns, ["parameters", "macs", "bytes"]);
    let nodes = [
        "first",
        "block.linear",
        "block.norm",
        "slot.0",
        "slot.1",
        "last",
    ];
    assert_eq!(table.labels, nodes);
    let macs = [64 * 8, 8 * 8, 0, 8 * 8, 0, 8 * 10];
    for ((node, row), macs) in nodes.iter().zip(&table.rows).zip(macs) {
        let here = |spec: &&WeightSpec| spec.name.starts_with(&format!("{node}."));
        let specs = session.specs("all").unwrap();
        let bytes = |spec: &WeightSpec| spec.numel() * if spec.dtype == Dtype::I64 { 8 } else { 4 };
        let learned = specs.iter().filter(here);
        let learned = learned.filter(|spec| spec.group == Group::Model);
        let expected = [
            learned.map(WeightSpec::numel).sum::<i64>(),
            macs,
            specs.iter().filter(here).map(bytes).sum(),
        ];
        assert_eq!(row[..], expected.map(|n| n as f64), "{node}");
    }
    for (column, (metric, what, each)) in [
        ("net.parameters", "parameters", 1.0),
        ("net.macs", "macs", 1.0),
        ("net.bytes", "bits", 8.0),
    ]
    .into_iter()
    .enumerate()
    {
        let sum: f64 = table.rows.iter().map(|row| row[column]).sum();
        let whole = session.cost(what, &Tensors::new()).unwrap();
        assert_eq!(report.metrics[metric], sum);
        assert_eq!(sum, whole.double_value(&[]) / each, "{what}");
    }
}

#[test]
fn a_summary_sees_what_was_cut() {
    let task = digits(json!({}));
    let arch = Arch::new(task.ports().unwrap().inputs)
        .layer("first", linear(8), &[("x", "in.x")])
        .layer("last", linear(10), &[("x", "first.x")])
        .output("y", "last.x");
    let (_, mut session) = bench(&task, arch);
    session.cut("first.out", &[1, 4, 6]).unwrap();
    let mut cut = SubjectBench::new(Rc::clone(&task), 3, Device::Cpu);
    let snapshot = session.snapshot("all,masks").unwrap();
    cut.put("cut", session.arch().unwrap(), snapshot, vec![]);
    let report = measure("summary", json!({}), &cut).unwrap();
    let (first, last) = (64 * 3 + 3, 3 * 10 + 10);
    let row =
        |parameters: i64, macs: i64| vec![parameters as f64, macs as f64, 4.0 * parameters as f64];
    assert_eq!(
        report.tables["cut"].rows,
        [row(first, 64 * 3), row(last, 3 * 10)]
    );
}

/// A task that gives logits away: a network without nodes hands them on.
struct Given {
    logits: Tensor,
    y: Tensor,
    /// Samples that count.
    split: Option<Vec<i64>>,
    outputs: Vec<&'static str>,
}

impl Given {
    fn shape(&self) -> Shape {
        vec![axis("batch", None), axis("classes", self.logits.size()[1])]
    }

    /// What `confusion` says of the network.
    fn confusion(self, json: Json) -> Result<Report> {
        let mut arch = Arch::new(self.ports().unwrap().inputs);
        for output in &self.outputs {
            arch = arch.output(output, "in.logits");
        }
        let task = TaskObj::new(Box::new(self), Owner::UNNAMED);
        measure("confusion", json, &bench(&Rc::new(task), arch).0)
    }
}

impl Task for Given {
    fn ports(&self) -> Result<Ports> {
        let outputs = self.outputs.iter().map(|output| (output, self.shape()));
        Ok(Ports {
            inputs: Shapes::new().with("logits", self.shape()),
            targets: Shapes::new(),
            outputs: outputs.collect(),
            metric: "none".into(),
            higher_is_better: true,
        })
    }

    fn batch(&self, split: &str, _: &At) -> Result<Option<Batch>> {
        let mut batch = Batch::new().with("logits", &self.logits).with("y", &self.y);
        if let Some(split) = &self.split {
            batch.put("split", Tensor::from_slice(split));
        }
        Ok((split == "val").then_some(batch))
    }

    fn loss(&self, _: &Batch, _: &Batch) -> Result<Tensors> {
        Ok(Tensors::new())
    }

    fn metrics(&self, _: &Batch, _: &Batch) -> Result<Named<f64>> {
        Ok(Named::new())
    }
}

/// Four classes, of which nobody is given the last, and nothing is it.
fn given() -> Given {
    // The class that each sample is given, and the one that it is.
    let given = [0, 1, 1, 2, 2, 0, 1, 3];
    let y = [0_i64, 0, 1, 2, 2, 2, 0, 1];
    let logits: Vec<f32> = given
        .iter()
        .flat_map(|class| (0..4).map(move |k| if k == *class { 2.0 } else { -1.0 }))
        .collect();
    Given {
        logits: Tensor::from_slice(&logits).view([-1, 4]),
        y: Tensor::from_slice(&y),
        split: Some((0..7).collect()),
        outputs: vec!["y"],
    }
}

#[test]
fn a_confusion_is_what_one_counts_by_hand() {
    let report = given().confusion(json!({ "split": "val" })).unwrap();
    let columns = |names: &[&str]| names.iter().map(|n| n.to_string()).collect::<Vec<_>>();
    let classes = columns(&["0", "1", "2", "3"]);
    let counts = [
        [1.0, 2.0, 0.0, 0.0],
        [0.0, 1.0, 0.0, 0.0],
        [1.0, 0.0, 2.0, 0.0],
        [0.0, 0.0, 0.0, 0.0],
    ];
    let expected = Table {
        columns: classes.clone(),
        rows: counts.map(Vec::from).to_vec(),
        labels: classes.clone(),
    };
    assert_eq!(report.tables["net"], expected);
    // Precision, recall, F1, samples.
    let of_class = [
        [1.0 / 2.0, 1.0 / 3.0, 2.0 / 5.0, 3.0],
        [1.0 / 3.0, 1.0, 1.0 / 2.0, 1.0],
        [1.0, 2.0 / 3.0, 4.0 / 5.0, 3.0],
        [0.0, 0.0, 0.0, 0.0],
    ];
    let table = &report.tables["net.classes"];
    assert_eq!(table.columns, ["precision", "recall", "f1", "samples"]);
    assert_eq!(table.labels, classes);
    close(&table.rows.concat(), &of_class.concat());
    let names: Vec<&str> = report.metrics.names().collect();
    assert_eq!(
        names,
        ["net.accuracy", "net.precision", "net.recall", "net.f1"]
    );
    let metrics: Vec<f64> = report.metrics.values().copied().collect();
    close(
        &metrics,
        &[
            4.0 / 7.0,
            (11.0 / 6.0) / 4.0,
            2.0 / 4.0,
            (17.0 / 10.0) / 4.0,
        ],
    );

    // All eight samples, where the task counts all of them.
    let all = Given {
        split: None,
        ..given()
    };
    let all = all.confusion(json!({ "split": "val" })).unwrap();
    assert_eq!(all.tables["net"].rows[1], [0.0, 1.0, 0.0, 1.0]);
    close(&[all.metrics["net.accuracy"]], &[0.5]);
}

#[test]
fn a_confusion_is_what_the_task_measures() {
    let check = |task: Rc<TaskObj>, split: &str| {
        let ports = task.ports().unwrap();
        let classes = ports.outputs["y"][1].size.unwrap();
        let arch = Arch::new(ports.inputs)
            .layer("last", linear(classes), &[("x", "in.x")])
            .output("y", "last.x");
        let (bench, session) = bench(&task, arch);
        let report = measure("confusion", json!({ "split": split }), &bench).unwrap();
        let measured = session.evaluate(split, &Ask::eval()).unwrap();
        close(&[report.metrics["net.accuracy"]], &[measured["accuracy"]]);

        let batch = task.batch(split, &At::ALL).unwrap().unwrap();
        let logits = session.forward(&batch, &Ask::eval()).unwrap().outputs;
        let logits = batch.counted(logits.tensor("y").unwrap()).unwrap();
        let labels = whole_numbers(&batch.counted(&batch["y"]).unwrap());
        let mut counts = vec![vec![0.0; classes as usize]; classes as usize];
        for (row, label) in numbers(&logits).chunks(classes as usize).zip(&labels) {
            let largest = (0..row.len()).max_by(|a, b| row[*a].total_cmp(&row[*b]));
            counts[*label as usize][largest.unwrap()] += 1.0;
        }
        assert_eq!(report.tables["net"].rows, counts);
    };
    check(digits(json!({})), "test");
    // Only some nodes of the graph count.
    check(Rc::new(task("planetoid", json!({})).unwrap()), "val");
}

#[test]
fn a_confusion_is_of_classes_alone() {
    let check = |given: Given, split: &str, expected: &str| {
        let error = given.confusion(json!({ "split": split })).unwrap_err();
        assert_eq!(
            error.to_string(),
            format!("`baselines/confusion`: {expected}")
        );
    };
    check(given(), "test", "split `test` is empty");
    let numbers = Given {
        y: Tensor::zeros([8, 1], (Kind::Float, Device::Cpu)),
        ..given()
    };
    check(
        numbers,
        "val",
        "the task does not say which class `y` is\n  found     Float [8, 1]\n  expected  labels, Int64\n  help: look at subjects whose task is a classification",
    );
    let one = Given {
        logits: Tensor::zeros([8, 1], (Kind::Float, Device::Cpu)),
        ..given()
    };
    check(
        one,
        "val",
        "the task does not say which class `y` is\n  found     [batch, 1]\n  expected  logits [samples, classes], of two classes or more\n  help: look at subjects whose task is a classification",
    );
    let unlabelled = Given {
        y: Tensor::from_slice(&[0_i64, 1, -1, 0, 0, 0, 0, 0]),
        ..given()
    };
    check(
        unlabelled,
        "val",
        "the task does not say which class `y` is\n  found     labels [7], from -1 to 1\n  expected  a class from 0, below 4, for each of [7]\n  help: look at subjects whose task is a classification",
    );
    let several = Given {
        outputs: vec!["y", "z"],
        ..given()
    };
    check(
        several,
        "val",
        "the task does not want classes alone\n  found     outputs y, z\n  expected  one output, logits [samples, classes]",
    );
}
