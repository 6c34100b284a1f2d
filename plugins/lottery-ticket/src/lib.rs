//! The Lottery Ticket Hypothesis: a dense network holds a small one that, trained alone from the weights with which it
//! began, does as well. Finding it, the controls that show what it owes to, and what holds the controls to their word.

mod alive;
mod controls;
mod curve;
mod initial;
mod iterative;
mod ranked;
mod rates;
mod reinitialised;
mod shuffled;
mod table;

plugin_api::plugin!(
    paper = "Frankle & Carbin 2019, arXiv 1803.03635",
    claims = ["experiments/lenet.toml", "experiments/lenet-300-100.json"]
);
