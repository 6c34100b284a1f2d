//! Children: forked from a parent that has loaded everything, limited, watched, and never mourned.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use pleach::protocol::{Limits, receive};
use pleach::worker::signal_name;
use plugin_api::boundary::caught;
use plugin_api::{Context, Error, Result, stream};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{OFlags, fcntl_setfl};
use rustix::pipe::{PipeFlags, pipe_with};
use rustix::process::{
    Pid, PidfdFlags, Resource, Rlimit, Signal, WaitOptions, WaitStatus, getpid, getppid, getrlimit,
    kill_process, pidfd_open, pidfd_send_signal, set_parent_process_death_signal, setrlimit,
    waitpid,
};
use rustix::stdio::{dup2_stderr, dup2_stdin, dup2_stdout, stdin};
use serde::de::DeserializeOwned;

use crate::{alone, crumb};

/// A limit that nobody waits for, and that a clock can still count to.
const YEARS: f64 = 1e9;

/// What all children of a worker share.
#[derive(Clone)]
pub(crate) struct ChildSettings {
    /// Folder for their own output, a file each.
    pub(crate) logs: PathBuf,
    /// Threads of libtorch in each.
    pub(crate) threads: u32,
}

impl ChildSettings {
    /// Sets anew what libtorch keeps for the whole process, before each piece of work: a component may have changed the
    /// number of threads, or have drawn from the generator, which no component should.
    pub(crate) fn renew(&self, seed: u64) -> Result<()> {
        tch::set_num_threads(i32::try_from(self.threads)?);
        tch::manual_seed(stream(seed, "libtorch").cast_signed());
        Ok(())
    }

    /// Where a child prints during this work.
    fn log(&self, work: &str) -> PathBuf {
        self.logs.join(format!("{work}.log"))
    }

    fn open_log(&self, work: &str) -> Result<File> {
        let log = self.log(work);
        OpenOptions::new()
            .create(true)
            .append(true)
            .open(&log)
            .with_context(|| format!("opening {}", log.display()))
    }

    /// In a child: has it print into the log of its next work.
    pub(crate) fn print_to(&self, work: &str) -> Result<()> {
        let output = self.open_log(work)?;
        dup2_stdout(&output)?;
        Ok(dup2_stderr(&output)?)
    }

    /// Removes the log of work that has ended, if it is empty: it tells nobody anything. That it could not be removed
    /// neither.
    pub(crate) fn drop_empty(&self, work: &str) {
        flush();
        let log = self.log(work);
        if fs::metadata(&log).is_ok_and(|m| m.len() == 0) {
            let _ = fs::remove_file(&log);
        }
    }
}

/// Takes the whole messages out of what was sent; one that was cut short is none.
pub(crate) fn messages<T: DeserializeOwned>(sent: &mut Vec<u8>) -> Vec<T> {
    let (mut rest, mut all) = (sent.as_slice(), vec![]);
    let mut taken = sent.len();
    while let Ok(Some(message)) = receive(&mut rest) {
        all.push(message);
        taken = rest.len();
    }
    sent.drain(..sent.len() - taken);
    all
}

/// A child at work.
pub(crate) struct Child {
    pub(crate) name: String,
    pid: Pid,
    alive: OwnedFd,
    pipe: File,
    /// What it has sent since somebody took it.
    pub(crate) sent: Vec<u8>,
    page: crumb::Page,
    time: Duration,
    /// Since when its time runs, and how long it had stood still by then.
    since: (Instant, Duration),
    late: bool,
    ended: bool,
    settings: ChildSettings,
}

/// What is known of a child that has ended.
pub(crate) struct Ended {
    /// All that it sent.
    pub(crate) sent: Vec<u8>,
    /// Why it may have sent too little; `None` where it was killed from outside.
    pub(crate) why: Option<Error>,
    /// Whether it was killed because it took too long.
    pub(crate) late: bool,
}

