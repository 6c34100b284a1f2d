//! Checks a component and its parameters against its card, and fills in what was left out.

use jsonschema::ValidationError;
use jsonschema::error::{TypeKind, ValidationErrorKind as Kind};
use plugin_api_data::{Card, Error, Json, Params, Recipe};

use super::Diagnostic;
use super::fields::{Errors, Place, a, unknown};
use super::schema;
use crate::cards::Catalog;
use crate::error::nearest;

/// Checks components; what is wrong is added to `errors`.
pub(super) struct Checker<'a> {
    pub(super) catalog: &'a Catalog,
    pub(super) errors: &'a mut Errors,
}

/// The parameters of one component while they are checked.
struct Scope<'a, 'p> {
    /// The schema that references point into.
    root: &'a Json,
    role: &'a str,
    /// Whether a parameter may be left to a decision of the space around it.
    open: bool,
    /// Where that was done.
    decided: Vec<Place<'p>>,
}

impl Checker<'_> {
    /// The component that is written at a place, complete. `open` says whether its parameters may be decided by a space.
    pub(super) fn component(
        &mut self,
        value: &Json,
        place: &Place,
        role: &str,
        open: bool,
    ) -> Option<Recipe> {
        let Ok(recipe) = serde_json::from_value::<Recipe>(value.clone()) else {
            let title = format!("{} is expected here", a(role));
            self.errors.push(Diagnostic::new(place.value(), title).help(
                "write it as { use = \"plugin/component\" }, with its parameters beside `use`",
            ));
            return None;
        };
        let at = if value.is_string() {
            place.clone()
        } else {
            place.child("use")
        };
        let card = match self.catalog.component(&recipe.component) {
            Ok(card) => card,
            Err(e) => {
                self.errors.push(missing(&at, &e));
                return None;
            }
        };
        if card.role != role {
            let title = format!(
                "`{}` is {}; here {} is needed",
                recipe.component,
                a(&card.role),
                a(role)
            );
            self.errors.push(
                Diagnostic::new(at.value(), title)
                    .help(format!("`pleach components --role {role}` shows what fits")),
            );
            return None;
        }
        let before = self.errors.len();
        let params = self.params(card, &recipe, place, &at, open);
        (self.errors.len() == before).then_some(Recipe { params, ..recipe })
    }

    fn params(
        &mut self,
        card: &Card,
        recipe: &Recipe,
        place: &Place,
        at: &Place,
        open: bool,
    ) -> Params {
        let mut params = recipe.params.clone();
        if !schema::takes_any_member(&card.schema) {
            let names = schema::properties(&card.schema).map(|(name, _)| name);
            params.retain(|key, _| {
                let known = names.clone().any(|n| n == key);
                if !known {
                    self.errors.push(unknown(
                        place.child(key).key(),
                        key,
                        &format!("`{}`", recipe.component),
                        names.clone(),
                    ));
                }
                known
            });
        }
        let mut scope = Scope {
            root: &card.schema,
            role: &card.role,
            open,
            decided: vec![],
        };
        let complete = self.complete(
            &Json::Object(params.clone()),
            &card.schema,
            place,
            &mut scope,
        );
        // Checked as it was written: a default is the plugin's own affair.
        match jsonschema::validator_for(&card.schema) {
            Ok(validator) => {
                let found = validator
                    .iter_errors(&Json::Object(params))
                    .filter_map(|e| explain(&e, recipe, (place, at), &scope))
                    .collect::<Vec<_>>();
                self.errors.extend(found);
            }
            Err(e) => self.errors.push(Diagnostic::new(
                at.value(),
                format!(
                    "`{}` has a schema that cannot be read: {e}",
                    recipe.component
                ),
            )),
        }
        match complete {
            Json::Object(complete) => complete,
            _ => unreachable!("an object stays an object"),
        }
    }

    /// The same value with nested components checked and defaults filled in.
    fn complete<'p>(
        &mut self,
        value: &Json,
        described: &Json,
        place: &Place<'p>,
        scope: &mut Scope<'_, 'p>,
    ) -> Json {
        if is_decision(value) {
            if !scope.open {
                let error = Diagnostic::new(
                    place.value(),
                    "a search decides only parameters of the layers in its `space`",
                );
                let help = "give it a value here";
                self.errors.push(error.help(help));
            }
            scope.decided.push(place.clone());
            return value.clone();
        }
        let described = schema::follow(described, scope.root);
        if let Some(role) = schema::role(described, scope.root, value).filter(|_| !value.is_null())
        {
            let inner = self.component(value, place, role, scope.open || scope.role == "space");
            return inner.map_or_else(
                || value.clone(),
                |r| serde_json::to_value(r).expect("a recipe is JSON"),
            );
        }
        match value {
            Json::Array(items) => items
                .iter()
                .enumerate()
                .map(|(i, v)| match schema::item(described, i) {
                    Some(s) => self.complete(v, s, &place.child(i), scope),
                    None => v.clone(),
                })
                .collect(),
            Json::Object(members) => {
                let mut complete = Params::new();
                // In the schema's order, so that one experiment has one resolved form.
                for (name, s) in schema::properties(described) {
                    // TOML has no null, and leaving the parameter out means the same.
                    let default = || s.get("default").filter(|d| !d.is_null());
                    if let Some(value) = members.get(name).or_else(default) {
                        complete.insert(
                            name.into(),
                            self.complete(value, s, &place.child(name), scope),
                        );
                    }
                }
                for (name, value) in members {
                    if !complete.contains_key(name) {
                        let value = match schema::property(described, name) {
                            Some(s) => self.complete(value, s, &place.child(name), scope),
                            None => value.clone(),
                        };
                        complete.insert(name.clone(), value);
                    }
                }
                Json::Object(complete)
            }
            other => other.clone(),
        }
    }
}

