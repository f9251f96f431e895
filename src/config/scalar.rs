//! What a plain scalar means to YAML 1.2, and whether YAML 1.1 takes it for something else.

use std::fmt;

/// What a plain scalar is read as.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Scalar {
    /// `null`, `~` or nothing at all.
    Nothing,
    /// A truth value.
    Bool(bool),
    /// A whole number from zero to `u64::MAX`.
    Whole(u64),
    /// Any other number.
    Number(f64),
    /// Everything else.
    Text,
}

/// Reads by the core schema of YAML 1.2, less its infinities, which no key takes.
pub(super) fn read(text: &str) -> Scalar {
    match text {
        "true" | "True" | "TRUE" => return Scalar::Bool(true),
        "false" | "False" | "FALSE" => return Scalar::Bool(false),
        "" | "~" | "null" | "Null" | "NULL" => return Scalar::Nothing,
        _ => {}
    }
    let radix = |prefix, radix| text.strip_prefix(prefix).and_then(|digits| whole(digits, radix));
    let (negative, digits) = sign(text);
    let number = || float(negative, digits, Exponent::MaySign);
    radix("0x", 16)
        .or_else(|| radix("0o", 8))
        .or_else(|| whole(digits, 10).map(|number| number.signed(negative)))
        .or_else(number)
        .unwrap_or(Scalar::Text)
}

/// Both readings of a word that YAML 1.1 and YAML 1.2 read differently.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Ambiguity {
    /// By YAML 1.1, as many editors, linters and template engines still do.
    pub(super) old: Scalar,
    /// By YAML 1.2.
    pub(super) new: Scalar,
}

/// Whether the two versions of YAML disagree about a plain scalar.
///
/// Dates are left out on purpose: YAML 1.1 has a type for them, but every key that takes a date
/// takes it as text, and both versions print it as it was written.
pub(super) fn ambiguity(text: &str) -> Option<Ambiguity> {
    let (old, new) = (read_old(text), read(text));
    (old != new).then_some(Ambiguity { old, new })
}

impl Ambiguity {
    /// What to write instead.
    pub(super) fn cure(self, text: &str) -> String {
        let plain = match (self.old, self.new) {
            (Scalar::Bool(false), _) => {
                "`false` for the truth value; `none` leaves something out".to_owned()
            }
            (Scalar::Bool(_), _) => "`true` for the truth value".to_owned(),
            (Scalar::Text, number) | (number, Scalar::Text) => {
                format!("`{}` for the number", Digits(number))
            }
            (old, new) => format!("`{}` or `{}` for the number", Digits(old), Digits(new)),
        };
        format!("write `\"{text}\"` for the text, or {plain}")
    }
}

impl fmt::Display for Ambiguity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} to YAML 1.1 and {} to YAML 1.2", Named(self.old), Named(self.new))
    }
}

/// Reads by the types of YAML 1.1 as its implementations have them (the page on floats would take
/// `1.2.3` for a number; none of them does).
fn read_old(text: &str) -> Scalar {
    match text {
        "y" | "Y" | "yes" | "Yes" | "YES" | "on" | "On" | "ON" => return Scalar::Bool(true),
        "n" | "N" | "no" | "No" | "NO" | "off" | "Off" | "OFF" => return Scalar::Bool(false),
        "true" | "True" | "TRUE" | "false" | "False" | "FALSE" => return read(text),
        "" | "~" | "null" | "Null" | "NULL" => return Scalar::Nothing,
        _ => {}
    }
    let (negative, digits) = sign(text);
    if !digits.starts_with(|first: char| first.is_ascii_digit() || first == '.') {
        return Scalar::Text;
    }
    let digits = digits.replace('_', "");
    if let Some(number) = whole_old(&digits) {
        return number.signed(negative);
    }
    sexagesimal(negative, &digits)
        .or_else(|| digits.contains('.').then(|| float(negative, &digits, Exponent::MustSign))?)
        .unwrap_or(Scalar::Text)
}

/// A whole number of YAML 1.1, its underscores and its sign taken away.
fn whole_old(digits: &str) -> Option<Scalar> {
    match digits.strip_prefix('0') {
        None | Some("") => whole(digits, 10),
        Some(rest) => match (rest.strip_prefix('b'), rest.strip_prefix('x')) {
            (Some(binary), _) => whole(binary, 2),
            (_, Some(hex)) => whole(hex, 16),
            _ => whole(rest, 8),
        },
    }
}

/// `1:30` is 90, `1:30:0.5` is 5400.5: digits, then groups below sixty.
fn sexagesimal(negative: bool, digits: &str) -> Option<Scalar> {
    let (digits, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let (first, groups) = digits.split_once(':')?;
    let is_number = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if first.is_empty() || first.starts_with('0') || !is_number(first) || !is_number(fraction) {
        return None;
    }
    let mut value: f64 = first.parse().ok()?;
    for group in groups.split(':') {
        if !(1..=2).contains(&group.len()) || !is_number(group) {
            return None;
        }
        let group = group.parse::<u8>().ok().filter(|group| *group < 60)?;
        value = value * 60.0 + f64::from(group);
    }
    value += format!("0.{fraction}0").parse::<f64>().ok()?;
    Some(Scalar::Number(if negative { -value } else { value }))
}

/// Whether an exponent needs its sign to be one, as YAML 1.1 demands.
#[derive(Clone, Copy, PartialEq)]
enum Exponent {
    MaySign,
    MustSign,
}

/// Digits with at most one dot and an exponent.
fn float(negative: bool, digits: &str, rule: Exponent) -> Option<Scalar> {
    let (mantissa, exponent) = match digits.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, Some(exponent)),
        None => (digits, None),
    };
    let is_number = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    let (before, after) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let good_exponent = exponent.is_none_or(|exponent| {
        let unsigned = exponent.strip_prefix(['-', '+']);
        (rule == Exponent::MaySign || unsigned.is_some())
            && unsigned.unwrap_or(exponent).starts_with(|first: char| first.is_ascii_digit())
            && is_number(unsigned.unwrap_or(exponent))
    });
    if !is_number(before) || !is_number(after) || before.len() + after.len() == 0 || !good_exponent
    {
        return None;
    }
    let value: f64 = digits.parse().ok()?;
    Some(Scalar::Number(if negative { -value } else { value }))
}

