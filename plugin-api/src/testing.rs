//! For the tests of plugins: a graph that is slow and obvious, a pass that belongs to no network, a host that answers as
//! it is told, and numbers held to others.
//!
//! None needs a real host, so that a component can be held to its equation alone. What every component is held to is
//! checked by [`conformance!`].

mod conformance;

use std::cell::{Cell, RefCell};
use std::hash::{DefaultHasher, Hash, Hasher};

use plugin_api_data::{Arch, Decision, Point, Recipe, stream};

pub use conformance::{check_plugin, conformance};

use crate::{
    Choice, Edges, Error, Graph, Host, On, Pass, Result, Session, Tensor, Tensors, random,
};

/// A graph as its whole adjacency matrix: `rows[i][j]` is the weight of the edge `j -> i`, 0 where there is none.
struct Dense {
    rows: Vec<Vec<f64>>,
    /// Nodes that edges come from.
    columns: usize,
}

/// An undirected graph of these edges, each of weight 1; its matrix is kept in full.
pub fn graph(nodes: usize, edges: &[(usize, usize)]) -> Graph {
    let mut rows = vec![vec![0.0; nodes]; nodes];
    for &(a, b) in edges {
        rows[a][b] = 1.0;
        rows[b][a] = 1.0;
    }
    Dense::of(rows, nodes)
}

impl Dense {
    fn of(rows: Vec<Vec<f64>>, columns: usize) -> Graph {
        Graph::of(Box::new(Dense { rows, columns }))
    }

    fn matrix(&self) -> tch::Tensor {
        let size = [self.rows.len() as i64, self.columns as i64];
        tch::Tensor::from_slice(&self.rows.concat()).view(size)
    }

    /// Targets and sources, ordered by target: `[edges, 2]`.
    fn pairs(&self) -> tch::Tensor {
        self.matrix().nonzero()
    }

    /// What edges have, at their places in the matrix, and `none` elsewhere: `[nodes, source nodes,
    /// heads]`.
    fn placed(&self, of_edges: &tch::Tensor, none: f64) -> Result<tch::Tensor> {
        let size = [self.nodes(), self.source_nodes(), of_edges.size()[1]];
        let kind = (of_edges.kind(), tch::Device::Cpu);
        Ok(tch::Tensor::f_full(size, none, kind)?.f_index_put(&self.places(), of_edges, false)?)
    }

    /// Where edges are in the matrix.
    fn places(&self) -> [Option<tch::Tensor>; 2] {
        [Some(self.targets().into()), Some(self.sources().into())]
    }

    fn degree(&self, i: usize) -> f64 {
        self.rows[i].iter().sum()
    }
}

impl Edges for Dense {
    fn again(&self) -> Graph {
        Dense::of(self.rows.clone(), self.columns)
    }

    fn nodes(&self) -> i64 {
        self.rows.len() as i64
    }

    fn sources(&self) -> Tensor {
        self.pairs().select(1, 1).into()
    }

    fn targets(&self) -> Tensor {
        self.pairs().select(1, 0).into()
    }

    fn weight(&self) -> Tensor {
        let there: Vec<f64> = self
            .rows
            .concat()
            .into_iter()
            .filter(|w| *w != 0.0)
            .collect();
        tch::Tensor::from_slice(&there).into()
    }

    fn degrees(&self) -> Tensor {
        let degrees: Vec<f64> = (0..self.rows.len()).map(|i| self.degree(i)).collect();
        tch::Tensor::from_slice(&degrees).into()
    }

    fn matmul(&self, x: &Tensor) -> Result<Tensor> {
        Ok(self.matrix().to_kind(x.kind()).f_matmul(x)?.into())
    }

    fn with_self_loops(&self) -> Result<Graph> {
        let mut rows = self.rows.clone();
        for (i, row) in rows.iter_mut().enumerate() {
            row[i] = 1.0;
        }
        Ok(Dense::of(rows, self.columns))
    }

    fn normalised(&self) -> Result<Graph> {
        let scale = |degree: f64| match degree > 0.0 {
            true => degree.powf(-0.5),
            false => 0.0,
        };
        let of_targets: Vec<f64> = (0..self.rows.len())
            .map(|i| scale(self.degree(i)))
            .collect();
        let column = |j: usize| self.rows.iter().map(|row| row[j]).sum();
        let of_sources = match self.columns == self.rows.len() {
            true => of_targets.clone(),
            false => (0..self.columns).map(|j| scale(column(j))).collect(),
        };
        let scaled = |i: usize, row: &Vec<f64>| {
            let weights = row.iter().zip(&of_sources);
            weights.map(|(w, s)| of_targets[i] * w * s).collect()
        };
        let rows = self.rows.iter().enumerate();
        let rows = rows.map(|(i, row)| scaled(i, row)).collect();
        Ok(Dense::of(rows, self.columns))
    }

