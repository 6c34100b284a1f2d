//! One `pleach-worker` process, seen from outside.

use std::env;
use std::fs::{self, File};
use std::io::Read;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use plugin_api_data::Error;
use rustix::process::{Pid, Signal, kill_process_group, set_parent_process_death_signal};
use serde::{Serialize, de::DeserializeOwned};

use crate::error::Context;
use crate::protocol::{Reply, Request, receive, send};

/// How long a worker may take to leave once its input has ended.
const FAREWELL: Duration = Duration::from_secs(2);
/// How often a waiting host looks whether it shall stop.
const TICK: Duration = Duration::from_millis(50);

/// The program `pleach-worker`.
#[derive(Debug, Clone)]
pub struct Program(PathBuf);

impl Program {
    /// `$PLEACH_WORKER`, else the one beside this program.
    ///
    /// # Errors
    /// Where there is no such file.
    pub fn find() -> Result<Self, Error> {
        let beside = || {
            env::current_exe()
                .ok()
                .map(|p| p.with_file_name("pleach-worker"))
        };
        let path = env::var_os("PLEACH_WORKER")
            .map(PathBuf::from)
            .or_else(beside)
            .unwrap_or_else(|| "pleach-worker".into());
        if path.is_file() {
            return Ok(Program(path));
        }
        Err(Error::new("the program `pleach-worker` is missing")
            .expected(format!("a file at {}", path.display()))
            .help("install it beside `pleach`, or name it in PLEACH_WORKER"))
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// Starts it for one answer.
    ///
    /// # Errors
    /// Where it does not start, says nothing, or takes longer than `limit`, which ends it.
    pub fn query<T: DeserializeOwned + Send + 'static>(
        &self,
        args: &[&str],
        limit: Duration,
    ) -> Result<T, Error> {
        let mut child = Owned(self.spawn(args, &[], Stdio::null(), Stdio::piped())?);
        let mut stdout = child.0.stdout.take().expect("it is piped");
        let complaint = complaint(&mut child.0);
        let (answer, answered) = mpsc::channel();
        thread::spawn(move || answer.send(receive::<T>(&mut stdout)));
        match answered.recv_timeout(limit) {
            Ok(Ok(Some(value))) => Ok(value),
            Ok(Ok(None)) => {
                let status = child
                    .0
                    .wait()
                    .context(|| "cannot wait for the worker".into())?;
                Err(explain(status, &complaint.join().unwrap_or_default()))
            }
            Ok(Err(e)) => Err(Error::new("the worker's answer cannot be read")
                .caused_by(Error::new(e.to_string()))),
            Err(_) => Err(Error::new(format!(
                "the worker took longer than {} s to answer `{}`",
                limit.as_secs(),
                args.join(" ")
            ))),
        }
    }

    /// Starts it for many answers to one question, and waits until it has ended. It must not run what could hang itself,
    /// and downloads nothing.
    ///
    /// # Errors
    /// Where it does not start, or ends other than well.
    pub fn converse<T: DeserializeOwned>(
        &self,
        args: &[&str],
        question: &impl Serialize,
        mut heard: impl FnMut(T),
    ) -> Result<(), Error> {
        let environment = [
            ("PLEACH_OFFLINE", "1"),
            // Several children at once have more threads than there are cores: one that waits for another lets it run.
            ("OMP_WAIT_POLICY", "passive"),
        ];
        let mut child = Owned(self.spawn(args, &environment, Stdio::piped(), Stdio::piped())?);
        // Held until the end: a worker whose input ends leaves.
        let mut stdin = child.0.stdin.take().expect("it is piped");
        let mut stdout = child.0.stdout.take().expect("it is piped");
        let complaint = complaint(&mut child.0);
        // A worker that is gone says below why.
        let _ = send(&mut stdin, question);
        let answers = loop {
            match receive(&mut stdout) {
                Ok(Some(answer)) => heard(answer),
                Ok(None) => break Ok(()),
                Err(e) => break Err(e).context(|| "the worker's answer cannot be read".into()),
            }
        };
        let status = child
            .0
            .wait()
            .context(|| "cannot wait for the worker".into())?;
        if !status.success() {
            return Err(explain(status, &complaint.join().unwrap_or_default()));
        }
        answers
    }

