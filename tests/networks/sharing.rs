//! Several tasks over the weights of one supernet, whose layers are of two files: what each term of the loss reaches, one
//! sample that serves the searches of all tasks, and an architecture for each.

use pleach_worker::NetSession;
use plugin_api::host::Services;
use plugin_api::prelude::*;
use plugin_api::role::SpaceObj;
use plugin_api::serde_json::json;

use crate::support::{host, linear, off, resolved};

/// One task wants `u` as it is and `v` summed over neighbours, the other the opposite.
fn tasks() -> Recipe {
    let ring = |name: &str, around: &str| json!({ "name": name, "task": { "use": "wrappers/ring", "around": [around] } });
    Recipe::new("baselines/multi-task").with("tasks", json!([ring("a", "v"), ring("b", "u")]))
}

/// The option that tells what a node has itself, and the one that tells the sum.
const LINEAR: usize = 0;
const SUM: usize = 2;

/// Layers that see what a node has itself, half of that and half of the sum over it and its neighbours, that sum. What is
/// told by the wrong one of the first and the last is off by 2/3, in the mean of squares; by the second by 1/3, for either
/// task: a compromise.
fn space() -> SpaceObj {
    let layers =
        json!(["baselines/linear", { "use": "mixhop/mixhop", "powers": 1 }, "baselines/gcn"]);
    let slots = Recipe::new("wrappers/slots").with("layers", layers);
    host().space(&slots).unwrap()
}

fn supernet() -> Arch {
    let ports = host().task(&tasks()).unwrap().ports().unwrap();
    space().supernet(&ports).unwrap().unwrap()
}

fn session(arch: Arch, seed: u64) -> NetSession {
    let task = host().task(&tasks()).unwrap();
    NetSession::new(arch, task.into(), seed, Device::Cpu).unwrap()
}

fn point(u: usize, v: usize) -> Point {
    Point::new()
        .with("u", Decided::Option(u))
        .with("v", Decided::Option(v))
}

fn points() -> Vec<Point> {
    (0..9).map(|i| point(i / 3, i % 3)).collect()
}

/// A task's scores, `[options]`, of those of all tasks.
fn of_task(scores: &Tensors, task: usize) -> Tensors {
    scores.map(|_, t| t.get(task as i64))
}

/// How probable a point is, by distributions over the options of its decisions: `[tasks]` of `[tasks, options]`.
fn probability(each: &Tensors, point: &Point) -> Tensor {
    let of = |decision: &str| match point[decision] {
        Decided::Option(i) => each[decision].select(-1, i as i64),
        _ => unreachable!("all decisions are between options"),
    };
    of("u") * of("v")
}

fn normal(size: &[i64], seed: u64) -> Tensor {
    random::normal(size, seed).to_kind(Kind::Double)
}

fn importance(params: plugin_api::Json) -> Recipe {
    let params = params.as_object().unwrap().clone();
    let component = "wrappers/importance".into();
    Recipe { component, params }.with("tasks", json!(["a", "b"]))
}

#[test]
fn each_task_has_a_term_that_reaches_what_is_shared_and_its_own_head() {
    let session = session(supernet(), 1);
    let batch = session.batch("train", &At::ALL).unwrap().unwrap();
    let names = ["u", "v", "graph", "a.y", "b.y"];
    assert_eq!(batch.names().collect::<Vec<_>>(), names);
    let chosen = hard(&supernet().decisions, &point(LINEAR, SUM));
    let seen = session
        .forward(&batch, &Ask::train().choices(chosen))
        .unwrap();
    let terms = session.terms(&seen, &batch).unwrap();
    assert_eq!(terms.names().collect::<Vec<_>>(), ["a.off", "b.off"]);
    let weights = session.weights("model").unwrap();
    for (own, others) in [("a", "b"), ("b", "a")] {
        let term = &terms[&*format!("{own}.off")];
        let slopes = gradients_of(term, &weights, true).unwrap();
        let reaches = |path: &str| slopes[path].abs().max().double_value(&[]) > 0.0;
        assert!(reaches("slot-u.0.weight") && reaches("slot-v.2.weight"));
        assert!(reaches(&format!("to-{own}-y.weight")));
        assert!(!reaches(&format!("to-{others}-y.weight")));
    }
    let loss = session.loss(&seen, &batch).unwrap();
    assert!(off(&loss, &(&terms["a.off"] + &terms["b.off"])) < 1e-6);
}

