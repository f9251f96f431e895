//! Services that are rarely meant for strangers, by the port or socket on which they are found:
//! data, dated, with a reason and a way out in every row.
//!
//! A port number is a guess about the service behind it, so a row is here only if its product's own
//! documentation, that of a vendor who ships it, or the IANA registry gives the number, and if the
//! number means this product to most who read it. Ports that half the world uses for something of
//! its own (3000, 8080, 9000) say nothing and are left out. Listeners are TCP only, and so is this
//! table.

mod table;

use std::path::Path;

pub use table::services;

use crate::{diagnostic::Level, policy::PortRange};

/// The day on which the rows were last held against their sources.
pub const REVISED: &str = "2026-11-22";

/// One service.
#[derive(Debug, PartialEq, Eq)]
pub struct Service {
    /// What people call it.
    pub name: &'static str,
    /// What it is about, in one word.
    pub group: &'static str,
    /// Its ports, both ends included; sorted, and in no other row.
    pub ports: &'static [(u16, u16)],
    /// What the names of its sockets begin with.
    pub sockets: &'static [&'static str],
    /// How much it weighs to whom it is offered.
    pub weight: Weight,
    /// What a stranger who reaches it can do.
    pub why: &'static str,
    /// What to do instead.
    pub instead: &'static str,
    /// Who gives its ports and sockets.
    pub source: &'static str,
}

/// How much it weighs that a service is offered, by the widest class of client; `None` is not worth
/// a word, because the service exists to be offered to them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Weight {
    /// To the internet.
    pub public: Option<Level>,
    /// To shared space, 100.64.0.0/10.
    pub shared: Option<Level>,
    /// To everybody in private space.
    pub private: Option<Level>,
}

/// The services found on any of the ports.
pub fn on_ports(ports: &[PortRange]) -> impl Iterator<Item = (&'static Service, u16)> {
    services().filter_map(|service| Some((service, service.port_among(ports)?)))
}

/// The service that listens on sockets of this name, in whatever directory.
#[must_use]
pub fn on_socket(path: &Path) -> Option<&'static Service> {
    let name = path.file_name()?.to_str()?;
    services().find(|service| service.sockets.iter().any(|start| name.starts_with(start)))
}

impl Service {
    /// The lowest of its ports that is among these.
    fn port_among(&self, ports: &[PortRange]) -> Option<u16> {
        let own = self.ports.iter().map(|(first, last)| (*first, *last));
        let common = own.flat_map(|(first, last)| {
            let meets = move |range: &&PortRange| range.first <= last && first <= range.last;
            ports.iter().filter(meets).map(move |range| range.first.max(first))
        });
        common.min()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use super::*;
    use crate::address::Date;

    fn port(port: u16) -> Vec<&'static str> {
        let range = PortRange { first: port, last: port };
        on_ports(&[range]).map(|(service, _)| service.name).collect()
    }

    #[test]
    fn no_service_port_or_socket_stands_twice() {
        let names: BTreeSet<_> = services().map(|service| service.name).collect();
        assert_eq!(names.len(), services().count());
        let mut owners = BTreeMap::new();
        let mut sockets = BTreeSet::new();
        for service in services() {
            for port in service.ports.iter().flat_map(|(first, last)| *first..=*last) {
                let before = owners.insert(port, service.name);
                assert_eq!(before, None, "{port} is of {} as well", service.name);
            }
            for socket in service.sockets {
                assert!(sockets.insert(socket), "{socket}");
            }
        }
        assert!(owners.len() > 50);
    }

    #[test]
    fn every_row_says_why_what_instead_and_who_says_so() {
        for Service { name, group, ports, sockets, why, instead, source, .. } in services() {
            assert!(!ports.is_empty() || !sockets.is_empty(), "{name} cannot be found");
            assert!(ports.is_sorted() && ports.iter().all(|(a, b)| a <= b && *a > 0), "{name}");
            for text in [group, why, instead, source] {
                assert!(text.len() > 2, "{name} is silent");
                assert!(!text.ends_with('.'), "{name}: a phrase, not a sentence: {text}");
            }
            assert!(group.bytes().all(|byte| byte.is_ascii_lowercase()), "{name}: {group}");
        }
        assert!(Date::read(REVISED).is_some());
    }

    #[test]
    fn nothing_weighs_more_on_fewer() {
        for Service { name, weight: Weight { public, shared, private }, .. } in services() {
            assert!(public.is_some() && public >= shared && shared >= private, "{name}");
            let levels = [public, shared, private].into_iter().flatten();
            for level in levels {
                assert!((Level::Warn..=Level::Error).contains(level), "{name}");
            }
        }
    }

    #[test]
    fn services_are_found_by_port_and_by_range() {
        assert_eq!(port(5432), ["PostgreSQL"]);
        assert_eq!(port(27018), ["MongoDB"]);
        for nobody in [1, 80, 443, 3000, 5433, 8080, 8443, 9000, 65_535] {
            assert_eq!(port(nobody), [""; 0], "{nobody}");
        }
        let wide = [PortRange { first: 5000, last: 6200 }];
        let found: Vec<_> = on_ports(&wide).map(|(it, port)| (it.name, port)).collect();
        let expected = [
            ("Windows Remote Management", 5985),
            ("PostgreSQL", 5432),
            ("CouchDB", 5984),
            ("RabbitMQ", 5672),
        ];
        assert_eq!(found, expected);
    }

    #[test]
    fn sockets_are_found_by_name_wherever_they_lie() {
        let name = |path: &str| on_socket(Path::new(path)).map(|service| service.name);
        assert_eq!(name("/var/run/docker.sock"), Some("Docker API"));
        assert_eq!(name("/tmp/x/docker.sock"), Some("Docker API"));
        assert_eq!(name("/run/postgresql/.s.PGSQL.5433"), Some("PostgreSQL"));
        assert_eq!(name("/run/crio/crio.sock"), Some("container runtime"));
        for nobody in ["/run/billing/api.sock", "/run/docker.sock/api", "/", "/run/mydocker.sock"] {
            assert_eq!(name(nobody), None, "{nobody}");
        }
    }
}
