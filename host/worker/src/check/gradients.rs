//! Derivatives by autograd against finite differences, in float64.
//!
//! What comes out is folded to one number by random factors: `L = sum of output * factor`. Along a random direction `v`
//! the first derivative is `<dL/dx, v>`, and must be what `L` does over a small step. The second one is held to the same:
//! `G = <dL/dx, u>` over all that `L` depends on, and its derivative along `v`.

use plugin_api::{Error, Result, Tensors, gradients_of, random, stream};
use tch::{Kind, Tensor};

use super::inputs::Exercise;
use super::{Case, Skip};

/// A step at which neither rounding nor curvature matters much.
const STEP: f64 = 1e-6;
/// How far two derivatives may be apart: rounding and curvature of the differences, and no more.
const TOLERANCE: f64 = 1e-5;

pub(super) fn gradients(case: &Case<'_>) -> Result<()> {
    let mut exercises = case.exercises(1)?;
    exercises.retain(|exercise| exercise.differentiable);
    if exercises.is_empty() {
        return Err(Skip("what it reads off a network is in float32".into()).into());
    }
    for exercise in exercises {
        case.trying(&exercise.input)?;
        let at = exercise.lend().map(|_, t| match t.kind() {
            Kind::Float => t.to_kind(Kind::Double),
            _ => t.shallow_clone(),
        });
        Probe {
            exercise: &exercise,
            at,
            seed: stream(case.seed, &exercise.input),
        }
        .compare()?;
    }
    Ok(())
}

/// A point at which derivatives are taken.
struct Probe<'a> {
    exercise: &'a Exercise,
    at: Tensors,
    seed: u64,
}

impl Probe<'_> {
    fn compare(&self) -> Result<()> {
        let leaves = self.at.iter().filter(|(_, t)| t.kind() == Kind::Double);
        let leaves: Tensors = leaves.map(|(name, t)| (name, t.clone())).collect();
        let directions =
            |which: &str| leaves.map(|name, t| self.random(&format!("{which} {name}"), t));
        let (u, v) = (directions("u"), directions("v"));
        for (name, direction) in v.iter() {
            let along = Tensors::new().with(name, direction.clone());
            let number = |at: &Tensors| self.number(at);
            self.hold(&format!("the gradient along `{name}`"), &along, number)?;
        }
        self.hold("the second derivative", &v, |at| self.slope(at, &u))
    }

    /// Holds the derivative of `f` along a direction to finite differences.
    fn hold(
        &self,
        what: &str,
        along: &Tensors,
        f: impl Fn(&Tensors) -> Result<Tensor>,
    ) -> Result<()> {
        let moved = |step: f64| -> Result<f64> {
            let at = self.at.map(|name, t| match along.get(name) {
                Some(direction) => t + &**direction * step,
                None => t.shallow_clone(),
            });
            Ok(f64::try_from(f(&at)?)?)
        };
        let (ahead, behind) = (moved(STEP)?, moved(-STEP)?);
        let expected = (ahead - behind) / (2.0 * STEP);
        let leaves = leaves(&self.at, along);
        let gradient = gradient(&f(&replaced(&self.at, &leaves))?, &leaves, false)?;
        let found = f64::try_from(dot(&gradient, along)?)?;
        // Differences of large numbers are rounded more.
        let least = 1e-2 * (1.0 + ahead.abs());
        if (found - expected).abs() <= TOLERANCE * expected.abs().max(found.abs()).max(least) {
            return Ok(());
        }
        Err(Error::new(format!("{what} is wrong"))
            .found(format!("{found:.3e}"))
            .expected(format!("{expected:.3e}, by finite differences"))
            .help("where that is by design, say so with its reason: `exempt(gradients = \"…\")` in `#[component]`")
            .into())
    }

    /// `G`, which can be differentiated itself.
    fn slope(&self, at: &Tensors, u: &Tensors) -> Result<Tensor> {
        let leaves = leaves(at, u);
        let number = self.number(&replaced(at, &leaves))?;
        dot(&gradient(&number, &leaves, true)?, u)
    }

    /// `L`.
    fn number(&self, at: &Tensors) -> Result<Tensor> {
        let mut sum = Tensor::from(0.0);
        for (name, t) in (self.exercise.call)(at)?.tensors.iter() {
            if t.is_floating_point() {
                let factor = self.random(&format!("factor {name}"), t);
                sum = sum.f_add(&t.f_mul(&factor)?.f_sum(Kind::Double)?)?;
            }
        }
        Ok(sum)
    }

    /// Random numbers of the size of a tensor.
    fn random(&self, name: &str, like: &Tensor) -> Tensor {
        random::normal(&like.size(), stream(self.seed, name)).to_kind(Kind::Double)
    }
}

/// What is differentiated by: these of the tensors.
fn leaves(at: &Tensors, names: &Tensors) -> Tensors {
    names.map(|name, _| match at[name].requires_grad() {
        // Whoever differentiates a derivative has made them leaves already.
        true => at[name].shallow_clone(),
        false => at[name].detach().set_requires_grad(true),
    })
}

fn replaced(at: &Tensors, leaves: &Tensors) -> Tensors {
    at.map(|name, t| {
        leaves
            .get(name)
            .map_or_else(|| t.shallow_clone(), |leaf| leaf.shallow_clone())
    })
}

/// The gradient; zeros where the number depends on nothing.
fn gradient(number: &Tensor, leaves: &Tensors, create: bool) -> Result<Tensors> {
    match number.requires_grad() {
        true => gradients_of(number, leaves, create),
        false => Ok(leaves.map(|_, leaf| leaf.zeros_like().detach())),
    }
}

fn dot(a: &Tensors, b: &Tensors) -> Result<Tensor> {
    let mut sum = Tensor::from(0.0);
    for (name, t) in a.iter() {
        sum = sum.f_add(&t.f_mul(&b[name])?.f_sum(Kind::Double)?)?;
    }
    Ok(sum)
}
