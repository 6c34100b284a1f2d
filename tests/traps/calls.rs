//! Traps of a call: what a plugin's code leaves behind in the process that it runs in.

use std::sync::Once;

use pleach_tests::{example, plugin};
use pleach_worker::NetSession;
use plugin_api::host::Services;
use plugin_api::role::*;
use plugin_api::testing::Alone;
use plugin_api::{Arch, Ask, Batch, Json, Recipe, Result, Session, Tensors, random};
use static_assertions::{assert_impl_all, assert_not_impl_any};
use tch::{Device, Kind};

/// The host, with the plugin that misbehaves.
fn host() -> pleach_worker::Registry {
    static LOADED: Once = Once::new();
    LOADED.call_once(|| {
        for file in [plugin("baselines"), example("faulty")] {
            pleach_worker::load(&file).unwrap_or_else(|e| panic!("{e:?}"));
        }
    });
    pleach_worker::host()
}

fn layer(name: &str, parameter: &str, value: impl Into<Json>) -> LayerObj {
    let recipe = Recipe::new(name).with(parameter, value.into());
    host().layer(&recipe).unwrap()
}

fn ones() -> tch::Tensor {
    tch::Tensor::ones([2], (Kind::Float, Device::Cpu))
}

/// What a layer with one weight `w` makes of ones.
fn run(layer: &LayerObj) -> Result<Batch> {
    let weights = Tensors::new().with("w", ones().set_requires_grad(true));
    layer.forward(&weights, &Batch::new().with("x", ones()), &Alone::eval())
}

#[test]
fn trap_16_errors_of_libtorch_lose_their_backtrace_in_either_form() {
    for how in ["libtorch", "libtorch-error"] {
        let error = run(&layer("faulty/faulty", "how", how)).err().unwrap();
        assert_eq!(
            error.to_string(),
            "`faulty/faulty`: libtorch: mat1 and mat2 shapes cannot be multiplied (2x3 and 2x3)",
        );
    }
}

#[test]
fn trap_17_a_panic_where_gradients_are_off_leaves_them_on() {
    let error = run(&layer("faulty/faulty", "how", "panic-without-grad"))
        .err()
        .unwrap();
    assert!(error.to_string().ends_with(": on purpose"), "{error}");
    let weight = ones().set_requires_grad(true);
    assert!((&weight * 2.0).requires_grad());
}

#[test]
fn trap_18_a_thread_that_is_started_without_gradients_goes_on_without_them() {
    let needs_grad = |as_here: bool| {
        let given = run(&layer("faulty/threaded", "as_here", as_here)).unwrap();
        given.tensor("x").unwrap().requires_grad()
    };
    assert!(needs_grad(true));
    assert!(!tch::no_grad(|| needs_grad(true)));
    // The trap: a new thread knows nothing of it.
    assert!(tch::no_grad(|| needs_grad(false)));
}

#[test]
fn trap_25_a_layer_cannot_change_a_weight_in_place_where_gradients_are_on() {
    let layer = host().layer(&Recipe::new("faulty/in-place")).unwrap();
    let error = run(&layer).err().unwrap().to_string();
    let wanted = "`faulty/in-place`: libtorch: a leaf Variable that requires grad is being used in an in-place operation.";
    assert_eq!(error, wanted);
    // Where they are off nothing stops it; that it did so shows in the version, which `pleach plugins check` compares.
    let weights = Tensors::new().with("w", ones().set_requires_grad(true));
    let x = Batch::new().with("x", ones());
    assert_eq!(weights["w"].internal_version(), 0);
    tch::no_grad(|| layer.forward(&weights, &x, &Alone::eval())).unwrap();
    assert_eq!(weights["w"].internal_version(), 1);
    assert_eq!(x["x"].internal_version(), 0);
}

#[test]
fn trap_25_training_leaves_no_gradient_at_the_weights() -> Result<()> {
    let mut session = session()?;
    session.chain("main", &[Recipe::new("baselines/sgd")], "model")?;
    let batch = session.next("train", 20)?;
    session.step("main", &batch, &Ask::train())?;
    for (path, weight) in session.weights("all")?.iter() {
        assert!(!weight.grad().defined(), "`{path}`");
    }
    Ok(())
}

fn session() -> Result<NetSession> {
    let task = host().task(&Recipe::new("baselines/digits"))?;
    let arch = Arch::new(task.ports()?.inputs)
        .layer(
            "out",
            Recipe::new("baselines/linear").with("out", 10),
            &[("x", "in.x")],
        )
        .output("y", "out.x");
    NetSession::new(arch, task.into(), 0, Device::Cpu)
}

#[test]
fn trap_26_draws_do_not_hang_on_libtorchs_generator() {
    let dropout = layer("baselines/dropout", "rate", 0.5);
    let draw = |seed: i64| {
        tch::manual_seed(seed);
        let x = Batch::new().with("x", random::uniform(&[100], 0));
        let given = dropout
            .forward(&Tensors::new(), &x, &Alone::train(7))
            .unwrap();
        given.tensor("x").unwrap().shallow_clone()
    };
    assert_eq!(draw(1), draw(2));
}

// Trap 27: components may be shared between threads, so they keep no tensors of their own.
assert_impl_all!(tch::Tensor: Send);
assert_not_impl_any!(tch::Tensor: Sync);
assert_impl_all!(LayerObj: Send, Sync);
assert_impl_all!(InitializerObj: Send, Sync);
assert_impl_all!(SpaceObj: Send, Sync);
assert_impl_all!(ScorerObj: Send, Sync);
assert_impl_all!(TrainerObj: Send, Sync);
assert_impl_all!(TransformObj: Send, Sync);
assert_impl_all!(PrunerObj: Send, Sync);
assert_impl_all!(HypernetObj: Send, Sync);
assert_impl_all!(RelaxationObj: Send, Sync);
assert_impl_all!(ObjectiveObj: Send, Sync);
assert_impl_all!(ScheduleObj: Send, Sync);
assert_impl_all!(KernelObj: Send, Sync);
assert_impl_all!(AnalysisObj: Send, Sync);
// These two keep data and history; one thread at a time has them.
assert_impl_all!(TaskObj: Send);
assert_not_impl_any!(TaskObj: Sync);
assert_impl_all!(StrategyObj: Send);
assert_not_impl_any!(StrategyObj: Sync);

#[test]
fn trap_27_one_layer_runs_on_four_threads_at_once() {
    let layer = layer("baselines/linear", "out", 3);
    let run = || {
        let w = Tensors::new()
            .with("weight", random::uniform(&[3, 2], 1))
            .with("bias", random::uniform(&[3], 2));
        let x = Batch::new().with("x", random::uniform(&[5, 2], 3));
        let given = layer.forward(&w, &x, &Alone::eval()).unwrap();
        Vec::<f32>::try_from(given.tensor("x").unwrap().flatten(0, -1)).unwrap()
    };
    let alone = run();
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..4).map(|_| scope.spawn(run)).collect();
        for thread in threads {
            assert_eq!(thread.join().unwrap(), alone);
        }
    });
}
