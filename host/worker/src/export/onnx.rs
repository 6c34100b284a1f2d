//! A source as a file of ONNX.

mod lower;
mod operators;
mod parse;
mod proto;

use plugin_api::{
    Batch, Dtype, Error, Named, Result, Shape, Shapes, Source, Tensors, Value, kind, show,
};
use prost::Message;
use tch::Kind;

use lower::Lowering;
use operators::OPSET;

/// The version of the format that belongs to the operators.
const IR: i64 = 8;

/// No message of protobuf is longer.
const LIMIT: usize = i32::MAX as usize;

/// What is told in such a file.
pub struct Onnx<'a> {
    /// What it computes.
    pub source: &'a Source,
    /// The weights, by path.
    pub weights: &'a Tensors,
    /// What comes in. An axis of unknown length is free, by its name.
    pub inputs: &'a Shapes,
    /// Something of the kinds that come in; what is not there is a tensor of floats.
    pub sample: &'a Batch,
    /// What comes out.
    pub outputs: &'a Shapes,
    /// The kind of its floats.
    pub floats: Dtype,
    /// Where it comes from, in a sentence.
    pub about: &'a str,
    /// Texts that go along, by key.
    pub metadata: &'a [(&'a str, &'a str)],
}

impl Onnx<'_> {
    /// The file.
    ///
    /// # Errors
    /// Where the source is not sound; the error names the part and the line.
    pub fn bytes(&self) -> Result<Vec<u8>> {
        let model = proto::Model {
            ir_version: IR,
            producer_name: "pleach".into(),
            producer_version: env!("CARGO_PKG_VERSION").into(),
            doc_string: self.doc(),
            graph: Some(self.graph()?),
            opset_import: vec![proto::Opset {
                domain: String::new(),
                version: OPSET,
            }],
            metadata_props: { self.metadata.iter() }
                .map(|(key, value)| proto::Entry {
                    key: (*key).into(),
                    value: (*value).into(),
                })
                .collect(),
        };
        let length = model.encoded_len();
        if length > LIMIT {
            return Err(Error::new("the network is too large for one file of ONNX")
                .found(format!("{length} bytes"))
                .expected(format!("at most {LIMIT}"))
                .help("`--to pytorch` has no such limit")
                .into());
        }
        Ok(model.encode_to_vec())
    }

    fn graph(&self) -> Result<proto::Graph> {
        let mut lowering = Lowering::new(self.weights, self.floats);
        let (mut input, mut arguments) = (vec![], vec![]);
        for (port, shape) in self.inputs.iter() {
            if self.is_graph(port) {
                let parts = self.parts(port)?;
                let names = parts.iter().map(|(part, info)| (part, info.name.clone()));
                arguments.push(lower::Value::Graph(names.collect()));
                input.extend(parts.values().cloned());
            } else {
                arguments.push(lower::Value::Tensor(port.into()));
                let axes = shape.iter().map(|axis| dimension(axis.size, &axis.name));
                input.push(info(port, self.element(port)?, axes.collect()));
            }
        }
        for info in &input {
            lowering.name(&info.name);
        }
        // Outputs are called as their ports are, where no input is.
        let ports = self.outputs.names();
        let names: Vec<String> = ports.map(|port| lowering.name(port)).collect();
        let returned = lowering.body(self.source, arguments, "")?;
        let mut output = vec![];
        for ((port, shape), name) in self.outputs.iter().zip(names) {
            let value = match &returned {
                lower::Value::Ports(ports) => ports.get(port),
                single => Some(single).filter(|_| self.outputs.len() == 1),
            };
            let value = value.ok_or_else(|| Error::new(format!("`{port}` is not returned")))?;
            lowering.nodes.push(proto::Node {
                input: vec![value.tensor()?.into()],
                output: vec![name.clone()],
                name: format!("output:{port}"),
                op_type: "Identity".into(),
                attribute: vec![],
            });
            let axes = shape.iter().map(|axis| dimension(axis.size, &axis.name));
            output.push(info(
                &name,
                lower::element(kind(self.floats))?,
                axes.collect(),
            ));
        }
        Ok(proto::Graph {
            node: lowering.nodes,
            name: "network".into(),
            initializer: lowering.initializers,
            input,
            output,
        })
    }

    /// The inputs that a graph comes in as, by part.
    fn parts(&self, port: &str) -> Result<Named<proto::ValueInfo>> {
        let ints = lower::element(Kind::Int64)?;
        let floats = lower::element(kind(self.floats))?;
        let edges = || vec![dimension(None, &format!("{port}.edges"))];
        let part = |name: &str, element, axes| {
            (
                name.to_string(),
                info(&format!("{port}.{name}"), element, axes),
            )
        };
        Ok([
            part("nodes", ints, vec![]),
            part("sources", ints, edges()),
            part("targets", ints, edges()),
            part("weight", floats, edges()),
        ]
        .into_iter()
        .collect())
    }

    /// Sparse features come in dense.
    fn is_graph(&self, port: &str) -> bool {
        self.inputs[port].len() == 1 && matches!(self.sample.get(port), Some(Value::Graph(_)))
    }

    fn element(&self, port: &str) -> Result<i32, Error> {
        match self.sample.get(port) {
            Some(Value::Tensor(t)) if !t.is_floating_point() => lower::element(t.kind()),
            _ => lower::element(kind(self.floats)),
        }
    }

    fn doc(&self) -> String {
        let input = |(port, shape): (&str, &Shape)| match self.is_graph(port) {
            true => format!(
                "    `{port}.nodes`: how many nodes there are; `{port}.sources`, `{port}.targets`: the ends of each edge; `{port}.weight`: its weight\n"
            ),
            false => format!("    `{port}`: {}\n", show(shape)),
        };
        let inputs: String = self.inputs.iter().map(input).collect();
        let output = |(port, shape): (&str, &Shape)| format!("    `{port}`: {}\n", show(shape));
        let outputs: String = self.outputs.iter().map(output).collect();
        format!("{}\n\nInputs:\n{inputs}\nOutputs:\n{outputs}", self.about)
    }
}

