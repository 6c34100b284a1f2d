//! What layers say, as nodes of one graph: bodies are put one into the other, each with its own names.

use std::collections::{BTreeSet, HashMap};

use plugin_api::{Dtype, Error, Named, Result, Source, Tensors};
use tch::Kind;

use super::operators::Operator;
use super::parse::{Expr, Statement, parse};
use super::proto;
use crate::weights::bytes_of;

/// What an expression stands for.
#[derive(Clone)]
pub(super) enum Value {
    /// A tensor, by its name in the file.
    Tensor(String),
    /// Parts of a graph.
    Graph(Named<String>),
    /// Outputs by port.
    Ports(Named<Value>),
    /// An input that is left out.
    Absent,
}

impl Value {
    pub(super) fn tensor(&self) -> Result<&str, Error> {
        let found = match self {
            Value::Tensor(name) => return Ok(name),
            Value::Graph(_) => "a graph",
            Value::Ports(_) => "a dict of tensors",
            Value::Absent => "`None`",
        };
        Err(Error::new("a tensor belongs here").found(found))
    }
}

/// The graph as far as it is written.
pub(super) struct Lowering<'a> {
    weights: &'a Tensors,
    /// The kind of floats that stand in a body.
    floats: Dtype,
    pub(super) nodes: Vec<proto::Node>,
    pub(super) initializers: Vec<proto::Tensor>,
    /// The names of initializers that are there, by those that they would have where all are free.
    known: HashMap<String, String>,
    taken: BTreeSet<String>,
}

/// What is known within a body.
struct Scope<'a> {
    source: &'a Source,
    /// What paths of its weights begin with: nothing, or `block.conv.`.
    prefix: &'a str,
    names: HashMap<String, Value>,
}

impl<'a> Lowering<'a> {
    pub(super) fn new(weights: &'a Tensors, floats: Dtype) -> Self {
        Lowering {
            weights,
            floats,
            nodes: vec![],
            initializers: vec![],
            known: HashMap::new(),
            taken: BTreeSet::new(),
        }
    }

    /// A name that no other value has: this one, or the nearest that is free.
    pub(super) fn name(&mut self, wanted: &str) -> String {
        let mut name = wanted.to_string();
        let mut number = 1;
        while !self.taken.insert(name.clone()) {
            number += 1;
            name = format!("{wanted}_{number}");
        }
        name
    }

    /// Runs a body on these arguments, and gives what it returns.
    pub(super) fn body(
        &mut self,
        source: &Source,
        arguments: Vec<Value>,
        prefix: &str,
    ) -> Result<Value> {
        let at = |error: anyhow::Error, line: Option<usize>| {
            let of = match prefix {
                "" => "the network".into(),
                _ => format!("`{}`", prefix.trim_end_matches('.')),
            };
            let line = line.map(|line| format!(", line {line}"));
            let what = format!("the ONNX of {of} is not sound{}", line.unwrap_or_default());
            Error::new(what).caused_by(plugin_api::boundary::as_error(error))
        };
        let names = source.inputs.iter().map(|port| Source::argument(port));
        let mut scope = Scope {
            source,
            prefix,
            names: names.zip(arguments).collect(),
        };
        let statements = parse(&source.forward).map_err(|error| at(error.into(), None))?;
        for statement in &statements {
            let returned = self.statement(statement, &mut scope);
            if let Some(value) = returned.map_err(|error| at(error, Some(statement.line)))? {
                return Ok(value);
            }
        }
        let error = Error::new("nothing is returned").expected("a last line `return …`");
        Err(at(error.into(), None).into())
    }

    /// The value that it returns, where it does.
    fn statement(&mut self, statement: &Statement, scope: &mut Scope<'_>) -> Result<Option<Value>> {
        let value = &statement.value;
        match &statement.names[..] {
            [] => return self.value(value, scope, "y").map(Some),
            [name] => {
                let value = self.value(value, scope, name)?;
                scope.names.insert(name.clone(), value);
            }
            names => {
                let Expr::Call(callee, inputs, attributes) = value else {
                    return Err(Error::new("several names are given to one value").into());
                };
                let Expr::Name(operator) = &**callee else {
                    return Err(Error::new("several names are given to what a part makes")
                        .help("name it once, and read its outputs as `y[\"port\"]`")
                        .into());
                };
                let outputs = self.operator(operator, inputs, attributes, names, scope)?;
                let named = names
                    .iter()
                    .cloned()
                    .zip(outputs.into_iter().map(Value::Tensor));
                scope.names.extend(named.filter(|(name, _)| name != "_"));
            }
        }
        Ok(None)
    }

