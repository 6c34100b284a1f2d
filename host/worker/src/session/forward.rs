//! The forward pass: weights as layers see them, and the nodes in their order.

use std::borrow::Cow;
use std::cell::{Cell, RefCell};

use plugin_api::role::{Hypernet, Layer};
use plugin_api::{Ask, Batch, Error, Result, Seen, Tensors, Value};

use super::NetSession;
use crate::crumb;
use crate::network::{Built, BuiltLayer, Generator, Network};
use crate::pass::{LayerPass, Run};

impl NetSession {
    /// All weights of a pass: the session's own, then those that hypernets make, replaced and masked.
    pub(super) fn live(&self, ask: &Ask<'_>) -> Result<Tensors> {
        let none = Tensors::new();
        let replaced = ask.replaced().unwrap_or(&none);
        let mut all = self.weights.map(|path, own| match replaced.get(path) {
            Some(other) => other.shallow_clone(),
            None => own.shallow_clone(),
        });
        // A later hypernet may make the weights of an earlier one.
        for generator in self.network.generators.iter().rev() {
            let made = generate(generator, &all)?;
            all.extend(made);
        }
        for (path, other) in replaced.iter() {
            if !all.contains(path) {
                let what = format!("there is no weight `{path}` to replace");
                return Err(Error::new(what).into());
            }
            all.put(path, other.clone());
        }
        // The session's own weights are kept masked.
        for (path, mask) in self.masks.iter() {
            if replaced.contains(path) || !self.weights.contains(path) {
                let masked = all[path].f_mul(mask)?;
                all.put(path, masked);
            }
        }
        Ok(all)
    }

    /// The weights as each layer sees them.
    fn views_of(&self, ask: &Ask<'_>) -> Result<Cow<'_, [Tensors]>> {
        if let (Some(views), None) = (&self.views, ask.replaced()) {
            return Ok(Cow::Borrowed(views));
        }
        let live = self.live(ask)?;
        Ok(Cow::Owned(views(&self.network, &live)))
    }

    /// Runs the nodes one after the other. What a batch lacks, the layers that would take it lack too.
    pub(super) fn run(&self, x: &Batch, ask: &Ask<'_>) -> Result<Seen> {
        let run = Run {
            ask,
            step: self.steps,
            seed: self.seed,
            taps: RefCell::default(),
            watched: ask.is_watched() || !self.needed_taps.is_empty(),
            needed: &self.needed_taps,
            choices: self.choices_of(ask)?,
        };
        let views = self.views_of(ask)?;
        let mut rest: &[Tensors] = &views;
        let mut values: Vec<Option<Value>> = vec![None; self.network.slots];
        for (port, slot) in &self.network.inputs {
            values[*slot] = x.get(port).cloned();
        }
        for node in &self.network.nodes {
            let own;
            (own, rest) = rest.split_at(node.layers.len());
            let mut given = run_node(node, own, &named(&node.inputs, &values), &run)?;
            for (port, slot) in &node.outputs {
                let value = given.remove(port).ok_or_else(|| {
                    let component = &node.layers[0].component;
                    let what = format!("gave no output `{port}`, which it had promised");
                    Error::new(format!("`{component}` at node `{}` {what}", node.name))
                })?;
                values[*slot] = Some(match value {
                    Value::Tensor(t) if run.watched => {
                        run.show(&format!("{}.{port}", node.name), t).into()
                    }
                    value => value,
                });
            }
        }
        Ok(Seen {
            outputs: named(&self.network.outputs, &values),
            taps: run.taps.into_inner(),
        })
    }
}

fn run_node(node: &Built, own: &[Tensors], x: &Batch, run: &Run<'_>) -> Result<Batch> {
    let Some(decision) = &node.decision else {
        return run_layer(&node.layers[0], &own[0], x, run);
    };
    let choices = run.choices.as_ref();
    let choice = choices.and_then(|c| c.get(decision)).ok_or_else(|| {
        Error::new(format!("node `{}` is still open", node.name)).help(format!(
            "decide `{decision}`, or have a relaxation choose: session.relax"
        ))
    })?;
    let mut sum = Batch::new();
    for option in choice.active() {
        let i = node.layers.iter().position(|l| l.option == option);
        let i = i.ok_or_else(|| {
            let what = format!("node `{}` has nothing for option {option}", node.name);
            Error::new(format!("{what} of `{decision}`"))
        })?;
        let weight = choice.weights.f_get(i64::try_from(option)?)?;
        for (port, value) in run_layer(&node.layers[i], &own[i], x, run)? {
            let Value::Tensor(t) = value else {
                let what = format!("`{port}` of node `{}` carries a graph", node.name);
                return Err(Error::new(format!("{what}, which cannot be weighed")).into());
            };
            let weighed = t.f_mul(&weight)?;
            let sum_so_far = match sum.get(&port) {
                Some(Value::Tensor(before)) => before.f_add(&weighed)?,
                _ => weighed,
            };
            sum.put(&port, sum_so_far);
        }
    }
    Ok(sum)
}

fn run_layer(layer: &BuiltLayer, w: &Tensors, x: &Batch, run: &Run<'_>) -> Result<Batch> {
    let _here = crumb::enter(&layer.component);
    let pass = LayerPass {
        run,
        place: &layer.place,
        weights: w,
        draws: Cell::new(0),
    };
    layer.layer.forward(w, x, &pass)
}

/// What a hypernet makes of its own weights, held to what it promised.
fn generate(generator: &Generator, all: &Tensors) -> Result<Tensors> {
    let Generator {
        name,
        component,
        hypernet,
        target,
        weights,
    } = generator;
    let _here = crumb::enter(component);
    let mut made = hypernet.generate(&view(weights, all), &Batch::new(), target)?;
    let promised = target.iter().map(|spec| {
        let found = made.remove(&spec.name);
        let size = found.as_ref().map(|t| t.size());
        found
            .filter(|t| t.size() == spec.size())
            .map(|t| (&spec.name, t))
            .ok_or_else(|| {
                Error::new(format!("hypernet `{name}` did not make `{}`", spec.name))
                    .found(size.map_or("nothing".into(), |size| format!("{size:?}")))
                    .expected(format!("{:?}", spec.size()))
                    .into()
            })
    });
    promised.collect()
}

/// The values in these slots, by port.
fn named(slots: &[(String, usize)], values: &[Option<Value>]) -> Batch {
    slots
        .iter()
        .filter_map(|(port, slot)| Some((port, values[*slot].clone()?)))
        .collect()
}

/// The weights as each layer sees them, in the order in which they stand.
pub(super) fn views(network: &Network, all: &Tensors) -> Vec<Tensors> {
    let layers = network.nodes.iter().flat_map(|node| &node.layers);
    layers.map(|layer| view(&layer.weights, all)).collect()
}

/// The weights of these paths under the names that a layer gave them.
pub(super) fn view(names: &[(String, String)], all: &Tensors) -> Tensors {
    names
        .iter()
        .map(|(name, path)| (name, &all[path]))
        .collect()
}
