//! Points of a space: drawn, read, and turned into architectures.

use std::collections::{HashMap, HashSet};

use plugin_api::{
    Arch, Decided, Decision, Domain, Error, Json, NodeKind, NodeRef, Params, Point, Result, random,
    stream,
};
use rand::RngExt;

/// The architecture that a point of a supernet stands for.
pub(crate) fn resolve(supernet: &Arch, point: &Point) -> Result<Arch> {
    let values: HashMap<&str, Json> = supernet
        .decisions
        .iter()
        .map(|d| Ok((d.name.as_str(), d.value(point)?)))
        .collect::<Result<_, Error>>()?;
    let mut arch = Arch {
        decisions: vec![],
        ..supernet.clone()
    };
    decide(&mut arch, point, &values)?;
    Ok(arch)
}

/// Decides all mixes and parameters, and drops what is absent or serves no output.
fn decide(arch: &mut Arch, point: &Point, values: &HashMap<&str, Json>) -> Result<()> {
    let mut absent: HashSet<String> = HashSet::new();
    for node in &mut arch.nodes {
        if let NodeKind::Mix(mix) = &node.kind {
            let Some(Decided::Option(chosen)) = point.get(&mix.decision) else {
                return Err(Error::new(format!(
                    "node `{}` asks `{}`, which decides no option",
                    node.name, mix.decision
                ))
                .into());
            };
            let Some(option) = mix.options.iter().find(|o| o.option == *chosen) else {
                absent.insert(node.name.clone());
                continue;
            };
            let local = format!("{chosen}.");
            let living = node.living.iter();
            node.living = living
                .filter_map(|(axis, units)| Some((axis.strip_prefix(&local)?, units.clone())))
                .collect();
            if !option.inputs.is_empty() {
                node.inputs = option.inputs.clone();
            }
            node.kind = NodeKind::Layer(option.layer.clone());
        }
        let fed = |from: &NodeRef| !absent.contains(from.node());
        let takes = !node.inputs.is_empty();
        node.inputs = std::mem::take(&mut node.inputs)
            .into_iter()
            .filter(|(_, from)| fed(from))
            .collect();
        if takes && node.inputs.is_empty() {
            absent.insert(node.name.clone());
            continue;
        }
        match &mut node.kind {
            NodeKind::Layer(recipe) => {
                for value in recipe.params.values_mut() {
                    fill_in(value, values)?;
                }
            }
            NodeKind::Network(inner) => decide(inner, point, values)?,
            NodeKind::Mix(_) => {}
        }
    }
    arch.nodes.retain(|node| !absent.contains(&node.name));
    let needed = needed(arch);
    arch.nodes.retain(|node| needed.contains(&node.name));
    Ok(())
}

/// The supernet with the parameters filled in that have no choice: mixes stay open, for a relaxation.
pub(crate) fn settle(mut supernet: Arch) -> Result<Arch> {
    let only = |d: &Decision| match &d.domain {
        Domain::Options(options) if options.len() == 1 => Some(options[0].clone()),
        _ => None,
    };
    let decisions = supernet.decisions.clone();
    let values: HashMap<&str, Json> = decisions
        .iter()
        .filter_map(|d| Some((d.name.as_str(), only(d)?)))
        .collect();
    settle_with(&mut supernet, &values)?;
    Ok(supernet)
}

fn settle_with(supernet: &mut Arch, values: &HashMap<&str, Json>) -> Result<()> {
    for node in &mut supernet.nodes {
        let name = &node.name;
        let recipes = match &mut node.kind {
            NodeKind::Layer(recipe) => vec![recipe],
            NodeKind::Mix(mix) => {
                let options = mix.options.iter_mut().map(|o| &mut o.layer);
                options.chain(&mut mix.join).collect()
            }
            NodeKind::Network(inner) => {
                settle_with(inner, values)?;
                continue;
            }
        };
        for value in recipes.into_iter().flat_map(|r| r.params.values_mut()) {
            fill_in(value, values).map_err(|e| {
                let what = format!("a relaxation cannot leave a parameter of node `{name}` open");
                Error::new(what)
                    .caused_by(plugin_api::boundary::as_error(e))
                    .help("leave the space one value to choose from, or search it by a strategy")
            })?;
        }
    }
    Ok(())
}

