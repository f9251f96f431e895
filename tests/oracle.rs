//! The model of exposure against the kernel and the program: random files, run in a network with
//! neighbours, and every connection that those can try.

mod random;
mod vantage;

use std::{
    collections::BTreeSet,
    fs,
    net::{IpAddr, SocketAddr},
    thread,
    time::Duration,
};

use portcullis::{
    address::Date,
    compile::{Given, compile},
    exposure::{
        Answer, Exposure,
        connection::{Connection, Fate},
        reach::Reach,
    },
    facts,
    policy::{Policy, claim::Assume},
    source::Source,
};

use self::vantage::{Flow, Neighbour, Outcome};
use crate::support::{Answering, Program, ServiceFile, namespace::in_namespace, random::Random};

const NAME: &str = "oracle::what_connects_and_is_answered_is_what_the_model_says";

/// One configuration each; a failure names the one it came from.
const SEEDS: [u64; 12] = [1, 2, 3, 5, 8, 13, 21, 34, 55, 89, 144, 233];

/// Where each listener of a file is, and a port of nobody.
const PORTS: [u16; 5] = [4000, 4001, 4002, 4003, 4004];

/// Where the test itself answers, tied to no interface.
const CONTROL: &str = "127.0.0.1:4100";

/// For a connection that is to be made: only a failed test waits for it to be over.
const LONG: Duration = Duration::from_secs(10);
/// For one that need not be: who is slower is taken for one that does not come, which is safe for
/// the test and makes it no worse than a little less thorough.
const SHORT: Duration = Duration::from_millis(250);

const ON_LAN: [&str; 4] = ["10.20.3.4/16", "10.20.9.5/16", "fd12::4/64", "fd12::5/64"];
const ON_NET: [&str; 2] = ["198.51.99.4/24", "2600:9::4/64"];
const LAN: [&str; 4] = ["10.20.7.7/16", "10.20.66.6/16", "fd12::7/64", "fd12::66/64"];
const NET: [&str; 2] = ["198.51.99.9/24", "2600:9::9/64"];
const LOOPBACK: [&str; 3] = ["127.0.0.1", "127.0.0.2", "::1"];

/// Who tries to connect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum From {
    Host,
    Lan,
    Net,
}

/// How many of which there were.
#[derive(Debug, Default)]
struct Count {
    tried: usize,
    connected: usize,
    answered: usize,
    had_to: usize,
    /// Loopback addresses that a neighbour got at, on ports where nothing may take it.
    shut: usize,
}

/// A policy with what the model says about it.
struct Model {
    policy: Policy,
    exposure: Exposure,
    reach: Reach,
    sockets: BTreeSet<SocketAddr>,
}

/// Three vantages. Both neighbours send everything that is not on their link to the host, so they
/// get at its loopback addresses and at those of the other side if anybody does.
struct World {
    lan: Neighbour,
    net: Neighbour,
    _control: Answering,
}

#[test]
fn what_connects_and_is_answered_is_what_the_model_says() {
    if vantage::is_wanted() {
        return vantage::serve();
    }
    in_namespace(NAME, || {
        let mut world = World::new();
        let mut count = Count::default();
        for (number, seed) in SEEDS.into_iter().enumerate() {
            let crafted = number % 2 == 0;
            world.route_localnet(crafted);
            world.holds(seed, crafted, &mut count);
        }
        let Count { tried, connected, answered, had_to, shut } = count;
        assert!(
            had_to > 100 && connected > answered && shut > 100,
            "the files say something: {count:?}"
        );
        tell(&format!(
            "{tried} flows over {} files of seeds {SEEDS:?}: {connected} connected, {answered} answered, {had_to} had to be, {shut} came from outside to a loopback address and found it shut",
            SEEDS.len()
        ));
    });
}

impl World {
    fn new() -> Self {
        let lan = Neighbour::new(NAME, ("v0", &ON_LAN), ("v1", &LAN));
        let net = Neighbour::new(NAME, ("p0", &ON_NET), ("p1", &NET));
        Self { lan, net, _control: Answering::tcp_at("b", CONTROL) }
    }

    /// Lets loopback addresses in from outside, or not. That it does is seen with a socket that is
    /// not tied to `lo`.
    fn route_localnet(&mut self, on: bool) {
        let value = if on { "1" } else { "0" };
        fs::write("/proc/sys/net/ipv4/conf/all/route_localnet", value).unwrap();
        let to = CONTROL.parse().unwrap();
        let within = if on { LONG } else { SHORT };
        for from in [From::Lan, From::Net] {
            let source = sources(from).into_iter().find(IpAddr::is_ipv4).unwrap();
            let outcomes = self.neighbour(from).attempt(&[Flow { source, to, within }]);
            assert_eq!(outcomes[0].connected, on, "127.0.0.1 routed by {from:?}");
        }
    }

    /// Runs the file of this seed and tries everything.
    fn holds(&mut self, seed: u64, crafted: bool, count: &mut Count) {
        let service = ServiceFile::new("");
        let path = service.beside("backend.sock");
        let _backend = Answering::unix("b", &path);
        let text = random::file(&mut Random::new(seed), &PORTS[..4], path.to_str().unwrap());
        let model = Model::of(&text);
        service.replace(&text);
        let program = Program::serving_file(service);
        assert_eq!(bound(&program), model.sockets, "seed {seed}\n{text}");
        let tries = [From::Host, From::Lan, From::Net].map(|from| model.flows(from));
        let outcomes = thread::scope(|scope| {
            let lan = scope.spawn(|| self.lan.attempt(&tries[1]));
            let net = scope.spawn(|| self.net.attempt(&tries[2]));
            [vantage::attempt(&tries[0]), lan.join().unwrap(), net.join().unwrap()]
        });
        let mut wrong = Vec::new();
        for ((from, flows), outcomes) in
            [From::Host, From::Lan, From::Net].into_iter().zip(&tries).zip(&outcomes)
        {
            assert_eq!(flows.len(), outcomes.len());
            for (flow, outcome) in flows.iter().zip(outcomes) {
                let fate = model.fate(from, flow);
                count.add(&fate, *outcome);
                let arrives = from != From::Host && crafted && flow.to.is_ipv4();
                let is_shut = flow.to.ip().is_loopback() && fate.accepted == Answer::No;
                count.shut += usize::from(arrives && is_shut);
                wrong.extend(contradiction(&fate, from, flow, *outcome));
            }
        }
        assert!(
            wrong.is_empty(),
            "seed {seed}, route_localnet {crafted}\n{text}\n{}\n{}",
            wrong.join("\n"),
            program.errors()
        );
    }

