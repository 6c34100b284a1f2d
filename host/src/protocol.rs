//! What `pleach` and `pleach-worker` say to each other: MessagePack values, each behind its length.
//!
//! A worker is started with `pleach-worker serve`, reads [`Request`]s on its standard input and answers on its standard
//! output. `Begin`, `Ask`, `Tell` and `Change` are answered in turn; `Run` starts a child process and is answered as that one
//! ends its works, in any order. The end of the input ends the worker and all its children.

use std::io::{self, Read, Write};
use std::path::PathBuf;

use glob::Pattern;
use plugin_api_data::{
    Answers, Arch, Decision, Error, Goal, Named, Observation, Params, Proposal, Recipe, Report,
};
use serde::{Deserialize, Serialize, de::DeserializeOwned};

/// What a worker needs before anything else.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Start {
    /// The plugin files that the experiment names, and what their bytes must hash to.
    pub plugins: Vec<PluginFile>,
    /// The task of the experiment.
    pub task: Recipe,
    /// `cpu`, `cuda` or `cuda:N`.
    pub device: String,
    /// Threads of libtorch in a child.
    pub threads: u32,
    /// Folder for the children's own output, a file each, named after the work.
    pub logs: PathBuf,
}

/// A plugin's file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PluginFile {
    /// Where it lies.
    pub path: PathBuf,
    /// SHA-256 of its bytes, in lower-case hexadecimal digits.
    pub sha256: String,
}

/// What `pleach` asks for.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub enum Request {
    /// The first request; answered by [`Reply::Ready`].
    Start(Start),
    /// Makes a strategy and tells it what the search is about; answered by [`Reply::Began`].
    Begin(Begin),
    /// Asks the strategy for this many points; answered by [`Reply::Proposals`].
    Ask(u32),
    /// Tells the strategy what was seen; answered by [`Reply::Told`].
    Tell(Vec<Observation>),
    /// Has others join the strategy and leave it; answered by [`Reply::Began`], or by [`Reply::Refused`].
    Change(Change),
    /// Runs works in one child, one after the other; each is answered by [`Reply::Ended`] when it has ended. Behind one that
    /// fails or dies the child does no other: the rest is answered by [`End::Unbegun`].
    Run(Vec<Work>),
}

/// A search, for the worker that asks its strategy.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Begin {
    /// The strategy.
    pub strategy: Recipe,
    /// The space that it searches.
    pub space: Recipe,
    /// Decides, with the history, all that it does.
    pub seed: u64,
    /// What a child that scores points for it may use; the time is for each score.
    pub limits: Limits,
}

/// Strategies that join a search and leave it while it runs.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Change {
    /// Who joins, by name.
    #[serde(default, skip_serializing_if = "Named::is_empty")]
    pub add: Named<Recipe>,
    /// Who leaves.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub drop: Vec<String>,
}

impl Change {
    /// Whether nothing changes.
    pub fn is_empty(&self) -> bool {
        self.add.is_empty() && self.drop.is_empty()
    }
}

/// What a child does: it takes a subject, applies steps to it, and hands on a subject.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Work {
    /// Names it in answers and logs: `found-t7`, `train-s2`.
    pub name: String,
    /// What it starts from.
    pub subject: Subject,
    /// What it does, in order.
    pub steps: Vec<Step>,
    /// The seed of weights, draws and data order.
    pub seed: u64,
    /// Splits on which the result is evaluated.
    pub evaluate: Vec<String>,
    /// Where the weights go (safetensors, with the architecture in the metadata); written whole or not at all.
    pub save: Option<PathBuf>,
    /// What it may use.
    pub limits: Limits,
    /// What an analysis among the steps looks at.
    #[serde(default)]
    pub bench: Vec<OnBench>,
    /// The weights of the trial whose weights may be inherited.
    #[serde(default)]
    pub parent: Option<PathBuf>,
    /// Where it goes on from, should it be killed in the midst of it.
    #[serde(default)]
    pub checkpoint: Option<Checkpoint>,
    /// Where the network goes for other programs.
    #[serde(default)]
    pub export: Option<Box<Export>>,
    /// A file with samples of which the network is to say what they are.
    #[serde(default)]
    pub predict: Option<PathBuf>,
}

impl Work {
    /// Work that takes its subject and hands it on.
    pub fn new(name: String, subject: Subject, seed: u64, limits: Limits) -> Self {
        Work {
            name,
            subject,
            steps: vec![],
            seed,
            evaluate: vec![],
            save: None,
            limits,
            bench: vec![],
            parent: None,
            checkpoint: None,
            export: None,
            predict: None,
        }
    }
}

