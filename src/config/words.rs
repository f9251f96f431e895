//! Keys that take one word of a few, of which some do not work yet.

use super::{Config, Field, code, findings::Findings};
use crate::diagnostic::{
    Diagnostic,
    text::{Listed, Shown, nearest},
};

/// The words of one key.
pub(super) struct Choice {
    pub(super) key: &'static str,
    /// What it may be, the default first.
    pub(super) works: &'static [&'static str],
    /// What is part of the language but does not work yet.
    pub(super) later: &'static [&'static str],
}

pub(super) const BALANCE: Choice = Choice {
    key: "balance",
    works: &["round_robin"],
    later: &["least_connections", "random", "source_hash"],
};
pub(super) const PROTOCOL: Choice = Choice { key: "protocol", works: &["tcp"], later: &["udp"] };
pub(super) const SERVE: Choice = Choice { key: "serve", works: &["status"], later: &["metrics"] };

/// Leaves only words that work; any other is reported and becomes [`Field::Bad`].
pub(super) fn check(config: &mut Config, findings: &Findings) {
    for upstream in config.upstreams.iter_mut() {
        BALANCE.check(&mut upstream.value.balance, findings);
    }
    for listener in config.listeners.iter_mut() {
        PROTOCOL.check(&mut listener.value.protocol, findings);
        SERVE.check(&mut listener.value.serve, findings);
    }
}

impl Choice {
    fn check(&self, field: &mut Field<String>, findings: &Findings) {
        let Some((word, span)) = field.set() else { return };
        let (key, word) = (self.key, word.as_str());
        if self.works.contains(&word) {
            return;
        }
        findings.push(if self.later.contains(&word) {
            let message = format!("`{key}: {word}` is part of the language but not supported yet");
            Diagnostic::error(code::NOT_SUPPORTED_YET, span, message)
                .help(format!("use {}", Listed(self.works)))
        } else {
            let words = [self.works, self.later].concat();
            let message = format!("`{key}` cannot be `{}`", Shown(word));
            let help = match nearest(word, &words) {
                Some(near) => format!("did you mean `{near}`?"),
                None => format!("write one of {}", Listed(&words)),
            };
            Diagnostic::error(code::BAD_VALUE, span, message).help(help)
        });
        *field = Field::Bad(span);
    }
}
