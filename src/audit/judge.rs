//! The sockets of IP: port by port, and then what nobody declares.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::{IpAddr, Ipv4Addr},
};

use super::{
    Declaration, EphemeralUdp, Given, Scope,
    end::{Addresses, End, Takes, Transport},
    live::{Held, Socket},
    report::{Kind, Report, Row, Seen, Status, Verdict},
};
use crate::policy::{Fanout, ListenerId};

/// A port that flows can come to.
type Port = (Transport, u16);

/// Whose a socket is, in the eyes of one file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Whose {
    /// A process that runs the file has it.
    Ours,
    /// None has.
    Others,
    /// That cannot be told.
    Unseen,
}

impl Whose {
    /// Says so of a socket.
    pub(super) fn is(held: &Held, declaration: &Declaration) -> Self {
        let ours = |pid| declaration.processes.contains(&pid);
        match held.processes.as_slice() {
            processes if processes.iter().any(|it| ours(it.pid)) => Self::Ours,
            [] if !declaration.is_seen() => Self::Unseen,
            _ => Self::Others,
        }
    }
}

/// Adds the rows of IP to the report.
pub(super) fn judge(given: &Given<'_>, report: &mut Report) {
    let judge = Judge::new(given);
    let mut judged = BTreeSet::new();
    for file in &judge.files {
        for (port, listeners) in &file.ports {
            for (listener, wanted) in listeners {
                let row = judge.declared(file, *port, listener, wanted, &mut judged);
                report.rows.push(row.sorted());
            }
        }
    }
    judge.undeclared(&judged, report);
}

struct Judge<'a> {
    given: &'a Given<'a>,
    files: Vec<File<'a>>,
    /// The sockets at each port, by their place in the table.
    live: BTreeMap<Port, Vec<(usize, &'a Socket)>>,
}

/// A declaration by ports.
struct File<'a> {
    declaration: &'a Declaration,
    ports: BTreeMap<Port, BTreeMap<&'a ListenerId, Vec<Wanted>>>,
}

/// A place where a listener is to have sockets.
#[derive(Debug)]
struct Wanted {
    end: End,
    /// How many, where the file itself gives the number.
    sockets: Option<usize>,
}

/// Sockets that have to do with a declared port.
#[derive(Debug, Default)]
struct Met<'a> {
    /// Ours, and those that may be.
    ours: Vec<&'a Socket>,
    /// Some of `ours` that may be.
    unseen: Vec<&'a Socket>,
    theirs: Vec<&'a Socket>,
}

impl<'a> Judge<'a> {
    fn new(given: &'a Given<'a>) -> Self {
        let mut live: BTreeMap<Port, Vec<_>> = BTreeMap::new();
        for (at, socket) in given.live.sockets.iter().enumerate() {
            let port = (socket.end.transport, socket.end.port);
            live.entry(port).or_default().push((at, socket));
        }
        let files = given.declarations.iter().map(|declaration| File::of(declaration, given));
        Self { given, files: files.collect(), live }
    }

