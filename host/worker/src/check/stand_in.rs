//! Parameters that stand in where a component requires some, found from its schema.

use plugin_api::{Json, Params, PluginCard, Recipe, Result, serde_json::json};

use super::{Case, Skip};

/// How deep parameters may stand in parameters.
const DEPTH: usize = 8;

/// The plugins whose components stand in for others, the one that is checked first.
pub(super) struct StandIns(Vec<PluginCard>);

impl StandIns {
    pub(super) fn new(plugins: Vec<PluginCard>) -> Self {
        StandIns(plugins)
    }

    /// The component with stand-ins for what it requires, and defaults for the rest.
    pub(super) fn recipe(&self, case: &Case<'_>) -> Result<Recipe> {
        let params = self
            .required(&case.card.schema, DEPTH)
            .map_err(|name| Skip(format!("no value was found for its parameter `{name}`")))?;
        Ok(Recipe {
            component: case.name.into(),
            params,
        })
    }

    /// Values for what a schema requires, or the name of that for which there is none.
    fn required<'a>(&self, schema: &'a Json, depth: usize) -> Result<Params, &'a str> {
        required(schema)
            .map(|(name, s)| Ok((name.to_string(), self.value(s, schema, depth).ok_or(name)?)))
            .collect()
    }

    /// The same with whole numbers made small: what is checked does not grow with epochs and batches.
    pub(super) fn small(&self, case: &Case<'_>) -> Result<Recipe> {
        let recipe = self.recipe(case)?;
        let mut small = recipe.clone();
        for (name, property) in properties(&case.card.schema) {
            let least = property.get("minimum").and_then(Json::as_i64).unwrap_or(0);
            let usual = property.get("default").or_else(|| example(property));
            if let Some(usual) = usual.and_then(Json::as_i64) {
                small
                    .params
                    .insert(name.clone(), usual.min(least.max(2)).into());
            }
        }
        match case.make(&small.params) {
            Ok(()) => Ok(small),
            Err(_) => Ok(recipe),
        }
    }

    /// A value that the schema takes: its default, else its example, else the first that comes to mind.
    fn value(&self, schema: &Json, root: &Json, depth: usize) -> Option<Json> {
        if depth == 0 {
            return None;
        }
        for key in ["default", "const"] {
            if let Some(value) = schema.get(key) {
                return Some(value.clone());
            }
        }
        if let Some(example) = example(schema) {
            return Some(example.clone());
        }
        if let Some(role) = schema.get("x-role").and_then(Json::as_str) {
            return self.component(role, depth);
        }
        if let Some(target) = target(schema, root) {
            return self.value(target, root, depth - 1);
        }
        if let Some(first) = schema.get("enum").and_then(|e| e.get(0)) {
            return Some(first.clone());
        }
        for key in ["anyOf", "oneOf", "allOf"] {
            if let Some(Json::Array(alternatives)) = schema.get(key) {
                let mut values = alternatives
                    .iter()
                    .filter(|s| s.get("type") != Some(&json!("null")));
                return values.find_map(|s| self.value(s, root, depth - 1));
            }
        }
        match kinds(schema).first()?.as_str() {
            "boolean" => Some(json!(false)),
            "string" => Some(json!("x")),
            "integer" => within(schema, true),
            "number" => within(schema, false),
            "array" => {
                let item = schema
                    .get("items")
                    .and_then(|items| self.value(items, root, depth - 1));
                let items: Vec<Json> = item.into_iter().collect();
                Some(items.into())
            }
            "object" => {
                // Not `self.required`: references are to the root.
                let members = required(schema)
                    .map(|(name, s)| Some((name.to_string(), self.value(s, root, depth - 1)?)));
                Some(Json::Object(members.collect::<Option<_>>()?))
            }
            _ => None,
        }
    }

    /// The first component of a role that requires nothing, else the last for which what it requires can be found.
    fn component(&self, role: &str, depth: usize) -> Option<Json> {
        let of_role = || {
            self.0.iter().flat_map(|plugin| {
                let cards = plugin.components.iter().filter(|card| card.role == role);
                cards.map(|card| (format!("{}/{}", plugin.name, card.name), &card.schema))
            })
        };
        let modest = of_role().find(|(_, schema)| required(schema).next().is_none());
        let recipe = match modest {
            Some((component, _)) => Recipe::new(component),
            None => of_role().collect::<Vec<_>>().into_iter().rev().find_map(
                |(component, schema)| {
                    let params = self.required(schema, depth - 1).ok()?;
                    Some(Recipe { component, params })
                },
            )?,
        };
        Some(recipe.into())
    }
}

/// What one would write, where the author says so.
fn example(schema: &Json) -> Option<&Json> {
    schema.get("examples")?.get(0)
}

/// The parameters of a schema, by name.
pub(super) fn properties(schema: &Json) -> impl Iterator<Item = (&String, &Json)> {
    schema
        .get("properties")
        .and_then(Json::as_object)
        .into_iter()
        .flatten()
}

fn required(schema: &Json) -> impl Iterator<Item = (&str, &Json)> {
    let names = schema
        .get("required")
        .and_then(Json::as_array)
        .into_iter()
        .flatten();
    names.filter_map(|name| {
        let name = name.as_str()?;
        Some((name, schema.get("properties")?.get(name)?))
    })
}

