//! PC0201 `class-mismatch`. The page is `class_mismatch.md`.

use crate::{
    address::{Class, registry},
    diagnostic::Level,
    lint::{
        Check, Context, Group, Report, Rule,
        assertion::{self, Assertion},
        signature,
        wrote::Wrote,
    },
    policy::{Listener, Place, Side, governance::Scope},
};

pub(super) static RULE: Rule = Rule {
    code: "PC0201",
    name: "class-mismatch",
    group: Group::Address,
    level: Level::Forbid,
    since: "0.1.0",
    page: include_str!("class_mismatch.md"),
    check: Check::Lint(check),
};

fn check(cx: &Context<'_>, report: &mut Report<'_>) {
    for (listener, side) in cx.sides() {
        let wrote = cx.wrote(&listener.id);
        let span = wrote.place(side.family);
        let Some((declared, found, what)) = mismatch(side, wrote) else { continue };
        if assertion::is_shared_as_private(&side.place) {
            continue;
        }
        // While nobody has signed for every address, that is what there is to say of it.
        if found == Class::Any && is_unsigned(cx, listener) {
            continue;
        }
        let message = format!("`{}` says {declared}, and this is {found}", listener.id);
        report
            .at(&listener.id, span, message)
            .label(what)
            .note(
                "the keyword is an assertion about the address, \
                and is held against it at bind time too",
            )
            .help(format!("write a {declared} address, or the keyword that is true of this one"));
    }
}

fn is_unsigned(cx: &Context<'_>, listener: &Listener) -> bool {
    signature::objection(cx, listener, true, &[Scope::Any]).is_some()
}

/// The class that the keyword asserts, the class there is, and what that is called.
fn mismatch(side: &Side, wrote: Wrote<'_>) -> Option<(Class, Class, String)> {
    if side.place == Place::Any {
        return wrote.asserted(side.family).map(|declared| {
            (declared, Class::Any, format!("every {} address of the host", side.family))
        });
    }
    let Assertion::Mismatch(found) = assertion::judge(&side.place) else { return None };
    match &side.place {
        Place::Address { class, address, .. } => {
            let name =
                registry::record(*address).map_or_else(|| found.word(), |record| record.name);
            Some((*class, found, name.to_owned()))
        }
        Place::Subnet { class, .. } => {
            Some((*class, found, format!("no address in here is {class}")))
        }
        _ => None,
    }
}
