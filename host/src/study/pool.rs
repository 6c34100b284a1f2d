//! Runs work in a worker's children, several at once, and starts the worker anew when it dies.

use std::collections::VecDeque;
use std::time::Instant;

use plugin_api_data::Error;

use super::{ATTEMPTS, Halt, Launch, out_of_turn};
use crate::journal::Timing;
use crate::protocol::{Done, End, Reply, Request, Work};
use crate::worker::{Heard, Worker};

pub(super) struct Pool<'a> {
    launch: &'a Launch,
    worker: Option<Worker>,
    /// How much runs at once.
    pub(super) jobs: usize,
    waiting: VecDeque<Job>,
    running: Vec<Job>,
    /// Work that was given up and not yet fetched.
    lost: VecDeque<Ended>,
}

struct Job {
    number: u64,
    name: String,
    work: Work,
    /// How often it was begun before, and ended with its process or the worker.
    died: u32,
    began: Instant,
    deadline: Instant,
}

/// Work that ended.
pub(super) struct Ended {
    pub(super) number: u64,
    pub(super) name: String,
    pub(super) result: Result<Done, Error>,
    pub(super) timing: Timing,
}

impl Job {
    fn end(self, result: Result<Done, Error>) -> Ended {
        let timing = Timing {
            attempts: self.died + 1,
            seconds: self.began.elapsed().as_secs_f64(),
        };
        Ended {
            number: self.number,
            name: self.name,
            result,
            timing,
        }
    }
}

impl<'a> Pool<'a> {
    pub(super) fn new(launch: &'a Launch, worker: Worker) -> Self {
        Pool {
            launch,
            worker: Some(worker),
            jobs: 1,
            waiting: VecDeque::new(),
            running: vec![],
            lost: VecDeque::new(),
        }
    }

    /// Adds work; it begins at the next call of [`Pool::next`].
    pub(super) fn submit(&mut self, number: u64, name: String, work: Work) {
        let now = Instant::now();
        self.waiting.push_back(Job {
            number,
            name,
            work,
            died: 0,
            began: now,
            deadline: now,
        });
    }

    /// Waits for the next work that ends. There must be some.
    pub(super) fn next(&mut self) -> Result<Ended, Halt> {
        loop {
            if let Some(ended) = self.lost.pop_front() {
                return Ok(ended);
            }
            let launch = self.launch;
            let mut worker = match self.worker.take() {
                Some(worker) => worker,
                // The first worker has downloaded what there was to download.
                None => launch.worker("worker", &mut |_| ())?.0,
            };
            self.begin(&worker);
            let deadline = self
                .running
                .iter()
                .map(|job| job.deadline)
                .min()
                .expect("there is work");
            match worker.receive(deadline, &launch.stop) {
                Heard::Stopped => return Err(Halt::Interrupted),
                Heard::Gone | Heard::Late => self.bury(&worker.kill()),
                Heard::Reply(reply) => {
                    self.worker = Some(worker);
                    if let Some(ended) = self.ended(*reply)? {
                        return Ok(ended);
                    }
                }
            }
        }
    }

    /// Begins as much as may run.
    fn begin(&mut self, worker: &Worker) {
        while let Some(next) = self.waiting.front() {
            // Whoever was running when a worker died runs alone, so that the guilty one takes nobody with it again.
            let suspect = next.died > 0 || self.running.iter().any(|job| job.died > 0);
            let most = if suspect { 1 } else { self.jobs };
            if self.running.len() >= most {
                break;
            }
            let mut job = self.waiting.pop_front().expect("it is there");
            (job.began, job.deadline) = (Instant::now(), self.launch.deadline());
            worker.send(Request::Run {
                name: job.name.clone(),
                work: job.work.clone(),
            });
            self.running.push(job);
        }
    }

    /// What a reply means; `None` where the work is to be done again.
    fn ended(&mut self, reply: Reply) -> Result<Option<Ended>, Halt> {
        let (name, end) = match reply {
            Reply::Ended { name, end } => (name, end),
            Reply::Failed(error) => return Err(error.into()),
            other => return Err(out_of_turn(&other).into()),
        };
        let Some(index) = self.running.iter().position(|job| job.name == name) else {
            return Err(
                Error::new(format!("the worker ended `{name}`, which does not run")).into(),
            );
        };
        let job = self.running.remove(index);
        Ok(match end {
            End::Done(done) => Some(job.end(Ok(done))),
            End::Failed(error) => Some(job.end(Err(error))),
            End::Killed => {
                self.again(job, &Error::new("its process was killed from outside"));
                None
            }
        })
    }

    /// The worker is gone, and with it all that was running.
    fn bury(&mut self, cause: &Error) {
        let mut running = std::mem::take(&mut self.running);
        running.sort_by_key(|job| std::cmp::Reverse(job.number));
        for job in running {
            self.again(job, cause);
        }
    }

    /// Puts work back to the front of those that wait, or gives it up.
    fn again(&mut self, mut job: Job, cause: &Error) {
        if job.died + 1 < ATTEMPTS {
            job.died += 1;
            self.waiting.push_front(job);
        } else {
            let error = Error::new(format!(
                "it was begun {ATTEMPTS} times, and each time its process died"
            ))
            // What a process printed differs from run to run, and the journal must not.
            .caused_by(Error {
                found: None,
                ..cause.clone()
            });
            self.lost.push_back(job.end(Err(error)));
        }
    }
}
