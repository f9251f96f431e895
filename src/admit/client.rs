//! Whom limits count as one client.

use std::net::{IpAddr, Ipv6Addr};

/// A client as its limits know it.
///
/// Over IPv4 that is its address. Over IPv6 it is its address as well where the address is
/// link-local or private, for such networks are shared by many hosts; of a public one (2000::/3) it
/// is the first 64 bits. A host on the internet has at least that many addresses to itself
/// (RFC 7421, RFC 8981), and a limit on each of them would be none on the host.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Client(IpAddr);

impl Client {
    /// The client at this address.
    #[must_use]
    pub fn at(address: IpAddr) -> Self {
        Self(match address.to_canonical() {
            IpAddr::V6(address) if is_global(address) => {
                Ipv6Addr::from_bits(address.to_bits() & NETWORK).into()
            }
            address => address,
        })
    }
}

/// The first 64 bits.
const NETWORK: u128 = !(u64::MAX as u128);

/// Whether the address is in 2000::/3, which is all that IANA has given to public networks.
fn is_global(address: Ipv6Addr) -> bool {
    address.segments()[0] >> 13 == 0b001
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_public_ipv6_network_is_one_client_and_any_other_address_is_one_by_itself() {
        for (one, other, same) in [
            ("192.0.2.1", "192.0.2.1", true),
            ("192.0.2.1", "192.0.2.2", false),
            ("192.0.2.1", "::ffff:192.0.2.1", true),
            ("2600:db8:1:2::1", "2600:db8:1:2:ffff:ffff:ffff:ffff", true),
            ("2600:db8:1:2::1", "2600:db8:1:3::1", false),
            ("fd12:3456:789a::1", "fd12:3456:789a::2", false),
            ("fe80::1", "fe80::2", false),
            ("::1", "::2", false),
        ] {
            let client = |address: &str| Client::at(address.parse().unwrap());
            assert_eq!(client(one) == client(other), same, "{one} {other}");
        }
    }
}