/// A network for other programs.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Export {
    /// What is written.
    pub format: Format,
    /// The files without their endings.
    pub file: PathBuf,
    /// Where it comes from, in a sentence.
    pub about: String,
}

/// What is written of a network.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Format {
    /// Its weights, with the architecture in the metadata.
    Safetensors,
    /// The same, and a module of Python.
    Pytorch,
    /// A file of ONNX, with the architecture in the metadata.
    Onnx,
}

/// Where work writes down how far it has come.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Checkpoint {
    /// The file.
    pub file: PathBuf,
    /// How much time may be lost, in seconds.
    pub every: f64,
}

/// A subject on the bench of an analysis.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct OnBench {
    /// The stage that made it.
    pub name: String,
    /// Its architecture.
    pub arch: Arch,
    /// The file of its weights and masks; fresh weights where there is none.
    pub weights: Option<PathBuf>,
    /// What the steps of its stage reported.
    pub reports: Vec<Report>,
}

/// What work starts from.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub enum Subject {
    /// An architecture, with fresh weights.
    Arch(Arch),
    /// An architecture with the weights and masks of this file.
    Weights(Arch, PathBuf),
    /// What such a file holds, with the architecture in its metadata.
    Saved(PathBuf),
    /// The supernet of this space, undecided.
    Supernet(Recipe),
    /// A point that a strategy proposed in this space.
    Proposal(Recipe, Proposal),
    /// A point that a person wrote: a value of each decision of this space.
    Values(Recipe, Params),
}

/// One step of work.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Step {
    /// Fits the weights.
    Train(Recipe),
    /// Masks the weights of the lowest scores.
    Prune {
        /// Who scores them.
        pruner: Recipe,
        /// Fraction of the prunable weights that is masked.
        sparsity: f64,
        /// Whether one ranking goes over all weights, or one over each tensor.
        global: bool,
    },
    /// Takes the units away that masks hide wherever they lie.
    Cut,
    /// Asks a scorer what the network is worth, and leaves it alone.
    Score(Recipe),
    /// Adds a hypernet that makes weights.
    Generate {
        /// The hypernet.
        hypernet: Recipe,
        /// Selector of the weights that it makes.
        target: String,
    },
    /// Has a relaxation choose in a supernet, and goes on with what it has chosen, with fresh weights.
    Relax {
        /// The relaxation.
        relaxation: Recipe,
        /// The space of the supernet, which makes a point of scores.
        space: Recipe,
        /// Steps of its search.
        steps: u64,
    },
    /// Looks at subjects, and leaves them alone.
    Analyse {
        /// The analysis.
        analysis: Recipe,
        /// The stages that made the subjects.
        subjects: Vec<String>,
    },
}

impl Step {
    /// What an experiment calls it, and the first part of the names of what it measures.
    pub fn verb(&self) -> &'static str {
        match self {
            Step::Train(_) => "train",
            Step::Prune { .. } => "prune",
            Step::Cut => "cut",
            Step::Score(_) => "score",
            Step::Generate { .. } => "generate",
            Step::Relax { .. } => "relax",
            Step::Analyse { .. } => "analyse",
        }
    }
}

/// What a child may use; beyond it is killed and its work has failed.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Limits {
    /// Wall-clock time, in seconds.
    pub seconds: f64,
    /// Memory of its own, in bytes.
    pub memory: u64,
}

/// What a worker answers.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub enum Reply {
    /// The plugins are loaded and the task is made.
    Ready {
        /// The task's main metric.
        goal: Goal,
        /// The libtorch that was loaded.
        libtorch: String,
    },
    /// The answer takes longer: a file of data is being downloaded.
    Fetching {
        /// Its name.
        file: String,
        /// How much of it is there, in bytes.
        done: u64,
        /// How much it is in all, where that is known.
        total: Option<u64>,
    },
    /// The strategy does not change so, and is as it was.
    Refused(Error),
    /// The strategy is there, as it was begun or changed.
    Began {
        /// Whether it names earlier trials, whose weights may be inherited.
        inherits: bool,
        /// What the space leaves open.
        decisions: Vec<Decision>,
    },
    /// The answer takes longer, but comes nearer: points are being scored.
    Alive,
    /// Points to try.
    Proposals(Vec<Proposal>),
    /// The strategy has seen it.
    Told,
    /// Work ended.
    Ended {
        /// The work's name.
        name: String,
        /// How.
        end: End,
    },
    /// The request failed; the worker goes on.
    Failed(Error),
}

/// How work ended.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub enum End {
    /// The work was done.
    Done(Done),
    /// The work failed by itself: an error, a panic, a crash, a limit.
    Failed(Error),
    /// The child was killed from outside, so nothing is known of its work and it may be done again.
    Killed,
    /// The child came to its end before it.
    Unbegun,
}

