//! Takes values out of TOML, and says where one is not what it should be.

use std::ops::RangeInclusive;

use std::ops::Range;

use plugin_api_data::{Json, Params};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::Diagnostic;
use crate::error::nearest;

/// A value and where it stands.
pub(super) type Node<'a> = Spanned<DeValue<'a>>;

/// The errors that were found so far.
pub(super) type Errors = Vec<Diagnostic>;

/// `a trainer`, `an objective`.
pub(super) fn a(noun: &str) -> String {
    let article = if noun.starts_with(['a', 'e', 'i', 'o', 'u']) {
        "an"
    } else {
        "a"
    };
    format!("{article} {noun}")
}

/// What a value is, for errors.
pub(super) fn kind(node: &Node) -> String {
    match node.get_ref() {
        DeValue::Float(_) => "a number".into(),
        DeValue::Boolean(_) => "true or false".into(),
        other => a(other.type_str()),
    }
}

/// Refuses keys that mean nothing here.
pub(super) fn refuse_unknown(table: &DeTable, of: &str, known: &[&str], errors: &mut Errors) {
    for key in table
        .keys()
        .filter(|k| !known.contains(&k.get_ref().as_ref()))
    {
        errors.push(unknown(
            key.span(),
            key.get_ref(),
            of,
            known.iter().copied(),
        ));
    }
}

/// The error of a key that means nothing here.
pub(super) fn unknown<'a>(
    span: Range<usize>,
    key: &str,
    of: &str,
    known: impl Iterator<Item = &'a str> + Clone,
) -> Diagnostic {
    let error = Diagnostic::new(span, format!("{of} has no key `{key}`"));
    match nearest(key, known.clone()) {
        Some(near) => error.help(format!("did you mean `{near}`?")),
        None if known.clone().next().is_none() => error.help("it has no parameters"),
        None => error.help(format!(
            "it has {}",
            known
                .map(|k| format!("`{k}`"))
                .collect::<Vec<_>>()
                .join(", ")
        )),
    }
}

fn mismatch(node: &Node, what: &str, expected: &str) -> Diagnostic {
    Diagnostic::new(node.span(), format!("`{what}` must be {expected}"))
        .label(format!("found {}", kind(node)))
}

pub(super) fn string<'a>(node: &'a Node, what: &str, errors: &mut Errors) -> Option<&'a str> {
    let value = node.get_ref().as_str();
    if value.is_none() {
        errors.push(mismatch(node, what, "a string"));
    }
    value
}

pub(super) fn table<'a>(
    node: &'a Node<'a>,
    what: &str,
    errors: &mut Errors,
) -> Option<&'a DeTable<'a>> {
    let value = node.get_ref().as_table();
    if value.is_none() {
        errors.push(mismatch(node, what, "a table"));
    }
    value
}

pub(super) fn array<'a>(
    node: &'a Node<'a>,
    what: &str,
    errors: &mut Errors,
) -> Option<&'a [Node<'a>]> {
    let value = node.get_ref().as_array();
    if value.is_none() {
        errors.push(mismatch(node, what, "an array"));
    }
    value.map(|a| &**a)
}

/// A whole number of at least `least`.
pub(super) fn integer(
    node: &Node,
    what: &str,
    range: RangeInclusive<u64>,
    errors: &mut Errors,
) -> Option<u64> {
    let value = whole(node.get_ref());
    let fits = value
        .and_then(|v| u64::try_from(v).ok())
        .filter(|v| range.contains(v));
    if fits.is_none() {
        let found = value.map_or(kind(node), |v| v.to_string());
        let (least, most) = (range.start(), range.end());
        errors.push(
            mismatch(
                node,
                what,
                &format!("a whole number from {least} to {most}"),
            )
            .label(format!("found {found}")),
        );
    }
    fits
}

/// A number for which `fits` holds.
pub(super) fn number(
    node: &Node,
    what: &str,
    expected: &str,
    fits: impl Fn(f64) -> bool,
    errors: &mut Errors,
) -> Option<f64> {
    let value = real(node.get_ref());
    let fitting = value.filter(|v| fits(*v));
    if fitting.is_none() {
        let found = value.map_or(kind(node), |v| v.to_string());
        errors.push(mismatch(node, what, expected).label(format!("found {found}")));
    }
    fitting
}

fn whole(value: &DeValue) -> Option<i64> {
    let integer = value.as_integer()?;
    i64::from_str_radix(integer.as_str(), integer.radix()).ok()
}

fn real(value: &DeValue) -> Option<f64> {
    match value {
        DeValue::Float(float) => float.as_str().parse().ok(),
        other => whole(other).map(|i| i as f64),
    }
}

/// The same value as JSON, which is what parameters are made of.
pub(super) fn json(node: &Node, errors: &mut Errors) -> Json {
    match node.get_ref() {
        DeValue::String(s) => s.as_ref().into(),
        DeValue::Boolean(b) => (*b).into(),
        DeValue::Datetime(d) => d.to_string().into(),
        DeValue::Array(items) => items.iter().map(|i| json(i, errors)).collect(),
        DeValue::Table(table) => Json::Object(params(table, errors)),
        number => {
            let converted = whole(number)
                .map(Json::from)
                .or_else(|| real(number).filter(|x| x.is_finite()).map(Json::from));
            converted.unwrap_or_else(|| {
                errors.push(Diagnostic::new(
                    node.span(),
                    "a parameter must be a finite number of at most 64 bits",
                ));
                0.into()
            })
        }
    }
}

/// The same table as parameters.
pub(super) fn params(table: &DeTable, errors: &mut Errors) -> Params {
    table
        .iter()
        .map(|(key, value)| (key.get_ref().to_string(), json(value, errors)))
        .collect()
}

/// A place in a value: a way down from a node, for what was found in its JSON.
#[derive(Debug, Clone)]
pub(super) struct Place<'a> {
    root: &'a Node<'a>,
    path: Vec<String>,
}

impl<'a> Place<'a> {
    pub(super) fn of(root: &'a Node<'a>) -> Self {
        Place { root, path: vec![] }
    }

    pub(super) fn child(&self, step: impl ToString) -> Self {
        let mut path = self.path.clone();
        path.push(step.to_string());
        Place {
            root: self.root,
            path,
        }
    }

    /// Whether this lies at `other` or below it.
    pub(super) fn within(&self, other: &Place) -> bool {
        self.path.starts_with(&other.path)
    }

    /// Where the value stands. What the file does not hold, such as a default, stands where its nearest owner does.
    pub(super) fn value(&self) -> Range<usize> {
        self.walk().1
    }

    /// Where its key stands; an item of an array has none, and stands for itself.
    pub(super) fn key(&self) -> Range<usize> {
        self.walk().0
    }

    fn walk(&self) -> (Range<usize>, Range<usize>) {
        let mut node = self.root;
        let mut key = node.span();
        for step in &self.path {
            let next = match node.get_ref() {
                DeValue::Table(table) => table
                    .get_key_value(step.as_str())
                    .map(|(k, v)| (k.span(), v)),
                DeValue::Array(items) => step
                    .parse()
                    .ok()
                    .and_then(|i: usize| items.get(i))
                    .map(|v| (v.span(), v)),
                _ => None,
            };
            match next {
                Some((span, value)) => (key, node) = (span, value),
                None => return (node.span(), node.span()),
            }
        }
        (key, node.span())
    }
}
