//! Every socket this process holds, and the transaction that changes them.
//!
//! ```text
//!              prepare                    commit                 settle
//!   Delta ───────────────▶ Prepared ─────────────────▶ live ─────────────────▶ gone
//!            all or nothing           listen, then retire     once quiet
//! ```
//!
//! All binds come before any close, and nothing is closed that a handshake may still be in: what
//! the plan narrows goes on accepting for a moment, what it widens stays open.

mod give;
pub(super) mod inherit;
mod kept;
mod renamed;
mod report;
mod shown;

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet},
    os::fd::AsFd,
    sync::Arc,
    time::{Duration, Instant},
};

use tracing::warn;

use crate::{
    facts::Facts,
    plan::{
        Bind, BindKey, Plan,
        diff::{Add, Delta, Way, diff},
    },
    policy::ListenerId,
    runtime::{Assignment, Role, Share, SocketId, Successor, bind::BoundSocket},
    supervisor::binder::{
        Asked, Binder, BinderError, Opened,
        message::{Beside, Wanted},
    },
    sys,
};

/// Two lost SYN-ACKs are sent again after 1.0 and 3.0 s: a handshake that began on a narrowed
/// socket is over by then.
const LINGER: Duration = Duration::from_millis(3500);

/// A narrowed socket that has had neither a handshake under way nor a client in its queue for this
/// long has no more coming.
const QUIET: Duration = Duration::from_millis(300);

/// The sockets of one address, and what they are for.
#[derive(Debug)]
struct Group {
    bind: Bind,
    sockets: Vec<(SocketId, Arc<BoundSocket>)>,
    state: State,
}

/// What a group is there for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// The plan lists it.
    Planned,
    /// The plan has something narrower; it finishes handshakes.
    Narrowed {
        /// Since when.
        since: Instant,
        /// When something was last seen under way.
        busy: Instant,
    },
    /// The plan has something wider, which cannot draw this socket's connections.
    Absorbed,
}

/// All sockets, by what they are bound to.
#[derive(Debug)]
pub(super) struct Sockets {
    /// Who opens them.
    binder: Binder,
    groups: BTreeMap<BindKey, Group>,
    last_id: u64,
    /// Taken over, and not announced yet.
    inherited: BTreeSet<SocketId>,
}

/// Sockets that are bound and not listening, and what was changed on live ones for their sake.
/// Dropped without a commit it is to be undone by [`Sockets::abandon`].
#[derive(Debug)]
pub(super) struct Prepared {
    delta: Delta,
    opened: Vec<Opened>,
    /// Live groups on which SO_REUSEPORT was switched on.
    joined: Vec<BindKey>,
}

/// What a commit did.
#[derive(Debug, Default)]
pub(super) struct Done {
    /// Sockets that listen now and did not before, for the READY lines.
    pub(super) opened: Vec<(ListenerId, Arc<BoundSocket>)>,
    /// How many sockets nobody touched.
    pub(super) kept: usize,
    /// Sockets that no worker is to serve any more. To be dropped when the workers know.
    pub(super) closed: Vec<Arc<BoundSocket>>,
}

impl Sockets {
    /// None yet.
    pub(super) fn new(binder: Binder) -> Self {
        Self { binder, groups: BTreeMap::new(), last_id: 0, inherited: BTreeSet::new() }
    }

    /// What has to happen for the plan to come true.
    pub(super) fn delta(&self, plan: &Plan) -> Delta {
        let live =
            self.groups.iter().map(|(key, group)| (key.clone(), group.bind.clone())).collect();
        diff(&live, plan)
    }

    /// Opens everything that a delta needs. Until the commit no traffic moves.
    ///
    /// # Errors
    /// Every socket that could not be had; nothing has changed then.
    pub(super) fn prepare(&self, delta: Delta) -> Result<Prepared, BinderError> {
        let mut prepared = Prepared { delta, opened: Vec::new(), joined: Vec::new() };
        let mut wanted = Vec::new();
        for add in &prepared.delta.add {
            for key in &add.beside {
                self.groups[key].allow_joining();
                prepared.joined.push(key.clone());
            }
            wanted.push((Wanted { key: add.bind.key.clone(), beside: beside(add) }, None));
        }
        let update = prepared.delta.update.iter();
        wanted.extend(update.filter_map(|one| self.groups[&one.key].lacking(one)));
        let mut errors = Vec::new();
        let failure = match self.binder.open(&wanted) {
            Ok(results) => {
                for result in results {
                    match result {
                        Ok(opened) => prepared.opened.push(opened),
                        Err(error) => errors.push(error),
                    }
                }
                if errors.is_empty() {
                    return Ok(prepared);
                }
                BinderError::Unbound(errors)
            }
            Err(error) => error,
        };
        self.abandon(prepared);
        Err(failure)
    }

