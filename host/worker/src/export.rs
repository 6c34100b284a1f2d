//! Networks for other programs: their weights as evaluation uses them, and how PyTorch and ONNX write them.

mod onnx;
mod python;

use std::collections::{BTreeSet, HashMap};

use pleach::files::write_whole;
use pleach::protocol::{Export, Format};
use plugin_api::role::{Layer, Task, TaskObj};
use plugin_api::{
    Arch, Ask, At, Context, Error, Named, Node, NodeKind, Result, Session, Source, Tensors, Value,
    WeightSpec,
};

pub use onnx::Onnx;

use crate::network::{Built, Network};
use crate::session::NetSession;
use crate::weights;

/// Writes what the session holds.
///
/// # Errors
/// Where the network cannot be written in the wanted language, or a file cannot.
pub(crate) fn export(session: &NetSession, task: &TaskObj, to: &Export) -> Result<()> {
    let network = session.network();
    let weights = effective(session)?;
    // What hypernets make is made: there is nothing left to generate.
    let arch = Arch {
        generated: vec![],
        ..network.arch.clone()
    };
    let arch = serde_json::to_string(&arch)?;
    if to.format == Format::Onnx {
        let onnx = Onnx {
            source: &source(network, Source::ONNX)?,
            weights: &weights,
            inputs: &network.arch.inputs,
            sample: &task.batch("train", &At::ALL)?.unwrap_or_default(),
            outputs: &network.shapes_out(),
            floats: network.arch.dtype,
            about: &to.about,
            metadata: &[(weights::ARCH, &arch)],
        };
        let file = to.file.with_added_extension("onnx");
        return write_whole(&file, &onnx.bytes()?)
            .with_context(|| format!("writing {}", file.display()));
    }
    if to.format == Format::Pytorch {
        let source = source(network, Source::PYTORCH)?;
        let module = python::Module {
            source: &source,
            specs: &specs(network),
            components: &components(network),
            graphs: &graphs(&network.arch, task)?,
            arch: &network.arch,
            name: &to.file.file_name().unwrap_or_default().to_string_lossy(),
            about: &to.about,
        };
        let file = to.file.with_added_extension("py");
        write_whole(&file, module.to_string().as_bytes())
            .with_context(|| format!("writing {}", file.display()))?;
    }
    let file = to.file.with_added_extension("safetensors");
    weights::save(&file, &weights, (weights::ARCH, &arch))
}

/// The weights that layers see, by path: those that hypernets make among them.
fn specs(network: &Network) -> Vec<WeightSpec> {
    let layers = network.nodes.iter().flat_map(|node| &node.layers);
    let weights = layers.flat_map(|layer| &layer.weights);
    let used: BTreeSet<&str> = weights.map(|(_, path)| path.as_str()).collect();
    let specs = network.all_specs();
    let specs = specs.filter(|spec| used.contains(spec.name.as_str()));
    specs.cloned().collect()
}

/// What these are in evaluation: masked, and made where hypernets make them.
fn effective(session: &NetSession) -> Result<Tensors> {
    let network = session.network();
    let mut generators = network.generators.iter();
    let depends = generators.find(|g| g.each || !g.condition.is_empty());
    if let Some(generator) = depends {
        let name = &generator.name;
        let what = format!("the weights that `{name}` makes depend on what comes in");
        return Err(Error::new(what)
            .expected("weights that are the same for every input")
            .into());
    }
    let all = session.effective("all", &Ask::eval())?;
    let specs = specs(network);
    Ok(specs
        .iter()
        .map(|spec| (&spec.name, &all[&spec.name]))
        .collect())
}

/// The component of each node, by its path.
fn components(network: &Network) -> HashMap<&str, &str> {
    let layers = network.nodes.iter().flat_map(|node| &node.layers);
    layers
        .map(|layer| (layer.place.as_str(), layer.component.as_str()))
        .collect()
}

/// The inputs that are graphs; sparse features are not, which come in as any tensor.
fn graphs(arch: &Arch, task: &TaskObj) -> Result<BTreeSet<String>> {
    let batch = task.batch("train", &At::ALL)?.unwrap_or_default();
    let is_graph = |port: &&str| {
        arch.inputs[port].len() == 1 && matches!(batch.get(port), Some(Value::Graph(_)))
    };
    Ok(arch
        .inputs
        .names()
        .filter(is_graph)
        .map(Into::into)
        .collect())
}

/// How a language writes a network: a part for each node, by its name, and a body that runs them.
///
/// # Errors
/// Where something cannot be written: all of it is named.
pub(crate) fn source(network: &Network, to: &str) -> Result<Source> {
    let nodes = network.nodes.iter();
    let mut writer = Writer {
        network,
        to,
        nodes: nodes.map(|node| (node.name.as_str(), node)).collect(),
        faults: vec![],
    };
    let source = writer.network(&network.arch, "")?;
    if writer.faults.is_empty() {
        return Ok(source);
    }
    let language = language(to);
    Err(
        Error::new(format!("the network cannot be written in {language}"))
            .found(writer.faults.join("\n"))
            .expected(format!(
                "layers that say how {language} writes them, and no open mix"
            ))
            .help("`--to safetensors` writes its weights alone")
            .into(),
    )
}

/// What people call a language.
pub(crate) fn language(to: &str) -> &str {
    match to {
        Source::PYTORCH => "PyTorch",
        Source::ONNX => "ONNX",
        other => other,
    }
}

