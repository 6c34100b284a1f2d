//! Building an architecture: names are resolved and shapes checked once, before anything runs.

use std::collections::HashMap;

use plugin_api::host::Services;
use plugin_api::role::{Hypernet, HypernetObj, Layer, LayerObj};
use plugin_api::{
    Arch, Error, Group, MixOption, Node, NodeKind, Ports, Recipe, Result, Shape, Shapes,
    WeightSpec, show,
};

use crate::registry::host;

/// Where the paths of the network's inputs begin.
const INPUTS: &str = "in";
/// Where the paths of a relaxation's weights begin.
pub(crate) const RELAXATION: &str = "relaxation";

/// A network ready to run: its weights are declared, but live in the session.
pub(crate) struct Network {
    pub(crate) arch: Arch,
    pub(crate) nodes: Vec<Built>,
    /// Where the inputs of a pass go: port and slot.
    pub(crate) inputs: Vec<(String, usize)>,
    /// Where its outputs are: port and slot.
    pub(crate) outputs: Vec<(String, usize)>,
    /// Number of values that a pass holds.
    pub(crate) slots: usize,
    /// The weights that the session keeps, by path.
    pub(crate) specs: Vec<WeightSpec>,
    pub(crate) generators: Vec<Generator>,
}

/// A node with its layer, or with those that a mix chooses from.
pub(crate) struct Built {
    pub(crate) name: String,
    /// What a mix asks.
    pub(crate) decision: Option<String>,
    /// One, unless the node is a mix.
    pub(crate) layers: Vec<BuiltLayer>,
    pub(crate) inputs: Vec<(String, usize)>,
    pub(crate) outputs: Vec<(String, usize)>,
}

/// A layer in its place.
pub(crate) struct BuiltLayer {
    /// `node`, or `node.2` for the option 2 of a mix: weights are `place.weight`, taps `place/name`.
    pub(crate) place: String,
    /// The option of the mix that it is.
    pub(crate) option: usize,
    /// `plugin/component`.
    pub(crate) component: String,
    pub(crate) layer: LayerObj,
    /// Names of its weights inside the layer, and their paths.
    pub(crate) weights: Vec<(String, String)>,
}

/// A hypernet with the weights that it makes.
pub(crate) struct Generator {
    pub(crate) name: String,
    pub(crate) component: String,
    pub(crate) hypernet: HypernetObj,
    /// What it makes, by path.
    pub(crate) target: Vec<WeightSpec>,
    /// Names of its own weights inside the hypernet, and their paths.
    pub(crate) weights: Vec<(String, String)>,
}

impl Network {
    /// Builds `arch` for a task of these ports.
    ///
    /// # Errors
    /// All of them at once; each names the node, what came in and what was expected.
    pub(crate) fn build(arch: Arch, ports: &Ports) -> Result<Self> {
        let mut builder = Builder::default();
        if arch.version != Arch::VERSION {
            let found = format!("version {}", arch.version);
            return Err(Error::new("the architecture is of another format")
                .found(found)
                .expected(format!("version {}", Arch::VERSION))
                .into());
        }
        for (port, shape) in arch.inputs.iter() {
            match ports.inputs.get(port) {
                Some(offered) if fits(offered, shape) => {}
                Some(offered) => builder.errors.push(
                    Error::new(format!("the task's input `{port}` has another shape"))
                        .found(show(offered))
                        .expected(show(shape)),
                ),
                None => builder.errors.push(
                    Error::new(format!("the task has no input `{port}`"))
                        .found(ports.inputs.names().collect::<Vec<_>>().join(", ")),
                ),
            }
            builder.value(format!("in.{port}"), shape.clone());
        }
        let inputs = arch
            .inputs
            .names()
            .enumerate()
            .map(|(slot, port)| (port.to_string(), slot))
            .collect();
        for node in &arch.nodes {
            builder.node(node);
        }
        let outputs = builder.outputs(&arch, ports);
        let Builder {
            slots,
            nodes,
            mut specs,
            mut errors,
            ..
        } = builder;
        let generators = generators(&arch, &mut specs, &mut errors);
        for spec in &specs {
            if let Some(axis) = spec.axes.iter().find(|a| a.size.is_none()) {
                errors.push(Error::new(format!(
                    "weight `{}` has an axis `{}` of unknown length",
                    spec.name, axis.name
                )));
            }
        }
        match errors.len() {
            0 => Ok(Network {
                nodes,
                inputs,
                outputs,
                slots: slots.len(),
                specs,
                generators,
                arch,
            }),
            1 => Err(errors.remove(0).into()),
            n => {
                let all: Vec<String> = errors.iter().map(ToString::to_string).collect();
                Err(Error::new(format!(
                    "the architecture has {n} faults\n{}",
                    all.join("\n")
                ))
                .into())
            }
        }
    }