    fn components(&self) -> Result<Tensor> {
        let n = self.rows.len();
        let mut component = vec![-1_i64; n];
        let mut found = 0;
        for first in 0..n {
            let mut reached = if component[first] < 0 {
                vec![first]
            } else {
                continue;
            };
            while let Some(i) = reached.pop() {
                component[i] = found;
                reached.extend((0..n).filter(|j| {
                    component[*j] < 0 && (self.rows[i][*j] != 0.0 || self.rows[*j][i] != 0.0)
                }));
            }
            found += 1;
        }
        Ok(tch::Tensor::from_slice(&component).into())
    }

    fn on_device(&self, _: i64) -> Result<Graph> {
        Ok(self.again())
    }

    fn source_nodes(&self) -> i64 {
        self.columns as i64
    }

    fn transposed(&self) -> Result<Graph> {
        let column = |j: usize| self.rows.iter().map(|row| row[j]).collect();
        Ok(Dense::of(
            (0..self.columns).map(column).collect(),
            self.rows.len(),
        ))
    }

    fn weighted(&self, weight: &Tensor) -> Result<Graph> {
        let (sources, targets) = (self.sources(), self.targets());
        self.another(
            self.nodes(),
            self.source_nodes(),
            &sources,
            &targets,
            Some(weight.clone()),
        )
    }

    fn power(&self, x: &Tensor, hops: i64) -> Result<Tensor> {
        (0..hops).try_fold(x.clone(), |x, _| self.matmul(&x))
    }

    /// Weights of edges that are there twice are added up; an edge of weight 0 is none.
    fn another(
        &self,
        nodes: i64,
        source_nodes: i64,
        sources: &Tensor,
        targets: &Tensor,
        weight: Option<Tensor>,
    ) -> Result<Graph> {
        let (sources, targets) = (
            Vec::<i64>::try_from(&**sources)?,
            Vec::<i64>::try_from(&**targets)?,
        );
        let weight = match weight {
            Some(weight) => Vec::<f64>::try_from(&*weight)?,
            None => vec![1.0; sources.len()],
        };
        let mut rows = vec![vec![0.0; usize::try_from(source_nodes)?]; usize::try_from(nodes)?];
        for ((source, target), weight) in sources.iter().zip(&targets).zip(weight) {
            rows[usize::try_from(*target)?][usize::try_from(*source)?] += weight;
        }
        Ok(Dense::of(rows, usize::try_from(source_nodes)?))
    }

    fn softmax(&self, score: &Tensor) -> Result<Tensor> {
        // w exp(s) = exp(s + ln w)
        let weight = self.weight().f_to_kind(score.kind())?.f_unsqueeze(1)?;
        let scores = self.placed(&score.f_add(&weight.f_log()?)?, f64::NEG_INFINITY)?;
        Ok(scores
            .f_softmax(1, score.kind())?
            .f_index(&self.places())?
            .into())
    }

    fn attention(&self, source: &Tensor, target: &Tensor, slope: f64) -> Result<Tensor> {
        let source = source.f_index_select(0, &self.sources())?;
        let sums = target.f_index_select(0, &self.targets())?.f_add(&source)?;
        let leaky = sums.f_where_self(&sums.f_gt(0.0)?, &sums.f_mul_scalar(slope)?)?;
        self.softmax(&leaky.into())
    }

    fn attend(&self, attention: &Tensor, x: &Tensor) -> Result<Tensor> {
        let parts = [self.placed(attention, 0.0)?, x.shallow_clone()];
        Ok(tch::Tensor::f_einsum("ijh,jhf->ihf", &parts, None::<i64>)?.into())
    }

    fn max(&self, x: &Tensor) -> Result<Tensor> {
        let largest = |row: &Vec<f64>| {
            let joined = (0..).zip(row).filter(|(_, weight)| **weight != 0.0);
            let joined: Vec<i64> = joined.map(|(j, _)| j).collect();
            if joined.is_empty() {
                return Ok(x.f_new_zeros([x.size()[1]], (x.kind(), x.device()))?);
            }
            let joined = tch::Tensor::f_from_slice(&joined)?;
            Ok(x.f_index_select(0, &joined)?.f_max_dim(0, false)?.0)
        };
        let rows = self.rows.iter().map(largest);
        Ok(tch::Tensor::f_stack(&rows.collect::<Result<Vec<_>>>()?, 0)?.into())
    }

