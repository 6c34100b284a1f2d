//! A strategy with networks of its own: it generates points instead of choosing among them (after An et al. 2024).

use plugin_api::prelude::*;

/// Learns where encoded points lie, and generates others on a flow from noise to data (Liu et al. 2023), drawn to where
/// predictors promise more.
#[component(strategy = "generate")]
struct Generate {
    /// Points that are drawn at random before any is generated.
    #[param(default = 40, range = "2 <= x")]
    warm: usize,
    /// Training steps of the flow.
    #[param(default = 200, range = "1 <= x")]
    steps: i64,
    /// How strongly predictors draw.
    #[param(default = 0.1, range = "0 <= x")]
    pull: f64,
    /// What makes predictors of a table: encoded points at `x`, standardised values at `y`. Their gradients add up.
    #[param(default = ["baselines/kernel-ridge"])]
    guides: Vec<Use<dyn Trainer>>,
    /// What the search is about.
    #[serde(skip)]
    setting: Option<Setting>,
    /// Points, with values of which more is better.
    #[serde(skip)]
    seen: Vec<(Point, f64)>,
    /// How often it was asked.
    #[serde(skip)]
    asked: u64,
}

/// Steps from noise to data.
const STEPS: i64 = 20;

impl Strategy for Generate {
    fn begin(&mut self, setting: &Setting) -> Result<()> {
        self.setting = Some(setting.clone());
        (self.seen, self.asked) = (vec![], 0);
        Ok(())
    }

    fn ask(&mut self, n: i64, host: &dyn Host) -> Result<Vec<Proposal>> {
        let setting = self.setting.as_ref().context("the search has not begun")?;
        let (decisions, seed) = (&setting.decisions, setting.seed);
        let seed = stream(seed, &self.asked.to_string());
        self.asked += 1;
        let points = match self.seen.len() < self.warm {
            true => host.sample(decisions, n, seed)?,
            false => {
                let rows = self.generate(n, decisions, seed, host)?;
                host.decode(decisions, &rows.into())?
            }
        };
        Ok(points.into_iter().map(Proposal::from).collect())
    }

    fn tell(&mut self, seen: &[Observation], _: &dyn Host) -> Result<()> {
        let setting = self.setting.as_ref().context("the search has not begun")?;
        let goal = setting.goals.first().context("nothing is wanted")?;
        for observation in seen {
            if let Outcome::Done(metrics) = &observation.outcome {
                let value = *metrics
                    .get(&goal.metric)
                    .context("the goal was not measured")?;
                let value = if goal.higher_is_better { value } else { -value };
                self.seen.push((observation.point.clone(), value));
            }
        }
        Ok(())
    }
}

impl Generate {
    /// Encoded points, where those that were seen lie, but better: `[n, width]`.
    fn generate(&self, n: i64, of: &[Decision], seed: u64, host: &dyn Host) -> Result<Tensor> {
        let (points, values): (Vec<Point>, Vec<f64>) = self.seen.iter().cloned().unzip();
        let x = host.encode(of, &points)?;
        let width = x.size()[1];
        let y = Tensor::f_from_slice(&values)?.f_to_kind(x.kind())?;
        let (deviation, mean) = y.f_std_mean(true)?;
        let y = y.f_sub(&mean)?.f_div(&deviation.f_add_scalar(1e-6)?)?;

        let mut flow = host.session(&perceptron(width + 1, width), On::Nothing, seed)?;
        learn_flow(&mut *flow, &x, self.steps, seed)?;
        let guides = self.guides.iter().map(|guide| {
            let table = Table {
                x: x.shallow_clone(),
                y: y.f_unsqueeze(1)?,
            };
            let mut guided = host.session(&perceptron(width, 1), On::task(table), seed)?;
            guide.fit(&mut *guided)?;
            Ok(guided)
        });
        let guides = guides.collect::<Result<Vec<_>>>()?;

        let mut z: Tensor = random::normal(&[n, width], seed).into();
        for step in (1..=STEPS).rev() {
            let (t, next) = (step as f64 / STEPS as f64, (step - 1) as f64 / STEPS as f64);
            let level = z.f_new_full([n, 1], t, (z.kind(), z.device()))?;
            let v = tch::no_grad(|| velocity(&*flow, &z, &level))?;
            let pull = promise(&guides, &z)?.f_mul_scalar(self.pull)?;
            let data = z.f_sub(&v.f_mul_scalar(t)?)?.f_add(&pull)?.f_clamp(-1, 2)?;
            let noise = z.f_add(&v.f_mul_scalar(1.0 - t)?)?;
            z = data.f_lerp(&noise, next)?;
        }
        Ok(z)
    }
}

