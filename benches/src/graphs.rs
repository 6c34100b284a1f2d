//! Graphs of the shared data, as the benches take them, and the task of their nodes.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use plugin_api::prelude::{Device, Kind};
use plugin_api::role::Task;
use plugin_api::{At, Batch, Edges, Graph, Named, Ports, Shapes, Tensors, Value, axis};

use crate::{Peer, cpu, cross_entropy, data, in_turn};

/// 2,708 papers, 1,433 words.
pub const CORA: &str = "planetoid/cora.npz";
/// 34,493 authors, 8,415 words.
pub const PHYSICS: &str = "graphs_node/coauthor_phy.npz";

/// A file of the shared data.
pub struct Data {
    /// Its name.
    pub name: &'static str,
    /// Where it lies.
    pub path: PathBuf,
    arrays: Vec<(String, tch::Tensor)>,
}

impl Data {
    /// Reads a file.
    ///
    /// # Errors
    /// Where it is not there.
    pub fn read(file: &'static str) -> Result<Self> {
        let path = data(file);
        let arrays = tch::Tensor::read_npz(&path).with_context(|| path.display().to_string())?;
        let name = Path::new(file).file_stem().and_then(|name| name.to_str());
        Ok(Data {
            name: name.context("a file has a name")?,
            path,
            arrays,
        })
    }

    /// An array of whole numbers.
    ///
    /// # Errors
    /// Where there is none of this name.
    pub fn numbers(&self, name: &str) -> Result<tch::Tensor> {
        let found = self.arrays.iter().find(|(found, _)| found == name);
        let (_, array) = found.with_context(|| format!("no array `{name}`"))?;
        Ok(array.to_kind(Kind::Int64))
    }

    /// The number of its nodes.
    pub fn nodes(&self) -> i64 {
        self.numbers("y").map_or(0, |y| y.size()[0])
    }

    /// Whether so much of it fits into the caches that turns must be long for it to count little that the other one has
    /// used them.
    pub fn is_small(&self) -> bool {
        self.nodes() < 10_000
    }

    /// Its undirected graph: each edge in both directions.
    ///
    /// # Errors
    /// Where it has none.
    pub fn graph(&self) -> Result<Graph> {
        let edges = self.numbers("edges")?;
        let (one, other) = (edges.select(1, 0), edges.select(1, 1));
        let sources = tch::Tensor::cat(&[&one, &other], 0);
        let targets = tch::Tensor::cat(&[&other, &one], 0);
        Graph::new(self.nodes(), &sources, &targets, None)
    }

    /// Its features, `[nodes, features]`, sparse.
    ///
    /// # Errors
    /// Where it has none.
    pub fn features(&self) -> Result<Graph> {
        let (starts, columns) = (self.numbers("x_indptr")?, self.numbers("x_indices")?);
        let rows = tch::Tensor::arange(self.nodes(), (Kind::Int64, Device::Cpu));
        let rows = rows.repeat_interleave_self_tensor(
            &starts.diff::<tch::Tensor>(1, 0, None, None),
            0,
            None,
        );
        let values = self.arrays.iter().find(|(name, _)| name == "x_data");
        let values = values.map(|(_, values)| values.to_kind(Kind::Float));
        let width = self.numbers("x_shape")?.int64_value(&[1]);
        Graph::bipartite(self.nodes(), width, &columns, &rows, values.as_ref())
    }

    /// The same, dense.
    ///
    /// # Errors
    /// Where it has none.
    pub fn dense(&self) -> Result<tch::Tensor> {
        let sparse = self.features()?;
        sparse.matmul(&tch::Tensor::eye(
            sparse.source_nodes(),
            (Kind::Float, Device::Cpu),
        ))
    }

    /// Medians of what is measured in turns on it: a run of ours, of so many times, and what the peer says of as many. On
    /// one thread that is CPU time, on several the time that passes.
    ///
    /// # Errors
    /// Where a run fails, or the peer does.
    pub fn compare(
        &self,
        repetitions: usize,
        (what, threads, times): (&str, u32, u32),
        peer: &mut Peer,
        mut run: impl FnMut() -> Result<()>,
    ) -> Result<[Duration; 2]> {
        let ours = || {
            tch::set_num_threads(threads as i32);
            let (start, began) = (cpu(), Instant::now());
            for _ in 0..times {
                run()?;
            }
            let took = if threads == 1 {
                cpu() - start
            } else {
                began.elapsed()
            };
            Ok(took / times)
        };
        let asked = format!("{what} {threads} {times} {}", self.path.display());
        let medians = in_turn(repetitions, ours, || peer.time(&asked))?;
        tch::set_num_threads(1);
        Ok(medians)
    }
}

/// A task whose one batch is the whole graph, of which 20 nodes a class are for training.
pub struct Nodes {
    batch: Batch,
    features: i64,
    /// The number of its classes.
    pub classes: i64,
}

impl Nodes {
    /// The graph of a file with these features, sparse or dense: `[nodes, features]`.
    ///
    /// # Errors
    /// Where the file has no graph or no labels.
    pub fn of(data: &Data, x: Value) -> Result<Self> {
        let y = data.numbers("y")?;
        let mut taken = vec![0; 64];
        let labels: Vec<i64> = (&y).try_into()?;
        let train = (0..data.nodes()).filter(|node| {
            let taken = &mut taken[labels[*node as usize] as usize];
            *taken += 1;
            *taken <= 20
        });
        let train = tch::Tensor::from_slice(&train.collect::<Vec<i64>>());
        Ok(Nodes {
            features: match &x {
                Value::Graph(x) => x.source_nodes(),
                Value::Tensor(x) => x.size()[1],
            },
            classes: y.max().int64_value(&[]) + 1,
            batch: Batch::new()
                .with("x", x)
                .with("graph", data.graph()?)
                .with("y", y)
                .with("split", train),
        })
    }
}

impl Task for Nodes {
    fn ports(&self) -> Result<Ports> {
        let nodes = || axis("nodes", None);
        let x = vec![nodes(), axis("features", self.features)];
        Ok(Ports {
            inputs: Shapes::new().with("x", x).with("graph", vec![nodes()]),
            targets: Shapes::new(),
            outputs: Shapes::new().with("y", vec![nodes(), axis("classes", self.classes)]),
            metric: "none".into(),
            higher_is_better: true,
        })
    }

    fn batch(&self, _: &str, _: &At) -> Result<Option<Batch>> {
        Ok(Some(self.batch.clone()))
    }

    fn loss(&self, outputs: &Batch, batch: &Batch) -> Result<Tensors> {
        let logits = batch.counted(outputs.tensor("y")?)?;
        cross_entropy(&logits, &batch.counted(batch.tensor("y")?)?)
    }

    fn metrics(&self, _: &Batch, _: &Batch) -> Result<Named<f64>> {
        Ok(Named::new())
    }
}