    fn value(&mut self, expr: &Expr, scope: &Scope<'_>, hint: &str) -> Result<Value> {
        if let Some(number) = self.number(expr, scope)? {
            return self.constant(&[number], &[]).map(Value::Tensor);
        }
        Ok(match expr {
            Expr::Name(name) => scope.names.get(name).cloned().ok_or_else(|| {
                let mut known: Vec<&str> = scope.names.keys().map(String::as_str).collect();
                known.sort_unstable();
                Error::new(format!("nothing is called `{name}`"))
                    .expected(format!("one of: {}", known.join(", ")))
                    .help("a weight is `self.NAME`")
            })?,
            Expr::Own(name) => Value::Tensor(self.weight(&format!("{}{name}", scope.prefix))?),
            Expr::None => Value::Absent,
            Expr::List(entries) => {
                let numbers = entries.iter().map(|entry| {
                    let number = self.number(entry, scope)?;
                    number.ok_or_else(|| Error::new("a list holds numbers alone").into())
                });
                let numbers = numbers.collect::<Result<Vec<Number>>>()?;
                Value::Tensor(self.constant(&numbers, &[numbers.len() as i64])?)
            }
            Expr::Ports(ports) => {
                let ports = ports.iter();
                let ports = ports.map(|(port, value)| Ok((port, self.value(value, scope, port)?)));
                Value::Ports(ports.collect::<Result<_>>()?)
            }
            Expr::Field(of, field) => match self.value(of, scope, hint)? {
                Value::Graph(parts) => part(&parts, field).map(Value::Tensor)?,
                _ => {
                    return Err(
                        Error::new(format!("`.{field}` is asked of what is no graph")).into(),
                    );
                }
            },
            Expr::Port(of, port) => match self.value(of, scope, hint)? {
                Value::Ports(ports) => part(&ports, port)?,
                _ => return Err(Error::new(format!("`[\"{port}\"]` is asked of one value")).into()),
            },
            Expr::Call(callee, inputs, attributes) => match &**callee {
                Expr::Own(name) => self.part(name, inputs, attributes, scope)?,
                Expr::Name(operator) => {
                    let hint = if hint.is_empty() { operator } else { hint };
                    let outputs = [hint.to_string()];
                    let outputs = self.operator(operator, inputs, attributes, &outputs, scope)?;
                    Value::Tensor(outputs.into_iter().next().unwrap_or_default())
                }
                _ => return Err(Error::new("only operators and parts can be called").into()),
            },
            Expr::Text(text) => {
                return Err(Error::new("a text is no tensor")
                    .found(format!("\"{text}\""))
                    .into());
            }
            Expr::Int(_) | Expr::Float(_) => unreachable!("a number"),
        })
    }

    /// What an expression is where that is a number known now: one that stands there, or a length of a weight.
    fn number(&self, expr: &Expr, scope: &Scope<'_>) -> Result<Option<Number>> {
        Ok(match expr {
            Expr::Int(n) => Some(Number::Int(*n)),
            Expr::Float(x) => Some(Number::Float(*x)),
            Expr::Call(callee, inputs, _) => match (&**callee, &inputs[..]) {
                (Expr::Own(method), [Expr::Int(axis)]) => {
                    let Some(name) = method.strip_suffix(".size") else {
                        return Ok(None);
                    };
                    let path = format!("{}{name}", scope.prefix);
                    let size = self.known_weight(&path)?.size();
                    let length = usize::try_from(*axis).ok().and_then(|axis| size.get(axis));
                    let length = length.ok_or_else(|| {
                        Error::new(format!("weight `{path}` has no axis {axis}"))
                            .found(format!("{size:?}"))
                    })?;
                    Some(Number::Int(*length))
                }
                _ => None,
            },
            _ => None,
        })
    }

