//! The JSON Schema of experiments, with the components of the plugins that are there, for editors that complete and check.
//!
//! Draft 7, which editors of TOML know. It says less than the reader does: which stage may start from which, for instance, it
//! cannot say.

use std::collections::{BTreeMap, BTreeSet};

use plugin_api_data::{Json, PluginCard};
use serde_json::{Map, json};

use crate::cards::Catalog;

/// The schema of an experiment.
pub fn editor_schema(catalog: &Catalog) -> Json {
    let mut definitions = Map::new();
    let mut roles: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for (PluginCard { name, .. }, card) in catalog.components() {
        let component = format!("{name}/{}", card.name);
        definitions.insert(component.clone(), of_component(&component, card));
        roles.entry(&card.role).or_default().push(component);
    }
    let mut missing: BTreeSet<&str> = ROLES.into_iter().collect();
    for (role, components) in roles {
        missing.remove(role);
        let whole = components.iter().map(|c| reference(c));
        let choice = [json!({ "enum": components })].into_iter().chain(whole);
        let choice: Vec<Json> = choice.collect();
        definitions.insert(role.into(), json!({ "anyOf": choice }));
    }
    // No plugin that is there has one.
    definitions.extend({ missing.into_iter() }.map(|role| (role.to_owned(), json!(false))));
    definitions.insert("step".into(), any(steps(&[])));
    definitions.insert("arm".into(), any(steps(&subject())));
    json!({
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": "An experiment of pleach",
        "type": "object",
        "required": ["task", "stage"],
        "additionalProperties": false,
        "properties": {
            "task": said("What is to be learned.", reference("task")),
            "seed": said("The first seed; a search uses it alone.", whole(0)),
            "seeds": said("How many seeds the stages other than searches run for.", whole(1)),
            "threads": said("Threads of a trial.", whole(1)),
            "limits": {
                "description": "What a trial may use.",
                "type": "object",
                "additionalProperties": false,
                "properties": {
                    "seconds": { "type": "number", "exclusiveMinimum": 0 },
                    "memory": { "type": ["string", "integer"], "description": "Bytes, or an amount such as \"4 GiB\"." },
                },
            },
            "keep": said(
                "Whose weights a complete run keeps.",
                json!({ "enum": ["all", "last", "best", "none"] }),
            ),
            "checkpoint": said("Seconds of work that are lost at most where a trial is killed from outside.", json!({ "type": "number", "minimum": 0 })),
            "stage": said("What is done, in order.", json!({ "type": "array", "minItems": 1, "items": any(stages()) })),
        },
        "definitions": definitions,
    })
}

/// The roles that an experiment names by itself.
const ROLES: [&str; 9] = [
    "task",
    "trainer",
    "pruner",
    "hypernet",
    "scorer",
    "analysis",
    "strategy",
    "relaxation",
    "space",
];

