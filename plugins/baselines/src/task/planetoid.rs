//! Classification of papers as nodes of the graph of their citations.
//!
//! Gives `x`: which words a paper has, `[nodes, features]`, each row divided by their sum unless `normalise` is off, and
//! `graph`, each citation in both directions; wants `y`: logits, `[nodes, classes]`. A batch is always the whole graph; it
//! also holds the labels `y`: `[nodes]`, int64, and `split`: the nodes that loss and metrics count, int64. The loss is the
//! mean cross-entropy.
//!
//! Source: Sen et al. 2008, in the form and with the public split of Yang et al. 2016 (Planetoid).

use std::cell::OnceCell;

use plugin_api::prelude::*;
use plugin_api::{DataFile, data_file, schemars, serde};

use crate::data::graph_file::Source;
use crate::data::nodes::{Form, Nodes};
use crate::data::npz::Npz;
use crate::data::splits::Splits;

/// Papers to be told apart by their words and citations, from 20 labels a class (Yang et al. 2016).
#[component(task = "planetoid")]
struct Planetoid {
    /// Which papers.
    #[param(default = "cora")]
    data: Data,
    /// What the features of a paper are; `own` are its words.
    #[param(default = "own")]
    features: Source,
    /// Whether the features of each paper add up to 1.
    #[param(default = true)]
    normalise: bool,
    /// Whether `x` is sparse: for first layers that take it so, which then cost less.
    #[param(default = false)]
    sparse: bool,
    /// Seed of splits of the public one's sizes; the public split where it is left out.
    split: Option<u64>,
    /// What was read: it takes a moment, and a graph keeps its derived forms.
    #[serde(skip)]
    nodes: OnceCell<Nodes>,
}

/// Which papers.
#[derive(Clone, Copy, serde::Deserialize, schemars::JsonSchema)]
#[serde(crate = "plugin_api::serde", rename_all = "kebab-case")]
#[schemars(crate = "plugin_api::schemars", inline)]
enum Data {
    /// 2,708 papers on machine learning, 1,433 words, 7 classes.
    Cora,
    /// 3,327 papers on computer science, 3,703 words, 6 classes; 15 of them have neither words nor a class.
    Citeseer,
    /// 19,717 papers on diabetes, 3 classes, from a file of data that holds the words of 1,060 papers alone: `features`
    /// must be others.
    Pubmed,
}

/// The hash of its file.
const PUBMED: &str = "135d6326a6b505f1de54e78fc04b77fe7dcacbf3799ea60e305222eafd8c0062";

impl Data {
    fn open(self) -> Result<Npz> {
        match self {
            Data::Cora => Npz::of("cora.npz", &include_bytes!("../../data/cora.npz")[..]),
            Data::Pubmed => {
                let file = DataFile::new("planetoid/pubmed.npz", PUBMED, []);
                Npz::open(&data_file(&file)?)
            }
            Data::Citeseer => Npz::of(
                "citeseer.npz",
                &include_bytes!("../../data/citeseer.npz")[..],
            ),
        }
    }
}

impl Planetoid {
    fn nodes(&self) -> Result<&Nodes> {
        if let Some(nodes) = self.nodes.get() {
            return Ok(nodes);
        }
        let form = Form {
            source: self.features,
            normalise: self.normalise,
            sparse: self.sparse,
        };
        let mut npz = self.data.open()?;
        let y = npz.get("y")?;
        let nodes = Nodes::read(&mut npz, y, (form, None), |npz, classes| {
            let public = npz.splits(classes.len() as i64, 0)?;
            let public = public.context("the public split is missing")?;
            let Some(seed) = self.split else {
                return Ok(public);
            };
            let count = classes.iter().max().map_or(1, |class| *class as usize + 1);
            let sizes = [public.val.len(), public.test.len()];
            Ok(Splits::public(
                classes,
                public.train.len() / count,
                sizes,
                seed,
            ))
        })?;
        Ok(self.nodes.get_or_init(|| nodes))
    }
}

impl Task for Planetoid {
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
}
