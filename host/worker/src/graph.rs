//! Graphs: edges by target, and the forms that follow from them, each computed once.

use std::sync::{Arc, Mutex, PoisonError};

use plugin_api::boundary::raise;
use plugin_api::{Edges, Error, Graph, Result, Tensor};
use tch::{Device, Kind};

use crate::native::{Csr, Pattern, spmm, stable_order};

/// A graph of these edges, ordered by target, then by source; edges that are there twice stay twice.
///
/// A weight that requires gradients gets them from everything that is computed from the graph, and follows the tensor
/// as it learns. Any other weight is copied.
///
/// # Errors
/// Where the parts do not fit together or an edge leaves the graph.
pub fn graph(
    nodes: i64,
    sources: &tch::Tensor,
    targets: &tch::Tensor,
    weight: Option<&tch::Tensor>,
) -> Result<Graph> {
    let n_nodes = usize::try_from(nodes).map_err(|_| {
        Error::new("a graph cannot have this many nodes")
            .found(nodes)
            .expected("0 or more")
    })?;
    check_part("sources", sources, &[Kind::Int64])?;
    check_part("targets", targets, &[Kind::Int64])?;
    if let Some(weight) = weight {
        check_part("weight", weight, &[Kind::Float, Kind::Double])?;
    }
    check_parts_agree(sources, targets, weight)?;
    let (from, to) = (Vec::try_from(sources)?, Vec::try_from(targets)?);
    check_bounds(n_nodes, &from, &to)?;

    let device = sources.device();
    let (topology, order) = Topology::new(n_nodes, &from, &to, device)?;
    let (kind, weights) = match weight {
        None => (
            Kind::Float,
            Weights::constant(tch::Tensor::f_ones(
                [from.len() as i64],
                (Kind::Double, device),
            )?),
        ),
        Some(weight) => (weight.kind(), Weights::new(weight, order)?),
    };
    Ok(Weighted::new(Arc::new(topology), kind, weights).handle())
}

fn check_part(name: &str, part: &tch::Tensor, kinds: &[Kind]) -> Result<()> {
    if part.dim() == 1 && kinds.contains(&part.kind()) {
        return Ok(());
    }
    let kinds: Vec<_> = kinds.iter().map(|&kind| kind_name(kind)).collect();
    Err(
        Error::new(format!("`{name}` cannot describe the edges of a graph"))
            .found(format!("{} {:?}", kind_name(part.kind()), part.size()))
            .expected(format!("{} [edges]", kinds.join(" or ")))
            .into(),
    )
}

fn check_parts_agree(
    sources: &tch::Tensor,
    targets: &tch::Tensor,
    weight: Option<&tch::Tensor>,
) -> Result<()> {
    let parts: Vec<_> = [("sources", sources), ("targets", targets)]
        .into_iter()
        .chain(weight.map(|weight| ("weight", weight)))
        .collect();
    let (lengths, devices): (Vec<_>, Vec<_>) = parts
        .iter()
        .map(|(name, part)| {
            (
                format!("`{name}` {}", part.size()[0]),
                format!("`{name}` on {:?}", part.device()),
            )
        })
        .unzip();
    if parts.iter().any(|(_, part)| part.size() != sources.size()) {
        return Err(Error::new("the edges of a graph differ in number")
            .found(lengths.join(", "))
            .expected("one of each for each edge")
            .into());
    }
    if parts
        .iter()
        .any(|(_, part)| part.device() != sources.device())
    {
        return Err(Error::new("the edges of a graph are on different devices")
            .found(devices.join(", "))
            .into());
    }
    Ok(())
}

fn check_bounds(nodes: usize, sources: &[i64], targets: &[i64]) -> Result<()> {
    let outside = |node: i64| usize::try_from(node).map_or(true, |node| node >= nodes);
    let Some(edge) = (0..sources.len()).find(|&e| outside(sources[e]) || outside(targets[e]))
    else {
        return Ok(());
    };
    Err(Error::new(format!("edge {edge} leaves the graph"))
        .found(format!("{} -> {}", sources[edge], targets[edge]))
        .expected(match nodes {
            0 => "no edges, since there are no nodes".to_string(),
            1 => "node 0 at both ends".to_string(),
            _ => format!("nodes 0 to {} at both ends", nodes - 1),
        })
        .into())
}

fn kind_name(kind: Kind) -> String {
    match kind {
        Kind::Float => "float32".into(),
        Kind::Double => "float64".into(),
        other => format!("{other:?}").to_lowercase(),
    }
}

/// A value that threads share.
///
/// `tch::Tensor` may move to another thread but not be used from two, so the handle that is kept here is used under the
/// lock alone, to make another. Handles share their storage, as they do everywhere in libtorch: that nobody changes it
/// while others read is up to whoever changes tensors in place.
struct Shared<T>(Mutex<T>);

impl<T: Clone> Shared<T> {
    fn new(value: T) -> Self {
        Shared(Mutex::new(value))
    }

