//! Where a socket is bound, in one shape for what is planned and what is there, and the flows that
//! it takes by that.

use std::{
    collections::BTreeMap,
    fmt,
    net::{IpAddr, SocketAddr},
    sync::Arc,
};

use crate::{
    address::{Class, classify},
    exposure::{
        Device, by_port::ByPort, flows::Flows, local::Local, reach::senders, vantage::Senders,
    },
    facts::Facts,
    plan::BindKey,
    policy::{Family, PortRange},
};

/// The most addresses of this host that stand beside "every address" as examples.
const MAX_EXAMPLES: usize = 4;

/// Where a socket is bound.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct End {
    /// What is spoken there.
    pub transport: Transport,
    /// The port.
    pub port: u16,
    /// The addresses.
    pub addresses: Addresses,
    /// The interface that it is tied to.
    pub device: Option<String>,
}

/// What is spoken at a port; the ports of one have nothing to do with those of the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Transport {
    /// Connections.
    Tcp,
    /// Datagrams.
    Udp,
}

/// The addresses that a socket serves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Addresses {
    /// This one; never a mapped one.
    One(IpAddr),
    /// Every one of the family, now and later.
    Every(Family),
    /// Every one of both families: `[::]` without IPV6_V6ONLY.
    Both,
}

impl End {
    /// Where a bind is to be; `None` of a path.
    #[must_use]
    pub fn of_bind(key: &BindKey, facts: &Facts) -> Option<Self> {
        let address = key.socket_addr()?;
        let scope = match address {
            SocketAddr::V6(v6) => v6.scope_id(),
            SocketAddr::V4(_) => 0,
        };
        // A scope ties a socket to its interface as the option does.
        let zone = || facts.links.iter().find(|link| link.index == scope && scope != 0);
        let device = key.device.clone().or_else(|| Some(zone()?.name.clone()));
        // A plan has no dual-stack socket.
        Some(Self::of_socket(Transport::Tcp, address, true, device))
    }

    /// Where a socket is, by what the kernel tells of it.
    #[must_use]
    pub fn of_socket(
        transport: Transport,
        local: SocketAddr,
        only_v6: bool,
        device: Option<String>,
    ) -> Self {
        // `::ffff:0.0.0.0` is no unspecified address, and yet every one of IPv4.
        let address = local.ip().to_canonical();
        let addresses = match (address, address.is_unspecified()) {
            (IpAddr::V6(_), true) if !only_v6 => Addresses::Both,
            (_, true) => Addresses::Every(Family::of(address)),
            (_, false) => Addresses::One(address),
        };
        Self { transport, port: local.port(), addresses, device }
    }

    /// Which of two sockets the kernel gives a flow of both: the greater one, and of equal ones
    /// either (measured: an address beats a device, and that a family).
    #[must_use]
    pub fn precedence(&self) -> (bool, bool, bool) {
        let specific = matches!(self.addresses, Addresses::One(_));
        (specific, self.device.is_some(), self.addresses != Addresses::Both)
    }

    fn locals(&self) -> Vec<Local> {
        match self.addresses {
            Addresses::One(address) => {
                let scoped = address.is_ipv6() && classify(address) == Class::Link;
                vec![Local::One { address, zone: self.device.clone().filter(|_| scoped) }]
            }
            Addresses::Every(family) => vec![Local::Every(family)],
            Addresses::Both => vec![Local::Every(Family::V4), Local::Every(Family::V6)],
        }
    }
}

/// What sockets take between them, by the interface that it must arrive over.
#[derive(Debug, Clone, Default)]
pub(super) struct Takes(BTreeMap<Device, Flows>);

