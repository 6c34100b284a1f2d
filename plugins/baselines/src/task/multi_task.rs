//! Several tasks over one network: `loss = sum over tasks t of weight_t * loss_t`.
//!
//! An input port that all tasks that have it give in one shape keeps its name, and they share it: in a batch it must be
//! the same for all of them. Where shapes differ, each task has a port of its own, `task.port`. So tasks over the same data
//! meet in one network, and tasks over unlike data stand side by side. All else carries the name of its task: outputs and
//! targets `task.y`, terms of the loss `task.cross-entropy`, metrics `task.accuracy`, and what a batch holds beside. The
//! main metric is `mean`, that of the tasks' main ones. An epoch ends where the first of the tasks ends it.
//!
//! Source: Caruana 1997, "Multitask Learning".

use std::cell::OnceCell;

use plugin_api::prelude::*;
use plugin_api::{schemars, serde, serde_json};

/// Several tasks over one network, each with outputs, terms of the loss and metrics of its own (Caruana 1997).
#[component(task = "multi-task")]
struct MultiTask {
    /// The tasks: `{ name, task, weight }`, where `weight` multiplies the task's loss, and is 1 where it is left out.
    #[param(example = serde_json::json!([
        { "name": "digit", "task": "baselines/digits" },
        { "name": "neighbours", "task": "baselines/digits-graph", "weight": 0.5 }
    ]))]
    tasks: Vec<Part>,
    /// What the tasks' ports make together.
    #[serde(skip)]
    joined: OnceCell<Joined>,
}

/// One of the tasks.
#[derive(serde::Deserialize, schemars::JsonSchema)]
#[serde(crate = "plugin_api::serde", deny_unknown_fields)]
#[schemars(crate = "plugin_api::schemars", inline)]
struct Part {
    /// Where the names of what is its own begin, with a dot behind it.
    name: String,
    /// The task.
    task: Use<dyn Task>,
    /// What its loss is multiplied by.
    #[serde(default = "one")]
    weight: f64,
}

fn one() -> f64 {
    1.0
}

/// The ports of several tasks.
struct Joined {
    ports: Ports,
    /// For each task, what its input ports are called here, and its main metric.
    parts: Vec<(Named<String>, String)>,
}

impl Part {
    /// What something of its own is called among the others'.
    fn named(&self, own: &str) -> String {
        format!("{}.{own}", self.name)
    }

    /// What is its own, under the names that it has for it.
    fn own(&self, all: &Batch) -> Batch {
        let prefix = self.named("");
        let own = all.iter();
        own.filter_map(|(name, value)| Some((name.strip_prefix(&prefix)?, value.clone())))
            .collect()
    }

    /// Its batch, out of that of all.
    fn batch(&self, all: &Batch, inputs: &Named<String>) -> Batch {
        let mut batch = self.own(all);
        for (port, name) in inputs.iter() {
            if let Some(value) = all.get(name) {
                batch.put(port, value.clone());
            }
        }
        batch
    }

    /// Names it in a failure that is its own.
    fn within<T>(&self, result: Result<T>) -> Result<T> {
        result.with_context(|| format!("task `{}` failed", self.name))
    }
}

impl MultiTask {
    /// The tasks with what their input ports are called here, and their main metrics.
    fn parts(&self) -> Result<impl Iterator<Item = (&Part, &Named<String>, &str)>> {
        let parts = self.tasks.iter().zip(&self.joined()?.parts);
        Ok(parts.map(|(part, (inputs, metric))| (part, inputs, metric.as_str())))
    }

    fn joined(&self) -> Result<&Joined> {
        match self.joined.get() {
            Some(joined) => Ok(joined),
            None => {
                let joined = self.join()?;
                Ok(self.joined.get_or_init(|| joined))
            }
        }
    }

    fn join(&self) -> Result<Joined> {
        self.check_names()?;
        let ports = self.tasks.iter().map(|p| p.within(p.task.ports()));
        let ports = ports.collect::<Result<Vec<Ports>>>()?;
        let is_shared = |port: &str, shape: &Shape| {
            let mut shapes = ports.iter().filter_map(|ports| ports.inputs.get(port));
            shapes.all(|other| other == shape)
        };
        let [mut inputs, mut targets, mut outputs] = [(); 3].map(|()| Shapes::new());
        let mut parts = vec![];
        for (part, ports) in self.tasks.iter().zip(&ports) {
            let names = ports
                .inputs
                .map(|port, shape| match is_shared(port, shape) {
                    true => port.to_string(),
                    false => part.named(port),
                });
            for (name, (port, shape)) in names.values().zip(ports.inputs.iter()) {
                let is_own = name != port;
                if inputs.contains(name) && (is_own || inputs[name.as_str()] != *shape) {
                    let what = format!("two inputs would be called `{name}`");
                    return Err(Error::new(what).help("call a task otherwise").into());
                }
                inputs.put(name, shape.clone());
            }
            for (all, own) in [
                (&mut targets, &ports.targets),
                (&mut outputs, &ports.outputs),
            ] {
                all.extend(
                    own.iter()
                        .map(|(port, shape)| (part.named(port), shape.clone())),
                );
            }
            parts.push((names, ports.metric.clone()));
        }
        Ok(Joined {
            ports: Ports {
                inputs,
                targets,
                outputs,
                metric: "mean".into(),
                higher_is_better: self.higher_is_better(&ports)?,
            },
            parts,
        })
    }

