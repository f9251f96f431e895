//! A network of the test's own: the test runs itself again in a fresh network namespace, in which
//! it is root.
//!
//! There, addresses and fixed ports disturb nobody. It works without root wherever user namespaces
//! do.

use std::process::Command;

use nix::unistd::geteuid;

use super::wait::eventually;

/// Names the test in the copy that runs inside.
const INSIDE: &str = "PORTCULLIS_TEST_NAMESPACE";

/// A network, of which this user is root.
const NETWORK: &[&str] = &["--user", "--map-root-user", "--net"];

/// The same for somebody who is given other users.
const SHARE_OF_USERS: &[&str] = &["--user", "--map-root-user", "--map-auto", "--net"];

/// Processes of its own as well. All of them can be read there, which no test can say of those of
/// the host.
pub(crate) const PROCESSES: &[&str] = &["--pid", "--fork", "--mount-proc"];

/// Mounts of its own as well, which end with the test.
pub(crate) const MOUNTS: &[&str] = &["--mount"];

/// Runs `body` in a network namespace with `lo` up. `test` is the full name of the calling test.
#[track_caller]
pub(crate) fn in_namespace(test: &str, body: impl FnOnce()) {
    inside_of(NETWORK, test, body);
}

/// The same with more namespaces, by options of `unshare`.
#[track_caller]
pub(crate) fn in_namespaces(test: &str, more: &[&str], body: impl FnOnce()) {
    inside_of(&[NETWORK, more].concat(), test, body);
}

/// The same where there are other users as well. Root has those of the host; anybody else needs a
/// share of them in `/etc/subuid`, and `newuidmap`.
#[track_caller]
pub(crate) fn in_namespace_with_users(test: &str, body: impl FnOnce()) {
    let options = if geteuid().is_root() { &["--net"] } else { SHARE_OF_USERS };
    inside_of(options, test, body);
}

#[track_caller]
fn inside_of(options: &[&str], test: &str, body: impl FnOnce()) {
    if std::env::var(INSIDE).is_ok_and(|inside| inside == test) {
        run("ip link set lo up");
        return body();
    }
    let output = Command::new("unshare")
        .args(options)
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", test, "--nocapture"])
        .env(INSIDE, test)
        .output()
        .unwrap_or_else(|error| panic!("this test needs `unshare` of util-linux: {error}"));
    let said = String::from_utf8_lossy(&output.stdout);
    let wrong = String::from_utf8_lossy(&output.stderr);
    let passed = output.status.success() && said.contains("1 passed");
    let options = options.join(" ");
    assert!(passed, "in a namespace of its own (`unshare {options}`):\n{said}\n{wrong}");
    show(&said);
}

/// Passes on what the test has to tell, without the words of the test runner.
#[expect(clippy::print_stdout, reason = "some tests tell what they counted")]
fn show(said: &str) {
    let told = said.lines().filter_map(|line| line.strip_prefix("counted: "));
    told.for_each(|line| println!("counted: {line}"));
}

/// Runs a command that has to work.
#[track_caller]
pub(crate) fn run(command: &str) -> String {
    let mut words = command.split(' ');
    let name = words.next().unwrap();
    let output = Command::new(name).args(words).output();
    let output = output.unwrap_or_else(|error| panic!("this test needs `{name}`: {error}"));
    assert!(output.status.success(), "{command}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// A pair of interfaces, `v0` and `v1`, both up, and these addresses on `v0`. Duplicate address
/// detection is off: nobody else is there.
#[track_caller]
pub(crate) fn veth(addresses: &[&str]) {
    run("ip link add v0 type veth peer name v1");
    run("ip link set v1 up");
    run("ip link set v0 up");
    give("", "v0", addresses);
}

/// A pair of interfaces: `near` with its addresses here, `far` with its own in the network
/// namespace of the process, which is already in one.
#[track_caller]
pub(crate) fn veth_to(process: u32, near: (&str, &[&str]), far: (&str, &[&str])) {
    let there = inside(process);
    run(&format!("ip link add {} type veth peer name {}", near.0, far.0));
    run(&format!("ip link set {} netns {process}", far.0));
    run(&format!("{there}ip link set {} up", far.0));
    run(&format!("ip link set {} up", near.0));
    give("", near.0, near.1);
    give(&there, far.0, far.1);
}

/// What a command begins with to be run in the network namespace of the process.
pub(crate) fn inside(process: u32) -> String {
    format!("nsenter --net=/proc/{process}/ns/net ")
}

/// Waits for the carrier and adds addresses, by commands that begin like this.
#[track_caller]
fn give(there: &str, interface: &str, addresses: &[&str]) {
    // The kernel takes its time to notice, and then sets up anew what depends on it, routes of IPv6
    // among them.
    let show = format!("{there}ip link show {interface}");
    eventually("it has a carrier", || run(&show).contains("state UP"));
    for address in addresses {
        let nodad = if address.contains(':') { " nodad" } else { "" };
        run(&format!("{there}ip addr add {address} dev {interface}{nodad}"));
    }
    // Of IPv6 the address is there before the route to it, and a client that comes in between looks
    // for it on the wire.
    for address in addresses.iter().filter(|address| address.contains(':')) {
        let route = format!("local {} dev {interface} ", address.split('/').next().unwrap());
        let table = format!("{there}ip -6 route show table local");
        eventually(&route, || run(&table).contains(&route));
    }
}
