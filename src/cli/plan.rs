//! `plan FILE`: the exact sockets on this host, and what a reload from another file would do.

use std::{collections::BTreeSet, io::Write};

use super::{
    Error, Exit, Judged, args,
    governed::{self, Governed},
    host, judge,
    table::Table,
    write_findings,
};
use crate::{
    compile::Given,
    plan::{
        Bind, BindAddress, Plan,
        diff::{Way, diff},
    },
};

pub(super) fn plan(args: &args::Plan, out: &mut dyn Write) -> Result<Exit, Error> {
    let facts = host()?;
    let governed = Governed::load(&args.governed)?;
    let given = Given {
        facts: Some(&facts),
        guardrails: &governed.files,
        running: None,
        today: governed.today,
        allow_port_zero: true,
    };
    let wanted = judge(&args.file, &given)?;
    let running = args.against.as_deref().map(|path| judge(path, &given)).transpose()?;
    let mut complete = true;
    let judged: Vec<_> = std::iter::once(&wanted).chain(&running).collect();
    for judged in &judged {
        write_findings(out, judged)?;
        complete &= judged.compiled.plan.is_some();
    }
    governed::write_findings(out, &governed.findings(&judged))?;
    let plan_of = |judged: &Judged| judged.compiled.plan.clone().unwrap_or_default();
    if !complete {
        writeln!(out, "plan: not made, because of the findings above")?;
        return Ok(Exit::Findings);
    }
    let plan = plan_of(&wanted);
    match running {
        None => sockets(out, &plan, facts.max_backlog)?,
        Some(running) => changes(out, &plan_of(&running), &plan)?,
    }
    let shown = wanted.source.path();
    governed::write_lines(out, shown, &wanted.compiled, &governed.files)?;
    let passed = |bind: &Bind| Some((bind.listener.clone(), bind.inherited.clone()?));
    for (listener, name) in plan.binds.values().filter_map(passed).collect::<BTreeSet<_>>() {
        writeln!(out, "passed in: {listener}: as `{name}`, not bound by this program")?;
    }
    for unbound in &plan.parked {
        writeln!(out, "waiting: {}: {}", unbound.listener, unbound.reason)?;
    }
    for unbound in &plan.omitted {
        writeln!(out, "left out: {}: {}", unbound.listener, unbound.reason)?;
    }
    Ok(Exit::Ok)
}

fn sockets(out: &mut dyn Write, plan: &Plan, max_backlog: u32) -> Result<(), Error> {
    let mut table = Table::new(&[
        "LISTENER",
        "PROTOCOL",
        "ADDRESS",
        "FAMILY",
        "V6ONLY",
        "DEVICE",
        "REUSEPORT",
        "BACKLOG",
    ]);
    for bind in plan.binds.values() {
        let (protocol, family, v6only) = match &bind.key.address {
            BindAddress::Tcp(address) if address.is_ipv4() => ("tcp", "IPv4", "-"),
            BindAddress::Tcp(_) => ("tcp", "IPv6", "1"),
            BindAddress::Unix(_) => ("unix", "-", "-"),
        };
        let reuse_port = match bind.sockets.get() {
            1 => "-".to_owned(),
            count => format!("{count} sockets"),
        };
        table.row([
            bind.listener.to_string(),
            protocol.to_owned(),
            bind.key.address.to_string(),
            family.to_owned(),
            v6only.to_owned(),
            bind.key.device.clone().unwrap_or_else(|| "-".to_owned()),
            reuse_port,
            bind.backlog.min(max_backlog).to_string(),
        ]);
    }
    Ok(table.write(out)?)
}

fn changes(out: &mut dyn Write, running: &Plan, plan: &Plan) -> Result<(), Error> {
    let delta = diff(&running.binds, plan);
    let mut table = Table::new(&["CHANGE", "LISTENER", "SOCKET", "HOW"]);
    let mut row = |change: &str, bind: &Bind, how: &str| {
        table.row([
            change.to_owned(),
            bind.listener.to_string(),
            bind.key.to_string(),
            how.to_owned(),
        ]);
    };
    for key in &delta.keep {
        row("keep", &plan.binds[key], "untouched");
    }
    for bind in &delta.update {
        row("update", bind, "the same socket, set anew");
    }
    for add in &delta.add {
        row(
            "add",
            &add.bind,
            if add.beside.is_empty() { "bound" } else { "bound beside a live one" },
        );
    }
    for retire in &delta.retire {
        let (change, how) = match retire.way {
            Way::Gone => ("remove", "serves its queue, then closes"),
            Way::Narrowed => {
                ("narrow", "accepts for a moment what the plan still serves, then closes")
            }
            Way::Absorbed => ("widen", "stays open, and serves what the plan serves"),
        };
        row(change, &running.binds[&retire.key], how);
    }
    Ok(table.write(out)?)
}
