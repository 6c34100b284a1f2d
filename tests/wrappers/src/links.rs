//! Links between nodes, told from what both ends are next to (Wang et al. 2024, NCNC).

use plugin_api::prelude::*;

/// Scores pairs of nodes by their common neighbours; those of one end alone count as far as it is likely that the other end
/// is next to them, too.
///
/// `x` `[nodes, features]`, `graph`, `pairs` `[pairs, 2]` to `x` `[pairs]`.
#[component(layer = "common-neighbours")]
struct CommonNeighbours {
    /// Whether to complete what is common.
    #[param(default = true)]
    complete: bool,
}

impl CommonNeighbours {
    fn score(
        w: &Tensors,
        x: &Tensor,
        graph: &Graph,
        pairs: &Tensor,
        complete: bool,
    ) -> Result<Tensor> {
        let ends = [pairs.f_select(1, 0)?, pairs.f_select(1, 1)?];
        let near = [graph.rows(&ends[0])?, graph.rows(&ends[1])?];
        let mut pooled = near[0].common(&near[1])?.matmul(x)?; // [pairs, features]
        if complete {
            for (one, other) in [(0, 1), (1, 0)] {
                let alone = near[one].except(&near[other])?;
                let end = ends[other].f_index_select(0, &alone.targets())?;
                let missing = Tensor::f_stack(&[&end, &*alone.sources()], 1)?;
                let likely = tch::no_grad(|| Self::score(w, x, graph, &missing, false))?;
                let likely = alone.weighted(&likely.f_sigmoid()?.into())?;
                pooled = pooled.f_add(&likely.matmul(x)?)?;
            }
        }
        let [one, other] = ends.map(|end| x.f_index_select(0, &end));
        let both = one?.f_mul(&other?)?;
        Ok(pooled
            .f_matmul(&w["common"])?
            .f_add(&both.f_matmul(&w["pair"])?)?)
    }
}

impl Layer for CommonNeighbours {
    fn weights(&self, inputs: &Shapes) -> Result<Vec<WeightSpec>> {
        let of = |name: &str| -> Result<WeightSpec> {
            let features = last_axis(inputs, "x")?.named("in");
            Ok(WeightSpec::new(name, [features], "baselines/uniform"))
        };
        Ok(vec![of("common")?, of("pair")?])
    }

    fn shapes(&self, inputs: &Shapes) -> Result<Shapes> {
        Ok(Shapes::new().with("x", vec![port(inputs, "pairs")?[0].clone()]))
    }

    fn forward(&self, w: &Tensors, x: &Batch, _: &dyn Pass) -> Result<Batch> {
        let (graph, pairs) = (x.graph("graph")?, x.tensor("pairs")?);
        let y = Self::score(w, x.tensor("x")?, graph, pairs, self.complete)?;
        Ok(Batch::new().with("x", y))
    }
}

/// Trains on pairs whose own links are not in the graph that the network sees.
#[component(trainer = "removal")]
struct Removal {
    /// Updates.
    #[param(default = 60, range = "1 <= x")]
    steps: usize,
    /// Pairs in a batch.
    #[param(default = 32, range = "1 <= x")]
    batch: i64,
    /// Whether the links are taken out.
    #[param(default = true)]
    remove: bool,
    /// What turns gradients into updates.
    transforms: Vec<RecipeOf<dyn Transform>>,
}

impl Trainer for Removal {
    fn fit(&self, session: &mut dyn Session) -> Result<Report> {
        let transforms = self.transforms.iter().map(|t| t.recipe.clone());
        session.chain("main", &transforms.collect::<Vec<_>>(), "model")?;
        let mut losses = vec![];
        for _ in 0..self.steps {
            let mut batch = session.next("train", self.batch)?;
            if self.remove {
                let left = batch.graph("graph")?.without(batch.tensor("pairs")?)?;
                batch.put("graph", left);
            }
            losses.push(session.step("main", &batch, &Ask::train())?);
        }
        Ok(Report::default()
            .metric("first", losses[0])
            .metric("last", losses[losses.len() - 1]))
    }
}
