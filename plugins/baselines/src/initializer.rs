//! How weights begin.

mod constant;
mod glorot;
mod kaiming;
mod uniform;
mod zeros;
