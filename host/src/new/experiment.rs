//! The experiment that a new plugin comes with: it uses what was made, and ordinary parts for the rest.

use super::{Role, fill};

/// The experiment, which ends in seconds.
pub(super) fn experiment(plugin: &str, roles: &[&Role]) -> String {
    let made = |role: &str| {
        let role = roles.iter().find(|r| r.name == role)?;
        Some(format!("{plugin}/{}", role.component()))
    };
    let or = |role, ordinary: &str| made(role).unwrap_or_else(|| ordinary.into());
    let stages = [
        Some(include_str!("../../templates/experiment.toml")),
        made("pruner").map(|_| include_str!("../../templates/pruner.toml")),
        made("hypernet").map(|_| include_str!("../../templates/hypernet.toml")),
        made("kernel").map(|_| include_str!("../../templates/kernel.toml")),
        made("relaxation").map(|_| include_str!("../../templates/relaxation.toml")),
        made("analysis").map(|_| include_str!("../../templates/analysis.toml")),
    ];
    let text: String = stages.into_iter().flatten().collect();
    fill(
        &text,
        &[
            ("task", &or("task", "baselines/digits")),
            ("search", &search(made)),
            ("space", &space(made)),
            ("train", &train(made)),
            ("pruner", &or("pruner", "")),
            ("hypernet", &or("hypernet", "")),
            ("kernel", &or("kernel", "")),
            ("relaxation", &or("relaxation", "")),
            ("analysis", &or("analysis", "")),
        ],
    )
}

/// Who proposes points.
fn search(made: impl Fn(&str) -> Option<String>) -> String {
    let strategy = made("strategy").unwrap_or_else(|| "baselines/random".into());
    match made("scorer") {
        Some(scorer) => format!(
            "{{ use = \"baselines/prescreen\", inner = \"{strategy}\", scorers = [\"{scorer}\"], of = 3 }}"
        ),
        None => format!("{{ use = \"{strategy}\" }}"),
    }
}

/// A space in which layers are all that is open, so that a relaxation can search it too.
fn space(made: impl Fn(&str) -> Option<String>) -> String {
    let layer = made("layer").map(|layer| format!("    \"{layer}\",\n"));
    let begun = made("initializer").map(|init| {
        format!("    {{ use = \"baselines/begun\", inner = \"baselines/linear\", init = \"{init}\", weights = \"weight\" }},\n")
    });
    let own: String = layer.into_iter().chain(begun).collect();
    let head = match made("space") {
        Some(space) => format!("use = \"{space}\""),
        None => "use = \"baselines/gnn\", dropouts = [0.0], activations = [\"relu\"]".into(),
    };
    format!(
        "{{ {head}, widths = [16], layers = [\n    \"baselines/linear\",\n    \"baselines/activation\",\n{own}] }}"
    )
}

/// Who trains, and how.
fn train(made: impl Fn(&str) -> Option<String>) -> String {
    let trainer = made("trainer").unwrap_or_else(|| "baselines/backprop".into());
    let mut train = format!("use = \"{trainer}\", epochs = 20");
    let adam = match made("schedule") {
        Some(schedule) => format!("{{ use = \"baselines/adam\", rate = \"{schedule}\" }}"),
        None => "\"baselines/adam\"".into(),
    };
    match (made("transform"), made("schedule")) {
        (Some(first), _) => train += &format!(", transforms = [\"{first}\", {adam}]"),
        (None, Some(_)) => train += &format!(", transforms = [{adam}]"),
        (None, None) => {}
    }
    if let Some(objective) = made("objective") {
        train += &format!(", objectives = [\"{objective}\"]");
    }
    format!("{{ {train} }}")
}