/// Keys, and what is expected there.
type Keys = Vec<(&'static str, Json)>;

/// What a stage may be.
fn stages() -> Vec<Json> {
    let named = |keys: Keys| [vec![("name", string("The stage's name."))], keys].concat();
    let searching = || {
        vec![
            ("space", said("What is searched.", reference("space"))),
            ("each", said("What is done with each candidate.", each())),
            (
                "budget",
                said(
                    "How many trials, and what they may cost together.",
                    budget(),
                ),
            ),
            (
                "ahead",
                said(
                    "How many points are asked for before the first of them is told.",
                    whole(1),
                ),
            ),
            (
                "batch",
                said("How many trials one process evaluates in turn.", whole(1)),
            ),
            (
                "equal",
                json!({ "enum": ["evaluate", "reuse", "forbid"], "description": "What becomes of a trial whose point was tried before." }),
            ),
            (
                "mix",
                said("Who joins and leaves the strategy, and when.", mix()),
            ),
        ]
    };
    let relaxing = vec![
        ("space", said("What is searched.", reference("space"))),
        ("steps", said("Steps of the search.", whole(1))),
    ];
    let subjects = string("An earlier stage.");
    let subjects = said(
        "The stages that are looked at.",
        json!({ "type": "array", "items": subjects }),
    );
    let arms =
        json!({ "type": "object", "minProperties": 1, "additionalProperties": reference("arm") });
    let mut stages = vec![
        doing(
            "search",
            reference("strategy"),
            "Looks for the best point of a space, trial by trial.",
            named(searching()),
            &["space", "budget"],
        ),
        doing(
            "search",
            reference("relaxation"),
            "Looks for the best point of a space in its supernet.",
            named(relaxing),
            &["space", "steps"],
        ),
        doing(
            "analyse",
            reference("analysis"),
            "Measures what stages have made.",
            named(vec![("subjects", subjects)]),
            &[],
        ),
        doing(
            "arms",
            arms,
            "Several ways to go on, compared seed by seed.",
            named(subject()),
            &[],
        ),
    ];
    stages.extend(steps(&named(subject())));
    stages
}

/// What a stage with a subject does, beside these keys.
fn steps(beside: &[(&'static str, Json)]) -> Vec<Json> {
    let with = |keys: Keys| [beside.to_vec(), keys].concat();
    let sparsity = said(
        "The part that is masked.",
        json!({ "type": "number", "minimum": 0, "exclusiveMaximum": 1 }),
    );
    let scope = said(
        "Whether one ranking goes over all weights, or one over each tensor.",
        json!({ "enum": ["global", "layer"] }),
    );
    let target = string("The selector of the weights that it makes.");
    let mut steps = vec![
        doing(
            "train",
            reference("trainer"),
            "Fits the weights.",
            with(vec![]),
            &[],
        ),
        doing(
            "prune",
            reference("pruner"),
            "Masks what matters least.",
            with(vec![("sparsity", sparsity), ("scope", scope)]),
            &["sparsity"],
        ),
        doing(
            "cut",
            json!({ "const": "masked" }),
            "Takes away the units that are masked wherever they lie.",
            with(vec![]),
            &[],
        ),
        doing(
            "generate",
            reference("hypernet"),
            "Has a hypernetwork make weights.",
            with(vec![("target", target)]),
            &[],
        ),
        doing(
            "score",
            reference("scorer"),
            "Asks what the network is worth.",
            with(vec![]),
            &[],
        ),
    ];
    // A step is no pipeline of steps.
    if !beside.is_empty() {
        steps.push(doing(
            "each",
            each(),
            "Several steps, one after the other.",
            with(vec![]),
            &[],
        ));
    }
    steps
}

/// What says from what a stage starts.
fn subject() -> Keys {
    let run = json!({
        "type": "object",
        "required": ["run", "stage"],
        "additionalProperties": false,
        "properties": { "run": string("The folder of a run."), "stage": string("One of its stages."), "seed": whole(0) },
    });
    let point = json!({
        "type": "object",
        "required": ["use", "point"],
        "properties": { "use": { "type": "string" }, "point": { "type": "object" } },
    });
    let file = json!({ "type": "string" });
    let files = json!({ "type": "array", "items": file });
    vec![
        (
            "from",
            said(
                "The stage whose network it starts from.",
                any(vec![file.clone(), run]),
            ),
        ),
        (
            "arch",
            said(
                "The file of an architecture or a network, or a point of a space.",
                any(vec![file, files, point]),
            ),
        ),
        ("weights", string("The file of the architecture's weights.")),
    ]
}

fn each() -> Json {
    json!({ "type": "array", "items": reference("step") })
}

fn budget() -> Json {
    let costs = json!({ "type": "number", "exclusiveMinimum": 0 });
    let table = json!({ "type": "object", "required": ["trials"], "properties": { "trials": whole(1) }, "additionalProperties": costs });
    any(vec![whole(1), table])
}

fn mix() -> Json {
    json!({ "type": "array", "items": {
        "type": "object",
        "required": ["at"],
        "additionalProperties": false,
        "properties": {
            "at": whole(0),
            "add": { "type": "object", "additionalProperties": reference("strategy") },
            "drop": { "type": "array", "items": { "type": "string" } },
        },
    } })
}

/// A table with a verb, with these keys beside it, of which some are required.
fn doing(verb: &str, value: Json, about: &str, keys: Keys, required: &[&str]) -> Json {
    let mut properties = Map::from_iter([(verb.to_owned(), said(about, value))]);
    properties.extend(
        keys.into_iter()
            .map(|(key, schema)| (key.to_owned(), schema)),
    );
    let required = [&[verb], required].concat();
    json!({
        "type": "object",
        "required": required,
        "additionalProperties": false,
        "properties": properties,
    })
}

/// A component in full: its name, and its parameters beside it.
fn of_component(component: &str, card: &plugin_api_data::Card) -> Json {
    let mut schema = moved(&card.schema, &pointer(component));
    let Some(fields) = schema.as_object_mut() else {
        return schema;
    };
    let named = json!({ "const": component, "description": card.doc });
    let properties = fields.entry("properties").or_insert_with(|| json!({}));
    if let Some(properties) = properties.as_object_mut() {
        properties.insert("use".into(), named);
    }
    let required = fields.entry("required").or_insert_with(|| json!([]));
    if let Some(required) = required.as_array_mut() {
        required.insert(0, json!("use"));
    }
    fields.entry("additionalProperties").or_insert(json!(false));
    fields.insert("description".into(), json!(card.doc));
    schema
}

/// A parameters' schema at another place: what it refers to lies below it, and where it expects a component there is the
/// schema of the role. A space may leave any of a layer's parameters to a decision, so any value may be one.
fn moved(schema: &Json, place: &str) -> Json {
    let fields = match schema {
        Json::Object(fields) => fields,
        Json::Array(items) => return items.iter().map(|item| moved(item, place)).collect(),
        other => return other.clone(),
    };
    if let Some(role) = fields.get("x-role").and_then(Json::as_str) {
        let expected = any(vec![reference(role), decision()]);
        return match fields.get("description").and_then(Json::as_str) {
            Some(about) => said(about, expected),
            None => expected,
        };
    }
    let mut fields: Map<String, Json> = { fields.iter() }
        .map(|(key, value)| match (key.as_str(), value) {
            ("$ref", Json::String(to)) => {
                let to = to.strip_prefix('#').unwrap_or(to);
                (key.clone(), json!(format!("{place}{to}")))
            }
            // What is given by example or default is no schema.
            ("default" | "examples" | "enum" | "const", _) => (key.clone(), value.clone()),
            _ => (key.clone(), moved(value, place)),
        })
        .collect();
    if let Some(Json::Object(properties)) = fields.get_mut("properties") {
        for (_, parameter) in properties.iter_mut().filter(|(_, p)| p.is_object()) {
            *parameter = match parameter.get("description").and_then(Json::as_str) {
                Some(about) => said(about, any(vec![parameter.clone(), decision()])),
                None => any(vec![parameter.clone(), decision()]),
            };
        }
    }
    Json::Object(fields)
}

/// `{ decide = "name" }`
fn decision() -> Json {
    json!({ "type": "object", "required": ["decide"], "additionalProperties": false, "properties": { "decide": { "type": "string" } } })
}

fn reference(definition: &str) -> Json {
    json!({ "$ref": pointer(definition) })
}

fn pointer(definition: &str) -> String {
    format!("#/definitions/{}", definition.replace('/', "~1"))
}

fn any(choice: Vec<Json>) -> Json {
    json!({ "anyOf": choice })
}

/// A schema with a description: beside `$ref` it would be overlooked.
fn said(about: &str, schema: Json) -> Json {
    match schema {
        Json::Object(mut fields) if !fields.contains_key("$ref") => {
            fields.insert("description".into(), json!(about));
            Json::Object(fields)
        }
        other => json!({ "description": about, "allOf": [other] }),
    }
}

fn whole(least: u64) -> Json {
    json!({ "type": "integer", "minimum": least })
}

fn string(about: &str) -> Json {
    json!({ "type": "string", "description": about })
}
