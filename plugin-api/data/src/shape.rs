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
    /// Whose units lie along it: the axis at which they come into being, as `node.out`. A layer leaves it open, and the
    /// host fills it in; an axis that a layer takes over from an input keeps it, so that cutting one cuts the other.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub units: Option<String>,
    /// Whether the layer cannot do with another length, as with a window of a convolution: none of it can leave.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub fixed: bool,
    /// The decision whose options are the lengths that it may have; `size` is the longest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub choice: Option<String>,
    /// What it is made of, where it is made of others.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub of: Option<Parts>,
}

/// How axes became one.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Parts {
    /// Flattened, outermost first.
    Product(Vec<Axis>),
    /// One after the other.
    Sum(Vec<Axis>),
}

/// An axis of this length.
pub fn axis(name: &str, size: impl Into<Option<i64>>) -> Axis {
    Axis {
        name: name.into(),
        size: size.into(),
        units: None,
        fixed: false,
        choice: None,
        of: None,
    }
}

impl Axis {
    /// These axes flattened, outermost first.
    pub fn product(name: &str, of: impl IntoIterator<Item = Axis>) -> Self {
        Axis::made(name, Parts::Product(of.into_iter().collect()))
    }

    /// These axes one after the other.
    pub fn sum(name: &str, of: impl IntoIterator<Item = Axis>) -> Self {
        Axis::made(name, Parts::Sum(of.into_iter().collect()))
    }

    fn made(name: &str, parts: Parts) -> Self {
        Axis {
            size: parts.size(),
            of: Some(parts),
            ..axis(name, None)
        }
    }

    /// The same units under another name, as a layer calls them.
    pub fn named(mut self, name: &str) -> Self {
        self.name = name.into();
        self
    }

    /// The same of a length that the layer cannot do without.
    pub fn fixed(mut self) -> Self {
        self.fixed = true;
        self
    }

    /// The same where a decision chooses the length.
    pub fn chosen(mut self, decision: &str) -> Self {
        self.choice = Some(decision.into());
        self
    }

    /// The axes in it that are made of no others.
    pub fn leaves(&self) -> Vec<&Axis> {
        match &self.of {
            None => vec![self],
            Some(parts) => parts.axes().iter().flat_map(Axis::leaves).collect(),
        }
    }

    /// The same with every axis in it that is made of no others changed; lengths follow.
    pub fn map(mut self, change: &mut dyn FnMut(&mut Axis)) -> Self {
        match self.of.take() {
            None => change(&mut self),
            Some(parts) => {
                let parts = parts.map(change);
                self.size = parts.size();
                self.of = Some(parts);
            }
        }
        self
    }
}

impl Parts {
    /// The axes.
    pub fn axes(&self) -> &[Axis] {
        match self {
            Parts::Product(axes) | Parts::Sum(axes) => axes,
        }
    }

    fn size(&self) -> Option<i64> {
        let sizes = self.axes().iter().map(|a| a.size);
        match self {
            Parts::Product(_) => sizes.product(),
            Parts::Sum(_) => sizes.sum(),
        }
    }

    fn map(self, change: &mut dyn FnMut(&mut Axis)) -> Self {
        let mut all = |axes: Vec<Axis>| axes.into_iter().map(|a| a.map(change)).collect();
        match self {
            Parts::Product(axes) => Parts::Product(all(axes)),
            Parts::Sum(axes) => Parts::Sum(all(axes)),
        }
    }
}

impl From<&(&str, i64)> for Axis {
    fn from((name, size): &(&str, i64)) -> Self {
        axis(name, *size)
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

/// What running a layer once takes: `coefficient` times the lengths of the axes. As a product of lengths it has an
/// expectation where decisions choose them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Cost {
    /// `macs` (multiplications with an addition, a sample), `bits`, or whatever else somebody counts.
    pub what: String,
    /// What the lengths are multiplied by.
    pub coefficient: f64,
    /// The axes; one whose length is known at run time only counts as 1.
    pub axes: Shape,
}

impl Cost {
    /// So much, times the lengths of these axes.
    pub fn new(what: &str, coefficient: f64, axes: impl IntoIterator<Item = Axis>) -> Self {
        Cost {
            what: what.into(),
            coefficient,
            axes: axes.into_iter().collect(),
        }
    }
}

/// Whether a shape can stand where another is wanted: as many axes, equal where both lengths are known.
pub fn fits(found: &[Axis], wanted: &[Axis]) -> bool {
    let unknown = |axis: &Axis| axis.size.is_none();
    found.len() == wanted.len()
        && (found.iter().zip(wanted)).all(|(f, w)| unknown(f) || unknown(w) || f.size == w.size)
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

impl Dtype {
    /// Whether it is the one that nobody has to name.
    pub fn is_default(&self) -> bool {
        *self == Dtype::default()
    }
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
    /// A learned weight. An axis along which an input's units lie is that input's axis; one that the layer gives to its
    /// outputs has the same name there.
    pub fn new<A: Into<Axis>>(
        name: &str,
        axes: impl IntoIterator<Item = A>,
        init: impl Into<Recipe>,
    ) -> Self {
        WeightSpec {
            name: name.into(),
            axes: axes.into_iter().map(Into::into).collect(),
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

    /// The same of this type, where it names none.
    pub fn of_default(mut self, dtype: Dtype) -> Self {
        if self.dtype.is_default() {
            self.dtype = dtype;
        }
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

    #[test]
    fn lengths_follow_their_parts() {
        let heads = Axis::product("features", [axis("heads", 3), axis("head", 4)]);
        let both = Axis::sum("both", [heads, axis("own", 5)]);
        assert_eq!(both.size, Some(17));
        let cut = both.map(&mut |a| {
            if a.name == "head" {
                a.size = Some(2);
            }
        });
        assert_eq!(cut.size, Some(11));
        let unknown = Axis::product("flat", [axis("batch", None), axis("head", 4)]);
        assert_eq!(unknown.size, None);
    }
}