    fn get(&self) -> T {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}

/// A value that is computed at first use, and kept.
struct Kept<T>(Mutex<Option<T>>);

impl<T> Default for Kept<T> {
    fn default() -> Self {
        Kept(Mutex::new(None))
    }
}

impl<T: Clone> Kept<T> {
    /// Computes under the lock, so that it happens once: a form may need others, but none needs itself.
    fn get(&self, compute: impl FnOnce() -> Result<T>) -> Result<T> {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match &*kept {
            Some(value) => Ok(value.clone()),
            None => Ok(kept.insert(compute()?).clone()),
        }
    }
}

/// Which edges there are. Graphs that differ in their weights alone have it in common.
struct Topology {
    nodes: usize,
    device: Device,
    sources: Shared<Tensor>,
    targets: Shared<Tensor>,
    pattern: Kept<Pattern>,
    with_self_loops: Kept<(Arc<Topology>, Tensor)>,
    components: Kept<Tensor>,
}

impl Topology {
    /// The topology of edges within bounds, and the order into which they were brought.
    fn new(
        nodes: usize,
        sources: &[i64],
        targets: &[i64],
        device: Device,
    ) -> Result<(Topology, Tensor)> {
        let order = stable_order(sources, nodes, 0..sources.len());
        let order = stable_order(targets, nodes, order.into_iter());
        let pick = |of: &[i64]| tensor(&order.iter().map(|&e| of[e]).collect::<Vec<_>>(), device);
        let (sources, targets) = (pick(sources)?, pick(targets)?);
        let order: Vec<i64> = order.iter().map(|&e| e as i64).collect();
        Ok((
            Self::of_ordered(nodes, device, sources, targets),
            tensor(&order, device)?,
        ))
    }

    fn of_ordered(nodes: usize, device: Device, sources: Tensor, targets: Tensor) -> Topology {
        Topology {
            nodes,
            device,
            sources: Shared::new(sources),
            targets: Shared::new(targets),
            pattern: Kept::default(),
            with_self_loops: Kept::default(),
            components: Kept::default(),
        }
    }

    fn sources_and_targets(&self) -> Result<(Vec<i64>, Vec<i64>)> {
        Ok((
            Vec::try_from(&*self.sources.get())?,
            Vec::try_from(&*self.targets.get())?,
        ))
    }

    fn pattern(&self) -> Result<Pattern> {
        self.pattern.get(|| {
            let (sources, targets) = self.sources_and_targets()?;
            Pattern::new(self.nodes, self.nodes, &targets, &sources)
        })
    }

    /// With one loop at each node; and for each edge its number among the edges that were there followed by new loops.
    fn with_self_loops(&self) -> Result<(Arc<Topology>, Tensor)> {
        self.with_self_loops.get(|| {
            let (sources, targets) = self.sources_and_targets()?;
            let others = (0..sources.len()).filter(|&e| sources[e] != targets[e]);
            let ids: Vec<usize> = others
                .chain(sources.len()..sources.len() + self.nodes)
                .collect();
            let end = |of: &[i64], id: usize| {
                of.get(id)
                    .copied()
                    .unwrap_or_else(|| (id - of.len()) as i64)
            };
            let ends = |of: &[i64]| ids.iter().map(|&id| end(of, id)).collect::<Vec<_>>();
            let (topology, order) =
                Topology::new(self.nodes, &ends(&sources), &ends(&targets), self.device)?;
            let ids = tensor(
                &ids.iter().map(|&id| id as i64).collect::<Vec<_>>(),
                self.device,
            )?;
            Ok((Arc::new(topology), ids.f_index_select(0, &order)?.into()))
        })
    }

    fn components(&self) -> Result<Tensor> {
        self.components.get(|| {
            let (sources, targets) = self.sources_and_targets()?;
            tensor(&components(self.nodes, &sources, &targets), self.device)
        })
    }