struct Writer<'a> {
    network: &'a Network,
    to: &'a str,
    nodes: HashMap<&'a str, &'a Built>,
    /// What cannot be written, and why.
    faults: Vec<String>,
}

/// What is known at one place of a network.
struct Scope {
    /// What stands for `node.port`.
    values: HashMap<String, String>,
    /// Names that have a meaning.
    taken: BTreeSet<String>,
    lines: Vec<String>,
    parts: Named<Source>,
}

impl Writer<'_> {
    fn network(&mut self, arch: &Arch, place: &str) -> Result<Source> {
        let names = arch.inputs.names();
        let arguments = names.map(|port| (format!("in.{port}"), Source::argument(port)));
        let values: HashMap<String, String> = arguments.collect();
        let mut scope = Scope {
            taken: values.values().cloned().collect(),
            values,
            lines: vec![],
            parts: Named::new(),
        };
        for node in &arch.nodes {
            self.node(node, place, &mut scope)?;
        }
        let value = |from: &str| scope.values.get(from).map_or("None", String::as_str);
        let outputs = arch.outputs.iter();
        let outputs: Vec<_> = outputs.map(|(port, from)| (port, value(&from.0))).collect();
        let given = match outputs[..] {
            [(_, value)] => value.into(),
            _ => {
                let entry = |(port, value): &(&str, &str)| format!("{port:?}: {value}");
                let entries: Vec<String> = outputs.iter().map(entry).collect();
                format!("{{{}}}", entries.join(", "))
            }
        };
        scope.lines.push(format!("return {given}"));
        Ok(Source {
            parts: scope.parts,
            ..Source::new(&arch.inputs, scope.lines.join("\n"))
        })
    }

    fn node(&mut self, node: &Node, place: &str, scope: &mut Scope) -> Result<()> {
        let path = format!("{place}{}", node.name);
        let (source, ports) = match &node.kind {
            NodeKind::Mix(mix) => {
                let open = &mix.decision;
                self.faults
                    .push(format!("`{path}`: a mix, whose decision `{open}` is open"));
                return Ok(());
            }
            NodeKind::Network(inner) => (
                self.network(inner, &format!("{path}."))?,
                inner.outputs.names().map(Into::into).collect(),
            ),
            NodeKind::Layer(_) => {
                let built = self.nodes[path.as_str()];
                let (layer, ports) = (&built.layers[0], built.outputs.iter());
                let shapes = self.network.shapes_into(layer);
                let Some(source) = layer.layer.export(self.to, &shapes)? else {
                    let what = format!("does not say how {} writes it", language(self.to));
                    self.faults
                        .push(format!("`{path}`: `{}` {what}", layer.component));
                    return Ok(());
                };
                (source, ports.map(|(port, _)| port.clone()).collect())
            }
        };
        self.run(node, (&path, source, ports), scope);
        Ok(())
    }

    /// Runs a node in the body, and takes it among the parts.
    fn run(
        &mut self,
        node: &Node,
        (path, source, ports): (&str, Source, Vec<String>),
        scope: &mut Scope,
    ) {
        if self.to == Source::PYTORCH && MEMBERS.contains(&node.name.as_str()) {
            self.faults.push(format!(
                "`{path}`: its name is one that every `nn.Module` has; call it otherwise"
            ));
            return;
        }
        let module = node.share.as_ref().unwrap_or(&node.name);
        if let Some(other) = &node.share
            && scope.parts.get(other) != Some(&source)
        {
            self.faults.push(format!(
                "`{path}`: it shares the weights of `{other}`, which is another layer"
            ));
            return;
        }
        let value = |port: &String| {
            let from = node.inputs.get(port)?;
            scope.values.get(&from.0).map(String::as_str)
        };
        // Where an input is missing, what gives it is a fault already.
        let Some(arguments) = source.inputs.iter().map(value).collect::<Option<Vec<_>>>() else {
            return;
        };
        let call = format!("{}({})", Source::attribute(module), arguments.join(", "));
        let mut result = Source::argument(&node.name);
        while !scope.taken.insert(result.clone()) {
            result.push('_');
        }
        scope.lines.push(format!("{result} = {call}"));
        for port in &ports {
            let value = match ports.len() {
                1 => result.clone(),
                _ => format!("{result}[{port:?}]"),
            };
            scope.values.insert(format!("{}.{port}", node.name), value);
        }
        if node.share.is_none() {
            scope.parts.put(&node.name, source);
        }
    }
}

/// Names that a node cannot have as an attribute of `nn.Module`.
const MEMBERS: [&str; 44] = [
    "T_destination",
    "add_module",
    "apply",
    "bfloat16",
    "buffers",
    "call_super_init",
    "children",
    "compile",
    "cpu",
    "cuda",
    "double",
    "dump_patches",
    "eval",
    "extra_repr",
    "float",
    "forward",
    "get_buffer",
    "get_extra_state",
    "get_parameter",
    "get_submodule",
    "half",
    "ipu",
    "load_state_dict",
    "modules",
    "mtia",
    "named_buffers",
    "named_children",
    "named_modules",
    "named_parameters",
    "parameters",
    "register_buffer",
    "register_module",
    "register_parameter",
    "requires_grad_",
    "set_extra_state",
    "set_submodule",
    "share_memory",
    "state_dict",
    "to",
    "to_empty",
    "train",
    "training",
    "type",
    "zero_grad",
];
