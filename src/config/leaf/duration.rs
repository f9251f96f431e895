//! Durations: `250ms`, `30s`, `1h30m`.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Deserializer};

use super::{Leaf, Shown, with_help};

/// The longest duration. A year is longer than any process runs, and far from every overflow.
pub const MAX_DURATION: std::time::Duration = std::time::Duration::from_secs(366 * 24 * 3600);

/// Units from long to short, in milliseconds.
const UNITS: [(&str, u64); 4] = [("h", 3_600_000), ("m", 60_000), ("s", 1000), ("ms", 1)];

/// A duration. Having one tells you that it is whole milliseconds, above zero, and at most
/// [`MAX_DURATION`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Duration(std::time::Duration);

impl Duration {
    /// The duration as everyone else knows it.
    #[must_use]
    pub fn get(self) -> std::time::Duration {
        self.0
    }
}

impl FromStr for Duration {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let bad = |problem: &str| {
            with_help(
                format_args!("`{}` {problem}", Shown(text)),
                "write numbers with the units `h`, `m`, `s` or `ms`, the longest first: `1h30m`",
            )
        };
        if let Some(number) = text.parse().ok().filter(|_| !text.starts_with('+')) {
            return Err(without_unit(number));
        }
        let mut rest = text;
        let mut units = UNITS.iter();
        let mut total: u64 = 0;
        while !rest.is_empty() {
            let digits = rest.find(|byte: char| !byte.is_ascii_digit()).unwrap_or(rest.len());
            let (number, after) = rest.split_at(digits);
            let letters = after.find(|byte: char| byte.is_ascii_digit()).unwrap_or(after.len());
            let (unit, after) = after.split_at(letters);
            let (_, scale) =
                units.find(|(name, _)| *name == unit).ok_or_else(|| bad("is not a duration"))?;
            if number.is_empty() {
                return Err(bad("is not a duration"));
            }
            total = number
                .parse()
                .ok()
                .and_then(|number: u64| number.checked_mul(*scale)?.checked_add(total))
                .ok_or_else(too_long)?;
            rest = after;
        }
        match std::time::Duration::from_millis(total) {
            _ if text.is_empty() => Err(bad("is not a duration")),
            std::time::Duration::ZERO => Err(bad("lasts no time at all")),
            duration if duration > MAX_DURATION => Err(too_long()),
            duration => Ok(Self(duration)),
        }
    }
}

/// As it is written: the longest units first, none of them zero.
impl fmt::Display for Duration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut rest = u64::try_from(self.0.as_millis()).unwrap_or(u64::MAX);
        for (unit, scale) in UNITS {
            if rest >= scale {
                write!(f, "{}{unit}", rest / scale)?;
                rest %= scale;
            }
        }
        Ok(())
    }
}

impl<'de> Deserialize<'de> for Duration {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Leaf {
            expected: "a duration such as `30s`",
            text: str::parse,
            number: |number| Err(without_unit(number)),
        })
    }
}

/// The message for a bare number.
pub(super) fn without_unit(number: u64) -> String {
    with_help(
        format_args!("`{number}` is a duration without its unit"),
        format_args!("write `{number}s` for seconds or `{number}ms` for milliseconds"),
    )
}

fn too_long() -> String {
    with_help("a duration of more than 366 days", "write `8784h` or less")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn reads_durations() {
        for (text, milliseconds) in [
            ("250ms", 250),
            ("30s", 30_000),
            ("10m", 600_000),
            ("1h30m", 5_400_000),
            ("24h", 86_400_000),
            ("1h0m1ms", 3_600_001),
            ("90m", 5_400_000),
            ("8784h", 366 * 24 * 3_600_000),
        ] {
            let duration = text.parse::<Duration>().unwrap();
            assert_eq!(duration.get().as_millis(), milliseconds, "{text}");
        }
    }

    #[test]
    fn refuses_everything_else() {
        for (text, problem) in [
            ("", "`` is not a duration"),
            ("30", "`30` is a duration without its unit"),
            ("s", "`s` is not a duration"),
            ("30 s", "`30 s` is not a duration"),
            ("-30s", "`-30s` is not a duration"),
            ("+30s", "`+30s` is not a duration"),
            ("1.5s", "`1.5s` is not a duration"),
            ("1d", "`1d` is not a duration"),
            ("30S", "`30S` is not a duration"),
            ("1m1h", "`1m1h` is not a duration"),
            ("1s1s", "`1s1s` is not a duration"),
            ("1h30", "`1h30` is not a duration"),
            ("1１s", "`1１s` is not a duration"),
            ("0s", "`0s` lasts no time at all"),
            ("0h0ms", "`0h0ms` lasts no time at all"),
            ("8785h", "a duration of more than 366 days"),
            ("99999999999999999999h", "a duration of more than 366 days"),
            ("18446744073709551615h", "a duration of more than 366 days"),
        ] {
            let error = text.parse::<Duration>().unwrap_err();
            assert!(error.starts_with(problem), "{text}: {error}");
        }
    }

    proptest! {
        #[test]
        fn is_read_as_it_is_written(milliseconds in 1..=366 * 24 * 3_600_000u64) {
            let duration = Duration(std::time::Duration::from_millis(milliseconds));
            prop_assert_eq!(duration.to_string().parse(), Ok(duration));
        }

        #[test]
        fn never_panics(text in "[0-9hms]{0,30}|.{0,10}") {
            drop(text.parse::<Duration>());
        }
    }
}