    fn to_device(&self, device: Device) -> Result<Topology> {
        let sources = self.sources.get().f_to_device(device)?;
        let targets = self.targets.get().f_to_device(device)?;
        Ok(Self::of_ordered(
            self.nodes,
            device,
            sources.into(),
            targets.into(),
        ))
    }
}

fn tensor(values: &[i64], device: Device) -> Result<Tensor> {
    Ok(tch::Tensor::f_from_slice(values)?
        .f_to_device(device)?
        .into())
}

/// For each node the number of its connected component, counted in the order of their first nodes.
fn components(nodes: usize, sources: &[i64], targets: &[i64]) -> Vec<i64> {
    // Union-find: each node points towards the first node of its component.
    let mut up: Vec<usize> = (0..nodes).collect();
    fn top(up: &mut [usize], mut node: usize) -> usize {
        while up[node] != node {
            up[node] = up[up[node]];
            node = up[node];
        }
        node
    }
    for (&source, &target) in sources.iter().zip(targets) {
        let (a, b) = (top(&mut up, source as usize), top(&mut up, target as usize));
        up[a.max(b)] = a.min(b);
    }
    let mut numbers = vec![0; nodes];
    let mut count = 0;
    for node in 0..nodes {
        let first = top(&mut up, node);
        numbers[node] = if first == node { count } else { numbers[first] };
        count += i64::from(first == node);
    }
    numbers
}

/// The weights of a topology's edges.
enum Weights {
    /// In float64 whatever kind is handed out, so that forms of forms are rounded once.
    Constant(Shared<Tensor>),
    /// They require gradients. Nothing that depends on them is kept: they change as they learn, and a backward pass
    /// frees what leads to them.
    Learned {
        given: Shared<Tensor>,
        order: Shared<Tensor>,
    },
}

impl Weights {
    /// The weights that are at `order` in `given`.
    fn new(given: &tch::Tensor, order: Tensor) -> Result<Weights> {
        if given.requires_grad() {
            return Ok(Weights::Learned {
                given: Shared::new(given.into()),
                order: Shared::new(order),
            });
        }
        Ok(Weights::constant(
            given.f_to_kind(Kind::Double)?.f_index_select(0, &order)?,
        ))
    }

    fn constant(weights: tch::Tensor) -> Weights {
        Weights::Constant(Shared::new(weights.into()))
    }

    fn is_constant(&self) -> bool {
        matches!(self, Weights::Constant(_))
    }

    /// In the order of the edges.
    fn get(&self) -> Result<tch::Tensor> {
        match self {
            Weights::Constant(weights) => Ok(weights.get().into()),
            Weights::Learned { given, order } => Ok(given.get().f_index_select(0, &order.get())?),
        }
    }

    fn to_device(&self, device: Device) -> Result<Weights> {
        let moved = |t: &Shared<Tensor>| Ok::<_, tch::TchError>(t.get().f_to_device(device)?);
        match self {
            Weights::Constant(weights) => Ok(Weights::constant(moved(weights)?)),
            Weights::Learned { given, order } => Weights::new(&moved(given)?, moved(order)?.into()),
        }
    }
}

/// A graph, with the forms that depend on its weights.
struct Weighted {
    topology: Arc<Topology>,
    /// The kind in which weights are handed out.
    kind: Kind,
    weights: Weights,
    degrees: Kept<Tensor>,
    csr_f32: Kept<Csr>,
    csr_f64: Kept<Csr>,
    with_self_loops: Kept<Arc<Weighted>>,
    normalised: Kept<Arc<Weighted>>,
}

impl Weighted {
    fn new(topology: Arc<Topology>, kind: Kind, weights: Weights) -> Arc<Weighted> {
        Arc::new(Weighted {
            topology,
            kind,
            weights,
            degrees: Kept::default(),
            csr_f32: Kept::default(),
            csr_f64: Kept::default(),
            with_self_loops: Kept::default(),
            normalised: Kept::default(),
        })
    }

    fn handle(self: Arc<Self>) -> Graph {
        Graph::of(Box::new(Handle(self)))
    }

    /// What follows from the weights: kept if they are constant.
    fn form<T: Clone>(&self, kept: &Kept<T>, compute: impl FnOnce() -> Result<T>) -> Result<T> {
        if self.weights.is_constant() {
            kept.get(compute)
        } else {
            compute()
        }
    }

    /// In the kind of the weights as they are held.
    fn degrees(&self) -> Result<Tensor> {
        self.form(&self.degrees, || {
            let weights = self.weights.get()?;
            let zeros = tch::Tensor::f_zeros(
                [self.topology.nodes as i64],
                (weights.kind(), weights.device()),
            )?;
            Ok(zeros
                .f_index_add(0, &self.topology.targets.get(), &weights)?
                .into())
        })
    }

    fn matmul(&self, x: &tch::Tensor) -> Result<tch::Tensor> {
        self.check(x)?;
        if self.weights.is_constant() && self.topology.device == Device::Cpu {
            let kept = if x.kind() == Kind::Float {
                &self.csr_f32
            } else {
                &self.csr_f64
            };
            let csr = kept.get(|| {
                Csr::new(
                    self.topology.pattern()?,
                    &self.weights.get()?.f_to_kind(x.kind())?,
                )
            })?;
            return spmm(&csr, x);
        }
        let weights = self.weights.get()?.f_to_kind(x.kind())?;
        let messages = x
            .f_index_select(0, &self.topology.sources.get())?
            .f_mul(&weights.f_unsqueeze(1)?)?; // [edges, features]
        Ok(x.f_zeros_like()?
            .f_index_add(0, &self.topology.targets.get(), &messages)?)
    }

