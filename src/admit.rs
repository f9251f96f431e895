//! May this client enter? Pure: what is known of it is an argument.

mod client;
mod pace;

pub use client::Client;
pub use pace::{Moment, Pace};

use std::{net::IpAddr, num::NonZeroU32};

use crate::{address::set::AddressSet, policy::Listener};

/// What became of a client at the door.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It is served.
    Admit,
    /// It is turned away.
    Deny(Reason),
}

/// Why a client is turned away.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Reason {
    /// Its address is not among `clients`.
    NotAClient,
    /// It has as many sessions as `limits.per_client` gives it.
    TooMany,
    /// It comes faster than `limits.per_client_rate` lets it.
    TooFast,
    /// It came through a socket that is being retired, to an address or interface that is no longer
    /// exposed.
    NotExposed,
    /// It came through a socket that was being retired and waited for a place at its listener; then
    /// the socket closed.
    Full,
}

/// Decides on a client with this address and this many sessions already at the listener.
///
/// A client of a path socket has no address: the file's mode has let it in.
#[must_use]
pub fn decide(listener: &Listener, client: Option<IpAddr>, sessions: u32) -> Verdict {
    let Some(client) = client else { return Verdict::Admit };
    if !is_client(listener.clients.as_ref(), client) {
        Verdict::Deny(Reason::NotAClient)
    } else if exhausted(listener.limits.per_client, sessions) {
        Verdict::Deny(Reason::TooMany)
    } else {
        Verdict::Admit
    }
}

/// Whether an amount has reached its limit.
#[must_use]
pub fn exhausted(limit: Option<NonZeroU32>, amount: u32) -> bool {
    limit.is_some_and(|limit| amount >= limit.get())
}

/// The kernel shows an IPv4 client of a dual-stack socket as `::ffff:a.b.c.d`. We never make such a
/// socket, but may inherit one, and a set written in IPv4 has to hold there too.
fn is_client(clients: Option<&AddressSet>, client: IpAddr) -> bool {
    clients.is_none_or(|clients| clients.contains(client.to_canonical()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::{Action, Expose, Fanout, Limits, ListenerId, Timeouts};

    fn listener(clients: &[&str], per_client: u32) -> Listener {
        Listener {
            id: ListenerId::new("web"),
            purpose: None,
            expose: Expose::Ip(Vec::new()),
            inherited: None,
            ports: Vec::new(),
            clients: (!clients.is_empty())
                .then(|| AddressSet::of_blocks(clients.iter().map(|block| block.parse().unwrap()))),
            limits: Limits { per_client: NonZeroU32::new(per_client), ..Limits::default() },
            timeouts: Timeouts { idle: None, half_closed: None, lifetime: None },
            fanout: Fanout::None,
            allow: None,
            action: Action::Status,
        }
    }

    #[test]
    fn a_client_enters_if_it_is_one_and_has_not_too_many_sessions() {
        const STRANGER: Verdict = Verdict::Deny(Reason::NotAClient);
        const TOO_MANY: Verdict = Verdict::Deny(Reason::TooMany);
        let table: [(&[&str], u32, &str, u32, Verdict); 11] = [
            (&[], 0, "192.0.2.1", 1_000_000, Verdict::Admit),
            (&["192.0.2.0/24"], 0, "192.0.2.1", 0, Verdict::Admit),
            (&["192.0.2.0/24"], 0, "192.0.3.1", 0, STRANGER),
            (&["192.0.2.0/24"], 0, "2001:db8::1", 0, STRANGER),
            (&["192.0.2.0/24"], 0, "::ffff:192.0.2.1", 0, Verdict::Admit),
            (&["192.0.2.0/24"], 0, "::ffff:192.0.3.1", 0, STRANGER),
            (&["2001:db8::/32"], 0, "2001:db8::1", 0, Verdict::Admit),
            (&[], 2, "192.0.2.1", 1, Verdict::Admit),
            (&[], 2, "192.0.2.1", 2, TOO_MANY),
            (&[], 2, "192.0.2.1", u32::MAX, TOO_MANY),
            (&["192.0.2.0/24"], 2, "192.0.3.1", 2, STRANGER),
        ];
        for (clients, per_client, client, sessions, verdict) in table {
            let address = client.parse().ok();
            let decided = decide(&listener(clients, per_client), address, sessions);
            assert_eq!(decided, verdict, "{client} of {clients:?} with {sessions} sessions");
        }
    }

    #[test]
    fn a_client_of_a_path_socket_has_no_address_to_be_judged_by() {
        assert_eq!(decide(&listener(&["192.0.2.0/24"], 1), None, 5), Verdict::Admit);
    }
}
