//! Units along axes: which axes a network takes only together, and what is left of a tensor when units leave.
//!
//! Which axes are tied is not declared by anybody. A layer that takes over an axis from an input ties its outputs and
//! weights to it; where a layer's own shape rule refuses one axis shortened alone and takes it shortened together with
//! another, as a sum does, these two are tied.

use std::collections::BTreeSet;

use plugin_api::role::Layer;
use plugin_api::{Arch, Axis, Error, NodeKind, Parts, Result, Shape, Shapes};

use crate::network::{BuiltLayer, Network};

/// The architecture before any unit left it; `None` where none has.
pub(crate) fn whole(arch: &Arch) -> Option<Arch> {
    let mut whole = arch.clone();
    fn revive(arch: &mut Arch) {
        for node in &mut arch.nodes {
            node.living = plugin_api::Named::new();
            if let NodeKind::Network(inner) = &mut node.kind {
                revive(inner);
            }
        }
    }
    revive(&mut whole);
    (whole != *arch).then_some(whole)
}

/// The units of an architecture that are left, by the axis at which they come into being.
pub(crate) fn living(arch: &Arch) -> Vec<(String, Vec<i64>)> {
    let mut found = vec![];
    for node in &arch.nodes {
        let here = node.living.iter();
        found.extend(here.map(|(axis, units)| (format!("{}.{axis}", node.name), units.clone())));
        if let NodeKind::Network(inner) = &node.kind {
            let inner = living(inner).into_iter();
            found.extend(inner.map(|(axis, units)| (format!("{}.{axis}", node.name), units)));
        }
    }
    found
}

/// The old places of the entries that are left along an axis, where `kept` tells those of each of its units; `None`
/// where all are.
pub(crate) fn places(axis: &Axis, kept: &dyn Fn(&str) -> Option<Vec<i64>>) -> Option<Vec<i64>> {
    let parts = match &axis.of {
        None => return kept(axis.units.as_deref()?),
        Some(parts) => parts,
    };
    let of_parts: Vec<_> = parts.axes().iter().map(|a| places(a, kept)).collect();
    if of_parts.iter().all(Option::is_none) {
        return None;
    }
    let mut all: Vec<i64> = match parts {
        Parts::Product(_) => vec![0],
        Parts::Sum(_) => vec![],
    };
    let mut begin = 0;
    for (part, places) in parts.axes().iter().zip(of_parts) {
        let length = part.size.unwrap_or_default();
        let places = places.unwrap_or_else(|| (0..length).collect());
        match parts {
            Parts::Product(_) => {
                let outer = all.into_iter();
                let along = |outer: i64| places.iter().map(move |inner| outer * length + inner);
                all = outer.flat_map(along).collect();
            }
            Parts::Sum(_) => {
                all.extend(places.iter().map(|place| begin + place));
                begin += length;
            }
        }
    }
    Some(all)
}

/// The length of the axis at which units come into being.
///
/// # Errors
/// Where there is none of this name, or several of unlike lengths.
pub(crate) fn length(network: &Network, units: &str) -> Result<i64> {
    let specs = network.all_specs().flat_map(|s| &s.axes);
    let leaves = network.slots.iter().flatten().chain(specs);
    let mut known = BTreeSet::new();
    let mut lengths = BTreeSet::new();
    for leaf in leaves.flat_map(Axis::leaves) {
        known.extend(leaf.units.as_deref().filter(|_| leaf.size.is_some()));
        if leaf.units.as_deref() == Some(units) {
            lengths.extend(leaf.size);
        }
    }
    match lengths.iter().collect::<Vec<_>>()[..] {
        [length] => Ok(*length),
        [] => Err(Error::new(format!("there is no axis `{units}`"))
            .found(known.into_iter().collect::<Vec<_>>().join(", "))
            .help("an axis is called by the node at which it comes into being, as `node.out`")
            .into()),
        _ => Err(Error::new(format!(
            "several axes of unlike lengths are called `{units}`"
        ))
        .found(format!("{lengths:?}"))
        .help("the layer must give each a name of its own")
        .into()),
    }
}

