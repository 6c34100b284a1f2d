//! A worker that speaks the protocol and computes next to nothing. It misbehaves as its components' parameters ask.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Stdout};
use std::path::{Path, PathBuf};
use std::process;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use pleach::plugins::Contents;
use pleach::protocol::{
    Change, Doctor, Done, End, Reply, Request, Step, Subject, Work, receive, send,
};
use plugin_api_data::{
    Arch, Card, Decided, Error, Goal, LIBTORCH, Named, Observation, Outcome, Params, PluginCard,
    Point, Proposal, Report,
};
use serde_json::{Value, json};

fn main() {
    let args: Vec<String> = std::env::args().collect();
    let mut out = io::stdout();
    match args[1].as_str() {
        "cards" => send(&mut out, &Ok::<_, Error>(cards(&args[2]))).unwrap(),
        "doctor" => send(
            &mut out,
            &Doctor {
                libtorch: Some(LIBTORCH.into()),
                libtorch_folder: None,
                cuda: vec![],
                problems: vec![],
            },
        )
        .unwrap(),
        "serve" => serve(),
        other => panic!("`{other}` is not asked"),
    }
}

/// What the plugin in this file would say: its note's name and version, and the same components always.
fn cards(path: &str) -> PluginCard {
    let note = Contents::of(&fs::read(path).unwrap()).note.unwrap();
    let card = |role: &str, name: &str, parameters: &[&str]| {
        let properties: BTreeMap<&str, Value> = parameters
            .iter()
            .map(|p| (*p, json!({ "type": "integer", "description": "When." })))
            .collect();
        Card {
            role: role.into(),
            name: name.into(),
            doc: format!("A fake {role}."),
            schema: json!({ "type": "object", "properties": properties }),
            exempt: Named::new(),
        }
    };
    PluginCard {
        name: note.name,
        version: note.version,
        description: "Computes next to nothing.".into(),
        licence: "MIT".into(),
        paper: "Nobody 2026".into(),
        claims: Named::new()
            .with("claims.toml", include_str!("claims.toml").into())
            .with("experiments/fit.toml", include_str!("fit.toml").into())
            .with("experiments/net.json", r#"{"nodes": {}}"#.into()),
        components: vec![
            card("task", "task", &["downloads"]),
            card("space", "line", &[]),
            card("layer", "dense", &[]),
            card(
                "strategy",
                "walk",
                &["dies_at", "hangs_at", "unstable", "circles"],
            ),
            card(
                "trainer",
                "fit",
                &[
                    "sleep",
                    "fails_at",
                    "dies_at",
                    "always_dies_at",
                    "killed_at",
                    "nan_at",
                ],
            ),
        ],
    }
}

fn began() -> Reply {
    Reply::Began {
        inherits: false,
        decisions: vec![],
    }
}

/// What a strategy remembers.
#[derive(Default)]
struct Walk {
    params: Params,
    asked: i64,
    told: i64,
    sum: f64,
    /// Who joined; they propose in turn.
    members: Vec<String>,
}

impl Walk {
    /// A point that depends on all that was told, and tells how much that was.
    fn propose(&mut self) -> Proposal {
        let x = (0.37 * self.asked as f64 + 0.11 * self.sum).fract();
        let x = if self.params.contains_key("unstable") {
            x + f64::from(process::id())
        } else {
            x
        };
        let circle = self.params.get("circles").and_then(Value::as_i64);
        let point = match circle {
            Some(points) => {
                let x = (self.asked % points) as f64 / points as f64;
                Point::from_iter([("x", Decided::Real(x))])
            }
            None => Point::from_iter([
                ("x", Decided::Real(x)),
                ("told", Decided::Integer(self.told)),
            ]),
        };
        self.asked += 1;
        let proposal = Proposal::from(point);
        match self.members.len() {
            0 => proposal,
            n => proposal.by(&self.members[self.asked as usize % n]),
        }
    }

    fn change(&mut self, change: Change) -> Result<(), Error> {
        for name in change.drop {
            if !self.members.contains(&name) {
                return Err(Error::new(format!("nobody is called `{name}`")));
            }
            self.members.retain(|member| *member != name);
        }
        self.members.extend(change.add.names().map(String::from));
        Ok(())
    }

    fn tell(&mut self, seen: &[Observation]) {
        for observation in seen {
            assert_eq!(
                observation.trial.0 as i64, self.told,
                "results are told in the order of the trials"
            );
            self.told += 1;
            self.sum += match &observation.outcome {
                Outcome::Done(metrics) => metrics["score"],
                Outcome::Failed(_) => 1.0,
            };
        }
    }
}

fn serve() {
    let out = Arc::new(Mutex::new(io::stdout()));
    let mut logs = PathBuf::new();
    let mut walk = Walk::default();
    while let Some(request) = receive::<Request>(&mut io::stdin()).unwrap() {
        let reply = match request {
            Request::Start(start) => {
                logs = start.logs;
                fs::write(logs.join(format!("{}.pid", process::id())), "").unwrap();
                let seconds = start.task.params.get("downloads").and_then(Value::as_u64);
                if let Some(seconds) = seconds.filter(|_| first_time(&logs, "downloaded")) {
                    download(&out, seconds);
                }
                Reply::Ready {
                    goal: Goal {
                        metric: "score".into(),
                        higher_is_better: true,
                    },
                    libtorch: LIBTORCH.into(),
                }
            }
            Request::Begin(begin) => {
                walk = Walk {
                    params: begin.strategy.params,
                    ..Walk::default()
                };
                began()
            }
            Request::Ask(n) => {
                if hits(&walk.params, "dies_at", walk.told as u64)
                    && first_time(&logs, "strategy-died")
                {
                    process::abort();
                }
                if hits(&walk.params, "hangs_at", walk.told as u64)
                    && first_time(&logs, "strategy-hung")
                {
                    thread::sleep(Duration::from_secs(3600));
                }
                Reply::Proposals((0..n).map(|_| walk.propose()).collect())
            }
            Request::Tell(seen) => {
                walk.tell(&seen);
                Reply::Told
            }
            Request::Change(change) => match walk.change(change) {
                Ok(()) => began(),
                Err(refused) => Reply::Refused(refused),
            },
            Request::Run(works) => {
                let (out, logs) = (Arc::clone(&out), logs.clone());
                thread::spawn(move || {
                    let mut goes_on = true;
                    for work in works {
                        let end = match goes_on {
                            true => work_on(&work, &logs),
                            false => End::Unbegun,
                        };
                        goes_on &= matches!(end, End::Done(_));
                        let name = work.name;
                        answer(&out, &Reply::Ended { name, end });
                    }
                });
                continue;
            }
        };
        answer(&out, &reply);
    }
}

/// Tells of a download that takes so many seconds.
fn download(out: &Mutex<Stdout>, seconds: u64) {
    for done in 0..=seconds {
        let fetching = Reply::Fetching {
            file: "digits/images.gz".into(),
            done: done << 20,
            total: Some(seconds << 20),
        };
        answer(out, &fetching);
        if done < seconds {
            thread::sleep(Duration::from_secs(1));
        }
    }
}

fn answer(out: &Mutex<Stdout>, reply: &Reply) {
    // The host may be gone, which the end of the input tells as well.
    let _ = send(&mut *out.lock().unwrap(), reply);
}

fn work_on(work: &Work, logs: &Path) -> End {
    let name = &work.name;
    fs::write(logs.join(name), "").unwrap();
    let number: u64 = name.rsplit(['t', 's']).next().unwrap().parse().unwrap();
    let params = match work.steps.first() {
        Some(Step::Train(trainer)) => trainer.params.clone(),
        _ => Params::new(),
    };
    // The later of two neighbours ends first, so that results arrive out of order.
    let turn = 3 - number % 4;
    thread::sleep(Duration::from_millis(
        params.get("sleep").and_then(Value::as_u64).unwrap_or(0) * turn,
    ));
    if hits(&params, "always_dies_at", number)
        || hits(&params, "dies_at", number) && first_time(logs, "worker-died")
    {
        process::abort();
    }
    if hits(&params, "killed_at", number) && first_time(logs, "child-killed") {
        return End::Killed;
    }
    if hits(&params, "fails_at", number) {
        return End::Failed(Error::new("out of luck").within("fake", "fit"));
    }
    let x = match &work.subject {
        Subject::Proposal(_, proposal) => match proposal.point["x"] {
            Decided::Real(x) => x,
            _ => panic!("x is real"),
        },
        _ => 0.5 + work.seed as f64 / 100.0,
    };
    let score = if hits(&params, "nan_at", number) {
        f64::NAN
    } else {
        1.0 - (x - 0.5).abs()
    };
    if let Some(path) = &work.save {
        fs::write(path, name).unwrap();
    }
    let mut metrics: Named<f64> = work
        .evaluate
        .iter()
        .map(|split| (format!("{split}.score"), score))
        .collect();
    metrics.put("parameters", 42.0);
    metrics.put("alive", 21.0);
    let curve = vec![vec![1.0, 1.0], vec![2.0, 1.0 - score]];
    let report = Report::default().table("curve", &["epoch", "loss"], curve);
    End::Done(Done {
        arch: Arch::new(Named::new()).layer("only", "fake/dense", &[]),
        metrics,
        reports: vec![report],
        answers: None,
    })
}

fn hits(params: &Params, key: &str, number: u64) -> bool {
    params.get(key).and_then(Value::as_u64) == Some(number)
}

fn first_time(logs: &Path, what: &str) -> bool {
    File::options()
        .write(true)
        .create_new(true)
        .open(logs.join(what))
        .is_ok()
}
