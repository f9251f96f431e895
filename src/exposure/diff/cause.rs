//! What was changed in the file, in the words of the file.

use crate::{
    address::set::AddressSet,
    policy::{
        Action, Expiry, Expose, Family, Fanout, Listener, Place, Policy, PortRange, Side,
        UpstreamId,
    },
};

/// A key whose value was changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cause {
    /// Which.
    pub field: Field,
    /// What it was, canonically; none if it was not there.
    pub before: Option<String>,
    /// What it is, canonically; none if it is no more.
    pub after: Option<String>,
}

/// A key of a listener, or of the group it forwards to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Field {
    /// The listener as a whole.
    Listener,
    /// `expose`.
    Expose,
    /// `pin`.
    Pin,
    /// `port` or `ports`.
    Ports,
    /// `clients`.
    Clients,
    /// `forward` or `serve`.
    Forward,
    /// `backends` of the group it forwards to.
    Backends,
    /// `limits`.
    Limits,
    /// `allow`.
    Allow,
    /// `fanout`.
    Fanout,
    /// `timeouts`, or those of `connect`.
    Timeouts,
    /// `purpose`.
    Purpose,
}

impl Field {
    /// The key.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Listener => "listener",
            Self::Expose => "expose",
            Self::Pin => "pin",
            Self::Ports => "ports",
            Self::Clients => "clients",
            Self::Forward => "forward",
            Self::Backends => "backends",
            Self::Limits => "limits",
            Self::Allow => "allow",
            Self::Fanout => "fanout",
            Self::Timeouts => "timeouts",
            Self::Purpose => "purpose",
        }
    }
}

/// A listener with the file that it is in.
type In<'a> = (&'a Policy, Option<&'a Listener>);

/// Everything that differs between a listener and its namesake.
pub(super) fn between((old, before): In<'_>, (new, after): In<'_>) -> Vec<Cause> {
    let (Some(before), Some(after)) = (before, after) else {
        let place = |listener: Option<&Listener>| listener.map(summary);
        return vec![Cause { field: Field::Listener, before: place(before), after: place(after) }];
    };
    let mut causes = Vec::new();
    let mut note = |field, before: Option<String>, after: Option<String>| {
        if before != after {
            causes.push(Cause { field, before, after });
        }
    };
    note(Field::Expose, Some(expose(&before.expose)), Some(expose(&after.expose)));
    // Another place brings its own pin, which is no choice of its own.
    if places(&before.expose).eq(places(&after.expose)) {
        note(Field::Pin, pins(&before.expose), pins(&after.expose));
    }
    note(Field::Ports, ports(&before.ports), ports(&after.ports));
    note(Field::Clients, clients(before), clients(after));
    note(Field::Forward, Some(action(&before.action)), Some(action(&after.action)));
    note(Field::Backends, backends(old, before), backends(new, after));
    note(Field::Limits, limits(before), limits(after));
    note(Field::Allow, allow(before), allow(after));
    note(Field::Fanout, Some(fanout(before.fanout)), Some(fanout(after.fanout)));
    note(Field::Timeouts, Some(timeouts(old, before)), Some(timeouts(new, after)));
    note(Field::Purpose, before.purpose.clone(), after.purpose.clone());
    causes
}

/// A listener in one line.
fn summary(listener: &Listener) -> String {
    let ports = ports(&listener.ports).map_or_else(String::new, |ports| format!(", ports {ports}"));
    format!("{}{ports}, {}", expose(&listener.expose), action(&listener.action))
}

/// Where a listener is exposed, as one would write it.
#[must_use]
pub fn expose(expose: &Expose) -> String {
    match expose {
        Expose::Unix(unix) => {
            let mut keys = format!("path: {}, mode: \"{:04o}\"", unix.path.display(), unix.mode);
            for (key, value) in [("owner", &unix.owner), ("group", &unix.group)] {
                if let Some(value) = value {
                    keys.push_str(&format!(", {key}: {value}"));
                }
            }
            format!("unix: {{ {keys} }}")
        }
        Expose::Ip(sides) => match sides.as_slice() {
            [v4, v6] if v4.place == Place::Loopback && v6.place == Place::Loopback => {
                "loopback".to_owned()
            }
            [v4, v6] => one_interface(v4, v6)
                .unwrap_or_else(|| format!("v4: {{ {} }}, v6: {{ {} }}", place(v4), place(v6))),
            sides => sides.iter().map(place).collect::<Vec<_>>().join(", "),
        },
    }
}

/// Both families on one interface, where that is what is meant.
fn one_interface(v4: &Side, v6: &Side) -> Option<String> {
    let same = |a: &Place, b: &Place| match (a, b) {
        (
            Place::Interface { interface: a, temporary: first, .. },
            Place::Interface { interface: b, temporary: second, .. },
        ) => a == b && first == second,
        _ => false,
    };
    same(&v4.place, &v6.place).then(|| on_interface(&[v4, v6])).flatten()
}

fn on_interface(sides: &[&Side]) -> Option<String> {
    let mut keys = Vec::new();
    let mut end = "";
    for side in sides {
        let Place::Interface { interface, classes, temporary } = &side.place else { return None };
        if keys.is_empty() {
            keys.push(format!("name: {interface}"));
        }
        let classes: Vec<_> = classes.iter().map(|class| class.word()).collect();
        keys.push(format!("{}: [{}]", family(side.family), classes.join(", ")));
        end = if *temporary { ", temporary: true" } else { "" };
    }
    Some(format!("interface: {{ {}{end} }}", keys.join(", ")))
}

fn family(family: Family) -> &'static str {
    match family {
        Family::V4 => "v4",
        Family::V6 => "v6",
    }
}

