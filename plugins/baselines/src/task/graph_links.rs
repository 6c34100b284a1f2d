//! Links of a graph of one's own: which pairs of nodes are joined.
//!
//! The npz file is of the form that the README describes: edges, and features of nodes unless `features` says to do without.
//! Shares of the edges are drawn for validation and testing, or the file holds `val_edges` and `test_edges`, `[edges, 2]`,
//! beside `edges`, which are then for training. Edges for validation and testing are in no graph that a network sees.
//!
//! Gives `x`: `[nodes, features]`, `graph`: the training edges in both directions, and `pairs`: `[pairs, 2]`, int64, the
//! edges that are asked for and as many pairs that are none; wants `y`: a logit of each, `[pairs, 1]`. A batch also holds `y`:
//! `[pairs, 1]`, 1 for an edge. In training other pairs are drawn for each batch, which are no training edges; for validation
//! and testing there is one draw, of pairs that are no edges at all. In training a graph holds the edges that are asked for,
//! too: a layer that must not see them takes them out, `Graph::without`. The size of a batch counts edges.
//!
//! The loss is the mean binary cross-entropy. `auc` is the chance that an edge has a larger logit than a pair that is none,
//! and `hits` the share of edges with larger logits than all but the `hits_at - 1` best of the others.

use std::cell::OnceCell;
use std::collections::HashSet;

use plugin_api::prelude::*;
use rand::RngExt;

use crate::data::array_task::Wholes;
use crate::data::graph_file::{Edgelist, Features, Source, edges, edges_of, nodes};
use crate::data::nodes::Form;
use crate::data::npz::Npz;
use crate::data::own_path::OwnFile;
use crate::data::splits::Splits;

/// Which pairs of nodes of a graph of one's own are joined, from an npz file.
#[component(task = "graph-links")]
struct GraphLinks {
    /// The file. A relative path begins in the folder in which pleach runs.
    #[param(example = "links.npz")]
    file: OwnFile,
    /// What the features of a node are; `degrees` count training edges.
    #[param(default = "own")]
    features: Source,
    /// Whether the features of each node are divided by the sum of their absolute values.
    #[param(default = false)]
    normalise: bool,
    /// Whether `x` is sparse: for first layers that take it so, which then cost less.
    #[param(default = false)]
    sparse: bool,
    /// Seed of splits, and of the pairs that are no edges in validation and testing.
    #[param(default = 0)]
    split: u64,
    /// Share of the edges for validation, where splits are drawn.
    #[param(default = 0.05, range = "0 < x < 1")]
    val: f64,
    /// Share of the edges for testing, where splits are drawn.
    #[param(default = 0.1, range = "0 < x < 1")]
    test: f64,
    /// The place among pairs that are no edges which an edge has to beat, to count as a hit.
    #[param(default = 20, range = "1 <= x")]
    hits_at: usize,
    /// What was read.
    #[serde(skip)]
    links: OnceCell<Links>,
}

/// What the file holds.
struct Links {
    /// `x` and `graph`.
    whole: Batch,
    features: i64,
    /// All edges; splits name them by their numbers.
    edges: Edgelist,
    splits: Splits,
    /// The edges that a pair for training must not be, and those that no other pair must be: ascending.
    training: Vec<[i64; 2]>,
    known: Vec<[i64; 2]>,
    wholes: Wholes,
}

impl GraphLinks {
    fn links(&self) -> Result<&Links> {
        if let Some(links) = self.links.get() {
            return Ok(links);
        }
        let links = self.read()?;
        Ok(self.links.get_or_init(|| links))
    }

    fn read(&self) -> Result<Links> {
        let mut npz = Npz::open(&self.file)?;
        let count = nodes(&mut npz)?;
        let (edges, splits) = self.splits(&mut npz, count)?;
        let mut known = edges.pairs.clone();
        known.sort_unstable();
        // Else looking for pairs that are no edges might not end.
        let free = edges.nodes * (edges.nodes - 1) / 2 - known.len() as i64;
        if free < known.len() as i64 {
            return Err(
                Error::new(format!("`{}` joins too many pairs of nodes", npz.file))
                    .found(format!("{} edges, {free} pairs that are none", known.len()))
                    .expected("as many pairs that are none, or more")
                    .into(),
            );
        }
        let training = Edgelist {
            nodes: edges.nodes,
            pairs: splits
                .train
                .iter()
                .map(|edge| edges.pairs[*edge as usize])
                .collect(),
        };
        let form = Form {
            source: self.features,
            normalise: self.normalise,
            sparse: self.sparse,
        };
        let (x, features) = form.of(Features::read(&mut npz, self.features, &training)?)?;
        let whole = Batch::new().with("x", x).with("graph", training.graph()?);
        let mut training = training.pairs;
        training.sort_unstable();
        Ok(Links {
            whole,
            features,
            edges,
            splits,
            training,
            known,
            wholes: Wholes::default(),
        })
    }

    /// All edges, and which of them are for what.
    fn splits(&self, npz: &mut Npz, nodes: Option<i64>) -> Result<(Edgelist, Splits)> {
        let mut all = edges(npz, nodes)?;
        if !npz.has("val_edges") && !npz.has("test_edges") {
            let one_class = vec![0; all.pairs.len()];
            let splits = Splits::drawn(&one_class, [self.val, self.test], self.split)?;
            return Ok((all, splits));
        }
        let mut numbers = [(0..all.pairs.len() as i64).collect(), vec![], vec![]];
        for (numbers, name) in numbers[1..].iter_mut().zip(["val_edges", "test_edges"]) {
            let of_split = edges_of(&npz.get(name)?, Some(all.nodes), false)?;
            let first = all.pairs.len() as i64;
            all.pairs.extend(of_split.pairs);
            *numbers = (first..all.pairs.len() as i64).collect();
        }
        let mut sorted = all.pairs.clone();
        sorted.sort_unstable();
        if let Some(twice) = sorted.windows(2).find(|two| two[0] == two[1]) {
            let [one, other] = twice[0];
            return Err(
                Error::new(format!("an edge of `{}` is in two splits", npz.file))
                    .found(format!("{one}, {other}"))
                    .expected("`edges`, `val_edges` and `test_edges` without edges in common")
                    .into(),
            );
        }
        let splits = Splits::given(numbers, all.pairs.len(), &npz.file)?;
        Ok((all, splits))
    }
}

