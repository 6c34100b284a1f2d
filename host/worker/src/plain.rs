//! What the host does for spaces and analyses, wherever they are asked.

use std::rc::Rc;

use plugin_api::role::TaskObj;
use plugin_api::{Arch, Decision, Error, Host, On, Point, Recipe, Result, Session, Tensor};
use tch::Device;

use crate::session::NetSession;
use crate::{encoding, points, variation};

/// A host without a search, for sessions on one task.
pub struct PlainHost {
    pub(crate) task: Rc<TaskObj>,
    pub(crate) device: Device,
}

impl PlainHost {
    /// A host whose sessions are on this task, on this device.
    pub fn new(task: Rc<TaskObj>, device: Device) -> Self {
        PlainHost { task, device }
    }

    /// A session on the task, with fresh weights.
    ///
    /// # Errors
    /// Where the architecture does not fit itself or the task.
    pub fn on_task(&self, arch: Arch, seed: u64) -> Result<NetSession> {
        NetSession::new(arch, Rc::clone(&self.task), seed, self.device)
    }
}

impl Host for PlainHost {
    fn resolve(&self, supernet: &Arch, point: &Point) -> Result<Arch> {
        points::resolve(supernet, point)
    }

    fn sample(&self, decisions: &[Decision], n: i64, seed: u64) -> Result<Vec<Point>> {
        Ok(points::sample(decisions, n, seed))
    }

    fn mutate(&self, decisions: &[Decision], point: &Point, seed: u64) -> Result<Point> {
        variation::mutate(decisions, point, seed)
    }

    fn crossover(
        &self,
        decisions: &[Decision],
        one: &Point,
        other: &Point,
        seed: u64,
    ) -> Result<Point> {
        variation::crossover(decisions, one, other, seed)
    }

    fn encode(&self, decisions: &[Decision], points: &[Point]) -> Result<Tensor> {
        Ok(encoding::encode(decisions, points)?.into())
    }

    fn decode(&self, decisions: &[Decision], rows: &Tensor) -> Result<Vec<Point>> {
        encoding::decode(decisions, rows)
    }

    fn session(&self, arch: &Arch, on: On, seed: u64) -> Result<Box<dyn Session>> {
        let session = NetSession::on(arch.clone(), on, &self.task, seed, self.device)?;
        Ok(Box::new(session))
    }

    fn score(&self, _: &Recipe, _: &[Point]) -> Result<Vec<Option<f64>>> {
        Err(Error::new("points are scored where a space is searched: for a strategy").into())
    }
}
