//! Tickets and their controls, as a host sees them.

use std::collections::BTreeSet;
use std::rc::Rc;

use baselines as _;
use dgmlp as _;
use lottery_ticket as _;
use pleach_worker::{NetSession, host};
use plugin_api::boundary::Owner;
use plugin_api::host::Services;
use plugin_api::prelude::*;
use plugin_api::role::TaskObj;
use plugin_api::{Json, serde_json::json};

plugin_api::testing::conformance!();

mod analysis;
mod controls;
mod finding;
mod mixing;
mod parity;
mod refusals;

/// Images that are noise, with labels of chance: `rows` of them in each of two batches for training, as many for `val`.
struct Noise {
    features: i64,
    classes: i64,
    rows: i64,
}

impl Task for Noise {
    fn ports(&self) -> Result<Ports> {
        let rows = |name: &str, size: i64| vec![axis("rows", None), axis(name, size)];
        Ok(Ports {
            inputs: Shapes::new().with("x", rows("features", self.features)),
            targets: Shapes::new(),
            outputs: Shapes::new().with("y", rows("classes", self.classes)),
            metric: "loss".into(),
            higher_is_better: false,
        })
    }

    fn batch(&self, split: &str, at: &At) -> Result<Option<Batch>> {
        if at.index > 1 || split == "test" || (split == "val" && at.index > 0) {
            return Ok(None);
        }
        let draw = stream(at.seed, &format!("{split}:{}:{}", at.epoch, at.index));
        let labels = random::uniform(&[self.rows], stream(draw, "y"));
        let labels = labels.f_mul_scalar(self.classes as f64)?;
        Ok(Some(
            Batch::new()
                .with("x", random::normal(&[self.rows, self.features], draw))
                .with("y", labels.f_floor()?.f_to_kind(Kind::Int64)?),
        ))
    }

    fn loss(&self, outputs: &Batch, batch: &Batch) -> Result<Tensors> {
        let (y, labels) = (outputs.tensor("y")?, batch.tensor("y")?);
        let reduction = tch::Reduction::Mean;
        let loss = y.f_cross_entropy_loss(labels, None::<Tensor>, reduction, -100, 0.0)?;
        Ok(Tensors::new().with("loss", loss))
    }

    fn metrics(&self, outputs: &Batch, batch: &Batch) -> Result<Named<f64>> {
        let loss = self.loss(outputs, batch)?["loss"].f_double_value(&[])?;
        Ok(Named::new().with("loss", loss))
    }
}

fn linear(out: i64) -> Recipe {
    Recipe::new("baselines/linear").with("out", out)
}

/// Two hidden layers and a head, on noise.
fn perceptron([features, first, second, classes]: [i64; 4], seed: u64) -> NetSession {
    let noise = Noise {
        features,
        classes,
        rows: 20,
    };
    let arch = Arch::new(noise.ports().unwrap().inputs)
        .layer("first", linear(first), &[("x", "in.x")])
        .layer("relu1", "baselines/activation", &[("x", "first.x")])
        .layer("second", linear(second), &[("x", "relu1.x")])
        .layer("relu2", "baselines/activation", &[("x", "second.x")])
        .layer("third", linear(classes), &[("x", "relu2.x")])
        .output("y", "third.x");
    session(noise, arch, seed)
}

/// A network that is small enough to be looked at.
fn small(seed: u64) -> NetSession {
    perceptron([10, 8, 6, 4], seed)
}

fn session(task: impl Task + 'static, arch: Arch, seed: u64) -> NetSession {
    // Layers and initializers are the host's to make.
    host();
    tch::set_num_threads(1);
    let task = TaskObj::new(Box::new(task), Owner::UNNAMED);
    NetSession::new(arch, Rc::new(task), seed, Device::Cpu).unwrap()
}

fn fit(session: &mut NetSession, component: &str, json: Json) -> Result<Report> {
    let recipe = Recipe {
        component: component.into(),
        params: json.as_object().expect("parameters").clone(),
    };
    host().trainer(&recipe)?.fit(session)
}

/// `iterative`, whose training is five steps of Adam where nothing else is said.
fn find(session: &mut NetSession, json: Json) -> Result<Report> {
    let mut given = json;
    if given.get("train").is_none() {
        given["train"] = five_steps();
    }
    fit(session, "lottery-ticket/iterative", given)
}

fn five_steps() -> Json {
    json!({ "use": "baselines/backprop", "steps": 5, "batch": 20, "best": false, "transforms": [{ "use": "baselines/adam", "rate": 0.05 }] })
}

/// A training that moves nothing: masks follow from the weights that came in.
fn standing_still() -> Json {
    json!({ "use": "baselines/backprop", "steps": 1, "transforms": [{ "use": "baselines/sgd", "rate": 0.0 }] })
}

/// The same weights, masks and buffers in a session of their own, as a stage hands them to the next.
fn handed_on(session: &NetSession, next: &mut NetSession) {
    let snapshot = session.snapshot("all,masks").unwrap();
    next.restore(&snapshot).unwrap();
}

/// Numbers of a tensor.
fn numbers(t: &Tensor) -> Vec<f64> {
    t.detach()
        .to_kind(Kind::Double)
        .flatten(0, -1)
        .try_into()
        .expect("numbers")
}

/// How many weights a mask leaves.
fn count(t: &Tensor) -> f64 {
    t.sum(Kind::Double).double_value(&[])
}

/// Holds tensors to others, to the bit.
#[track_caller]
fn same(found: &Tensors, expected: &Tensors) {
    let names = |of: &Tensors| of.names().map(String::from).collect::<BTreeSet<_>>();
    assert_eq!(names(found), names(expected));
    for (name, t) in found.iter() {
        assert!(t.equal(&expected[name]), "`{name}` differs");
    }
}
