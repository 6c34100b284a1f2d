//! Similarities of samples.

mod rbf;
