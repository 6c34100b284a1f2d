//! The forward pass: weights as layers see them, and the nodes in their order.

use std::borrow::Cow;
use std::cell::{Cell, RefCell};

use plugin_api::role::{Hypernet, Layer};
use plugin_api::{Ask, Batch, Error, Result, Seen, Tensors, Value, WeightSpec};

use super::{NetSession, samples};
use crate::crumb;
use crate::network::{Built, BuiltLayer, Generator, Network};
use crate::pass::{LayerPass, Run};
use crate::same::SameBatch;

impl NetSession {
    /// All weights of a pass: the session's own, then those that hypernets make, replaced and masked.
    pub(super) fn live(&self, x: &Batch, ask: &Ask<'_>) -> Result<Tensors> {
        let none = Tensors::new();
        let replaced = ask.replaced().unwrap_or(&none);
        let mut all = self.weights.map(|path, own| match replaced.get(path) {
            Some(other) => other.shallow_clone(),
            None => own.shallow_clone(),
        });
        // A later hypernet may make the weights of an earlier one.
        for generator in self.network.generators.iter().rev() {
            let made = generate(generator, &all, ask.conditions().unwrap_or(x))?;
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
    fn views_of(&self, x: &Batch, ask: &Ask<'_>) -> Result<Cow<'_, [Tensors]>> {
        if let (Some(views), None) = (&self.views, ask.replaced()) {
            return Ok(Cow::Borrowed(views));
        }
        let live = self.live(x, ask)?;
        Ok(Cow::Owned(views(&self.network, &live)))
    }

    /// Runs the network; where every sample has weights of its own, one sample after the other.
    pub(super) fn run(&self, x: &Batch, ask: &Ask<'_>) -> Result<Seen> {
        let x = &*self.shown(x, ask);
        match self.network.generators.iter().find(|g| g.each) {
            Some(generator) if ask.conditions().is_none() => {
                let samples = x.tensor(&generator.condition[0])?.size()[0];
                samples::one_by_one(x, samples, |alone| self.run_once(alone, ask))
            }
            _ => self.run_once(x, ask),
        }
    }

    /// What of a batch a network sees: targets in training alone.
    fn shown<'b>(&self, x: &'b Batch, ask: &Ask<'_>) -> Cow<'b, Batch> {
        let hidden = |port: &str| !ask.is_train() && self.ports.targets.contains(port);
        match self.network.inputs.iter().any(|(port, _)| hidden(port)) {
            true => Cow::Owned(
                x.clone()
                    .into_iter()
                    .filter(|(port, _)| !hidden(port))
                    .collect(),
            ),
            false => Cow::Borrowed(x),
        }
    }

    /// Runs the nodes one after the other. What a batch lacks, the layers that would take it lack too; a node that
    /// lacks all its inputs is absent, and so is a mix that does not offer what is chosen.
    fn run_once(&self, x: &Batch, ask: &Ask<'_>) -> Result<Seen> {
        let run = Run {
            ask,
            step: self.steps,
            seed: self.seed,
            taps: RefCell::default(),
            watched: ask.is_watched() || !self.needed_taps.is_empty(),
            needed: &self.needed_taps,
            choices: self.choices_of(x, ask)?,
        };
        self.check_nodes(ask)?;
        let views = self.views_of(x, ask)?;
        let mut rest: &[Tensors] = &views;
        let mut values: Vec<Option<Value>> = vec![None; self.network.slots.len()];
        for (port, slot) in &self.network.inputs {
            values[*slot] = x.get(port).cloned();
        }
        for (i, node) in self.network.nodes.iter().enumerate() {
            let own;
            (own, rest) = rest.split_at(node.layers.len());
            let outputs = |port: &str| format!("{}.{port}", node.name);
            if !ask.runs(&node.name) {
                for (port, slot) in &node.outputs {
                    values[*slot] = x.get(&outputs(port)).cloned();
                }
            } else if let Some(mut given) = run_node(node, own, &values, &run)? {
                for (port, slot) in &node.outputs {
                    let value = given.remove(port).ok_or_else(|| {
                        let component = &node.layers[0].component;
                        let what = format!("gave no output `{port}`, which it had promised");
                        Error::new(format!("`{component}` at node `{}` {what}", node.name))
                    })?;
                    values[*slot] = Some(match value {
                        Value::Tensor(t) if run.watched => run.show(&outputs(port), t).into(),
                        value => value,
                    });
                }
            }
            let next = self.network.nodes.get(i + 1);
            if ask.ends(&node.name, next.map(|n| n.name.as_str())) {
                break;
            }
        }
        let mut taps = run.taps.into_inner();
        if !self.needed_weights.is_empty() {
            let live = self.live(x, ask)?;
            let needed = |spec: &&WeightSpec| self.needed_weights.iter().any(|s| spec.matches(s));
            for spec in self.network.all_specs().filter(needed) {
                taps.put(
                    format!("weight:{}", spec.name),
                    live[&spec.name].shallow_clone(),
                );
            }
        }
        Ok(Seen {
            outputs: named(&self.network.outputs, &values),
            taps,
            step: self.steps,
        })
    }

    /// Refuses a part of the network that is not there.
    fn check_nodes(&self, ask: &Ask<'_>) -> Result<()> {
        if ask.last().is_none() && !ask.is_partial() {
            return Ok(());
        }
        let names = || self.network.nodes.iter().map(|n| n.name.as_str());
        let missing = match ask.last() {
            Some(last) if !names().any(|name| ask.ends(name, None)) => Some(last),
            _ => None,
        };
        let nothing = !names().any(|name| ask.runs(name));
        match (missing, nothing) {
            (None, false) => Ok(()),
            (last, _) => {
                let last = last.map_or("nodes to run alone".into(), |l| format!("node `{l}`"));
                Err(Error::new(format!("there is no {last}"))
                    .found(names().collect::<Vec<_>>().join(", "))
                    .into())
            }
        }
    }
}

/// What a node gives; `None` where it is absent.
fn run_node(
    node: &Built,
    own: &[Tensors],
    values: &[Option<Value>],
    run: &Run<'_>,
) -> Result<Option<Batch>> {
    let Some(mix) = &node.mix else {
        let layer = &node.layers[0];
        let x = inputs(layer, values);
        return x.map(|x| run_layer(layer, &own[0], &x, run)).transpose();
    };
    let decision = &mix.decision;
    let choices = run.choices.as_ref();
    let choice = choices.and_then(|c| c.get(decision)).ok_or_else(|| {
        Error::new(format!("node `{}` is still open", node.name)).help(format!(
            "decide `{decision}`, or have a relaxation choose: session.relax"
        ))
    })?;
    let mut joined = Batch::new();
    let mut sum: Option<Batch> = None;
    for option in choice.active() {
        let offered = node.layers.iter().position(|l| l.option == option);
        let Some(i) = offered else { continue };
        let Some(x) = inputs(&node.layers[i], values) else {
            continue;
        };
        let given = run_layer(&node.layers[i], &own[i], &x, run)?;
        if mix.joined {
            joined.extend(given.into_iter().map(|(_, v)| (option.to_string(), v)));
        } else {
            let weight = choice.weights.f_get(i64::try_from(option)?)?;
            let sum = sum.get_or_insert_default();
            for (port, value) in given {
                let Value::Tensor(t) = value else {
                    let what = format!("`{port}` of node `{}` carries a graph", node.name);
                    return Err(Error::new(format!("{what}, which cannot be weighed")).into());
                };
                let weighed = t.f_mul(&weight)?;
                let so_far = match sum.get(&port) {
                    Some(Value::Tensor(before)) => before.f_add(&weighed)?,
                    _ => weighed,
                };
                sum.put(&port, so_far);
            }
        }
    }
    if joined.is_empty() {
        return Ok(sum);
    }
    joined.put("mix", choice.weights.clone());
    let join = node.layers.len() - 1;
    run_layer(&node.layers[join], &own[join], &joined, run).map(Some)
}

/// What comes in at a layer; `None` where it takes something and all of it is lacking.
fn inputs(layer: &BuiltLayer, values: &[Option<Value>]) -> Option<Batch> {
    let x = named(&layer.inputs, values);
    (!x.is_empty() || layer.inputs.is_empty()).then_some(x)
}

fn run_layer(layer: &BuiltLayer, w: &Tensors, x: &Batch, run: &Run<'_>) -> Result<Batch> {
    let _here = crumb::enter(&layer.component);
    let pass = LayerPass {
        run,
        place: &layer.place,
        weights: w,
        draws: Cell::new(0),
    };
    let learns = |x: &Value| matches!(x, Value::Tensor(t) if t.requires_grad());
    let Some(kept) = layer.kept.as_ref().filter(|_| {
        // Taps inside a layer are shown by running it.
        !run.watched && !x.iter().any(|(_, x)| learns(x))
    }) else {
        return layer.layer.forward(w, x, &pass);
    };
    if let Some((given, made)) = &*kept.borrow()
        && given.is(x)?
        && let Some(made) = made.get()?
    {
        return Ok(made);
    }
    let made = layer.layer.forward(w, x, &pass)?;
    *kept.borrow_mut() = Some((SameBatch::new(x)?, SameBatch::new(&made)?));
    Ok(made)
}

/// What a hypernet makes of its own weights, held to what it promised.
fn generate(generator: &Generator, all: &Tensors, x: &Batch) -> Result<Tensors> {
    let Generator {
        name,
        component,
        hypernet,
        condition,
        target,
        weights,
        ..
    } = generator;
    let seen = condition.iter().map(|port| {
        let value = x.get(port).ok_or_else(|| {
            Error::new(format!(
                "hypernet `{name}` sees `{port}`, which is not there"
            ))
            .help("give it with the batch, or as the condition of the pass")
        });
        Ok((port, value?.clone()))
    });
    let condition: Batch = seen.collect::<Result<_>>()?;
    let _here = crumb::enter(component);
    let mut made = hypernet.generate(&view(weights, all), &condition, target)?;
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
