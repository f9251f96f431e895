//! What was written: the service file as types, every leaf with its place. Nothing about meaning.
//!
//! The types mirror the language page one to one. A key that is part of the language but does not
//! work yet has the type [`NotYet`], so that using it is an error of its own and never ignored.

mod admin;
pub mod claim;
pub mod code;
pub mod guardrail;
mod inherited;
pub mod later;
pub mod leaf;
pub mod schema;
pub mod value;

mod decode;
mod findings;
mod scalar;
mod words;
mod yaml;

use schemars::JsonSchema;
use serde::Deserialize;

pub use self::{
    admin::Admin,
    findings::MAX_FINDINGS,
    inherited::Inherited,
    leaf::{CountOrWord, Duration, DurationOrNone, Name, PortRange, Rate, TextOrList, Words},
    value::{Each, Entry, Field, Form, LongForm, NotYet, Spanned, Table},
    yaml::{MAX_DEPTH, MAX_NODES},
};
use self::{
    claim::{Claim, Expect},
    later::{AcceptProxy, Eject, Health, Resolve, Route, Tls, Udp},
};
use crate::{address::Class, diagnostic::Diagnostic, source::Source};

/// Reads a file as far as it can be read. What could not be read is absent from the [`Config`] and
/// reported, every mistake and not only the first. A file that is not YAML, or not a mapping, has
/// no [`Config`].
#[must_use]
pub fn parse(source: &Source) -> (Option<Config>, Vec<Diagnostic>) {
    decode::decode(source)
}

/// A service file.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Language version.
    pub portcullis: Field<u32>,
    /// Name of the service, to which a guardrail refers.
    pub service: Field<String>,
    /// Who answers for the file.
    pub owner: Field<String>,
    /// Named sets of client addresses: CIDR blocks or addresses as text.
    #[serde(default)]
    pub networks: Table<Each<Spanned<String>>>,
    /// Named groups of backends.
    #[serde(default)]
    pub upstreams: Table<Upstream>,
    /// What listens.
    #[serde(default)]
    pub listeners: Table<Listener>,
    /// The process.
    pub runtime: Field<Runtime>,
    /// Suppressions.
    pub expect: Field<Each<Spanned<Expect>>>,
    /// Claims to be proved.
    pub tests: Field<Each<Spanned<Claim>>>,
}

/// A named group of backends.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Upstream {
    /// How a backend is picked: `round_robin` (default). The other ways do not work yet.
    pub balance: Field<String>,
    /// Its members.
    pub backends: Field<Each<Spanned<Form<Backend>>>>,
    /// How connections to them are made.
    pub connect: Field<Connect>,
    /// Active checks.
    pub health: NotYet<Health>,
    /// Passive checks.
    pub eject: NotYet<Eject>,
}

/// The long form of a backend; the short form is its address.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Backend {
    /// `IP:port`, or `IP` for the port that the client asked for. Names do not work yet.
    pub address: Field<String>,
    /// Path of a unix socket.
    pub unix: Field<String>,
    /// An SRV name.
    pub srv: NotYet<String>,
    /// How an address that is a name is looked up.
    pub resolve: NotYet<Resolve>,
    /// Share relative to its neighbours.
    pub weight: Field<u16>,
    /// Used only when no other backend can be.
    pub backup: Field<bool>,
    /// Connections at a time.
    pub max_connections: Field<u32>,
}

impl LongForm for Backend {
    const EXPECTED: &'static str = "an address such as `10.0.0.1:80`, or a mapping";
    const CURE: &'static str = "write the address and the port, such as `127.0.0.1:8080`";
}

/// How connections to backends are made.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Connect {
    /// Time for one attempt.
    pub timeout: Field<Duration>,
    /// Further backends tried before the client is closed.
    pub retries: Field<u32>,
    /// Source addresses.
    pub source: NotYet<Each<String>>,
    /// Source ports.
    pub source_ports: NotYet<PortRange>,
    /// Outgoing interface.
    pub interface: NotYet<String>,
    /// PROXY protocol towards the backend.
    pub send_proxy: NotYet<String>,
}

/// One listener.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Listener {
    /// Why it exists.
    pub purpose: Field<String>,
    /// Where the host may be reached.
    pub expose: Field<Form<Expose>>,
    /// `tcp` (default). `udp` does not work yet.
    pub protocol: Field<String>,
    /// The one port; in place of `ports`.
    pub port: Field<u16>,
    /// Several ports and ranges; in place of `port`.
    pub ports: Field<Each<Spanned<PortRange>>>,
    /// Who is served.
    pub clients: Field<Clients>,
    /// Bounds on connections.
    pub limits: Field<Limits>,
    /// Bounds in time.
    pub timeouts: Field<Timeouts>,
    /// SO_REUSEPORT sockets per address: `none`, `per_core` or a number.
    pub fanout: Field<CountOrWord>,
    /// The signature that a wide exposure needs.
    pub allow: Field<Allow>,
    /// PROXY protocol from trusted senders.
    pub accept_proxy: NotYet<AcceptProxy>,
    /// Limits of UDP sessions.
    pub udp: NotYet<Udp>,
    /// Where connections go: an upstream, an address, or the long form of a backend.
    pub forward: Field<Form<Target>>,
    /// A built-in service in place of `forward`: `status`. `metrics` does not work yet.
    pub serve: Field<String>,
    /// Routing by the TLS greeting.
    pub route: NotYet<Each<Route>>,
    /// TLS termination.
    pub tls: NotYet<Tls>,
}

/// The long form of `forward`.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Target {
    /// Path of a unix socket.
    pub unix: Field<String>,
}

