//! Classification of papers as nodes of the graph of their citations.
//!
//! Gives `x`: which words a paper has, `[nodes, features]`, each row divided by their number unless `normalise` is off, and
//! `graph`, each citation in both directions; wants `y`: logits, `[nodes, classes]`. A batch is always the whole graph; it
//! also holds the labels `y`: `[nodes]`, int64, and `split`: the nodes that loss and metrics count, int64. The loss is the
//! mean cross-entropy.
//!
//! Source: Sen et al. 2008, in the form and with the public split of Yang et al. 2016 (Planetoid).

use std::cell::OnceCell;
use std::io::Cursor;

use npyz::npz::NpzArchive;
use plugin_api::prelude::*;
use plugin_api::{schemars, serde};
use rand::seq::SliceRandom;

use crate::classes;

/// Papers to be told apart by their words and citations, from 20 labels a class (Yang et al. 2016).
#[component(task = "planetoid")]
struct Planetoid {
    /// Which papers.
    #[param(default = "cora")]
    data: Data,
    /// Whether the words of each paper add up to 1.
    #[param(default = true)]
    normalise: bool,
    /// Whether `x` is sparse: for first layers that take it so, which then cost less.
    #[param(default = false)]
    sparse: bool,
    /// Seed of splits of the public one's sizes; the public split where it is left out.
    split: Option<u64>,
    /// `x`, `graph` and `y`: what is read takes a moment, and a graph keeps its derived forms.
    #[serde(skip)]
    whole: OnceCell<Batch>,
    /// The papers of each split.
    #[serde(skip)]
    splits: OnceCell<Tensors>,
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
}

impl Data {
    fn words(self) -> i64 {
        match self {
            Data::Cora => 1433,
            Data::Citeseer => 3703,
        }
    }

    fn classes(self) -> i64 {
        match self {
            Data::Cora => 7,
            Data::Citeseer => 6,
        }
    }

    /// An array of the file.
    fn read(self, name: &str) -> Result<Vec<i32>> {
        let file: &[u8] = match self {
            Data::Cora => include_bytes!("../../data/cora.npz"),
            Data::Citeseer => include_bytes!("../../data/citeseer.npz"),
        };
        let mut arrays = NpzArchive::new(Cursor::new(file))?;
        let array = arrays.by_name(name)?.context("no such array")?;
        Ok(array.into_vec()?)
    }

    fn index(self, name: &str) -> Result<Tensor> {
        Ok(Tensor::f_from_slice(&self.read(name)?)?.f_to_kind(Kind::Int64)?)
    }

    fn graph(self) -> Result<Graph> {
        let edges = self.index("edges")?.f_view([-1, 2])?;
        let [one, other] = [edges.f_select(1, 0)?, edges.f_select(1, 1)?];
        let nodes = self.read("y")?.len() as i64;
        let sources = Tensor::f_cat(&[&one, &other], 0)?;
        Graph::new(nodes, &sources, &Tensor::f_cat(&[other, one], 0)?, None)
    }

    /// From words to papers.
    fn features(self, normalise: bool) -> Result<Graph> {
        let degrees = self.index("x_indptr")?.f_diff::<Tensor>(1, 0, None, None)?;
        let nodes = degrees.size()[0];
        let papers = Tensor::f_arange(nodes, (Kind::Int64, Device::Cpu))?;
        let papers = papers.f_repeat_interleave_self_tensor(&degrees, 0, None)?;
        let weight = degrees.f_index_select(0, &papers)?;
        let weight = match normalise {
            true => weight.f_to_kind(Kind::Float)?.f_reciprocal()?,
            false => weight.f_ones_like()?.f_to_kind(Kind::Float)?,
        };
        Graph::bipartite(
            nodes,
            self.words(),
            &self.index("x_indices")?,
            &papers,
            Some(&weight),
        )
    }

