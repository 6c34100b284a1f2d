//! What the host does for components, and what it makes for them.

use std::path::PathBuf;
use std::sync::OnceLock;

use plugin_api_data::{Arch, DataFile, Decision, Point, Recipe};
use plugin_api_macros::boundary;

use crate::role::*;
use crate::trace::TracerObj;
use crate::{AdamStep, Error, Graph, On, Result, Session, SgdStep, Tensor, Tensors};

/// What spaces and strategies may ask of the host; lent for the time of a call.
#[boundary(lent)]
pub trait Host {
    /// The architecture that a point of a supernet stands for: mixes are resolved, parameters `{ decide = "name" }`
    /// filled in, and what no output needs is left out.
    fn resolve(&self, supernet: &Arch, point: &Point) -> Result<Arch>;
    /// This many points, drawn uniformly and independently.
    fn sample(&self, decisions: &[Decision], n: i64, seed: u64) -> Result<Vec<Point>>;
    /// The point with one decision, drawn at random, decided anew, in a subset one thing; the same where nothing else is
    /// possible. What becomes active by that is drawn too.
    fn mutate(&self, decisions: &[Decision], point: &Point, seed: u64) -> Result<Point>;
    /// Each decision as one of two points decides it, by a fair coin, or the only one that does.
    fn crossover(
        &self,
        decisions: &[Decision],
        one: &Point,
        other: &Point,
        seed: u64,
    ) -> Result<Point>;
    /// Points as rows of numbers from 0 to 1, `[points, width]`, float32: one column an option, one a number, one for each
    /// thing that may be in a subset. What is not active is zeros.
    fn encode(&self, decisions: &[Decision], points: &[Point]) -> Result<Tensor>;
    /// The points that are nearest to rows of numbers, `[points, width]`.
    fn decode(&self, decisions: &[Decision], rows: &Tensor) -> Result<Vec<Point>>;
    /// A session of its own, with fresh weights.
    fn session(&self, arch: &Arch, on: On, seed: u64) -> Result<Box<dyn Session>>;
    /// A row of scores for each scorer, one for each point, from fresh sessions, a session a point; the higher the better,
    /// whichever way the scorer counts. `None` where a point could not be scored.
    fn score(&self, scorers: &[Recipe], points: &[Point]) -> Result<Vec<Vec<Option<f64>>>>;
}

