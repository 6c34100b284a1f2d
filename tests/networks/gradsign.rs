//! GradSign: signs of per-sample gradients through a sink, and what any scorer chooses of any strategy's proposals.

use std::rc::Rc;

use pleach_tests::root;
use pleach_worker::{PlainHost, SubjectBench};
use plugin_api::Goal;
use plugin_api::host::Services;
use plugin_api::prelude::*;
use plugin_api::role::TaskObj;

use crate::support::{Dice, host, images, linear, on, session};

fn score(scorer: &Recipe, session: &mut dyn Session) -> f64 {
    host().scorer(scorer).unwrap().score(session).unwrap()
}

/// The first 64 handwritten digits, in the order of their source.
struct Digits;

impl Task for Digits {
    fn ports(&self) -> Result<Ports> {
        let shape = |last: &str, n: i64| vec![axis("batch", None), axis(last, n)];
        Ok(Ports {
            inputs: Shapes::new().with("x", shape("features", 64)),
            targets: Shapes::new(),
            outputs: Shapes::new().with("y", shape("classes", 10)),
            metric: "loss".into(),
            higher_is_better: false,
        })
    }

    fn batch(&self, _: &str, at: &At) -> Result<Option<Batch>> {
        // 64 pixels and the label of each.
        let bytes = std::fs::read(root().join("plugins/baselines/data/digits.bin"))?;
        let rows = Tensor::from_slice(&bytes[..64 * 65]).view([64, 65]);
        // Up to 1: of large logits a softmax is rounded to 0 and 1, which have no sign.
        let x = rows.narrow(1, 0, 64).to_kind(Kind::Float) / 16.0;
        let y = rows.select(1, 64).to_kind(Kind::Int64);
        Ok((at.index == 0).then(|| Batch::new().with("x", x).with("y", y)))
    }

    fn loss(&self, outputs: &Batch, batch: &Batch) -> Result<Tensors> {
        let loss = outputs
            .tensor("y")?
            .cross_entropy_for_logits(batch.tensor("y")?);
        Ok(Tensors::new().with("loss", loss))
    }

    fn metrics(&self, outputs: &Batch, batch: &Batch) -> Result<Named<f64>> {
        let loss = self.loss(outputs, batch)?["loss"].double_value(&[]);
        Ok(Named::new().with("loss", loss))
    }
}

/// The gradient of a softmax regression is `(p - y) x`: its signs are those of the pixels, turned round at the label,
/// whatever the weights are.
#[test]
fn of_a_linear_map_the_score_is_known() {
    let batch = Digits.batch("train", &At::ALL).unwrap().unwrap();
    let turned = (batch["y"].one_hot(10) * -2_i64 + 1_i64).to_kind(Kind::Float);
    let sums = batch["x"].sign().tr().matmul(&turned);
    let expected = sums.abs().sum(Kind::Double).double_value(&[]);
    assert_eq!(expected, 16652.0);
    let arch = Arch::new(Digits.ports().unwrap().inputs)
        .layer("only", linear(10), &[("x", "in.x")])
        .output("y", "only.x");
    for seed in 0..5 {
        let mut session = on(Digits).on_task(arch.clone(), seed).unwrap();
        assert_eq!(score(&"wrappers/gradsign".into(), &mut session), expected);
    }
}

