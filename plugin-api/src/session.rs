//! The one loop: what trainers, pruners and scorers work on.

use abi_stable::StableAbi;
use abi_stable::std_types::{ROption, RString, RVec};
use plugin_api_data::{
    Arch, Decided, Decision, Domain, Named, Point, Recipe, Report, Shapes, WeightSpec,
};
use plugin_api_macros::boundary;
use serde::{Deserialize, Serialize};

use crate::boundary::{Owner, Packed, Shared};
use crate::pass::HookRef;
use crate::role::{Task, TaskObj};
use crate::{Batch, Hook, Probe, Probed, Result, Tensor, Tensors};

/// What a task feeds a network with, and wants of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Ports {
    /// What comes in.
    pub inputs: Shapes,
    /// What else of a batch a network may take, in passes of training alone: in others its layers lack it, as where a
    /// decoder is told in training what it should have said.
    #[serde(default)]
    pub targets: Shapes,
    /// What must come out.
    pub outputs: Shapes,
    /// The main metric.
    pub metric: String,
    /// Whether more of it is better.
    pub higher_is_better: bool,
}

/// Which batch: it depends on these four alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct At {
    /// The epoch, counted from 0.
    pub epoch: i64,
    /// The batch within the epoch, counted from 0.
    pub index: i64,
    /// Samples in a batch; 0 for all of the split.
    pub size: i64,
    /// Decides the order of an epoch.
    pub seed: u64,
}

impl At {
    /// The whole split in one batch.
    pub const ALL: At = At {
        epoch: 0,
        index: 0,
        size: 0,
        seed: 0,
    };
}

/// One forward pass: how to run, what to show, what to replace.
#[repr(C)]
#[derive(StableAbi, Default)]
pub struct Ask<'a> {
    train: bool,
    taps: RVec<RString>,
    hook: ROption<Shared<HookRef<'a>>>,
    weights: ROption<Tensors>,
    choices: ROption<Choices>,
    cut: RVec<RString>,
    only: RVec<RString>,
    until: ROption<RString>,
    condition: ROption<Batch>,
    dry: bool,
}

impl<'a> Ask<'a> {
    /// As in training: dropout is on.
    pub fn train() -> Self {
        Ask {
            train: true,
            ..Ask::default()
        }
    }

    /// As in evaluation.
    pub fn eval() -> Self {
        Ask::default()
    }

    /// Also hand back these taps: `node.port` between nodes, `node/name` inside a layer; `*` and an ending stand for all
    /// that end so, `*` alone for all.
    pub fn tapped<N: AsRef<str>>(mut self, taps: impl IntoIterator<Item = N>) -> Self {
        self.taps
            .extend(taps.into_iter().map(|t| RString::from(t.as_ref())));
        self
    }

    /// Let a hook look at every tap.
    pub fn hooked(mut self, hook: &'a dyn Hook) -> Self {
        self.hook = ROption::RSome(HookRef::new(hook));
        self
    }

    /// Use these weights in place of the session's, by path.
    pub fn weights(mut self, weights: Tensors) -> Self {
        self.weights = ROption::RSome(weights);
        self
    }

    /// Choose these options in place of the relaxation, by decision.
    pub fn choices(mut self, choices: Choices) -> Self {
        self.choices = ROption::RSome(choices);
        self
    }

    /// Let no gradient through these taps.
    pub fn cut<N: AsRef<str>>(mut self, taps: impl IntoIterator<Item = N>) -> Self {
        let taps = taps.into_iter().map(|t| RString::from(t.as_ref()));
        self.cut.extend(taps);
        self
    }

    /// Run these nodes alone, by their paths. What they take from others the batch holds under its name, `node.port`.
    pub fn only<N: AsRef<str>>(mut self, nodes: impl IntoIterator<Item = N>) -> Self {
        let nodes = nodes.into_iter().map(|n| RString::from(n.as_ref()));
        self.only.extend(nodes);
        self
    }

    /// Run no further than this node, by its path; taps show what it gave.
    pub fn until(mut self, node: &str) -> Self {
        self.until = ROption::RSome(node.into());
        self
    }

    /// What hypernets see in place of the network's inputs, by port.
    pub fn condition(mut self, condition: Batch) -> Self {
        self.condition = ROption::RSome(condition);
        self
    }

    /// Leave no trace in buffers: as in training, but running statistics stay what they are.
    pub fn dry(mut self) -> Self {
        self.dry = true;
        self
    }

    /// Whether this is a training pass.
    pub fn is_train(&self) -> bool {
        self.train
    }

