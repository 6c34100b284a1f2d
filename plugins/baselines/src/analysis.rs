//! What looks at what was made.

mod compare_strategies;
mod confusion;
mod learning_curves;
mod rank_correlation;
mod ranks;
mod summary;
