//! A training step: from a loss to gradients, through a chain, into the weights.

use std::rc::Rc;

use plugin_api::{Ask, Batch, Error, Result, Session, Tensor, Tensors, gradients_of};

use super::NetSession;
use crate::native;

/// Weights that a chain changes, found once: a step looks nothing up by name.
pub(crate) struct Learned {
    /// The session's own, which change in place: gradients go to them.
    leaves: Tensors,
    /// The same out of autograd's sight, as transforms see them.
    weights: Tensors,
    /// In the same order.
    masks: Vec<Option<Tensor>>,
}

impl Learned {
    /// The weights of these paths, which must be there.
    pub(super) fn find<'a>(
        paths: impl Iterator<Item = &'a str>,
        weights: &Tensors,
        masks: &Tensors,
    ) -> Self {
        let leaves: Tensors = paths.map(|path| (path, &weights[path])).collect();
        Learned {
            masks: leaves
                .names()
                .map(|path| masks.get(path).cloned())
                .collect(),
            weights: leaves.map(|_, weight| weight.detach()),
            leaves,
        }
    }

    /// The same weights with other masks.
    pub(super) fn masked_by(&self, masks: &Tensors) -> Self {
        Learned::find(self.paths(), &self.leaves, masks)
    }

    pub(crate) fn paths(&self) -> impl ExactSizeIterator<Item = &str> {
        self.leaves.names()
    }

    /// Whether these have the names and shapes of the weights, in their order.
    fn is_like(&self, tensors: &Tensors) -> bool {
        let mut both = self.weights.iter().zip(tensors.iter());
        self.weights.len() == tensors.len()
            && both.all(|((path, weight), (name, t))| path == name && weight.size() == t.size())
    }

    /// Adds updates to the weights, in place: handles to them stay good.
    fn add(&self, updates: &Tensors, chain: &str) -> Result<()> {
        let mut added = Vec::with_capacity(updates.len());
        // The order is mostly that of the gradients.
        let mut rest = self.entries();
        for (path, update) in updates.iter() {
            let its = |entry: &(&str, _, _)| entry.0 == path;
            let entry = rest.find(its).or_else(|| {
                rest = self.entries();
                rest.find(its)
            });
            let (_, weight, mask) = entry.ok_or_else(|| {
                let what = "updates a weight of which it had no gradient";
                Error::new(format!("chain `{chain}` {what}: `{path}`"))
            })?;
            added.push((weight, update, mask));
        }
        added
            .into_iter()
            .try_for_each(|(weight, update, mask)| native::add(weight, update, mask))
    }

    fn entries(&self) -> Box<dyn Iterator<Item = (&str, &Tensor, Option<&Tensor>)> + '_> {
        let masks = self.masks.iter().map(Option::as_ref);
        let entries = self.weights.iter().zip(masks);
        Box::new(entries.map(|((path, weight), mask)| (path, weight, mask)))
    }
}

impl NetSession {
    /// A step on the gradients of a batch's loss, which is returned.
    pub(super) fn step_by(&mut self, chain: &str, batch: &Batch, ask: &Ask<'_>) -> Result<f64> {
        let loss = self.loss(&self.run(batch, ask)?, batch)?;
        let learned = Rc::clone(&self.chain_of(chain)?.learned);
        let gradients = gradients_of(&loss, &learned.leaves, false)?;
        self.advance(chain, &learned, gradients)?;
        Ok(loss.f_double_value(&[])?)
    }

    /// A step on these gradients, of all of the chain's weights or of some.
    pub(super) fn apply_by(&mut self, chain: &str, gradients: &Tensors) -> Result<()> {
        let mut learned = Rc::clone(&self.chain_of(chain)?.learned);
        if !learned.is_like(gradients) {
            self.check_fit("gradient", gradients, &self.network.specs)?;
            let paths = gradients.names();
            learned = Rc::new(Learned::find(paths, &self.weights, &self.masks));
        }
        self.advance(chain, &learned, gradients.map(|_, g| g.detach()))
    }

    /// Gradients, in the order of `learned`, through the chain and into the weights.
    fn advance(&mut self, chain: &str, learned: &Learned, mut gradients: Tensors) -> Result<()> {
        for ((_, gradient), mask) in gradients.iter_mut().zip(&learned.masks) {
            if let Some(mask) = mask {
                let ours = std::mem::replace(gradient, mask.clone());
                *gradient = native::masked(ours, mask)?;
            }
        }
        let of = self.chain_of(chain)?;
        let updates = tch::no_grad(|| of.update(gradients, &learned.weights))?;
        learned.add(&updates, chain)?;
        self.steps += 1;
        Ok(())
    }
}
