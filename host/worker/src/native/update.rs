//! Optimizers, and adding what they make to weights.

use std::ffi::c_int;
use std::ptr;

use plugin_api::{AdamStep, Error, Result, SgdStep, Tensor, Tensors};
use torch_sys::C_tensor;

use super::failure;

/// Laid out as in `native/update.cpp`.
#[repr(C)]
struct Adam {
    beta1: f64,
    beta2: f64,
    epsilon: f64,
    decay: f64,
    root: f64,
    length: f64,
}

#[repr(C)]
struct Sgd {
    momentum: f64,
    decay: f64,
    length: f64,
    nesterov: bool,
}

type List = *const *const C_tensor;

unsafe extern "C" {
    fn pleach_adam(
        step: &Adam,
        n: usize,
        gradients: List,
        weights: List,
        first: List,
        second: List,
        made: *mut *mut C_tensor,
    ) -> bool;
    fn pleach_sgd(
        step: &Sgd,
        n: usize,
        gradients: List,
        weights: List,
        buffers: List,
        made: *mut *mut C_tensor,
    ) -> bool;
    fn pleach_add(weight: *const C_tensor, update: *const C_tensor, mask: *const C_tensor)
    -> c_int;
    fn pleach_mask(t: *const C_tensor, mask: *const C_tensor) -> c_int;
}

/// [`AdamStep::plain`], by a kernel wherever it can be.
pub(crate) fn adam(
    step: &AdamStep,
    gradients: Tensors,
    weights: &[Tensor],
    first: &[Tensor],
    second: &[Tensor],
) -> Result<Tensors> {
    let n = gradients.len();
    one_each(n, &[weights.len(), first.len(), second.len()])?;
    let (root, length) = step.factors();
    let rule = Adam {
        beta1: step.beta1,
        beta2: step.beta2,
        epsilon: step.epsilon,
        decay: step.decay,
        root,
        length,
    };
    let lists = [weights, first, second].map(pointers);
    let [w, m, v] = lists.each_ref().map(|list| list.as_ptr());
    let g = pointers(gradients.values());
    let mut made = vec![ptr::null_mut(); n];
    // SAFETY: each list holds `n` tensors that live as long as the call, and `made` has room for as many. The kernel
    // looks at what it is given before it touches a number, and throws nothing.
    let done = unsafe { pleach_adam(&rule, n, g.as_ptr(), w, m, v, made.as_mut_ptr()) };
    completed(gradients, done, made, |i, gradient| {
        let one = i..i + 1;
        step.plain(
            &gradient,
            &weights[one.clone()],
            &first[one.clone()],
            &second[one],
        )
    })
}

/// [`SgdStep::plain`], by a kernel wherever it can be.
pub(crate) fn sgd(
    step: &SgdStep,
    gradients: Tensors,
    weights: &[Tensor],
    moved: &[Tensor],
) -> Result<Tensors> {
    let n = gradients.len();
    one_each(n, &[weights.len()])?;
    if !moved.is_empty() {
        one_each(n, &[moved.len()])?;
    }
    let rule = Sgd {
        momentum: step.momentum,
        decay: step.decay,
        length: -step.rate,
        nesterov: step.nesterov,
    };
    let (g, w, m) = (
        pointers(gradients.values()),
        pointers(weights),
        pointers(moved),
    );
    let m = match m.is_empty() {
        true => ptr::null(),
        false => m.as_ptr(),
    };
    let mut made = vec![ptr::null_mut(); n];
    // SAFETY: as above; the last list is null where it is empty.
    let done = unsafe { pleach_sgd(&rule, n, g.as_ptr(), w.as_ptr(), m, made.as_mut_ptr()) };
    completed(gradients, done, made, |i, gradient| {
        let moved = moved.get(i..i + 1).unwrap_or_default();
        step.plain(&gradient, &weights[i..i + 1], moved)
    })
}

/// `weight = (weight + update) * mask`, in place.
pub(crate) fn add(weight: &tch::Tensor, update: &Tensor, mask: Option<&Tensor>) -> Result<()> {
    let mask_ptr = mask.map_or(ptr::null(), |mask| mask.as_ptr());
    // SAFETY: live tensors, or null for no mask. The kernel looks at what it is given before it touches a number, and
    // throws nothing.
    match unsafe { pleach_add(weight.as_ptr(), update.as_ptr(), mask_ptr) } {
        1 => Ok(()),
        0 => {
            let mut weight = weight.detach();
            let _ = weight.f_add_(update)?;
            if let Some(mask) = mask {
                let _ = weight.f_mul_(mask)?;
            }
            Ok(())
        }
        _ => Err(failure()),
    }
}

/// `t * mask`, in the same memory where no other handle leads there.
pub(crate) fn masked(t: Tensor, mask: &Tensor) -> Result<Tensor> {
    // SAFETY: as above.
    match unsafe { pleach_mask(t.as_ptr(), mask.as_ptr()) } {
        1 => Ok(t),
        0 => Ok(t.f_mul(mask)?.into()),
        _ => Err(failure()),
    }
}

fn pointers<'a>(tensors: impl IntoIterator<Item = &'a Tensor>) -> Vec<*const C_tensor> {
    tensors.into_iter().map(|t| t.as_ptr()).collect()
}

/// Plugins choose the lists.
fn one_each(n: usize, lengths: &[usize]) -> Result<()> {
    match lengths.iter().find(|length| **length != n) {
        None => Ok(()),
        Some(length) => Err(Error::new("an optimizer's lists differ in length")
            .found(length)
            .expected(format!("{n}, one tensor for each gradient"))
            .into()),
    }
}

/// What a kernel made of gradients, by their names, and what `plain` makes of the rest.
fn completed(
    mut gradients: Tensors,
    done: bool,
    made: Vec<*mut C_tensor>,
    plain: impl Fn(usize, Tensors) -> Result<Tensors>,
) -> Result<Tensors> {
    if !done {
        return Err(failure());
    }
    // First all are owned: `plain` may fail.
    let made = made.into_iter().map(|t| {
        // SAFETY: not null, so a tensor from `new`, which nobody else owns.
        (!t.is_null()).then(|| unsafe { tch::Tensor::from_ptr(t) })
    });
    let made: Vec<_> = made.collect();
    for (i, ((path, gradient), update)) in gradients.iter_mut().zip(made).enumerate() {
        *gradient = match update {
            Some(update) => update.into(),
            None => {
                let made = plain(i, Tensors::new().with(path, gradient.clone()))?;
                made[path].shallow_clone().into()
            }
        };
    }
    Ok(gradients)
}
