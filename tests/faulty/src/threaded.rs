//! Works in a thread of its own: `y = x * w`.
//!
//! `x`: any shape, which stays. Weight `w`: one number.

use std::thread;

use plugin_api::grad;
use plugin_api::prelude::*;

/// Works in a thread of its own: `y = x * w`.
#[component(layer = "threaded")]
struct Threaded {
    /// Whether the thread has the caller's grad mode; that of a new thread otherwise.
    #[param(default = true)]
    as_here: bool,
}

impl Layer for Threaded {
    fn weights(&self, _: &Shapes) -> Result<Vec<WeightSpec>> {
        let init = Recipe::new("baselines/zeros");
        Ok(vec![WeightSpec::new("w", &[("number", 1)], init)])
    }

    fn shapes(&self, inputs: &Shapes) -> Result<Shapes> {
        Ok(Shapes::new().with("x", port(inputs, "x")?.clone()))
    }

    fn forward(&self, w: &Tensors, x: &Batch, _: &dyn Pass) -> Result<Batch> {
        // A tensor may go to another thread, but not be shared with one.
        let (x, w) = (x.tensor("x")?.shallow_clone(), w["w"].shallow_clone());
        let work = move || x.f_mul(&w);
        let thread = match self.as_here {
            true => thread::spawn(grad::as_here(work)),
            false => thread::spawn(work),
        };
        let y = thread
            .join()
            .map_err(|_| anyhow::anyhow!("the thread panicked"))??;
        Ok(Batch::new().with("x", y))
    }
}
