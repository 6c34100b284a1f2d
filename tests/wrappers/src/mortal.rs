//! Work that is killed in the midst of it.

use std::fs;
use std::process::{Command, id};

use plugin_api::prelude::*;

/// Leaves updates as they are, but has its process killed at a step that is reached for the first or the third time.
#[component(transform = "mortal")]
struct Mortal {
    /// The step, counted from 0; none where it is left out.
    at: Option<i64>,
    /// The file in which it counts.
    #[param(default = "arrivals")]
    file: String,
}

impl Transform for Mortal {
    fn update(
        &self,
        gradients: Tensors,
        _: &Tensors,
        _: &mut Tensors,
        tick: &Tick,
    ) -> Result<Tensors> {
        if self.at == Some(tick.step) {
            let arrivals = fs::read(&self.file).map_or(0, |arrivals| arrivals.len());
            fs::write(&self.file, vec![b'.'; arrivals + 1])?;
            if [0, 2].contains(&arrivals) {
                Command::new("kill")
                    .args(["-9", &id().to_string()])
                    .status()?;
            }
        }
        Ok(gradients)
    }
}
