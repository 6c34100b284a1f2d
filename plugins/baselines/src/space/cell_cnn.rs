//! Convolutional networks of one cell, repeated: the space of NAS-Bench-201, 15,625 cells.
//!
//! ```text
//! network    = conv3x3 -> norm -> cells -> reduction -> cells -> reduction -> cells -> norm -> relu -> mean -> linear
//! cell       : x1 = op0(x0),   x2 = op1(x0) + op2(x1),   x3 = op3(x0) + op4(x1) + op5(x2)
//! reduction  : y  = block(block(x), stride 2) + conv1x1(mean2x2(x)),   block = relu -> conv3x3 -> norm
//! ```
//!
//! What stands on each edge of the cell is a decision, `op0` to `op5` in the order 0->1, 0->2, 1->2, 0->3, 1->3, 2->3, and
//! all cells share it. Its options are `none` (zeros), `skip_connect`, `nor_conv_1x1`, `nor_conv_3x3` (relu, convolution,
//! normalisation) and `avg_pool_3x3`, in the order in which the benchmark's table counts them. In 341 of the cells no path
//! leads from `x0` to `x3`: the networks are there, with all weights that stand before a `none`, and give the same for
//! every input. `x`: `[batch, channels, height, width]`, sides that can be halved at each reduction. Source: Dong & Yang
//! 2020, section 2.

use plugin_api::prelude::*;
use plugin_api::{Json, serde_json};

use super::output;

/// Convolutional networks of one cell with six edges, five operations on each: NAS-Bench-201 (Dong & Yang 2020).
#[component(space = "cell-cnn")]
struct CellCnn {
    /// Channels of the first stage; each stage has twice as many as the one before.
    #[param(default = 16, range = "1 <= x <= 65536")]
    channels: i64,
    /// Cells in each stage.
    #[param(default = 5, range = "1 <= x <= 100")]
    cells: usize,
    /// Stages, with a reduction from each to the next.
    #[param(default = 3, range = "1 <= x <= 8")]
    stages: usize,
}

/// The edges of a cell: from which node to which, counted from 0.
const EDGES: [(usize, usize); 6] = [(0, 1), (0, 2), (1, 2), (0, 3), (1, 3), (2, 3)];
/// What may stand on an edge.
const OPERATIONS: [&str; 5] = [
    "none",
    "skip_connect",
    "nor_conv_1x1",
    "nor_conv_3x3",
    "avg_pool_3x3",
];

impl CellCnn {
    fn width(&self, stage: usize) -> i64 {
        self.channels << stage
    }

    /// The cells of a stage, and what the last of them gives.
    fn stage(&self, mut arch: Arch, stage: usize, first: String) -> (Arch, String) {
        let mut last = first;
        for k in 0..self.cells {
            let name = format!("cell-{stage}-{k}");
            arch = arch.nested(&name, cell(self.width(stage)), &[("x", &last)]);
            last = format!("{name}.x");
        }
        (arch, last)
    }
}

impl Space for CellCnn {
    fn supernet(&self, ports: &Ports) -> Result<Option<Arch>> {
        let x = port(&ports.inputs, "x")?;
        if x.len() != 4 {
            return Err(Error::new("the networks are for images")
                .found(show(x))
                .expected("[batch, channels, height, width]")
                .into());
        }
        let (output, classes) = output(ports)?;

        let stem = conv(3).with("out", self.channels);
        let mut arch = Arch::new(ports.inputs.clone())
            .layer("stem", stem, &[("x", "in.x")])
            .layer("stem-norm", NORM, &[("x", "stem.x")]);
        let mut last = "stem-norm.x".to_string();
        for stage in 0..self.stages {
            if stage > 0 {
                let name = format!("reduction-{stage}");
                let block = reduction(self.width(stage - 1), self.width(stage));
                arch = arch.nested(&name, block, &[("x", &last)]);
                last = format!("{name}.x");
            }
            (arch, last) = self.stage(arch, stage, last);
        }
        let linear = Recipe::new("baselines/linear").with("out", classes);
        let arch = arch
            .layer("norm", NORM, &[("x", &last)])
            .layer("relu", "baselines/activation", &[("x", "norm.x")])
            .layer("mean", "baselines/pool", &[("x", "relu.x")])
            .layer("flatten", "baselines/flatten", &[("x", "mean.x")])
            .layer("output", linear, &[("x", "flatten.x")])
            .output(output, "output.x");
        let edges = (0..EDGES.len()).map(|edge| Decision::options(&decision(edge), OPERATIONS));
        Ok(Some(edges.fold(arch, Arch::decide)))
    }
}

const NORM: &str = "baselines/batch-norm";

fn decision(edge: usize) -> String {
    format!("op{edge}")
}

/// The cell, for inputs of so many channels.
fn cell(channels: i64) -> Arch {
    let operations = || {
        let pool = Recipe::new("baselines/pool").with("kernel", 3);
        [
            Recipe::new("baselines/zero"),
            Recipe::new("baselines/identity"),
            block(conv(1)),
            block(conv(3)),
            pool.with("stride", 1).with("padding", 1),
        ]
    };
    let mut cell = Arch::new(images(channels));
    for to in 1..4 {
        let mut incoming = vec![];
        for (edge, (from, _)) in EDGES.iter().enumerate().filter(|(_, (_, end))| *end == to) {
            let from = match from {
                0 => "in.x".to_string(),
                node => format!("node{node}.x"),
            };
            let name = decision(edge);
            cell = cell.mix(&name, Mix::new(&name, operations()), &[("x", &from)]);
            incoming.push((name.clone(), format!("{name}.x")));
        }
        let incoming: Vec<_> = incoming.iter().map(|(n, x)| (&**n, &**x)).collect();
        cell = cell.layer(&format!("node{to}"), "baselines/add", &incoming);
    }
    cell.output("x", "node3.x")
}

/// What stands between two stages: half the sides, other channels.
fn reduction(from: i64, to: i64) -> Arch {
    let pool = Recipe::new("baselines/pool").with("kernel", 2);
    let halved = conv(3).with("out", to).with("stride", 2);
    Arch::new(images(from))
        .layer("first", block(halved), &[("x", "in.x")])
        .layer("second", block(conv(3)), &[("x", "first.x")])
        .layer("pool", pool, &[("x", "in.x")])
        .layer("shortcut", conv(1).with("out", to), &[("x", "pool.x")])
        .layer(
            "sum",
            "baselines/add",
            &[("x", "second.x"), ("shortcut", "shortcut.x")],
        )
        .output("x", "sum.x")
}

/// A convolution before normalisation, which has a bias of its own.
fn conv(kernel: i64) -> Recipe {
    Recipe::new("baselines/conv")
        .with("kernel", kernel)
        .with("bias", false)
}

/// Relu, a convolution, normalisation.
fn block(conv: Recipe) -> Recipe {
    let layers: Json = serde_json::json!(["baselines/activation", conv, NORM]);
    Recipe::new("baselines/sequence").with("layers", layers)
}

fn images(channels: i64) -> Shapes {
    let side = |name| axis(name, None);
    let shape = vec![
        side("batch"),
        axis("channels", channels),
        side("height"),
        side("width"),
    ];
    Shapes::new().with("x", shape)
}
