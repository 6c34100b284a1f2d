//! The operators of ONNX that a layer may use.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::sync::LazyLock;

use plugin_api::Error;

/// The version of the operators.
pub(super) const OPSET: i64 = 18;

/// By name, from a line for each: inputs, outputs, and attributes with their kinds, `!` where one is required. They are
/// those that `onnx.defs` lists at [`OPSET`], without those that draw numbers, need graphs or make no tensors.
static OPERATORS: LazyLock<BTreeMap<&str, Operator>> = LazyLock::new(|| {
    let lines = include_str!("operators.txt").lines();
    let operator = |line: &'static str| {
        let mut words = line.split(' ');
        let mut word = || words.next().unwrap_or_default();
        let (name, inputs, outputs) = (word(), range(word()), range(word()));
        let attributes = words.filter_map(|word| word.split_once(':'));
        let operator = Operator {
            inputs,
            outputs,
            attributes: attributes.collect(),
        };
        (name, operator)
    };
    lines.map(operator).collect()
});

/// What an operator takes and gives.
pub(super) struct Operator {
    pub(super) inputs: RangeInclusive<usize>,
    pub(super) outputs: RangeInclusive<usize>,
    attributes: BTreeMap<&'static str, &'static str>,
}

impl Operator {
    pub(super) fn of(name: &str) -> Result<&'static Operator, Error> {
        OPERATORS.get(name).ok_or_else(|| {
            Error::new(format!("`{name}` is no operator that a layer may use"))
                .expected(format!("one of ONNX's operators, opset {OPSET}"))
        })
    }

    /// What kind of value an attribute is: `int`, `ints`, `float`, `floats`, `string`.
    pub(super) fn kind(&self, attribute: &str) -> Option<&'static str> {
        let kind = self.attributes.get(attribute)?;
        Some(kind.trim_end_matches('!'))
    }

    pub(super) fn attributes(&self) -> impl Iterator<Item = &'static str> {
        self.attributes.keys().copied()
    }

    pub(super) fn required(&self) -> impl Iterator<Item = &'static str> {
        let all = self.attributes.iter();
        all.filter(|(_, kind)| kind.ends_with('!'))
            .map(|(name, _)| *name)
    }
}

/// `1-3`, or `1-*` where there is no end.
fn range(text: &str) -> RangeInclusive<usize> {
    let (from, to) = text.split_once('-').unwrap_or_default();
    from.parse().unwrap_or_default()..=to.parse().unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_reads_as_it_is_meant() {
        let conv = Operator::of("Conv").expect("an operator");
        assert_eq!((&conv.inputs, &conv.outputs), (&(2..=3), &(1..=1)));
        assert_eq!(conv.kind("strides"), Some("ints"));
        let concat = Operator::of("Concat").expect("an operator");
        assert_eq!(concat.inputs, 1..=usize::MAX);
        assert_eq!(concat.required().collect::<Vec<_>>(), ["axis"]);
        assert!(Operator::of("RandomNormal").is_err());
        assert_eq!(
            OPERATORS.len(),
            include_str!("operators.txt").lines().count()
        );
    }
}
