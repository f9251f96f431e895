//! IPv6 addresses that wrap an IPv4 one, from the years of transition: who looks at the outside
//! does not see whom they lead to.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// A way of wrapping.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wrapping {
    /// `::a.b.c.d`, withdrawn (RFC 4291, 2.5.5.1).
    V4Compatible,
    /// `64:ff9b::a.b.c.d` (RFC 6052).
    Nat64,
    /// `2001::/32`: the client's address, every bit turned over, is at the end (RFC 4380).
    Teredo,
    /// `2002::/16`: the address follows (RFC 3056).
    SixToFour,
}

impl Wrapping {
    /// Its name.
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::V4Compatible => "v4-compatible",
            Self::Nat64 => "NAT64",
            Self::Teredo => "Teredo",
            Self::SixToFour => "6to4",
        }
    }
}

/// The IPv4 address in it, and how it is wrapped. Mapped addresses are not among these: they are
/// IPv4.
pub(super) fn embedded(address: IpAddr) -> Option<(Wrapping, Ipv4Addr)> {
    let IpAddr::V6(v6) = address else { return None };
    let v4 = |high: u16, low: u16| Ipv4Addr::from((u32::from(high) << 16) | u32::from(low));
    match v6.segments() {
        _ if v6 == Ipv6Addr::UNSPECIFIED || v6 == Ipv6Addr::LOCALHOST => None,
        [0, 0, 0, 0, 0, 0, high, low] => Some((Wrapping::V4Compatible, v4(high, low))),
        [0x64, 0xff9b, 0, 0, 0, 0, high, low] => Some((Wrapping::Nat64, v4(high, low))),
        [0x2001, 0, _, _, _, _, high, low] => Some((Wrapping::Teredo, v4(!high, !low))),
        [0x2002, high, low, ..] => Some((Wrapping::SixToFour, v4(high, low))),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_address_inside_is_found() {
        for (outside, inside) in [
            ("::10.0.0.1", Some((Wrapping::V4Compatible, "10.0.0.1"))),
            ("64:ff9b::169.254.169.254", Some((Wrapping::Nat64, "169.254.169.254"))),
            // Of other lengths and uses, which this program cannot know.
            ("64:ff9b:1::1", None),
            ("2001:0:4136:e378:8000:63bf:5601:5601", Some((Wrapping::Teredo, "169.254.169.254"))),
            ("2001:db8::1", None),
            ("2002:7f00:1::", Some((Wrapping::SixToFour, "127.0.0.1"))),
            ("::", None),
            ("::1", None),
            ("::ffff:10.0.0.1", None),
            ("fd12::1", None),
            ("10.0.0.1", None),
        ] {
            let inside = inside.map(|(how, inside)| (how, inside.parse().unwrap()));
            assert_eq!(embedded(outside.parse().unwrap()), inside, "{outside}");
        }
    }
}
