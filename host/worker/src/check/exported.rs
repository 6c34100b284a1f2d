//! What a component exports: to PyTorch, compiled by TorchScript, against the component itself; to ONNX, whether a file
//! can be made of it.

use std::cell::Cell;

use plugin_api::boundary::as_error;
use plugin_api::role::Layer;
use plugin_api::testing::Alone;
use plugin_api::{
    Batch, Choice, Dtype, Error, Pass, Result, Source, Tensor, Tensors, Value, stream,
};
use tch::Kind;

use super::inputs::layer::{Tried, tried};
use super::{Case, Skip, differs};
use crate::export::Onnx;
use crate::native::Script;

/// In which kinds it is run, and how far numbers may be apart.
const KINDS: [(Kind, &str, f64); 2] = [
    (Kind::Float, "float32", 1e-5),
    (Kind::Double, "float64", 1e-10),
];

pub(super) fn exported(case: &Case<'_>) -> Result<()> {
    let recipe = case.stand_ins.recipe(case)?;
    let mut written = false;
    for tried in tried(case, &recipe, stream(case.seed, case.name), 1)? {
        case.trying(&tried.input)?;
        if let Some(source) = tried.layer.export(Source::ONNX, &tried.shapes)? {
            written_in_onnx(&tried, &source)?;
        }
        let Some(source) = tried.layer.export(Source::PYTORCH, &tried.shapes)? else {
            continue;
        };
        written = true;
        for (kind, name, tolerance) in KINDS {
            let of_kind = OfKind::new(&tried, kind);
            for train in [false, true] {
                let when = if train { ", in training" } else { "" };
                case.trying(&format!("{}, {name}{when}", tried.input))?;
                of_kind.compare(&source, train, tolerance)?;
            }
        }
    }
    match written {
        true => Ok(()),
        false => Err(Skip("it does not say how PyTorch writes it".into()).into()),
    }
}

/// Whether a source makes a file. What that computes, no library here can tell.
fn written_in_onnx(tried: &Tried, source: &Source) -> Result<()> {
    let onnx = Onnx {
        source,
        weights: &tried.weights,
        inputs: &tried.shapes,
        sample: &tried.batch,
        outputs: &tried.promised,
        floats: Dtype::F32,
        about: "",
        metadata: &[],
    };
    onnx.bytes()?;
    Ok(())
}

/// A layer and what it is given, in one kind of numbers.
struct OfKind<'a> {
    tried: &'a Tried,
    inputs: Batch,
    weights: Tensors,
}

impl<'a> OfKind<'a> {
    fn new(tried: &'a Tried, kind: Kind) -> Self {
        let of_kind = |t: &tch::Tensor| match t.is_floating_point() {
            true => t.to_kind(kind),
            false => t.shallow_clone(),
        };
        let inputs = tried.batch.iter().map(|(port, value)| match value {
            Value::Tensor(t) => (port, Value::from(of_kind(t))),
            Value::Graph(graph) => (port, graph.clone().into()),
        });
        OfKind {
            tried,
            inputs: inputs.collect(),
            weights: tried.weights.map(|_, t| of_kind(t)),
        }
    }

    /// Holds what comes out of the source, and what it leaves in buffers, to the layer.
    fn compare(&self, source: &Source, train: bool, tolerance: f64) -> Result<()> {
        let tried = self.tried;
        let pass = Counting::new(train);
        let expected = tried.layer.forward(&self.weights, &self.inputs, &pass)?;
        if pass.draws.get() > 0 {
            // PyTorch draws other numbers.
            return Ok(());
        }
        let weights = self.weights.map(|_, t| t.copy());
        let said = |what: &str, error: anyhow::Error| {
            let help = "`Layer::export` says what a body may use";
            Error::new(what).caused_by(as_error(error)).help(help)
        };
        let script = Script::compile(
            source,
            &tried.specs,
            &weights,
            &self.inputs,
            &tried.promised,
        );
        let script = script.map_err(|e| said("TorchScript does not take what is exported", e))?;
        let found = script.run(&self.inputs, train);
        let found = found.map_err(|e| said("what is exported does not run", e))?;
        for port in tried.promised.names() {
            let what = format!("output `{port}` of what is exported");
            near(&what, &found[port], expected.tensor(port)?, tolerance)?;
        }
        for (buffer, kept) in pass.alone.kept().iter() {
            let what = format!("buffer `{buffer}`, as what is exported leaves it,");
            near(&what, &weights[buffer], kept, tolerance)?;
        }
        Ok(())
    }
}

fn near(what: &str, found: &tch::Tensor, expected: &tch::Tensor, tolerance: f64) -> Result<()> {
    let kinds = |t: &tch::Tensor| format!("{:?} {:?}", t.kind(), t.size());
    if (found.kind(), found.size()) != (expected.kind(), expected.size()) {
        let what = format!("{what} has another shape or kind than the layer's");
        return Err(differs(what, kinds(found), kinds(expected)));
    }
    if found.f_allclose(expected, tolerance, tolerance, true)? {
        return Ok(());
    }
    let off = found.f_sub(expected)?.f_abs()?;
    let worst = off.f_nan_to_num(f64::INFINITY, None, None)?;
    let worst = worst.f_argmax(None::<i64>, false)?.f_int64_value(&[])?;
    let at = |t: &tch::Tensor| -> Result<String> {
        Ok(format!(
            "{:e}",
            t.f_flatten(0, -1)?.f_double_value(&[worst])?
        ))
    };
    let what = format!("{what} has other numbers than the layer's");
    Err(differs(what, at(found)?, at(expected)?))
}

/// A pass by itself that knows whether numbers were drawn.
struct Counting {
    alone: Alone,
    draws: Cell<u64>,
}

impl Counting {
    fn new(train: bool) -> Self {
        Counting {
            alone: match train {
                true => Alone::train(0),
                false => Alone::eval(),
            },
            draws: Cell::new(0),
        }
    }
}

impl Pass for Counting {
    fn train(&self) -> bool {
        self.alone.train()
    }

    fn step(&self) -> i64 {
        self.alone.step()
    }

    fn tap(&self, name: &str, x: Tensor) -> Tensor {
        self.alone.tap(name, x)
    }

    fn choice(&self, decision: &str) -> Option<Choice> {
        self.alone.choice(decision)
    }

    fn keep(&self, buffer: &str, value: Tensor) {
        self.alone.keep(buffer, value);
    }

    fn uniform(&self, size: &[i64]) -> Tensor {
        self.draws.set(self.draws.get() + 1);
        self.alone.uniform(size)
    }
}
