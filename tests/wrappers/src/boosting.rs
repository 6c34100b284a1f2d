//! A network that is trained block by block, each on what the blocks before it leave (after Emami & Martínez-Muñoz 2023).

use plugin_api::prelude::*;

/// Boosts squared errors: each stage fits a small network to the residuals, by whichever trainer, and merges its hidden
/// units into the session's network, which is one of `hidden`, `act` and `head`. The table `stages` has the mean square of
/// what is left after each, from the mean of `y` on.
#[component(trainer = "boosted")]
struct Boosted {
    /// What fits a block.
    #[param(default = "baselines/backprop")]
    solver: Use<dyn Trainer>,
    /// Blocks.
    #[param(default = 4, range = "1 <= x")]
    stages: i64,
    /// Hidden units of a block.
    #[param(default = 2, range = "1 <= x")]
    units: i64,
}

impl Trainer for Boosted {
    fn fit(&self, session: &mut dyn Session) -> Result<Report> {
        let batch = session.batch("train", &At::ALL)?;
        let batch = batch.context("the task has no training batch")?;
        let (x, y) = (batch.tensor("x")?, batch.tensor("y")?);
        let mean = y.f_mean_dim(0_i64, true, None::<Kind>)?; // [1, out]
        let mut left = y.f_sub(&mean)?;
        let mut stages = vec![vec![0.0, mean_square(&left)?]];
        let plain = self.network(session, Recipe::new("baselines/linear"), 1)?;
        for stage in 1..=self.stages {
            let residuals = Residuals {
                ports: session.ports()?,
                x: x.shallow_clone(),
                y: left.shallow_clone(),
            };
            let seed = session.seed(&format!("block:{stage}"));
            let mut block = session.spawn(&plain, On::task(residuals), seed)?;
            self.solver.fit(&mut *block)?;
            let given = tch::no_grad(|| block.forward(&batch, &Ask::eval()))?;
            let given = given.outputs.tensor("y")?;
            // As long as leaves least: so no stage makes it worse.
            let length = left
                .f_mul(given)?
                .f_sum(None::<Kind>)?
                .f_div(&given.f_square()?.f_sum(None::<Kind>)?)?;
            left = left.f_sub(&given.f_mul(&length)?)?;
            stages.push(vec![stage as f64, mean_square(&left)?]);
            self.merge(session, stage, &mean, &block.snapshot("model")?, &length)?;
        }
        Ok(Report::default().table("stages", &["stage", "left"], stages))
    }
}

impl Boosted {
    /// The network of so many blocks, with this layer as its head.
    fn network(&self, session: &dyn Session, head: Recipe, blocks: i64) -> Result<Arch> {
        let was = session.arch()?;
        let out = width(&session.ports()?.outputs, "y")?;
        let hidden = Recipe::new("baselines/linear").with("out", self.units * blocks);
        let sigmoid = Recipe::new("baselines/activation").with("kind", "sigmoid");
        Ok(Arch::new(was.inputs)
            .of(was.dtype)
            .layer("hidden", hidden, &[("x", "in.x")])
            .layer("act", sigmoid, &[("x", "hidden.x")])
            .layer("head", head.with("out", out), &[("x", "act.x")])
            .output("y", "head.x"))
    }

    /// Grows the session's network by a block: what is there is carried over, what is new is written behind it.
    fn merge(
        &self,
        session: &mut dyn Session,
        stage: i64,
        mean: &Tensor,
        block: &Tensors,
        length: &Tensor,
    ) -> Result<()> {
        let head = Recipe::new("wrappers/blocks").with("blocks", stage);
        let arch = self.network(session, head, stage)?;
        let scaled = |path: &str| block[path].f_mul(length);
        let mut bias = scaled("head.bias")?.f_unsqueeze(0)?;
        if stage == 1 {
            bias = Tensor::f_cat(&[mean, &bias], 0)?;
        }
        let new = [
            ("hidden.weight", 0, block["hidden.weight"].shallow_clone()),
            ("hidden.bias", 0, block["hidden.bias"].shallow_clone()),
            ("head.weight", 1, scaled("head.weight")?),
            ("head.bias", 0, bias),
        ];
        let before = session.weights("model")?;
        let had = |path: &str, axis: usize| match stage {
            1 => 0,
            _ => before[path].size()[axis],
        };
        // Nothing goes over from the network before the first block.
        let carried = new.iter().filter(|_| stage > 1).map(|(path, axis, part)| {
            let (was, more) = (had(path, *axis), part.size()[*axis]);
            let index = Tensor::f_arange(was + more, (Kind::Int64, part.device()))?;
            let anew = index.f_ge(was)?;
            Ok(Carry::renamed(path, path).along(*axis, index.f_masked_fill(&anew, -1)?))
        });
        session.replace(&arch, &carried.collect::<Result<Vec<_>>>()?)?;
        let carried = session.weights("model")?;
        let grown = new.into_iter().map(|(path, axis, part)| {
            let old = carried[path].f_narrow(axis as i64, 0, had(path, axis))?;
            Ok((path, Tensor::f_cat(&[&old, &part], axis as i64)?))
        });
        session.set(&grown.collect::<Result<Tensors>>()?)
    }
}

