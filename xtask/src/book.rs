//! The book in `docs`: the pages that are made, and all of it as HTML.

use std::fs::{self, File};
use std::process::Command;

use anyhow::{Context, Result};

use crate::commands::{build, program};
use crate::shell::run;
use crate::workspace::root;

/// Makes the page of each plugin, then the book, where mdBook is there.
pub fn book() -> Result<()> {
    build()?;
    for plugin in fs::read_dir(root().join("plugins"))? {
        let name = plugin?.file_name();
        let page = root()
            .join("docs/components")
            .join(&name)
            .with_extension("md");
        let to = File::create(&page).with_context(|| format!("making {}", page.display()))?;
        let mut pleach = program("pleach")?;
        pleach
            .args(["plugins", "info"])
            .arg(&name)
            .arg("--markdown");
        run(pleach.stdout(to))?;
    }
    let is_there = Command::new("mdbook").arg("--version").output().is_ok();
    if !is_there {
        eprintln!("no mdbook on PATH: `cargo install mdbook --locked`, then `mdbook serve docs`");
        return Ok(());
    }
    run(Command::new("mdbook")
        .args(["build", "docs"])
        .current_dir(root()))
}
