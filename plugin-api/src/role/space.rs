//! Families of architectures.

use plugin_api_data::{Arch, Decision, Point};
use plugin_api_macros::boundary;

use crate::{Error, Host, Ports, Result};

/// Decisions, and the architecture that a point of them stands for.
#[boundary(owned)]
pub trait Space: Send + Sync {
    /// An architecture for a task of these ports, with its decisions still open.
    fn supernet(&self, ports: &Ports) -> Result<Option<Arch>>;

    /// What is open: the supernet's decisions.
    fn decisions(&self, ports: &Ports) -> Result<Vec<Decision>> {
        match self.supernet(ports)? {
            Some(supernet) => Ok(supernet.decisions),
            None => Err(Error::new("a space without a supernet must list its decisions").into()),
        }
    }

    /// What a point stands for: the supernet, resolved.
    fn arch(&self, ports: &Ports, point: &Point, host: &dyn Host) -> Result<Arch> {
        match self.supernet(ports)? {
            Some(supernet) => host.resolve(&supernet, point),
            None => {
                Err(Error::new("a space without a supernet must make its architectures").into())
            }
        }
    }
}
