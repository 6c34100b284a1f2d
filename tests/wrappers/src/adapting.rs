//! A network that was trained for something else is adapted to a task that is played, from a pool of experience that a rule
//! has gathered (after NetLLM, Wu et al. 2024).

use std::collections::VecDeque;

use plugin_api::prelude::*;

/// Steps along a line of places, from one of them to another. Each costs 0.1, the one that reaches the goal is worth 1
/// instead; an episode is over there, or after three times as many steps as there are places.
///
/// What is seen, `x` `[1, window, 3]`, is place, goal and direction of the steps taken last, the present at the end; before
/// the first there are zeros. Wanted is `y` `[1, 2]`, whose larger number says whether to go down or up.
#[component(task = "walk")]
struct Walk {
    /// Places.
    #[param(default = 9, range = "2 <= x")]
    places: u64,
    /// Steps that are seen.
    #[param(default = 4, range = "1 <= x")]
    window: usize,
    /// How probable it is that a step goes the other way.
    #[param(default = 0.0, range = "0 <= x < 1")]
    slip: f64,
}

impl Task for Walk {
    fn ports(&self) -> Result<Ports> {
        let batch = || axis("batch", None);
        let window = axis("window", self.window as i64);
        Ok(Ports {
            inputs: Shapes::new().with("x", vec![batch(), window, axis("features", 3)]),
            targets: Shapes::new(),
            outputs: Shapes::new().with("y", vec![batch(), axis("actions", 2)]),
            metric: "return".into(),
            higher_is_better: true,
        })
    }

    /// There are none: what is trained on is a pool of records.
    fn batch(&self, _: &str, _: &At) -> Result<Option<Batch>> {
        Ok(None)
    }

    fn loss(&self, outputs: &Batch, batch: &Batch) -> Result<Tensors> {
        let loss = outputs.tensor("y")?.f_cross_entropy_loss::<Tensor>(
            batch.tensor("action")?,
            None,
            tch::Reduction::Mean,
            -100,
            0.0,
        )?;
        Ok(Tensors::new().with("action", loss))
    }

    fn metrics(&self, _: &Batch, _: &Batch) -> Result<Named<f64>> {
        bail!("a walk is played, not read")
    }

    fn episode(&self, split: &str, at: &At) -> Result<Option<Box<dyn Episode>>> {
        if !["train", "val", "test"].contains(&split) {
            return Err(Error::new(format!("there is no split `{split}`"))
                .expected("train, val or test")
                .into());
        }
        let seed = stream(at.seed, &format!("{split}:{}:{}", at.epoch, at.index));
        let start = stream(seed, "start") % self.places;
        let apart = 1 + stream(seed, "apart") % (self.places - 1);
        let mut way = Way {
            last: self.places as i64 - 1,
            place: start as i64,
            goal: ((start + apart) % self.places) as i64,
            slip: self.slip,
            seen: VecDeque::from(vec![[0.0; 3]; self.window]),
            rewards: vec![],
        };
        way.look(0);
        Ok(Some(Box::new(way)))
    }
}

/// A walk on its way.
struct Way {
    last: i64,
    place: i64,
    goal: i64,
    slip: f64,
    /// What was seen of the steps taken last.
    seen: VecDeque<[f32; 3]>,
    rewards: Vec<f64>,
}

impl Way {
    /// Sees where the step in this direction has led.
    fn look(&mut self, direction: i64) {
        let part = |place: i64| place as f32 / self.last as f32;
        self.seen.pop_front();
        self.seen
            .push_back([part(self.place), part(self.goal), direction as f32]);
    }

    fn view(&self) -> Result<Tensor> {
        let seen: Vec<[f32; 3]> = self.seen.iter().copied().collect();
        Ok(Tensor::f_from_slice(&seen.concat())?.f_view([1, -1, 3])?)
    }

    fn has_arrived(&self) -> bool {
        self.place == self.goal
    }
}

impl Episode for Way {
    fn observe(&self) -> Result<Option<Batch>> {
        let most = 3 * (self.last as usize + 1);
        let over = self.has_arrived() || self.rewards.len() == most;
        let view = (!over).then(|| Ok(Batch::new().with("x", self.view()?)));
        view.transpose()
    }

