//! Several tasks in one: what they share, what each has of its own, what is refused.

use plugin_api::plugin::Plugin;
use plugin_api::prelude::*;
use plugin_api::role::TaskObj;
use plugin_api::{Json, serde_json::json};

use crate::{close, numbers, params, plugin};

fn task(name: &str, json: Json) -> TaskObj {
    pleach_worker::host(); // which makes the tasks within
    plugin().task(name, &params(json)).unwrap()
}

/// Several tasks, each by its name.
fn joined(tasks: Json) -> TaskObj {
    task("multi-task", json!({ "tasks": tasks }))
}

fn few(name: &str) -> Json {
    json!({ "name": name, "task": { "use": "baselines/digits", "train_per_class": 3 } })
}

const AT: At = At {
    epoch: 1,
    index: 1,
    size: 8,
    seed: 5,
};

fn logits(rows: i64, seed: u64) -> Tensor {
    random::normal(&[rows, 10], seed).into()
}

#[test]
fn tasks_over_the_same_data_share_it() {
    let mut second = few("b");
    second["weight"] = json!(0.25);
    let both = joined(json!([few("a"), second]));
    let alone = task("digits", json!({ "train_per_class": 3 }));
    let (ports, own) = (both.ports().unwrap(), alone.ports().unwrap());
    assert_eq!(ports.inputs, own.inputs);
    assert_eq!(ports.outputs.names().collect::<Vec<_>>(), ["a.y", "b.y"]);
    assert_eq!(ports.outputs["b.y"], own.outputs["y"]);
    assert_eq!((&*ports.metric, ports.higher_is_better), ("mean", true));

    let batch = both.batch("train", &AT).unwrap().unwrap();
    let expected = alone.batch("train", &AT).unwrap().unwrap();
    assert_eq!(batch.names().collect::<Vec<_>>(), ["x", "a.y", "b.y"]);
    for (name, own) in [("x", "x"), ("a.y", "y"), ("b.y", "y")] {
        assert_eq!(batch[name], expected[own], "{name}");
    }

    // One knows nothing, the other everything.
    let right = expected["y"].one_hot(10).to_kind(Kind::Float);
    let answers = [("a", 1.0, logits(8, 1)), ("b", 0.25, right)];
    let outputs = answers.iter();
    let outputs: Batch = outputs
        .map(|(name, _, y)| (format!("{name}.y"), y))
        .collect();
    let terms = both.loss(&outputs, &batch).unwrap();
    let metrics = both.metrics(&outputs, &batch).unwrap();
    let names = ["a.cross-entropy", "b.cross-entropy"];
    assert_eq!(terms.names().collect::<Vec<_>>(), names);
    let mut accuracies = vec![];
    for (name, weight, y) in answers {
        let own = Batch::new().with("y", y);
        let term = &alone.loss(&own, &expected).unwrap()["cross-entropy"];
        let found = numbers(&terms[&*format!("{name}.cross-entropy")]);
        close(&found, &[numbers(term)[0] * weight]);
        // A weight is of the loss alone.
        for (metric, value) in alone.metrics(&own, &expected).unwrap() {
            assert_eq!(metrics[&*format!("{name}.{metric}")], value);
        }
        accuracies.push(metrics[&*format!("{name}.accuracy")]);
    }
    assert!(accuracies[0] < 1.0 && accuracies[1] == 1.0);
    close(&[metrics["mean"]], &[(accuracies[0] + 1.0) / 2.0]);
}

#[test]
fn tasks_over_the_same_graph_share_it() {
    let graph = |name: &str, split| json!({ "name": name, "task": { "use": "baselines/digits-graph", "split": split } });
    // Other splits are other targets over the same nodes.
    let both = joined(json!([graph("a", 0), graph("b", 1)]));
    let batch = both.batch("val", &At::ALL).unwrap().unwrap();
    let names = ["x", "graph", "a.y", "a.split", "b.y", "b.split"];
    assert_eq!(batch.names().collect::<Vec<_>>(), names);
    assert_ne!(batch["a.split"], batch["b.split"]);

    let logits = logits(1797, 3);
    let outputs = Batch::new().with("a.y", &logits).with("b.y", &logits);
    let metrics = both.metrics(&outputs, &batch).unwrap();
    for (name, split) in [("a", 0), ("b", 1)] {
        let alone = task("digits-graph", json!({ "split": split }));
        let own = alone.batch("val", &At::ALL).unwrap().unwrap();
        let expected = alone.metrics(&Batch::new().with("y", &logits), &own);
        let found = metrics[&*format!("{name}.loss")];
        assert_eq!(found, expected.unwrap()["loss"]);
    }

    let other = json!({ "name": "c", "task": { "use": "baselines/digits-graph", "k": 9 } });
    let unlike = joined(json!([graph("a", 0), other]));
    let refused = unlike.batch("val", &At::ALL).err().unwrap().to_string();
    assert!(
        refused.contains("`a` and `c` show different data at their shared port `graph`"),
        "{refused}"
    );
}

#[test]
fn tasks_over_unlike_data_stand_side_by_side() {
    let both = joined(json!([
        few("alone"),
        { "name": "graph", "task": "baselines/digits-graph" },
    ]));
    let ports = both.ports().unwrap();
    let inputs = ["alone.x", "graph.x", "graph"];
    assert_eq!(ports.inputs.names().collect::<Vec<_>>(), inputs);
    let whole = both.batch("train", &At::ALL).unwrap().unwrap();
    assert_eq!(whole["alone.x"].size(), [30, 64]);
    assert_eq!(whole["graph.x"].size(), [1797, 64]);
    assert_eq!(whole.graph("graph").unwrap().nodes(), 1797);
    // Of 30 images there are four batches, of a graph one: the first that ends ends the epoch.
    let at = |index| At { index, ..AT };
    assert!(both.batch("train", &at(0)).unwrap().is_some());
    assert!(both.batch("train", &at(1)).unwrap().is_none());
}

#[test]
fn what_cannot_be_joined_is_refused() {
    let check = |tasks: Json, expected: &str| {
        let refused = joined(tasks).batch("train", &AT).err().unwrap();
        assert_eq!(
            refused.to_string(),
            format!("`baselines/multi-task`: {expected}")
        );
    };
    check(
        json!([]),
        "parameter `tasks` names no task\n  expected  one or more",
    );
    let own = "expected  a name of its own for each task, without `.`";
    check(
        json!([few("a"), few("a")]),
        &format!("no task can be called `a`\n  found     a, a\n  {own}"),
    );
    check(
        json!([few("a.b")]),
        &format!("no task can be called `a.b`\n  found     a.b\n  {own}"),
    );
    check(
        json!([few("")]),
        &format!("no task can be called ``\n  found     \n  {own}"),
    );
    let mut other = few("b");
    other["task"]["split"] = json!(1);
    check(
        json!([few("a"), other]),
        "tasks `a` and `b` show different data at their shared port `x`\n  help: have both take the same samples of the same data",
    );
    let unlike = json!({ "name": "z", "task": "baselines/digits-graph" });
    let inner = json!([few("a"), unlike.clone()]);
    let nested = json!({ "name": "n", "task": { "use": "baselines/multi-task", "tasks": inner } });
    check(
        json!([nested, few("a"), unlike]),
        "two inputs would be called `a.x`\n  help: call a task otherwise",
    );
    let unknown = joined(json!([few("a")])).batch("dev", &At::ALL);
    assert_eq!(
        unknown.err().unwrap().to_string(),
        "`baselines/multi-task`: task `a` failed\n  caused by `baselines/digits`: there is no split `dev`\n  expected  train, val or test"
    );
}
