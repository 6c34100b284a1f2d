//! What looks at what was made.

mod learning_curves;
