//! A graph with the weights of its edges, and the forms that depend on them.

use std::sync::Arc;

use plugin_api::{Error, Graph, Result, Tensor};
use tch::{Device, Kind};

use super::keep::{Kept, Shared};
use super::plain::{Plain, reciprocal};
use super::powers::Powers;
use super::topology::Topology;
use super::{Handle, check_part, check_parts_agree};
use crate::native::{Csr, spmm};

/// The weights of a topology's edges.
pub(super) enum Weights {
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
    pub(super) fn new(given: &tch::Tensor, order: Tensor) -> Result<Weights> {
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

    pub(super) fn constant(weights: tch::Tensor) -> Weights {
        Weights::Constant(Shared::new(weights.into()))
    }

    pub(super) fn is_constant(&self) -> bool {
        matches!(self, Weights::Constant(_))
    }

    /// In the order of the edges.
    pub(super) fn get(&self) -> Result<tch::Tensor> {
        match self {
            Weights::Constant(weights) => Ok(weights.get().into()),
            Weights::Learned { given, order } => Ok(given.get().f_index_select(0, &order.get())?),
        }
    }

    pub(super) fn to_device(&self, device: Device) -> Result<Weights> {
        let moved = |t: &Shared<Tensor>| t.get().f_to_device(device);
        match self {
            Weights::Constant(weights) => Ok(Weights::constant(moved(weights)?)),
            Weights::Learned { given, order } => Weights::new(&moved(given)?, moved(order)?.into()),
        }
    }
}

/// A graph, with the forms that depend on its weights.
pub(super) struct Weighted {
    pub(super) topology: Arc<Topology>,
    /// The kind in which weights are handed out.
    pub(super) kind: Kind,
    pub(super) weights: Weights,
    degrees: Kept<Tensor>,
    csr_f32: Kept<Csr>,
    csr_f64: Kept<Csr>,
    with_self_loops: Kept<Arc<Weighted>>,
    normalised: Kept<Arc<Weighted>>,
    averaging: Kept<Arc<Weighted>>,
    transposed: Kept<Arc<Weighted>>,
    pub(super) powers: Powers,
}

impl Weighted {
    pub(super) fn new(topology: Arc<Topology>, kind: Kind, weights: Weights) -> Arc<Weighted> {
        Arc::new(Weighted {
            topology,
            kind,
            weights,
            degrees: Kept::default(),
            csr_f32: Kept::default(),
            csr_f64: Kept::default(),
            with_self_loops: Kept::default(),
            normalised: Kept::default(),
            averaging: Kept::default(),
            transposed: Kept::default(),
            powers: Powers::default(),
        })
    }

    pub(super) fn handle(self: Arc<Self>) -> Graph {
        Graph::of(Box::new(Handle(self)))
    }

    /// What follows from the weights: kept if they are constant.
    pub(super) fn form<T: Clone>(
        &self,
        kept: &Kept<T>,
        compute: impl FnOnce() -> Result<T>,
    ) -> Result<T> {
        if self.weights.is_constant() {
            kept.get(compute)
        } else {
            compute()
        }
    }

    /// In the kind of the weights as they are held.
    pub(super) fn degrees(&self) -> Result<Tensor> {
        self.form(&self.degrees, || {
            let weights = self.weights.get()?;
            let zeros = tch::Tensor::f_zeros(
                [self.topology.size.nodes as i64],
                (weights.kind(), weights.device()),
            )?;
            Ok(zeros
                .f_index_add(0, &self.topology.targets.get(), &weights)?
                .into())
        })
    }

    pub(super) fn matmul(&self, x: &tch::Tensor) -> Result<tch::Tensor> {
        self.check("x", x, ["source nodes", "features"])?;
        match self.csr(x.kind())? {
            Some(csr) => spmm(&csr, x),
            None => self.plain(x.kind())?.matmul(x),
        }
    }

    pub(super) fn on_cpu(&self) -> bool {
        self.topology.device == Device::Cpu
    }

