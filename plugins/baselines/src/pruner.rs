//! Which weights matter.

mod magnitude;
