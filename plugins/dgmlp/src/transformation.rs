//! Transformations of the features, as many as are wanted, with ways past them; and, for comparison, a graph between them.
//!
//! ```text
//! h^0 = x
//! h^l = f^l + what goes past,   f^l = relu(norm(S^hops (dropout(h^(l-1)) W_l^T + b_l)))    l = 1..depth - 1
//! y   = S^hops (dropout(h^(depth-1)) W^T + b)
//! ```
//!
//! What goes past: `h^(l-1)` with `past = "residual"`, the sum of `h^1` to `h^(l-1)` with `"dense"`, nothing with `"none"`;
//! the first transformation changes the width, so that nothing goes past it. With `hops = 0` it is the paper's head behind
//! the propagation, which takes no graph; with 1 it is a graph convolutional network whose propagation and transformation
//! are entangled, with 2 one that propagates twice as often as it transforms (section 3.2).
//!
//! `x`: `[nodes, in]` to `[nodes, out]`, over `graph` where there are hops. Source: Zhang et al. 2021, arXiv 2108.00955, and
//! the authors' code (commit 7578191 of zwt233/DGMLP), whose last graph convolution ends with a rectifier, too, which is left
//! out here: it forbids negative logits.

use plugin_api::prelude::*;
use plugin_api::{onnx, pytorch, schemars, serde};

/// Transformations one behind the other, with ways past them: the head of DGMLP, and the networks that it is compared with
/// (Zhang et al. 2021).
#[component(layer = "transformation")]
struct Transformation {
    /// Features that come out; as many as come in where it is left out.
    #[param(range = "1 <= x")]
    out: Option<i64>,
    /// Transformations, the last one among them.
    #[param(default = 1, range = "1 <= x <= 256")]
    depth: i64,
    /// Width between them.
    #[param(default = 64, range = "1 <= x")]
    width: i64,
    /// Probability that an input of a transformation is zeroed in training.
    #[param(default = 0.5, range = "0 <= x < 1")]
    dropout: f64,
    /// What goes past a transformation.
    #[param(default = "residual")]
    past: Past,
    /// Hops that features go over the graph behind each transformation.
    #[param(default = 0, range = "0 <= x <= 100")]
    hops: i64,
    /// Whether to add a learned `b`.
    #[param(default = true)]
    bias: bool,
    /// Whether each node's features have mean 0 and variance 1 in front of the rectifier, without which sums of many ways
    /// past explode. The authors' code once had batch normalisation there.
    #[param(default = false)]
    norm: bool,
}

/// Added to variances, as PyTorch does.
const EPSILON: f64 = 1e-5;

/// What goes past a transformation.
#[derive(Clone, Copy, PartialEq, serde::Deserialize, schemars::JsonSchema)]
#[serde(crate = "plugin_api::serde", rename_all = "kebab-case")]
#[schemars(crate = "plugin_api::schemars", inline)]
enum Past {
    /// Nothing.
    None,
    /// What came out of the one before (ResGCN, Li et al. 2019).
    Residual,
    /// What came out of all before (DenseGCN, Li et al. 2019).
    Dense,
}

impl Transformation {
    fn out(&self, inputs: &Shapes) -> Result<Axis> {
        let width = width(inputs, "x")?;
        Ok(axis("out", self.out.unwrap_or(width)))
    }

    /// The axes before, between and behind the transformations.
    fn axes(&self, inputs: &Shapes) -> Result<Vec<Axis>> {
        let mut axes = vec![last_axis(inputs, "x")?.named("in")];
        axes.extend((1..self.depth).map(|_| axis("width", self.width)));
        axes.push(self.out(inputs)?);
        Ok(axes)
    }
}

impl Layer for Transformation {
    fn weights(&self, inputs: &Shapes) -> Result<Vec<WeightSpec>> {
        let axes = self.axes(inputs)?;
        let mut specs = vec![];
        for (l, pair) in axes.windows(2).enumerate() {
            let (from, to) = (pair[0].clone().named("in"), pair[1].clone());
            let weight = WeightSpec::new(
                &format!("weight{l}"),
                [to.clone(), from],
                "baselines/glorot",
            );
            specs.push(weight.tag("prunable"));
            if self.bias {
                specs.push(WeightSpec::new(
                    &format!("bias{l}"),
                    [to],
                    "baselines/zeros",
                ));
            }
        }
        Ok(specs)
    }

    fn shapes(&self, inputs: &Shapes) -> Result<Shapes> {
        if self.hops > 0 {
            port(inputs, "graph")?;
        }
        Ok(Shapes::new().with("x", with_last_axis(port(inputs, "x")?, self.out(inputs)?)))
    }