    /// The weights that a pass uses, those that hypernets make among them.
    pub(crate) fn all_specs(&self) -> impl Iterator<Item = &WeightSpec> + Clone {
        self.specs
            .iter()
            .chain(self.generators.iter().flat_map(|g| &g.target))
    }
}

#[derive(Default)]
struct Builder {
    slots: Vec<Shape>,
    /// `node.port` to slot.
    names: HashMap<String, usize>,
    /// Nodes whose outputs are unknown because they failed: what hangs on them is not reported too.
    failed: Vec<String>,
    nodes: Vec<Built>,
    specs: Vec<WeightSpec>,
    errors: Vec<Error>,
}

impl Builder {
    fn value(&mut self, name: String, shape: Shape) -> usize {
        self.slots.push(shape);
        self.names.insert(name, self.slots.len() - 1);
        self.slots.len() - 1
    }

    fn node(&mut self, node: &Node) {
        if let Err(error) = self.try_node(node) {
            self.failed.push(node.name.clone());
            self.errors.extend(error);
        }
    }

    /// `Err(None)` where another node is to blame.
    fn try_node(&mut self, node: &Node) -> Result<(), Option<Error>> {
        let at = |e: anyhow::Error| {
            Some(
                Error::new(format!("at node `{}`", node.name))
                    .caused_by(plugin_api::boundary::as_error(e)),
            )
        };
        if self.nodes.iter().any(|n| n.name == node.name)
            || [INPUTS, RELAXATION].contains(&node.name.as_str())
            || node.name.contains(['.', '/'])
        {
            return Err(Some(
                Error::new(format!("no node can be called `{}`", node.name)).expected(
                    "a name of its own, without `.` and `/`, other than `in` and `relaxation`",
                ),
            ));
        }
        let mut inputs = vec![];
        for (port, from) in node.inputs.iter() {
            match self.names.get(&from.0) {
                Some(slot) => inputs.push((port.to_string(), *slot)),
                None if self.failed.iter().any(|f| f == from.node()) => return Err(None),
                None => {
                    let mut there: Vec<&str> = self.names.keys().map(String::as_str).collect();
                    there.sort_unstable();
                    return Err(Some(
                        Error::new(format!(
                            "node `{}` takes `{from}`, which nothing before it gives",
                            node.name
                        ))
                        .found(there.join(", ")),
                    ));
                }
            }
        }
        let shapes: Shapes = inputs
            .iter()
            .map(|(port, slot)| (port, self.slots[*slot].clone()))
            .collect();
        let name = &node.name;
        let (decision, recipes): (_, Vec<(String, usize, &Recipe)>) = match &node.kind {
            NodeKind::Layer(recipe) => (None, vec![(name.clone(), 0, recipe)]),
            NodeKind::Mix(mix) => {
                let place = |o: &MixOption| format!("{name}.{}", o.option);
                let options = mix.options.iter().map(|o| (place(o), o.option, &o.layer));
                (Some(mix.decision.clone()), options.collect())
            }
        };
        let mut given: Option<Shapes> = None;
        let mut layers = vec![];
        for (place, option, recipe) in recipes {
            let layer = host().layer(recipe).map_err(at)?;
            let specs = layer.weights(&shapes).map_err(at)?;
            let gives = layer.shapes(&shapes).map_err(at)?;
            match &given {
                Some(first) if !alike(first, &gives) => {
                    let what = format!("the options of node `{name}` give different outputs");
                    return Err(Some(
                        Error::new(what)
                            .found(format!("{} from option {option}", show_all(&gives)))
                            .expected(show_all(first)),
                    ));
                }
                Some(_) => {}
                None => given = Some(gives),
            }
            let prefix = format!("{place}.");
            layers.push(BuiltLayer {
                place,
                option,
                component: recipe.component.clone(),
                layer,
                weights: paths(&specs, &prefix),
            });
            self.specs
                .extend(specs.into_iter().map(|s| s.under(&prefix)));
        }
        let given = given.ok_or_else(|| {
            Some(Error::new(format!(
                "node `{name}` has nothing to choose from"
            )))
        })?;
        let outputs = given
            .into_iter()
            .map(|(port, shape)| (port.clone(), self.value(format!("{name}.{port}"), shape)))
            .collect();
        self.nodes.push(Built {
            name: name.clone(),
            decision,
            layers,
            inputs,
            outputs,
        });
        Ok(())
    }

