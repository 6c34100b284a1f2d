//! How weights begin.

mod constant;
mod glorot;
mod uniform;
mod zeros;