impl LongForm for Target {
    const EXPECTED: &'static str = "an upstream, an address such as `10.0.0.1:80`, or a mapping";
    const CURE: &'static str = "write the address and the port, such as `127.0.0.1:8080`";
}

/// The long form of `expose`: exactly one of its keys, or `v4` with `v6`.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Expose {
    /// `127.0.0.1` and `::1`.
    pub loopback: Field<Families>,
    /// One private address.
    pub private: Field<Place>,
    /// One address of the shared space 100.64.0.0/10.
    pub shared: Field<Place>,
    /// One link-local address.
    pub link: Field<Place>,
    /// The addresses of an interface, by class.
    pub interface: Field<Interface>,
    /// One public address.
    pub public: Field<Place>,
    /// Every address.
    pub any: Field<Families>,
    /// A path socket.
    pub unix: Field<Unix>,
    /// A socket that the service manager passes in.
    pub inherited: Field<Inherited>,
    /// The IPv4 side of the split form.
    pub v4: Field<Box<Form<Self>>>,
    /// The IPv6 side of the split form.
    pub v6: Field<Box<Form<Self>>>,
}

impl Expose {
    /// The keys that take a [`Place`], each with the class that it asserts of the address.
    #[must_use]
    pub fn places(&self) -> [(Class, &Field<Place>); 4] {
        [
            (Class::Private, &self.private),
            (Class::Shared, &self.shared),
            (Class::Link, &self.link),
            (Class::Public, &self.public),
        ]
    }
}

impl LongForm for Expose {
    const EXPECTED: &'static str =
        "`loopback`, or a mapping such as `{ private: { subnet: 10.20.0.0/16 } }`";
    const CURE: &'static str = "say where the listener may be reached, such as `expose: loopback`";
}

/// A choice of address families.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Families {
    /// `v4`, `v6`.
    pub families: Field<Each<Spanned<String>>>,
}

/// Which address: exactly one of `subnet`, `address`, `interface`.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Place {
    /// The one local address inside this block.
    pub subnet: Field<String>,
    /// This address.
    pub address: Field<String>,
    /// The one address of the class on this interface.
    pub interface: Field<String>,
    /// `device` (default) or `none`: whether the socket is tied to the owning interface.
    pub pin: Field<String>,
}

/// The addresses of an interface, by class.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Interface {
    /// Its name.
    pub name: Field<String>,
    /// Classes of IPv4 addresses, or `none`.
    pub v4: Field<Words>,
    /// Classes of IPv6 addresses, or `none`.
    pub v6: Field<Words>,
    /// Whether temporary IPv6 addresses count.
    pub temporary: Field<bool>,
}

/// A path socket.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Unix {
    /// Where.
    pub path: Field<String>,
    /// Octal permissions as text, such as `"0660"`.
    pub mode: Field<String>,
    /// Owning user.
    pub owner: Field<String>,
    /// Owning group.
    pub group: Field<String>,
}

/// Who is served.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Clients {
    /// Names of networks, or blocks.
    pub allow: Field<Each<Spanned<String>>>,
    /// Names of networks, or blocks; they win over `allow`.
    pub deny: Field<Each<Spanned<String>>>,
}

/// Bounds on connections.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Limits {
    /// Sessions at a time, over all clients.
    pub connections: Field<u32>,
    /// Sessions at a time, of one client: an IPv4 address, or an IPv6 network of 64 bits.
    pub per_client: Field<u32>,
    /// New sessions over all clients, such as `100/s`; that many at once.
    pub rate: Field<Rate>,
    /// New sessions of one client, such as `20/s`; that many at once.
    pub per_client_rate: Field<Rate>,
}

/// Bounds in time.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Timeouts {
    /// How long a session may go without a byte either way; `none` for no bound.
    pub idle: Field<DurationOrNone>,
    /// The same, after one side has ended.
    pub half_closed: Field<DurationOrNone>,
    /// How long a session may last as a whole; no bound by default.
    pub lifetime: Field<DurationOrNone>,
}

/// The signature under a wide exposure.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Allow {
    /// Why.
    pub reason: Field<String>,
    /// Who answers for it.
    pub owner: Field<String>,
    /// Where it was agreed.
    pub ticket: Field<String>,
    /// Last day, UTC, as written: a malformed one counts as expired, so it is read by meaning, not
    /// here.
    pub expires: Field<String>,
    /// The guardrail's grant that the exposure relies on. It is shown, and nothing confirms it yet.
    pub grant: Field<String>,
}

/// The process.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Runtime {
    /// `per_core` (default) or a number.
    pub workers: Field<CountOrWord>,
    /// The user that serves, by name or number, where the program is started as root; `root` if
    /// that is meant. What needs root is left to a process of its own.
    pub user: Field<String>,
    /// Its group; by default that of the user.
    pub group: Field<String>,
    /// How long the sessions of a stopping listener may finish.
    pub drain: Field<Duration>,
    /// What becomes of a bind whose address the host lacks: `fail` (default), or `wait` until it
    /// appears.
    pub when_absent: Field<String>,
    /// The admin socket, by which `status`, `reload`, `drain` and `upgrade` reach the process: a
    /// mapping, or `none`. By default it is a socket in the runtime directory, for its user alone.
    pub admin: Field<Form<Admin>>,
    /// A line per session.
    pub access_log: Field<Form<AccessLog>>,
}

/// The long form of `access_log`; the short form is its `to`.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AccessLog {
    /// `text` (default) or `json`.
    pub format: Field<String>,
    /// `none`, `stdout` or a path.
    pub to: Field<String>,
}

impl LongForm for AccessLog {
    const EXPECTED: &'static str = "`none`, `stdout`, a path, or a mapping";
    const CURE: &'static str = "write `stdout`, or `{ format: json, to: stdout }`";
}

#[cfg(test)]
mod tests;
