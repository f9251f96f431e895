//! The sockets of IP: port by port, and then what nobody declares.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::{IpAddr, Ipv4Addr},
};

use super::{
    Declaration, EphemeralUdp, Given, Scope,
    end::{Addresses, End, Takes, Transport},
    live::{Held, Socket},
    met::{Met, Whose, seen},
    report::{Kind, Report, Row, Seen, Status, Verdict},
};
use crate::policy::{Fanout, ListenerId};

/// A port that flows can come to.
type Port = (Transport, u16);

/// Adds the rows of IP to the report.
pub(super) fn judge(given: &Given<'_>, report: &mut Report) {
    let judge = Judge::new(given);
    let mut told = Told::default();
    for file in &judge.files {
        for (port, listeners) in &file.ports {
            for (listener, wanted) in listeners {
                let row = judge.declared(file, *port, listener, wanted, &mut told);
                report.rows.push(row.sorted());
            }
        }
    }
    judge.undeclared(&told, report);
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

/// Sockets that rows of declared ports account for, by their place in the table.
#[derive(Debug, Default)]
struct Told {
    ours: BTreeSet<usize>,
    /// Others' that a row names; they may take more than that.
    theirs: BTreeSet<usize>,
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

    /// The row of a declared port.
    fn declared(
        &self,
        file: &File<'_>,
        port: Port,
        listener: &ListenerId,
        wanted: &[Wanted],
        told: &mut Told,
    ) -> Row {
        let declaration = file.declaration;
        let declared = Takes::of(wanted.iter().map(|wanted| &wanted.end));
        let mut met = Met::default();
        for (at, socket) in self.at(port) {
            if Takes::of([&socket.end]).meets(&declared) {
                let whose = Whose::is(&socket.held, declaration);
                met.add(*at, socket, whose);
                if whose != Whose::Others {
                    told.ours.insert(*at);
                }
            }
        }
        let mut verdicts = self.compared(file, port, &declared, &met);
        let is_foreign = verdicts.iter().any(|verdict| verdict.status == Status::Foreign);
        told.theirs.extend(met.named(is_foreign));
        verdicts.extend(miscounted(wanted, &met.ours));
        verdicts.extend(met.shadowed());
        verdicts.extend(self.let_in(&met.ours));
        verdicts.extend(met.unknown());
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
            port: Some(port.1),
            declared: wanted.iter().map(|wanted| wanted.end.to_string()).collect(),
            // What others have beside ours is in the verdicts, if it matters.
            live: match met.ours.as_slice() {
                [] => seen(met.theirs()),
                ours => seen(ours.iter().copied()),
            },
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
    ) -> Vec<Verdict> {
        let facts = self.given.facts;
        let there = ends(&met.ours);
        let of_file = file.all(port);
        let (gained, lost) = (there.less(&of_file), declared.less(&there));
        let gains = || there.beside(&of_file, facts).into_iter().map(|it| format!("gained {it}"));
        let losses = || declared.beside(&there, facts).into_iter().map(|it| format!("lost {it}"));
        let of_others = Takes::of(met.theirs().map(|socket| &socket.end));
        let mut verdicts = Vec::new();
        let mut say = |status, says| verdicts.push(Verdict { status, says });
        match (gained.is_empty(), lost.is_empty()) {
            (true, true) => {}
            (is_within, false) if lost.less(&of_others).is_empty() => {
                let held = |it: Seen| format!("{} is held by {}", it.socket, it.held);
                say(Status::Foreign, seen(met.theirs()).into_iter().map(held).collect());
                if !is_within {
                    say(Status::Wider, gains().collect());
                }
            }
            _ if met.ours.is_empty() => say(Status::Missing, missing(file, met)),
            (false, true) => say(Status::Wider, gains().collect()),
            (true, false) => say(Status::Narrower, losses().collect()),
            (false, false) => say(Status::Differs, gains().chain(losses()).collect()),
        }
        verdicts
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
    fn undeclared(&self, told: &Told, report: &mut Report) {
        let mut rows: BTreeMap<(&End, &Held), (Option<String>, usize)> = BTreeMap::new();
        for (port, sockets) in &self.live {
            let declared = Takes::of(self.files.iter().flat_map(|file| file.ends(*port)));
            for (at, socket) in sockets.iter().filter(|(at, _)| !told.ours.contains(at)) {
                let is_ours =
                    |file: &&File<'_>| Whose::is(&socket.held, file.declaration) == Whose::Ours;
                let runs = self.files.iter().find(is_ours).map(|it| it.declaration.file.clone());
                // What a row names, and is not more than that row is about.
                let is_told =
                    told.theirs.contains(at) && ends(&[*socket]).less(&declared).is_empty();
                let is_judged = runs.is_some() || self.given.scope == Scope::Host && !is_told;
                if !is_judged {
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
                port: Some(end.port),
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
        Takes::of(self.ends(port))
    }
}

fn ends(sockets: &[&Socket]) -> Takes {
    Takes::of(sockets.iter().map(|socket| &socket.end))
}

/// Why it may be missing.
fn missing(file: &File<'_>, met: &Met<'_>) -> Vec<String> {
    let mut says = Vec::new();
    if file.declaration.processes.is_empty() {
        says.push(format!("no process in sight runs {} on this network", file.declaration.file));
    }
    let part = seen(met.theirs());
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
