//! What becomes of one connection at a listener, by where it really comes from, which its client's
//! address alone does not tell.
//!
//! Sets of clients speak of addresses, and a loopback address in them stands for the processes of
//! this host. But such a process may take any other address of the host before it connects. Then
//! its packets still never leave the host: neither the class of that address nor a pin keeps them
//! away, only a list of clients can.

use std::net::{IpAddr, SocketAddr};

use super::{
    Accept, Answer, Destination, Device, Exposure, by_port::ByPort, flows::Flows, local::Local,
    reach::Taken,
};
use crate::{
    address::{Class, class::addresses_of, classify, set::AddressSet},
    facts::Facts,
    plan::LOOPBACK_DEVICE,
    policy::{Family, Listener},
};

/// Where a client is, which decides what keeps it away.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// It is a process of this host.
    Host,
    /// It is on another host.
    Elsewhere,
}

/// A client that connects.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Connection<'a> {
    /// The interface that it comes in over; none of a process of this host.
    pub over: Option<&'a str>,
    /// The address that it has, or that it takes.
    pub client: IpAddr,
    /// What it connects to: for a process of this host, an address of the host.
    pub to: SocketAddr,
}

/// How far a connection gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fate {
    /// Whether the kernel gives it to the listener.
    pub accepted: Answer,
    /// Whether it does, and the list of clients lets it in: no assumption is made.
    pub admitted: Answer,
    /// Whether the backend answers, under the assumptions.
    pub served: Answer,
}

/// The addresses that the processes of a host can take and still hear the listener's answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sources {
    /// Those that they can, on every host that is meant.
    pub known: AddressSet,
    /// Those that they may: all of `known`, and nothing besides where the host is known.
    pub possible: AddressSet,
}

/// A host's own addresses, by the interfaces that carry them.
#[derive(Debug, Clone, Default)]
pub(super) struct Own(Vec<(String, IpAddr)>);

impl Origin {
    /// The word in every output.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Host => "host",
            Self::Elsewhere => "elsewhere",
        }
    }

    /// That of a client in a set of clients: there, loopback addresses are for this host.
    #[must_use]
    pub fn of(client: IpAddr) -> Self {
        if is_loopback(client) { Self::Host } else { Self::Elsewhere }
    }
}

impl Connection<'_> {
    /// What becomes of it at a listener.
    #[must_use]
    pub fn fate(&self, listener: &Listener, taken: &Taken, exposure: &Exposure) -> Fate {
        let accepted = match self.over {
            None => {
                let accepts = exposure.listener(&listener.id).iter();
                accepts.map(|accept| self.heard(accept, exposure)).max().unwrap_or(Answer::No)
            }
            Some(interface) => self.let_in(interface, taken),
        };
        let is_admitted =
            listener.clients.as_ref().is_none_or(|clients| clients.contains(self.client));
        let admitted = if is_admitted { accepted } else { Answer::No };
        let served = match self.over {
            None => admitted,
            // Assumption A1: from elsewhere nothing comes in for a loopback address.
            Some(_) if is_loopback(self.to.ip()) => Answer::No,
            Some(_) => admitted.min(self.is_in(&taken.served)),
        };
        Fate { accepted, admitted, served }
    }

    /// Whether the socket gets it from a process of this host and is heard.
    fn heard(&self, accept: &Accept, exposure: &Exposure) -> Answer {
        if !accept.ports().iter().any(|ports| ports.contains(self.to.port())) {
            return Answer::No;
        }
        let sources = Sources::of(accept, exposure);
        let source = if sources.known.contains(self.client) {
            Answer::Yes
        } else if sources.possible.contains(self.client) {
            Answer::Perhaps
        } else {
            Answer::No
        };
        let locals = Local::of(accept);
        let local = locals.iter().map(|local| local.may_hold(self.to.ip())).max();
        source.min(local.unwrap_or(Answer::No))
    }

    /// Whether the kernel gives it to a socket when it comes in over the interface. What comes for
    /// `::1` from elsewhere it drops, whatever the settings (measured).
    fn let_in(&self, interface: &str, taken: &Taken) -> Answer {
        if self.to.ip() == Family::V6.loopback() {
            return Answer::No;
        }
        let over = |device: &Device| match device {
            Device::Unbound => Answer::Yes,
            Device::Named(name) if name == interface => Answer::Yes,
            Device::Named(_) => Answer::No,
            Device::OwnerOfAddress => Answer::Perhaps,
        };
        let each = taken.accept.iter().map(|(device, flows)| over(device).min(self.is_in(flows)));
        each.max().unwrap_or(Answer::No)
    }

    fn is_in(&self, flows: &Flows) -> Answer {
        let has = |(local, ports): (&Local, &ByPort)| {
            let here = ports.at(self.to.port());
            let is_client = here.iter().any(|(_, clients)| clients.contains(self.client));
            if is_client { local.may_hold(self.to.ip()) } else { Answer::No }
        };
        flows.iter().map(has).max().unwrap_or(Answer::No)
    }
}

impl Sources {
    /// Those of what is accepted. The answer of a socket that is tied to an interface is sent
    /// there, and finds only the addresses that the interface carries; over `lo` an answer over
    /// IPv4 finds every address of the host (measured on Linux 6.18).
    #[must_use]
    pub fn of(accept: &Accept, exposure: &Exposure) -> Self {
        let family = accept.family();
        let everywhere = |name: &str| name == LOOPBACK_DEVICE && family == Family::V4;
        let is_loopback_heard = match &accept.device {
            Device::Unbound => true,
            Device::Named(name) => name == LOOPBACK_DEVICE,
            Device::OwnerOfAddress => false,
        };
        let mut known = AddressSet::default();
        if is_loopback_heard {
            known = known.union(addresses_of(Class::Host));
        }
        // What a socket is bound to is an address of the host, and the socket hears it.
        if let Destination::One(address) = accept.destination {
            known = known.union(&AddressSet::of_blocks([address.into()]));
        }
        let of_family = AddressSet::all_of(family == Family::V4);
        let Some(Own(own)) = &exposure.own else {
            return Self { known: known.intersection(&of_family), possible: of_family };
        };
        let heard = own.iter().filter(|(interface, _)| match &accept.device {
            Device::Unbound | Device::OwnerOfAddress => true,
            Device::Named(name) => name == interface || everywhere(name),
        });
        let heard = AddressSet::of_blocks(heard.map(|(_, address)| (*address).into()));
        let possible = known.union(&heard).intersection(&of_family);
        // Which interface owns the address is still to be seen.
        let is_open = accept.device == Device::OwnerOfAddress;
        let known = if is_open { known.intersection(&of_family) } else { possible.clone() };
        Self { known, possible }
    }
}

impl Own {
    /// Those of a host.
    pub(super) fn of(facts: &Facts) -> Self {
        let addresses = facts.addresses.iter();
        Self(addresses.map(|have| (have.interface.clone(), have.address)).collect())
    }
}

fn is_loopback(address: IpAddr) -> bool {
    classify(address) == Class::Host
}
