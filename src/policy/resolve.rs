//! From what was written to what it means: names are looked up, ranges checked, defaults filled.

mod admin;
mod claim;
mod clients;
mod expose;
mod guardrail;
mod listener;
mod upstream;

use std::{
    collections::{BTreeMap, HashMap},
    num::{NonZeroU16, NonZeroU32},
    path::PathBuf,
    sync::Arc,
};

pub use self::{
    claim::{Claims, claims},
    guardrail::guardrail,
};

use super::{
    AccessLog, Account, Admin, ListenerId, Policy, Runtime, Upstream, UpstreamId, defaults,
};
use crate::{
    address::{
        read::{self, Fault},
        set::AddressSet,
    },
    config::{
        self, Config, CountOrWord, Entry, Field, Form,
        code::{BAD_VALUE, NOT_SUPPORTED_YET},
    },
    diagnostic::{
        Code, Diagnostic,
        text::{Listed, Shown, nearest},
    },
    source::Span,
};

const UNKNOWN_REFERENCE: Code = Code("PC0006");
const MISSING_KEY: Code = Code("PC0007");
const HOSTNAME_BIND: Code = Code("PC0202");
const V4_MAPPED_LITERAL: Code = Code("PC0203");
const AMBIGUOUS_IPV4: Code = Code("PC0204");
const LINK_LOCAL_WITHOUT_ZONE: Code = Code("PC0210");
const CIDR_WITH_HOST_BITS: Code = Code("PC0212");
const INTERFACE_WITHOUT_SCOPES: Code = Code("PC0402");
const DUAL_STACK_REQUEST: Code = Code("PC0406");

/// The language that this program speaks.
const LANGUAGE_VERSION: u32 = 1;

/// The most worker threads, and the most sockets per address: more than any machine this runs on
/// has cores, and few enough that a slip of the finger is noticed.
const MAX_COUNT: u16 = 1024;

/// Resolves a file as far as it can be resolved. What has no meaning is absent from the [`Policy`]
/// and reported, so that everything else can still be judged; a policy is fit to run only without
/// findings.
#[must_use]
pub fn resolve(config: &Config) -> (Policy, Vec<Diagnostic>) {
    let mut resolver = Resolver::new(config);
    resolver.version();
    resolver.something_listens();
    let service = resolver.text(&config.service);
    let owner = resolver.text(&config.owner);
    resolver.networks();
    for Entry { name, value, span } in config.upstreams.iter() {
        let id = UpstreamId::new(&name.value);
        let meaning = resolver.upstream(&id, value, *span).map(Arc::new);
        resolver.upstreams.insert(id, meaning);
    }
    let mut listeners = BTreeMap::new();
    for Entry { name, value, span } in config.listeners.iter() {
        let id = ListenerId::new(&name.value);
        let from = resolver.findings.len();
        if let Some(meaning) = resolver.listener(&id, value, *span) {
            listeners.insert(id, Arc::new(meaning));
        }
        for finding in &mut resolver.findings[from..] {
            finding.listener = Some(name.value.clone());
        }
    }
    let runtime = resolver.runtime(config.runtime.get());
    let upstreams =
        resolver.upstreams.into_iter().filter_map(|(id, one)| Some((id, one?))).collect();
    (Policy { service, owner, upstreams, listeners, runtime }, resolver.findings)
}

/// What a file says of the process, for whoever has to know it before the rest is judged. What is
/// wrong with it is found again by [`resolve`].
#[must_use]
pub fn runtime(config: &Config) -> Runtime {
    Resolver::new(config).runtime(config.runtime.get())
}

struct Resolver<'a> {
    config: &'a Config,
    findings: Vec<Diagnostic>,
    networks: HashMap<String, AddressSet>,
    /// `None` stands for a group that exists and has been reported.
    upstreams: BTreeMap<UpstreamId, Option<Arc<Upstream>>>,
}

impl<'a> Resolver<'a> {
    fn new(config: &'a Config) -> Self {
        let (networks, upstreams) = (HashMap::new(), BTreeMap::new());
        Self { config, findings: Vec::new(), networks, upstreams }
    }
}

