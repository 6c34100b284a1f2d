//! Graphs: edges by target, and the forms that follow from them, each computed once.

mod aggregate;
mod keep;
mod plain;
mod powers;
#[cfg(test)]
mod tests;
mod topology;
mod weighted;

use std::sync::Arc;

use plugin_api::boundary::raise;
use plugin_api::{Edges, Error, Graph, Result, Tensor};
use tch::{Device, Kind};

use topology::{Size, Topology};
use weighted::{Weighted, Weights};

/// A graph of these edges, ordered by target, then by source; edges that are there twice stay twice. The numbers of nodes
/// are those of targets and of sources.
///
/// A weight that requires gradients gets them from everything that is computed from the graph, and follows the tensor
/// as it learns. Any other weight is copied.
///
/// # Errors
/// Where the parts do not fit together or an edge leaves the graph.
pub fn graph(
    (nodes, source_nodes): (i64, i64),
    sources: &tch::Tensor,
    targets: &tch::Tensor,
    weight: Option<&tch::Tensor>,
) -> Result<Graph> {
    let number = |nodes: i64| {
        usize::try_from(nodes).map_err(|_| {
            Error::new("a graph cannot have this many nodes")
                .found(nodes)
                .expected("0 or more")
        })
    };
    let size = Size {
        nodes: number(nodes)?,
        source_nodes: number(source_nodes)?,
    };
    check_part("sources", sources, &[Kind::Int64])?;
    check_part("targets", targets, &[Kind::Int64])?;
    if let Some(weight) = weight {
        check_part("weight", weight, &[Kind::Float, Kind::Double])?;
    }
    check_parts_agree(sources, targets, weight)?;
    let (from, to) = (Vec::try_from(sources)?, Vec::try_from(targets)?);
    check_bounds(size, &from, &to)?;

    let device = sources.device();
    let (topology, order) = Topology::new(size, &from, &to, device)?;
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

fn check_bounds(size: Size, sources: &[i64], targets: &[i64]) -> Result<()> {
    let outside =
        |node: i64, nodes: usize| usize::try_from(node).map_or(true, |node| node >= nodes);
    let leaves =
        |e: &usize| outside(sources[*e], size.source_nodes) || outside(targets[*e], size.nodes);
    let Some(edge) = (0..sources.len()).find(leaves) else {
        return Ok(());
    };
    let below = |nodes: usize| match nodes {
        1 => "node 0".to_string(),
        _ => format!("nodes 0 to {}", nodes - 1),
    };
    let Size {
        nodes,
        source_nodes,
    } = size;
    Err(Error::new(format!("edge {edge} leaves the graph"))
        .found(format!("{} -> {}", sources[edge], targets[edge]))
        .expected(match nodes {
            _ if nodes == 0 || source_nodes == 0 => {
                "no edges, since there are no nodes".to_string()
            }
            _ if nodes == source_nodes => format!("{} at both ends", below(nodes)),
            _ => format!("{} -> {}", below(source_nodes), below(nodes)),
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

/// One handle to a graph, as plugins hold it.
struct Handle(Arc<Weighted>);

impl Edges for Handle {
    fn again(&self) -> Graph {
        self.0.clone().handle()
    }

    fn nodes(&self) -> i64 {
        self.0.topology.size.nodes as i64
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

    fn source_nodes(&self) -> i64 {
        self.0.topology.size.source_nodes as i64
    }

    fn transposed(&self) -> Result<Graph> {
        Ok(self.0.transposed()?.handle())
    }

    fn weighted(&self, weight: &Tensor) -> Result<Graph> {
        Ok(self.0.weighted(weight)?.handle())
    }

    fn power(&self, x: &Tensor, hops: i64) -> Result<Tensor> {
        self.0.power(x, hops)
    }

    fn another(
        &self,
        nodes: i64,
        source_nodes: i64,
        sources: &Tensor,
        targets: &Tensor,
        weight: Option<Tensor>,
    ) -> Result<Graph> {
        graph((nodes, source_nodes), sources, targets, weight.as_deref())
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

    fn softmax(&self, score: &Tensor) -> Result<Tensor> {
        Ok(self.0.softmax(score)?.into())
    }

    fn attention(&self, source: &Tensor, target: &Tensor, slope: f64) -> Result<Tensor> {
        Ok(self.0.attention(source, target, slope)?.into())
    }

    fn attend(&self, attention: &Tensor, x: &Tensor) -> Result<Tensor> {
        Ok(self.0.attend(attention, x)?.into())
    }

    fn max(&self, x: &Tensor) -> Result<Tensor> {
        Ok(self.0.max(x)?.into())
    }

    fn mean(&self, x: &Tensor) -> Result<Tensor> {
        Ok(self.0.averaging()?.matmul(x)?.into())
    }

    fn identity(&self) -> u64 {
        match self.0.weights.is_constant() {
            true => Arc::as_ptr(&self.0).addr() as u64,
            false => 0,
        }
    }
}
