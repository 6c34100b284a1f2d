//! Children: forked from a parent that has loaded everything, limited, watched, and never mourned.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::fd::OwnedFd;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use pleach::protocol::Limits;
use pleach::worker::signal_name;
use plugin_api::{Context, Error, Result};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{OFlags, fcntl_setfl};
use rustix::pipe::{PipeFlags, pipe_with};
use rustix::process::{
    Pid, PidfdFlags, Resource, Rlimit, Signal, WaitOptions, WaitStatus, getpid, getppid,
    kill_process, pidfd_open, set_parent_process_death_signal, setrlimit, waitpid,
};
use rustix::stdio::{dup2_stderr, dup2_stdin, dup2_stdout, stdin};

use crate::crumb;

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

/// A child at work.
pub(crate) struct Child {
    pub(crate) name: String,
    pid: Pid,
    alive: OwnedFd,
    pipe: File,
    sent: Vec<u8>,
    page: crumb::Page,
    limits: Limits,
    deadline: Instant,
    late: bool,
    log: PathBuf,
}

/// What is known of a child that has ended.
pub(crate) struct Ended {
    /// All that it sent.
    pub(crate) sent: Vec<u8>,
    /// Why it may have sent too little; `None` where it was killed from outside.
    pub(crate) why: Option<Error>,
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
        let log = settings.logs.join(format!("{name}.log"));
        let output = OpenOptions::new()
            .create(true)
            .append(true)
            .open(&log)
            .with_context(|| format!("opening {}", log.display()))?;
        let (from_child, to_parent) = pipe_with(PipeFlags::CLOEXEC)?;
        let page = crumb::Page::new()?;
        let parent = getpid();
        // SAFETY: this process has one thread, see above; the child goes on with a copy of all that it had.
        match unsafe { libc::fork() } {
            -1 => Err(io::Error::last_os_error()).context("forking a child"),
            0 => {
                drop(from_child);
                page.adopt();
                let status = catch_unwind(AssertUnwindSafe(|| {
                    prepare(parent, limits, settings, &output)?;
                    body(&mut File::from(to_parent))
                }));
                let status = match status {
                    Ok(Ok(())) => 0,
                    Ok(Err(e)) => {
                        eprintln!("{e:#}");
                        1
                    }
                    Err(_) => 101,
                };
                // SAFETY: ends the child at once; what is registered to run at exit belongs to the parent.
                unsafe { libc::_exit(status) }
            }
            pid => {
                let pid = Pid::from_raw(pid).expect("a child's id is positive");
                fcntl_setfl(&from_child, OFlags::NONBLOCK)?;
                Ok(Child {
                    name: name.into(),
                    pid,
                    alive: pidfd_open(pid, PidfdFlags::empty())?,
                    pipe: from_child.into(),
                    sent: vec![],
                    page,
                    limits: *limits,
                    deadline: Instant::now()
                        + Duration::from_secs_f64(limits.seconds.clamp(0.0, YEARS)),
                    late: false,
                    log,
                })
            }
        }
    }

    /// Waits until it ends. A parent whose own parent is gone ends here, and the child with it.
    pub(crate) fn wait(&mut self) -> Result<Ended> {
        loop {
            let input = stdin();
            let mut watched = self.watched().to_vec();
            watched.push(PollFd::new(&input, PollFlags::empty()));
            poll(&mut watched, Some(&timeout(self.deadline)))?;
            if watched[2].revents().contains(PollFlags::HUP) {
                std::process::exit(0);
            }
            drop(watched);
            if let Some(ended) = self.look()? {
                return Ok(ended);
            }
        }
    }

    /// What to poll: it sent something, it ended.
    pub(crate) fn watched(&self) -> [PollFd<'_>; 2] {
        [
            PollFd::new(&self.pipe, PollFlags::IN),
            PollFd::new(&self.alive, PollFlags::IN),
        ]
    }

    /// When it must have ended.
    pub(crate) fn deadline(&self) -> Instant {
        self.deadline
    }

    /// Takes what it has sent, kills it where it is late, and says how it ended if it has.
    pub(crate) fn look(&mut self) -> Result<Option<Ended>> {
        if Instant::now() >= self.deadline && !self.late {
            self.late = true;
            kill_process(self.pid, Signal::KILL)?;
        }
        let status = waitpid(Some(self.pid), WaitOptions::NOHANG)?;
        match self.pipe.read_to_end(&mut self.sent) {
            Err(e) if e.kind() != io::ErrorKind::WouldBlock => return Err(e.into()),
            _ => {}
        }
        Ok(status.map(|(_, status)| {
            let why = self.verdict(status);
            if fs::metadata(&self.log).is_ok_and(|m| m.len() == 0) {
                // An empty log tells nobody anything; that it could not be removed neither.
                let _ = fs::remove_file(&self.log);
            }
            Ended {
                sent: std::mem::take(&mut self.sent),
                why,
            }
        }))
    }

    /// Why a child that ended so may have left its work undone.
    fn verdict(&self, status: WaitStatus) -> Option<Error> {
        let what = match (status.terminating_signal(), status.exit_status()) {
            _ if self.late => format!("ran longer than {} s and was killed", self.limits.seconds),
            (Some(libc::SIGKILL | libc::SIGTERM | libc::SIGINT | libc::SIGHUP), _) => return None,
            (Some(signal), _) => format!("died of {}", signal_name(signal)),
            (_, Some(status)) => {
                format!("ended its process with status {status} before its work was done")
            }
            _ => "ended for a reason that nobody told".into(),
        };
        let mut error = Error::new(what);
        error.component = self.page.read();
        error.found = self.last_output();
        Some(error)
    }

    fn last_output(&self) -> Option<String> {
        let log = fs::read(&self.log).ok()?;
        let log = String::from_utf8_lossy(&log);
        let lines: Vec<&str> = log.lines().rev().take(3).collect();
        (!lines.is_empty()).then(|| lines.into_iter().rev().collect::<Vec<_>>().join("\n"))
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        // It has ended already, or nobody waits for it any more.
        let _ = kill_process(self.pid, Signal::KILL);
        let _ = waitpid(Some(self.pid), WaitOptions::empty());
    }
}

/// How long `poll` may wait until then.
pub(crate) fn timeout(deadline: Instant) -> Timespec {
    deadline
        .saturating_duration_since(Instant::now())
        .try_into()
        .unwrap_or(Timespec {
            tv_sec: 60,
            tv_nsec: 0,
        })
}

/// Makes the child what it has to be, before any work.
fn prepare(parent: Pid, limits: &Limits, settings: &ChildSettings, output: &File) -> Result<()> {
    // It dies with its parent, even if that died before this line.
    set_parent_process_death_signal(Some(Signal::KILL))?;
    if getppid() != Some(parent) {
        // SAFETY: as in `fork`.
        unsafe { libc::_exit(1) };
    }
    dup2_stdin(File::open("/dev/null")?)?;
    dup2_stdout(output)?;
    dup2_stderr(output)?;
    // libtorch reserves far more address space than it uses: the limit is on data.
    setrlimit(
        Resource::Data,
        Rlimit {
            current: Some(limits.memory),
            maximum: Some(limits.memory),
        },
    )?;
    setrlimit(
        Resource::Core,
        Rlimit {
            current: Some(0),
            maximum: Some(0),
        },
    )?;
    tch::set_num_threads(i32::try_from(settings.threads)?);
    io::stdout().flush()?;
    Ok(())
}
