//! Whether somebody has signed for a wide exposure, and what to write where nobody has.

use super::{Context, Finding};
use crate::{
    address::{Class, Date, classify},
    policy::{Allow, Expiry, ListenerId},
};

/// The block in the advice where the host is not known.
const EXAMPLE_BLOCK: &str = "10.20.0.0/16";

/// Why an `allow` does not sign.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unsigned {
    /// There is none.
    Missing,
    /// It held until this day.
    Expired(Date),
    /// What it says of its last day is no day, which counts as expired.
    Malformed,
}

/// Holds an `allow` against the day.
pub(super) fn of(allow: Option<&Allow>, today: Date) -> Result<(), Unsigned> {
    match allow.map(|allow| &allow.expires) {
        None => Err(Unsigned::Missing),
        Some(Expiry::Malformed) => Err(Unsigned::Malformed),
        Some(Expiry::On(last)) if *last < today => Err(Unsigned::Expired(*last)),
        Some(Expiry::On(_) | Expiry::Never) => Ok(()),
    }
}

/// Says why nobody signed, and what to write instead.
pub(super) fn explain<'r>(
    finding: Finding<'r>,
    cx: &Context<'_>,
    listener: &ListenerId,
    unsigned: Unsigned,
) -> Finding<'r> {
    let wrote = cx.wrote(listener);
    let finding = match unsigned {
        Unsigned::Missing => finding.label("nobody has signed for this"),
        Unsigned::Expired(last) => finding
            .label("nobody signs for this any more")
            .related(wrote.expires(), format!("the signature ended with {last}, UTC")),
        Unsigned::Malformed => finding
            .label("nobody signs for this")
            .related(wrote.expires(), "this is no day as YYYY-MM-DD, so it counts as expired"),
    };
    finding
        .help(format!(
            "name what clients are meant to reach: \
            `expose: {{ private: {{ subnet: {} }} }}` or `expose: loopback`",
            narrower(cx)
        ))
        .help("if it is meant, sign for it: `allow: { reason: …, owner: …, expires: YYYY-MM-DD }`")
}

/// A private block that this host is in, or one for example.
fn narrower(cx: &Context<'_>) -> String {
    let addresses = cx.host.iter().flat_map(|host| &host.facts.addresses);
    let mut private = addresses.filter(|have| classify(have.address) == Class::Private);
    let block = private.next().and_then(|have| ipnet::IpNet::new(have.address, have.prefix).ok());
    block.map_or_else(|| EXAMPLE_BLOCK.to_owned(), |block| block.trunc().to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn holds_through_its_last_day() {
        let today = Date::read("2026-11-22").unwrap();
        let allow = |expires| Allow {
            reason: "because".to_owned(),
            owner: None,
            ticket: None,
            expires,
            grant: None,
        };
        let yesterday = Date::read("2026-11-21").unwrap();
        for (expires, signs) in [
            (Expiry::Never, Ok(())),
            (Expiry::On(today), Ok(())),
            (Expiry::On(yesterday), Err(Unsigned::Expired(yesterday))),
            (Expiry::Malformed, Err(Unsigned::Malformed)),
        ] {
            assert_eq!(of(Some(&allow(expires)), today), signs);
        }
        assert_eq!(of(None, today), Err(Unsigned::Missing));
    }
}
