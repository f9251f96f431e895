//! One listener, but for where it is exposed.

use super::{Resolver, UNKNOWN_REFERENCE, first_of};
use crate::{
    address::Date,
    config::{self, DurationOrNone, Field, code::BAD_VALUE},
    diagnostic::Diagnostic,
    policy::{
        Action, Allow, BackendAddress, Expiry, Expose, Fanout, Limits, Listener, ListenerId,
        PortRange, Timeouts, defaults,
    },
    source::Span,
};

impl Resolver<'_> {
    pub(super) fn listener(
        &mut self,
        id: &ListenerId,
        written: &config::Listener,
        span: Span,
    ) -> Option<Listener> {
        let purpose = self.text(&written.purpose);
        let expose = match written.expose.set() {
            Some((form, span)) => self.expose(form, span),
            None => {
                if written.expose.is_absent() {
                    let help = "say where the host may be reached, such as `expose: loopback`";
                    let message = "`expose` is missing";
                    self.report(Diagnostic::error(super::MISSING_KEY, span, message).help(help));
                }
                None
            }
        };
        let inherited = self.inherited_name(written);
        let unix = matches!(expose, Some(Expose::Unix(_)));
        let ports = if unix { self.no_ports(written) } else { self.ports(written, span) };
        let clients = written.clients.set().and_then(|(clients, span)| self.clients(clients, span));
        let limits = written.limits.get().map_or_else(Limits::default, |limits| Limits {
            connections: self.positive(&limits.connections),
            per_client: self.positive(&limits.per_client),
            rate: limits.rate.get().copied(),
            per_client_rate: limits.per_client_rate.get().copied(),
        });
        let words = [("none", Fanout::None), ("per_core", Fanout::PerCore)];
        let fanout = self.count(&written.fanout, &words, Fanout::Sockets).unwrap_or(Fanout::None);
        if unix {
            self.meaningless_on_a_path(written);
        }
        let allow = written.allow.set().and_then(|(allow, span)| self.allow(allow, span));
        let timeouts = timeouts(written.timeouts.get());
        // Where it goes has been reported if it is not known; who can reach it is to be judged all
        // the same.
        let action = self.action(written, unix, span).unwrap_or(Action::Status);
        let id = id.clone();
        let expose = expose?;
        let ports = ports?;
        Some(Listener {
            id,
            purpose,
            expose,
            inherited,
            ports,
            clients,
            limits,
            timeouts,
            fanout,
            allow,
            action,
        })
    }

    fn ports(&mut self, written: &config::Listener, span: Span) -> Option<Vec<PortRange>> {
        match (written.port.set(), written.ports.set()) {
            (Some((port, _)), None) => Some(vec![PortRange { first: *port, last: *port }]),
            (None, Some((list, list_span))) => {
                let mut ranges: Vec<_> = list
                    .iter()
                    .map(|range| PortRange { first: range.value.first(), last: range.value.last() })
                    .collect();
                ranges.sort_unstable();
                if ranges.is_empty() {
                    self.bad(list_span, "a listener needs a port", "list at least one");
                    return None;
                }
                let twice = ranges.windows(2).find(|pair| pair[1].first <= pair[0].last);
                if let Some(pair) = twice {
                    let message = format!("port {} is listed twice", pair[1].first);
                    self.bad(list_span, message, "let every port be in one range");
                    return None;
                }
                Some(ranges)
            }
            (Some((_, port)), Some((_, ports))) => {
                let message = "`port` and `ports` exclude each other";
                let finding = Diagnostic::error(BAD_VALUE, ports, message);
                self.report(finding.related(port, "the other is here").help("remove one of them"));
                None
            }
            (None, None) => {
                if first_of([written.port.span(), written.ports.span()]).is_none() {
                    self.missing(span, "port");
                }
                None
            }
        }
    }

    /// A path socket has no port.
    fn no_ports(&mut self, written: &config::Listener) -> Option<Vec<PortRange>> {
        if let Some(span) = first_of([written.port.span(), written.ports.span()]) {
            self.bad(span, "a unix socket has no port", "remove the key");
            return None;
        }
        Some(Vec::new())
    }

    /// Reports keys that ask for what a path socket lacks: an address of the client, a group of
    /// sockets.
    fn meaningless_on_a_path(&mut self, written: &config::Listener) {
        if let Some(span) = written.clients.span() {
            let help = "say with `mode`, `owner` and `group` who may connect";
            self.bad(span, "clients of a unix socket have no address", help);
        }
        if let Some(limits) = written.limits.get() {
            let of_a_client = [
                (limits.per_client.span(), "use `connections`"),
                (limits.per_client_rate.span(), "use `rate`"),
            ];
            for (span, cure) in of_a_client {
                if let Some(span) = span {
                    self.bad(span, "clients of a unix socket have no address", cure);
                }
            }
        }
        if let Some((_, span)) = written.fanout.set() {
            self.bad(
                span,
                "a unix socket cannot be fanned out",
                "remove the key; every worker serves it",
            );
        }
    }

    fn allow(&mut self, written: &config::Allow, span: Span) -> Option<Allow> {
        let reason = self.required(&written.reason, "reason", span)?;
        let expires = match written.expires.get() {
            None => Expiry::Never,
            Some(text) => Date::read(text).map_or(Expiry::Malformed, Expiry::On),
        };
        Some(Allow {
            reason,
            owner: self.text(&written.owner),
            ticket: self.text(&written.ticket),
            expires,
            grant: self.text(&written.grant),
        })
    }

    fn action(&mut self, written: &config::Listener, unix: bool, span: Span) -> Option<Action> {
        match (written.forward.set(), written.serve.set()) {
            (Some((target, at)), None) => {
                let upstream = self.forward(target, at)?;
                let portless =
                    |address: &BackendAddress| matches!(address, BackendAddress::SamePort(_));
                if unix && upstream.backends.iter().any(|backend| portless(&backend.address)) {
                    let help = "give the backend a port";
                    let message =
                        "clients of a unix socket ask for no port that the backend could take";
                    self.report(Diagnostic::error(UNKNOWN_REFERENCE, at, message).help(help));
                }
                Some(Action::Forward(upstream.id.clone()))
            }
            // `config` lets no other word through than `status`.
            (None, Some(_)) => Some(Action::Status),
            (Some((_, forward)), Some((_, serve))) => {
                let message = "`forward` and `serve` exclude each other";
                let finding = Diagnostic::error(BAD_VALUE, serve, message);
                self.report(
                    finding.related(forward, "the other is here").help("remove one of them"),
                );
                None
            }
            (None, None) => {
                let reported =
                    first_of([written.forward.span(), written.serve.span(), written.route.span]);
                if reported.is_none() {
                    let message = "nothing says where connections go";
                    let help = "add `forward` with an upstream or an address, or `serve: status`";
                    self.report(Diagnostic::error(super::MISSING_KEY, span, message).help(help));
                }
                None
            }
        }
    }
}

fn timeouts(written: Option<&config::Timeouts>) -> Timeouts {
    let or = |field: &Field<DurationOrNone>, default| match field.get() {
        None => default,
        Some(DurationOrNone::None) => None,
        Some(DurationOrNone::Lasts(duration)) => Some(duration.get()),
    };
    let absent = config::Timeouts::default();
    let written = written.unwrap_or(&absent);
    Timeouts {
        idle: or(&written.idle, Some(defaults::IDLE)),
        half_closed: or(&written.half_closed, Some(defaults::HALF_CLOSED)),
        lifetime: or(&written.lifetime, None),
    }
}
