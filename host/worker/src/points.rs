//! Points of a space: drawn, read, and turned into architectures.

use std::collections::{HashMap, HashSet};

use plugin_api::{
    Arch, Decided, Decision, Domain, Error, Json, NodeKind, NodeRef, Params, Point, Result, random,
    stream,
};
use rand::RngExt;

/// The architecture that a point of a supernet stands for.
pub(crate) fn resolve(supernet: &Arch, point: &Point) -> Result<Arch> {
    check(&supernet.decisions, point)?;
    let active = supernet.decisions.iter().filter(|d| d.is_active(point));
    let values = active.map(|d| Ok((d.name.as_str(), d.value(point)?)));
    let decided = Deciding {
        decisions: &supernet.decisions,
        point,
        values: values.collect::<Result<_, Error>>()?,
    };
    let mut arch = Arch {
        decisions: vec![],
        ..supernet.clone()
    };
    decided.decide(&mut arch)?;
    Ok(arch)
}

/// A point with what it stands for.
struct Deciding<'a> {
    decisions: &'a [Decision],
    point: &'a Point,
    values: HashMap<&'a str, Json>,
}

impl Deciding<'_> {
    /// Decides all mixes and parameters, and drops what is absent or serves no output.
    fn decide(&self, arch: &mut Arch) -> Result<()> {
        let mut absent: HashSet<String> = HashSet::new();
        for node in &mut arch.nodes {
            if let NodeKind::Mix(mix) = &node.kind {
                let chosen = self.chosen(&node.name, &mix.decision)?;
                let option = mix.options.iter().find(|o| Some(o.option) == chosen);
                let Some(option) = option else {
                    absent.insert(node.name.clone());
                    continue;
                };
                let local = format!("{}.", option.option);
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
            }
        }
        arch.nodes.retain(|node| !absent.contains(&node.name));
        let needed = needed(arch);
        arch.nodes.retain(|node| needed.contains(&node.name));
        // Only what is left asks for its parameters: a decision may be asked in one option alone.
        for node in &mut arch.nodes {
            match &mut node.kind {
                NodeKind::Layer(recipe) => {
                    for value in recipe.params.values_mut() {
                        fill_in(value, &self.values)?;
                    }
                }
                NodeKind::Network(inner) => self.decide(inner)?,
                NodeKind::Mix(_) => {}
            }
        }
        Ok(())
    }

    /// The option that a mix takes; `None` where its decision is not active.
    fn chosen(&self, node: &str, decision: &str) -> Result<Option<usize>> {
        match self.point.get(decision) {
            Some(Decided::Option(chosen)) => Ok(Some(*chosen)),
            None if self.decisions.iter().any(|d| d.name == decision) => Ok(None),
            _ => Err(Error::new(format!(
                "node `{node}` asks `{decision}`, which decides no option"
            ))
            .into()),
        }
    }
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
                    Error::new(format!("a parameter asks `{name}`, which is not decided"))
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
    let drawn = |i: i64| {
        let mut point = Point::new();
        complete(decisions, &mut point, stream(seed, &i.to_string()));
        point
    };
    (0..n).map(drawn).collect()
}

/// Draws what is active and not decided, and drops what is decided and not active. Decisions stand in their order, so
/// that equal points are alike.
pub(crate) fn complete(decisions: &[Decision], point: &mut Point, seed: u64) {
    let given = std::mem::take(point);
    for decision in decisions {
        let name = &decision.name;
        if decision.is_active(point) {
            let decided = given.get(name).cloned();
            let draw = || draw(&decision.domain, stream(seed, name));
            point.put(name, decided.unwrap_or_else(draw));
        }
    }
}