fn info(name: &str, elem_type: i32, dim: Vec<proto::Dimension>) -> proto::ValueInfo {
    let tensor = proto::TensorType {
        elem_type,
        shape: Some(proto::Shape { dim }),
    };
    proto::ValueInfo {
        name: name.into(),
        kind: Some(proto::Type {
            tensor: Some(tensor),
        }),
    }
}

fn dimension(length: Option<i64>, name: &str) -> proto::Dimension {
    proto::Dimension {
        dim_value: length,
        dim_param: length.is_none().then(|| name.into()),
    }
}

#[cfg(test)]
mod tests {
    use plugin_api::{Tensor, axis};

    use super::*;

    /// A layer with one weight, `[3, 4]`, on `x`, `[batch, 4]`, and a graph.
    fn written(source: &Source) -> Result<Vec<u8>> {
        crate::host();
        let weight = Tensor::from(tch::Tensor::from_slice(&[0.5_f32; 12]).view([3, 4]));
        let ends = tch::Tensor::from_slice(&[0_i64]);
        let graph = plugin_api::Graph::new(1, &ends, &ends, None)?;
        let onnx = Onnx {
            source,
            weights: &Tensors::new().with("weight", weight),
            inputs: &inputs(),
            sample: &Batch::new().with("graph", graph),
            outputs: &Shapes::new().with("y", vec![axis("batch", None), axis("out", 3)]),
            floats: Dtype::F32,
            about: "A layer.",
            metadata: &[("arch", "{}")],
        };
        onnx.bytes()
    }

    fn inputs() -> Shapes {
        Shapes::new()
            .with("x", vec![axis("batch", None), axis("features", 4)])
            .with("graph", vec![axis("nodes", None)])
    }

    #[test]
    fn what_is_written_reads_back() {
        let body = "return MatMul(x, Transpose(self.weight, perm=[1, 0])) * 2.0 + 2.0";
        let bytes = written(&Source::new(&inputs(), body)).expect("a file");
        let model = proto::Model::decode(&*bytes).expect("a model");
        assert_eq!((model.ir_version, model.opset_import[0].version), (8, 18));
        assert_eq!(model.metadata_props[0].key, "arch");
        let graph = model.graph.expect("a graph");
        let names: Vec<&str> = graph.input.iter().map(|input| &*input.name).collect();
        let parts = [
            "graph.nodes",
            "graph.sources",
            "graph.targets",
            "graph.weight",
        ];
        assert_eq!(names, [&["x"], &parts[..]].concat());
        let kinds: Vec<&str> = graph.node.iter().map(|node| &*node.op_type).collect();
        assert_eq!(kinds, ["Transpose", "MatMul", "Mul", "Add", "Identity"]);
        assert_eq!(graph.node[0].attribute[0].ints, [1, 0]);
        // The same number stands there once.
        let names: Vec<&str> = graph
            .initializer
            .iter()
            .map(|tensor| &*tensor.name)
            .collect();
        assert_eq!(names, ["weight", "constant/2.0"]);
        assert_eq!(graph.initializer[0].dims, [3, 4]);
        assert_eq!(
            graph.initializer[0].raw_data,
            [0.5_f32.to_le_bytes(); 12].concat()
        );
        let shape = |info: &proto::ValueInfo| {
            let tensor = info
                .kind
                .clone()
                .and_then(|kind| kind.tensor)
                .expect("a tensor");
            let dim = tensor.shape.expect("a shape").dim.into_iter();
            dim.map(|dim| (dim.dim_value, dim.dim_param))
                .collect::<Vec<_>>()
        };
        assert_eq!(
            shape(&graph.output[0]),
            [(None, Some("batch".into())), (Some(3), None)]
        );
    }

