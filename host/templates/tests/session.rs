//! A session small enough to work out by hand: `y = x w`, and the mean square of what it is off.
//!
//! What the tests need of other plugins stands here, as components that only the tests have.

#![allow(dead_code, reason = "not every component needs all of it")]

use std::rc::Rc;

use pleach_worker::{NetSession, host};
use plugin_api::NodeKind;
use plugin_api::host::Services;
use plugin_api::prelude::*;
use plugin_api::role::TaskObj;

/// How far `test-descent` goes along a gradient.
pub const RATE: f64 = 0.1;

/// Three samples of two features.
pub fn x() -> Tensor {
    Tensor::from_slice2(&[[1.0, 2.0], [0.5, -1.0], [3.0, 0.0]])
}

/// What is wanted of them.
pub fn y() -> Tensor {
    Tensor::from_slice2(&[[1.0], [-2.0], [0.5]])
}

/// What the weight begins with.
pub fn start() -> Tensor {
    Tensor::from_slice2(&[[0.5], [-1.5]])
}

/// The derivative of the loss: `2 / n x' (x w - y)`.
pub fn gradient(w: &Tensor) -> Tensor {
    x().tr().matmul(&(x().matmul(w) - y())) * (2.0 / 3.0)
}

/// The session, with its one weight `map.weight`.
pub fn session() -> NetSession {
    session_of(NodeKind::Layer(own("test-map")), None)
}

/// The session of a network of one node `map`, with what it leaves open.
pub fn session_of(node: NodeKind, open: Option<Decision>) -> NetSession {
    let arch = Arch::new(Line {}.ports().unwrap().inputs)
        .node("map", node, &[("x", "in.x")])
        .output("y", "map.x");
    let arch = open.into_iter().fold(arch, Arch::decide);
    NetSession::new(arch, task(), 0, Device::Cpu).unwrap()
}

/// The task below.
pub fn task() -> Rc<TaskObj> {
    Rc::new(host().task(&own("test-line")).unwrap())
}

/// A component of this crate.
pub fn own(component: &str) -> Recipe {
    Recipe::new(format!("{}/{component}", env!("CARGO_PKG_NAME")))
}

/// The samples above, in every split.
#[component(task = "test-line")]
struct Line {}

impl Task for Line {
    fn ports(&self) -> Result<Ports> {
        let shape = |features| vec![axis("batch", None), axis("features", features)];
        Ok(Ports {
            inputs: Shapes::new().with("x", shape(2)),
            targets: Shapes::new(),
            outputs: Shapes::new().with("y", shape(1)),
            metric: "off".into(),
            higher_is_better: false,
        })
    }

    fn batch(&self, _: &str, at: &At) -> Result<Option<Batch>> {
        let all = Batch::new().with("x", x()).with("y", y());
        Ok((at.index == 0).then_some(all))
    }

    fn loss(&self, outputs: &Batch, batch: &Batch) -> Result<Tensors> {
        let off = outputs["y"].f_sub(&batch["y"])?;
        Ok(Tensors::new().with("off", off.f_square()?.f_mean(Kind::Double)?))
    }

    fn metrics(&self, outputs: &Batch, batch: &Batch) -> Result<Named<f64>> {
        let off = f64::try_from(&self.loss(outputs, batch)?["off"])?;
        Ok(Named::new().with("off", off))
    }
}

/// A linear map without a bias.
#[component(layer = "test-map")]
struct Map {}

impl Layer for Map {
    fn weights(&self, _: &Shapes) -> Result<Vec<WeightSpec>> {
        let weight = WeightSpec::new("weight", &[("in", 2), ("out", 1)], own("test-start"));
        Ok(vec![WeightSpec {
            dtype: Dtype::F64,
            ..weight.tag("prunable")
        }])
    }

    fn shapes(&self, inputs: &Shapes) -> Result<Shapes> {
        Ok(Shapes::new().with("x", with_last_axis(port(inputs, "x")?, axis("out", 1))))
    }

    fn forward(&self, w: &Tensors, x: &Batch, _: &dyn Pass) -> Result<Batch> {
        Ok(Batch::new().with("x", x["x"].f_matmul(&w["weight"])?))
    }
}

/// The start above.
#[component(initializer = "test-start")]
struct Start {}

impl Initializer for Start {
    fn init(&self, _: &WeightSpec, _: &Arch, _: u64) -> Result<plugin_api::Tensor> {
        Ok(start().into())
    }
}

/// Plain gradient descent.
#[component(transform = "test-descent")]
struct Descent {}

impl Transform for Descent {
    fn update(
        &self,
        gradients: Tensors,
        _: &Tensors,
        _: &mut Tensors,
        _: &Tick,
    ) -> Result<Tensors> {
        Ok(gradients.map(|_, gradient| gradient * -RATE))
    }
}
