//! PC0207 `special-address`. The page is `special_address.md`.

use crate::{
    diagnostic::Level,
    lint::{
        Check, Context, Group, Report, Rule,
        assertion::{self, Assertion},
    },
};

pub(super) static RULE: Rule = Rule {
    code: "PC0207",
    name: "special-address",
    group: Group::Address,
    level: Level::Error,
    since: "0.1.0",
    page: include_str!("special_address.md"),
    check: Check::Lint(check),
};

fn check(cx: &Context<'_>, report: &mut Report<'_>) {
    for (listener, side) in cx.sides() {
        let Assertion::StandIn(block) = assertion::judge(&side.place) else { continue };
        let message = format!("`{}` listens on an address that is nobody's", listener.id);
        report
            .at(&listener.id, cx.wrote(&listener.id).place(side.family), message)
            .label(format!("set aside: {block}"))
            .note("no router carries such addresses, so no client can be answered")
            .help("write the public address of this host, or name its interface");
    }
}
