//! How people write addresses, and which spellings are refused because two programs read them
//! differently.

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    str::FromStr,
};

use ipnet::IpNet;

/// An address as written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Address {
    /// The address; never v4-mapped.
    pub ip: IpAddr,
    /// The interface after `%`.
    pub zone: Option<String>,
}

/// An address with or without a port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint {
    /// The address; never v4-mapped.
    pub ip: IpAddr,
    /// The port.
    pub port: Option<u16>,
}

/// Why a text is no address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// It is a name, which resolves to different addresses at different times.
    Hostname,
    /// It is an IPv4 address in IPv6 clothes.
    Mapped(Ipv4Addr),
    /// It is IPv4 that some programs read as octal, hexadecimal or with parts left out.
    Ambiguous {
        /// What the C library's `inet_aton` makes of it.
        traditional: Ipv4Addr,
        /// What one gets by reading every part as decimal, where there are four.
        decimal: Option<Ipv4Addr>,
    },
    /// A block whose address has bits beyond its prefix.
    HostBits {
        /// The block that contains it.
        network: IpNet,
        /// The address alone.
        address: IpAddr,
    },
    /// The prefix is no length for this family.
    Prefix,
    /// The port is no number from 0 to 65535.
    Port,
    /// None of these.
    Nonsense,
}

/// Reads an address, with a zone if it has one.
///
/// # Errors
/// When it is anything but a plain IPv4 or IPv6 address.
pub fn address(text: &str) -> Result<Address, Fault> {
    match text.split_once('%') {
        Some((ip, zone)) => match ip.parse::<Ipv6Addr>() {
            Ok(v6) if is_interface_name(zone) => {
                Ok(Address { ip: v6.into(), zone: Some(zone.to_owned()) })
            }
            _ => Err(Fault::Nonsense),
        },
        None => Ok(Address { ip: ip(text)?, zone: None }),
    }
}

/// Reads `IP`, `IP:port` or `[IPv6]:port`.
///
/// # Errors
/// When the address or the port is not plain. A name with a port is a [`Fault::Hostname`].
pub fn endpoint(text: &str) -> Result<Endpoint, Fault> {
    if let Some(rest) = text.strip_prefix('[') {
        let (inside, after) = rest.split_once(']').ok_or(Fault::Nonsense)?;
        let port = match after.strip_prefix(':') {
            Some(text) => Some(port(text)?),
            None if after.is_empty() => None,
            None => return Err(Fault::Nonsense),
        };
        return match ip(inside)? {
            v6 @ IpAddr::V6(_) => Ok(Endpoint { ip: v6, port }),
            IpAddr::V4(_) => Err(Fault::Nonsense),
        };
    }
    match text.split_once(':') {
        Some((host, after)) if !after.contains(':') => {
            Ok(Endpoint { ip: ip(host)?, port: Some(port(after)?) })
        }
        _ => Ok(Endpoint { ip: ip(text)?, port: None }),
    }
}

/// Reads a CIDR block, or an address as the block of itself.
///
/// # Errors
/// As [`address`], and when the address has bits beyond the prefix.
pub fn block(text: &str) -> Result<IpNet, Fault> {
    let Some((host, length)) = text.split_once('/') else {
        return Ok(ip(text)?.into());
    };
    let address = ip(host)?;
    let length = decimal_number(length).ok_or(Fault::Prefix)?;
    let block = IpNet::new(address, length).map_err(|_| Fault::Prefix)?;
    if block.addr() == block.network() {
        Ok(block)
    } else {
        Err(Fault::HostBits { network: block.trunc(), address })
    }
}

