//! What networks are made of: layer, initializer, hypernet, kernel.

use plugin_api::prelude::*;

/// Three times what another layer gives; its weights stand under `inner.`.
#[component(layer = "layer")]
struct Thrice {
    /// The other one.
    inner: Use<dyn Layer>,
}

impl Layer for Thrice {
    fn weights(&self, inputs: &Shapes) -> Result<Vec<WeightSpec>> {
        let inner = self.inner.weights(inputs)?;
        Ok(inner.into_iter().map(|spec| spec.under("inner.")).collect())
    }

    fn shapes(&self, inputs: &Shapes) -> Result<Shapes> {
        self.inner.shapes(inputs)
    }

    fn forward(&self, w: &Tensors, x: &Batch, pass: &dyn Pass) -> Result<Batch> {
        let within = Within {
            outer: pass,
            name: "inner",
            hook: None,
        };
        let y = self.inner.forward(&w.under("inner."), x, &within)?;
        Ok(Batch::new().with("x", y.tensor("x")?.f_mul_scalar(3.0)?))
    }
}

/// The negative of what another initializer makes.
#[component(initializer = "initializer")]
struct Negative {
    /// The other one.
    inner: Use<dyn Initializer>,
}

impl Initializer for Negative {
    fn init(&self, spec: &WeightSpec, arch: &Arch, seed: u64) -> Result<plugin_api::Tensor> {
        Ok(self.inner.init(spec, arch, seed)?.f_neg()?.into())
    }
}

/// Twice the weights that another hypernet makes.
#[component(hypernet = "hypernet")]
struct Twice {
    /// The other one.
    inner: Use<dyn Hypernet>,
}

impl Hypernet for Twice {
    fn weights(&self, target: &[WeightSpec]) -> Result<Vec<WeightSpec>> {
        self.inner.weights(target)
    }

    fn generate(&self, w: &Tensors, condition: &Batch, target: &[WeightSpec]) -> Result<Tensors> {
        let made = self.inner.generate(w, condition, target)?;
        Ok(made.map(|_, t| t * 2.0))
    }
}

/// Half of another kernel.
#[component(kernel = "kernel")]
struct Half {
    /// The other one.
    inner: Use<dyn Kernel>,
}

impl Kernel for Half {
    fn weights(&self) -> Result<Vec<WeightSpec>> {
        self.inner.weights()
    }

    fn gram(
        &self,
        w: &Tensors,
        x: &Batch,
        y: &Batch,
        net: Option<&dyn Session>,
    ) -> Result<plugin_api::Tensor> {
        Ok(self.inner.gram(w, x, y, net)?.f_mul_scalar(0.5)?.into())
    }

    fn diagonal(
        &self,
        w: &Tensors,
        x: &Batch,
        net: Option<&dyn Session>,
    ) -> Result<plugin_api::Tensor> {
        Ok(self.inner.diagonal(w, x, net)?.f_mul_scalar(0.5)?.into())
    }
}

/// The empirical kernel of a network: products of its outputs `y`, so it needs one.
#[component(kernel = "empirical")]
struct Empirical {}

impl Kernel for Empirical {
    fn gram(
        &self,
        _: &Tensors,
        x: &Batch,
        y: &Batch,
        net: Option<&dyn Session>,
    ) -> Result<plugin_api::Tensor> {
        let net = net.context("an empirical kernel needs a network")?;
        let outputs = |x: &Batch| {
            let seen = net.forward(x, &Ask::eval())?;
            Ok::<_, anyhow::Error>(seen.outputs.tensor("y")?.shallow_clone())
        };
        Ok(outputs(x)?
            .f_matmul(&outputs(y)?.f_transpose(0, 1)?)?
            .into())
    }

    fn diagonal(
        &self,
        w: &Tensors,
        x: &Batch,
        net: Option<&dyn Session>,
    ) -> Result<plugin_api::Tensor> {
        Ok(self.gram(w, x, x, net)?.f_diagonal(0, 0, 1)?.into())
    }
}
