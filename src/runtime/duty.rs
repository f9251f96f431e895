//! What a listening socket is for, and whose a client is that came by it.

use std::{
    num::NonZeroU32,
    os::fd::{AsFd, BorrowedFd},
    rc::Rc,
    sync::Arc,
    time::Duration,
};

use socket2::SockRef;
use tokio::time::Instant;

use crate::{
    policy::ListenerId,
    runtime::{
        commit::Successor,
        gate::{Gate, Place},
        serving::Serving,
    },
    sys,
};

/// What a socket is for now, as far as this worker is concerned.
#[derive(Debug)]
pub(super) enum Duty {
    /// Every client is this listener's.
    Serve(Rc<Serving>),
    /// Each client belongs to the listener whose address and interface it came to; see
    /// [`crate::runtime::Role::Linger`].
    Linger {
        /// Whose the socket was.
        of: ListenerId,
        /// The best match first.
        successors: Vec<(Successor, Rc<Serving>)>,
    },
}

impl Duty {
    /// Whose client a connection is; if nobody's, whose socket it came by.
    pub(super) fn heir(&self, connection: BorrowedFd<'_>) -> Result<Rc<Serving>, ListenerId> {
        match self {
            Self::Serve(serving) => Ok(Rc::clone(serving)),
            Self::Linger { of, successors } => {
                heir(successors, connection).map(Rc::clone).ok_or_else(|| of.clone())
            }
        }
    }
}

/// Who serves what this connection came to.
fn heir<'a>(
    successors: &'a [(Successor, Rc<Serving>)],
    connection: BorrowedFd<'_>,
) -> Option<&'a Rc<Serving>> {
    let local = SockRef::from(&connection).local_addr().ok()?.as_socket()?;
    let ingress = sys::socket::ingress_index(connection.as_fd()).ok().flatten();
    let heir = successors.iter().find(|(successor, _)| successor.covers(local, ingress));
    heir.map(|(_, serving)| serving)
}

/// What a client has to wait for before it may enter.
#[derive(Debug)]
pub(super) enum Until {
    /// A place, of which the listener has so many.
    Place(Arc<Gate>, Option<NonZeroU32>),
    /// Its turn by the rate.
    Turn(Duration),
}

impl Serving {
    /// A place for a client that may enter now, as far as the limits on all clients are concerned.
    /// A place that is held may have been waited for under another duty; what is not used is given
    /// back.
    pub(super) fn room(&self, held: Option<Place>) -> Result<Place, Until> {
        let state = self.state();
        if let Some(wait) = state.meter.wait(Instant::now) {
            return Err(Until::Turn(wait));
        }
        let limit = state.policy.limits.connections;
        let place = held.filter(|place| place.is_at(&state.gate));
        let place = place.or_else(|| state.gate.place(limit));
        place.ok_or_else(|| Until::Place(Arc::clone(&state.gate), limit))
    }
}
