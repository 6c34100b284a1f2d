//! What the session costs: a layer more in a pass, a training step, masks, a pass through convolutions.
//!
//! `cargo xtask bench session`. One thread, CPU time; each figure is a median, beside a peer that was measured in turn
//! with it, and its bound; exit code 1 where one does not hold.

use std::hint::black_box;
use std::process::ExitCode;
use std::rc::Rc;
use std::time::Duration;

use anyhow::{Context, Result};
use pleach_benches::{Peer, cpu, cross_entropy, median, micros, plugin, ratio, verdict};
use pleach_worker::NetSession;
use plugin_api::boundary::Owner;
use plugin_api::prelude::{Device, Kind};
use plugin_api::role::{Task, TaskObj};
use plugin_api::{
    Arch, Ask, At, Batch, Keep, Named, Ports, Recipe, Session, Shapes, Tensors, axis, gradients_of,
    random,
};

fn main() -> Result<ExitCode> {
    // As the worker does.
    pleach_worker::keep_memory();
    pleach_worker::host();
    let built = std::env::current_exe()?;
    let built = built.parent().context("a program stands in a folder")?;
    pleach_worker::load(&plugin(built, "baselines"))?;
    let all = [layers()?, steps()?, masks()?, cells()?];
    Ok(match all.into_iter().all(|holds| holds) {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    })
}

/// Samples `[batch, ..]` into ten classes, always the same batch.
struct Samples {
    x: tch::Tensor,
    y: tch::Tensor,
}

impl Samples {
    fn new(size: &[i64]) -> Self {
        Samples {
            x: random::uniform(size, 1).into(),
            y: (&*random::uniform(&size[..1], 2) * 10.0).to_kind(Kind::Int64),
        }
    }
}

impl Task for Samples {
    fn ports(&self) -> Result<Ports> {
        let size = self.x.size();
        let rest = size[1..].iter().zip(["features", "height", "width"]);
        let rest = rest.map(|(length, name)| axis(name, *length));
        let x = [axis("batch", None)].into_iter().chain(rest).collect();
        Ok(Ports {
            inputs: Shapes::new().with("x", x),
            targets: Shapes::new(),
            outputs: Shapes::new(),
            metric: "none".into(),
            higher_is_better: true,
        })
    }

    fn batch(&self, _: &str, _: &At) -> Result<Option<Batch>> {
        Ok(Some(Batch::new().with("x", &self.x).with("y", &self.y)))
    }

    fn loss(&self, outputs: &Batch, batch: &Batch) -> Result<Tensors> {
        cross_entropy(outputs.tensor("y")?, batch.tensor("y")?)
    }

    fn metrics(&self, _: &Batch, _: &Batch) -> Result<Named<f64>> {
        Ok(Named::new())
    }
}

/// A session of these widths, with relus in between where they are wanted, and its batch.
fn mlp(samples: Samples, widths: &[i64], relu: bool) -> Result<(NetSession, Batch)> {
    let mut arch = Arch::new(samples.ports()?.inputs);
    let mut from = "in.x".to_string();
    for (i, width) in widths.iter().enumerate() {
        let linear = Recipe::new("baselines/linear").with("out", *width);
        arch = arch.layer(&format!("linear-{i}"), linear, &[("x", &from)]);
        from = format!("linear-{i}.x");
        if relu && i + 1 < widths.len() {
            arch = arch.layer(
                &format!("relu-{i}"),
                "baselines/activation",
                &[("x", &from)],
            );
            from = format!("relu-{i}.x");
        }
    }
    session(samples, arch.output("y", &from))
}

fn session(samples: Samples, arch: Arch) -> Result<(NetSession, Batch)> {
    let task = TaskObj::new(Box::new(samples), Owner::UNNAMED);
    let session = NetSession::new(arch, Rc::new(task), 0, Device::Cpu)?;
    let batch = session.batch("train", &At::ALL)?.context("a batch")?;
    Ok((session, batch))
}

