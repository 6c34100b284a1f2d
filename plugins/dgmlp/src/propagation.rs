//! Features smoothed over the graph, each node by as many hops as suit it; nothing is learned.
//!
//! ```text
//! x^0 = x,   x^k = S x^(k-1),   S = D^-1/2 (A + I) D^-1/2                               k = 1..hops
//! x_inf = sum over a component's nodes j of c_j x_j                                     what smoothing tends to
//! a_i^k = cos(x_i^0, x_i^k),   b_i^k = cos(x_inf of i, x_i^k)
//! z_i = sum_k w_i^k x_i^k,   w_i^k = softmax over k = 0..hops of a_i^k (1 - b_i^k)
//! ```
//!
//! With `weights = "last"` it is what SGC smooths features by (Wu et al. 2019, equation 7), `x^hops`, with `"mean"` that of
//! S2GC without its share of `x` (Zhu & Koniusz 2021, equation 7): arms of an experiment that differ by one word.
//!
//! `x`: `[nodes, features]`, which stays, over `graph`. Source: Zhang et al. 2021, arXiv 2108.00955, in the form in which
//! the authors' code runs (commit 7578191 of zwt233/DGMLP).

use plugin_api::prelude::*;
use plugin_api::{pytorch, schemars, serde};

use crate::smoothness::{Limit, Smoothness, step};

/// Features smoothed over the graph, each node by as many hops as suit it (Zhang et al. 2021); nothing is learned.
#[component(layer = "propagation")]
struct Propagation {
    /// Most hops that a node's features go.
    #[param(default = 20, range = "0 <= x <= 100")]
    hops: i64,
    /// What counts as the state that smoothing tends to.
    #[param(default = "reference")]
    limit: Limit,
    /// What hops weigh: as suits each node, the last alone, or all alike.
    #[param(default = "adaptive")]
    weights: Weights,
}

/// What hops weigh.
#[derive(Clone, Copy, serde::Deserialize, schemars::JsonSchema)]
#[serde(crate = "plugin_api::serde", rename_all = "kebab-case")]
#[schemars(crate = "plugin_api::schemars", inline)]
enum Weights {
    /// As suits each node, by its smoothness.
    Adaptive,
    /// The last alone (SGC).
    Last,
    /// All alike (S2GC).
    Mean,
}

impl Layer for Propagation {
    fn shapes(&self, inputs: &Shapes) -> Result<Shapes> {
        port(inputs, "graph")?;
        Ok(Shapes::new().with("x", port(inputs, "x")?.clone()))
    }

    fn forward(&self, _: &Tensors, x: &Batch, _: &dyn Pass) -> Result<Batch> {
        let (x, graph) = (x.tensor("x")?, x.graph("graph")?);
        let looped = graph.with_self_loops()?;
        let smoothing = looped.normalised()?;
        let z = match self.weights {
            Weights::Last => smoothing.power(&x.into(), self.hops)?,
            Weights::Mean => self.mean(x, &smoothing)?.into(),
            Weights::Adaptive => self.adaptive(x, &smoothing, graph)?.into(),
        };
        Ok(Batch::new().with("x", z))
    }

    fn fixed(&self) -> bool {
        true
    }

    fn export(&self, to: &str, inputs: &Shapes) -> Result<Option<Source>> {
        let looped = pytorch::with_self_loops("graph", "x");
        let normalised = pytorch::normalised("graph", "x");
        let (hop, hops) = (pytorch::matmul("graph", "hop"), self.hops);
        let share = match self.limit {
            Limit::Reference => {
                "degrees / x.new_zeros([graph.nodes, 1]).index_add(0, component, degrees)[component]"
            }
            Limit::Symmetric => "degrees.sqrt()",
        };
        let smoothed = format!(
            "\
{looped}
{normalised}
hop = x
hops = [x]
for _ in range({hops}):
    hop = {hop}
    hops.append(hop)
smoothed = torch.stack(hops)
"
        );
        let adaptive = format!(
            "
# Each node takes the least number that a neighbour has, until those of a component are one.
component = torch.arange(graph.nodes, device=x.device)
before = component - 1
while not torch.equal(component, before):
    before = component
    component = component.scatter_reduce(0, targets, component[sources], \"amin\")
    component = component.scatter_reduce(0, sources, component[targets], \"amin\")
limit = torch.zeros_like(x).index_add(0, component, x * {share})[component]

norms = smoothed.norm(2, [-1]) + 1e-10
near = (x * smoothed).sum(-1) / (norms[0] * norms)
over = (limit * smoothed).sum(-1) / ((limit.norm(2, [-1]) + 1e-10) * norms)
share = torch.softmax(near * (1 - over), 0)
return (share.unsqueeze(-1) * smoothed).sum(0)"
        );
        let z = match self.weights {
            Weights::Last => "return hop",
            Weights::Mean => "return smoothed.mean(0)",
            Weights::Adaptive => &adaptive,
        };
        Ok((to == Source::PYTORCH).then(|| Source::new(inputs, smoothed + z)))
    }
}

impl Propagation {
    /// `z_i`, one hop after the other, so that memory does not grow with their number.
    fn adaptive(&self, x: &Tensor, smoothing: &Graph, graph: &Graph) -> Result<Tensor> {
        let smoothness = Smoothness::new(x, graph, self.limit)?;
        let mut hop = smoothness.start();
        // A score lies between -2 and 2, so that no power of e overflows.
        let share =
            |hop: &[Tensor]| Ok::<_, anyhow::Error>(smoothness.of(hop)?.f_exp()?.f_unsqueeze(-1)?);
        let mut total = share(&hop)?; // [nodes, 1]
        let parts = hop.iter().map(|hop| Ok(hop.f_mul(&total)?));
        let mut z = parts.collect::<Result<Vec<Tensor>>>()?;
        for _ in 0..self.hops {
            hop = step(smoothing, hop)?;
            let share = share(&hop)?;
            let parts = z.into_iter().zip(&hop);
            z = parts
                .map(|(z, hop)| Ok(z.f_addcmul(hop, &share)?))
                .collect::<Result<_>>()?;
            total = total.f_add(&share)?;
        }
        drop((hop, smoothness));
        Ok(Tensor::f_cat(&z, 1)?.f_div(&total)?)
    }

    fn mean(&self, x: &Tensor, smoothing: &Graph) -> Result<Tensor> {
        let (mut hop, mut sum) = (x.shallow_clone(), x.shallow_clone());
        for _ in 0..self.hops {
            hop = smoothing.matmul(&hop)?;
            sum = sum.f_add(&hop)?;
        }
        Ok(sum.f_div_scalar((self.hops + 1) as f64)?)
    }
}
