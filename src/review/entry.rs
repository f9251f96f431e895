//! One change in the lines that a reviewer needs: what became reachable, from where, to which
//! backend, with one concrete flow, and who signed for it.

use super::{Review, Version, escape::plain};
use crate::{
    address::set::AddressSet,
    config::{self, Field as Written, Form},
    exposure::{
        diff::{
            Cause, Change, Field, Level, Otherwise, Part,
            cause::{blocks, ports},
        },
        flows::Flows,
        local::Local,
        vantage::{Extent, Vantage},
    },
    policy::{Action, Policy, UpstreamId},
    source::Span,
};

/// How many local ends, backends and ranges are written out where there are more.
const MAX_NAMED: usize = 6;

/// A change as labelled lines.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The word for how it is judged, in capitals.
    pub word: String,
    /// The listener.
    pub listener: String,
    /// The group of backends it is about, if it is about one.
    pub upstream: Option<String>,
    /// `file:line`.
    pub place: String,
    /// Label and text; the label is empty where it is the same as before. All of it is harmless.
    pub rows: Vec<(&'static str, String)>,
}

impl Entry {
    /// The lines of a change.
    #[must_use]
    pub fn of(review: &Review<'_>, change: &Change) -> Self {
        let version = if change.stays { review.new } else { review.old };
        let action = version
            .and_then(|version| version.policy.listeners.get(&change.listener))
            .map(|listener| &listener.action);
        let mut rows = Rows::default();
        let (main, others) = most_telling(&change.gained);
        if let Some(part) = main {
            rows.gained(part);
        }
        for part in others {
            rows.beside(part);
        }
        let served = change.lost.iter().any(|part| part.level == Level::Served);
        for part in &change.lost {
            rows.lost(part, served);
        }
        for (label, causes) in [("loosened", &change.loosened), ("tightened", &change.tightened)] {
            for cause in causes {
                rows.put(label, format!("{} {}", cause.field.word(), turn(cause)));
            }
        }
        for cause in &change.causes {
            let line = place(review, change, cause.field);
            rows.put("because", format!("{} {}   ({line})", cause.field.word(), turn(cause)));
        }
        if !change.effect.passes() {
            for line in review.approval(change) {
                rows.put("approved", line);
            }
        }
        Self {
            word: change.effect.word().to_uppercase(),
            listener: plain(change.listener.as_str()),
            upstream: action.map(|action| plain(&group(version, action))),
            place: place(review, change, Field::Listener),
            rows: rows.0,
        }
    }
}

/// The part that a reader has to see in full, and the others.
fn most_telling(parts: &[Part]) -> (Option<&Part>, impl Iterator<Item = &Part>) {
    let weight = |part: &&Part| (part.certain, !part.by_another_way, part.level);
    // The first of those that weigh most.
    let main = parts.iter().rev().max_by_key(weight);
    let others =
        parts.iter().filter(move |part| !main.is_some_and(|main| std::ptr::eq(*part, main)));
    (main, others)
}

#[derive(Default)]
struct Rows(Vec<(&'static str, String)>);

impl Rows {
    fn put(&mut self, label: &'static str, text: impl AsRef<str>) {
        self.0.push((label, plain(text.as_ref())));
    }

    fn gained(&mut self, part: &Part) {
        self.put(label(part), ends(&part.flows));
        self.put("from", clients(&part.flows));
        if !part.targets.is_empty() {
            self.put("to", targets(part));
        }
        let onward = part.targets.first().map_or_else(String::new, |to| format!(" → {to}"));
        self.put("flow", format!("{}{onward}", part.witness));
        self.put("level", format!("{} → {}", before(part), now(part.level)));
        self.questions(part);
    }

    /// What is gained beside the main thing, in a line.
    fn beside(&mut self, part: &Part) {
        let to =
            if part.targets.is_empty() { String::new() } else { format!(", to {}", targets(part)) };
        let turned_away = if part.level == Level::Served { "" } else { ": " };
        let level = if part.level == Level::Served { "" } else { now(part.level) };
        let (ends, clients) = (ends(&part.flows), clients(&part.flows));
        self.put(label(part), format!("{ends}, from {clients}{to}{turned_away}{level}"));
        self.questions(part);
    }

    fn questions(&mut self, part: &Part) {
        for (new, old) in &part.questions {
            self.put("decided by", format!("whether {new} is {old}, which only the host knows"));
        }
    }

    fn lost(&mut self, part: &Part, served: bool) {
        let label = match (part.certain, part.otherwise) {
            // That what is served no more is seen no more goes without saying.
            _ if served && part.level != Level::Served => return,
            (false, _) => "perhaps lost",
            (true, Otherwise::Elsewhere) => "moved away",
            (true, _) => "lost",
        };
        let to = if part.targets.is_empty() {
            format!(" ({} only)", part.level.word())
        } else {
            format!(", to {}", targets(part))
        };
        let instead = if part.by_another_way { "; they have another way" } else { "" };
        let (ends, clients) = (ends(&part.flows), clients(&part.flows));
        self.put(label, format!("{ends}, from {clients}{to}{instead}"));
    }
}

fn label(part: &Part) -> &'static str {
    match (part.certain, part.level) {
        (false, _) => "perhaps",
        (true, Level::Served) if part.by_another_way => "another way",
        (true, Level::Served) => "reachable",
        (true, Level::Visible) => "visible",
        (true, Level::Accepted) => "accepted",
    }
}

/// How far the witness got before.
fn before(part: &Part) -> &'static str {
    match part.otherwise {
        _ if !part.certain => "unknown",
        Otherwise::Nothing => "not reachable",
        Otherwise::Accepted => "reachable only if an assumption fails",
        Otherwise::Visible => now(Level::Visible),
        Otherwise::Elsewhere => "served by another backend",
    }
}