fn place(side: &Side) -> String {
    let family = family(side.family);
    match &side.place {
        Place::Loopback => format!("loopback: {{ families: [{family}] }}"),
        Place::Any => format!("any: {{ families: [{family}] }}"),
        Place::Subnet { class, block } => format!("{class}: {{ subnet: {block} }}"),
        Place::Address { class, address, zone: None } => {
            format!("{class}: {{ address: {address} }}")
        }
        Place::Address { class, address, zone: Some(zone) } => {
            format!("{class}: {{ address: {address}%{zone} }}")
        }
        Place::OneOf { class, interface } => format!("{class}: {{ interface: {interface} }}"),
        Place::Interface { .. } => on_interface(&[side]).unwrap_or_default(),
    }
}

fn places(expose: &Expose) -> impl Iterator<Item = &Place> {
    let sides = match expose {
        Expose::Ip(sides) => sides.as_slice(),
        Expose::Unix(_) => &[],
    };
    sides.iter().map(|side| &side.place)
}

/// Which sides are tied to a device; none of a path.
fn pins(expose: &Expose) -> Option<String> {
    let Expose::Ip(sides) = expose else { return None };
    // A side that can be tied to nothing has no pin to speak of.
    let pinnable = sides.iter().filter(|side| side.place != Place::Any);
    let words: Vec<_> = pinnable.map(|side| if side.pin { "device" } else { "none" }).collect();
    let same = words.windows(2).all(|pair| pair[0] == pair[1]);
    if same { words.first().map(|word| (*word).to_owned()) } else { Some(words.join(", ")) }
}

/// Ports, as one would write them; none of a path socket.
#[must_use]
pub fn ports(ports: &[PortRange]) -> Option<String> {
    let range = |range: &PortRange| {
        if range.first == range.last {
            range.first.to_string()
        } else {
            format!("{}-{}", range.first, range.last)
        }
    };
    let ranges: Vec<_> = ports.iter().map(range).collect();
    (!ranges.is_empty()).then(|| ranges.join(", "))
}

fn clients(listener: &Listener) -> Option<String> {
    listener.clients.as_ref().map(blocks)
}

/// How many blocks of a set are written out.
const MAX_BLOCKS: usize = 4;

/// The first blocks of a set, and how many more there are.
#[must_use]
pub fn blocks(set: &AddressSet) -> String {
    let mut all = set.blocks();
    let first: Vec<_> = all.by_ref().take(MAX_BLOCKS).map(|block| block.to_string()).collect();
    match all.count() {
        0 => format!("[{}]", first.join(", ")),
        more => format!("[{}, and {more} more]", first.join(", ")),
    }
}

fn action(action: &Action) -> String {
    match action {
        Action::Forward(id) => format!("forward: {id}"),
        Action::Status => "serve: status".to_owned(),
    }
}

fn backends(policy: &Policy, listener: &Listener) -> Option<String> {
    let Action::Forward(id) = &listener.action else { return None };
    group(policy, id)
}

/// The members of a group, with what is said of them beside their addresses.
fn group(policy: &Policy, id: &UpstreamId) -> Option<String> {
    let upstream = policy.upstreams.get(id)?;
    let mut members: Vec<_> = upstream
        .backends
        .iter()
        .map(|backend| {
            let mut words = backend.address.to_string();
            if backend.weight.get() != 1 {
                words.push_str(&format!(" weight {}", backend.weight));
            }
            if backend.backup {
                words.push_str(" backup");
            }
            if let Some(most) = backend.max_connections {
                words.push_str(&format!(" max_connections {most}"));
            }
            words
        })
        .collect();
    members.sort_unstable();
    Some(members.join(", "))
}

fn limits(listener: &Listener) -> Option<String> {
    let limits = &listener.limits;
    let counts = [("connections", limits.connections), ("per_client", limits.per_client)];
    let rates = [("rate", limits.rate), ("per_client_rate", limits.per_client_rate)];
    let counts = counts.iter().filter_map(|(key, most)| Some(format!("{key}: {}", (*most)?)));
    let rates = rates.iter().filter_map(|(key, most)| Some(format!("{key}: {}", (*most)?)));
    let set: Vec<_> = counts.chain(rates).collect();
    (!set.is_empty()).then(|| set.join(", "))
}

fn allow(listener: &Listener) -> Option<String> {
    let allow = listener.allow.as_ref()?;
    let mut words = vec![format!("reason: {}", allow.reason)];
    for (key, value) in
        [("owner", &allow.owner), ("ticket", &allow.ticket), ("grant", &allow.grant)]
    {
        words.extend(value.as_ref().map(|value| format!("{key}: {value}")));
    }
    match &allow.expires {
        Expiry::Never => {}
        Expiry::On(day) => words.push(format!("expires: {day}")),
        Expiry::Malformed => words.push("expires: malformed".to_owned()),
    }
    Some(words.join(", "))
}

fn fanout(fanout: Fanout) -> String {
    match fanout {
        Fanout::None => "none".to_owned(),
        Fanout::PerCore => "per_core".to_owned(),
        Fanout::Sockets(count) => count.to_string(),
    }
}

fn timeouts(policy: &Policy, listener: &Listener) -> String {
    let word = |time: Option<std::time::Duration>| {
        time.map_or_else(|| "none".to_owned(), |time| format!("{time:?}"))
    };
    let times = listener.timeouts;
    let mut words = format!(
        "idle: {}, half_closed: {}, lifetime: {}",
        word(times.idle),
        word(times.half_closed),
        word(times.lifetime)
    );
    if let Action::Forward(id) = &listener.action
        && let Some(upstream) = policy.upstreams.get(id)
    {
        let (timeout, retries) = (upstream.connect_timeout, upstream.retries);
        words.push_str(&format!(", connect: {timeout:?} and {retries} retries"));
    }
    words
}
