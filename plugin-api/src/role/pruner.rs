//! Which weights matter.

use plugin_api_macros::boundary;

use plugin_api_data::Arch;

use crate::{Probe, Result, Session, Tensors};

/// `(session) -> a score for each weight`; the session selects, so that counts are exact.
#[boundary(owned)]
pub trait Pruner: Send + Sync {
    /// A score for each element of the weights that it ranks, by path; the lowest are pruned.
    fn scores(&self, session: &mut dyn Session) -> Result<Tensors>;
    /// What it will ask of [`Session::probe`] for this architecture, as [`Scorer::needs`](super::Scorer::needs) says.
    #[since(1.1)]
    fn needs(&self, arch: &Arch) -> Result<Vec<Probe>> {
        let _ = arch;
        Ok(vec![])
    }
}