/// A linear layer 8x8 more, in an evaluation pass.
fn layers() -> Result<bool> {
    const WIDTH: i64 = 8;
    let lengths = [10, 100];
    let sessions = lengths
        .iter()
        .map(|n| mlp(Samples::new(&[WIDTH, WIDTH]), &vec![WIDTH; *n], false))
        .collect::<Result<Vec<_>>>()?;
    let weights = sessions.iter().map(|(session, _)| {
        let weights = session.weights("all")?;
        Ok(weights.values().cloned().collect::<Vec<_>>())
    });
    let weights = weights.collect::<Result<Vec<_>>>()?;

    let passes = 200;
    let through = |i: usize| -> Result<Duration> {
        let (session, batch) = &sessions[i];
        let start = cpu();
        for _ in 0..passes {
            black_box(session.forward(batch, &Ask::eval())?);
        }
        Ok((cpu() - start) / passes)
    };
    let direct = |i: usize| -> Result<Duration> {
        let x = sessions[i].1.tensor("x")?;
        let start = cpu();
        for _ in 0..passes {
            let mut y = x.shallow_clone();
            for layer in weights[i].chunks(2) {
                y = y.f_linear(&layer[0], Some(&*layer[1]))?;
            }
            let _ = black_box(y);
        }
        Ok((cpu() - start) / passes)
    };
    let mut times = [(); 4].map(|()| vec![]);
    tch::no_grad(|| -> Result<()> {
        for _ in 0..31 {
            for (times, time) in
                times
                    .iter_mut()
                    .zip([through(0)?, through(1)?, direct(0)?, direct(1)?])
            {
                times.push(time);
            }
        }
        Ok(())
    })?;
    let [few, many, few_directly, many_directly] = times.map(|times| micros(median(times)));
    let more = (lengths[1] - lengths[0]) as f64;
    let (ours, peer) = ((many - few) / more, (many_directly - few_directly) / more);
    let over = ours - peer;
    print!("a layer more, through the session: {ours:.2} us; tch: {peer:.2} us; ");
    print!("ratio {:.2}; over {over:.2} us", ours / peer);
    Ok(verdict(over, 1.5))
}

const LENET: [i64; 3] = [300, 100, 10];
const REPETITIONS: usize = 31;
/// Steps in a turn: enough that it counts little that the other one has used the caches.
const STEPS: u32 = 50;

/// LeNet-300-100 with a chain of this optimizer, after its first steps.
fn lenet(optimizer: &Recipe, kept: f64) -> Result<(NetSession, Batch)> {
    let (mut session, batch) = mlp(Samples::new(&[60, 784]), &LENET, true)?;
    session.chain("main", std::slice::from_ref(optimizer), "model")?;
    if kept < 1.0 {
        session.prune(
            &session.weights("#prunable")?.map(|_, w| w.abs()),
            &Keep::Overall(kept),
        )?;
    }
    step(&mut session, &batch, 5)?;
    Ok((session, batch))
}

/// CPU time of one of these steps.
fn step(session: &mut NetSession, batch: &Batch, steps: u32) -> Result<Duration> {
    let start = cpu();
    for _ in 0..steps {
        black_box(session.step("main", batch, &Ask::train())?);
    }
    Ok((cpu() - start) / steps)
}