    /// Undoes a preparation.
    fn abandon(&self, prepared: Prepared) {
        drop(prepared.opened);
        // Siblings joined the groups that were to grow.
        let grown = prepared.delta.update.iter().map(|bind| &bind.key);
        for key in prepared.joined.iter().chain(grown) {
            self.groups[key].forbid_joining();
        }
    }

    /// Lets the prepared sockets listen, the most specific first, and retires what the plan no
    /// longer lists. Afterwards the sockets are those of the plan, plus what retires.
    ///
    /// # Errors
    /// When a socket cannot listen, which takes another process that came between bind and listen;
    /// nothing has changed then.
    pub(super) fn commit(
        &mut self,
        mut prepared: Prepared,
        plan: &Plan,
        now: Instant,
    ) -> Result<Done, BinderError> {
        // Paths come last: one that has changed hands cannot be given back.
        let order =
            |opened: &Opened| (opened.key().path().is_some(), Reverse(opened.key().precedence()));
        prepared.opened.sort_by_key(order);
        let opened = std::mem::take(&mut prepared.opened);
        let listening = match self.binder.listen(opened) {
            Ok(listening) => listening,
            Err(error) => {
                self.abandon(prepared);
                return Err(error);
            }
        };
        let mut done = Done { kept: prepared.delta.keep.len(), ..Done::default() };
        for bind in plan.binds.values() {
            self.plan(bind, &mut done);
        }
        for socket in listening {
            self.adopt(socket, &mut done);
        }
        for retire in &prepared.delta.retire {
            self.retire(&retire.key, retire.way, now, &mut done);
        }
        self.announce_inherited(&mut done);
        Ok(done)
    }

    /// Makes room for a bind of the plan, and sets the specification of one that is there.
    fn plan(&mut self, bind: &Bind, done: &mut Done) {
        let group = self.groups.entry(bind.key.clone()).or_insert_with(|| Group {
            bind: bind.clone(),
            sockets: Vec::new(),
            state: State::Planned,
        });
        if group.is_replaced_by(bind) {
            // Its successor is there; this one serves its queue and goes.
            done.closed.extend(group.sockets.drain(..).map(|(_, socket)| socket));
        }
        group.bind = bind.clone();
        group.state = State::Planned;
    }

    fn adopt(&mut self, socket: BoundSocket, done: &mut Done) {
        self.last_id += 1;
        let group =
            self.groups.get_mut(socket.key()).expect("room was made for every bind of the plan");
        let socket = Arc::new(socket);
        done.opened.push((group.bind.listener.clone(), Arc::clone(&socket)));
        group.sockets.push((SocketId(self.last_id), socket));
    }

    /// For whoever started this process, what was taken over listens as of now.
    fn announce_inherited(&mut self, done: &mut Done) {
        let inherited = std::mem::take(&mut self.inherited);
        for group in self.groups.values().filter(|group| group.state == State::Planned) {
            let listener = &group.bind.listener;
            let sockets = group.sockets.iter().filter(|(id, _)| inherited.contains(id));
            let announced = sockets.map(|(_, socket)| (listener.clone(), Arc::clone(socket)));
            done.opened.extend(announced);
        }
    }

    fn retire(&mut self, key: &BindKey, way: Way, now: Instant, done: &mut Done) {
        let Some(group) = self.groups.get_mut(key) else { return };
        match (way, group.state) {
            (Way::Narrowed, State::Narrowed { .. }) => {}
            (Way::Narrowed, _) => group.state = State::Narrowed { since: now, busy: now },
            (Way::Absorbed, _) => group.state = State::Absorbed,
            (Way::Gone, _) => self.close(key, done),
        }
    }

    fn close(&mut self, key: &BindKey, done: &mut Done) {
        if let Some(group) = self.groups.remove(key) {
            for (_, socket) in group.sockets {
                self.binder.remove_file(&socket);
                done.closed.push(socket);
            }
        }
    }

    /// Closes narrowed sockets in which nothing is under way any more. To be called now and then
    /// while [`Sockets::is_settled`] is false.
    pub(super) fn settle(&mut self, now: Instant) -> Done {
        let mut over = Vec::new();
        for (key, group) in &mut self.groups {
            let State::Narrowed { since, busy } = group.state else { continue };
            let busy = if group.is_busy() { now } else { busy };
            group.state = State::Narrowed { since, busy };
            if now.duration_since(busy) >= QUIET || now.duration_since(since) >= LINGER {
                over.push(key.clone());
            }
        }
        let mut done = Done::default();
        for key in over {
            self.close(&key, &mut done);
            // Nothing is to be bound beside these any more.
            let successors = self.groups.values().filter(|group| group.bind.key.overlaps(&key));
            successors
                .filter(|group| group.bind.sockets.get() == 1)
                .for_each(Group::forbid_joining);
        }
        done
    }

