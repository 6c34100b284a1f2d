//! Graphs: a handle of the host, whose derived forms are computed once and kept with it.

use abi_stable::StableAbi;
use plugin_api_macros::boundary;

use crate::{Result, Tensor, services};

mod change;

/// What the host does with a graph. Authors call it on a [`Graph`].
#[boundary(owned)]
pub trait Edges: Send + Sync {
    /// A second handle to the same graph.
    fn again(&self) -> Graph;
    /// Number of nodes.
    fn nodes(&self) -> i64;
    /// Where each edge comes from: `[edges]`, int64, ordered by target.
    fn sources(&self) -> Tensor;
    /// Where each edge goes to: `[edges]`, int64, ascending.
    fn targets(&self) -> Tensor;
    /// Weight of each edge: `[edges]`; ones where none was given.
    fn weight(&self) -> Tensor;
    /// Sum of the weights of the edges that go to each node: `[nodes]`.
    fn degrees(&self) -> Tensor;
    /// Adds up what comes over the edges: `out[i] = sum over edges j -> i of weight * x[j]`, `[nodes, features]`.
    ///
    /// A sparse product with gradients of its own, of any order.
    fn matmul(&self, x: &Tensor) -> Result<Tensor>;
    /// The graph with an edge of weight 1 from each node to itself, in place of any that is there; kept.
    fn with_self_loops(&self) -> Result<Graph>;
    /// `D^-1/2 A D^-1/2`, where `D` holds the degrees; a node without edges stays at zero; kept.
    fn normalised(&self) -> Result<Graph>;
    /// For each node the number of its connected component, counted from 0 in the order of their first nodes:
    /// `[nodes]`, int64; kept.
    fn components(&self) -> Result<Tensor>;
    /// The graph on the CUDA device of this number, or on the CPU for -1.
    fn on_device(&self, device: i64) -> Result<Graph>;
    /// Number of nodes that edges come from: `nodes`, unless sources and targets are of two kinds.
    fn source_nodes(&self) -> i64;
    /// The same edges the other way round; kept.
    fn transposed(&self) -> Result<Graph>;
    /// The same edges with these weights, `[edges]`, in the order of `sources` and `targets`. What follows from the
    /// edges alone stays kept; a weight that requires gradients is felt by everything that depends on weights.
    fn weighted(&self, weight: &Tensor) -> Result<Graph>;
    /// [`matmul`](Edges::matmul) so many times: `A^hops x`. Without gradients it is kept, so that it costs nothing to
    /// ask again for the same tensor.
    fn power(&self, x: &Tensor, hops: i64) -> Result<Tensor>;
    /// Another graph of whoever holds this one: see [`Graph::bipartite`].
    fn another(
        &self,
        nodes: i64,
        source_nodes: i64,
        sources: &Tensor,
        targets: &Tensor,
        weight: Option<Tensor>,
    ) -> Result<Graph>;
    /// Attention from scores: `weight * exp(score)` over its sum among the edges that go to the same node, for each head:
    /// `[edges, heads]`, as `score` is.
    ///
    /// An edge of weight 0, or with a score of minus infinity, is as if it were not there; zeros where the sum is 0.
    fn softmax(&self, score: &Tensor) -> Result<Tensor>;
    /// Attention from what both ends bring, `[source nodes, heads]` and `[nodes, heads]`: the [softmax](Edges::softmax)
    /// of `leaky(source[j] + target[i])` for edges `j -> i`, where `slope` is that of the leaky unit below zero:
    /// `[edges, heads]`.
    ///
    /// The scores of Velickovic et al. 2018 are of this form; no tensor of them is made.
    fn attention(&self, source: &Tensor, target: &Tensor, slope: f64) -> Result<Tensor>;
    /// Adds up what comes over the edges, head by head: `out[i, h] = sum over edges e: j -> i of attention[e, h] * x[j, h]`,
    /// `[nodes, heads, features]`, for `x` of `[source nodes, heads, features]`. Weights have no part in it: what makes
    /// the attention counts them.
    ///
    /// On the CPU nothing of `[edges, heads, features]` is stored, in the backward pass neither; gradients are of any
    /// order.
    fn attend(&self, attention: &Tensor, x: &Tensor) -> Result<Tensor>;
    /// The largest of the numbers that come over edges, feature by feature: `[nodes, features]`; zeros where no edge comes
    /// in. Weights change no number, but an edge of weight 0 is as if it were not there. Of several that are equal the
    /// first has the gradient.
    fn max(&self, x: &Tensor) -> Result<Tensor>;
    /// The mean of what comes over the edges: [`Edges::matmul`] over [`Edges::degrees`], `[nodes, features]`; zeros where
    /// those are 0.
    fn mean(&self, x: &Tensor) -> Result<Tensor>;
    /// A number that handles to one graph share, and no other graph has while one of them lives; 0 for a graph whose
    /// weights learn, of which nothing can be kept.
    fn identity(&self) -> u64;
}

