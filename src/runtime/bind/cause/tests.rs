//! The table of causes, over hosts that are made up.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::SocketAddr,
};

use super::{in_use::overlaps, *};
use crate::{
    facts::{Facts, HostAddress, Link},
    sys::{
        netlink::{TcpSocket, TcpState},
        process::{Holder, Holders},
    },
};

const OURS: u32 = 100;

fn evidence(errno: Errno, address: &str) -> Evidence {
    Evidence {
        step: Step::Bind,
        errno,
        address: Some(address.parse().unwrap()),
        device: None,
        processes: [OURS; 2],
        uid: 1000,
        cgroup: Some("/ours".into()),
        descriptors: 1024,
        facts: Facts {
            links: vec![Link::up(1, "lo"), Link::up(2, "eth0"), Link::up(3, "eth1")],
            addresses: vec![host("192.0.2.1", 24), host("10.0.0.5", 24), host("fd00::5", 64)],
            unprivileged_port_start: 1024,
            ephemeral_ports: (32_768, 60_999),
            ..Facts::default()
        },
        sockets: Vec::new(),
        listening: BTreeSet::new(),
        holders: Holders::default(),
        users: BTreeMap::from([(33, "www-data".into())]),
        cgroups: BTreeMap::from([(7, "/system.slice/nginx.service".into())]),
        unseen: Vec::new(),
    }
}

fn host(address: &str, prefix: u8) -> HostAddress {
    HostAddress::stable("eth0", address.parse().unwrap(), prefix)
}

/// A socket of www-data with inode 9.
fn socket(state: TcpState, local: &str, peer: &str) -> TcpSocket {
    let local: SocketAddr = local.parse().unwrap();
    TcpSocket {
        state,
        v6: local.is_ipv6(),
        local,
        peer: peer.parse().unwrap(),
        device: 0,
        uid: 33,
        inode: 9,
        only_v6: true,
        cgroup: Some(7),
    }
}

fn listener(local: &str) -> TcpSocket {
    socket(TcpState::Listen, local, "0.0.0.0:0")
}

fn held_by(pid: u32) -> Holders {
    let program = Some("/usr/sbin/nginx".into());
    Holders { found: vec![Holder { inode: 9, pid, name: "nginx".into(), program }], unreadable: 0 }
}

fn in_use_by(socket: TcpSocket, holders: Holders) -> Cause {
    let evidence = evidence(Errno::EADDRINUSE, "10.0.0.5:443");
    diagnose(&Evidence { sockets: vec![socket], holders, ..evidence })
}

#[test]
fn sockets_overlap_as_the_kernel_has_it() {
    let dual = |local| TcpSocket { only_v6: false, ..listener(local) };
    // Rows and columns of the kernel's table, of the columns those that this program never makes as
    // well.
    let have = [
        listener("0.0.0.0:80"),
        dual("[::]:80"),
        listener("[::]:80"),
        listener("10.0.0.5:80"),
        listener("[::ffff:10.0.0.5]:80"),
        listener("[fd00::5]:80"),
        listener("127.0.0.1:80"),
        listener("[::1]:80"),
    ];
    let table = [
        ("0.0.0.0", [true, true, false, true, true, false, true, false]),
        ("::", [false, true, true, false, false, true, false, true]),
        ("10.0.0.5", [true, true, false, true, true, false, false, false]),
        ("fd00::5", [false, true, true, false, false, true, false, false]),
        ("127.0.0.1", [true, true, false, false, false, false, true, false]),
        ("::1", [false, true, true, false, false, false, false, true]),
    ];
    for (wanted, expected) in table {
        for (socket, expected) in have.iter().zip(expected) {
            let found = overlaps(wanted.parse().unwrap(), 0, socket);
            assert_eq!(found, expected, "{wanted} and {socket:?}");
        }
    }
}

#[test]
fn sockets_of_two_interfaces_do_not_overlap_but_one_without_does() {
    let wanted = "10.0.0.5".parse().unwrap();
    for (ours, theirs, expected) in [(2, 3, false), (2, 2, true), (2, 0, true), (0, 3, true)] {
        let socket = TcpSocket { device: theirs, ..listener("0.0.0.0:80") };
        assert_eq!(overlaps(wanted, ours, &socket), expected, "{ours} {theirs}");
    }
}

