//! Graph networks that learn a layer at a time, each by a loss of its own: no gradient leaves a layer (after Park et al.
//! 2024, the single forward pass of ForwardGNN).
//!
//! Behind the nodes of the graph stands one more for each class, joined to those that are known to be of it. What a layer
//! makes of that node is the prototype to which the layer's other nodes are held.

use plugin_api::NodeKind;
use plugin_api::prelude::*;

/// Appends to a graph a node for each class, with features of its own, and joins nodes of known class to it in both
/// directions.
///
/// `x` `[nodes, features]`, `graph`, to both with so many more nodes. All that is appended are buffers, so that a network
/// carries it along: `prototypes` `[classes, features]`, `labelled` and `labels` `[labelled]`, a node and its class.
#[component(layer = "virtual-nodes")]
struct VirtualNodes {
    /// Classes.
    #[param(default = 2, range = "1 <= x")]
    classes: i64,
    /// Nodes of known class.
    #[param(default = 1, range = "0 <= x")]
    labelled: i64,
}

impl Layer for VirtualNodes {
    fn weights(&self, inputs: &Shapes) -> Result<Vec<WeightSpec>> {
        let features = last_axis(inputs, "x")?.named("in");
        let buffer = |name: &str, axes: Shape, dtype: Dtype| WeightSpec {
            dtype,
            ..WeightSpec::new(name, axes, "baselines/zeros").group(Group::Buffer)
        };
        let prototypes = vec![axis("classes", self.classes), features];
        let labelled = || vec![axis("labelled", self.labelled)];
        Ok(vec![
            buffer("prototypes", prototypes, Dtype::default()),
            buffer("labelled", labelled(), Dtype::I64),
            buffer("labels", labelled(), Dtype::I64),
        ])
    }

    fn shapes(&self, inputs: &Shapes) -> Result<Shapes> {
        let nodes = || axis("nodes", None);
        port(inputs, "graph")?;
        let x = vec![nodes(), last_axis(inputs, "x")?];
        Ok(Shapes::new().with("x", x).with("graph", vec![nodes()]))
    }

    fn forward(&self, w: &Tensors, x: &Batch, _: &dyn Pass) -> Result<Batch> {
        let graph = x.graph("graph")?;
        let prototypes = &w["prototypes"];
        let features = Tensor::f_cat(&[x.tensor("x")?, prototypes], 0)?;
        let class = w["labels"].f_add_scalar(graph.nodes())?;
        let sources = Tensor::f_cat(&[&w["labelled"], &class], 0)?;
        let targets = Tensor::f_cat(&[&class, &w["labelled"]], 0)?;
        let graph = graph.appended(prototypes.size()[0], &sources, &targets)?;
        Ok(Batch::new().with("x", features).with("graph", graph))
    }
}

/// Each row, divided by its length.
#[component(layer = "unit-rows")]
struct UnitRows {}

impl Layer for UnitRows {
    fn shapes(&self, inputs: &Shapes) -> Result<Shapes> {
        Ok(Shapes::new().with("x", port(inputs, "x")?.clone()))
    }

    fn forward(&self, _: &Tensors, x: &Batch, _: &dyn Pass) -> Result<Batch> {
        let x = x.tensor("x")?;
        let length = x.f_norm_scalaropt_dim(2.0, [-1_i64].as_slice(), true)?;
        Ok(Batch::new().with("x", x.f_div(&length.f_add_scalar(1e-8)?)?))
    }
}

/// How probable each class is, summed over layers: the softmax of a node's products with the prototypes, which stand
/// behind all nodes.
///
/// Any ports `[nodes and classes, features]`, a layer each, to `x` `[nodes, classes]`. A tap of a port's name shows its
/// products.
#[component(layer = "prototypes")]
struct Prototypes {
    /// Classes.
    #[param(default = 2, range = "1 <= x")]
    classes: i64,
}

impl Layer for Prototypes {
    fn shapes(&self, inputs: &Shapes) -> Result<Shapes> {
        for port in inputs.names() {
            ensure!(inputs[port].len() == 2, "`{port}` is no table of nodes");
        }
        let x = vec![axis("nodes", None), axis("classes", self.classes)];
        Ok(Shapes::new().with("x", x))
    }

    fn forward(&self, _: &Tensors, x: &Batch, pass: &dyn Pass) -> Result<Batch> {
        let mut sum: Option<Tensor> = None;
        for port in x.names() {
            let all = x.tensor(port)?;
            let nodes = all.size()[0] - self.classes;
            let prototypes = all.f_narrow(0, nodes, self.classes)?;
            let products = all.f_narrow(0, 0, nodes)?.f_matmul(&prototypes.f_tr()?)?;
            let products = pass.tap(port, products.into());
            let probable = products.f_softmax(1, None::<Kind>)?;
            sum = Some(match sum {
                Some(sum) => sum.f_add(&probable)?,
                None => probable,
            });
        }
        Ok(Batch::new().with("x", sum.context("no layer comes in")?))
    }
}

/// Takes the networks within a network as a chain of blocks, from `x` and `graph` to `x` each; what stands beside them goes.
/// Puts them between virtual nodes and prototypes, and trains one after the other: what comes of it is an ordinary network.
/// It reports the last loss of each.
#[component(trainer = "single-forward")]
struct SingleForward {
    /// Updates of each block.
    #[param(default = 60, range = "1 <= x")]
    steps: i64,
    /// From gradients to updates.
    #[param(default = ["baselines/adam"])]
    transforms: Vec<RecipeOf<dyn Transform>>,
}

