//! Graphs of one's own: a class or numbers for each of many graphs.
//!
//! The npz file is of the form that the README describes: the nodes of all graphs one behind the other, those of graph `i`
//! from `graph_ptr[i]` to `graph_ptr[i + 1]`, edges between them, `graph_label` for each graph, and features of nodes unless
//! `features` says to do without. Splits are drawn, or come with the file, or `fold` is for testing and the rest is drawn.
//!
//! Gives `x`: `[nodes, features]`, `graph`: the graphs of a batch side by side, and `groups`: from nodes to graphs, for
//! `graph-pool`; wants `y`: logits `[graphs, classes]`, or `[graphs, outputs]`. A batch also holds `y`: labels `[graphs]`,
//! int64, or numbers `[graphs, outputs]`. The size of a batch counts graphs.

use std::cell::OnceCell;

use plugin_api::prelude::*;

use crate::data::array_task::Wholes;
use crate::data::graph_file::{Edgelist, Features, Source, edges};
use crate::data::npz::Npz;
use crate::data::own_path::OwnFile;
use crate::data::splits::Splits;
use crate::data::targets::{Targets, Unlabelled, Wanted};

/// A class or numbers for each of many graphs of one's own, from an npz file.
#[component(task = "graphs")]
struct Graphs {
    /// The file. A relative path begins in the folder in which pleach runs.
    #[param(example = "graphs.npz")]
    file: OwnFile,
    /// What `graph_label` holds; classes where it is left out and that holds whole numbers.
    kind: Option<Wanted>,
    /// What the features of a node are; `degrees` are counted over all graphs.
    #[param(default = "own")]
    features: Source,
    /// Seed of splits that are drawn; where it is left out, those of the file, or by seed 0 where the file has none.
    split: Option<u64>,
    /// Which of the file's test folds, `fold10`, is for testing; `val` is drawn from the other folds, and what is in no fold
    /// is always for training.
    #[param(range = "0 <= x")]
    fold: Option<i64>,
    /// Share of the graphs for validation, where splits are drawn.
    #[param(default = 0.1, range = "0 < x < 1")]
    val: f64,
    /// Share of the graphs for testing, where splits are drawn.
    #[param(default = 0.1, range = "0 < x < 1")]
    test: f64,
    /// What was read.
    #[serde(skip)]
    all: OnceCell<All>,
}

/// What the file holds.
struct All {
    /// Features of the nodes of all graphs: `[nodes, features]`.
    x: Tensor,
    /// Where the nodes of each graph begin, and where those of the last end.
    bounds: Vec<i64>,
    graphs: Vec<Graph>,
    y: Tensor,
    targets: Targets,
    splits: Splits,
    whole: Wholes,
}

impl Graphs {
    fn all(&self) -> Result<&All> {
        if let Some(all) = self.all.get() {
            return Ok(all);
        }
        let all = self.read()?;
        Ok(self.all.get_or_init(|| all))
    }

    fn read(&self) -> Result<All> {
        let mut npz = Npz::open(&self.file)?;
        let bounds = bounds(&mut npz)?;
        let (count, nodes) = (bounds.len() as i64 - 1, bounds[bounds.len() - 1]);
        let labels = npz.get("graph_label")?;
        if labels.size().first() != Some(&count) {
            return Err(labels
                .is("is not about the graphs")
                .found(format!("{:?}", labels.size()))
                .expected(format!("{count} rows, one for each graph of `graph_ptr`"))
                .into());
        }
        let (targets, y) = Targets::of(labels, self.kind, Unlabelled::Refused)?;
        let splits = self.splits(&mut npz, &targets.groups(&y)?)?;
        let edges = edges(&mut npz, Some(nodes))?;
        Ok(All {
            x: Features::read(&mut npz, self.features, &edges)?.dense()?,
            graphs: apart(&edges, &bounds, &npz.file)?,
            bounds,
            y,
            targets,
            splits,
            whole: Wholes::default(),
        })
    }

    fn splits(&self, npz: &mut Npz, classes: &[i64]) -> Result<Splits> {
        let seed = self.split.unwrap_or_default();
        let Some(fold) = self.fold else {
            let of_file = npz.splits(classes.len() as i64, 0)?;
            return match (self.split, of_file) {
                (None, Some(splits)) => Ok(splits),
                _ => Splits::drawn(classes, [self.val, self.test], seed),
            };
        };
        let folds = npz
            .get("fold10")?
            .shaped(&[("graphs", Some(classes.len() as i64))])?;
        let of = folds.list()?;
        let [test, others] = [true, false].map(|is_test| -> Vec<i64> {
            let graphs = (0..).zip(&of);
            let graphs = graphs.filter(|(_, of)| (**of == fold) == is_test);
            graphs.map(|(graph, _)| graph).collect()
        });
        if test.is_empty() {
            return Err(folds
                .is("has no such fold")
                .found(format!("fold = {fold}"))
                .expected(format!("0 to {}", of.iter().max().copied().unwrap_or(-1)))
                .into());
        }
        let may_validate = |graph: &i64| of[*graph as usize] >= 0;
        let (folded, mut train): (Vec<i64>, Vec<i64>) = others.into_iter().partition(may_validate);
        let classes_of: Vec<i64> = folded
            .iter()
            .map(|graph| classes[*graph as usize])
            .collect();
        let (val, rest) = Splits::share(&classes_of, self.val, seed);
        let graphs = |places: Vec<i64>| places.into_iter().map(|place| folded[place as usize]);
        train.extend(graphs(rest));
        Splits::given([train, graphs(val).collect(), test], of.len(), &npz.file)
    }
}

