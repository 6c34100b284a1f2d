//! Checks in their order, each in a process of its own, those of several components at once.

use std::collections::VecDeque;
use std::fs::{self, File};
use std::path::Path;
use std::time::{Duration, Instant};

use pleach::protocol::{
    Check as Request, Checked, Checking, Finding, Limits, Verdict, receive, send,
};
use plugin_api::boundary::as_error;
use plugin_api::plugin::Plugin;
use plugin_api::{Card, Error, PluginCard, Result};
use rustix::event::{PollFd, PollFlags, poll};
use rustix::stdio::stdin;

use super::stand_in::StandIns;
use super::{CHECKS, Case, Check, DEFAULTS, OPENS, Word, opens};
use crate::child::{Child, ChildSettings, Ended, messages, timeout};
use crate::crumb;
use crate::load::Vetted;
use crate::registry::host;
use crate::serve::{Unbuffered, take_stdout};

/// Makes the checks that the one message on the input asks for, and says what came of each.
///
/// # Errors
/// Where `pleach` is gone, or a child cannot be forked.
pub fn check() -> Result<()> {
    let out = take_stdout()?;
    // One thread from here on: a child that is forked after an operation on several would hang.
    host();
    tch::set_num_interop_threads(1);
    let request: Request = receive(&mut Unbuffered)?
        .ok_or_else(|| Error::new("`pleach-worker check` is asked by one message"))?;
    let settings = ChildSettings {
        logs: request.logs.clone(),
        threads: 1,
    };
    let mut kit = Kit {
        request,
        settings,
        out,
    };
    match Files::vet(&kit.request) {
        Ok(files) => kit.run(&files),
        Err(error) => {
            kit.say(&Checking::Planned(1))?;
            kit.tell(None, OPENS, opens::ABOUT, failed(error))
        }
    }
}

/// What is asked, and who hears of it.
struct Kit {
    request: Request,
    settings: ChildSettings,
    out: File,
}

/// What children may open. This process opens none of it: a plugin may do anything, also as soon as it is opened.
struct Files {
    plugin: Vetted,
    beside: Vec<Vetted>,
}

/// A component, and the checks of it that are to be made.
struct Planned<'a> {
    /// `plugin/component`.
    name: String,
    card: &'a Card,
    checks: Vec<&'static Check>,
}

/// A component whose checks are being made, or are and have not been told.
struct Running {
    name: String,
    /// So many have not been told.
    left: usize,
    child: Child,
    ended: Option<Ended>,
}

/// What is known of a child that has ended.
struct Told {
    verdict: Verdict,
    card: Option<PluginCard>,
    /// The inputs that it tried, each with a hash of what came out.
    digests: Vec<(String, String)>,
}

impl Kit {
    fn run(&mut self, files: &Files) -> Result<()> {
        let opened = self.in_child(OPENS, "", |pipe| {
            let (card, verdict) = match opens::opens(&files.plugin) {
                Ok((card, Ok(()))) => (Some(card), Verdict::Ok),
                Ok((card, Err(error))) => (Some(card), failed(error)),
                Err(error) => (None, failed(error)),
            };
            if let Some(card) = card {
                send(pipe, &Word::Card(card))?;
            }
            Ok(send(pipe, &Word::Done(verdict))?)
        })?;
        let plugin = files.plugin.name();
        let shown = opened.verdict.finding().is_some()
            || self.request.includes(&format!("{plugin}/{OPENS}"));
        let cards = opened.card.map_or(vec![], |card| card.components);
        let plan: Vec<Planned> = cards
            .iter()
            .map(|card| self.plan(format!("{plugin}/{}", card.name), card))
            .collect();
        let checks: usize = plan.iter().map(|planned| planned.checks.len()).sum();
        self.say(&Checking::Planned((checks + usize::from(shown)) as u64))?;
        if shown {
            self.tell(None, OPENS, opens::ABOUT, opened.verdict)?;
        }
        self.components(files, &plan)
    }

