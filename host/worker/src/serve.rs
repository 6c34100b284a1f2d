//! The worker's loop: it answers `pleach`, and watches its children.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;
use std::rc::Rc;
use std::time::{Duration, Instant};

use pleach::protocol::{End, PluginFile, Reply, Request, Start, Work, receive, send};
use plugin_api::boundary::{as_error, caught};
use plugin_api::host::Services;
use plugin_api::plugin::Plugin;
use plugin_api::role::{Task, TaskObj};
use plugin_api::{At, Context, Error, Goal, PluginCard, Result};
use rustix::event::{PollFd, PollFlags, poll};
use rustix::stdio::{dup2_stdout, stderr, stdin, stdout};
use tch::Device;

use crate::child::{Child, ChildSettings, messages, timeout};
use crate::memory::keep_memory;
use crate::registry::host;
use crate::search::Search;
use crate::{data, device, load, work};

/// Takes the standard output away from everybody else: what a plugin prints goes to the standard error.
pub(crate) fn take_stdout() -> io::Result<File> {
    let out = rustix::io::fcntl_dupfd_cloexec(stdout(), 3)?;
    dup2_stdout(stderr())?;
    Ok(out.into())
}

/// Has logs go to the standard error, filtered by `PLEACH_LOG`.
fn log() {
    let filter =
        tracing_subscriber::EnvFilter::try_from_env("PLEACH_LOG").unwrap_or_else(|_| "warn".into());
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(io::stderr)
        .with_ansi(false)
        // It would say on the standard error that it cannot write there, and panic over that: a full disk for logs would
        // cost the work.
        .log_internal_errors(false)
        .init();
}

/// Answers `pleach` until its input ends.
///
/// # Errors
/// Where `pleach` is gone in the midst of a message.
pub fn serve() -> Result<()> {
    keep_memory();
    let mut out = take_stdout()?;
    log();
    // One thread from here on: a child that is forked after an operation on several would hang.
    host();
    tch::set_num_interop_threads(1);
    let Some(Request::Start(start)) = receive(&mut Unbuffered)? else {
        return Err(Error::new("the first request must start the worker").into());
    };
    let started = data::telling(out.try_clone()?, || Server::start(start));
    let mut server = match started {
        Ok(server) => server,
        Err(e) => return Ok(send(&mut out, &Reply::Failed(as_error(e)))?),
    };
    send(&mut out, &server.ready()?)?;
    server.run(&mut out)
}

struct Server {
    task: Rc<TaskObj>,
    device: Device,
    settings: ChildSettings,
    search: Option<Search>,
    running: Vec<Running>,
}

/// A child, and the names of the works that it has not ended yet.
struct Running {
    child: Child,
    names: VecDeque<String>,
}

impl Server {
    fn start(start: Start) -> Result<Self> {
        for file in &start.plugins {
            load(file)?;
        }
        let settings = ChildSettings {
            logs: start.logs,
            threads: start.threads,
        };
        let device = device::parse(&start.device)?;
        device::probe(device, &settings)?;
        let task = host().task(&start.task)?;
        // What a task makes at its first batch is made here, once, and shared with every child.
        task.batch("train", &At::ALL)?;
        let task = Rc::new(task);
        Ok(Server {
            task,
            device,
            settings,
            search: None,
            running: vec![],
        })
    }

    fn ready(&self) -> Result<Reply> {
        let ports = self.task.ports()?;
        let goal = Goal {
            metric: ports.metric,
            higher_is_better: ports.higher_is_better,
        };
        Ok(Reply::Ready {
            goal,
            libtorch: device::libtorch(),
        })
    }

    fn run(&mut self, out: &mut File) -> Result<()> {
        loop {
            let input = stdin();
            let mut watched = vec![PollFd::new(&input, PollFlags::IN)];
            let children = self.running.iter().map(|running| &running.child);
            watched.extend(children.clone().flat_map(Child::watched));
            let deadline = children
                .map(Child::deadline)
                .min()
                .unwrap_or_else(|| Instant::now() + Duration::from_secs(60));
            poll(&mut watched, Some(&timeout(deadline)))?;
            let asked = watched[0]
                .revents()
                .intersects(PollFlags::IN | PollFlags::HUP);
            drop(watched);

            for (name, end) in self.ended()? {
                send(out, &Reply::Ended { name, end })?;
            }
            if asked {
                let Some(request) = receive(&mut Unbuffered)? else {
                    return Ok(());
                };
                match self.answer(request, out) {
                    Ok(Some(reply)) => send(out, &reply)?,
                    Ok(None) => {}
                    Err(e) => send(out, &Reply::Failed(as_error(e)))?,
                }
            }
        }
    }