    fn act(&mut self, outputs: &Batch, draw: u64) -> Result<Acted> {
        let action = outputs.tensor("y")?.f_argmax(-1, false)?; // [1]
        let record = Batch::new().with("x", self.view()?).with("action", &action);
        let meant = 2 * action.f_int64_value(&[0])? - 1;
        let slips = random::uniform(&[1], draw).f_double_value(&[0])? < self.slip;
        let direction = if slips { -meant } else { meant };
        self.place = (self.place + direction).clamp(0, self.last);
        self.look(direction);
        let reward = if self.has_arrived() { 1.0 } else { -0.1 };
        self.rewards.push(reward);
        Ok(Acted { reward, record })
    }

    fn metrics(&self) -> Result<Named<f64>> {
        Ok(Named::new()
            .with("return", self.rewards.iter().sum())
            .with("reached", f64::from(self.has_arrived())))
    }
}

/// The rule by which a walk is shortest: up where the goal is above. A network without weights.
///
/// `x` `[batch, window, features]`, of which it looks at the first two at the end of the window, to `x` `[batch, 2]`.
#[component(layer = "towards")]
struct Towards {}

impl Layer for Towards {
    fn shapes(&self, inputs: &Shapes) -> Result<Shapes> {
        let x = port(inputs, "x")?;
        match x.len() == 3 && width(inputs, "x")? >= 2 {
            true => Ok(Shapes::new().with("x", vec![x[0].clone(), axis("actions", 2)])),
            false => Err(Error::new("a walk is seen as a window of steps")
                .found(show(x))
                .expected("[batch, window, 3]")
                .into()),
        }
    }

    fn forward(&self, _: &Tensors, x: &Batch, _: &dyn Pass) -> Result<Batch> {
        let now = x.tensor("x")?.f_select(1, -1)?;
        let above = now.f_select(1, 1)?.f_sub(&now.f_select(1, 0)?)?;
        Ok(Batch::new().with("x", Tensor::f_stack(&[above.f_neg()?, above], 1)?))
    }
}

/// Has a rule play episodes, and trains on all that it has experienced; whatever is not named stays as it was.
#[component(trainer = "offline")]
struct Offline {
    /// The rule: from the network's inputs to what to do.
    #[param(default = "wrappers/towards")]
    rule: RecipeOf<dyn Layer>,
    /// Episodes that it plays.
    #[param(default = 40, range = "1 <= x")]
    episodes: i64,
    /// Selector of the weights that learn; the others are frozen.
    #[param(default = "model")]
    learn: String,
    /// Updates.
    #[param(default = 100, range = "1 <= x")]
    steps: i64,
    /// From gradients to updates.
    #[param(default = ["baselines/adam"])]
    transforms: Vec<RecipeOf<dyn Transform>>,
}

impl Trainer for Offline {
    fn fit(&self, session: &mut dyn Session) -> Result<Report> {
        let (pool, returns) = self.gather(session)?;
        session.freeze("model", true)?;
        session.freeze(&self.learn, false)?;
        let transforms = self.transforms.iter().map(|t| t.recipe.clone());
        session.chain("main", &transforms.collect::<Vec<_>>(), "model")?;
        for _ in 0..self.steps {
            session.step("main", &pool, &Ask::train())?;
        }
        Ok(Report::default().metric("return", returns / self.episodes as f64))
    }
}

impl Offline {
    /// The records of all episodes as one batch, and the sum of their returns.
    fn gather(&self, session: &dyn Session) -> Result<(Batch, f64)> {
        let arch = session.arch()?;
        let inputs = arch.inputs.names().map(|port| (port, format!("in.{port}")));
        let inputs: Vec<(&str, String)> = inputs.collect();
        let inputs: Vec<(&str, &str)> = inputs.iter().map(|(p, from)| (*p, &**from)).collect();
        let rule = Arch::new(arch.inputs.clone())
            .of(arch.dtype)
            .layer("rule", self.rule.recipe.clone(), &inputs)
            .output("y", "rule.x");
        let player = session.spawn(&rule, On::SameTask, session.seed("player"))?;
        let (mut records, mut returns) = (vec![], 0.0);
        for index in 0..self.episodes {
            let at = At {
                epoch: 0,
                index,
                size: 1,
                seed: session.seed("pool"),
            };
            let played = player.play("train", &at)?;
            returns += played.reward;
            records.extend(played.records);
        }
        let ports = records.first().context("nothing was experienced")?.names();
        let pool = ports.map(|port| {
            let all = records.iter().map(|record| record.tensor(port));
            Ok((port, Tensor::f_cat(&all.collect::<Result<Vec<_>>>()?, 0)?))
        });
        Ok((pool.collect::<Result<_>>()?, returns))
    }
}
