//! Random sockets against random files, held against a model that knows nothing of intervals: it
//! lists every flow of a small world.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::{IpAddr, SocketAddr},
};

use serde_json::Value;
use socket2::{Domain, Socket, Type};

use super::{HEAD, audit, listener};
use crate::support::{
    Program, ServiceFile,
    namespace::{in_namespace, veth},
    portcullis,
    random::Random,
};

/// A table each; a failure names the one that it came from.
const SEEDS: std::ops::Range<u64> = 0..32;

/// Sockets at random in each table, besides those that are as declared.
const SOCKETS: usize = 8;

const PORTS: [u16; 3] = [5000, 5001, 5002];

/// Where sockets are bound. A mapped address is one of IPv4, and `::ffff:0.0.0.0` every one.
const ADDRESSES: [&str; 9] = [
    "0.0.0.0",
    "127.0.0.1",
    "10.9.0.5",
    "10.9.0.6",
    "::",
    "::1",
    "fd00:9::5",
    "::ffff:0.0.0.0",
    "::ffff:10.9.0.5",
];

const DEVICES: [Option<&str>; 3] = [None, Some("lo"), Some("v0")];

/// What there is to connect to, and over which interface; `other` is every one besides.
const WORLD4: [&str; 4] = ["127.0.0.1", "10.9.0.5", "10.9.0.6", "other4"];
const WORLD6: [&str; 3] = ["::1", "fd00:9::5", "other6"];
const INTERFACES: [&str; 3] = ["lo", "v0", "other"];

/// What a file may expose, with the addresses and interfaces that it is to come to.
const EXPOSED: [Exposed; 8] = [
    ("loopback", &[("127.0.0.1", Some("lo")), ("::1", Some("lo"))]),
    ("{ loopback: { families: [v4] } }", &[("127.0.0.1", Some("lo"))]),
    ("{ private: { address: 10.9.0.5 } }", &[("10.9.0.5", Some("v0"))]),
    ("{ private: { address: 10.9.0.6, pin: none } }", &[("10.9.0.6", None)]),
    ("{ any: { families: [v4, v6] } }", &[("0.0.0.0", None), ("::", None)]),
    ("{ any: { families: [v4] } }", &[("0.0.0.0", None)]),
    ("{ any: { families: [v6] } }", &[("::", None)]),
    (
        "{ interface: { name: v0, v4: [private], v6: [private] } }",
        &[("10.9.0.5", Some("v0")), ("10.9.0.6", Some("v0")), ("fd00:9::5", Some("v0"))],
    ),
];

type Exposed = (&'static str, &'static [(&'static str, Option<&'static str>)]);

/// A destination and an interface.
type Flows = BTreeSet<(&'static str, &'static str)>;

/// A socket that is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Wanted {
    udp: bool,
    address: &'static str,
    only_v6: bool,
    device: Option<&'static str>,
    reuse: bool,
    port: u16,
    /// Whether the program is to have it rather than the test.
    ours: bool,
}

#[test]
fn every_socket_is_reported_with_the_right_status() {
    in_namespace("audit::random::every_socket_is_reported_with_the_right_status", || {
        veth(&["10.9.0.5/24", "10.9.0.6/24", "fd00:9::5/64"]);
        let mut seen: BTreeMap<String, usize> = BTreeMap::new();
        for seed in SEEDS {
            for status in holds(seed) {
                *seen.entry(status).or_default() += 1;
            }
        }
        let words = ["match", "wider", "narrower", "differs", "missing", "foreign", "shadowed"];
        for word in words.into_iter().chain(["undeclared"]) {
            assert!(seen.get(word).is_some_and(|count| *count > 1), "{word}: {seen:?}");
        }
        tell(&format!("rows of {} random tables by status: {seen:?}", SEEDS.end));
    });
}

