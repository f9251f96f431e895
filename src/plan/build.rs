//! Policy and host to plan: every keyword becomes an address that this host has, or a conflict that
//! lists what it has instead.

use std::{
    collections::BTreeMap,
    net::{IpAddr, SocketAddr, SocketAddrV6},
    num::NonZeroU16,
};

use super::{Bind, BindAddress, BindKey, Cause, Conflict, LOOPBACK_DEVICE, Plan, Unbound};
use crate::{
    address::{Class, classify},
    facts::{Facts, HostAddress},
    policy::{Expose, Family, Fanout, Listener, Place, Policy, Side},
};

/// The most sockets one process is asked to hold. Two port ranges that cover everything come to
/// this; more is a mistake in the file rather than a need.
pub const MAX_SOCKETS: usize = 131_072;

/// The accept queue asked for. The kernel clamps it to `net.core.somaxconn`, 4096 by default, which
/// is the bound that administrators know.
const BACKLOG: u32 = 65_535;

/// Finds every socket of the policy on the host.
///
/// # Errors
/// All conflicts, not the first.
pub fn build(policy: &Policy, facts: &Facts) -> Result<Plan, Vec<Conflict>> {
    let mut builder =
        Builder { policy, facts, plan: Plan::default(), sockets: 0, conflicts: Vec::new() };
    for listener in policy.listeners.values() {
        builder.listener(listener);
    }
    builder.overlaps();
    if builder.conflicts.is_empty() { Ok(builder.plan) } else { Err(builder.conflicts) }
}

/// How many workers the policy has on a host of so many cores.
#[must_use]
pub fn workers(policy: &Policy, cores: usize) -> NonZeroU16 {
    let cores = u16::try_from(cores).ok().and_then(NonZeroU16::new).unwrap_or(NonZeroU16::MIN);
    policy.runtime.workers.unwrap_or(cores)
}

struct Builder<'a> {
    policy: &'a Policy,
    facts: &'a Facts,
    plan: Plan,
    sockets: usize,
    conflicts: Vec<Conflict>,
}

/// An address found, and the interface to tie the socket to.
type Spot = (SocketAddr, Option<String>);

impl<'a> Builder<'a> {
    fn listener(&mut self, listener: &Listener) {
        match &listener.expose {
            Expose::Unix(unix) => {
                let key = BindKey {
                    address: BindAddress::Unix(unix.path.clone()),
                    device: None,
                    unnumbered: None,
                };
                let sockets = NonZeroU16::MIN;
                let unix = Some(unix.clone());
                self.add(Bind {
                    key,
                    listener: listener.id.clone(),
                    sockets,
                    backlog: BACKLOG,
                    link: None,
                    unix,
                    inherited: None,
                });
            }
            Expose::Ip(sides) => {
                for side in sides {
                    match self.spots(listener, side) {
                        Ok(spots) => self.spread(listener, &spots),
                        Err(cause) => self.absent(listener, side.family, cause, sides.len() > 1),
                    }
                }
            }
        }
    }

    /// Parks what may come, leaves out what is optional, and reports the rest.
    fn absent(&mut self, listener: &Listener, family: Family, cause: Cause, has_other_side: bool) {
        let unbound =
            |cause: &Cause| Unbound { listener: listener.id.clone(), reason: cause.to_string() };
        let may_come = matches!(cause, Cause::NoAddress { .. } | Cause::NoInterface { .. });
        let is_loopback = |side: &Side| side.place == Place::Loopback;
        let only_loopback =
            matches!(&listener.expose, Expose::Ip(sides) if sides.iter().all(is_loopback));
        if cause == Cause::NoIpv6 && only_loopback && has_other_side {
            self.plan.omitted.push(unbound(&cause));
        } else if may_come && self.policy.runtime.wait_for_absent {
            self.plan.parked.push(unbound(&cause));
        } else {
            self.conflicts.push(Conflict {
                listener: listener.id.clone(),
                family: Some(family),
                cause,
            });
        }
    }