    /// The papers of each split: the public ones, or as many that are drawn.
    fn splits(self, seed: Option<u64>) -> Result<Tensors> {
        let names = ["train", "val", "test"];
        let public = names.map(|name| Ok((name, self.index(&format!("{name}_idx"))?)));
        let public: Tensors = public.into_iter().collect::<Result<_>>()?;
        let Some(seed) = seed else {
            return Ok(public);
        };
        let (labels, unlabelled) = (self.read("y")?, self.read("unlabelled")?);
        let mut order: Vec<i64> = (0..labels.len() as i64)
            .filter(|paper| !unlabelled.contains(&(*paper as i32)))
            .collect();
        order.shuffle(&mut random::generator(stream(seed, "split")));
        // The first of each class are for training.
        let of_each = public["train"].size()[0] / self.classes();
        let mut taken = vec![0; self.classes() as usize];
        let (train, rest): (Vec<i64>, Vec<i64>) = order.into_iter().partition(|paper| {
            let taken = &mut taken[labels[*paper as usize] as usize];
            *taken += 1;
            *taken <= of_each
        });
        let (val, rest) = rest.split_at(public["val"].size()[0] as usize);
        let test = &rest[..public["test"].size()[0] as usize];
        let drawn = names.into_iter().zip([&train[..], val, test]);
        let ascending = drawn.map(|(name, papers)| {
            let mut papers = papers.to_vec();
            papers.sort_unstable();
            Ok((name, Tensor::f_from_slice(&papers)?))
        });
        ascending.collect()
    }
}

impl Planetoid {
    fn splits(&self) -> Result<&Tensors> {
        if let Some(splits) = self.splits.get() {
            return Ok(splits);
        }
        let splits = self.data.splits(self.split)?;
        Ok(self.splits.get_or_init(|| splits))
    }

    fn whole(&self) -> Result<&Batch> {
        if let Some(whole) = self.whole.get() {
            return Ok(whole);
        }
        let features = self.data.features(self.normalise)?;
        let x: Value = match self.sparse {
            true => features.into(),
            false => {
                let size = [features.nodes(), features.source_nodes()];
                let at = [&*features.targets(), &*features.sources()]
                    .map(|index| Some(index.shallow_clone()));
                let zeros = Tensor::f_zeros(size, (Kind::Float, Device::Cpu))?;
                zeros.f_index_put(&at, &features.weight(), false)?.into()
            }
        };
        let whole = Batch::new()
            .with("x", x)
            .with("graph", self.data.graph()?)
            .with("y", self.data.index("y")?);
        Ok(self.whole.get_or_init(|| whole))
    }
}

impl Task for Planetoid {
    fn ports(&self) -> Result<Ports> {
        let nodes = || axis("nodes", None);
        Ok(Ports {
            inputs: Shapes::new()
                .with("x", vec![nodes(), axis("features", self.data.words())])
                .with("graph", vec![nodes()]),
            targets: Shapes::new(),
            outputs: Shapes::new().with("y", vec![nodes(), axis("classes", self.data.classes())]),
            metric: "accuracy".into(),
            higher_is_better: true,
        })
    }

    fn batch(&self, split: &str, at: &At) -> Result<Option<Batch>> {
        let splits = self.splits()?;
        let nodes = splits.get(split).ok_or_else(|| {
            Error::new(format!("there is no split `{split}`")).expected("train, val or test")
        })?;
        if at.index > 0 {
            return Ok(None);
        }
        Ok(Some(self.whole()?.clone().with("split", nodes.clone())))
    }

    fn loss(&self, outputs: &Batch, batch: &Batch) -> Result<Tensors> {
        let (logits, labels) = classes::of_split(outputs, batch)?;
        Ok(Tensors::new().with("cross-entropy", classes::cross_entropy(&logits, &labels)?))
    }

    fn metrics(&self, outputs: &Batch, batch: &Batch) -> Result<Named<f64>> {
        let (logits, labels) = classes::of_split(outputs, batch)?;
        classes::metrics(&logits, &labels)
    }
}
