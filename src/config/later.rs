//! The parts of the language that do not work yet. They are read, so that a file written for a
//! later version is checked as far as it goes, and using one is a finding.

use schemars::JsonSchema;
use serde::Deserialize;

use super::{Duration, Each, Field, Form, LongForm, Spanned, Target};

/// Active checks of a backend.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Health {
    /// By connecting.
    pub tcp: Field<TcpCheck>,
    /// From the start of one check to the start of the next.
    pub interval: Field<Duration>,
    /// Time for one check.
    pub timeout: Field<Duration>,
    /// Successes in a row that bring a backend back.
    pub rise: Field<u32>,
    /// Failures in a row that take it out.
    pub fall: Field<u32>,
}

/// A check by connecting: empty, or with words to exchange.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TcpCheck {
    /// What is sent.
    pub send: Field<String>,
    /// What the answer begins with.
    pub expect: Field<String>,
}

/// Passive checks of a backend.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Eject {
    /// Failures to connect in a row.
    pub failures: Field<u32>,
    /// How long it stays out.
    pub r#for: Field<Duration>,
}

/// How a name is looked up.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Resolve {
    /// How often.
    pub every: Field<Duration>,
    /// The blocks in which the answers must be.
    pub within: Field<Each<Spanned<String>>>,
}

/// PROXY protocol from trusted senders.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AcceptProxy {
    /// The blocks that are trusted.
    pub from: Field<Each<Spanned<String>>>,
    /// Time for the header.
    pub timeout: Field<Duration>,
}

/// Limits of UDP sessions.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Udp {
    /// A session's end without a datagram either way.
    pub session_idle: Field<Duration>,
    /// Sessions at a time.
    pub max_sessions: Field<u32>,
    /// Bytes answered for each byte asked.
    pub max_amplification: Field<f64>,
    /// Datagrams answered for each one asked.
    pub replies: Field<u32>,
}

/// One branch by the TLS greeting.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Route {
    /// Server names.
    pub sni: Field<Each<Spanned<String>>>,
    /// Application protocols.
    pub alpn: Field<Each<Spanned<String>>>,
    /// Where the connection goes.
    pub forward: Field<Form<Target>>,
    /// What happens when no other branch fits.
    pub default: Field<Form<Otherwise>>,
}

/// The long form of a route's `default`; the short form is `reject`.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Otherwise {
    /// Where the connection goes.
    pub forward: Field<Form<Target>>,
}

impl LongForm for Otherwise {
    const EXPECTED: &'static str = "`reject` or a mapping with `forward`";
    const CURE: &'static str = "write `reject` or `{ forward: … }`";
}

/// TLS termination.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Tls {
    /// Path of the certificate chain.
    pub certificate: Field<String>,
    /// Path of its key.
    pub key: Field<String>,
    /// Path of the authorities for client certificates.
    pub client_ca: Field<String>,
    /// Lowest protocol version.
    pub min_version: Field<String>,
}
