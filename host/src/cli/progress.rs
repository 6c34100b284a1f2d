//! Shows how a study gets on: a bar on a terminal, lines elsewhere.

use std::env;
use std::io::{IsTerminal, Write, stderr};

use indicatif::{ProgressBar, ProgressStyle};
use pleach::study::{Event, value};

/// Whoever shows what happens.
pub(super) fn watcher(quiet: bool) -> Box<dyn FnMut(Event)> {
    match (quiet, moves()) {
        (true, _) => Box::new(|_| ()),
        (false, true) => bar(),
        (false, false) => Box::new(|event| {
            // Whoever closed it does not want to know; the study goes on.
            let _ = writeln!(stderr(), "{}", line(&event));
        }),
    }
}

/// Whether standard error is a terminal on which a bar can move; a dumb one cannot move its cursor.
pub(super) fn moves() -> bool {
    stderr().is_terminal() && env::var_os("TERM").is_some_and(|t| t != "dumb")
}

fn bar() -> Box<dyn FnMut(Event)> {
    let style = ProgressStyle::with_template("{prefix} {bar:30} {pos}/{len} {elapsed} {wide_msg}")
        .expect("the template is constant");
    let mut bar = ProgressBar::hidden();
    Box::new(move |event| match event {
        Event::Stage { name, works, done } => {
            bar.finish();
            bar = ProgressBar::new(works)
                .with_style(style.clone())
                .with_prefix(name.to_owned())
                .with_position(done);
            bar.tick();
        }
        Event::Ended { result, .. } => {
            bar.inc(1);
            match result {
                Ok(_) => bar.set_message(line(&event)),
                // A reason to look at should not be overwritten by the next trial.
                Err(_) => bar.println(line(&event)),
            }
        }
    })
}

fn line(event: &Event) -> String {
    match event {
        Event::Stage {
            name,
            works,
            done: 0,
        } => format!("{name}: {works} to do"),
        Event::Stage { name, works, done } => format!("{name}: {works} to do, {done} done already"),
        Event::Ended { name, result, goal } => match (value(result, goal), result) {
            (Ok(value), _) => format!("{name}: val.{} {value:.4}", goal.metric),
            // Not all work is evaluated.
            (Err(_), Ok(_)) => format!("{name}: done"),
            (_, Err(error)) => format!("{name}: failed: {error}"),
        },
    }
}
