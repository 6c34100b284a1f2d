//! Networks of random structure, and a task for them.

use std::rc::Rc;
use std::sync::Once;

use pleach_tests::{example, plugin};
use pleach_worker::{NetSession, PlainHost, Registry};
use plugin_api::prelude::*;
use plugin_api::serde_json::json;
use plugin_api::testing::graph;

/// The host with four plugin files.
pub fn host() -> Registry {
    static LOADED: Once = Once::new();
    LOADED.call_once(|| {
        let files = ["baselines", "mixhop", "dgmlp"].map(plugin);
        for file in files.into_iter().chain([example("wrappers")]) {
            pleach_worker::load(&file).unwrap_or_else(|e| panic!("{e:?}"));
        }
    });
    tch::set_num_threads(1);
    pleach_worker::host()
}

/// Fits random numbers: inputs of these shapes to `y` `[rows, out]`; `graph` is a ring of the rows, `groups` has one row in
/// each, `pairs` and `symbols` are numbers of rows.
pub struct Noise {
    pub inputs: Shapes,
    pub out: i64,
}

pub const ROWS: i64 = 6;

impl Task for Noise {
    fn ports(&self) -> Result<Ports> {
        let y = vec![axis("rows", None), axis("classes", self.out)];
        Ok(Ports {
            inputs: self.inputs.clone(),
            targets: Shapes::new(),
            outputs: Shapes::new().with("y", y),
            metric: "off".into(),
            higher_is_better: false,
        })
    }

    fn batch(&self, split: &str, at: &At) -> Result<Option<Batch>> {
        let seed = stream(at.seed, &format!("{split}:{}:{}", at.epoch, at.index));
        let mut batch = Batch::new();
        for (port, shape) in self.inputs.iter() {
            let size: Vec<i64> = shape.iter().map(|a| a.size.unwrap_or(ROWS)).collect();
            let drawn = stream(seed, port);
            match port {
                "graph" => {
                    let ring: Vec<_> = (0..ROWS as usize)
                        .map(|i| (i, (i + 1) % ROWS as usize))
                        .collect();
                    batch.put(port, graph(ROWS as usize, &ring));
                }
                "groups" => batch.put(port, Graph::members(&[1; ROWS as usize])?),
                "pairs" | "symbols" => {
                    let numbers = random::uniform(&size, drawn).f_mul_scalar(ROWS)?;
                    batch.put(port, numbers.f_to_kind(Kind::Int64)?);
                }
                _ => batch.put(port, random::normal(&size, drawn)),
            }
        }
        batch.put("y", random::normal(&[ROWS, self.out], stream(seed, "y")));
        Ok((at.index < 4).then_some(batch))
    }

    fn loss(&self, outputs: &Batch, batch: &Batch) -> Result<Tensors> {
        let y = batch.tensor("y")?;
        let off = outputs
            .tensor("y")?
            .f_sub(y)?
            .f_square()?
            .f_mean(y.kind())?;
        Ok(Tensors::new().with("off", off))
    }

    fn metrics(&self, outputs: &Batch, batch: &Batch) -> Result<Named<f64>> {
        let off = self.loss(outputs, batch)?["off"].double_value(&[]);
        Ok(Named::new().with("off", off))
    }
}

/// A session on noise.
pub fn session(arch: Arch, out: i64, seed: u64) -> Result<NetSession> {
    let inputs = arch.inputs.clone();
    on(Noise { inputs, out }).on_task(arch, seed)
}

/// A host for sessions on a task.
pub fn on(task: impl Task + 'static) -> PlainHost {
    host();
    let On::Task(task) = On::task(task) else {
        unreachable!("made of a task")
    };
    PlainHost::new(Rc::new(task), Device::Cpu)
}

/// The architecture that a point stands for.
pub fn resolved(arch: &Arch, point: &Point) -> Arch {
    let inputs = arch.inputs.clone();
    on(Noise { inputs, out: 1 }).resolve(arch, point).unwrap()
}

/// What comes out at `y`.
pub fn run(session: &dyn Session, x: &Batch, ask: &Ask<'_>) -> Tensor {
    session.forward(x, ask).unwrap().outputs["y"].shallow_clone()
}

/// The largest distance of two numbers at the same place.
pub fn off(a: &Tensor, b: &Tensor) -> f64 {
    assert_eq!(a.size(), b.size());
    (a - b).abs().max().double_value(&[])
}

/// Inputs of rows of so many features.
pub fn rows(features: i64) -> Shapes {
    Shapes::new().with("x", vec![axis("rows", None), axis("features", features)])
}

/// Numbers drawn one after the other.
pub struct Dice(u64);

impl Dice {
    pub fn new(seed: u64) -> Self {
        Dice(stream(seed, "dice"))
    }

    /// Below `n`.
    pub fn roll(&mut self, n: usize) -> usize {
        self.0 = stream(self.0, "next");
        (self.0 >> 33) as usize % n
    }

    pub fn one_of<'a, T: ?Sized>(&mut self, of: &[&'a T]) -> &'a T {
        of[self.roll(of.len())]
    }
}

