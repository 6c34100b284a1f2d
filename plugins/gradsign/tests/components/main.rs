//! The components against their definitions, closed forms and an independent implementation.

use std::rc::Rc;

use baselines as _;
use gradsign as _;
use pleach_worker::{NetSession, host};
use plugin_api::boundary::Owner;
use plugin_api::host::Services;
use plugin_api::prelude::*;
use plugin_api::role::TaskObj;
use plugin_api::{Json, Params};

plugin_api::testing::conformance!();

mod assisted;
mod refused;
mod score;

/// A component with these parameters.
fn recipe(component: &str, params: Json) -> Recipe {
    let params: Params = params.as_object().expect("an object").clone();
    Recipe {
        component: component.into(),
        params,
    }
}

/// The score of a session's network.
fn score(session: &mut NetSession, params: Json) -> Result<f64> {
    let scorer = host().scorer(&recipe("gradsign/gradsign", params))?;
    scorer.score(session)
}

/// Layers one behind the other, on what comes in at `x`.
fn chain(task: &TaskObj, layers: &[(&str, Recipe)]) -> Arch {
    let mut arch = Arch::new(task.ports().unwrap().inputs);
    let mut last = "in.x".to_string();
    for (name, layer) in layers {
        arch = arch.layer(name, layer.clone(), &[("x", &last)]);
        last = format!("{name}.x");
    }
    arch.output("y", &last)
}

fn linear(out: i64) -> Recipe {
    Recipe::new("baselines/linear").with("out", out)
}

fn relu() -> Recipe {
    "baselines/activation".into()
}

fn session(arch: Arch, task: &Rc<TaskObj>, seed: u64) -> NetSession {
    host(); // its layers and initializers
    NetSession::new(arch, Rc::clone(task), seed, Device::Cpu).unwrap()
}

/// A task of one batch: `x`, and labels `y` of four classes.
struct One(Batch);

impl One {
    fn of(x: Tensor, y: Tensor) -> Rc<TaskObj> {
        host();
        let batch = Batch::new().with("x", x).with("y", y);
        Rc::new(TaskObj::new(Box::new(One(batch)), Owner::UNNAMED))
    }
}

impl Task for One {
    fn ports(&self) -> Result<Ports> {
        let shape = self.0.tensor("x")?.size();
        let along = shape[1..].iter().map(|size| axis("along", *size));
        let x = [axis("batch", None)].into_iter().chain(along);
        Ok(Ports {
            inputs: Shapes::new().with("x", x.collect::<Vec<_>>()),
            targets: Shapes::new(),
            outputs: Shapes::new().with("y", vec![axis("batch", None), axis("classes", 4)]),
            metric: "loss".into(),
            higher_is_better: false,
        })
    }

    fn batch(&self, split: &str, at: &At) -> Result<Option<Batch>> {
        ensure!(split == "train", "there is no split `{split}`");
        Ok((at.index == 0).then(|| self.0.clone()))
    }

    fn loss(&self, outputs: &Batch, batch: &Batch) -> Result<Tensors> {
        let loss = outputs.tensor("y")?.f_cross_entropy_loss::<Tensor>(
            batch.tensor("y")?,
            None,
            tch::Reduction::Mean,
            -100,
            0.0,
        )?;
        Ok(Tensors::new().with("loss", loss))
    }

    fn metrics(&self, _: &Batch, _: &Batch) -> Result<Named<f64>> {
        Ok(Named::new())
    }
}

/// Samples `[n, features]`, and a label of each.
fn samples(n: i64, features: i64, seed: u64) -> (Tensor, Tensor) {
    let x = random::normal(&[n, features], seed);
    let labels: Vec<i64> = (0..n).map(|i| (i * 7 + 1) % 4).collect();
    (x.shallow_clone(), Tensor::from_slice(&labels))
}
