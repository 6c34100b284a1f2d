//! Several layers as one, each on what the one before it gives: so that a choice can have them as one option.
//!
//! `x` runs through all of them; what else comes in, as `graph`, every layer gets. Weights of the first stand under `0.`,
//! those of the second under `1.`, and so on, and axes that a layer adds are called `0.out`, `1.out`, ….

use plugin_api::prelude::*;

/// Several layers as one, each on what the one before it gives.
#[component(layer = "sequence")]
struct Sequence {
    /// The layers, in the order in which they run.
    #[param(example = ["baselines/linear", "baselines/activation"])]
    layers: Vec<Use<dyn Layer>>,
}

impl Sequence {
    /// Shows each layer with its number and what comes in there, and gives what comes out of the last.
    fn walk(
        &self,
        marks: &Marks,
        inputs: &Shapes,
        mut see: impl FnMut(usize, &dyn Layer, &Shapes) -> Result<()>,
    ) -> Result<Shapes> {
        if self.layers.is_empty() {
            return Err(Error::new("there is no layer to run")
                .help("`baselines/identity` is the layer that changes nothing")
                .into());
        }
        let mut inputs = inputs.clone();
        for (i, layer) in self.layers.iter().enumerate() {
            see(i, &**layer, &inputs)?;
            let x = port(&layer.shapes(&inputs)?, "x")?.clone();
            inputs.put("x", marks.set(i, x, &inputs));
        }
        Ok(Shapes::new().with("x", marks.lift(port(&inputs, "x")?.clone())))
    }
}

impl Layer for Sequence {
    fn weights(&self, inputs: &Shapes) -> Result<Vec<WeightSpec>> {
        let marks = Marks::beside(inputs);
        let mut specs = vec![];
        self.walk(&marks, inputs, |i, layer, inputs| {
            let own = layer.weights(inputs)?.into_iter().map(|spec| WeightSpec {
                axes: marks.lift(marks.set(i, spec.axes.clone(), inputs)),
                ..spec.under(&format!("{i}."))
            });
            specs.extend(own);
            Ok(())
        })?;
        Ok(specs)
    }

    fn shapes(&self, inputs: &Shapes) -> Result<Shapes> {
        self.walk(&Marks::beside(inputs), inputs, |_, _, _| Ok(()))
    }

    fn forward(&self, w: &Tensors, x: &Batch, pass: &dyn Pass) -> Result<Batch> {
        let mut inputs = x.clone();
        for (i, layer) in self.layers.iter().enumerate() {
            let name = i.to_string();
            let within = Within {
                outer: pass,
                name: &name,
                hook: None,
            };
            let w = w.under(&format!("{i}."));
            let y = layer.forward(&w, &inputs, &within)?;
            inputs.put("x", y.tensor("x")?.shallow_clone());
        }
        Ok(Batch::new().with("x", inputs.tensor("x")?.shallow_clone()))
    }

    fn cost(&self, inputs: &Shapes) -> Result<Vec<Cost>> {
        let marks = Marks::beside(inputs);
        let mut costs = vec![];
        self.walk(&marks, inputs, |i, layer, inputs| {
            costs.extend(layer.cost(inputs)?.into_iter().map(|cost| Cost {
                axes: marks.lift(marks.set(i, cost.axes, inputs)),
                ..cost
            }));
            Ok(())
        })?;
        Ok(costs)
    }

    fn fixed(&self) -> bool {
        self.layers.iter().all(|layer| layer.fixed())
    }

    fn ignores_inputs(&self) -> bool {
        self.layers.iter().any(|layer| layer.ignores_inputs())
    }

    fn export(&self, to: &str, inputs: &Shapes) -> Result<Option<Source>> {
        let marks = Marks::beside(inputs);
        let mut parts: Option<Named<Source>> = Some(Named::new());
        self.walk(&marks, inputs, |i, layer, inputs| {
            let part = layer.export(to, inputs)?;
            let run = part.zip(parts.take());
            parts = run.map(|(part, parts)| parts.with(i.to_string(), part));
            Ok(())
        })?;
        let Some(parts) = parts else {
            return Ok(None);
        };
        let arguments: Vec<String> = inputs.names().map(Source::argument).collect();
        let arguments = arguments.join(", ");
        let run = |i: &str| format!("x = getattr(self, \"{i}\")({arguments})\n");
        let runs: String = parts.names().map(run).collect();
        let forward = format!("{runs}return x");
        Ok(Some(Source {
            parts,
            ..Source::new(inputs, forward)
        }))
    }
}

/// Units that come into being at a layer inside are unknown to the host until the whole has been asked. On their way to
/// the layers behind it they carry a mark, by which these know them for units of an input.
struct Marks {
    /// How marks begin: as no units that come in do, those of a sequence around this one included.
    begin: String,
}

impl Marks {
    fn beside(inputs: &Shapes) -> Self {
        let leaves = || inputs.values().flatten().flat_map(Axis::leaves);
        let units = || leaves().filter_map(|leaf| leaf.units.as_deref());
        let mut begin = String::from(">");
        while units().any(|units| units.starts_with(&begin)) {
            begin.push('>');
        }
        Marks { begin }
    }

    /// The same with a mark on the units that come into being at layer `i`, for which these inputs are.
    fn set(&self, i: usize, shape: Shape, inputs: &Shapes) -> Shape {
        let known = |axis: &Axis| {
            let mut leaves = inputs.values().flatten().flat_map(Axis::leaves);
            leaves.any(|leaf| leaf.units.is_none() && leaf.name == axis.name)
        };
        let mut mark = |axis: &mut Axis| {
            if axis.units.is_none() && !axis.fixed && !known(axis) {
                axis.units = Some(format!("{}{i}.{}", self.begin, axis.name));
            }
        };
        shape.into_iter().map(|axis| axis.map(&mut mark)).collect()
    }

    /// The same with names in the place of marks: the host knows the units of one node by the names of their axes.
    fn lift(&self, shape: Shape) -> Shape {
        let mut lift = |axis: &mut Axis| {
            let units = axis.units.as_deref();
            if let Some(name) = units.and_then(|units| units.strip_prefix(&self.begin)) {
                (axis.name, axis.units) = (name.to_string(), None);
            }
        };
        shape.into_iter().map(|axis| axis.map(&mut lift)).collect()
    }
}
