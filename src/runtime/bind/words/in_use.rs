//! Why a port is in use, in words.

use std::{fmt, net::SocketAddr};

use super::super::cause::{InUse, Owner};
use crate::plan::BindKey;

impl InUse {
    pub(super) fn why(&self, key: &BindKey) -> Vec<String> {
        let mut lines = match self {
            Self::Own { local, .. } => vec![format!("this process has a socket on {local} itself")],
            Self::Held { local, listens: true, owner } => {
                vec![format!("{local} is held by {owner}")]
            }
            Self::Held { local, listens: false, owner } => {
                vec![format!("{local} is held, though it does not listen yet, by {owner}")]
            }
            Self::Orphaned { local, owner } => vec![
                format!("{local} belongs to {owner}, yet no process has a descriptor of it"),
                "it may be in transit between processes, kept by a service manager or by io_uring"
                    .into(),
                "or its process is in another pid namespace".into(),
            ],
            Self::Leftovers { states, owner } => {
                let by_state = states.iter().map(|(state, count)| format!("{count} {state}"));
                let by_state: Vec<_> = by_state.collect();
                vec![
                    format!(
                        "nothing listens, but old connections are there: {}",
                        by_state.join(", ")
                    ),
                    "their listener had not set SO_REUSEADDR, so they keep the port".into(),
                    format!("the first is held by {owner}"),
                ]
            }
            Self::Outgoing { local, peer, owner, .. } => vec![
                format!("an outgoing connection has the port as its source: {local} to {peer}"),
                format!("it is held by {owner}"),
            ],
            Self::TimeWait { connections } => vec![
                format!("nothing listens; connections in TIME_WAIT: {connections}"),
                "their listener had not set SO_REUSEADDR, so they keep the port".into(),
            ],
            Self::PortsExhausted { ephemeral: (first, last) } => {
                vec![format!("every port of {first}-{last} is in use")]
            }
            Self::NothingFound { unseen } => {
                let found = "no socket of this network namespace explains it, on a second look too";
                let unseen = unseen.iter().map(|what| format!("could not look at {what}"));
                [found.to_owned()].into_iter().chain(unseen).collect()
            }
        };
        lines.extend(self.local().and_then(|local| covers(local, key)));
        if let Self::Own { other_user: Some(user), .. } = self {
            let line = format!("user {user} made it, and only sockets of one user share a port");
            lines.push(line);
        }
        lines.extend(self.owner().filter(|owner| owner.unreadable > 0).map(|owner| {
            format!("{} of the processes cannot be read; any may hold it too", owner.unreadable)
        }));
        lines
    }

    pub(super) fn help(&self, key: &BindKey) -> Vec<String> {
        let port = key.socket_addr().map_or(0, |address| address.port());
        let stop = "stop the holder, or give the listener another address or port";
        let lines: &[&str] = match self {
            // A service manager that keeps it passes it to the next process, too.
            Self::Own { other_user: Some(_), .. } => {
                &["stop it and start it again; under systemd a restart keeps the socket"]
            }
            Self::Own { other_user: None, .. } => {
                &["give one of the two listeners another address or port"]
            }
            Self::Held { owner, .. } if owner.processes.is_empty() => {
                &[stop, "run as root to see its process"]
            }
            Self::Held { .. } => &[stop],
            Self::Orphaned { .. } => &[
                "look for a service manager that keeps it: `systemctl list-sockets`",
                "end the service that its cgroup names",
            ],
            Self::Leftovers { .. } => &["wait for these connections to end, or end who has them"],
            Self::Outgoing { ephemeral: (first, last), .. } => {
                // To set it would lose the ports that are reserved already.
                return vec![
                    format!("end it, and add {port} to `sysctl net.ipv4.ip_local_reserved_ports`"),
                    format!("or choose a port outside {first}-{last}"),
                ];
            }
            Self::TimeWait { .. } => &["wait a minute"],
            Self::PortsExhausted { .. } => &["name the port, or widen the range"],
            Self::NothingFound { .. } => &[
                "look for a cgroup BPF program that answers for the kernel: `bpftool cgroup tree`",
                "kernels 6.1 to 6.8 have bugs that report a port as taken: update the kernel",
            ],
        };
        lines.iter().map(|line| (*line).to_owned()).collect()
    }

    /// Where the socket is that is in the way.
    fn local(&self) -> Option<SocketAddr> {
        match self {
            Self::Own { local, .. } | Self::Held { local, .. } | Self::Orphaned { local, .. } => {
                Some(*local)
            }
            _ => None,
        }
    }

    fn owner(&self) -> Option<&Owner> {
        match self {
            Self::Held { owner, .. }
            | Self::Leftovers { owner, .. }
            | Self::Outgoing { owner, .. } => Some(owner),
            _ => None,
        }
    }
}

/// Says how the one is in the way of the other where that is not plain.
fn covers(local: SocketAddr, key: &BindKey) -> Option<String> {
    let wanted = key.socket_addr().filter(|wanted| wanted.ip() != local.ip())?;
    let (wide, narrow) =
        if local.ip().is_unspecified() { (local, wanted) } else { (wanted, local) };
    Some(format!("{wide} covers {narrow}"))
}

impl fmt::Display for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for process in &self.processes {
            write!(f, "{} (pid {}", process.name, process.pid)?;
            if let Some(program) = &process.program {
                write!(f, ", {program}")?;
            }
            f.write_str("), ")?;
        }
        write!(f, "user {}", self.user)?;
        self.cgroup.as_ref().map_or(Ok(()), |cgroup| write!(f, ", cgroup {cgroup}"))
    }
}
