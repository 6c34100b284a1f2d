//! What running a network takes: counted, or expected over what is still open.

use std::collections::HashSet;

use plugin_api::role::Layer;
use plugin_api::{
    Axis, Cost, Decision, Domain, Error, Group, Named, Result, Tensors, WeightSpec, kind,
};
use tch::{Device, Kind, Tensor};

use super::NetSession;
use crate::network::{Built, BuiltLayer, Network};

impl NetSession {
    /// Counted, or its expectation: each layer counts with the probability that the decided architecture still needs
    /// it, as if the decisions that can drop it did so one by one.
    pub(super) fn cost_of(
        &self,
        what: &str,
        probabilities: &Tensors,
    ) -> Result<plugin_api::Tensor> {
        let open = self.left_open(probabilities)?;
        let kept: Vec<(&Decision, Vec<HashSet<&str>>)> = open
            .iter()
            .map(|(decision, options)| {
                let with = |k| needed(&self.network, &decision.name, k);
                (*decision, (0..*options).map(with).collect())
            })
            .collect();

        let mut counted = HashSet::new();
        let mut total = scalar(0.0, probabilities)?;
        for layer in self.network.nodes.iter().flat_map(|n| &n.layers) {
            let mut here = self.cost_of_layer(layer, what, probabilities, &mut counted)?;
            for (decision, kept) in &kept {
                let with: Vec<bool> = kept.iter().map(|k| k.contains(&*layer.place)).collect();
                if with.contains(&false) {
                    let p = &probabilities[&decision.name];
                    let with = Tensor::from_slice(&with).f_to_kind(p.kind())?;
                    let probability = p.f_mul(&with.f_to_device(p.device())?)?.f_sum(p.kind())?;
                    here = here.f_mul(&probability)?;
                }
            }
            total = total.f_add(&here)?;
        }
        Ok(total.into())
    }

    /// The same of each layer, where nothing is open.
    pub(super) fn costs_by_layer(&self, what: &str) -> Result<Named<f64>> {
        let mut counted = HashSet::new();
        let layers = self.network.nodes.iter().flat_map(|n| &n.layers);
        let cost = |layer: &BuiltLayer| {
            let cost = self.cost_of_layer(layer, what, &Tensors::new(), &mut counted)?;
            Ok((layer.place.clone(), f64::try_from(&cost)?))
        };
        layers.map(cost).collect()
    }

    /// What a layer takes, as long as it is there.
    fn cost_of_layer(
        &self,
        layer: &BuiltLayer,
        what: &str,
        probabilities: &Tensors,
        counted: &mut HashSet<String>,
    ) -> Result<Tensor> {
        let mut sum = scalar(0.0, probabilities)?;
        for cost in self.declared(layer, what, counted)? {
            let mut product = scalar(cost.coefficient, probabilities)?;
            for axis in &cost.axes {
                product = product.f_mul(&self.expected(axis, probabilities)?)?;
            }
            sum = sum.f_add(&product)?;
        }
        Ok(sum)
    }

    /// The decisions of which probabilities are given, with their numbers of options.
    fn left_open(&self, probabilities: &Tensors) -> Result<Vec<(&Decision, usize)>> {
        let decisions = &self.network.arch.decisions;
        let open = probabilities.iter().map(|(name, p)| {
            let decision = decisions.iter().find(|d| d.name == name);
            let decision = decision.ok_or_else(|| {
                let all: Vec<&str> = decisions.iter().map(|d| d.name.as_str()).collect();
                Error::new(format!("the architecture does not leave `{name}` open"))
                    .found(all.join(", "))
            })?;
            match &decision.domain {
                Domain::Options(options) if p.size() == [options.len() as i64] => {
                    Ok((decision, options.len()))
                }
                domain => Err(Error::new(format!("`{name}` has other probabilities"))
                    .found(format!("{:?}", p.size()))
                    .expected(format!("one for each of {domain:?}"))
                    .into()),
            }
        });
        open.collect()
    }

