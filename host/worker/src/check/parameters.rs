//! Parameters: described, with defaults that pass, and refused where they should be.

use plugin_api::boundary::as_error;
use plugin_api::{Error, Json, Params, Result, serde_json::json};

use super::{CHECKS, Case, Skip, stand_in};

/// A name that no parameter has.
const UNKNOWN: &str = "no-such-parameter";

pub(super) fn described(case: &Case<'_>) -> Result<()> {
    let card = case.card;
    if card.doc.trim().is_empty() {
        return Err(Error::new("the component has no doc")
            .help("say above the struct what it does: users read it")
            .into());
    }
    jsonschema::meta::validate(&card.schema).map_err(|e| {
        Error::new("the schema of the parameters is no JSON Schema").caused_by(at(&e))
    })?;
    for parameter in pleach::experiment::parameters(card) {
        if parameter.doc.trim().is_empty() {
            return Err(
                Error::new(format!("parameter `{}` has no doc", parameter.name))
                    .help("say above the field what it is for: users read it")
                    .into(),
            );
        }
    }
    for check in card.exempt.names() {
        let excusable = || CHECKS.iter().filter(|c| c.excusable).map(|c| c.name);
        if !excusable().any(|name| name == check) {
            return Err(
                Error::new(format!("the component exempts itself from `{check}`"))
                    .expected(excusable().collect::<Vec<_>>().join(", "))
                    .into(),
            );
        }
    }
    Ok(())
}

pub(super) fn defaults(case: &Case<'_>) -> Result<()> {
    let schema = &case.card.schema;
    let required = case.stand_ins.recipe(case)?;
    let mut all = required.params.clone();
    for (name, property) in stand_in::properties(schema) {
        if let Some(default) = property.get("default") {
            all.insert(name.clone(), default.clone());
        }
    }
    let validator = jsonschema::validator_for(schema)?;
    if let Err(e) = validator.validate(&Json::Object(all)) {
        return Err(
            Error::new("a default does not pass the schema that it stands in")
                .caused_by(at(&e))
                .into(),
        );
    }
    let Err(e) = case.make(&required.params) else {
        return Ok(());
    };
    if required.params.is_empty() {
        return Err(e);
    }
    let given = Json::Object(required.params);
    let tried = Error::new("no parameters were found with which it can be made").found(given);
    Err(Skip(tried.caused_by(as_error(e)).to_string()).into())
}

pub(super) fn refuses(case: &Case<'_>) -> Result<()> {
    let schema = &case.card.schema;
    let base = case.stand_ins.recipe(case)?.params;
    let must_refuse = |name: &str, value: Json| -> Result<()> {
        case.trying(&format!("{name} = {value}"))?;
        let mut params = base.clone();
        params.insert(name.into(), value);
        let Err(error) = case.make(&params) else {
            return Err(Error::new(format!("parameter `{name}` is taken as it is"))
                .expected("an error that names it")
                .help("declare it by `#[component]` and `#[param(range = …)]`, which check it")
                .into());
        };
        let text = as_error(error).to_string();
        let named = ["`", ".", "["]
            .iter()
            .any(|end| text.contains(&format!("`{name}{end}")));
        match named {
            true => Ok(()),
            false => Err(Error::new(format!("the error does not name `{name}`"))
                .found(text)
                .into()),
        }
    };
    must_refuse(UNKNOWN, json!(1))?;
    let validator = jsonschema::validator_for(schema)?;
    for (name, property) in stand_in::properties(schema) {
        // What the schema refuses, the component must refuse. JSON has no NaN: a host writes it as `null`.
        for value in [
            json!(null),
            json!("no such value"),
            json!(0.5),
            json!(true),
            json!([[]]),
        ] {
            let mut params: Params = base.clone();
            params.insert(name.clone(), value.clone());
            if !validator.is_valid(&Json::Object(params)) {
                must_refuse(name, value)?;
            }
        }
        for value in stand_in::beyond(property, schema) {
            must_refuse(name, value)?;
        }
    }
    Ok(())
}

/// What a schema refused, and where.
fn at(error: &jsonschema::ValidationError<'_>) -> Error {
    let path = error.instance_path().to_string();
    Error::new(match path.as_str() {
        "" => error.to_string(),
        path => format!("`{}`: {error}", path.trim_start_matches('/')),
    })
}
