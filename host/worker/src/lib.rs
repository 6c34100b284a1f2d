//! Runs pleach's components on libtorch.
//!
//! The program `pleach-worker` loads plugins and does what `pleach` asks for; this library is all that it is made of.
//! A program of one's own links it beside the plugins that it wants, and needs no experiment file:
//!
//! ```no_run
//! use plugin_api::{Ask, Recipe, Session};
//! # fn main() -> plugin_api::Result<()> {
//! # let arch = plugin_api::Arch::new(plugin_api::Shapes::new());
//! let host = pleach_worker::host();
//! let task = host.task(&Recipe::new("baselines/digits"))?;
//! let mut session = pleach_worker::NetSession::new(arch, task.into(), 0, tch::Device::Cpu)?;
//! host.trainer(&Recipe::new("baselines/backprop"))?.fit(&mut session)?;
//! println!("{:?}", session.evaluate("test", &Ask::eval())?);
//! # Ok(())
//! # }
//! # use plugin_api::{host::Services as _, role::Trainer as _};
//! ```

mod alone;
mod ask_tell;
mod bench;
mod chain;
mod check;
mod child;
mod crumb;
mod data;
mod device;
mod encoding;
mod export;
mod graph;
mod load;
mod memory;
mod native;
mod network;
mod pass;
mod plain;
mod points;
mod prune;
mod registry;
mod same;
mod search;
mod serve;
mod session;
mod shared;
mod trace;
mod units;
mod variation;
mod weights;
mod work;

pub use ask_tell::AskTell;
pub use bench::SubjectBench;
pub use check::check;
pub use export::Onnx;
pub use load::{load, open};
pub use memory::keep_memory;
pub use native::Script;
pub use plain::PlainHost;
pub use registry::{Registry, host};
pub use serve::{cards, doctor, serve};
pub use session::NetSession;
