//! What the plugin boundary costs: a call, a trial's process, and the program's start.
//!
//! `cargo xtask bench boundary`. Each figure stands beside a peer that was measured in turn with it; medians.

use std::hint::black_box;
use std::path::Path;
use std::process::{ChildStdin, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use baselines as _;
use pleach::protocol::{Limits, Reply, Request, Start, Subject, Work, receive, send};
use pleach_benches::{cpu, median, plugin, root};
use plugin_api::component::Registration;
use plugin_api::plugin::Plugin;
use plugin_api::role::Layer;
use plugin_api::testing::Alone;
use plugin_api::{Arch, Batch, Params, Recipe, Tensors, random};

fn main() -> Result<()> {
    tch::set_num_threads(1);
    let built = std::env::current_exe()?
        .parent()
        .context("a program stands in a folder")?
        .to_path_buf();
    call(&built)?;
    trial(&built)?;
    start(&built)
}

/// Prints a figure, its peer, and whether the bound holds.
fn report(
    what: &str,
    ours: Duration,
    peer_name: &str,
    peer: Duration,
    cost: Duration,
    bound: Duration,
) {
    let verdict = if cost <= bound {
        "holds"
    } else {
        "DOES NOT HOLD"
    };
    let micros = |d: Duration| d.as_secs_f64() * 1e6;
    println!(
        "{what}: {:.2} us; {peer_name}: {:.2} us; ratio {:.2}; cost {:.2} us, bound {:.2} us: {verdict}",
        micros(ours),
        micros(peer),
        ours.as_secs_f64() / peer.as_secs_f64(),
        micros(cost),
        micros(bound),
    );
}

/// `Layer::forward` with two weights, one input and a pass: from a plugin's file, over the same layer linked.
fn call(built: &Path) -> Result<()> {
    let linked = plugin_api::inventory::iter::<Registration>
        .into_iter()
        .find(|r| r.plugin == "baselines" && r.name == "linear");
    let plugin_api::component::Make::Layer(make) = linked.context("baselines are linked")?.make
    else {
        unreachable!("linear is a layer")
    };
    let linked: Box<dyn Layer> = make(&Params::new())?;
    let loaded: Box<dyn Layer> = Box::new(
        pleach_worker::open(&plugin(built, "baselines"))?.layer("linear", &Params::new())?,
    );

    let weights = Tensors::new()
        .with("weight", random::uniform(&[8, 8], 1))
        .with("bias", random::uniform(&[8], 2));
    let x = Batch::new().with("x", random::uniform(&[8, 8], 3));
    let pass = Alone::train(0);
    let time = |layer: &dyn Layer| -> Result<Duration> {
        let (n, start) = (2000, cpu());
        for _ in 0..n {
            black_box(layer.forward(&weights, &x, &pass)?);
        }
        Ok((cpu() - start) / n)
    };
    let (mut ours, mut peer) = (vec![], vec![]);
    for _ in 0..61 {
        ours.push(time(&*loaded)?);
        peer.push(time(&*linked)?);
    }
    let (ours, peer) = (median(ours), median(peer));
    report(
        "Layer::forward, loaded",
        ours,
        "linked",
        peer,
        ours.saturating_sub(peer),
        Duration::from_nanos(600),
    );
    Ok(())
}

/// A trial that does nothing: forked with data and plugins loaded, a network built, and its end reported.
fn trial(built: &Path) -> Result<()> {
    let logs = tempfile::tempdir()?;
    let mut worker = Command::new(built.join("pleach-worker"))
        .arg("serve")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()?;
    let (mut to, mut from) = (
        worker.stdin.take().context("piped")?,
        worker.stdout.take().context("piped")?,
    );
    let task = Recipe::new("baselines/digits-graph");
    let plugins = vec![plugin(built, "baselines"), plugin(built, "dgmlp")];
    let start = Instant::now();
    send(
        &mut to,
        &Request::Start(Start {
            plugins,
            task,
            device: "cpu".into(),
            threads: 1,
            logs: logs.path().into(),
        }),
    )?;
    ensure!(
        matches!(receive(&mut from)?, Some(Reply::Ready { .. })),
        "the worker did not start"
    );
    let fresh = start.elapsed();

    let arch: Arch = serde_json::from_slice(&std::fs::read(root().join("examples/gcn.json"))?)?;
    let mut once = || trial_once(&mut to, &mut from, &arch);
    let times = (0..101).map(|_| once()).collect::<Result<Vec<_>>>()?;
    drop((to, from));
    worker.wait()?;
    let ours = median(times);
    report(
        "a trial's process with digits-graph, forked to reported",
        ours,
        "started anew",
        fresh,
        ours,
        Duration::from_millis(5),
    );
    Ok(())
}

fn trial_once(to: &mut ChildStdin, from: &mut ChildStdout, arch: &Arch) -> Result<Duration> {
    let limits = Limits {
        seconds: 10.0,
        memory: 4 << 30,
    };
    let work = Work::new("nothing".into(), Subject::Arch(arch.clone()), 0, limits);
    let start = Instant::now();
    send(to, &Request::Run(vec![work]))?;
    let reply = receive(from)?;
    let took = start.elapsed();
    ensure!(
        matches!(
            reply,
            Some(Reply::Ended {
                end: pleach::protocol::End::Done(_),
                ..
            })
        ),
        "{reply:?}"
    );
    Ok(took)
}

/// `pleach --help`, beside a program that does nothing.
fn start(built: &Path) -> Result<()> {
    let time = |program: &Path, arguments: &[&str]| -> Result<Duration> {
        let start = Instant::now();
        let output = Command::new(program).args(arguments).output()?;
        ensure!(output.status.success(), "{}", program.display());
        Ok(start.elapsed())
    };
    let (mut ours, mut peer) = (vec![], vec![]);
    for _ in 0..101 {
        ours.push(time(&built.join("pleach"), &["--help"])?);
        peer.push(time(Path::new("true"), &[])?);
    }
    let (ours, peer) = (median(ours), median(peer));
    report(
        "pleach --help",
        ours,
        "true",
        peer,
        ours,
        Duration::from_millis(5),
    );
    Ok(())
}