    #[test]
    fn what_is_not_sound_is_refused_with_its_line() {
        let check = |body: &str, line: Option<usize>, what: &str| {
            let error = written(&Source::new(&inputs(), body)).expect_err(body);
            let error = plugin_api::boundary::as_error(error);
            let line = line.map_or(String::new(), |line| format!(", line {line}"));
            assert_eq!(
                error.what,
                format!("the ONNX of the network is not sound{line}")
            );
            assert_eq!(error.cause.expect("a cause").what, what, "{body}");
        };
        check("return y", Some(1), "nothing is called `y`");
        check("return self.bias", Some(1), "no weight is called `bias`");
        check(
            "y = x\nreturn self.inner(y)",
            Some(2),
            "no part is called `inner`",
        );
        check("y = x", None, "nothing is returned");
        check("return Relu(x", None, "line 1 cannot be read");
        check(
            "return relu(x)",
            Some(1),
            "`relu` is no operator that a layer may use",
        );
        check(
            "return RandomUniformLike(x)",
            Some(1),
            "`RandomUniformLike` is no operator that a layer may use",
        );
        check(
            "return Relu(x, x)",
            Some(1),
            "`Relu` has another number of inputs",
        );
        check(
            "y, z = Relu(x)\nreturn y",
            Some(1),
            "`Relu` has another number of outputs",
        );
        check(
            "return Relu(x, axis=1)",
            Some(1),
            "`Relu` has no attribute `axis`",
        );
        check(
            "return Concat(x, x)",
            Some(1),
            "`Concat` needs its attribute `axis`",
        );
        let other = "attribute `axis` of `Concat` is of another kind";
        check("return Concat(x, axis=1.0)", Some(1), other);
        check("return Concat(x, axis=[1])", Some(1), other);
        check("return Concat(x, axis=\"1\")", Some(1), other);
        check("return Relu(graph)", Some(1), "a tensor belongs here");
        check("return Relu(\"x\")", Some(1), "a text is no tensor");
        check(
            "return graph.edges",
            Some(1),
            "nothing is called `edges` here",
        );
        check(
            "return x.sources",
            Some(1),
            "`.sources` is asked of what is no graph",
        );
        check(
            "return x[\"y\"]",
            Some(1),
            "`[\"y\"]` is asked of one value",
        );
        check(
            "return Reshape(x, [x])",
            Some(1),
            "a list holds numbers alone",
        );
        check(
            "return Reshape(x, [self.weight.size(2)])",
            Some(1),
            "weight `weight` has no axis 2",
        );
        check(
            "a, b = x\nreturn a",
            Some(1),
            "several names are given to one value",
        );
    }

    #[test]
    fn parts_have_names_and_weights_of_their_own() {
        let part = Source::new(
            &Shapes::new().with("x", vec![]),
            "y = Relu(x)\nreturn {\"a\": y, \"b\": self.weight}",
        );
        let whole = Source::new(&inputs(), "y = self.inner(x)\nreturn y[\"a\"] + y[\"b\"]");
        let error = written(&whole.clone().part("inner", part)).expect_err("a weight is missing");
        let error = format!("{error:#}");
        assert!(
            error.contains("the ONNX of `inner` is not sound, line 2"),
            "{error}"
        );
        assert!(
            error.contains("no weight is called `inner.weight`"),
            "{error}"
        );
        let part = Source::new(
            &Shapes::new().with("x", vec![]),
            "y = Relu(x)\nreturn {\"a\": y, \"b\": x}",
        );
        let bytes = written(&whole.part("inner", part)).expect("a file");
        let graph = proto::Model::decode(&*bytes)
            .expect("a model")
            .graph
            .expect("a graph");
        assert_eq!(graph.node[0].output, ["inner/y"]);
        assert_eq!(graph.node[1].input, ["inner/y", "x"]);
    }
}
