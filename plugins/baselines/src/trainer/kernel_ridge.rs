//! Kernel ridge regression: `dual = (K + ridge I)^-1 Y`, with the Gram matrix `K` of the training samples.
//!
//! The network becomes one `kernel-machine` from input `x` to output `y`, with the training samples as its support. Labels
//! `[samples]`, int64, count as one-hot rows. The report has the metrics `samples` and `residual`, the root mean square of
//! `Y - K dual`. Source: Saunders et al. 1998, section 2.

use plugin_api::prelude::*;
use plugin_api::serde_json;

/// Fits a kernel machine to the training samples, in place of whatever network there was (Saunders et al. 1998).
#[component(trainer = "kernel-ridge")]
struct KernelRidge {
    /// The kernel.
    #[param(default = "baselines/rbf")]
    kernel: Use<dyn Kernel>,
    /// What is added to the diagonal of the Gram matrix; the more, the smoother the fit.
    #[param(default = 0.001, range = "0 < x")]
    ridge: f64,
}

impl Trainer for KernelRidge {
    fn fit(&self, session: &mut dyn Session) -> Result<Report> {
        let batch = session
            .batch("train", &At::ALL)?
            .ok_or_else(|| Error::new("the task has no training batch"))?;
        let ports = session.ports()?;
        let support = batch.counted(batch.tensor("x")?)?; // [samples, in]
        let wanted = targets(&batch, width(&ports.outputs, "y")?)?; // [samples, out]
        let (samples, out) = wanted.size2()?;

        let machine = Recipe::new("baselines/kernel-machine")
            .with("kernel", serde_json::to_value(&self.kernel.recipe)?)
            .with("samples", samples)
            .with("out", out);
        let inputs = Shapes::new().with("x", port(&ports.inputs, "x")?.clone());
        let arch = Arch::new(inputs)
            .layer("machine", machine, &[("x", "in.x")])
            .output("y", "machine.x");
        session.replace(&arch, &[])?;

        let w = session
            .weights("machine.kernel.*")?
            .under("machine.kernel.");
        let x = Batch::new().with("x", support.f_to_kind(Kind::Double)?);
        let gram = tch::no_grad(|| self.kernel.gram(&w, &x, &x, Some(&*session)))?;
        let one = Tensor::f_eye(samples, (Kind::Double, gram.device()))?;
        let factor = gram
            .f_add(&one.f_mul_scalar(self.ridge)?)?
            .f_linalg_cholesky(false)?;
        let dual = wanted.f_cholesky_solve(&factor, false)?;
        let residual = wanted.f_sub(&gram.f_matmul(&dual)?)?.f_square()?;
        let residual = residual.f_mean(None::<Kind>)?.f_sqrt()?;
        session.set(
            &Tensors::new()
                .with("machine.support", support)
                .with("machine.dual", dual.f_to_kind(Kind::Float)?),
        )?;
        Ok(Report::default()
            .metric("samples", samples as f64)
            .metric("residual", f64::try_from(&residual)?))
    }
}

/// What the samples should give: `[samples, out]`, f64.
fn targets(batch: &Batch, out: i64) -> Result<Tensor> {
    let y = batch.counted(batch.tensor("y")?)?;
    let y = match y.kind() {
        Kind::Int64 => y.f_one_hot(out)?,
        _ => y,
    };
    Ok(y.f_to_kind(Kind::Double)?)
}
