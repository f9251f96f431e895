//! Every cause in words, as a person gets to read it.

use std::{collections::BTreeMap, fmt::Write as _};

use super::*;
use crate::{
    plan::BindAddress,
    runtime::bind::{InUse, Near, Owner, PathTrouble, Process},
    sys::netlink::TcpState,
};

fn owner() -> Owner {
    let program = Some("/usr/sbin/nginx".into());
    Owner {
        processes: vec![Process { pid: 812, name: "nginx".into(), program }],
        user: "www-data".into(),
        cgroup: Some("/system.slice/nginx.service".into()),
        unreadable: 0,
    }
}

fn unseen() -> Owner {
    Owner { processes: Vec::new(), unreadable: 83, ..owner() }
}

fn in_use() -> Vec<InUse> {
    let local = "0.0.0.0:443".parse().unwrap();
    let peer = "203.0.113.9:51234".parse().unwrap();
    let states = BTreeMap::from([(TcpState::Established, 2), (TcpState::TimeWait, 1)]);
    let ephemeral = (32_768, 60_999);
    vec![
        InUse::Own { local, other_user: None },
        InUse::Own { local, other_user: Some("root".into()) },
        InUse::Held { local, listens: true, owner: owner() },
        InUse::Held { local, listens: false, owner: unseen() },
        InUse::Orphaned { local, owner: Owner { processes: Vec::new(), ..owner() } },
        InUse::Leftovers { states, owner: owner() },
        InUse::Outgoing { local, peer, owner: owner(), ephemeral },
        InUse::TimeWait { connections: 3 },
        InUse::PortsExhausted { ephemeral },
        InUse::NothingFound { unseen: vec!["the processes of this host: no such file".into()] },
    ]
}

fn refused() -> Vec<Cause> {
    let interface = "eth0".to_owned();
    let address = "10.0.0.6".parse().unwrap();
    let near = vec![Near { address, prefix: 24, interface: interface.clone() }];
    vec![
        Cause::Privileged { port: 443, start: 1024, foreign_namespace: false },
        Cause::Privileged { port: 443, start: 1024, foreign_namespace: true },
        Cause::Confined,
        Cause::Absent { near, no_family: false },
        Cause::Absent { near: Vec::new(), no_family: true },
        Cause::Tentative { interface: interface.clone() },
        Cause::Unreachable { interface: interface.clone() },
        Cause::NoDevice { interfaces: vec!["lo".into(), interface] },
        Cause::Forbidden { cgroup: Some("/system.slice/portcullis.service".into()) },
        Cause::Descriptors { limit: 1024 },
        Cause::SystemDescriptors,
        Cause::NoFamily,
        Cause::Path(PathTrouble::Held(Some(owner()))),
        Cause::Path(PathTrouble::Held(None)),
        Cause::Path(PathTrouble::Occupied),
        Cause::Path(PathTrouble::TooLong),
        Cause::Path(PathTrouble::NoDirectory),
        Cause::Path(PathTrouble::Refused),
        Cause::Path(PathTrouble::OwnerRefused),
        Cause::Path(PathTrouble::NoSuchAccount("billing".into())),
    ]
}

#[test]
fn every_cause_says_what_is_so_and_what_to_do() {
    let address = BindAddress::Tcp("10.0.0.5:443".parse().unwrap());
    let key = BindKey { address, device: None, unnumbered: None };
    let mut text = String::new();
    for cause in in_use().into_iter().map(Cause::InUse).chain(refused()) {
        let (why, help) = (cause.why(&key), cause.help(&key));
        assert!(!why.is_empty() && !help.is_empty(), "{cause:?}");
        for line in why.iter().chain(&help) {
            assert!(!line.ends_with('.') && line.len() <= 120, "{line}");
        }
        writeln!(text, "{}", why.join("\n")).unwrap();
        writeln!(text, "  help: {}\n", help.join("\n  help: ")).unwrap();
    }
    insta::assert_snapshot!(text);
}
