//! What layers export, compiled and run by TorchScript: see [`Source`].

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::{CString, c_char, c_int};
use std::ptr::{self, NonNull};

use plugin_api::{
    Batch, Context, Edges, Graph, Group, Result, Shapes, Source, Tensors, Value, WeightSpec,
};
use tch::Tensor;
use torch_sys::C_tensor;

use super::{failure, owned};

/// A `torch::jit::Module`.
#[repr(C)]
struct Opaque {
    _nothing: [u8; 0],
}

/// A tensor in `x`, or a graph, laid out as in `native/script.cpp`.
#[repr(C)]
struct Given {
    x: *const C_tensor,
    nodes: i64,
    sources: *const C_tensor,
    targets: *const C_tensor,
    weight: *const C_tensor,
}

unsafe extern "C" {
    fn pleach_script_new() -> *mut Opaque;
    fn pleach_script_free(module: *mut Opaque);
    fn pleach_script_tensor(
        module: *mut Opaque,
        name: *const c_char,
        x: *const C_tensor,
        buffer: bool,
    ) -> c_int;
    fn pleach_script_part(module: *mut Opaque, name: *const c_char, part: *const Opaque) -> c_int;
    fn pleach_script_define(module: *mut Opaque, source: *const c_char) -> c_int;
    fn pleach_script_run(
        module: *mut Opaque,
        inputs: *const Given,
        count: usize,
        train: bool,
        wanted: *mut *mut C_tensor,
        room: usize,
    ) -> c_int;
}

// SAFETY, of all calls: the module is alive for as long as its owner, `Module`; tensors are live ones for the time of the
// call, of which a module makes handles of its own; texts end in 0. Nothing is thrown.

/// A source in PyTorch as TorchScript has compiled it, with weights of its own.
pub struct Script {
    module: Module,
    inputs: Vec<String>,
    outputs: Vec<String>,
}

impl Script {
    /// Compiles a source whose weights are these, by name, for inputs such as these and outputs of these ports. Buffers
    /// that it moves, as running statistics are, are moved in the tensors themselves.
    ///
    /// # Errors
    /// Where TorchScript does not take it; the error shows the line.
    pub fn compile(
        source: &Source,
        specs: &[WeightSpec],
        weights: &Tensors,
        inputs: &Batch,
        outputs: &Shapes,
    ) -> Result<Script> {
        let is_graph = |port: &&str| matches!(inputs.get(port), Some(Value::Graph(_)));
        let graphs = inputs.names().filter(is_graph).collect();
        let attributes = specs.iter().map(|spec| {
            let weight = weights.get(&spec.name);
            let weight = weight.with_context(|| format!("no weight is called `{}`", spec.name))?;
            Ok((spec.name.as_str(), (&**weight, spec.group == Group::Buffer)))
        });
        let attributes = attributes.collect::<Result<Vec<_>>>()?;
        let module = Module::of(Some(source), attributes, &graphs)?;
        let outputs: Vec<String> = outputs.names().map(Into::into).collect();
        module.define(&entry(source, &outputs, &graphs))?;
        Ok(Script {
            module,
            inputs: source.inputs.clone(),
            outputs,
        })
    }

    /// What comes out.
    ///
    /// # Errors
    /// Where an input is missing or does not fit; the error shows the line at which it failed.
    pub fn run(&self, inputs: &Batch, train: bool) -> Result<Tensors> {
        let values = self.inputs.iter().map(|port| {
            let value = inputs.get(port);
            Ok(Held::of(value.with_context(|| {
                format!("nothing comes in at port `{port}`")
            })?))
        });
        let values = values.collect::<Result<Vec<Held>>>()?;
        let given: Vec<Given> = values.iter().map(Held::given).collect();
        let mut outputs = vec![ptr::null_mut(); self.outputs.len()];
        // SAFETY: as above; as many inputs as are named, of values that are held here, and room for as many outputs.
        done(unsafe {
            pleach_script_run(
                self.module.as_ptr(),
                given.as_ptr(),
                given.len(),
                train,
                outputs.as_mut_ptr(),
                outputs.len(),
            )
        })?;
        let outputs = self.outputs.iter().zip(outputs);
        // SAFETY: each is a tensor from `new`, which nobody else owns.
        outputs
            .map(|(port, t)| Ok((port, unsafe { owned(t) }?)))
            .collect()
    }
}

/// The owner of a module.
struct Module(NonNull<Opaque>);

impl Module {
    fn new() -> Result<Module> {
        // SAFETY: as above.
        NonNull::new(unsafe { pleach_script_new() })
            .map(Module)
            .ok_or_else(failure)
    }

