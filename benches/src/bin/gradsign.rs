//! GradSign of untrained networks of NAS-Bench-201, one cell in each of three stages, on 16 images: beside the loop over
//! samples in plain PyTorch.
//!
//! `cargo xtask bench gradsign`. CPU time of one thread over networks that are there; each figure is a median of what was
//! measured in turn with its peer; exit code 1 where a bound does not hold.

use std::process::ExitCode;
use std::rc::Rc;

use anyhow::{Context, Result};
use pleach_benches::{Images, Peer, cpu, in_turn, plugin, ratio};
use pleach_worker::{NetSession, PlainHost};
use plugin_api::boundary::Owner;
use plugin_api::host::Services;
use plugin_api::prelude::Device;
use plugin_api::role::{Scorer, Space, Task, TaskObj};
use plugin_api::{Decided, Point, Recipe};

/// Cells by the operations on their edges: a convolution of 3x3 everywhere; some of each; hardly any.
const CELLS: [(&str, &str); 3] = [
    ("333333", "six convolutions of 3x3"),
    ("321423", "four convolutions"),
    ("110121", "one convolution"),
];
const SAMPLES: i64 = 16;
const ROUNDS: usize = 15;

fn main() -> Result<ExitCode> {
    // As the worker does.
    pleach_worker::keep_memory();
    pleach_worker::host();
    let built = std::env::current_exe()?;
    let built = built.parent().context("a program stands in a folder")?;
    for name in ["baselines", "gradsign"] {
        pleach_worker::load(&plugin(built, name))?;
    }
    tch::set_num_threads(1);
    let mut peer = Peer::start("gradsign.py", &[])?;
    let task = Rc::new(TaskObj::new(Box::new(Images), Owner::UNNAMED));
    let scorer = Recipe::new("gradsign/gradsign").with("samples", SAMPLES);
    let scorer = pleach_worker::host().scorer(&scorer)?;
    let mut hold = true;
    for (cell, what) in CELLS {
        let mut session = network(cell, &task)?;
        let score = || {
            let start = cpu();
            scorer.score(&mut session)?;
            Ok(cpu() - start)
        };
        let asked = format!("{cell} 1 {SAMPLES}");
        let [ours, theirs] = in_turn(ROUNDS, score, || peer.time(&asked))?;
        hold &= ratio(what, ours, "PyTorch", theirs, 0.95);
    }
    Ok(match hold {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    })
}

/// The network of a cell.
fn network(cell: &str, task: &Rc<TaskObj>) -> Result<NetSession> {
    let ports = task.ports()?;
    let space = Recipe::new("baselines/cell-cnn").with("cells", 1);
    let space = pleach_worker::host().space(&space)?;
    let mut point = Point::new();
    for (decision, digit) in space.decisions(&ports)?.iter().zip(cell.bytes()) {
        point.put(&decision.name, Decided::Option((digit - b'0').into()));
    }
    let host = PlainHost::new(Rc::clone(task), Device::Cpu);
    NetSession::new(
        space.arch(&ports, &point, &host)?,
        Rc::clone(task),
        0,
        Device::Cpu,
    )
}
