//! The conformance kit: what hosts rely on, whatever a component does.
//!
//! [`CHECKS`] lists what every component is held to. Each check of each component is made in a process of its own, which
//! opens the plugin itself, so that a crash or a hang is a verdict like any other (`kit`). Most checks know no role:
//! they work on [`inputs::Exercise`]s, a component at work on one input, which a file for each role under `inputs/`
//! makes. `stand_in` finds parameters where a component requires some.

mod calls;
mod exported;
mod gradients;
mod hostile;
mod inputs;
mod kit;
mod opens;
mod parameters;
mod stand_in;

use std::cell::RefCell;
use std::fmt;
use std::fs::File;

use pleach::protocol::{Finding, Verdict, send};
use plugin_api::boundary::as_error;
use plugin_api::{Card, Error, PluginCard, Result};
use serde::{Deserialize, Serialize};

pub use kit::check;
use stand_in::StandIns;

/// One thing that hosts rely on.
struct Check {
    name: &'static str,
    /// What is checked, in a sentence.
    about: &'static str,
    /// Whether components of this role have something to check here.
    concerns: fn(role: &str) -> bool,
    /// Whether a component may declare, with its reason, that it does not pass.
    excusable: bool,
    /// Whether it is made in two processes, whose digests must agree.
    twice: bool,
    make: fn(&Case<'_>) -> Result<()>,
}

/// The check of the plugin as a whole, which comes first.
const OPENS: &str = "opens";
/// Where a component does not pass this one, there is nothing that the checks behind it could be made on.
const DEFAULTS: &str = "defaults";

/// All that a component is held to, in this order.
const CHECKS: &[Check] = &[
    Check {
        name: "described",
        about: "the component and each parameter have a doc, and the schema is valid",
        make: parameters::described,
        ..Check::OF_ALL
    },
    Check {
        name: DEFAULTS,
        about: "the defaults pass their own schema, and the component can be made of them",
        make: parameters::defaults,
        ..Check::OF_ALL
    },
    Check {
        name: "refuses",
        about: "unknown, ill-typed and out-of-range parameters are refused by name",
        make: parameters::refuses,
        ..Check::OF_ALL
    },
    Check {
        name: "shapes",
        about: "what comes out is what was promised",
        make: calls::shapes,
        ..Check::OF_ALL
    },
    Check {
        name: "deterministic",
        about: "the same seed gives the same bits, in another process too, and with two threads nearly the same",
        twice: true,
        make: calls::deterministic,
        ..Check::OF_ALL
    },
    Check {
        name: "pure",
        about: "a call leaves what it is lent, autograd and libtorch's threads as they were",
        make: calls::pure,
        ..Check::OF_ALL
    },
    Check {
        name: "gradients",
        about: "first and second derivatives agree with finite differences in float64",
        concerns: inputs::is_differentiable,
        excusable: true,
        make: gradients::gradients,
        ..Check::OF_ALL
    },
    Check {
        name: "hostile",
        about: "tensors that make no sense are taken, or refused by an error that names the component",
        concerns: inputs::is_lent_tensors,
        make: hostile::hostile,
        ..Check::OF_ALL
    },
    Check {
        name: "quiet",
        about: "nothing is printed: what there is to tell goes to `tracing`",
        make: calls::quiet,
        ..Check::OF_ALL
    },
    Check {
        name: "exported",
        about: "what it exports, compiled by TorchScript, computes what it does itself; its ONNX can be written",
        concerns: inputs::is_exported,
        make: exported::exported,
        ..Check::OF_ALL
    },
];

impl Check {
    /// What most checks are like.
    const OF_ALL: Check = Check {
        name: "",
        about: "",
        concerns: |_| true,
        excusable: false,
        twice: false,
        make: |_| Ok(()),
    };
}

/// What a child says of its check, the verdict last.
#[derive(Serialize, Deserialize)]
enum Word {
    /// It goes on with this input.
    Trying(String),
    /// What came out for the input that it tries: a hash.
    Digest(String),
    /// What the plugin says of itself.
    Card(PluginCard),
    /// It is done.
    Done(Verdict),
}

/// One component under one check, in a child.
struct Case<'a> {
    /// `plugin/component`.
    name: &'a str,
    card: &'a Card,
    stand_ins: StandIns,
    /// Decides all inputs.
    seed: u64,
    parent: RefCell<&'a mut File>,
    tried: RefCell<Option<String>>,
}

impl Case<'_> {
    /// Says what the component is given from now on: if it dies, that is known.
    fn trying(&self, input: &str) -> Result<()> {
        *self.tried.borrow_mut() = Some(input.into());
        self.say(&Word::Trying(input.into()))
    }

    fn say(&self, word: &Word) -> Result<()> {
        Ok(send(*self.parent.borrow_mut(), word)?)
    }

    /// Makes the check.
    fn verdict(&self, check: &Check) -> Verdict {
        let Err(error) = (check.make)(self) else {
            return Verdict::Ok;
        };
        match error.downcast_ref() {
            Some(Skip(reason)) => Verdict::Skipped {
                reason: reason.clone(),
            },
            None => Verdict::Failed(Finding {
                input: self.tried.take(),
                error: as_error(error),
            }),
        }
    }
}

/// Why a check cannot be made.
#[derive(Debug)]
struct Skip(String);

impl fmt::Display for Skip {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Skip {}

/// What was found instead of what was expected.
fn differs(
    what: impl Into<String>,
    found: impl fmt::Display,
    expected: impl fmt::Display,
) -> anyhow::Error {
    Error::new(what).found(found).expected(expected).into()
}