/// A linear map to so many features.
pub fn linear(out: i64) -> Recipe {
    Recipe::new("baselines/linear").with("out", out)
}

/// A network over images in f64: convolutions, sums of branches, inputs side by side, a network within, flattened and
/// mapped.
pub fn images(dice: &mut Dice) -> Arch {
    let x = [
        ("batch", None),
        ("channels", Some(2)),
        ("height", Some(4)),
        ("width", Some(3)),
    ];
    let x = x.map(|(name, size)| axis(name, size)).to_vec();
    let mut arch = Arch::new(Shapes::new().with("x", x)).of(Dtype::F64);
    let mut last = "in.x".to_string();
    let conv = |out: usize| Recipe::new("baselines/conv").with("out", out);
    let activation = |dice: &mut Dice| {
        Recipe::new("baselines/activation").with("kind", dice.one_of(&["relu", "tanh", "sigmoid"]))
    };
    for k in 0..2 + dice.roll(3) {
        let name = |part: &str| format!("{part}{k}");
        let width = 2 + dice.roll(4);
        let x = last.clone();
        arch = arch.layer(&name("conv"), conv(width), &[("x", &x)]);
        last = format!("conv{k}.x");
        match dice.roll(4) {
            // Its input beside what it makes of it.
            0 => {
                arch = arch.layer(
                    &name("both"),
                    "baselines/concat",
                    &[("a", &x), ("b", &last)],
                );
                last = format!("both{k}.x");
            }
            // Two branches, one of them longer, in a sum.
            1 => {
                let (inner, outer) = (name("inner"), name("outer"));
                arch = arch
                    .layer(&inner, conv(2 + dice.roll(3)), &[("x", &last)])
                    .layer(&outer, conv(width), &[("x", &format!("{inner}.x"))])
                    .layer(
                        &name("sum"),
                        "baselines/add",
                        &[("a", &last), ("b", &format!("{outer}.x"))],
                    );
                last = format!("sum{k}.x");
            }
            // A network within.
            2 => {
                let shape = ["batch", "channels", "height", "width"].map(|a| axis(a, None));
                let inner = Arch::new(Shapes::new().with("x", shape.to_vec()))
                    .layer("norm", "baselines/batch-norm", &[("x", "in.x")])
                    .layer("last", conv(2 + dice.roll(3)), &[("x", "norm.x")])
                    .output("y", "last.x");
                arch = arch.nested(&name("block"), inner, &[("x", &last)]);
                last = format!("block{k}.y");
            }
            _ => {}
        }
        arch = arch
            .layer(&name("norm"), "baselines/batch-norm", &[("x", &last)])
            .layer(
                &name("act"),
                activation(dice),
                &[("x", &format!("norm{k}.x"))],
            );
        last = format!("act{k}.x");
    }
    arch.layer("flat", "baselines/flatten", &[("x", &last)])
        .layer("hidden", linear(5), &[("x", "flat.x")])
        .layer("answer", linear(3), &[("x", "hidden.x")])
        .output("y", "answer.x")
}

/// A network over a graph in f64, of layers of several files.
pub fn graphs(dice: &mut Dice) -> Arch {
    let nodes = || axis("nodes", None);
    let inputs = Shapes::new()
        .with("x", vec![nodes(), axis("features", 3)])
        .with("graph", vec![nodes()]);
    let mut arch = Arch::new(inputs).of(Dtype::F64);
    let mut last = "in.x".to_string();
    for k in 0..2 + dice.roll(2) {
        let layer = [
            Recipe::new("baselines/gcn").with("out", 4),
            Recipe::new("baselines/gat")
                .with("out", 6)
                .with("heads", 2 + dice.roll(2)),
            Recipe::new("mixhop/mixhop").with("out", 7),
            Recipe::new("wrappers/layer")
                .with("inner", json!({ "use": "baselines/gcn", "out": 5 })),
            Recipe::new("dgmlp/propagation").with("hops", 2),
            Recipe::new("baselines/sage").with("out", 5),
            Recipe::new("baselines/gin")
                .with("inner", json!({ "use": "baselines/linear", "out": 4 }))
                .with("train-eps", true),
            Recipe::new("baselines/appnp").with("hops", 2),
        ];
        let layer = layer[dice.roll(layer.len())].clone();
        let name = format!("graph{k}");
        arch = arch
            .layer(&name, layer, &[("x", &last), ("graph", "in.graph")])
            .layer(
                &format!("map{k}"),
                linear(6),
                &[("x", &format!("{name}.x"))],
            );
        last = match k {
            0 => format!("map{k}.x"),
            // The one before is added.
            _ => {
                let inputs = [("a", format!("map{}.x", k - 1)), ("b", format!("map{k}.x"))];
                let inputs: Vec<(&str, &str)> =
                    inputs.iter().map(|(p, f)| (*p, f.as_str())).collect();
                arch = arch.layer(&format!("sum{k}"), "baselines/add", &inputs);
                format!("sum{k}.x")
            }
        };
    }
    arch.layer("answer", linear(2), &[("x", &last)])
        .output("y", "answer.x")
}