    fn check(&self, x: &tch::Tensor) -> Result<()> {
        let (nodes, device) = (self.topology.nodes, self.topology.device);
        if !matches!(x.size()[..], [rows, _] if rows == nodes as i64)
            || !matches!(x.kind(), Kind::Float | Kind::Double)
        {
            return Err(Error::new("x does not fit the graph")
                .found(format!("{} {:?}", kind_name(x.kind()), x.size()))
                .expected(format!("float32 or float64 [{nodes}, features]"))
                .into());
        }
        if x.device() != device {
            return Err(Error::new("x and the graph are on different devices")
                .found(format!("x on {:?}, the graph on {device:?}", x.device()))
                .help("bring both to one device: graph.on_device(-1) is the CPU")
                .into());
        }
        Ok(())
    }

    fn with_self_loops(&self) -> Result<Arc<Weighted>> {
        self.form(&self.with_self_loops, || {
            let (topology, ids) = self.topology.with_self_loops()?;
            let weights = self.weights.get()?;
            let ones =
                tch::Tensor::f_ones([topology.nodes as i64], (weights.kind(), weights.device()))?;
            let weights = Weights::new(&tch::Tensor::f_cat(&[weights, ones], 0)?, ids)?;
            Ok(Weighted::new(topology, self.kind, weights))
        })
    }

    fn normalised(&self) -> Result<Arc<Weighted>> {
        self.form(&self.normalised, || {
            let degrees = self.degrees()?;
            let below = degrees.f_lt(0.)?;
            if below.f_any()?.f_int64_value(&[])? != 0 {
                let node = below.f_nonzero()?.f_int64_value(&[0, 0])?;
                return Err(
                    Error::new("a graph with degrees below zero cannot be normalised")
                        .found(format!(
                            "{} at node {node}",
                            degrees.f_double_value(&[node])?
                        ))
                        .expected("weights that add up to 0 or more at each node")
                        .into(),
                );
            }
            // Zeros are replaced before the root and not after it, which would have infinite gradients.
            let zero = degrees.f_eq(0.)?;
            let factors = degrees
                .f_masked_fill(&zero, 1.)?
                .f_rsqrt()?
                .f_masked_fill(&zero, 0.)?;
            let at = |ends: &Shared<Tensor>| factors.f_index_select(0, &ends.get());
            let (topology, weights) = (&self.topology, self.weights.get()?);
            let weights = weights
                .f_mul(&at(&topology.targets)?)?
                .f_mul(&at(&topology.sources)?)?;
            let order = tch::Tensor::f_arange(weights.size()[0], (Kind::Int64, topology.device))?;
            Ok(Weighted::new(
                topology.clone(),
                self.kind,
                Weights::new(&weights, order.into())?,
            ))
        })
    }

    fn to_device(&self, device: Device) -> Result<Arc<Weighted>> {
        let topology = Arc::new(self.topology.to_device(device)?);
        Ok(Weighted::new(
            topology,
            self.kind,
            self.weights.to_device(device)?,
        ))
    }
}

/// One handle to a graph, as plugins hold it.
struct Handle(Arc<Weighted>);

impl Edges for Handle {
    fn again(&self) -> Graph {
        self.0.clone().handle()
    }

    fn nodes(&self) -> i64 {
        self.0.topology.nodes as i64
    }

    fn sources(&self) -> Tensor {
        self.0.topology.sources.get()
    }

    fn targets(&self) -> Tensor {
        self.0.topology.targets.get()
    }

    fn weight(&self) -> Tensor {
        let weight = || Ok(self.0.weights.get()?.f_to_kind(self.0.kind)?.into());
        weight().unwrap_or_else(|e| raise(e))
    }

    fn degrees(&self) -> Tensor {
        let degrees = || Ok(self.0.degrees()?.f_to_kind(self.0.kind)?.into());
        degrees().unwrap_or_else(|e| raise(e))
    }

    fn matmul(&self, x: &Tensor) -> Result<Tensor> {
        Ok(self.0.matmul(x)?.into())
    }

    fn with_self_loops(&self) -> Result<Graph> {
        Ok(self.0.with_self_loops()?.handle())
    }

    fn normalised(&self) -> Result<Graph> {
        Ok(self.0.normalised()?.handle())
    }

    fn components(&self) -> Result<Tensor> {
        self.0.topology.components()
    }

    fn on_device(&self, device: i64) -> Result<Graph> {
        let device = match device {
            -1 => Device::Cpu,
            gpu @ 0.. => Device::Cuda(gpu as usize),
            other => {
                let expected = "-1 for the CPU, or the number of a GPU";
                return Err(Error::new("a graph cannot be on this device")
                    .found(other)
                    .expected(expected)
                    .into());
            }
        };
        if device == self.0.topology.device {
            Ok(self.again())
        } else {
            Ok(self.0.to_device(device)?.handle())
        }
    }
}

#[cfg(test)]
mod tests {
    use plugin_api::tch::Tensor;

    use super::*;

    /// Small numbers that look random, the same in every run.
    struct Numbers(u64);

    impl Numbers {
        fn below(&mut self, n: usize) -> i64 {
            self.0 = self
                .0
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            ((self.0 >> 33) % n as u64) as i64
        }

