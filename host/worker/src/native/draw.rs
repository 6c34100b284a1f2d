//! Random numbers by their place in a stream.

use plugin_api::Result;
use tch::{Device, Kind, Tensor};
use torch_sys::C_tensor;

use super::owned;

unsafe extern "C" {
    fn pleach_uniform(key: u64, size: *const i64, axes: usize) -> *mut C_tensor;
    fn pleach_dropout(key: u64, rate: f64, x: *const C_tensor) -> *mut C_tensor;
}

/// Uniform numbers in `[0, 1)`, float32: each depends on `key` and its place alone.
///
/// # Errors
/// Where there is no memory for them.
pub(crate) fn uniform(size: &[i64], key: u64) -> Result<Tensor> {
    // SAFETY: a list of as many numbers as are named. It throws nothing.
    unsafe { owned(pleach_uniform(key, size.as_ptr(), size.len())) }
}

/// `x` where [`uniform`] is not below `rate`, times `1 / (1 - rate)`, and 0 elsewhere: gradients of any order make the
/// numbers anew. `None` where plain operations must do it.
pub(crate) fn dropout(x: &Tensor, rate: f64, key: u64) -> Option<Result<Tensor>> {
    let here = x.device() == Device::Cpu && !x.is_sparse();
    if !here || !matches!(x.kind(), Kind::Float | Kind::Double) || !(0.0..1.0).contains(&rate) {
        return None;
    }
    // SAFETY: a live tensor, of which the kernel makes handles of its own. It throws nothing.
    Some(unsafe { owned(pleach_dropout(key, rate, x.as_ptr())) })
}
