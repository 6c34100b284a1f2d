//! What a network is worth.

use plugin_api_macros::boundary;

use plugin_api_data::Arch;

use crate::{Probe, Result, Session};

/// `(session) -> number`, without training or with.
#[boundary(owned)]
pub trait Scorer: Send + Sync {
    /// The score of the session's network.
    fn score(&self, session: &mut dyn Session) -> Result<f64>;
    /// Whether a higher score means a better network.
    fn higher_is_better(&self) -> bool {
        true
    }
    /// What it will ask of [`Session::probe`] for this architecture: what several scorers need of one network is then
    /// computed once.
    #[since(1.1)]
    fn needs(&self, arch: &Arch) -> Result<Vec<Probe>> {
        let _ = arch;
        Ok(vec![])
    }
}