fn mean_square(t: &Tensor) -> Result<f64> {
    Ok(t.f_square()?.f_mean(Kind::Double)?.f_double_value(&[])?)
}

/// What is left to be fitted, as a task of its own: any split is all of it.
struct Residuals {
    ports: Ports,
    x: Tensor,
    y: Tensor,
}

impl Task for Residuals {
    fn ports(&self) -> Result<Ports> {
        Ok(Ports {
            metric: "left".into(),
            higher_is_better: false,
            ..self.ports.clone()
        })
    }

    fn batch(&self, _: &str, at: &At) -> Result<Option<Batch>> {
        let batch = Batch::new().with("x", &self.x).with("y", &self.y);
        Ok((at.index == 0).then_some(batch))
    }

    fn loss(&self, outputs: &Batch, batch: &Batch) -> Result<Tensors> {
        let left = outputs.tensor("y")?.f_sub(batch.tensor("y")?)?;
        let left = left.f_square()?.f_mean(None::<Kind>)?;
        Ok(Tensors::new().with("left", left))
    }

    fn metrics(&self, outputs: &Batch, batch: &Batch) -> Result<Named<f64>> {
        let left = self.loss(outputs, batch)?["left"].f_double_value(&[])?;
        Ok(Named::new().with("left", left))
    }
}

/// An affine map of units in blocks, each with a bias of its own, so that the last blocks can be left out:
/// `y = x W' + b_0 + sum over blocks t of b_t`.
#[component(layer = "blocks")]
struct Blocks {
    /// Features that come out.
    #[param(default = 1, range = "1 <= x")]
    out: i64,
    /// Blocks into which the features that come in fall.
    #[param(default = 1, range = "1 <= x")]
    blocks: i64,
    /// How many of them are used, from the first on; all where it is left out.
    #[param(range = "0 <= x")]
    first: Option<i64>,
}

impl Layer for Blocks {
    fn weights(&self, inputs: &Shapes) -> Result<Vec<WeightSpec>> {
        let out = || axis("out", self.out);
        let features = last_axis(inputs, "x")?.named("in");
        let shares = axis("blocks", self.blocks + 1).fixed();
        Ok(vec![
            WeightSpec::new("weight", [out(), features], "baselines/glorot"),
            WeightSpec::new("bias", [shares, out()], "baselines/zeros"),
        ])
    }

    fn shapes(&self, inputs: &Shapes) -> Result<Shapes> {
        let (features, blocks) = (width(inputs, "x")?, self.blocks);
        ensure!(
            features % blocks == 0,
            "{features} features do not fall into {blocks} equal blocks"
        );
        let out = axis("out", self.out);
        Ok(Shapes::new().with("x", with_last_axis(port(inputs, "x")?, out)))
    }

    fn forward(&self, w: &Tensors, x: &Batch, _: &dyn Pass) -> Result<Batch> {
        let (features, blocks) = (w["weight"].size()[1], w["bias"].size()[0] - 1);
        let first = self.first.unwrap_or(blocks).min(blocks);
        let used = features / blocks * first;
        let x = x.tensor("x")?.f_narrow(-1, 0, used)?;
        let bias = w["bias"].f_narrow(0, 0, first + 1)?;
        let bias = bias.f_sum_dim_intlist(0, false, None::<Kind>)?;
        let y = x.f_linear(&w["weight"].f_narrow(1, 0, used)?, Some(&bias))?;
        Ok(Batch::new().with("x", y))
    }
}