    /// A node, and the names of its outputs: those asked for.
    fn operator(
        &mut self,
        name: &str,
        inputs: &[Expr],
        attributes: &[(String, Expr)],
        outputs: &[String],
        scope: &Scope<'_>,
    ) -> Result<Vec<String>> {
        let operator = Operator::of(name)?;
        let count = |what: &str, found: usize, range: &std::ops::RangeInclusive<usize>| {
            let expected = match (*range.start(), *range.end()) {
                (from, usize::MAX) => format!("{from} or more"),
                (from, to) if from == to => from.to_string(),
                (from, to) => format!("{from} to {to}"),
            };
            let error = Error::new(format!("`{name}` has another number of {what}"));
            match range.contains(&found) {
                true => Ok(()),
                false => Err(error.found(found).expected(expected)),
            }
        };
        count("inputs", inputs.len(), &operator.inputs)?;
        count("outputs", outputs.len(), &operator.outputs)?;
        let attribute = self.attributes(name, operator, attributes, scope)?;
        let input = inputs.iter().map(|input| {
            Ok(match self.value(input, scope, "")? {
                Value::Absent => String::new(),
                value => value.tensor()?.to_string(),
            })
        });
        let input = input.collect::<Result<Vec<String>>>()?;
        let place = scope.prefix.trim_end_matches('.').replace('.', "/");
        let within = |name: &str| match place.as_str() {
            "" => name.to_string(),
            _ => format!("{place}/{name}"),
        };
        let output = outputs.iter().map(|output| match output.as_str() {
            "_" => String::new(),
            _ => self.name(&within(output)),
        });
        let output: Vec<String> = output.collect();
        self.nodes.push(proto::Node {
            input,
            output: output.clone(),
            name: format!("{}:{}", within(name), self.nodes.len()),
            op_type: name.into(),
            attribute,
        });
        Ok(output)
    }

    fn attributes(
        &self,
        name: &str,
        operator: &Operator,
        given: &[(String, Expr)],
        scope: &Scope<'_>,
    ) -> Result<Vec<proto::Attribute>> {
        let there = |wanted: &str| given.iter().any(|(name, _)| name == wanted);
        if let Some(missing) = operator.required().find(|wanted| !there(wanted)) {
            return Err(Error::new(format!("`{name}` needs its attribute `{missing}`")).into());
        }
        let given = given.iter().map(|(attribute, value)| {
            let kind = operator.kind(attribute).ok_or_else(|| {
                let known: Vec<&str> = operator.attributes().collect();
                Error::new(format!("`{name}` has no attribute `{attribute}`"))
                    .expected(known.join(", "))
            })?;
            let value = self.attribute(attribute, kind, value, scope)?;
            value.ok_or_else(|| {
                Error::new(format!(
                    "attribute `{attribute}` of `{name}` is of another kind"
                ))
                .expected(kind)
                .into()
            })
        });
        given.collect()
    }

    /// An attribute; `None` where it is not of this kind.
    fn attribute(
        &self,
        name: &str,
        kind: &str,
        value: &Expr,
        scope: &Scope<'_>,
    ) -> Result<Option<proto::Attribute>> {
        let attribute = proto::Attribute {
            name: name.into(),
            ..proto::Attribute::default()
        };
        let entries = match value {
            Expr::List(entries) => entries.iter(),
            single => std::slice::from_ref(single).iter(),
        };
        let numbers = entries.map(|entry| self.number(entry, scope));
        let numbers: Option<Vec<Number>> = numbers.collect::<Result<_>>()?;
        let ints = || -> Option<Vec<i64>> { numbers.as_ref()?.iter().map(Number::int).collect() };
        let floats = || -> Option<Vec<f32>> {
            Some(numbers.as_ref()?.iter().map(|n| n.float() as f32).collect())
        };
        let is_list = matches!(value, Expr::List(_));
        Ok(match (kind, value) {
            ("string", Expr::Text(text)) => Some(proto::Attribute {
                s: Some(text.clone().into_bytes()),
                kind: 3,
                ..attribute
            }),
            ("int", _) if !is_list => ints().map(|ints| proto::Attribute {
                i: ints.first().copied(),
                kind: 2,
                ..attribute
            }),
            ("float", _) if !is_list => floats().map(|floats| proto::Attribute {
                f: floats.first().copied(),
                kind: 1,
                ..attribute
            }),
            ("ints", _) if is_list => ints().map(|ints| proto::Attribute {
                ints,
                kind: 7,
                ..attribute
            }),
            ("floats", _) if is_list => floats().map(|floats| proto::Attribute {
                floats,
                kind: 6,
                ..attribute
            }),
            _ => None,
        })
    }

