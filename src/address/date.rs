//! Days of the civil calendar, UTC: all that expiry needs, without a clock.

use std::fmt;

/// A day that exists.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Date {
    year: u16,
    month: u8,
    day: u8,
}

impl Date {
    /// Reads `YYYY-MM-DD`, strictly; `None` for anything else, including days that do not exist.
    #[must_use]
    pub fn read(text: &str) -> Option<Self> {
        let number = |part: &str, digits| {
            let plain = part.len() == digits && part.bytes().all(|byte| byte.is_ascii_digit());
            if plain { part.parse::<u16>().ok() } else { None }
        };
        let mut parts = text.split('-');
        let (year, month, day) = (parts.next()?, parts.next()?, parts.next()?);
        if parts.next().is_some() {
            return None;
        }
        let (year, month, day) = (number(year, 4)?, number(month, 2)?, number(day, 2)?);
        let (month, day) = (u8::try_from(month).ok()?, u8::try_from(day).ok()?);
        let exists = (1..=12).contains(&month) && (1..=days_in(year, month)).contains(&day);
        exists.then_some(Self { year, month, day })
    }

    /// The day of a number of seconds since 1970-01-01T00:00:00Z; the last representable day is
    /// 9999-12-31.
    #[must_use]
    pub fn of_unix(seconds: u64) -> Self {
        let mut days = seconds / 86_400;
        let mut year = 1970;
        while year < 9999 && days >= days_of(year) {
            days -= days_of(year);
            year += 1;
        }
        let mut month = 1;
        while month < 12 && days >= u64::from(days_in(year, month)) {
            days -= u64::from(days_in(year, month));
            month += 1;
        }
        let day = u8::try_from(days.min(30)).expect("at most 30") + 1;
        Self { year, month, day }
    }
}

impl Date {
    /// How many days lie from this one to that; `None` when that one is earlier.
    #[must_use]
    pub fn days_until(self, later: Self) -> Option<u32> {
        later.number().checked_sub(self.number())
    }

    /// Days since 0000-01-01.
    fn number(self) -> u32 {
        let years = u32::from(self.year);
        let leaps = if years == 0 {
            0
        } else {
            1 + (years - 1) / 4 - (years - 1) / 100 + (years - 1) / 400
        };
        let months = (1..self.month).map(|month| u32::from(days_in(self.year, month)));
        years * 365 + leaps + months.sum::<u32>() + u32::from(self.day) - 1
    }
}

impl fmt::Display for Date {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04}-{:02}-{:02}", self.year, self.month, self.day)
    }
}

fn is_leap(year: u16) -> bool {
    year.is_multiple_of(4) && !year.is_multiple_of(100) || year.is_multiple_of(400)
}

fn days_of(year: u16) -> u64 {
    if is_leap(year) { 366 } else { 365 }
}

fn days_in(year: u16, month: u8) -> u8 {
    match month {
        2 if is_leap(year) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_only_days_that_exist() {
        for text in ["2027-03-31", "2028-02-29", "2000-02-29", "0001-01-01"] {
            assert_eq!(Date::read(text).unwrap().to_string(), text);
        }
        for text in [
            "2027-02-29",
            "1900-02-29",
            "2027-13-01",
            "2027-3-31",
            "2027-03-31T00",
            "tomorrow",
            "",
            "+027-03-31",
        ] {
            assert_eq!(Date::read(text), None, "{text}");
        }
    }

    #[test]
    fn counts_the_days_between_two() {
        let days =
            |from: &str, to: &str| Date::read(from).unwrap().days_until(Date::read(to).unwrap());
        assert_eq!(days("2026-09-20", "2027-03-18"), Some(179));
        assert_eq!(days("2028-02-28", "2028-03-01"), Some(2));
        assert_eq!(days("1970-01-01", "2000-02-29"), Some(951_782_400 / 86_400));
        assert_eq!(days("0000-01-01", "0001-01-01"), Some(366));
        assert_eq!(days("2026-11-22", "2026-11-22"), Some(0));
        assert_eq!(days("2026-11-22", "2026-11-21"), None);
    }

    #[test]
    fn counts_days_from_the_epoch() {
        for (seconds, day) in [
            (0, "1970-01-01"),
            (86_399, "1970-01-01"),
            (951_782_400, "2000-02-29"),
            (1_795_305_600, "2026-11-22"),
            (u64::MAX, "9999-12-31"),
        ] {
            assert_eq!(Date::of_unix(seconds).to_string(), day);
        }
    }
}