    /// Whether anybody looks at taps.
    pub fn is_watched(&self) -> bool {
        !self.taps.is_empty() || !self.cut.is_empty() || self.hook.is_some()
    }

    /// Whether gradients stop at this tap.
    pub fn cuts(&self, tap: &str) -> bool {
        self.cut.iter().any(|t| t == tap)
    }

    /// Whether this node runs; a network within runs where all of it was asked for, or the node itself.
    pub fn runs(&self, node: &str) -> bool {
        self.only.is_empty() || self.only.iter().any(|n| within(node, n))
    }

    /// Whether some nodes run alone.
    pub fn is_partial(&self) -> bool {
        !self.only.is_empty()
    }

    /// Whether the pass ends with this node, of nodes in their order.
    pub fn ends(&self, node: &str, next: Option<&str>) -> bool {
        let last = self.until.as_ref().into_option();
        last.is_some_and(|last| within(node, last) && next.is_none_or(|next| !within(next, last)))
    }

    /// The node with which it ends, if it does not run to the end.
    pub fn last(&self) -> Option<&str> {
        self.until.as_ref().map(RString::as_str).into()
    }

    /// What hypernets see in place of the network's inputs.
    pub fn conditions(&self) -> Option<&Batch> {
        self.condition.as_ref().into()
    }

    /// Whether buffers stay what they are.
    pub fn is_dry(&self) -> bool {
        self.dry || self.weights.is_some()
    }

    /// Whether this tap is wanted.
    pub fn wants(&self, tap: &str) -> bool {
        self.taps
            .iter()
            .any(|wanted| match wanted.strip_prefix('*') {
                Some(ending) => tap.ends_with(ending),
                None => wanted == tap,
            })
    }

    /// The hook, if there is one.
    pub fn hook(&self) -> Option<&(dyn Hook + 'a)> {
        self.hook.as_ref().map(|h| -> &dyn Hook { &**h }).into()
    }

    /// The weights that replace the session's, if there are any.
    pub fn replaced(&self) -> Option<&Tensors> {
        self.weights.as_ref().into()
    }

    /// The options that are chosen for it, if any are.
    pub fn chosen(&self) -> Option<&Choices> {
        self.choices.as_ref().into()
    }
}

fn within(node: &str, part: &str) -> bool {
    let inner = node.strip_prefix(part);
    inner.is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}

/// What the options of a decision weigh in a pass.
#[repr(C)]
#[derive(StableAbi, Clone, Debug)]
pub struct Choice {
    /// `[options]`.
    pub weights: Tensor,
    active: RVec<u64>,
}

/// Choices by decision.
pub type Choices = Named<Choice>;

impl Choice {
    /// These weights, `[options]`; only the active options are computed.
    pub fn new(weights: impl Into<Tensor>, active: impl IntoIterator<Item = usize>) -> Self {
        Choice {
            weights: weights.into(),
            active: active.into_iter().map(|option| option as u64).collect(),
        }
    }

    /// This option and no other, of so many.
    pub fn hard(option: usize, options: usize) -> Self {
        let weights: Vec<f32> = (0..options).map(|i| f32::from(i == option)).collect();
        Choice::new(tch::Tensor::from_slice(&weights), [option])
    }

    /// These weights, `[options]`, for options that are all computed.
    pub fn all(weights: impl Into<Tensor>) -> Self {
        let weights = weights.into();
        let options = weights.numel();
        Choice::new(weights, 0..options)
    }

    /// The options that are computed, counted from 0.
    pub fn active(&self) -> impl Iterator<Item = usize> {
        self.active.iter().map(|option| *option as usize)
    }
}

/// The choices that a point makes: the decided options and no others, none where a decision is not active. Decisions
/// without options are left out.
pub fn hard(decisions: &[Decision], point: &Point) -> Choices {
    let choice = |d: &Decision| match (&d.domain, point.get(&d.name)) {
        (Domain::Options(options), Some(Decided::Option(chosen))) => {
            Some((d.name.clone(), Choice::hard(*chosen, options.len())))
        }
        (Domain::Options(options), None) if !d.is_active(point) => {
            let none = vec![0.0_f32; options.len()];
            Some((
                d.name.clone(),
                Choice::new(tch::Tensor::from_slice(&none), []),
            ))
        }
        _ => None,
    };
    decisions.iter().filter_map(choice).collect()
}

/// What a forward pass gave.
#[repr(C)]
#[derive(StableAbi, Clone, Default)]
pub struct Seen {
    /// By output port.
    pub outputs: Batch,
    /// The taps that were asked for.
    pub taps: Tensors,
    /// Training steps done before this pass.
    pub step: i64,
}