    fn forward(&self, w: &Tensors, x: &Batch, pass: &dyn Pass) -> Result<Batch> {
        let smoothing = match self.hops {
            0 => None,
            _ => Some(x.graph("graph")?.with_self_loops()?.normalised()?),
        };
        let mut h = x.tensor("x")?.shallow_clone();
        let mut past: Option<Tensor> = None;
        for l in 0..self.depth {
            if pass.train() && self.dropout > 0.0 {
                h = pass.dropout(&h.into(), self.dropout)?.into();
            }
            let bias = w.get(&format!("bias{l}"));
            let mut f = h.f_linear(&w[&format!("weight{l}")], bias.map(|bias| &**bias))?;
            if let Some(smoothing) = &smoothing {
                f = smoothing.power(&f.into(), self.hops)?.into();
            }
            if l == self.depth - 1 {
                return Ok(Batch::new().with("x", f));
            }
            if self.norm {
                f = f.f_layer_norm([self.width], None::<Tensor>, None::<Tensor>, EPSILON, false)?;
            }
            f = f.f_relu()?;
            h = match &past {
                Some(past) => f.f_add(past)?,
                None => f,
            };
            past = match (self.past, past) {
                (Past::None, _) => None,
                (Past::Dense, Some(before)) => Some(before.f_add(&h)?),
                (Past::Residual | Past::Dense, _) => Some(h.shallow_clone()),
            };
        }
        Err(Error::new("there is no transformation").into())
    }

    /// Of the products with weights; what runs over the edges is not counted, as no shape tells their number.
    fn cost(&self, inputs: &Shapes) -> Result<Vec<Cost>> {
        let rows: Vec<Axis> = port(inputs, "x")?.iter().rev().skip(1).cloned().collect();
        let axes = self.axes(inputs)?;
        let costs = axes.windows(2).map(|pair| {
            let axes = pair.iter().cloned().chain(rows.iter().cloned());
            Cost::new("macs", 1.0, axes)
        });
        Ok(costs.collect())
    }

    fn export(&self, to: &str, inputs: &Shapes) -> Result<Option<Source>> {
        let mut lines = vec![];
        match (to, self.hops) {
            (Source::ONNX, _) if self.norm && self.depth > 1 => return Ok(None),
            (Source::PYTORCH, 0) | (Source::ONNX, 0) => {}
            (Source::PYTORCH, _) => lines.extend([
                pytorch::with_self_loops("graph", "x"),
                pytorch::normalised("graph", "x"),
            ]),
            (Source::ONNX, _) => {
                lines.extend([onnx::with_self_loops("graph"), onnx::normalised("graph")]);
            }
            _ => return Ok(None),
        }
        lines.push("h = x".into());
        for l in 0..self.depth {
            lines.extend(self.exported(to, l));
        }
        Ok(Some(Source::new(inputs, lines.join("\n"))))
    }
}

impl Transformation {
    /// A transformation in another language.
    fn exported(&self, to: &str, l: i64) -> Vec<String> {
        let is_onnx = to == Source::ONNX;
        let (weight, relu) = match is_onnx {
            true => (format!("Transpose(self.weight{l}, perm=[1, 0])"), "Relu"),
            false => (format!("self.weight{l}.t()"), "torch.relu"),
        };
        let mut lines = vec![];
        if !is_onnx {
            lines.push(format!(
                "h = torch.dropout(h, {:?}, self.training)",
                self.dropout
            ));
        }
        let bias = if self.bias {
            format!(" + self.bias{l}")
        } else {
            String::new()
        };
        lines.push(format!("f = h @ {weight}{bias}"));
        lines.extend((0..self.hops).map(|_| match is_onnx {
            true => onnx::matmul("graph", "f", "f"),
            false => format!("f = {}", pytorch::matmul("graph", "f")),
        }));
        if l == self.depth - 1 {
            lines.push("return f".into());
            return lines;
        }
        if self.norm {
            lines.push(format!(
                "f = torch.nn.functional.layer_norm(f, [{}])",
                self.width
            ));
        }
        let goes_past = l > 0 && self.past != Past::None;
        lines.push(match goes_past {
            true => format!("h = {relu}(f) + past"),
            false => format!("h = {relu}(f)"),
        });
        match self.past {
            Past::None => {}
            Past::Dense if l > 0 => lines.push("past = past + h".into()),
            Past::Residual | Past::Dense => lines.push("past = h".into()),
        }
        lines
    }
}
