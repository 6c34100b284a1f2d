//! Graphs made from others: edges taken out and put in, rows, several graphs as one.

use tch::{Kind, Tensor};

use super::{Edges, Graph};
use crate::{Error, Result};

impl Graph {
    /// The graph without the edges between these pairs of nodes, `[pairs, 2]`, in both directions.
    ///
    /// # Errors
    /// Where `pairs` are none of this graph.
    pub fn without(&self, pairs: &Tensor) -> Result<Graph> {
        let [one, other] = self.both_ends(pairs)?;
        let gone = Tensor::f_cat(&[self.key(&one, &other)?, self.key(&other, &one)?], 0)?;
        self.filtered(&Tensor::f_isin(&self.keys()?, &gone, false, true)?)
    }

    /// The graph with an edge of weight 1 between each of these pairs of nodes, `[pairs, 2]`, in both directions.
    ///
    /// # Errors
    /// Where `pairs` are none of this graph.
    pub fn with(&self, pairs: &Tensor) -> Result<Graph> {
        let [one, other] = self.both_ends(pairs)?;
        // A loop is its own other direction.
        let back = one.f_ne_tensor(&other)?.f_nonzero()?.f_view([-1])?;
        let [from, to] = [&other, &one].map(|end| end.f_index_select(0, &back));
        self.appended(
            0,
            &Tensor::f_cat(&[one, from?], 0)?,
            &Tensor::f_cat(&[other, to?], 0)?,
        )
    }

    /// The graph with so many more nodes behind its own, and edges of weight 1 from `sources` to `targets`, `[edges]`.
    ///
    /// # Errors
    /// Where an edge leaves the graph.
    pub fn appended(&self, nodes: i64, sources: &Tensor, targets: &Tensor) -> Result<Graph> {
        let weight = self.weight();
        let ones = Tensor::f_ones(sources.size(), (weight.kind(), weight.device()))?;
        self.another(
            self.nodes() + nodes,
            self.source_nodes() + nodes,
            &Tensor::f_cat(&[&*self.sources(), sources], 0)?.into(),
            &Tensor::f_cat(&[&*self.targets(), targets], 0)?.into(),
            Some(Tensor::f_cat(&[&*weight, &ones], 0)?.into()),
        )
    }

    /// The edges that go to these nodes, `[rows]`: a graph to as many nodes, in which row `i` has the edges of the `i`-th.
    ///
    /// # Errors
    /// Where a node is out of bounds.
    pub fn rows(&self, nodes: &Tensor) -> Result<Graph> {
        let targets = self.targets();
        let device = targets.device();
        let degrees = targets.f_bincount(None::<Tensor>, self.nodes())?;
        let ends = degrees.f_cumsum(0, Kind::Int64)?;
        let (degrees, ends) = (
            degrees.f_index_select(0, nodes)?,
            ends.f_index_select(0, nodes)?,
        );
        let rows = nodes.size()[0];
        let row = Tensor::f_arange(rows, (Kind::Int64, device))?
            .f_repeat_interleave_self_tensor(&degrees, 0, None)?;
        // Its edges stand one behind the other: the last of a row at its end less one.
        let last = degrees.f_cumsum(0, Kind::Int64)?;
        let shift = ends.f_sub(&last)?.f_index_select(0, &row)?;
        let edge = Tensor::f_arange(row.size()[0], (Kind::Int64, device))?.f_add(&shift)?;
        self.another(
            rows,
            self.source_nodes(),
            &self.sources().f_index_select(0, &edge)?.into(),
            &row.into(),
            Some(self.weight().f_index_select(0, &edge)?.into()),
        )
    }

    /// Those of its edges that another graph of as many nodes has, too.
    ///
    /// # Errors
    /// Where the other graph has other numbers of nodes.
    pub fn common(&self, other: &Graph) -> Result<Graph> {
        self.filtered(&Tensor::f_isin(
            &self.keys()?,
            &self.keys_of(other)?,
            false,
            false,
        )?)
    }

    /// Those of its edges that another graph of as many nodes does not have.
    ///
    /// # Errors
    /// Where the other graph has other numbers of nodes.
    pub fn except(&self, other: &Graph) -> Result<Graph> {
        self.filtered(&Tensor::f_isin(
            &self.keys()?,
            &self.keys_of(other)?,
            false,
            true,
        )?)
    }

