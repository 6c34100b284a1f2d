//! `pleach-worker`: started by `pleach`, which speaks to it over pipes.

use std::path::Path;
use std::process::ExitCode;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let done = match arguments[..] {
        ["serve"] => pleach_worker::serve(),
        ["check"] => pleach_worker::check(),
        ["cards", file, sha256] => pleach_worker::cards(Path::new(file), sha256),
        ["doctor"] => pleach_worker::doctor(),
        _ => {
            eprintln!(
                "pleach-worker is started by pleach: see `pleach --help`\nusage: pleach-worker serve | check | cards FILE SHA256 | doctor"
            );
            return ExitCode::from(2);
        }
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(e) => {
            eprintln!("{e:#}");
            ExitCode::FAILURE
        }
    }
}
