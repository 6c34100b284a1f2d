//! Points made from others.

use plugin_api::{Decided, Decision, Domain, Point, Result, random, stream};
use rand::RngExt;

use crate::points::{check, complete, draw};

/// The point with one decision decided anew, by another value; what that makes active is drawn.
pub(crate) fn mutate(decisions: &[Decision], point: &Point, seed: u64) -> Result<Point> {
    check(decisions, point)?;
    let open = |d: &&Decision| d.is_active(point) && has_choice(&d.domain);
    let open: Vec<&Decision> = decisions.iter().filter(open).collect();
    let mut mutated = point.clone();
    if open.is_empty() {
        return Ok(mutated);
    }
    let mut generator = random::generator(stream(seed, "which"));
    let decision = open[generator.random_range(0..open.len())];
    let before = &point[&decision.name];
    let other = match (&decision.domain, before) {
        (Domain::Subset(n), Decided::Subset(of)) => {
            let flipped = generator.random_range(0..*n);
            let is_in = |i: &usize| of.contains(i) != (*i == flipped);
            Decided::Subset((0..*n).filter(is_in).collect())
        }
        // There is another value, so one of the draws is it.
        (domain, _) => (0..)
            .map(|i| draw(domain, stream(seed, &format!("value:{i}"))))
            .find(|value| value != before)
            .expect("draws go on for ever"),
    };
    mutated.put(&decision.name, other);
    complete(decisions, &mut mutated, stream(seed, "rest"));
    Ok(mutated)
}

/// Each decision as one of two points decides it, or as the one that does; drawn where neither does.
pub(crate) fn crossover(
    decisions: &[Decision],
    one: &Point,
    other: &Point,
    seed: u64,
) -> Result<Point> {
    check(decisions, one)?;
    check(decisions, other)?;
    let mut generator = random::generator(seed);
    let mut child = Point::new();
    for decision in decisions {
        let (first, second) = match generator.random_bool(0.5) {
            true => (one, other),
            false => (other, one),
        };
        let name = &decision.name;
        if let Some(decided) = first.get(name).or_else(|| second.get(name)) {
            child.put(name, decided.clone());
        }
    }
    complete(decisions, &mut child, stream(seed, "rest"));
    Ok(child)
}

/// Whether it may be more than one thing.
fn has_choice(domain: &Domain) -> bool {
    match domain {
        Domain::Options(options) => options.len() > 1,
        Domain::Integer(low, high) => low < high,
        Domain::Real(low, high) => low < high,
        Domain::Subset(n) => *n > 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::points::sample;

    fn decisions() -> Vec<Decision> {
        vec![
            Decision::options("op", ["a", "b"]),
            Decision::options("only", ["x"]),
            Decision::new("depth", Domain::Integer(2, 3)),
        ]
    }

    fn differing(a: &Point, b: &Point) -> Vec<String> {
        let differing = a.iter().filter(|(name, value)| b.get(name) != Some(value));
        differing.map(|(name, _)| name.to_string()).collect()
    }

    #[test]
    fn a_mutation_changes_one_decision_and_reaches_all_that_are_open() {
        let point = sample(&decisions(), 1, 0).remove(0);
        let mut changed: Vec<String> = (0..40)
            .flat_map(|seed| {
                let mutated = mutate(&decisions(), &point, seed).unwrap();
                let differing = differing(&point, &mutated);
                assert_eq!(differing.len(), 1, "{mutated:?}");
                differing
            })
            .collect();
        changed.sort();
        changed.dedup();
        assert_eq!(changed, ["depth", "op"]);
    }

    #[test]
    fn what_becomes_active_is_drawn_and_what_no_longer_is_goes() {
        let mut decisions = decisions();
        decisions.push(Decision::new("units", Domain::Subset(4)).when("op", [1]));
        decisions.push(Decision::new("rate", Domain::Real(0.0, 1.0)).when("op", [0]));
        let points = sample(&decisions, 40, 1);
        for (seed, pair) in (0..).zip(points.windows(2)) {
            let mutated = mutate(&decisions, &pair[0], seed).unwrap();
            check(&decisions, &mutated).unwrap();
            assert_ne!(mutated, pair[0]);
            if mutated["op"] == pair[0]["op"] {
                assert_eq!(differing(&pair[0], &mutated).len(), 1);
            }
            let child = crossover(&decisions, &pair[0], &pair[1], seed).unwrap();
            check(&decisions, &child).unwrap();
            for (name, decided) in child.iter() {
                let from = |parent: &Point| parent.get(name) == Some(decided);
                assert!(from(&pair[0]) || from(&pair[1]), "one of the two has it");
            }
        }
    }

    #[test]
    fn a_point_without_a_choice_stays() {
        let only = &decisions()[1..2];
        let point = sample(only, 1, 0).remove(0);
        assert_eq!(mutate(only, &point, 7).unwrap(), point);
    }

    #[test]
    fn a_crossover_takes_each_decision_from_one_of_two_and_all_mixes_occur() {
        let of = |op: usize, depth| {
            Point::new()
                .with("op", Decided::Option(op))
                .with("only", Decided::Option(0))
                .with("depth", Decided::Integer(depth))
        };
        let (one, other) = (of(0, 2), of(1, 3));
        let mut made: Vec<String> = (0..40)
            .map(|seed| crossover(&decisions(), &one, &other, seed).unwrap())
            .map(|point| format!("{:?} {:?}", point["op"], point["depth"]))
            .collect();
        made.sort();
        made.dedup();
        assert_eq!(made.len(), 4, "{made:?}");
    }
}
