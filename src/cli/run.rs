//! `run FILE`: what the supervisor says goes to standard output, line by line, and why it says so
//! goes to standard error.

use std::io::{self, IsTerminal as _, Write};

use tracing_subscriber::{
    filter::LevelFilter, fmt, layer::SubscriberExt as _, util::SubscriberInitExt as _,
};

use super::{Error, Exit, args};
use crate::{
    diagnostic::human,
    plan::BindAddress,
    runtime::bind::BindError,
    supervisor::{self, Event, Options, Program},
};

pub(super) fn run(args: args::Run) -> Result<Exit, Error> {
    let options = options(args)?;
    supervisor::run(&options, &mut |event| {
        // Whoever started this may have stopped reading; that is no reason to stop serving.
        let _unheard = say(event);
    })?;
    Ok(Exit::Ok)
}

/// What is to be run; the log begins.
pub(super) fn options(args: args::Run) -> Result<Options, Error> {
    start_log(args.log);
    Ok(Options {
        file: args.file,
        guardrails: args.guardrails,
        allow_port_zero: args.allow_port_zero,
        take_over: args.takeover,
        program: Program::of(std::env::args_os()).map_err(Error::Program)?,
    })
}

fn say(event: &Event<'_>) -> io::Result<()> {
    let mut out = io::stdout().lock();
    match event {
        Event::Ready { listener, address: BindAddress::Tcp(address) } => {
            writeln!(out, "READY listener={listener} protocol=tcp address={address}")?;
        }
        Event::Ready { listener, address: BindAddress::Unix(path) } => {
            let path = path.display().to_string();
            writeln!(
                out,
                "READY listener={listener} protocol=unix address={}",
                path.escape_debug()
            )?;
        }
        Event::Serving(generation) => writeln!(out, "SERVING generation={generation}")?,
        Event::Reloaded(generation) => writeln!(out, "RELOADED generation={generation}")?,
        Event::Rejected { generation, findings } => {
            writeln!(out, "REJECTED generation={generation} findings={findings}")?;
        }
        Event::Findings { source, findings } => {
            human::write(&mut anstream::stderr(), source, findings, true)?;
        }
        Event::Unbound(errors) => {
            for error in *errors {
                unbound(&mut anstream::stderr(), error)?;
            }
        }
    }
    out.flush()
}

/// A socket that could not be had: what, why, and what to do.
fn unbound(out: &mut dyn Write, error: &BindError) -> io::Result<()> {
    writeln!(out, "error: {error}: {}", error.source)?;
    for why in error.why() {
        writeln!(out, "  = {why}")?;
    }
    for help in error.help() {
        writeln!(out, "help: {help}")?;
    }
    Ok(())
}

fn start_log(format: args::Log) {
    let colour = io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none();
    let text = || fmt::layer().with_writer(io::stderr).with_ansi(colour).with_target(false);
    let registry = tracing_subscriber::registry().with(LevelFilter::INFO);
    match format {
        args::Log::Text => registry.with(text()).init(),
        args::Log::Json => registry.with(text().json()).init(),
    }
}
