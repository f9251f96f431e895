//! What an exception has to say, and until when it holds.

use std::fmt;

use regex_lite::Regex;

use crate::{address::Date, policy::Expiry};

/// A key that a guardrail can demand of an exception.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Key {
    /// Why.
    Reason,
    /// Who answers for it.
    Owner,
    /// Where it was agreed.
    Ticket,
    /// Its last day.
    Expires,
    /// The grant that an `allow` relies on.
    Grant,
    /// Who granted it.
    ApprovedBy,
    /// When.
    ApprovedOn,
}

/// What a ticket looks like.
#[derive(Debug, Clone)]
pub struct TicketPattern(Regex);

/// Whether an exception holds on a day.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// For good.
    Unlimited,
    /// For this many days more, the last one included: on its last day none are left.
    Left(u32),
    /// It held until this day.
    Expired(Date),
    /// What it says of its last day is no day, which counts as expired.
    Malformed,
}

impl Key {
    /// All of them, by word.
    pub const WORDS: [(&str, Self); 7] = [
        ("reason", Self::Reason),
        ("owner", Self::Owner),
        ("ticket", Self::Ticket),
        ("expires", Self::Expires),
        ("grant", Self::Grant),
        ("approved_by", Self::ApprovedBy),
        ("approved_on", Self::ApprovedOn),
    ];

    /// The word in the language.
    #[must_use]
    pub fn word(self) -> &'static str {
        Self::WORDS.iter().find(|(_, key)| *key == self).map_or("", |(word, _)| word)
    }
}

impl TicketPattern {
    /// Reads a regular expression.
    ///
    /// # Errors
    /// When it is none; the text says why.
    pub fn read(text: &str) -> Result<Self, String> {
        Regex::new(text).map(Self).map_err(|error| error.to_string())
    }

    /// Whether the ticket looks like that.
    #[must_use]
    pub fn fits(&self, ticket: &str) -> bool {
        self.0.is_match(ticket)
    }
}

impl fmt::Display for TicketPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.as_str())
    }
}

impl Standing {
    /// Whether the exception holds.
    #[must_use]
    pub fn holds(self) -> bool {
        matches!(self, Self::Unlimited | Self::Left(_))
    }
}

/// Holds an expiry against a day, both UTC. The last day is included.
#[must_use]
pub fn standing(expires: &Expiry, today: Date) -> Standing {
    match expires {
        Expiry::Never => Standing::Unlimited,
        Expiry::Malformed => Standing::Malformed,
        Expiry::On(last) => {
            today.days_until(*last).map_or(Standing::Expired(*last), Standing::Left)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_exception_holds_through_its_last_day() {
        let day = |text| Date::read(text).unwrap();
        let today = day("2026-11-22");
        for (expires, standing_today) in [
            (Expiry::Never, Standing::Unlimited),
            (Expiry::On(day("2026-11-23")), Standing::Left(1)),
            (Expiry::On(today), Standing::Left(0)),
            (Expiry::On(day("2026-11-21")), Standing::Expired(day("2026-11-21"))),
            (Expiry::Malformed, Standing::Malformed),
        ] {
            assert_eq!(standing(&expires, today), standing_today);
        }
    }
}
