//! What the resolver wants to know of a JSON Schema.

use plugin_api_data::Json;

/// The schema behind references and behind `null`, which stands for a parameter that may be left out.
pub(super) fn follow<'a>(mut schema: &'a Json, root: &'a Json) -> &'a Json {
    // A chain of references is short; a circle of nothing but references means nothing.
    for _ in 0..16 {
        // What is expected there matters more than what it looks like.
        if schema.get("x-role").is_some() {
            break;
        }
        let target = match schema
            .get("$ref")
            .and_then(Json::as_str)
            .and_then(|r| r.strip_prefix('#'))
        {
            Some(pointer) => root.pointer(pointer),
            None => only_choice(schema),
        };
        match target {
            Some(next) => schema = next,
            None => break,
        }
    }
    schema
}

/// The one alternative that is not `null`.
fn only_choice(schema: &Json) -> Option<&Json> {
    match alternatives(schema).as_slice() {
        [one] => Some(one),
        _ => None,
    }
}

/// The alternatives of a schema that are not `null`.
pub(super) fn alternatives(schema: &Json) -> Vec<&Json> {
    let lists = ["anyOf", "oneOf", "allOf"]
        .into_iter()
        .filter_map(|k| schema.get(k)?.as_array());
    lists
        .flatten()
        .filter(|s| s.get("type").and_then(Json::as_str) != Some("null"))
        .collect()
}

/// The role of the component that is expected here. Where only one of several alternatives is a component, a value
/// that is written like one means that.
pub(super) fn role<'a>(schema: &'a Json, root: &'a Json, value: &Json) -> Option<&'a str> {
    let of = |s: &'a Json| s.get("x-role").and_then(Json::as_str);
    let looks_like_one = value.is_string() || value.get("use").is_some();
    of(schema).or_else(|| {
        alternatives(schema)
            .into_iter()
            .filter(|_| looks_like_one)
            .find_map(|s| of(follow(s, root)))
    })
}

/// The schemas of an object's members, by name.
pub(super) fn properties(schema: &Json) -> impl Iterator<Item = (&str, &Json)> + Clone {
    schema
        .get("properties")
        .and_then(Json::as_object)
        .into_iter()
        .flatten()
        .map(|(name, s)| (name.as_str(), s))
}

/// The schema of one member of an object.
pub(super) fn property<'a>(schema: &'a Json, name: &str) -> Option<&'a Json> {
    schema
        .get("properties")
        .and_then(|p| p.get(name))
        .or_else(|| schema.get("additionalProperties"))
}

/// Whether an object may have members that the schema does not name.
pub(super) fn takes_any_member(schema: &Json) -> bool {
    schema
        .get("additionalProperties")
        .is_some_and(|a| *a != Json::Bool(false))
}

/// The schema of one item of an array.
pub(super) fn item(schema: &Json, index: usize) -> Option<&Json> {
    schema
        .get("prefixItems")
        .and_then(|p| p.get(index))
        .or_else(|| schema.get("items"))
}
