//! PC0506 `inherited-socket-mismatch`. The page is `inherited_socket_mismatch.md`.

use crate::{
    diagnostic::Level,
    facts::{PassedAddress, PassedSocket},
    lint::{Check, Context, Group, Report, Rule},
    plan::{Bind, BindAddress, BindKey},
    policy::Listener,
};

pub(super) static RULE: Rule = Rule {
    code: "PC0506",
    name: "inherited-socket-mismatch",
    group: Group::Address,
    level: Level::Error,
    since: "0.1.0",
    page: include_str!("inherited_socket_mismatch.md"),
    check: Check::Lint(check),
};

fn check(cx: &Context<'_>, report: &mut Report<'_>) {
    for listener in cx.policy.listeners.values() {
        let Some(name) = &listener.inherited else { continue };
        let Some((passed, plan)) =
            cx.host.and_then(|host| Some((host.facts.passed.as_ref()?, host.plan.ok()?)))
        else {
            let question = format!("whether the socket `{name}` is what `as` says");
            report.only_the_host_knows(&listener.id, question);
            continue;
        };
        let of_name: Vec<_> = passed.iter().filter(|one| one.name == *name).collect();
        if of_name.is_empty() {
            missing(cx, report, listener, name, passed);
            continue;
        }
        let wanted: Vec<_> =
            plan.binds.values().filter(|bind| bind.listener == listener.id).collect();
        let span = cx.wrote(&listener.id).expose();
        for problem in problems(&of_name, &wanted) {
            let message = format!("the socket `{name}` {}", problem.message);
            report.at(&listener.id, span, message).help(problem.help);
        }
    }
}

/// What is wrong with the sockets of a name, and the cure.
struct Problem {
    message: String,
    help: String,
}

fn problems(passed: &[&PassedSocket], wanted: &[&Bind]) -> Vec<Problem> {
    let mut problems = Vec::new();
    let mut left: Vec<_> = wanted.iter().map(|bind| &bind.key).collect();
    let mut others = Vec::new();
    for one in passed {
        match &one.found {
            Ok(found) => match left.iter().position(|key| is_at(key, found)) {
                Some(at) => drop(left.remove(at)),
                None => others.push(found),
            },
            Err(reason) => problems.push(Problem {
                message: format!("cannot be served: {reason}"),
                help: "make it with `ListenStream=`, and `BindIPv6Only=ipv6-only` for IPv6".into(),
            }),
        }
    }
    let names: Vec<_> = left.iter().map(ToString::to_string).collect();
    let expected = if names.is_empty() { "nothing more".to_owned() } else { names.join(", ") };
    for found in others {
        problems.push(Problem {
            message: format!("is {}, and `as` asks for {expected}", words(found)),
            help: cure(found, &left),
        });
        // Said once, with the first that stands in its place.
        if !left.is_empty() {
            left.remove(0);
        }
    }
    if problems.is_empty() && !left.is_empty() {
        problems.push(Problem {
            message: format!("is only a part of what `as` asks for: {expected} is missing"),
            help: "add a `ListenStream=` to the socket unit, or narrow `as`".to_owned(),
        });
    }
    problems
}

fn is_at(key: &BindKey, found: &PassedAddress) -> bool {
    key.address == BindAddress::Tcp(found.address) && key.device == found.device
}

fn words(found: &PassedAddress) -> String {
    match &found.device {
        Some(device) => format!("{} on {device}", found.address),
        None => found.address.to_string(),
    }
}

fn cure(found: &PassedAddress, wanted: &[&BindKey]) -> String {
    let same = wanted.iter().find(|key| key.address == BindAddress::Tcp(found.address));
    match same.map(|key| &key.device) {
        Some(Some(device)) => {
            format!("write `BindToDevice={device}` in the socket unit, or `pin: none` here")
        }
        Some(None) => "take `BindToDevice=` out of the socket unit, or `pin: none` out here".into(),
        None => "let `ListenStream=` of the socket unit and `as` say the same".to_owned(),
    }
}

fn missing(
    cx: &Context<'_>,
    report: &mut Report<'_>,
    listener: &Listener,
    name: &str,
    passed: &[PassedSocket],
) {
    let mut names: Vec<_> = passed.iter().map(|one| format!("`{}`", one.name)).collect();
    names.sort();
    names.dedup();
    let note = match names.as_slice() {
        [] => "this process was started with no socket".to_owned(),
        names => format!("this process was started with {}", names.join(", ")),
    };
    let message = format!("no socket `{name}` was passed in for `{}`", listener.id);
    report.at(&listener.id, cx.wrote(&listener.id).expose(), message).note(note).help(format!(
        "start the service by a socket unit with `FileDescriptorName={name}`; \
        sockets are passed in at the start, not at a reload"
    ));
}
