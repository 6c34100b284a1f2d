//! An objective that looks at taps of two networks: a perceptron over images learns to see what an untrained network of
//! graph convolutions sees.

use pleach_worker::NetSession;
use plugin_api::host::Services;
use plugin_api::prelude::*;
use plugin_api::serde_json::json;

use crate::support::{host, linear};

/// Two layers over the digits, the first of which is given.
fn network(first: Recipe, inputs: &[(&str, &str)], seed: u64) -> NetSession {
    let task = host().task(&"baselines/digits-graph".into()).unwrap();
    let arch = Arch::new(task.ports().unwrap().inputs)
        .layer("first", first, inputs)
        .layer("act", "baselines/activation", &[("x", "first.x")])
        .layer("last", linear(10), &[("x", "act.x")])
        .output("y", "last.x");
    NetSession::new(arch, task.into(), seed, Device::Cpu).unwrap()
}

fn perceptron(seed: u64) -> NetSession {
    network(linear(16), &[("x", "in.x")], seed)
}

fn guide(seed: u64) -> NetSession {
    let gcn = Recipe::new("baselines/gcn").with("out", 24);
    network(gcn, &[("x", "in.x"), ("graph", "in.graph")], seed)
}

fn hidden(session: &NetSession, batch: &Batch) -> Tensor {
    let seen = session.forward(batch, &Ask::eval().tapped(["act.x"]));
    seen.unwrap().taps["act.x"].detach().to_kind(Kind::Double)
}

/// Centred kernel alignment by its kernels `[samples, samples]`.
fn alignment(x: &Tensor, y: &Tensor) -> f64 {
    let kernel = |x: &Tensor| {
        let gram = x.matmul(&x.tr());
        let rows = &gram - gram.mean_dim([0_i64].as_slice(), true, None);
        &rows - rows.mean_dim([1_i64].as_slice(), true, None)
    };
    let (k, l) = (kernel(x), kernel(y));
    let product = |a: &Tensor, b: &Tensor| (a * b).sum(Kind::Double).double_value(&[]);
    product(&k, &l) / (product(&k, &k) * product(&l, &l)).sqrt()
}

/// The term of guidance, so long on.
fn guidance(until: i64) -> Recipe {
    Recipe::new("wrappers/alignment")
        .with("taps", json!([["act.x", "act.x"]]))
        .with("weight", 0.5)
        .with("until", until)
}

/// The loss's terms beside the task's own.
fn beside(session: &NetSession, batch: &Batch) -> Tensors {
    let seen = session.forward(batch, &Ask::train()).unwrap();
    let mut terms = session.terms(&seen, batch).unwrap();
    terms.remove("cross-entropy").unwrap();
    terms
}

#[test]
fn a_network_learns_to_see_what_its_guide_sees() {
    for seed in 0..3 {
        let twin = guide(seed + 10);
        let trained = |objectives: &[Recipe]| {
            let mut session = perceptron(seed);
            session.accompany("guide", guide(seed + 10));
            session.objectives(objectives).unwrap();
            let adam = Recipe::new("baselines/adam").with("rate", 0.01);
            session.chain("main", &[adam], "model").unwrap();
            let batch = session.next("train", 0).unwrap();
            for _ in 0..60 {
                session.step("main", &batch, &Ask::train()).unwrap();
            }
            let aligned = alignment(&hidden(&session, &batch), &hidden(&twin, &batch));
            (session, batch, aligned)
        };
        // The guide beside the network is what its twin is, after training too.
        let (mut session, batch, guided) = trained(&[guidance(61)]);
        let term = beside(&session, &batch)["wrappers/alignment"].double_value(&[]);
        assert!(
            (term - 0.5 * (1.0 - guided)).abs() < 1e-5,
            "{term} {guided}"
        );
        session.step("main", &batch, &Ask::train()).unwrap();
        assert!(beside(&session, &batch).is_empty());

        let (_, _, alone) = trained(&[]);
        assert!(guided > alone + 0.15, "{seed}: {guided} {alone}");
    }
}

#[test]
fn a_twin_has_nothing_to_teach() {
    let mut session = perceptron(0);
    session.accompany("guide", perceptron(0));
    session.objectives(&[guidance(1)]).unwrap();
    let batch = session.next("train", 0).unwrap();
    let term = &beside(&session, &batch)["wrappers/alignment"];
    assert!(term.double_value(&[]).abs() < 1e-6);
    let weights = session.weights("model").unwrap();
    let slopes = gradients_of(term, &weights, false).unwrap();
    for (path, slope) in slopes.iter() {
        assert!(slope.abs().max().double_value(&[]) < 1e-5, "{path}");
    }
}
