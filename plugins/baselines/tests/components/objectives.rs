//! Terms of the loss against PyTorch's, and beside a task.

use pleach_worker::{NetSession, host};
use plugin_api::host::Services;
use plugin_api::plugin::Plugin;
use plugin_api::prelude::*;
use plugin_api::serde_json::json;
use plugin_api::testing::close;

use crate::{params, plugin, reference};

/// What a pass shows that gives these logits.
fn logits(y: &Tensor) -> Seen {
    Seen {
        outputs: Batch::new().with("y", y),
        ..Seen::default()
    }
}

#[test]
fn distillation_is_pytorch_s_divergence() {
    let of_torch = reference("objectives");
    let network = of_torch["network"].set_requires_grad(true);
    let teacher = Named::new().with("teacher", logits(&of_torch["teacher"]));
    for temperature in [1, 4] {
        let given = json!({ "temperature": temperature, "weight": 0.5 });
        let distillation = plugin().objective("distillation", &params(given)).unwrap();
        let term = distillation.value(&logits(&network), &Batch::new(), &teacher);
        let term = term.unwrap().unwrap();
        close(&term, &(&of_torch[&format!("{temperature}.term")] * 0.5));
        let gradient = gradients_of(&term, &Tensors::new().with("y", &network), false).unwrap();
        close(
            &gradient["y"],
            &(&of_torch[&format!("{temperature}.gradient")] * 0.5),
        );
        // Samples that do not count teach nothing.
        let first = Batch::new().with("split", Tensor::from_slice(&[0_i64, 1]));
        let some = distillation
            .value(&logits(&network), &first, &teacher)
            .unwrap()
            .unwrap();
        let narrow = |y: &Tensor| logits(&y.narrow(0, 0, 2));
        let teacher = Named::new().with("teacher", narrow(&of_torch["teacher"]));
        let alone = distillation
            .value(&narrow(&network), &Batch::new(), &teacher)
            .unwrap()
            .unwrap();
        close(&some, &alone);
        assert!((some.double_value(&[]) - term.double_value(&[])).abs() > 1e-3);
    }
}

/// A perceptron for digits.
fn perceptron(width: i64, seed: u64) -> NetSession {
    tch::set_num_threads(1);
    let task = host().task(&"baselines/digits".into()).unwrap();
    let linear = |out: i64| Recipe::new("baselines/linear").with("out", out);
    let arch = Arch::new(task.ports().unwrap().inputs)
        .layer("first", linear(width), &[("x", "in.x")])
        .layer("act", "baselines/activation", &[("x", "first.x")])
        .layer("last", linear(10), &[("x", "act.x")])
        .output("y", "last.x");
    NetSession::new(arch, task.into(), seed, Device::Cpu).unwrap()
}

fn train(session: &mut NetSession, steps: usize) {
    let adam = Recipe::new("baselines/adamw").with("rate", 0.01);
    session.chain("main", &[adam], "model").unwrap();
    for _ in 0..steps {
        let batch = session.next("train", 100).unwrap();
        session.step("main", &batch, &Ask::train()).unwrap();
    }
}

fn answers(session: &NetSession, batch: &Batch) -> Tensor {
    session.forward(batch, &Ask::eval()).unwrap().outputs["y"].argmax(-1, false)
}

#[test]
fn a_pupil_learns_its_teacher_s_mistakes_too() {
    let mut teacher = perceptron(64, 100);
    train(&mut teacher, 40);
    let val = teacher.batch("val", &At::ALL).unwrap().unwrap();
    let taught_by = answers(&teacher, &val);
    let wrong = taught_by.ne_tensor(&val["y"]);
    let mistakes = |session: &NetSession| {
        let same = answers(session, &val).eq_tensor(&taught_by);
        let shared = same.logical_and(&wrong).sum(Kind::Double) / wrong.sum(Kind::Double);
        shared.double_value(&[])
    };
    let weights = teacher.snapshot("all").unwrap();
    for seed in 0..3 {
        let pupil = |objectives: &[Recipe]| {
            let mut pupil = perceptron(16, seed);
            let mut beside = perceptron(64, 0);
            beside.set(&weights).unwrap();
            pupil.accompany("teacher", beside);
            pupil.objectives(objectives).unwrap();
            train(&mut pupil, 100);
            mistakes(&pupil)
        };
        let distillation = Recipe::new("baselines/distillation").with("weight", 10.0);
        let (taught, alone) = (pupil(&[distillation]), pupil(&[]));
        // The part of the teacher's mistakes that the pupil makes too.
        assert!(taught > alone + 0.1, "{seed}: {taught} {alone}");
    }
}

#[test]
fn weights_have_a_price() {
    let mut session = perceptron(6, 3);
    let batch = session.batch("train", &At::ALL).unwrap().unwrap();
    let weights = session.weights("model").unwrap();
    let loss = |session: &NetSession| {
        let seen = session.forward(&batch, &Ask::train()).unwrap();
        let loss = session.loss(&seen, &batch).unwrap();
        gradients_of(&loss, &weights, false).unwrap()
    };
    let plain = loss(&session);
    for (norm, select) in [("l1", "#prunable"), ("l2", "first.weight")] {
        let given = json!({ "norm": norm, "rate": 0.01, "select": select });
        let recipe = Recipe {
            component: "baselines/penalty".into(),
            params: params(given),
        };
        session.objectives(&[recipe]).unwrap();
        for (path, gradient) in loss(&session) {
            let priced = path.ends_with("weight") && (norm == "l1" || path == "first.weight");
            let weight = weights[&path].detach();
            let price = match norm {
                _ if !priced => weight * 0.0,
                "l1" => weight.sign() * 0.01,
                _ => weight * 0.01,
            };
            let off = (&*gradient - &plain[&path] - price).abs().max();
            assert!(off.double_value(&[]) < 1e-7, "{norm} of `{path}`");
        }
    }
    let nothing = Recipe::new("baselines/penalty").with("select", "third");
    session.objectives(&[nothing]).unwrap();
    let seen = session.forward(&batch, &Ask::train()).unwrap();
    let error = session.loss(&seen, &batch).unwrap_err().to_string();
    assert!(error.contains("`third` selects no weight"), "{error}");
}
