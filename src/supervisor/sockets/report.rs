//! What each socket was asked to be, and what the kernel says it is.

use std::os::{fd::AsFd, unix::fs::PermissionsExt};

use socket2::SockRef;

use super::{Group, Sockets, State};
use crate::{
    plan::{BindAddress, BindKey},
    runtime::bind::BoundSocket,
    supervisor::admin::protocol::{Properties, Purpose, Socket},
    sys,
};

/// The permission bits of a mode.
const PERMISSIONS: u32 = 0o7777;

impl Sockets {
    /// Every socket, read back now. No queue is longer than the host allows, and none is asked to.
    pub(in crate::supervisor) fn report(&self, max_backlog: u32) -> Vec<Socket> {
        let of_group = |(key, group): (&BindKey, &Group)| {
            let asked = group.asked(key, max_backlog);
            let socket = |socket: &BoundSocket| Socket {
                listener: group.bind.listener.to_string(),
                purpose: match group.state {
                    State::Planned => Purpose::Planned,
                    State::Narrowed { .. } => Purpose::Narrowed,
                    State::Absorbed => Purpose::Absorbed,
                },
                asked: asked.clone(),
                found: found(socket),
            };
            group.sockets.iter().map(|(_, one)| socket(one)).collect::<Vec<_>>()
        };
        self.groups.iter().flat_map(of_group).collect()
    }
}

impl Group {
    fn asked(&self, key: &BindKey, max_backlog: u32) -> Properties {
        let address = key.socket_addr();
        Properties {
            address: Some(key.address.to_string()),
            device: key.device.clone(),
            v6only: address.filter(|address| address.is_ipv6()).map(|_| true),
            reuse_port: address.map(|_| self.bind.sockets.get() > 1),
            backlog: address.map(|_| self.bind.backlog.min(max_backlog)),
            mode: self.bind.unix.as_ref().map(|unix| octal(unix.mode)),
        }
    }
}

fn found(socket: &BoundSocket) -> Properties {
    match socket.address() {
        BindAddress::Tcp(_) => of_tcp(socket),
        BindAddress::Unix(path) => {
            let is_there = socket.has_its_file();
            let metadata = is_there.then(|| std::fs::symlink_metadata(path).ok()).flatten();
            Properties {
                address: is_there.then(|| socket.address().to_string()),
                mode: metadata.map(|found| octal(found.permissions().mode() & PERMISSIONS)),
                ..Properties::default()
            }
        }
    }
}

fn of_tcp(bound: &BoundSocket) -> Properties {
    let socket = SockRef::from(bound);
    let address = socket.local_addr().ok().and_then(|address| address.as_socket());
    let device = socket.device().ok().flatten();
    Properties {
        address: address.map(|address| address.to_string()),
        device: device.map(|name| String::from_utf8_lossy(&name).into_owned()),
        v6only: address.filter(|one| one.is_ipv6()).and_then(|_| socket.only_v6().ok()),
        reuse_port: socket.reuse_port().ok(),
        backlog: sys::socket::accept_limit(bound.as_fd()).ok(),
        mode: None,
    }
}

fn octal(mode: u32) -> String {
    format!("{mode:04o}")
}
