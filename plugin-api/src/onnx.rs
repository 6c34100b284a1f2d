//! Lines of ONNX for layers over graphs, which several plugins write: see [`Source`](crate::Source).
//!
//! They bind `sources` and `targets`, `[edges]`, and `weight`, `[edges, 1]`.

/// The edges of the argument `graph`.
pub fn edges(graph: &str) -> String {
    format!(
        "\
sources = {graph}.sources
targets = {graph}.targets
weight = Unsqueeze({graph}.weight, [1])"
    )
}

/// The edges of [`Edges::with_self_loops`](crate::Edges::with_self_loops).
pub fn with_self_loops(graph: &str) -> String {
    format!(
        "\
others = Not(Equal({graph}.sources, {graph}.targets))
loops = Range(0, {graph}.nodes, 1)
sources = Concat(Compress({graph}.sources, others, axis=0), loops, axis=0)
targets = Concat(Compress({graph}.targets, others, axis=0), loops, axis=0)
ones = Expand(1.0, Unsqueeze({graph}.nodes, [0]))
weight = Unsqueeze(Concat(Compress({graph}.weight, others, axis=0), ones, axis=0), [1])"
    )
}

/// The weights of [`Edges::normalised`](crate::Edges::normalised), where edges are between nodes of one kind and bound
/// already.
pub fn normalised(graph: &str) -> String {
    let degrees = gathered(graph, "degrees", "weight", "add", 0.0);
    format!(
        "\
{degrees}
scale = Where(Equal(degrees, 0.0), degrees, Reciprocal(Sqrt(degrees)))
weight = Gather(scale, targets) * weight * Gather(scale, sources)"
    )
}

/// The local `y`: the product of [`Edges::matmul`](crate::Edges::matmul) with the local tensor `x`, `[source nodes,
/// features]`, where edges are bound already.
pub fn matmul(graph: &str, y: &str, x: &str) -> String {
    let sum = gathered(graph, y, "messages", "add", 0.0);
    format!("messages = weight * Gather({x}, sources)\n{sum}")
}

/// The local `mean`: [`Edges::mean`](crate::Edges::mean) of the local tensor `x`, where edges are bound already.
pub fn mean(graph: &str, x: &str) -> String {
    let degrees = gathered(graph, "degrees", "weight", "add", 0.0);
    let sum = matmul(graph, "sum", x);
    format!(
        "\
{degrees}
{sum}
mean = sum * Where(Equal(degrees, 0.0), degrees, Reciprocal(degrees))"
    )
}

/// The local `y`, `[nodes, features]`: what `reduction`, `add` or `max`, makes of the local tensor `of`, `[edges,
/// features]`, at the target of each edge; `begin` where there is no edge.
pub fn gathered(graph: &str, y: &str, of: &str, reduction: &str, begin: f64) -> String {
    format!(
        "\
size = Concat(Unsqueeze({graph}.nodes, [0]), Shape({of}, start=1), axis=0)
index = Expand(Unsqueeze(targets, [1]), Shape({of}))
{y} = ScatterElements(Expand({begin:?}, size), index, {of}, axis=0, reduction=\"{reduction}\")"
    )
}