    fn neighbour(&mut self, from: From) -> &mut Neighbour {
        if from == From::Lan { &mut self.lan } else { &mut self.net }
    }
}

impl Model {
    /// The file has to be one that the program runs.
    fn of(text: &str) -> Self {
        let source = Source::from_bytes("portcullis.yaml", text.as_bytes()).unwrap();
        let facts = facts::live::read().unwrap();
        let compiled = compile(
            &source,
            &Given {
                facts: Some(&facts),
                guardrails: &[],
                running: None,
                today: Date::of_unix(0),
                allow_port_zero: false,
            },
        );
        let (Some(policy), Some(plan)) = (compiled.policy, compiled.plan) else {
            panic!("{text}\n{:#?}", compiled.findings)
        };
        let exposure = Exposure::on(&policy, &facts, Some(&plan));
        let reach = Reach::of(&policy, &exposure, Assume::All);
        let sockets = plan.binds.keys().map(|key| key.socket_addr().unwrap()).collect();
        Self { policy, exposure, reach, sockets }
    }

    /// Everything that can be tried from there.
    fn flows(&self, from: From) -> Vec<Flow> {
        let (sources, mut flows) = (sources(from), Vec::new());
        for destination in local_addresses() {
            for source in sources.iter().filter(|source| source.is_ipv4() == destination.is_ipv4())
            {
                for port in PORTS {
                    let to = SocketAddr::new(destination, port);
                    let mut flow = Flow { source: *source, to, within: SHORT };
                    if self.fate(from, &flow).served == Answer::Yes {
                        flow.within = LONG;
                    }
                    flows.push(flow);
                }
            }
        }
        flows
    }

    /// What becomes of a flow at the listener where it gets furthest.
    fn fate(&self, from: From, flow: &Flow) -> Fate {
        let connection = Connection { over: from.over(), client: flow.source, to: flow.to };
        let listeners = self.policy.listeners.values();
        let fates =
            listeners.map(|one| connection.fate(one, self.reach.listener(&one.id), &self.exposure));
        fates.max_by_key(|fate| (fate.accepted, fate.admitted, fate.served)).unwrap()
    }
}

impl From {
    /// The interface that it comes in over.
    fn over(self) -> Option<&'static str> {
        match self {
            Self::Host => None,
            Self::Lan => Some("v0"),
            Self::Net => Some("p0"),
        }
    }
}

/// In what way the kernel and the program disagree with the model.
fn contradiction(fate: &Fate, from: From, flow: &Flow, outcome: Outcome) -> Option<String> {
    let is = |answer: Answer| {
        assert_ne!(answer, Answer::Perhaps, "the host is known: {flow:?}");
        answer == Answer::Yes
    };
    let what = match outcome {
        Outcome { connected: true, .. } if !is(fate.accepted) => "connected, is not in `accept`",
        Outcome { answered: true, .. } if !is(fate.admitted) => "answered, is not admitted",
        Outcome { answered: true, .. } if !is(fate.served) && !breaks_assumptions(from, flow) => {
            "answered, is not in `served` though the assumptions hold"
        }
        Outcome { answered: false, .. } if is(fate.served) => "in `served`, is not answered",
        _ => return None,
    };
    Some(format!("{from:?} {} -> {}: {what}: {outcome:?}", flow.source, flow.to))
}

impl Count {
    fn add(&mut self, fate: &Fate, outcome: Outcome) {
        self.tried += 1;
        self.connected += usize::from(outcome.connected);
        self.answered += usize::from(outcome.answered);
        self.had_to += usize::from(fate.served == Answer::Yes);
    }
}

/// Whether the neighbour sends what under the assumptions A1 and A3 does not come: packets for
/// loopback addresses, and for an address that is on another interface.
fn breaks_assumptions(from: From, flow: &Flow) -> bool {
    let to = flow.to.ip();
    match from {
        From::Host => false,
        From::Lan => to.is_loopback(),
        From::Net => to.is_loopback() || of(&ON_LAN).contains(&to),
    }
}

fn sources(from: From) -> Vec<IpAddr> {
    match from {
        From::Host => local_addresses(),
        From::Lan => of(&LAN),
        From::Net => of(&NET),
    }
}

fn local_addresses() -> Vec<IpAddr> {
    [of(&LOOPBACK), of(&ON_LAN), of(&ON_NET)].concat()
}

fn of(addresses: &[&str]) -> Vec<IpAddr> {
    let address = |text: &&str| text.split('/').next().unwrap().parse().unwrap();
    addresses.iter().map(address).collect()
}

fn bound(program: &Program) -> BTreeSet<SocketAddr> {
    crate::support::sockets::listening(program.pid()).into_values().collect()
}

#[expect(clippy::print_stdout, reason = "how many flows were tried is worth knowing")]
fn tell(what: &str) {
    println!("counted: {what}");
}
