//! The trials of a search as a table, and the seeds of any other stage.

use plugin_api_data::{Decided, Decision, Domain, Error, Goal, Json};

use crate::frame::{Cell, Frame};
use crate::journal::{Entry, Journal};
use crate::study::value;

/// What the journal holds of a stage, a row for each trial or seed: what it is, how it ended and what it is worth, every
/// metric by its name, every decision of its point as `point.NAME`, and what it took. A column is there if a row fills it,
/// in the order in which they appear; those that every stage has are always there.
///
/// # Errors
/// Where the journal cannot be read.
pub fn table(
    journal: &Journal,
    stage: usize,
    goal: Option<&Goal>,
    decisions: &[Decision],
) -> Result<Frame, Error> {
    let trials = journal.entries(stage)?;
    let mut frame = Frame::new(trials.len());
    let rows = || trials.iter();
    frame.column("number", rows().map(|trial| Some(trial.number)));
    frame.column("seed", rows().map(|trial| Some(trial.seed)));
    frame.column("outcome", rows().map(outcome));
    let proposal = |trial: &Entry| trial.proposal.clone();
    frame.column("by", rows().map(|trial| proposal(trial)?.by));
    frame.column("from", rows().map(|trial| Some(proposal(trial)?.from?.0)));
    frame.column(
        "value",
        rows().map(|trial| value(trial.result.as_ref()?, goal?).ok()),
    );
    for (row, trial) in trials.iter().enumerate() {
        let done = trial.result.iter().flatten();
        for (name, x) in done.flat_map(|done| done.metrics.iter()) {
            frame.put(row, name, *x);
        }
    }
    for (row, trial) in trials.iter().enumerate() {
        let point = trial.proposal.iter().map(|proposal| &proposal.point);
        for (name, decided) in point.flat_map(|point| point.iter()) {
            frame.put(
                row,
                &format!("point.{name}"),
                cell(shown(decisions, name, decided)),
            );
        }
    }
    frame.column("seconds", rows().map(|trial| Some(trial.timing?.seconds)));
    let attempts = |trial: &Entry| Some(u64::from(trial.timing?.attempts));
    frame.column("attempts", rows().map(attempts));
    let error = |trial: &Entry| Some(trial.result.as_ref()?.as_ref().err()?.to_string());
    frame.column("error", rows().map(error));
    Ok(frame)
}

/// How a trial ended; nothing where it has not.
fn outcome(trial: &Entry) -> Option<&'static str> {
    trial.result.as_ref().map(|result| match result {
        Ok(_) => "done",
        Err(_) => "failed",
    })
}

/// What was decided, as a person would write it: the option itself, a subset as the numbers of those that are in. Of a
/// search whose `decisions` are not known an option is its number, counted from 0.
pub fn shown(decisions: &[Decision], name: &str, decided: &Decided) -> Json {
    let domain = { decisions.iter() }
        .find(|decision| decision.name == name)
        .map(|decision| &decision.domain);
    match (decided, domain) {
        (Decided::Option(option), Some(Domain::Options(options))) if *option < options.len() => {
            options[*option].clone()
        }
        (Decided::Option(option), _) => (*option).into(),
        (Decided::Integer(i), _) => (*i).into(),
        (Decided::Real(x), _) => (*x).into(),
        (Decided::Subset(of), _) => of.clone().into(),
    }
}

fn cell(decided: Json) -> Cell {
    match decided {
        Json::String(text) => text.into(),
        Json::Array(of) => {
            let of: Vec<String> = of.iter().map(ToString::to_string).collect();
            of.join(" ").into()
        }
        Json::Number(x) => match (x.as_i64(), x.as_f64()) {
            (Some(i), _) => i.into(),
            (None, Some(x)) => x.into(),
            (None, None) => x.to_string().into(),
        },
        other => other.to_string().into(),
    }
}