/// All axes whose units leave where those of one do, and `to` of them are left.
///
/// # Errors
/// Where a layer refuses it, or an input of the network is tied to it.
pub(crate) fn tied(network: &Network, units: &str, to: i64) -> Result<BTreeSet<String>> {
    let from = length(network, units)?;
    // Of a mere change of order no layer would notice anything.
    let to = if to == from { 2 * from } else { to };
    let mut tied = BTreeSet::from([units.to_string()]);
    loop {
        let before = tied.len();
        for node in &network.nodes {
            for layer in &node.layers {
                tie_inputs(network, layer, &mut tied, (from, to))?;
                for spec in &layer.specs {
                    // Other axes than its own, where it uses another's weights.
                    let theirs = network.all_specs().find(|s| s.name == spec.name);
                    let theirs = theirs.map_or(&spec.axes, |s| &s.axes);
                    tie_shapes(&spec.axes, theirs, &mut tied)?;
                }
            }
            if let Some(mix) = &node.mix
                && !mix.joined
            {
                for layer in &node.layers[1..] {
                    for (port, shape) in node.layers[0].gives.iter() {
                        tie_shapes(shape, &layer.gives[port], &mut tied)?;
                    }
                }
            }
        }
        if tied.len() == before {
            break;
        }
    }
    match tied.iter().find(|u| u.starts_with("in.")) {
        None => Ok(tied),
        Some(input) => Err(Error::new(format!("the units of `{units}` cannot leave"))
            .found(format!("they are tied to the network's input `{input}`"))
            .into()),
    }
}

/// Asks a layer whether it takes inputs with the tied axes shortened, and ties what it takes only with them.
fn tie_inputs(
    network: &Network,
    layer: &BuiltLayer,
    tied: &mut BTreeSet<String>,
    (from, to): (i64, i64),
) -> Result<()> {
    let inputs = network.shapes_into(layer);
    let shapes = inputs.values().flatten();
    let leaves: Vec<&Axis> = shapes.flat_map(Axis::leaves).collect();
    let is_tied = |tied: &BTreeSet<String>, leaf: &Axis| {
        leaf.units.as_ref().is_some_and(|u| tied.contains(u))
    };
    if !leaves.iter().any(|leaf| is_tied(tied, leaf)) {
        return Ok(());
    }
    let takes = |tied: &BTreeSet<String>| {
        let shortened = resized(&inputs, tied, to);
        layer.layer.weights(&shortened)?;
        layer.layer.shapes(&shortened).map(drop)
    };
    let Err(refusal) = takes(tied) else {
        return Ok(());
    };
    let others = leaves.iter().filter(|leaf| leaf.size == Some(from));
    let others: BTreeSet<String> = others
        .filter_map(|leaf| leaf.units.clone())
        .filter(|units| !tied.contains(units))
        .collect();
    let mut all = tied.clone();
    all.extend(others.iter().cloned());
    if takes(&all).is_err() {
        return Err(
            Error::new(format!("node `{}` cannot do with {to} units", layer.place))
                .caused_by(plugin_api::boundary::as_error(refusal))
                .into(),
        );
    }
    for other in others {
        let mut without = all.clone();
        without.remove(&other);
        if takes(&without).is_ok() {
            all = without;
        }
    }
    *tied = all;
    Ok(())
}

/// Ties axes that lie at the same place of shapes that must stay alike.
fn tie_shapes(a: &[Axis], b: &[Axis], tied: &mut BTreeSet<String>) -> Result<()> {
    for (a, b) in a.iter().zip(b) {
        let (a, b) = (a.leaves(), b.leaves());
        let moves = |leaves: &[&Axis]| {
            let mut units = leaves.iter().filter_map(|l| l.units.as_ref());
            units.find(|u| tied.contains(*u)).cloned()
        };
        let Some(units) = moves(&a).or_else(|| moves(&b)) else {
            continue;
        };
        if a.len() != b.len() {
            let what = format!("the units of `{units}` cannot leave");
            return Err(Error::new(what)
                .found("an axis of one part is tied to one of several parts")
                .into());
        }
        for (a, b) in a.iter().zip(&b) {
            if let (Some(a), Some(b)) = (&a.units, &b.units)
                && (tied.contains(a) || tied.contains(b))
            {
                tied.extend([a.clone(), b.clone()]);
            }
        }
    }
    Ok(())
}

fn resized(shapes: &Shapes, tied: &BTreeSet<String>, to: i64) -> Shapes {
    let shorten = |axis: &mut Axis| {
        if axis.units.as_ref().is_some_and(|u| tied.contains(u)) {
            axis.size = Some(to);
        }
    };
    let resize = |shape: &Shape| -> Shape {
        let axes = shape.iter().cloned();
        axes.map(|axis| axis.map(&mut { shorten })).collect()
    };
    shapes
        .iter()
        .map(|(port, shape)| (port, resize(shape)))
        .collect()
}
