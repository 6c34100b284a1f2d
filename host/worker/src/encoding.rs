//! Points as numbers, and numbers as points.

use plugin_api::{Decided, Decision, Domain, Error, Point, Result};
use tch::Tensor;

/// Rows of numbers from 0 to 1: an option is one-hot, a number stands where it does in its range, what is in a subset is 1.
/// A decision that is not active is zeros.
pub(crate) fn encode(decisions: &[Decision], points: &[Point]) -> Result<Tensor> {
    let mut numbers: Vec<f32> = vec![];
    for point in points {
        super::points::check(decisions, point)?;
        for decision in decisions {
            match (&decision.domain, point.get(&decision.name)) {
                (Domain::Options(options), Some(Decided::Option(chosen))) => {
                    numbers.extend((0..options.len()).map(|i| f32::from(i == *chosen)));
                }
                (Domain::Integer(low, high), Some(Decided::Integer(x))) => {
                    numbers.push(part(*x as f64, *low as f64, *high as f64));
                }
                (Domain::Real(low, high), Some(Decided::Real(x))) => {
                    numbers.push(part(*x, *low, *high));
                }
                (Domain::Subset(n), Some(Decided::Subset(of))) => {
                    numbers.extend((0..*n).map(|i| f32::from(of.contains(&i))));
                }
                (domain, _) => numbers.extend(vec![0.0; columns(domain)]),
            }
        }
    }
    let rows = i64::try_from(points.len())?;
    Ok(Tensor::f_from_slice(&numbers)?.f_view([rows, width(decisions)])?)
}

/// The nearest points: the option of the highest number, the first of equals; a number within its range; in a subset what
/// is above one half.
pub(crate) fn decode(decisions: &[Decision], rows: &Tensor) -> Result<Vec<Point>> {
    let width = width(decisions);
    let n = match rows.size()[..] {
        [n, found] if found == width => n,
        ref found => {
            return Err(Error::new("these are no encoded points")
                .found(format!("{found:?}"))
                .expected(format!("[points, {width}]"))
                .into());
        }
    };
    let all: Vec<f64> = rows
        .f_to_device(tch::Device::Cpu)?
        .f_to_kind(tch::Kind::Double)?
        .f_reshape([-1])?
        .try_into()?;
    let mut numbers = all.into_iter();
    let mut next = || {
        let number = numbers.next().filter(|x| !x.is_nan());
        number.ok_or_else(|| Error::new("an encoded point holds what is no number"))
    };
    let mut points = vec![];
    for _ in 0..n {
        let mut point = Point::new();
        for decision in decisions {
            let decided = match &decision.domain {
                Domain::Options(options) => {
                    let (mut best, mut highest) = (0, f64::NEG_INFINITY);
                    for i in 0..options.len() {
                        let x = next()?;
                        if x > highest {
                            (best, highest) = (i, x);
                        }
                    }
                    Decided::Option(best)
                }
                Domain::Integer(low, high) => {
                    let x = whole(next()?, *low as f64, *high as f64).round();
                    Decided::Integer((x as i64).clamp(*low, *high))
                }
                Domain::Real(low, high) => Decided::Real(whole(next()?, *low, *high)),
                Domain::Subset(n) => {
                    let parts = (0..*n).map(|_| next()).collect::<Result<Vec<_>, _>>()?;
                    Decided::Subset((0..*n).filter(|i| parts[*i] > 0.5).collect())
                }
            };
            if decision.is_active(&point) {
                point.put(&decision.name, decided);
            }
        }
        points.push(point);
    }
    Ok(points)
}

fn width(decisions: &[Decision]) -> i64 {
    decisions.iter().map(|d| columns(&d.domain) as i64).sum()
}

fn columns(domain: &Domain) -> usize {
    match domain {
        Domain::Options(options) => options.len(),
        Domain::Integer(..) | Domain::Real(..) => 1,
        Domain::Subset(n) => *n,
    }
}

/// Where a number stands in its range: 0 at its low end, 1 at its high end.
fn part(x: f64, low: f64, high: f64) -> f32 {
    if high > low {
        ((x - low) / (high - low)) as f32
    } else {
        0.0
    }
}

fn whole(part: f64, low: f64, high: f64) -> f64 {
    (low + part * (high - low)).clamp(low, high)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::points::sample;

    fn decisions() -> Vec<Decision> {
        vec![
            Decision::options("op", ["a", "b", "c"]),
            Decision::new("depth", Domain::Integer(2, 9)),
            Decision::new("only", Domain::Integer(4, 4)),
            Decision::new("rate", Domain::Real(-1.0, 3.0)),
            Decision::new("units", Domain::Subset(3)).when("op", [1, 2]),
        ]
    }

    #[test]
    fn what_was_encoded_is_decoded() {
        let points = sample(&decisions(), 50, 3);
        let rows = encode(&decisions(), &points).unwrap();
        assert_eq!(rows.size(), [50, 9]);
        assert!(rows.min().double_value(&[]) >= 0.0 && rows.max().double_value(&[]) <= 1.0);
        for (found, point) in decode(&decisions(), &rows).unwrap().iter().zip(&points) {
            assert_eq!(found.len(), point.len());
            for (name, decided) in point.iter() {
                match (found.get(name), decided) {
                    (Some(Decided::Real(a)), Decided::Real(b)) => assert!((a - b).abs() < 1e-6),
                    (found, decided) => assert_eq!(found, Some(decided)),
                }
            }
        }
    }

    #[test]
    fn numbers_beyond_their_range_become_its_end() {
        let rows =
            Tensor::from_slice(&[-1.0, 0.5, 0.5, 7.0, 0.0, -2.0, 0.4, 3.0, 0.6]).view([1, 9]);
        let point = &decode(&decisions(), &rows).unwrap()[0];
        assert_eq!(point.get("op"), Some(&Decided::Option(1)));
        assert_eq!(point.get("depth"), Some(&Decided::Integer(9)));
        assert_eq!(point.get("rate"), Some(&Decided::Real(-1.0)));
        assert_eq!(point.get("units"), Some(&Decided::Subset(vec![1, 2])));
    }

    #[test]
    fn what_is_no_row_is_refused() {
        let error = decode(&decisions(), &Tensor::from_slice(&[0.0, 1.0])).unwrap_err();
        assert_eq!(
            error.to_string(),
            "these are no encoded points\n  found     [2]\n  expected  [points, 9]"
        );
    }
}
