//! The session: the one place where weights live, and the one training loop.

mod checkpoint;
mod cost;
mod cut;
mod forward;
mod gradients;
mod latency;
mod objectives;
mod play;
mod predict;
mod probe;
mod relax;
mod replace;
mod samples;
mod state;
mod step;

use std::cell::RefCell;
use std::collections::{BTreeSet, HashMap};
use std::rc::Rc;

use plugin_api::host::Services;
use plugin_api::role::{Initializer, InitializerObj, Relaxation, Task, TaskObj};
use plugin_api::{
    Arch, Ask, At, Batch, Carry, Choices, Edges, Error, Group, Keep, Latency, Named, Of, On,
    Parent, Played, Point, Ports, Probe, Probed, Recipe, Report, Result, Seen, Session, Sink,
    Source, Tensor, Tensors, Value, WeightSpec, kind, stream,
};
use tch::{Device, Kind};

use crate::chain::{Chain, Plan};
use crate::network::Network;
use crate::registry::host;
use crate::{crumb, device, export, prune, units};
use checkpoint::Keeper;
use forward::views;
use objectives::Term;
use play::NoTask;
use probe::Shared;
use relax::Relaxed;
pub(crate) use step::Learned;

/// A network with its weights, masks, chains and task.
pub struct NetSession {
    network: Network,
    task: Rc<TaskObj>,
    ports: Ports,
    seed: u64,
    device: Device,
    weights: Tensors,
    masks: Tensors,
    /// Paths of weights that no chain changes.
    frozen: BTreeSet<String>,
    chains: HashMap<String, Chain>,
    relaxed: Option<Rc<Relaxed>>,
    objectives: Vec<Term>,
    /// Taps that the objectives need.
    needed_taps: Vec<String>,
    /// Selectors of the weights that they need.
    needed_weights: Vec<String>,
    /// Networks that run beside this one for its objectives.
    companions: Named<NetSession>,
    /// Weights as each layer sees them: handles to `weights`, which change in place. None where hypernets make some.
    views: Option<Vec<Tensors>>,
    steps: i64,
    /// Where the next batch of each split stands: epoch and index.
    positions: Named<(i64, i64)>,
    /// The point that the architecture stands for.
    point: Option<Point>,
    /// What the trial left whose weights may be inherited.
    parent: Option<Parent>,
    keeper: Option<Keeper>,
    /// What was said to be probed.
    shared: RefCell<Vec<Shared>>,
}

impl NetSession {
    /// Builds the architecture for the task and initialises its weights: each from the seed and its path alone.
    ///
    /// # Errors
    /// Where the architecture does not fit itself or the task.
    pub fn new(arch: Arch, task: Rc<TaskObj>, seed: u64, device: Device) -> Result<Self> {
        let ports = task.ports()?;
        let network = Network::build(arch, &ports)?;
        let weights = first_weights(&network, &ports, seed, device)?;
        let views = network
            .generators
            .is_empty()
            .then(|| views(&network, &weights));
        Ok(NetSession {
            network,
            task,
            ports,
            seed,
            device,
            weights,
            masks: Tensors::new(),
            frozen: BTreeSet::new(),
            chains: HashMap::new(),
            relaxed: None,
            objectives: vec![],
            needed_taps: vec![],
            needed_weights: vec![],
            companions: Named::new(),
            views,
            steps: 0,
            positions: Named::new(),
            point: None,
            parent: None,
            keeper: None,
            shared: RefCell::default(),
        })
    }

    /// The network that it holds.
    pub(crate) fn network(&self) -> &Network {
        &self.network
    }

    /// How a language, such as [`Source::PYTORCH`], writes the network: a part for each node, by its name, and a body that
    /// runs them.
    ///
    /// # Errors
    /// Where something cannot be written: all of it is named.
    pub fn source(&self, to: &str) -> Result<Source> {
        export::source(&self.network, to)
    }

    /// The same on what the caller names; `same` is the task around it.
    pub(crate) fn on(
        arch: Arch,
        on: On,
        same: &Rc<TaskObj>,
        seed: u64,
        device: Device,
    ) -> Result<Self> {
        let task = match on {
            On::SameTask => Rc::clone(same),
            On::Task(task) => Rc::new(task),
            On::Nothing => Rc::new(NoTask::of(&arch)),
        };
        NetSession::new(arch, task, seed, device)
    }

    /// Says which point the architecture stands for, and what may be inherited.
    pub(crate) fn descend(&mut self, point: Option<Point>, parent: Option<Parent>) {
        (self.point, self.parent) = (point, parent);
    }

    /// Whether anything of its inputs reaches an output.
    pub(crate) fn is_connected(&self) -> bool {
        self.network.is_connected()
    }

    fn seed_of(&self, name: &str) -> u64 {
        stream(self.seed, name)
    }

