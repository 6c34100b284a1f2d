//! Graphs of one's own in npz files: edges, and features of nodes.
//!
//! Edges have no direction. `edges` `[edges, 2]` holds each once, in either order; `edges_directed` holds each in both
//! directions. Features are dense, `x` `[nodes, features]`; the rows of a sparse matrix, `x_indptr`, `x_indices`, `x_data`
//! (ones where it is missing) and `x_shape`; or a kind of each node, `node_tag` `[nodes]`, a feature for each.

use plugin_api::prelude::*;
use plugin_api::{schemars, serde};

use crate::data::npz::{Array, Npz};

/// What the features of nodes are.
#[derive(Clone, Copy, PartialEq, serde::Deserialize, schemars::JsonSchema)]
#[serde(crate = "plugin_api::serde", rename_all = "kebab-case")]
#[schemars(crate = "plugin_api::schemars", inline)]
pub(crate) enum Source {
    /// Those of the file.
    Own,
    /// One for each node, which it alone has.
    Identity,
    /// One for each number of neighbours that a node can have.
    Degrees,
}

/// Features of nodes: `[nodes, features]`.
pub(crate) enum Features {
    Dense(Tensor),
    /// From features to nodes.
    Sparse(Graph),
}

/// How many nodes there are, where the file says so.
pub(crate) fn nodes(npz: &mut Npz) -> Result<Option<i64>> {
    if let Some(shape) = npz.find("x_shape")? {
        return Ok(Some(shape.shaped(&[("lengths", Some(2))])?.list()?[0]));
    }
    if let Some(nodes) = npz.find("nodes")? {
        return Ok(nodes.shaped(&[])?.list()?.first().copied());
    }
    for name in ["y", "node_tag", "x"] {
        if let Some(array) = npz.find(name)? {
            return Ok(array.size().first().copied());
        }
    }
    Ok(None)
}

/// The edges, each once, the smaller end first, in the order of the file. `nodes` is how many nodes there are; one more
/// than the largest number of a node, where it is not known.
pub(crate) fn edges(npz: &mut Npz, nodes: Option<i64>) -> Result<Edgelist> {
    let is_directed = npz.has("edges_directed");
    if is_directed && npz.has("edges") {
        return Err(
            Error::new(format!("`{}` has `edges` and `edges_directed`", npz.file))
                .expected("one of them")
                .into(),
        );
    }
    let array = npz.get(if is_directed {
        "edges_directed"
    } else {
        "edges"
    })?;
    edges_of(&array, nodes, is_directed)
}

/// The edges that an array holds, in both directions or each once.
pub(crate) fn edges_of(array: &Array, nodes: Option<i64>, is_directed: bool) -> Result<Edgelist> {
    if let ([2, edges], true) = (&array.size()[..], array.size() != [2, 2]) {
        return Err(array
            .is("has another shape")
            .found(format!("[2, {edges}]"))
            .expected("[edges, 2]")
            .help("transpose it: `edges.T`")
            .into());
    }
    array.has_shape(&[("edges", None), ("ends", Some(2))])?;
    let list = array.list()?;
    let pairs: Vec<[i64; 2]> = list
        .chunks_exact(2)
        .map(|ends| [ends[0], ends[1]])
        .collect();
    let largest = list.iter().max().copied().unwrap_or(-1);
    let nodes = nodes.unwrap_or(largest + 1);
    let wrong = |edge: usize, what: &str| {
        let [one, other] = pairs[edge];
        array
            .is(&format!("holds an edge {what} at [{edge}]"))
            .found(format!("{one}, {other}"))
    };
    for (edge, ends) in pairs.iter().enumerate() {
        if ends.iter().any(|end| !(0..nodes).contains(end)) {
            return Err(wrong(edge, "beyond the nodes")
                .expected(format!("nodes from 0 to {}", nodes - 1))
                .into());
        }
        if ends[0] == ends[1] {
            return Err(wrong(edge, "from a node to itself")
                .expected("edges between two nodes")
                .help("leave such edges out; layers that need them add them")
                .into());
        }
    }
    let key = |[one, other]: [i64; 2]| match is_directed {
        true => [one, other],
        false => [one.min(other), one.max(other)],
    };
    let mut order: Vec<usize> = (0..pairs.len()).collect();
    order.sort_by_key(|edge| (key(pairs[*edge]), *edge));
    if let Some(twice) = order
        .windows(2)
        .find(|two| key(pairs[two[0]]) == key(pairs[two[1]]))
    {
        let [first, again] = [twice[0], twice[1]];
        let what = format!("that is there before, at [{first}], once more");
        let again = wrong(again, &what);
        return Err(match is_directed {
            true => again.expected("each direction once"),
            false => again
                .expected("each edge once, in either order")
                .help("call the array `edges_directed` if it holds both directions of all edges"),
        }
        .into());
    }
    if is_directed {
        let is_there = |ends| {
            order
                .binary_search_by_key(&ends, |edge| pairs[*edge])
                .is_ok()
        };
        let lone = pairs
            .iter()
            .position(|[one, other]| !is_there([*other, *one]));
        if let Some(edge) = lone {
            return Err(wrong(edge, "in one direction alone")
                .expected("both directions of each edge")
                .help("call the array `edges` if it holds each edge once")
                .into());
        }
    }
    let pairs = pairs
        .iter()
        .filter(|[one, other]| !is_directed || one < other);
    let pairs = pairs
        .map(|[one, other]| [*one.min(other), *one.max(other)])
        .collect();
    Ok(Edgelist { nodes, pairs })
}

