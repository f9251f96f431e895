//! PC0401 `v6-unspecified`. The page is `v6_unspecified.md`.

use crate::{
    config::{Expose, Form, Interface},
    diagnostic::Level,
    lint::{Check, Context, Group, Report, Rule},
};

pub(super) static RULE: Rule = Rule {
    code: "PC0401",
    name: "v6-unspecified",
    group: Group::Family,
    level: Level::Error,
    since: "0.1.0",
    page: include_str!("v6_unspecified.md"),
    check: Check::Lint(check),
};

fn check(cx: &Context<'_>, report: &mut Report<'_>) {
    for listener in cx.policy.listeners.values() {
        let wrote = cx.wrote(&listener.id);
        let Some(form) = wrote.listener().and_then(|listener| listener.exposed()) else {
            continue;
        };
        let Some((silent, help)) = silent(form) else { continue };
        let message = format!("`{}` does not say whether {silent} is bound", listener.id);
        report
            .at(&listener.id, wrote.expose(), message)
            .note(
                "a family that is not mentioned is not bound, \
                and a reader cannot tell that from an oversight",
            )
            .help(help);
    }
}

/// The family that is not spoken of, and what to add. It asks what was written, for the meaning is
/// the same with and without the word.
fn silent(form: &Form<Expose>) -> Option<(&'static str, &'static str)> {
    let long = match form {
        // The other short forms mean both families, or come with a finding of their own.
        Form::Short(word) if word == "any" => return Some(("IPv6", ANY_HELP)),
        Form::Short(_) => return None,
        Form::Long(long) => long,
    };
    match (long.v4.is_absent(), long.v6.is_absent()) {
        (false, true) => return Some(("IPv6", "add `v6: none`, or the form that IPv6 is to have")),
        (true, false) => return Some(("IPv4", "add `v4: none`, or the form that IPv4 is to have")),
        (false, false) => return None,
        (true, true) => {}
    }
    if let Some(interface) = long.interface.get() {
        return silent_interface(interface);
    }
    if long.any.get().is_some_and(|any| any.families.is_absent()) {
        return Some(("IPv6", ANY_HELP));
    }
    let mut places = long.places().into_iter().filter_map(|(_, place)| place.get());
    // An address or a block is of one family by itself; an interface has both.
    places.any(|place| !place.interface.is_absent()).then_some((
        "IPv6",
        "write both sides, such as `v4: { private: { interface: eth0 } }` with `v6: none`",
    ))
}

fn silent_interface(interface: &Interface) -> Option<(&'static str, &'static str)> {
    match (interface.v4.is_absent(), interface.v6.is_absent()) {
        (false, true) => {
            Some(("IPv6", "add `v6: none`, or the classes to bind, such as `v6: [private]`"))
        }
        (true, false) => {
            Some(("IPv4", "add `v4: none`, or the classes to bind, such as `v4: [private]`"))
        }
        _ => None,
    }
}

const ANY_HELP: &str = "write `any: { families: [v4] }`, or `[v4, v6]` for both";
