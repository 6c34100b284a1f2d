//! A plugin that was built before the API had its minor version 1.

use plugin_api::prelude::*;

plugin_api::plugin!();

/// One number to learn; no episodes.
#[component(task = "task")]
struct Number {}

impl Task for Number {
    fn ports(&self) -> Result<Ports> {
        Ok(Ports {
            inputs: Shapes::new().with("x", vec![axis("batch", None), axis("features", 1)]),
            targets: Shapes::new(),
            outputs: Shapes::new(),
            metric: "mean".into(),
            higher_is_better: true,
        })
    }

    fn batch(&self, _: &str, at: &At) -> Result<Option<Batch>> {
        let ones = Tensor::f_ones([2, 1], (Kind::Float, Device::Cpu))?;
        Ok((at.index == 0).then(|| Batch::new().with("x", ones)))
    }

    fn loss(&self, outputs: &Batch, _: &Batch) -> Result<Tensors> {
        Ok(Tensors::new().with("mean", outputs.tensor("y")?.f_mean(None::<Kind>)?))
    }

    fn metrics(&self, outputs: &Batch, _: &Batch) -> Result<Named<f64>> {
        let mean = outputs.tensor("y")?.f_mean(None::<Kind>)?;
        Ok(Named::new().with("mean", mean.f_double_value(&[])?))
    }
}

/// A decision between three options.
#[component(space = "space")]
struct Three {}

impl Space for Three {
    fn supernet(&self, ports: &Ports) -> Result<Option<Arch>> {
        let arch = Arch::new(ports.inputs.clone()).output("y", "in.x");
        Ok(Some(arch.decide(Decision::options("which", [1, 2, 3]))))
    }
}

/// The identity.
#[component(layer = "layer")]
struct Identity {}

impl Layer for Identity {
    fn shapes(&self, inputs: &Shapes) -> Result<Shapes> {
        Ok(Shapes::new().with("x", port(inputs, "x")?.clone()))
    }

    fn forward(&self, _: &Tensors, x: &Batch, _: &dyn Pass) -> Result<Batch> {
        Ok(Batch::new().with("x", x.tensor("x")?.shallow_clone()))
    }
}
