//! A run on one page: what it did, what came out, and who contributed to it.
//!
//! [`Report`] is the data, which knows nothing of HTML; [`page()`] makes one self-contained page of it, with plots as SVG, which
//! needs no network, no other file and, for all but long tables, no script.

mod data;
mod page;

pub use data::{
    Contribution, Credit, Failure, Network, Report, Reported, Search, Seed, Stage, Trial, Used,
};
pub use page::page;
