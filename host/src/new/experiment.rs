//! The experiment that a new plugin comes with: it uses what was made, and ordinary parts for the rest.

use super::{Role, fill};

/// Roles that no stage can name.
const UNNAMED: [&str; 3] = ["relaxation", "objective", "analysis"];

/// The experiment, which ends in seconds.
pub(super) fn experiment(plugin: &str, roles: &[&Role]) -> String {
    let made = |role: &str| {
        let role = roles.iter().find(|r| r.name == role)?;
        Some(format!("{plugin}/{}", role.component()))
    };
    let or = |role, ordinary: &str| made(role).unwrap_or_else(|| ordinary.into());

    let strategy = or("strategy", "baselines/random");
    let search = match made("scorer") {
        Some(scorer) => format!(
            "{{ use = \"baselines/prescreen\", inner = \"{strategy}\", scorer = \"{scorer}\", of = 3 }}"
        ),
        None => format!("{{ use = \"{strategy}\" }}"),
    };
    let layer = made("layer").map(|layer| format!("    \"{layer}\",\n"));
    let begun = made("initializer").map(|init| {
        format!("    {{ use = \"baselines/begun\", inner = \"baselines/linear\", init = \"{init}\", weights = \"weight\" }},\n")
    });
    let adam = match made("schedule") {
        Some(schedule) => format!("{{ use = \"baselines/adam\", rate = \"{schedule}\" }}"),
        None => "\"baselines/adam\"".into(),
    };
    let first = made("transform").map(|first| format!("\"{first}\", "));
    let transforms = match made("transform").or(made("schedule")) {
        Some(_) => format!(", transforms = [{}{adam}]", first.unwrap_or_default()),
        None => String::new(),
    };
    let trainer = or("trainer", "baselines/backprop");
    let train = format!("{{ use = \"{trainer}\", epochs = 20{transforms} }}");

    let stages = [
        Some(include_str!("../../templates/experiment.toml")),
        made("pruner").map(|_| include_str!("../../templates/pruner.toml")),
        made("hypernet").map(|_| include_str!("../../templates/hypernet.toml")),
        made("kernel").map(|_| include_str!("../../templates/kernel.toml")),
    ];
    let text: String = stages.into_iter().flatten().collect();
    let unnamed: Vec<String> = UNNAMED.iter().filter_map(|role| made(role)).collect();
    let unnamed = match unnamed.is_empty() {
        true => String::new(),
        false => format!(
            "# No stage of an experiment names these yet; their tests use them: {}.\n",
            unnamed.join(", ")
        ),
    };
    fill(
        &text,
        &[
            ("task", &or("task", "baselines/digits")),
            ("search", &search),
            ("space", &or("space", "baselines/gnn")),
            (
                "layers",
                &[layer, begun].into_iter().flatten().collect::<String>(),
            ),
            ("train", &train),
            ("pruner", &or("pruner", "")),
            ("hypernet", &or("hypernet", "")),
            ("kernel", &or("kernel", "")),
            ("unnamed", &unnamed),
        ],
    )
}
