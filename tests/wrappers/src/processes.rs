//! Processes that are fitted in closed form, and kernels for them: those of wide networks, and those that are read off a
//! network.

use std::f64::consts::PI;

use plugin_api::prelude::*;
use plugin_api::serde_json::json;

/// The kernel of infinitely wide networks of rectified units (Cho & Saul 2009, Lee et al. 2018): both variances are
/// learned as their logarithms.
#[component(kernel = "nngp")]
struct Nngp {
    /// Hidden layers.
    #[param(default = 2, range = "0 <= x")]
    depth: i64,
    /// Variance of weights, times the length of what comes in, to begin with.
    #[param(default = 2.0, range = "0 < x")]
    weight: f64,
    /// Variance of biases, to begin with.
    #[param(default = 0.1, range = "0 < x")]
    bias: f64,
}

/// The affine map that each layer of the network is, as its covariances see it.
struct Affine {
    weight: Tensor,
    bias: Tensor,
}

impl Affine {
    fn of(w: &Tensors) -> Result<Self> {
        Ok(Affine {
            weight: w["log-weight"].f_exp()?,
            bias: w["log-bias"].f_exp()?,
        })
    }

    fn map(&self, covariance: &Tensor) -> Result<Tensor> {
        Ok(covariance.f_mul(&self.weight)?.f_add(&self.bias)?)
    }
}

impl Nngp {
    /// Variances of what each layer gives, from the first on: `depth + 1` times `[samples]`.
    fn variances(&self, affine: &Affine, x: &Tensor) -> Result<Vec<Tensor>> {
        let squares = x.f_square()?.f_mean_dim(-1, false, None::<Kind>)?;
        let mut variances = vec![affine.map(&squares)?];
        for layer in 0..self.depth as usize {
            // A rectified unit keeps half of the mean square.
            let kept = variances[layer].f_mul_scalar(0.5)?;
            variances.push(affine.map(&kept)?);
        }
        Ok(variances)
    }
}

impl Kernel for Nngp {
    fn weights(&self) -> Result<Vec<WeightSpec>> {
        let log = |name: &str, variance: f64| {
            let init = Recipe::new("baselines/constant").with("value", variance.ln());
            WeightSpec::new(name, &[("one", 1)], init)
        };
        Ok(vec![
            log("log-weight", self.weight),
            log("log-bias", self.bias),
        ])
    }

    fn gram(
        &self,
        w: &Tensors,
        x: &Batch,
        y: &Batch,
        _: Option<&dyn Session>,
    ) -> Result<plugin_api::Tensor> {
        let (x, y) = (x.tensor("x")?, y.tensor("x")?);
        let affine = Affine::of(w)?;
        let of_x = self.variances(&affine, x)?;
        let of_y = self.variances(&affine, y)?;
        let products = x.f_matmul(&y.f_tr()?)?;
        let mut gram = affine.map(&products.f_div_scalar(x.size2()?.1)?)?;
        for (of_x, of_y) in of_x.iter().zip(&of_y).take(self.depth as usize) {
            let norms = of_x.f_unsqueeze(1)?.f_mul(of_y)?.f_sqrt()?;
            gram = affine.map(&rectified(&gram, &norms)?)?;
        }
        Ok(gram.into())
    }

    fn diagonal(
        &self,
        w: &Tensors,
        x: &Batch,
        _: Option<&dyn Session>,
    ) -> Result<plugin_api::Tensor> {
        let mut variances = self.variances(&Affine::of(w)?, x.tensor("x")?)?;
        Ok(variances.pop().context("no layer")?.into())
    }
}

/// The mean product of two rectified normal numbers of this covariance, whose deviations have this product.
fn rectified(covariance: &Tensor, norms: &Tensor) -> Result<Tensor> {
    // At one the arc has no slope, and needs none: there the norms say everything.
    let cosine = covariance
        .f_div(norms)?
        .f_clamp(-1.0 + 1e-12, 1.0 - 1e-12)?;
    let angle = cosine.f_acos()?;
    let turned = angle.f_neg()?.f_add_scalar(PI)?.f_mul(&cosine)?;
    let arc = angle.f_sin()?.f_add(&turned)?;
    Ok(norms.f_mul(&arc)?.f_div_scalar(2.0 * PI)?)
}

/// The tangent kernel of a network (Jacot et al. 2018): products of the gradients of its output `y`, added up where that
/// has several numbers.
#[component(kernel = "tangent")]
struct Tangent {}

