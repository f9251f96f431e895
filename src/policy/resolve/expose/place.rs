//! The forms of `expose` that name addresses: one by itself, by its subnet or interface, or several
//! by class.

use crate::{
    address::{
        Class, classify,
        read::{self, Fault},
    },
    config::{self, Field, Words},
    diagnostic::{Diagnostic, text::Shown},
    policy::{
        Family, Place, Side,
        resolve::{
            BAD_VALUE, INTERFACE_WITHOUT_SCOPES, LINK_LOCAL_WITHOUT_ZONE, MISSING_KEY, Resolver,
            V4_MAPPED_LITERAL, first_of,
        },
    },
    source::Span,
};

impl Resolver<'_> {
    pub(super) fn place(
        &mut self,
        class: Class,
        written: &config::Place,
        span: Span,
        family: Option<Family>,
    ) -> Option<Side> {
        let given = [written.subnet.span(), written.address.span(), written.interface.span()];
        let given: Vec<_> = given.into_iter().flatten().collect();
        self.exactly_one_place(class, &given, span)?;
        let pinned = self.word(&written.pin, &[("device", true), ("none", false)]);
        // A public address may live on `lo` and be routed here; pinning it would cut it off.
        let pin = pinned.unwrap_or(class != Class::Public);
        let (found, place) = if let Some((text, at)) = written.address.set() {
            self.one_address(class, text, at)?
        } else if let Some((text, at)) = written.subnet.set() {
            if matches!(class, Class::Public | Class::Link) {
                self.bad(
                    at,
                    format!("`{class}` takes no subnet"),
                    "write `address` or `interface`",
                );
                return None;
            }
            self.subnet(class, text, at)?
        } else {
            let (name, at) = written.interface.set()?;
            let interface = self.interface_name(name, at)?;
            (family.unwrap_or(Family::V4), Place::OneOf { class, interface })
        };
        self.of_this_family(
            found,
            family,
            first_of([written.address.span(), written.subnet.span()]).unwrap_or(span),
        )?;
        let pin = pin && place != Place::Any;
        Some(Side { family: found, place, pin })
    }

    fn exactly_one_place(&mut self, class: Class, given: &[Span], span: Span) -> Option<()> {
        match given {
            [_] => Some(()),
            [] => {
                let finding = Diagnostic::error(
                    MISSING_KEY,
                    span,
                    format!("`{class}` does not say which address"),
                );
                self.report(finding.help("write `subnet`, `address` or `interface`"));
                None
            }
            [first, second, ..] => {
                let message = "`subnet`, `address` and `interface` exclude each other";
                let finding = Diagnostic::error(BAD_VALUE, *second, message);
                self.report(finding.related(*first, "the first is here").help("keep one of them"));
                None
            }
        }
    }

    fn one_address(&mut self, class: Class, text: &str, span: Span) -> Option<(Family, Place)> {
        if text.is_empty() || text == "*" {
            // An empty host is every address in other programs' files; the rule for that says so.
            return Some((Family::V4, Place::Any));
        }
        let found = match read::address(text) {
            Ok(found) => found,
            Err(Fault::Mapped(v4)) if v4.is_unspecified() => {
                let message = format!("`{text}` is every IPv4 address, written as IPv6");
                let help = "write `any: { families: [v4] }`";
                self.report(Diagnostic::error(V4_MAPPED_LITERAL, span, message).help(help));
                return Some((Family::V4, Place::Any));
            }
            Err(fault) => {
                self.fault(text, span, &fault, false);
                return None;
            }
        };
        let family = Family::of(found.ip);
        if found.ip.is_unspecified() {
            return Some((family, Place::Any));
        }
        let link_local = family == Family::V6 && classify(found.ip) == Class::Link;
        if link_local && found.zone.is_none() {
            let message = format!("`{text}` exists on every link, and does not say on which");
            let finding = Diagnostic::error(LINK_LOCAL_WITHOUT_ZONE, span, message);
            self.report(finding.help(format!("add the interface: `{text}%eth0`")));
            return None;
        }
        if !link_local && let Some(zone) = &found.zone {
            let help = format!("write `{}`", found.ip);
            self.bad(span, format!("only a link-local address has a zone such as `%{zone}`"), help);
            return None;
        }
        Some((family, Place::Address { class, address: found.ip, zone: found.zone }))
    }

    fn subnet(&mut self, class: Class, text: &str, span: Span) -> Option<(Family, Place)> {
        match read::block(text) {
            Ok(block) => Some((Family::of(block.addr()), Place::Subnet { class, block })),
            Err(fault) => {
                self.fault(text, span, &fault, false);
                None
            }
        }
    }

    pub(super) fn interface(
        &mut self,
        written: &config::Interface,
        span: Span,
    ) -> Option<Vec<Side>> {
        let name = self.required(&written.name, "name", span);
        let interface = self.interface_name(&name?, written.name.span().unwrap_or(span))?;
        let temporary = written.temporary.get().copied().unwrap_or(false);
        let from = self.findings.len();
        let mut sides = Vec::new();
        for (family, words) in [(Family::V4, &written.v4), (Family::V6, &written.v6)] {
            let classes = self.classes(words);
            if !classes.is_empty() {
                let place = Place::Interface { interface: interface.clone(), classes, temporary };
                sides.push(Side { family, place, pin: true });
            }
        }
        if sides.is_empty() && self.findings.len() == from {
            let message = format!("nothing says which addresses of `{interface}` are bound");
            let help = "write the classes, such as `v4: [private]`, and `v6: none`";
            self.report(Diagnostic::error(INTERFACE_WITHOUT_SCOPES, span, message).help(help));
        }
        (self.findings.len() == from).then_some(sides)
    }

    fn classes(&mut self, words: &Field<Words>) -> Vec<Class> {
        let Some(Words::List(words)) = words.get() else { return Vec::new() };
        let mut classes = Vec::new();
        for word in words {
            match Class::of_interface(&word.value) {
                Some(class) => classes.push(class),
                None => {
                    let known = Class::OF_INTERFACE.into_iter().map(Class::word);
                    self.unknown_word(&word.value, word.span, known);
                }
            }
        }
        classes.sort_unstable();
        classes.dedup();
        classes
    }

    fn interface_name(&mut self, name: &str, span: Span) -> Option<String> {
        if read::is_interface_name(name) {
            return Some(name.to_owned());
        }
        self.bad(
            span,
            format!("`{}` cannot be the name of an interface", Shown(name)),
            "write a name that `ip link` lists",
        );
        None
    }
}