/// Where the nodes of each graph begin, and where those of the last end.
fn bounds(npz: &mut Npz) -> Result<Vec<i64>> {
    let array = npz.get("graph_ptr")?.shaped(&[("graphs + 1", None)])?;
    let bounds = array.list()?;
    if bounds.first() != Some(&0) || bounds.len() < 2 {
        return Err(array
            .is("does not begin with the first node")
            .found(bounds.first().map_or("nothing".into(), i64::to_string))
            .expected("0, and where each graph ends")
            .into());
    }
    if let Some(graph) = bounds.windows(2).position(|two| two[0] >= two[1]) {
        return Err(array
            .is(&format!("leaves graph {graph} without nodes"))
            .found(format!("{} to {}", bounds[graph], bounds[graph + 1]))
            .expected("ascending numbers")
            .into());
    }
    Ok(bounds)
}

/// Each graph by itself.
fn apart(edges: &Edgelist, bounds: &[i64], file: &str) -> Result<Vec<Graph>> {
    let mut of_graph: Vec<Vec<[i64; 2]>> = vec![vec![]; bounds.len() - 1];
    for [one, other] in &edges.pairs {
        let graph = bounds.partition_point(|start| start <= one) - 1;
        if *other >= bounds[graph + 1] {
            return Err(
                Error::new(format!("`{file}` has an edge between two graphs"))
                    .found(format!("{one}, {other}"))
                    .expected(format!(
                        "nodes {} to {} of graph {graph}",
                        bounds[graph],
                        bounds[graph + 1] - 1
                    ))
                    .into(),
            );
        }
        of_graph[graph].push([one - bounds[graph], other - bounds[graph]]);
    }
    let sizes = bounds.windows(2).map(|two| two[1] - two[0]);
    let lists = of_graph.into_iter().zip(sizes);
    lists
        .map(|(pairs, nodes)| Edgelist { nodes, pairs }.graph())
        .collect()
}

impl All {
    /// The batch of these graphs.
    fn batch(&self, graphs: &[i64]) -> Result<Batch> {
        let bounds = |graph: &i64| {
            (
                self.bounds[*graph as usize],
                self.bounds[*graph as usize + 1],
            )
        };
        let rows = graphs.iter().map(|graph| {
            let (start, end) = bounds(graph);
            self.x.f_narrow(0, start, end - start)
        });
        let rows: Vec<Tensor> = rows.collect::<Result<_, _>>()?;
        let sizes: Vec<i64> = graphs
            .iter()
            .map(bounds)
            .map(|(start, end)| end - start)
            .collect();
        let side_by_side = graphs
            .iter()
            .map(|graph| self.graphs[*graph as usize].clone());
        let y = self.y.f_index_select(0, &Tensor::f_from_slice(graphs)?)?;
        Ok(Batch::new()
            .with("x", Tensor::f_cat(&rows, 0)?)
            .with(
                "graph",
                Graph::side_by_side(&side_by_side.collect::<Vec<_>>())?,
            )
            .with("groups", Graph::members(&sizes)?)
            .with("y", y))
    }
}

impl Task for Graphs {
    fn ports(&self) -> Result<Ports> {
        let all = self.all()?;
        let nodes = || axis("nodes", None);
        let inputs = Shapes::new()
            .with("x", vec![nodes(), axis("features", all.x.size2()?.1)])
            .with("graph", vec![nodes()])
            .with("groups", vec![axis("graphs", None)]);
        Ok(all.targets.ports(inputs, "graphs"))
    }

    fn batch(&self, split: &str, at: &At) -> Result<Option<Batch>> {
        let all = self.all()?;
        all.whole
            .batch(&all.splits, (split, at), |graphs| all.batch(graphs))
    }

    fn loss(&self, outputs: &Batch, batch: &Batch) -> Result<Tensors> {
        self.all()?.targets.loss(outputs, batch)
    }

    fn metrics(&self, outputs: &Batch, batch: &Batch) -> Result<Named<f64>> {
        self.all()?.targets.metrics(outputs, batch)
    }
}