/// Puts the decided value in place of `{ "decide": name }`, however deep it stands.
fn fill_in(value: &mut Json, values: &HashMap<&str, Json>) -> Result<()> {
    match value {
        Json::Object(map) => match map.get("decide").and_then(Json::as_str) {
            Some(name) if map.len() == 1 => {
                *value = values.get(name).cloned().ok_or_else(|| {
                    Error::new(format!(
                        "a parameter asks `{name}`, which the space does not decide"
                    ))
                })?;
            }
            _ => map.values_mut().try_for_each(|v| fill_in(v, values))?,
        },
        Json::Array(list) => list.iter_mut().try_for_each(|v| fill_in(v, values))?,
        _ => {}
    }
    Ok(())
}

/// Names of the nodes on which an output hangs.
fn needed(arch: &Arch) -> HashSet<String> {
    let mut needed: HashSet<String> = arch
        .outputs
        .values()
        .map(|from| from.node().to_string())
        .collect();
    for node in arch.nodes.iter().rev() {
        if needed.contains(&node.name) {
            needed.extend(node.inputs.values().map(|from| from.node().to_string()));
            needed.extend(node.share.clone());
        }
    }
    needed
}

/// Points drawn uniformly and independently.
pub(crate) fn sample(decisions: &[Decision], n: i64, seed: u64) -> Vec<Point> {
    let draw = |i: i64, d: &Decision| {
        let mut generator = random::generator(stream(seed, &format!("{i}:{}", d.name)));
        match &d.domain {
            Domain::Options(options) => {
                Decided::Option(generator.random_range(0..options.len().max(1)))
            }
            Domain::Integer(low, high) => Decided::Integer(generator.random_range(*low..=*high)),
            Domain::Real(low, high) => Decided::Real(generator.random_range(*low..=*high)),
        }
    };
    (0..n)
        .map(|i| decisions.iter().map(|d| (&d.name, draw(i, d))).collect())
        .collect()
}

/// A point as a person writes it: a value for each decision. An option that is a component may be written by its name.
pub(crate) fn from_values(decisions: &[Decision], values: &Params) -> Result<Point> {
    if let Some(unknown) = values
        .keys()
        .find(|name| !decisions.iter().any(|d| d.name == **name))
    {
        let there: Vec<&str> = decisions.iter().map(|d| d.name.as_str()).collect();
        return Err(Error::new(format!("the space does not decide `{unknown}`"))
            .expected(there.join(", "))
            .into());
    }
    let decide = |d: &Decision| {
        let value = values
            .get(&d.name)
            .ok_or_else(|| Error::new(format!("the point leaves `{}` open", d.name)))?;
        let decided = match &d.domain {
            Domain::Options(options) => option(options, value).map(Decided::Option),
            Domain::Integer(..) => value.as_i64().map(Decided::Integer),
            Domain::Real(..) => value.as_f64().map(Decided::Real),
        };
        decided.ok_or_else(|| {
            Error::new(format!("`{}` cannot be {value}", d.name)).expected(domain(&d.domain))
        })
    };
    let point: Point = decisions
        .iter()
        .map(|d| Ok((&d.name, decide(d)?)))
        .collect::<Result<_, Error>>()?;
    check(decisions, &point)?;
    Ok(point)
}

/// The only option that a written value means: an equal one, else one that it is part of. Numbers are equal however they
/// are written, and a component may be written by its name or without the parameters that have their defaults.
fn option(options: &[Json], value: &Json) -> Option<usize> {
    let meant = |fits: &dyn Fn(&Json) -> bool| {
        let mut fitting = (0..options.len()).filter(|i| fits(&options[*i]));
        fitting.next().filter(|_| fitting.next().is_none())
    };
    meant(&|o| o == value || (o.is_number() && o.as_f64() == value.as_f64())).or_else(|| {
        meant(&|o| match value {
            Json::Object(part) => part.iter().all(|(key, v)| o.get(key) == Some(v)),
            name => o.get("use") == Some(name),
        })
    })
}

