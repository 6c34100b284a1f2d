//! What looks at what was made.

mod compare_strategies;
mod learning_curves;
