//! What tests of searches share: a task of images, a host, decisions of every kind.

use std::rc::Rc;

use pleach_worker::PlainHost;
use plugin_api::boundary::Owner;
use plugin_api::prelude::*;
use plugin_api::role::TaskObj;
use plugin_api::{Goal, Setting, TrialId};

/// Random images of three classes, whose side is given.
pub(crate) struct Images(pub(crate) i64);

impl Task for Images {
    fn ports(&self) -> Result<Ports> {
        let sizes = [
            ("batch", None),
            ("channels", Some(3)),
            ("height", Some(self.0)),
            ("width", Some(self.0)),
        ];
        let x = sizes.map(|(name, size)| axis(name, size)).to_vec();
        Ok(Ports {
            inputs: Shapes::new().with("x", x),
            targets: Shapes::new(),
            outputs: Shapes::new().with("y", vec![axis("batch", None), axis("classes", 10)]),
            metric: "accuracy".into(),
            higher_is_better: true,
        })
    }

    fn batch(&self, split: &str, at: &At) -> Result<Option<Batch>> {
        if at.index > 0 {
            return Ok(None);
        }
        let x = random::normal(&[6, 3, self.0, self.0], stream(7, split));
        let y = Tensor::from_slice(&[0_i64, 1, 2, 0, 1, 2]);
        Ok(Some(Batch::new().with("x", x).with("y", y)))
    }

    fn loss(&self, outputs: &Batch, batch: &Batch) -> Result<Tensors> {
        let loss = outputs
            .tensor("y")?
            .cross_entropy_for_logits(batch.tensor("y")?);
        Ok(Tensors::new().with("loss", loss))
    }

    fn metrics(&self, _: &Batch, _: &Batch) -> Result<Named<f64>> {
        Ok(Named::new().with("accuracy", 0.5))
    }
}

impl Images {
    pub(crate) fn task(side: i64) -> Rc<TaskObj> {
        pleach_worker::host();
        Rc::new(TaskObj::new(Box::new(Images(side)), Owner::UNNAMED))
    }
}

pub(crate) fn plain() -> PlainHost {
    PlainHost::new(Images::task(8), Device::Cpu)
}

/// Options alone: the space of a cell, five operations on each of six edges.
pub(crate) fn edges() -> Vec<Decision> {
    let edge = |i| Decision::options(&format!("op{i}"), [0, 1, 2, 3, 4]);
    (0..6).map(edge).collect()
}

/// Every kind that can be counted, some of it asked only sometimes: 140 points.
pub(crate) fn mixed() -> Vec<Decision> {
    vec![
        Decision::options("kind", ["a", "b", "c"]),
        Decision::new("depth", Domain::Integer(-1, 3)),
        Decision::new("units", Domain::Subset(2)).when("kind", [0, 2]),
        Decision::options("heads", [1, 2]).when("kind", [1, 2]),
        Decision::options("width", [4, 8]),
    ]
}

pub(crate) fn setting(decisions: Vec<Decision>, higher: bool, seed: u64) -> Setting {
    let goals = vec![Goal {
        metric: "accuracy".into(),
        higher_is_better: higher,
    }];
    Setting {
        decisions,
        goals,
        seed,
    }
}

pub(crate) fn done(trial: usize, point: &Point, worth: f64) -> Observation {
    let outcome = Outcome::Done(Named::new().with("accuracy", worth));
    Observation::of(TrialId(trial as u64), &point.clone().into(), outcome)
}

pub(crate) fn failed(trial: usize, point: &Point) -> Observation {
    let outcome = Outcome::Failed(Error::new("it went wrong"));
    Observation::of(TrialId(trial as u64), &point.clone().into(), outcome)
}
