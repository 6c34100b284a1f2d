//! Plugins on their way from one machine to another.
//!
//! A package is one file, `NAME-VERSION-TRIPLE.pleach`: a zip archive with a [`Manifest`] first, then the library and
//! what its author says beside it. [`pack`] makes one, [`fetch`] gets one from somewhere, [`Package::read`] takes it
//! apart without trusting a byte of it, [`install`] puts it where plugins are found, and `store` knows that place.
//!
//! Nothing here runs anything of a plugin. What is checked is that the bytes are whole and those that the manifest
//! lists, that they fit this host, and that nothing lands outside its place; not that the plugin means well.

mod archive;
mod fetch;
mod install;
mod manifest;
mod pack;
pub(crate) mod store;

pub use archive::Package;
pub use fetch::fetch;
pub use install::{Installed, Removed, check, install, remove};
pub(crate) use manifest::inside;
pub use manifest::{Component, Listed, Manifest};
pub use pack::{Extras, pack};

/// Names a file in a message. It comes from a stranger, and must not move the terminal's cursor.
fn shown(name: &[u8]) -> String {
    String::from_utf8_lossy(name).escape_debug().to_string()
}