/// How far a flow gets now.
fn now(level: Level) -> &'static str {
    match level {
        Level::Served => "served",
        Level::Visible => "handshake, then turned away",
        Level::Accepted => "reachable only if an assumption fails",
    }
}

/// `tcp/5432 on 203.0.113.10`.
fn ends(flows: &Flows) -> String {
    let mut words = Vec::new();
    for (local, by_port) in flows.iter() {
        let ranges: Vec<_> = by_port.iter().map(|(ports, _)| ports).collect();
        words.push(match local {
            Local::Path(_) => local.to_string(),
            _ => format!("tcp/{} on {local}", ports(&ranges).unwrap_or_default()),
        });
    }
    some_of(&words)
}

/// `host, link, private in [10.20.0.0/16]`.
fn clients(flows: &Flows) -> String {
    if flows.iter().all(|(local, _)| matches!(local, Local::Path(_))) {
        return "processes of this host, as the socket's mode allows".to_owned();
    }
    let clients = flows.clients();
    let public = [Vantage::Public4, Vantage::Public6];
    let everyone = public.iter().any(|vantage| vantage.extent(&clients) == Extent::All);
    let mut words = Vec::new();
    for vantage in Vantage::ALL {
        match vantage.extent(&clients) {
            Extent::None => {}
            // Where the internet is, nobody asks for the reserves.
            _ if vantage == Vantage::Special && everyone => {}
            Extent::All => words.push(vantage.to_string()),
            Extent::Some => {
                words.push(format!("{vantage} {}", share(&clients, vantage.addresses())));
            }
        }
    }
    words.join(", ")
}

/// The part of a vantage that is in the set, in whichever way takes fewer words.
fn share(clients: &AddressSet, all: &AddressSet) -> String {
    // A family that is not there at all is not what somebody left out.
    let there = |own: fn(&AddressSet) -> AddressSet| {
        if own(clients).is_empty() { AddressSet::default() } else { own(all) }
    };
    let all = there(AddressSet::v4).union(&there(AddressSet::v6));
    let (part, rest) = (clients.intersection(&all), all.difference(clients));
    if rest.blocks().count() < part.blocks().count() {
        format!("but for {}", blocks(&rest))
    } else {
        format!("in {}", blocks(&part))
    }
}

fn targets(part: &Part) -> String {
    let names: Vec<_> = part.targets.iter().map(ToString::to_string).collect();
    let names = some_of(&names);
    match &part.upstream {
        Some(id) if id.as_str() != names => format!("{id} ({names})"),
        _ => names,
    }
}

fn some_of(words: &[String]) -> String {
    let named = words.iter().take(MAX_NAMED).cloned().collect::<Vec<_>>().join(", ");
    match words.len().saturating_sub(MAX_NAMED) {
        0 => named,
        more => format!("{named} and {more} more"),
    }
}

/// `ledger (10.20.9.9:5432)`.
pub(super) fn group(version: Option<Version<'_>>, action: &Action) -> String {
    match action {
        Action::Status => "the status page".to_owned(),
        Action::Forward(id) => {
            let names = version.map_or_else(String::new, |version| members(version.policy, id));
            if names == id.as_str() { names } else { format!("{id} ({names})") }
        }
    }
}

/// The backends of a group.
pub(super) fn members(policy: &Policy, id: &UpstreamId) -> String {
    let backends = policy.upstreams.get(id).map_or(&[][..], |upstream| &upstream.backends);
    let names: Vec<_> = backends.iter().map(|backend| backend.address.to_string()).collect();
    some_of(&names)
}

fn turn(cause: &Cause) -> String {
    match (&cause.before, &cause.after) {
        (None, Some(after)) => format!("added: {}", plain(after)),
        (Some(before), None) => format!("removed; it was {}", plain(before)),
        (Some(before), Some(after)) => format!("{} → {}", plain(before), plain(after)),
        (None, None) => String::new(),
    }
}

/// Where the key stands: in the new file if it is there, else in the old one.
fn place(review: &Review<'_>, change: &Change, field: Field) -> String {
    let found = [review.new, review.old].into_iter().flatten().find_map(|version| {
        let span = span(version, change.listener.as_str(), field)?;
        Some((version, span))
    });
    let at = |(version, span): (Version<'_>, Span)| {
        let line = version.source.position(span.start as usize).line;
        format!("{}:{line}", version.source.path())
    };
    plain(&found.map_or_else(String::new, at))
}

fn span(version: Version<'_>, listener: &str, field: Field) -> Option<Span> {
    let entry = version.config.listeners.get(listener)?;
    let written = &entry.value;
    let first = |a: Option<Span>, b: Option<Span>| a.or(b);
    match field {
        Field::Listener => Some(entry.name.span),
        Field::Expose | Field::Pin => written.expose.span(),
        Field::Ports => first(written.port.span(), written.ports.span()),
        Field::Clients => written.clients.span(),
        Field::Forward => first(written.forward.span(), written.serve.span()),
        Field::Backends => backends(version.config, written),
        Field::Limits => written.limits.span(),
        Field::Allow => written.allow.span(),
        Field::Fanout => written.fanout.span(),
        Field::Timeouts => written.timeouts.span(),
        Field::Purpose => written.purpose.span(),
    }
}

fn backends(config: &config::Config, written: &config::Listener) -> Option<Span> {
    let Written::Set { .. } = &written.forward else { return None };
    match written.forward.get() {
        Some(Form::Short(name)) => {
            config.upstreams.get(name).and_then(|entry| entry.value.backends.span())
        }
        _ => written.forward.span(),
    }
}