/// One of all that a decision may be.
pub(crate) fn draw(domain: &Domain, seed: u64) -> Decided {
    let mut generator = random::generator(seed);
    match domain {
        Domain::Options(options) => {
            Decided::Option(generator.random_range(0..options.len().max(1)))
        }
        Domain::Integer(low, high) => Decided::Integer(generator.random_range(*low..=*high)),
        Domain::Real(low, high) => Decided::Real(generator.random_range(*low..=*high)),
        Domain::Subset(n) => {
            let mut coin = |_: &usize| generator.random_bool(0.5);
            Decided::Subset((0..*n).filter(&mut coin).collect())
        }
    }
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
    let decide = |d: &Decision, value: &Json| {
        let decided = match &d.domain {
            Domain::Options(options) => option(options, value).map(Decided::Option),
            Domain::Integer(..) => value.as_i64().map(Decided::Integer),
            Domain::Real(..) => value.as_f64().map(Decided::Real),
            Domain::Subset(_) => subset(value).map(Decided::Subset),
        };
        decided.ok_or_else(|| {
            Error::new(format!("`{}` cannot be {value}", d.name)).expected(domain(&d.domain))
        })
    };
    let written = decisions
        .iter()
        .filter_map(|d| Some((d, values.get(&d.name)?)));
    let point = written.map(|(d, value)| Ok((&d.name, decide(d, value)?)));
    let point = point.collect::<Result<Point, Error>>()?;
    check(decisions, &point)?;
    Ok(point)
}