    /// One bind per address and port.
    fn spread(&mut self, listener: &Listener, spots: &[Spot]) {
        let sockets = match listener.fanout {
            Fanout::None => NonZeroU16::MIN,
            Fanout::PerCore => workers(self.policy, self.facts.cores),
            Fanout::Sockets(count) => count,
        };
        for (address, device) in spots {
            let link =
                device.as_deref().and_then(|name| self.facts.link(name)).map(|link| link.index);
            for port in listener.ports.iter().flat_map(|range| range.first..=range.last) {
                let mut address = *address;
                address.set_port(port);
                let unnumbered = (port == 0).then(|| listener.id.clone());
                let address = BindAddress::Tcp(address);
                let key = BindKey { address, device: device.clone(), unnumbered };
                let inherited = listener.inherited.clone();
                let listener = listener.id.clone();
                self.add(Bind {
                    key,
                    listener,
                    sockets,
                    backlog: BACKLOG,
                    link,
                    unix: None,
                    inherited,
                });
            }
        }
    }

    fn add(&mut self, bind: Bind) {
        self.sockets += usize::from(bind.sockets.get());
        let family = bind.key.socket_addr().map(|address| Family::of(address.ip()));
        if self.sockets > MAX_SOCKETS {
            if self.conflicts.last().is_none_or(|last| last.cause != Cause::TooMany) {
                self.conflicts.push(Conflict {
                    listener: bind.listener,
                    family,
                    cause: Cause::TooMany,
                });
            }
        } else if let Some(first) = self.plan.binds.get(&bind.key) {
            let (other, theirs) = (first.listener.clone(), Box::new(first.key.clone()));
            let cause = Cause::Overlap { ours: Box::new(bind.key), other, theirs };
            self.conflicts.push(Conflict { listener: bind.listener, family, cause });
        } else {
            self.plan.binds.insert(bind.key.clone(), bind);
        }
    }

    /// Two sockets of one plan never overlap: one of them would take the other's connections. Every
    /// bind is held against those of its own address and of the wildcard, and its first conflict is
    /// enough.
    fn overlaps(&mut self) {
        let mut by_address: BTreeMap<SocketAddr, Vec<&Bind>> = BTreeMap::new();
        for bind in self.plan.binds.values() {
            let Some(address) = bind.key.socket_addr() else { continue };
            let family = Family::of(address.ip());
            let wide = SocketAddr::new(family.unspecified(), address.port());
            let near = [address, wide].into_iter().filter_map(|at| by_address.get(&at)).flatten();
            if let Some(other) = near.copied().find(|other| other.key.overlaps(&bind.key)) {
                let (ours, theirs) = (Box::new(bind.key.clone()), Box::new(other.key.clone()));
                let cause = Cause::Overlap { ours, other: other.listener.clone(), theirs };
                self.conflicts.push(Conflict {
                    listener: bind.listener.clone(),
                    family: Some(family),
                    cause,
                });
            }
            by_address.entry(address).or_default().push(bind);
        }
    }

    fn spots(&mut self, listener: &Listener, side: &Side) -> Result<Vec<Spot>, Cause> {
        if side.family == Family::V6 && !self.facts.ipv6 {
            return Err(Cause::NoIpv6);
        }
        match &side.place {
            Place::Any => Ok(vec![(portless(side.family.unspecified()), None)]),
            Place::Loopback => {
                Ok(vec![(portless(side.family.loopback()), Some(LOOPBACK_DEVICE.to_owned()))])
            }
            Place::Address { class, address, zone } => {
                self.address(side, *class, *address, zone.as_deref())
            }
            Place::Subnet { class, block } => {
                let wanted = || format!("an address inside {block}");
                let inside = |have: &&HostAddress| block.contains(&have.address);
                self.the_one(side, *class, wanted, inside).map(|spot| vec![spot])
            }
            Place::OneOf { class, interface } => {
                self.interface(interface)?;
                let wanted = || format!("one {class} {} address on {interface}", side.family);
                let there = |have: &&HostAddress| {
                    have.interface == *interface && classify(have.address) == *class
                };
                self.the_one(side, *class, wanted, there).map(|spot| vec![spot])
            }
            Place::Interface { interface, classes, temporary } => {
                self.every(listener, side, interface, classes, *temporary)
            }
        }
    }

