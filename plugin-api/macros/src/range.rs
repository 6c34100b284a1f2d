//! Ranges of a parameter: `0 < x < 1`, `1 <= x`, `x <= 0.5`.

use syn::{LitStr, Result};

/// One end of a range.
pub struct Bound {
    pub value: f64,
    /// Whether the end itself is outside.
    pub open: bool,
}

pub struct Range {
    pub low: Option<Bound>,
    pub high: Option<Bound>,
}

pub fn parse(text: &LitStr) -> Result<Range> {
    let wrong = || {
        syn::Error::new(
            text.span(),
            "expected a range of `x`, e.g. \"0 < x <= 1\" or \"1 <= x\"",
        )
    };
    let written = text.value();
    // Each part with whether the sign before it is `<` rather than `<=`, which leaves its `=` at the head of the part.
    let parts: Vec<(bool, &str)> = written
        .split('<')
        .map(|part| match part.strip_prefix('=') {
            Some(rest) => (false, rest.trim()),
            None => (true, part.trim()),
        })
        .collect();
    let bound = |value: &str, open| -> Result<_> {
        Ok(Some(Bound {
            value: value.parse().map_err(|_| wrong())?,
            open,
        }))
    };
    match parts[..] {
        [(_, low), (open_low, "x"), (open_high, high)] => Ok(Range {
            low: bound(low, open_low)?,
            high: bound(high, open_high)?,
        }),
        [(_, low), (open, "x")] => Ok(Range {
            low: bound(low, open)?,
            high: None,
        }),
        [(_, "x"), (open, high)] => Ok(Range {
            low: None,
            high: bound(high, open)?,
        }),
        _ => Err(wrong()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_both_ends() {
        let check = |text: &str, low: Option<(f64, bool)>, high: Option<(f64, bool)>| {
            let range = parse(&LitStr::new(text, proc_macro2::Span::call_site())).unwrap();
            assert_eq!(range.low.map(|b| (b.value, b.open)), low, "{text}");
            assert_eq!(range.high.map(|b| (b.value, b.open)), high, "{text}");
        };
        check("0 < x < 1", Some((0.0, true)), Some((1.0, true)));
        check("0 <= x < 1", Some((0.0, false)), Some((1.0, true)));
        check("-1.5 < x <= 1", Some((-1.5, true)), Some((1.0, false)));
        check("1 <= x", Some((1.0, false)), None);
        check("x <= 0.5", None, Some((0.5, false)));
    }

    #[test]
    fn refuses_what_is_no_range() {
        for text in ["", "x", "0 < y", "0 < 1 < x", "x < 1 < 2", "low < x"] {
            assert!(
                parse(&LitStr::new(text, proc_macro2::Span::call_site())).is_err(),
                "{text}"
            );
        }
    }
}
