//! The rules of optimizers over all weights in one call, which the host does by kernels of its own.
//!
//! A transform that keeps its moments under `slot:PATH`, as [`Transform::init`](crate::role::Transform::init) wants
//! it, hands its state over as it is. A slot that is missing begins at zero.

use serde::{Deserialize, Serialize};

use crate::{Error, Result, Tensor, Tensors, services};

/// A step of Adam (Kingma & Ba 2015, algorithm 1), with `decay w` added to the gradient.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct AdamStep {
    /// Length of the step.
    pub rate: f64,
    /// How much of the mean gradient goes on.
    pub beta1: f64,
    /// How much of the mean square goes on.
    pub beta2: f64,
    /// Keeps the division finite.
    pub epsilon: f64,
    /// What is added to the gradient for each unit of the weight.
    pub decay: f64,
    /// Steps done before, counted from 0.
    pub step: i64,
}

impl AdamStep {
    /// From gradients to updates, in the same memory where it can be; the moments, `first:PATH` and `second:PATH`, go on in place.
    ///
    /// # Errors
    /// Where shapes or kinds do not fit.
    pub fn updates(
        &self,
        gradients: Tensors,
        weights: &Tensors,
        state: &mut Tensors,
    ) -> Result<Tensors> {
        let first = slots("first", &gradients, state)?;
        let second = slots("second", &gradients, state)?;
        let weights = weights_of(&gradients, weights)?;
        match services() {
            Ok(host) => host.adam(self, gradients, &weights, &first, &second),
            Err(_) => self.plain(&gradients, &weights, &first, &second),
        }
    }

    /// By what the root of the second moment, and the quotient, are multiplied: the moments begin at zero, which is
    /// made up for here.
    pub fn factors(&self) -> (f64, f64) {
        let t = (self.step + 1) as f64;
        let (unbias1, unbias2) = (1.0 - self.beta1.powf(t), 1.0 - self.beta2.powf(t));
        (1.0 / unbias2.sqrt(), -self.rate / unbias1)
    }

    /// The same by operations of libtorch: tensors of any layout, on any device.
    ///
    /// # Errors
    /// Where shapes or kinds do not fit.
    pub fn plain(
        &self,
        gradients: &Tensors,
        weights: &[Tensor],
        first: &[Tensor],
        second: &[Tensor],
    ) -> Result<Tensors> {
        let (root, length) = self.factors();
        let moments = first.iter().zip(second);
        let each = gradients.iter().zip(weights).zip(moments);
        let updates = each.map(|(((path, gradient), weight), (first, second))| {
            let gradient = decayed(gradient, weight, self.decay)?;
            let (mut first, mut second) = (first.shallow_clone(), second.shallow_clone());
            let _ = first
                .f_mul_scalar_(self.beta1)?
                .f_add_(&gradient.f_mul_scalar(1.0 - self.beta1)?)?;
            let _ = second
                .f_mul_scalar_(self.beta2)?
                .f_add_(&gradient.f_square()?.f_mul_scalar(1.0 - self.beta2)?)?;
            let below = second
                .f_sqrt()?
                .f_mul_scalar(root)?
                .f_add_scalar(self.epsilon)?;
            Ok((path, first.f_div(&below)?.f_mul_scalar(length)?))
        });
        tch::no_grad(|| updates.collect())
    }
}

/// A step of stochastic gradient descent, with momentum or without (Sutskever et al. 2013, in the form that PyTorch
/// has), with `decay w` added to the gradient.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct SgdStep {
    /// Length of the step.
    pub rate: f64,
    /// How much of the last update goes on.
    pub momentum: f64,
    /// Whether the gradient is taken as if momentum had moved the weights already.
    pub nesterov: bool,
    /// What is added to the gradient for each unit of the weight.
    pub decay: f64,
}

impl SgdStep {
    /// From gradients to updates, in the same memory where it can be; where there is momentum, `momentum:PATH` goes on in place.
    ///
    /// # Errors
    /// Where shapes or kinds do not fit.
    pub fn updates(
        &self,
        gradients: Tensors,
        weights: &Tensors,
        state: &mut Tensors,
    ) -> Result<Tensors> {
        let moved = match self.momentum {
            0.0 => vec![],
            _ => slots("momentum", &gradients, state)?,
        };
        let weights = weights_of(&gradients, weights)?;
        match services() {
            Ok(host) => host.sgd(self, gradients, &weights, &moved),
            Err(_) => self.plain(&gradients, &weights, &moved),
        }
    }

    /// The same by operations of libtorch: tensors of any layout, on any device. `moved` is empty where there is no
    /// momentum.
    ///
    /// # Errors
    /// Where shapes or kinds do not fit.
    pub fn plain(
        &self,
        gradients: &Tensors,
        weights: &[Tensor],
        moved: &[Tensor],
    ) -> Result<Tensors> {
        let each = gradients.iter().zip(weights).enumerate();
        let updates = each.map(|(i, ((path, gradient), weight))| {
            let gradient = decayed(gradient, weight, self.decay)?;
            let along = match moved.get(i) {
                Some(moved) => {
                    let mut moved = moved.shallow_clone();
                    let _ = moved.f_mul_scalar_(self.momentum)?.f_add_(&gradient)?;
                    match self.nesterov {
                        true => gradient.f_add(&moved.f_mul_scalar(self.momentum)?)?,
                        false => moved,
                    }
                }
                None => gradient,
            };
            Ok((path, along.f_mul_scalar(-self.rate)?))
        });
        tch::no_grad(|| updates.collect())
    }
}

fn decayed(gradient: &Tensor, weight: &Tensor, decay: f64) -> Result<tch::Tensor> {
    Ok(match decay {
        0.0 => gradient.shallow_clone(),
        _ => gradient.f_add(&weight.f_mul_scalar(decay)?)?,
    })
}

fn weights_of(gradients: &Tensors, weights: &Tensors) -> Result<Vec<Tensor>> {
    let found = in_step(gradients, weights, "");
    let named = gradients.names().zip(found);
    let there = |(path, weight): (_, Option<Tensor>)| {
        weight.ok_or_else(|| Error::new(format!("there is no weight `{path}`")).into())
    };
    named.map(there).collect()
}

/// The state `slot:PATH` of each gradient.
fn slots(slot: &str, gradients: &Tensors, state: &mut Tensors) -> Result<Vec<Tensor>> {
    let found = in_step(gradients, state, &format!("{slot}:"));
    let each = gradients.iter().zip(found);
    each.map(|((path, gradient), found)| match found {
        Some(found) => Ok(found),
        None => {
            let begun = Tensor::from(gradient.f_zeros_like()?);
            state.put(format!("{slot}:{path}"), begun.clone());
            Ok(begun)
        }
    })
    .collect()
}

/// For each name of `paths` the tensor that has it behind `prefix`. Both mostly have the same order, so each is looked
/// for behind the one before, and only then from the front.
fn in_step(paths: &Tensors, tensors: &Tensors, prefix: &str) -> Vec<Option<Tensor>> {
    let mut rest = tensors.iter();
    let each = paths.names().map(|path| {
        let mut its = |(name, t): (&str, &Tensor)| {
            (name.strip_prefix(prefix) == Some(path)).then(|| t.clone())
        };
        rest.find_map(&mut its).or_else(|| {
            rest = tensors.iter();
            rest.find_map(&mut its)
        })
    });
    each.collect()
}
