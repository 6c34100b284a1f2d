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
    let mut all: Vec<f32> = vec![];
    // An allocation that fails would end the process; a panic ends the call.
    all.try_reserve_exact(n)
        .unwrap_or_else(|_| panic!("there is no memory for random numbers {size:?}"));
    all.extend(numbers.take(n));
    tch::Tensor::from_slice(&all).view(size).into()
}