        fn tensor(&mut self, size: &[i64]) -> Tensor {
            let n: i64 = size.iter().product();
            let values: Vec<f64> = (0..n)
                .map(|_| self.below(2001) as f64 / 1000. - 1.)
                .collect();
            Tensor::from_slice(&values).reshape(size)
        }
    }

    /// Nodes, sources, targets.
    type Case = (i64, Vec<i64>, Vec<i64>);

    fn cases() -> Vec<Case> {
        let mut cases = vec![
            (0, vec![], vec![]),
            (1, vec![], vec![]),
            (5, vec![], vec![]),
            (1, vec![0, 0], vec![0, 0]),
            (4, vec![2, 0, 2, 2, 0], vec![0, 2, 0, 2, 2]), // double edges, a loop, two nodes without edges
        ];
        let mut numbers = Numbers(7);
        for (nodes, edges) in [(2, 1), (6, 9), (10, 40), (50, 60), (30, 500)] {
            let mut ends = || (0..edges).map(|_| numbers.below(nodes)).collect::<Vec<_>>();
            cases.push((nodes as i64, ends(), ends()));
        }
        cases
    }

    fn make((nodes, sources, targets): &Case, weight: Option<&Tensor>) -> Graph {
        graph(
            *nodes,
            &Tensor::from_slice(sources),
            &Tensor::from_slice(targets),
            weight,
        )
        .unwrap()
    }

    /// Weights that no two edges have in common, none of them negative.
    fn weights(case: &Case) -> Tensor {
        (Numbers(3).tensor(&[case.1.len() as i64]) + 1.01).to_kind(Kind::Double)
    }

    /// Differentiable in the weight, whose edges are in the order of the case.
    fn dense((nodes, sources, targets): &Case, weight: &Tensor) -> Tensor {
        let at = [
            Some(Tensor::from_slice(targets)),
            Some(Tensor::from_slice(sources)),
        ];
        Tensor::zeros([*nodes, *nodes], (Kind::Double, Device::Cpu)).index_put(&at, weight, true)
    }

    fn dense_with_self_loops(a: &Tensor) -> Tensor {
        let eye = Tensor::eye(a.size()[0], (Kind::Double, Device::Cpu));
        a * (1. - &eye) + eye
    }

    fn dense_normalised(a: &Tensor) -> Tensor {
        let degrees = a.sum_dim_intlist([1i64].as_slice(), false, Kind::Double);
        let zero = degrees.eq(0.);
        let d = degrees
            .masked_fill(&zero, 1.)
            .pow_tensor_scalar(-0.5)
            .masked_fill(&zero, 0.);
        d.unsqueeze(1) * a * d.unsqueeze(0)
    }

    fn assert_close(a: &Tensor, b: &Tensor, what: &dyn std::fmt::Debug) {
        assert_eq!((a.size(), a.kind()), (b.size(), b.kind()), "{what:?}");
        let tolerance = if a.kind() == Kind::Float { 1e-5 } else { 1e-11 };
        assert!(
            a.allclose(b, tolerance, tolerance, false),
            "{what:?}: {a} and {b}"
        );
    }

    fn gradient(y: &Tensor, of: &Tensor) -> Tensor {
        Tensor::run_backward(&[y], &[of], true, true).remove(0)
    }

    /// The first, second and third derivative of a scalar along changing directions.
    fn derivatives(y: &Tensor, x: &Tensor) -> [Tensor; 3] {
        let along = |g: &Tensor, seed| (g * Numbers(seed).tensor(&g.size())).sum(Kind::Double);
        let first = gradient(y, x);
        let second = gradient(&along(&first, 1), x);
        let third = gradient(&along(&second, 2), x);
        [first, second, third]
    }

    /// Central differences of a scalar function.
    fn differences(f: impl Fn(&Tensor) -> Tensor, x: &Tensor) -> Tensor {
        let step = 1e-5;
        let n = x.numel() as i64;
        let at = |i: i64, by: f64| {
            let shift = Tensor::zeros([n], (Kind::Double, Device::Cpu));
            let _ = shift.get(i).fill_(by);
            f(&(x.detach() + shift.reshape(x.size()))).double_value(&[])
        };
        let slopes: Vec<f64> = (0..n)
            .map(|i| (at(i, step) - at(i, -step)) / (2. * step))
            .collect();
        Tensor::from_slice(&slopes).reshape(x.size())
    }

    fn learning(t: &Tensor) -> Tensor {
        t.detach().copy().set_requires_grad(true)
    }