/// A v4-mapped address as the IPv4 address that it is, and as one writes that: with the port or the
/// prefix that stands there.
#[must_use]
pub fn unmapped(text: &str) -> Option<(Ipv4Addr, String)> {
    /// The bits before the IPv4 address in a v4-mapped one.
    const MAPPED: u8 = 96;

    let v4 = |text: &str| text.parse::<Ipv6Addr>().ok()?.to_ipv4_mapped();
    if let Some((inside, after)) = text.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        return v4(inside).map(|v4| (v4, format!("{v4}{after}")));
    }
    match text.split_once('/') {
        Some((address, prefix)) => {
            let prefix = prefix.parse::<u8>().ok()?.checked_sub(MAPPED)?;
            v4(address).map(|v4| (v4, format!("{v4}/{prefix}")))
        }
        None => v4(text).map(|v4| (v4, v4.to_string())),
    }
}

/// Whether the kernel would take the text as the name of an interface (`dev_valid_name`).
#[must_use]
pub fn is_interface_name(text: &str) -> bool {
    let refused = |c: char| c == '/' || c == ':' || c.is_whitespace() || c.is_control();
    !text.is_empty() && text.len() < 16 && text != "." && text != ".." && !text.contains(refused)
}

fn ip(text: &str) -> Result<IpAddr, Fault> {
    match text.parse::<IpAddr>() {
        Ok(IpAddr::V6(v6)) => match v6.to_ipv4_mapped() {
            Some(v4) => Err(Fault::Mapped(v4)),
            None => Ok(v6.into()),
        },
        Ok(v4) => Ok(v4),
        Err(_) => Err(match traditional(text) {
            Some(traditional) => Fault::Ambiguous { traditional, decimal: decimal(text) },
            None if is_hostname(text) => Fault::Hostname,
            None => Fault::Nonsense,
        }),
    }
}

/// Reads a port: digits only, and no leading zero.
///
/// # Errors
/// When it is anything else, or above 65535.
pub fn port(text: &str) -> Result<u16, Fault> {
    decimal_number(text).ok_or(Fault::Port)
}

/// Reads digits alone. A leading zero would make the number octal to some programs, and `parse` by
/// itself would take a plus sign.
fn decimal_number<T: FromStr>(text: &str) -> Option<T> {
    let is_plain =
        text.bytes().all(|byte| byte.is_ascii_digit()) && (text == "0" || !text.starts_with('0'));
    text.parse().ok().filter(|_| is_plain)
}

/// `inet_aton(3)`: one to four parts, each decimal, `0`-octal or `0x`-hexadecimal; the last part
/// fills the bytes that are left.
fn traditional(text: &str) -> Option<Ipv4Addr> {
    let part = |part: &str| match part.strip_prefix("0x").or_else(|| part.strip_prefix("0X")) {
        Some(hex) if hex.bytes().all(|byte| byte.is_ascii_hexdigit()) => {
            u32::from_str_radix(hex, 16).ok()
        }
        Some(_) => None,
        None if !part.bytes().all(|byte| byte.is_ascii_digit()) => None,
        None if part.len() > 1 && part.starts_with('0') => u32::from_str_radix(part, 8).ok(),
        None => part.parse().ok(),
    };
    let parts = text.split('.').map(part).collect::<Option<Vec<u32>>>()?;
    let (last, heads) = parts.split_last()?;
    if heads.len() > 3 || heads.iter().any(|head| *head > 255) {
        return None;
    }
    let left = 8 * (4 - u32::try_from(heads.len()).ok()?);
    if u64::from(*last) >= 1 << left {
        return None;
    }
    let high = heads.iter().fold(0u64, |high, head| high << 8 | u64::from(*head));
    u32::try_from(high << left | u64::from(*last)).ok().map(Ipv4Addr::from)
}

fn decimal(text: &str) -> Option<Ipv4Addr> {
    let parts = text.split('.').map(|part| part.parse().ok()).collect::<Option<Vec<u8>>>()?;
    <[u8; 4]>::try_from(parts).ok().map(Ipv4Addr::from)
}

