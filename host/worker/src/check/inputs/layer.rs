//! A layer, on whichever of the candidates it takes.
//!
//! A layer says that it cannot take something by an error of `shapes`, or, where only the numbers tell, by one of
//! `forward` that says what it expected. Few layers take symbols, groups or pairs, and most cannot know them from
//! features by their shapes: these are tried where nothing else is taken.

use std::rc::Rc;

use plugin_api::boundary::as_error;
use plugin_api::host::Services;
use plugin_api::role::{Layer, LayerObj};
use plugin_api::testing::Alone;
use plugin_api::{
    Arch, Batch, Edges, Error, Graph, Recipe, Result, Shape, Shapes, Tensors, Value, WeightSpec,
    axis, random, show, stream,
};
use tch::{Kind, Tensor};

use super::super::{Case, Skip, differs};
use super::{Exercise, Output, shown, weights};
use crate::registry::host;

/// Features, images' sides and steps: even, and a multiple of four, as layers with heads or halves want it.
const FEATURES: i64 = 8;

/// An input that some layers take.
struct Candidate {
    name: &'static str,
    shapes: Shapes,
    batch: Batch,
}

/// A layer beside an input that it takes.
pub(in super::super) struct Tried {
    pub(in super::super) layer: Rc<LayerObj>,
    /// How the input reads in a report.
    pub(in super::super) input: String,
    pub(in super::super) shapes: Shapes,
    pub(in super::super) batch: Batch,
    pub(in super::super) promised: Shapes,
    pub(in super::super) specs: Vec<WeightSpec>,
    pub(in super::super) weights: Tensors,
}

/// The layer on each of the candidates that it takes; `many` times as many samples and nodes as usual.
pub(in super::super) fn tried(
    case: &Case<'_>,
    recipe: &Recipe,
    seed: u64,
    many: i64,
) -> Result<Vec<Tried>> {
    let layer = Rc::new(host().layer(recipe)?);
    let mut names = vec![];
    for candidates in [usual(seed, many)?, special(seed, many)?] {
        let mut tried = vec![];
        for candidate in candidates {
            names.push(candidate.name);
            tried.extend(taken(case, &layer, candidate, seed)?);
        }
        if !tried.is_empty() {
            return Ok(tried);
        }
    }
    let what = format!(
        "the layer takes none of the inputs that are tried: {}",
        names.join(", ")
    );
    Err(Skip(what).into())
}

/// The layer beside a candidate; nothing where it does not take it.
fn taken(
    case: &Case<'_>,
    layer: &Rc<LayerObj>,
    candidate: Candidate,
    seed: u64,
) -> Result<Option<Tried>> {
    let Ok(promised) = layer.shapes(&candidate.shapes) else {
        return Ok(None);
    };
    let specs = layer.weights(&candidate.shapes)?;
    let nowhere = Arch::new(candidate.shapes.clone());
    let tried = Tried {
        layer: Rc::clone(layer),
        input: describe(&candidate),
        promised,
        weights: weights(&specs, &nowhere, seed)?,
        specs,
        shapes: candidate.shapes,
        batch: candidate.batch,
    };
    for train in [false, true] {
        let exercise = exercise(&tried, train, seed);
        case.trying(&exercise.input)?;
        if !refuses(&exercise) {
            return Ok(Some(tried));
        }
    }
    Ok(None)
}

/// Whether the layer says what it expected in place of these numbers. libtorch's errors and panics do not.
fn refuses(exercise: &Exercise) -> bool {
    let Err(error) = exercise.run() else {
        return false;
    };
    let mut root = as_error(error);
    while let Some(cause) = root.cause {
        root = *cause;
    }
    root.expected.is_some()
}

pub(super) fn exercises(
    case: &Case<'_>,
    recipe: &Recipe,
    seed: u64,
    many: i64,
) -> Result<Vec<Exercise>> {
    let tried = tried(case, recipe, seed, many)?;
    let each = tried.iter().flat_map(|tried| {
        let of = |train| exercise(tried, train, seed);
        [false, true].map(of)
    });
    Ok(each.collect())
}

