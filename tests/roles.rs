//! Every role and every service crosses between two plugin files, in both directions.
//!
//! `tests/wrappers` has for each role a component that takes one of `baselines` and changes what it does; each test
//! compares the two. So a call goes from here to one file, from there to another, and what comes back goes both ways.

use pleach_tests::{example, plugin};
use pleach_worker::{NetSession, PlainHost, Registry, SubjectBench};
use plugin_api::host::Services;
use plugin_api::prelude::*;
use plugin_api::testing::{Alone, Scripted};
use plugin_api::{Generated, Json, TrialId, serde_json::json};

/// The host with two plugin files.
fn host() -> Registry {
    static LOADED: std::sync::Once = std::sync::Once::new();
    LOADED.call_once(|| {
        for file in [plugin("baselines"), example("wrappers")] {
            pleach_worker::load(&file).unwrap_or_else(|e| panic!("{e:?}"));
        }
    });
    tch::set_num_threads(1);
    pleach_worker::host()
}

/// A component with parameters.
fn recipe(component: &str, params: Json) -> Recipe {
    Recipe {
        component: component.into(),
        params: params.as_object().expect("parameters").clone(),
    }
}

/// The wrapper of a role around another component.
fn wrapped(role: &str, inner: &Recipe) -> Recipe {
    let inner = serde_json::to_value(inner).expect("a recipe is JSON");
    Recipe::new(format!("wrappers/{role}")).with("inner", inner)
}

/// One layer from pixels to classes; a task of its own says what it is trained for.
fn session(task: &Recipe, layer: &Recipe) -> NetSession {
    let task = host().task(task).unwrap();
    let arch = Arch::new(task.ports().unwrap().inputs)
        .layer("only", layer.clone(), &[("x", "in.x")])
        .output("y", "only.x");
    NetSession::new(arch, task.into(), 0, Device::Cpu).unwrap()
}

fn digits() -> NetSession {
    session(&"baselines/digits".into(), &linear())
}

fn linear() -> Recipe {
    recipe("baselines/linear", json!({ "out": 10 }))
}

/// Trains for a few epochs.
fn backprop() -> Recipe {
    recipe("baselines/backprop", json!({ "epochs": 5 }))
}

fn train(session: &mut NetSession, trainer: &Recipe) -> Report {
    host().trainer(trainer).unwrap().fit(session).unwrap()
}

fn loss(session: &NetSession, batch: &Batch) -> f64 {
    let seen = session.forward(batch, &Ask::eval()).unwrap();
    session.loss(&seen, batch).unwrap().double_value(&[])
}

fn batch(session: &NetSession, size: i64) -> Batch {
    session
        .batch("train", &At { size, ..At::ALL })
        .unwrap()
        .unwrap()
}

/// The largest difference between two tensors.
fn apart(a: &Tensor, b: &Tensor) -> f64 {
    (a - b).abs().max().double_value(&[])
}

#[test]
fn task_and_episode() {
    let plain = digits();
    let heavy = wrapped("task", &"baselines/digits".into());
    let heavier = session(&heavy, &linear());
    let x = batch(&plain, 0);
    assert!((loss(&heavier, &x) - 2.0 * loss(&plain, &x)).abs() < 1e-6);

    let refused = plain.play("train", &At::ALL).err().unwrap().to_string();
    assert_eq!(refused, "the task has no episodes: it gives batches");
    let mut trained = session(&heavy, &linear());
    train(
        &mut trained,
        &recipe("baselines/backprop", json!({ "epochs": 100 })),
    );
    let played = trained.play("train", &At::ALL).unwrap();
    let first = |values: &Tensor| values.int64_value(&[]);
    let right = played
        .records
        .iter()
        .filter(|r| first(&r["action"]) == first(&r["label"]));
    assert_eq!((played.records.len(), right.count()), (3, 3));
    assert_eq!((played.reward, played.metrics["right"]), (3.0, 3.0));
}