    #[test]
    fn edges_are_in_order() {
        for case in cases() {
            let weight = weights(&case);
            let g = make(&case, Some(&weight));
            let list: Vec<f64> = Vec::try_from(&weight).unwrap();
            let mut expected: Vec<_> = case
                .2
                .iter()
                .zip(&case.1)
                .zip(list)
                .map(|((&t, &s), w)| (t, s, w))
                .collect();
            expected.sort_by_key(|&(t, s, _)| (t, s)); // stable
            let targets: Vec<i64> = Vec::try_from(&*g.targets()).unwrap();
            let sources: Vec<i64> = Vec::try_from(&*g.sources()).unwrap();
            let list: Vec<f64> = Vec::try_from(&*g.weight()).unwrap();
            let found: Vec<_> = targets
                .into_iter()
                .zip(sources)
                .zip(list)
                .map(|((t, s), w)| (t, s, w))
                .collect();
            assert_eq!(found, expected);
            assert_eq!(g.nodes(), case.0);
        }
    }

    #[test]
    fn products_are_those_of_the_dense_matrix() {
        for case in cases() {
            for features in [0, 1, 3, 16, 70, 130] {
                let x = Numbers(5).tensor(&[case.0, features]);
                let weight = weights(&case);
                let a = dense(&case, &weight);
                assert_close(
                    &make(&case, Some(&weight)).matmul(&x).unwrap(),
                    &a.matmul(&x),
                    &case,
                );
                let learned = make(&case, Some(&learning(&weight)));
                assert_close(&learned.matmul(&x).unwrap().detach(), &a.matmul(&x), &case);
                let x = x.to_kind(Kind::Float);
                let a = dense(&case, &weight.ones_like()).to_kind(Kind::Float);
                assert_close(&make(&case, None).matmul(&x).unwrap(), &a.matmul(&x), &case);
            }
        }
    }

    #[test]
    fn derivatives_of_any_order_are_those_of_the_dense_matrix() {
        for case in cases() {
            let weight = weights(&case);
            let (g, a) = (make(&case, Some(&weight)), dense(&case, &weight));
            let x = learning(&Numbers(5).tensor(&[case.0, 3]));
            let f = |product: &dyn Fn(&Tensor) -> Tensor, x: &Tensor| {
                product(&product(x).sin())
                    .pow_tensor_scalar(4)
                    .sum(Kind::Double)
            };
            let ours = |x: &Tensor| f(&|x| g.matmul(x).unwrap(), x);
            let theirs = f(&|x| a.matmul(x), &x);
            for (ours, theirs) in derivatives(&ours(&x), &x)
                .iter()
                .zip(derivatives(&theirs, &x))
            {
                assert_close(ours, &theirs, &case);
            }
            let slopes = differences(ours, &x);
            assert!(
                slopes.allclose(&gradient(&ours(&x), &x), 1e-5, 1e-5, false),
                "{case:?}"
            );
        }
    }

    #[test]
    fn weights_learn_through_every_form() {
        for case in cases() {
            let x = learning(&Numbers(5).tensor(&[case.0, 3]));
            let w = learning(&weights(&case));
            let ours = |w: &Tensor| {
                let g = make(&case, Some(w));
                let once = g.normalised().unwrap().matmul(&x).unwrap();
                let twice = g
                    .with_self_loops()
                    .unwrap()
                    .normalised()
                    .unwrap()
                    .matmul(&once.sin())
                    .unwrap();
                twice.pow_tensor_scalar(2).sum(Kind::Double)
                    + (&*g.degrees() * &*g.degrees()).sum(Kind::Double)
            };
            let theirs = |w: &Tensor| {
                let a = dense(&case, w);
                let once = dense_normalised(&a).matmul(&x);
                let twice = dense_normalised(&dense_with_self_loops(&a)).matmul(&once.sin());
                let degrees = a.sum_dim_intlist([1i64].as_slice(), false, Kind::Double);
                twice.pow_tensor_scalar(2).sum(Kind::Double)
                    + (&degrees * &degrees).sum(Kind::Double)
            };
            for of in [&w, &x] {
                for (ours, theirs) in derivatives(&ours(&w), of)
                    .iter()
                    .zip(derivatives(&theirs(&w), of))
                {
                    assert_close(ours, &theirs, &case);
                }
            }
            let slopes = differences(ours, &w);
            assert!(
                slopes.allclose(&gradient(&ours(&w), &w), 1e-4, 1e-4, false),
                "{case:?}"
            );
        }
    }

    #[test]
    fn a_graph_follows_its_weights_from_step_to_step() {
        let case = (3, vec![0, 1, 2], vec![1, 2, 0]);
        let mut w = learning(&weights(&case));
        let g = make(&case, Some(&w));
        let x = Numbers(5).tensor(&[3, 2]);
        for _ in 0..3 {
            let y = g
                .normalised()
                .unwrap()
                .matmul(&x)
                .unwrap()
                .pow_tensor_scalar(2)
                .sum(Kind::Double);
            let expected = dense_normalised(&dense(&case, &w))
                .matmul(&x)
                .pow_tensor_scalar(2)
                .sum(Kind::Double);
            assert_close(&y, &expected, &case);
            let step = Tensor::run_backward(&[&y], &[&w], false, false).remove(0);
            let _ = tch::no_grad(|| w.g_sub_(&(step * 0.1)));
        }
    }

