//! Names that a plugin's crate can have.

use plugin_api_data::Error;

/// Keywords of Rust, those too that are reserved for later.
const KEYWORDS: &str = "abstract as async await become box break const continue crate do dyn else enum extern false final \
    fn for gen if impl in let loop macro match mod move mut override priv pub ref return self static struct super trait \
    true try type typeof unsafe unsized use virtual where while yield";

/// Crates that every plugin sees under these names.
const SEEN: [&str; 7] = [
    "alloc",
    "core",
    "pleach_worker",
    "plugin_api",
    "proc_macro",
    "std",
    "test",
];

/// Refuses what is no name of a crate, and what could not stand beside the crates that a plugin is compiled with.
///
/// # Errors
/// Where it is refused.
pub fn check(name: &str) -> Result<(), Error> {
    let refused = || Error::new(format!("no plugin can be called `{name}`"));
    let begins_well = name.starts_with(|c: char| c.is_ascii_lowercase());
    let goes_on_well = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "-_".contains(c);
    if !begins_well || !name.chars().all(goes_on_well) {
        return Err(refused()
            .expected("lower-case letters, digits, `-` and `_`, a letter first")
            .help("the name is that of a crate, and stands in experiments: `NAME/component`"));
    }
    let name = name.replace('-', "_");
    if KEYWORDS.split_whitespace().any(|keyword| keyword == name) {
        return Err(refused().found("a keyword of Rust"));
    }
    if SEEN.contains(&name.as_str()) {
        return Err(refused().found("the name of a crate that every plugin sees"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::check;

    #[test]
    fn names() {
        let good = |name| check(name).unwrap();
        good("auto-gnn");
        good("x2_y");
        let bad = |name, why: &str| {
            let error = check(name).unwrap_err().to_string();
            assert!(error.contains(why), "{error}");
        };
        bad("", "a letter first");
        bad("2x", "a letter first");
        bad("Scale", "lower-case letters");
        bad("../scale", "lower-case letters");
        bad("größe", "lower-case letters");
        bad("gen", "a keyword of Rust");
        bad("plugin-api", "a crate that every plugin sees");
    }
}