/// What the host lends to a library for good.
#[boundary(owned)]
pub trait Services: Send + Sync {
    /// Where spans and events go.
    fn tracer(&self) -> TracerObj;
    /// Makes a graph: see [`Graph::bipartite`].
    fn graph(
        &self,
        nodes: i64,
        source_nodes: i64,
        sources: &Tensor,
        targets: &Tensor,
        weight: Option<Tensor>,
    ) -> Result<Graph>;
    /// Makes a task, from whichever plugin.
    fn task(&self, recipe: &Recipe) -> Result<TaskObj>;
    /// Makes a layer, from whichever plugin.
    fn layer(&self, recipe: &Recipe) -> Result<LayerObj>;
    /// Makes an initializer, from whichever plugin.
    fn initializer(&self, recipe: &Recipe) -> Result<InitializerObj>;
    /// Makes a space, from whichever plugin.
    fn space(&self, recipe: &Recipe) -> Result<SpaceObj>;
    /// Makes a strategy, from whichever plugin.
    fn strategy(&self, recipe: &Recipe) -> Result<StrategyObj>;
    /// Makes a scorer, from whichever plugin.
    fn scorer(&self, recipe: &Recipe) -> Result<ScorerObj>;
    /// Makes a trainer, from whichever plugin.
    fn trainer(&self, recipe: &Recipe) -> Result<TrainerObj>;
    /// Makes a transform, from whichever plugin.
    fn transform(&self, recipe: &Recipe) -> Result<TransformObj>;
    /// Makes a pruner, from whichever plugin.
    fn pruner(&self, recipe: &Recipe) -> Result<PrunerObj>;
    /// Makes a hypernet, from whichever plugin.
    fn hypernet(&self, recipe: &Recipe) -> Result<HypernetObj>;
    /// Makes a relaxation, from whichever plugin.
    #[since(1.1)]
    fn relaxation(&self, recipe: &Recipe) -> Result<RelaxationObj> {
        Err(older_than_role("relaxation", recipe))
    }
    /// Makes an objective, from whichever plugin.
    #[since(1.1)]
    fn objective(&self, recipe: &Recipe) -> Result<ObjectiveObj> {
        Err(older_than_role("objective", recipe))
    }
    /// Makes a schedule, from whichever plugin.
    #[since(1.1)]
    fn schedule(&self, recipe: &Recipe) -> Result<ScheduleObj> {
        Err(older_than_role("schedule", recipe))
    }
    /// Makes a kernel, from whichever plugin.
    #[since(1.1)]
    fn kernel(&self, recipe: &Recipe) -> Result<KernelObj> {
        Err(older_than_role("kernel", recipe))
    }
    /// Makes an analysis, from whichever plugin.
    #[since(1.1)]
    fn analysis(&self, recipe: &Recipe) -> Result<AnalysisObj> {
        Err(older_than_role("analysis", recipe))
    }
    /// The updates of a step of Adam, and moments that go on in place, tensor by tensor in the order of the gradients:
    /// see [`AdamStep::updates`].
    #[since(1.1)]
    fn adam(
        &self,
        step: &AdamStep,
        gradients: Tensors,
        weights: &[Tensor],
        first: &[Tensor],
        second: &[Tensor],
    ) -> Result<Tensors> {
        step.plain(&gradients, weights, first, second)
    }
    /// The updates of a step of gradient descent, and momentum that goes on in place, tensor by tensor in the order of
    /// the gradients: see [`SgdStep::updates`]. `moved` is empty where there is no momentum.
    #[since(1.1)]
    fn sgd(
        &self,
        step: &SgdStep,
        gradients: Tensors,
        weights: &[Tensor],
        moved: &[Tensor],
    ) -> Result<Tensors> {
        step.plain(&gradients, weights, moved)
    }
    /// Where a file of data lies, which is downloaded if need be: see [`data_file`].
    #[since(1.1)]
    fn data_file(&self, file: &DataFile) -> Result<String> {
        let what = format!(
            "the host is older than files of data, such as `{}`",
            file.name
        );
        Err(Error::new(what).help("update pleach").into())
    }
}

fn older_than_role(role: &str, recipe: &Recipe) -> anyhow::Error {
    let what = format!(
        "the host is older than the role `{role}`, which `{}` has",
        recipe.component
    );
    Error::new(what).help("update pleach").into()
}

static SERVICES: OnceLock<ServicesObj> = OnceLock::new();

/// Takes the host's services into this library: the program calls it for what is linked into it, `plugin!` for a file.
pub fn attach(services: ServicesObj) {
    crate::boundary::quieten_panics();
    SERVICES.get_or_init(|| services);
}

/// Has this library's spans and events go to the host.
pub(crate) fn trace_to_host() -> Result<()> {
    crate::trace::install(services()?.tracer());
    Ok(())
}

/// The host's services.
///
/// # Errors
/// Before a host is there.
pub fn services() -> Result<&'static dyn Services> {
    match SERVICES.get() {
        Some(services) => Ok(services),
        None => Err(Error::new("there is no host yet").help("components are made and run by a host: `pleach_worker::host()` in a program of your own").into()),
    }
}

/// Where a file of data lies, with just the bytes that its hash says: in a folder of `PLEACH_DATA`, else in the user's
/// cache, where it is downloaded to if need be.
///
/// A task calls it when it is made or makes its first batch: the download is shown then, and may take its time. Later,
/// in a trial, it counts among the trial's seconds.
///
/// # Errors
/// Where it is nowhere and cannot be downloaded, or its bytes are others.
pub fn data_file(file: &DataFile) -> Result<PathBuf> {
    Ok(services()?.data_file(file)?.into())
}
