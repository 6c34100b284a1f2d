//! Graph attention. Each head maps the nodes, `h = x W`, and averages over the edges that come in, a self-loop among
//! them:
//!
//! ```text
//! y_i = sum_j a_ij h_j + b,   a_ij = softmax over j of leaky(source . h_j + target . h_i)
//! ```
//!
//! `x`: `[nodes, in]` to `[nodes, out]`, the heads side by side, over `graph`; an edge counts in the softmax as often as its
//! weight says. In training each `a_ij` is dropped with probability `dropout`. The tap `attention` shows `a` before that:
//! `[edges + nodes, heads]`, ordered by target. Source: Velickovic et al. 2018, equations 3 to 5.

use plugin_api::prelude::*;
use plugin_api::{onnx, pytorch};

/// Graph attention (Velickovic et al. 2018): a learned average over neighbours, by several heads side by side.
#[component(layer = "gat")]
struct Gat {
    /// Features that come out, of all heads together; as many as come in where it is left out.
    #[param(range = "1 <= x")]
    out: Option<i64>,
    /// Number of heads.
    #[param(default = 4, range = "1 <= x")]
    heads: i64,
    /// What the leaky unit multiplies negative scores by.
    #[param(default = 0.2, range = "0 <= x < 1")]
    slope: f64,
    /// Probability that a neighbour is left out of a head's average.
    #[param(default = 0.0, range = "0 <= x < 1")]
    dropout: f64,
}

impl Gat {
    /// The heads, and the features of each.
    fn heads(&self, inputs: &Shapes) -> Result<[Axis; 2]> {
        let width = width(inputs, "x")?;
        let out = self.out.unwrap_or(width);
        if out % self.heads != 0 {
            return Err(Error::new(format!(
                "{out} features cannot be split among {} heads",
                self.heads
            ))
            .expected("a multiple of `heads`")
            .help("set `out` or `heads`")
            .into());
        }
        Ok([axis("heads", self.heads), axis("head", out / self.heads)])
    }

    fn out(&self, inputs: &Shapes) -> Result<Axis> {
        Ok(Axis::product("out", self.heads(inputs)?))
    }
}

impl Layer for Gat {
    fn weights(&self, inputs: &Shapes) -> Result<Vec<WeightSpec>> {
        let (of_head, out) = (self.heads(inputs)?, self.out(inputs)?);
        Ok(vec![
            WeightSpec::new(
                "weight",
                [last_axis(inputs, "x")?.named("in"), out.clone()],
                "baselines/glorot",
            )
            .tag("prunable"),
            WeightSpec::new("source", of_head.clone(), "baselines/glorot"),
            WeightSpec::new("target", of_head, "baselines/glorot"),
            WeightSpec::new("bias", [out], "baselines/zeros"),
        ])
    }

    fn shapes(&self, inputs: &Shapes) -> Result<Shapes> {
        port(inputs, "graph")?;
        Ok(Shapes::new().with("x", with_last_axis(port(inputs, "x")?, self.out(inputs)?)))
    }

    fn forward(&self, w: &Tensors, x: &Batch, pass: &dyn Pass) -> Result<Batch> {
        let graph = x.graph("graph")?.with_self_loops()?;
        let (nodes, heads, of_head) = (graph.nodes(), w["source"].size()[0], w["source"].size()[1]);
        let h = x.product("x", &w["weight"])?;
        let h = h.f_view([nodes, heads, of_head])?;
        // [nodes, heads]
        let score = |side: &str| -> Result<plugin_api::Tensor> {
            let score = h.f_mul(&w[side])?.f_sum_dim_intlist(-1, false, None)?;
            Ok(score.into())
        };

        let attention = graph.attention(&score("source")?, &score("target")?, self.slope)?;
        let mut attention = pass.tap("attention", attention);
        if pass.train() && self.dropout > 0.0 {
            attention = pass.dropout(&attention, self.dropout)?;
        }
        let y = graph.attend(&attention, &h.into())?;
        let y = y.f_reshape([nodes, heads * of_head])?.f_add(&w["bias"])?;
        Ok(Batch::new().with("x", y))
    }

    fn cost(&self, inputs: &Shapes) -> Result<Vec<Cost>> {
        let features = last_axis(inputs, "x")?.named("in");
        let rows = || port(inputs, "x").map(|x| x.iter().rev().skip(1).cloned());
        let out = self.out(inputs)?;
        let map = [features, out.clone()].into_iter().chain(rows()?);
        // Both scores of a node; how many edges there are no shape says.
        let scores = [out].into_iter().chain(rows()?);
        Ok(vec![
            Cost::new("macs", 1.0, map),
            Cost::new("macs", 2.0, scores),
        ])
    }

    fn export(&self, to: &str, inputs: &Shapes) -> Result<Option<Source>> {
        let looped = pytorch::with_self_loops("graph", "h");
        let slope = self.slope;
        let dropped = match self.dropout > 0.0 {
            true => format!(
                "attention = torch.dropout(attention, {:?}, self.training)\n",
                self.dropout
            ),
            false => String::new(),
        };
        let forward = format!(
            "\
h = (x @ self.weight).view(graph.nodes, self.source.size(0), self.source.size(1))
{looped}
score = (h * self.source).sum(-1)[sources] + (h * self.target).sum(-1)[targets]
score = torch.where(score > 0, score, {slope:?} * score)
# The largest score of each node keeps exponentials finite.
score = score.masked_fill(weight == 0, float(\"-inf\"))
none = score.new_zeros([graph.nodes, score.size(1)])
largest = none.scatter_reduce(0, targets.unsqueeze(1).expand_as(score), score, \"amax\", include_self=False)
attention = weight * torch.exp(score - largest[targets])
attention = attention / none.index_add(0, targets, attention)[targets]
{dropped}y = torch.zeros_like(h).index_add(0, targets, attention.unsqueeze(-1) * h[sources])
return y.flatten(1) + self.bias"
        );
        match to {
            Source::PYTORCH => Ok(Some(Source::new(inputs, forward))),
            Source::ONNX => Ok(Some(Source::new(inputs, onnx(slope)))),
            _ => Ok(None),
        }
    }
}

fn onnx(slope: f64) -> String {
    let looped = onnx::with_self_loops("graph");
    // Below all scores; a float32 holds it.
    let lowest = -3e38;
    let largest = onnx::gathered("graph", "largest", "score", "max", lowest);
    let sum = onnx::gathered("graph", "sum", "attention", "add", 0.0);
    let y = onnx::gathered("graph", "y", "messages", "add", 0.0);
    format!(
        "\
h = Reshape(x @ self.weight, [0, self.source.size(0), self.source.size(1)])
{looped}
theirs = Gather(ReduceSum(h * self.source, [-1], keepdims=0), sources)
score = theirs + Gather(ReduceSum(h * self.target, [-1], keepdims=0), targets)
score = LeakyRelu(score, alpha={slope:?})
# The largest score of each node keeps exponentials finite.
score = Where(Equal(weight, 0.0), {lowest:?}, score)
{largest}
attention = weight * Exp(score - Gather(largest, targets))
{sum}
attention = attention / Gather(sum, targets)
messages = Reshape(Unsqueeze(attention, [-1]) * Gather(h, sources), [0, -1])
{y}
return y + self.bias"
    )
}