#[test]
fn layer_with_pass_and_hook() {
    let plain = digits();
    let x = batch(&plain, 8);
    let thrice = session(&"baselines/digits".into(), &wrapped("layer", &linear()));
    // The same weights under another path.
    let mut thrice = thrice;
    let weights = plain.weights("all").unwrap();
    let moved = weights
        .iter()
        .map(|(path, t)| (path.replace("only.", "only.inner."), t.clone()));
    thrice.set(&moved.collect()).unwrap();
    let outputs = |session: &NetSession| {
        session.forward(&x, &Ask::eval()).unwrap().outputs["y"].shallow_clone()
    };
    assert!(apart(&outputs(&thrice), &(outputs(&plain) * 3.0)) < 1e-5);

    // A pass reaches the inner layer: dropout draws in training alone, and from the pass's own stream.
    let dropout = host()
        .layer(&wrapped(
            "layer",
            &recipe("baselines/dropout", json!({ "rate": 0.5 })),
        ))
        .unwrap();
    let ones = Batch::new().with("x", Tensor::ones([100], (Kind::Float, Device::Cpu)));
    let run = |pass: Alone| dropout.forward(&Tensors::new(), &ones, &pass).unwrap()["x"].copy();
    assert_eq!(apart(&run(Alone::eval()), &(&ones["x"] * 3.0)), 0.0);
    assert_eq!(apart(&run(Alone::train(1)), &run(Alone::train(1))), 0.0);
    assert!(apart(&run(Alone::train(1)), &run(Alone::train(2))) > 0.0);
}

#[test]
fn initializer() {
    let arch = Arch::new(Shapes::new());
    let spec = WeightSpec::new("w", &[("in", 200), ("out", 300)], "baselines/zeros");
    let init = |recipe: &Recipe| {
        host()
            .initializer(recipe)
            .unwrap()
            .init(&spec, &arch, 4)
            .unwrap()
    };
    let kaiming = Recipe::new("baselines/kaiming");
    let (plain, negative) = (init(&kaiming), init(&wrapped("initializer", &kaiming)));
    assert_eq!(apart(&-&*plain, &negative), 0.0);
    // sqrt(2 / 200), the mean of 60,000 draws within four of its own deviations.
    let (deviation, mean) = (plain.std(true).double_value(&[]), plain.mean(Kind::Double));
    assert!((deviation / 0.1 - 1.0).abs() < 0.015, "{deviation}");
    assert!(mean.double_value(&[]).abs() < 4.0 * 0.1 / 60_000_f64.sqrt());
}

/// A supernet of two layers to choose from.
fn supernet(ports: &Ports) -> Arch {
    let layers = [linear(), wrapped("layer", &linear())];
    let mix = Mix::new("which", layers);
    Arch::new(ports.inputs.clone())
        .mix("slot", mix, &[("x", "in.x")])
        .output("y", "slot.x")
        .decide(Decision::options("which", ["plain", "thrice"]))
}

fn super_session() -> NetSession {
    let task = host().task(&"baselines/digits".into()).unwrap();
    let arch = supernet(&task.ports().unwrap());
    NetSession::new(arch, task.into(), 0, Device::Cpu).unwrap()
}

#[test]
fn relaxation_with_choices() {
    let mut session = super_session();
    let x = batch(&session, 8);
    let y = |session: &NetSession, ask: &Ask<'_>| {
        session.forward(&x, ask).unwrap().outputs["y"].shallow_clone()
    };
    let refused = session.forward(&x, &Ask::eval()).err().unwrap().to_string();
    assert_eq!(
        refused,
        "node `slot` is still open\n  help: decide `which`, or have a relaxation choose: session.relax"
    );

    // A mixture is the sum of what its options give, weighed.
    session.relax(&"baselines/softmax".into()).unwrap();
    let only = |option: usize| {
        let one = Tensor::from_slice(&[1.0_f32, 1.0]);
        let choices = Choices::new().with("which", Choice::new(one, [option]));
        y(&session, &Ask::eval().choices(choices))
    };
    let mixed = (only(0) + only(1)) * 0.5;
    assert!(apart(&y(&session, &Ask::eval()), &mixed) < 1e-5);
    let paths: Vec<_> = session
        .specs("choice")
        .unwrap()
        .into_iter()
        .map(|s| s.name)
        .collect();
    assert_eq!(paths, ["relaxation.which"]);

    // The search moves both kinds of weights, and the loss falls.
    let before = session.snapshot("all").unwrap();
    let first = session.search().unwrap().metrics["train loss"];
    for _ in 0..30 {
        session.search().unwrap();
    }
    let last = session.search().unwrap().metrics["train loss"];
    assert!(last < 0.5 * first, "{first} to {last}");
    for path in ["relaxation.which", "slot.0.weight", "slot.1.inner.weight"] {
        let now = &session.weights(path).unwrap()[path];
        assert!(apart(&now.detach(), &before[path]) > 0.0, "{path}");
    }
    // The wrapped one computes its surest option alone.
    let surest = wrapped("relaxation", &"baselines/softmax".into());
    assert_eq!(
        session.chains().unwrap(),
        ["softmax.choice", "softmax.model"]
    );
    session.relax(&surest).unwrap();
    // A chain goes with the weights that it moved.
    assert_eq!(session.chains().unwrap(), ["softmax.model"]);
    let leaning = Tensors::new().with("relaxation.which", Tensor::from_slice(&[-1.0_f32, 1.0]));
    session.set(&leaning).unwrap();
    let mixture = session.mixture(false).unwrap();
    assert_eq!(mixture["which"].active().collect::<Vec<_>>(), [1]);
    let scores = session.decide().unwrap();
    let expected = Tensor::from_slice(&[-1.0_f32, 1.0]).softmax(-1, None::<Kind>);
    assert!(apart(&scores["which"], &expected) < 1e-6);
}

