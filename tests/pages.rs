//! Pages of `docs/`, typed as they stand there, by somebody who has nothing but what the quick start makes.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use pleach_tests::{as_typed, both, built, root};

/// Printed behind each block of commands.
const MARK: &str = "\x1e\n";

/// What a block of the page is for.
enum Step {
    /// A file, by its path: the block stands behind a line that is nothing but the path.
    File(String, String),
    /// Commands, and what they are said to print: the block right behind theirs.
    Commands(String, Option<String>),
}

fn steps(page: &str) -> Vec<Step> {
    let mut steps = vec![];
    let mut lines = page.lines();
    let mut before = "";
    while let Some(line) = lines.next() {
        if let Some(language) = line.strip_prefix("```") {
            let block: Vec<&str> = lines.by_ref().take_while(|l| *l != "```").collect();
            let block = block.join("\n") + "\n";
            let path = before.strip_prefix('`').and_then(|b| b.strip_suffix("`:"));
            match (path, language, steps.last_mut()) {
                (Some(path), _, _) => steps.push(Step::File(path.into(), block)),
                (None, "sh", _) => steps.push(Step::Commands(block, None)),
                (None, _, Some(Step::Commands(_, printed))) if before == "```sh" => {
                    *printed = Some(block);
                }
                // An equation, or the like.
                _ => {}
            }
        }
        if !line.is_empty() {
            before = line;
        }
    }
    steps
}

/// All steps as one script, so that a folder that was entered and a variable that was set hold for those behind.
fn script(steps: &[Step]) -> String {
    let text = steps.iter().map(|step| match step {
        Step::File(path, text) => format!("cat > {path} <<'END OF FILE'\n{text}END OF FILE\n"),
        Step::Commands(commands, _) => format!("{commands}printf '{MARK}'\n"),
    });
    text.collect()
}

/// Whether this was printed, where `…` stands for anything.
fn matches(printed: &str, expected: &str) -> bool {
    let mut parts = expected.split('…');
    let first = parts.next().unwrap_or_default();
    let Some(mut rest) = printed.strip_prefix(first) else {
        return false;
    };
    let mut last = None;
    for part in parts {
        let Some(at) = rest.find(part) else {
            return false;
        };
        rest = &rest[at + part.len()..];
        last = Some(part);
    }
    rest.is_empty() || last.is_some_and(|part| printed.ends_with(part))
}

/// The user's folder of this name in their home, which is not the test's.
fn kept(variable: &str, folder: &str) -> PathBuf {
    env::var_os(variable).map_or_else(
        || PathBuf::from(env::var_os("HOME").unwrap_or_default()).join(folder),
        PathBuf::from,
    )
}

#[test]
fn the_first_plugin() {
    // An earlier run has left it, and with it the name would be taken.
    let _ = fs::remove_file(built().join("deps/libgates.so"));
    check("first-plugin.md", root(), 7);
}

#[test]
fn the_first_steps() {
    check("first-steps.md", root(), 6);
}

#[test]
fn the_other_pages_of_the_book() {
    for page in pages() {
        let text = fs::read_to_string(root().join("docs").join(&page)).unwrap();
        if text.contains("```sh") && !page.starts_with("first-") {
            let empty = tempfile::tempdir().unwrap();
            check(&page, empty.path(), 1);
        }
    }
}

/// The book's pages, as its summary lists them.
fn pages() -> Vec<String> {
    let summary = fs::read_to_string(root().join("docs/SUMMARY.md")).unwrap();
    let links = summary.split("](").skip(1);
    let pages = links.map(|rest| rest.split_once(')').expect("a link ends").0.to_owned());
    pages.collect()
}