    fn address(
        &self,
        side: &Side,
        class: Class,
        address: IpAddr,
        zone: Option<&str>,
    ) -> Result<Vec<Spot>, Cause> {
        if let Some(zone) = zone {
            let index = self.interface(zone)?;
            let here = |have: &&HostAddress| {
                have.address == address && have.interface == zone && !have.tentative
            };
            if self.policy.runtime.wait_for_absent
                && !self.facts.addresses.iter().any(|have| here(&have))
            {
                return Err(self.no_address(side.family, format!("{address} on {zone}")));
            }
            let scoped = scoped(address, index);
            return Ok(vec![(scoped, side.pin.then(|| zone.to_owned()))]);
        }
        let owner = self.facts.owner(address).filter(|owner| !owner.tentative);
        match owner {
            // `bind` is the judge of an address that no interface carries, since a local route can
            // make it ours. But there is no device to tie it to then, so the file must not ask for
            // one.
            None if !side.pin && !self.policy.runtime.wait_for_absent => {
                Ok(vec![(portless(address), None)])
            }
            None => Err(self.no_address(side.family, format!("the {class} address {address}"))),
            Some(owner) => {
                let device = side.pin.then(|| owner.interface.clone());
                Ok(vec![(portless(address), device)])
            }
        }
    }

    fn the_one(
        &self,
        side: &Side,
        class: Class,
        wanted: impl Fn() -> String,
        fits: impl Fn(&&HostAddress) -> bool,
    ) -> Result<Spot, Cause> {
        let mut fit: Vec<_> = self.usable(side.family).filter(fits).cloned().collect();
        let Some(found) = fit.pop() else {
            return Err(self.no_address(side.family, wanted()));
        };
        if !fit.is_empty() {
            fit.push(found);
            return Err(Cause::SeveralAddresses { wanted: wanted(), fit });
        }
        let found_class = classify(found.address);
        if found_class != class {
            return Err(Cause::WrongClass {
                address: found.address,
                declared: class,
                found: found_class,
            });
        }
        Ok(self.spot(&found, side.pin))
    }

    fn every(
        &mut self,
        listener: &Listener,
        side: &Side,
        interface: &str,
        classes: &[Class],
        temporary: bool,
    ) -> Result<Vec<Spot>, Cause> {
        self.interface(interface)?;
        let on_interface = self.of_family(side.family).filter(|have| have.interface == interface);
        let (fit, rest): (Vec<_>, Vec<_>) = on_interface.partition(|have| {
            classes.contains(&classify(have.address))
                && !have.tentative
                && (temporary || !have.temporary)
        });
        for have in rest {
            let why = match classify(have.address) {
                _ if have.tentative => "is tentative".to_owned(),
                class if classes.contains(&class) => "is temporary".to_owned(),
                class => format!("is {class}"),
            };
            let reason = format!("{} on {interface} {why} and is not bound", have.address);
            self.plan.omitted.push(Unbound { listener: listener.id.clone(), reason });
        }
        if fit.is_empty() {
            let words: Vec<_> = classes.iter().map(|class| class.word()).collect();
            let wanted = format!("a {} {} address on {interface}", words.join(" or "), side.family);
            return Err(self.no_address(side.family, wanted));
        }
        Ok(fit.into_iter().map(|have| self.spot(have, side.pin)).collect())
    }

    fn spot(&self, found: &HostAddress, pin: bool) -> Spot {
        let index = self.facts.link(&found.interface).map_or(0, |link| link.index);
        (scoped(found.address, index), pin.then(|| found.interface.clone()))
    }

    /// The addresses that may be chosen for a listener that did not name one.
    fn usable(&self, family: Family) -> impl Iterator<Item = &HostAddress> {
        self.of_family(family).filter(|have| !have.tentative && !have.temporary)
    }

    fn of_family(&self, family: Family) -> impl Iterator<Item = &'a HostAddress> + use<'a> {
        self.facts.addresses.iter().filter(move |have| Family::of(have.address) == family)
    }

    fn no_address(&self, family: Family, wanted: String) -> Cause {
        Cause::NoAddress { wanted, have: self.of_family(family).cloned().collect() }
    }

    fn interface(&self, name: &str) -> Result<u32, Cause> {
        self.facts.link(name).map(|link| link.index).ok_or_else(|| Cause::NoInterface {
            name: name.to_owned(),
            have: self.facts.links.iter().map(|link| link.name.clone()).collect(),
        })
    }
}

/// Link-local IPv6 is bound with the interface as its scope (EINVAL without); anything else has
/// none.
fn scoped(address: IpAddr, index: u32) -> SocketAddr {
    match address {
        IpAddr::V6(v6) if classify(address) == Class::Link => {
            SocketAddrV6::new(v6, 0, 0, index).into()
        }
        _ => portless(address),
    }
}

/// An address whose port is still to be set.
fn portless(address: IpAddr) -> SocketAddr {
    SocketAddr::new(address, 0)
}

#[cfg(test)]
mod tests;