#[test]
fn space_strategy_and_host() {
    let gnn = recipe(
        "baselines/gnn",
        json!({ "layers": ["baselines/gcn", "baselines/gat"] }),
    );
    let (plain, turned) = (
        host().space(&gnn).unwrap(),
        host().space(&wrapped("space", &gnn)).unwrap(),
    );
    let task = host().task(&"baselines/digits-graph".into()).unwrap();
    let ports = task.ports().unwrap();
    let decisions = plain.decisions(&ports).unwrap();
    assert_eq!(turned.decisions(&ports).unwrap(), decisions);

    // Scores speak for the best option; turned round, for the worst.
    let scores: Tensors = decisions
        .iter()
        .map(|d| match &d.domain {
            Domain::Options(options) => (
                &d.name,
                Tensor::arange(options.len() as i64, (Kind::Float, Device::Cpu)),
            ),
            other => panic!("{other:?}"),
        })
        .collect();
    let (best, worst) = (
        plain.project(&ports, &scores).unwrap(),
        turned.project(&ports, &scores).unwrap(),
    );
    assert!(worst.values().all(|d| *d == Decided::Option(0)));
    assert!(best.values().zip(worst.values()).all(|(b, w)| b != w));

    // A strategy of one file asks one of another, and the host of a search lends both what they need.
    let bench = SubjectBench::new(task.into(), 0, Device::Cpu);
    let seen = bench.search(&Searching {
        strategy: wrapped("strategy", &"baselines/random".into()),
        space: wrapped("space", &gnn),
        trainer: recipe("baselines/backprop", json!({ "epochs": 1 })),
        trials: 3,
        seed: 1,
    });
    let seen = seen.unwrap();
    assert_eq!(seen.len(), 3);
    for observation in &seen {
        assert!(
            matches!(observation.outcome, Outcome::Done(_)),
            "{:?}",
            observation.outcome
        );
        assert_eq!(observation.point.len(), decisions.len());
    }
    let mut strategy = host()
        .strategy(&wrapped("strategy", &"baselines/random".into()))
        .unwrap();
    let setting = Setting {
        decisions: decisions.clone(),
        goals: vec![],
        seed: 0,
    };
    strategy.begin(&setting).unwrap();
    let task = host().task(&"baselines/digits".into()).unwrap();
    let plain = PlainHost::new(task.into(), Device::Cpu);
    let points = plain.sample(&decisions, 20, 1).unwrap();
    let seen = strategy.embed(&points, &plain).unwrap().unwrap();
    assert_eq!(seen.size()[0], 20);
    assert_eq!(
        strategy.sample(&seen, 3, &plain).unwrap(),
        Some(points.clone())
    );
    let plainly = host().strategy(&"baselines/random".into()).unwrap();
    assert!(plainly.embed(&points, &plain).unwrap().is_none());
    let error = strategy
        .ask(1, &Scripted::default())
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("nobody told the scripted host what to answer"),
        "{error}"
    );
}

#[test]
fn scorer() {
    let of = |recipe: &Recipe| {
        let scorer = host().scorer(recipe).unwrap();
        (
            scorer.score(&mut digits()).unwrap(),
            scorer.higher_is_better(),
        )
    };
    let norm = Recipe::new("baselines/grad-norm");
    let (plain, reversed) = (of(&norm), of(&wrapped("scorer", &norm)));
    assert!(plain.0 > 0.0);
    assert_eq!((reversed.0, reversed.1), (plain.0, !plain.1));
}

