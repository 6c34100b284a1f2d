//! Features smoothed over the graph, each node by as many hops as suit it; nothing is learned.
//!
//! ```text
//! x^0 = x,   x^k = S x^(k-1),   S = D^-1/2 (A + I) D^-1/2                               k = 1..hops
//! x_inf = sum over a component's nodes j of c_j x_j                                     what smoothing tends to
//! a_i^k = cos(x_i^0, x_i^k),   b_i^k = cos(x_inf of i, x_i^k)
//! z_i = sum_k w_i^k x_i^k,   w_i^k = softmax over k = 0..hops of a_i^k (1 - b_i^k)
//! ```
//!
//! `x`: `[nodes, features]`, which stays, over `graph`. Source: Zhang et al. 2021, arXiv 2108.00955, in the form in which
//! the authors' code runs (commit 7578191 of zwt233/DGMLP).

use plugin_api::prelude::*;
use plugin_api::{pytorch, schemars, serde};

/// Features smoothed over the graph, each node by as many hops as suit it (Zhang et al. 2021); nothing is learned.
#[component(layer = "propagation")]
struct Propagation {
    /// Most hops that a node's features go.
    #[param(default = 20, range = "0 <= x <= 100")]
    hops: i64,
    /// What counts as the state that smoothing tends to.
    #[param(default = "reference")]
    limit: Limit,
}

/// What counts as the state that smoothing tends to.
#[derive(Clone, Copy, serde::Deserialize, schemars::JsonSchema)]
#[serde(crate = "plugin_api::serde", rename_all = "kebab-case")]
#[schemars(crate = "plugin_api::schemars", inline)]
enum Limit {
    /// As in the authors' code: that of the random walk, weighted by degree: `c_j = (deg_j + 1) / sum (deg + 1)`.
    Reference,
    /// That of `S` itself, weighted by the degree's root: `c_j = sqrt(deg_j + 1)`. A node's own factor and that of its
    /// component are left out, as only the direction counts.
    Symmetric,
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
        let mut hops = vec![x.shallow_clone()];
        for k in 0..self.hops as usize {
            hops.push(smoothing.matmul(&hops[k])?);
        }

        let limit = self.limit.of(x, &looped, graph)?;
        let scores = hops
            .iter()
            .map(
                |hop| Ok(cosine(x, hop)?.f_mul(&cosine(&limit, hop)?.f_neg()?.f_add_scalar(1.0)?)?),
            )
            .collect::<Result<Vec<Tensor>>>()?;
        let weights = Tensor::f_stack(&scores, -1)?.f_softmax(-1, None)?; // [nodes, hops + 1]

        let mut z = x.f_zeros_like()?;
        for (k, hop) in hops.iter().enumerate() {
            z = z.f_add(&hop.f_mul(&weights.f_narrow(1, k as i64, 1)?)?)?;
        }
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
        let forward = format!(
            "\
{looped}
{normalised}
hop = x
hops = [x]
for _ in range({hops}):
    hop = {hop}
    hops.append(hop)
smoothed = torch.stack(hops)

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
        Ok((to == Source::PYTORCH).then(|| Source::new(inputs, forward)))
    }
}

impl Limit {
    /// The state that smoothing tends to, for each node: `[nodes, features]`.
    fn of(self, x: &Tensor, looped: &Graph, graph: &Graph) -> Result<Tensor> {
        let degrees = looped.degrees().f_to_kind(x.kind())?.f_unsqueeze(-1)?; // deg + 1: [nodes, 1]
        let share = match self {
            Limit::Reference => degrees.f_div(&by_component(&degrees, graph)?)?,
            Limit::Symmetric => degrees.f_sqrt()?,
        };
        by_component(&x.f_mul(&share)?, graph)
    }
}

/// The sum over each node's component, at each of its nodes: `[nodes, features]`.
fn by_component(x: &Tensor, graph: &Graph) -> Result<Tensor> {
    let component = graph.components()?;
    // There are no more components than nodes; sums of those that do not exist stay at zero and are not read.
    Ok(x.f_zeros_like()?
        .f_index_add(0, &component, x)?
        .f_index_select(0, &component)?)
}

/// Cosine of the rows of `a` and `b`: `[nodes]`. The authors add 1e-10 to each norm: a row of zeros gives 0, not NaN.
fn cosine(a: &Tensor, b: &Tensor) -> Result<Tensor> {
    let norms = norm(a)?.f_mul(&norm(b)?)?;
    Ok(a.f_mul(b)?
        .f_sum_dim_intlist(-1, false, None)?
        .f_div(&norms)?)
}

fn norm(x: &Tensor) -> Result<Tensor> {
    Ok(x.f_norm_scalaropt_dim(2.0, [-1], false)?
        .f_add_scalar(1e-10)?)
}
