//! `audit --watch`: a look at each change of the host and every so often, and what has changed
//! since the one before.

use std::{
    collections::BTreeSet,
    io::{self, Write},
    os::fd::AsFd as _,
    time::Duration,
};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use tokio::{
    signal::unix::{Signal, SignalKind, signal},
    time::sleep,
};

use super::{
    exit,
    look::{self, Looked, Refusal},
    now, write_gauges,
};
use crate::{
    audit::{Report, changes, json, text},
    cli::{Chain, Error, Exit, args},
    supervisor::changes::HostChanges,
    telemetry::access::timestamp,
};

/// Looks until a signal ends it, or the reader of its output has gone; returns how the last look
/// ended.
pub(super) fn watch(args: &args::Audit, out: &mut dyn Write) -> Result<Exit, Error> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.map_err(Error::Watch)?.block_on(async {
        // What happens during the first look is answered after it.
        let mut alarm = Alarm::new(args.every.get()).map_err(Error::Watch)?;
        let Some(mut watched) = Watched::begin(args, out)? else { return Ok(Exit::CannotJudge) };
        while alarm.is_next_look().await && is_read() {
            watched.look(out)?;
        }
        Ok(watched.exit)
    })
}

/// What a look is compared with.
struct Watched<'a> {
    args: &'a args::Audit,
    looked: Looked,
    exit: Exit,
    /// What went wrong at the last look, as it was said on standard error.
    wrong: BTreeSet<String>,
}

impl<'a> Watched<'a> {
    /// The first look, with its whole report; none if a file comes to nothing, which is said.
    fn begin(args: &'a args::Audit, out: &mut dyn Write) -> Result<Option<Self>, Error> {
        let Some(looked) = look::first(args)? else { return Ok(None) };
        let exit = super::tell(args, &looked.report, out)?;
        Ok(Some(Self { args, looked, exit, wrong: BTreeSet::new() }))
    }

    /// One more look, and what has changed.
    fn look(&mut self, out: &mut dyn Write) -> Result<(), Error> {
        let before = self.looked.report.clone();
        let mut wrong = BTreeSet::new();
        self.exit = match look::again(self.args, &mut self.looked) {
            Ok(refusals) => {
                wrong.extend(refusals.into_iter().map(|Refusal { findings, .. }| findings));
                exit(self.args, &self.looked.report)
            }
            Err(error) => {
                note_blindness(&mut self.looked.report, Chain(&error).to_string());
                Exit::CannotJudge
            }
        };
        self.tell(&before, out)?;
        if let Err(error) = write_gauges(self.args, &self.looked.report, self.exit) {
            wrong.insert(format!("error: {}\n", Chain(&error)));
        }
        for news in wrong.difference(&self.wrong) {
            // Nobody is left to tell when standard error is closed.
            drop(write!(anstream::stderr(), "{news}"));
        }
        self.wrong = wrong;
        Ok(())
    }

    /// Writes a line for each change.
    fn tell(&self, before: &Report, out: &mut dyn Write) -> io::Result<()> {
        let at = timestamp(now());
        for change in changes::between(before, &self.looked.report) {
            match self.args.format {
                args::AuditFormat::Text => write!(out, "{}", text::change(&change, &at))?,
                args::AuditFormat::Json => {
                    let form = json::change_form(&change, &at, self.exit as u8);
                    serde_json::to_writer(&mut *out, &form)?;
                    writeln!(out)?;
                }
            }
        }
        out.flush()
    }
}

/// A look came to nothing: how things are is not known, and the last that was is kept.
fn note_blindness(report: &mut Report, why: String) {
    if !report.unseen.iter().any(|unseen| unseen.what == why) {
        report.unseen.push(why.into());
    }
}

/// When to look again, and when to end.
struct Alarm {
    every: Duration,
    terminate: Signal,
    interrupt: Signal,
    /// `None` when the kernel does not tell.
    host: Option<HostChanges>,
}

impl Alarm {
    /// What happens from here on counts.
    fn new(every: Duration) -> io::Result<Self> {
        Ok(Self {
            every,
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            host: HostChanges::new().inspect_err(say_deaf).ok(),
        })
    }

    /// Resolves when it is time to look, or with `false` when it is time to end.
    async fn is_next_look(&mut self) -> bool {
        let told = async {
            match &mut self.host {
                Some(host) => host.time_to_look().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            _ = self.terminate.recv() => false,
            _ = self.interrupt.recv() => false,
            told = told => {
                if let Err(error) = told {
                    say_deaf(&error);
                    self.host = None;
                }
                true
            }
            () = sleep(self.every) => true,
        }
    }
}

/// Whether there may be somebody who reads standard output. A pipe without a reader would else be
/// found out at the next change, which may be long in coming.
fn is_read() -> bool {
    let out = io::stdout();
    let mut out = [PollFd::new(out.as_fd(), PollFlags::empty())];
    let told = poll(&mut out, PollTimeout::ZERO);
    !(told.is_ok() && out[0].revents().is_some_and(|it| it.contains(PollFlags::POLLERR)))
}

/// Says that only the time remains.
fn say_deaf(error: &io::Error) {
    let what = "no word of changed addresses, which are seen only as often as `--every` says";
    // Nobody is left to tell when standard error is closed.
    drop(writeln!(io::stderr(), "warning: {what}: {error}"));
}