#[test]
fn trainer_with_session_and_sink() {
    let (mut once, mut again) = (digits(), digits());
    let report = train(&mut once, &backprop());
    let twice = train(&mut again, &wrapped("trainer", &backprop()));
    assert_eq!(twice.metrics["fits"], 2.0);
    assert!(twice.metrics["loss"] < report.metrics["loss"]);
    assert_eq!((once.steps(), again.steps()), (5, 10));

    let report = train(&mut digits(), &Recipe::new("wrappers/services")).metrics;
    assert!(
        report["apart"] < 1e-6,
        "gradients add up: {}",
        report["apart"]
    );
    assert_eq!((report["samples"], report["rows"]), (4.0, 40.0));
    assert_eq!((report["looks"], report["left"]), (1.0, 0.0));
    assert!(report["own"] != 0.0);
    assert_eq!(report["refused"], 1.0);
}

#[test]
fn objective_with_taps_and_companions() {
    let mut session = digits();
    let x = batch(&session, 16);
    let hard = loss(&session, &x);
    let smoothing = recipe("baselines/label-smoothing", json!({ "amount": 0.3 }));
    session
        .objectives(std::slice::from_ref(&smoothing))
        .unwrap();
    let seen = session.forward(&x, &Ask::eval()).unwrap();
    let expected = seen.outputs["y"].cross_entropy_loss::<Tensor>(
        &x["y"],
        None,
        tch::Reduction::Mean,
        -100,
        0.3,
    );
    let smooth = loss(&session, &x);
    assert!((smooth - expected.double_value(&[])).abs() < 1e-6);

    session
        .objectives(&[wrapped("objective", &smoothing)])
        .unwrap();
    let twice = loss(&session, &x);
    assert!((twice - hard - 2.0 * (smooth - hard)).abs() < 1e-6);

    // What it needs of the pass and of a second network is there.
    let watching = wrapped("objective", &smoothing)
        .with("tap", "only.x")
        .with("companion", "teacher");
    let refused = session
        .objectives(std::slice::from_ref(&watching))
        .unwrap_err();
    assert!(
        refused
            .to_string()
            .starts_with("`wrappers/objective` needs a companion `teacher`")
    );
    let mut teacher = digits();
    let ones = teacher.weights("all").unwrap().map(|_, t| t.ones_like());
    teacher.set(&ones).unwrap();
    let square = |y: &Tensor| y.square().mean(Kind::Float).double_value(&[]);
    let expected = twice
        + square(&seen.outputs["y"])
        + square(&teacher.forward(&x, &Ask::eval()).unwrap().outputs["y"]);
    session.accompany("teacher", teacher);
    session.objectives(&[watching]).unwrap();
    assert!((loss(&session, &x) / expected - 1.0).abs() < 1e-5);
}

#[test]
fn transform_and_schedule() {
    let moved = |transform: Recipe, steps: usize| {
        let mut session = digits();
        let before = session.snapshot("model").unwrap();
        session.chain("main", &[transform], "model").unwrap();
        let x = batch(&session, 0);
        for _ in 0..steps {
            session.step("main", &x, &Ask::train()).unwrap();
        }
        let now = session.weights("only.weight").unwrap();
        now["only.weight"].detach() - &before["only.weight"]
    };
    let sgd = |rate: Json| recipe("baselines/sgd", json!({ "rate": rate }));
    let (whole, half) = (
        moved(sgd(json!(0.5)), 1),
        moved(wrapped("transform", &sgd(json!(0.5))), 1),
    );
    assert!(
        apart(&(whole.copy() * 0.5), &half) < 1e-7 && whole.abs().max().double_value(&[]) > 0.0
    );

    let cosine = recipe("baselines/cosine", json!({ "start": 0.5, "steps": 8 }));
    let at = |recipe: &Recipe, step| host().schedule(recipe).unwrap().at(step);
    let faster = wrapped("schedule", &cosine);
    for (step, expected) in [(0, 0.5), (2, 0.426_776_695), (4, 0.25), (8, 0.0), (9, 0.0)] {
        assert!((at(&cosine, step) - expected).abs() < 1e-8, "{step}");
        assert_eq!(at(&faster, step), at(&cosine, 2 * step));
    }
    // A rate by schedule is that rate at each step.
    let scheduled = serde_json::to_value(&faster).unwrap();
    assert_eq!(apart(&moved(sgd(scheduled.clone()), 1), &whole), 0.0);
    assert_eq!(
        apart(&moved(sgd(scheduled.clone()), 9), &moved(sgd(scheduled), 4)),
        0.0
    );
}