    /// The edges as kernels take them; `None` where plain operations must do it.
    pub(super) fn csr(&self, kind: Kind) -> Result<Option<Csr>> {
        if !self.weights.is_constant() || !self.on_cpu() {
            return Ok(None);
        }
        let kept = if kind == Kind::Float {
            &self.csr_f32
        } else {
            &self.csr_f64
        };
        let csr = || {
            let weights = self.weights.get()?.f_to_kind(kind)?;
            Csr::new(self.topology.pattern()?, &weights)
        };
        kept.get(csr).map(Some)
    }

    /// The edges for plain operations.
    pub(super) fn plain(&self, kind: Kind) -> Result<Plain> {
        Ok(Plain {
            nodes: self.topology.size.nodes as i64,
            sources: self.topology.sources.get().into(),
            targets: self.topology.targets.get().into(),
            weight: self.weights.get()?.f_to_kind(kind)?,
        })
    }

    pub(super) fn with_self_loops(&self) -> Result<Arc<Weighted>> {
        self.form(&self.with_self_loops, || {
            let (topology, ids) = self.topology.with_self_loops()?;
            let weights = self.weights.get()?;
            let ones = tch::Tensor::f_ones(
                [topology.size.nodes as i64],
                (weights.kind(), weights.device()),
            )?;
            let weights = Weights::new(&tch::Tensor::f_cat(&[weights, ones], 0)?, ids)?;
            Ok(Weighted::new(topology, self.kind, weights))
        })
    }

    pub(super) fn normalised(&self) -> Result<Arc<Weighted>> {
        self.form(&self.normalised, || {
            let topology = &self.topology;
            let at_targets = factors(&*self.degrees()?)?;
            let at_sources = match topology.size.source_nodes == topology.size.nodes {
                true => at_targets.shallow_clone(),
                false => factors(&*self.transposed()?.degrees()?)?,
            };
            let at_targets = at_targets.f_index_select(0, &topology.targets.get())?;
            let at_sources = at_sources.f_index_select(0, &topology.sources.get())?;
            self.scaled(&at_targets.f_mul(&at_sources)?)
        })
    }

    /// Its product is the weighted mean over the edges that come in: `D^-1 A`.
    pub(super) fn averaging(&self) -> Result<Arc<Weighted>> {
        self.form(&self.averaging, || {
            let degrees = self.degrees()?;
            let factors = reciprocal(&degrees)?;
            self.scaled(&factors.f_index_select(0, &self.topology.targets.get())?)
        })
    }

    /// The same edges, whose weights are multiplied by these.
    fn scaled(&self, factors: &tch::Tensor) -> Result<Arc<Weighted>> {
        let topology = &self.topology;
        let weights = self.weights.get()?.f_mul(factors)?;
        let order = tch::Tensor::f_arange(weights.size()[0], (Kind::Int64, topology.device))?;
        let weights = Weights::new(&weights, order.into())?;
        Ok(Weighted::new(topology.clone(), self.kind, weights))
    }

    pub(super) fn transposed(&self) -> Result<Arc<Weighted>> {
        self.form(&self.transposed, || {
            let (topology, order) = self.topology.transposed()?;
            let weights = Weights::new(&self.weights.get()?, order)?;
            Ok(Weighted::new(topology, self.kind, weights))
        })
    }

    /// The same edges with other weights, in their order.
    pub(super) fn weighted(&self, weight: &tch::Tensor) -> Result<Arc<Weighted>> {
        check_part("weight", weight, &[Kind::Float, Kind::Double])?;
        let (sources, targets) = (self.topology.sources.get(), self.topology.targets.get());
        check_parts_agree(&sources, &targets, Some(weight))?;
        let order = tch::Tensor::f_arange(weight.size()[0], (Kind::Int64, weight.device()))?;
        let weights = Weights::new(weight, order.into())?;
        Ok(Weighted::new(self.topology.clone(), weight.kind(), weights))
    }

    pub(super) fn to_device(&self, device: Device) -> Result<Arc<Weighted>> {
        let topology = Arc::new(self.topology.to_device(device)?);
        Ok(Weighted::new(
            topology,
            self.kind,
            self.weights.to_device(device)?,
        ))
    }
}

/// What degrees scale by: the inverse of their root, 0 for 0.
fn factors(degrees: &tch::Tensor) -> Result<tch::Tensor> {
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
    Ok(degrees
        .f_masked_fill(&zero, 1.)?
        .f_rsqrt()?
        .f_masked_fill(&zero, 0.)?)
}
