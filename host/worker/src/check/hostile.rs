//! Tensors that make no sense: a component may refuse them, but not die of them.

use plugin_api::boundary::as_error;
use plugin_api::{Error, Result};
use tch::{Device, Kind, Tensor};

use super::Case;
use super::inputs::Exercise;

/// Numbers of the tensor that only claims to be large: four times what the memory limit leaves room for as float32, and
/// still few enough to be read one by one in seconds.
const HUGE: i64 = 1 << 31;

pub(super) fn hostile(case: &Case<'_>) -> Result<()> {
    for exercise in case.exercises(1)? {
        for (name, t) in exercise.lend().iter() {
            for (kind, hostile) in tensors(t)? {
                case.trying(&format!("{}, but `{name}` is {kind}", exercise.input))?;
                let lent = exercise.lend().with(name, hostile);
                refused_by_name(case, (exercise.call)(&lent).map(drop))?;
            }
            case.trying(&format!("{}, but `{name}` is strided", exercise.input))?;
            strided(case, &exercise, name, t)?;
        }
    }
    Ok(())
}

fn refused_by_name(case: &Case<'_>, called: Result<()>) -> Result<()> {
    let Err(error) = called else { return Ok(()) };
    let error = as_error(error);
    match error.component.as_deref() == Some(case.name) {
        true => Ok(()),
        false => Err(Error::new("the error does not name the component")
            .found(error)
            .into()),
    }
}

/// The same numbers with gaps between them are the same tensor.
fn strided(case: &Case<'_>, exercise: &Exercise, name: &str, t: &Tensor) -> Result<()> {
    let gaps = Tensor::f_stack(&[t, t], -1)?.f_select(-1, 0)?;
    match (exercise.call)(&exercise.lend().with(name, gaps)) {
        Ok(output) => match exercise.run()?.is_far_from(&output)? {
            Some(what) => Err(
                Error::new(format!("{what} depends on how `{name}` lies in memory"))
                    .help("read tensors by libtorch's operations, or call `contiguous` first")
                    .into(),
            ),
            None => Ok(()),
        },
        refused => refused_by_name(case, refused.map(drop)),
    }
}

/// Hostile tensors in place of this one.
fn tensors(t: &Tensor) -> Result<Vec<(&'static str, Tensor)>> {
    let (size, options) = (t.size(), (t.kind(), Device::Cpu));
    let first = |length: i64| {
        let mut size = size.clone();
        match size.first_mut() {
            Some(first) => *first = length,
            None => size.push(length),
        }
        size
    };
    let rest: i64 = size.iter().skip(1).product();
    let mut all = vec![
        ("empty", Tensor::f_zeros(first(0), options)?),
        ("of rank 0", Tensor::f_ones([], options)?),
        ("of rank 9", Tensor::f_ones([1; 9], options)?),
        (
            "twice as long",
            Tensor::f_ones(first(2 * size.first().unwrap_or(&1)), options)?,
        ),
        (
            "whole numbers",
            Tensor::f_ones(&size, (Kind::Int64, Device::Cpu))?,
        ),
        (
            "complex",
            Tensor::f_ones(&size, (Kind::ComplexFloat, Device::Cpu))?,
        ),
        (
            "one number, expanded",
            Tensor::f_ones([], options)?.f_expand(&size, false)?,
        ),
        (
            "one number, expanded to a huge size",
            Tensor::f_ones([], options)?.f_expand(first(HUGE / rest.max(1)), false)?,
        ),
    ];
    if matches!(t.kind(), Kind::Float | Kind::Double) {
        all.push(("NaN", Tensor::f_full(&size, f64::NAN, options)?));
        all.push(("infinite", Tensor::f_full(&size, f64::INFINITY, options)?));
    }
    Ok(all)
}
