//! What kernel methods predict with: `y = K(x, support) dual`.
//!
//! `x`: `[batch, in]` to `[batch, out]`. The support `[samples, in]` and the dual weights `[samples, out]` are buffers; a
//! trainer such as `kernel-ridge` fills them. Source: the representer theorem, Kimeldorf & Wahba 1971.

use plugin_api::prelude::*;

/// Similarities to kept samples, weighed: `y = K(x, support) dual`.
#[component(layer = "kernel-machine")]
struct KernelMachine {
    /// The kernel.
    #[param(default = "baselines/rbf")]
    kernel: Use<dyn Kernel>,
    /// Samples that are kept.
    #[param(example = 100, range = "1 <= x")]
    samples: i64,
    /// Features that come out.
    #[param(example = 10, range = "1 <= x")]
    out: i64,
}

impl Layer for KernelMachine {
    fn weights(&self, inputs: &Shapes) -> Result<Vec<WeightSpec>> {
        let buffer = |name, last: Axis| {
            WeightSpec::new(
                name,
                [axis("samples", self.samples), last],
                "baselines/zeros",
            )
            .group(Group::Buffer)
        };
        let support = buffer("support", last_axis(inputs, "x")?.named("in"));
        let kernel = self.kernel.weights()?;
        Ok([support, buffer("dual", axis("out", self.out))]
            .into_iter()
            .chain(kernel.into_iter().map(|spec| spec.under("kernel.")))
            .collect())
    }

    fn shapes(&self, inputs: &Shapes) -> Result<Shapes> {
        let x = port(inputs, "x")?;
        if x.len() != 2 {
            // A kernel compares whole samples, whatever their axes.
            return Err(Error::new("a kernel machine takes samples as rows")
                .found(show(x))
                .expected("[batch, in]")
                .into());
        }
        Ok(Shapes::new().with("x", with_last_axis(x, axis("out", self.out))))
    }

    fn forward(&self, w: &Tensors, x: &Batch, _: &dyn Pass) -> Result<Batch> {
        let support = Batch::new().with("x", &w["support"]);
        let similar = self.kernel.gram(&w.under("kernel."), x, &support, None)?; // [batch, samples]
        Ok(Batch::new().with("x", similar.f_matmul(&w["dual"])?))
    }

    fn cost(&self, inputs: &Shapes) -> Result<Vec<Cost>> {
        let samples = || axis("samples", self.samples);
        let features = last_axis(inputs, "x")?.named("in");
        // What kernels do with a feature of a pair is about one of them.
        Ok(vec![
            Cost::new("macs", 1.0, [samples(), features]),
            Cost::new("macs", 1.0, [samples(), axis("out", self.out)]),
        ])
    }
}