    /// What a layer says that it takes, or what its weights do.
    fn declared(
        &self,
        layer: &BuiltLayer,
        what: &str,
        counted: &mut HashSet<String>,
    ) -> Result<Vec<Cost>> {
        let inputs = self.network.shapes_into(layer);
        let mut costs = layer.layer.cost(&inputs)?;
        costs.retain(|cost| cost.what == what);
        // The layer speaks of its own axes as they are before any unit left.
        let axes = layer.specs.iter().flat_map(|s| &s.axes);
        let axes = axes.chain(layer.gives.values().flatten());
        let own: Vec<&Axis> = axes.flat_map(Axis::leaves).collect();
        for cost in &mut costs {
            let left = |axis: &mut Axis| {
                let units = format!("{}.{}", layer.place, axis.name);
                let here = own.iter().find(|a| a.units.as_ref() == Some(&units));
                if let (None, Some(here)) = (&axis.units, here) {
                    axis.size = here.size;
                }
            };
            let axes = std::mem::take(&mut cost.axes).into_iter();
            cost.axes = axes.map(|axis| axis.map(&mut { left })).collect();
        }
        if costs.is_empty() && ["parameters", "bits"].contains(&what) {
            // Buffers take room, but nobody learns them.
            let counts = |spec: &&WeightSpec| what == "bits" || spec.group != Group::Buffer;
            for spec in layer.specs.iter().filter(counts) {
                // Shared weights are there once.
                if counted.insert(spec.name.clone()) {
                    let bits = kind(spec.dtype).elt_size_in_bytes() as f64 * 8.0;
                    let each = if what == "bits" { bits } else { 1.0 };
                    costs.push(Cost::new(what, each, spec.axes.clone()));
                }
            }
        }
        Ok(costs)
    }

    /// How long an axis is: where a decision chooses, its expectation.
    fn expected(&self, axis: &Axis, probabilities: &Tensors) -> Result<Tensor> {
        let chosen = axis.choice.as_ref().and_then(|name| {
            let decisions = &self.network.arch.decisions;
            let decision = decisions.iter().find(|d| d.name == *name)?;
            Some((probabilities.get(name)?, &decision.domain))
        });
        let Some((p, Domain::Options(lengths))) = chosen else {
            return scalar(axis.size.unwrap_or(1) as f64, probabilities);
        };
        let lengths = lengths.iter().map(|length| {
            length.as_f64().ok_or_else(|| {
                Error::new(format!("axis `{}` has no number to choose from", axis.name))
                    .found(length)
                    .into()
            })
        });
        let lengths = Tensor::from_slice(&lengths.collect::<Result<Vec<f64>>>()?);
        let lengths = lengths.f_to_kind(p.kind())?.f_to_device(p.device())?;
        Ok(p.f_mul(&lengths)?.f_sum(p.kind())?)
    }
}

/// A number beside the probabilities: of their kind, on their device.
fn scalar(x: f64, probabilities: &Tensors) -> Result<Tensor> {
    let like = probabilities.values().next();
    let (kind, device) = like.map_or((Kind::Double, Device::Cpu), |p| (p.kind(), p.device()));
    Ok(Tensor::f_full([0_i64; 0], x, (kind, device))?)
}

/// The places of the layers that the outputs need where a decision takes this option, and others take any.
fn needed<'a>(network: &'a Network, decision: &str, option: usize) -> HashSet<&'a str> {
    let offered = |node: &'a Built| {
        let asked = node.mix.as_ref().filter(|mix| mix.decision == decision);
        let joined = node.mix.as_ref().is_some_and(|mix| mix.joined);
        let join = node.layers.len() - usize::from(joined);
        let layers = node.layers.iter().enumerate();
        layers.filter_map(move |(i, layer)| {
            let fits = asked.is_none() || i == join || layer.option == option;
            fits.then_some(layer)
        })
    };
    let mut there: HashSet<usize> = network.inputs.iter().map(|(_, slot)| *slot).collect();
    let present = |layer: &BuiltLayer, there: &HashSet<usize>| {
        let mut inputs = layer.inputs.iter().map(|(_, slot)| slot);
        layer.inputs.is_empty() || inputs.any(|slot| there.contains(slot))
    };
    for node in &network.nodes {
        // A join alone makes nothing.
        let mut makers = offered(node).filter(|l| l.joins.is_empty());
        if makers.any(|l| present(l, &there)) {
            there.extend(node.outputs.iter().map(|(_, slot)| *slot));
        }
    }
    let mut wanted: HashSet<usize> = network.outputs.iter().map(|(_, slot)| *slot).collect();
    let mut needed = HashSet::new();
    for node in network.nodes.iter().rev() {
        let makes = |slot: &usize| wanted.contains(slot) && there.contains(slot);
        if !node.outputs.iter().any(|(_, slot)| makes(slot)) {
            continue;
        }
        for layer in offered(node).filter(|l| present(l, &there)) {
            needed.insert(layer.place.as_str());
            wanted.extend(layer.inputs.iter().map(|(_, slot)| *slot));
        }
    }
    needed
}