/// Opens sockets, audits, and compares. Returns the statuses that there were.
fn holds(seed: u64) -> Vec<String> {
    let mut random = Random::new(seed);
    let declared: Vec<_> = PORTS.iter().map(|port| (*port, random.pick(&EXPOSED))).collect();
    let mut open = Vec::new();
    let mut try_to = |wanted: Wanted| {
        open.extend(bound(wanted).map(|socket| (wanted, socket)));
    };
    for (port, (_, ends)) in &declared {
        // Now and then there is not even what is declared, or another has it.
        let fate = random.pick(&[Some(true), Some(true), Some(true), Some(false), None]);
        for (address, device) in *ends {
            let Some(ours) = fate else { continue };
            let (only_v6, reuse) = (true, random.pick(&[true, false]));
            let (udp, device, port) = (false, *device, *port);
            try_to(Wanted { udp, address, only_v6, device, reuse, port, ours });
        }
    }
    for _ in 0..SOCKETS {
        try_to(Wanted {
            udp: random.pick(&[false, false, false, true]),
            address: random.pick(&ADDRESSES),
            only_v6: random.pick(&[true, false]),
            device: random.pick(&DEVICES),
            reuse: random.pick(&[true, true, false]),
            port: random.pick(&PORTS),
            ours: random.pick(&[true, false]),
        });
    }
    let file = ServiceFile::new("");
    let base = format!(
        "  base:\n    purpose: a test\n    expose: {{ unix: {{ path: {}, mode: \"0600\" }} }}\n    serve: status\n",
        file.beside("base.sock").display()
    );
    file.replace(&format!("{HEAD}{base}"));
    let program = Program::serving_by(portcullis(), file);
    let (table, sockets): (Vec<_>, Vec<_>) = open.into_iter().unzip();
    // What the program has got along is its alone.
    let kept: Vec<_> = sockets.into_iter().zip(&table).filter(|(_, it)| !it.ours).collect();
    let listeners =
        declared.iter().map(|(port, (expose, _))| listener(&format!("at-{port}"), expose, *port));
    let listeners: String = listeners.collect();
    super::declare_instead(&program, &[base, listeners]);

    let ended = audit(program.file.path(), &["--host", "--format", "json"]);
    let report: Value = serde_json::from_str(&ended.out).unwrap_or_else(|_| panic!("{ended:?}"));
    let found = found(&report);
    let expected = expected(&declared, &table);
    assert_eq!(found, expected, "seed {seed}: {declared:#?} {table:#?}\n{}", ended.out);
    assert_eq!(ended.code, Some(i32::from(found.iter().any(|row| !row.starts_with("match")))));
    drop(kept);
    let first = |row: String| row.split([' ', ',']).next().unwrap().to_owned();
    found.into_iter().map(first).collect()
}

/// The socket, unless the kernel does not let it be.
fn bound(wanted: Wanted) -> Option<Socket> {
    let ip: IpAddr = wanted.address.parse().unwrap();
    let address = SocketAddr::new(ip, wanted.port);
    let kind = if wanted.udp { Type::DGRAM } else { Type::STREAM };
    let socket = Socket::new(Domain::for_address(address), kind, None).unwrap();
    socket.set_cloexec(!wanted.ours).unwrap();
    socket.set_reuse_port(wanted.reuse).unwrap();
    if address.is_ipv6() {
        socket.set_only_v6(wanted.only_v6 && !wanted.is_mapped()).unwrap();
    }
    if let Some(device) = wanted.device {
        socket.bind_device(Some(device.as_bytes())).unwrap();
    }
    socket.bind(&address.into()).ok()?;
    if !wanted.udp {
        socket.listen(1).ok()?;
    }
    Some(socket)
}

/// Rows of the report: statuses and listener, or the socket and how many there are.
fn found(report: &Value) -> Vec<String> {
    let mut rows = Vec::new();
    for row in report["rows"].as_array().unwrap() {
        let verdicts = row["verdicts"].as_array().unwrap();
        let statuses: BTreeSet<_> =
            verdicts.iter().map(|it| it["status"].as_str().unwrap().to_owned()).collect();
        if let Some(listener) = row["listener"].as_str().filter(|name| *name != "base") {
            rows.push(shown(statuses, listener));
        } else if row["listener"].is_null() {
            let live = &row["live"][0];
            let (socket, count) = (live["socket"].as_str().unwrap(), &live["sockets"]);
            let transport = row["protocol"].as_str().unwrap();
            let whose = if row["file"].is_null() { "theirs" } else { "ours" };
            rows.push(shown(statuses, &format!("{transport} {socket} {whose} {count}")));
        }
    }
    rows.sort();
    rows
}

fn shown(statuses: BTreeSet<String>, what: &str) -> String {
    let statuses: Vec<_> = statuses.into_iter().collect();
    match statuses.as_slice() {
        [] => format!("match {what}"),
        some => format!("{} {what}", some.join(",")),
    }
}

