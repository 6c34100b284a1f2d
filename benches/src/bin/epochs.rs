//! Epochs of graph networks: one full-batch step of Adam with all that belongs to it, beside PyTorch Geometric.
//!
//! `cargo xtask bench epochs`. 64 hidden units, dropout 0.5, CPU time of one thread; each figure is a median, beside a peer
//! that was measured in turn with it, and its bound; exit code 1 where one does not hold. `benches/peers/epochs.py` says
//! what the peers are.

use std::process::ExitCode;
use std::rc::Rc;

use anyhow::{Context, Result};
use pleach_benches::graphs::{CORA, Data, Nodes, PHYSICS};
use pleach_benches::{Peer, plugin, ratio};
use pleach_worker::NetSession;
use plugin_api::boundary::Owner;
use plugin_api::prelude::Device;
use plugin_api::role::{Task, TaskObj};
use plugin_api::{Arch, Ask, At, Recipe, Session};

fn main() -> Result<ExitCode> {
    // As the worker does.
    pleach_worker::keep_memory();
    pleach_worker::host();
    let built = std::env::current_exe()?;
    let built = built.parent().context("a program stands in a folder")?;
    pleach_worker::load(&plugin(built, "baselines"))?;
    let mut peer = Peer::start("epochs.py", &["torch-geometric==2.8.0", "numpy==2.4.6"])?;
    let (cora, physics) = (Data::read(CORA)?, Data::read(PHYSICS)?);
    let wanted = std::env::args().nth(1);
    let mut holds = true;
    for (data, net, way, bound) in [
        (&cora, Net::Gcn, "usual", 0.05),
        (&cora, Net::Gcn, "best", 0.35),
        (&cora, Net::Sage, "usual", 0.05),
        (&cora, Net::Gin, "usual", 0.05),
        (&cora, Net::Gat, "usual", 0.2),
        (&cora, Net::Gat, "best", 0.5),
        (&physics, Net::Gcn, "best", 0.2),
        (&physics, Net::Gcn, "usual", 0.01),
        (&physics, Net::Sage, "usual", 0.02),
        (&physics, Net::Gin, "usual", 0.02),
    ] {
        let name = format!("{}-{way}-{}", net.name(), data.name);
        if wanted.as_ref().is_none_or(|part| name.contains(part)) {
            holds &= epochs(data, net, way, bound, &mut peer)?;
        }
    }
    Ok(match holds {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    })
}

/// What is trained.
#[derive(Clone, Copy)]
enum Net {
    Gcn,
    Sage,
    Gin,
    Gat,
}

impl Net {
    fn name(self) -> &'static str {
        match self {
            Net::Gcn => "gcn",
            Net::Sage => "sage",
            Net::Gin => "gin",
            Net::Gat => "gat",
        }
    }

    /// Its layers: two of its kind with 64 units between them. Those that need no graph stand beside theirs.
    fn layers(self, classes: i64) -> Vec<Recipe> {
        let of = |component: &str| Recipe::new(format!("baselines/{component}"));
        let two = |first: Recipe, act: &str, second: Recipe| {
            let act = of("activation").with("kind", act);
            vec![first, act, of("dropout"), second]
        };
        let out = |component: &str, width: i64| of(component).with("out", width);
        match self {
            Net::Gcn => two(out("gcn", 64), "relu", out("gcn", classes)),
            Net::Sage => two(out("sage", 64), "relu", out("sage", classes)),
            Net::Gat => two(
                out("gat", 64).with("heads", 8).with("dropout", 0.5),
                "elu",
                out("gat", classes).with("heads", 1).with("dropout", 0.5),
            ),
            // Sums of rows and linear maps of them can change places: as in GCN, the map to fewer features comes first.
            Net::Gin => {
                let part = |width: i64| {
                    let summed = of("gin").with("inner", "baselines/batch-norm");
                    let relu = of("activation");
                    vec![out("linear", 64), summed, relu, out("linear", width)]
                };
                let between = vec![of("activation"), of("dropout")];
                [part(64), between, part(classes)].concat()
            }
        }
    }
}

/// The network over these nodes, ready to learn.
fn session(net: Net, data: &Data, input_dropout: bool) -> Result<NetSession> {
    let nodes = Nodes::of(data, data.features()?.into())?;
    let ports = nodes.ports()?;
    let mut layers = net.layers(nodes.classes);
    if input_dropout {
        layers.insert(0, "baselines/dropout".into());
    }
    let (mut arch, mut last) = (Arch::new(ports.inputs), "in.x".to_string());
    for (i, layer) in layers.into_iter().enumerate() {
        let takes_graph = ["gcn", "sage", "gin", "gat"].map(|name| format!("baselines/{name}"));
        let graph = takes_graph
            .contains(&layer.component)
            .then_some(("graph", "in.graph"));
        let inputs: Vec<_> = [("x", last.as_str())].into_iter().chain(graph).collect();
        let name = format!("layer-{i}");
        arch = arch.layer(&name, layer, &inputs);
        last = format!("{name}.x");
    }
    let task = Rc::new(TaskObj::new(Box::new(nodes), Owner::UNNAMED));
    let mut session = NetSession::new(arch.output("y", &last), task, 0, Device::Cpu)?;
    let adam = Recipe::new("baselines/adam")
        .with("rate", 0.01)
        .with("decay", 5e-4);
    session.chain("main", &[adam], "model")?;
    Ok(session)
}

/// Epochs of a network; the usual way has dropout on its inputs.
fn epochs(data: &Data, net: Net, way: &str, bound: f64, peer: &mut Peer) -> Result<bool> {
    let mut session = session(net, data, way == "usual")?;
    let at = At::ALL;
    let (repetitions, times) = match data.nodes() < 10_000 {
        true => (15, 10),
        false => (3, 1),
    };
    let what = format!("{}-{way}", net.name());
    let [ours, theirs] = data.compare(repetitions, (&what, 1, times), peer, || {
        let batch = session.batch("train", &at)?.context("a batch")?;
        session.step("main", &batch, &Ask::train())?;
        Ok(())
    })?;
    let what = format!("an epoch of {} on {}", net.name(), data.name);
    let whose = format!("PyTorch Geometric, {way} way");
    Ok(ratio(&what, ours, &whose, theirs, bound))
}
