//! Plain data that the host, the worker and every plugin share. Nothing here knows libtorch, a file or a process.

mod answers;
mod arch;
mod card;
mod data_file;
mod decision;
mod error;
mod named;
mod recipe;
mod report;
mod seed;
mod shape;
mod source;
mod study;

pub use answers::{Answers, Column};
pub use arch::{Arch, Generated, Mix, MixOption, Node, NodeKind, NodeRef, refs};
pub use card::{API, CLAIMS, Card, LIBTORCH, Note, PluginCard, SECTION, TCH};
pub use data_file::DataFile;
pub use decision::{Decided, Decision, Domain, Point, When};
pub use error::Error;
pub use named::Named;
pub use recipe::{Params, Recipe};
pub use report::{Report, Table};
pub use seed::stream;
pub use shape::{Axis, Cost, Dtype, Group, Parts, Shape, Shapes, WeightSpec, axis, fits, show};
pub use source::Source;
pub use study::{Goal, Observation, Outcome, Proposal, Setting, TrialId};

/// Any JSON value; parameters are made of them.
pub use serde_json::Value as Json;