    fn mean(&self, x: &Tensor) -> Result<Tensor> {
        let degrees = self.degrees().f_to_kind(x.kind())?.f_unsqueeze(1)?;
        let divisors = degrees.f_masked_fill(&degrees.f_eq(0.0)?, 1.0)?;
        Ok(self.matmul(x)?.f_div(&divisors)?.into())
    }

    fn identity(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        let numbers = self.rows.concat().into_iter().map(f64::to_bits);
        (self.columns, numbers.collect::<Vec<_>>()).hash(&mut hasher);
        hasher.finish()
    }
}

/// Holds numbers to others, to a relative or absolute 1e-9.
///
/// # Panics
/// Where a shape or a number differs.
#[track_caller]
pub fn close(found: &tch::Tensor, expected: &tch::Tensor) {
    let near = found.size() == expected.size()
        && found.to_kind(tch::Kind::Double).allclose(
            &expected.to_kind(tch::Kind::Double),
            1e-9,
            1e-9,
            false,
        );
    assert!(near, "found\n{found}\nexpected\n{expected}");
}

/// A pass without a network around it: taps show themselves to nobody, draws come from a seed.
pub struct Alone {
    train: bool,
    seed: u64,
    draws: Cell<u64>,
    kept: RefCell<Tensors>,
}

impl Alone {
    /// As in training, with draws from this seed.
    pub fn train(seed: u64) -> Self {
        Alone {
            train: true,
            seed,
            draws: Cell::new(0),
            kept: RefCell::default(),
        }
    }

    /// As in evaluation.
    pub fn eval() -> Self {
        Alone {
            train: false,
            ..Alone::train(0)
        }
    }

    /// What a layer has put into its buffers.
    pub fn kept(&self) -> Tensors {
        self.kept.borrow().clone()
    }
}

impl Pass for Alone {
    fn train(&self) -> bool {
        self.train
    }

    fn step(&self) -> i64 {
        0
    }

    fn tap(&self, _: &str, x: Tensor) -> Tensor {
        x
    }

    fn choice(&self, _: &str) -> Option<Choice> {
        None
    }

    fn keep(&self, buffer: &str, value: Tensor) {
        self.kept.borrow_mut().put(buffer, value);
    }

    fn uniform(&self, size: &[i64]) -> Tensor {
        let draw = self.draws.replace(self.draws.get() + 1);
        random::uniform(size, stream(self.seed, &draw.to_string()))
    }
}

/// Draws points: of these decisions, so many, from this seed.
type Sample = Box<dyn Fn(&[Decision], i64, u64) -> Result<Vec<Point>>>;
/// Scores points by a scorer.
type Score = Box<dyn Fn(&Recipe, &[Point]) -> Result<Vec<Option<f64>>>>;

/// A host that samples and scores as it is told, and refuses the rest: for strategies.
pub struct Scripted {
    sample: Sample,
    score: Score,
}

fn refused<T>() -> Result<T> {
    Err(Error::new("nobody told the scripted host what to answer").into())
}

impl Default for Scripted {
    fn default() -> Self {
        Scripted {
            sample: Box::new(|_, _, _| refused()),
            score: Box::new(|_, _| refused()),
        }
    }
}

impl Scripted {
    /// The same that samples so.
    pub fn sampling(
        mut self,
        sample: impl Fn(&[Decision], i64, u64) -> Result<Vec<Point>> + 'static,
    ) -> Self {
        self.sample = Box::new(sample);
        self
    }

    /// The same that scores so.
    pub fn scoring(
        mut self,
        score: impl Fn(&Recipe, &[Point]) -> Result<Vec<Option<f64>>> + 'static,
    ) -> Self {
        self.score = Box::new(score);
        self
    }
}

impl Host for Scripted {
    fn resolve(&self, _: &Arch, _: &Point) -> Result<Arch> {
        refused()
    }

    fn sample(&self, decisions: &[Decision], n: i64, seed: u64) -> Result<Vec<Point>> {
        (self.sample)(decisions, n, seed)
    }

    fn mutate(&self, _: &[Decision], _: &Point, _: u64) -> Result<Point> {
        refused()
    }

    fn crossover(&self, _: &[Decision], _: &Point, _: &Point, _: u64) -> Result<Point> {
        refused()
    }

    fn encode(&self, _: &[Decision], _: &[Point]) -> Result<Tensor> {
        refused()
    }

    fn decode(&self, _: &[Decision], _: &Tensor) -> Result<Vec<Point>> {
        refused()
    }

    fn session(&self, _: &Arch, _: On, _: u64) -> Result<Box<dyn Session>> {
        refused()
    }

    fn score(&self, scorers: &[Recipe], points: &[Point]) -> Result<Vec<Vec<Option<f64>>>> {
        scorers.iter().map(|s| (self.score)(s, points)).collect()
    }
}
