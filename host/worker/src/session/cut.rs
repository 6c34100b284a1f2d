//! Units that leave, or are masked: what becomes of all that is tied to them.

use std::collections::{BTreeMap, BTreeSet};

use plugin_api::{Arch, Axis, Carry, Error, Group, Named, Result, Tensors, WeightSpec};
use tch::{Kind, Tensor};

use super::NetSession;
use crate::network::Network;
use crate::units;

impl NetSession {
    /// Takes units away that masks hide in every learned weight along which they lie. Of an axis without any other the first
    /// is left.
    pub(crate) fn cut_masked(&mut self) -> Result<()> {
        let mut seen = Tensors::new();
        for spec in self.learned("model") {
            let mask = self.masks.get(&spec.name).map(|mask| mask.shallow_clone());
            let all = || Tensor::f_ones(spec.size(), (Kind::Float, self.device));
            seen.put(&spec.name, mask.map_or_else(all, Ok)?);
        }
        for (axis, seen) in self.gathered(&seen)?.iter() {
            let keep: Vec<i64> = Vec::try_from(seen.f_nonzero()?.f_view([-1])?)?;
            let keep = if keep.is_empty() { vec![0] } else { keep };
            if (keep.len() as i64) < seen.size1()? {
                self.cut_units(axis, &keep)?;
            }
        }
        Ok(())
    }

    /// The mean of what weights have, `[out, in]` by path, over all that leaves with a unit: `[units]` by axis, for each
    /// axis whose units can leave. Of axes that are tied one stands for all.
    pub(super) fn gathered(&self, of_weights: &Tensors) -> Result<Tensors> {
        let specs: Vec<WeightSpec> = { self.network.all_specs() }
            .filter(|spec| of_weights.contains(&spec.name))
            .cloned()
            .collect();
        let leaves = specs
            .iter()
            .flat_map(|spec| &spec.axes)
            .flat_map(Axis::leaves);
        let axes: Vec<String> = leaves.filter_map(|leaf| leaf.units.clone()).collect();
        let (mut gathered, mut done) = (Tensors::new(), BTreeSet::new());
        for axis in axes {
            if done.contains(&axis) {
                continue;
            }
            let Some(tied) = self.leaving(&axis) else {
                done.insert(axis);
                continue;
            };
            let length = units::length(&self.network, &axis)?;
            gathered.put(&axis, mean_over(&specs, of_weights, &tied, length)?);
            done.extend(tied);
        }
        Ok(gathered)
    }

    /// What leaves with the units of an axis; `None` where they cannot leave.
    fn leaving(&self, axis: &str) -> Option<BTreeSet<String>> {
        let length = units::length(&self.network, axis).ok()?;
        let fewer: Vec<i64> = (1..length).collect();
        let (_, tied) = self.without(axis, &fewer).ok()?;
        Some(tied)
    }

    /// Takes units away, with all that is tied to them.
    pub(super) fn cut_units(&mut self, axis: &str, keep: &[i64]) -> Result<()> {
        let length = units::length(&self.network, axis)?;
        let distinct: BTreeSet<&i64> = keep.iter().collect();
        let inside = keep.iter().all(|unit| (0..length).contains(unit));
        if keep.is_empty() || distinct.len() != keep.len() || !inside {
            return Err(Error::new(format!("`{axis}` cannot be cut to these units"))
                .found(format!("{keep:?}"))
                .expected(format!(
                    "one or more different numbers from 0 to {}",
                    length - 1
                ))
                .into());
        }
        let (cut, tied) = self.without(axis, keep)?;
        let kept = |units: &str| tied.contains(units).then(|| keep.to_vec());
        let mut carry = vec![];
        for spec in self.network.all_specs() {
            let places: Vec<_> = spec.axes.iter().map(|a| units::places(a, &kept)).collect();
            if places.iter().all(Option::is_none) {
                continue;
            }
            let along = |carry: Carry, (axis, places): (usize, Option<Vec<i64>>)| match places {
                Some(places) => carry.along(axis, Tensor::from_slice(&places)),
                None => carry,
            };
            let same = Carry::renamed(&spec.name, &spec.name);
            carry.push(places.into_iter().enumerate().fold(same, along));
        }
        let next = self.grown_to(&cut, &carry)?;
        *self = next;
        Ok(())
    }

    /// The architecture with these units of an axis alone, and what is tied to it.
    fn without(&self, axis: &str, keep: &[i64]) -> Result<(Arch, BTreeSet<String>)> {
        let tied = units::tied(&self.network, axis, i64::try_from(keep.len())?)?;
        let mut arch = self.network.arch.clone();
        for units in &tied {
            let living = living_of(&self.network, &mut arch, units)?;
            *living = keep.iter().map(|unit| living[*unit as usize]).collect();
        }
        let kept = |units: &str| tied.contains(units).then(|| keep.to_vec());
        let along =
            |spec: &&WeightSpec| spec.axes.iter().any(|a| units::places(a, &kept).is_some());
        let made = |spec: &&WeightSpec| self.weights.get(&spec.name).is_none();
        if let Some(spec) = self.network.all_specs().filter(along).find(made) {
            return Err(Error::new(format!(
                "the units of `{axis}` cannot leave: a hypernet makes `{}`",
                spec.name
            ))
            .into());
        }
        Ok((self.pinned(arch, &tied)?, tied))
    }

    /// The architecture in which only the tied axes have another length: a width that a layer took over from its input
    /// as a number would follow it.
    fn pinned(&self, mut arch: Arch, tied: &BTreeSet<String>) -> Result<Arch> {
        let lengths = lengths(&self.network);
        loop {
            let cut = Network::build(arch.clone(), &self.ports)?;
            let moved = self::lengths(&cut).into_iter().find(|(units, length)| {
                !tied.contains(units) && lengths.get(units).is_some_and(|l| l != length)
            });
            let Some((units, _)) = moved else {
                return Ok(arch);
            };
            // Asking for it writes it down.
            living_of(&self.network, &mut arch, &units)?;
        }
    }