/// What an earlier trial left.
#[repr(C)]
#[derive(StableAbi, Clone)]
pub struct Parent {
    /// Its weights and buffers, by path.
    pub weights: Tensors,
    arch: Packed,
}

impl Parent {
    /// What a trial left: its architecture and weights.
    pub fn new(arch: &Arch, weights: Tensors) -> Self {
        Parent {
            weights,
            arch: Packed::new(arch),
        }
    }

    /// Its architecture.
    ///
    /// # Errors
    /// Where the host has another form of it.
    pub fn arch(&self) -> Result<Arch> {
        self.arch.read()
    }
}

/// What a session that is spawned works on.
#[repr(C, u8)]
#[derive(StableAbi)]
pub enum On {
    /// No task: it can run what it is given.
    Nothing,
    /// The task of the session that spawns it.
    SameTask,
    /// A task of the caller's own, made by [`On::task`].
    Task(TaskObj),
}

impl On {
    /// A task of the caller's own.
    pub fn task(task: impl Task + 'static) -> Self {
        On::Task(TaskObj::new(Box::new(task), Owner::UNNAMED))
    }
}

/// How a weight goes over to another architecture.
#[repr(C)]
#[derive(StableAbi, Clone)]
pub struct Carry {
    /// Its path there.
    pub to: RString,
    /// The path of the weight that it takes its entries from.
    pub from: RString,
    /// For each axis the old index of every new entry, int64, -1 for entries that begin anew; `None` for an axis that
    /// stays as it is.
    pub index: RVec<ROption<Tensor>>,
}

impl Carry {
    /// The same weight under another path.
    pub fn renamed(from: &str, to: &str) -> Self {
        Carry {
            to: to.into(),
            from: from.into(),
            index: RVec::new(),
        }
    }

    /// Along this axis, the old index of every new entry: `[new length]`, int64, -1 for entries that begin anew.
    pub fn along(mut self, axis: usize, index: impl Into<Tensor>) -> Self {
        while self.index.len() <= axis {
            self.index.push(ROption::RNone);
        }
        self.index[axis] = ROption::RSome(index.into());
        self
    }
}

/// How many of the scored weights [`Session::prune`] keeps.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Keep {
    /// `round(keep * n)` of all `n` together.
    Overall(f64),
    /// `round(keep * n)` of the `n` of each tensor.
    Each(f64),
    /// Of every `of` entries that follow each other along this axis of each tensor, so many.
    Pattern {
        /// How many are kept.
        kept: i64,
        /// Of how many.
        of: i64,
        /// The axis, counted from 0: that of the inputs, 1, in a weight `[out, in]`.
        axis: usize,
    },
}

/// What [`Session::latency`] has measured.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Latency {
    /// Half of the runs were faster, in seconds.
    pub median: f64,
    /// Between the fastest and the slowest quarter, in seconds.
    pub spread: f64,
    /// How many runs were measured.
    pub runs: i64,
}

/// Of what [`Session::each_gradient`] takes gradients.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Of {
    /// The loss of each sample.
    Loss,
    /// Every number at this output port, of each sample: its Jacobian.
    Output(String),
}

/// Takes gradients as they are computed, one sample after the other, so that they need not be held all at once.
#[boundary(lent)]
pub trait Sink {
    /// The gradients of a sample, by path: shaped as the weights for [`Of::Loss`], `[outputs, ..weight]` for
    /// [`Of::Output`].
    fn take(&mut self, sample: i64, gradients: &Tensors) -> Result<()>;
}

/// What came of an episode.
#[repr(C)]
#[derive(StableAbi, Clone)]
pub struct Played {
    /// Numbers that people read.
    pub metrics: Named<f64>,
    /// The sum of the rewards.
    pub reward: f64,
    /// What a pool of experience keeps, a record for each action.
    pub records: RVec<Batch>,
}

/// A network with its weights, masks and task: the one place where weights live.
///
/// Selectors name weights: `model`, `choice`, `buffer`, `all`, `#tag`, a path, `prefix*`, or several joined by commas.
/// What reads or computes takes `&self`, what changes the session `&mut self`.
#[boundary(owned, lent)]
pub trait Session {
    /// The architecture.
    fn arch(&self) -> Result<Arch>;
    /// What the task feeds and wants.
    fn ports(&self) -> Result<Ports>;
    /// What is known of the weights: names are paths.
    fn specs(&self, select: &str) -> Result<Vec<WeightSpec>>;
    /// Training steps done: updates, by whichever chain.
    fn steps(&self) -> i64;
    /// The point of its space that the architecture stands for, if it was found by a search or written as a point.
    fn point(&self) -> Result<Option<Point>>;
    /// What the earlier trial left that the proposal named, [`Proposal::from`](crate::Proposal::from), to be inherited
    /// as the trainer sees fit.
    fn parent(&self) -> Result<Option<Parent>>;
    /// The seed of a stream of the caller's own.
    fn seed(&self, stream: &str) -> u64;

