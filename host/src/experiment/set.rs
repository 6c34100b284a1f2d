//! Another value in an experiment before it is read, as `--set` asks.

use plugin_api_data::Error;
use toml_edit::{DocumentMut, InlineTable, Item, Key, TableLike, Value};

use super::Source;
use crate::error::Context;

/// What the name of a changed file ends with where it is shown.
const CHANGED: &str = " with --set";

/// The experiment with another value at `key`: `seeds`, `limits.seconds`, `stage.found.train.epochs`, `stage.0.budget`.
/// An entry of a list is meant by its number, counted from 0, or by its `name`; a component that stands there as a name
/// alone becomes a table. A value that is no TOML is a string.
///
/// # Errors
/// Where the text is no TOML, or the key leads nowhere.
pub fn set(source: &Source, key: &str, value: &str) -> Result<Source, Error> {
    let attempt = || format!("cannot set `{key}`");
    let mut document: DocumentMut = source.text.parse().context(attempt)?;
    let path = Key::parse(key).context(attempt)?;
    let path: Vec<&str> = path.iter().map(Key::get).collect();
    let value = value.parse().unwrap_or_else(|_| Value::from(value));
    put(document.as_table_mut(), &path, value)
        .map_err(|error| Error::new(attempt()).caused_by(error))?;
    let name = source.path.file_name().unwrap_or_default();
    let name = name.to_string_lossy();
    Ok(Source {
        // Files are named relative to the folder, which stays.
        path: match name.ends_with(CHANGED) {
            true => source.path.clone(),
            false => source.path.with_file_name(format!("{name}{CHANGED}")),
        },
        text: document.to_string(),
    })
}

fn put(table: &mut dyn TableLike, path: &[&str], value: Value) -> Result<(), Error> {
    let (part, rest) = match path {
        [last] => {
            match table.get_mut(last).and_then(Item::as_value_mut) {
                Some(old) => {
                    // With the comment that stands behind it.
                    let decor = old.decor().clone();
                    *old = value;
                    *old.decor_mut() = decor;
                }
                None => drop(table.insert(last, Item::Value(value))),
            }
            return Ok(());
        }
        [part, rest @ ..] => (*part, rest),
        [] => {
            return Err(Error::new("the key stands for a whole entry of a list")
                .expected("a key in it, such as `stage.0.name`"));
        }
    };
    let item = table.entry(part).or_insert_with(empty);
    match item {
        Item::ArrayOfTables(list) => {
            let names = list.iter().map(|entry| name(entry));
            let index = index(part, rest, names.collect())?;
            put(list.get_mut(index).expect("it is there"), &rest[1..], value)
        }
        Item::Value(Value::Array(list)) => {
            let names = list.iter().map(|entry| name(entry.as_inline_table()?));
            let index = index(part, rest, names.collect())?;
            let entry = list.get_mut(index).expect("it is there");
            put(in_full(entry, part)?, &rest[1..], value)
        }
        Item::Value(entry) => put(in_full(entry, part)?, rest, value),
        Item::Table(entry) => put(entry, rest, value),
        Item::None => unreachable!("an entry is there"),
    }
}

fn empty() -> Item {
    Item::Value(InlineTable::new().into())
}

/// The table at this place; a component's name becomes the table that it stands for.
fn in_full<'v>(value: &'v mut Value, part: &str) -> Result<&'v mut InlineTable, Error> {
    if let Some(component) = value.as_str() {
        let table = InlineTable::from_iter([("use", component.to_owned())]);
        *value = table.into();
    }
    let kind = value.type_name();
    value
        .as_inline_table_mut()
        .ok_or_else(|| Error::new(format!("`{part}` has no keys of its own")).found(kind))
}

/// Which entry of a list is meant.
fn index(list: &str, rest: &[&str], names: Vec<Option<String>>) -> Result<usize, Error> {
    let wanted = rest.first().copied().unwrap_or_default();
    let numbered = wanted.parse().ok().filter(|i| *i < names.len());
    let named = || {
        names
            .iter()
            .position(|name| name.as_deref() == Some(wanted))
    };
    numbered.or_else(named).ok_or_else(|| {
        let numbers = 0..names.len();
        let known = numbers.zip(&names).map(|(i, name)| match name {
            Some(name) => format!("{i} (`{name}`)"),
            None => i.to_string(),
        });
        Error::new(format!("`{list}` has no entry `{wanted}`"))
            .found(known.collect::<Vec<_>>().join(", "))
    })
}

fn name(entry: &dyn TableLike) -> Option<String> {
    Some(entry.get("name")?.as_str()?.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = r#"task = "a/task" # what is learned
limits = { seconds = 5 }

[[stage]]
name = "found"
search = "a/random"
each = [{ train = "a/fit" }]

[[stage]]
train = { use = "a/fit", epochs = 3 }
"#;

    fn source() -> Source {
        Source {
            path: "folder/e.toml".into(),
            text: TEXT.into(),
        }
    }

    #[test]
    fn values_change_and_the_rest_stays() {
        let check = |key: &str, value: &str, from: &str, to: &str| {
            let changed = set(&source(), key, value).unwrap();
            assert_eq!(changed.text, TEXT.replacen(from, to, 1), "{key}");
            assert_eq!(changed.path.to_str(), Some("folder/e.toml with --set"));
        };
        check("task", "a/other", "\"a/task\"", "\"a/other\"");
        check("limits.seconds", "0.5", "seconds = 5", "seconds = 0.5");
        check("stage.1.train.epochs", "9", "epochs = 3", "epochs = 9");
        check(
            "stage.found.search.rate",
            "[1, 2]",
            "\"a/random\"",
            "{ use = \"a/random\", rate = [1, 2] }",
        );
        check(
            "stage.0.each.0.train.epochs",
            "1",
            "\"a/fit\" }]",
            "{ use = \"a/fit\", epochs = 1 } }]",
        );
        check("stage.found.budget", "7", "}]\n", "}]\nbudget = 7\n");
        check("stage.found.name", "{", "\"found\"", "\"{\"");
        // Twice, and the name of the file says it once.
        let twice = set(&set(&source(), "seeds", "2").unwrap(), "seeds", "3").unwrap();
        assert_eq!(twice.path.to_str(), Some("folder/e.toml with --set"));
        assert!(twice.text.contains("seeds = 3"));
    }

    #[test]
    fn keys_that_lead_nowhere_are_refused() {
        for (key, said) in [
            (
                "stage.2.train",
                "`stage` has no entry `2`\n  found     0 (`found`), 1",
            ),
            ("stage.fuond.search", "`stage` has no entry `fuond`"),
            ("stage.0", "the key stands for a whole entry of a list"),
            (
                "limits.seconds.x",
                "`seconds` has no keys of its own\n  found     integer",
            ),
            ("a b", "cannot set `a b`"),
        ] {
            let refused = set(&source(), key, "1").unwrap_err().to_string();
            assert!(refused.contains(said), "{key}: {refused}");
        }
    }
}