    fn at(&self, port: Port) -> &[(usize, &'a Socket)] {
        self.live.get(&port).map_or(&[], Vec::as_slice)
    }

    /// The row of a declared port. Notes the sockets that it accounts for.
    fn declared(
        &self,
        file: &File<'_>,
        port: Port,
        listener: &ListenerId,
        wanted: &[Wanted],
        judged: &mut BTreeSet<usize>,
    ) -> Row {
        let declaration = file.declaration;
        let declared = Takes::of(wanted.iter().map(|wanted| &wanted.end));
        let mut met = Met::default();
        for (at, socket) in self.at(port) {
            if !Takes::of([&socket.end]).meets(&declared) {
                continue;
            }
            match Whose::is(&socket.held, declaration) {
                Whose::Others => met.theirs.push(*socket),
                Whose::Ours => {
                    judged.insert(*at);
                    met.ours.push(*socket);
                }
                Whose::Unseen => {
                    judged.insert(*at);
                    met.ours.push(*socket);
                    met.unseen.push(*socket);
                }
            }
        }
        let mut verdicts: Vec<_> = self.compared(file, port, &declared, &met).into_iter().collect();
        verdicts.extend(miscounted(wanted, &met.ours));
        verdicts.extend(shadowed(&met));
        verdicts.extend(self.let_in(&met.ours));
        verdicts.extend(unknown(&met.unseen));
        let lapsed = declaration.lapsed.get(listener).filter(|_| !met.ours.is_empty());
        verdicts.extend(lapsed.map(|why| Verdict::of(Status::Lapsed, [why.clone()])));
        if port.1 == 0 {
            let why = "port 0 is another port at every start, so nothing can be compared";
            verdicts = vec![Verdict::of(Status::Unknown, [why.to_owned()])];
        }
        Row {
            file: Some(declaration.file.clone()),
            listener: Some(listener.to_string()),
            kind: Kind::Ip(port.0),
            declared: wanted.iter().map(|wanted| wanted.end.to_string()).collect(),
            // What others have beside ours is in the verdicts, if it matters.
            live: seen(if met.ours.is_empty() { &met.theirs } else { &met.ours }.iter().copied()),
            verdicts,
        }
    }

    /// The sets against one another.
    fn compared(
        &self,
        file: &File<'_>,
        port: Port,
        declared: &Takes,
        met: &Met<'_>,
    ) -> Option<Verdict> {
        let facts = self.given.facts;
        let there = ends(&met.ours);
        let of_file = file.all(port);
        let (gained, lost) = (there.less(&of_file), declared.less(&there));
        let gains = || there.beside(&of_file, facts).into_iter().map(|it| format!("gained {it}"));
        let losses = || declared.beside(&there, facts).into_iter().map(|it| format!("lost {it}"));
        if !lost.is_empty() && !met.theirs.is_empty() && lost.less(&ends(&met.theirs)).is_empty() {
            let holders = seen(met.theirs.iter().copied());
            let says = holders.iter().map(|it| format!("{} is held by {}", it.socket, it.held));
            return Some(Verdict::of(Status::Foreign, says));
        }
        match (gained.is_empty(), lost.is_empty()) {
            (true, true) => None,
            _ if met.ours.is_empty() => Some(Verdict::of(Status::Missing, missing(file, met))),
            (false, true) => Some(Verdict::of(Status::Wider, gains())),
            (true, false) => Some(Verdict::of(Status::Narrower, losses())),
            (false, false) => Some(Verdict::of(Status::Differs, gains().chain(losses()))),
        }
    }

    /// What reaches a loopback socket because the host lets it in.
    fn let_in(&self, ours: &[&Socket]) -> Option<Verdict> {
        let mut says = BTreeSet::new();
        for Socket { end, .. } in ours {
            let Addresses::One(IpAddr::V4(address)) = end.addresses else { continue };
            let over = self.given.live.route_localnet.iter();
            let over = over.filter(|name| end.device.as_ref().is_none_or(|device| device == *name));
            if address.octets()[0] == Ipv4Addr::LOCALHOST.octets()[0] {
                says.extend(over.map(|name| {
                    format!("{address} is let in over {name}: net.ipv4.conf.{name}.route_localnet or that of `all` is 1, and the socket is not tied to lo")
                }));
            }
        }
        (!says.is_empty()).then(|| Verdict::of(Status::ExposedByHost, says))
    }

    /// The rows of what no file declares.
    fn undeclared(&self, judged: &BTreeSet<usize>, report: &mut Report) {
        let mut rows: BTreeMap<(&End, &Held), (Option<String>, usize)> = BTreeMap::new();
        for (port, sockets) in &self.live {
            let declared = ends_of(self.files.iter().flat_map(|file| file.ends(*port)));
            for (_, socket) in sockets.iter().filter(|(at, _)| !judged.contains(at)) {
                let is_ours =
                    |file: &&File<'_>| Whose::is(&socket.held, file.declaration) == Whose::Ours;
                let runs = self.files.iter().find(is_ours).map(|it| it.declaration.file.clone());
                let is_judged = runs.is_some() || self.given.scope == Scope::Host;
                // What is inside of what is declared has been told of there.
                let is_within = ends(&[*socket]).less(&declared).is_empty();
                if !is_judged || is_within && runs.is_none() {
                    continue;
                }
                if self.is_ephemeral(&socket.end)
                    && self.given.ephemeral_udp == EphemeralUdp::Ignore
                {
                    report.ignored += 1;
                    continue;
                }
                rows.entry((&socket.end, &socket.held)).or_insert((runs, 0)).1 += 1;
            }
        }
        for ((end, held), (file, count)) in rows {
            let (first, last) = self.given.facts.ephemeral_ports;
            let hint = self.is_ephemeral(end).then(|| {
                format!("inside ip_local_port_range, {first} to {last}: probably a client that waits for an answer (--udp-ephemeral=ignore)")
            });
            report.rows.push(Row {
                file,
                listener: None,
                kind: Kind::Ip(end.transport),
                declared: Vec::new(),
                live: vec![Seen { socket: end.to_string(), count, held: held.clone() }],
                verdicts: vec![Verdict::of(Status::Undeclared, hint)],
            });
        }
    }

    fn is_ephemeral(&self, end: &End) -> bool {
        let (first, last) = self.given.facts.ephemeral_ports;
        end.transport == Transport::Udp && (first..=last).contains(&end.port)
    }
}

impl<'a> File<'a> {
    fn of(declaration: &'a Declaration, given: &Given<'_>) -> Self {
        let mut ports: BTreeMap<Port, BTreeMap<_, Vec<_>>> = BTreeMap::new();
        for bind in declaration.plan.binds.values() {
            let Some(end) = End::of_bind(&bind.key, given.facts) else { continue };
            let listener = declaration.policy.listeners.get(&bind.listener);
            // How many cores the process may use is not known here.
            let sockets = match listener.map(|listener| listener.fanout) {
                Some(Fanout::Sockets(count)) => Some(count.get().into()),
                Some(Fanout::None) => Some(1),
                Some(Fanout::PerCore) | None => None,
            };
            let listeners = ports.entry((end.transport, end.port)).or_default();
            listeners.entry(&bind.listener).or_default().push(Wanted { end, sockets });
        }
        Self { declaration, ports }
    }