#[test]
fn a_holder_has_its_process_user_and_cgroup() {
    let cause = in_use_by(listener("0.0.0.0:443"), held_by(812));
    let Cause::InUse(InUse::Held { local, listens: true, owner }) = cause else {
        panic!("{cause:?}")
    };
    assert_eq!(local, "0.0.0.0:443".parse().unwrap());
    assert_eq!(
        owner.to_string(),
        "nginx (pid 812, /usr/sbin/nginx), user www-data, cgroup /system.slice/nginx.service"
    );
}

#[test]
fn a_socket_that_only_is_bound_is_a_holder_too() {
    let socket = socket(TcpState::Close, "10.0.0.5:443", "0.0.0.0:0");
    assert!(matches!(
        in_use_by(socket, held_by(812)),
        Cause::InUse(InUse::Held { listens: false, .. })
    ));
}

#[test]
fn an_own_socket_of_another_user_can_never_be_joined() {
    let local = "10.0.0.5:443".parse().unwrap();
    let cause = in_use_by(listener("10.0.0.5:443"), held_by(OURS));
    assert_eq!(cause, Cause::InUse(InUse::Own { local, other_user: Some("www-data".into()) }));
    let same = TcpSocket { uid: 1000, ..listener("10.0.0.5:443") };
    assert_eq!(
        in_use_by(same, held_by(OURS)),
        Cause::InUse(InUse::Own { local, other_user: None })
    );
}

#[test]
fn an_own_socket_is_named_before_that_of_another() {
    let mut evidence = evidence(Errno::EADDRINUSE, "0.0.0.0:443");
    evidence.sockets =
        vec![TcpSocket { inode: 8, ..listener("10.0.0.5:443") }, listener("127.0.0.1:443")];
    evidence.holders = held_by(OURS);
    let cause = diagnose(&evidence);
    assert!(
        matches!(cause, Cause::InUse(InUse::Own { local, .. }) if local.ip().is_loopback()),
        "{cause:?}"
    );
}

#[test]
fn a_listener_without_a_process_is_orphaned_only_if_every_process_was_seen() {
    let socket = listener("10.0.0.5:443");
    assert!(matches!(in_use_by(socket, Holders::default()), Cause::InUse(InUse::Orphaned { .. })));
    let blind = Holders { found: Vec::new(), unreadable: 83 };
    let cause = in_use_by(socket, blind);
    assert!(
        matches!(&cause, Cause::InUse(InUse::Held { owner, .. }) if owner.unreadable == 83),
        "{cause:?}"
    );
}

#[test]
fn accepted_connections_are_told_from_outgoing_ones() {
    use TcpState::{Established, SynSent};
    let cases = [
        // From a client's port to a service's: made here, if the port is one of those that are
        // handed out.
        (Established, "10.0.0.5:443", "203.0.113.9:51234", false),
        (Established, "10.0.0.5:40000", "203.0.113.9:443", true),
        (Established, "10.0.0.5:40000", "203.0.113.9:51234", false),
        (SynSent, "10.0.0.5:443", "203.0.113.9:51234", true),
        // Somebody on this host listens at the far end.
        (Established, "10.0.0.5:40000", "10.0.0.5:50000", true),
    ];
    for (state, local, peer, outgoing) in cases {
        let mut evidence = evidence(Errno::EADDRINUSE, local);
        evidence.sockets = vec![socket(state, local, peer)];
        evidence.listening = BTreeSet::from(["10.0.0.5:50000".parse().unwrap()]);
        let cause = diagnose(&evidence);
        assert_eq!(
            matches!(cause, Cause::InUse(InUse::Outgoing { .. })),
            outgoing,
            "{local} {peer}"
        );
        assert_eq!(
            matches!(cause, Cause::InUse(InUse::Leftovers { .. })),
            !outgoing,
            "{local} {peer}"
        );
    }
}

#[test]
fn leftovers_are_counted_by_state_and_time_wait_alone_is_its_own_cause() {
    let connection = |state| socket(state, "10.0.0.5:443", "203.0.113.9:51234");
    let over = TcpSocket { uid: 0, inode: 0, cgroup: None, ..connection(TcpState::TimeWait) };
    let mut evidence = evidence(Errno::EADDRINUSE, "10.0.0.5:443");
    evidence.sockets = vec![over, over];
    assert_eq!(diagnose(&evidence), Cause::InUse(InUse::TimeWait { connections: 2 }));
    evidence.sockets.push(connection(TcpState::CloseWait));
    let Cause::InUse(InUse::Leftovers { states, .. }) = diagnose(&evidence) else { panic!() };
    assert_eq!(states, BTreeMap::from([(TcpState::TimeWait, 2), (TcpState::CloseWait, 1)]));
}