impl Resolver<'_> {
    /// Learns the named sets of clients.
    fn networks(&mut self) {
        let config = self.config;
        for Entry { name, value, span } in config.networks.iter() {
            let set = self.network(value, *span);
            self.networks.insert(name.value.clone(), set);
        }
    }

    fn report(&mut self, finding: Diagnostic) {
        self.findings.push(finding);
    }

    fn bad(&mut self, span: Span, message: impl Into<String>, help: impl Into<String>) {
        self.report(Diagnostic::error(BAD_VALUE, span, message).help(help));
    }

    fn version(&mut self) {
        match self.config.portcullis.set() {
            Some((version, span)) if *version != LANGUAGE_VERSION => {
                let message = format!(
                    "this program speaks version {LANGUAGE_VERSION} of the language, not {version}"
                );
                self.bad(
                    span,
                    message,
                    "write `portcullis: 1`, or use a program that knows the newer language",
                );
            }
            None if self.config.portcullis.is_absent() => {
                let message = "the file does not say which version of the language it is in";
                let finding = Diagnostic::error(MISSING_KEY, Span::default(), message);
                self.report(finding.help("add `portcullis: 1` as the first line"));
            }
            _ => {}
        }
    }

    fn something_listens(&mut self) {
        if self.config.listeners.is_empty() {
            let message = "the file has no listeners";
            let finding = Diagnostic::error(MISSING_KEY, Span::default(), message);
            self.report(finding.help("add at least one listener under `listeners:`"));
        }
    }

    /// A text that is not empty.
    fn text(&mut self, field: &Field<String>) -> Option<String> {
        let (text, span) = field.set()?;
        if text.trim().is_empty() {
            self.bad(span, "this text is empty", "write it, or leave the key out");
            return None;
        }
        Some(text.clone())
    }

    /// A text that has to be there.
    fn required(&mut self, field: &Field<String>, key: &str, span: Span) -> Option<String> {
        if field.is_absent() {
            self.missing(span, key);
        }
        self.text(field)
    }

    fn missing(&mut self, span: Span, key: &str) {
        self.report(Diagnostic::error(MISSING_KEY, span, format!("`{key}` is missing")));
    }

    /// One of some words.
    fn word<T: Copy>(&mut self, field: &Field<String>, words: &[(&str, T)]) -> Option<T> {
        let (text, span) = field.set()?;
        let found = meaning_of(text, words);
        if found.is_none() {
            self.unknown_word(text, span, words.iter().map(|(word, _)| *word));
        }
        found
    }

    fn unknown_word<'a>(&mut self, text: &str, span: Span, words: impl Iterator<Item = &'a str>) {
        let words: Vec<_> = words.collect();
        let help = nearest(text, &words).map_or_else(
            || format!("write one of {}", Listed(&words)),
            |near| format!("did you mean `{near}`?"),
        );
        self.bad(span, format!("`{}` is not a word that this key knows", Shown(text)), help);
    }

    /// What is wrong with an address that cannot be read. `of_backend` addresses may become names
    /// one day.
    fn fault(&mut self, text: &str, span: Span, fault: &Fault, of_backend: bool) {
        let is_localhost = text == "localhost";
        let unmapped = read::unmapped(text);
        let text = Shown(text);
        let finding = match fault {
            Fault::Hostname if of_backend => {
                let message = format!(
                    "backends by name, such as `{text}`, are part of the language but not supported yet"
                );
                Diagnostic::error(NOT_SUPPORTED_YET, span, message)
                    .help("write the backend's address")
            }
            Fault::Hostname => {
                let help = if is_localhost {
                    "write `expose: loopback`"
                } else {
                    "write the address itself"
                };
                let message = format!("`{text}` is a name, and what it resolves to can change");
                Diagnostic::error(HOSTNAME_BIND, span, message).help(help)
            }
            Fault::Mapped(v4) => {
                let message = format!("`{text}` is the IPv4 address {v4} written as IPv6");
                let written = unmapped.map_or_else(|| v4.to_string(), |(_, written)| written);
                let help = format!("write `{written}`");
                Diagnostic::error(V4_MAPPED_LITERAL, span, message).help(help)
            }
            Fault::Ambiguous { traditional, decimal } => {
                let message = match decimal {
                    Some(decimal) if decimal != traditional => {
                        format!("some programs read `{text}` as {traditional}, others as {decimal}")
                    }
                    _ => format!(
                        "`{text}` is {traditional} to some programs and no address to others"
                    ),
                };
                let help = "write all four numbers in decimal, without leading zeros";
                Diagnostic::error(AMBIGUOUS_IPV4, span, message).help(help)
            }
            Fault::HostBits { network, address } => {
                let message = format!("`{text}` has bits beyond its prefix");
                Diagnostic::error(CIDR_WITH_HOST_BITS, span, message).help(format!(
                    "write `{network}` for the block, or `{address}` for the one address"
                ))
            }
            Fault::Prefix => {
                Diagnostic::error(BAD_VALUE, span, format!("`{text}` has no such prefix length"))
                    .help("write a length from 0 to 32 for IPv4, from 0 to 128 for IPv6")
            }
            Fault::Port => {
                Diagnostic::error(BAD_VALUE, span, format!("`{text}` does not end in a port"))
                    .help("write a port from 1 to 65535")
            }
            Fault::Nonsense => {
                Diagnostic::error(BAD_VALUE, span, format!("`{text}` is not an address"))
                    .help("write an IPv4 or IPv6 address, such as 10.20.3.4 or fd12::4")
            }
        };
        self.report(finding);
    }

    /// `none` or `per_core` as given by `words`, or a number of at most [`MAX_COUNT`].
    fn count<T: Copy>(
        &mut self,
        field: &Field<CountOrWord>,
        words: &[(&str, T)],
        number: impl Fn(NonZeroU16) -> T,
    ) -> Option<T> {
        let (value, span) = field.set()?;
        match value {
            CountOrWord::Count(count) => {
                let small = u16::try_from(count.get()).ok().and_then(NonZeroU16::new);
                let small = small.filter(|count| count.get() <= MAX_COUNT);
                if small.is_none() {
                    self.bad(
                        span,
                        format!("{count} is too many"),
                        format!("write at most {MAX_COUNT}"),
                    );
                }
                small.map(number)
            }
            CountOrWord::Word(word) => {
                let found = meaning_of(word, words);
                if found.is_none() {
                    let known = words.iter().map(|(word, _)| *word);
                    self.unknown_word(word, span, known.chain(["a number"]));
                }
                found
            }
        }
    }

    /// A bound of at least one.
    fn positive(&mut self, field: &Field<u32>) -> Option<NonZeroU32> {
        let (number, span) = field.set()?;
        let number = NonZeroU32::new(*number);
        if number.is_none() {
            self.bad(span, "a bound of 0 would admit nobody", "leave the key out for no bound");
        }
        number
    }

    fn runtime(&mut self, runtime: Option<&config::Runtime>) -> Runtime {
        let mut meaning = Runtime {
            workers: None,
            account: None,
            drain: defaults::DRAIN,
            wait_for_absent: false,
            access_log: None,
            admin: Admin::Private,
        };
        let Some(runtime) = runtime else { return meaning };
        meaning.workers = self.count(&runtime.workers, &[("per_core", None)], Some).flatten();
        meaning.account = self.account(&runtime.user, &runtime.group);
        if let Some(drain) = runtime.drain.get() {
            meaning.drain = drain.get();
        }
        let absent = [("fail", false), ("wait", true)];
        meaning.wait_for_absent = self.word(&runtime.when_absent, &absent).unwrap_or(false);
        if let Some((form, span)) = runtime.access_log.set() {
            meaning.access_log = match form {
                Form::Short(to) => self.access_log(to, false, span),
                Form::Long(log) => {
                    let json =
                        self.word(&log.format, &[("text", false), ("json", true)]).unwrap_or(false);
                    let to = self.required(&log.to, "to", span);
                    to.and_then(|to| self.access_log(&to, json, log.to.span().unwrap_or(span)))
                }
            };
        }
        if let Some((form, span)) = runtime.admin.set() {
            meaning.admin = self.admin(form, span).unwrap_or_default();
        }
        meaning
    }

    fn account(&mut self, user: &Field<String>, group: &Field<String>) -> Option<Account> {
        if let (true, Some(span)) = (user.is_absent(), group.span()) {
            let message = "a group without a user would leave the user who it was";
            self.bad(span, message, "name the `user` as well");
        }
        let group = self.text(group);
        self.text(user).map(|user| Account { user, group })
    }

    fn access_log(&mut self, to: &str, json: bool, span: Span) -> Option<AccessLog> {
        match to {
            "none" => None,
            "stdout" => Some(AccessLog { json, path: None }),
            path if path.starts_with('/') => {
                Some(AccessLog { json, path: Some(PathBuf::from(path)) })
            }
            other => {
                let help = "write `none`, `stdout` or an absolute path";
                self.bad(span, format!("`{}` is no place for a log", Shown(other)), help);
                None
            }
        }
    }
}

fn meaning_of<T: Copy>(text: &str, words: &[(&str, T)]) -> Option<T> {
    words.iter().find(|(word, _)| *word == text).map(|(_, meaning)| *meaning)
}

/// The first of some keys that is there.
fn first_of<const N: usize>(keys: [Option<Span>; N]) -> Option<Span> {
    keys.into_iter().flatten().next()
}

#[cfg(test)]
mod tests;