    #[test]
    fn constant_weights_are_copied() {
        let case = (2, vec![0, 1], vec![0, 1]);
        let mut w = Tensor::from_slice(&[2., 3.]);
        let g = make(&case, Some(&w));
        let _ = w.fill_(0.);
        assert_eq!(*g.weight(), Tensor::from_slice(&[2., 3.]));
    }

    #[test]
    fn forms_are_those_of_the_dense_matrix() {
        for case in cases() {
            let weight = weights(&case);
            let (g, a) = (make(&case, Some(&weight)), dense(&case, &weight));
            let eye = Tensor::eye(case.0, (Kind::Double, Device::Cpu));
            let matrix = |g: Graph| g.matmul(&eye).unwrap();
            assert_close(
                &g.degrees(),
                &a.sum_dim_intlist([1i64].as_slice(), false, Kind::Double),
                &case,
            );
            assert_close(
                &matrix(g.with_self_loops().unwrap()),
                &dense_with_self_loops(&a),
                &case,
            );
            assert_close(
                &matrix(g.normalised().unwrap()),
                &dense_normalised(&a),
                &case,
            );
            let gcn = g.with_self_loops().unwrap().normalised().unwrap();
            assert_close(
                &matrix(gcn.clone()),
                &dense_normalised(&dense_with_self_loops(&a)),
                &case,
            );
            // The same from weights in float32.
            let g = make(&case, None);
            assert_eq!(
                (g.weight().kind(), g.degrees().kind()),
                (Kind::Float, Kind::Float)
            );
            let a = dense(&case, &weight.ones_like());
            assert_close(
                &matrix(g.normalised().unwrap()),
                &dense_normalised(&a),
                &case,
            );
        }
    }

    #[test]
    fn forms_are_kept() {
        let case = cases().remove(7);
        let g = make(&case, Some(&weights(&case)));
        let kept = |form: &dyn Fn(&Graph) -> plugin_api::Tensor| {
            form(&g).data_ptr() == form(&g.clone()).data_ptr()
        };
        assert!(kept(&|g| g.sources()));
        assert!(kept(&|g| g.weight()));
        assert!(kept(&|g| g.degrees()));
        assert!(kept(&|g| g.components().unwrap()));
        assert!(kept(&|g| g.normalised().unwrap().weight()));
        assert!(kept(&|g| g
            .with_self_loops()
            .unwrap()
            .normalised()
            .unwrap()
            .weight()));
        assert_eq!(
            g.normalised().unwrap().targets().data_ptr(),
            g.targets().data_ptr()
        );
    }

    #[test]
    fn any_number_of_threads_gives_the_same_bits() {
        let mut numbers = Numbers(11);
        // Most edges go to few nodes, so that shares of work begin and end anywhere.
        let (nodes, edges) = (3000, 60_000);
        let sources = (0..edges).map(|_| numbers.below(nodes)).collect();
        let targets = (0..edges)
            .map(|_| numbers.below(nodes).min(numbers.below(nodes)) / 2)
            .collect();
        let case = (nodes as i64, sources, targets);
        let g = make(&case, None).normalised().unwrap();
        let before = tch::get_num_threads();
        for features in [7, 64] {
            let x = learning(
                &numbers
                    .tensor(&[nodes as i64, features])
                    .to_kind(Kind::Float),
            );
            let both = |threads| {
                tch::set_num_threads(threads);
                let y = g.matmul(&x).unwrap();
                let slope = gradient(&y.pow_tensor_scalar(2).sum(Kind::Float), &x);
                (y, slope)
            };
            let (one, two) = (both(1), both(2));
            assert!(
                one.0.equal(&two.0) && one.1.equal(&two.1),
                "{features} features"
            );
        }
        tch::set_num_threads(before);
    }

    #[test]
    fn threads_share_a_graph() {
        let case = cases().pop().unwrap();
        let weight = weights(&case);
        let (g, a) = (
            make(&case, Some(&weight)),
            dense_normalised(&dense(&case, &weight)),
        );
        let x = Numbers(5).tensor(&[case.0, 8]);
        std::thread::scope(|scope| {
            for _ in 0..4 {
                let (g, x, y) = (&g, x.shallow_clone(), a.matmul(&x));
                scope.spawn(move || {
                    assert_close(&g.normalised().unwrap().matmul(&x).unwrap(), &y, &"shared")
                });
            }
        });
    }

    #[test]
    fn names_of_nodes_do_not_matter() {
        for case in cases() {
            let mut to: Vec<i64> = (0..case.0).collect();
            to.reverse();
            to.rotate_left(case.0 as usize / 3);
            let rename = |ends: &[i64]| {
                ends.iter()
                    .map(|&node| to[node as usize])
                    .collect::<Vec<_>>()
            };
            let renamed = (case.0, rename(&case.1), rename(&case.2));
            let (to, x) = (Tensor::from_slice(&to), Numbers(5).tensor(&[case.0, 5]));
            let run = |case: &Case, x: &Tensor| {
                let g = make(case, Some(&weights(case)))
                    .with_self_loops()
                    .unwrap()
                    .normalised()
                    .unwrap();
                g.matmul(x).unwrap()
            };
            let moved = x.zeros_like().index_copy(0, &to, &x); // node i is now node to[i]
            assert_close(
                &run(&renamed, &moved).index_select(0, &to),
                &run(&case, &x),
                &case,
            );
        }
    }

