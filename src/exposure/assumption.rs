//! What an answer rests on and this program cannot see: named, so that it can be doubted.

use super::{Device, local::Local};
use crate::address::Class;

/// Something taken for granted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Assumption {
    /// `route_localnet` is off, or the loopback listener is tied to `lo`.
    A1,
    /// Nothing in front (DNAT, a load balancer, a VPN) makes a private listener public.
    A2,
    /// A private address is only reached through its own interface.
    A3,
    /// The guardrail's zones are true.
    A4,
    /// No firewall is looked at: every answer is an upper bound.
    A5,
    /// No rule of a backend is looked at.
    A6,
}

impl Assumption {
    /// Its name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::A1 => "A1",
            Self::A2 => "A2",
            Self::A3 => "A3",
            Self::A4 => "A4",
            Self::A5 => "A5",
            Self::A6 => "A6",
        }
    }

    /// What it says.
    #[must_use]
    pub fn says(self) -> &'static str {
        match self {
            Self::A1 => "packets for loopback addresses do not come in from outside",
            Self::A2 => "no NAT, load balancer or VPN in front brings others in",
            Self::A3 => "an address is only reached through its own interface",
            Self::A4 => "the zones of the guardrail are true",
            Self::A5 => "no firewall is looked at",
            Self::A6 => "nor what a backend itself refuses",
        }
    }

    /// What keeps strangers from a local end of this class on this device.
    pub(super) fn of(local: &Local, device: &Device) -> Vec<Self> {
        let mut found = vec![Self::A2];
        if local.class() == Class::Host {
            found.push(Self::A1);
        }
        if *device == Device::Unbound {
            found.push(Self::A3);
        }
        found
    }
}
