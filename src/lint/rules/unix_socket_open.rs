//! PC0906 `unix-socket-open`. The page is `unix_socket_open.md`.

use crate::{
    diagnostic::Level,
    lint::{Check, Context, Group, Report, Rule},
    policy::Expose,
};

pub(super) static RULE: Rule = Rule {
    code: "PC0906",
    name: "unix-socket-open",
    group: Group::Host,
    level: Level::Error,
    since: "0.1.0",
    page: include_str!("unix_socket_open.md"),
    check: Check::Lint(check),
};

/// Read, write and search for those who are neither owner nor group.
const OTHERS: u32 = 0o007;

fn check(cx: &Context<'_>, report: &mut Report<'_>) {
    for listener in cx.policy.listeners.values() {
        let Expose::Unix(unix) = &listener.expose else { continue };
        let wrote = cx.wrote(&listener.id);
        let shown = unix.path.display();
        if unix.path.as_os_str().as_encoded_bytes().starts_with(b"@") {
            report
                .at(&listener.id, wrote.path(), format!("`{}` is an abstract socket", listener.id))
                .note(
                    "an abstract socket has no permission bits: \
                    every user of the network namespace may connect",
                )
                .help("write a path from `/` on, with a `mode`");
        } else if !unix.path.is_absolute() {
            report
                .at(
                    &listener.id,
                    wrote.path(),
                    format!("where `{shown}` is depends on where the process is started"),
                )
                .help("write the path from `/` on");
        }
        if unix.mode & OTHERS != 0 {
            let message = format!("every user of this host may connect to `{}`", listener.id);
            report
                .at(&listener.id, wrote.mode(), message)
                .label("the last digit is for everyone else")
                .help(format!(
                    "write `\"{:04o}\"` and name the `group` that is to connect",
                    unix.mode & !OTHERS
                ));
        }
    }
}
