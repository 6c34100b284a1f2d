//! Lines of PyTorch for layers over graphs, which several plugins write: see [`Source`](crate::Source).
//!
//! They bind `sources` and `targets`, `[edges]`, and `weight`, `[edges, 1]`, in the kind of the local tensor `of`.

/// The edges of the argument `graph`.
pub fn edges(graph: &str, of: &str) -> String {
    format!(
        "\
sources, targets = {graph}.sources, {graph}.targets
given = {graph}.weight
if given is None:
    given = {of}.new_ones([sources.size(0)])
weight = given.to({of}.dtype).unsqueeze(1)"
    )
}

/// The edges of [`Edges::with_self_loops`](crate::Edges::with_self_loops).
pub fn with_self_loops(graph: &str, of: &str) -> String {
    format!(
        "\
others = {graph}.sources != {graph}.targets
loops = torch.arange({graph}.nodes, device={of}.device)
sources = torch.cat([{graph}.sources[others], loops])
targets = torch.cat([{graph}.targets[others], loops])
given = {graph}.weight
if given is None:
    given = {of}.new_ones([others.size(0)])
weight = torch.cat([given[others].to({of}.dtype), {of}.new_ones([{graph}.nodes])]).unsqueeze(1)"
    )
}

/// The weights of [`Edges::normalised`](crate::Edges::normalised), where edges are between nodes of one kind and bound
/// already.
pub fn normalised(graph: &str, of: &str) -> String {
    format!(
        "\
degrees = {of}.new_zeros([{graph}.nodes, 1]).index_add(0, targets, weight)
scale = torch.where(degrees == 0, degrees, degrees.rsqrt())
weight = scale[targets] * weight * scale[sources]"
    )
}

/// The product of [`Edges::matmul`](crate::Edges::matmul) with the local tensor `x`, `[source nodes, features]`.
pub fn matmul(graph: &str, x: &str) -> String {
    format!(
        "{x}.new_zeros([{graph}.nodes, {x}.size(1)]).index_add(0, targets, weight * {x}[sources])"
    )
}

/// The local `mean`: [`Edges::mean`](crate::Edges::mean) of the local tensor `x`, where edges are bound already.
pub fn mean(graph: &str, x: &str) -> String {
    let sum = matmul(graph, x);
    format!(
        "\
degrees = {x}.new_zeros([{graph}.nodes, 1]).index_add(0, targets, weight)
mean = {sum} * torch.where(degrees == 0, degrees, 1 / degrees)"
    )
}
