//! Shares of the options of each decision, learned by gradients in turns with the network's weights:
//! `mix_i = a_i^2 / sum over j of a_j^2`.
//!
//! Each step of the search moves the network's weights on a batch of `train`, then `a` on one of `val`. The scores at the
//! end are the shares. Weights: `DECISION` `[options]` for each decision.

use plugin_api::prelude::*;

/// Shares of the options, squares that add up to 1, learned by gradients in turns with the network's weights.
#[component(relaxation = "shares")]
struct Shares {
    /// Samples in a batch; 0 for the whole split.
    #[param(default = 0, range = "0 <= x")]
    batch: i64,
    /// What `a` begins with; options of equal numbers begin alike.
    #[param(default = "baselines/constant")]
    start: RecipeOf<dyn Initializer>,
    /// What turns gradients into updates, those of the network's weights and those of `a`.
    #[param(default = ["baselines/adam"])]
    transforms: Vec<RecipeOf<dyn Transform>>,
}

impl Relaxation for Shares {
    fn weights(&self, decisions: &[Decision]) -> Result<Vec<WeightSpec>> {
        let spec = |decision: &Decision| match &decision.domain {
            Domain::Options(options) => {
                let axes = [("options", options.len() as i64)];
                let spec = WeightSpec::new(&decision.name, &axes, self.start.recipe.clone());
                Ok(spec.group(Group::Choice))
            }
            _ => Err(Error::new(format!("`{}` has no options", decision.name))
                .expected("decisions between options, which can have shares")
                .into()),
        };
        decisions.iter().map(spec).collect()
    }

    fn mix(&self, w: &Tensors, decisions: &[Decision], _: &Draw) -> Result<Choices> {
        let choice = |decision: &Decision| {
            let shares = shares(&w[&decision.name])?;
            Ok((decision.name.clone(), Choice::all(shares)))
        };
        decisions.iter().map(choice).collect()
    }

    fn update(&self, session: &mut dyn Session) -> Result<Report> {
        let mut report = Report::default();
        for (split, select) in [("train", "model"), ("val", "choice")] {
            let chain = format!("shares.{select}");
            if !session.chains()?.contains(&chain) {
                let recipes: Vec<Recipe> =
                    self.transforms.iter().map(|t| t.recipe.clone()).collect();
                session.chain(&chain, &recipes, select)?;
            }
            let batch = session.next(split, self.batch)?;
            let loss = session.step(&chain, &batch, &Ask::train())?;
            report = report.metric(&format!("{split} loss"), loss);
        }
        Ok(report)
    }

    fn decide(&self, session: &mut dyn Session) -> Result<Tensors> {
        let a = session.weights("choice")?.under("relaxation.");
        let scores = a
            .iter()
            .map(|(decision, a)| Ok((decision, shares(&a.detach())?)));
        scores.collect()
    }
}

/// `[options]`, that add up to 1.
fn shares(a: &Tensor) -> Result<Tensor> {
    let squares = a.f_square()?;
    Ok(squares.f_div(&squares.f_sum(None::<Kind>)?)?)
}
