//! PC1106 `unused-network`. The page is `unused_network.md`.

use std::collections::BTreeSet;

use crate::{
    config::{Clients, Config, Entry, Listener},
    diagnostic::Level,
    lint::{Check, Context, Group, Report, Rule},
    policy::{Action, ListenerId, UpstreamId},
};

pub(super) static RULE: Rule = Rule {
    code: "PC1106",
    name: "unused-network",
    group: Group::Hygiene,
    level: Level::Info,
    since: "0.1.0",
    page: include_str!("unused_network.md"),
    check: Check::Lint(check),
};

fn check(cx: &Context<'_>, report: &mut Report<'_>) {
    // What could not be read may use any name.
    let unread = |entry: &Entry<Listener>| {
        let meaning = cx.policy.listeners.get(&ListenerId::new(&entry.name.value));
        meaning.is_none_or(|listener| {
            listener.action == Action::Status && entry.value.serve.is_absent()
        })
    };
    if cx.config.listeners.iter().any(unread) {
        return;
    }
    let used = names_of_clients(cx.config);
    for Entry { name, .. } in cx.config.networks.iter() {
        if !used.contains(name.value.as_str()) {
            let message = format!("nobody uses the network `{}`", name.value);
            report.of_file(name.span, message).help(HELP);
        }
    }
    let forwarded: BTreeSet<&UpstreamId> = cx
        .policy
        .listeners
        .values()
        .filter_map(|listener| match &listener.action {
            Action::Forward(upstream) => Some(upstream),
            Action::Status => None,
        })
        .collect();
    for Entry { name, .. } in cx.config.upstreams.iter() {
        if !forwarded.contains(&UpstreamId::new(&name.value)) {
            let message = format!("nobody forwards to the upstream `{}`", name.value);
            report.of_file(name.span, message).help(HELP);
        }
    }
}

const HELP: &str = "remove it, or use it where it was meant to be";

/// Every word in a list of clients, name or not.
fn names_of_clients(config: &Config) -> BTreeSet<&str> {
    let clients = config.listeners.iter().filter_map(|entry| entry.value.clients.get());
    let lists = clients.flat_map(|Clients { allow, deny }| [allow, deny]);
    let words = lists.filter_map(|list| list.get()).flat_map(|list| &list.0);
    words.map(|word| word.value.as_str()).collect()
}
