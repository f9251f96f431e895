//! A first service file for a host that has none: what listens there, as tightly as the language
//! can say it.
//!
//! Nothing in it is a permission. What is public or every address has no `allow`, so that `check`
//! refuses it until somebody signs. Where a service would be forwarded to cannot be seen from its
//! socket, so each is forwarded to a path socket that does not exist: the file parses, no
//! connection can end up at a wrong service, and none at the listener itself.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
    net::IpAddr,
};

use super::{
    end::{Addresses, End, Transport},
    live::{Live, Socket},
};
use crate::{
    address::{Class, classify, read::is_interface_name},
    facts::Facts,
    plan::LOOPBACK_DEVICE,
    policy::Family,
};

/// The longest name of a listener that is made from that of a process; with a port and a number
/// behind it, it is still one of the language.
const MAX_NAME: usize = 32;

/// The most characters of a process's name that stand in a comment or a purpose.
const MAX_SHOWN: usize = 64;

/// The file; `None` where nothing listens that can be declared, because a file has a listener.
#[must_use]
pub fn write(live: &Live, facts: &Facts) -> Option<String> {
    let mut text = String::from(HEAD);
    let (mut places, mut beyond) = (BTreeMap::new(), BTreeSet::new());
    for socket in &live.sockets {
        match Place::of(&socket.end, facts) {
            // The sockets of a group are one listener, and so are those of both families.
            Ok((place, families)) => places
                .entry((socket.end.port, place, holder(socket)))
                .or_insert_with(|| (BTreeSet::new(), socket))
                .0
                .extend(families),
            Err(why) => {
                let (transport, at) = (socket.end.transport, harmless(&socket.end.to_string()));
                beyond.insert(format!("#   {transport} {at} ({}): {why}\n", holder(socket)));
            }
        }
    }
    if !beyond.is_empty() {
        text.push_str("\n# Not in this file:\n");
        beyond.iter().for_each(|line| text.push_str(line));
    }
    if places.is_empty() {
        return None;
    }
    text.push_str("\nlisteners:\n");
    let mut names = BTreeSet::new();
    for ((port, place, holder), (families, socket)) in places {
        let name = name(socket, &mut names);
        let expose = place.written(&families);
        put(
            &mut text,
            format_args!(
                "  {name}:\n    purpose: \"seen with {holder}; say what it is for\"\n    expose: {expose}\n    port: {port}\n    forward: {{ unix: /run/portcullis/behind/{name}.sock }}\n"
            ),
        );
    }
    Some(text)
}

const HEAD: &str = "\
# What listens on this host, written by `portcullis audit --emit-declaration` as a start.
#
# - Say under `purpose` what each is for, and under `forward` where the service itself is to be: the
#   paths are made up, and nothing is there.
# - Sockets on every address and on public ones have no `allow`: `portcullis check` refuses them until
#   somebody signs, or the listener is given a narrower address.
portcullis: 1
";

/// What a listener exposes, but for the families of it.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Place {
    Loopback,
    Any,
    /// As it is written.
    As(String),
}

impl Place {
    /// The narrowest form that has the socket's addresses, and the families that they are of; or
    /// why there is none.
    fn of(end: &End, facts: &Facts) -> Result<(Self, Vec<Family>), String> {
        if end.transport == Transport::Udp {
            return Err("UDP cannot be declared yet".to_owned());
        }
        let families = match end.addresses {
            Addresses::One(address) => vec![Family::of(address)],
            Addresses::Every(family) => vec![family],
            Addresses::Both => vec![Family::V4, Family::V6],
        };
        let place = match (end.addresses, &end.device) {
            (Addresses::One(address), device) => Self::one(address, device.as_deref())?,
            (_, Some(device)) if device == LOOPBACK_DEVICE => Self::Loopback,
            (_, Some(device)) => Self::over(&families, device, facts)?,
            (_, None) => Self::Any,
        };
        Ok((place, families))
    }