/// `{ decide = "name" }`: the space around decides it.
fn is_decision(value: &Json) -> bool {
    value
        .as_object()
        .is_some_and(|o| o.len() == 1 && o.get("decide").is_some_and(Json::is_string))
}

/// The error of a component that is not there or cannot be used.
fn missing(at: &Place, error: &Error) -> Diagnostic {
    let mut diagnostic = Diagnostic::new(at.value(), error.what.clone());
    let mut next = Some(error);
    while let Some(error) = next {
        let (found, expected) = (error.found.as_ref(), error.expected.as_ref());
        let found = found.map(|text| format!("found {text}"));
        let expected = expected.map(|text| format!("expected {text}"));
        diagnostic.notes.extend(found.into_iter().chain(expected));
        // Nearest to the cause is the best way out.
        diagnostic.help = error.help.clone().or(diagnostic.help);
        next = error.cause.as_deref();
        if let Some(cause) = next {
            diagnostic.title += &format!(": {}", cause.what);
        }
    }
    diagnostic
}

/// What a schema's error means in the words of an experiment; nothing where the value is left to a decision.
fn explain(
    error: &ValidationError,
    recipe: &Recipe,
    (place, at): (&Place, &Place),
    scope: &Scope,
) -> Option<Diagnostic> {
    let path: Vec<String> = error
        .instance_path()
        .segments()
        .map(|s| s.to_string())
        .collect();
    let here = path.iter().fold(place.clone(), |p, step| p.child(step));
    if scope.decided.iter().any(|d| here.within(d)) {
        return None;
    }
    let component = &recipe.component;
    let name = path
        .iter()
        .fold(String::new(), |name, step| match step.parse::<usize>() {
            Ok(index) => format!("{name}[{index}]"),
            Err(_) if name.is_empty() => step.clone(),
            Err(_) => format!("{name}.{step}"),
        });
    let subject = if name.is_empty() {
        format!("`{component}`")
    } else {
        format!("`{name}` of `{component}`")
    };
    if let Kind::Required { property } = error.kind() {
        let span = if path.is_empty() {
            at.value()
        } else {
            here.value()
        };
        let property = property.as_str().unwrap_or_default();
        return Some(
            Diagnostic::new(span, format!("{subject} needs `{property}`")).help(format!(
                "`pleach describe {component}` shows its parameters"
            )),
        );
    }
    if let Kind::AdditionalProperties { unexpected } = error.kind() {
        let key = unexpected.first()?;
        return Some(Diagnostic::new(
            here.child(key).key(),
            format!("{subject} has no key `{key}`"),
        ));
    }
    let found = match error.instance().as_ref() {
        Json::Array(_) => "an array".into(),
        Json::Object(_) => "a table".into(),
        other => other.to_string(),
    };
    let (expected, help) = expectation(error);
    let is_table = error.instance().is_object();
    let to_a_search = "what is left to the search is { decide = \"NAME\" }";
    let help = help.or((scope.open && is_table).then(|| to_a_search.into()));
    let diagnostic = Diagnostic::new(here.value(), format!("{subject} {expected}"))
        .label(format!("found {found}"));
    Some(match help {
        Some(help) => diagnostic.help(help),
        None => diagnostic,
    })
}

