//! Objectives: terms of the loss beside the task's own, and the networks that run beside this one for them.

use plugin_api::host::Services;
use plugin_api::role::{Needs, Objective, ObjectiveObj};
use plugin_api::{Ask, Batch, Error, Named, Recipe, Result, Seen, Tensors};

use super::NetSession;
use crate::crumb;
use crate::registry::host;

/// An objective at work.
pub(super) struct Term {
    /// Its name among the terms: `plugin/component`, with a number where it is there twice.
    name: String,
    recipe: Recipe,
    objective: ObjectiveObj,
    needs: Needs,
}

impl NetSession {
    /// Lets another network run beside this one, for objectives that ask for it by this name.
    pub fn accompany(&mut self, name: &str, companion: NetSession) {
        self.companions.put(name, companion);
    }

    pub(super) fn set_objectives(&mut self, recipes: &[Recipe]) -> Result<()> {
        let mut terms: Vec<Term> = vec![];
        for recipe in recipes {
            let component = &recipe.component;
            let objective = host().objective(recipe)?;
            let needs = objective.needs()?;
            if let Some((missing, _)) = needs
                .companions
                .iter()
                .find(|(name, _)| !self.companions.contains(name))
            {
                let there = self.companions.names().collect::<Vec<_>>().join(", ");
                let what = format!("`{component}` needs a companion `{missing}`");
                return Err(Error::new(what).found(there).into());
            }
            let twins = terms
                .iter()
                .filter(|t| &t.recipe.component == component)
                .count();
            terms.push(Term {
                name: match twins {
                    0 => component.clone(),
                    n => format!("{component}#{}", n + 1),
                },
                recipe: recipe.clone(),
                objective,
                needs,
            });
        }
        self.needed_taps = terms.iter().flat_map(|t| t.needs.taps.clone()).collect();
        let weights = terms.iter().filter_map(|t| t.needs.weights.clone());
        self.needed_weights = weights.collect();
        self.objectives = terms;
        Ok(())
    }

    pub(super) fn objective_recipes(&self) -> Vec<Recipe> {
        self.objectives.iter().map(|t| t.recipe.clone()).collect()
    }

    /// Moves objectives and companions over from another session.
    pub(super) fn take_objectives(&mut self, from: &mut NetSession) {
        self.needed_taps = std::mem::take(&mut from.needed_taps);
        self.needed_weights = std::mem::take(&mut from.needed_weights);
        self.objectives = std::mem::take(&mut from.objectives);
        self.companions = std::mem::take(&mut from.companions);
    }

    pub(super) fn objective_terms(&self, seen: &Seen, batch: &Batch) -> Result<Tensors> {
        let mut terms = Tensors::new();
        for term in &self.objectives {
            let companions = self.companions_of(&term.needs, batch)?;
            let _here = crumb::enter(&term.recipe.component);
            if let Some(value) = term.objective.value(seen, batch, &companions)? {
                terms.put(&term.name, value);
            }
        }
        Ok(terms)
    }

    fn companions_of(&self, needs: &Needs, batch: &Batch) -> Result<Named<Seen>> {
        let seen = needs.companions.iter().map(|(name, taps)| {
            let companion = self.companions.get(name);
            let companion =
                companion.ok_or_else(|| Error::new(format!("there is no companion `{name}`")))?;
            let ask = Ask::eval().tapped(taps);
            Ok((name, tch::no_grad(|| companion.run(batch, &ask))?))
        });
        seen.collect()
    }
}
