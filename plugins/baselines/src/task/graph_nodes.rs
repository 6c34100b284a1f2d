//! A graph of one's own, or a public one: a class or numbers for each of its nodes.
//!
//! The npz file is of the form that the README describes: edges, `y`, and features of nodes unless `features` says to do
//! without. Splits are drawn, or come with the file.
//!
//! Gives `x`: `[nodes, features]`, and `graph`, each edge in both directions; wants `y`: logits `[nodes, classes]`, or
//! `[nodes, outputs]`. A batch is always the whole graph; it also holds `y`: labels `[nodes]`, int64, or numbers
//! `[nodes, outputs]`, and `split`: the nodes that loss and metrics count, int64.

use std::cell::OnceCell;
use std::path::Path;

use plugin_api::prelude::*;

use crate::data::graph_file::Source;
use crate::data::nodes::{Form, Nodes};
use crate::data::npz::Npz;
use crate::data::public_graphs::Data;
use crate::data::splits::Splits;
use crate::data::targets::Wanted;

/// A class or numbers for each node of a graph, from an npz file of one's own or a public one.
#[component(task = "graph-nodes")]
struct GraphNodes {
    /// Which graph: the name of a public one, or `{ file = ".." }`.
    #[param(example = "dblp")]
    data: Data,
    /// What `y` holds; classes where it is left out and `y` holds whole numbers.
    kind: Option<Wanted>,
    /// What the features of a node are.
    #[param(default = "own")]
    features: Source,
    /// Whether the features of each node are divided by the sum of their absolute values.
    #[param(default = false)]
    normalise: bool,
    /// Whether `x` is sparse: for first layers that take it so, which then cost less.
    #[param(default = false)]
    sparse: bool,
    /// Seed of splits that are drawn; where it is left out, those of the file, or by seed 0 where the file has none.
    split: Option<u64>,
    /// Which split of the file, where it holds several.
    #[param(default = 0, range = "0 <= x")]
    fold: i64,
    /// Nodes of each class for training and for validation, where splits are drawn; the rest is for testing. Shares are
    /// drawn where it is left out.
    per_class: Option<[usize; 2]>,
    /// Share of the nodes for validation, where shares are drawn.
    #[param(default = 0.2, range = "0 < x < 1")]
    val: f64,
    /// Share of the nodes for testing, where shares are drawn.
    #[param(default = 0.2, range = "0 < x < 1")]
    test: f64,
    /// What was read.
    #[serde(skip)]
    nodes: OnceCell<Nodes>,
}

impl GraphNodes {
    fn nodes(&self) -> Result<&Nodes> {
        if let Some(nodes) = self.nodes.get() {
            return Ok(nodes);
        }
        let mut npz = self.data.open()?;
        let y = self.data.labels(&mut npz)?;
        let wanted = (self.form(), self.kind);
        let nodes = Nodes::read(&mut npz, y, wanted, |npz, classes| {
            self.splits(npz, classes)
        })?;
        Ok(self.nodes.get_or_init(|| nodes))
    }

    fn form(&self) -> Form {
        Form {
            source: self.features,
            normalise: self.normalise,
            sparse: self.sparse,
        }
    }

    fn splits(&self, npz: &mut Npz, classes: &[i64]) -> Result<Splits> {
        if let (None, Some(splits)) = (self.split, npz.splits(classes.len() as i64, self.fold)?) {
            return Ok(splits);
        }
        let seed = self.split.unwrap_or_default();
        match self.per_class {
            Some([train, val]) => Splits::of_each(classes, train, |_| val, seed),
            None => Splits::drawn(classes, [self.val, self.test], seed),
        }
    }
}

impl Task for GraphNodes {
    fn ports(&self) -> Result<Ports> {
        Ok(self.nodes()?.ports())
    }

    fn batch(&self, split: &str, at: &At) -> Result<Option<Batch>> {
        self.nodes()?.batch(split, at)
    }

    fn loss(&self, outputs: &Batch, batch: &Batch) -> Result<Tensors> {
        self.nodes()?.targets.loss(outputs, batch)
    }

    fn metrics(&self, outputs: &Batch, batch: &Batch) -> Result<Named<f64>> {
        self.nodes()?.targets.metrics(outputs, batch)
    }

    fn inputs(&self, file: &str) -> Result<Batch> {
        let mut npz = Npz::open(Path::new(file))?;
        self.nodes()?.inputs(&mut npz, self.form())
    }

    fn answers(&self, _: &str, outputs: &Batch) -> Result<Answers> {
        self.nodes()?.answers(outputs)
    }
}
