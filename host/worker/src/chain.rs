//! Chains of transforms, with their state.

use std::rc::Rc;

use plugin_api::host::Services;
use plugin_api::role::{Transform, TransformObj};
use plugin_api::{Arch, Error, Recipe, Result, Tensors, Tick, WeightSpec, stream};
use serde::{Deserialize, Serialize};
use tch::Tensor;

use crate::crumb;
use crate::registry::host;
use crate::session::Learned;

/// What a chain is to be.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Plan {
    pub(crate) name: String,
    pub(crate) transforms: Vec<Recipe>,
    /// Which weights it changes.
    pub(crate) select: String,
}

/// Transforms one after the other, for some of the weights.
pub(crate) struct Chain {
    transforms: Vec<(String, TransformObj)>,
    /// What each transform remembers.
    state: Vec<Tensors>,
    pub(crate) plan: Plan,
    /// Paths of its weights.
    pub(crate) paths: Vec<String>,
    /// Those of its weights that are not frozen.
    pub(crate) learned: Rc<Learned>,
    steps: i64,
    seed: u64,
}

/// What goes over to the tensor of a path, which begins so, of those that belonged to paths before.
type Over<'a> = &'a dyn Fn(&Tensors, &str, &Tensor) -> Result<Option<Tensor>>;

impl Chain {
    pub(crate) fn new(
        plan: Plan,
        specs: &[WeightSpec],
        learned: Learned,
        arch: &Arch,
        seed: u64,
        device: tch::Device,
    ) -> Result<Self> {
        let Plan {
            name, transforms, ..
        } = &plan;
        if transforms.is_empty() {
            return Err(Error::new(format!("chain `{name}` has no transform"))
                .help("it needs one that turns gradients into updates, e.g. baselines/adam")
                .into());
        }
        let seed = stream(seed, &format!("chain:{name}"));
        let transforms = transforms
            .iter()
            .map(|r| Ok((r.component.clone(), host().transform(r)?)))
            .collect::<Result<Vec<_>>>()?;
        let state = transforms
            .iter()
            .map(|(_, t)| Ok(t.init(specs, arch)?.map(|_, s| s.to_device(device))))
            .collect::<Result<_>>()?;
        Ok(Chain {
            transforms,
            state,
            plan,
            paths: specs.iter().map(|s| s.name.clone()).collect(),
            learned: Rc::new(learned),
            steps: 0,
            seed,
        })
    }

    /// The same chain for other weights: what it remembers of a weight goes over as `over` has it.
    pub(crate) fn go_on(
        &self,
        specs: &[WeightSpec],
        learned: Learned,
        arch: &Arch,
        device: tch::Device,
        over: Over<'_>,
    ) -> Result<Self> {
        let mut next = Chain::new(self.plan.clone(), specs, learned, arch, 0, device)?;
        (next.seed, next.steps) = (self.seed, self.steps);
        for (old, new) in self.state.iter().zip(&mut next.state) {
            let begun = std::mem::take(new);
            for (name, begun) in begun {
                let remembered = match name.split_once(':') {
                    Some((slot, path)) => over(&old.under(&format!("{slot}:")), path, &begun)?,
                    None => old.get(&name).map(|t| t.shallow_clone()),
                };
                new.put(&name, remembered.map_or(begun, |t| t.copy().into()));
            }
            // What it remembers of no weight it may have begun after its first step.
            for (name, t) in old.iter() {
                if !name.contains(':') && !new.contains(name) {
                    new.put(name, t.clone());
                }
            }
        }
        Ok(next)
    }

    /// From gradients to updates.
    pub(crate) fn update(&mut self, gradients: Tensors, weights: &Tensors) -> Result<Tensors> {
        let tick = Tick {
            step: self.steps,
            seed: self.seed,
        };
        let mut updates = gradients;
        for ((component, transform), state) in self.transforms.iter().zip(&mut self.state) {
            let _here = crumb::enter(component);
            updates = transform.update(updates, weights, state, &tick)?;
        }
        self.steps += 1;
        Ok(updates)
    }

    /// Its state under names of their own: `0.first:path`, and `steps`.
    pub(crate) fn snapshot(&self) -> Vec<(String, Tensor)> {
        let state = self.state.iter().enumerate().flat_map(|(i, s)| {
            s.iter()
                .map(move |(n, t)| (format!("{i}.{n}"), t.detach().copy()))
        });
        state
            .chain([("steps".into(), Tensor::from_slice(&[self.steps]))])
            .collect()
    }

    /// Puts back what [`Chain::snapshot`] gave.
    pub(crate) fn restore(&mut self, name: &str, t: &Tensor) -> Result<()> {
        if name == "steps" {
            self.steps = t.int64_value(&[0]);
            return Ok(());
        }
        let state = name
            .split_once('.')
            .and_then(|(i, slot)| Some((self.state.get_mut(i.parse::<usize>().ok()?)?, slot)));
        match state {
            Some((state, slot)) => state.put(slot, t.detach().copy()),
            None => {
                return Err(Error::new(format!(
                    "the snapshot holds `{name}`, which this chain does not have"
                ))
                .into());
            }
        }
        Ok(())
    }
}
