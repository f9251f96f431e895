//! Causes in words, for the person on call: what is so, and what to do.

mod in_use;
mod path;

use super::cause::Cause;
use crate::plan::BindKey;

// The kernel checks a bind in this order, so that mending one error may show the next.
const HIDDEN_BY_ABSENCE: &str = "the kernel looks for the address first: \
    a missing privilege or a port in use may hide behind this error";
const HIDDEN_BY_PRIVILEGE: &str =
    "the kernel asks for the privilege first: a port in use may hide behind this error";

impl Cause {
    /// What is so, one finding a line.
    pub(super) fn why(&self, key: &BindKey) -> Vec<String> {
        match self {
            Self::InUse(cause) => cause.why(key),
            Self::Path(trouble) => vec![trouble.why()],
            Self::Privileged { port, start, foreign_namespace } => {
                let lack = match foreign_namespace {
                    true => "has CAP_NET_BIND_SERVICE in another user namespace only",
                    false => "lacks CAP_NET_BIND_SERVICE",
                };
                let range = "net.ipv4.ip_unprivileged_port_start";
                vec![
                    format!("port {port} is below {range}, which is {start}"),
                    format!("this process {lack}"),
                    HIDDEN_BY_PRIVILEGE.into(),
                ]
            }
            Self::Confined => {
                vec!["the port needs no privilege, so a security module refused it".into()]
            }
            Self::Absent { near, no_family } => {
                let have = |it: &super::Near| {
                    format!("this host has {}/{} on {}", it.address, it.prefix, it.interface)
                };
                let mut lines: Vec<_> = near.iter().map(have).collect();
                if *no_family {
                    lines.push("this host has no address of this family".into());
                }
                lines.push(HIDDEN_BY_ABSENCE.into());
                lines
            }
            Self::Tentative { interface } => vec![
                format!("{interface} has it, but duplicate detection runs or found a duplicate"),
                HIDDEN_BY_ABSENCE.into(),
            ],
            Self::Unreachable { interface } => {
                let line = format!("{interface} has it, but not for this socket");
                vec![line, HIDDEN_BY_ABSENCE.into()]
            }
            Self::NoDevice { interfaces } => {
                vec![format!("this host has the interfaces {}", interfaces.join(", "))]
            }
            Self::Forbidden { cgroup } => {
                let of = cgroup.as_deref().unwrap_or("of this process");
                vec![format!("a BPF program of the cgroup {of}, or a security module, refused it")]
            }
            Self::Descriptors { limit } => {
                vec![format!("this process has all {limit} descriptors that RLIMIT_NOFILE allows")]
            }
            Self::SystemDescriptors => {
                vec!["the whole system has as many files open as it may".into()]
            }
            Self::NoFamily => vec!["the kernel, or a filter, has no sockets of this family".into()],
            Self::Told { why, .. } => why.clone(),
            Self::Other => Vec::new(),
        }
    }

    /// What can be done, one way a line.
    pub(super) fn help(&self, key: &BindKey) -> Vec<String> {
        let lines: &[&str] = match self {
            Self::InUse(cause) => return cause.help(key),
            Self::Told { help, .. } => return help.clone(),
            Self::Path(trouble) => &[trouble.help()],
            Self::Privileged { foreign_namespace: true, .. } => {
                &["start it in the user namespace that owns the network namespace"]
            }
            Self::Privileged { port, .. } => {
                return vec![
                    "under systemd: `AmbientCapabilities=CAP_NET_BIND_SERVICE`".into(),
                    "or start it as root, with a user to serve: `runtime: { user: portcullis }`"
                        .into(),
                    "or have a socket unit pass it in: `expose: { inherited: … }`".into(),
                    format!("or `sysctl -w net.ipv4.ip_unprivileged_port_start={port}`"),
                ];
            }
            Self::Confined => &["look for Landlock, SELinux or AppArmor rules on bind"],
            Self::Absent { .. } => &[
                "correct the address",
                "or set `runtime: { when_absent: wait }` to bind it when it appears",
            ],
            Self::Tentative { .. } => {
                &["set `runtime: { when_absent: wait }` to bind it when it becomes usable"]
            }
            Self::Unreachable { .. } => &["name the interface that has the address"],
            Self::NoDevice { .. } => &["correct the name of the interface"],
            Self::Forbidden { .. } => {
                &["under systemd look at `SocketBindDeny=` and `RestrictAddressFamilies=`"]
            }
            Self::Descriptors { .. } => &["raise it: under systemd `LimitNOFILE=`"],
            Self::SystemDescriptors => &["raise `sysctl fs.file-max`"],
            Self::NoFamily => &["under systemd look at `RestrictAddressFamilies=`"],
            Self::Other => &[],
        };
        lines.iter().map(|line| (*line).to_owned()).collect()
    }
}

#[cfg(test)]
mod tests;
