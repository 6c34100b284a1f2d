//! What a node makes of its neighbours, besides sums: attention, the largest, the mean.

use plugin_api::{Error, Result};
use tch::{Kind, Tensor};

use super::kind_name;
use super::weighted::Weighted;
use crate::native;

impl Weighted {
    pub(super) fn softmax(&self, score: &Tensor) -> Result<Tensor> {
        self.check("score", score, ["edges", "heads"])?;
        match self.csr(score.kind())? {
            Some(csr) => native::softmax(&csr, score),
            None => self.plain(score.kind())?.softmax(score),
        }
    }

    pub(super) fn attention(&self, source: &Tensor, target: &Tensor, slope: f64) -> Result<Tensor> {
        self.check("source", source, ["source nodes", "heads"])?;
        self.check("target", target, ["nodes", "heads"])?;
        check_alike(("source", source), ("target", target))?;
        match self.csr(source.kind())? {
            Some(csr) => native::attention(&csr, source, target, slope),
            None => self.plain(source.kind())?.attention(source, target, slope),
        }
    }

    pub(super) fn attend(&self, attention: &Tensor, x: &Tensor) -> Result<Tensor> {
        self.check("attention", attention, ["edges", "heads"])?;
        self.check("x", x, ["source nodes", "heads", "features"])?;
        check_alike(("attention", attention), ("x", x))?;
        // Weights have no part in it.
        if self.on_cpu() {
            return native::attend(&self.topology.pattern()?, attention, x);
        }
        self.plain(x.kind())?.attend(attention, x)
    }

    pub(super) fn max(&self, x: &Tensor) -> Result<Tensor> {
        self.check("x", x, ["source nodes", "features"])?;
        match self.csr(x.kind())? {
            Some(csr) => native::max(&csr, x),
            None => self.plain(x.kind())?.max(x),
        }
    }

    /// That a tensor has these axes, the first of which is one of `nodes`, `source nodes` and `edges`, and is where the graph is.
    pub(super) fn check<const AXES: usize>(
        &self,
        name: &str,
        t: &Tensor,
        axes: [&str; AXES],
    ) -> Result<()> {
        let device = self.topology.device;
        let count = match axes[0] {
            "nodes" => self.topology.size.nodes as i64,
            "source nodes" => self.topology.size.source_nodes as i64,
            _ => self.topology.sources.get().size()[0],
        };
        if t.dim() != AXES
            || t.size()[0] != count
            || !matches!(t.kind(), Kind::Float | Kind::Double)
        {
            return Err(Error::new(format!("{name} does not fit the graph"))
                .found(format!("{} {:?}", kind_name(t.kind()), t.size()))
                .expected(format!(
                    "float32 or float64 [{count}, {}]",
                    axes[1..].join(", ")
                ))
                .into());
        }
        if t.device() != device {
            let what = format!("{name} and the graph are on different devices");
            return Err(Error::new(what)
                .found(format!(
                    "{name} on {:?}, the graph on {device:?}",
                    t.device()
                ))
                .help("bring both to one device: graph.on_device(-1) is the CPU")
                .into());
        }
        Ok(())
    }
}

/// That two tensors have one kind and as many heads.
fn check_alike((name, t): (&str, &Tensor), (other_name, other): (&str, &Tensor)) -> Result<()> {
    if t.kind() == other.kind() && t.size()[1] == other.size()[1] {
        return Ok(());
    }
    let found = |t: &Tensor| format!("{} {:?}", kind_name(t.kind()), t.size());
    Err(
        Error::new(format!("{name} and {other_name} do not fit together"))
            .found(format!("{}, {}", found(t), found(other)))
            .expected("the same kind and number of heads")
            .into(),
    )
}
