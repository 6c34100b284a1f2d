//! Normal numbers of a variance that keeps activations of equal size from layer to layer behind rectifiers:
//! `w ~ N(0, gain^2 / in)`.
//!
//! `in` is the product of the weight's axes but `out`; of a weight without other axes it is its length. Source: He et
//! al. 2015, equation 10, whose gain of `sqrt(2)` makes up for the half that a rectifier cuts off.

use plugin_api::prelude::*;

/// Normal numbers, scaled by the number of inputs for layers with rectifiers (He et al. 2015).
#[component(initializer = "kaiming")]
struct Kaiming {
    /// What the activation behind the layer takes away, made up for: `sqrt(2)` for rectifiers, 1 for none.
    #[param(default = std::f64::consts::SQRT_2, range = "0 < x")]
    gain: f64,
}

impl Initializer for Kaiming {
    fn init(&self, spec: &WeightSpec, _: &Arch, seed: u64) -> Result<plugin_api::Tensor> {
        let size = spec.size();
        let (out, into): (Vec<&Axis>, Vec<&Axis>) = spec.axes.iter().partition(|a| a.name == "out");
        let through = if into.is_empty() { out } else { into };
        let fan_in: i64 = through.iter().filter_map(|axis| axis.size).product();
        if fan_in == 0 || size.is_empty() {
            return Err(Error::new(format!("nothing goes into `{}`", spec.name))
                .found(format!("{size:?}"))
                .help("use baselines/constant")
                .into());
        }
        let deviation = self.gain / (fan_in as f64).sqrt();
        let unit = random::normal(&size, seed).f_to_kind(kind(spec.dtype))?;
        Ok(unit.f_mul_scalar(deviation)?.into())
    }
}