    fn plan<'a>(&self, name: String, card: &'a Card) -> Planned<'a> {
        let included = |check: &&Check| self.request.includes(&format!("{name}/{}", check.name));
        let checks = { CHECKS.iter() }
            .filter(|check| (check.concerns)(&card.role))
            .filter(included)
            .collect();
        Planned { name, card, checks }
    }

    /// Several at once, each in a child whose own children make the checks; told in their order.
    fn components(&mut self, files: &Files, plan: &[Planned]) -> Result<()> {
        let mut plan = plan.iter().filter(|planned| !planned.checks.is_empty());
        let mut running: VecDeque<Running> = VecDeque::new();
        loop {
            while running.iter().filter(|one| one.ended.is_none()).count() < self.request.jobs
                && let Some(planned) = plan.next()
            {
                running.push_back(self.begin(files, planned)?);
            }
            let Some(first) = running.front_mut() else {
                return Ok(());
            };
            let sent = match &mut first.ended {
                Some(ended) => &mut ended.sent,
                None => &mut first.child.sent,
            };
            for word in messages(sent) {
                first.left -= 1;
                self.say(&word)?;
            }
            match &first.ended {
                None => wait(&mut running)?,
                Some(ended) if first.left > 0 => {
                    let why = ended.why.clone();
                    let what = format!("the checks of `{}` did not come to their end", first.name);
                    return Err(why.unwrap_or_else(|| Error::new(what)).into());
                }
                Some(_) => drop(running.pop_front()),
            }
        }
    }

    fn begin(&self, files: &Files, planned: &Planned) -> Result<Running> {
        let name = planned.name.replace('/', ".");
        // Its children have a limit each.
        let limits = Limits {
            seconds: f64::INFINITY,
            ..self.request.limits
        };
        let child = Child::fork(&name, &limits, &self.settings, |pipe| {
            let mut kit = Kit {
                request: self.request.clone(),
                settings: self.settings.clone(),
                out: pipe.try_clone()?,
            };
            kit.component(files, planned)
        })?;
        Ok(Running {
            name: planned.name.clone(),
            left: planned.checks.len(),
            child,
            ended: None,
        })
    }

    fn component(&mut self, files: &Files, planned: &Planned) -> Result<()> {
        let Planned { name, card, checks } = planned;
        // Why there is nothing to check.
        let mut unmade = None;
        for check in checks {
            let exempt = card.exempt.get(check.name).filter(|_| check.excusable);
            let verdict = match (&unmade, exempt) {
                (_, Some(reason)) => Verdict::Exempt {
                    reason: reason.clone(),
                },
                (Some(reason), None) => Verdict::Skipped {
                    reason: String::clone(reason),
                },
                (None, None) => self.make(files, name, card, check)?,
            };
            if check.name == DEFAULTS {
                unmade = match &verdict {
                    Verdict::Ok => None,
                    Verdict::Skipped { reason } => Some(reason.clone()),
                    _ => Some(format!("it does not pass `{DEFAULTS}`")),
                };
            }
            self.tell(Some(name), check.name, check.about, verdict)?;
        }
        Ok(())
    }

    fn make(&self, files: &Files, name: &str, card: &Card, check: &Check) -> Result<Verdict> {
        let once = || {
            self.in_child(&format!("{name}/{}", check.name), name, |pipe| {
                let stand_ins = match files.open() {
                    Ok(stand_ins) => stand_ins,
                    Err(error) => return Ok(send(pipe, &Word::Done(failed(error)))?),
                };
                let case = Case {
                    name,
                    card,
                    stand_ins,
                    seed: self.request.seed,
                    parent: pipe.into(),
                    tried: None.into(),
                };
                let verdict = case.verdict(check);
                case.say(&Word::Done(verdict))
            })
        };
        let first = once()?;
        if !check.twice || first.verdict != Verdict::Ok {
            return Ok(first.verdict);
        }
        let second = once()?;
        let differing = first
            .digests
            .iter()
            .zip(&second.digests)
            .find(|(first, second)| first != second);
        Ok(match differing {
            _ if second.verdict != Verdict::Ok => second.verdict,
            None => Verdict::Ok,
            Some(((input, _), _)) => Verdict::Failed(Finding {
                input: Some(input.clone()),
                error: Error::new("another process computes something else from the same seed and input")
                    .help("draw from `stream(seed, name)`; addresses, clocks, process ids and the order of hash maps differ"),
            }),
        })
    }

    /// Runs `body` in a child, and hears it out.
    fn in_child(
        &self,
        name: &str,
        component: &str,
        body: impl FnOnce(&mut File) -> Result<()>,
    ) -> Result<Told> {
        let name = name.replace('/', ".");
        let mut child = Child::fork(&name, &self.request.limits, &self.settings, |pipe| {
            let _here = crumb::enter(component);
            body(pipe)
        })?;
        let ended = child.wait(|| Ok(()))?;
        Ok(Told::of(
            ended,
            &self.settings.logs.join(format!("{name}.log")),
        ))
    }

    fn tell(
        &mut self,
        component: Option<&str>,
        check: &str,
        about: &str,
        verdict: Verdict,
    ) -> Result<()> {
        self.say(&Checking::Checked(Box::new(Checked {
            component: component.map(Into::into),
            check: check.into(),
            about: about.into(),
            verdict,
        })))
    }

    fn say(&mut self, message: &Checking) -> Result<()> {
        Ok(send(&mut self.out, message)?)
    }
}

