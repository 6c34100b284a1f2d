//! Families of architectures.

use plugin_api_data::{Arch, Decided, Decision, Domain, Point};
use plugin_api_macros::boundary;

use crate::{Error, Host, Ports, Result, Tensors};

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

    /// The valid point that the scores of a relaxation speak for: here the best option of each decision, the first of
    /// equals.
    #[since(1.1)]
    fn project(&self, ports: &Ports, scores: &Tensors) -> Result<Point> {
        let best = |decision: &Decision| -> Result<Decided> {
            let Some(scores) = scores.get(&decision.name) else {
                return Err(Error::new(format!("`{}` has no scores", decision.name)).into());
            };
            let Domain::Options(options) = &decision.domain else {
                let what = format!(
                    "`{}` has no options that scores could speak of",
                    decision.name
                );
                return Err(Error::new(what).into());
            };
            if scores.size() != [options.len() as i64] {
                return Err(Error::new(format!(
                    "the scores of `{}` are not one an option",
                    decision.name
                ))
                .found(format!("{:?}", scores.size()))
                .expected(format!("[{}]", options.len()))
                .into());
            }
            let best = usize::try_from(scores.f_argmax(0, false)?.f_int64_value(&[])?)?;
            Ok(Decided::Option(best))
        };
        let mut point = Point::new();
        for decision in &self.decisions(ports)? {
            if decision.is_active(&point) {
                point.put(&decision.name, best(decision)?);
            }
        }
        Ok(point)
    }
}
