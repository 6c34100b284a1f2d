//! Guidance: a network learns to see what another one sees (after Subramaniam et al. 2025).

use plugin_api::prelude::*;

/// How unlike the taps of this network and of its guide are: the sum over pairs of `1 - CKA`, the linear centred kernel
/// alignment over the samples of a batch (Kornblith et al. 2019).
#[component(objective = "alignment")]
struct Alignment {
    /// The companion that guides.
    #[param(default = "guide")]
    guide: String,
    /// Pairs of a tap of this network and one of the guide.
    #[param(default = [])]
    taps: Vec<(String, String)>,
    /// What the sum is multiplied by.
    #[param(default = 1.0, range = "0 <= x")]
    weight: f64,
    /// Training steps with guidance; always where it is left out.
    #[param(range = "0 <= x")]
    until: Option<i64>,
}

impl Objective for Alignment {
    fn needs(&self) -> Result<Needs> {
        let (taps, guide) = self.taps.iter().cloned().unzip();
        Ok(Needs {
            taps,
            companions: vec![(self.guide.clone(), guide)],
            ..Needs::default()
        })
    }

    fn value(
        &self,
        seen: &Seen,
        _: &Batch,
        companions: &Named<Seen>,
    ) -> Result<Option<plugin_api::Tensor>> {
        if self.until.is_some_and(|until| seen.step >= until) {
            return Ok(None);
        }
        let guide = &companions[&self.guide];
        let mut sum: Option<Tensor> = None;
        for (own, other) in &self.taps {
            let aligned = alignment(&seen.taps[own], &guide.taps[other])?;
            let apart = aligned.f_neg()?.f_add_scalar(1.0)?;
            sum = Some(match sum {
                Some(sum) => sum.f_add(&apart)?,
                None => apart,
            });
        }
        let weighed = sum.map(|sum| sum.f_mul_scalar(self.weight)).transpose()?;
        Ok(weighed.map(Into::into))
    }
}

/// `|X^T Y|^2 / (|X^T X| |Y^T Y|)` of centred features `[samples, features]`.
fn alignment(x: &Tensor, y: &Tensor) -> Result<Tensor> {
    let (x, y) = (centred(x)?, centred(y)?);
    let norm = |a: &Tensor, b: &Tensor| a.f_tr()?.f_matmul(b)?.f_norm();
    let both = norm(&x, &y)?.f_square()?;
    let alone = norm(&x, &x)?.f_mul(&norm(&y, &y)?)?;
    Ok(both.f_div(&alone.f_add_scalar(1e-8)?)?)
}

/// With mean zero over the samples, and of norm one, which the alignment does not depend on: so the guard of its
/// denominator is as small beside faint activations as beside strong ones.
fn centred(x: &Tensor) -> Result<Tensor> {
    let x = x.f_flatten(1, -1)?;
    let x = x.f_sub(&x.f_mean_dim([0_i64].as_slice(), true, None)?)?;
    Ok(x.f_div(&x.f_norm()?.f_add_scalar(1e-12)?)?)
}