    /// What a layer within makes of these arguments.
    fn part(
        &mut self,
        name: &str,
        arguments: &[Expr],
        attributes: &[(String, Expr)],
        scope: &Scope<'_>,
    ) -> Result<Value> {
        let part = scope.source.parts.get(name);
        let part = part.ok_or_else(|| Error::new(format!("no part is called `{name}`")))?;
        if arguments.len() != part.inputs.len() || !attributes.is_empty() {
            return Err(
                Error::new(format!("`self.{name}` is called with other arguments"))
                    .found(arguments.len() + attributes.len())
                    .expected(format!("{}, by position", part.inputs.join(", ")))
                    .into(),
            );
        }
        let arguments = arguments
            .iter()
            .map(|argument| self.value(argument, scope, ""));
        let arguments = arguments.collect::<Result<Vec<Value>>>()?;
        self.body(part, arguments, &format!("{}{name}.", scope.prefix))
    }

    fn weight(&mut self, path: &str) -> Result<String> {
        let weight = self.known_weight(path)?;
        let (size, kind, bytes) = (weight.size(), weight.kind(), bytes_of(weight)?);
        self.initializer(path, size, (element(kind)?, bytes))
    }

    fn known_weight(&self, path: &str) -> Result<&'a plugin_api::Tensor> {
        let weight = self.weights.get(path);
        Ok(weight.ok_or_else(|| Error::new(format!("no weight is called `{path}`")))?)
    }

    /// Numbers that stand in a body, whole where all are.
    fn constant(&mut self, numbers: &[Number], size: &[i64]) -> Result<String> {
        let texts: Vec<String> = numbers.iter().map(Number::to_string).collect();
        let name = match size {
            [] => format!("constant/{}", texts.join(", ")),
            _ => format!("constant/[{}]", texts.join(", ")),
        };
        let ints: Option<Vec<i64>> = numbers.iter().map(Number::int).collect();
        let floats = numbers.iter().map(Number::float);
        let elements = match (ints, self.floats) {
            (Some(ints), _) => (7, ints.iter().flat_map(|n| n.to_le_bytes()).collect()),
            (None, Dtype::F64) => (11, floats.flat_map(f64::to_le_bytes).collect()),
            (None, _) => (1, floats.flat_map(|x| (x as f32).to_le_bytes()).collect()),
        };
        self.initializer(&name, size.to_vec(), elements)
    }

    /// A tensor of the file, written once: its own name says what it is.
    fn initializer(
        &mut self,
        wanted: &str,
        dims: Vec<i64>,
        (data_type, raw_data): (i32, Vec<u8>),
    ) -> Result<String> {
        if let Some(name) = self.known.get(wanted) {
            return Ok(name.clone());
        }
        let name = self.name(wanted);
        self.known.insert(wanted.into(), name.clone());
        self.initializers.push(proto::Tensor {
            dims,
            data_type,
            name: name.clone(),
            raw_data,
        });
        Ok(name)
    }
}

/// A number that stands in a body.
#[derive(Clone, Copy)]
enum Number {
    Int(i64),
    Float(f64),
}

impl Number {
    fn int(&self) -> Option<i64> {
        match self {
            Number::Int(n) => Some(*n),
            Number::Float(_) => None,
        }
    }

    fn float(&self) -> f64 {
        match self {
            Number::Int(n) => *n as f64,
            Number::Float(x) => *x,
        }
    }
}

impl std::fmt::Display for Number {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Number::Int(n) => write!(f, "{n}"),
            Number::Float(x) => write!(f, "{x:?}"),
        }
    }
}

/// ONNX's number of a kind of elements.
pub(super) fn element(kind: Kind) -> Result<i32, Error> {
    Ok(match kind {
        Kind::Float => 1,
        Kind::Double => 11,
        Kind::Int64 => 7,
        Kind::Bool => 9,
        other => {
            return Err(
                Error::new("a tensor has a kind that no network of pleach has")
                    .found(format!("{other:?}"))
                    .expected("Float, Double, Int64 or Bool"),
            );
        }
    })
}

fn part<T: Clone>(of: &Named<T>, name: &str) -> Result<T, Error> {
    of.get(name).cloned().ok_or_else(|| {
        let known: Vec<&str> = of.names().collect();
        Error::new(format!("nothing is called `{name}` here")).expected(known.join(", "))
    })
}
