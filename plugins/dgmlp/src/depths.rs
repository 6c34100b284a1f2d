//! Networks of open propagation and transformation depth: the two that the paper takes apart.
//!
//! ```text
//! propagation (hops of `propagation`) -> transformation (depth of `transformation`)
//! ```
//!
//! The paper's guidelines are to propagate far where graphs, labels or features are sparse, and to transform often where
//! the graph is large (section 5). `x`: `[nodes, features]`, over `graph`. Source: Zhang et al. 2021, arXiv 2108.00955.

use plugin_api::prelude::*;
use plugin_api::serde_json::json;

/// DGMLP of open depths: how far features go, and how often they are transformed (Zhang et al. 2021).
#[component(space = "depths")]
struct Depths {
    /// Hops to choose from.
    #[param(default = [2, 5, 10, 20], range = "0 <= x <= 100")]
    propagation: Vec<i64>,
    /// Numbers of transformations to choose from.
    #[param(default = [1, 2, 4, 8], range = "1 <= x <= 256")]
    transformation: Vec<i64>,
    /// The layer that propagates; it takes `hops`.
    #[param(default = "dgmlp/propagation")]
    propagate: RecipeOf<dyn Layer>,
    /// The layer that transforms; it takes `depth` and `out`.
    #[param(default = "dgmlp/transformation")]
    transform: RecipeOf<dyn Layer>,
}

impl Space for Depths {
    fn supernet(&self, ports: &Ports) -> Result<Option<Arch>> {
        for (name, none) in [
            ("propagation", self.propagation.is_empty()),
            ("transformation", self.transformation.is_empty()),
        ] {
            ensure!(!none, "`{name}` has nothing to choose from");
        }
        port(&ports.inputs, "graph")?;
        let mut outputs = ports.outputs.iter();
        let (Some((output, shape)), None) = (outputs.next(), outputs.next()) else {
            return Err(Error::new("the space makes networks of one output")
                .found(ports.outputs.names().collect::<Vec<_>>().join(", "))
                .into());
        };
        let classes = shape.last().and_then(|axis| axis.size);
        let classes = classes.context("the task does not say how many numbers come out")?;
        let decided = |name: &str| json!({ "decide": name });
        let propagate = { self.propagate.recipe.clone() }.with("hops", decided("propagation"));
        let transform = { self.transform.recipe.clone() }
            .with("depth", decided("transformation"))
            .with("out", classes);
        let arch = Arch::new(ports.inputs.clone())
            .layer(
                "propagation",
                propagate,
                &[("x", "in.x"), ("graph", "in.graph")],
            )
            .layer(
                "transformation",
                transform,
                &[("x", "propagation.x"), ("graph", "in.graph")],
            )
            .output(output, "transformation.x")
            .decide(Decision::options("propagation", self.propagation.clone()))
            .decide(Decision::options(
                "transformation",
                self.transformation.clone(),
            ));
        Ok(Some(arch))
    }
}
