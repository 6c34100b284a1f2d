//! What a teacher says beside the labels: the divergence of a network's predictions from a teacher's, both softened by a
//! temperature.
//!
//! ```text
//! weight T^2 KL(p || q),   p = softmax(teacher / T),   q = softmax(network / T),   the mean over samples
//! ```
//!
//! `T^2` keeps its gradient beside that of the labels, whatever `T` is. Logits are `[samples, classes]`. The teacher is a
//! companion of the session. Source: Hinton et al. 2015, "Distilling the Knowledge in a Neural Network", section 2; the
//! divergence is the cross-entropy there but for a constant, and 0 where both agree.

use plugin_api::prelude::*;
use plugin_api::tch::Reduction;

/// Has a network predict what its teacher predicts (Hinton et al. 2015).
#[component(objective = "distillation")]
struct Distillation {
    /// The companion that teaches.
    #[param(default = "teacher")]
    teacher: String,
    /// The output that holds the logits, of both.
    #[param(default = "y")]
    logits: String,
    /// What the logits are divided by: the higher, the more the classes count that are not the likeliest.
    #[param(default = 2.0, range = "0 < x")]
    temperature: f64,
    /// What the divergence is multiplied by, beside a task's own loss.
    #[param(default = 1.0, range = "0 <= x")]
    weight: f64,
}

impl Objective for Distillation {
    fn needs(&self) -> Result<Needs> {
        Ok(Needs {
            companions: vec![(self.teacher.clone(), vec![])],
            ..Needs::default()
        })
    }

    fn value(
        &self,
        seen: &Seen,
        batch: &Batch,
        companions: &Named<Seen>,
    ) -> Result<Option<plugin_api::Tensor>> {
        let log_probabilities = |seen: &Seen| -> Result<Tensor> {
            let logits = batch.counted(seen.outputs.tensor(&self.logits)?)?;
            let soft = logits.f_div_scalar(self.temperature)?;
            Ok(soft.f_log_softmax(-1, None::<Kind>)?)
        };
        let taught = log_probabilities(&companions[&self.teacher])?;
        let divergence = log_probabilities(seen)?
            .f_kl_div(&taught, Reduction::None, true)?
            .f_sum_dim_intlist(-1_i64, false, None::<Kind>)? // [samples]
            .f_mean(None::<Kind>)?;
        let scale = self.weight * self.temperature.powi(2);
        Ok(Some(divergence.f_mul_scalar(scale)?.into()))
    }
}