    fn chain_of(&mut self, name: &str) -> Result<&mut Chain> {
        self.chains.get_mut(name).ok_or_else(|| {
            Error::new(format!("there is no chain `{name}`"))
                .help("make it first: session.chain(name, transforms, select)")
                .into()
        })
    }

    fn at(&self, split: &str, size: i64, (epoch, index): (i64, i64)) -> At {
        At {
            epoch,
            index,
            size,
            seed: Session::seed(self, &format!("data:{split}")),
        }
    }

    /// What chains can change, of what is selected.
    fn learned(&self, select: &str) -> Vec<WeightSpec> {
        let specs = self.network.specs.iter();
        specs
            .filter(|s| s.group != Group::Buffer && s.matches(select))
            .cloned()
            .collect()
    }

    fn on_device(&self, batch: Batch) -> Result<Batch> {
        let kind = kind(self.network.arch.dtype);
        let channels_last = self.network.channels_last;
        if self.device == Device::Cpu && kind == Kind::Float && !channels_last {
            return Ok(batch);
        }
        let moved = batch.into_iter().map(|(port, value)| {
            let value: Value = match value {
                Value::Tensor(t) if t.kind() == Kind::Float => {
                    let t = t.f_to_device(self.device)?.f_to_kind(kind)?;
                    match t.dim() {
                        4 if channels_last => with_channels_last(&t)?.into(),
                        _ => t.into(),
                    }
                }
                Value::Tensor(t) => t.f_to_device(self.device)?.into(),
                Value::Graph(g) => g.on_device(device::number(self.device))?.into(),
            };
            Ok((port, value))
        });
        moved.collect()
    }
}

/// The same images `[batch, channels, height, width]`, whose numbers at one place follow each other in memory.
fn with_channels_last(images: &tch::Tensor) -> Result<tch::Tensor> {
    let images = images.f_permute([0, 2, 3, 1])?.f_contiguous()?;
    Ok(images.f_permute([0, 3, 1, 2])?)
}

/// What the weights begin with: where units have left, as in the whole network.
fn first_weights(network: &Network, ports: &Ports, seed: u64, device: Device) -> Result<Tensors> {
    let mut initializers = HashMap::new();
    let mut all = |network: &Network| -> Result<Tensors> {
        let specs = network.specs.iter();
        specs
            .map(|spec| {
                let begun = fresh(spec, &network.arch, seed, device, &mut initializers)?;
                Ok((&spec.name, begun))
            })
            .collect()
    };
    let Some(whole) = units::whole(&network.arch) else {
        return all(network);
    };
    let whole = Network::build(whole, ports)?;
    let begun = all(&whole)?;
    let living: HashMap<String, Vec<i64>> = units::living(&network.arch).into_iter().collect();
    for (axis, left) in &living {
        let length = units::length(&whole, axis)?;
        if left.iter().any(|unit| *unit >= length) {
            return Err(
                Error::new(format!("these units of `{axis}` cannot be left"))
                    .found(format!("{left:?}"))
                    .expected(format!("numbers below {length}"))
                    .into(),
            );
        }
    }
    let kept = |units: &str| living.get(units).cloned();
    let specs = whole.specs.iter().zip(begun.values());
    let left = specs.map(|(spec, begun)| {
        let mut left = begun.detach();
        for (i, axis) in spec.axes.iter().enumerate() {
            if let Some(places) = units::places(axis, &kept) {
                let places = tch::Tensor::from_slice(&places).f_to_device(device)?;
                left = left.f_index_select(i64::try_from(i)?, &places)?;
            }
        }
        Ok((
            &spec.name,
            left.set_requires_grad(spec.group != Group::Buffer),
        ))
    });
    left.collect()
}

fn fresh(
    spec: &WeightSpec,
    arch: &Arch,
    seed: u64,
    device: Device,
    made: &mut HashMap<String, InitializerObj>,
) -> Result<tch::Tensor> {
    let recipe = serde_json::to_string(&spec.init)?;
    if !made.contains_key(&recipe) {
        made.insert(recipe.clone(), host().initializer(&spec.init)?);
    }
    let t = made[&recipe].init(spec, arch, stream(seed, &format!("weight:{}", spec.name)))?;
    if t.size() != spec.size() || t.kind() != kind(spec.dtype) {
        let found = format!("{:?} {:?}", t.kind(), t.size());
        let expected = format!("{:?} {:?}", kind(spec.dtype), spec.size());
        return Err(Error::new(format!(
            "`{}` made another weight than `{}` is",
            spec.init.component, spec.name
        ))
        .found(found)
        .expected(expected)
        .into());
    }
    Ok(t.f_to_device(device)?
        .detach()
        .copy()
        .set_requires_grad(spec.group != Group::Buffer))
}