    fn spawn(
        &self,
        args: &[&str],
        environment: &[(&str, &str)],
        stdin: Stdio,
        stderr: Stdio,
    ) -> Result<Child, Error> {
        let mut command = Command::new(&self.0);
        // A process group of its own: a Ctrl-C at the terminal reaches the host alone, which then ends its workers, and
        // what a worker has started can be killed together with it.
        command
            .args(args)
            .envs(environment.iter().copied())
            // A backtrace for each error that somebody handles would make errors fifty times slower, and the last lines
            // of a dead child's log, which its trial quotes, must be the reason.
            .env("RUST_BACKTRACE", "0")
            // Where it is set it has the last word on those of errors.
            .env("RUST_LIB_BACKTRACE", "0")
            .stdin(stdin)
            .stdout(Stdio::piped())
            .stderr(stderr)
            .process_group(0);
        // SAFETY: between fork and exec it makes one system call and touches no memory of the parent.
        unsafe { command.pre_exec(|| Ok(set_parent_process_death_signal(Some(Signal::KILL))?)) };
        command
            .spawn()
            .context(|| format!("cannot start `{}`", self.0.display()))
    }
}

/// Collects what it says on its standard error, so that it never waits for a reader.
fn complaint(child: &mut Child) -> JoinHandle<String> {
    let mut stderr = child.stderr.take().expect("it is piped");
    thread::spawn(move || {
        let mut text = vec![];
        // What cannot be read is not shown.
        let _ = stderr.read_to_end(&mut text);
        String::from_utf8_lossy(&text).into_owned()
    })
}

/// Says why a worker ended without an answer.
fn explain(status: ExitStatus, stderr: &str) -> Error {
    if status.code() == Some(127) && stderr.contains("error while loading shared libraries") {
        return Error::new("the worker cannot find libtorch")
            .found(stderr.trim())
            .help(
                "run `cargo xtask setup` once, or put libtorch's `lib` folder into LD_LIBRARY_PATH",
            );
    }
    let error = Error::new(match (status.code(), status.signal()) {
        (Some(code), _) => format!("the worker ended without an answer, with code {code}"),
        (_, signal) => format!(
            "the worker died of {}",
            signal_name(signal.unwrap_or_default())
        ),
    });
    // The end of what it said is nearest to the cause.
    let lines: Vec<&str> = stderr.trim().lines().collect();
    let tail = lines[lines.len().saturating_sub(5)..].join("\n");
    if tail.is_empty() {
        error
    } else {
        error.found(tail)
    }
}

/// The name of a signal by which a process can end its own life; the number of any other.
pub fn signal_name(signal: i32) -> String {
    let name = match Signal::from_named_raw(signal) {
        Some(Signal::ILL) => "SIGILL",
        Some(Signal::ABORT) => "SIGABRT",
        Some(Signal::BUS) => "SIGBUS",
        Some(Signal::FPE) => "SIGFPE",
        Some(Signal::KILL) => "SIGKILL",
        Some(Signal::SEGV) => "SIGSEGV",
        _ => return format!("signal {signal}"),
    };
    name.into()
}

/// A child process that ends, with all that it has started, when nobody holds it any more.
#[derive(Debug)]
struct Owned(Child);

impl Drop for Owned {
    fn drop(&mut self) {
        if let Some(group) = Pid::from_raw(self.0.id().cast_signed()) {
            // The group is empty where all have left already.
            let _ = kill_process_group(group, Signal::KILL);
        }
        let _ = self.0.wait();
    }
}

/// A worker that serves.
#[derive(Debug)]
pub struct Worker {
    /// `None` once it was told that nothing more will come.
    requests: Option<Sender<Request>>,
    replies: Receiver<Reply>,
    child: Owned,
    log: PathBuf,
}

