//! An initializer, on weights of one to four axes.

use std::rc::Rc;

use plugin_api::host::Services;
use plugin_api::role::Initializer;
use plugin_api::{Arch, Dtype, Error, Recipe, Result, Shapes, Tensors, WeightSpec, kind};

use super::super::{Skip, differs};
use super::{Exercise, Output};
use crate::registry::host;

pub(super) fn exercises(recipe: &Recipe, seed: u64) -> Result<Vec<Exercise>> {
    let initializer = Rc::new(host().initializer(recipe)?);
    let nowhere = Arch::new(Shapes::new());
    let axes: [&[(&str, i64)]; 4] = [
        &[("out", 5)],
        &[("in", 4), ("out", 6)],
        &[("heads", 2), ("in", 3), ("out", 4)],
        &[("out", 4), ("in", 3), ("height", 3), ("width", 3)],
    ];
    let of = |axes, dtype| WeightSpec {
        dtype,
        ..WeightSpec::new("layer.weight", axes, recipe.clone())
    };
    let specs = axes
        .map(|axes| of(axes, Dtype::F32))
        .into_iter()
        .chain([of(axes[1], Dtype::F64)]);
    let mut exercises = vec![];
    for spec in specs {
        // An initializer may be for matrices alone, and says so.
        if initializer.init(&spec, &nowhere, seed).is_err() {
            continue;
        }
        let (maker, arch, made_for) = (Rc::clone(&initializer), nowhere.clone(), spec.clone());
        let call = move |_: &Tensors| {
            Ok(Output {
                tensors: Tensors::new().with("weight", maker.init(&made_for, &arch, seed)?),
                text: String::new(),
            })
        };
        exercises.push(Exercise::alone(
            &format!("a weight {:?} {:?}", spec.size(), spec.dtype),
            call,
            move |output| as_specified(output, &spec),
        ));
    }
    if exercises.is_empty() {
        return Err(Skip(
            "it makes none of the weights that are tried, of one to four axes".into(),
        )
        .into());
    }
    Ok(exercises)
}

fn as_specified(output: &Output, spec: &WeightSpec) -> Result<()> {
    let t = &output.tensors["weight"];
    if t.size() != spec.size() || t.kind() != kind(spec.dtype) {
        let found = format!("{:?} {:?}", t.kind(), t.size());
        let expected = format!("{:?} {:?}", kind(spec.dtype), spec.size());
        return Err(differs(
            "the weight is not as its spec describes it",
            found,
            expected,
        ));
    }
    match bool::try_from(t.f_isfinite()?.f_all()?)? {
        true => Ok(()),
        false => Err(Error::new("the weight begins with what is no finite number").into()),
    }
}