impl Session for NetSession {
    fn arch(&self) -> Result<Arch> {
        Ok(self.network.arch.clone())
    }

    fn ports(&self) -> Result<Ports> {
        Ok(self.ports.clone())
    }

    fn specs(&self, select: &str) -> Result<Vec<WeightSpec>> {
        Ok(self
            .network
            .all_specs()
            .filter(|s| s.matches(select))
            .cloned()
            .collect())
    }

    fn steps(&self) -> i64 {
        self.steps
    }

    fn point(&self) -> Result<Option<Point>> {
        Ok(self.point.clone())
    }

    fn parent(&self) -> Result<Option<Parent>> {
        Ok(self.parent.clone())
    }

    fn seed(&self, name: &str) -> u64 {
        self.seed_of(&format!("own:{name}"))
    }

    fn weights(&self, select: &str) -> Result<Tensors> {
        Ok(self
            .network
            .specs
            .iter()
            .filter(|s| s.matches(select))
            .map(|s| (&s.name, &self.weights[&s.name]))
            .collect())
    }

    fn effective(&self, select: &str, ask: &Ask<'_>) -> Result<Tensors> {
        let live = self.live(&Batch::new(), ask)?;
        Ok(self
            .network
            .all_specs()
            .filter(|s| s.matches(select))
            .map(|s| (&s.name, &live[&s.name]))
            .collect())
    }

    fn set(&mut self, weights: &Tensors) -> Result<()> {
        self.overwrite(weights)
    }

    fn masks(&self) -> Result<Tensors> {
        Ok(self.masks.clone())
    }

    fn mask(&mut self, masks: &Tensors) -> Result<()> {
        let masks = &self.spread(masks)?;
        self.check_masks(masks)?;
        for (path, mask) in masks.iter() {
            let mask = mask.f_to_device(self.device)?;
            let kind = self.weights.get(path).map_or(Kind::Float, |w| w.kind());
            self.masks.put(path, mask.f_to_kind(kind)?);
        }
        self.relearn()?;
        self.apply_masks()
    }

    fn prune(&mut self, scores: &Tensors, keep: &Keep) -> Result<()> {
        let masks = prune::select(scores, &self.masks, keep)?;
        self.mask(&masks)
    }

    fn snapshot(&self, select: &str) -> Result<Tensors> {
        Ok(self.take(select))
    }

    fn restore(&mut self, snapshot: &Tensors) -> Result<()> {
        self.put_back(snapshot)
    }

    fn checkpoint(&mut self, own: &Tensors) -> Result<()> {
        self.write_down(Some(own))
    }

    fn resumed(&mut self) -> Result<Option<Tensors>> {
        Ok(self.go_on_here())
    }

    fn replace(&mut self, arch: &Arch, carry: &[Carry]) -> Result<()> {
        *self = self.grown_to(arch, carry)?;
        Ok(())
    }

    fn cut(&mut self, axis: &str, keep: &[i64]) -> Result<()> {
        self.cut_units(axis, keep)
    }

    fn spawn(&self, arch: &Arch, on: On, seed: u64) -> Result<Box<dyn Session>> {
        let child = NetSession::on(arch.clone(), on, &self.task, seed, self.device)?;
        Ok(Box::new(child))
    }

    fn batch(&self, split: &str, at: &At) -> Result<Option<Batch>> {
        self.task
            .batch(split, at)?
            .map(|batch| self.on_device(batch))
            .transpose()
    }

    fn next(&mut self, split: &str, size: i64) -> Result<Batch> {
        let (epoch, index) = self.positions.get(split).copied().unwrap_or_default();
        let (batch, position) = match self.batch(split, &self.at(split, size, (epoch, index)))? {
            Some(batch) => (Some(batch), (epoch, index)),
            None => (
                self.batch(split, &self.at(split, size, (epoch + 1, 0)))?,
                (epoch + 1, 0),
            ),
        };
        self.positions.put(split, (position.0, position.1 + 1));
        batch.ok_or_else(|| Error::new(format!("split `{split}` is empty")).into())
    }

    fn forward(&self, x: &Batch, ask: &Ask<'_>) -> Result<Seen> {
        self.run(x, ask)
    }

    fn terms(&self, seen: &Seen, batch: &Batch) -> Result<Tensors> {
        let mut terms = self.task.loss(&seen.outputs, batch)?;
        terms.extend(self.objective_terms(seen, batch)?);
        Ok(terms)
    }

    fn loss(&self, seen: &Seen, batch: &Batch) -> Result<Tensor> {
        let terms = self.terms(seen, batch)?;
        let mut sum: Option<tch::Tensor> = None;
        for term in terms.values() {
            sum = Some(match sum {
                Some(sum) => sum.f_add(term)?,
                None => term.shallow_clone(),
            });
        }
        sum.map(Tensor::from)
            .ok_or_else(|| Error::new("the task's loss has no term").into())
    }

