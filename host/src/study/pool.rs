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
    /// How many children run at once.
    pub(super) jobs: usize,
    /// How many works a child does at most.
    pub(super) batch: usize,
    /// In the order of their numbers.
    waiting: VecDeque<Job>,
    running: Vec<Batch>,
    /// Work that was given up and not yet fetched.
    lost: VecDeque<Ended>,
}

/// What one child does, one after the other.
struct Batch {
    /// Those that have not ended.
    jobs: VecDeque<Job>,
    /// When the first of them must have ended.
    deadline: Instant,
}

struct Job {
    number: u64,
    work: Work,
    /// How often it was begun before, and ended with its process or the worker.
    died: u32,
    began: Instant,
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
            name: self.work.name,
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
            batch: 1,
            waiting: VecDeque::new(),
            running: vec![],
            lost: VecDeque::new(),
        }
    }

    /// Adds work; it begins at the next call of [`Pool::next`].
    pub(super) fn submit(&mut self, number: u64, work: Work) {
        self.wait(Job {
            number,
            work,
            died: 0,
            began: Instant::now(),
        });
    }

    fn wait(&mut self, job: Job) {
        let place = self.waiting.partition_point(|w| w.number < job.number);
        self.waiting.insert(place, job);
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
            let deadlines = self.running.iter().map(|batch| batch.deadline);
            let deadline = deadlines.min().expect("there is work");
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

    /// The same with all that has ended by then.
    pub(super) fn next_all(&mut self) -> Result<Vec<Ended>, Halt> {
        let mut all = vec![self.next()?];
        while let Some(worker) = &mut self.worker
            && let Some(reply) = worker.heard()
        {
            all.extend(self.ended(reply)?);
        }
        all.extend(self.lost.drain(..));
        Ok(all)
    }

    /// Begins as much as may run.
    fn begin(&mut self, worker: &Worker) {
        while !self.waiting.is_empty() {
            // Whoever was running when a process died runs alone, so that the guilty one takes nobody with it again.
            let running = self.running.iter().flat_map(|batch| &batch.jobs);
            let suspect = self.waiting[0].died > 0 || { running }.any(|job| job.died > 0);
            let most = if suspect { 1 } else { self.jobs };
            let Some(free) = most.checked_sub(self.running.len()).filter(|n| *n > 0) else {
                break;
            };
            // What waits is shared out among the children that may begin now.
            let share = self.waiting.len().div_ceil(free).min(self.batch);
            let share = if suspect { 1 } else { share };
            let fresh = self.waiting.iter().skip(1).take_while(|job| job.died == 0);
            let share = share.min(1 + fresh.count());
            let mut jobs: VecDeque<Job> = self.waiting.drain(..share).collect();
            jobs[0].began = Instant::now();
            let works = jobs.iter().map(|job| job.work.clone());
            worker.send(Request::Run(works.collect()));
            let deadline = self.launch.deadline();
            self.running.push(Batch { jobs, deadline });
        }
    }

    /// What a reply means; `None` where the work is to be done again.
    fn ended(&mut self, reply: Reply) -> Result<Option<Ended>, Halt> {
        let (name, end) = match reply {
            Reply::Ended { name, end } => (name, end),
            Reply::Failed(error) => return Err(error.into()),
            other => return Err(out_of_turn(&other).into()),
        };
        let next = |batch: &Batch| batch.jobs.front().is_some_and(|job| job.work.name == name);
        let Some(index) = self.running.iter().position(next) else {
            return Err(
                Error::new(format!("the worker ended `{name}`, which does not run")).into(),
            );
        };
        let batch = &mut self.running[index];
        let job = batch.jobs.pop_front().expect("it has just been found");
        batch.deadline = self.launch.deadline();
        match batch.jobs.front_mut() {
            Some(next) => next.began = Instant::now(),
            None => drop(self.running.remove(index)),
        }
        match end {
            End::Done(done) => return Ok(Some(job.end(Ok(done)))),
            End::Failed(error) => return Ok(Some(job.end(Err(error)))),
            End::Killed => self.again(job, &Error::new("its process was killed from outside")),
            End::Unbegun => self.wait(job),
        }
        Ok(None)
    }

    /// The worker is gone, and with it all that was running.
    fn bury(&mut self, cause: &Error) {
        for mut batch in std::mem::take(&mut self.running) {
            if let Some(running) = batch.jobs.pop_front() {
                self.again(running, cause);
            }
            batch.jobs.into_iter().for_each(|job| self.wait(job));
        }
    }

    /// Has work wait to be done again, or gives it up.
    fn again(&mut self, mut job: Job, cause: &Error) {
        if job.died + 1 < ATTEMPTS {
            job.died += 1;
            self.wait(job);
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