    /// Graphs as one, side by side: the nodes of each stand behind those of the one before.
    ///
    /// # Errors
    /// Where there are none, or their weights are of unlike kinds.
    pub fn side_by_side(graphs: &[Graph]) -> Result<Graph> {
        let Some(first) = graphs.first() else {
            return Err(Error::new("there is no graph to put beside others").into());
        };
        let (mut nodes, mut source_nodes) = (0, 0);
        let (mut sources, mut targets, mut weights) = (vec![], vec![], vec![]);
        for graph in graphs {
            sources.push(graph.sources().f_add_scalar(source_nodes)?);
            targets.push(graph.targets().f_add_scalar(nodes)?);
            weights.push(graph.weight());
            (nodes, source_nodes) = (nodes + graph.nodes(), source_nodes + graph.source_nodes());
        }
        let weights: Vec<&Tensor> = weights.iter().map(|weight| &**weight).collect();
        first.another(
            nodes,
            source_nodes,
            &Tensor::f_cat(&sources, 0)?.into(),
            &Tensor::f_cat(&targets, 0)?.into(),
            Some(Tensor::f_cat(&weights, 0)?.into()),
        )
    }

    /// So many copies of the graph side by side: with weights of its own for each, [`Edges::weighted`] by `[copies *
    /// edges]`, it runs many weightings at once.
    ///
    /// # Errors
    /// Where there are none.
    pub fn repeated(&self, copies: i64) -> Result<Graph> {
        let all: Vec<Graph> = (0..copies).map(|_| self.clone()).collect();
        Graph::side_by_side(&all)
    }

    /// From nodes to the graphs that they belong to, where so many nodes of each stand side by side: its product adds up
    /// each graph's nodes, `[graphs, features]`.
    ///
    /// # Errors
    /// Where a graph has fewer nodes than none.
    pub fn members(sizes: &[i64]) -> Result<Graph> {
        let graphs = Tensor::f_from_slice(&(0..sizes.len() as i64).collect::<Vec<_>>())?;
        let of = graphs.f_repeat_interleave_self_tensor(&Tensor::f_from_slice(sizes)?, 0, None)?;
        let nodes = of.size()[0];
        let all = Tensor::f_arange(nodes, (Kind::Int64, of.device()))?;
        Graph::bipartite(sizes.len() as i64, nodes, &all, &of, None)
    }

    /// The graph with those of its edges for which `[edges]` holds.
    fn filtered(&self, stay: &Tensor) -> Result<Graph> {
        let stay = stay.f_nonzero()?.f_view([-1])?;
        let left = |of: crate::Tensor| of.f_index_select(0, &stay);
        self.another(
            self.nodes(),
            self.source_nodes(),
            &left(self.sources())?.into(),
            &left(self.targets())?.into(),
            Some(left(self.weight())?.into()),
        )
    }

    /// A number for each edge, by which it is known: `[edges]`.
    fn keys(&self) -> Result<Tensor> {
        self.key(&self.sources(), &self.targets())
    }

    fn key(&self, from: &Tensor, to: &Tensor) -> Result<Tensor> {
        Ok(to.f_mul_scalar(self.source_nodes())?.f_add(from)?)
    }

    fn keys_of(&self, other: &Graph) -> Result<Tensor> {
        let size = |graph: &Graph| format!("{} from {}", graph.nodes(), graph.source_nodes());
        if size(self) != size(other) {
            return Err(
                Error::new("graphs of unlike numbers of nodes have no edges in common")
                    .found(format!("{} nodes", size(other)))
                    .expected(size(self))
                    .into(),
            );
        }
        other.keys()
    }

    /// The ends of pairs.
    fn both_ends(&self, pairs: &Tensor) -> Result<[Tensor; 2]> {
        let nodes = self.nodes();
        let fits = matches!(pairs.size()[..], [_, 2])
            && pairs.kind() == Kind::Int64
            && self.source_nodes() == nodes
            && !pairs
                .f_lt(0)?
                .f_logical_or(&pairs.f_ge(nodes)?)?
                .f_any()?
                .f_int64_value(&[])
                .is_ok_and(|any| any != 0);
        if !fits {
            let found = format!("{:?} {:?}", pairs.kind(), pairs.size());
            return Err(Error::new("these are no pairs of the graph's nodes")
                .found(found)
                .expected(format!("int64 [pairs, 2], numbers below {nodes}"))
                .into());
        }
        Ok([pairs.f_select(1, 0)?, pairs.f_select(1, 1)?])
    }
}
