//! Where connections are tried from: here, or in the network namespace of a neighbour, in which
//! the test runs itself again and is told what to try.

use std::{
    io::{self, BufRead as _, BufReader, Write as _},
    net::{IpAddr, SocketAddr, TcpStream},
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    thread,
    time::Duration,
};

use socket2::{Domain, Socket, Type};

use crate::support::{
    client::try_ask_over,
    namespace::{inside, run, veth_to},
};

/// Tells the copy of the test that it is a neighbour.
const NEIGHBOUR: &str = "PORTCULLIS_TEST_NEIGHBOUR";

/// Ends a list of flows, or says that the neighbour is there.
const READY: &str = "ready";

/// Connections that one vantage tries at a time: most of those that fail do nothing but wait.
const AT_A_TIME: usize = 64;

/// A connection to be tried.
#[derive(Debug, Clone, Copy)]
pub(super) struct Flow {
    pub(super) source: IpAddr,
    pub(super) to: SocketAddr,
    /// For the handshake, and then for the answer.
    pub(super) within: Duration,
}

/// What became of it.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Outcome {
    pub(super) connected: bool,
    pub(super) answered: bool,
}

/// A neighbour: a process in a network namespace of its own, which ends with this.
pub(super) struct Neighbour {
    child: Child,
    orders: ChildStdin,
    results: BufReader<ChildStdout>,
}

impl Neighbour {
    /// `near` is our end of the link with its addresses, `far` the neighbour's; the first address
    /// of each family of ours is the neighbour's way to everywhere, loopback addresses included.
    pub(super) fn new(test: &str, near: (&str, &[&str]), far: (&str, &[&str])) -> Self {
        let mut child = Command::new("unshare")
            .arg("--net")
            .arg(std::env::current_exe().unwrap())
            .args(["--exact", test, "--nocapture"])
            .env(NEIGHBOUR, test)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let orders = child.stdin.take().unwrap();
        let results = BufReader::new(child.stdout.take().unwrap());
        let mut neighbour = Self { child, orders, results };
        neighbour.line(READY);
        let process = neighbour.child.id();
        veth_to(process, near, far);
        let there = inside(process);
        for family in ["-4", "-6"] {
            let ours = near.1.iter().find(|address| address.contains(':') == (family == "-6"));
            let way = ours.unwrap().split('/').next().unwrap();
            run(&format!("{there}ip {family} route add default via {way}"));
        }
        // Without it the answers of 127.0.0.1 would not be let in.
        run(&format!("{there}sysctl -qw net.ipv4.conf.all.route_localnet=1"));
        neighbour
    }

    /// Has the neighbour try them all.
    pub(super) fn attempt(&mut self, flows: &[Flow]) -> Vec<Outcome> {
        let mut orders = String::new();
        for Flow { source, to, within } in flows {
            orders += &format!("{source} {to} {}\n", within.as_millis());
        }
        self.orders.write_all(format!("{orders}{READY}\n").as_bytes()).unwrap();
        let one = |_: &Flow| match self.line("outcome ").as_str() {
            "true true" => Outcome { connected: true, answered: true },
            "true false" => Outcome { connected: true, answered: false },
            _ => Outcome::default(),
        };
        flows.iter().map(one).collect()
    }

    /// The rest of the next line that begins like this.
    fn line(&mut self, begin: &str) -> String {
        loop {
            let mut line = String::new();
            let count = self.results.read_line(&mut line).unwrap();
            assert!(count > 0, "the neighbour has ended");
            if let Some(rest) = line.trim_end().strip_prefix(begin) {
                return rest.to_owned();
            }
        }
    }
}

impl Drop for Neighbour {
    fn drop(&mut self) {
        // It may have ended already; there is no other way for these to fail.
        let _ended = self.child.kill();
        let _reaped = self.child.wait();
    }
}

/// Whether this process is to be a neighbour.
pub(super) fn is_wanted() -> bool {
    std::env::var_os(NEIGHBOUR).is_some()
}

/// Tries what it is told to, until nobody is left who tells.
pub(super) fn serve() {
    // The test runner leaves its line open.
    say(&format!("\n{READY}\n"));
    let mut flows = Vec::new();
    for line in io::stdin().lines().map_while(Result::ok) {
        if line != READY {
            let words: Vec<_> = line.split(' ').collect();
            let within = Duration::from_millis(words[2].parse().unwrap());
            let (source, to) = (words[0].parse().unwrap(), words[1].parse().unwrap());
            flows.push(Flow { source, to, within });
            continue;
        }
        let outcomes = attempt(&std::mem::take(&mut flows));
        let one = |it: &Outcome| format!("outcome {} {}\n", it.connected, it.answered);
        say(&outcomes.iter().map(one).collect::<String>());
    }
}

/// Tries them all from here.
pub(super) fn attempt(flows: &[Flow]) -> Vec<Outcome> {
    let outcomes = Mutex::new(vec![Outcome::default(); flows.len()]);
    let next = AtomicUsize::new(0);
    let work = || {
        while let Some((number, flow)) = {
            let number = next.fetch_add(1, SeqCst);
            flows.get(number).map(|flow| (number, flow))
        } {
            let outcome = one(flow);
            outcomes.lock().unwrap()[number] = outcome;
        }
    };
    thread::scope(|scope| {
        for _ in 0..AT_A_TIME.min(flows.len()) {
            scope.spawn(work);
        }
    });
    outcomes.into_inner().unwrap()
}

fn one(flow: &Flow) -> Outcome {
    match connect(flow) {
        Ok(mut stream) => {
            let answered = try_ask_over(&mut stream, "?").is_ok_and(|answer| answer == "b: ?");
            Outcome { connected: true, answered }
        }
        // Turned away before it has looked at its new connection.
        Err(error) if error.kind() == io::ErrorKind::ConnectionReset => {
            Outcome { connected: true, answered: false }
        }
        Err(_) => Outcome::default(),
    }
}

fn connect(flow: &Flow) -> io::Result<TcpStream> {
    let socket = Socket::new(Domain::for_address(flow.to), Type::STREAM, None)?;
    socket.bind(&SocketAddr::new(flow.source, 0).into())?;
    socket.connect_timeout(&flow.to.into(), flow.within)?;
    socket.set_read_timeout(Some(flow.within))?;
    socket.set_write_timeout(Some(flow.within))?;
    Ok(socket.into())
}

fn say(text: &str) {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes()).unwrap();
    out.flush().unwrap();
}