fn exercise(tried: &Tried, train: bool, seed: u64) -> Exercise {
    let of_input = |(port, value): (&str, &Value)| match value {
        Value::Tensor(t) => Some((format!("input {port}"), t.clone())),
        Value::Graph(_) => None,
    };
    let mut lent: Tensors = tried.batch.iter().filter_map(of_input).collect();
    for (name, t) in tried.weights.iter() {
        lent.put(format!("weight {name}"), t.clone());
    }
    let when = if train { ", in training" } else { "" };
    let input = format!("{}{when}", tried.input);

    let (batch, runner) = (tried.batch.clone(), Rc::clone(&tried.layer));
    let call = move |lent: &Tensors| {
        let inputs = batch.iter().map(|(port, value)| match value {
            Value::Tensor(_) => (port, Value::from(&lent[&format!("input {port}")])),
            Value::Graph(graph) => (port, graph.clone().into()),
        });
        let pass = if train {
            Alone::train(seed)
        } else {
            Alone::eval()
        };
        let output = runner.forward(&lent.under("weight "), &inputs.collect(), &pass)?;
        Ok(Output::of_batch(&output))
    };
    let (layer, shapes) = (Rc::clone(&tried.layer), tried.shapes.clone());
    let (promised, specs) = (tried.promised.clone(), tried.specs.clone());
    let promise = move |output: &Output| {
        stable(&layer, &shapes, &specs)?;
        promised
            .iter()
            .try_for_each(|(port, shape)| given(output, port, shape))
    };
    Exercise {
        input,
        lent,
        differentiable: true,
        call: Box::new(call),
        promise: Box::new(promise),
    }
}

/// Asked again, a layer wants the same weights.
fn stable(layer: &LayerObj, shapes: &Shapes, specs: &[WeightSpec]) -> Result<()> {
    if layer.weights(shapes)? != specs {
        return Err(Error::new("`weights` gives other weights when it is asked again").into());
    }
    let names: Vec<&str> = specs.iter().map(|spec| spec.name.as_str()).collect();
    match names
        .iter()
        .enumerate()
        .find(|(i, name)| names[..*i].contains(name))
    {
        Some((_, name)) => Err(Error::new(format!("two weights are called `{name}`")).into()),
        None => Ok(()),
    }
}

fn given(output: &Output, port: &str, promised: &Shape) -> Result<()> {
    let wrong = |found: String| {
        differs(
            format!("output `{port}` is not as `shapes` promised"),
            found,
            show(promised),
        )
    };
    let Some(t) = output.tensors.get(port) else {
        // A graph has no shape to be held to.
        return match output.tensors.contains(&format!("{port}.sources")) {
            true => Ok(()),
            false => Err(wrong("nothing".into())),
        };
    };
    let size = t.size();
    let fits = size.len() == promised.len()
        && size
            .iter()
            .zip(promised)
            .all(|(n, axis)| axis.size.is_none_or(|m| m == *n));
    if fits {
        Ok(())
    } else {
        Err(wrong(format!("{size:?}")))
    }
}

/// What comes in at a port: its name, the shape that is promised, and what is given.
type Port = (String, Shape, Value);

/// What most layers take; `many` times as many samples and nodes as usual.
fn usual(seed: u64, many: i64) -> Result<Vec<Candidate>> {
    let batch = 5 * many;
    let features = |port: &str| dense(port, &["batch", "features"], &[batch, FEATURES], seed);
    let nodes = |n: i64| dense("x", &["nodes", "features"], &[n, FEATURES], seed);
    let axes = ["batch", "time", "features"];
    let sequences = dense("x", &axes, &[batch, 6, FEATURES], seed);
    let axes = ["batch", "channels", "height", "width"];
    let images = dense("x", &axes, &[batch, 4, FEATURES, FEATURES], seed);
    let graph = |graph: Graph| port("graph", &["nodes"], &[graph.nodes()], graph);
    Ok(vec![
        Candidate::of("features", [features("x")]),
        Candidate::of("nodes", [nodes(NODES * many), graph(odd(many)?)]),
        Candidate::of("a lone node", [nodes(1), graph(lone()?)]),
        Candidate::of("sequences", [sequences]),
        Candidate::of("images", [images]),
        Candidate::of("two inputs", [features("x"), features("y")]),
    ])
}