/// Checks that a point decides every decision, within its domain.
pub(crate) fn check(decisions: &[Decision], point: &Point) -> Result<(), Error> {
    decisions.iter().try_for_each(|d| d.value(point).map(drop))
}

fn domain(domain: &Domain) -> String {
    match domain {
        Domain::Options(options) => options
            .iter()
            .map(ToString::to_string)
            .collect::<Vec<_>>()
            .join(", "),
        Domain::Integer(low, high) => format!("a whole number from {low} to {high}"),
        Domain::Real(low, high) => format!("a number from {low} to {high}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use plugin_api::{Mix, Recipe, Shapes};
    use serde_json::json;

    fn supernet() -> Arch {
        Arch::new(Shapes::new())
            .layer(
                "first",
                Recipe::new("a/linear").with("out", json!({ "decide": "width" })),
                &[("x", "in.x")],
            )
            .layer("unused", "a/linear", &[("x", "in.x")])
            .mix(
                "slot",
                Mix::new("op", ["a/one", "a/two"]),
                &[("x", "first.x")],
            )
            .output("y", "slot.x")
            .decide(Decision::options("width", [16, 32]))
            .decide(Decision::options("op", ["a/one", "a/two"]))
    }

    #[test]
    fn resolves_mixes_and_parameters_and_drops_the_rest() {
        let space = supernet();
        let point = from_values(
            &space.decisions,
            json!({ "op": "a/two", "width": 32 }).as_object().unwrap(),
        )
        .unwrap();
        let arch = resolve(&space, &point).unwrap();
        let names: Vec<_> = arch.nodes.iter().map(|n| n.name.as_str()).collect();
        assert_eq!(names, ["first", "slot"]);
        assert_eq!(
            arch.nodes[0].kind,
            NodeKind::Layer(Recipe::new("a/linear").with("out", 32))
        );
        assert_eq!(arch.nodes[1].kind, NodeKind::Layer(Recipe::new("a/two")));
    }

    #[test]
    fn refuses_what_is_no_point() {
        let check = |values: Json, text: &str| {
            let error =
                from_values(&supernet().decisions, values.as_object().unwrap()).unwrap_err();
            assert_eq!(error.to_string(), text);
        };
        check(json!({ "op": "a/two" }), "the point leaves `width` open");
        check(
            json!({ "op": "a/two", "width": 17 }),
            "`width` cannot be 17\n  expected  16, 32",
        );
        check(
            json!({ "op": "a/two", "width": 16, "depth": 1 }),
            "the space does not decide `depth`\n  expected  width, op",
        );
    }

    #[test]
    fn a_written_value_means_one_option() {
        let options = [
            json!(0.0),
            json!({ "use": "a/one", "hops": 5, "limit": "x" }),
            json!({ "use": "a/two", "rank": 1 }),
            json!({ "use": "a/two", "rank": 2 }),
        ];
        let check = |value: Json, meant| assert_eq!(option(&options, &value), meant, "{value}");
        check(json!(0), Some(0));
        check(json!("a/one"), Some(1));
        check(json!({ "use": "a/one", "hops": 5 }), Some(1));
        check(json!({ "use": "a/one", "hops": 6 }), None);
        check(json!({ "use": "a/two", "rank": 2 }), Some(3));
        check(json!("a/two"), None);
    }

    #[test]
    fn samples_by_seed_alone_and_reaches_every_option() {
        let decisions = supernet().decisions;
        assert_eq!(sample(&decisions, 3, 1), sample(&decisions, 5, 1)[..3]);
        assert_ne!(sample(&decisions, 20, 1), sample(&decisions, 20, 2));
        let drawn: HashSet<_> = sample(&decisions, 50, 0)
            .iter()
            .map(|p| format!("{p:?}"))
            .collect();
        assert_eq!(drawn.len(), 4);
    }
}
