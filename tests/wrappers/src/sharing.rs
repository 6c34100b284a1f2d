//! A search for several tasks over the weights of one supernet: a distribution over architectures for each task, and one
//! architecture a step, which serves all of them (after Wu et al. 2021).

use plugin_api::prelude::*;

const SEARCHED: &str = "relaxation.";

/// A distribution over architectures for each task, `pi_t`. A step draws one architecture `a` from their mixture
/// `q = mean over t of pi_t`, trains the weights in it on all tasks, and moves each distribution by
/// `rho_t (R_t - b_t) grad log pi_t(a)`: the reward `R_t` is the task's negative loss on `val`, the baseline `b_t` its
/// running mean, and `rho_t = pi_t(a) / q(a)` makes the expectation what it is over the task's own samples.
#[component(relaxation = "importance")]
struct Importance {
    /// The tasks: the terms of a task's loss are called as it is, or begin with its name and a dot.
    #[param(default = ["cross-entropy"])]
    tasks: Vec<String>,
    /// Samples in a batch; 0 for all of them.
    #[param(default = 0, range = "0 <= x")]
    batch: i64,
    /// What is left of a baseline in each step.
    #[param(default = 0.95, range = "0 <= x < 1")]
    decay: f64,
    /// From gradients to updates of the network's weights.
    #[param(default = ["baselines/adam"])]
    weights: Vec<RecipeOf<dyn Transform>>,
    /// From gradients to updates of the distributions.
    #[param(default = ["baselines/adam"])]
    choices: Vec<RecipeOf<dyn Transform>>,
}

impl Relaxation for Importance {
    fn weights(&self, decisions: &[Decision]) -> Result<Vec<WeightSpec>> {
        ensure!(!self.tasks.is_empty(), "parameter `tasks` names no task");
        let tasks = axis("tasks", self.tasks.len() as i64);
        let kept = ["baseline", "seen"].map(|name| {
            WeightSpec::new(name, [tasks.clone()], "baselines/zeros").group(Group::Buffer)
        });
        let logits = decisions.iter().map(|decision| match &decision.domain {
            Domain::Options(options) => {
                let axes = [tasks.clone(), axis("options", options.len() as i64)];
                let spec = WeightSpec::new(&decision.name, axes, "baselines/zeros");
                Ok(spec.group(Group::Choice))
            }
            _ => bail!("`{}` has no options to draw from", decision.name),
        });
        logits.chain(kept.map(Ok)).collect()
    }

    /// A draw from the distribution of a task that is drawn itself, which is one from the mixture.
    fn mix(&self, w: &Tensors, decisions: &[Decision], draw: &Draw) -> Result<Choices> {
        let seed = stream(draw.seed, &draw.step.to_string());
        let drawn = random::uniform(&[1 + decisions.len() as i64], seed);
        let drawn = Vec::<f64>::try_from(&*drawn)?;
        let task = drawn[0] * self.tasks.len() as f64;
        let choice = |(decision, drawn): (&Decision, &f64)| {
            let logits = w[&*decision.name].f_select(0, task as i64)?;
            let below = logits
                .f_softmax(-1, Kind::Double)?
                .f_cumsum(0, None::<Kind>)?;
            let option = below.f_le(*drawn)?.f_sum(Kind::Int64)?.f_int64_value(&[])?;
            let options = below.numel();
            // What rounding leaves of the sum may be below what was drawn.
            let option = usize::try_from(option)?.min(options - 1);
            Ok((decision.name.clone(), Choice::hard(option, options)))
        };
        decisions.iter().zip(&drawn[1..]).map(choice).collect()
    }

