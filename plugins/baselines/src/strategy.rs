//! Which point to try next.

mod prescreen;
mod random;
