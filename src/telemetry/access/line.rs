//! A record as one line, in JSON or text. Nothing in a record can end the line or begin another
//! field.

use std::{
    fmt::{self, Write as _},
    io::Write as _,
    time::{SystemTime, UNIX_EPOCH},
};

use serde::Serialize;

use super::{Endpoint, Record};
use crate::{address::Date, telemetry::Generation};

/// Appends the record and a newline.
pub(super) fn append(to: &mut Vec<u8>, record: &Record, json: bool) {
    let line = Line::of(record);
    let appended = if json {
        serde_json::to_writer(&mut *to, &line).map_err(Into::into)
    } else {
        write!(to, "{line}")
    };
    appended.expect("a vector takes every byte, and no field fails to be shown");
    to.push(b'\n');
}

/// The fields in the order in which they are written, and with the names that they have.
#[derive(Serialize)]
struct Line<'a> {
    time: String,
    listener: &'a str,
    client: &'a Endpoint,
    local: &'a Endpoint,
    #[serde(skip_serializing_if = "Option::is_none")]
    backend: Option<&'a Endpoint>,
    bytes_to_backend: u64,
    bytes_to_client: u64,
    duration_ms: u64,
    outcome: &'a str,
    generation: Generation,
}

impl<'a> Line<'a> {
    fn of(record: &'a Record) -> Self {
        Self {
            time: timestamp(record.time),
            listener: record.listener.as_str(),
            client: &record.client,
            local: &record.local,
            backend: record.backend.as_ref(),
            bytes_to_backend: record.bytes_to_backend,
            bytes_to_client: record.bytes_to_client,
            duration_ms: u64::try_from(record.duration.as_millis()).unwrap_or(u64::MAX),
            outcome: record.outcome,
            generation: record.generation,
        }
    }
}

impl fmt::Display for Line<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { time, listener, outcome, generation, .. } = self;
        write!(f, "time={time} listener={listener}")?;
        write!(f, " client={} local={}", Plain(self.client), Plain(self.local))?;
        if let Some(backend) = self.backend {
            write!(f, " backend={}", Plain(backend))?;
        }
        write!(f, " bytes_to_backend={}", self.bytes_to_backend)?;
        write!(f, " bytes_to_client={}", self.bytes_to_client)?;
        write!(f, " duration_ms={}", self.duration_ms)?;
        write!(f, " outcome={outcome} generation={generation}")
    }
}

/// Shows a value as visible ASCII without spaces: a path may hold any byte, a newline among them.
struct Plain<'a>(&'a Endpoint);

impl fmt::Display for Plain<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(Escape(f), "{}", self.0)
    }
}

struct Escape<'a, 'b>(&'a mut fmt::Formatter<'b>);

impl fmt::Write for Escape<'_, '_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        text.chars().try_for_each(|letter| match letter {
            '\\' => self.0.write_str("\\\\"),
            '!'..='~' => self.0.write_char(letter),
            other => write!(self.0, "{}", other.escape_unicode()),
        })
    }
}

/// RFC 3339, UTC, with milliseconds. A clock before 1970 shows as 1970.
#[must_use]
pub fn timestamp(time: SystemTime) -> String {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    let (seconds, millis) = (since.as_secs(), since.subsec_millis());
    let (hour, minute, second) = (seconds / 3600 % 24, seconds / 60 % 60, seconds % 60);
    format!("{}T{hour:02}:{minute:02}:{second:02}.{millis:03}Z", Date::of_unix(seconds))
}

#[cfg(test)]
mod tests {
    use std::{path::Path, time::Duration};

    use super::*;
    use crate::policy::ListenerId;

    fn record() -> Record {
        Record {
            time: UNIX_EPOCH + Duration::from_millis(1_795_353_144_007),
            listener: ListenerId::new("web"),
            client: Endpoint::Ip("10.0.0.9:4000".parse().unwrap()),
            local: Endpoint::Ip("[2001:db8::1]:443".parse().unwrap()),
            backend: Some(Endpoint::Ip("10.0.0.2:80".parse().unwrap())),
            bytes_to_backend: 12,
            bytes_to_client: 3400,
            duration: Duration::from_micros(1_999),
            outcome: "client_closed",
            generation: Generation(3),
        }
    }

    fn line(record: &Record, json: bool) -> String {
        let mut line = Vec::new();
        append(&mut line, record, json);
        String::from_utf8(line).unwrap()
    }

    #[test]
    fn a_line_of_json_has_every_field() {
        assert_eq!(
            line(&record(), true),
            concat!(
                r#"{"time":"2026-11-22T13:12:24.007Z","listener":"web","client":"10.0.0.9:4000","#,
                r#""local":"[2001:db8::1]:443","backend":"10.0.0.2:80","bytes_to_backend":12,"#,
                r#""bytes_to_client":3400,"duration_ms":1,"outcome":"client_closed","generation":3}"#,
                "\n"
            )
        );
    }

    #[test]
    fn a_line_of_text_has_every_field() {
        assert_eq!(
            line(&record(), false),
            concat!(
                "time=2026-11-22T13:12:24.007Z listener=web client=10.0.0.9:4000 ",
                "local=[2001:db8::1]:443 backend=10.0.0.2:80 bytes_to_backend=12 ",
                "bytes_to_client=3400 duration_ms=1 outcome=client_closed generation=3\n"
            )
        );
    }

    #[test]
    fn a_session_without_backend_names_none() {
        let record = Record { backend: None, ..record() };
        assert!(!line(&record, true).contains("\"backend\""));
        assert!(!line(&record, false).contains(" backend="));
    }

    #[test]
    fn a_hostile_path_forges_neither_line_nor_field() {
        let path = Path::new("/a\n{\"listener\":\"x\"} outcome=idle\u{1b}[2J\\\u{e9}");
        let record = Record { backend: Some(Endpoint::Path(path.into())), ..record() };
        for json in [false, true] {
            let line = line(&record, json);
            assert_eq!(line.matches('\n').count(), 1, "{line}");
            assert!(!line.contains('\u{1b}'), "{line}");
        }
        let text = line(&record, false);
        assert_eq!(text.matches(" outcome=").count(), 1, "{text}");
        let json: serde_json::Value = serde_json::from_str(&line(&record, true)).unwrap();
        assert_eq!(json["outcome"], "client_closed");
        assert_eq!(json["backend"], format!("unix:{}", path.display()));
    }

    #[test]
    fn a_clock_before_its_epoch_shows_as_the_epoch() {
        assert_eq!(timestamp(UNIX_EPOCH - Duration::from_secs(1)), "1970-01-01T00:00:00.000Z");
    }
}
