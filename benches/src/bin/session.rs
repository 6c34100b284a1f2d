//! What the session costs: a layer more in a pass, a training step, masks.
//!
//! `cargo xtask bench session`. One thread, CPU time; each figure is a median, beside a peer that was measured in turn
//! with it, and its bound; exit code 1 where one does not hold.

use std::hint::black_box;
use std::process::ExitCode;
use std::rc::Rc;
use std::time::Duration;

use anyhow::{Context, Result};
use pleach_benches::{Peer, cpu, median, plugin};
use pleach_worker::NetSession;
use plugin_api::boundary::Owner;
use plugin_api::prelude::{Device, Kind};
use plugin_api::role::{Task, TaskObj};
use plugin_api::{
    Arch, Ask, At, Batch, Keep, Named, Ports, Recipe, Session, Shapes, Tensors, axis, random,
};

fn main() -> Result<ExitCode> {
    // As the worker does.
    pleach_worker::keep_memory();
    pleach_worker::host();
    let built = std::env::current_exe()?;
    let built = built.parent().context("a program stands in a folder")?;
    pleach_worker::load(&plugin(built, "baselines"))?;
    let all = [layers()?, steps()?, masks()?];
    Ok(match all.into_iter().all(|holds| holds) {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    })
}

fn micros(d: Duration) -> f64 {
    d.as_secs_f64() * 1e6
}

fn verdict(value: f64, bound: f64) -> bool {
    let holds = value <= bound;
    let verdict = if holds { "holds" } else { "DOES NOT HOLD" };
    println!(", bound {bound}: {verdict}");
    holds
}

/// Prints a figure beside its peer's, and whether their ratio is within the bound.
fn ratio(what: &str, ours: Duration, whose: &str, peer: Duration, bound: f64) -> bool {
    let ratio = ours.as_secs_f64() / peer.as_secs_f64();
    let (ours, peer) = (micros(ours), micros(peer));
    print!("{what}: {ours:.0} us; {whose}: {peer:.0} us; ratio {ratio:.3}");
    verdict(ratio, bound)
}

/// Rows of numbers into ten classes, always the same batch.
struct Rows {
    features: i64,
    x: tch::Tensor,
    y: tch::Tensor,
}

impl Rows {
    fn new(samples: i64, features: i64) -> Self {
        Rows {
            features,
            x: random::uniform(&[samples, features], 1).into(),
            y: (&*random::uniform(&[samples], 2) * 10.0).to_kind(Kind::Int64),
        }
    }
}

impl Task for Rows {
    fn ports(&self) -> Result<Ports> {
        let rows = vec![axis("batch", None), axis("features", self.features)];
        Ok(Ports {
            inputs: Shapes::new().with("x", rows),
            outputs: Shapes::new(),
            metric: "none".into(),
            higher_is_better: true,
        })
    }

    fn batch(&self, _: &str, _: &At) -> Result<Option<Batch>> {
        Ok(Some(Batch::new().with("x", &self.x).with("y", &self.y)))
    }

    fn loss(&self, outputs: &Batch, batch: &Batch) -> Result<Tensors> {
        let loss = outputs.tensor("y")?.f_cross_entropy_loss(
            batch.tensor("y")?,
            None::<tch::Tensor>,
            tch::Reduction::Mean,
            -100,
            0.0,
        )?;
        Ok(Tensors::new().with("loss", loss))
    }

    fn metrics(&self, _: &Batch, _: &Batch) -> Result<Named<f64>> {
        Ok(Named::new())
    }
}

/// A session of these widths, with relus in between where they are wanted, and its batch.
fn session(rows: Rows, widths: &[i64], relu: bool) -> Result<(NetSession, Batch)> {
    let task = TaskObj::new(Box::new(rows), Owner::UNNAMED);
    let mut arch = Arch::new(task.ports()?.inputs);
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
    let arch = arch.output("y", &from);
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
        .map(|n| session(Rows::new(WIDTH, WIDTH), &vec![WIDTH; *n], false))
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
                y = y.f_matmul(&layer[0])?.f_add(&layer[1])?;
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

/// LeNet-300-100 with a chain of this optimizer, after its first steps.
fn lenet(optimizer: &Recipe, kept: f64) -> Result<(NetSession, Batch)> {
    let (mut session, batch) = session(Rows::new(60, 784), &LENET, true)?;
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
            ours.push(step(&mut session, &batch, 10)?);
            peers.push(peer.time(&format!("{name} 10"))?);
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
            ours.push(step(&mut masked, &batch, 10)?);
            peers.push(step(&mut dense, &batch, 10)?);
        }
        let what = format!("the same with 90 % masked, {name}");
        all &= ratio(&what, median(ours), "dense", median(peers), 1.05);
    }
    Ok(all)
}
