//! Which edges a graph has, and the forms that follow from that alone.

use std::sync::Arc;

use plugin_api::{Error, Result, Tensor};
use tch::Device;

use super::keep::{Kept, Shared};
use crate::native::{Pattern, stable_order};

/// How many nodes there are.
#[derive(Clone, Copy, PartialEq)]
pub(super) struct Size {
    /// To which edges go.
    pub(super) nodes: usize,
    /// From which they come: as many, unless these are of another kind.
    pub(super) source_nodes: usize,
}

/// Which edges there are. Graphs that differ in their weights alone have it in common.
pub(super) struct Topology {
    pub(super) size: Size,
    pub(super) device: Device,
    pub(super) sources: Shared<Tensor>,
    pub(super) targets: Shared<Tensor>,
    pattern: Kept<Pattern>,
    with_self_loops: Kept<(Arc<Topology>, Tensor)>,
    components: Kept<Tensor>,
    transposed: Kept<(Arc<Topology>, Tensor)>,
}

impl Topology {
    /// The topology of edges within bounds, and the order into which they were brought.
    pub(super) fn new(
        size: Size,
        sources: &[i64],
        targets: &[i64],
        device: Device,
    ) -> Result<(Topology, Tensor)> {
        let order = stable_order(sources, size.source_nodes, 0..sources.len())?;
        let order = stable_order(targets, size.nodes, order.into_iter())?;
        let pick = |of: &[i64]| tensor(&order.iter().map(|&e| of[e]).collect::<Vec<_>>(), device);
        let (sources, targets) = (pick(sources)?, pick(targets)?);
        let order: Vec<i64> = order.iter().map(|&e| e as i64).collect();
        Ok((
            Self::of_ordered(size, device, sources, targets),
            tensor(&order, device)?,
        ))
    }

    pub(super) fn of_ordered(
        size: Size,
        device: Device,
        sources: Tensor,
        targets: Tensor,
    ) -> Topology {
        Topology {
            size,
            device,
            sources: Shared::new(sources),
            targets: Shared::new(targets),
            pattern: Kept::default(),
            with_self_loops: Kept::default(),
            components: Kept::default(),
            transposed: Kept::default(),
        }
    }

    pub(super) fn sources_and_targets(&self) -> Result<(Vec<i64>, Vec<i64>)> {
        Ok((
            Vec::try_from(&*self.sources.get())?,
            Vec::try_from(&*self.targets.get())?,
        ))
    }

    pub(super) fn pattern(&self) -> Result<Pattern> {
        self.pattern.get(|| {
            let (sources, targets) = self.sources_and_targets()?;
            let Size {
                nodes,
                source_nodes,
            } = self.size;
            Pattern::new(nodes, source_nodes, &targets, &sources)
        })
    }

    /// With one loop at each node; and for each edge its number among the edges that were there followed by new loops.
    pub(super) fn with_self_loops(&self) -> Result<(Arc<Topology>, Tensor)> {
        self.with_self_loops.get(|| {
            let nodes = self.nodes_of_one_kind("has no loops")?;
            let (sources, targets) = self.sources_and_targets()?;
            let others = (0..sources.len()).filter(|&e| sources[e] != targets[e]);
            let ids: Vec<usize> = others.chain(sources.len()..sources.len() + nodes).collect();
            let end = |of: &[i64], id: usize| {
                of.get(id)
                    .copied()
                    .unwrap_or_else(|| (id - of.len()) as i64)
            };
            let ends = |of: &[i64]| ids.iter().map(|&id| end(of, id)).collect::<Vec<_>>();
            let (topology, order) =
                Topology::new(self.size, &ends(&sources), &ends(&targets), self.device)?;
            let ids = tensor(
                &ids.iter().map(|&id| id as i64).collect::<Vec<_>>(),
                self.device,
            )?;
            Ok((Arc::new(topology), ids.f_index_select(0, &order)?.into()))
        })
    }

    pub(super) fn components(&self) -> Result<Tensor> {
        self.components.get(|| {
            let nodes = self.nodes_of_one_kind("is not made of components")?;
            let (sources, targets) = self.sources_and_targets()?;
            tensor(&components(nodes, &sources, &targets), self.device)
        })
    }

    /// The other way round; and for each edge its number among these.
    pub(super) fn transposed(&self) -> Result<(Arc<Topology>, Tensor)> {
        self.transposed.get(|| {
            let (sources, targets) = self.sources_and_targets()?;
            let size = Size {
                nodes: self.size.source_nodes,
                source_nodes: self.size.nodes,
            };
            let (topology, order) = Topology::new(size, &targets, &sources, self.device)?;
            Ok((Arc::new(topology), order))
        })
    }

    fn nodes_of_one_kind(&self, otherwise: &str) -> Result<usize> {
        let Size {
            nodes,
            source_nodes,
        } = self.size;
        if nodes == source_nodes {
            return Ok(nodes);
        }
        let what = format!("a graph from nodes of one kind to nodes of another {otherwise}");
        Err(Error::new(what)
            .found(format!("{source_nodes} nodes to {nodes}"))
            .into())
    }

    pub(super) fn to_device(&self, device: Device) -> Result<Topology> {
        let sources = self.sources.get().f_to_device(device)?;
        let targets = self.targets.get().f_to_device(device)?;
        Ok(Self::of_ordered(
            self.size,
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