    /// Masks of weights in place of masks of units, `[units]` by axis.
    pub(super) fn spread(&self, masks: &Tensors) -> Result<Tensors> {
        let is_weight = |name: &str| self.network.all_specs().any(|s| s.name == name);
        let (mut spread, mut by_units) = (Tensors::new(), Named::new());
        for (name, mask) in masks.iter() {
            if is_weight(name) {
                spread.put(name, mask.clone());
            } else {
                by_units.put(name, mask.clone());
            }
        }
        for (axis, mask) in by_units.iter() {
            let length = units::length(&self.network, axis)?;
            if mask.size() != [length] {
                return Err(Error::new(format!(
                    "the mask of the units `{axis}` has another shape"
                ))
                .found(format!("{:?}", mask.size()))
                .expected(format!("[{length}]"))
                .into());
            }
            let keep: Vec<i64> = Vec::try_from(mask.f_nonzero()?.f_view([-1])?)?;
            let tied = units::tied(&self.network, axis, i64::try_from(keep.len())?.max(1))?;
            let kept = |units: &str| tied.contains(units).then(|| keep.clone());
            let learned = self.network.all_specs().filter(|s| s.group == Group::Model);
            for spec in learned {
                if let Some(of_units) = mask_along(spec, &kept)? {
                    let so_far = spread
                        .get(&spec.name)
                        .or_else(|| self.masks.get(&spec.name));
                    let mask = match so_far {
                        Some(mask) => of_units.f_to_device(mask.device())?.f_mul(mask)?,
                        None => of_units,
                    };
                    spread.put(&spec.name, mask);
                }
            }
        }
        Ok(spread)
    }
}

/// The mean over all that leaves with each unit of the tied axes, of weights that have something: `[units]`.
fn mean_over(
    specs: &[WeightSpec],
    of_weights: &Tensors,
    tied: &BTreeSet<String>,
    length: i64,
) -> Result<Tensor> {
    let mean = |unit: i64| {
        let others: Vec<i64> = (0..length).filter(|other| *other != unit).collect();
        let kept = |units: &str| tied.contains(units).then(|| others.clone());
        let (mut sum, mut count) = (0.0, 0.0);
        for spec in specs {
            if let Some(stays) = mask_along(spec, &kept)? {
                let of = of_weights[&spec.name].f_detach()?;
                let leaves = stays.f_rsub_scalar(1)?.f_to_device(of.device())?;
                count += leaves.f_sum(Kind::Double)?.f_double_value(&[])?;
                sum += of
                    .f_mul(&leaves)?
                    .f_sum(Kind::Double)?
                    .f_double_value(&[])?;
            }
        }
        Ok(sum / count)
    };
    let means: Vec<f64> = (0..length).map(mean).collect::<Result<_>>()?;
    Ok(Tensor::from_slice(&means))
}

/// The mask of a weight along whose axes units have left; `None` where none of them lie there.
fn mask_along(
    spec: &WeightSpec,
    kept: &dyn Fn(&str) -> Option<Vec<i64>>,
) -> Result<Option<Tensor>> {
    let cpu = (Kind::Float, tch::Device::Cpu);
    let mut mask = None;
    for (i, axis) in spec.axes.iter().enumerate() {
        let Some(places) = units::places(axis, kept) else {
            continue;
        };
        let mut along = vec![1; spec.axes.len()];
        along[i] = axis.size.unwrap_or_default();
        let alive = Tensor::f_zeros([along[i]], cpu)?
            .f_index_fill(0, &Tensor::from_slice(&places), 1)?
            .f_view(along.as_slice())?;
        let so_far = mask.take();
        let so_far = so_far.map_or_else(|| Tensor::f_ones(spec.size(), cpu), Ok)?;
        mask = Some(so_far.f_mul(&alive)?);
    }
    Ok(mask)
}

/// The units that are left at an axis, in the node at which they come into being; all of them where none has left.
fn living_of<'a>(network: &Network, arch: &'a mut Arch, units: &str) -> Result<&'a mut Vec<i64>> {
    let length = units::length(network, units)?;
    let layers = network.nodes.iter().flat_map(|node| {
        let layers = node.layers.iter();
        layers.map(move |layer| (&node.name, &layer.place))
    });
    let here = |(node, place): (&String, &String)| {
        let axis = units.strip_prefix(place.as_str())?.strip_prefix('.')?;
        let local = place.strip_prefix(node.as_str())?.strip_prefix('.');
        let key = local.map_or(axis.to_string(), |local| format!("{local}.{axis}"));
        Some((node.clone(), place.len(), key))
    };
    // A place may begin as another does.
    let found = layers.filter_map(here).max_by_key(|(_, length, _)| *length);
    let (node, _, key) =
        found.ok_or_else(|| Error::new(format!("no node gives the units `{units}`")))?;
    let node = arch
        .find_mut(&node)
        .ok_or_else(|| Error::new(format!("there is no node `{node}`")))?;
    if !node.living.contains(&key) {
        node.living.put(&key, (0..length).collect());
    }
    Ok(node.living.get_mut(&key).expect("put there above"))
}

/// The lengths of all axes at which units come into being.
fn lengths(network: &Network) -> BTreeMap<String, i64> {
    let specs = network.all_specs().flat_map(|s| &s.axes);
    let leaves = network.slots.iter().flatten().chain(specs);
    leaves
        .flat_map(Axis::leaves)
        .filter_map(|leaf| Some((leaf.units.clone()?, leaf.size?)))
        .collect()
}
