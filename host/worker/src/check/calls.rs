//! Calls on ordinary inputs: what comes out, what stays as it was, what is printed.

use std::fs::File;
use std::os::unix::fs::FileExt;

use plugin_api::{Context, Error, Result, Tensors, grad};
use rustix::stdio::stdout;
use tch::Kind;

use super::{Case, Word, differs};
use crate::child::flush;
use crate::weights::bytes_of;

/// How many times more samples and nodes show what threads do: libtorch splits work into parts of 32768 numbers.
const MANY: i64 = 2000;

pub(super) fn shapes(case: &Case<'_>) -> Result<()> {
    for exercise in case.exercises(1)? {
        case.trying(&exercise.input)?;
        let output = exercise.run()?;
        (exercise.promise)(&output)?;
    }
    Ok(())
}

pub(super) fn deterministic(case: &Case<'_>) -> Result<()> {
    for (exercise, made_again) in case.exercises(1)?.iter().zip(case.exercises(1)?) {
        case.trying(&exercise.input)?;
        let output = exercise.run()?;
        for (again, when) in [(exercise, "called again"), (&made_again, "made again")] {
            if let Some(what) = output.differs(&again.run()?)? {
                return Err(
                    Error::new(format!("{what} differs when the component is {when}"))
                        .expected("the same bits from the same seed and input")
                        .help("draw from `stream(seed, name)`, and keep nothing from call to call")
                        .into(),
                );
            }
        }
        case.say(&Word::Digest(output.digest()?))?;
    }
    for exercise in case.exercises(MANY)? {
        case.trying(&format!("{}, with one thread and with two", exercise.input))?;
        let one = exercise.run()?;
        tch::set_num_threads(2);
        let two = exercise.run()?;
        tch::set_num_threads(1);
        if let Some(what) = one.is_far_from(&two)? {
            return Err(
                Error::new(format!("{what} depends on the number of threads"))
                    .expected("nearly the same numbers: sums may differ in their last bits")
                    .into(),
            );
        }
    }
    Ok(())
}

pub(super) fn pure(case: &Case<'_>) -> Result<()> {
    for exercise in case.exercises(1)? {
        case.trying(&exercise.input)?;
        let plain = exercise.lend();
        held(&plain, || (exercise.call)(&plain).map(drop))?;
        // As a session lends them: leaves that gradients go to.
        let learned = exercise.lend().map(|_, t| match t.kind() {
            Kind::Float | Kind::Double => t.set_requires_grad(true),
            _ => t.shallow_clone(),
        });
        held(&learned, || (exercise.call)(&learned).map(drop))?;
    }
    Ok(())
}

/// Makes a call, and compares what must not change.
fn held(lent: &Tensors, call: impl FnOnce() -> Result<()>) -> Result<()> {
    let (before, threads) = (states(lent)?, tch::get_num_threads());
    let recorded = grad::is_on();
    call()?;
    for ((name, t), before) in lent.iter().zip(before) {
        if let Some(what) = before.compare(&State::of(t)?) {
            return Err(Error::new(format!("the call {what} `{name}`"))
                .expected("nothing changes that is lent to it")
                .help("methods whose names end in `_` write in place, through every other handle too: use those that return a new tensor")
                .into());
        }
    }
    if tch::get_num_threads() != threads {
        return Err(differs(
            "the call changes libtorch's number of threads",
            tch::get_num_threads(),
            threads,
        ));
    }
    if grad::is_on() != recorded {
        return Err(differs(
            "the call changes autograd's mode",
            !recorded,
            recorded,
        ));
    }
    Ok(())
}

/// What a call could change in a tensor.
struct State {
    bytes: Vec<u8>,
    size: Vec<i64>,
    version: i64,
    requires_grad: bool,
    has_grad: bool,
}

fn states(lent: &Tensors) -> Result<Vec<State>> {
    lent.values().map(|t| State::of(t)).collect()
}

impl State {
    fn of(t: &tch::Tensor) -> Result<Self> {
        Ok(State {
            bytes: bytes_of(t)?,
            size: t.size(),
            version: t.f_internal_version()?,
            requires_grad: t.requires_grad(),
            has_grad: t.grad().defined(),
        })
    }

    fn compare(&self, now: &Self) -> Option<&'static str> {
        let changed = [
            (self.size != now.size, "changes the shape of"),
            (self.bytes != now.bytes, "changes the numbers of"),
            (
                self.requires_grad != now.requires_grad,
                "changes `requires_grad` of",
            ),
            (self.has_grad != now.has_grad, "changes `grad` of"),
            (self.version != now.version, "writes in place into"),
        ];
        changed
            .iter()
            .find(|(changed, _)| *changed)
            .map(|(_, what)| *what)
    }
}

pub(super) fn quiet(case: &Case<'_>) -> Result<()> {
    let begun = Printed::now()?;
    case.make(&case.stand_ins.recipe(case)?.params)?;
    begun.nothing_since("making the component")?;
    // Which inputs it takes is seen by calls, too.
    for exercise in case.exercises(1)? {
        let printed = Printed::now()?;
        case.trying(&exercise.input)?;
        exercise.run()?;
        printed.nothing_since("the call")?;
    }
    begun.nothing_since("finding out which inputs it takes")
}

/// What this child has printed: all of it goes to one file.
pub(super) struct Printed {
    file: File,
    length: u64,
}

impl Printed {
    pub(super) fn now() -> Result<Self> {
        flush();
        let file = File::open("/proc/self/fd/1").context("reading what was printed")?;
        let length = rustix::fs::fstat(stdout())?.st_size as u64;
        Ok(Printed { file, length })
    }

    pub(super) fn nothing_since(&self, what: &str) -> Result<()> {
        flush();
        let mut text = vec![0; 200];
        let read = self.file.read_at(&mut text, self.length)?;
        if read == 0 {
            return Ok(());
        }
        let text = String::from_utf8_lossy(&text[..read]).trim_end().to_owned();
        Err(Error::new(format!("{what} prints"))
            .found(text)
            .expected("nothing on standard output and standard error")
            .help("use `plugin_api::tracing`: the host decides what is shown")
            .into())
    }
}