    /// Whether no socket is about to go.
    pub(super) fn is_settled(&self) -> bool {
        !self.groups.values().any(|group| matches!(group.state, State::Narrowed { .. }))
    }

    /// Takes every socket out of service.
    pub(super) fn close_all(&mut self) -> Done {
        let mut done = Done::default();
        for key in self.groups.keys().cloned().collect::<Vec<_>>() {
            self.close(&key, &mut done);
        }
        done
    }

    /// What the workers are to serve.
    pub(super) fn assignments(&self, facts: &Facts) -> Vec<Assignment> {
        let mut assignments = Vec::new();
        for (key, group) in &self.groups {
            let role = match group.state {
                State::Planned => Role::Serve(group.bind.listener.clone()),
                State::Narrowed { .. } | State::Absorbed => Role::Linger {
                    of: group.bind.listener.clone(),
                    successors: self.successors(key, facts),
                },
            };
            let of = group.sockets.len();
            for (member, (id, socket)) in group.sockets.iter().enumerate() {
                let (socket, role) = (Arc::clone(socket), role.clone());
                assignments.push(Assignment { id: *id, socket, role, share: Share { member, of } });
            }
        }
        assignments
    }

    /// The planned sockets that a retiring one overlaps.
    fn successors(&self, key: &BindKey, facts: &Facts) -> Vec<Successor> {
        let successor = |group: &Group| {
            let device = match &group.bind.key.device {
                Some(name) => Some(facts.link(name)?.index),
                None => None,
            };
            let address = group.bind.key.socket_addr()?;
            Some(Successor { address, device, listener: group.bind.listener.clone() })
        };
        self.heirs(key).filter_map(successor).collect()
    }

    /// The planned groups that a retiring one overlaps.
    fn heirs(&self, key: &BindKey) -> impl Iterator<Item = &Group> {
        let planned = self.groups.values().filter(|group| group.state == State::Planned);
        planned.filter(move |group| group.bind.key.overlaps(key))
    }
}

impl Group {
    /// The sockets by which the live group falls short of a new specification.
    fn lacking(&self, wanted: &Bind) -> Option<Asked<'_>> {
        let key = wanted.key.clone();
        if self.is_replaced_by(wanted) {
            let has_path = |(_, socket): &(_, Arc<BoundSocket>)| socket.has_its_file();
            let is_own = self.sockets.iter().any(has_path);
            let beside = if is_own { Beside::Own } else { Beside::Nothing };
            return Some((Wanted { key, beside }, None));
        }
        let have = u16::try_from(self.sockets.len()).unwrap_or(u16::MAX);
        let (_, live) = self.sockets.first()?;
        match wanted.sockets.get().saturating_sub(have) {
            0 => None,
            more => Some((Wanted { key, beside: Beside::Joining(more) }, Some(live.as_fd()))),
        }
    }

    /// Whether the live sockets cannot become what is wanted: a path socket gets its mode when it
    /// is made, and a socket whose device is gone stays tied to it.
    fn is_replaced_by(&self, wanted: &Bind) -> bool {
        self.bind.unix != wanted.unix || self.bind.link != wanted.link
    }

    fn allow_joining(&self) {
        for (_, socket) in &self.sockets {
            if let Err(error) = socket.set_reuse_port(true) {
                // The bind that needs it fails then, and names its cause.
                warn!(%error, address = %socket.address(), "cannot switch SO_REUSEPORT on");
            }
        }
    }

    /// Closes the door again, unless it has to be open: members of a group of several need it.
    fn forbid_joining(&self) {
        if let [(_, socket)] = self.sockets.as_slice()
            && let Err(error) = socket.set_reuse_port(false)
        {
            warn!(%error, address = %socket.address(), "cannot switch SO_REUSEPORT off");
        }
    }

    /// Whether a handshake is under way or a client waits in a queue. A socket that cannot be asked
    /// counts as busy.
    fn is_busy(&self) -> bool {
        let queues_empty = self.sockets.iter().all(|(_, socket)| {
            sys::socket::accept_queue(socket.as_fd()).is_ok_and(|waiting| waiting == 0)
        });
        let port = self.bind.key.socket_addr().map_or(0, |address| address.port());
        !queues_empty || !sys::netlink::handshakes_on(port).is_ok_and(|begun| begun == 0)
    }
}

fn beside(add: &Add) -> Beside {
    if add.beside.is_empty() { Beside::Nothing } else { Beside::Own }
}