/// Edges without direction, each once.
pub(crate) struct Edgelist {
    /// How many nodes there are.
    pub(crate) nodes: i64,
    /// The ends of each edge, the smaller first.
    pub(crate) pairs: Vec<[i64; 2]>,
}

impl Edgelist {
    /// The graph, with both directions of each edge.
    pub(crate) fn graph(&self) -> Result<Graph> {
        let [one, other] = [0, 1].map(|end| self.pairs.iter().map(move |pair| pair[end]));
        let [sources, targets]: [Vec<i64>; 2] = [
            one.clone().chain(other.clone()).collect(),
            other.chain(one).collect(),
        ];
        Graph::new(
            self.nodes,
            &Tensor::f_from_slice(&sources)?,
            &Tensor::f_from_slice(&targets)?,
            None,
        )
    }

    /// How many neighbours each node has.
    fn degrees(&self) -> Vec<i64> {
        let mut degrees = vec![0; self.nodes as usize];
        for node in self.pairs.iter().flatten() {
            degrees[*node as usize] += 1;
        }
        degrees
    }
}

impl Features {
    /// Features of the nodes of these edges.
    ///
    /// # Errors
    /// Where the file has none, and is asked for them, or they are none of these nodes.
    pub(crate) fn read(npz: &mut Npz, source: Source, edges: &Edgelist) -> Result<Features> {
        match source {
            Source::Own => Features::own(npz, edges.nodes),
            Source::Identity => Features::one_each(&(0..edges.nodes).collect::<Vec<_>>()),
            Source::Degrees => Features::one_each(&edges.degrees()),
        }
    }

    fn own(npz: &mut Npz, nodes: i64) -> Result<Features> {
        if let Some(known) = npz.find("has_x")? {
            let known = known.samples(nodes)?.len() as i64;
            if known < nodes {
                return Err(Error::new(format!("`{}` lacks features of some nodes", npz.file))
                    .found(format!("those of {known} of {nodes} nodes"))
                    .help("for what looks at the graph alone: features = \"identity\" or \"degrees\"; else make a file with all of them for `baselines/graph-nodes`, as the README of `baselines` shows")
                    .into());
            }
        }
        if npz.has("x_indptr") {
            return Features::sparse(npz, nodes);
        }
        if let Some(x) = npz.find("x")? {
            let x = x.shaped(&[("nodes", Some(nodes)), ("features", None)])?;
            return Ok(Features::Dense(x.floats()?));
        }
        if let Some(tags) = npz.find("node_tag")? {
            let tags = tags.shaped(&[("nodes", Some(nodes))])?;
            let numbers = tags.list()?;
            return match numbers.iter().position(|tag| *tag < 0) {
                None => Features::one_each(&numbers),
                Some(at) => Err(tags
                    .is(&format!("holds a negative number at [{at}]"))
                    .found(numbers[at])
                    .expected("whole numbers from 0")
                    .into()),
            };
        }
        Err(
            Error::new(format!("`{}` has no features of nodes", npz.file))
                .expected("`x`, or `x_indptr` and what belongs to it, or `node_tag`")
                .help("set features = \"identity\" or \"degrees\" to do without")
                .into(),
        )
    }

    /// Of each node a 1 at the feature of this number.
    fn one_each(features: &[i64]) -> Result<Features> {
        let nodes = features.len() as i64;
        let width = features.iter().max().map_or(1, |largest| largest + 1);
        let rows = Tensor::f_arange(nodes, (Kind::Int64, Device::Cpu))?;
        let of = Tensor::f_from_slice(features)?;
        Ok(Features::Sparse(Graph::bipartite(
            nodes, width, &of, &rows, None,
        )?))
    }

