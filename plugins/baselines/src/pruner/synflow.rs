//! Weights on strong paths from the inputs to the outputs stay: the score of a weight is `|w dR/dw|`, where `R` is the sum
//! of the outputs of the network with all its weights and running statistics `|w|`, on inputs of ones.
//!
//! No data and no labels take part. It counts in double precision, because `R` grows with every layer, in evaluation mode.
//! It ranks what is tagged `prunable`, as a pass uses it; graphs, and features that are sparse, stay what they are. In a
//! deep network it ranks well only if pruned in many small steps, which it was made for.
//!
//! Source: Tanaka et al. 2020, "Pruning neural networks without any data by iteratively conserving synaptic flow",
//! equation 2 and algorithm 1.

use plugin_api::prelude::*;

/// Ranks weights by the synaptic flow through them, without data (Tanaka et al. 2020).
#[component(pruner = "synflow")]
struct Synflow {}

impl Pruner for Synflow {
    fn scores(&self, session: &mut dyn Session) -> Result<Tensors> {
        let ones = ones(session)?;
        let ask = || Ask::eval().condition(ones.clone());
        let mut flowing = Tensors::new();
        for (path, weight) in session.effective("all", &ask())? {
            let weight = weight.detach().f_to_kind(Kind::Double)?.f_abs()?;
            flowing.put(path, weight.set_requires_grad(true));
        }
        let seen = session.forward(&ones, &ask().weights(flowing.clone()))?;
        let mut flow = Tensor::f_zeros(1, (Kind::Double, Device::Cpu))?;
        for (_, output) in seen.outputs.iter() {
            if let Value::Tensor(output) = output {
                let sum = output.f_sum(Kind::Double)?;
                flow = flow.f_to_device(sum.device())?.f_add(&sum)?;
            }
        }
        let gradients = gradients_of(&flow.f_sum(Kind::Double)?, &flowing, false)?;
        let mut scores = Tensors::new();
        for spec in session.specs("#prunable")? {
            let score = gradients[&spec.name].f_mul(&flowing[&spec.name])?;
            scores.put(&spec.name, score.f_detach()?.f_abs()?);
        }
        Ok(scores)
    }
}

/// One sample whose numbers are all 1.
fn ones(session: &dyn Session) -> Result<Batch> {
    let at = At {
        size: 1,
        seed: session.seed("data:train"),
        ..At::ALL
    };
    let batch = session
        .batch("train", &at)?
        .context("the task has no training batch")?;
    let inputs = session.ports()?.inputs;
    let mut ones = Batch::new();
    for (port, value) in batch {
        if !inputs.contains(&port) {
            continue;
        }
        ones.put(
            port,
            match value {
                Value::Tensor(t) if t.is_floating_point() => {
                    t.f_ones_like()?.f_to_kind(Kind::Double)?.into()
                }
                other => other,
            },
        );
    }
    Ok(ones)
}