/// A whole number in this radix without any sign.
fn whole(digits: &str, radix: u32) -> Option<Scalar> {
    if digits.is_empty() || !digits.chars().all(|digit| digit.is_digit(radix)) {
        return None;
    }
    // What does not fit is a number still, only none that anything takes.
    Some(u64::from_str_radix(digits, radix).map_or(Scalar::Number(f64::INFINITY), Scalar::Whole))
}

fn sign(text: &str) -> (bool, &str) {
    match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    }
}

impl Scalar {
    fn signed(self, negative: bool) -> Self {
        match self {
            Self::Whole(value) if negative && value != 0 => {
                #[expect(
                    clippy::cast_precision_loss,
                    reason = "no key takes a negative number: only that it is one matters"
                )]
                let value = value as f64;
                Self::Number(-value)
            }
            other => other,
        }
    }
}

/// A reading in a sentence.
struct Named(Scalar);

impl fmt::Display for Named {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Scalar::Nothing => f.write_str("nothing"),
            Scalar::Bool(value) => write!(f, "`{value}`"),
            Scalar::Text => f.write_str("text"),
            number => write!(f, "the number {}", Digits(number)),
        }
    }
}

/// A number in plain decimal digits.
struct Digits(Scalar);

impl fmt::Display for Digits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Scalar::Whole(value) => write!(f, "{value}"),
            Scalar::Number(value) => write!(f, "{value}"),
            Scalar::Nothing | Scalar::Bool(_) | Scalar::Text => f.write_str("?"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_that_two_versions_read_differently_are_ambiguous() {
        let table = [
            ("no", "`false` to YAML 1.1 and text to YAML 1.2"),
            ("Off", "`false` to YAML 1.1 and text to YAML 1.2"),
            ("YES", "`true` to YAML 1.1 and text to YAML 1.2"),
            ("y", "`true` to YAML 1.1 and text to YAML 1.2"),
            ("22:22", "the number 1342 to YAML 1.1 and text to YAML 1.2"),
            ("1:30:0.5", "the number 5400.5 to YAML 1.1 and text to YAML 1.2"),
            ("017", "the number 15 to YAML 1.1 and the number 17 to YAML 1.2"),
            ("08", "text to YAML 1.1 and the number 8 to YAML 1.2"),
            ("-017", "the number -15 to YAML 1.1 and the number -17 to YAML 1.2"),
            ("1_000", "the number 1000 to YAML 1.1 and text to YAML 1.2"),
            ("0o17", "text to YAML 1.1 and the number 15 to YAML 1.2"),
            ("0b101", "the number 5 to YAML 1.1 and text to YAML 1.2"),
            ("0x_ff", "the number 255 to YAML 1.1 and text to YAML 1.2"),
            ("1e3", "text to YAML 1.1 and the number 1000 to YAML 1.2"),
            ("1:2:3:4:5:6:7:8", "the number 2895057742028 to YAML 1.1 and text to YAML 1.2"),
        ];
        for (text, expected) in table {
            let found = ambiguity(text).map(|found| found.to_string());
            assert_eq!(found.as_deref(), Some(expected), "{text}");
        }
    }

    #[test]
    fn everything_else_is_clear() {
        let words = "
            ~ null true False none None nO yES oN nope yes! 80 0 00 007 -1 +1 0x1F 1.2 1.10
            1.2.3 .5 1. 1.5e+3 10.0.0.1 10.0.0.1:80 10.0.0.0/8 :: ::1 ::1:80 fd00::/8
            fe80::1%eth0 2001:db8::1 2001:db8:10:20:30:40:50:1 12:34:56:78:9a:bc localhost:80
            8080:80 1:60 0:30 1::2 1: :1 30s 250ms 1h30m 2027-03-31 20000-20099 100/s 64KiB v4
            SEC-4711 EXC-2026-014 _ 1-2 0. e3 1e 0x 0b a_1 . .. + - é ١٢
        ";
        for text in words.split_whitespace().chain([""]) {
            assert_eq!(ambiguity(text), None, "{text}");
        }
    }

    #[test]
    fn the_cure_says_what_to_write() {
        let cure = |text| ambiguity(text).unwrap().cure(text);
        assert_eq!(
            cure("no"),
            "write `\"no\"` for the text, or `false` for the truth value; `none` leaves something out"
        );
        assert_eq!(cure("on"), "write `\"on\"` for the text, or `true` for the truth value");
        assert_eq!(cure("1_000"), "write `\"1_000\"` for the text, or `1000` for the number");
        assert_eq!(cure("017"), "write `\"017\"` for the text, or `15` or `17` for the number");
    }

    #[test]
    fn numbers_are_read_by_yaml_1_2() {
        assert_eq!(read("80"), Scalar::Whole(80));
        assert_eq!(read("0x1F"), Scalar::Whole(31));
        assert_eq!(read("-1"), Scalar::Number(-1.0));
        assert_eq!(read("1.5"), Scalar::Number(1.5));
        assert_eq!(read("18446744073709551616"), Scalar::Number(f64::INFINITY));
        assert_eq!(read("1.2.3"), Scalar::Text);
        assert_eq!(read("+"), Scalar::Text);
    }
}