/// What is tried where nothing else is taken.
fn special(seed: u64, many: i64) -> Result<Vec<Candidate>> {
    let whole = |name: &str, axes: &[&str], size: &[i64], below: i64| -> Result<Port> {
        let drawn = random::uniform(size, stream(seed, name));
        let numbers = drawn.f_mul_scalar(below as f64)?.f_to_kind(Kind::Int64)?;
        Ok(port(name, axes, size, numbers))
    };
    let nodes = || dense("x", &["nodes", "features"], &[NODES * many, FEATURES], seed);
    let symbols = whole("x", &["batch", "time"], &[5 * many, 6], SYMBOLS)?;
    let sizes: Vec<i64> = (0..many).flat_map(|_| [3, 0, NODES - 3]).collect();
    let groups = Graph::members(&sizes)?;
    let groups = port("groups", &["groups"], &[groups.nodes()], groups);
    let pairs = whole("pairs", &["pairs", "ends"], &[7 * many, 2], NODES)?;
    Ok(vec![
        Candidate::of("symbols", [symbols]),
        Candidate::of("groups of rows", [nodes(), groups]),
        Candidate::of("pairs of nodes", [nodes(), pairs]),
    ])
}

/// Numbers of each kind at a port.
fn dense(name: &str, axes: &[&str], size: &[i64], seed: u64) -> Port {
    let numbers = random::normal(size, stream(seed, name));
    port(name, axes, size, numbers)
}

/// What comes in at a port; how many there are of the first axis is known at run time only.
fn port(name: &str, axes: &[&str], size: &[i64], value: impl Into<Value>) -> Port {
    let shape = axes.iter().zip(size).enumerate();
    let shape = shape.map(|(i, (name, n))| axis(name, (i > 0).then_some(*n)));
    (name.to_string(), shape.collect(), value.into())
}

impl Candidate {
    fn of<const N: usize>(name: &'static str, ports: [Port; N]) -> Self {
        let mut candidate = Candidate {
            name,
            shapes: Shapes::new(),
            batch: Batch::new(),
        };
        for (port, shape, value) in ports {
            candidate.shapes.put(&port, shape);
            candidate.batch.put(&port, value);
        }
        candidate
    }
}

/// Symbols that there are: few, as a layer may know no more.
const SYMBOLS: i64 = 4;

/// Nodes of the graph that has all that graphs can have.
const NODES: i64 = 6;

/// A path of three nodes with one of its edges twice, a self-loop, and two nodes without edges; this many times.
fn odd(many: i64) -> Result<Graph> {
    let edges = [(0, 1), (1, 0), (1, 2), (2, 1), (1, 2), (3, 3), (3, 0)];
    let all = || (0..many).flat_map(|k| edges.map(|(from, to)| (from + NODES * k, to + NODES * k)));
    let (sources, targets): (Vec<i64>, Vec<i64>) = all().unzip();
    Graph::new(
        NODES * many,
        &Tensor::from_slice(&sources),
        &Tensor::from_slice(&targets),
        None,
    )
}

/// One node, and no edge.
fn lone() -> Result<Graph> {
    let none = Tensor::from_slice::<i64>(&[]);
    Graph::new(1, &none, &none, None)
}

fn describe(candidate: &Candidate) -> String {
    let ports = candidate.batch.iter().map(|(port, value)| match value {
        Value::Tensor(t) => format!("{port} {}", shown(t)),
        Value::Graph(graph) => format!(
            "{port} of {} nodes and {} edges",
            graph.nodes(),
            graph.sources().numel()
        ),
    });
    format!(
        "{}: {}",
        candidate.name,
        ports.collect::<Vec<_>>().join(", ")
    )
}