#[test]
fn pruner() {
    let kept = |recipe: &Recipe| {
        let mut session = digits();
        let scores = host().pruner(recipe).unwrap().scores(&mut session).unwrap();
        session.prune(&scores, &Keep::Overall(0.5)).unwrap();
        session.masks().unwrap()["only.weight"].copy()
    };
    let magnitude = Recipe::new("baselines/magnitude");
    let (large, small) = (kept(&magnitude), kept(&wrapped("pruner", &magnitude)));
    assert_eq!(
        apart(
            &(large + small),
            &Tensor::ones([10, 64], (Kind::Float, Device::Cpu))
        ),
        0.0
    );
}

#[test]
fn hypernet() {
    let effective = |hypernet: Recipe| {
        let mut arch = digits().arch().unwrap();
        arch.generated
            .push(Generated::new("maker", hypernet, "only.*"));
        let task = host().task(&"baselines/digits".into()).unwrap();
        let session = NetSession::new(arch, task.into(), 0, Device::Cpu).unwrap();
        session.effective("only.weight", &Ask::eval()).unwrap()["only.weight"].detach()
    };
    let mlp = Recipe::new("baselines/mlp");
    let (plain, twice) = (effective(mlp.clone()), effective(wrapped("hypernet", &mlp)));
    assert!(apart(&(&plain * 2.0), &twice) < 1e-6 && plain.abs().max().double_value(&[]) > 0.0);
}

#[test]
fn kernel_with_and_without_a_network() {
    let rbf = recipe("baselines/rbf", json!({ "length": 2.0 }));
    let x = random::normal(&[6, 4], 1).to_kind(Kind::Double);
    let samples = Batch::new().with("x", x.shallow_clone());
    let w = Tensors::new().with("log-length", Tensor::from_slice(&[2.0_f64.ln()]));
    let kernel = host().kernel(&rbf).unwrap();
    let gram = kernel.gram(&w, &samples, &samples, None).unwrap();
    for (i, j) in [(0, 0), (0, 1), (4, 2)] {
        let square = (x.get(i) - x.get(j))
            .square()
            .sum(Kind::Double)
            .double_value(&[]);
        assert!((gram.double_value(&[i, j]) - (-square / 8.0).exp()).abs() < 1e-12);
    }
    assert!(apart(&gram, &gram.transpose(0, 1)) < 1e-14);
    assert!(gram.linalg_eigvalsh("L").min().double_value(&[]) > -1e-12);
    let diagonal = kernel.diagonal(&w, &samples, None).unwrap();
    assert!(apart(&diagonal, &gram.diagonal(0, 0, 1)) < 1e-12);
    let half = host().kernel(&wrapped("kernel", &rbf)).unwrap();
    assert_eq!(
        apart(
            &half.gram(&w, &samples, &samples, None).unwrap(),
            &(&*gram * 0.5)
        ),
        0.0
    );

    // A network is lent to a kernel of one file through one of another.
    let empirical = host()
        .kernel(&wrapped("kernel", &Recipe::new("wrappers/empirical")))
        .unwrap();
    let net = digits();
    let x = batch(&net, 5);
    let gram = |net: Option<&dyn Session>| empirical.gram(&Tensors::new(), &x, &x, net);
    let y = net.forward(&x, &Ask::eval()).unwrap().outputs["y"].shallow_clone();
    let expected = y.matmul(&y.transpose(0, 1)) * 0.5;
    assert!(apart(&gram(Some(&net)).unwrap(), &expected) < 1e-5);
    let refused = gram(None).unwrap_err().to_string();
    assert!(
        refused.contains("an empirical kernel needs a network"),
        "{refused}"
    );
}

