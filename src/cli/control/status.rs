//! The report of the running process, for people.

use std::{io::Write, time::Duration};

use super::{Error, write_rejection};
use crate::{
    cli::table::Table,
    supervisor::admin::protocol::{Purpose, Report, Socket, State, Unbound},
};

pub(super) fn write(out: &mut dyn Write, report: &Report) -> Result<(), Error> {
    let Report { version, pid, user, generation, sessions, .. } = report;
    let state = match report.state {
        State::Serving => "serving",
        State::HandingOver => "handing over",
        State::Draining => "draining",
    };
    let name = report.service.as_deref().unwrap_or("portcullis");
    let up = Duration::from_secs(report.uptime_seconds.max(1));
    let file = report.file.display();
    writeln!(out, "{name}: {state} generation {generation} of {file}")?;
    let binder = report.binder.map_or_else(String::new, |pid| format!(", bound for by {pid}"));
    writeln!(
        out,
        "portcullis {version}, process {pid} as {user}{binder}, up {up:?}, {sessions} sessions"
    )?;
    if report.binder.is_none() {
        writeln!(
            out,
            "the process that binds is gone: nothing more can be bound until a new start"
        )?;
    }
    listeners(out, report)?;
    sockets(out, &report.sockets)?;
    unbound(out, "waiting", &report.pending)?;
    unbound(out, "left out", &report.omitted)?;
    for one in &report.draining {
        let (pid, generation, sessions) = (one.pid, one.generation, one.sessions);
        writeln!(out, "draining: process {pid}, generation {generation}, {sessions} sessions")?;
    }
    match &report.rejected {
        Some(rejection) => write_rejection(out, rejection),
        None => Ok(()),
    }
}

fn listeners(out: &mut dyn Write, report: &Report) -> Result<(), Error> {
    let mut table = Table::new(&["LISTENER", "SESSIONS", "TOTAL"]);
    for one in &report.listeners {
        table.row([one.name.clone(), one.sessions.to_string(), one.admitted.to_string()]);
    }
    writeln!(out)?;
    Ok(table.write(out)?)
}

fn sockets(out: &mut dyn Write, sockets: &[Socket]) -> Result<(), Error> {
    let mut table = Table::new(&[
        "SOCKET",
        "LISTENER",
        "PURPOSE",
        "DEVICE",
        "V6ONLY",
        "REUSEPORT",
        "BACKLOG",
        "MODE",
    ]);
    for Socket { listener, purpose, asked, found } in sockets {
        let purpose = match purpose {
            Purpose::Planned => "planned",
            Purpose::Narrowed => "narrowed",
            Purpose::Absorbed => "absorbed",
        };
        let bit = |bit: Option<bool>| bit.map(|bit| if bit { "1" } else { "0" }.to_owned());
        let number = |number: Option<u32>| number.map(|number| number.to_string());
        table.row([
            // Port 0 is a wish that every port fulfils.
            found.address.clone().unwrap_or_else(|| cell(asked.address.clone(), None)),
            listener.clone(),
            purpose.to_owned(),
            cell(asked.device.clone(), found.device.clone()),
            cell(bit(asked.v6only), bit(found.v6only)),
            cell(bit(asked.reuse_port), bit(found.reuse_port)),
            cell(number(asked.backlog), number(found.backlog)),
            cell(asked.mode.clone(), found.mode.clone()),
        ]);
    }
    writeln!(out)?;
    Ok(table.write(out)?)
}

/// What is, and what was asked for where that is something else.
fn cell(asked: Option<String>, found: Option<String>) -> String {
    match (asked, found) {
        (asked, found) if asked == found => found.unwrap_or_else(|| "-".to_owned()),
        (Some(asked), Some(found)) => format!("{found} (asked: {asked})"),
        (Some(asked), None) => format!("? (asked: {asked})"),
        (None, found) => found.unwrap_or_else(|| "-".to_owned()),
    }
}

fn unbound(out: &mut dyn Write, word: &str, unbound: &[Unbound]) -> Result<(), Error> {
    for Unbound { listener, reason } in unbound {
        writeln!(out, "{word}: {listener}: {reason}")?;
    }
    Ok(())
}
