//! What belongs together in unlike numbers: documents of a query, samples of a class.

use plugin_api::prelude::*;

/// Shows each member of a group beside how far it is from the group's mean: what is good among others depends on them.
///
/// `x` `[rows, features]` and `groups`, a graph from rows to groups, to `x` `[rows, 2 features]`.
#[component(layer = "context")]
struct Context {}

impl Layer for Context {
    fn shapes(&self, inputs: &Shapes) -> Result<Shapes> {
        port(inputs, "groups")?;
        let features = last_axis(inputs, "x")?;
        let both = Axis::sum("features", [features.clone(), features.named("from-mean")]);
        Ok(Shapes::new().with("x", with_last_axis(port(inputs, "x")?, both)))
    }

    fn forward(&self, _: &Tensors, x: &Batch, _: &dyn Pass) -> Result<Batch> {
        let (x, groups) = (x.tensor("x")?, x.graph("groups")?);
        let mean = groups.mean(&x.into())?;
        let from_mean = x.f_sub(&groups.transposed()?.matmul(&mean)?)?;
        Ok(Batch::new().with("x", Tensor::f_cat(&[x, &from_mean], -1)?))
    }
}

/// How near samples are to the mean of a few of each class (Snell et al. 2017, equations 1 and 2).
///
/// `support` `[samples, features]` with `classes`, a graph from samples to classes, and `query` `[queries, features]` to
/// `x` `[queries, classes]`.
#[component(layer = "nearest-mean")]
struct NearestMean {}

impl Layer for NearestMean {
    fn shapes(&self, inputs: &Shapes) -> Result<Shapes> {
        let (query, classes) = (port(inputs, "query")?, port(inputs, "classes")?);
        Ok(Shapes::new().with("x", vec![query[0].clone(), classes[0].clone()]))
    }

    fn forward(&self, _: &Tensors, x: &Batch, _: &dyn Pass) -> Result<Batch> {
        let means = x.graph("classes")?.mean(&x.tensor("support")?.into())?;
        let apart = x.tensor("query")?.f_unsqueeze(1)?.f_sub(&means)?;
        let far = apart
            .f_square()?
            .f_sum_dim_intlist(-1, false, None::<Kind>)?;
        Ok(Batch::new().with("x", far.f_neg()?))
    }
}
