//! `explain CODE`: the rule's page; `explain --ports`: the table behind two of them.

use std::io::Write;

use super::{Error, Exit, args};
use crate::{
    diagnostic::Level,
    exposure::sensitive::{self, Service},
    lint,
};

pub(super) fn explain(args: &args::Explain, out: &mut dyn Write) -> Result<Exit, Error> {
    if args.ports {
        return ports(out);
    }
    let Some(code) = &args.code else {
        for rule in lint::ALL {
            writeln!(
                out,
                "{} {:<9} {:<7} {}",
                rule.code,
                rule.group.word(),
                word(rule.level),
                rule.name
            )?;
        }
        return Ok(Exit::Ok);
    };
    let rule = lint::rule(&code.to_ascii_uppercase()).ok_or_else(|| Error::NoRule(code.clone()))?;
    writeln!(out, "# {} `{}`\n", rule.code, rule.name)?;
    writeln!(out, "{}, {}, since {}\n", word(rule.level), rule.group.word(), rule.since)?;
    writeln!(out, "{}", rule.page.trim())?;
    Ok(Exit::Ok)
}

/// Here, unlike beside a finding, it matters whether an error can be lowered.
fn word(level: Level) -> &'static str {
    match level {
        Level::Forbid => "forbid",
        other => other.word(),
    }
}

/// Every sensitive service: what it weighs by whom it is offered to, where it is found, and why.
fn ports(out: &mut dyn Write) -> Result<Exit, Error> {
    writeln!(out, "sensitive services, as of {}", sensitive::REVISED)?;
    for service in sensitive::services() {
        let Service { name, group, weight, why, instead, source, .. } = service;
        writeln!(out, "\n{name} ({group}): {}", places(service))?;
        let level = |level: Option<Level>| level.map_or("-", word);
        let (public, shared) = (level(weight.public), level(weight.shared));
        let private = level(weight.private);
        writeln!(out, "  level    public {public}, shared {shared}, private {private}")?;
        writeln!(out, "  why      {why}\n  instead  {instead}\n  source   {source}")?;
    }
    Ok(Exit::Ok)
}

fn places(service: &Service) -> String {
    let ports = service.ports.iter().map(|(first, last)| {
        if first == last { first.to_string() } else { format!("{first}-{last}") }
    });
    // A name that ends in a dot goes on with a number.
    let sockets = service
        .sockets
        .iter()
        .map(|start| if start.ends_with('.') { format!("{start}*") } else { (*start).to_owned() });
    ports.chain(sockets).collect::<Vec<_>>().join(", ")
}
