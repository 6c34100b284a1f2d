//! Random tensors from seeds of their own: libtorch has one generator, which a whole process shares.

use rand::{Rng, RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rand_distr::StandardNormal;

use crate::Tensor;

/// A generator for one stream; the same numbers on every machine.
pub fn generator(seed: u64) -> impl Rng {
    ChaCha8Rng::seed_from_u64(seed)
}

/// Uniform numbers in `[0, 1)`, float32.
pub fn uniform(size: &[i64], seed: u64) -> Tensor {
    filled(size, generator(seed).random_iter())
}

/// Standard normal numbers, float32.
pub fn normal(size: &[i64], seed: u64) -> Tensor {
    filled(size, generator(seed).sample_iter(StandardNormal))
}

fn filled(size: &[i64], numbers: impl Iterator<Item = f32>) -> Tensor {
    let n = usize::try_from(size.iter().product::<i64>()).unwrap_or(0);
    tch::Tensor::from_slice(&numbers.take(n).collect::<Vec<f32>>())
        .view(size)
        .into()
}
