//! Shows how a study gets on: a bar on a terminal, lines elsewhere.

use std::env;
use std::io::{IsTerminal, Write, stderr};
use std::time::{Duration, Instant};

use indicatif::{BinaryBytes, ProgressBar, ProgressStyle};
use pleach::study::{Event, is_better, value};

use super::mix;

/// How often a line tells how a download gets on.
const PAUSE: Duration = Duration::from_secs(5);

/// Whoever shows what happens.
pub(super) fn watcher(quiet: bool) -> Box<dyn FnMut(Event)> {
    match (quiet, moves()) {
        (true, _) => Box::new(|_| ()),
        (false, true) => bar(),
        (false, false) => lines(),
    }
}

fn lines() -> Box<dyn FnMut(Event)> {
    // When the download that goes on was last told of.
    let mut told: Option<Instant> = None;
    Box::new(move |event| {
        if let Event::Fetching { done, total, .. } = event {
            let is_whole = Some(done) == total;
            if !is_whole && told.is_some_and(|told| told.elapsed() < PAUSE) {
                return;
            }
            told = (!is_whole).then(Instant::now);
        }
        // Whoever closed it does not want to know; the study goes on.
        let _ = writeln!(stderr(), "{}", line(&event));
    })
}

/// Whether standard error is a terminal on which a bar can move; a dumb one cannot move its cursor.
pub(super) fn moves() -> bool {
    stderr().is_terminal() && env::var_os("TERM").is_some_and(|t| t != "dumb")
}

/// A bar for what is being downloaded.
pub(super) fn download(name: &str) -> ProgressBar {
    let style = ProgressStyle::with_template(
        "{wide_msg} {bar:30} {bytes}/{total_bytes} {bytes_per_sec} {eta}",
    )
    .expect("the template is constant");
    ProgressBar::no_length()
        .with_style(style)
        .with_message(name.to_owned())
}

/// Shows how far a download has come.
pub(super) fn advance(bar: &ProgressBar, done: u64, total: Option<u64>) {
    if let Some(total) = total {
        bar.set_length(total);
    }
    bar.set_position(done);
}

fn bar() -> Box<dyn FnMut(Event)> {
    let style = ProgressStyle::with_template(
        "{prefix} {bar:16} {pos}/{len} {elapsed}, {eta} left  {wide_msg}",
    )
    .expect("the template is constant");
    let mut bar = ProgressBar::hidden();
    // The best work of the stage so far, and its value.
    let mut best: Option<(String, f64)> = None;
    Box::new(move |event| match event {
        Event::Fetching { file, done, total } => {
            if bar.message() != file {
                bar.finish_and_clear();
                bar = download(file);
            }
            advance(&bar, done, total);
            if Some(done) == total {
                bar.finish_and_clear();
                bar = ProgressBar::hidden();
            }
        }
        Event::Stage { name, works, done } => {
            bar.finish();
            best = None;
            bar = ProgressBar::new(works)
                .with_style(style.clone())
                .with_prefix(name.to_owned())
                .with_position(done);
            bar.tick();
        }
        Event::Changed { .. } => bar.println(line(&event)),
        Event::Ended { name, result, goal } => {
            bar.inc(1);
            if let Ok(value) = value(result, goal)
                && best
                    .as_ref()
                    .is_none_or(|(_, best)| is_better(value, *best, goal))
            {
                best = Some((name.to_owned(), value));
            }
            match (result, &best) {
                (Ok(_), Some((best, value))) => {
                    bar.set_message(format!("best {value:.4}, {best}; {}", line(&event)));
                }
                (Ok(_), None) => bar.set_message(line(&event)),
                // A reason to look at should not be overwritten by the next trial.
                (Err(_), _) => bar.println(line(&event)),
            }
        }
    })
}

fn line(event: &Event) -> String {
    match event {
        Event::Fetching { file, done, total } => match total {
            Some(total) if total == done => format!("{file}: downloaded"),
            Some(total) => format!(
                "{file}: downloading, {} of {}",
                BinaryBytes(*done),
                BinaryBytes(*total)
            ),
            None => format!("{file}: downloading, {}", BinaryBytes(*done)),
        },
        Event::Stage {
            name,
            works,
            done: 0,
        } => format!("{name}: {works} to do"),
        Event::Stage { name, works, done } => format!("{name}: {works} to do, {done} done already"),
        Event::Changed {
            name,
            change,
            outcome,
        } => format!("{name}: {}", mix::line(change, outcome)),
        Event::Ended { name, result, goal } => match (value(result, goal), result) {
            (Ok(value), _) => format!("{name}: val.{} {value:.4}", goal.metric),
            // Not all work is evaluated.
            (Err(_), Ok(_)) => format!("{name}: done"),
            (_, Err(error)) => format!("{name}: failed: {error}"),
        },
    }
}