/// The same rows, found by listing flows.
fn expected(declared: &[(u16, Exposed)], table: &[Wanted]) -> Vec<String> {
    let mut rows = Vec::new();
    let mut beyond: BTreeMap<String, usize> = BTreeMap::new();
    for (port, (_, ends)) in declared {
        let here: Vec<_> = table.iter().filter(|it| it.port == *port).collect();
        let ends: Vec<_> = ends.iter().map(|end| as_declared(*end, *port)).collect();
        let wanted: Flows = ends.iter().flat_map(Wanted::takes).collect();
        let meets = |it: &&&Wanted| !it.udp && !it.takes().is_disjoint(&wanted);
        let met: Vec<_> = here.iter().filter(meets).copied().collect();
        rows.push(shown(statuses(&ends, &wanted, &met), &format!("at-{port}")));
        for it in here {
            let is_told = if it.ours {
                meets(&&it)
            } else {
                meets(&&it) && it.takes().is_subset(&wanted) && is_named(it, &wanted, &met)
            };
            if !is_told {
                let transport = if it.udp { "udp" } else { "tcp" };
                let whose = if it.ours { "ours" } else { "theirs" };
                *beyond.entry(format!("{transport} {} {whose}", it.shown())).or_default() += 1;
            }
        }
    }
    rows.extend(beyond.into_iter().map(|(what, count)| format!("undeclared {what} {count}")));
    rows.sort();
    rows
}

fn statuses(ends: &[Wanted], wanted: &Flows, met: &[&Wanted]) -> BTreeSet<String> {
    let of = |ours: bool| met.iter().filter(move |it| it.ours == ours);
    let all = |ours: bool| of(ours).flat_map(|it| it.takes()).collect::<Flows>();
    let (ours, theirs) = (all(true), all(false));
    let (gained, lost) = (&ours - wanted, wanted - &ours);
    let mut found = BTreeSet::new();
    let compared = match (gained.is_empty(), lost.is_empty()) {
        (_, false) if lost.is_subset(&theirs) => Some("foreign"),
        (true, true) => None,
        _ if ours.is_empty() => Some("missing"),
        (false, true) => Some("wider"),
        (true, false) => Some("narrower"),
        (false, false) => Some("differs"),
    };
    found.extend(compared);
    if compared == Some("foreign") && !gained.is_empty() {
        found.insert("wider");
    }
    let count = |end: &Wanted| of(true).filter(|it| it.shown() == end.shown()).count();
    if ends.iter().any(|end| count(end) > 1) {
        found.insert("differs");
    }
    if of(false).any(|their| is_preferred(their, met)) {
        found.insert("shadowed");
    }
    found.into_iter().map(str::to_owned).collect()
}

/// Whether the row says something of another's socket.
fn is_named(their: &Wanted, wanted: &Flows, met: &[&Wanted]) -> bool {
    let takes = |ours: bool| {
        let of = met.iter().filter(move |it| it.ours == ours);
        of.flat_map(|it| it.takes()).collect::<Flows>()
    };
    let lost = wanted - &takes(true);
    let is_foreign = !lost.is_empty() && lost.is_subset(&takes(false));
    is_foreign || !met.iter().any(|it| it.ours) || is_preferred(their, met)
}

/// Whether it gets what would otherwise be for one of ours.
fn is_preferred(their: &Wanted, met: &[&Wanted]) -> bool {
    let mut ours = met.iter().filter(|it| it.ours);
    ours.any(|our| their.rank() >= our.rank() && !their.takes().is_disjoint(&our.takes()))
}

fn as_declared((address, device): (&'static str, Option<&'static str>), port: u16) -> Wanted {
    Wanted { udp: false, address, only_v6: true, device, reuse: false, port, ours: true }
}

impl Wanted {
    fn is_mapped(&self) -> bool {
        self.address.starts_with("::ffff:")
    }

    /// The address, as it means the same.
    fn plain(&self) -> &'static str {
        self.address.strip_prefix("::ffff:").unwrap_or(self.address)
    }

    fn is_dual(&self) -> bool {
        self.address == "::" && !self.only_v6
    }

    fn takes(&self) -> Flows {
        let destinations: Vec<&'static str> = match self.plain() {
            "0.0.0.0" => WORLD4.to_vec(),
            "::" if self.only_v6 => WORLD6.to_vec(),
            "::" => [&WORLD4[..], &WORLD6].concat(),
            one => vec![one],
        };
        let over = INTERFACES.iter().filter(|name| self.device.is_none_or(|it| it == **name));
        let flows = over.flat_map(|name| destinations.iter().map(move |to| (*to, *name)));
        flows.collect()
    }

    /// Which the kernel prefers.
    fn rank(&self) -> (bool, bool, bool) {
        (!["0.0.0.0", "::"].contains(&self.plain()), self.device.is_some(), !self.is_dual())
    }

    fn shown(&self) -> String {
        let address = match self.plain() {
            _ if self.is_dual() => "*".to_owned(),
            v6 if v6.contains(':') => format!("[{v6}]"),
            v4 => v4.to_owned(),
        };
        let device = self.device.map(|name| format!(" on {name}")).unwrap_or_default();
        format!("{address}:{}{device}", self.port)
    }
}

#[expect(clippy::print_stdout, reason = "how many of which there were is worth knowing")]
fn tell(what: &str) {
    println!("counted: {what}");
}
