//! What a component of each role can be tried with.

mod episode;
mod hypernet;
mod initializer;
mod kernel;
pub(super) mod layer;
mod objective;
mod relaxation;
mod schedule;
mod session;
mod space;
mod strategy;
mod task;
mod transform;

use pleach::plugins::sha256;
use plugin_api::host::Services;
use plugin_api::role::Initializer;
use plugin_api::{
    Arch, Batch, Edges, Group, Named, Result, Tensors, Value, WeightSpec, random, stream,
};
use tch::{Kind, Tensor};

use super::{Case, Skip};
use crate::registry::host;
use crate::weights::bytes_of;

/// Roles whose components are lent tensors.
pub(super) fn is_lent_tensors(role: &str) -> bool {
    matches!(role, "transform" | "task") || is_differentiable(role)
}

/// Roles through which derivatives run.
pub(super) fn is_differentiable(role: &str) -> bool {
    matches!(
        role,
        "layer" | "hypernet" | "objective" | "relaxation" | "kernel"
    )
}

/// Roles whose components may be written in another language.
pub(super) fn is_exported(role: &str) -> bool {
    role == "layer"
}

/// Runs a component with tensors that it is lent.
type Call = Box<dyn Fn(&Tensors) -> Result<Output>>;
/// Holds what came out to what was promised.
type Promise = Box<dyn Fn(&Output) -> Result<()>>;

/// A component at work on one input: it is called as a host would call it.
pub(super) struct Exercise {
    /// How the input reads in a report.
    pub(super) input: String,
    lent: Tensors,
    /// Whether derivatives run through it, in float64 too.
    pub(super) differentiable: bool,
    /// Runs the component with these tensors, in place of those that [`Exercise::lend`] gives.
    pub(super) call: Call,
    /// Holds what came out to what the component promised.
    pub(super) promise: Promise,
}

impl Exercise {
    /// Without tensors that are lent.
    fn alone(
        input: &str,
        call: impl Fn(&Tensors) -> Result<Output> + 'static,
        promise: impl Fn(&Output) -> Result<()> + 'static,
    ) -> Self {
        Exercise {
            input: input.into(),
            lent: Tensors::new(),
            differentiable: false,
            call: Box::new(call),
            promise: Box::new(promise),
        }
    }

    /// The tensors that the component is lent, by name: copies that nobody else holds.
    pub(super) fn lend(&self) -> Tensors {
        self.lent.map(|_, t| t.copy())
    }

    pub(super) fn run(&self) -> Result<Output> {
        (self.call)(&self.lend())
    }
}

/// What came out of a call, in a form that can be compared.
#[derive(Default)]
pub(super) struct Output {
    pub(super) tensors: Tensors,
    /// Plain data.
    pub(super) text: String,
}

impl Output {
    fn of_batch(batch: &Batch) -> Self {
        let mut output = Output::default();
        for (port, value) in batch.iter() {
            match value {
                Value::Tensor(t) => output.tensors.put(port, t.clone()),
                Value::Graph(graph) => {
                    output
                        .tensors
                        .put(format!("{port}.sources"), graph.sources());
                    output
                        .tensors
                        .put(format!("{port}.targets"), graph.targets());
                    output.tensors.put(format!("{port}.weight"), graph.weight());
                }
            }
        }
        output
    }

    fn of_numbers(numbers: &Named<f64>) -> Self {
        Output {
            tensors: numbers
                .iter()
                .map(|(name, x)| (name, Tensor::from(*x)))
                .collect(),
            text: String::new(),
        }
    }

    fn of_text(value: &impl serde::Serialize) -> Result<Self> {
        Ok(Output {
            text: serde_json::to_string(value)?,
            ..Output::default()
        })
    }

    /// What is not the same, bit for bit.
    pub(super) fn differs(&self, other: &Output) -> Result<Option<String>> {
        self.unlike(other, |a, b| {
            Ok(a.kind() == b.kind() && bytes_of(a)? == bytes_of(b)?)
        })
    }

