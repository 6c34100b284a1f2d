//! Numbers that change with the step.

mod cosine;
