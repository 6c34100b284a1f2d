//! Numbers and times as a reader wants them.

use crate::spread::Spread;

/// `13258`, `0.9822`, `1.3e-7`.
pub(super) fn number(x: f64) -> String {
    let size = x.abs();
    match x {
        _ if x.fract() == 0.0 && size < 1e15 => format!("{x:.0}"),
        _ if (1e-3..1e5).contains(&size) => format!("{x:.4}"),
        _ => format!("{x:.2e}"),
    }
}

/// The mean; whole numbers as they are.
pub(super) fn mean(spread: &Option<Spread>) -> String {
    spread.map_or_else(|| "–".into(), |spread| number(spread.mean))
}

/// `0.9651 to 0.9993`
pub(super) fn interval(spread: &Option<Spread>) -> String {
    match spread.and_then(|spread| spread.interval) {
        // Sizes rarely depend on the seed.
        Some((low, high)) if low < high => format!("{} to {}", number(low), number(high)),
        _ => "–".into(),
    }
}

/// `0.21 s`, `48 s`, `3 min 20 s`, `2 h 5 min`
pub(super) fn duration(seconds: f64) -> String {
    let whole = seconds.round() as u64;
    match whole {
        0..10 => format!("{seconds:.2} s"),
        10..60 => format!("{whole} s"),
        60..3600 => format!("{} min {} s", whole / 60, whole % 60),
        _ => format!("{} h {} min", whole / 3600, whole % 3600 / 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_well() {
        for (x, text) in [
            (13258.0, "13258"),
            (0.98216, "0.9822"),
            (-0.5, "-0.5000"),
            (1.3e-7, "1.30e-7"),
            (f64::NAN, "NaN"),
        ] {
            assert_eq!(number(x), text);
        }
        for (seconds, text) in [
            (0.214, "0.21 s"),
            (48.3, "48 s"),
            (200.0, "3 min 20 s"),
            (7500.0, "2 h 5 min"),
        ] {
            assert_eq!(duration(seconds), text);
        }
    }
}
