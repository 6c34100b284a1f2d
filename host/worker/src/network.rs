//! Building an architecture: names are resolved and shapes checked once, before anything runs.

use std::cell::RefCell;
use std::collections::{BTreeSet, HashMap};

use plugin_api::host::Services;
use plugin_api::role::{Hypernet, HypernetObj, Layer, LayerObj};
use plugin_api::{
    Arch, Axis, Error, Group, Mix, Named, Node, NodeKind, NodeRef, Ports, Recipe, Result, Shape,
    Shapes, WeightSpec, axis, fits, show,
};

use crate::points::check_decisions;
use crate::registry::host;
use crate::same::SameBatch;

/// Where the paths of the network's inputs begin.
pub(crate) const INPUTS: &str = "in";
/// Where the paths of a relaxation's weights begin.
pub(crate) const RELAXATION: &str = "relaxation";

/// A network ready to run: its weights are declared, but live in the session. Networks within it are laid out flat.
pub(crate) struct Network {
    pub(crate) arch: Arch,
    pub(crate) nodes: Vec<Built>,
    /// Where the inputs of a pass go: port and slot.
    pub(crate) inputs: Vec<(String, usize)>,
    /// Where its outputs are: port and slot.
    pub(crate) outputs: Vec<(String, usize)>,
    /// The shapes of the values that a pass holds, by slot.
    pub(crate) slots: Vec<Shape>,
    /// The weights that the session keeps, by path.
    pub(crate) specs: Vec<WeightSpec>,
    pub(crate) generators: Vec<Generator>,
    /// Whether images are laid out with their channels last, as convolutions take them fastest; what layers make of them
    /// then lies so too.
    pub(crate) channels_last: bool,
}

/// A node with its layer, or with those that a mix chooses from.
pub(crate) struct Built {
    /// Its path: `node`, or `block.node` in a network within.
    pub(crate) name: String,
    pub(crate) mix: Option<BuiltMix>,
    /// One, unless the node is a mix: then its options, and after them the join, if there is one.
    pub(crate) layers: Vec<BuiltLayer>,
    pub(crate) outputs: Vec<(String, usize)>,
}

/// What a mix asks.
pub(crate) struct BuiltMix {
    pub(crate) decision: String,
    pub(crate) joined: bool,
}

/// A layer in its place.
pub(crate) struct BuiltLayer {
    /// `node`, or `node.2` for the option 2 of a mix: taps are `place/name`.
    pub(crate) place: String,
    /// The option of the mix that it is.
    pub(crate) option: usize,
    /// `plugin/component`.
    pub(crate) component: String,
    pub(crate) layer: LayerObj,
    pub(crate) inputs: Vec<(String, usize)>,
    /// What a join is given, which lies in no slot.
    pub(crate) joins: Shapes,
    pub(crate) gives: Shapes,
    /// Its weights as it declares them, by path.
    pub(crate) specs: Vec<WeightSpec>,
    /// Names of its weights inside the layer, and their paths.
    pub(crate) weights: Vec<(String, String)>,
    /// Of a layer that depends on its inputs alone: what came in last, and what came out.
    pub(crate) kept: Option<RefCell<Option<(SameBatch, SameBatch)>>>,
}

