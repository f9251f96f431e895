//! A group of backends as sessions see it: what the policy says, and how many sessions each backend
//! has now.

use std::{
    net::SocketAddr,
    num::NonZeroU32,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering::Relaxed},
    },
};

use crate::{
    admit,
    balance::RoundRobin,
    policy::{self, Backend, BackendAddress},
    telemetry::access::Endpoint,
};

/// A group of backends under one configuration.
#[derive(Debug)]
pub struct UpstreamState {
    policy: Arc<policy::Upstream>,
    /// Sessions of each backend, in the order of the policy; shared with the configurations before
    /// and after, as far as they have the same backend.
    sessions: Vec<Arc<AtomicU32>>,
}

impl UpstreamState {
    /// The group under a new configuration. A backend is the one it was before if its address is.
    pub(super) fn next(policy: &Arc<policy::Upstream>, before: Option<&Self>) -> Self {
        let sessions = policy.backends.iter().map(|backend| {
            before.and_then(|before| before.sessions_of(&backend.address)).unwrap_or_default()
        });
        Self { sessions: sessions.collect(), policy: Arc::clone(policy) }
    }

    /// What the policy says.
    #[must_use]
    pub fn policy(&self) -> &Arc<policy::Upstream> {
        &self.policy
    }

    /// Sessions of each backend now.
    pub fn sessions(&self) -> impl Iterator<Item = (&Backend, u32)> {
        self.policy.backends.iter().zip(self.sessions.iter().map(|sessions| sessions.load(Relaxed)))
    }

    /// Picks a backend that is neither in `tried` nor at its limit, and takes a place at it.
    pub(super) fn pick(&self, turn: &mut RoundRobin, tried: &[usize]) -> Option<Picked> {
        loop {
            let at = turn.pick(&self.policy.backends, |at| {
                !tried.contains(&at)
                    && !admit::exhausted(self.limit(at), self.sessions[at].load(Relaxed))
            })?;
            // Another worker may have taken the last place since we looked; then we see that now,
            // and pick again.
            if let Some(place) = BackendPlace::take(&self.sessions[at], self.limit(at)) {
                return Some(Picked { at, place });
            }
        }
    }

    fn limit(&self, at: usize) -> Option<NonZeroU32> {
        self.policy.backends[at].max_connections
    }

    fn sessions_of(&self, address: &BackendAddress) -> Option<Arc<AtomicU32>> {
        let at = self.policy.backends.iter().position(|backend| backend.address == *address)?;
        Some(Arc::clone(&self.sessions[at]))
    }
}

/// A backend that was picked.
#[derive(Debug)]
pub(super) struct Picked {
    /// Its position in the group.
    pub(super) at: usize,
    /// The session's place at it.
    pub(super) place: BackendPlace,
}

/// A place at a backend; dropping it gives it back.
#[derive(Debug)]
pub(super) struct BackendPlace(Arc<AtomicU32>);

impl BackendPlace {
    fn take(sessions: &Arc<AtomicU32>, limit: Option<NonZeroU32>) -> Option<Self> {
        let more = |taken| (!admit::exhausted(limit, taken)).then(|| taken + 1);
        sessions.fetch_update(Relaxed, Relaxed, more).ok()?;
        Some(Self(Arc::clone(sessions)))
    }
}

impl Drop for BackendPlace {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Relaxed);
    }
}

/// Where to connect to, with nothing left open.
#[derive(Debug, Clone, Copy)]
pub(super) enum Target<'a> {
    /// An address and a port.
    Ip(SocketAddr),
    /// A path socket.
    Unix(&'a Path),
}

impl<'a> Target<'a> {
    /// The target of a client that came to this local port.
    ///
    /// A listener on a path has no port; its backends name theirs, or the policy would not have
    /// resolved.
    pub(super) fn of(address: &'a BackendAddress, local_port: Option<u16>) -> Self {
        match address {
            BackendAddress::Ip(address) => Self::Ip(*address),
            BackendAddress::SamePort(address) => {
                Self::Ip(SocketAddr::new(*address, local_port.unwrap_or_default()))
            }
            BackendAddress::Unix(path) => Self::Unix(path),
        }
    }

    /// As it is shown.
    pub(super) fn endpoint(self) -> Endpoint {
        match self {
            Self::Ip(address) => Endpoint::Ip(address),
            Self::Unix(path) => Endpoint::Path(path.into()),
        }
    }
}

#[cfg(test)]
impl UpstreamState {
    /// A group that cannot be: picking from it panics.
    pub(super) fn broken() -> Self {
        let policy = crate::runtime::sample::upstream("broken", &["127.0.0.1:1"]);
        Self { policy: Arc::new(policy), sessions: Vec::new() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runtime::sample::upstream;

    #[test]
    fn a_backend_at_its_limit_is_passed_over_until_a_place_is_free() {
        let mut policy = upstream("db", &["127.0.0.1:1", "127.0.0.1:2"]);
        policy.backends[0].max_connections = NonZeroU32::new(1);
        let state = UpstreamState::next(&Arc::new(policy), None);
        let mut turn = RoundRobin::default();
        let first = state.pick(&mut turn, &[]).unwrap();
        assert_eq!(first.at, 0);
        let others: Vec<_> = (0..3).map(|_| state.pick(&mut turn, &[]).unwrap()).collect();
        assert!(others.iter().all(|picked| picked.at == 1));
        assert!(state.pick(&mut turn, &[1]).is_none());
        drop(first);
        assert_eq!(state.pick(&mut turn, &[1]).unwrap().at, 0);
    }

    #[test]
    fn sessions_are_counted_on_over_a_reload_where_the_address_stays() {
        let before =
            UpstreamState::next(&Arc::new(upstream("db", &["127.0.0.1:1", "127.0.0.1:2"])), None);
        let held = before.pick(&mut RoundRobin::default(), &[1]).unwrap();
        let policy = Arc::new(upstream("db", &["127.0.0.1:3", "127.0.0.1:1"]));
        let after = UpstreamState::next(&policy, Some(&before));
        let counts =
            |state: &UpstreamState| state.sessions().map(|(_, now)| now).collect::<Vec<_>>();
        assert_eq!(counts(&after), [0, 1]);
        drop(held);
        assert_eq!(counts(&after), [0, 0]);
    }

    #[test]
    fn a_backend_without_a_port_gets_the_one_that_was_asked_for() {
        let address = BackendAddress::SamePort("2001:db8::1".parse().unwrap());
        let Target::Ip(target) = Target::of(&address, Some(5000)) else { panic!("an address") };
        assert_eq!(target.to_string(), "[2001:db8::1]:5000");
    }
}
