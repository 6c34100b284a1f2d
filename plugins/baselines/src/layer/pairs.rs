//! One row for each pair of nodes: `y = x_u * x_v`, feature by feature, or their sum, the inner product.
//!
//! `x`: `[nodes, features]` to `[pairs, features]`, or `[pairs, 1]`, over `pairs`: `[pairs, 2]`, int64. Source: the decoder of
//! Kipf & Welling 2016, "Variational Graph Auto-Encoders"; the product of Grover & Leskovec 2016 (node2vec), table 1.

use plugin_api::prelude::*;
use plugin_api::{schemars, serde};

/// The product of the features of both nodes of each pair, for links between them.
#[component(layer = "pairs")]
struct Pairs {
    /// What becomes of a pair.
    #[param(default = "product")]
    kind: Kind,
}

/// What becomes of a pair.
#[derive(Clone, Copy, serde::Deserialize, schemars::JsonSchema)]
#[serde(crate = "plugin_api::serde", rename_all = "kebab-case")]
#[schemars(crate = "plugin_api::schemars", inline)]
enum Kind {
    /// The product of each feature.
    Product,
    /// The inner product, one number.
    Inner,
}

impl Layer for Pairs {
    fn shapes(&self, inputs: &Shapes) -> Result<Shapes> {
        let (x, pairs) = (port(inputs, "x")?, port(inputs, "pairs")?);
        let ([_, features], [count, ends]) = (x.as_slice(), pairs.as_slice()) else {
            return Err(refused(x, pairs));
        };
        if ends.size.is_some_and(|ends| ends != 2) {
            return Err(refused(x, pairs));
        }
        let last = match self.kind {
            Kind::Product => features.clone(),
            Kind::Inner => axis("out", 1),
        };
        Ok(Shapes::new().with("x", vec![count.clone(), last]))
    }

    fn forward(&self, _: &Tensors, x: &Batch, _: &dyn Pass) -> Result<Batch> {
        let (x, pairs) = (x.tensor("x")?, x.tensor("pairs")?);
        let rows = |end| x.f_index_select(0, &pairs.f_select(1, end)?);
        let y = rows(0)?.f_mul(&rows(1)?)?; // [pairs, features]
        let y = match self.kind {
            Kind::Product => y,
            Kind::Inner => y.f_sum_dim_intlist([1_i64].as_slice(), true, None)?,
        };
        Ok(Batch::new().with("x", y))
    }

    fn export(&self, to: &str, inputs: &Shapes) -> Result<Option<Source>> {
        let pytorch = "x[pairs[:, 0]] * x[pairs[:, 1]]";
        let onnx = "Gather(x, Gather(pairs, 0, axis=1)) * Gather(x, Gather(pairs, 1, axis=1))";
        let y = match (to, self.kind) {
            (Source::PYTORCH, Kind::Product) => format!("return {pytorch}"),
            (Source::PYTORCH, Kind::Inner) => format!("return ({pytorch}).sum(1, keepdim=True)"),
            (Source::ONNX, Kind::Product) => format!("return {onnx}"),
            (Source::ONNX, Kind::Inner) => format!("return ReduceSum({onnx}, [1], keepdims=1)"),
            _ => return Ok(None),
        };
        Ok(Some(Source::new(inputs, y)))
    }
}

fn refused(x: &Shape, pairs: &Shape) -> anyhow::Error {
    Error::new("pairs are made of nodes")
        .found(format!("x {}, pairs {}", show(x), show(pairs)))
        .expected("x [nodes, features], pairs [pairs, 2]")
        .into()
}
