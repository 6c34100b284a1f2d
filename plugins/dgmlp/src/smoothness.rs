//! How smooth the features of nodes are: like those that they began with, and unlike those that smoothing tends to.
//!
//! ```text
//! s_i^k = a_i^k (1 - b_i^k),   a_i^k = cos(x_i^0, x_i^k),   b_i^k = cos(x_inf of i, x_i^k)
//! ```
//!
//! It is the paper's node smoothing level. Columns are taken in blocks, of which all nodes fit into a processor's cache.

use plugin_api::prelude::*;
use plugin_api::{schemars, serde};

/// Columns of a block: 34,000 nodes take 9 MB.
const COLUMNS: i64 = 64;

/// What counts as the state that smoothing tends to.
#[derive(Clone, Copy, serde::Deserialize, schemars::JsonSchema)]
#[serde(crate = "plugin_api::serde", rename_all = "kebab-case")]
#[schemars(crate = "plugin_api::schemars", inline)]
pub(crate) enum Limit {
    /// As in the authors' code: that of the random walk, weighted by degree: `c_j = (deg_j + 1) / sum (deg + 1)`.
    Reference,
    /// That of `S` itself, weighted by the degree's root: `c_j = sqrt(deg_j + 1)`. A node's own factor and that of its
    /// component are left out, as only the direction counts.
    Symmetric,
}

/// What hops are compared with.
pub(crate) struct Smoothness {
    /// What the nodes began with, and its norms.
    start: (Vec<Tensor>, Tensor),
    /// What smoothing tends to, and its norms.
    limit: (Vec<Tensor>, Tensor),
}

impl Smoothness {
    pub(crate) fn new(x: &Tensor, graph: &Graph, limit: Limit) -> Result<Self> {
        let with_norms = |x: &Tensor| -> Result<_> {
            let blocks = blocks(x)?;
            let norms = norms(&blocks)?;
            Ok((blocks, norms))
        };
        Ok(Smoothness {
            start: with_norms(x)?,
            limit: with_norms(&limit.of(x, graph)?)?,
        })
    }

    /// What the nodes began with, in blocks.
    pub(crate) fn start(&self) -> Vec<Tensor> {
        { self.start.0.iter() }.map(Tensor::shallow_clone).collect()
    }

    /// The smoothing level of each node at this hop: `[nodes]`.
    pub(crate) fn of(&self, hop: &[Tensor]) -> Result<Tensor> {
        let norms = norms(hop)?;
        let cosine = |(with, own): &(Vec<Tensor>, Tensor)| -> Result<Tensor> {
            Ok(products(with, hop)?.f_div(&own.f_mul(&norms)?)?)
        };
        let (near, over) = (cosine(&self.start)?, cosine(&self.limit)?);
        Ok(near.f_mul(&over.f_neg()?.f_add_scalar(1.0)?)?)
    }
}

impl Limit {
    /// The state that smoothing tends to, for each node: `[nodes, features]`.
    fn of(self, x: &Tensor, graph: &Graph) -> Result<Tensor> {
        let degrees = graph.with_self_loops()?.degrees(); // deg + 1
        let degrees = degrees.f_to_kind(x.kind())?.f_unsqueeze(-1)?; // [nodes, 1]
        let share = match self {
            Limit::Reference => degrees.f_div(&by_component(&degrees, graph)?)?,
            Limit::Symmetric => degrees.f_sqrt()?,
        };
        by_component(&x.f_mul(&share)?, graph)
    }
}

/// The columns of a matrix, in blocks.
fn blocks(x: &Tensor) -> Result<Vec<Tensor>> {
    let blocks = x.f_split(COLUMNS, 1)?.into_iter();
    blocks.map(|block| Ok(block.f_contiguous()?)).collect()
}

/// One hop further; each block is let go once the next hop's is there.
pub(crate) fn step(smoothing: &Graph, hop: Vec<Tensor>) -> Result<Vec<Tensor>> {
    let blocks = hop.into_iter();
    blocks.map(|block| smoothing.matmul(&block)).collect()
}

/// The sum over each node's component, at each of its nodes: `[nodes, features]`.
fn by_component(x: &Tensor, graph: &Graph) -> Result<Tensor> {
    let component = graph.components()?;
    // There are no more components than nodes; sums of those that do not exist stay at zero and are not read.
    Ok(x.f_zeros_like()?
        .f_index_add(0, &component, x)?
        .f_index_select(0, &component)?)
}

/// The norm of each row. The authors add 1e-10: a row of zeros then gives a cosine of 0, not NaN.
fn norms(blocks: &[Tensor]) -> Result<Tensor> {
    let norm = |x: &Tensor, along: i64| x.f_norm_scalaropt_dim(2.0, [along], false);
    let parts = blocks.iter().map(|block| Ok(norm(block, -1)?));
    let parts = Tensor::f_stack(&parts.collect::<Result<Vec<_>>>()?, 0)?;
    Ok(norm(&parts, 0)?.f_add_scalar(1e-10)?)
}

/// The product of each row of the one with that of the other.
fn products(some: &[Tensor], others: &[Tensor]) -> Result<Tensor> {
    let mut sum: Option<Tensor> = None;
    for (a, b) in some.iter().zip(others) {
        let part = a.f_mul(b)?.f_sum_dim_intlist(-1, false, None)?;
        sum = Some(match sum {
            None => part,
            Some(sum) => sum.f_add(&part)?,
        });
    }
    sum.context("there is a column")
}