    fn outputs(&mut self, arch: &Arch, ports: &Ports) -> Vec<(String, usize)> {
        let mut outputs = vec![];
        for (port, from) in arch.outputs.iter() {
            match self.names.get(&from.0) {
                Some(slot) => outputs.push((port.to_string(), *slot)),
                None if self.failed.iter().any(|f| f == from.node()) => {}
                None => self.errors.push(Error::new(format!(
                    "output `{port}` takes `{from}`, which no node gives"
                ))),
            }
        }
        for (port, wanted) in ports.outputs.iter() {
            match (
                arch.outputs.contains(port),
                outputs.iter().find(|o| o.0 == port),
            ) {
                (false, _) => self.errors.push(
                    Error::new(format!("the task wants an output `{port}`"))
                        .found(arch.outputs.names().collect::<Vec<_>>().join(", ")),
                ),
                (true, Some((_, slot))) if !fits(&self.slots[*slot], wanted) => {
                    self.errors.push(
                        Error::new(format!(
                            "output `{port}` has another shape than the task wants"
                        ))
                        .found(show(&self.slots[*slot]))
                        .expected(show(wanted)),
                    );
                }
                _ => {}
            }
        }
        outputs
    }
}

/// Takes the weights that hypernets make out of `specs`, and puts the hypernets' own in.
fn generators(arch: &Arch, specs: &mut Vec<WeightSpec>, errors: &mut Vec<Error>) -> Vec<Generator> {
    let mut made = vec![];
    for g in &arch.generated {
        let at = |e: anyhow::Error| {
            Error::new(format!("at hypernet `{}`", g.name))
                .caused_by(plugin_api::boundary::as_error(e))
        };
        let (target, rest): (Vec<_>, Vec<_>) = specs
            .drain(..)
            .partition(|s| s.group == Group::Model && s.matches(&g.target));
        *specs = rest;
        if target.is_empty() {
            errors.push(Error::new(format!(
                "hypernet `{}` has nothing to make: `{}` matches no weight",
                g.name, g.target
            )));
            continue;
        }
        let namesakes = arch.generated.iter().filter(|other| other.name == g.name);
        if arch.nodes.iter().any(|n| n.name == g.name) || namesakes.count() > 1 {
            let what = format!("two parts of the architecture are called `{}`", g.name);
            errors.push(Error::new(what));
            continue;
        }
        let prefix = format!("{}.", g.name);
        match host()
            .hypernet(&g.hypernet)
            .and_then(|h| Ok((h.weights(&target)?, h)))
        {
            Ok((own, hypernet)) => {
                let weights = paths(&own, &prefix);
                specs.extend(own.into_iter().map(|s| s.under(&prefix)));
                made.push(Generator {
                    name: g.name.clone(),
                    component: g.hypernet.component.clone(),
                    hypernet,
                    target,
                    weights,
                });
            }
            Err(e) => errors.push(at(e)),
        }
    }
    made
}

/// Names of weights, and their paths.
pub(crate) fn paths(specs: &[WeightSpec], prefix: &str) -> Vec<(String, String)> {
    specs
        .iter()
        .map(|s| (s.name.clone(), format!("{prefix}{}", s.name)))
        .collect()
}

/// Whether two layers give the same ports, of shapes that can stand for each other.
fn alike(a: &Shapes, b: &Shapes) -> bool {
    let same = |(port, shape): (&str, &Shape)| b.get(port).is_some_and(|other| fits(shape, other));
    a.len() == b.len() && a.iter().all(same)
}

fn show_all(shapes: &Shapes) -> String {
    let each = shapes
        .iter()
        .map(|(port, shape)| format!("{port}: {}", show(shape)));
    each.collect::<Vec<_>>().join(", ")
}

/// Whether a shape can stand where another is wanted: as many axes, equal where both lengths are known.
fn fits(found: &[plugin_api::Axis], wanted: &[plugin_api::Axis]) -> bool {
    found.len() == wanted.len()
        && found
            .iter()
            .zip(wanted)
            .all(|(f, w)| f.size.is_none() || w.size.is_none() || f.size == w.size)
}
