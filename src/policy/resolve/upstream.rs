//! Groups of backends, named and bare.

use std::{collections::HashMap, num::NonZeroU16, path::PathBuf, sync::Arc};

use super::{Resolver, UNKNOWN_REFERENCE, first_of};
use crate::{
    address::{
        Class, classify,
        read::{self, Endpoint, Fault},
    },
    config::{self, Form, code::BAD_VALUE},
    diagnostic::{
        Diagnostic,
        text::{Shown, nearest},
    },
    policy::{Backend, BackendAddress, Upstream, UpstreamId, defaults},
    source::Span,
};

/// The longest path that fits a `sockaddr_un` with its closing NUL.
pub(super) const MAX_UNIX_PATH: usize = 107;

/// More attempts than this keep a client waiting for nothing.
const MAX_RETRIES: u32 = 16;

impl Resolver<'_> {
    /// A group by its entry under `upstreams`.
    pub(super) fn upstream(
        &mut self,
        id: &UpstreamId,
        written: &config::Upstream,
        span: Span,
    ) -> Option<Upstream> {
        let Some((list, list_span)) = written.backends.set() else {
            if written.backends.is_absent() {
                self.missing(span, "backends");
            }
            return None;
        };
        let mut backends = Vec::new();
        let mut seen: HashMap<BackendAddress, Span> = HashMap::new();
        let from = self.findings.len();
        for entry in &list.0 {
            let Some(backend) = self.backend(&entry.value, entry.span) else { continue };
            if let Some(first) = seen.insert(backend.address.clone(), entry.span) {
                let message = "this backend is in the group twice";
                let finding = Diagnostic::error(BAD_VALUE, entry.span, message);
                self.report(
                    finding.related(first, "first here").help("give one entry a `weight` instead"),
                );
            }
            backends.push(backend);
        }
        if backends.is_empty() {
            if list.0.is_empty() && self.findings.len() == from {
                self.bad(list_span, "a group needs a backend", "list at least one");
            }
            return None;
        }
        let connect = written.connect.get().cloned().unwrap_or_default();
        let retries = connect.retries.set().map_or(defaults::CONNECT_RETRIES, |(retries, span)| {
            if *retries > MAX_RETRIES {
                self.bad(
                    span,
                    format!("{retries} retries are too many"),
                    format!("write at most {MAX_RETRIES}"),
                );
            }
            *retries
        });
        let connect_timeout =
            connect.timeout.get().map_or(defaults::CONNECT_TIMEOUT, |timeout| timeout.get());
        Some(Upstream { id: id.clone(), backends, connect_timeout, retries })
    }

    /// The target of a `forward`: a group by name, or a group of one made for a bare address.
    pub(super) fn forward(
        &mut self,
        target: &Form<config::Target>,
        span: Span,
    ) -> Option<Arc<Upstream>> {
        let address = match target {
            Form::Short(text) => {
                if let Some(group) = self.upstreams.get(&UpstreamId::new(text)) {
                    return group.clone();
                }
                if self.config.upstreams.contains(text) {
                    return None;
                }
                match read::endpoint(text) {
                    Ok(endpoint) => self.reachable(endpoint, text, span)?,
                    Err(Fault::Hostname | Fault::Nonsense) if !text.contains([':', '.', '/']) => {
                        self.unknown_upstream(text, span);
                        return None;
                    }
                    Err(fault) => {
                        self.fault(text, span, &fault, true);
                        return None;
                    }
                }
            }
            Form::Long(target) => {
                let path = self.required(&target.unix, "unix", span)?;
                self.unix_path(&path, target.unix.span().unwrap_or(span))
                    .map(BackendAddress::Unix)?
            }
        };
        let id = UpstreamId::new(&address.to_string());
        let bare = || {
            let backend =
                Backend { address, weight: defaults::WEIGHT, backup: false, max_connections: None };
            Some(Arc::new(Upstream {
                id: id.clone(),
                backends: vec![backend],
                connect_timeout: defaults::CONNECT_TIMEOUT,
                retries: defaults::CONNECT_RETRIES,
            }))
        };
        self.upstreams.entry(id.clone()).or_insert_with(bare).clone()
    }

    fn backend(&mut self, written: &Form<config::Backend>, span: Span) -> Option<Backend> {
        let plain = config::Backend::default();
        let (address, written) = match written {
            Form::Short(text) => (self.backend_address(text, span), &plain),
            Form::Long(long) => (self.long_address(long, span), long),
        };
        let weight = written.weight.set().map_or(Some(defaults::WEIGHT), |(weight, span)| {
            let weight = NonZeroU16::new(*weight);
            if weight.is_none() {
                self.bad(
                    span,
                    "a weight of 0 would never be picked",
                    "leave the backend out, or write `backup: true`",
                );
            }
            weight
        });
        let max_connections = self.positive(&written.max_connections);
        let backup = written.backup.get().copied().unwrap_or(false);
        Some(Backend { address: address?, weight: weight?, backup, max_connections })
    }

    fn long_address(&mut self, written: &config::Backend, span: Span) -> Option<BackendAddress> {
        match (written.address.set(), written.unix.set()) {
            (Some((text, at)), None) => self.backend_address(text, at),
            (None, Some((path, at))) => self.unix_path(path, at).map(BackendAddress::Unix),
            (Some(_), Some((_, at))) => {
                self.bad(at, "a backend has an address or a path, not both", "remove one of them");
                None
            }
            (None, None) => {
                let reported =
                    first_of([written.address.span(), written.unix.span(), written.srv.span]);
                if reported.is_none() {
                    self.missing(span, "address");
                }
                None
            }
        }
    }

    fn backend_address(&mut self, text: &str, span: Span) -> Option<BackendAddress> {
        match read::endpoint(text) {
            Ok(endpoint) => self.reachable(endpoint, text, span),
            Err(fault) => {
                self.fault(text, span, &fault, true);
                None
            }
        }
    }

    /// An address at which a TCP connection can be made at all.
    fn reachable(&mut self, endpoint: Endpoint, text: &str, span: Span) -> Option<BackendAddress> {
        let class = classify(endpoint.ip);
        if endpoint.port == Some(0) {
            self.bad(
                span,
                format!("nothing listens on port 0, as `{text}` says"),
                "write the backend's port",
            );
            return None;
        }
        if matches!(class, Class::Multicast | Class::Broadcast) {
            let message = format!("`{text}` is a {class} address, and no connection goes to one");
            self.bad(span, message, "write the backend's own address");
            return None;
        }
        Some(of_endpoint(endpoint))
    }

    /// An absolute path that fits a socket address.
    pub(super) fn unix_path(&mut self, path: &str, span: Span) -> Option<PathBuf> {
        if !path.starts_with('/') {
            self.bad(
                span,
                format!("`{}` is not an absolute path", Shown(path)),
                "write the path from `/` on",
            );
        } else if path.len() > MAX_UNIX_PATH {
            self.too_long(path, span);
        } else {
            return Some(PathBuf::from(path));
        }
        None
    }

    pub(super) fn too_long(&mut self, path: &str, span: Span) {
        let bytes = path.len();
        let message =
            format!("this path has {bytes} bytes, and a socket address holds {MAX_UNIX_PATH}");
        self.bad(span, message, "choose a shorter path");
    }

    pub(super) fn unknown_upstream(&mut self, text: &str, span: Span) {
        let finding = Diagnostic::error(
            UNKNOWN_REFERENCE,
            span,
            format!("there is no upstream `{}`", Shown(text)),
        );
        let known: Vec<_> = self.upstreams.keys().map(UpstreamId::as_str).collect();
        let help = nearest(text, &known).map_or_else(
            || "define it under `upstreams`, or write an address and a port".to_owned(),
            |near| format!("did you mean `{near}`?"),
        );
        self.report(finding.help(help));
    }
}

fn of_endpoint(endpoint: Endpoint) -> BackendAddress {
    endpoint.port.map_or(BackendAddress::SamePort(endpoint.ip), |port| {
        BackendAddress::Ip((endpoint.ip, port).into())
    })
}
