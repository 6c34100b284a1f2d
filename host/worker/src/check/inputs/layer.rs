//! A layer, on whichever of the candidates its `shapes` accepts.

use std::rc::Rc;

use plugin_api::host::Services;
use plugin_api::role::{Layer, LayerObj};
use plugin_api::testing::Alone;
use plugin_api::{
    Arch, Batch, Edges, Error, Graph, Recipe, Result, Shape, Shapes, Tensors, Value, WeightSpec,
    axis, random, show, stream,
};
use tch::Tensor;

use super::super::{Skip, differs};
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
pub(in super::super) fn tried(recipe: &Recipe, seed: u64, many: i64) -> Result<Vec<Tried>> {
    let layer = Rc::new(host().layer(recipe)?);
    let mut tried = vec![];
    let mut names = vec![];
    for candidate in candidates(seed, many)? {
        names.push(candidate.name);
        // Layers say so where they cannot take what comes in.
        let Ok(promised) = layer.shapes(&candidate.shapes) else {
            continue;
        };
        let specs = layer.weights(&candidate.shapes)?;
        let nowhere = Arch::new(candidate.shapes.clone());
        tried.push(Tried {
            layer: Rc::clone(&layer),
            input: describe(&candidate),
            promised,
            weights: weights(&specs, &nowhere, seed)?,
            specs,
            shapes: candidate.shapes,
            batch: candidate.batch,
        });
    }
    if tried.is_empty() {
        let what = format!(
            "the layer takes none of the inputs that are tried: {}",
            names.join(", ")
        );
        return Err(Skip(what).into());
    }
    Ok(tried)
}

pub(super) fn exercises(recipe: &Recipe, seed: u64, many: i64) -> Result<Vec<Exercise>> {
    let tried = tried(recipe, seed, many)?;
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

/// `many` times as many samples and nodes as usual.
fn candidates(seed: u64, many: i64) -> Result<Vec<Candidate>> {
    let batch = 5 * many;
    let dense = |port: &str, axes: &[&str], size: &[i64]| {
        // How many there are of the first is known at run time only.
        let shape = axes.iter().zip(size).enumerate();
        let shape = shape
            .map(|(i, (name, n))| axis(name, (i > 0).then_some(*n)))
            .collect();
        (
            port.to_string(),
            shape,
            Value::from(random::normal(size, stream(seed, port))),
        )
    };
    let graph = |graph: Graph| ("graph".to_string(), vec![axis("nodes", None)], graph.into());
    let features = |port: &str| dense(port, &["batch", "features"], &[batch, FEATURES]);
    let nodes = |n: i64| dense("x", &["nodes", "features"], &[n, FEATURES]);
    let sides = [batch, 4, FEATURES, FEATURES];
    type Ports = Vec<(String, Shape, Value)>;
    let all: [(&str, Ports); 6] = [
        ("features", vec![features("x")]),
        ("nodes", vec![nodes(NODES * many), graph(odd(many)?)]),
        ("a lone node", vec![nodes(1), graph(lone()?)]),
        (
            "sequences",
            vec![dense(
                "x",
                &["batch", "time", "features"],
                &[batch, 6, FEATURES],
            )],
        ),
        (
            "images",
            vec![dense(
                "x",
                &["batch", "channels", "height", "width"],
                &sides,
            )],
        ),
        ("two inputs", vec![features("x"), features("y")]),
    ];
    let candidate = |(name, ports): (&'static str, Vec<_>)| {
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
    };
    Ok(all.into_iter().map(candidate).collect())
}

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
