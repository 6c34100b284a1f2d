//! The points of a space in a fixed order, in which the last decision changes first: as the digits of a number do.
//!
//! Options come in their order, whole numbers upwards, real numbers upwards in equal steps, subsets as binary numbers
//! whose lowest digit is the first of the things.

use plugin_api::prelude::*;

/// The first point.
pub(super) fn first(decisions: &[Decision]) -> Point {
    completed(decisions, &Point::new())
}

/// The point behind this one, with so many values of each real number; `None` behind the last.
pub(super) fn following(decisions: &[Decision], point: &Point, steps: i64) -> Option<Point> {
    let mut before = point.clone();
    for decision in decisions.iter().rev() {
        let Some(decided) = before.remove(&decision.name) else {
            continue;
        };
        if let Some(next) = next(&decision.domain, &decided, steps) {
            before.put(&decision.name, next);
            return Some(completed(decisions, &before));
        }
    }
    None
}

/// The point that decides as `given` what it asks, and the first value of all else.
pub(super) fn completed(decisions: &[Decision], given: &Point) -> Point {
    let mut point = Point::new();
    for decision in decisions {
        if decision.is_active(&point) {
            let decided = given.get(&decision.name).cloned();
            let decided = decided.unwrap_or_else(|| lowest(&decision.domain));
            point.put(&decision.name, decided);
        }
    }
    point
}

fn lowest(domain: &Domain) -> Decided {
    match domain {
        Domain::Options(_) => Decided::Option(0),
        Domain::Integer(low, _) => Decided::Integer(*low),
        Domain::Real(low, _) => Decided::Real(*low),
        Domain::Subset(_) => Decided::Subset(vec![]),
    }
}

fn next(domain: &Domain, decided: &Decided, steps: i64) -> Option<Decided> {
    match (domain, decided) {
        (Domain::Options(options), Decided::Option(i)) => {
            (i + 1 < options.len()).then_some(Decided::Option(i + 1))
        }
        (Domain::Integer(_, high), Decided::Integer(i)) => {
            (i < high).then(|| Decided::Integer(i + 1))
        }
        (Domain::Real(low, high), Decided::Real(x)) => {
            let (last, length) = ((steps - 1) as f64, high - low);
            let i = ((x - low) / length * last).round() + 1.0;
            // No number where there is one value alone.
            (i <= last).then(|| Decided::Real((low + length * (i / last)).min(*high)))
        }
        (Domain::Subset(n), Decided::Subset(of)) => {
            let out = (0..*n).find(|i| !of.contains(i))?;
            let stay = of.iter().copied().filter(|i| *i > out);
            Some(Decided::Subset([out].into_iter().chain(stay).collect()))
        }
        _ => None,
    }
}
