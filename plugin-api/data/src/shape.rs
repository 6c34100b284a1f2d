//! Shapes with named axes, and what a layer says of its weights.

use serde::{Deserialize, Serialize};

use crate::{Named, Recipe};

/// One axis. Errors, drawings and costs speak in its name.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Axis {
    /// `batch`, `nodes`, `features`, …
    pub name: String,
    /// How long it is; `None` where that is known at run time only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub size: Option<i64>,
}

/// An axis of this length.
pub fn axis(name: &str, size: impl Into<Option<i64>>) -> Axis {
    Axis {
        name: name.into(),
        size: size.into(),
    }
}

/// Axes, outermost first.
pub type Shape = Vec<Axis>;

/// Shapes by port.
pub type Shapes = Named<Shape>;

/// `[nodes, 64]`: the length where it is known, else the name.
pub fn show(shape: &[Axis]) -> String {
    let axes: Vec<String> = shape
        .iter()
        .map(|a| a.size.map_or(a.name.clone(), |n| n.to_string()))
        .collect();
    format!("[{}]", axes.join(", "))
}

/// Type of a tensor's elements.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Dtype {
    /// 32-bit floats, the default.
    #[default]
    F32,
    /// 64-bit floats.
    F64,
    /// 64-bit integers.
    I64,
    /// Truth values.
    Bool,
}

/// What a weight is for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Group {
    /// Learned with the network.
    #[default]
    Model,
    /// Learned by a search.
    Choice,
    /// Not learned: statistics, stored patterns.
    Buffer,
}

/// A weight as its layer declares it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct WeightSpec {
    /// Name inside the layer; the session prefixes the node: `node.weight`.
    pub name: String,
    /// Its axes, all of known length.
    pub axes: Shape,
    /// The initializer that makes it.
    pub init: Recipe,
    /// What it is for.
    #[serde(default)]
    pub group: Group,
    /// `prunable`, `output`, `norm`, `recurrent`: what selectors match as `#tag`.
    #[serde(default)]
    pub tags: Vec<String>,
    /// Type of its elements.
    #[serde(default)]
    pub dtype: Dtype,
}

impl WeightSpec {
    /// A learned weight.
    pub fn new(name: &str, axes: &[(&str, i64)], init: impl Into<Recipe>) -> Self {
        let axes = axes.iter().map(|(name, size)| axis(name, *size)).collect();
        WeightSpec {
            name: name.into(),
            axes,
            init: init.into(),
            group: Group::default(),
            tags: vec![],
            dtype: Dtype::default(),
        }
    }

    /// The same with one more tag.
    pub fn tag(mut self, tag: &str) -> Self {
        self.tags.push(tag.into());
        self
    }

    /// The same for another purpose.
    pub fn group(mut self, group: Group) -> Self {
        self.group = group;
        self
    }

    /// The same under a longer name.
    pub fn under(mut self, prefix: &str) -> Self {
        self.name.insert_str(0, prefix);
        self
    }

    /// Lengths of the axes; an axis of unknown length, which a build refuses, counts as none.
    pub fn size(&self) -> Vec<i64> {
        self.axes.iter().map(|a| a.size.unwrap_or(0)).collect()
    }

    /// Number of elements.
    pub fn numel(&self) -> i64 {
        self.size().iter().product()
    }

    /// Whether this selector means this weight: `model`, `choice`, `buffer`, `all`, `#tag`, a path, `prefix*`, or
    /// several of them joined by commas.
    pub fn matches(&self, select: &str) -> bool {
        select.split(',').map(str::trim).any(|s| match s {
            "all" => true,
            "model" => self.group == Group::Model,
            "choice" => self.group == Group::Choice,
            "buffer" => self.group == Group::Buffer,
            _ => match (s.strip_prefix('#'), s.strip_suffix('*')) {
                (Some(tag), _) => self.tags.iter().any(|t| t == tag),
                (_, Some(prefix)) => self.name.starts_with(prefix),
                _ => self.name == s,
            },
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn selectors() {
        let w = WeightSpec::new("hidden.weight", &[("in", 2), ("out", 3)], "baselines/zeros")
            .tag("prunable");
        let check = |select: &str, hit: bool| assert_eq!(w.matches(select), hit, "{select}");
        check("all", true);
        check("model", true);
        check("buffer", false);
        check("buffer, #prunable", true);
        check("#norm", false);
        check("hidden.*", true);
        check("hidden.bias", false);
        assert_eq!(w.numel(), 6);
    }
}