    /// A module of this source, without one a mere holder of weights. Each weight comes with whether it is a buffer.
    fn of(
        source: Option<&Source>,
        weights: Vec<(&str, (&Tensor, bool))>,
        graphs: &BTreeSet<&str>,
    ) -> Result<Module> {
        let module = Module::new()?;
        let parts = source.iter().flat_map(|source| source.parts.names());
        let mut within: BTreeMap<&str, Vec<_>> = parts.map(|name| (name, vec![])).collect();
        for (name, (weight, is_buffer)) in weights {
            match name.split_once('.') {
                Some((prefix, name)) => {
                    let theirs = within.entry(prefix).or_default();
                    theirs.push((name, (weight, is_buffer)));
                }
                None => {
                    let name = CString::new(name)?;
                    // SAFETY: as above.
                    done(unsafe {
                        pleach_script_tensor(
                            module.as_ptr(),
                            name.as_ptr(),
                            weight.as_ptr(),
                            is_buffer,
                        )
                    })?;
                }
            }
        }
        for (prefix, weights) in within {
            let part = source.and_then(|source| source.parts.get(prefix));
            let part = Module::of(part, weights, graphs)?;
            let prefix = CString::new(prefix)?;
            // SAFETY: as above.
            done(unsafe { pleach_script_part(module.as_ptr(), prefix.as_ptr(), part.as_ptr()) })?;
        }
        if let Some(source) = source {
            module.define(&forward(source, graphs))?;
            module.define(&call(source, graphs))?;
        }
        Ok(module)
    }

    fn define(&self, source: &str) -> Result<()> {
        let source = CString::new(source)?;
        // SAFETY: as above.
        done(unsafe { pleach_script_define(self.as_ptr(), source.as_ptr()) })
    }

    fn as_ptr(&self) -> *mut Opaque {
        self.0.as_ptr()
    }
}

impl Drop for Module {
    fn drop(&mut self) {
        // SAFETY: as above; nobody uses it after its owner.
        unsafe { pleach_script_free(self.as_ptr()) }
    }
}

/// What a port carries, held for the time of a call.
enum Held {
    Tensor(Tensor),
    Graph {
        nodes: i64,
        ends: [plugin_api::Tensor; 2],
        weight: Option<plugin_api::Tensor>,
    },
}

impl Held {
    fn of(value: &Value) -> Held {
        match value {
            Value::Tensor(t) => Held::Tensor(t.shallow_clone()),
            Value::Graph(graph) => Held::graph(graph),
        }
    }

    fn graph(graph: &Graph) -> Held {
        let weight = graph.weight();
        let plain = *weight == weight.ones_like();
        Held::Graph {
            nodes: graph.nodes(),
            ends: [graph.sources(), graph.targets()],
            weight: (!plain).then_some(weight),
        }
    }

    fn given(&self) -> Given {
        let none = Given {
            x: ptr::null(),
            nodes: 0,
            sources: ptr::null(),
            targets: ptr::null(),
            weight: ptr::null(),
        };
        match self {
            Held::Tensor(t) => Given {
                x: t.as_ptr(),
                ..none
            },
            Held::Graph {
                nodes,
                ends: [sources, targets],
                weight,
            } => Given {
                nodes: *nodes,
                sources: sources.as_ptr(),
                targets: targets.as_ptr(),
                weight: weight
                    .as_ref()
                    .map_or(ptr::null(), |weight| weight.as_ptr()),
                ..none
            },
        }
    }
}

/// A body as a method.
fn forward(source: &Source, graphs: &BTreeSet<&str>) -> String {
    let (annotated, _) = arguments(source, graphs);
    let body = source.forward.replace('\n', "\n    ");
    format!("def forward(self{annotated}):\n    {body}\n")
}

/// What lets others call a module, as every `nn.Module` has it.
fn call(source: &Source, graphs: &BTreeSet<&str>) -> String {
    let (annotated, names) = arguments(source, graphs);
    format!("def __call__(self{annotated}):\n    return self.forward({names})\n")
}

/// The method by which outputs are asked for in an order.
fn entry(source: &Source, outputs: &[String], graphs: &BTreeSet<&str>) -> String {
    let (annotated, names) = arguments(source, graphs);
    let listed = match outputs {
        [_] => "y".into(),
        _ => { outputs.iter() }
            .map(|port| format!("y[{port:?}]"))
            .collect::<Vec<_>>()
            .join(", "),
    };
    format!(
        "def outputs(self{annotated}) -> List[Tensor]:\n    y = self.forward({names})\n    return [{listed}]\n"
    )
}

/// The arguments behind `self`, as a definition and as a call have them.
fn arguments(source: &Source, graphs: &BTreeSet<&str>) -> (String, String) {
    let names = source.inputs.iter().map(|port| Source::argument(port));
    let names: Vec<String> = names.collect();
    let annotated = source.inputs.iter().zip(&names);
    let annotated = annotated.map(|(port, name)| match graphs.contains(port.as_str()) {
        true => format!(", {name}: Graph"),
        false => format!(", {name}: Tensor"),
    });
    (annotated.collect(), names.join(", "))
}

fn done(status: c_int) -> Result<()> {
    match status {
        0 => Err(failure()),
        _ => Ok(()),
    }
}
