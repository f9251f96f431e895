//! `explain CODE`: the rule's page.

use std::io::Write;

use super::{Error, Exit, args};
use crate::{diagnostic::Level, lint};

pub(super) fn explain(args: &args::Explain, out: &mut dyn Write) -> Result<Exit, Error> {
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