#[test]
fn the_score_is_its_definition_and_leaves_no_trace() {
    for seed in 0..5 {
        let mut session = session(images(&mut Dice::new(seed)), 3, seed).unwrap();
        let before = session.snapshot("everything").unwrap();
        let found = score(&"wrappers/gradsign".into(), &mut session);
        for (name, t) in session.snapshot("everything").unwrap().iter() {
            assert!(t.equal(&before[name]), "{name}");
        }

        let at = At {
            seed: session.seed("gradsign"),
            ..At::ALL
        };
        let batch = session.batch("train", &at).unwrap().unwrap();
        let weights = session.weights("#prunable").unwrap();
        let mut sums = weights.map(|_, w| w.zeros_like());
        for i in 0..batch["x"].size()[0] {
            let row = |port| batch[port].narrow(0, i, 1);
            let alone = Batch::new().with("x", row("x")).with("y", row("y"));
            let seen = session.forward(&alone, &Ask::train().dry()).unwrap();
            let loss = session.loss(&seen, &alone).unwrap();
            let gradients = gradients_of(&loss, &weights, false).unwrap();
            sums = sums.map(|path, sum| sum + gradients[path].sign());
        }
        let defined = sums.values().map(|sum| sum.abs().sum(Kind::Double));
        let defined: f64 = defined.map(|sum| sum.double_value(&[])).sum();
        assert_eq!(found, defined, "{seed}");
    }
}

/// A search of points that are scored before they are tried: how it went.
fn searched(task: &Rc<TaskObj>, inner: &str, scorer: &Recipe) -> Vec<Observation> {
    let strategy = Recipe::new("baselines/prescreen")
        .with("inner", inner)
        .with("scorers", vec![scorer.clone()])
        .with("of", OF);
    SubjectBench::new(Rc::clone(task), 0, Device::Cpu)
        .search(&Searching {
            strategy,
            space: "wrappers/widths".into(),
            trainer: Recipe::new("baselines/backprop").with("epochs", 3),
            trials: 10,
            seed: SEED,
        })
        .unwrap()
}

/// Points that are scored for one that is tried.
const OF: i64 = 4;
const SEED: u64 = 1;

/// Each point that was tried is the best by its score of those that the inner strategy proposes, asked once more.
#[test]
fn any_scorer_chooses_among_the_proposals_of_any_strategy() {
    let digits = Recipe::new("baselines/digits").with("train_per_class", 2);
    let task = Rc::new(host().task(&digits).unwrap());
    let ports = task.ports().unwrap();
    let space = host().space(&"wrappers/widths".into()).unwrap();
    let setting = Setting {
        decisions: space.decisions(&ports).unwrap(),
        goals: vec![Goal {
            metric: ports.metric.clone(),
            higher_is_better: ports.higher_is_better,
        }],
        seed: SEED,
    };
    let plain = PlainHost::new(Rc::clone(&task), Device::Cpu);
    let gradsign = Recipe::new("wrappers/gradsign").with("size", 8);
    let narrowest = Recipe::new("wrappers/scorer").with("inner", gradsign.clone());
    for scorer in [gradsign, "baselines/grad-norm".into(), narrowest] {
        let made = host().scorer(&scorer).unwrap();
        let worth = |point: &Point| {
            let arch = space.arch(&ports, point, &plain).unwrap();
            let mut session = plain.on_task(arch, SEED).unwrap();
            let score = made.score(&mut session).unwrap();
            if made.higher_is_better() {
                score
            } else {
                -score
            }
        };
        for inner in ["wrappers/evolution", "baselines/random"] {
            let mut again = host().strategy(&inner.into()).unwrap();
            again.begin(&setting).unwrap();
            let mut tried: Vec<Point> = vec![];
            for observation in searched(&task, inner, &scorer) {
                let asked = again.ask(OF, &plain).unwrap().into_iter().map(|p| p.point);
                // None is tried twice while there are others.
                let (old, new): (Vec<_>, Vec<_>) = asked.partition(|p| tried.contains(p));
                let among = if new.is_empty() { old } else { new };
                let best = among.iter().map(worth).fold(f64::MIN, f64::max);
                assert!(among.contains(&observation.point), "{inner}, {scorer:?}");
                assert_eq!(worth(&observation.point), best, "{inner}, {scorer:?}");
                again
                    .tell(std::slice::from_ref(&observation), &plain)
                    .unwrap();
                tried.push(observation.point);
            }
            assert_eq!(tried.len(), 10);
        }
    }
}
