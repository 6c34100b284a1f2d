//! Episodes, and the task of a session that has none.

use plugin_api::boundary::Owner;
use plugin_api::role::{Task, TaskObj};
use plugin_api::{Arch, Ask, At, Batch, Error, Named, Played, Ports, Result, Shapes, Tensors};

use super::NetSession;

impl NetSession {
    /// Observations go through the network, its outputs become actions, until the episode is over.
    pub(super) fn play_episode(&self, split: &str, at: &At) -> Result<Played> {
        let mut episode = self
            .task
            .episode(split, at)?
            .ok_or_else(|| Error::new("the task has no episodes: it gives batches"))?;
        let mut reward = 0.0;
        let mut records = vec![];
        while let Some(observed) = episode.observe()? {
            let observed = self.on_device(observed)?;
            let seen = tch::no_grad(|| self.run(&observed, &Ask::eval()))?;
            let draw = format!("play:{split}:{}:{}:{}", at.epoch, at.index, records.len());
            let acted = episode.act(&seen.outputs, self.seed_of(&draw))?;
            reward += acted.reward;
            records.push(acted.record);
        }
        Ok(Played {
            metrics: episode.metrics()?,
            reward,
            records: records.into(),
        })
    }
}

/// No task: a network can run what it is given, and nothing else.
pub(super) struct NoTask {
    inputs: Shapes,
}

impl NoTask {
    /// For a network with these inputs.
    pub(super) fn of(arch: &Arch) -> TaskObj {
        let inputs = arch.inputs.clone();
        TaskObj::new(Box::new(NoTask { inputs }), Owner::UNNAMED)
    }
}

fn nothing<T>() -> Result<T> {
    Err(Error::new("the session has no task: it was spawned on nothing").into())
}

impl Task for NoTask {
    fn ports(&self) -> Result<Ports> {
        Ok(Ports {
            inputs: self.inputs.clone(),
            targets: Shapes::new(),
            outputs: Shapes::new(),
            metric: String::new(),
            higher_is_better: true,
        })
    }

    fn batch(&self, _: &str, _: &At) -> Result<Option<Batch>> {
        nothing()
    }

    fn loss(&self, _: &Batch, _: &Batch) -> Result<Tensors> {
        nothing()
    }

    fn metrics(&self, _: &Batch, _: &Batch) -> Result<Named<f64>> {
        nothing()
    }
}
