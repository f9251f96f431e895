//! The facts of a host as a file: taken on one machine, judged by on another.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use super::Facts;

/// The version of the file. It rises with every fact that is added, because one that is missing
/// would be an answer that nobody gave.
pub const VERSION: u32 = 1;

/// Why a text holds no facts.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// It is not JSON, or not of this shape. The cause says at which line and column.
    #[error("it is no file as `portcullis facts` writes it")]
    Malformed(#[from] serde_json::Error),
    /// It is of another version.
    #[error("it is of version {0}, and this program reads version {VERSION}; {cure}", cure = cure(*.0))]
    Version(u32),
    /// It is of a host that cannot be.
    #[error("{0}")]
    Impossible(String),
}

fn cure(version: u32) -> &'static str {
    if version > VERSION {
        "judge with the program that wrote it, or a newer one"
    } else {
        "write it again with `portcullis facts`"
    }
}

/// What every version has.
#[derive(Deserialize)]
struct Versioned {
    portcullis_facts: u32,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct File<F> {
    portcullis_facts: u32,
    host: F,
}

/// The facts as a file of this version.
///
/// # Panics
/// Never: facts are numbers and text.
#[must_use]
pub fn write(facts: &Facts) -> String {
    let file = File { portcullis_facts: VERSION, host: facts };
    serde_json::to_string_pretty(&file).expect("numbers and text can be written as JSON")
}

/// Reads what [`write()`] has written.
///
/// # Errors
/// When it is anything else.
pub fn read(bytes: &[u8]) -> Result<Facts, Error> {
    // Of another version nothing but its number can be understood.
    let Versioned { portcullis_facts } = serde_json::from_slice(bytes)?;
    if portcullis_facts != VERSION {
        return Err(Error::Version(portcullis_facts));
    }
    let File { host, .. } = serde_json::from_slice::<File<Facts>>(bytes)?;
    refuse_impossible(&host)?;
    Ok(host)
}

/// People edit such files; what decisions rely on must hold.
fn refuse_impossible(facts: &Facts) -> Result<(), Error> {
    let impossible = |text: String| Err(Error::Impossible(text));
    for it in &facts.addresses {
        let longest = if it.address.is_ipv4() { 32 } else { 128 };
        if it.prefix > longest {
            return impossible(format!("{} cannot have a prefix of {}", it.address, it.prefix));
        }
        if matches!(it.address, IpAddr::V6(v6) if v6.to_ipv4_mapped().is_some()) {
            return impossible(format!("{} is an IPv4 address written as IPv6", it.address));
        }
        if facts.link(&it.interface).is_none() {
            let name = it.interface.escape_debug();
            return impossible(format!("{} is on `{name}`, which is no interface", it.address));
        }
        if it.address.is_ipv6() && !facts.ipv6 {
            return impossible(format!("{} is on a host without IPv6", it.address));
        }
    }
    for (first, last) in facts.reserved_ports.iter().chain([&facts.ephemeral_ports]) {
        if first > last {
            return impossible(format!("the ports {first} to {last} run backwards"));
        }
    }
    if facts.cores == 0 {
        return impossible("it has no processor".to_owned());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::facts::{HostAddress, Link};

    fn facts() -> Facts {
        Facts {
            addresses: vec![HostAddress::stable("eth1", "10.20.3.4".parse().unwrap(), 16)],
            links: vec![Link::up(2, "eth1")],
            unprivileged_port_start: 1024,
            ephemeral_ports: (32_768, 60_999),
            reserved_ports: vec![(8080, 8080)],
            cores: 2,
            ..Facts::default()
        }
    }

    #[test]
    fn what_is_written_is_read() {
        assert_eq!(read(write(&facts()).as_bytes()).unwrap(), facts());
    }

    #[test]
    fn another_version_is_an_error_of_its_own() {
        let version = |version: u32| {
            let text =
                format!(r#"{{ "portcullis_facts": {version}, "host": {{ "weather": 1 }} }}"#);
            read(text.as_bytes()).unwrap_err().to_string()
        };
        assert_eq!(
            version(2),
            "it is of version 2, and this program reads version 1; judge with the program that wrote it, or a newer one"
        );
        assert!(version(0).ends_with("write it again with `portcullis facts`"));
        let unknown = version(1);
        assert_eq!(unknown, "it is no file as `portcullis facts` writes it");
        assert!(matches!(read(b"portcullis_facts: 1"), Err(Error::Malformed(_))));
        assert!(matches!(read(b"\xff"), Err(Error::Malformed(_))));
    }

    #[test]
    fn a_host_that_cannot_be_is_refused() {
        let refused = |change: fn(&mut Facts)| {
            let mut facts = facts();
            change(&mut facts);
            read(write(&facts).as_bytes()).unwrap_err().to_string()
        };
        assert_eq!(refused(|it| it.cores = 0), "it has no processor");
        assert_eq!(
            refused(|it| it.addresses[0].prefix = 33),
            "10.20.3.4 cannot have a prefix of 33"
        );
        assert_eq!(refused(|it| it.links.clear()), "10.20.3.4 is on `eth1`, which is no interface");
        assert_eq!(refused(|it| it.ephemeral_ports = (2, 1)), "the ports 2 to 1 run backwards");
        assert_eq!(
            refused(|it| it.addresses[0].address = "::1".parse().unwrap()),
            "::1 is on a host without IPv6"
        );
    }
}