impl Trainer for SingleForward {
    fn fit(&self, session: &mut dyn Session) -> Result<Report> {
        let batch = session.next("train", 0)?;
        let mut chain = session.arch()?;
        chain
            .nodes
            .retain(|n| matches!(n.kind, NodeKind::Network(_)));
        let blocks: Vec<String> = chain.nodes.iter().map(|n| n.name.clone()).collect();
        let labels = batch.counted(batch.tensor("y")?)?;
        session.replace(&classifier(session, chain, labels.size()[0])?, &[])?;
        append(session, &batch, &labels)?;

        let first = blocks.first().context("there is no block to train")?;
        let ask = Ask::eval().until(&unit(first)).tapped([unit_x(first)]);
        let seen = session.forward(&batch, &ask)?;
        let graph = seen.outputs.graph("graph")?.clone();
        // What goes into a block is cut off from those that made it.
        let given = |block: &str, seen: &Seen| {
            let x = unit_x(block);
            let features = seen.taps[&x].detach();
            let given = Batch::new().with(x, features);
            given.with("virtual.graph", graph.clone())
        };
        let mut input = given(first, &seen);
        let mut report = Report::default();
        for (i, block) in blocks.iter().enumerate() {
            let loss = self.train(session, block, &input, &batch)?;
            report = report.metric(block, loss);
            if let Some(next) = blocks.get(i + 1) {
                let ask = Ask::eval().only([block, &unit(next)]);
                let seen = session.forward(&input, &ask.tapped([unit_x(next)]))?;
                input = given(next, &seen);
            }
        }
        Ok(report)
    }
}

impl SingleForward {
    /// Trains a block on what goes into it; returns its loss before the last update.
    fn train(
        &self,
        session: &mut dyn Session,
        block: &str,
        input: &Batch,
        batch: &Batch,
    ) -> Result<f64> {
        let (weights, products) = (format!("{block}.*"), format!("classes/{block}"));
        let transforms = self.transforms.iter().map(|t| t.recipe.clone());
        session.chain(block, &transforms.collect::<Vec<_>>(), &weights)?;
        let labels = batch.counted(batch.tensor("y")?)?;
        let mut last = f64::NAN;
        for _ in 0..self.steps {
            let ask = Ask::train().only([block, "classes"]);
            let seen = session.forward(input, &ask.tapped([&products]))?;
            let loss = cross_entropy(&batch.counted(&seen.taps[&products])?, &labels)?;
            let gradients = gradients_of(&loss, &session.weights(&weights)?, false)?;
            session.apply(block, &gradients)?;
            last = loss.f_double_value(&[])?;
        }
        Ok(last)
    }
}

/// The node that norms what goes into a block.
fn unit(block: &str) -> String {
    format!("{block}-unit")
}

/// What that node gives.
fn unit_x(block: &str) -> String {
    format!("{}.x", unit(block))
}

/// A chain's blocks, which keep their names and so their weights, between virtual nodes and prototypes.
fn classifier(session: &dyn Session, chain: Arch, labelled: i64) -> Result<Arch> {
    let ports = session.ports()?;
    let classes = ports.outputs["y"].last().and_then(|axis| axis.size);
    let classes = classes.context("the task has no classes")?;
    let virtual_nodes = Recipe::new("wrappers/virtual-nodes")
        .with("classes", classes)
        .with("labelled", labelled);
    let inputs = [("x", "in.x"), ("graph", "in.graph")];
    let mut arch = Arch::new(chain.inputs)
        .of(chain.dtype)
        .layer("virtual", virtual_nodes, &inputs);
    let mut last = "virtual.x".to_string();
    let mut outputs = vec![];
    for block in chain.nodes {
        arch = arch.layer(&unit(&block.name), "wrappers/unit-rows", &[("x", &last)]);
        last = format!("{}.x", block.name);
        outputs.push((block.name.clone(), last.clone()));
        let unit = unit_x(&block.name);
        let inputs = [("x", unit.as_str()), ("graph", "virtual.graph")];
        arch = arch.node(&block.name, block.kind, &inputs);
    }
    let outputs: Vec<(&str, &str)> = outputs.iter().map(|(a, b)| (&**a, &**b)).collect();
    let prototypes = Recipe::new("wrappers/prototypes").with("classes", classes);
    Ok(arch
        .layer("classes", prototypes, &outputs)
        .output("y", "classes.x")
        .output("graph", "virtual.graph"))
}

/// Draws the features of the appended nodes, which stay what they are, and joins them to the labelled ones.
fn append(session: &mut dyn Session, batch: &Batch, labels: &Tensor) -> Result<()> {
    let nodes = Tensor::f_arange(
        batch.graph("graph")?.nodes(),
        (Kind::Int64, labels.device()),
    )?;
    let size = session.weights("virtual.prototypes")?["virtual.prototypes"].size();
    let buffers = Tensors::new()
        .with(
            "virtual.prototypes",
            random::normal(&size, session.seed("prototypes")),
        )
        .with("virtual.labelled", batch.counted(&nodes)?)
        .with("virtual.labels", labels);
    session.set(&buffers)
}

fn cross_entropy(logits: &Tensor, labels: &Tensor) -> Result<Tensor> {
    Ok(logits.f_cross_entropy_loss::<Tensor>(labels, None, tch::Reduction::Mean, -100, 0.0)?)
}
