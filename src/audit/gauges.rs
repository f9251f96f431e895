//! A report as gauges, in the text format of Prometheus, as its node exporter collects files of it.

use std::{fmt::Write as _, time::Duration};

use super::report::{Report, Status};

/// The gauges of a look that was taken so long after 1970, UTC, and ended with this exit code.
/// Every status is there, so that one that no row has is 0 and not absent.
#[must_use]
pub fn render(report: &Report, exit: u8, since_1970: Duration) -> String {
    let counts = report.counts();
    let count = |status| counts.iter().find(|(of, _)| *of == status).map_or(0, |(_, count)| *count);
    let mut text = String::new();
    head(&mut text, "portcullis_audit_rows", "Rows of the last look, by status.");
    for status in Status::ALL {
        let count = count(status);
        put(&mut text, format_args!("portcullis_audit_rows{{status=\"{status}\"}} {count}"));
    }
    let name = "portcullis_audit_last_look_timestamp_seconds";
    head(&mut text, name, "When the last look was taken.");
    put(&mut text, format_args!("{name} {}", since_1970.as_secs()));
    let name = "portcullis_audit_exit_code";
    head(&mut text, name, "0 if live is as declared, 1 if not, 3 if that could not be seen.");
    put(&mut text, format_args!("{name} {exit}"));
    text
}

fn head(text: &mut String, name: &str, help: &str) {
    put(text, format_args!("# HELP {name} {help}\n# TYPE {name} gauge"));
}

fn put(text: &mut String, line: std::fmt::Arguments<'_>) {
    writeln!(text, "{line}").expect("a string takes everything");
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audit::{
        end::Transport,
        report::{Kind, Row},
    };

    #[test]
    fn every_status_has_a_gauge() {
        let kind = Kind::Ip(Transport::Tcp);
        let row = Row {
            file: None,
            listener: None,
            kind,
            port: Some(22),
            declared: Vec::new(),
            live: Vec::new(),
            verdicts: Vec::new(),
        };
        let report = Report { rows: vec![row.clone(), row], ..Report::default() };
        let expected = "\
# HELP portcullis_audit_rows Rows of the last look, by status.
# TYPE portcullis_audit_rows gauge
portcullis_audit_rows{status=\"wider\"} 0
portcullis_audit_rows{status=\"undeclared\"} 0
portcullis_audit_rows{status=\"exposed-by-host\"} 0
portcullis_audit_rows{status=\"foreign\"} 0
portcullis_audit_rows{status=\"shadowed\"} 0
portcullis_audit_rows{status=\"differs\"} 0
portcullis_audit_rows{status=\"lapsed\"} 0
portcullis_audit_rows{status=\"missing\"} 0
portcullis_audit_rows{status=\"narrower\"} 0
portcullis_audit_rows{status=\"unknown\"} 0
portcullis_audit_rows{status=\"match\"} 2
# HELP portcullis_audit_last_look_timestamp_seconds When the last look was taken.
# TYPE portcullis_audit_last_look_timestamp_seconds gauge
portcullis_audit_last_look_timestamp_seconds 1795353144
# HELP portcullis_audit_exit_code 0 if live is as declared, 1 if not, 3 if that could not be seen.
# TYPE portcullis_audit_exit_code gauge
portcullis_audit_exit_code 3
";
        assert_eq!(render(&report, 3, Duration::from_millis(1_795_353_144_007)), expected);
    }
}
