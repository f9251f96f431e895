//! Guardrails over a running program: an end closes nothing, and widens nothing either.

use std::{
    fs,
    os::unix::{fs::PermissionsExt as _, net::UnixStream},
};

use portcullis::sys::process::effective_user;

use super::Case;
use crate::support::{
    Answering, Ended, LOOPBACK, Program, ServiceFile,
    client::{ask, ask_over, connect},
    one_listener, portcullis,
};

const SERVICE: &str = "portcullis: 1
service: s
listeners:
  web:
    purpose: customer API
    expose:
      v4: { public: { address: 198.51.99.10 } }
      v6: none
    ports: [8443-8444]
    allow: { reason: a test, expires: 2026-12-31 }
    timeouts: { idle: 5m }
    limits: { connections: 2000, per_client: 50 }
    forward: 10.20.9.9:8443
";

fn guardrail(expires: &str) -> String {
    format!(
        "portcullis_guardrails: 1
name: acme-edge
may_expose: [loopback]
exceptions:
  grants:
    - {{ id: A, service: s, listener: web, expires: {expires},
        box: {{ classes: [public], families: [v4], protocol: tcp, ports: [8443-8445], clients: any, upstreams: any }} }}
"
    )
}

#[test]
fn a_change_that_does_not_widen_passes_though_the_exception_has_ended() {
    let running = Case::of(&[&guardrail("2026-12-31")], SERVICE);
    assert!(running.is_accepted(), "{}", running.rendered());
    let ended = guardrail("2026-11-21");
    assert!(!Case::of(&[&ended], SERVICE).is_accepted(), "a start is refused");
    let change = |from: &str, to: &str| {
        assert!(SERVICE.contains(from));
        Case::change(&running, &[&ended], &SERVICE.replace(from, to))
    };
    for (from, to) in [
        ("idle: 5m", "idle: 6m"),
        ("[8443-8444]", "[8443]"),
        ("    allow", "    clients: { allow: [9.9.9.0/24] }\n    allow"),
        ("expires: 2026-12-31", "expires: 2026-11-21"),
    ] {
        let case = change(from, to);
        assert!(case.is_accepted(), "{from} to {to}\n{}", case.rendered());
        assert!(case.codes().contains("PC1101"), "and is told of it: {}", case.rendered());
    }
    for (from, to) in [
        ("[8443-8444]", "[8443-8445]"),
        ("10.20.9.9:8443", "10.20.9.10:8443"),
        ("198.51.99.10", "198.51.99.11"),
        ("v6: none", "v6: { public: { address: \"2a00:1450::1\" } }"),
        ("  web:", "  web2:"),
    ] {
        let case = change(from, to);
        assert!(!case.is_accepted() && case.codes().contains("PC0102"), "{from} to {to}");
    }
}

#[test]
fn what_was_never_granted_is_no_less_refused_because_it_runs() {
    let running = Case::of(&[], SERVICE);
    let none = guardrail("2026-12-31").replace("listener: web", "listener: api");
    assert!(!Case::change(&running, &[&none], SERVICE).is_accepted());
}

/// A file with a listener on loopback, and under it what is given.
fn service(backend: &Answering, more: &str) -> String {
    one_listener(&[LOOPBACK, &format!("forward: {}", backend.address())]) + more
}

fn limits(may_expose: &str) -> String {
    format!("portcullis_guardrails: 1\nname: acme-edge\nmay_expose: [{may_expose}]\n")
}

