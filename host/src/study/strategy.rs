//! A strategy in a worker of its own, which is started anew and brought up to date when it dies.

use plugin_api_data::{Decision, Error, Observation, Proposal};

use super::history::History;
use super::{ATTEMPTS, Halt, Launch, out_of_turn};
use crate::experiment::Search;
use crate::protocol::{Begin, Change, Limits, Reply, Request};
use crate::worker::{Heard, Worker};

pub(super) struct Strategy<'a> {
    launch: &'a Launch,
    /// `plugin/component`.
    component: String,
    /// Of its log.
    name: String,
    worker: Option<Worker>,
    /// Whether it names trials whose weights may be inherited; known once it has begun.
    inherits: bool,
    /// What the space leaves open; known once it has begun.
    decisions: Vec<Decision>,
    begin: Request,
    /// What it is told together with the next request.
    untold: Vec<Observation>,
    history: History,
}

enum Answer {
    /// It has answered, perhaps with points.
    Done(Vec<Proposal>),
    /// It does not change so.
    Refused(Error),
    /// The worker died over it.
    Died(Error),
}

impl<'a> Strategy<'a> {
    pub(super) fn new(
        launch: &'a Launch,
        stage: &str,
        search: &Search,
        seed: u64,
        limits: Limits,
        history: History,
    ) -> Self {
        let begin = Request::Begin(Begin {
            strategy: search.strategy.clone(),
            space: search.space.clone(),
            seed,
            limits,
        });
        Strategy {
            launch,
            component: search.strategy.component.clone(),
            name: format!("{stage}-strategy"),
            worker: None,
            inherits: false,
            decisions: vec![],
            begin,
            untold: vec![],
            history,
        }
    }

    /// Points to try; fewer than wanted where the strategy has no more for now.
    pub(super) fn ask(&mut self, wanted: u64) -> Result<Vec<Proposal>, Halt> {
        let wanted = u32::try_from(wanted).unwrap_or(u32::MAX);
        let proposals = self.request(Request::Ask(wanted))??;
        if proposals.len() > wanted as usize {
            return Err(
                Error::new("the strategy proposed more than it was asked for")
                    .found(proposals.len())
                    .expected(format!("at most {wanted}"))
                    .into(),
            );
        }
        Ok(proposals)
    }

    /// Whether proposals name trials whose weights may be inherited.
    pub(super) fn inherits(&self) -> bool {
        self.inherits
    }

    /// What the space leaves open.
    pub(super) fn decisions(&self) -> &[Decision] {
        &self.decisions
    }

    /// Tells what was seen, before it is asked again.
    pub(super) fn tell(&mut self, observation: Observation) {
        self.untold.push(observation);
    }

    /// Has others join and leave; the inner error says why not.
    pub(super) fn change(&mut self, change: &Change) -> Result<Result<(), Error>, Halt> {
        let changed = self.request(Request::Change(change.clone()))?;
        Ok(changed.map(|_| ()))
    }

    fn request(&mut self, request: Request) -> Result<Result<Vec<Proposal>, Error>, Halt> {
        let mut died = Error::default();
        for _ in 0..ATTEMPTS {
            let answer = self.attempt(&request)?;
            if !matches!(answer, Answer::Died(_)) && !self.untold.is_empty() {
                let told = Request::Tell(std::mem::take(&mut self.untold));
                self.history.push(&told, &[])?;
            }
            match answer {
                Answer::Done(proposals) => {
                    self.history.push(&request, &proposals)?;
                    return Ok(Ok(proposals));
                }
                Answer::Refused(why) => return Ok(Err(why)),
                Answer::Died(cause) => died = cause,
            }
        }
        Err(Error::new(format!(
            "the worker of the strategy `{}` died {ATTEMPTS} times over the same request",
            self.component
        ))
        .caused_by(died)
        .into())
    }

    /// One attempt at a request, behind what is to be told, with a new worker where there is none.
    fn attempt(&mut self, request: &Request) -> Result<Answer, Halt> {
        if self.worker.is_none() {
            // The first worker of the study has downloaded what there was to download.
            self.worker = Some(self.launch.worker(&self.name, &mut |_| ())?.0);
            if let Some(died) = self.replay()? {
                return Ok(Answer::Died(died));
            }
        }
        // Both are sent before the first is answered: that wakes the worker once.
        let told = (!self.untold.is_empty()).then(|| Request::Tell(self.untold.clone()));
        self.exchange(&told.iter().chain([request]).collect::<Vec<_>>())
    }

    /// Brings a new worker to where the last one was; what it died of, if it did.
    fn replay(&mut self) -> Result<Option<Error>, Halt> {
        if let Answer::Died(died) = self.exchange(&[&self.begin.clone()])? {
            return Ok(Some(died));
        }
        for past in self.history.replay()? {
            let (request, expected) = past?;
            match self.exchange(&[&request])? {
                Answer::Done(proposals) if proposals == expected => {}
                Answer::Done(proposals) => {
                    let error = Error::new(
                        "the strategy is not deterministic: begun anew, it proposes other points",
                    );
                    return Err(error
                        .found(format!("{proposals:?}"))
                        .expected(format!("{expected:?}"))
                        .into());
                }
                Answer::Refused(why) => return Err(why.into()),
                Answer::Died(died) => return Ok(Some(died)),
            }
        }
        Ok(None)
    }

    /// Sends requests and waits until the last is answered; a worker that dies over one or does not answer is buried.
    fn exchange(&mut self, requests: &[&Request]) -> Result<Answer, Halt> {
        let worker = self.worker.as_ref().expect("it was started");
        requests.iter().for_each(|r| worker.send((*r).clone()));
        let mut answer = Answer::Done(vec![]);
        for request in requests {
            answer = self.answer(request)?;
            if matches!(answer, Answer::Died(_)) {
                break;
            }
        }
        Ok(answer)
    }

    /// Waits for the answer to a request.
    fn answer(&mut self, request: &Request) -> Result<Answer, Halt> {
        let mut worker = self.worker.take().expect("it was started");
        let reply = loop {
            match worker.receive(self.launch.deadline(), &self.launch.stop) {
                Heard::Stopped => return Err(Halt::Interrupted),
                Heard::Gone | Heard::Late => return Ok(Answer::Died(worker.kill())),
                Heard::Reply(reply) if matches!(*reply, Reply::Alive) => {}
                Heard::Reply(reply) => break *reply,
            }
        };
        self.worker = Some(worker);
        match (request, reply) {
            (Request::Ask(_), Reply::Proposals(proposals)) => Ok(Answer::Done(proposals)),
            (
                Request::Begin(_) | Request::Change(_),
                Reply::Began {
                    inherits,
                    decisions,
                },
            ) => {
                (self.inherits, self.decisions) = (inherits, decisions);
                Ok(Answer::Done(vec![]))
            }
            (Request::Change(_), Reply::Refused(why)) => Ok(Answer::Refused(why)),
            (Request::Tell(_), Reply::Told) => Ok(Answer::Done(vec![])),
            (_, Reply::Failed(error)) => Err(error.into()),
            (_, other) => Err(out_of_turn(&other).into()),
        }
    }
}