/// Every page is in the summary, and every link leads to a file.
#[test]
fn nothing_of_the_book_is_lost() {
    let docs = root().join("docs");
    let listed = pages();
    for entry in walk(&docs) {
        let page = entry
            .strip_prefix(&docs)
            .unwrap()
            .to_str()
            .unwrap()
            .to_owned();
        assert!(
            page == "SUMMARY.md" || listed.contains(&page),
            "{page} is not in the summary"
        );
        let text = fs::read_to_string(&entry).unwrap();
        for link in text.split("](").skip(1) {
            let (link, _) = link.split_once(')').expect("a link ends");
            let file = link.split('#').next().unwrap_or_default();
            if !link.contains("://") && !file.is_empty() {
                let to = entry.with_file_name("").join(file);
                assert!(to.exists(), "{page} leads to {link}");
            }
        }
    }
}

/// The Markdown files of a folder.
fn walk(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    let pages = entries.flat_map(|path| match path.is_dir() {
        true => walk(&path),
        false => vec![path],
    });
    pages
        .filter(|path| path.extension().is_some_and(|ending| ending == "md"))
        .collect()
}

/// What plugins say of themselves now.
#[test]
fn pages_of_components_are_up_to_date() {
    for plugin in fs::read_dir(root().join("plugins")).unwrap() {
        let name = plugin.unwrap().file_name().into_string().unwrap();
        let page = root().join("docs/components").join(format!("{name}.md"));
        let mut pleach = Command::new(built().join("pleach"));
        let now = pleach
            .args(["plugins", "info", &name, "--markdown"])
            .output()
            .unwrap();
        assert!(now.status.success(), "{}", both(&now));
        assert_eq!(
            fs::read_to_string(&page).unwrap_or_default(),
            String::from_utf8(now.stdout).unwrap(),
            "`cargo xtask book` makes {} anew",
            page.display()
        );
    }
}

/// Types a page in this folder, and compares what is printed, so many times at least, with what the page shows.
fn check(page: &str, folder: &Path, least: usize) {
    let home = tempfile::tempdir().unwrap();
    let steps = steps(&fs::read_to_string(root().join("docs").join(page)).unwrap());
    // Where cargo builds elsewhere, the page's folder is not there, and the programs are found behind it.
    let path = env::join_paths(
        [built()]
            .into_iter()
            .chain(env::split_paths(&env::var_os("PATH").unwrap_or_default())),
    )
    .unwrap();
    let mut bash = Command::new("bash");
    bash.args(["-euc", &script(&steps)])
        .current_dir(folder)
        .env("CHECKOUT", root())
        .env("HOME", home.path())
        .env("PATH", path)
        .env("CARGO_HOME", kept("CARGO_HOME", ".cargo"))
        .env("RUSTUP_HOME", kept("RUSTUP_HOME", ".rustup"))
        .env("CARGO_NET_OFFLINE", "true")
        .env("NO_COLOR", "1");
    for (variable, _) in env::vars_os() {
        let name = variable.to_string_lossy();
        if ["XDG_", "PLEACH_", "CARGO_TARGET_DIR"]
            .iter()
            .any(|p| name.starts_with(p))
        {
            bash.env_remove(&variable);
        }
    }
    let output = as_typed(&mut bash).output().unwrap();
    assert!(output.status.success(), "{page}: {}", both(&output));

    let printed = String::from_utf8(output.stdout).unwrap();
    let mut printed = printed.split(MARK);
    let mut compared = 0;
    for step in &steps {
        let Step::Commands(commands, expected) = step else {
            continue;
        };
        let printed = printed.next().expect("each block ends with a mark");
        if let Some(expected) = expected {
            assert!(
                matches(printed, expected),
                "{page}: {commands}printed\n{printed}\nthe page says\n{expected}"
            );
            compared += 1;
        }
    }
    assert!(
        compared >= least,
        "{page} shows what {compared} blocks print"
    );
}

#[test]
fn an_ellipsis_stands_for_anything() {
    let compare =
        |printed, expected, same| assert_eq!(matches(printed, expected), same, "{expected}");
    compare("a\nb\n", "a\nb\n", true);
    compare("a\nb\n", "a\n", false);
    compare("a\nb\nc\n", "a\n…c\n", true);
    compare("a\nb\nc\n", "…\n", true);
    compare("a\nb\nc\n", "…b\n", false);
    compare("x 1 y 2\n", "x … y …\n", true);
    compare("x 1 z 2\n", "x … y …\n", false);
}