#[test]
fn a_reload_is_judged_by_the_guardrails_as_they_are_then() {
    if effective_user() != 0 {
        // Whoever runs this owns the guardrail, and the program would rightly refuse it.
        return;
    }
    let backend = Answering::tcp("b");
    let file = ServiceFile::new(&service(&backend, "")).serving();
    let guardrail = file.beside("guardrail.yaml");
    let path = file.beside("second.sock");
    fs::write(&guardrail, limits("loopback")).unwrap();
    let mut program = Program::serving_under(&guardrail, file);
    let more = format!(
        "  second:\n    expose: {{ unix: {{ path: {}, mode: \"0600\" }} }}\n    forward: {}\n",
        path.display(),
        backend.address()
    );
    let wider = service(&backend, &more);
    assert_eq!(program.refuse(&wider), "REJECTED generation=1 findings=1");
    program.said("PC0113");
    assert!(!path.exists());
    assert_eq!(ask(program.address("web"), "?"), "b: ?");

    // From here on nobody touches the service file, nor asks.
    fs::write(&guardrail, limits("loopback, unix")).unwrap();
    assert_eq!(program.next("RELOADED"), "RELOADED generation=2");
    assert!(path.exists());

    fs::set_permissions(&guardrail, fs::Permissions::from_mode(0o666)).unwrap();
    assert_eq!(program.next("REJECTED"), "REJECTED generation=2 findings=1");
    program.said("PC0907");
    assert!(path.exists(), "and what runs stays");

    fs::remove_file(&guardrail).unwrap();
    assert_eq!(program.next("REJECTED"), "REJECTED generation=2 findings=1");
    program.said("cannot read the guardrails");
    assert_eq!(ask(program.address("web"), "?"), "b: ?");
}

#[test]
fn what_is_withdrawn_is_refused_and_closes_nothing() {
    if effective_user() != 0 {
        return;
    }
    let backend = Answering::tcp("b");
    let file = ServiceFile::new("");
    let (guardrail, path) = (file.beside("guardrail.yaml"), file.beside("second.sock"));
    let second = format!(
        "  second:\n    expose: {{ unix: {{ path: {}, mode: \"0600\" }} }}\n    forward: {}\n",
        path.display(),
        backend.address()
    );
    fs::write(file.path(), service(&backend, &second)).unwrap();
    fs::write(&guardrail, limits("loopback, unix")).unwrap();
    let mut program = Program::serving_under(&guardrail, file);
    let session = connect(program.address("web"));
    assert_eq!(ask_over(&session, "before"), "b: before");

    fs::write(&guardrail, limits("loopback")).unwrap();
    assert_eq!(program.next("REJECTED"), "REJECTED generation=1 findings=1");
    program.said("PC0113");
    program.said("the guardrails do not allow what runs; it stays until its next start");
    assert!(UnixStream::connect(&path).is_ok(), "it serves whoever comes");
    assert_eq!(ask_over(&session, "after"), "b: after");
    // Nor does it come in by the back door: what goes beyond it is refused as before.
    let wider = service(&backend, &(second.clone() + &second.replace("second", "third")));
    assert_eq!(program.refuse(&wider), "REJECTED generation=1 findings=2");

    // Narrowed to what is allowed, the file is taken over.
    assert_eq!(program.reload(&service(&backend, "")), 2);
    assert!(!path.exists());
}

#[test]
fn what_is_granted_again_is_in_force_again() {
    if effective_user() != 0 {
        return;
    }
    let backend = Answering::tcp("b");
    let file = ServiceFile::new(&service(&backend, "")).serving();
    let guardrail = file.beside("guardrail.yaml");
    fs::write(&guardrail, limits("loopback")).unwrap();
    let mut program = Program::serving_under(&guardrail, file);
    for _ in 0..2 {
        fs::write(&guardrail, limits("unix")).unwrap();
        assert_eq!(program.next("REJECTED"), "REJECTED generation=1 findings=1");
        fs::write(&guardrail, limits("loopback")).unwrap();
        assert_eq!(program.next("RELOADED"), "RELOADED generation=1");
    }
}

#[test]
fn a_start_under_a_guardrail_that_the_service_can_change_is_refused() {
    let backend = Answering::tcp("b");
    let file = ServiceFile::new(&service(&backend, "")).serving();
    let guardrail = file.beside("guardrail.yaml");
    fs::write(&guardrail, limits("loopback")).unwrap();
    fs::set_permissions(&guardrail, fs::Permissions::from_mode(0o666)).unwrap();
    let mut command = portcullis();
    command.args(["run", "--allow-port-zero", "--guardrails"]).arg(&guardrail).arg(file.path());
    let ended = Ended::of(command);
    assert_eq!(ended.code, Some(1));
    assert!(ended.err.contains("PC0907") && ended.err.contains("every user may write it"));
}