    fn ends(&self, port: Port) -> impl Iterator<Item = &End> {
        let listeners = self.ports.get(&port).into_iter().flat_map(BTreeMap::values);
        listeners.flatten().map(|wanted| &wanted.end)
    }

    fn all(&self, port: Port) -> Takes {
        ends_of(self.ends(port))
    }
}

impl Verdict {
    pub(super) fn of(status: Status, says: impl IntoIterator<Item = String>) -> Self {
        Self { status, says: says.into_iter().collect() }
    }
}

fn ends(sockets: &[&Socket]) -> Takes {
    ends_of(sockets.iter().map(|socket| &socket.end))
}

fn ends_of<'e>(ends: impl IntoIterator<Item = &'e End>) -> Takes {
    Takes::of(ends)
}

/// Why it may be missing.
fn missing(file: &File<'_>, met: &Met<'_>) -> Vec<String> {
    let mut says = Vec::new();
    if file.declaration.processes.is_empty() {
        says.push(format!("no process in sight runs {} on this network", file.declaration.file));
    }
    let part = seen(met.theirs.iter().copied());
    says.extend(
        part.iter().map(|it| format!("{} has a part of it, held by {}", it.socket, it.held)),
    );
    says
}

/// A group that is not as large as the file says. Sockets beside it, such as those that linger
/// after a reload, are at other places.
fn miscounted(wanted: &[Wanted], ours: &[&Socket]) -> Option<Verdict> {
    let wrong = wanted.iter().filter_map(|wanted| {
        let count = ours.iter().filter(|socket| socket.end == wanted.end).count();
        let sockets = wanted.sockets.filter(|sockets| count > 0 && count != *sockets)?;
        Some(format!("{} has {count} sockets, and {sockets} are declared", wanted.end))
    });
    let says: Vec<_> = wrong.collect();
    (!says.is_empty()).then(|| Verdict::of(Status::Differs, says))
}

/// Others' sockets that the kernel prefers, or takes turns with.
fn shadowed(met: &Met<'_>) -> Option<Verdict> {
    let shadows = met.theirs.iter().filter(|their| {
        met.ours.iter().any(|our| {
            their.end.precedence() >= our.end.precedence()
                && Takes::of([&their.end]).meets(&Takes::of([&our.end]))
        })
    });
    let says: Vec<_> = seen(shadows.copied())
        .into_iter()
        .map(|it| format!("{} takes a part of it, held by {}", it.socket, it.held))
        .collect();
    (!says.is_empty()).then(|| Verdict::of(Status::Shadowed, says))
}

fn unknown(unseen: &[&Socket]) -> Option<Verdict> {
    let says: Vec<_> = seen(unseen.iter().copied())
        .into_iter()
        .map(|it| {
            format!("nobody in sight has {}: run as root, or as the user who serves", it.socket)
        })
        .collect();
    (!says.is_empty()).then(|| Verdict::of(Status::Unknown, says))
}

/// Sockets by place and holder.
fn seen<'s>(sockets: impl Iterator<Item = &'s Socket>) -> Vec<Seen> {
    let mut groups: BTreeMap<(&End, &Held), usize> = BTreeMap::new();
    for socket in sockets {
        *groups.entry((&socket.end, &socket.held)).or_default() += 1;
    }
    let seen = groups.into_iter().map(|((end, held), count)| Seen {
        socket: end.to_string(),
        count,
        held: held.clone(),
    });
    seen.collect()
}
