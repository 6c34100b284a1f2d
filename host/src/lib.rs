//! The host of pleach without libtorch: it finds plugins, reads experiments, runs studies and keeps their journal.
//!
//! Nothing here opens a plugin or makes a tensor. That happens in `pleach-worker`, a second program that [`worker`]
//! starts and [`protocol`] speaks with; so this library answers in milliseconds, and no plugin can bring it down.
//!
//! An experiment takes this way: [`plugins`] finds the files, [`cards`] knows what is in them, [`experiment`] reads the
//! TOML against it, [`run`] makes the folder, [`study`] does the work and writes it down in the [`journal`], and
//! [`summary`] shows what came out, [`trials`] each of its parts as a table ([`frame`]), [`diff`]
//! what differs between two runs; [`keep`] frees the space of what nothing needs. [`package`] packs a plugin for others, and installs what they have packed.
//! [`claims`] holds what plugins claim against what a run measured. [`data`] finds files of data, and downloads them. [`new`] makes the crate of a plugin that is to be written.

mod cache;
pub mod cards;
pub mod claims;
pub mod data;
pub mod diff;
mod download;
pub mod error;
pub mod experiment;
pub mod files;
pub mod frame;
pub mod journal;
pub mod keep;
pub mod lock;
pub mod new;
pub mod package;
pub mod plugins;
pub mod protocol;
pub mod report;
pub mod run;
pub mod spread;
pub mod study;
pub mod summary;
pub mod trials;
pub mod worker;