/// A point as a person writes it, by which [`from_values`] finds it again.
pub(crate) fn to_values(decisions: &[Decision], point: &Point) -> Result<Params, Error> {
    let active = decisions.iter().filter(|d| d.is_active(point));
    active
        .map(|d| Ok((d.name.clone(), d.value(point)?)))
        .collect()
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

/// Numbers as a person lists them, in any order.
fn subset(value: &Json) -> Option<Vec<usize>> {
    let numbers = value.as_array()?.iter();
    let numbers = numbers.map(|n| usize::try_from(n.as_u64()?).ok());
    let mut numbers: Vec<usize> = numbers.collect::<Option<_>>()?;
    numbers.sort_unstable();
    Some(numbers)
}

/// Checks that a point decides every decision that is active, within its domain, and no other.
pub(crate) fn check(decisions: &[Decision], point: &Point) -> Result<(), Error> {
    for decision in decisions {
        if decision.is_active(point) {
            decision.value(point)?;
        } else if point.contains(&decision.name) {
            let when = decision.when.as_ref().map(|when| when.decision.as_str());
            let what = format!(
                "the point decides `{}`, which is not asked as `{}` was decided",
                decision.name,
                when.unwrap_or_default()
            );
            return Err(Error::new(what).help("leave it out of the point"));
        }
    }
    match point
        .names()
        .find(|name| decisions.iter().all(|d| d.name != *name))
    {
        Some(unknown) => {
            Err(Error::new(format!("nothing asks for `{unknown}`"))
                .found("a point of another space"))
        }
        None => Ok(()),
    }
}

/// Checks that decisions have names of their own, something to decide, and conditions on what stands before them.
pub(crate) fn check_decisions(decisions: &[Decision]) -> Result<(), Error> {
    for (i, decision) in decisions.iter().enumerate() {
        let (name, before) = (&decision.name, &decisions[..i]);
        if before.iter().any(|d| d.name == *name) {
            return Err(Error::new(format!("two decisions are called `{name}`")));
        }
        let nothing = match &decision.domain {
            Domain::Options(options) => options.is_empty(),
            Domain::Integer(low, high) => low > high,
            Domain::Real(low, high) => low.partial_cmp(high).is_none_or(|order| order.is_gt()),
            Domain::Subset(_) => false,
        };
        if nothing {
            return Err(
                Error::new(format!("there is nothing that `{name}` could be"))
                    .found(domain(&decision.domain)),
            );
        }
        let Some(when) = &decision.when else { continue };
        let asked = before.iter().find(|d| d.name == when.decision);
        match asked.map(|d| &d.domain) {
            Some(Domain::Options(options)) if when.options.iter().all(|i| *i < options.len()) => {}
            Some(other) => {
                let what = format!(
                    "`{name}` depends on an option that `{}` lacks",
                    when.decision
                );
                return Err(Error::new(what)
                    .found(format!("{:?}", when.options))
                    .expected(domain(other)));
            }
            None => {
                let there: Vec<&str> = before.iter().map(|d| d.name.as_str()).collect();
                let what = format!(
                    "`{name}` depends on `{}`, which stands nowhere before it",
                    when.decision
                );
                return Err(Error::new(what).found(there.join(", ")));
            }
        }
    }
    Ok(())
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
        Domain::Subset(n) => format!("a list of whole numbers from 0 to {}", n.saturating_sub(1)),
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

    /// A convolution has a window; with attention, the heads that are in.
    fn conditional() -> Arch {
        let op = |layer: &str, key: &str, decision: &str| {
            Recipe::new(layer).with(key, json!({ "decide": decision }))
        };
        let ops = [
            op("a/conv", "window", "window"),
            op("a/attend", "heads", "heads"),
        ];
        Arch::new(Shapes::new())
            .mix("slot", Mix::new("op", ops), &[("x", "in.x")])
            .mix(
                "inner",
                Mix::new("kind", ["a/one", "a/two"]),
                &[("x", "slot.x")],
            )
            .layer("end", "a/add", &[("a", "slot.x"), ("b", "inner.x")])
            .output("y", "end.x")
            .decide(Decision::options("op", ["conv", "attend"]))
            .decide(Decision::new("window", Domain::Integer(1, 5)).when("op", [0]))
            .decide(Decision::new("heads", Domain::Subset(3)).when("op", [1]))
            .decide(Decision::options("kind", ["one", "two"]).when("op", [1]))
    }

    #[test]
    fn what_is_not_active_is_not_there() {
        let space = conditional();
        check_decisions(&space.decisions).unwrap();
        for point in sample(&space.decisions, 30, 4) {
            check(&space.decisions, &point).unwrap();
            let arch = resolve(&space, &point).unwrap();
            let of = |decision: &str| space.decisions.iter().find(|d| d.name == decision).unwrap();
            let names: Vec<&str> = arch.nodes.iter().map(|n| n.name.as_str()).collect();
            let (layer, expected): (Recipe, &[&str]) = match &point["op"] {
                Decided::Option(0) => {
                    let window = of("window").value(&point).unwrap();
                    (
                        Recipe::new("a/conv").with("window", window),
                        &["slot", "end"],
                    )
                }
                _ => {
                    let heads = of("heads").value(&point).unwrap();
                    let all = ["slot", "inner", "end"].as_slice();
                    (Recipe::new("a/attend").with("heads", heads), all)
                }
            };
            assert_eq!(names, expected);
            assert_eq!(arch.nodes[0].kind, NodeKind::Layer(layer));
        }
        let point = |values: Json| from_values(&space.decisions, values.as_object().unwrap());
        let error = |values: Json| point(values).unwrap_err().to_string();
        assert!(point(json!({ "op": "attend", "heads": [2, 0], "kind": "one" })).is_ok());
        assert_eq!(
            error(json!({ "op": "conv", "window": 2, "heads": [0] })),
            "the point decides `heads`, which is not asked as `op` was decided\n  help: leave it out of the point"
        );
        assert_eq!(
            error(json!({ "op": "attend", "kind": "one", "heads": [0, 3] })),
            "`heads` cannot be Subset([0, 3])\n  expected  one of Subset(3)"
        );
        assert_eq!(
            error(json!({ "op": "conv" })),
            "the point leaves `window` open"
        );
    }

    #[test]
    fn a_written_point_is_found_again() {
        for space in [supernet(), conditional()] {
            for point in sample(&space.decisions, 20, 3) {
                let values = to_values(&space.decisions, &point).unwrap();
                assert_eq!(from_values(&space.decisions, &values).unwrap(), point);
            }
        }
    }

    #[test]
    fn decisions_that_cannot_be_asked_are_refused() {
        let check = |decisions: &[Decision], text: &str| {
            assert_eq!(check_decisions(decisions).unwrap_err().to_string(), text);
        };
        let op = || Decision::options("op", ["a", "b"]);
        check(&[op(), op()], "two decisions are called `op`");
        check(
            &[Decision::new("x", Domain::Integer(2, 1))],
            "there is nothing that `x` could be\n  found     a whole number from 2 to 1",
        );
        check(
            &[op(), Decision::new("x", Domain::Subset(2)).when("op", [2])],
            "`x` depends on an option that `op` lacks\n  found     [2]\n  expected  \"a\", \"b\"",
        );
        check(
            &[Decision::new("x", Domain::Subset(2)).when("op", [0]), op()],
            "`x` depends on `op`, which stands nowhere before it\n  found     ",
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