#[test]
fn what_does_not_overlap_explains_nothing() {
    let cause = in_use_by(listener("127.0.0.1:443"), held_by(812));
    assert_eq!(cause, Cause::InUse(InUse::NothingFound { unseen: Vec::new() }));
}

#[test]
fn no_access_is_a_privilege_or_a_security_module() {
    let at = |port, capable| {
        let mut evidence = evidence(Errno::EACCES, &format!("10.0.0.5:{port}"));
        evidence.facts.may_bind_privileged = capable;
        diagnose(&evidence)
    };
    let privileged =
        |foreign_namespace| Cause::Privileged { port: 443, start: 1024, foreign_namespace };
    assert_eq!(at(443, false), privileged(false));
    assert_eq!(at(443, true), privileged(true));
    assert_eq!(at(8443, false), Cause::Confined);
    assert_eq!(at(0, false), Cause::Confined);
}

#[test]
fn without_a_look_at_every_process_nothing_is_called_orphaned() {
    let mut evidence = evidence(Errno::EADDRINUSE, "10.0.0.5:443");
    evidence.sockets = vec![listener("10.0.0.5:443")];
    evidence.unseen = vec!["the processes of this host".into()];
    assert!(matches!(diagnose(&evidence), Cause::InUse(InUse::Held { .. })));
}

#[test]
fn a_scope_ties_a_socket_to_its_interface() {
    let mut evidence = evidence(Errno::EADDRINUSE, "[fe80::1%2]:443");
    evidence.sockets = vec![TcpSocket { device: 3, ..listener("[fe80::1]:443") }];
    assert!(matches!(diagnose(&evidence), Cause::InUse(InUse::NothingFound { .. })));
    evidence.sockets[0].device = 2;
    assert!(matches!(diagnose(&evidence), Cause::InUse(InUse::Orphaned { .. })));
}

#[test]
fn an_absent_address_comes_with_the_nearest_of_its_family() {
    let Cause::Absent { near, no_family } =
        diagnose(&evidence(Errno::EADDRNOTAVAIL, "10.0.0.6:80"))
    else {
        panic!()
    };
    let near: Vec<_> = near.iter().map(|it| it.address.to_string()).collect();
    assert_eq!((near, no_family), (vec!["10.0.0.5".to_owned(), "192.0.2.1".to_owned()], false));

    let mut without = evidence(Errno::EADDRNOTAVAIL, "[fd00::6]:80");
    without.facts.addresses.retain(|it| it.address.is_ipv4());
    assert_eq!(diagnose(&without), Cause::Absent { near: Vec::new(), no_family: true });
}

#[test]
fn an_address_that_is_there_is_tentative_or_out_of_reach() {
    let mut there = evidence(Errno::EADDRNOTAVAIL, "[fd00::5]:80");
    let interface = "eth0".to_owned();
    assert_eq!(diagnose(&there), Cause::Unreachable { interface: interface.clone() });
    there.facts.addresses[2].tentative = true;
    assert_eq!(diagnose(&there), Cause::Tentative { interface });
}

#[test]
fn other_errors_have_their_causes() {
    let interfaces = ["lo", "eth0", "eth1"].map(str::to_owned).to_vec();
    let table = [
        (Errno::ENODEV, Cause::NoDevice { interfaces }),
        (Errno::EPERM, Cause::Forbidden { cgroup: Some("/ours".into()) }),
        (Errno::EMFILE, Cause::Descriptors { limit: 1024 }),
        (Errno::ENFILE, Cause::SystemDescriptors),
        (Errno::EAFNOSUPPORT, Cause::NoFamily),
        (Errno::EINVAL, Cause::Other),
    ];
    for (errno, cause) in table {
        assert_eq!(diagnose(&evidence(errno, "10.0.0.5:443")), cause);
    }
    let file = |step, errno| {
        diagnose(&Evidence { step, address: None, ..evidence(errno, "10.0.0.5:443") })
    };
    let table = [
        (Step::Bind, Errno::ENOENT, PathTrouble::NoDirectory),
        (Step::Bind, Errno::EACCES, PathTrouble::Refused),
        (Step::Permissions, Errno::EPERM, PathTrouble::OwnerRefused),
    ];
    for (step, errno, trouble) in table {
        assert_eq!(file(step, errno), Cause::Path(trouble));
    }
    let zero = diagnose(&evidence(Errno::EADDRINUSE, "10.0.0.5:0"));
    assert_eq!(zero, Cause::InUse(InUse::PortsExhausted { ephemeral: (32_768, 60_999) }));
}
