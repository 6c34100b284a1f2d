//! A softmax over the options of each decision, learned by gradients in turns with the network's weights:
//! `mix = softmax(alpha / temperature)`.
//!
//! Each step of the search moves the network's weights on a batch of `train`, then `alpha` on one of `val`, both by the
//! gradient at the weights of that moment: the first-order form. The scores at the end are the probabilities. Source: Liu
//! et al. 2019, "DARTS", equations 2 and 3, with `xi = 0`.

use plugin_api::prelude::*;

/// A softmax over the options, learned by gradients in turns with the network's weights (Liu et al. 2019).
#[component(relaxation = "softmax")]
struct Softmax {
    /// Divides what the softmax takes: the lower, the surer.
    #[param(default = 1.0, range = "0 < x")]
    temperature: f64,
    /// Samples in a batch; 0 for the whole split.
    #[param(default = 0, range = "0 <= x")]
    batch: i64,
    /// What turns gradients of the network's weights into updates.
    #[param(default = ["baselines/adam"])]
    weights: Vec<RecipeOf<dyn Transform>>,
    /// What turns gradients of the relaxation's own weights into updates.
    #[param(default = ["baselines/adam"])]
    choices: Vec<RecipeOf<dyn Transform>>,
}

impl Relaxation for Softmax {
    fn weights(&self, decisions: &[Decision]) -> Result<Vec<WeightSpec>> {
        let spec = |decision: &Decision| match &decision.domain {
            Domain::Options(options) => {
                let axes = [("options", options.len() as i64)];
                let spec = WeightSpec::new(&decision.name, &axes, "baselines/zeros");
                Ok(spec.group(Group::Choice))
            }
            _ => Err(Error::new(format!("`{}` has no options", decision.name))
                .expected("decisions between options, which a softmax can weigh")
                .into()),
        };
        decisions.iter().map(spec).collect()
    }

    fn mix(&self, w: &Tensors, decisions: &[Decision], _: &Draw) -> Result<Choices> {
        let choice = |decision: &Decision| {
            let weights = self.probabilities(&w[&*decision.name])?;
            Ok((decision.name.clone(), Choice::all(weights)))
        };
        decisions.iter().map(choice).collect()
    }

    fn update(&self, session: &mut dyn Session) -> Result<Report> {
        let mut report = Report::default();
        for (split, transforms, select) in [
            ("train", &self.weights, "model"),
            ("val", &self.choices, "choice"),
        ] {
            let chain = format!("softmax.{select}");
            if !session.chains()?.contains(&chain) {
                let recipes: Vec<Recipe> = transforms.iter().map(|t| t.recipe.clone()).collect();
                session.chain(&chain, &recipes, select)?;
            }
            let batch = session.next(split, self.batch)?;
            let loss = session.step(&chain, &batch, &Ask::train())?;
            report = report.metric(&format!("{split} loss"), loss);
        }
        Ok(report)
    }

    fn decide(&self, session: &mut dyn Session) -> Result<Tensors> {
        let alpha = session.weights("choice")?.under("relaxation.");
        let scores = alpha
            .iter()
            .map(|(decision, alpha)| Ok((decision, self.probabilities(&alpha.detach())?)));
        scores.collect()
    }
}

impl Softmax {
    /// `[options]`, that add up to 1.
    fn probabilities(&self, alpha: &Tensor) -> Result<Tensor> {
        Ok(alpha
            .f_div_scalar(self.temperature)?
            .f_softmax(-1, None::<Kind>)?)
    }
}
