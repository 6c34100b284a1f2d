//! What graphs compute, composed of operations of libtorch: on every device, and with gradients for weights.

use plugin_api::Result;
use tch::{Kind, Tensor};

/// Edges for plain operations.
pub(super) struct Plain {
    /// To which edges go.
    pub(super) nodes: i64,
    pub(super) sources: Tensor,
    pub(super) targets: Tensor,
    /// In the kind of what is computed.
    pub(super) weight: Tensor,
}

impl Plain {
    pub(super) fn matmul(&self, x: &Tensor) -> Result<Tensor> {
        self.sum(&self.at_sources(x)?.f_mul(&self.weight.f_unsqueeze(1)?)?)
    }

    pub(super) fn softmax(&self, score: &Tensor) -> Result<Tensor> {
        // Any constant of a node leaves its softmax as it is; its largest score keeps the exponentials finite.
        let counting = score
            .f_detach()?
            .f_masked_fill(&self.weight.f_eq(0.)?.f_unsqueeze(1)?, f64::NEG_INFINITY)?;
        let largest = self.reduced(&counting, f64::NEG_INFINITY, "amax")?;
        let largest = largest.f_masked_fill(&largest.f_eq(f64::NEG_INFINITY)?, 0.)?;
        // Above are only edges that weigh nothing, whose weights may yet learn.
        let exps = score
            .f_sub(&self.at_targets(&largest)?)?
            .f_clamp_max(80.)?
            .f_exp()?
            .f_mul(&self.weight.f_unsqueeze(1)?)?;
        let factors = reciprocal(&self.sum(&exps)?)?;
        Ok(exps.f_mul(&self.at_targets(&factors)?)?)
    }

    pub(super) fn attention(&self, source: &Tensor, target: &Tensor, slope: f64) -> Result<Tensor> {
        let sums = self.at_sources(source)?.f_add(&self.at_targets(target)?)?;
        self.softmax(&sums.f_where_self(&sums.f_gt(0.)?, &sums.f_mul_scalar(slope)?)?)
    }

    pub(super) fn attend(&self, attention: &Tensor, x: &Tensor) -> Result<Tensor> {
        self.sum(&self.at_sources(x)?.f_mul(&attention.f_unsqueeze(-1)?)?)
    }

    pub(super) fn max(&self, x: &Tensor) -> Result<Tensor> {
        let (edges, messages) = (self.sources.size()[0], self.at_sources(&x.f_detach()?)?);
        let out = self.weight.f_eq(0.)?.f_unsqueeze(1)?;
        let messages = messages.f_masked_fill(&out, f64::NEG_INFINITY)?;
        let largest = self.reduced(&messages, f64::NEG_INFINITY, "amax")?;
        // libtorch would share the gradient out among equals: the first edge is looked for by number.
        let is_largest = messages
            .f_eq_tensor(&self.at_targets(&largest)?)?
            .f_logical_or(&messages.f_isnan()?)?
            .f_logical_and(&out.f_logical_not()?)?;
        let numbers = Tensor::f_arange(edges, (Kind::Int64, x.device()))?
            .f_unsqueeze(1)?
            .f_expand_as(&messages)?
            .f_masked_fill(&is_largest.f_logical_not()?, edges)?;
        let first = self.reduced(&numbers, edges, "amin")?;
        let none = first.f_eq(edges)?;
        let source = Tensor::f_cat(
            &[
                &self.sources,
                &self.sources.f_new_zeros([1], (Kind::Int64, x.device()))?,
            ],
            0,
        )?
        .f_index_select(0, &first.f_flatten(0, -1)?)?
        .f_view_as(&first)?;
        Ok(x.f_gather(0, &source, false)?.f_masked_fill(&none, 0.)?)
    }

    fn at_sources(&self, x: &Tensor) -> Result<Tensor> {
        Ok(x.f_index_select(0, &self.sources)?)
    }

    fn at_targets(&self, x: &Tensor) -> Result<Tensor> {
        Ok(x.f_index_select(0, &self.targets)?)
    }

    /// Sums over the edges that go to each node.
    fn sum(&self, messages: &Tensor) -> Result<Tensor> {
        Ok(self
            .filled(messages, 0.)?
            .f_index_add(0, &self.targets, messages)?)
    }

    /// The smallest or largest number that goes to each node, column by column.
    fn reduced(
        &self,
        messages: &Tensor,
        none: impl Into<tch::Scalar>,
        how: &str,
    ) -> Result<Tensor> {
        let index = self.targets.f_unsqueeze(1)?.f_expand_as(messages)?;
        // What `tch` calls libtorch's `scatter_reduce`.
        Ok(self
            .filled(messages, none)?
            .f_internal_scatter_reduce(0, &index, messages, how, true)?)
    }

    /// For each node the same number in place of what an edge has.
    fn filled(&self, of_edge: &Tensor, number: impl Into<tch::Scalar>) -> Result<Tensor> {
        let mut size = of_edge.size();
        size[0] = self.nodes;
        Ok(Tensor::f_full(
            size,
            number,
            (of_edge.kind(), of_edge.device()),
        )?)
    }
}

/// `1 / x`, and 0 where `x` is 0.
pub(super) fn reciprocal(x: &Tensor) -> Result<Tensor> {
    // Zeros are replaced before the division and not after it, which would have infinite gradients.
    let zero = x.f_eq(0.)?;
    let filled = x.f_masked_fill(&zero, 1.)?;
    Ok(filled.f_reciprocal()?.f_masked_fill(&zero, 0.)?)
}
