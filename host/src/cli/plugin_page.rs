//! A plugin as a page of Markdown, for its documentation.

use pleach::claims::Claims;
use pleach::experiment::{Parameter, parameters};
use plugin_api_data::{Card, Error, PluginCard};

use super::describe::{example, toml_value};

/// What it is, its components by role with all parameters, and what it claims.
///
/// # Errors
/// Where its claims make no sense.
pub(super) fn page(card: &PluginCard) -> Result<String, Error> {
    let mut parts = vec![format!("# {}", card.name), card.description.clone()];
    let paper = Some(&card.paper).filter(|paper| !paper.is_empty());
    parts.extend(paper.map(|paper| format!("Paper: {paper}.")));
    let of_role = card.components.chunk_by(|a, b| a.role == b.role);
    for components in of_role {
        parts.push(format!("## Role `{}`", components[0].role));
        parts.extend(components.iter().map(|of| component(&card.name, of)));
    }
    if let Some(claims) = Claims::of(card)? {
        let mut lines = vec![
            "## Claims\n".to_owned(),
            format!("`pleach reproduce {}` measures them.\n", card.name),
        ];
        lines.extend(claims.claims.iter().map(|claim| {
            let required = if claim.required { ", required" } else { "" };
            format!("- `{}`{required}: {}", claim.name, claim.says)
        }));
        parts.push(lines.join("\n"));
    }
    Ok(parts.join("\n\n"))
}

fn component(plugin: &str, card: &Card) -> String {
    let name = format!("{plugin}/{}", card.name);
    let parameters = parameters(card);
    let mut parts = vec![format!("### `{name}`"), card.doc.trim().to_owned()];
    if !parameters.is_empty() {
        let head =
            "| parameter | what it may be | default | what it is |\n| --- | --- | --- | --- |";
        let rows = parameters.iter().map(row);
        parts.push(
            [head.to_owned()]
                .into_iter()
                .chain(rows)
                .collect::<Vec<_>>()
                .join("\n"),
        );
    }
    parts.push(format!(
        "```toml\n{}\n```",
        example(&name, card, &parameters)
    ));
    parts.join("\n\n")
}

fn row(parameter: &Parameter) -> String {
    let default = match &parameter.default {
        Some(default) => format!("`{}`", toml_value(default)),
        None if parameter.required => "required".into(),
        None => String::new(),
    };
    let doc = parameter
        .doc
        .split_whitespace()
        .collect::<Vec<_>>()
        .join(" ");
    let cells = [
        format!("`{}`", parameter.name),
        parameter.kind.clone(),
        default,
        doc,
    ];
    let cells = cells.map(|cell| cell.replace('|', "\\|"));
    format!("| {} |", cells.join(" | "))
}