#[test]
fn tasks_over_unlike_data_share_weights_from_ports_of_their_own() {
    let digits = |name: &str, task: &str| json!({ "name": name, "task": { "use": task, "train_per_class": 5 } });
    let tasks = json!([
        digits("alone", "baselines/digits"),
        digits("joined", "baselines/digits-graph")
    ]);
    let tasks = Recipe::new("baselines/multi-task").with("tasks", tasks);
    let task = host().task(&tasks).unwrap();
    let arch = Arch::new(task.ports().unwrap().inputs)
        .layer("body", linear(8), &[("x", "in.alone.x")])
        .layer("again", linear(8), &[("x", "in.joined.x")])
        .sharing("body")
        .layer("head", linear(10), &[("x", "body.x")])
        .layer(
            "smooth",
            Recipe::new("baselines/gcn").with("out", 10),
            &[("x", "again.x"), ("graph", "in.graph")],
        )
        .output("alone.y", "head.x")
        .output("joined.y", "smooth.x");
    let mut session =
        NetSession::new(resolved(&arch, &Point::new()), task.into(), 0, Device::Cpu).unwrap();
    session.chain("main", &[adam(0.02)], "model").unwrap();
    let batch = session.next("train", 0).unwrap();
    for _ in 0..40 {
        session.step("main", &batch, &Ask::train()).unwrap();
    }
    let metrics = session.evaluate("val", &Ask::eval()).unwrap();
    let accuracies = ["alone", "joined"].map(|name| metrics[&*format!("{name}.accuracy")]);
    assert!(
        accuracies.iter().all(|accuracy| *accuracy > 0.6),
        "{metrics:?}"
    );
    assert!((metrics["mean"] - (accuracies[0] + accuracies[1]) / 2.0).abs() < 1e-12);
}

#[test]
fn a_task_tells_its_own_targets_in_training_alone() {
    let task = host().task(&tasks()).unwrap();
    let ports = task.ports().unwrap();
    assert_eq!(ports.targets.names().collect::<Vec<_>>(), ["a.y", "b.y"]);
    let inputs = ["u", "a.y"].map(|port| {
        let shapes = [&ports.inputs, &ports.targets];
        let shape = shapes.iter().find_map(|shapes| shapes.get(port));
        (port, shape.unwrap().clone())
    });
    let arch = Arch::new(inputs.into_iter().collect())
        .layer("own", linear(4), &[("x", "in.u")])
        .layer("told", linear(4), &[("x", "in.a.y")])
        .layer(
            "sum",
            "baselines/add",
            &[("own", "own.x"), ("told", "told.x")],
        )
        .output("a.y", "sum.x")
        .output("b.y", "own.x");
    let session = NetSession::new(arch, task.into(), 0, Device::Cpu).unwrap();
    let batch = session.batch("train", &At::ALL).unwrap().unwrap();
    let told = |ask: &Ask<'_>| {
        let outputs = session.forward(&batch, ask).unwrap().outputs;
        off(&outputs["a.y"], &outputs["b.y"])
    };
    assert_eq!(told(&Ask::eval()), 0.0);
    assert!(told(&Ask::train()) > 0.1);
}

#[test]
fn metrics_that_go_different_ways_have_no_mean() {
    let tasks = json!([
        { "name": "a", "task": "wrappers/ring" },
        { "name": "b", "task": "baselines/digits" },
    ]);
    let joined = Recipe::new("baselines/multi-task").with("tasks", tasks);
    let refused = host()
        .task(&joined)
        .unwrap()
        .ports()
        .unwrap_err()
        .to_string();
    assert_eq!(
        refused,
        "`baselines/multi-task`: the tasks' main metrics have no mean\n  found     a.off: less is better\n            b.accuracy: more is better\n  expected  metrics that all go one way"
    );
}

