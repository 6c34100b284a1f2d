//! All that the author of a pleach plugin depends on.
//!
//! A *component* is a struct of parameters that plays a *role*: it implements one trait of [`role`]. A *plugin* is a
//! crate with components, compiled as a `cdylib`; the host loads it at run time and mixes its components with those of
//! others. Layers are pure functions of weights and inputs; the host's [`Session`] owns the weights.
//!
//! ```no_run,standalone_crate
//! use plugin_api::prelude::*;
//!
//! plugin_api::plugin!();
//!
//! /// Multiplies by a learned factor for each feature: `y = x * scale`.
//! #[component(layer = "scale")]
//! struct Scale {
//!     /// What the factors begin with.
//!     #[param(default = 1.0, range = "0 < x")]
//!     start: f64,
//! }
//!
//! impl Layer for Scale {
//!     fn weights(&self, inputs: &Shapes) -> Result<Vec<WeightSpec>> {
//!         let features = last_axis(inputs, "x")?;
//!         Ok(vec![WeightSpec::new("scale", [features], Recipe::new("baselines/constant").with("value", self.start))])
//!     }
//!
//!     fn shapes(&self, inputs: &Shapes) -> Result<Shapes> {
//!         Ok(Shapes::new().with("x", port(inputs, "x")?.clone()))
//!     }
//!
//!     fn forward(&self, w: &Tensors, x: &Batch, _: &dyn Pass) -> Result<Batch> {
//!         Ok(Batch::new().with("x", x.tensor("x")?.f_mul(&w["scale"])?)) // [nodes, features]
//!     }
//! }
//! # fn main() {}
//! ```

pub mod bench;
pub mod boundary;
pub mod component;
mod episode;
pub mod grad;
pub mod graph;
pub mod host;
pub mod onnx;
pub mod optimizer;
pub mod pass;
pub mod plugin;
pub mod probe;
pub mod pytorch;
pub mod random;
mod real;
pub mod role;
pub mod sequences;
pub mod session;
mod tensor;
pub mod testing;
pub mod trace;

pub use abi_stable;
pub use anyhow::{self, Context, bail, ensure};
pub use inventory;
pub use plugin_api_data::*;
pub use plugin_api_macros::component;
pub use schemars;
pub use serde;
pub use serde_json;
pub use tch;
pub use tracing;

pub use bench::{Bench, Searching};
pub use component::{RecipeOf, Use};
pub use episode::{Acted, Episode};
pub use graph::{Edges, Graph};
pub use host::{Host, data_file, services};
pub use optimizer::{AdamStep, SgdStep};
pub use pass::{Hook, Pass, Within};
pub use probe::{Probe, Probed};
pub use real::Real;
pub use role::{Draw, Needs, Tick};
pub use session::{
    Ask, At, Carry, Choice, Choices, Keep, Latency, Of, On, Parent, Played, Ports, Seen, Session,
    Sink, hard,
};
pub use tensor::{Batch, Tensor, Tensors, Value, gradients_of, kind};

/// What every fallible call of the API returns: authors use `?` on errors of `tch`, of the API and of their own.
pub type Result<T, E = anyhow::Error> = std::result::Result<T, E>;

/// The shape at a port.
///
/// # Errors
/// Where nothing comes in there.
pub fn port<'a>(inputs: &'a Shapes, port: &str) -> Result<&'a Shape> {
    inputs.get(port).ok_or_else(|| {
        let there: Vec<String> = inputs.names().map(|name| format!("`{name}`")).collect();
        Error::new(format!("nothing comes in at port `{port}`"))
            .found(there.join(", "))
            .into()
    })
}

/// The last axis of the shape at a port, of known length: a layer's weights along it have the units of what comes in.
///
/// # Errors
/// Where nothing comes in at this port, or the length is known at run time only.
pub fn last_axis(inputs: &Shapes, port: &str) -> Result<Axis> {
    let shape = self::port(inputs, port)?;
    match shape.last() {
        Some(axis) if axis.size.is_some() => Ok(axis.clone()),
        _ => Err(Error::new(format!(
            "the last axis at port `{port}` has no known length"
        ))
        .found(show(shape))
        .into()),
    }
}

/// The length of that axis.
///
/// # Errors
/// As [`last_axis`].
pub fn width(inputs: &Shapes, port: &str) -> Result<i64> {
    Ok(last_axis(inputs, port)?.size.unwrap_or_default())
}

/// The same shape with another last axis.
pub fn with_last_axis(shape: &[Axis], axis: Axis) -> Shape {
    let mut shape = shape.to_vec();
    if let Some(last) = shape.last_mut() {
        *last = axis;
    }
    shape
}

/// What a plugin's files begin with.
pub mod prelude {
    pub use crate::role::{
        Analysis, Hypernet, Initializer, Kernel, Layer, Objective, Pruner, Relaxation, Schedule,
        Scorer, Space, Strategy, Task, Trainer, Transform,
    };
    pub use crate::{
        Acted, AdamStep, Answers, Arch, Ask, At, Axis, Batch, Bench, Carry, Choice, Choices,
        Context, Cost, Decided, Decision, Domain, Draw, Dtype, Edges, Episode, Error, Graph, Group,
        Hook, Host, Keep, Mix, Named, Needs, Observation, Of, On, Outcome, Parent, Pass, Played,
        Point, Ports, Probe, Probed, Proposal, Real, Recipe, RecipeOf, Report, Result, Searching,
        Seen, Session, Setting, SgdStep, Shape, Shapes, Sink, Source, Tensors, Tick, Use, Value,
        WeightSpec, Within, anyhow, axis, bail, component, ensure, fits, gradients_of, hard, kind,
        last_axis, port, random, refs, sequences, show, stream, width, with_last_axis,
    };
    pub use tch::{self, Device, Kind, Tensor};
}
