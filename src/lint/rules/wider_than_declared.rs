//! PC0103 `wider-than-declared`. The page is `wider_than_declared.md`.

use crate::{
    address::{class, set::AddressSet},
    diagnostic::Level,
    lint::{Check, Context, Group, Report, Rule},
    plan::Cause,
    policy::{Family, Place},
};

pub(super) static RULE: Rule = Rule {
    code: "PC0103",
    name: "wider-than-declared",
    group: Group::Exposure,
    level: Level::Error,
    since: "0.1.0",
    page: include_str!("wider_than_declared.md"),
    check: Check::Lint(check),
};

fn check(cx: &Context<'_>, report: &mut Report<'_>) {
    for conflict in cx.conflicts() {
        let Cause::WrongClass { address, declared, found } = &conflict.cause else { continue };
        let listener = &conflict.listener;
        let family = Family::of(*address);
        let message = format!("`{listener}` is declared {declared} and would be {found}");
        report
            .at(listener, cx.wrote(listener).place(family), message)
            .label(format!("the one address of this host inside is {address}, which is {found}"))
            .help(format!("write a block that holds {declared} addresses only"));
    }
    if cx.host.is_some() {
        return;
    }
    for (listener, side) in cx.sides() {
        let Place::Subnet { class, block } = &side.place else { continue };
        let block_of = AddressSet::of_blocks([*block]);
        let of_class = class::addresses_of(*class);
        if !block_of.is_subset(of_class) && !block_of.intersection(of_class).is_empty() {
            let question = format!("whether the address it has inside {block} is {class}");
            report.only_the_host_knows(&listener.id, question);
        }
    }
}