fn optimizers() -> [(&'static str, Recipe); 2] {
    [
        ("sgd", Recipe::new("baselines/sgd").with("rate", 0.1)),
        ("adam", Recipe::new("baselines/adam").with("rate", 0.001)),
    ]
}

/// Training steps of LeNet-300-100, beside PyTorch's.
fn steps() -> Result<bool> {
    let mut peer = Peer::start("lenet.py", &[])?;
    let mut all = true;
    for ((name, optimizer), bound) in optimizers().iter().zip([0.95, 0.6]) {
        let (mut session, batch) = lenet(optimizer, 1.0)?;
        peer.time(&format!("{name} 5"))?;
        let (mut ours, mut peers) = (vec![], vec![]);
        for _ in 0..REPETITIONS {
            ours.push(step(&mut session, &batch, STEPS)?);
            peers.push(peer.time(&format!("{name} {STEPS}"))?);
        }
        let what = format!("a step of LeNet-300-100, {name}");
        all &= ratio(&what, median(ours), "PyTorch", median(peers), bound);
    }
    Ok(all)
}

/// The same with 90 % of the weights masked, beside those without masks.
fn masks() -> Result<bool> {
    let mut all = true;
    for (name, optimizer) in optimizers() {
        let ((mut masked, batch), (mut dense, _)) =
            (lenet(&optimizer, 0.1)?, lenet(&optimizer, 1.0)?);
        let (mut ours, mut peers) = (vec![], vec![]);
        for _ in 0..REPETITIONS {
            ours.push(step(&mut masked, &batch, STEPS)?);
            peers.push(step(&mut dense, &batch, STEPS)?);
        }
        let what = format!("the same with 90 % masked, {name}");
        all &= ratio(&what, median(ours), "dense", median(peers), 1.05);
    }
    Ok(all)
}

/// A network of NAS-Bench-201's kind, node by node as `peers/cells.py` has it.
struct Cells {
    arch: Arch,
    nodes: usize,
}

impl Cells {
    /// Adds a layer, and says where its output is.
    fn layer(&mut self, layer: Recipe, inputs: &[&str]) -> String {
        let name = format!("n{}", self.nodes);
        self.nodes += 1;
        let ports = ["x", "a", "b"];
        let ports = if inputs.len() == 1 {
            &ports[..1]
        } else {
            &ports[1..]
        };
        let inputs: Vec<_> = ports.iter().copied().zip(inputs.iter().copied()).collect();
        self.arch = self.arch.clone().layer(&name, layer, &inputs);
        format!("{name}.x")
    }

    fn one(&mut self, layer: &str, x: &str) -> String {
        self.layer(Recipe::new(layer), &[x])
    }

    fn sum(&mut self, a: &str, b: &str) -> String {
        self.layer(Recipe::new("baselines/add"), &[a, b])
    }

    fn conv(&mut self, x: &str, out: i64, kernel: i64, stride: i64) -> String {
        let conv = Recipe::new("baselines/conv").with("out", out);
        let conv = conv
            .with("kernel", kernel)
            .with("stride", stride)
            .with("bias", false);
        self.layer(conv, &[x])
    }

    fn block(&mut self, x: &str, out: i64, kernel: i64, stride: i64) -> String {
        let x = self.one("baselines/activation", x);
        let x = self.conv(&x, out, kernel, stride);
        self.one("baselines/batch-norm", &x)
    }

    fn cell(&mut self, x: &str, width: i64) -> String {
        let a = self.block(x, width, 3, 1);
        let b = self.block(&a, width, 1, 1);
        let b = self.sum(&b, x);
        let last = self.block(&b, width, 3, 1);
        let pool = Recipe::new("baselines/pool").with("kernel", 3);
        let pool = self.layer(pool.with("stride", 1).with("padding", 1), &[&a]);
        let sum = self.sum(&last, &pool);
        self.sum(&sum, x)
    }

    fn narrower(&mut self, x: &str, out: i64) -> String {
        let first = self.block(x, out, 3, 2);
        let second = self.block(&first, out, 3, 1);
        let aside = self.layer(Recipe::new("baselines/pool").with("kernel", 2), &[x]);
        let aside = self.conv(&aside, out, 1, 1);
        self.sum(&second, &aside)
    }
}

/// Forward and backward through convolutions, beside PyTorch's default layout.
fn cells() -> Result<bool> {
    let samples = Samples::new(&[32, 3, 32, 32]);
    let arch = Arch::new(samples.ports()?.inputs);
    let mut net = Cells { arch, nodes: 0 };
    let x = net.conv("in.x", 16, 3, 1);
    let mut x = net.one("baselines/batch-norm", &x);
    for width in [16, 32, 64] {
        if width > 16 {
            x = net.narrower(&x, width);
        }
        x = net.cell(&x, width);
    }
    for layer in ["batch-norm", "activation", "pool", "flatten"] {
        x = net.one(&format!("baselines/{layer}"), &x);
    }
    x = net.layer(Recipe::new("baselines/linear").with("out", 10), &[&x]);
    let (session, batch) = session(samples, net.arch.output("y", &x))?;
    let weights = session.weights("model")?;
    let mut peer = Peer::start("cells.py", &[])?;
    let pass = || -> Result<Duration> {
        let start = cpu();
        let loss = session.loss(&session.forward(&batch, &Ask::train())?, &batch)?;
        black_box(gradients_of(&loss, &weights, false)?);
        Ok(cpu() - start)
    };
    let (mut ours, mut peers) = (vec![], vec![]);
    for _ in 0..REPETITIONS {
        ours.push(pass()?);
        peers.push(peer.time("pass 1")?);
    }
    let what = "convolutions, forward and backward";
    Ok(ratio(what, median(ours), "PyTorch", median(peers), 0.9))
}
