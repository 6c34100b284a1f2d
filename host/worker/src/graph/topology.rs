//! Which edges a graph has, and the forms that follow from that alone.

use std::sync::Arc;

use plugin_api::{Result, Tensor};
use tch::Device;

use super::keep::{Kept, Shared};
use crate::native::{Pattern, stable_order};

/// Which edges there are. Graphs that differ in their weights alone have it in common.
pub(super) struct Topology {
    pub(super) nodes: usize,
    pub(super) device: Device,
    pub(super) sources: Shared<Tensor>,
    pub(super) targets: Shared<Tensor>,
    pattern: Kept<Pattern>,
    with_self_loops: Kept<(Arc<Topology>, Tensor)>,
    components: Kept<Tensor>,
}

impl Topology {
    /// The topology of edges within bounds, and the order into which they were brought.
    pub(super) fn new(
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

    pub(super) fn of_ordered(
        nodes: usize,
        device: Device,
        sources: Tensor,
        targets: Tensor,
    ) -> Topology {
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

    pub(super) fn sources_and_targets(&self) -> Result<(Vec<i64>, Vec<i64>)> {
        Ok((
            Vec::try_from(&*self.sources.get())?,
            Vec::try_from(&*self.targets.get())?,
        ))
    }

    pub(super) fn pattern(&self) -> Result<Pattern> {
        self.pattern.get(|| {
            let (sources, targets) = self.sources_and_targets()?;
            Pattern::new(self.nodes, self.nodes, &targets, &sources)
        })
    }

    /// With one loop at each node; and for each edge its number among the edges that were there followed by new loops.
    pub(super) fn with_self_loops(&self) -> Result<(Arc<Topology>, Tensor)> {
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

    pub(super) fn components(&self) -> Result<Tensor> {
        self.components.get(|| {
            let (sources, targets) = self.sources_and_targets()?;
            tensor(&components(self.nodes, &sources, &targets), self.device)
        })
    }

    pub(super) fn to_device(&self, device: Device) -> Result<Topology> {
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