    fn sparse(npz: &mut Npz, nodes: i64) -> Result<Features> {
        let shape = npz.get("x_shape")?.shaped(&[("lengths", Some(2))])?;
        let [rows, width] = shape.list()?[..] else {
            return Err(shape.is("is no shape of a matrix").into());
        };
        if rows != nodes || width < 1 {
            return Err(shape
                .is("is no shape of the features")
                .found(format!("[{rows}, {width}]"))
                .expected(format!("[{nodes}, features]"))
                .into());
        }
        let ends = npz
            .get("x_indptr")?
            .shaped(&[("numbers", Some(nodes + 1))])?;
        let indices = npz.get("x_indices")?.shaped(&[("numbers", None)])?;
        let (starts, columns) = (ends.list()?, indices.list()?);
        let ascends = starts.windows(2).all(|two| two[0] <= two[1]);
        if !ascends || starts[0] != 0 || starts[nodes as usize] != columns.len() as i64 {
            return Err(ends
                .is("does not say where rows begin")
                .found(format!("{} to {}", starts[0], starts[nodes as usize]))
                .expected(format!("ascending numbers from 0 to {}", columns.len()))
                .into());
        }
        for (row, bounds) in starts.windows(2).enumerate() {
            let of_row = &columns[bounds[0] as usize..bounds[1] as usize];
            if let Some(column) = of_row.iter().find(|column| !(0..width).contains(*column)) {
                return Err(indices
                    .is(&format!("gives row {row} a feature that is not there"))
                    .found(column)
                    .expected(format!("numbers from 0 to {}", width - 1))
                    .into());
            }
            if !of_row.is_sorted_by(|one, next| one < next) {
                return Err(indices
                    .is(&format!("gives row {row} features out of order, or twice"))
                    .expected("ascending numbers in each row")
                    .help("call `x.sum_duplicates()` of the SciPy matrix before it is saved")
                    .into());
            }
        }
        let values = match npz.find("x_data")? {
            None => None,
            Some(values) => {
                let values = values.shaped(&[("numbers", Some(columns.len() as i64))])?;
                Some(values.floats()?)
            }
        };
        let degrees = ends.whole()?.f_diff::<Tensor>(1, 0, None, None)?;
        let rows = Tensor::f_arange(nodes, (Kind::Int64, Device::Cpu))?;
        let rows = rows.f_repeat_interleave_self_tensor(&degrees, 0, None)?;
        let columns = indices.whole()?;
        let sparse = Graph::bipartite(nodes, width, &columns, &rows, values.as_ref())?;
        Ok(Features::Sparse(sparse))
    }

    /// How many there are of each node.
    pub(crate) fn width(&self) -> i64 {
        match self {
            Features::Dense(x) => x.size().get(1).copied().unwrap_or(0),
            Features::Sparse(x) => x.source_nodes(),
        }
    }

    /// Those of each node divided by the sum of their absolute values; a node without any stays so.
    pub(crate) fn normalised(self) -> Result<Features> {
        Ok(match self {
            Features::Dense(x) => {
                let sums = x
                    .f_abs()?
                    .f_sum_dim_intlist([1_i64].as_slice(), true, Kind::Float)?;
                let ones = sums.f_ones_like()?;
                Features::Dense(x.f_div(&sums.f_where_self(&sums.f_gt(0.0)?, &ones)?)?)
            }
            Features::Sparse(x) => {
                let sums = x.weighted(&x.weight().f_abs()?.into())?.degrees();
                let of_edge = sums.f_index_select(0, &x.targets())?;
                Features::Sparse(x.weighted(&x.weight().f_div(&of_edge)?.into())?)
            }
        })
    }

    /// As a tensor.
    pub(crate) fn dense(&self) -> Result<Tensor> {
        match self {
            Features::Dense(x) => Ok(x.shallow_clone()),
            Features::Sparse(x) => {
                let size = [x.nodes(), x.source_nodes()];
                let at = [x.targets(), x.sources()].map(|index| Some(Tensor::from(index)));
                let zeros = Tensor::f_zeros(size, (Kind::Float, Device::Cpu))?;
                Ok(zeros.f_index_put(&at, &x.weight(), false)?)
            }
        }
    }

    /// As layers take them, sparse where that is wanted.
    pub(crate) fn value(self, sparse: bool) -> Result<Value> {
        Ok(match (self, sparse) {
            (Features::Sparse(x), true) => x.into(),
            (Features::Dense(x), true) => Graph::sparse(&x)?.into(),
            (features, false) => features.dense()?.into(),
        })
    }
}
