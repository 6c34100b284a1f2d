//! How far two lists of numbers stand in the same order.

use statrs::statistics::Statistics;

/// Spearman's coefficient: Pearson's, of ranks, where equal numbers share the mean of theirs. No number where all of one
/// list are equal.
pub(super) fn spearman(a: &[f64], b: &[f64]) -> f64 {
    let (a, b) = (ranks(a), ranks(b));
    (&a).covariance(&b) / ((&a).std_dev() * (&b).std_dev())
}

/// Kendall's tau-b, pair by pair: `(agreeing - disagreeing) / sqrt((pairs - equal in a) (pairs - equal in b))`. No number
/// where all of one list are equal.
pub(super) fn kendall(a: &[f64], b: &[f64]) -> f64 {
    let (mut agreeing, mut unequal_a, mut unequal_b) = (0.0, 0.0, 0.0);
    for i in 0..a.len() {
        for j in 0..i {
            let (a, b) = (order(a[i], a[j]), order(b[i], b[j]));
            agreeing += a * b;
            unequal_a += a.abs();
            unequal_b += b.abs();
        }
    }
    agreeing / (unequal_a.sqrt() * unequal_b.sqrt())
}

/// The rank of each number, 1 for the smallest; equal ones share the mean of theirs.
fn ranks(numbers: &[f64]) -> Vec<f64> {
    let rank = |number: &f64| {
        let below = numbers.iter().filter(|other| *other < number).count();
        let equal = numbers.iter().filter(|other| *other == number).count();
        below as f64 + (equal as f64 + 1.0) / 2.0
    };
    numbers.iter().map(rank).collect()
}

/// 1 where the first is larger, -1 where the second is, 0 where they are equal.
fn order(a: f64, b: f64) -> f64 {
    f64::from(i8::from(a > b) - i8::from(a < b))
}