    fn update(&self, session: &mut dyn Session) -> Result<Report> {
        for (select, transforms) in [("model", &self.weights), ("choice", &self.choices)] {
            let chain = chain_of(select);
            if !session.chains()?.contains(&chain) {
                let recipes: Vec<Recipe> = transforms.iter().map(|t| t.recipe.clone()).collect();
                session.chain(&chain, &recipes, select)?;
            }
        }
        let chosen = session.mixture(true)?;
        let batch = session.next("train", self.batch)?;
        let ask = Ask::train().choices(chosen.clone());
        session.step(&chain_of("model"), &batch, &ask)?;

        let batch = session.next("val", self.batch)?;
        let seen = tch::no_grad(|| session.forward(&batch, &Ask::eval().choices(chosen.clone())))?;
        let rewards = self.rewards(&session.terms(&seen, &batch)?)?;
        let logits = session.weights("choice")?;
        let log_p = log_probabilities(&logits, &chosen)?;
        let advantages = self.advantages(session, &rewards)?;
        let log_q = log_p.f_logsumexp(0_i64, false)? - (self.tasks.len() as f64).ln();
        let ratios = log_p.f_sub(&log_q)?.f_exp()?.f_detach()?;
        let gain = ratios
            .f_mul(&advantages)?
            .f_mul(&log_p)?
            .f_sum(None::<Kind>)?;
        let gradients = gradients_of(&gain.f_neg()?, &logits, false)?;
        session.apply(&chain_of("choice"), &gradients)?;

        let report = self.tasks.iter().zip(rewards);
        Ok(report.fold(Report::default(), |report, (task, reward)| {
            report.metric(&format!("{task} loss"), -reward)
        }))
    }

    /// Probabilities, `[tasks, options]`.
    fn decide(&self, session: &mut dyn Session) -> Result<Tensors> {
        let logits = session.weights("choice")?.under(SEARCHED);
        let scores = logits
            .iter()
            .map(|(decision, t)| Ok((decision, t.f_detach()?.f_softmax(-1, None)?)));
        scores.collect()
    }
}

fn chain_of(select: &str) -> String {
    format!("importance.{select}")
}

/// How probable what is chosen is to each task, as a logarithm: `[tasks]`, from logits by path.
fn log_probabilities(logits: &Tensors, chosen: &Choices) -> Result<Tensor> {
    let of_decisions = chosen.iter().map(|(decision, choice)| {
        let option = choice.active().next().context("nothing is chosen")?;
        let log_p = logits[&*format!("{SEARCHED}{decision}")].f_log_softmax(-1, None)?;
        Ok(log_p.f_select(1, i64::try_from(option)?)?)
    });
    let of_decisions = of_decisions.collect::<Result<Vec<Tensor>>>()?;
    Ok(Tensor::f_stack(&of_decisions, 0)?.f_sum_dim_intlist(0, false, None::<Kind>)?)
}

impl Importance {
    /// The negative loss of each task.
    fn rewards(&self, terms: &Tensors) -> Result<Vec<f64>> {
        let reward = |task: &String| {
            let is_its = |name: &str| {
                let rest = name.strip_prefix(task.as_str());
                rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
            };
            let own = terms.iter().filter(|(name, _)| is_its(name));
            let own = own.map(|(_, term)| Ok(term.f_double_value(&[])?));
            let own = own.collect::<Result<Vec<f64>>>()?;
            if own.is_empty() {
                return Err(
                    Error::new(format!("no term of the loss is that of `{task}`"))
                        .found(terms.names().collect::<Vec<_>>().join(", "))
                        .into(),
                );
            }
            Ok(-own.iter().sum::<f64>())
        };
        self.tasks.iter().map(reward).collect()
    }

    /// By how much rewards are better than the baselines, `[tasks]`, which then take them in.
    fn advantages(&self, session: &mut dyn Session, rewards: &[f64]) -> Result<Tensor> {
        let kept = session.weights("buffer")?.under(SEARCHED);
        let (baseline, seen) = (&kept["baseline"], &kept["seen"]);
        let rewards = Tensor::f_from_slice(rewards)?;
        let rewards = rewards
            .f_to_device(baseline.device())?
            .f_to_kind(baseline.kind())?;
        // The first reward is the first baseline.
        let before = rewards.f_where_self(&seen.f_eq(0.0)?, baseline)?;
        let moved = (&before * self.decay) + (&rewards * (1.0 - self.decay));
        let advantages = rewards.f_sub(&before)?;
        let kept = Tensors::new()
            .with(format!("{SEARCHED}baseline"), moved)
            .with(format!("{SEARCHED}seen"), seen + 1.0);
        session.set(&kept)?;
        Ok(advantages)
    }
}

/// Nodes on a ring, each with features `u` and `v`, `[nodes, 2]`, of which `y`, `[nodes, 4]`, is to be told: each node's
/// own, or the sum over it and its neighbours, so scaled that all of `y` is standard normal. Training may tell it.
#[component(task = "ring")]
struct Ring {
    /// Inputs of which the sum is wanted.
    #[param(default = ["v"])]
    around: Vec<String>,
    /// Nodes.
    #[param(default = 30, range = "3 <= x")]
    nodes: i64,
}

