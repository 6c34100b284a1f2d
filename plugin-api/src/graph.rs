//! Graphs: a handle of the host, whose derived forms are computed once and kept with it.

use abi_stable::StableAbi;
use plugin_api_macros::boundary;

use crate::{Result, Tensor, services};

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
}

/// A directed graph; an undirected one holds each edge in both directions.
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
        services()?.graph(
            nodes,
            &sources.into(),
            &targets.into(),
            weight.map(Tensor::from),
        )
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