#[test]
fn a_fitted_kernel_machine_is_a_network() {
    let mut session = digits();
    let rbf = recipe("baselines/rbf", json!({ "length": 2.0 }));
    let machine = wrapped("kernel", &rbf);
    let machine = serde_json::to_value(machine).unwrap();
    let ridge = recipe(
        "baselines/kernel-ridge",
        json!({ "kernel": machine, "ridge": 0.01 }),
    );
    let report = train(&mut session, &ridge);
    assert_eq!(report.metrics["samples"], 1000.0);
    let accuracy = session.evaluate("test", &Ask::eval()).unwrap()["accuracy"];
    assert!(accuracy > 0.95, "{accuracy}");
    // The solution of the normal equations: (K + ridge I) dual = Y.
    let w = session.weights("all").unwrap();
    let x = Batch::new().with("x", w["machine.support"].to_kind(Kind::Double));
    let kernel = host().kernel(&wrapped("kernel", &rbf)).unwrap();
    let gram = kernel
        .gram(&w.under("machine.kernel."), &x, &x, None)
        .unwrap();
    let dual = w["machine.dual"].to_kind(Kind::Double);
    let labels = batch(&session, 0)["y"].one_hot(10).to_kind(Kind::Double);
    assert!(apart(&(gram.matmul(&dual) + &dual * 0.01), &labels) < 1e-3);
    // Whatever predicts is a network: it is saved, spawned and explained as any other.
    let mut copy = session
        .spawn(&session.arch().unwrap(), On::SameTask, 3)
        .unwrap();
    copy.restore(&session.snapshot("all").unwrap()).unwrap();
    assert_eq!(
        copy.evaluate("test", &Ask::eval()).unwrap()["accuracy"],
        accuracy
    );
}

#[test]
fn analysis_with_bench_and_host() {
    let task = Recipe::new("baselines/digits-graph");
    let gcn = recipe("baselines/gcn", json!({ "out": 10 }));
    let made = host().task(&task).unwrap();
    let arch = Arch::new(made.ports().unwrap().inputs)
        .layer("only", gcn, &[("x", "in.x"), ("graph", "in.graph")])
        .output("y", "only.x");
    let made: std::rc::Rc<_> = made.into();
    let mut bench = SubjectBench::new(std::rc::Rc::clone(&made), 0, Device::Cpu);
    let mut values = vec![];
    for epochs in [3, 20] {
        let mut session = NetSession::new(arch.clone(), made.clone(), 0, Device::Cpu).unwrap();
        let report = train(
            &mut session,
            &recipe("baselines/backprop", json!({ "epochs": epochs })),
        );
        values.push((
            report.metrics["best"],
            session.evaluate("val", &Ask::eval()).unwrap()["accuracy"],
        ));
        let snapshot = session.snapshot("all,masks").unwrap();
        bench.put(&format!("e{epochs}"), arch.clone(), snapshot, vec![report]);
    }
    let curves = Recipe::new("baselines/learning-curves");
    let report = bench.measure(&curves).unwrap();
    assert_eq!(report.metrics["e3.best"], values[0].0);
    assert_eq!(report.metrics["e20.best"], values[1].0);
    assert!(report.metrics["e20.mean"] > report.metrics["e3.mean"]);
    assert_eq!(report.tables["e20"].rows.len(), 20);
    let best: Vec<f64> = report.tables["e20"].rows.iter().map(|row| row[2]).collect();
    assert!(best.is_sorted() && best[19] == values[1].0);

    let space = recipe(
        "baselines/gnn",
        json!({ "depth": 1, "widths": [16], "layers": ["baselines/gcn"] }),
    );
    let wider = wrapped("analysis", &curves).with("space", json!(space));
    let report = bench.measure(&wider).unwrap();
    assert_eq!(report.metrics["e3.best"], values[0].0);
    assert_eq!(report.metrics["subjects"], 2.0);
    assert_eq!(report.metrics["first"], values[0].1);
    assert!(report.metrics["fresh"] < report.metrics["first"]);
    assert_eq!(report.metrics["trials"], 3.0);
    assert!(report.metrics["found"] > 0.1);
}