impl Child {
    /// Forks a child that runs `body`, which sends what it finds through its pipe.
    ///
    /// The calling process must have one thread, and libtorch must have run on one thread only: another's locks would
    /// stay closed in the child for ever.
    pub(crate) fn fork(
        name: &str,
        limits: &Limits,
        settings: &ChildSettings,
        body: impl FnOnce(&mut File) -> Result<()>,
    ) -> Result<Child> {
        check_one_thread()?;
        alone::share()?;
        let output = settings.open_log(name)?;
        let (from_child, mut to_parent) =
            pipe_with(PipeFlags::CLOEXEC).map(|(r, w)| (r, File::from(w)))?;
        fcntl_setfl(&from_child, OFlags::NONBLOCK)?;
        let page = crumb::Page::new()?;
        let parent = getpid();
        // What is still in buffers would be printed by both.
        flush();
        // SAFETY: this process has one thread, so no lock is held by another; the child goes on with a copy of all.
        let pid = match unsafe { libc::fork() } {
            -1 => return Err(io::Error::last_os_error()).context("forking a child"),
            0 => {
                let _leave = Leave;
                drop(from_child);
                page.adopt();
                let done = caught(|| {
                    prepare(parent, limits, &output)?;
                    body(&mut to_parent)
                });
                // Where even this cannot be written, the status alone must do.
                let said = done
                    .as_ref()
                    .map_or_else(|e| writeln!(io::stderr(), "{e}"), |()| Ok(()));
                leave(i32::from(done.is_err() || said.is_err()))
            }
            pid => Pid::from_raw(pid).expect("a child's id is positive"),
        };
        let alive = pidfd_open(pid, PidfdFlags::empty()).inspect_err(|_| {
            // Nobody could watch it: it must not go on.
            let _ = kill_process(pid, Signal::KILL)
                .and_then(|()| waitpid(Some(pid), WaitOptions::empty()));
        })?;
        let time = Duration::from_secs_f64(limits.seconds.clamp(0.0, YEARS));
        Ok(Child {
            name: name.into(),
            pid,
            alive,
            pipe: from_child.into(),
            sent: vec![],
            page,
            time,
            since: (Instant::now(), alone::still(pid)),
            late: false,
            ended: false,
            settings: settings.clone(),
        })
    }

    /// Waits until it ends, and tells each time when it has sent something. A parent whose own parent is gone ends
    /// here, and the child with it.
    pub(crate) fn wait(&mut self, mut sent: impl FnMut() -> Result<()>) -> Result<Ended> {
        loop {
            let input = stdin();
            let mut watched = self.watched().to_vec();
            watched.push(PollFd::new(&input, PollFlags::empty()));
            poll(&mut watched, Some(&timeout(self.deadline())))?;
            if watched[2].revents().contains(PollFlags::HUP) {
                std::process::exit(0);
            }
            drop(watched);
            let before = self.sent.len();
            if let Some(ended) = self.look()? {
                return Ok(ended);
            }
            if self.sent.len() > before {
                sent()?;
            }
        }
    }

    /// Has it go on, should a sibling have had it stand still and then died.
    pub(crate) fn wake(&self) -> Result<()> {
        Ok(pidfd_send_signal(&self.alive, Signal::CONT)?)
    }

    /// What to poll: it sent something, it ended.
    pub(crate) fn watched(&self) -> [PollFd<'_>; 2] {
        [
            PollFd::new(&self.pipe, PollFlags::IN),
            PollFd::new(&self.alive, PollFlags::IN),
        ]
    }

    /// When it must have ended, should nobody have it stand still from now on.
    pub(crate) fn deadline(&self) -> Instant {
        let (since, still) = self.since;
        since + self.time + alone::still(self.pid).saturating_sub(still)
    }

    /// Takes what it has sent, kills it where it is late, and says how it ended if it has. Whoever sends something has
    /// its time anew: many small works of one child have the limit each.
    pub(crate) fn look(&mut self) -> Result<Option<Ended>> {
        let status = waitpid(Some(self.pid), WaitOptions::NOHANG)?;
        let before = self.sent.len();
        match self.pipe.read_to_end(&mut self.sent) {
            Err(e) if e.kind() != io::ErrorKind::WouldBlock => return Err(e.into()),
            _ => {}
        }
        if self.sent.len() > before {
            self.since = (Instant::now(), alone::still(self.pid));
        }
        if status.is_none() && !self.late && Instant::now() >= self.deadline() {
            self.late = true;
            pidfd_send_signal(&self.alive, Signal::KILL)?;
        }
        let Some((_, status)) = status else {
            return Ok(None);
        };
        self.ended = true;
        alone::end(self.pid);
        if status.exit_status() == Some(0) {
            self.settings.drop_empty(&self.name);
        }
        Ok(Some(Ended {
            why: self.verdict(status),
            late: self.late,
            sent: std::mem::take(&mut self.sent),
        }))
    }

