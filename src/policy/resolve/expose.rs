//! Where a listener is reachable: one form, or a form per family.

mod place;
mod short;

use super::{MISSING_KEY, NOT_SUPPORTED_YET, Resolver, first_of, upstream::MAX_UNIX_PATH};
use crate::{
    config::{self, Each, Field, Form, Spanned, code::BAD_VALUE},
    diagnostic::Diagnostic,
    policy::{Expose, Family, Place, Side, UnixSocket},
    source::Span,
};

/// The longest name that the service manager gives a descriptor (`FDNAME_MAX`).
const MAX_NAME: usize = 255;

const BOTH: [Family; 2] = [Family::V4, Family::V6];

/// The keys of the long form, for findings.
const FORMS: &str = "`loopback`, `private`, `shared`, `link`, `interface`, `public`, `any`, `unix`, `inherited`, or `v4` with `v6`";

/// Permission bits as one writes them for chmod: octal, three or four digits.
const MODE_DIGITS: std::ops::RangeInclusive<usize> = 3..=4;

impl Resolver<'_> {
    pub(super) fn expose(&mut self, form: &Form<config::Expose>, span: Span) -> Option<Expose> {
        let long = match form {
            Form::Short(text) => return self.short(text, span, None).map(Expose::Ip),
            Form::Long(long) => long,
        };
        let keys = keys(long);
        let split: Vec<_> = [long.v4.span(), long.v6.span()].into_iter().flatten().collect();
        if let ([first, ..], [key, ..]) = (split.as_slice(), keys.as_slice()) {
            let message = "`v4` and `v6` stand alone";
            let finding = Diagnostic::error(BAD_VALUE, *key, message)
                .related(*first, "the split form is here");
            self.report(finding.help("move this key under `v4` or `v6`"));
            return None;
        }
        if !split.is_empty() {
            return self.split(long, span);
        }
        self.exactly_one(&keys, span)?;
        if let Some((inherited, span)) = long.inherited.set() {
            return self.inherited(inherited, span);
        }
        if let Some((unix, span)) = long.unix.set() {
            return self.unix(unix, span).map(Expose::Unix);
        }
        self.form(long, None).map(Expose::Ip)
    }

    /// `v4` with `v6`, each a form of its own or `none`.
    fn split(&mut self, long: &config::Expose, span: Span) -> Option<Expose> {
        let mut sides = Vec::new();
        let mut whole = true;
        for (family, field) in [(Family::V4, &long.v4), (Family::V6, &long.v6)] {
            let Some((form, at)) = field.set() else {
                whole &= field.span().is_none();
                continue;
            };
            match self.side(form, at, family) {
                Some(side) => sides.extend(side),
                None => whole = false,
            }
        }
        if whole && sides.is_empty() {
            self.bad(
                span,
                "neither family is bound",
                "give one of them a form, or remove the listener",
            );
            return None;
        }
        whole.then_some(Expose::Ip(sides))
    }

    fn side(
        &mut self,
        form: &Form<config::Expose>,
        span: Span,
        family: Family,
    ) -> Option<Vec<Side>> {
        let long = match form {
            Form::Short(text) if text == "none" => return Some(Vec::new()),
            Form::Short(text) => return self.short(text, span, Some(family)),
            Form::Long(long) => long,
        };
        let nested = first_of([
            long.v4.span(),
            long.v6.span(),
            long.unix.span(),
            long.interface.span(),
            long.inherited.span(),
        ]);
        if let Some(at) = nested {
            let help = "`v4` and `v6` take `loopback`, `private`, `shared`, `link`, `public`, `any` or `none`";
            self.bad(at, "this form chooses its families itself", help);
            return None;
        }
        self.exactly_one(&keys(long), span)?;
        self.form(long, Some(family))
    }

    fn exactly_one(&mut self, keys: &[Span], span: Span) -> Option<()> {
        match keys {
            [_] => Some(()),
            [] => {
                let finding = Diagnostic::error(MISSING_KEY, span, "nothing says what is exposed");
                self.report(finding.help(format!("write one of {FORMS}")));
                None
            }
            [first, second, ..] => {
                let message = "a listener is exposed in exactly one way";
                let finding = Diagnostic::error(BAD_VALUE, *second, message);
                let help = "remove all but one, or use `v4` with `v6`";
                self.report(finding.related(*first, "the first is here").help(help));
                None
            }
        }
    }

    fn of_this_family(&mut self, found: Family, wanted: Option<Family>, span: Span) -> Option<()> {
        match wanted {
            Some(wanted) if wanted != found => {
                self.bad(
                    span,
                    format!("this is {found}, on the {wanted} side"),
                    "move it to the other side",
                );
                None
            }
            _ => Some(()),
        }
    }

    fn form(&mut self, long: &config::Expose, family: Option<Family>) -> Option<Vec<Side>> {
        if let Some((chosen, _)) = long.loopback.set() {
            let families = self.chosen(&chosen.families, family, families(family))?;
            return Some(of(families, Place::Loopback, true));
        }
        if let Some((chosen, _)) = long.any.set() {
            let families = self.chosen(&chosen.families, family, any_families(family))?;
            return Some(of(families, Place::Any, false));
        }
        if let Some((interface, span)) = long.interface.set() {
            return self.interface(interface, span);
        }
        let (class, place, span) = long
            .places()
            .into_iter()
            .find_map(|(class, field)| field.set().map(|(place, span)| (class, place, span)))?;
        self.place(class, place, span, family).map(|side| vec![side])
    }

    /// The `families` key, which only narrows.
    fn chosen(
        &mut self,
        list: &Field<Each<Spanned<String>>>,
        side: Option<Family>,
        default: Vec<Family>,
    ) -> Option<Vec<Family>> {
        let Some((list, span)) = list.set() else { return Some(default) };
        if side.is_some() {
            self.bad(span, "the side says which family it is", "remove `families`");
            return None;
        }
        let mut families = Vec::new();
        for word in &list.0 {
            match word.value.as_str() {
                "v4" => families.push(Family::V4),
                "v6" => families.push(Family::V6),
                other => self.unknown_word(other, word.span, ["v4", "v6"].into_iter()),
            }
        }
        families.sort_unstable();
        families.dedup();
        if families.is_empty() {
            self.bad(span, "no family is left", "write `[v4]`, `[v6]` or `[v4, v6]`");
            return None;
        }
        Some(families)
    }

    /// What a socket that is passed in has to be. Its name is read by [`Self::inherited_name`].
    fn inherited(&mut self, written: &config::Inherited, span: Span) -> Option<Expose> {
        let Some((form, at)) = written.r#as.set() else {
            if written.r#as.is_absent() {
                let message = "nothing says what the socket has to be";
                let help = "add `as` with one of the other forms, such as `as: { private: { subnet: 10.20.0.0/16 } }`";
                self.report(Diagnostic::error(MISSING_KEY, span, message).help(help));
            }
            return None;
        };
        if let Form::Long(long) = &**form {
            if let Some(at) = long.inherited.span() {
                self.bad(
                    at,
                    "`as` says what the socket is, not where it comes from",
                    "write another form",
                );
                return None;
            }
            if let Some(at) = long.unix.span() {
                let message = "path sockets that are passed in do not work yet";
                let help = "let the program make the socket: `expose: { unix: { … } }`";
                self.report(Diagnostic::error(NOT_SUPPORTED_YET, at, message).help(help));
                return None;
            }
        }
        self.expose(form, at)
    }

    /// The name under which the listener's sockets are passed in, if they are.
    pub(super) fn inherited_name(&mut self, written: &config::Listener) -> Option<String> {
        let Some(Form::Long(long)) = written.expose.get() else { return None };
        let (inherited, span) = long.inherited.set()?;
        let name = self.required(&inherited.name, "name", span)?;
        let at = inherited.name.span().unwrap_or(span);
        let is_plain = |byte: u8| byte.is_ascii_graphic() && byte != b':';
        if name.is_empty() || name.len() > MAX_NAME || !name.bytes().all(is_plain) {
            let help = "write the `FileDescriptorName=` of the socket unit";
            self.bad(at, "no socket can have this name", help);
            return None;
        }
        if let Some(span) = written.fanout.span() {
            let help = "remove `fanout`; the socket unit says how many sockets there are";
            self.bad(span, "sockets that are passed in cannot be made more", help);
        }
        Some(name)
    }

    fn unix(&mut self, written: &config::Unix, span: Span) -> Option<UnixSocket> {
        let path = self.required(&written.path, "path", span);
        let mode = self.required(&written.mode, "mode", span);
        let owner = self.text(&written.owner);
        let group = self.text(&written.group);
        let mode = self.mode(&mode?, written.mode.span().unwrap_or(span))?;
        // An abstract or relative path is judged by a rule of its own, with the reason.
        let path = path?;
        if path.len() > MAX_UNIX_PATH {
            self.too_long(&path, written.path.span().unwrap_or(span));
            return None;
        }
        let path = path.into();
        Some(UnixSocket { path, mode, owner, group })
    }

    /// Permission bits.
    pub(super) fn mode(&mut self, text: &str, span: Span) -> Option<u32> {
        let octal = MODE_DIGITS.contains(&text.len())
            && text.bytes().all(|byte| (b'0'..=b'7').contains(&byte));
        let bits = if octal { u32::from_str_radix(text, 8).ok() } else { None };
        let mode = bits.filter(|bits| *bits <= 0o777);
        if mode.is_none() {
            let help = "write it in octal, such as \"0660\"";
            self.bad(span, format!("`{text}` is no file mode"), help);
        }
        mode
    }
}

/// Where the keys of the long form stand, in the order of the language page.
fn keys(long: &config::Expose) -> Vec<Span> {
    let spans = [
        long.loopback.span(),
        long.private.span(),
        long.shared.span(),
        long.link.span(),
        long.interface.span(),
        long.public.span(),
        long.any.span(),
        long.unix.span(),
        long.inherited.span(),
    ];
    spans.into_iter().flatten().collect()
}

fn families(side: Option<Family>) -> Vec<Family> {
    side.map_or_else(|| BOTH.to_vec(), |family| vec![family])
}

/// Without a word about IPv6 nothing binds to it; that the word is missing is a finding of its own.
fn any_families(side: Option<Family>) -> Vec<Family> {
    vec![side.unwrap_or(Family::V4)]
}

fn of(families: Vec<Family>, place: Place, pin: bool) -> Vec<Side> {
    families.into_iter().map(|family| Side { family, place: place.clone(), pin }).collect()
}