#[test]
fn a_network_that_is_replaced_keeps_what_it_can() {
    let task = host().task(&"baselines/digits".into()).unwrap();
    let arch = |hidden: i64, last: &str| {
        Arch::new(task.ports().unwrap().inputs)
            .layer(
                "first",
                recipe("baselines/linear", json!({ "out": hidden })),
                &[("x", "in.x")],
            )
            .layer(last, linear(), &[("x", "first.x")])
            .output("y", &format!("{last}.x"))
    };
    let (small, large) = (arch(3, "last"), arch(5, "end"));
    let mut session = NetSession::new(small, task.into(), 0, Device::Cpu).unwrap();
    let mask = Tensor::ones([3, 64], (Kind::Float, Device::Cpu));
    let _ = mask.select(1, 7).fill_(0.0);
    session
        .mask(&Tensors::new().with("first.weight", mask))
        .unwrap();
    let before = session.snapshot("all").unwrap();
    // Units 2, 0 and two new ones; the last of the old ones twice.
    let units = Tensor::from_slice(&[2_i64, 0, -1, 2, -1]);
    let carry = [
        Carry::renamed("first.weight", "first.weight").along(0, &units),
        Carry::renamed("first.bias", "first.bias").along(0, &units),
        Carry::renamed("last.bias", "end.bias"),
    ];
    session.replace(&large, &carry).unwrap();
    let after = session.weights("all").unwrap();
    let unit = |t: &Tensor, i: i64| t.detach().get(i);
    for (new, old) in [(0, 2), (1, 0), (3, 2)] {
        let (new, old) = (
            unit(&after["first.weight"], new),
            unit(&before["first.weight"], old),
        );
        assert_eq!(apart(&new, &old), 0.0);
    }
    assert!(
        unit(&after["first.weight"], 2)
            .abs()
            .max()
            .double_value(&[])
            > 0.0
    );
    assert_eq!(
        apart(&after["end.bias"].detach(), &before["last.bias"]),
        0.0
    );
    // The mask went along: it hides feature 7 from old units, and not from new ones.
    let mask = session.masks().unwrap()["first.weight"].select(1, 7);
    let mask = Vec::<f64>::try_from(mask).unwrap();
    assert_eq!(mask, [0.0, 0.0, 1.0, 0.0, 1.0]);

    let wrong = [Carry::renamed("first.weight", "end.bias")];
    let error = session.replace(&large, &wrong).unwrap_err().to_string();
    assert_eq!(
        error,
        "`first.weight` cannot be carried to `end.bias`\n  found     [5, 64] after its indices\n  expected  [10]"
    );
}

#[test]
fn strategies_are_taken_in_and_let_go_while_they_search() {
    let host_of_search = Scripted::default().sampling(|decisions, n, seed| {
        let point = |i| {
            decisions
                .iter()
                .map(move |d| (&d.name, Decided::Real(seed as f64 + i as f64)))
        };
        Ok((0..n).map(|i| point(i).collect()).collect())
    });
    let mut turns = host().strategy(&"wrappers/turns".into()).unwrap();
    let setting = Setting {
        decisions: vec![Decision::new("x", Domain::Real(0.0, 1.0))],
        goals: vec![],
        seed: 3,
    };
    turns.begin(&setting).unwrap();
    let random = |name: &str| (name.to_string(), Recipe::new("baselines/random"));
    let add = [random("one"), random("two")];
    turns.control(&add, &[], &host_of_search).unwrap();
    let who = |proposals: &[Proposal]| -> Vec<String> {
        proposals.iter().map(|p| p.by.clone().unwrap()).collect()
    };
    let proposals = turns.ask(3, &host_of_search).unwrap();
    assert_eq!(who(&proposals), ["one", "two", "one"]);
    let seen = proposals.iter().zip(0..).map(|(proposal, trial)| {
        Observation::of(TrialId(trial), proposal, Outcome::Done(Named::new()))
    });
    let seen: Vec<Observation> = seen.collect();
    assert_eq!(seen[1].by.as_deref(), Some("two"));
    turns.tell(&seen, &host_of_search).unwrap();
    let nested = proposals[0].clone().by("portfolio");
    assert_eq!(nested.by.as_deref(), Some("portfolio/one"));

    turns
        .control(&[], &["one".to_string()], &host_of_search)
        .unwrap();
    let proposals = turns.ask(2, &host_of_search).unwrap();
    assert_eq!(who(&proposals), ["two", "two"]);
    let error = turns.control(&[], &["one".to_string()], &host_of_search);
    assert_eq!(
        error.unwrap_err().to_string(),
        "`wrappers/turns`: nobody here is called `one`"
    );
    let mut plain = host().strategy(&"baselines/random".into()).unwrap();
    let error = plain.control(&[random("other")], &[], &host_of_search);
    assert_eq!(
        error.unwrap_err().to_string(),
        "`baselines/random`: the strategy asks no others, so nothing can be added to it or dropped\n  found     other"
    );
}