impl Tangent {
    /// The gradients of each sample: `[samples, outputs times weights]`.
    fn gradients(x: &Batch, net: Option<&dyn Session>) -> Result<Tensor> {
        let net = net.context("a tangent kernel needs a network")?;
        let mut rows = Rows::default();
        let output = Of::Output("y".into());
        net.each_gradient(x, &Ask::eval(), &output, "model", &mut rows)?;
        Ok(Tensor::f_stack(&rows.0, 0)?)
    }
}

impl Kernel for Tangent {
    fn gram(
        &self,
        _: &Tensors,
        x: &Batch,
        y: &Batch,
        net: Option<&dyn Session>,
    ) -> Result<plugin_api::Tensor> {
        let (x, y) = (Self::gradients(x, net)?, Self::gradients(y, net)?);
        Ok(x.f_matmul(&y.f_tr()?)?.into())
    }

    fn diagonal(
        &self,
        _: &Tensors,
        x: &Batch,
        net: Option<&dyn Session>,
    ) -> Result<plugin_api::Tensor> {
        let squares = Self::gradients(x, net)?.f_square()?;
        Ok(squares.f_sum_dim_intlist(-1, false, None::<Kind>)?.into())
    }
}

/// The Jacobian of each sample as one row.
#[derive(Default)]
struct Rows(Vec<Tensor>);

impl Sink for Rows {
    fn take(&mut self, _: i64, jacobian: &Tensors) -> Result<()> {
        let flat = jacobian.values().map(|t| Ok(t.f_flatten(0, -1)?));
        let flat = flat.collect::<Result<Vec<Tensor>>>()?;
        self.0.push(Tensor::f_cat(&flat, 0)?);
        Ok(())
    }
}

/// What a Student t process makes of samples that it has seen (Lee et al. 2022): for each `x` the `mean` and `scale` of a
/// t distribution with `df` degrees of freedom. `evidence` is the log density of what it has seen.
#[component(layer = "student-t")]
struct StudentT {
    /// How alike samples are.
    #[param(default = "wrappers/nngp")]
    kernel: Use<dyn Kernel>,
    /// Samples that it has seen.
    #[param(default = 1, range = "1 <= x")]
    samples: i64,
    /// Variance of noise on what was seen.
    #[param(default = 0.1, range = "0 < x")]
    noise: f64,
    /// Shape of the inverse gamma distribution of the factor that scales all covariances.
    #[param(default = 2.0, range = "0 < x")]
    shape: f64,
    /// Its scale.
    #[param(default = 2.0, range = "0 < x")]
    scale: f64,
}

impl Layer for StudentT {
    fn weights(&self, inputs: &Shapes) -> Result<Vec<WeightSpec>> {
        let samples = || axis("samples", self.samples);
        let seen = |name: &str, axes: Vec<Axis>| {
            WeightSpec::new(name, axes, "baselines/zeros").group(Group::Buffer)
        };
        let kernel = self.kernel.weights()?.into_iter();
        let mut weights: Vec<WeightSpec> = kernel.map(|spec| spec.under("kernel.")).collect();
        weights.push(seen(
            "x",
            vec![samples(), last_axis(inputs, "x")?.named("in")],
        ));
        weights.push(seen("y", vec![samples(), axis("out", 1)]));
        Ok(weights)
    }

    fn shapes(&self, inputs: &Shapes) -> Result<Shapes> {
        let rows = with_last_axis(port(inputs, "x")?, axis("out", 1));
        Ok(Shapes::new()
            .with("mean", rows.clone())
            .with("scale", rows)
            .with("df", vec![])
            .with("evidence", vec![]))
    }