    /// What is not nearly the same.
    pub(super) fn is_far_from(&self, other: &Output) -> Result<Option<String>> {
        self.unlike(other, |a, b| match a.is_floating_point() {
            true => Ok(a.f_allclose(&b.f_to_kind(a.kind())?, 1e-4, 1e-5, true)?),
            false => Ok(bytes_of(a)? == bytes_of(b)?),
        })
    }

    fn unlike(
        &self,
        other: &Output,
        like: impl Fn(&Tensor, &Tensor) -> Result<bool>,
    ) -> Result<Option<String>> {
        if self.text != other.text || !self.tensors.names().eq(other.tensors.names()) {
            return Ok(Some("what comes out".into()));
        }
        for ((name, a), b) in self.tensors.iter().zip(other.tensors.values()) {
            if a.size() != b.size() || !like(a, b)? {
                return Ok(Some(format!("`{name}`")));
            }
        }
        Ok(None)
    }

    pub(super) fn digest(&self) -> Result<String> {
        let mut bytes = self.text.clone().into_bytes();
        for (name, t) in self.tensors.iter() {
            bytes.extend(format!("{name} {:?} {:?}", t.kind(), t.size()).into_bytes());
            bytes.extend(bytes_of(t)?);
        }
        Ok(sha256(&bytes))
    }
}

impl Case<'_> {
    /// The component at work on all that it takes; `many` times as many samples and nodes as usual.
    pub(super) fn exercises(&self, many: i64) -> Result<Vec<Exercise>> {
        let recipe = &match self.card.role.as_str() {
            "trainer" | "pruner" | "scorer" | "strategy" | "analysis" | "relaxation" => {
                self.stand_ins.small(self)?
            }
            _ => self.stand_ins.recipe(self)?,
        };
        let seed = stream(self.seed, self.name);
        match self.card.role.as_str() {
            "layer" => layer::exercises(self, recipe, seed, many),
            "initializer" => initializer::exercises(recipe, seed),
            "transform" => transform::exercises(recipe, seed),
            "hypernet" => hypernet::exercises(recipe, seed),
            "task" => task::exercises(recipe, seed),
            "space" => space::exercises(recipe, seed),
            "strategy" => strategy::exercises(recipe, seed),
            "objective" => objective::exercises(recipe, seed),
            "relaxation" => relaxation::exercises(recipe, seed),
            "kernel" => kernel::exercises(recipe, seed),
            "schedule" => schedule::exercises(recipe),
            "analysis" => session::analysis(recipe, seed),
            "pruner" => session::pruner(recipe, seed),
            "scorer" => session::scorer(recipe, seed),
            "trainer" => session::trainer(recipe, seed),
            other => Err(Skip(format!("no inputs are known for the role `{other}`")).into()),
        }
    }
}

/// Weights for these specs, not far from how they begin: many begin at zero, where much cannot be seen.
fn weights(specs: &[WeightSpec], arch: &Arch, seed: u64) -> Result<Tensors> {
    let weight = |spec: &WeightSpec| -> Result<Tensor> {
        let seed = stream(seed, &spec.name);
        let begun = host().initializer(&spec.init)?.init(spec, arch, seed)?;
        if spec.group == Group::Buffer || !begun.is_floating_point() {
            return Ok(begun.into());
        }
        let moved = random::normal(&begun.size(), stream(seed, "moved")).f_mul_scalar(0.3)?;
        Ok(begun.f_add(&moved.f_to_kind(begun.kind())?)?)
    };
    specs
        .iter()
        .map(|spec| Ok((&spec.name, weight(spec)?)))
        .collect()
}

/// How a tensor reads in a report.
fn shown(t: &Tensor) -> String {
    let kind = match t.kind() {
        Kind::Float => String::new(),
        kind => format!("{kind:?} "),
    };
    format!("{kind}{:?}", t.size())
}
