//! A matrix that keeps lengths: rows, or columns where they are fewer, at right angles to each other and of length
//! `gain`, drawn uniformly from all of that kind.
//!
//! Rows lie along the first axis, columns along all others together. `Q` of `A = Q R` for normal numbers `A` is made
//! unique, and so uniform, by a positive diagonal of `R`. Source: Saxe et al. 2014, "Exact solutions to the nonlinear
//! dynamics of learning in deep linear neural networks"; Mezzadri 2007 for the signs; in the form that PyTorch's
//! `orthogonal_` has.

use plugin_api::prelude::*;

/// Rows or columns at right angles to each other, of equal length (Saxe et al. 2014).
#[component(initializer = "orthogonal")]
struct Orthogonal {
    /// The length.
    #[param(default = 1.0, range = "0 < x")]
    gain: f64,
}

impl Initializer for Orthogonal {
    fn init(&self, spec: &WeightSpec, _: &Arch, seed: u64) -> Result<plugin_api::Tensor> {
        let size = spec.size();
        if size.len() < 2 {
            return Err(Error::new(format!("`{}` has no two axes", spec.name))
                .found(format!("{size:?}"))
                .help("use baselines/normal")
                .into());
        }
        let (rows, columns) = (size[0], size[1..].iter().product::<i64>());
        let (long, short) = (rows.max(columns), rows.min(columns));
        let normal = random::normal(&[long, short], seed).f_to_kind(Kind::Double)?;
        let (q, r) = Tensor::f_linalg_qr(&normal, "reduced")?;
        let q = q.f_mul(&r.f_diagonal(0, 0, 1)?.f_sign()?)?; // [long, short]
        let matrix = if rows < columns { q.f_tr()? } else { q };
        Ok(matrix
            .f_mul_scalar(self.gain)?
            .f_reshape(&size)?
            .f_to_kind(kind(spec.dtype))?
            .into())
    }
}