    fn forward(&self, w: &Tensors, x: &Batch, _: &dyn Pass) -> Result<Batch> {
        let (own, seen) = (w.under("kernel."), Batch::new().with("x", &w["x"]));
        let y = &w["y"];
        let n = y.size2()?.0;
        let one = Tensor::f_eye(n, (y.kind(), y.device()))?;
        let covariance = self.kernel.gram(&own, &seen, &seen, None)?;
        let covariance = covariance.f_add(&one.f_mul_scalar(self.noise)?)?;
        let factor = covariance.f_linalg_cholesky(false)?;
        let white = |t: &Tensor| factor.f_linalg_solve_triangular(t, false, true, false);
        let white_y = white(y)?; // [samples, 1]
        let across = self.kernel.gram(&own, &seen, x, None)?;
        let white_x = white(&across)?; // [samples, batch]
        let mean = white_x.f_tr()?.f_matmul(&white_y)?;
        let known = white_x
            .f_square()?
            .f_sum_dim_intlist(0, false, None::<Kind>)?;
        let own_variance = self.kernel.diagonal(&own, x, None)?;
        let variance = own_variance.f_add_scalar(self.noise)?.f_sub(&known)?;

        let df = 2.0 * self.shape + n as f64;
        let square = white_y.f_square()?.f_sum(None::<Kind>)?;
        let factor_of_all = square.f_add_scalar(2.0 * self.scale)?.f_div_scalar(df)?;
        let scale = variance.f_mul(&factor_of_all)?.f_sqrt()?.f_unsqueeze(1)?;
        let determinant = factor.f_diagonal(0, 0, 1)?.f_log()?.f_sum(None::<Kind>)?;
        let surprise = square
            .f_div_scalar(2.0 * self.scale)?
            .f_log1p()?
            .f_mul_scalar(df / 2.0)?;
        let constant = ln_gamma(df / 2.0)?
            - ln_gamma(self.shape)?
            - n as f64 / 2.0 * (2.0 * PI * self.scale).ln();
        let evidence = determinant
            .f_add(&surprise)?
            .f_neg()?
            .f_add_scalar(constant)?;
        let df = Tensor::f_full([0_i64; 0], df, (y.kind(), y.device()))?;
        Ok(Batch::new()
            .with("mean", mean)
            .with("scale", scale)
            .with("df", df)
            .with("evidence", evidence))
    }
}

fn ln_gamma(x: f64) -> Result<f64> {
    Ok(Tensor::from(x).f_lgamma()?.f_double_value(&[])?)
}

/// Shows a Student t process the training samples, in place of whatever network there was, and has its kernel climb the
/// evidence; `y` is its mean.
#[component(trainer = "evidence")]
struct Evidence {
    /// The kernel, with what it begins with.
    #[param(default = "wrappers/nngp")]
    kernel: RecipeOf<dyn Kernel>,
    /// Variance of noise on the samples.
    #[param(default = 0.1, range = "0 < x")]
    noise: f64,
    /// Steps; none leaves the kernel as it is.
    #[param(default = 30, range = "0 <= x")]
    steps: i64,
    /// From gradients to updates.
    #[param(default = ["baselines/adam"])]
    transforms: Vec<RecipeOf<dyn Transform>>,
}

impl Trainer for Evidence {
    fn fit(&self, session: &mut dyn Session) -> Result<Report> {
        let batch = session.batch("train", &At::ALL)?;
        let batch = batch.context("the task has no training batch")?;
        let (x, y) = (batch.tensor("x")?, batch.tensor("y")?);
        let process = Recipe::new("wrappers/student-t")
            .with("kernel", json!(self.kernel.recipe))
            .with("samples", y.size2()?.0)
            .with("noise", self.noise);
        let was = session.arch()?;
        let arch = Arch::new(was.inputs)
            .of(was.dtype)
            .layer("process", process, &[("x", "in.x")]);
        let arch = [("y", "mean"), ("scale", "scale"), ("df", "df")]
            .into_iter()
            .fold(arch, |arch, (port, of)| {
                arch.output(port, &format!("process.{of}"))
            });
        session.replace(&arch, &[])?;
        let seen = Tensors::new().with("process.x", x);
        session.set(&seen.with("process.y", y))?;

        let transforms: Vec<Recipe> = self.transforms.iter().map(|t| t.recipe.clone()).collect();
        session.chain("evidence", &transforms, "model")?;
        for _ in 0..self.steps {
            let evidence = evidence(session, &batch)?;
            let weights = session.weights("model")?;
            let down = gradients_of(&evidence.f_neg()?, &weights, false)?;
            session.apply("evidence", &down)?;
        }
        let evidence = evidence(session, &batch)?.f_double_value(&[])?;
        Ok(Report::default().metric("evidence", evidence))
    }
}

fn evidence(session: &dyn Session, batch: &Batch) -> Result<Tensor> {
    let seen = session.forward(batch, &Ask::train().tapped(["process.evidence"]))?;
    Ok(seen.taps["process.evidence"].shallow_clone())
}