fn is_hostname(text: &str) -> bool {
    let label = |label: &str| {
        !label.is_empty()
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
    };
    text.bytes().any(|byte| byte.is_ascii_alphabetic())
        && text.strip_suffix('.').unwrap_or(text).split('.').all(label)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mapped_address_is_written_as_ipv4_with_all_that_belongs_to_it() {
        for (text, written) in [
            ("::ffff:10.0.0.1", Some("10.0.0.1")),
            ("::ffff:a00:0/104", Some("10.0.0.0/8")),
            ("::ffff:0:0/96", Some("0.0.0.0/0")),
            ("[::ffff:10.0.0.1]:80", Some("10.0.0.1:80")),
            ("::ffff:0:0/95", None),
            ("10.0.0.1", None),
            ("fd00::1", None),
        ] {
            assert_eq!(unmapped(text).map(|(_, v4)| v4).as_deref(), written, "{text}");
        }
    }

    #[test]
    fn names_the_trap_in_a_spelling() {
        let v4 = |text: &str| text.parse::<Ipv4Addr>().unwrap();
        for (text, fault) in [
            ("localhost", Fault::Hostname),
            ("db.example.com.", Fault::Hostname),
            ("::ffff:10.0.0.1", Fault::Mapped(v4("10.0.0.1"))),
            ("::ffff:0.0.0.0", Fault::Mapped(v4("0.0.0.0"))),
            (
                "010.0.0.1",
                Fault::Ambiguous { traditional: v4("8.0.0.1"), decimal: Some(v4("10.0.0.1")) },
            ),
            ("127.1", Fault::Ambiguous { traditional: v4("127.0.0.1"), decimal: None }),
            ("2130706433", Fault::Ambiguous { traditional: v4("127.0.0.1"), decimal: None }),
            ("0x7f.1", Fault::Ambiguous { traditional: v4("127.0.0.1"), decimal: None }),
            ("0", Fault::Ambiguous { traditional: v4("0.0.0.0"), decimal: None }),
            ("1.2.3.4.5", Fault::Nonsense),
            ("256.1.1.1", Fault::Nonsense),
            ("", Fault::Nonsense),
            ("*", Fault::Nonsense),
            ("10.0.0.1%eth0", Fault::Nonsense),
            ("fe80::1%", Fault::Nonsense),
        ] {
            assert_eq!(address(text), Err(fault), "{text}");
        }
        let zoned = address("fe80::1%eth0").unwrap();
        assert_eq!(
            (zoned.ip.to_string(), zoned.zone.as_deref()),
            ("fe80::1".to_owned(), Some("eth0"))
        );
    }

    #[test]
    fn tells_a_port_from_an_address() {
        let port = |text| endpoint(text).map(|endpoint| endpoint.port);
        assert_eq!(port("10.0.0.1:80"), Ok(Some(80)));
        assert_eq!(port("10.0.0.1"), Ok(None));
        assert_eq!(port("[::1]:80"), Ok(Some(80)));
        assert_eq!(port("[::1]"), Ok(None));
        assert_eq!(port("::1"), Ok(None));
        assert_eq!(port("10.0.0.1:70000"), Err(Fault::Port));
        assert_eq!(port("10.0.0.1:080"), Err(Fault::Port));
        assert_eq!(port("10.0.0.1:"), Err(Fault::Port));
        assert_eq!(port("[10.0.0.1]:80"), Err(Fault::Nonsense));
        assert_eq!(port("[::1]x"), Err(Fault::Nonsense));
        assert_eq!(port("api.internal:8443"), Err(Fault::Hostname));
    }

    #[test]
    fn refuses_blocks_that_say_two_things() {
        let (network, address) = ("10.20.0.0/16".parse().unwrap(), "10.20.3.4".parse().unwrap());
        assert_eq!(block("10.20.3.4/16"), Err(Fault::HostBits { network, address }));
        assert_eq!(block("10.0.0.0/33"), Err(Fault::Prefix));
        assert_eq!(block("10.0.0.0/08"), Err(Fault::Prefix));
        assert_eq!(block("10.0.0.0/"), Err(Fault::Prefix));
        assert_eq!(block("10.0.0.7").unwrap().to_string(), "10.0.0.7/32");
        assert_eq!(block("0.0.0.0/0").unwrap().prefix_len(), 0);
        assert!(matches!(block("010.0.0.0/8"), Err(Fault::Ambiguous { .. })));
    }
}