/// What should have been there, and a way out where one is near.
fn expectation(error: &ValidationError) -> (String, Option<String>) {
    let must_be = |what: String| (format!("must be {what}"), None);
    match error.kind() {
        Kind::Type {
            kind: TypeKind::Single(t),
        } => must_be(type_name(&t.to_string())),
        Kind::Type {
            kind: TypeKind::Multiple(set),
        } => {
            // `null` is how a schema says that it may be left out.
            let names: Vec<String> = set
                .iter()
                .map(|t| t.to_string())
                .filter(|t| t != "null")
                .map(|t| type_name(&t))
                .collect();
            must_be(names.join(" or "))
        }
        Kind::Minimum { limit } => must_be(format!("at least {limit}")),
        Kind::ExclusiveMinimum { limit } => must_be(format!("greater than {limit}")),
        Kind::Maximum { limit } => must_be(format!("at most {limit}")),
        Kind::ExclusiveMaximum { limit } => must_be(format!("less than {limit}")),
        Kind::MinItems { limit } => (format!("must have at least {limit} items"), None),
        Kind::MaxItems { limit } => (format!("must have at most {limit} items"), None),
        Kind::Constant { expected_value } => must_be(expected_value.to_string()),
        Kind::Enum { options } => {
            let options: Vec<&Json> = options
                .as_array()
                .into_iter()
                .flatten()
                .filter(|o| !o.is_null())
                .collect();
            let near = error
                .instance()
                .as_str()
                .and_then(|s| nearest(s, options.iter().filter_map(|o| o.as_str())));
            let list: Vec<String> = options.iter().map(|o| o.to_string()).collect();
            (
                format!("must be one of {}", list.join(", ")),
                near.map(|n| format!("did you mean \"{n}\"?")),
            )
        }
        Kind::AnyOf { context } | Kind::OneOfNotValid { context } => {
            // The alternative that says more than "it is not null".
            let is_null = |e: &ValidationError| matches!(e.kind(), Kind::Type { kind: TypeKind::Single(t) } if t.to_string() == "null");
            let telling: Vec<&ValidationError> = context
                .iter()
                .filter_map(|alternative| alternative.first())
                .filter(|e| !is_null(e))
                .collect();
            let all: Vec<(String, Option<String>)> = telling.into_iter().map(expectation).collect();
            let words = all.iter().map(|(what, _)| what.as_str());
            let each: Option<Vec<&str>> =
                words.clone().map(|w| w.strip_prefix("must be ")).collect();
            (
                match each {
                    Some(each) => format!("must be {}", each.join(" or ")),
                    None => words.collect::<Vec<_>>().join(", or "),
                },
                all.into_iter().find_map(|(_, help)| help),
            )
        }
        _ => (format!("does not fit: {error}"), None),
    }
}

fn type_name(json: &str) -> String {
    match json {
        "integer" => "a whole number".into(),
        "boolean" => "true or false".into(),
        "object" => "a table".into(),
        other => a(other),
    }
}