/// The result of work.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Done {
    /// The architecture that is handed on.
    pub arch: Arch,
    /// What the steps and the evaluation measured: `val.accuracy`, `parameters`, `alive`, `train.epochs`, …
    pub metrics: Named<f64>,
    /// What each step reported, in order.
    pub reports: Vec<Report>,
    /// What the network says of samples, where that was asked; no part of a journal.
    #[serde(default)]
    pub answers: Option<Answers>,
}

/// What `pleach-worker doctor` says, as its one message.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Doctor {
    /// The libtorch that was loaded.
    pub libtorch: Option<String>,
    /// Where it was loaded from: the folder that holds its `lib`.
    pub libtorch_folder: Option<PathBuf>,
    /// The CUDA devices that it sees, by name.
    pub cuda: Vec<String>,
    /// What is wrong.
    pub problems: Vec<Error>,
}

/// What `pleach-worker check` is asked, as the one message on its input: to hold a plugin to what hosts rely on.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Check {
    /// The plugin.
    pub plugin: PluginFile,
    /// The plugins whose components begin its weights and stand in where it takes other components.
    pub beside: Vec<PluginFile>,
    /// Decides all that the components are given.
    pub seed: u64,
    /// Which checks to make: see [`Check::includes`].
    pub include: Option<String>,
    /// What each check may use; the time is for each input.
    pub limits: Limits,
    /// So many components at once.
    pub jobs: usize,
    /// Folder for what the plugin prints.
    pub logs: PathBuf,
}

impl Check {
    /// Whether a check, `plugin/component/check`, is to be made: those that hold the text, or match it where it is a
    /// pattern with `*`, `?` or `[`.
    pub fn includes(&self, name: &str) -> bool {
        self.include
            .as_ref()
            .is_none_or(|wanted| match Pattern::new(wanted) {
                Ok(pattern) if wanted.contains(['*', '?', '[']) => pattern.matches(name),
                _ => name.contains(wanted.as_str()),
            })
    }
}

/// What `pleach-worker check` says, until its output ends.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub enum Checking {
    /// So many checks are made in all.
    Planned(u64),
    /// One was made.
    Checked(Box<Checked>),
}

/// One check that was made.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Checked {
    /// `plugin/component`; nothing where the plugin as a whole was checked.
    pub component: Option<String>,
    /// What was checked: `opens`, `gradients`, …
    pub check: String,
    /// The same in a sentence.
    pub about: String,
    /// What came of it.
    #[serde(flatten)]
    pub verdict: Verdict,
}

/// What came of a check.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "verdict", rename_all = "kebab-case")]
pub enum Verdict {
    /// All is well.
    Ok,
    /// It could not be made.
    Skipped {
        /// Why not.
        reason: String,
    },
    /// The component does not pass it by design.
    Exempt {
        /// In the author's words.
        reason: String,
    },
    /// The component does what it must not do.
    Failed(Finding),
    /// The process died.
    Crashed(Finding),
    /// The process did not end and was killed.
    TimedOut(Finding),
}

impl Verdict {
    /// What is wrong, where something is.
    pub fn finding(&self) -> Option<&Finding> {
        match self {
            Verdict::Failed(finding) | Verdict::Crashed(finding) | Verdict::TimedOut(finding) => {
                Some(finding)
            }
            Verdict::Ok | Verdict::Skipped { .. } | Verdict::Exempt { .. } => None,
        }
    }
}

/// What is wrong.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Finding {
    /// What the component was given then.
    pub input: Option<String>,
    /// What happened.
    pub error: Error,
}

/// Writes one message.
///
/// # Errors
/// Where the other side is gone.
pub fn send<T: Serialize>(to: &mut impl Write, message: &T) -> io::Result<()> {
    let bytes = rmp_serde::to_vec_named(message).map_err(io::Error::other)?;
    let length = u32::try_from(bytes.len()).map_err(io::Error::other)?;
    to.write_all(&length.to_le_bytes())?;
    to.write_all(&bytes)?;
    to.flush()
}

/// Reads one message; `None` where the other side ended cleanly between two messages.
///
/// # Errors
/// Where it ended within a message, or sent something else.
pub fn receive<T: DeserializeOwned>(from: &mut impl Read) -> io::Result<Option<T>> {
    let mut length = [0; 4];
    match from.read_exact(&mut length) {
        Err(e) if e.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
        other => other?,
    }
    let mut bytes = vec![0; u32::from_le_bytes(length) as usize];
    from.read_exact(&mut bytes)?;
    rmp_serde::from_slice(&bytes)
        .map(Some)
        .map_err(io::Error::other)
}
