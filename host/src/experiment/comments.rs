//! A person's comments in the resolved experiment.

use toml_edit::{Array, Decor, DocumentMut, InlineTable, Item, RawString, Table, Value};

/// A comment, line by line, and the keys that lead to what it stands above or behind; an entry of a list is a key by its
/// number.
struct Comment {
    path: Vec<String>,
    lines: Vec<String>,
}

/// The resolved experiment with the comments of the text that it was read from: each above what it belonged to, or above
/// the nearest that is left of that.
pub fn keep_comments(resolved: &str, text: &str) -> String {
    // Both were read before; where that has changed since, comments are not worth a failure.
    let (Ok(from), Ok(mut to)) = (text.parse::<DocumentMut>(), resolved.parse::<DocumentMut>())
    else {
        return resolved.into();
    };
    let mut comments = vec![];
    of_table(from.as_table(), &[], &mut comments);
    for comment in comments {
        put(to.as_table_mut(), &comment.path, &comment.lines);
    }
    let end = lines(from.trailing());
    let mut kept = to.to_string();
    end.iter().for_each(|line| kept += &format!("{line}\n"));
    kept
}

fn of_table(table: &Table, path: &[String], comments: &mut Vec<Comment>) {
    for (key, item) in table.iter() {
        let path = [path, &[key.to_owned()]].concat();
        if let Some(key) = table.key(key) {
            note(key.leaf_decor(), &path, comments);
        }
        match item {
            Item::Table(table) => {
                note(table.decor(), &path, comments);
                of_table(table, &path, comments);
            }
            Item::ArrayOfTables(list) => {
                for (index, table) in list.iter().enumerate() {
                    let path = [&path[..], &[index.to_string()]].concat();
                    note(table.decor(), &path, comments);
                    of_table(table, &path, comments);
                }
            }
            Item::Value(value) => of_value(value, &path, comments),
            Item::None => {}
        }
    }
}

fn of_value(value: &Value, path: &[String], comments: &mut Vec<Comment>) {
    note(value.decor(), path, comments);
    match value {
        Value::Array(list) => of_array(list, path, comments),
        Value::InlineTable(table) => of_inline(table, path, comments),
        _ => {}
    }
}

fn of_array(list: &Array, path: &[String], comments: &mut Vec<Comment>) {
    for (index, value) in list.iter().enumerate() {
        let path = [path, &[index.to_string()]].concat();
        of_value(value, &path, comments);
    }
    add(lines(list.trailing()), path, comments);
}

fn of_inline(table: &InlineTable, path: &[String], comments: &mut Vec<Comment>) {
    for (key, value) in table.iter() {
        let path = [path, &[key.to_owned()]].concat();
        if let Some(key) = table.key(key) {
            note(key.leaf_decor(), &path, comments);
        }
        of_value(value, &path, comments);
    }
}

/// The comments before and behind something.
fn note(decor: &Decor, path: &[String], comments: &mut Vec<Comment>) {
    for part in [decor.prefix(), decor.suffix()].into_iter().flatten() {
        add(lines(part), path, comments);
    }
}

fn add(lines: Vec<String>, path: &[String], comments: &mut Vec<Comment>) {
    if !lines.is_empty() {
        let path = path.to_vec();
        comments.push(Comment { path, lines });
    }
}

/// The lines of comment in what stands between values.
fn lines(between: &RawString) -> Vec<String> {
    let text = between.as_str().unwrap_or_default().lines();
    let comments = text.map(str::trim).filter(|line| line.starts_with('#'));
    comments.map(String::from).collect()
}

/// Puts a comment above what a path leads to, or the last on the way that is there.
fn put(table: &mut Table, path: &[String], comment: &[String]) {
    let Some((key, rest)) = path.split_first() else {
        return above(table.decor_mut(), comment);
    };
    let here = table.decor().clone();
    let is_value = match table.get_mut(key) {
        Some(Item::Table(inner)) => return put(inner, rest, comment),
        Some(Item::ArrayOfTables(list)) => {
            let index = rest.first().and_then(|index| index.parse().ok());
            let index = index.filter(|index| *index < list.len());
            let inner = list.get_mut(index.unwrap_or(0));
            return match inner {
                Some(inner) if index.is_some() => put(inner, &rest[1..], comment),
                Some(inner) => above(inner.decor_mut(), comment),
                None => {}
            };
        }
        Some(Item::Value(_)) => true,
        _ => false,
    };
    match table.key_mut(key).filter(|_| is_value) {
        Some(mut key) => above(key.leaf_decor_mut(), comment),
        None => {
            let mut decor = here;
            above(&mut decor, comment);
            *table.decor_mut() = decor;
        }
    }
}

fn above(decor: &mut Decor, comment: &[String]) {
    let before = decor.prefix().and_then(RawString::as_str);
    let mut prefix = before.unwrap_or_default().to_owned();
    comment
        .iter()
        .for_each(|line| prefix += &format!("{line}\n"));
    decor.set_prefix(prefix);
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use super::keep_comments;

    const RESOLVED: &str = "\
seed = 0

[task]
use = \"a/b\"

[[stage]]
name = \"found\"
budget = 3

[stage.search]
use = \"a/random\"

[[stage.search.strategies]]
use = \"a/c\"

[[stage]]
name = \"final\"
arch = \"arch/final.json\"
";

    #[test]
    fn comments_stand_above_what_they_belong_to() {
        let text = r#"# What this is.
# In two lines.

task = "a/b" # the task

# First we look.
[[stage]] # here
name = "found"
search = { use = "a/random", strategies = [
    # the only one
    "a/c", # indeed
    # no more
] } # so
# enough
budget = 3

# Then we go on.
[[stage]]
# from elsewhere
from = { run = "x" }
# The end.
"#;
        expect![[r#"
            seed = 0

            # What this is.
            # In two lines.
            # the task
            [task]
            use = "a/b"

            # First we look.
            # here
            [[stage]]
            name = "found"
            # enough
            budget = 3

            # so
            [stage.search]
            use = "a/random"

            # the only one
            # indeed
            # no more
            [[stage.search.strategies]]
            use = "a/c"

            # Then we go on.
            # from elsewhere
            [[stage]]
            name = "final"
            arch = "arch/final.json"
            # The end.
        "#]]
        .assert_eq(&keep_comments(RESOLVED, text));
    }

    #[test]
    fn without_comments_it_stays_as_it_was() {
        assert_eq!(keep_comments(RESOLVED, "task = \"a/b\"\n"), RESOLVED);
        assert_eq!(keep_comments(RESOLVED, "no = = toml"), RESOLVED);
    }
}