    fn one(address: IpAddr, device: Option<&str>) -> Result<Self, String> {
        let keyword = match classify(address) {
            Class::Host if address == Family::of(address).loopback() => return Ok(Self::Loopback),
            Class::Host => {
                return Err("of loopback only 127.0.0.1 and ::1 can be declared".to_owned());
            }
            Class::Link if address.is_ipv6() => {
                let device = device.filter(|device| is_plain(device));
                let device = device.ok_or("its interface has no name that can be written")?;
                return Ok(Self::As(format!("{{ link: {{ address: \"{address}%{device}\" }} }}")));
            }
            Class::Link => "link",
            Class::Private => "private",
            Class::Shared => "shared",
            // A guardrail may know better of what is nobody's.
            Class::Public | Class::Special => "public",
            class @ (Class::Any | Class::Multicast | Class::Broadcast) => {
                return Err(format!("no listener belongs on a {class} address"));
            }
        };
        Ok(Self::As(format!("{{ {keyword}: {{ address: \"{address}\" }} }}")))
    }

    /// Every address, tied to an interface: those that the interface has are what clients there
    /// use.
    fn over(families: &[Family], device: &str, facts: &Facts) -> Result<Self, String> {
        if !is_plain(device) {
            return Err("its interface has no name that can be written".to_owned());
        }
        let classes = |family: Family| {
            let here = facts.addresses.iter().filter(|have| have.interface == device);
            let here = here.map(|have| have.address).filter(|it| Family::of(*it) == family);
            let classes: BTreeSet<_> =
                here.map(classify).filter(|class| Class::OF_INTERFACE.contains(class)).collect();
            let words: Vec<_> = classes.into_iter().map(Class::word).collect();
            let is_none = words.is_empty() || !families.contains(&family);
            if is_none { "none".to_owned() } else { format!("[{}]", words.join(", ")) }
        };
        let (v4, v6) = (classes(Family::V4), classes(Family::V6));
        if v4 == "none" && v6 == "none" {
            return Err(format!("{device} has no address that a listener belongs on"));
        }
        Ok(Self::As(format!("{{ interface: {{ name: \"{device}\", v4: {v4}, v6: {v6} }} }}")))
    }

    fn written(&self, families: &BTreeSet<Family>) -> String {
        let word = |family: &Family| match family {
            Family::V4 => "v4",
            Family::V6 => "v6",
        };
        let families: Vec<_> = families.iter().map(word).collect();
        let families = families.join(", ");
        match self {
            Self::Loopback => format!("{{ loopback: {{ families: [{families}] }} }}"),
            Self::Any => format!("{{ any: {{ families: [{families}] }} }}"),
            Self::As(written) => written.clone(),
        }
    }
}

/// A name that no other listener has.
fn name(socket: &Socket, names: &mut BTreeSet<String>) -> String {
    let process = socket.held.processes.first().map_or("", |process| process.name.as_str());
    let allowed = |sign: &char| sign.is_ascii_lowercase() || sign.is_ascii_digit() || *sign == '-';
    let process: String =
        process.to_ascii_lowercase().chars().filter(allowed).take(MAX_NAME).collect();
    let process = process.trim_matches('-');
    let process = if process.is_empty() { "port" } else { process };
    let first = format!("{process}-{}", socket.end.port);
    let numbered = (2..).map(|number: usize| format!("{first}-{number}"));
    let free = std::iter::once(first.clone()).chain(numbered).find(|name| !names.contains(name));
    let free = free.expect("there are more numbers than names");
    names.insert(free.clone());
    free
}

/// Who has it, in characters that mean nothing to YAML or to a terminal.
fn holder(socket: &Socket) -> String {
    let process = socket.held.processes.first().map(|process| process.name.as_str());
    let process = process.map_or_else(|| "a process out of sight".to_owned(), harmless);
    match &socket.held.user {
        Some(user) => format!("{process}, user {}", harmless(user)),
        None => process,
    }
}

fn harmless(text: &str) -> String {
    let kept = |sign: char| {
        let is_plain = sign.is_ascii_alphanumeric() || " ._-/:[]*".contains(sign);
        if is_plain { sign } else { '?' }
    };
    text.chars().take(MAX_SHOWN).map(kept).collect()
}

/// Whether the name of an interface can stand in quotes as it is.
fn is_plain(device: &str) -> bool {
    is_interface_name(device)
        && device.chars().all(|sign| sign.is_ascii_graphic() && !"\"\\".contains(sign))
}

fn put(text: &mut String, words: std::fmt::Arguments<'_>) {
    text.write_fmt(words).expect("a string takes everything");
}