/// What came of waiting for a worker.
#[derive(Debug)]
pub enum Heard {
    /// It answered.
    Reply(Box<Reply>),
    /// It is gone.
    Gone,
    /// It did not answer in time.
    Late,
    /// The user wants to stop.
    Stopped,
}

impl Worker {
    /// Starts a worker; what it and its libraries print goes to the file `log`.
    ///
    /// # Errors
    /// Where it cannot be started.
    pub fn start(program: &Program, log: &Path) -> Result<Self, Error> {
        let file = File::options()
            .create(true)
            .append(true)
            .open(log)
            .context(|| format!("cannot write `{}`", log.display()))?;
        let mut child = Owned(program.spawn(&["serve"], &[], Stdio::piped(), file.into())?);
        let mut stdin = child.0.stdin.take().expect("it is piped");
        let mut stdout = child.0.stdout.take().expect("it is piped");
        // A thread each way: a worker that does not read cannot block the host, and the host can wait with a limit.
        let (requests, to_send) = mpsc::channel();
        thread::spawn(move || {
            to_send
                .iter()
                .try_for_each(|request| send(&mut stdin, &request))
        });
        let (received, replies) = mpsc::channel();
        thread::spawn(move || {
            while let Ok(Some(reply)) = receive(&mut stdout) {
                if received.send(reply).is_err() {
                    break;
                }
            }
        });
        Ok(Worker {
            requests: Some(requests),
            replies,
            child,
            log: log.into(),
        })
    }

    /// Sends a request. A worker that is gone is noticed where its reply is waited for.
    pub fn send(&self, request: Request) {
        if let Some(requests) = &self.requests {
            let _ = requests.send(request);
        }
    }

    /// Waits for a reply until `deadline`, or until `stop` is set.
    pub fn receive(&mut self, deadline: Instant, stop: &AtomicBool) -> Heard {
        let mut ended = false;
        loop {
            if stop.load(Ordering::Relaxed) {
                return Heard::Stopped;
            }
            let left = deadline.saturating_duration_since(Instant::now());
            match self.replies.recv_timeout(left.min(TICK)) {
                Ok(reply) => return Heard::Reply(Box::new(reply)),
                Err(RecvTimeoutError::Disconnected) => return Heard::Gone,
                // A child that lives on may hold the worker's output open; its last words have arrived by now.
                Err(RecvTimeoutError::Timeout) if ended => return Heard::Gone,
                Err(RecvTimeoutError::Timeout) if left.is_zero() => return Heard::Late,
                Err(RecvTimeoutError::Timeout) => {
                    ended = matches!(self.child.0.try_wait(), Ok(Some(_)));
                }
            }
        }
    }

    /// A reply that has arrived already.
    pub fn heard(&mut self) -> Option<Reply> {
        self.replies.try_recv().ok()
    }

    /// Ends it at once, and says why it ended where that is known.
    pub fn kill(mut self) -> Error {
        let deadline = Instant::now() + TICK;
        // Where it is gone already its status tells why; a moment may pass between the end of its output and its own.
        while Instant::now() < deadline {
            if let Ok(Some(status)) = self.child.0.try_wait() {
                self.requests = None;
                return explain(status, &fs::read_to_string(&self.log).unwrap_or_default());
            }
            thread::sleep(Duration::from_millis(2));
        }
        let _ = self.child.0.kill();
        Error::new("the worker did not answer and was killed")
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        // The end of its input tells a worker to leave; whoever does not is killed when `child` is dropped.
        self.requests = None;
        let deadline = Instant::now() + FAREWELL;
        while Instant::now() < deadline && matches!(self.child.0.try_wait(), Ok(None)) {
            thread::sleep(Duration::from_millis(2));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_that_says_nothing_is_ended() {
        let shell = Program("/bin/sh".into());
        let began = Instant::now();
        let error = shell
            .query::<()>(&["-c", "sleep 60"], Duration::from_millis(100))
            .unwrap_err();
        assert!(error.what.starts_with("the worker took longer"), "{error}");
        assert!(began.elapsed() < Duration::from_secs(30));
    }
}