/// A directed graph; an undirected one holds each edge in both directions. Sources and targets may be nodes of two kinds,
/// as users and items are; so may samples and their features, which makes sparse features a graph, too.
#[repr(transparent)]
#[derive(StableAbi)]
pub struct Graph(EdgesObj);

impl Graph {
    /// A graph of these edges: `sources` and `targets` are `[edges]`, int64; `weight` is `[edges]`.
    ///
    /// # Errors
    /// Where the lengths differ or a node is out of bounds.
    pub fn new(
        nodes: i64,
        sources: &tch::Tensor,
        targets: &tch::Tensor,
        weight: Option<&tch::Tensor>,
    ) -> Result<Graph> {
        Graph::bipartite(nodes, nodes, sources, targets, weight)
    }

    /// A graph whose edges come from `source_nodes` nodes of another kind.
    ///
    /// # Errors
    /// Where the lengths differ or a node is out of bounds.
    pub fn bipartite(
        nodes: i64,
        source_nodes: i64,
        sources: &tch::Tensor,
        targets: &tch::Tensor,
        weight: Option<&tch::Tensor>,
    ) -> Result<Graph> {
        services()?.graph(
            nodes,
            source_nodes,
            &sources.into(),
            &targets.into(),
            weight.map(Tensor::from),
        )
    }

    /// Features of which most are zero, `[nodes, features]`, as a graph from features to nodes:
    /// [`Batch::product`](crate::Batch::product) takes them as it takes dense ones.
    ///
    /// # Errors
    /// Where `features` is no matrix.
    pub fn sparse(features: &tch::Tensor) -> Result<Graph> {
        let (nodes, width) = features.size2()?;
        let there = features.f_nonzero()?;
        let (at_node, at_feature) = (there.f_select(1, 0)?, there.f_select(1, 1)?);
        let values = features.f_reshape([-1])?;
        let values = values.f_index_select(0, &at_node.f_mul_scalar(width)?.f_add(&at_feature)?)?;
        Graph::bipartite(nodes, width, &at_feature, &at_node, Some(&values))
    }

    /// A handle to what the host implements.
    pub fn of(edges: Box<dyn Edges>) -> Graph {
        Graph(EdgesObj::new(edges, crate::boundary::Owner::UNNAMED))
    }

    /// Same as [`Edges::matmul`], for a tensor of `tch`.
    ///
    /// # Errors
    /// Where `x` does not fit.
    pub fn matmul(&self, x: &tch::Tensor) -> Result<tch::Tensor> {
        Ok(self.0.matmul(&x.into())?.into())
    }
}

impl std::ops::Deref for Graph {
    type Target = EdgesObj;
    fn deref(&self) -> &EdgesObj {
        &self.0
    }
}

impl Clone for Graph {
    fn clone(&self) -> Self {
        self.0.again()
    }
}

impl std::fmt::Debug for Graph {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "Graph({} nodes, {} edges)",
            self.nodes(),
            self.sources().size()[0]
        )
    }
}