    #[test]
    fn components_are_numbered_by_their_first_nodes() {
        for case in cases() {
            let mut expected: Vec<i64> = (0..case.0).collect();
            for _ in 0..case.0 {
                for (&s, &t) in case.1.iter().zip(&case.2) {
                    let least = expected[s as usize].min(expected[t as usize]);
                    (expected[s as usize], expected[t as usize]) = (least, least);
                }
            }
            let mut firsts = expected.clone();
            firsts.sort_unstable();
            firsts.dedup();
            for number in &mut expected {
                *number = firsts.binary_search(number).unwrap() as i64;
            }
            let found: Vec<i64> = Vec::try_from(&*make(&case, None).components().unwrap()).unwrap();
            assert_eq!(found, expected, "{case:?}");
        }
    }

    /// The text of a failure.
    fn said<T>(result: Result<T>) -> String {
        result.err().expect("a failure").to_string()
    }

    #[test]
    fn says_what_is_wrong_with_the_edges() {
        let ints = |values: &[i64]| Tensor::from_slice(values);
        let floats = |values: &[f32]| Tensor::from_slice(values);
        let said = |nodes, sources: &Tensor, targets: &Tensor, weight: Option<&Tensor>| {
            said(graph(nodes, sources, targets, weight))
        };
        assert_eq!(
            said(3, &ints(&[0, 1, 2]), &ints(&[0, 1]), Some(&floats(&[1.]))),
            "the edges of a graph differ in number\n  found     `sources` 3, `targets` 2, `weight` 1\n  expected  one of \
             each for each edge"
        );
        assert_eq!(
            said(3, &ints(&[0, 1, 5, 7]), &ints(&[0, 1, 2, -1]), None),
            "edge 2 leaves the graph\n  found     5 -> 2\n  expected  nodes 0 to 2 at both ends"
        );
        assert_eq!(
            said(1, &ints(&[0]), &ints(&[-1]), None),
            "edge 0 leaves the graph\n  found     0 -> -1\n  expected  node 0 at both ends"
        );
        assert_eq!(
            said(0, &ints(&[0]), &ints(&[0]), None),
            "edge 0 leaves the graph\n  found     0 -> 0\n  expected  no edges, since there are no nodes"
        );
        assert_eq!(
            said(-2, &ints(&[]), &ints(&[]), None),
            "a graph cannot have this many nodes\n  found     -2\n  expected  0 or more"
        );
        assert_eq!(
            said(3, &floats(&[0.]), &ints(&[0]), None),
            "`sources` cannot describe the edges of a graph\n  found     float32 [1]\n  expected  int64 [edges]"
        );
        assert_eq!(
            said(3, &ints(&[0]), &ints(&[0]).reshape([1, 1]), None),
            "`targets` cannot describe the edges of a graph\n  found     int64 [1, 1]\n  expected  int64 [edges]"
        );
        assert_eq!(
            said(3, &ints(&[0]), &ints(&[0]), Some(&ints(&[1]))),
            "`weight` cannot describe the edges of a graph\n  found     int64 [1]\n  expected  float32 or float64 [edges]"
        );
    }

    #[test]
    fn says_what_a_graph_cannot_do() {
        let g = make(&(2, vec![0], vec![1]), None);
        let zeros = |size: &[i64], kind| Tensor::zeros(size, (kind, Device::Cpu));
        let expected = "expected  float32 or float64 [2, features]";
        for (x, found) in [
            (zeros(&[3, 2], Kind::Float), "float32 [3, 2]"),
            (zeros(&[2], Kind::Float), "float32 [2]"),
            (zeros(&[2, 2], Kind::Int64), "int64 [2, 2]"),
        ] {
            let text = format!("x does not fit the graph\n  found     {found}\n  {expected}");
            assert_eq!(said(g.matmul(&x)), text);
        }
        assert_eq!(
            said(g.on_device(-2)),
            "a graph cannot be on this device\n  found     -2\n  expected  -1 for the CPU, or the number of a GPU"
        );
        assert_eq!(
            said(make(&(2, vec![0], vec![1]), Some(&Tensor::from_slice(&[-1.]))).normalised()),
            "a graph with degrees below zero cannot be normalised\n  found     -1 at node 1\n  expected  weights that add up \
             to 0 or more at each node"
        );
        assert_eq!(
            g.on_device(-1).unwrap().targets().data_ptr(),
            g.targets().data_ptr()
        );
    }
}
