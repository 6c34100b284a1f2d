//! A component's parameters in words, for people who write experiments.

use plugin_api_data::{Card, Json};
use serde::Serialize;

use super::fields::a;
use super::schema;

/// A parameter of a component, in words.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Parameter {
    /// Its name.
    pub name: String,
    /// What it may be: `a whole number, at least 1`.
    pub kind: String,
    /// What it is where it is left out.
    pub default: Option<Json>,
    /// What one would write, where it has no default.
    pub example: Option<Json>,
    /// Whether it must be given.
    pub required: bool,
    /// What it is for.
    pub doc: String,
}

/// The parameters of a component, in the order of its declaration.
pub fn parameters(card: &Card) -> Vec<Parameter> {
    let required = card.schema.get("required").and_then(Json::as_array);
    let described = schema::properties(&card.schema).map(|(name, described)| Parameter {
        name: name.into(),
        kind: kind(described, &card.schema),
        default: described.get("default").filter(|d| !d.is_null()).cloned(),
        example: described
            .get("examples")
            .and_then(|all| all.get(0))
            .cloned(),
        required: required.is_some_and(|r| r.iter().any(|n| n == name)),
        doc: text(described, "description")
            .or_else(|| text(schema::follow(described, &card.schema), "description"))
            .unwrap_or_default()
            .into(),
    });
    described.collect()
}

fn text<'a>(schema: &'a Json, key: &str) -> Option<&'a str> {
    schema.get(key).and_then(Json::as_str)
}

fn kind(described: &Json, root: &Json) -> String {
    let described = schema::follow(described, root);
    if let Some(role) = text(described, "x-role") {
        return a(role);
    }
    if let Some(options) = described.get("enum").and_then(Json::as_array) {
        return options
            .iter()
            .filter(|o| !o.is_null())
            .map(Json::to_string)
            .collect::<Vec<_>>()
            .join(" or ");
    }
    if let Some(only) = described.get("const") {
        return only.to_string();
    }
    let types: Vec<&str> = match described.get("type") {
        Some(Json::String(one)) => vec![one],
        Some(Json::Array(several)) => several
            .iter()
            .filter_map(Json::as_str)
            .filter(|t| *t != "null")
            .collect(),
        _ => vec![],
    };
    let alternatives = schema::alternatives(described);
    let mut words: Vec<String> = types.iter().map(|t| noun(t, described, root)).collect();
    words.sort();
    words.extend(alternatives.into_iter().map(|s| kind(s, root)));
    let bounds = [
        ("minimum", "at least"),
        ("exclusiveMinimum", "greater than"),
        ("maximum", "at most"),
        ("exclusiveMaximum", "less than"),
    ];
    let bounds = bounds
        .iter()
        .filter_map(|(key, words)| Some(format!(", {words} {}", described.get(*key)?)));
    let bounds: String = bounds.collect();
    // Bounds are of numbers, which an alternative may be beside what they say nothing of.
    match words.split_first() {
        Some((first, [])) => format!("{first}{bounds}"),
        Some((first, rest)) if types.is_empty() => {
            format!("{first}{bounds} or {}", rest.join(" or "))
        }
        _ => words.join(" or ") + &bounds,
    }
}

fn noun(json_type: &str, described: &Json, root: &Json) -> String {
    match json_type {
        "integer" => "a whole number".into(),
        "boolean" => "true or false".into(),
        "object" => "a table".into(),
        "array" => match schema::item(described, 0) {
            Some(item) => format!("an array, each {}", kind(item, root)),
            None => "an array".into(),
        },
        other => a(other),
    }
}
