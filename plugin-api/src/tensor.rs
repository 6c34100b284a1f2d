//! Tensors, and values by name.

use std::ops::{Deref, DerefMut, Index};

use abi_stable::StableAbi;
use plugin_api_data::{Dtype, Named};
use tch::Kind;

use crate::{Error, Graph, Result};

/// One tensor of libtorch. It crosses as it is: never copied, and autograd runs through.
///
/// It derefs to [`tch::Tensor`]; a clone is a second handle to the same storage and the same place in autograd's graph.
#[repr(transparent)]
#[derive(StableAbi, Debug)]
pub struct Tensor(#[sabi(unsafe_opaque_field)] tch::Tensor);

// What crosses is the pointer to libtorch's own handle.
const _: () = assert!(
    size_of::<Tensor>() == size_of::<*mut ()>() && align_of::<Tensor>() == align_of::<*mut ()>()
);

impl Clone for Tensor {
    fn clone(&self) -> Self {
        Tensor(self.0.shallow_clone())
    }
}

impl Deref for Tensor {
    type Target = tch::Tensor;
    fn deref(&self) -> &tch::Tensor {
        &self.0
    }
}

impl DerefMut for Tensor {
    fn deref_mut(&mut self) -> &mut tch::Tensor {
        &mut self.0
    }
}

impl From<tch::Tensor> for Tensor {
    fn from(t: tch::Tensor) -> Self {
        Tensor(t)
    }
}

impl From<&tch::Tensor> for Tensor {
    fn from(t: &tch::Tensor) -> Self {
        Tensor(t.shallow_clone())
    }
}

impl From<Tensor> for tch::Tensor {
    fn from(t: Tensor) -> Self {
        t.0
    }
}

/// Tensors by name: weights, gradients, masks, scores, states.
#[repr(transparent)]
#[derive(StableAbi, Clone, Default, Debug)]
pub struct Tensors(Named<Tensor>);

impl Tensors {
    /// None yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Puts a tensor under this name.
    pub fn put(&mut self, name: impl AsRef<str>, t: impl Into<Tensor>) {
        self.0.put(name, t.into());
    }

    /// The same with one more tensor.
    pub fn with(mut self, name: impl AsRef<str>, t: impl Into<Tensor>) -> Self {
        self.put(name, t);
        self
    }

    /// Those whose names begin with `prefix`, under the rest of their names.
    pub fn under(&self, prefix: &str) -> Tensors {
        self.iter()
            .filter_map(|(name, t)| Some((name.strip_prefix(prefix)?, t.clone())))
            .collect()
    }

    /// The same names with other tensors.
    pub fn map(&self, mut f: impl FnMut(&str, &tch::Tensor) -> tch::Tensor) -> Tensors {
        let mut mapped = self.clone();
        for (name, t) in mapped.iter_mut() {
            *t = f(name, t).into();
        }
        mapped
    }
}

impl Deref for Tensors {
    type Target = Named<Tensor>;
    fn deref(&self) -> &Named<Tensor> {
        &self.0
    }
}

impl DerefMut for Tensors {
    fn deref_mut(&mut self) -> &mut Named<Tensor> {
        &mut self.0
    }
}

impl Index<&str> for Tensors {
    type Output = tch::Tensor;

    /// # Panics
    /// Where the name is missing; the message lists the names that are there.
    fn index(&self, name: &str) -> &tch::Tensor {
        &self.0[name]
    }
}

impl<N: AsRef<str>, T: Into<Tensor>> FromIterator<(N, T)> for Tensors {
    fn from_iter<I: IntoIterator<Item = (N, T)>>(iter: I) -> Self {
        Tensors(iter.into_iter().map(|(name, t)| (name, t.into())).collect())
    }
}

impl IntoIterator for Tensors {
    type Item = (String, Tensor);
    type IntoIter = <Named<Tensor> as IntoIterator>::IntoIter;
    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

/// What a port carries.
#[repr(u8)]
#[derive(StableAbi, Clone)]
pub enum Value {
    /// A tensor.
    Tensor(Tensor),
    /// A graph.
    Graph(Graph),
}

impl<T: Into<Tensor>> From<T> for Value {
    fn from(t: T) -> Self {
        Value::Tensor(t.into())
    }
}

impl From<Graph> for Value {
    fn from(g: Graph) -> Self {
        Value::Graph(g)
    }
}

/// Values by port: what a task hands out, a layer takes and gives.
#[repr(transparent)]
#[derive(StableAbi, Clone, Default)]
pub struct Batch(Named<Value>);

impl Batch {
    /// Nothing yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Puts a value on this port.
    pub fn put(&mut self, port: impl AsRef<str>, value: impl Into<Value>) {
        self.0.put(port, value.into());
    }

    /// The same with one more value.
    pub fn with(mut self, port: impl AsRef<str>, value: impl Into<Value>) -> Self {
        self.put(port, value);
        self
    }

    /// The tensor on this port.
    ///
    /// # Errors
    /// Where there is none.
    pub fn tensor(&self, port: &str) -> Result<&tch::Tensor> {
        match self.0.get(port) {
            Some(Value::Tensor(t)) => Ok(t),
            Some(Value::Graph(_)) => Err(Error::new(format!("`{port}` carries a graph"))
                .expected("a tensor")
                .into()),
            None => Err(self.missing(port)),
        }
    }

    /// `x w` for the features on this port, `[.., in]`, dense or [sparse](Graph::sparse), and a map `[in, out]`.
    ///
    /// # Errors
    /// Where there are none, or they do not fit.
    pub fn product(&self, port: &str, w: &tch::Tensor) -> Result<tch::Tensor> {
        match self.0.get(port) {
            Some(Value::Graph(sparse)) => sparse.matmul(w),
            _ => Ok(self.tensor(port)?.f_matmul(w)?),
        }
    }

    /// The graph on this port.
    ///
    /// # Errors
    /// Where there is none.
    pub fn graph(&self, port: &str) -> Result<&Graph> {
        match self.0.get(port) {
            Some(Value::Graph(g)) => Ok(g),
            Some(Value::Tensor(_)) => Err(Error::new(format!("`{port}` carries a tensor"))
                .expected("a graph")
                .into()),
            None => Err(self.missing(port)),
        }
    }

    /// The rows of `t` that count in loss and metrics: those that `split` names, where the batch has it; else all.
    ///
    /// # Errors
    /// Where `split` names rows that are not there.
    pub fn counted(&self, t: &tch::Tensor) -> Result<tch::Tensor> {
        match self.0.get("split") {
            Some(Value::Tensor(rows)) => Ok(t.f_index_select(0, rows)?),
            _ => Ok(t.shallow_clone()),
        }
    }

    #[cold]
    fn missing(&self, port: &str) -> anyhow::Error {
        let there: Vec<_> = self.names().map(|n| format!("`{n}`")).collect();
        Error::new(format!("nothing comes in at port `{port}`"))
            .found(there.join(", "))
            .into()
    }
}

impl Deref for Batch {
    type Target = Named<Value>;
    fn deref(&self) -> &Named<Value> {
        &self.0
    }
}

impl DerefMut for Batch {
    fn deref_mut(&mut self) -> &mut Named<Value> {
        &mut self.0
    }
}

impl Index<&str> for Batch {
    type Output = tch::Tensor;

    /// # Panics
    /// Where no tensor comes in at this port; the message says what does.
    fn index(&self, port: &str) -> &tch::Tensor {
        self.tensor(port).unwrap_or_else(|e| panic!("{e}"))
    }
}

impl<N: AsRef<str>, V: Into<Value>> FromIterator<(N, V)> for Batch {
    fn from_iter<I: IntoIterator<Item = (N, V)>>(iter: I) -> Self {
        Batch(
            iter.into_iter()
                .map(|(port, value)| (port, value.into()))
                .collect(),
        )
    }
}

impl IntoIterator for Batch {
    type Item = (String, Value);
    type IntoIter = <Named<Value> as IntoIterator>::IntoIter;
    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

/// The kind that libtorch has for an element type.
pub fn kind(dtype: Dtype) -> Kind {
    match dtype {
        Dtype::F32 => Kind::Float,
        Dtype::F64 => Kind::Double,
        Dtype::I64 => Kind::Int64,
        Dtype::Bool => Kind::Bool,
    }
}

/// The gradients of a scalar with respect to tensors, by their names; zeros where it does not depend on one.
///
/// `create` makes them differentiable themselves.
///
/// # Errors
/// Where the scalar has no gradient at all.
pub fn gradients_of(scalar: &tch::Tensor, to: &Tensors, create: bool) -> Result<Tensors> {
    // libtorch's own backward pass dies of a scalar without one.
    if !scalar.requires_grad() {
        return Err(Error::new("the scalar has no gradient")
            .expected("one that was computed from weights, outside `no_grad`")
            .into());
    }
    let leaves: Vec<&tch::Tensor> = to.values().map(|t| &**t).collect();
    let gradients = tch::Tensor::f_run_backward(&[scalar], &leaves, create, create)?;
    let mut named = to.clone();
    for ((_, t), gradient) in named.iter_mut().zip(gradients) {
        *t = match gradient.defined() {
            true => gradient,
            false => t.f_zeros_like()?,
        }
        .into();
    }
    Ok(named)
}
