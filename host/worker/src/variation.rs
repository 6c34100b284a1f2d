//! Points made from others.

use plugin_api::{Decided, Decision, Domain, Point, Result, random, stream};
use rand::RngExt;

use crate::points::{check, sample};

/// The point with one decision decided anew, by another value.
pub(crate) fn mutate(decisions: &[Decision], point: &Point, seed: u64) -> Result<Point> {
    check(decisions, point)?;
    let open: Vec<&Decision> = decisions.iter().filter(|d| has_choice(&d.domain)).collect();
    let mut mutated = point.clone();
    if open.is_empty() {
        return Ok(mutated);
    }
    let mut generator = random::generator(stream(seed, "which"));
    let decision = open[generator.random_range(0..open.len())];
    let before = &point[&decision.name];
    let drawn = (0..).map(|i| {
        let only = std::slice::from_ref(decision);
        sample(only, 1, stream(seed, &format!("value:{i}"))).remove(0)[&decision.name].clone()
    });
    // There is another value, so one of the draws is it.
    if let Some(other) = drawn.into_iter().find(|value| value != before) {
        mutated.put(&decision.name, other);
    }
    Ok(mutated)
}

/// Each decision as one of two points decides it.
pub(crate) fn crossover(
    decisions: &[Decision],
    one: &Point,
    other: &Point,
    seed: u64,
) -> Result<Point> {
    check(decisions, one)?;
    check(decisions, other)?;
    let mut generator = random::generator(seed);
    let mut either = |name: &str| -> Decided {
        match generator.random_bool(0.5) {
            true => one[name].clone(),
            false => other[name].clone(),
        }
    };
    Ok(decisions
        .iter()
        .map(|d| (&d.name, either(&d.name)))
        .collect())
}

/// Whether it may be more than one thing.
fn has_choice(domain: &Domain) -> bool {
    match domain {
        Domain::Options(options) => options.len() > 1,
        Domain::Integer(low, high) => low < high,
        Domain::Real(low, high) => low < high,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decisions() -> Vec<Decision> {
        let depth = Decision {
            name: "depth".into(),
            domain: Domain::Integer(2, 3),
        };
        vec![
            Decision::options("op", ["a", "b"]),
            Decision::options("only", ["x"]),
            depth,
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
