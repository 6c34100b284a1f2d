//! A round of finding a lottery ticket in LeNet-300-100: 500 steps of Adam under masks, an evaluation, pruning and
//! rewinding, beside plain PyTorch.
//!
//! `cargo xtask bench lottery-ticket`. CPU time of one thread; each figure is a median of what was measured in turn with its
//! peer, whose masks are as dense; exit code 1 where the bound does not hold.

use std::process::ExitCode;
use std::rc::Rc;

use anyhow::{Context, Result};
use pleach_benches::{Peer, cpu, cross_entropy, in_turn, plugin, ratio};
use pleach_worker::NetSession;
use plugin_api::boundary::Owner;
use plugin_api::host::Services;
use plugin_api::prelude::{Device, Kind};
use plugin_api::role::{Task, TaskObj, Trainer};
use plugin_api::serde_json::json;
use plugin_api::{Arch, At, Batch, Named, Ports, Recipe, Shapes, Tensors, axis, random};

const ROUNDS: usize = 7;

fn main() -> Result<ExitCode> {
    // As the worker does.
    pleach_worker::keep_memory();
    let host = pleach_worker::host();
    let built = std::env::current_exe()?;
    let built = built.parent().context("a program stands in a folder")?;
    for name in ["baselines", "lottery_ticket"] {
        pleach_worker::load(&plugin(built, name))?;
    }
    tch::set_num_threads(1);
    let mut peer = Peer::start("lottery_ticket.py", &[])?;
    let mut session = lenet()?;
    let trainer = host.trainer(&round())?;
    let fit = || {
        let start = cpu();
        trainer.fit(&mut session)?;
        Ok(cpu() - start)
    };
    let [ours, theirs] = in_turn(ROUNDS, fit, || peer.time("round"))?;
    let what = "a round of LeNet-300-100";
    Ok(match ratio(what, ours, "PyTorch", theirs, 0.8) {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    })
}

/// A round: a fifth of what is alive goes, a tenth of the last layer.
fn round() -> Recipe {
    let adam = json!({ "use": "baselines/adam", "rate": 0.0012 });
    let train = json!({
        "use": "baselines/backprop", "steps": 500, "batch": 60, "every": 500, "best": false, "transforms": [adam],
    });
    Recipe::new("lottery-ticket/iterative")
        .with("rounds", 1)
        .with("rates", json!([{ "weights": "third.*", "rate": 0.1 }]))
        .with("train", train)
}

fn lenet() -> Result<NetSession> {
    let task = TaskObj::new(Box::new(Images::new()), Owner::UNNAMED);
    let linear = |out: i64| Recipe::new("baselines/linear").with("out", out);
    let arch = Arch::new(task.ports()?.inputs)
        .layer("first", linear(300), &[("x", "in.x")])
        .layer("relu1", "baselines/activation", &[("x", "first.x")])
        .layer("second", linear(100), &[("x", "relu1.x")])
        .layer("relu2", "baselines/activation", &[("x", "second.x")])
        .layer("third", linear(10), &[("x", "relu2.x")])
        .output("y", "third.x");
    NetSession::new(arch, Rc::new(task), 0, Device::Cpu)
}

/// Numbers as large as MNIST's: 60 to train on, always the same batch, and 1,000 to evaluate.
struct Images {
    train: Batch,
    val: Batch,
}

impl Images {
    fn new() -> Self {
        let batch = |images: i64| {
            Batch::new()
                .with("x", random::uniform(&[images, 784], 1))
                .with(
                    "y",
                    (&*random::uniform(&[images], 2) * 10.0).to_kind(Kind::Int64),
                )
        };
        Images {
            train: batch(60),
            val: batch(1000),
        }
    }
}

impl Task for Images {
    fn ports(&self) -> Result<Ports> {
        let rows = |name: &str, size: i64| vec![axis("images", None), axis(name, size)];
        Ok(Ports {
            inputs: Shapes::new().with("x", rows("pixels", 784)),
            targets: Shapes::new(),
            outputs: Shapes::new().with("y", rows("classes", 10)),
            metric: "accuracy".into(),
            higher_is_better: true,
        })
    }

    fn batch(&self, split: &str, _: &At) -> Result<Option<Batch>> {
        Ok(match split {
            "train" => Some(self.train.clone()),
            "val" => Some(self.val.clone()),
            _ => None,
        })
    }

    fn loss(&self, outputs: &Batch, batch: &Batch) -> Result<Tensors> {
        cross_entropy(outputs.tensor("y")?, batch.tensor("y")?)
    }

    fn metrics(&self, outputs: &Batch, batch: &Batch) -> Result<Named<f64>> {
        let right = outputs.tensor("y")?.f_argmax(-1, false)?;
        let right = right.f_eq_tensor(batch.tensor("y")?)?;
        let accuracy = right.f_to_kind(Kind::Double)?.f_mean(Kind::Double)?;
        Ok(Named::new().with("accuracy", accuracy.f_double_value(&[])?))
    }
}
