//! What the host lacks or forbids: each case brought about for real, and what is said of it.

use std::fs;

use super::{exposed, listening};
use crate::support::{
    Ended, Program, ServiceFile,
    client::refused,
    confined::may_not_bind,
    http::get,
    namespace::{in_namespace, run, veth},
    portcullis,
    start::refused_start,
};

/// A link-local address, on an interface of this name if there is any.
fn link_local(zone: &str) -> String {
    exposed(&format!("{{ link: {{ address: \"fe80::9{zone}\" }} }}"))
}

#[test]
fn a_link_local_address_on_an_interface_the_host_lacks_is_told_with_those_it_has() {
    in_namespace(
        "bind::lacking::a_link_local_address_on_an_interface_the_host_lacks_is_told_with_those_it_has",
        || {
            veth(&["fe80::9/64"]);
            let ended = refused_start(&link_local("%nope0"));
            assert_eq!(ended.code, Some(1), "{ended:?}");
            for words in ["interface `nope0`, which this host lacks", "it has lo, v1, v0"] {
                assert!(ended.err.contains(words), "{words}\n{}", ended.err);
            }
        },
    );
}

#[test]
fn a_link_local_address_on_another_interface_than_its_own_is_told_which_has_it() {
    in_namespace(
        "bind::lacking::a_link_local_address_on_another_interface_than_its_own_is_told_which_has_it",
        || {
            veth(&["fe80::9/64"]);
            let ended = refused_start(&link_local("%v1"));
            assert_eq!(ended.code, Some(4), "{ended:?}");
            for words in [
                "]:8080 on v1 for listener `web`: Cannot assign requested address",
                "  = v0 has it, but not for this socket\n",
                "help: name the interface that has the address\n",
            ] {
                assert!(ended.err.contains(words), "{words}\n{}", ended.err);
            }
        },
    );
}

/// An address of `v0` for which so many probes, one a second, look for somebody else who has it.
fn tentative(probes: u32) -> String {
    veth(&[]);
    fs::write("/proc/sys/net/ipv6/conf/v0/dad_transmits", probes.to_string()).unwrap();
    run("ip addr add fd00:9::5/64 dev v0");
    exposed("{ private: { address: \"fd00:9::5\" } }")
}

#[test]
fn a_tentative_address_is_told_as_such_and_as_one_to_wait_for() {
    in_namespace(
        "bind::lacking::a_tentative_address_is_told_as_such_and_as_one_to_wait_for",
        || {
            // Long enough for a start on a busy machine.
            let ended = refused_start(&tentative(100));
            assert_eq!(ended.code, Some(1), "{ended:?}");
            for words in ["fd00:9::5 on v0 (tentative)", "or `when_absent: wait` under `runtime`"] {
                assert!(ended.err.contains(words), "{words}\n{}", ended.err);
            }
        },
    );
}

#[test]
fn a_tentative_address_that_is_waited_for_is_bound_as_soon_as_it_is_usable() {
    in_namespace(
        "bind::lacking::a_tentative_address_that_is_waited_for_is_bound_as_soon_as_it_is_usable",
        || {
            let file = tentative(2) + "runtime: { when_absent: wait }\n";
            let mut program = Program::serving(&file);
            assert!(program.bound().is_empty(), "{:?}", program.bound());
            assert_eq!(
                program.next("READY"),
                "READY listener=web protocol=tcp address=[fd00:9::5]:8080"
            );
            assert_eq!(get("[fd00:9::5]:8080".parse().unwrap(), "/healthz").1, "ok\n");
        },
    );
}

fn switch_ipv6(off: u8) {
    fs::write("/proc/sys/net/ipv6/conf/all/disable_ipv6", off.to_string()).unwrap();
}

#[test]
fn loopback_without_ipv6_is_ipv4_alone_which_is_said_until_there_is_ipv6() {
    in_namespace(
        "bind::lacking::loopback_without_ipv6_is_ipv4_alone_which_is_said_until_there_is_ipv6",
        || {
            switch_ipv6(1);
            let mut program = Program::serving(&exposed("loopback"));
            program.said("left out listener=web reason=this host has no IPv6");
            assert_eq!(program.bound()["web"], ["127.0.0.1:8080"]);
            assert_eq!(listening().len(), 1);
            let (_, page) = get("127.0.0.1:8080".parse().unwrap(), "/");
            assert!(page.contains("left out: this host has no IPv6"), "{page}");
            // The kernel gives `lo` its address of IPv6 again.
            switch_ipv6(0);
            assert_eq!(program.next("READY listener=web protocol=tcp address=[::1]"), READY_V6);
            assert_eq!(get("[::1]:8080".parse().unwrap(), "/healthz").1, "ok\n");
        },
    );
}

const READY_V6: &str = "READY listener=web protocol=tcp address=[::1]:8080";

#[test]
fn ipv6_asked_for_by_name_where_there_is_none_is_refused_with_the_sysctl_that_brings_it() {
    in_namespace(
        "bind::lacking::ipv6_asked_for_by_name_where_there_is_none_is_refused_with_the_sysctl_that_brings_it",
        || {
            switch_ipv6(1);
            let ended = refused_start(&exposed("{ loopback: { families: [v6] } }"));
            assert_eq!(ended.code, Some(1), "{ended:?}");
            for words in [
                "`web` asks for IPv6, which this host lacks",
                "sysctl net.ipv6.conf.all.disable_ipv6=0",
            ] {
                assert!(ended.err.contains(words), "{words}\n{}", ended.err);
            }
        },
    );
}

#[test]
fn a_process_that_is_confined_by_landlock_is_told_to_look_there() {
    in_namespace(
        "bind::lacking::a_process_that_is_confined_by_landlock_is_told_to_look_there",
        || {
            let file = ServiceFile::new(&exposed("{ loopback: { families: [v4] } }")).serving();
            let command = || {
                let mut command = portcullis();
                command.env("RUNTIME_DIRECTORY", file.folder()).arg("run").arg(file.path());
                command
            };
            let Ended { code, out, err } = may_not_bind(command());
            let said = "\
error: cannot bind 127.0.0.1:8080 on lo for listener `web`: Permission denied (os error 13)
  = the port needs no privilege, so a security module refused it
help: look for Landlock, SELinux or AppArmor rules on bind
error: not every socket could be had, so none is served
";
            assert_eq!((code, out.as_str()), (Some(4), ""));
            assert!(err.ends_with(said), "{err}");
            refused("127.0.0.1:8080".parse().unwrap());
        },
    );
}