const FEATURES: [&str; 2] = ["u", "v"];

impl Task for Ring {
    fn ports(&self) -> Result<Ports> {
        let nodes = || axis("nodes", None);
        let wanted = Shapes::new().with("y", vec![nodes(), axis("wanted", 4)]);
        let features = FEATURES.map(|port| (port, vec![nodes(), axis("features", 2)]));
        Ok(Ports {
            inputs: { features.into_iter() }
                .chain([("graph", vec![nodes()])])
                .collect(),
            targets: wanted.clone(),
            outputs: wanted,
            metric: "off".into(),
            higher_is_better: false,
        })
    }

    fn batch(&self, split: &str, at: &At) -> Result<Option<Batch>> {
        ensure!(
            ["train", "val", "test"].contains(&split),
            "there is no split `{split}`"
        );
        let here = Tensor::f_arange(self.nodes, (Kind::Int64, Device::Cpu))?;
        let next = here.f_roll([-1_i64], [0_i64])?;
        let (from, to) = (
            Tensor::f_cat(&[&here, &next], 0)?,
            Tensor::f_cat(&[&next, &here], 0)?,
        );
        let graph = Graph::new(self.nodes, &from, &to, None)?;
        // The mean over three, each of variance 1.
        let mean = graph.with_self_loops()?.normalised()?;
        let mut batch = Batch::new();
        let mut wanted = vec![];
        for port in FEATURES {
            let seed = stream(at.seed, &format!("{split}:{}:{port}", at.epoch));
            let x = random::normal(&[self.nodes, 2], seed);
            wanted.push(match self.around.iter().any(|around| around == port) {
                true => mean.matmul(&x)?.f_mul_scalar(3_f64.sqrt())?,
                false => x.shallow_clone(),
            });
            batch.put(port, x);
        }
        let batch = batch
            .with("graph", graph)
            .with("y", Tensor::f_cat(&wanted, 1)?);
        Ok((at.index == 0).then_some(batch))
    }

    fn loss(&self, outputs: &Batch, batch: &Batch) -> Result<Tensors> {
        let off = outputs.tensor("y")?.f_sub(batch.tensor("y")?)?;
        Ok(Tensors::new().with("off", off.f_square()?.f_mean(None::<Kind>)?))
    }

    fn metrics(&self, outputs: &Batch, batch: &Batch) -> Result<Named<f64>> {
        let off = self.loss(outputs, batch)?["off"].f_double_value(&[])?;
        Ok(Named::new().with("off", off))
    }
}

/// A slot for each input of features, filled with one of several layers, and a linear map of all slots for each output.
#[component(space = "slots")]
struct Slots {
    /// Layers that a slot may be filled with.
    layers: Vec<RecipeOf<dyn Layer>>,
}

impl Space for Slots {
    fn supernet(&self, ports: &Ports) -> Result<Option<Arch>> {
        let layers: Vec<Recipe> = self.layers.iter().map(|l| l.recipe.clone()).collect();
        let graph = ports
            .inputs
            .contains("graph")
            .then_some(("graph", "in.graph"));
        let mut arch = Arch::new(ports.inputs.clone());
        let mut filled = vec![];
        for input in ports.inputs.names().filter(|input| *input != "graph") {
            let (slot, from) = (format!("slot-{input}"), format!("in.{input}"));
            let inputs: Vec<_> = [("x", &*from)].into_iter().chain(graph).collect();
            arch = arch
                .mix(&slot, Mix::new(input, layers.clone()), &inputs)
                .decide(Decision::options(input, layers.clone()));
            filled.push((input, format!("{slot}.x")));
        }
        let filled: Vec<_> = filled
            .iter()
            .map(|(port, from)| (*port, from.as_str()))
            .collect();
        arch = arch.layer("all", "baselines/concat", &filled);
        for output in ports.outputs.names() {
            let linear =
                Recipe::new("baselines/linear").with("out", width(&ports.outputs, output)?);
            // No node can have a dot in its name.
            let head = format!("to-{}", output.replace('.', "-"));
            arch = arch
                .layer(&head, linear, &[("x", "all.x")])
                .output(output, &format!("{head}.x"));
        }
        Ok(Some(arch))
    }
}
