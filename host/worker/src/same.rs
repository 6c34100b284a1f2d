//! Whether tensors and graphs are what they were, so that what came of them holds.

use plugin_api::{Batch, Edges, Graph, Result, Tensor, Value};

/// A tensor as it was: a handle keeps its address from becoming another's, and the version tells of changes in place.
pub(crate) struct Same {
    tensor: Tensor,
    version: i64,
}

impl Same {
    pub(crate) fn new(tensor: &tch::Tensor) -> Result<Self> {
        Ok(Same {
            version: tensor.f_internal_version()?,
            tensor: tensor.detach().into(),
        })
    }

    pub(crate) fn is(&self, other: &tch::Tensor) -> Result<bool> {
        let same = |a: &tch::Tensor, b: &tch::Tensor| {
            a.data_ptr() == b.data_ptr() && a.size() == b.size() && a.stride() == b.stride()
        };
        Ok(same(&self.tensor, other)
            && self.tensor.kind() == other.kind()
            && self.version == other.f_internal_version()?)
    }

    /// The tensor, if nobody has changed it.
    pub(crate) fn get(&self) -> Result<Option<Tensor>> {
        Ok(self.is(&self.tensor)?.then(|| self.tensor.clone()))
    }
}

/// A batch as it was.
pub(crate) struct SameBatch(Vec<(String, SameValue)>);

enum SameValue {
    Tensor(Same),
    /// A handle, which keeps its number from becoming another's.
    Graph(Graph),
}

impl SameBatch {
    pub(crate) fn new(batch: &Batch) -> Result<Self> {
        let values = batch.iter().map(|(port, value)| {
            let value = match value {
                Value::Tensor(tensor) => SameValue::Tensor(Same::new(tensor)?),
                Value::Graph(graph) => SameValue::Graph(graph.clone()),
            };
            Ok((port.to_string(), value))
        });
        Ok(SameBatch(values.collect::<Result<_>>()?))
    }

    pub(crate) fn is(&self, other: &Batch) -> Result<bool> {
        if self.0.len() != other.iter().count() {
            return Ok(false);
        }
        for ((known_port, known), (port, value)) in self.0.iter().zip(other.iter()) {
            let same = match (known, value) {
                (SameValue::Tensor(known), Value::Tensor(tensor)) => known.is(tensor)?,
                (SameValue::Graph(known), Value::Graph(graph)) => {
                    known.identity() != 0 && known.identity() == graph.identity()
                }
                _ => false,
            };
            if !same || known_port != port {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// The batch, if nobody has changed it.
    pub(crate) fn get(&self) -> Result<Option<Batch>> {
        let mut batch = Batch::new();
        for (port, value) in &self.0 {
            match value {
                SameValue::Graph(graph) => batch.put(port, graph.clone()),
                SameValue::Tensor(tensor) => match tensor.get()? {
                    Some(tensor) => batch.put(port, tensor),
                    None => return Ok(None),
                },
            }
        }
        Ok(Some(batch))
    }
}