    /// Refuses names from which nobody could tell whose something is.
    fn check_names(&self) -> Result<()> {
        let names: Vec<&str> = self.tasks.iter().map(|part| part.name.as_str()).collect();
        if names.is_empty() {
            return Err(Error::new("parameter `tasks` names no task")
                .expected("one or more")
                .into());
        }
        for (i, name) in names.iter().enumerate() {
            if name.is_empty() || name.contains('.') || names[..i].contains(name) {
                return Err(Error::new(format!("no task can be called `{name}`"))
                    .found(names.join(", "))
                    .expected("a name of its own for each task, without `.`")
                    .into());
            }
        }
        Ok(())
    }

    /// Which way all main metrics go.
    fn higher_is_better(&self, ports: &[Ports]) -> Result<bool> {
        let first = ports[0].higher_is_better;
        if ports.iter().all(|ports| ports.higher_is_better == first) {
            return Ok(first);
        }
        let ways = self.tasks.iter().zip(ports).map(|(part, ports)| {
            let way = if ports.higher_is_better {
                "more"
            } else {
                "less"
            };
            format!("{}: {way} is better", part.named(&ports.metric))
        });
        Err(Error::new("the tasks' main metrics have no mean")
            .found(ways.collect::<Vec<_>>().join("\n"))
            .expected("metrics that all go one way")
            .into())
    }
}

impl Task for MultiTask {
    fn ports(&self) -> Result<Ports> {
        Ok(self.joined()?.ports.clone())
    }

    fn batch(&self, split: &str, at: &At) -> Result<Option<Batch>> {
        let mut all = Batch::new();
        // By the name of an input, the task that has shown it first.
        let mut shown = Named::new();
        for (part, inputs, _) in self.parts()? {
            let Some(batch) = part.within(part.task.batch(split, at))? else {
                return Ok(None);
            };
            for (port, value) in batch {
                let Some(name) = inputs.get(&port) else {
                    all.put(part.named(&port), value);
                    continue;
                };
                match all.get(name) {
                    None => {
                        all.put(name, value);
                        shown.put(name, &part.name);
                    }
                    Some(there) if is_same(there, &value)? => {}
                    Some(_) => {
                        let (one, other) = (shown[name.as_str()], &part.name);
                        let what = format!(
                            "tasks `{one}` and `{other}` show different data at their shared port `{name}`"
                        );
                        return Err(Error::new(what)
                            .help("have both take the same samples of the same data")
                            .into());
                    }
                }
            }
        }
        Ok(Some(all))
    }

    fn loss(&self, outputs: &Batch, batch: &Batch) -> Result<Tensors> {
        let mut terms = Tensors::new();
        for (part, inputs, _) in self.parts()? {
            let loss = part
                .task
                .loss(&part.own(outputs), &part.batch(batch, inputs));
            for (name, term) in part.within(loss)? {
                terms.put(part.named(&name), term.f_mul_scalar(part.weight)?);
            }
        }
        Ok(terms)
    }

    fn metrics(&self, outputs: &Batch, batch: &Batch) -> Result<Named<f64>> {
        let (mut all, mut sum) = (Named::new(), 0.0);
        for (part, inputs, main) in self.parts()? {
            let own = (part.own(outputs), part.batch(batch, inputs));
            let metrics = part.within(part.task.metrics(&own.0, &own.1))?;
            sum += metrics
                .get(main)
                .with_context(|| format!("task `{}` does not measure `{main}`", part.name))?;
            all.extend(metrics.into_iter().map(|(name, x)| (part.named(&name), x)));
        }
        all.put("mean", sum / self.tasks.len() as f64);
        Ok(all)
    }
}

/// Whether two values are equal number by number, and graphs edge by edge.
fn is_same(one: &Value, other: &Value) -> Result<bool> {
    let equal = |a: &Tensor, b: &Tensor| Ok(a.kind() == b.kind() && a.f_equal(b)?);
    match (one, other) {
        (Value::Tensor(one), Value::Tensor(other)) => equal(one, other),
        (Value::Graph(one), Value::Graph(other)) => Ok(one.nodes() == other.nodes()
            && one.source_nodes() == other.source_nodes()
            && equal(&one.sources(), &other.sources())?
            && equal(&one.targets(), &other.targets())?
            && equal(&one.weight(), &other.weight())?),
        _ => Ok(false),
    }
}
