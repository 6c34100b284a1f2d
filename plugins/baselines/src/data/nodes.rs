//! The nodes of one graph, with what is wanted of each: what tasks over a whole graph share.

use plugin_api::prelude::*;

use crate::data::graph_file::{Features, Source, edges, nodes};
use crate::data::npz::{Array, Npz};
use crate::data::splits::{NAMES, Splits};
use crate::data::targets::{Targets, Unlabelled, Wanted};

/// A graph, its features, targets and splits.
pub(crate) struct Nodes {
    /// What nodes want.
    pub(crate) targets: Targets,
    /// `x`, `graph` and `y`.
    whole: Batch,
    features: i64,
    splits: Tensors,
}

/// In which form the features of nodes are wanted.
#[derive(Clone, Copy)]
pub(crate) struct Form {
    /// What they are.
    pub(crate) source: Source,
    /// Whether those of each node add up to 1.
    pub(crate) normalise: bool,
    /// Whether they are a graph from features to nodes.
    pub(crate) sparse: bool,
}

impl Form {
    /// The features of a file in this form, and how many there are.
    pub(crate) fn of(self, features: Features) -> Result<(Value, i64)> {
        let width = features.width();
        let features = match self.normalise {
            true => features.normalised()?,
            false => features,
        };
        Ok((features.value(self.sparse)?, width))
    }
}

impl Nodes {
    /// The nodes of a file, and what is wanted of them, `y`. `split` draws or reads their splits, from classes of nodes (-1 for those that are in no split).
    ///
    /// # Errors
    /// Where the file holds no such graph.
    pub(crate) fn read(
        npz: &mut Npz,
        y: Array,
        (form, wanted): (Form, Option<Wanted>),
        split: impl FnOnce(&mut Npz, &[i64]) -> Result<Splits>,
    ) -> Result<Self> {
        let count = nodes(npz)?;
        if let (Some(&labels), Some(nodes)) = (y.size().first(), count)
            && labels != nodes
        {
            return Err(y
                .is("is not about the nodes")
                .found(format!("{labels} rows"))
                .expected(format!("{nodes}, one for each node"))
                .into());
        }
        let (targets, y) = Targets::of(y, wanted, Unlabelled::Allowed)?;
        let mut classes = targets.groups(&y)?;
        if let Some(unlabelled) = npz.find("unlabelled")? {
            for node in unlabelled.list()? {
                if let Some(class) = classes.get_mut(node as usize) {
                    *class = -1;
                }
            }
        }
        let splits = split(npz, &classes)?;
        let mut numbers = Tensors::new();
        for name in NAMES {
            let nodes = splits.get(name)?;
            if let Some(node) = nodes.iter().find(|node| classes[**node as usize] < 0) {
                return Err(Error::new(format!(
                    "split `{name}` of `{}` has a node without a label",
                    npz.file
                ))
                .found(node)
                .expected("nodes with labels alone")
                .into());
            }
            numbers.put(name, Tensor::f_from_slice(nodes)?);
        }
        let edges = edges(npz, count)?;
        let (x, features) = form.of(Features::read(npz, form.source, &edges)?)?;
        Ok(Nodes {
            targets,
            whole: Batch::new()
                .with("x", x)
                .with("graph", edges.graph()?)
                .with("y", y),
            features,
            splits: numbers,
        })
    }

    /// The ports.
    pub(crate) fn ports(&self) -> Ports {
        let nodes = || axis("nodes", None);
        let inputs = Shapes::new()
            .with("x", vec![nodes(), axis("features", self.features)])
            .with("graph", vec![nodes()]);
        self.targets.ports(inputs, "nodes")
    }

    /// What comes in for the nodes of another graph, in the same form.
    ///
    /// # Errors
    /// Where it has other features.
    pub(crate) fn inputs(&self, npz: &mut Npz, form: Form) -> Result<Batch> {
        let count = nodes(npz)?;
        let edges = edges(npz, count)?;
        let (x, features) = form.of(Features::read(npz, form.source, &edges)?)?;
        if features != self.features {
            return Err(Error::new(format!(
                "nodes of `{}` have another number of features than those that were learned from",
                npz.file
            ))
            .found(features)
            .expected(self.features)
            .into());
        }
        Ok(Batch::new().with("x", x).with("graph", edges.graph()?))
    }

    /// What outputs say of each node.
    pub(crate) fn answers(&self, outputs: &Batch) -> Result<Answers> {
        let y = outputs.tensor("y")?;
        let nodes: Vec<i64> = (0..y.size()[0]).collect();
        let answers = Answers::default().column("node", nodes);
        Ok(answers.and(self.targets.answers(y, "y", &[])?))
    }

    /// The whole graph, and which nodes count.
    pub(crate) fn batch(&self, split: &str, at: &At) -> Result<Option<Batch>> {
        let nodes = self.splits.get(split).ok_or_else(|| {
            Error::new(format!("there is no split `{split}`")).expected("train, val or test")
        })?;
        let batch = || self.whole.clone().with("split", nodes.clone());
        Ok((at.index == 0).then(batch))
    }
}