/// Two maps of so many features, from `x` to `y`.
fn perceptron(from: i64, to: i64) -> Arch {
    let linear = |out: i64| Recipe::new("baselines/linear").with("out", out);
    let tanh = Recipe::new("baselines/activation").with("kind", "tanh");
    Arch::new(rows("x", from))
        .layer("hidden", linear(32), &[("x", "in.x")])
        .layer("act", tanh, &[("x", "hidden.x")])
        .layer("last", linear(to), &[("x", "act.x")])
        .output("y", "last.x")
}

fn rows(port: &str, width: i64) -> Shapes {
    Shapes::new().with(port, vec![axis("rows", None), axis("features", width)])
}

/// Rows on a straight way to noise, how far each has gone, and the noise: `[rows, width]`, `[rows, 1]`, `[rows, width]`.
fn noised(x: &Tensor, seed: u64) -> Result<[Tensor; 3]> {
    let t = random::uniform(&[x.size()[0], 1], stream(seed, "level"));
    let noise = random::normal(&x.size(), stream(seed, "noise"));
    Ok([x.f_lerp_tensor(&noise, &t)?, t.into(), noise.into()])
}

/// Has a network predict in which direction noise lies, of rows that are on their way there.
fn learn_flow(session: &mut dyn Session, x: &Tensor, steps: i64, seed: u64) -> Result<()> {
    let adam = Recipe::new("baselines/adam").with("rate", 0.01);
    session.chain("main", &[adam], "model")?;
    for step in 0..steps {
        let [noisy, t, noise] = noised(x, stream(seed, &step.to_string()))?;
        let off = velocity(session, &noisy, &t)?.f_sub(&noise.f_sub(x)?)?;
        let loss = off.f_square()?.f_mean(off.kind())?;
        let gradients = gradients_of(&loss, &session.weights("model")?, false)?;
        session.apply("main", &gradients)?;
    }
    Ok(())
}

fn velocity(flow: &dyn Session, z: &Tensor, t: &Tensor) -> Result<Tensor> {
    let x = Batch::new().with("x", Tensor::f_cat(&[z, t], 1)?);
    let seen = flow.forward(&x, &Ask::train())?;
    Ok(seen.outputs.tensor("y")?.shallow_clone())
}

/// In which direction predictors promise more: the sum of their gradients.
fn promise(guides: &[Box<dyn Session>], z: &Tensor) -> Result<Tensor> {
    let z = z.f_detach()?.f_set_requires_grad(true)?;
    let x = Batch::new().with("x", &z);
    let mut sum = z.f_zeros_like()?;
    for guide in guides {
        let seen = guide.forward(&x, &Ask::eval())?;
        let value = seen.outputs.tensor("y")?.f_sum(None::<Kind>)?;
        let gradient = gradients_of(&value, &Tensors::new().with("z", &z), false)?;
        sum = sum.f_add(&gradient["z"])?;
    }
    Ok(sum)
}

/// Rows with what is to be predicted of them.
struct Table {
    x: Tensor,
    y: Tensor,
}

impl Task for Table {
    fn ports(&self) -> Result<Ports> {
        Ok(Ports {
            inputs: rows("x", self.x.size()[1]),
            targets: Shapes::new(),
            outputs: rows("y", self.y.size()[1]),
            metric: "error".into(),
            higher_is_better: false,
        })
    }

    fn batch(&self, _: &str, at: &At) -> Result<Option<Batch>> {
        let all = Batch::new().with("x", &self.x).with("y", &self.y);
        Ok((at.index == 0).then_some(all))
    }

    fn loss(&self, outputs: &Batch, batch: &Batch) -> Result<Tensors> {
        let off = outputs.tensor("y")?.f_sub(batch.tensor("y")?)?;
        Ok(Tensors::new().with("error", off.f_square()?.f_mean(off.kind())?))
    }

    fn metrics(&self, outputs: &Batch, batch: &Batch) -> Result<Named<f64>> {
        let error = self.loss(outputs, batch)?["error"].f_double_value(&[])?;
        Ok(Named::new().with("error", error))
    }
}

/// Trains on inputs that are on their way to noise: what was learned has slopes there that lead to data.
#[component(trainer = "noisy")]
struct Noisy {
    /// Training steps.
    #[param(default = 200, range = "1 <= x")]
    steps: i64,
}

impl Trainer for Noisy {
    fn fit(&self, session: &mut dyn Session) -> Result<Report> {
        let adam = Recipe::new("baselines/adam").with("rate", 0.01);
        session.chain("main", &[adam], "model")?;
        let mut loss = f64::NAN;
        for step in 0..self.steps {
            let batch = session.next("train", 0)?;
            let seed = session.seed(&format!("noisy:{step}"));
            let [noisy, ..] = noised(batch.tensor("x")?, seed)?;
            loss = session.step("main", &batch.with("x", noisy), &Ask::train())?;
        }
        Ok(Report::default().metric("loss", loss))
    }
}