/// A hypernet with the weights that it makes.
pub(crate) struct Generator {
    pub(crate) name: String,
    pub(crate) component: String,
    pub(crate) hypernet: HypernetObj,
    pub(crate) condition: Vec<String>,
    pub(crate) each: bool,
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
        builder.check_version(&arch);
        builder
            .errors
            .extend(check_decisions(&arch.decisions).err());
        let mut scope = Scope::default();
        let mut inputs = vec![];
        let offered = [&ports.inputs, &ports.targets];
        let names: Vec<&str> = offered.iter().flat_map(|ports| ports.names()).collect();
        for (port, shape) in arch.inputs.iter() {
            match offered.iter().find_map(|ports| ports.get(port)) {
                Some(offered) if fits(offered, shape) => {}
                Some(offered) => builder.errors.push(
                    Error::new(format!("the task's input `{port}` has another shape"))
                        .found(show(offered))
                        .expected(show(shape)),
                ),
                None => builder.errors.push(
                    Error::new(format!("the task has no input `{port}`")).found(names.join(", ")),
                ),
            }
            let name = format!("{INPUTS}.{port}");
            let shape = shape.iter().cloned();
            let shape = shape.map(|a| a.map(&mut |a| come_into_being(a, &name, "", &Named::new())));
            let slot = builder.slot(shape.collect());
            inputs.push((port.to_string(), slot));
            scope.names.insert(name, Some(slot));
        }
        builder.nodes(&arch, &mut scope);
        let outputs = builder.outputs(&arch, &scope, ports);
        let Builder {
            slots,
            nodes,
            mut specs,
            mut errors,
        } = builder;
        specs = specs
            .into_iter()
            .map(|spec| spec.of_default(arch.dtype))
            .collect();
        let generators = generators(&arch, &mut specs, &mut errors);
        for spec in &specs {
            if let Some(axis) = spec.axes.iter().find(|a| a.size.is_none()) {
                errors.push(Error::new(format!(
                    "weight `{}` has an axis `{}` of unknown length",
                    spec.name, axis.name
                )));
            }
        }
        let all = specs
            .iter()
            .chain(generators.iter().flat_map(|g| &g.target));
        let channels_last = { all }.any(|spec| slides(&spec.axes));
        match errors.len() {
            0 => Ok(Network {
                nodes,
                inputs,
                outputs,
                slots,
                specs,
                generators,
                channels_last,
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

    /// Whether anything of the inputs reaches an output.
    pub(crate) fn is_connected(&self) -> bool {
        let mut reached: BTreeSet<usize> = self.inputs.iter().map(|(_, slot)| *slot).collect();
        for node in &self.nodes {
            let passes = |layer: &BuiltLayer| {
                !layer.layer.ignores_inputs()
                    && (layer.inputs.iter()).any(|(_, slot)| reached.contains(slot))
            };
            if node.layers.iter().any(passes) {
                reached.extend(node.outputs.iter().map(|(_, slot)| slot));
            }
        }
        self.outputs.iter().any(|(_, slot)| reached.contains(slot))
    }

    /// The shapes that come in at a layer.
    pub(crate) fn shapes_into(&self, layer: &BuiltLayer) -> Shapes {
        let slots = layer.inputs.iter();
        let mut shapes: Shapes = slots
            .map(|(port, slot)| (port, self.slots[*slot].clone()))
            .collect();
        shapes.extend(layer.joins.clone());
        shapes
    }

    /// The shapes that come out.
    pub(crate) fn shapes_out(&self) -> Shapes {
        let slots = self.outputs.iter();
        slots
            .map(|(port, slot)| (port, self.slots[*slot].clone()))
            .collect()
    }
}

/// Whether a weight is a window that slides over images: `[out, in, height, width]`.
fn slides(axes: &[Axis]) -> bool {
    matches!(axes, [_, _, height, width] if height.fixed && width.fixed)
}

/// The names that are known at one place of an architecture.
#[derive(Default)]
struct Scope {
    /// Paths of nodes here begin with this: nothing, or `block.`.
    place: String,
    /// Paths of their weights begin with this, which is another where weights are shared.
    weights: String,
    /// The slot of `node.port`; `None` where the node failed: what hangs on it is not reported too.
    names: HashMap<String, Option<usize>>,
    nodes: Vec<String>,
}

/// Faults of a node; none where another node is to blame.
type Faults = Vec<Error>;

#[derive(Default)]
struct Builder {
    slots: Vec<Shape>,
    nodes: Vec<Built>,
    specs: Vec<WeightSpec>,
    errors: Vec<Error>,
}

impl Builder {
    fn check_version(&mut self, arch: &Arch) {
        if arch.version != Arch::VERSION {
            let found = format!("version {}", arch.version);
            self.errors.push(
                Error::new("the architecture is of another format")
                    .found(found)
                    .expected(format!("version {}", Arch::VERSION)),
            );
        }
    }

    fn slot(&mut self, shape: Shape) -> usize {
        self.slots.push(shape);
        self.slots.len() - 1
    }

    fn nodes(&mut self, arch: &Arch, scope: &mut Scope) {
        for node in &arch.nodes {
            let outputs = self.node(node, scope);
            let outputs = outputs.unwrap_or_else(|faults| {
                self.errors.extend(faults);
                vec![]
            });
            let failed = outputs.is_empty();
            for (port, slot) in outputs {
                let name = format!("{}.{port}", node.name);
                scope.names.insert(name, slot);
            }
            if failed {
                scope.names.insert(format!("{}.", node.name), None);
            }
            scope.nodes.push(node.name.clone());
        }
    }

    /// Where the outputs of a node are.
    fn node(&mut self, node: &Node, scope: &Scope) -> Result<Vec<(String, Option<usize>)>, Faults> {
        let name = &node.name;
        let path = format!("{}{name}", scope.place);
        if scope.nodes.contains(name)
            || [INPUTS, RELAXATION].contains(&name.as_str())
            || name.is_empty()
            || name.contains(['.', '/'])
        {
            return Err(vec![
                Error::new(format!("no node can be called `{path}`")).expected(
                    "a name of its own, without `.` and `/`, other than `in` and `relaxation`",
                ),
            ]);
        }
        let shared = node.share.as_ref().map(|other| {
            let there = scope.nodes.contains(other);
            there.then_some(other).ok_or_else(|| {
                vec![
                    Error::new(format!(
                        "node `{path}` shares the weights of `{other}`, which does not stand before it"
                    ))
                    .found(scope.nodes.join(", ")),
                ]
            })
        });
        let weights = format!("{}{}", scope.weights, shared.transpose()?.unwrap_or(name));
        let inputs = self.resolve(&path, &node.inputs, scope)?;
        let outputs = match &node.kind {
            NodeKind::Layer(recipe) => {
                let layer = Placed {
                    node,
                    path: &path,
                    weights: &weights,
                    local: "",
                    option: 0,
                };
                let (layer, gives) = self.layer(&layer, recipe, inputs, Shapes::new())?;
                self.built(node, path, None, vec![layer], gives)?
            }
            NodeKind::Mix(mix) => self.mix(node, mix, (path, &weights), inputs, scope)?,
            NodeKind::Network(inner) => {
                return self.network(inner, (path, weights), inputs);
            }
        };
        let outputs = outputs.into_iter();
        Ok(outputs.map(|(port, slot)| (port, Some(slot))).collect())
    }

    /// The slots that references mean.
    fn resolve(
        &self,
        path: &str,
        inputs: &Named<NodeRef>,
        scope: &Scope,
    ) -> Result<Vec<(String, usize)>, Faults> {
        let slot = |(port, from): (&str, &NodeRef)| match scope.find(from) {
            Some(Some(slot)) => Ok((port.to_string(), slot)),
            Some(None) => Err(vec![]),
            None => Err(vec![
                Error::new(format!(
                    "node `{path}` takes `{from}`, which nothing before it gives"
                ))
                .found(scope.known()),
            ]),
        };
        inputs.iter().map(slot).collect()
    }

    fn layer(
        &mut self,
        placed: &Placed<'_>,
        recipe: &Recipe,
        inputs: Vec<(String, usize)>,
        joins: Shapes,
    ) -> Result<(BuiltLayer, Shapes), Faults> {
        let at = |e: anyhow::Error| {
            vec![
                Error::new(format!("at node `{}`", placed.path))
                    .caused_by(plugin_api::boundary::as_error(e)),
            ]
        };
        let mut shapes: Shapes = inputs
            .iter()
            .map(|(port, slot)| (port, self.slots[*slot].clone()))
            .collect();
        shapes.extend(joins.clone());
        let layer = host().layer(recipe).map_err(at)?;
        let specs = layer.weights(&shapes).map_err(at)?;
        let gives = layer.shapes(&shapes).map_err(at)?;
        let fixed = layer.fixed();
        if fixed && !specs.is_empty() {
            let what = "a layer that has weights cannot be fixed";
            return Err(at(Error::new(what).found(&specs[0].name).into()));
        }

        let place = placed.place(placed.path);
        let here = |axes: Shape| -> Shape {
            let living = &placed.node.living;
            let come = |a: Axis| a.map(&mut |a| come_into_being(a, &place, placed.local, living));
            axes.into_iter().map(come).collect()
        };
        let specs = specs.into_iter().map(|spec| WeightSpec {
            axes: here(spec.axes),
            ..spec
        });
        let specs: Vec<WeightSpec> = specs.collect();
        let gives: Shapes = gives
            .into_iter()
            .map(|(port, shape)| (port, here(shape)))
            .collect();

        let prefix = format!("{}.", placed.place(placed.weights));
        let weights = paths(&specs, &prefix);
        let specs: Vec<WeightSpec> = specs.into_iter().map(|s| s.under(&prefix)).collect();
        if placed.node.share.is_some() {
            for spec in &specs {
                let theirs = self.specs.iter().find(|s| s.name == spec.name);
                if theirs.is_none_or(|s| s.size() != spec.size()) {
                    let size = theirs.map(|s| format!("{:?}", s.size()));
                    return Err(vec![
                        Error::new(format!(
                            "node `{}` cannot share `{}`",
                            placed.path, spec.name
                        ))
                        .found(size.unwrap_or("no such weight".into()))
                        .expected(format!("{:?}", spec.size())),
                    ]);
                }
            }
        } else {
            self.specs.extend(specs.iter().cloned());
        }
        let built = BuiltLayer {
            place,
            option: placed.option,
            component: recipe.component.clone(),
            layer,
            inputs,
            joins,
            gives: gives.clone(),
            specs,
            weights,
            kept: fixed.then(RefCell::default),
        };
        Ok((built, gives))
    }

    fn mix(
        &mut self,
        node: &Node,
        mix: &Mix,
        (path, weights): (String, &str),
        inputs: Vec<(String, usize)>,
        scope: &Scope,
    ) -> Result<Vec<(String, usize)>, Faults> {
        let mut layers = vec![];
        let mut given: Option<Shapes> = None;
        let mut joins = Shapes::new();
        for option in &mix.options {
            let number = option.option;
            let local = format!("{number}.");
            let placed = Placed {
                node,
                path: &path,
                weights,
                local: &local,
                option: number,
            };
            let inputs = match option.inputs.is_empty() {
                true => inputs.clone(),
                false => self.resolve(&path, &option.inputs, scope)?,
            };
            let (layer, gives) = self.layer(&placed, &option.layer, inputs, Shapes::new())?;
            layers.push(layer);
            match &given {
                _ if mix.join.is_some() => match gives.iter().collect::<Vec<_>>()[..] {
                    [(_, shape)] => joins.put(number.to_string(), shape.clone()),
                    _ => {
                        return Err(vec![
                            Error::new(format!(
                                "the options of node `{path}` meet in a join, which takes one output of each"
                            ))
                            .found(format!("{} from option {number}", show_all(&gives))),
                        ]);
                    }
                },
                Some(first) if !alike(first, &gives) => {
                    return Err(vec![
                        Error::new(format!(
                            "the options of node `{path}` give different outputs"
                        ))
                        .found(format!("{} from option {number}", show_all(&gives)))
                        .expected(show_all(first))
                        .help("give the mix a `join`, in which unlike outputs meet"),
                    ]);
                }
                Some(_) => {}
                None => given = Some(gives),
            }
        }
        let decision = mix.decision.clone();
        let joined = mix.join.is_some();
        if let (Some(join), false) = (&mix.join, layers.is_empty()) {
            joins.put("mix", vec![axis("options", None)]);
            let placed = Placed {
                node,
                path: &path,
                weights,
                local: "join.",
                option: usize::MAX,
            };
            let (layer, gives) = self.layer(&placed, join, vec![], joins)?;
            layers.push(layer);
            given = Some(gives);
        }
        let given = given.ok_or_else(|| {
            vec![Error::new(format!(
                "node `{path}` has nothing to choose from"
            ))]
        })?;
        let mix = BuiltMix { decision, joined };
        self.built(node, path, Some(mix), layers, given)
    }

    fn built(
        &mut self,
        node: &Node,
        name: String,
        mix: Option<BuiltMix>,
        layers: Vec<BuiltLayer>,
        gives: Shapes,
    ) -> Result<Vec<(String, usize)>, Faults> {
        check_living(node, &name, &layers)?;
        let outputs = gives.into_iter();
        let outputs: Vec<_> = outputs
            .map(|(port, shape)| (port, self.slot(shape)))
            .collect();
        self.nodes.push(Built {
            name,
            mix,
            layers,
            outputs: outputs.clone(),
        });
        Ok(outputs)
    }

    /// Builds a network within.
    fn network(
        &mut self,
        inner: &Arch,
        (path, weights): (String, String),
        inputs: Vec<(String, usize)>,
    ) -> Result<Vec<(String, Option<usize>)>, Faults> {
        let mut faults = vec![];
        self.check_version(inner);
        if !inner.decisions.is_empty() || !inner.generated.is_empty() || !inner.dtype.is_default() {
            faults.push(
                Error::new(format!(
                    "the network at node `{path}` has decisions, generated weights or a type of its own"
                ))
                .help("move them to the outermost network: they see all of it"),
            );
        }
        for (port, slot) in &inputs {
            match inner.inputs.get(port) {
                Some(wanted) if fits(&self.slots[*slot], wanted) => {}
                Some(wanted) => faults.push(
                    Error::new(format!(
                        "the network at node `{path}` takes another `{port}`"
                    ))
                    .found(show(&self.slots[*slot]))
                    .expected(show(wanted)),
                ),
                None => faults.push(Error::new(format!(
                    "the network at node `{path}` has no input `{port}`"
                ))),
            }
        }
        let missing = inner.inputs.names();
        for port in missing.filter(|port| !inputs.iter().any(|(p, _)| p == port)) {
            faults.push(Error::new(format!(
                "nothing feeds the input `{port}` of the network at node `{path}`"
            )));
        }
        if !faults.is_empty() {
            return Err(faults);
        }
        let inputs = inputs.into_iter();
        let mut scope = Scope {
            place: format!("{path}."),
            weights: format!("{weights}."),
            names: inputs
                .map(|(port, slot)| (format!("{INPUTS}.{port}"), Some(slot)))
                .collect(),
            nodes: vec![],
        };
        self.nodes(inner, &mut scope);
        let output = |(port, from): (&str, &NodeRef)| {
            match scope.find(from) {
            Some(slot) => Ok((port.to_string(), slot)),
            None => Err(vec![
                Error::new(format!(
                    "output `{port}` of the network at node `{path}` takes `{from}`, which no node gives"
                ))
                .found(scope.known()),
            ]),
        }
        };
        inner.outputs.iter().map(output).collect()
    }

    fn outputs(&mut self, arch: &Arch, scope: &Scope, ports: &Ports) -> Vec<(String, usize)> {
        let mut outputs = vec![];
        for (port, from) in arch.outputs.iter() {
            match scope.find(from) {
                Some(Some(slot)) => outputs.push((port.to_string(), slot)),
                Some(None) => {}
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

impl Scope {
    fn find(&self, from: &NodeRef) -> Option<Option<usize>> {
        let failed = || self.names.get(&format!("{}.", from.node()));
        self.names.get(&from.0).or_else(failed).copied()
    }

    fn known(&self) -> String {
        let mut known: Vec<&str> = self
            .names
            .iter()
            .filter_map(|(name, slot)| slot.map(|_| name.as_str()))
            .collect();
        known.sort_unstable();
        known.join(", ")
    }
}

/// Where a layer is put.
struct Placed<'a> {
    node: &'a Node,
    /// Of the node.
    path: &'a str,
    /// Of the node whose weights it uses.
    weights: &'a str,
    /// Nothing, or the layer within a mix: `2.` or `join.`.
    local: &'a str,
    option: usize,
}

impl Placed<'_> {
    fn place(&self, path: &str) -> String {
        match self.local.strip_suffix('.') {
            Some(local) => format!("{path}.{local}"),
            None => path.into(),
        }
    }
}

/// Gives an axis that a layer has not taken over from its inputs units of its own, as many as are living.
fn come_into_being(axis: &mut Axis, place: &str, local: &str, living: &Named<Vec<i64>>) {
    if axis.units.is_some() || axis.fixed {
        return;
    }
    if let Some(units) = living.get(&format!("{local}{}", axis.name)) {
        axis.size = i64::try_from(units.len()).ok();
    }
    axis.units = Some(format!("{place}.{}", axis.name));
}

/// Refuses units that are none: of an axis that no layer of the node has, or not one and the other by their numbers.
fn check_living(node: &Node, path: &str, layers: &[BuiltLayer]) -> Result<(), Faults> {
    let specs = layers.iter().flat_map(|l| &l.specs).flat_map(|s| &s.axes);
    let gives = layers.iter().flat_map(|l| l.gives.values()).flatten();
    let units = specs.chain(gives).flat_map(Axis::leaves);
    let begin = format!("{path}.");
    let own: BTreeSet<&str> = units
        .filter_map(|leaf| leaf.units.as_deref()?.strip_prefix(&begin))
        .collect();
    let faults = node.living.iter().filter_map(|(axis, units)| {
        let distinct: BTreeSet<&i64> = units.iter().collect();
        if !own.contains(axis) {
            let what = format!("node `{path}` has no axis `{axis}` whose units could be left");
            let own: Vec<&str> = own.iter().copied().collect();
            return Some(Error::new(what).found(own.join(", ")));
        }
        let counted = distinct.len() == units.len() && units.iter().all(|unit| *unit >= 0);
        (units.is_empty() || !counted).then(|| {
            Error::new(format!("these units of `{path}.{axis}` cannot be left"))
                .found(format!("{units:?}"))
                .expected("one or more different numbers, counted from 0")
        })
    });
    match faults.collect::<Faults>() {
        faults if faults.is_empty() => Ok(()),
        faults => Err(faults),
    }
}

/// Takes the weights that hypernets make out of `specs`, and puts the hypernets' own in.
fn generators(arch: &Arch, specs: &mut Vec<WeightSpec>, errors: &mut Vec<Error>) -> Vec<Generator> {
    let mut made = vec![];
    for g in &arch.generated {
        if g.each && g.condition.is_empty() {
            errors.push(
                Error::new(format!(
                    "hypernet `{}` makes weights for every sample, but sees none",
                    g.name
                ))
                .help("name the inputs that it sees: `condition`"),
            );
            continue;
        }
        let unknown = g.condition.iter().find(|c| !arch.inputs.contains(c));
        if let Some(input) = unknown {
            errors.push(
                Error::new(format!(
                    "hypernet `{}` sees `{input}`, which is no input of the network",
                    g.name
                ))
                .found(arch.inputs.names().collect::<Vec<_>>().join(", ")),
            );
            continue;
        }
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
                let own = own.into_iter();
                specs.extend(own.map(|s| s.under(&prefix).of_default(arch.dtype)));
                made.push(Generator {
                    name: g.name.clone(),
                    component: g.hypernet.component.clone(),
                    hypernet,
                    condition: g.condition.clone(),
                    each: g.each,
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
