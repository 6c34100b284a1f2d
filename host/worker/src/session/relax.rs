//! Relaxations: who chooses the options of mixes, with weights that live in the session.

use std::collections::HashMap;
use std::rc::Rc;

use plugin_api::host::Services;
use plugin_api::role::{Draw, Relaxation, RelaxationObj};
use plugin_api::{Ask, Batch, Choices, Error, Recipe, Result, Tensors};

use super::forward::view;
use super::{NetSession, fresh};
use crate::crumb;
use crate::network::{RELAXATION, paths};
use crate::registry::host;

/// A relaxation at work.
pub(super) struct Relaxed {
    /// `plugin/component`.
    pub(super) component: String,
    pub(super) recipe: Recipe,
    pub(super) relaxation: RelaxationObj,
    /// Names of its weights, and their paths.
    weights: Vec<(String, String)>,
}

impl NetSession {
    /// Makes a relaxation for the decisions of the architecture, in place of the one before.
    pub(super) fn attach(&mut self, recipe: &Recipe) -> Result<()> {
        let relaxation = host().relaxation(recipe)?;
        let specs = relaxation.weights(&self.network.arch.decisions)?;
        let prefix = format!("{RELAXATION}.");
        let weights = paths(&specs, &prefix);
        let mut initializers = HashMap::new();
        let mut made = Tensors::new();
        let dtype = self.network.arch.dtype;
        let specs: Vec<_> = specs
            .into_iter()
            .map(|s| s.under(&prefix).of_default(dtype))
            .collect();
        for spec in &specs {
            let arch = &self.network.arch;
            made.put(
                &spec.name,
                fresh(spec, arch, self.seed, self.device, &mut initializers)?,
            );
        }

        // Chains of weights that are no more.
        self.chains
            .retain(|_, chain| !chain.paths.iter().any(|path| path.starts_with(&prefix)));
        self.network.specs.retain(|s| !s.name.starts_with(&prefix));
        let kept = |(name, _): &(String, _)| !name.starts_with(&prefix);
        self.weights = std::mem::take(&mut self.weights)
            .into_iter()
            .filter(kept)
            .collect();
        self.network.specs.extend(specs);
        self.weights.extend(made);
        self.relaxed = Some(Rc::new(Relaxed {
            component: recipe.component.clone(),
            recipe: recipe.clone(),
            relaxation,
            weights,
        }));
        Ok(())
    }

    pub(super) fn relaxed(&self) -> Result<Rc<Relaxed>> {
        self.relaxed.clone().ok_or_else(|| {
            Error::new("no relaxation chooses here")
                .help("attach one: session.relax(recipe)")
                .into()
        })
    }

    /// What the relaxation makes of its weights, taken from `all`.
    pub(super) fn mix(&self, relaxed: &Relaxed, train: bool, all: &Tensors) -> Result<Choices> {
        let draw = Draw {
            seed: self.seed_of(RELAXATION),
            step: self.steps,
            train,
        };
        let _here = crumb::enter(&relaxed.component);
        let w = view(&relaxed.weights, all);
        relaxed
            .relaxation
            .mix(&w, &self.network.arch.decisions, &draw)
    }

    /// What is chosen in a pass, if anything is.
    pub(super) fn choices_of(&self, x: &Batch, ask: &Ask<'_>) -> Result<Option<Choices>> {
        match (ask.chosen(), &self.relaxed) {
            (Some(chosen), _) => Ok(Some(chosen.clone())),
            (None, Some(relaxed)) => {
                let all = match ask.replaced() {
                    Some(_) => &self.live(x, ask)?,
                    None => &self.weights,
                };
                self.mix(relaxed, ask.is_train(), all).map(Some)
            }
            (None, None) => Ok(None),
        }
    }
}