#[test]
fn one_sample_of_the_mixture_serves_every_task() {
    let mut session = session(supernet().of(Dtype::F64), 2);
    let still = json!([{ "use": "baselines/sgd", "rate": 0.0 }]);
    let whole = json!([{ "use": "baselines/sgd", "rate": 1.0 }]);
    let relaxation = importance(json!({ "weights": still, "choices": whole }));
    session.relax(&relaxation).unwrap();
    let logits: Tensors = ["u", "v"]
        .iter()
        .zip(1..)
        .map(|(d, seed)| (*d, normal(&[2, 3], seed).set_requires_grad(true)))
        .collect();
    let path = |name: &str| format!("relaxation.{name}");
    // Baselines have no part in the expectation, whatever they are.
    let kept = [("baseline", [-0.7, 0.4]), ("seen", [1.0, 1.0])];
    let mut begin: Tensors = kept
        .iter()
        .map(|(name, x)| (path(name), Tensor::from_slice(x)))
        .collect();
    begin.extend(logits.iter().map(|(d, t)| (path(d), t.detach().into())));
    session.set(&begin).unwrap();
    let begin = session.snapshot("everything").unwrap();
    let val = session.next("val", 0).unwrap();

    let each = logits.map(|_, t| t.softmax(-1, Kind::Double));
    let decisions = supernet().decisions;
    let rewards = |session: &NetSession, point: &Point| {
        let ask = Ask::eval().choices(hard(&decisions, point));
        let terms = session
            .terms(&session.forward(&val, &ask).unwrap(), &val)
            .unwrap();
        -Tensor::stack(&[&terms["a.off"], &terms["b.off"]], 0).detach()
    };
    // A step of the search from the same beginning, for each point that may be drawn.
    let mut moved = logits.map(|_, t| t.detach().zeros_like());
    let mut left = points();
    let mut steps = 0..1000_i64;
    while !left.is_empty() {
        let step = steps.next().expect("some points are never drawn");
        let here = begin
            .clone()
            .with("clock:steps", Tensor::from_slice(&[step]));
        session.restore(&here).unwrap();
        let drawn = session.mixture(true).unwrap();
        let option = |d: &str| drawn[d].active().next().unwrap();
        let drawn = point(option("u"), option("v"));
        let Some(i) = left.iter().position(|point| *point == drawn) else {
            continue;
        };
        left.remove(i);
        session.search().unwrap();
        let q = probability(&each, &drawn).mean(Kind::Double).detach();
        let after = session.weights("all").unwrap().under("relaxation.");
        for (decision, sum) in moved.iter_mut() {
            let by = after[decision].detach() - logits[decision].detach();
            let least = by.abs().min().double_value(&[]);
            assert!(least > 0.0, "a task learns nothing of {drawn:?}");
            *sum = (&**sum + by * &q).into();
        }
        let expected = &begin["relaxation.baseline"] * 0.95 + rewards(&session, &drawn) * 0.05;
        assert!(off(&after["baseline"], &expected) < 1e-12);
    }
    // What each task expects of its own distribution, and how that grows.
    let expected = points().iter().fold(Tensor::from(0.0), |sum, point| {
        sum + (probability(&each, point) * rewards(&session, point)).sum(Kind::Double)
    });
    for (decision, slope) in gradients_of(&expected, &logits, false).unwrap().iter() {
        assert!(slope.abs().max().double_value(&[]) > 1e-2);
        assert!(off(&moved[decision], slope) < 1e-12, "{decision}");
    }
}

fn adam(rate: f64) -> Recipe {
    Recipe::new("baselines/adam").with("rate", rate)
}

#[test]
fn each_task_finds_its_own_architecture() {
    let ports = host().task(&tasks()).unwrap().ports().unwrap();
    // Rewards of weights that are not trained yet say little of options: distributions move slowly at first.
    let rate = json!({ "use": "baselines/cosine", "start": 0.0, "end": 0.06, "steps": 600 });
    let slowly = Recipe::new("baselines/adam").with("rate", rate);
    let relaxation =
        importance(json!({ "weights": [json!(adam(0.02))], "choices": [json!(slowly)] }));
    for seed in 0..5 {
        let mut session = session(supernet(), seed);
        session.relax(&relaxation).unwrap();
        for _ in 0..600 {
            session.search().unwrap();
        }
        let scores = session.decide().unwrap();
        let right = [point(LINEAR, SUM), point(SUM, LINEAR)];
        for (task, right) in right.iter().enumerate() {
            let own = of_task(&scores, task);
            assert_eq!(space().project(&ports, &own).unwrap(), *right, "{seed}");
            let sure = probability(&own, right).double_value(&[]);
            assert!(sure > 0.7, "{seed}: {sure}");
        }
    }
}

fn macs(session: &NetSession, p: &Tensors) -> f64 {
    session.cost("macs", p).unwrap().double_value(&[])
}

#[test]
fn what_each_task_expects_to_pay_is_the_mean_over_its_architectures() {
    let mut session = session(supernet().of(Dtype::F64), 0);
    session.relax(&importance(json!({}))).unwrap();
    let logits = ["u", "v"].map(|d| (format!("relaxation.{d}"), normal(&[2, 3], stream(0, d))));
    session.set(&logits.into_iter().collect()).unwrap();
    let scores = session.decide().unwrap();
    let expected = [0, 1].map(|task| {
        let own = of_task(&scores, task);
        let paid = points().into_iter().map(|point| {
            let decided = self::session(resolved(&supernet(), &point), 0);
            probability(&own, &point).double_value(&[]) * macs(&decided, &Tensors::new())
        });
        let (expected, mean) = (macs(&session, &own), paid.sum::<f64>());
        assert!((expected - mean).abs() < 1e-9, "{expected} {mean}");
        expected
    });
    assert!((expected[0] - expected[1]).abs() > 1.0, "{expected:?}");
}