impl Takes {
    /// What these take, whoever sends it.
    pub(super) fn of<'e>(ends: impl IntoIterator<Item = &'e End>) -> Self {
        let mut taken: BTreeMap<Device, Vec<Flows>> = BTreeMap::new();
        for end in ends {
            let device = end.device.clone().map_or(Device::Unbound, Device::Named);
            for local in end.locals() {
                let Some(family) = local.family() else { continue };
                let near = Senders::registered().to(local.class(), Some(family));
                let clients = Arc::clone(senders(&device, local.class(), family, near));
                let ports = PortRange { first: end.port, last: end.port };
                let flows = Flows::of(local, ByPort::of(vec![(ports, clients)]));
                taken.entry(device.clone()).or_default().push(flows);
            }
        }
        Self(taken.into_iter().map(|(device, sets)| (device, Flows::union(&sets))).collect())
    }

    /// What is left without the other's: of what comes over any interface, all of it where the
    /// other has it over some only, because interfaces come and go.
    pub(super) fn less(&self, other: &Self) -> Self {
        let mut left = BTreeMap::new();
        for (device, flows) in &self.0 {
            let taken = other.0.iter().filter(|(by, _)| *by == device || **by == Device::Unbound);
            let rest = taken.fold(flows.clone(), |rest, (_, theirs)| rest.less(theirs));
            if !rest.is_empty() {
                left.insert(device.clone(), rest);
            }
        }
        Self(left)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether some flow is in both.
    pub(super) fn meets(&self, other: &Self) -> bool {
        let any = |device: &Device| *device == Device::Unbound;
        self.0.iter().any(|(device, ours)| {
            other.0.iter().any(|(by, theirs)| {
                (device == by || any(device) || any(by))
                    && !(ours.within(theirs).is_empty() && theirs.within(ours).is_empty())
            })
        })
    }

    /// What it is beside the other's, in words, with a flow for an example.
    pub(super) fn beside(&self, other: &Self, facts: &Facts) -> Vec<String> {
        let known = Flows::union(other.0.values());
        let mut lines = Vec::new();
        for (device, flows) in &self.less(other).0 {
            for (local, ports) in flows.iter() {
                let over = over(device, local, other);
                // Where only the interface is new, every client is.
                let part = Flows::of(local.clone(), ports.clone());
                let news = Some(part.less(&known)).filter(|news| !news.is_empty());
                let example = news.unwrap_or(part).witness_outside(&known);
                let example = example.map(|flow| format!(": {flow}")).unwrap_or_default();
                lines.push(format!("{local} {over}{example}"));
                lines.extend(examples(local, &known, facts));
            }
        }
        lines
    }
}

/// Over which interfaces a local end is reached that the other has over some only.
fn over(device: &Device, local: &Local, other: &Takes) -> String {
    let (Device::Unbound, others) = (device, &other.0) else {
        return match device {
            Device::Named(name) => format!("over {name}"),
            _ => "over the interface that owns it".to_owned(),
        };
    };
    let named = others.iter().filter_map(|(by, flows)| match by {
        Device::Named(name) if flows.comes_to(local) => Some(name.as_str()),
        _ => None,
    });
    match named.collect::<Vec<_>>().as_slice() {
        [] => "over every interface".to_owned(),
        names => format!("over every interface besides {}", names.join(" and ")),
    }
}

/// Addresses that the host has now and that "every address" brings with it.
fn examples(local: &Local, known: &Flows, facts: &Facts) -> Option<String> {
    let Local::Every(family) = local else { return None };
    let all: Vec<_> = facts
        .addresses
        .iter()
        .map(|have| have.address)
        .filter(|address| Family::of(*address) == *family)
        .filter(|address| !known.iter().any(|(local, _)| is_at(local, *address)))
        .collect();
    let shown: Vec<_> = all.iter().take(MAX_EXAMPLES).map(ToString::to_string).collect();
    let more = match all.len() - shown.len() {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    (!shown.is_empty()).then(|| format!("of this host now {}{more}", shown.join(", ")))
}

fn is_at(local: &Local, wanted: IpAddr) -> bool {
    matches!(local, Local::One { address, .. } if *address == wanted)
}

impl fmt::Display for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Tcp => "tcp",
            Self::Udp => "udp",
        })
    }
}

impl fmt::Display for End {
    /// As `ss` has it: a dual-stack socket is `*`, and `[::]` one of IPv6 alone.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.addresses {
            Addresses::One(address) => SocketAddr::new(address, self.port).fmt(f)?,
            Addresses::Every(family) => SocketAddr::new(family.unspecified(), self.port).fmt(f)?,
            Addresses::Both => write!(f, "*:{}", self.port)?,
        }
        self.device.as_ref().map_or(Ok(()), |device| write!(f, " on {device}"))
    }
}