    fn evaluate(&self, split: &str, ask: &Ask<'_>) -> Result<Named<f64>> {
        let batch = self
            .batch(split, &At::ALL)?
            .ok_or_else(|| Error::new(format!("split `{split}` is empty")))?;
        let seen = tch::no_grad(|| self.run(&batch, ask))?;
        self.task.metrics(&seen.outputs, &batch)
    }

    fn each_gradient(
        &self,
        batch: &Batch,
        ask: &Ask<'_>,
        of: &Of,
        select: &str,
        sink: &mut dyn Sink,
    ) -> Result<()> {
        match of {
            Of::Loss => self.gradients_of_losses(batch, ask, select, sink),
            Of::Output(port) => self.jacobians(batch, ask, port, select, sink),
        }
    }

    fn play(&self, split: &str, at: &At) -> Result<Played> {
        self.play_episode(split, at)
    }

    fn objectives(&mut self, objectives: &[Recipe]) -> Result<()> {
        self.shared.borrow_mut().clear();
        self.set_objectives(objectives)
    }

    fn relax(&mut self, relaxation: &Recipe) -> Result<()> {
        self.shared.borrow_mut().clear();
        self.attach(relaxation)
    }

    fn search(&mut self) -> Result<Report> {
        let relaxed = self.relaxed()?;
        let _here = crumb::enter(&relaxed.component);
        relaxed.relaxation.update(self)
    }

    fn mixture(&self, train: bool) -> Result<Choices> {
        self.mix(&*self.relaxed()?, train, &self.weights)
    }

    fn decide(&mut self) -> Result<Tensors> {
        let relaxed = self.relaxed()?;
        let _here = crumb::enter(&relaxed.component);
        relaxed.relaxation.decide(self)
    }

    fn freeze(&mut self, select: &str, on: bool) -> Result<()> {
        let paths: Vec<String> = self.learned(select).into_iter().map(|s| s.name).collect();
        if paths.is_empty() {
            return Err(Error::new(format!("`{select}` matches no weight to freeze")).into());
        }
        for path in paths {
            if on {
                self.frozen.insert(path);
            } else {
                self.frozen.remove(&path);
            }
        }
        self.relearn()
    }

    fn load(&mut self, file: &str, names: &[(String, String)]) -> Result<Vec<String>> {
        self.load_file(file, names)
    }

    fn cost(&self, what: &str, probabilities: &Tensors) -> Result<Tensor> {
        self.cost_of(what, probabilities)
    }

    fn costs(&self, what: &str) -> Result<Named<f64>> {
        self.costs_by_layer(what)
    }

    fn by_units(&self, of_weights: &Tensors) -> Result<Tensors> {
        self.gathered(of_weights)
    }

    fn latency(&self, batch: &Batch, runs: i64) -> Result<Latency> {
        self.measure(batch, runs)
    }

    fn recalibrate(&mut self, split: &str, size: i64, batches: i64) -> Result<()> {
        // The clock stands still: which batch is trained on next is nobody's business here.
        let positions = self.positions.clone();
        let settled = (0..batches).try_for_each(|_| {
            let batch = self.next(split, size)?;
            tch::no_grad(|| self.run(&batch, &Ask::train())).map(drop)
        });
        self.positions = positions;
        settled
    }

    fn chain(&mut self, name: &str, transforms: &[Recipe], select: &str) -> Result<()> {
        let specs = self.learned(select);
        if specs.is_empty() {
            return Err(Error::new(format!(
                "chain `{name}` has no weights: `{select}` matches none"
            ))
            .into());
        }
        let paths = specs.iter().map(|spec| spec.name.as_str());
        let learned = self.leaves(paths)?;
        let plan = Plan {
            name: name.into(),
            transforms: transforms.to_vec(),
            select: select.into(),
        };
        let chain = Chain::new(
            plan,
            &specs,
            learned,
            &self.network.arch,
            self.seed,
            self.device,
        )?;
        self.chains.insert(name.into(), chain);
        Ok(())
    }

    fn chains(&self) -> Result<Vec<String>> {
        let mut names: Vec<String> = self.chains.keys().cloned().collect();
        names.sort();
        Ok(names)
    }

    fn apply(&mut self, chain: &str, gradients: &Tensors) -> Result<()> {
        self.apply_by(chain, gradients)
    }

    fn step(&mut self, chain: &str, batch: &Batch, ask: &Ask<'_>) -> Result<f64> {
        self.step_by(chain, batch, ask)
    }

    fn probe(&self, probe: &Probe) -> Result<Probed> {
        self.probed(probe)
    }

    fn share(&mut self, probes: &[Probe]) -> Result<()> {
        self.shared = RefCell::new(Shared::among(probes));
        Ok(())
    }
}
