//! Reads the limits of an experiment.

use super::Diagnostic;
use super::fields::{Node, integer, number, refuse_unknown, table};
use super::resolve::Reader;
use crate::protocol::Limits;

/// More than any machine has, and still a number that TOML can write.
const MOST: u64 = 1 << 60;

impl Reader<'_> {
    /// What a child may use; a key that is left out has its default.
    pub(super) fn limits(&mut self, node: Option<&Node>) -> Option<Limits> {
        let mut limits = Limits {
            seconds: 3600.0,
            memory: 8 << 30,
        };
        let Some(node) = node else {
            return Some(limits);
        };
        let given = table(node, "limits", &mut self.errors)?;
        refuse_unknown(given, "`limits`", &["seconds", "memory"], &mut self.errors);
        if let Some(seconds) = given.get("seconds") {
            let fits = |x: f64| x > 0.0 && x.is_finite();
            let expected = "a number greater than 0";
            // A wrong one is an error, so it does not matter what goes on.
            limits.seconds = number(seconds, "seconds", expected, fits, &mut self.errors)
                .unwrap_or(limits.seconds);
        }
        if let Some(memory) = given.get("memory") {
            limits.memory = match memory.get_ref().as_str() {
                Some(text) => bytes(text).filter(|n| (1..=MOST).contains(n)).or_else(|| {
                    self.errors.push(
                        Diagnostic::new(memory.span(), "`memory` must be an amount")
                            .label(format!("found \"{text}\""))
                            .help("write it like \"4 GiB\""),
                    );
                    None
                })?,
                None => integer(memory, "memory", 1..=MOST, &mut self.errors)?,
            };
        }
        Some(limits)
    }
}

/// `4 GiB` in bytes.
fn bytes(text: &str) -> Option<u64> {
    let digits = text
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let unit = match unit.trim() {
        "B" => 1,
        "KiB" => 1 << 10,
        "MiB" => 1 << 20,
        "GiB" => 1 << 30,
        "TiB" => 1 << 40,
        _ => return None,
    };
    number
        .parse::<u64>()
        .ok()?
        .checked_mul(unit)
        .filter(|b| *b > 0)
}