    /// Why a child that ended so may have left its work undone. It goes into the journal, so it says nothing that
    /// differs from run to run: what the child printed stays in its log.
    fn verdict(&self, status: WaitStatus) -> Option<Error> {
        let what = match (status.terminating_signal(), status.exit_status()) {
            _ if self.late => format!(
                "ran longer than {} s and was killed",
                self.time.as_secs_f64()
            ),
            (Some(libc::SIGKILL | libc::SIGTERM | libc::SIGINT | libc::SIGHUP), _) => return None,
            (Some(signal), _) => format!("died of {}", signal_name(signal)),
            (_, Some(status)) => {
                format!("ended its process with status {status} before its work was done")
            }
            _ => "ended for a reason that nobody told".into(),
        };
        let error = Error::new(what).help(format!("what it printed is in logs/{}.log", self.name));
        Some(Error {
            component: self.page.read(),
            ..error
        })
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        if !self.ended {
            // Nobody waits for it any more.
            let _ = pidfd_send_signal(&self.alive, Signal::KILL);
            let _ = waitpid(Some(self.pid), WaitOptions::empty());
            alone::end(self.pid);
        }
    }
}

/// Refuses to fork where another thread could hold a lock that would stay closed in the child for ever.
fn check_one_thread() -> Result<()> {
    let threads = fs::read_dir("/proc/self/task")?.count();
    if threads != 1 {
        return Err(Error::new("a plugin started threads in the process from which trials are forked")
            .found(format!("{threads} threads"))
            .expected("1")
            .help("start threads in `forward`, `fit` or `score` only, not where a component is made or a task makes its first batch")
            .into());
    }
    Ok(())
}

/// Ends the child at once: what is registered to run at exit belongs to the parent.
fn leave(status: i32) -> ! {
    flush();
    // SAFETY: ends the process.
    unsafe { libc::_exit(status) }
}

/// Keeps the child from unwinding into what belongs to the parent.
struct Leave;

impl Drop for Leave {
    fn drop(&mut self) {
        leave(101);
    }
}

/// Prints what Rust and C still hold in buffers.
pub(crate) fn flush() {
    // A log that cannot be written is no reason to lose a result.
    let _ = io::stdout().flush();
    // SAFETY: null means all of C's output streams.
    unsafe { libc::fflush(std::ptr::null_mut()) };
}

/// How long `poll` may wait until then. It always waits a little: the deadline of a child that stands still moves on.
pub(crate) fn timeout(deadline: Instant) -> Timespec {
    let left = deadline.saturating_duration_since(Instant::now());
    left.max(Duration::from_millis(10))
        .try_into()
        .unwrap_or(Timespec {
            tv_sec: 60,
            tv_nsec: 0,
        })
}

/// Makes the child what it has to be, before any work.
fn prepare(parent: Pid, limits: &Limits, output: &File) -> Result<()> {
    // It dies with its parent, even if that died before this line.
    set_parent_process_death_signal(Some(Signal::KILL))?;
    if getppid() != Some(parent) {
        leave(1);
    }
    alone::set_parent(parent);
    dup2_stdin(File::open("/dev/null")?)?;
    dup2_stdout(output)?;
    dup2_stderr(output)?;
    // libtorch reserves far more address space than it uses: the limit is on data.
    limit(Resource::Data, limits.memory)?;
    limit(Resource::Core, 0)
}

/// Sets a limit, or leaves a harder one that holds already.
fn limit(resource: Resource, most: u64) -> Result<()> {
    let most = Some(
        getrlimit(resource)
            .maximum
            .map_or(most, |hard| hard.min(most)),
    );
    Ok(setrlimit(
        resource,
        Rlimit {
            current: most,
            maximum: most,
        },
    )?)
}
