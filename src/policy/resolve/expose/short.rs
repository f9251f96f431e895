//! The short form of `expose`: a word, or what other programs' files have in its place.

use std::net::IpAddr;

use super::{any_families, families, of};
use crate::{
    address::{
        Class, classify,
        read::{self, Fault},
    },
    diagnostic::{Diagnostic, text::Shown},
    policy::{
        Family, Place, Side,
        resolve::{DUAL_STACK_REQUEST, Resolver},
    },
    source::Span,
};

impl Resolver<'_> {
    /// One word; or an address, which is what the word stands for in other programs' files.
    pub(super) fn short(
        &mut self,
        text: &str,
        span: Span,
        family: Option<Family>,
    ) -> Option<Vec<Side>> {
        match text {
            "loopback" => return Some(of(families(family), Place::Loopback, true)),
            "any" => return Some(of(any_families(family), Place::Any, false)),
            _ => {}
        }
        let host = match text.rsplit_once(':') {
            Some((host, port)) if !host.contains(':') || host.ends_with(']') => {
                let help = "write the port under `port`";
                let message =
                    format!("`expose` takes no port, and this ends in `:{}`", Shown(port));
                self.bad(span, message, help);
                host.trim_start_matches('[').trim_end_matches(']')
            }
            _ => text,
        };
        if host.is_empty() || host == "*" {
            return Some(of(families(family), Place::Any, false));
        }
        match read::address(host) {
            Ok(found) if found.ip.is_unspecified() => self.every_address(found.ip, span, family),
            Ok(found) => {
                let class = classify(found.ip);
                let help = match Class::of_interface(class.word()) {
                    Some(_) => format!("write `expose: {{ {class}: {{ address: \"{host}\" }} }}`"),
                    None if class == Class::Host => "write `expose: loopback`".to_owned(),
                    None => format!("no listener belongs on a {class} address"),
                };
                self.bad(span, format!("`{text}` is an address where a keyword belongs"), help);
                None
            }
            Err(Fault::Mapped(v4)) => {
                self.fault(host, span, &Fault::Mapped(v4), false);
                v4.is_unspecified().then(|| of(vec![Family::V4], Place::Any, false))
            }
            Err(fault @ (Fault::Ambiguous { .. } | Fault::HostBits { .. })) => {
                self.fault(host, span, &fault, false);
                None
            }
            Err(Fault::Hostname) if host == "localhost" || host.contains('.') => {
                self.fault(host, span, &Fault::Hostname, false);
                None
            }
            _ => {
                self.unknown_word(text, span, ["loopback", "any"].into_iter());
                None
            }
        }
    }

    /// `0.0.0.0` or `::`. The latter is often written in the hope of IPv4 as well.
    fn every_address(
        &mut self,
        ip: IpAddr,
        span: Span,
        family: Option<Family>,
    ) -> Option<Vec<Side>> {
        let found = Family::of(ip);
        if found == Family::V6 && family.is_none() {
            let message = "`::` is every IPv6 address here, and no IPv4 address";
            let help = "write `any: { families: [v4, v6] }` for both, `any: { families: [v6] }` for this one";
            self.report(Diagnostic::error(DUAL_STACK_REQUEST, span, message).help(help));
        }
        self.of_this_family(found, family, span)?;
        Some(of(vec![found], Place::Any, false))
    }
}
