//! A training step: from a loss to gradients, through a chain, into the weights.

use std::rc::Rc;

use plugin_api::{Ask, Batch, Error, Result, Session, Tensor, Tensors, gradients_of};
use tch::Kind;

use super::NetSession;
use crate::chain::Chain;
use crate::native;

/// Weights that a chain changes, found once: a step looks nothing up by name.
pub(crate) struct Learned {
    /// The session's own, which change in place: gradients go to them.
    leaves: Tensors,
    /// The same out of autograd's sight, as transforms see them.
    weights: Tensors,
    /// In the same order: a byte for each number.
    masks: Vec<Option<Tensor>>,
}

impl Learned {
    /// The weights of these paths, which must be there.
    fn find<'a>(
        paths: impl Iterator<Item = &'a str>,
        weights: &Tensors,
        masks: &Tensors,
    ) -> Result<Self> {
        let leaves: Tensors = paths.map(|path| (path, &weights[path])).collect();
        let bytes = |mask: &Tensor| Ok(mask.f_to_kind(Kind::Uint8)?.f_contiguous()?.into());
        let masks = leaves.names().map(|path| masks.get(path).map(bytes));
        Ok(Learned {
            masks: masks.map(Option::transpose).collect::<Result<_>>()?,
            weights: leaves.map(|_, weight| weight.detach()),
            leaves,
        })
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
    /// The weights of these paths, as far as they are not frozen.
    pub(super) fn leaves<'a>(&self, paths: impl Iterator<Item = &'a str>) -> Result<Learned> {
        let free = paths.filter(|path| !self.frozen.contains(*path));
        Learned::find(free, &self.weights, &self.masks)
    }

    /// Tells the chains that masks, or what is frozen, have changed.
    pub(super) fn relearn(&mut self) -> Result<()> {
        let paths = |chain: &Chain| self.leaves(chain.paths.iter().map(String::as_str));
        let learned = self.chains.values().map(paths);
        let learned = learned.collect::<Result<Vec<_>>>()?;
        for (chain, learned) in self.chains.values_mut().zip(learned) {
            chain.learned = Rc::new(learned);
        }
        Ok(())
    }

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
            learned = Rc::new(self.leaves(gradients.names())?);
        }
        let free = gradients
            .iter()
            .filter(|(path, _)| !self.frozen.contains(*path));
        let free = free.map(|(path, g)| (path, Tensor::from(g.detach())));
        self.advance(chain, &learned, free.collect())
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