impl Links {
    fn batch(&self, split: &str, at: &At, seed: u64) -> Result<Option<Batch>> {
        let make = |edges: &[i64]| {
            let (but, seed) = match split {
                "train" => {
                    let place = format!("pairs of epoch {}, batch {}", at.epoch, at.index);
                    (&self.training, stream(at.seed, &place))
                }
                _ => (&self.known, stream(seed, &format!("pairs of {split}"))),
            };
            let mut pairs: Vec<[i64; 2]> = edges
                .iter()
                .map(|edge| self.edges.pairs[*edge as usize])
                .collect();
            pairs.extend(others(self.edges.nodes, but, edges.len(), seed));
            let halves = [1.0, 0.0].map(|is_edge| vec![is_edge as f32; edges.len()]);
            let pairs = Tensor::f_from_slice(pairs.as_flattened())?.f_view([-1, 2])?;
            let y = Tensor::f_from_slice(&halves.concat())?.f_view([-1, 1])?;
            Ok(self.whole.clone().with("pairs", pairs).with("y", y))
        };
        match split {
            // Each epoch has other pairs.
            "train" => self
                .splits
                .batch(split, at)?
                .map(|edges| make(&edges))
                .transpose(),
            _ => self.wholes.batch(&self.splits, (split, at), make),
        }
    }
}

/// So many pairs of unlike nodes, each once, which are none of `but`.
fn others(nodes: i64, but: &[[i64; 2]], count: usize, seed: u64) -> Vec<[i64; 2]> {
    let mut generator = random::generator(seed);
    let mut drawn = HashSet::new();
    let mut pairs = vec![];
    while pairs.len() < count {
        let [one, other] = [(); 2].map(|()| generator.random_range(0..nodes));
        let pair = [one.min(other), one.max(other)];
        if one != other && but.binary_search(&pair).is_err() && drawn.insert(pair) {
            pairs.push(pair);
        }
    }
    pairs
}

impl Task for GraphLinks {
    fn ports(&self) -> Result<Ports> {
        let (nodes, pairs) = (|| axis("nodes", None), || axis("pairs", None));
        Ok(Ports {
            inputs: Shapes::new()
                .with("x", vec![nodes(), axis("features", self.links()?.features)])
                .with("graph", vec![nodes()])
                .with("pairs", vec![pairs(), axis("ends", 2)]),
            targets: Shapes::new(),
            outputs: Shapes::new().with("y", vec![pairs(), axis("logits", 1)]),
            metric: "auc".into(),
            higher_is_better: true,
        })
    }

    fn batch(&self, split: &str, at: &At) -> Result<Option<Batch>> {
        self.links()?.batch(split, at, self.split)
    }

    fn loss(&self, outputs: &Batch, batch: &Batch) -> Result<Tensors> {
        let loss = cross_entropy(outputs.tensor("y")?, batch.tensor("y")?)?;
        Ok(Tensors::new().with("cross-entropy", loss))
    }

    fn metrics(&self, outputs: &Batch, batch: &Batch) -> Result<Named<f64>> {
        let (logits, y) = (outputs.tensor("y")?, batch.tensor("y")?);
        let is_edge = y.f_gt(0.5)?;
        let of = |which: &Tensor| -> Result<Vec<f64>> {
            let mut logits = Vec::<f64>::try_from(logits.f_masked_select(which)?)?;
            logits.sort_unstable_by(f64::total_cmp);
            Ok(logits)
        };
        let (edges, others) = (of(&is_edge)?, of(&is_edge.f_logical_not()?)?);
        let loss = cross_entropy(logits, y)?;
        Ok(Named::new()
            .with("auc", auc(&edges, &others))
            .with("hits", hits(&edges, &others, self.hits_at))
            .with("loss", f64::try_from(&loss)?))
    }
}

fn cross_entropy(logits: &Tensor, y: &Tensor) -> Result<Tensor> {
    let y = y.f_to_kind(logits.kind())?;
    Ok(
        logits.f_binary_cross_entropy_with_logits::<Tensor>(
            &y,
            None,
            None,
            tch::Reduction::Mean,
        )?,
    )
}

/// The area under the ROC curve, from ascending logits: the share of pairs of both kinds in which the edge's is larger, where
/// equal ones count half.
fn auc(edges: &[f64], others: &[f64]) -> f64 {
    let below = |edge: &f64| others.partition_point(|other| other < edge);
    let up_to = |edge: &f64| others.partition_point(|other| other <= edge);
    let wins: usize = edges.iter().map(|edge| below(edge) + up_to(edge)).sum();
    wins as f64 / 2.0 / edges.len() as f64 / others.len() as f64
}

/// The share of edges above the `at`-th largest of the others, from ascending logits; all of them where there are fewer.
fn hits(edges: &[f64], others: &[f64], at: usize) -> f64 {
    let Some(place) = others.len().checked_sub(at) else {
        return 1.0;
    };
    let hit = edges.iter().filter(|edge| **edge > others[place]);
    hit.count() as f64 / edges.len() as f64
}