/// Waits until one of them has sent something or ended. Where `pleach` is gone, this ends here, and they with it.
fn wait(running: &mut VecDeque<Running>) -> Result<()> {
    let input = stdin();
    let mut watched = vec![PollFd::new(&input, PollFlags::empty())];
    let busy = running.iter().filter(|one| one.ended.is_none());
    watched.extend(busy.flat_map(|one| one.child.watched()));
    poll(
        &mut watched,
        Some(&timeout(Instant::now() + Duration::from_secs(60))),
    )?;
    if watched[0].revents().contains(PollFlags::HUP) {
        std::process::exit(0);
    }
    drop(watched);
    for one in running.iter_mut().filter(|one| one.ended.is_none()) {
        one.ended = one.child.look()?;
    }
    Ok(())
}

impl Files {
    fn vet(request: &Request) -> Result<Self> {
        let beside = request.beside.iter().map(Vetted::of);
        Ok(Files {
            plugin: Vetted::of(&request.plugin)?,
            beside: beside.collect::<Result<_>>()?,
        })
    }

    /// In a child: opens all of them.
    fn open(&self) -> Result<StandIns> {
        let cards = [&self.plugin].into_iter().chain(&self.beside).map(|file| {
            let name = host().add(file.open()?)?;
            host().plugin(&name)?.card()
        });
        Ok(StandIns::new(cards.collect::<Result<_>>()?))
    }
}

impl Told {
    fn of(mut ended: Ended, log: &Path) -> Self {
        let (mut verdict, mut card, mut tried, mut digests) = (None, None, None, vec![]);
        for word in messages(&mut ended.sent) {
            match word {
                Word::Trying(input) => tried = Some(input),
                Word::Digest(digest) => digests.push((tried.clone().unwrap_or_default(), digest)),
                Word::Card(it) => card = Some(it),
                Word::Done(it) => verdict = Some(it),
            }
        }
        let verdict = verdict.unwrap_or_else(|| {
            let dead = Finding {
                input: tried,
                error: death(ended.why, log),
            };
            match ended.late {
                true => Verdict::TimedOut(dead),
                false => Verdict::Crashed(dead),
            }
        });
        Told {
            verdict,
            card,
            digests,
        }
    }
}

fn failed(error: anyhow::Error) -> Verdict {
    Verdict::Failed(Finding {
        input: None,
        error: as_error(error),
    })
}

/// Why a child is dead, with the end of what it printed, which is gone together with its log.
fn death(why: Option<Error>, log: &Path) -> Error {
    let mut error = why.unwrap_or_else(|| Error::new("was killed from outside"));
    let printed = fs::read(log).unwrap_or_default();
    let printed = String::from_utf8_lossy(&printed);
    let lines: Vec<&str> = printed.trim().lines().collect();
    error.help = None;
    error.found = match lines.len() {
        0 => None,
        n => Some(format!(
            "printed\n{}",
            lines[n.saturating_sub(5)..].join("\n")
        )),
    };
    error
}