    /// `None` where the answer comes later.
    fn answer(&mut self, request: Request, out: &File) -> Result<Option<Reply>> {
        let no_search = || Error::new("no search has begun");
        Ok(match request {
            Request::Start(_) => return Err(Error::new("the worker has started already").into()),
            Request::Begin(begin) => {
                let (task, device) = (&self.task, self.device);
                let search = Search::begin(&begin, task, device, &self.settings, out)?;
                Some(self.search.insert(search).began())
            }
            Request::Ask(n) => Some(Reply::Proposals(
                self.search.as_mut().ok_or_else(no_search)?.ask(n)?,
            )),
            Request::Tell(seen) => {
                self.search.as_mut().ok_or_else(no_search)?.tell(&seen)?;
                Some(Reply::Told)
            }
            Request::Change(change) => {
                let search = self.search.as_mut().ok_or_else(no_search)?;
                Some(match search.change(&change) {
                    Ok(()) => search.began(),
                    Err(refused) => Reply::Refused(as_error(refused)),
                })
            }
            Request::Run(works) => {
                let first = works.first().context("no work to run")?;
                let child = Child::fork(&first.name, &first.limits, &self.settings, |pipe| {
                    self.do_all(&works, pipe)
                })?;
                let names = works.into_iter().map(|work| work.name).collect();
                self.running.push(Running { child, names });
                None
            }
        })
    }

    /// What a child does: works, until one fails.
    fn do_all(&self, works: &[Work], pipe: &mut File) -> Result<()> {
        device::open(self.device)?;
        for (i, work) in works.iter().enumerate() {
            if i > 0 {
                self.settings.print_to(&work.name)?;
            }
            let done = caught(|| {
                self.settings.renew(work.seed)?;
                work::run(work, &self.task, self.device)
            });
            let failed = done.is_err();
            self.settings.drop_empty(&work.name);
            let failure = |error| End::Failed(of_memory(error, work.limits.memory));
            send(pipe, &done.map_or_else(failure, End::Done))?;
            if failed {
                break;
            }
        }
        Ok(())
    }

    fn ended(&mut self) -> Result<Vec<(String, End)>> {
        let mut ended = vec![];
        let mut running: Vec<Running> = vec![];
        let before = self.running.len();
        for mut batch in self.running.drain(..) {
            let Running { child, names } = &mut batch;
            let mut gone = child.look()?;
            let sent = gone.as_mut().map_or(&mut child.sent, |gone| &mut gone.sent);
            // A whole message is the only success: a plugin that ends the process has a status of its own liking.
            for end in messages(sent) {
                let failed = matches!(end, End::Failed(_));
                ended.extend(names.pop_front().map(|name| (name, end)));
                if failed {
                    ended.extend(names.drain(..).map(|name| (name, End::Unbegun)));
                }
                if let Some(next) = names.front() {
                    child.name.clone_from(next);
                }
            }
            let Some(gone) = gone else {
                running.push(batch);
                continue;
            };
            let end = gone.why.map_or(End::Killed, End::Failed);
            ended.extend(names.pop_front().map(|name| (name, end)));
            ended.extend(names.drain(..).map(|name| (name, End::Unbegun)));
        }
        if running.len() < before {
            running.iter().try_for_each(|batch| batch.child.wake())?;
        }
        self.running = running;
        Ok(ended)
    }
}

/// Names the limit, where work failed because it had no more memory.
fn of_memory(error: Error, limit: u64) -> Error {
    match error.help {
        None if error.to_string().contains("Cannot allocate memory") => error.help(format!(
            "`limits.memory` lets work have {} MiB",
            limit >> 20
        )),
        _ => error,
    }
}

/// Standard input without a buffer: what stands behind a message must still be there for `poll`.
pub(crate) struct Unbuffered;

impl Read for Unbuffered {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        Ok(rustix::io::read(stdin(), buffer)?)
    }
}

/// Loads one plugin and sends its card, or why there is none.
///
/// # Errors
/// Where the card cannot be sent.
pub fn cards(path: &Path, sha256: &str) -> Result<()> {
    let mut out = take_stdout()?;
    log();
    let card = || -> Result<PluginCard> {
        let name = load(&PluginFile {
            path: path.into(),
            sha256: sha256.into(),
        })?;
        host().plugin(&name)?.card()
    };
    Ok(send(&mut out, &card().map_err(as_error))?)
}

/// Sends what this worker finds of libtorch and devices.
///
/// # Errors
/// Where that cannot be sent.
pub fn doctor() -> Result<()> {
    let mut out = take_stdout()?;
    Ok(send(&mut out, &device::doctor())?)
}
