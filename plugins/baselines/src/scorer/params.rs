//! The number of parameters; running statistics and other buffers are none.

use plugin_api::prelude::*;

/// The number of parameters.
#[component(scorer = "params")]
struct Params {}

impl Scorer for Params {
    fn score(&self, session: &mut dyn Session) -> Result<f64> {
        counted(session, "parameters")
    }
}

/// What running the network once takes of this.
pub(super) fn counted(session: &dyn Session, what: &str) -> Result<f64> {
    let cost = session.cost(what, &Tensors::new())?;
    Ok(f64::try_from(&*cost)?)
}
