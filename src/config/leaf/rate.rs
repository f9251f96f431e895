//! Rates: `100/s`, `30/m`, `5/h`.

use std::{
    fmt,
    num::{IntErrorKind, NonZeroU32},
    str::FromStr,
    time::Duration,
};

use serde::{Deserialize, Deserializer};

use super::{Leaf, Shown, with_help};

/// The most that a rate may count in its period: more than a host accepts in a second, and so few
/// that the time between two is at least a microsecond, which is what the rate is kept with.
pub const MAX_RATE: u32 = 1_000_000;

/// Units from short to long, in seconds.
const UNITS: [(&str, u64); 3] = [("s", 1), ("m", 60), ("h", 3600)];

/// So many at once, and as many again over each period, evenly. Having one tells you that the count
/// is from 1 to [`MAX_RATE`] and the period a second, a minute or an hour.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    count: NonZeroU32,
    /// In seconds.
    period: u64,
}

impl Rate {
    /// How many.
    #[must_use]
    pub fn count(self) -> NonZeroU32 {
        self.count
    }

    /// Over how long.
    #[must_use]
    pub fn period(self) -> Duration {
        Duration::from_secs(self.period)
    }
}

impl FromStr for Rate {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let bad = || {
            with_help(
                format_args!("`{}` is not a rate", Shown(text)),
                "write how many in which time, `s`, `m` or `h`: `100/s`",
            )
        };
        let (count, unit) = text.split_once('/').ok_or_else(bad)?;
        let (_, period) = UNITS.into_iter().find(|(name, _)| *name == unit).ok_or_else(bad)?;
        if count == "0" {
            let cure = "leave the key out for no bound";
            return Err(with_help("a rate of 0 would admit nobody", cure));
        }
        // A sign or a leading zero is no way to write a number here.
        if !count.starts_with(|first| matches!(first, '1'..='9')) {
            return Err(bad());
        }
        match count.parse::<NonZeroU32>() {
            Ok(count) if count.get() <= MAX_RATE => Ok(Self { count, period }),
            Err(error) if *error.kind() != IntErrorKind::PosOverflow => Err(bad()),
            _ => Err(with_help(
                format_args!("`{}` is more than can be counted", Shown(text)),
                format_args!("write at most `{MAX_RATE}/{unit}`, or leave the key out"),
            )),
        }
    }
}

/// As it is written.
impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let unit = UNITS.into_iter().find(|(_, seconds)| *seconds == self.period);
        let (unit, _) = unit.expect("a period is that of a unit");
        write!(f, "{}/{unit}", self.count)
    }
}

impl<'de> Deserialize<'de> for Rate {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Leaf {
            expected: "a rate such as `100/s`",
            text: str::parse,
            number: |number| {
                Err(with_help(
                    format_args!("`{number}` is a rate without its time"),
                    format_args!("write `{number}/s` for so many in a second"),
                ))
            },
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_is_a_count_and_a_time() {
        for (text, count, seconds) in
            [("100/s", 100, 1), ("1/m", 1, 60), ("1000000/h", 1_000_000, 3600)]
        {
            let rate: Rate = text.parse().unwrap();
            assert_eq!((rate.count().get(), rate.period().as_secs()), (count, seconds), "{text}");
            assert_eq!(rate.to_string(), text);
        }
    }

    #[test]
    fn anything_else_is_refused_with_a_way_out() {
        for (text, problem) in [
            ("", "`` is not a rate"),
            ("100", "`100` is not a rate"),
            ("/s", "`/s` is not a rate"),
            ("100/", "`100/` is not a rate"),
            ("100/d", "`100/d` is not a rate"),
            ("100/S", "`100/S` is not a rate"),
            ("100 / s", "`100 / s` is not a rate"),
            ("+5/s", "`+5/s` is not a rate"),
            ("1.5/s", "`1.5/s` is not a rate"),
            ("007/s", "`007/s` is not a rate"),
            ("1/s/s", "`1/s/s` is not a rate"),
            ("0/s", "a rate of 0 would admit nobody"),
            ("1000001/s", "`1000001/s` is more than can be counted"),
            ("99999999999/h", "`99999999999/h` is more than can be counted"),
        ] {
            let error = text.parse::<Rate>().unwrap_err();
            assert!(error.starts_with(problem), "{text}: {error}");
            assert!(error.contains("\nhelp: "), "{text}: {error}");
        }
    }
}
