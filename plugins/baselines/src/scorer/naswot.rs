//! How differently the units of an untrained network respond to the samples of a batch: `log |det K|`, where `K_ij`
//! counts the units that are on for both samples `i` and `j`, or off for both.
//!
//! A unit is on where what an activation gives is above 0. Units are what layers show at taps called `units`, as
//! `baselines/activation` does, also inside other layers. Two samples that switch the same units make `K` singular: such
//! a network has no score.
//!
//! Source: Mellor et al. 2021, "Neural Architecture Search without Training", equation 2.

use plugin_api::prelude::*;

/// How differently units respond to the samples of one training batch (Mellor et al. 2021).
#[component(scorer = "naswot")]
struct Naswot {
    /// Samples in the batch; 0 for the whole split.
    #[param(default = 128, range = "0 <= x")]
    size: i64,
}

impl Naswot {
    fn probe(&self) -> Probe {
        Probe::of(self.size).tapped(["*/units"])
    }
}

impl Scorer for Naswot {
    fn score(&self, session: &mut dyn Session) -> Result<f64> {
        let taps = session.probe(&self.probe())?.seen.taps;
        let mut agreement: Option<Tensor> = None;
        // Whoever shares the pass may have asked for other taps.
        for (_, given) in taps.iter().filter(|(tap, _)| tap.ends_with("/units")) {
            let on = given.f_gt(0.0)?.f_flatten(1, -1)?.f_to_kind(Kind::Float)?;
            // With 1 for on and -1 for off a product is agreements minus disagreements.
            let signs = on.f_mul_scalar(2.0)?.f_sub_scalar(1.0)?;
            let units = signs.size()[1] as f64;
            let agree = signs.f_matmul(&signs.f_tr()?)?.f_to_kind(Kind::Double)?;
            let agree = agree.f_add_scalar(units)?.f_div_scalar(2.0)?;
            agreement = Some(match agreement {
                Some(sum) => sum.f_add(&agree)?,
                None => agree,
            });
        }
        let agreement = agreement.ok_or_else(|| {
            Error::new("the network has no units that switch")
                .expected("a layer `baselines/activation`, or one that shows a tap `units`")
        })?;
        let (_, log) = agreement.f_slogdet()?;
        let score = f64::try_from(log)?;
        match score.is_finite() {
            true => Ok(score),
            false => Err(Error::new("two samples of the batch switch the same units")
                .help("take another proxy for networks whose inputs reach few units")
                .into()),
        }
    }

    fn needs(&self, _: &Arch) -> Result<Vec<Probe>> {
        Ok(vec![self.probe()])
    }
}