    /// The live weights, by path; an update happens in place, so they stay good.
    fn weights(&self, select: &str) -> Result<Tensors>;
    /// The weights as this pass would use them, generated ones too, after masks; differentiable. What hypernets see is
    /// the pass's condition.
    fn effective(&self, select: &str, ask: &Ask<'_>) -> Result<Tensors>;
    /// Overwrites weights by path; masks are applied.
    fn set(&mut self, weights: &Tensors) -> Result<()>;
    /// The masks, by the path of their weight: 1 keeps, 0 prunes.
    fn masks(&self) -> Result<Tensors>;
    /// Sets masks, and applies them. A mask of units, `[units]` by axis as `node.out`, masks them in every weight along
    /// whose axes they lie, beside what is masked there.
    fn mask(&mut self, masks: &Tensors) -> Result<()>;
    /// Keeps the scored weights with the highest scores, and masks the others. Of equal scores the earlier weight is
    /// kept; what is masked already stays masked. Groups with rates of their own are pruned by a call each. Scores are
    /// those of weights, by path, or of units, by axis: `[units]` at `node.out`.
    fn prune(&mut self, scores: &Tensors, keep: &Keep) -> Result<()>;
    /// Copies of the weights, and of `masks`, `chains` and `clock` where the selector names them; `everything` is all.
    fn snapshot(&self, select: &str) -> Result<Tensors>;
    /// Puts a snapshot back.
    fn restore(&mut self, snapshot: &Tensors) -> Result<()>;

    /// Says that long work could go on from here, if it is cut off: `own` is what a trainer needs for that beside the
    /// session. Cheap: the host writes when it is time.
    fn checkpoint(&mut self, own: &Tensors) -> Result<()>;
    /// Asked where such work begins. If it was cut off behind this question, the session becomes what it was at its last
    /// [`checkpoint`](Session::checkpoint), with architecture, weights, masks, chains, relaxation, objectives and clock,
    /// and `own` comes back. `None` where the work begins here.
    fn resumed(&mut self) -> Result<Option<Tensors>>;

    /// Goes on with another architecture. Weights of equal path and shape go over by themselves, with masks and what
    /// chains remember of them; `carry` says what becomes of others; what is left begins anew. A chain goes on with what
    /// its selector matches there, a relaxation where something is open.
    fn replace(&mut self, arch: &Arch, carry: &[Carry]) -> Result<()>;
    /// Takes units away: along the axis of this name (`node.out`) those that `keep` names stay, in its order. With them go
    /// all that are tied to them, because a layer takes them only together, as a sum does; weights, buffers, masks and
    /// moments along such axes are cut alike.
    fn cut(&mut self, axis: &str, keep: &[i64]) -> Result<()>;
    /// A session of its own, with fresh weights.
    fn spawn(&self, arch: &Arch, on: On, seed: u64) -> Result<Box<dyn Session>>;

    /// A batch of a split, on the session's device, its floats of the architecture's type.
    fn batch(&self, split: &str, at: &At) -> Result<Option<Batch>>;
    /// The next batch of a split, of this many samples (0: the whole split); epochs follow each other. It is
    /// [`Session::batch`] with the seed of the stream `data:SPLIT`: who counts epochs alone meets the same by that seed.
    fn next(&mut self, split: &str, size: i64) -> Result<Batch>;
    /// Runs the network.
    fn forward(&self, x: &Batch, ask: &Ask<'_>) -> Result<Seen>;
    /// The terms of the loss: the task's, then those of the objectives, by `plugin/component`.
    fn terms(&self, seen: &Seen, batch: &Batch) -> Result<Tensors>;
    /// Their sum.
    fn loss(&self, seen: &Seen, batch: &Batch) -> Result<Tensor>;
    /// The task's metrics on a whole split, from this pass, without gradients.
    fn evaluate(&self, split: &str, ask: &Ask<'_>) -> Result<Named<f64>>;
    /// Hands the gradients of the selected weights to a sink, sample by sample. Of the loss, a batch whose samples are not
    /// alone, such as the nodes of a graph, names them as `split`; each is then the only one that counts.
    fn each_gradient(
        &self,
        batch: &Batch,
        ask: &Ask<'_>,
        of: &Of,
        select: &str,
        sink: &mut dyn Sink,
    ) -> Result<()>;
    /// Plays one episode with the network as it is.
    fn play(&self, split: &str, at: &At) -> Result<Played>;

    /// Keeps the selected weights as they are, or no longer: chains leave out what is frozen. Their gradients can be asked
    /// for all the same.
    fn freeze(&mut self, select: &str, on: bool) -> Result<()>;
    /// Overwrites weights by those of a safetensors file. A pattern and its replacement turn names there into paths
    /// here, the first that fits: `*` stands for anything in both. Returns the paths that were loaded.
    fn load(&mut self, file: &str, names: &[(String, String)]) -> Result<Vec<String>>;
    /// What running the network once takes, `macs` or whatever its layers count, `parameters` without buffers, and `bits`
    /// with them: a scalar. Where probabilities of options are given, `[options]` by decision, it is the expectation over
    /// decided architectures, differentiable in them.
    fn cost(&self, what: &str, probabilities: &Tensors) -> Result<Tensor>;

    /// How long one evaluation of this batch takes: after a warm-up, on one thread that stays on its processor, so many
    /// times. Meanwhile other trials of the study stand still, and nobody else on the machine measures.
    fn latency(&self, batch: &Batch, runs: i64) -> Result<Latency>;
    /// Has running statistics settle on the weights as they are: so many passes as in training over the split's next
    /// batches of this size, which change buffers and nothing else.
    fn recalibrate(&mut self, split: &str, size: i64, batches: i64) -> Result<()>;

    /// Makes a chain of transforms for the selected weights; the last one's updates are added to them.
    fn chain(&mut self, name: &str, transforms: &[Recipe], select: &str) -> Result<()>;
    /// The names of the chains that were made.
    fn chains(&self) -> Result<Vec<String>>;
    /// Sends gradients through a chain and adds what comes out; masks are applied. That is a training step.
    fn apply(&mut self, chain: &str, gradients: &Tensors) -> Result<()>;
    /// One training step: forward, loss, gradients of the chain's weights, update. Returns the loss.
    fn step(&mut self, chain: &str, batch: &Batch, ask: &Ask<'_>) -> Result<f64>;

    /// Adds the terms of these objectives to every loss, in place of those before.
    fn objectives(&mut self, objectives: &[Recipe]) -> Result<()>;
    /// Has a relaxation choose the options of the mixes; its weights join the session's.
    fn relax(&mut self, relaxation: &Recipe) -> Result<()>;
    /// One step of the relaxation's search.
    fn search(&mut self) -> Result<Report>;
    /// What the relaxation makes of each decision now.
    fn mixture(&self, train: bool) -> Result<Choices>;
    /// The relaxation's scores, `[options]` by decision, of which [`Space::project`](crate::role::Space::project) makes a
    /// point; of a search for several tasks `[tasks, options]`, and a point for each.
    fn decide(&mut self) -> Result<Tensors>;

    /// A look at the network as it is.
    ///
    /// # Errors
    /// Where the task has no batches.
    fn probe(&self, probe: &Probe) -> Result<Probed>;
    /// Says what will be probed: one pass then answers all probes of one size, and is kept for as long as the weights
    /// stay what they are, or until others are named. Naming none lets go of what was kept.
    fn share(&mut self, probes: &[Probe]) -> Result<()>;

    /// What [`Session::cost`] adds up where nothing is open, layer by layer in their order: by node, and by `node.2` for
    /// the option 2 of a mix. Weights that are shared count where they stand first.
    #[since(1.1)]
    fn costs(&self, what: &str) -> Result<Named<f64>> {
        let what = format!("the host is older than costs of each layer, such as `{what}`");
        Err(crate::Error::new(what).help("update pleach").into())
    }

    /// The mean of what weights have, by path and in their shapes, over all that [`cut`](Session::cut) would take away with a
    /// unit: `[units]`, by axis as `node.out`, for each axis whose units can leave. Of axes that are tied one stands for
    /// all. Weights that are not named count for nothing; so scores of weights become scores of units, which
    /// [`prune`](Session::prune) takes.
    #[since(1.1)]
    fn by_units(&self, of_weights: &Tensors) -> Result<Tensors> {
        let names = of_weights.names().collect::<Vec<_>>().join(", ");
        let what = format!("the host is older than sums over units, as of {names}");
        Err(crate::Error::new(what).help("update pleach").into())
    }
}