/// Values just beyond each bound that a parameter declares; in a list where it is one.
pub(super) fn beyond(property: &Json, root: &Json) -> Vec<Json> {
    let property = target(property, root).unwrap_or(property);
    let bound = |key: &str| property.get(key).and_then(Json::as_f64);
    let outside = [
        bound("minimum").map(|x| x - 1.0),
        bound("exclusiveMinimum"),
        bound("maximum").map(|x| x + 1.0),
        bound("exclusiveMaximum"),
    ];
    let kinds = kinds(property);
    let is_list = kinds.iter().any(|kind| kind == "array");
    let number_kinds = match property.get("items") {
        Some(items) if is_list => self::kinds(items),
        _ => kinds,
    };
    let whole = number_kinds.iter().any(|kind| kind == "integer");
    outside
        .into_iter()
        .flatten()
        .map(|x| number(x, whole))
        .map(|x| if is_list { json!([x]) } else { x })
        .collect()
}

/// A number inside the bounds of a schema.
fn within(schema: &Json, whole: bool) -> Option<Json> {
    let bound = |key: &str| schema.get(key).and_then(Json::as_f64);
    let low = bound("minimum").or(bound("exclusiveMinimum"));
    let high = bound("maximum").or(bound("exclusiveMaximum"));
    let candidates = match (low, high) {
        (Some(low), Some(high)) => vec![1.0, f64::midpoint(low, high), low, high],
        (Some(low), None) => vec![1.0, low, low + 1.0],
        (None, Some(high)) => vec![1.0, high, high - 1.0],
        (None, None) => vec![1.0],
    };
    let validator = jsonschema::validator_for(schema).ok()?;
    candidates
        .into_iter()
        .map(|x| number(if whole { x.round() } else { x }, whole))
        .find(|x| validator.is_valid(x))
}

fn number(x: f64, whole: bool) -> Json {
    match whole {
        true => json!(x as i64),
        false => json!(x),
    }
}

/// The types that a schema names.
fn kinds(schema: &Json) -> Vec<String> {
    let text = |kind: &Json| kind.as_str().map(str::to_owned);
    match schema.get("type") {
        Some(Json::Array(kinds)) => kinds
            .iter()
            .filter_map(text)
            .filter(|k| k != "null")
            .collect(),
        Some(kind) => text(kind).into_iter().collect(),
        None => vec![],
    }
}

/// The schema that a reference names.
fn target<'a>(schema: &Json, root: &'a Json) -> Option<&'a Json> {
    root.pointer(schema.get("$ref")?.as_str()?.strip_prefix('#')?)
}

macro_rules! make_any {
    ($($role:ident $obj:ident $name:ident),* $(,)?) => {
        impl Case<'_> {
            /// Makes the component of these parameters, whatever its role.
            pub(super) fn make(&self, params: &Params) -> Result<()> {
                use plugin_api::host::Services;
                let recipe = Recipe { component: self.name.into(), params: params.clone() };
                match self.card.role.as_str() {
                    $(stringify!($name) => crate::registry::host().$name(&recipe).map(drop),)*
                    other => Err(Skip(format!("this host knows no role `{other}`")).into()),
                }
            }
        }
    };
}
plugin_api::each_role!(make_any);

#[cfg(test)]
mod tests {
    use plugin_api::Card;

    use super::*;

    #[test]
    fn finds_a_value_for_what_is_required() {
        let layer = Card {
            role: "layer".into(),
            name: "linear".into(),
            doc: String::new(),
            schema: json!({}),
            exempt: plugin_api::Named::new(),
        };
        let stand_ins = StandIns(vec![PluginCard {
            name: "a".into(),
            version: String::new(),
            description: String::new(),
            licence: String::new(),
            paper: String::new(),
            components: vec![layer],
            claims: plugin_api::Named::new(),
        }]);
        let root = json!({ "$defs": { "How": { "oneOf": [{ "const": "first" }, { "const": "second" }] } } });
        let check = |schema: Json, value: Json| {
            assert_eq!(
                stand_ins.value(&schema, &root, DEPTH),
                Some(value),
                "{schema}"
            );
        };
        check(json!({ "type": "integer", "default": 7 }), json!(7));
        check(
            json!({ "type": "integer", "minimum": 3, "examples": [10] }),
            json!(10),
        );
        check(json!({ "type": "integer" }), json!(1));
        check(json!({ "type": "integer", "minimum": 3 }), json!(3));
        check(
            json!({ "type": "number", "exclusiveMinimum": 0, "exclusiveMaximum": 1 }),
            json!(0.5),
        );
        check(
            json!({ "type": "number", "exclusiveMaximum": 0 }),
            json!(-1.0),
        );
        check(json!({ "type": "string", "enum": ["a", "b"] }), json!("a"));
        check(json!({ "$ref": "#/$defs/How" }), json!("first"));
        check(json!({ "type": ["string", "null"] }), json!("x"));
        check(
            json!({ "type": ["object", "string"], "x-role": "layer" }),
            json!({ "use": "a/linear" }),
        );
        check(
            json!({ "type": "array", "items": { "type": ["object", "string"], "x-role": "layer" } }),
            json!([{ "use": "a/linear" }]),
        );
        assert_eq!(
            stand_ins.value(&json!({ "x-role": "task" }), &root, DEPTH),
            None
        );
    }

    #[test]
    fn goes_beyond_each_bound() {
        let check = |schema: Json, values: Json| {
            assert_eq!(Json::Array(beyond(&schema, &json!({}))), values, "{schema}");
        };
        check(
            json!({ "type": "integer", "minimum": 1, "maximum": 5 }),
            json!([0, 6]),
        );
        check(
            json!({ "type": "number", "exclusiveMinimum": 0, "exclusiveMaximum": 1 }),
            json!([0.0, 1.0]),
        );
        check(
            json!({ "type": ["integer", "null"], "minimum": 1 }),
            json!([0]),
        );
        check(
            json!({ "type": "array", "items": { "type": "integer" }, "minimum": 1 }),
            json!([[0]]),
        );
        check(json!({ "type": "string" }), json!([]));
    }
}
