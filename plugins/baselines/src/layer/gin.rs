//! Graph isomorphism convolution: `y_i = f((1 + eps) x_i + sum_j x_j)`, the sum over the edges `j -> i`, each times its
//! weight.
//!
//! `x`: `[nodes, in]` over `graph`, to what `f` makes of `x`: `[nodes, in]`; its weights stand under `inner.`. Source: Xu et
//! al. 2019, equation 4.1.

use plugin_api::prelude::*;
use plugin_api::{onnx, pytorch};

/// Any layer on the sum of a node and its neighbours (Xu et al. 2019).
#[component(layer = "gin")]
struct Gin {
    /// The layer.
    #[param(default = "baselines/linear")]
    inner: Use<dyn Layer>,
    /// By how much a node counts more than a neighbour.
    #[param(default = 0.0)]
    eps: f64,
    /// Whether `eps` is where a learned number begins.
    #[param(default = false)]
    #[serde(rename = "train-eps")]
    train_eps: bool,
}

impl Gin {
    /// What comes in at the inner layer.
    fn summed(inputs: &Shapes) -> Result<Shapes> {
        port(inputs, "graph")?;
        Ok(Shapes::new().with("x", port(inputs, "x")?.clone()))
    }
}

impl Layer for Gin {
    fn weights(&self, inputs: &Shapes) -> Result<Vec<WeightSpec>> {
        let inner = self.inner.weights(&Self::summed(inputs)?)?.into_iter();
        let eps = self.train_eps.then(|| {
            let begin = Recipe::new("baselines/constant").with("value", self.eps);
            WeightSpec::new("eps", [axis("eps", 1).fixed()], begin)
        });
        Ok(inner.map(|spec| spec.under("inner.")).chain(eps).collect())
    }

    fn shapes(&self, inputs: &Shapes) -> Result<Shapes> {
        self.inner.shapes(&Self::summed(inputs)?)
    }

    fn forward(&self, w: &Tensors, x: &Batch, pass: &dyn Pass) -> Result<Batch> {
        let (x, graph) = (x.tensor("x")?, x.graph("graph")?);
        let own = match w.get("eps") {
            Some(eps) => x.f_mul(&eps.f_add_scalar(1.0)?)?,
            None => x.f_mul_scalar(1.0 + self.eps)?,
        };
        let summed = Batch::new().with("x", own.f_add(&graph.matmul(x)?)?);
        let within = Within {
            outer: pass,
            name: "inner",
            hook: None,
        };
        self.inner.forward(&w.under("inner."), &summed, &within)
    }

    /// That of the inner layer; what runs over the edges is not counted, as no shape tells their number.
    fn cost(&self, inputs: &Shapes) -> Result<Vec<Cost>> {
        self.inner.cost(&Self::summed(inputs)?)
    }

    fn export(&self, to: &str, inputs: &Shapes) -> Result<Option<Source>> {
        let Some(inner) = self.inner.export(to, &Self::summed(inputs)?)? else {
            return Ok(None);
        };
        let own = match (self.train_eps, self.eps) {
            (true, _) => "(1.0 + self.eps) * x".into(),
            (false, 0.0) => "x".into(),
            (false, eps) => format!("{:?} * x", 1.0 + eps),
        };
        let forward = match to {
            Source::PYTORCH => {
                let (edges, sum) = (pytorch::edges("graph", "x"), pytorch::matmul("graph", "x"));
                format!("{edges}\nreturn self.inner({own} + {sum})")
            }
            Source::ONNX => {
                let (edges, sum) = (onnx::edges("graph"), onnx::matmul("graph", "sum", "x"));
                format!("{edges}\n{sum}\nreturn self.inner({own} + sum)")
            }
            _ => return Ok(None),
        };
        Ok(Some(Source::new(inputs, forward).part("inner", inner)))
    }
}
