use std::sync::Arc;

use proptest::prelude::*;

use super::*;
use crate::{
    address::set::AddressSet,
    compile::read,
    exposure::{Answer, Exposure},
    policy::{Expose, claim::Assume},
    source::Source,
};

fn reach(policy: &Policy) -> Reach {
    Reach::of(policy, &Exposure::of(policy), Assume::All)
}

fn diff(old: &Policy, new: &Policy) -> Diff {
    super::diff((old, &reach(old)), (new, &reach(new)))
}

fn policy(text: &str) -> Policy {
    let source = Source::from_bytes("test.yaml", text.as_bytes()).unwrap();
    read(&source).unwrap_or_else(|findings| panic!("{findings:#?}\n{text}")).policy
}

/// A file with one listener, from the lines that matter.
fn one(lines: &[&str]) -> Policy {
    named("db", lines)
}

fn named(name: &str, lines: &[&str]) -> Policy {
    policy(&format!("portcullis: 1\nlisteners:\n  {name}:\n    {}\n", lines.join("\n    ")))
}

const SUBNET: &str = "expose: { private: { subnet: 10.20.0.0/16 } }";
const PUBLIC: &str = "expose: { public: { address: 203.0.113.10 } }";
const PORT: &str = "port: 5432";
const TO: &str = "forward: 10.20.9.9:5432";

#[track_caller]
fn judged(old: &[&str], new: &[&str], forth: Effect, back: Effect) {
    let (old, new) = (one(old), one(new));
    assert_eq!(diff(&old, &new).effect(), forth, "forth: {:#?}", diff(&old, &new));
    assert_eq!(diff(&new, &old).effect(), back, "back: {:#?}", diff(&new, &old));
}

#[test]
fn more_clients_are_a_widening_and_fewer_a_narrowing() {
    let listed = "clients: { allow: [10.20.0.0/16] }";
    judged(&[SUBNET, PORT, listed, TO], &[SUBNET, PORT, TO], Effect::Widening, Effect::Narrowing);
}

#[test]
fn from_a_subnet_to_the_internet_is_a_widening_and_back_a_narrowing() {
    judged(&[SUBNET, PORT, TO], &[PUBLIC, PORT, TO], Effect::Widening, Effect::Narrowing);
}

#[test]
fn another_port_is_mixed_both_ways() {
    judged(&[SUBNET, PORT, TO], &[SUBNET, "port: 5433", TO], Effect::Mixed, Effect::Mixed);
}

#[test]
fn one_port_more_is_a_widening() {
    let more = "ports: [5432-5433]";
    judged(&[SUBNET, PORT, TO], &[SUBNET, more, TO], Effect::Widening, Effect::Narrowing);
}

#[test]
fn every_address_is_more_than_one() {
    let any = "expose: { any: { families: [v4] } }";
    judged(&[PUBLIC, PORT, TO], &[any, PORT, TO], Effect::Widening, Effect::Narrowing);
}

#[test]
fn the_same_flows_to_another_backend_are_a_retarget() {
    let other = "forward: 10.20.9.10:5432";
    judged(&[PUBLIC, PORT, TO], &[PUBLIC, PORT, other], Effect::Retarget, Effect::Retarget);
}

#[test]
fn one_backend_more_is_a_retarget_and_one_less_a_narrowing() {
    let group = |backends: &str| {
        policy(&format!(
            "portcullis: 1\nupstreams: {{ a: {{ backends: [{backends}] }} }}\nlisteners:\n  web: {{ {PUBLIC}, {PORT}, forward: a }}\n"
        ))
    };
    let (less, more) = (group("10.0.0.1:80"), group("10.0.0.1:80, 10.0.0.2:80"));
    assert_eq!(diff(&less, &more).effect(), Effect::Retarget);
    assert_eq!(diff(&more, &less).effect(), Effect::Narrowing);
}

#[test]
fn a_listener_in_front_of_a_door_that_was_public_is_a_retarget_of_its_backend() {
    // The worst change that (address, port) does not show: the same port of the same address,
    // another backend.
    let old = policy(&format!(
        "portcullis: 1\nlisteners:\n  web: {{ {PUBLIC}, port: 443, forward: 127.0.0.1:8443 }}\n  db: {{ expose: loopback, {PORT}, {TO} }}\n"
    ));
    let new = policy(&format!(
        "portcullis: 1\nlisteners:\n  web: {{ {PUBLIC}, port: 443, {TO} }}\n  db: {{ expose: loopback, {PORT}, {TO} }}\n"
    ));
    let diff = diff(&old, &new);
    assert_eq!(diff.effect(), Effect::Retarget);
    assert_eq!(diff.changes[0].gained[0].witness.to_string(), "8.8.8.8 → 203.0.113.10:443");
}

#[test]
fn what_is_only_spelled_differently_is_neutral() {
    let halves = "clients: { allow: [\"0.0.0.0/1\", \"128.0.0.0/1\"] }";
    let whole = "clients: { allow: [\"0.0.0.0/0\"] }";
    judged(
        &[PUBLIC, PORT, halves, TO],
        &[PUBLIC, PORT, whole, TO],
        Effect::Neutral,
        Effect::Neutral,
    );
    judged(&[PUBLIC, PORT, whole, TO], &[PUBLIC, PORT, TO], Effect::Neutral, Effect::Neutral);
    let (short, long) = ("forward: 10.20.9.9", "forward: 10.20.9.9:5432");
    judged(&[SUBNET, PORT, short], &[SUBNET, PORT, long], Effect::Neutral, Effect::Neutral);
    let address = "expose: { private: { address: 10.20.3.4 } }";
    let block = "expose: { private: { subnet: 10.20.3.4/32 } }";
    judged(&[address, PORT, TO], &[block, PORT, TO], Effect::Neutral, Effect::Neutral);
}

#[test]
fn another_name_is_neutral_and_hides_nothing() {
    let (old, new) = (one(&[SUBNET, PORT, TO]), named("ledger", &[SUBNET, PORT, TO]));
    assert_eq!(diff(&old, &new).effect(), Effect::Neutral);
    let limited = one(&[SUBNET, PORT, "limits: { connections: 10 }", TO]);
    assert_eq!(diff(&limited, &new).effect(), Effect::Weakening);
}

#[test]
fn a_control_that_holds_less_is_a_weakening() {
    let address = "expose: { private: { address: 10.20.3.4 } }";
    let unpinned = "expose: { private: { address: 10.20.3.4, pin: none } }";
    judged(&[address, PORT, TO], &[unpinned, PORT, TO], Effect::Weakening, Effect::Narrowing);
    let limits = |most: &'static str| [SUBNET, PORT, most, TO];
    let (few, many) = ("limits: { per_client: 5 }", "limits: { per_client: 50 }");
    judged(&limits(few), &limits(many), Effect::Weakening, Effect::Narrowing);
    judged(&limits(few), &[SUBNET, PORT, TO], Effect::Weakening, Effect::Narrowing);
    for (slow, fast) in [
        ("limits: { rate: 100/s }", "limits: { rate: 200/s }"),
        ("limits: { rate: 100/m }", "limits: { rate: 2/s }"),
        ("limits: { per_client_rate: 1/s }", "limits: { per_client_rate: 60/m }"),
        ("limits: { per_client_rate: 1/h }", "limits: {}"),
    ] {
        judged(&limits(slow), &limits(fast), Effect::Weakening, Effect::Narrowing);
        let change = diff(&one(&limits(slow)), &one(&limits(fast)));
        assert!(change.changes[0].causes.iter().any(|cause| cause.field == Field::Limits));
    }
    let path =
        |mode: &str| format!("expose: {{ unix: {{ path: /run/x.sock, mode: \"{mode}\" }} }}");
    let (tight, loose) = (path("0600"), path("0660"));
    judged(&[&tight, TO], &[&loose, TO], Effect::Weakening, Effect::Narrowing);
}

#[test]
fn fewer_clients_at_another_address_do_not_hide_that_they_are_held_less() {
    let at = |address: &str, pin: &str, more: &str, limits: &str| {
        let expose = format!("expose: {{ private: {{ address: {address}{pin} }} }}");
        let clients = format!("clients: {{ allow: [10.20.1.0/24{more}] }}");
        one(&[&expose, PORT, &clients, limits, TO])
    };
    let old = at("10.20.3.4", "", ", 10.20.2.0/24", "limits: { connections: 5 }");
    for (pin, limits, effect) in [
        ("", "limits: { connections: 5 }", Effect::Narrowing),
        ("", "limits: {}", Effect::Weakening),
        (", pin: none", "limits: { connections: 5 }", Effect::Weakening),
    ] {
        assert_eq!(diff(&old, &at("10.20.3.5", pin, "", limits)).effect(), effect, "{pin}{limits}");
    }
}

#[test]
fn the_bound_of_a_backend_is_the_same_in_its_other_spelling() {
    let to = |backend: &str| {
        policy(&format!(
            "portcullis: 1\nupstreams: {{ u: {{ backends: [{backend}] }} }}\nlisteners:\n  db: {{ {SUBNET}, {PORT}, forward: u }}\n"
        ))
    };
    let bounded = to("{ address: \"10.20.9.9:5432\", max_connections: 5 }");
    for unbounded in ["10.20.9.9:5432", "10.20.9.9"] {
        let unbounded = to(unbounded);
        assert_eq!(diff(&bounded, &unbounded).effect(), Effect::Weakening);
        assert_eq!(diff(&unbounded, &bounded).effect(), Effect::Narrowing);
    }
}

#[test]
fn a_control_that_one_of_several_had_is_weighed_when_listeners_are_joined_or_split() {
    let listener = |name: &str, ports: &str, limits: &str| {
        format!("  {name}:\n    {SUBNET}\n    ports: {ports}\n    limits: {limits}\n    {TO}\n")
    };
    let all = |listeners: &[String]| {
        policy(&format!("portcullis: 1\nlisteners:\n{}", listeners.concat()))
    };
    let apart = all(&[listener("a", "[80]", "{}"), listener("b", "[81-90]", "{ connections: 5 }")]);
    let joined = |limits| all(&[listener("a", "[80-90]", limits)]);
    assert_eq!(diff(&apart, &joined("{}")).effect(), Effect::Weakening);
    assert_eq!(diff(&joined("{}"), &apart).effect(), Effect::Narrowing);
    let held = "{ connections: 5 }";
    assert_eq!(diff(&apart, &joined(held)).effect(), Effect::Narrowing);
    assert_eq!(diff(&joined(held), &apart).effect(), Effect::Weakening);
    let inside = all(&[listener("a", "[80-90]", held)]);
    let split = all(&[listener("a", "[80-85]", held), listener("b", "[86-90]", "{}")]);
    assert_eq!(diff(&inside, &split).effect(), Effect::Weakening);
}

#[test]
fn an_interface_by_another_name_is_unknown_and_says_what_decides() {
    let on = |name: &str| {
        format!("expose: {{ interface: {{ name: {name}, v4: [private], v6: none }} }}")
    };
    let (old, new) = (on("eth0"), on("ens3"));
    judged(&[&old, PORT, TO], &[&new, PORT, TO], Effect::Unknown, Effect::Unknown);
    let diff = diff(&one(&[&old, PORT, TO]), &one(&[&new, PORT, TO]));
    let (ours, theirs) = &diff.changes[0].gained[0].questions[0];
    assert_eq!(ours.to_string(), "every stable private IPv4 address on ens3");
    assert_eq!(theirs.to_string(), "every stable private IPv4 address on eth0");
}

#[test]
fn an_inner_block_is_the_outer_one_wherever_that_has_a_meaning() {
    let inner = "expose: { private: { subnet: 10.20.0.0/24 } }";
    let apart = "expose: { private: { subnet: 10.30.0.0/24 } }";
    judged(&[SUBNET, PORT, TO], &[inner, PORT, TO], Effect::Narrowing, Effect::Unknown);
    judged(&[inner, PORT, TO], &[apart, PORT, TO], Effect::Mixed, Effect::Mixed);
}

#[test]
fn what_is_seen_and_not_served_counts_when_the_audience_is_the_same() {
    let few = "clients: { allow: [10.20.0.0/16] }";
    judged(&[SUBNET, PORT, few, TO], &[PUBLIC, PORT, few, TO], Effect::Widening, Effect::Narrowing);
}

/// Files of a tiny world, in which random ones often meet: what is exposed, its ports, its clients
/// and where it leads.
fn small() -> impl Strategy<Value = Policy> {
    let expose = prop::sample::select(vec![
        "loopback",
        "{ private: { address: 10.0.0.1 } }",
        "{ private: { address: 10.0.0.1, pin: none } }",
        "{ private: { address: 10.0.0.2 } }",
        "{ private: { subnet: 10.0.0.0/30 } }",
        "{ private: { interface: eth0 } }",
        "{ public: { address: 203.0.113.1 } }",
        "{ any: { families: [v4] } }",
        "{ any: { families: [v4, v6] } }",
        "{ interface: { name: eth0, v4: [private, public], v6: none } }",
        "{ link: { address: \"fe80::1%eth0\" } }",
    ]);
    let clients = prop::sample::select(vec![
        "",
        ", clients: { allow: [10.0.0.0/31] }",
        ", clients: { allow: [\"0.0.0.0/0\", \"::/0\"] }",
        ", clients: { deny: [8.8.8.8] }",
        ", clients: { allow: [10.0.0.0/8, 8.8.8.0/24] }",
    ]);
    let ports = prop::sample::select(vec!["[80]", "[80-81]", "[81-82]"]);
    let forward = prop::sample::select(vec!["10.9.9.9:80", "10.9.9.9", "10.9.9.8:80", "both"]);
    let listener =
        (expose, ports, clients, forward).prop_map(|(expose, ports, clients, forward)| {
            format!("{{ expose: {expose}, ports: {ports}{clients}, forward: {forward} }}")
        });
    prop::collection::btree_map("[a-c]", listener, 1..4).prop_map(|listeners| {
        let mut text = String::from(
            "portcullis: 1\nupstreams: { both: { backends: [10.9.9.9:80, 10.9.9.8:80] } }\nlisteners:\n",
        );
        for (name, listener) in listeners {
            text.push_str(&format!("  {name}: {listener}\n"));
        }
        policy(&text)
    })
}

/// A file and two that each have fewer of its listeners, or let fewer clients in. Nothing is
/// pinned: where the pinned one of two listeners goes, the other takes what was its, without a pin.
fn shrinking() -> impl Strategy<Value = [Policy; 3]> {
    (small(), prop::collection::vec((0u8..3, 0u8..3), 3)).prop_map(|(mut first, turns)| {
        for listener in first.listeners.values_mut() {
            let Expose::Ip(sides) = &mut Arc::make_mut(listener).expose else { continue };
            sides.iter_mut().for_each(|side| side.pin = false);
        }
        let step = |number: u8| {
            let mut policy = first.clone();
            let mut turns = turns.iter();
            policy.listeners.retain(|_, listener| {
                let (gone, listed) = turns.next().unwrap();
                if *listed < number {
                    let few = AddressSet::of_blocks(["10.0.0.0/30".parse().unwrap()]);
                    let everyone = Arc::new(AddressSet::all());
                    let had = listener.admitted(&everyone);
                    Arc::make_mut(listener).clients = Some(had.intersection(&few));
                }
                *gone >= number
            });
            policy
        };
        [step(0), step(1), step(2)]
    })
}

/// Whether a flow, held against every cell of a file by hand, is let through to a backend of the
/// port.
fn is_reached(policy: &Policy, part: &Part) -> Answer {
    let reach = reach(policy);
    let mut answer = Answer::No;
    for target in &part.targets {
        for (local, ports) in reach.backend(target).iter() {
            let lets = |(ports, clients): (crate::policy::PortRange, &Arc<_>)| {
                let clients: &AddressSet = clients;
                ports.contains(part.witness.port) && clients.contains(part.witness.client)
            };
            if ports.iter().any(lets) {
                answer = answer.max(part.witness.local.is_within(local));
            }
        }
    }
    answer
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn a_file_beside_itself_is_no_change(a in small()) {
        prop_assert!(diff(&a, &a).changes.is_empty());
    }

    #[test]
    fn a_change_that_passes_lets_nobody_reach_a_backend_anew(a in small(), b in small()) {
        let (old, new) = (reach(&a), reach(&b));
        let audience = |reach: &Reach, backend: &str| {
            let target = Target::Backend(crate::policy::BackendAddress::Ip(backend.parse().unwrap()));
            reach.backend(&target).audience()
        };
        let backends = ["10.9.9.9:80", "10.9.9.8:80"];
        let more = backends.iter().any(|backend| {
            !audience(&new, backend).minus(&audience(&old, backend)).is_empty()
        });
        if more {
            prop_assert!(!diff(&a, &b).effect().passes());
        }
    }

    #[test]
    fn what_is_gained_one_way_is_lost_the_other(a in small(), b in small()) {
        let (forth, back) = (diff(&a, &b), diff(&b, &a));
        let flows = |parts: fn(&Change) -> &Vec<Part>, diff: &Diff| {
            let parts: Vec<_> = diff.changes.iter().flat_map(parts).collect();
            let certain = parts.iter().filter(|part| part.certain && part.level == Level::Served);
            Flows::union(certain.map(|part| &part.flows))
        };
        prop_assert_eq!(flows(|change| &change.gained, &forth), flows(|change| &change.lost, &back));
        if forth.effect() == Effect::Neutral {
            prop_assert_eq!(back.effect().max(Effect::Neutral), back.effect());
        }
    }

    #[test]
    fn a_witness_is_reached_in_the_new_file_and_not_in_the_old(a in small(), b in small()) {
        for change in diff(&a, &b).changes {
            for part in change.gained.iter().filter(|part| part.level == Level::Served) {
                prop_assert_eq!(is_reached(&b, part), Answer::Yes, "{:#?}", part);
                let before = is_reached(&a, part);
                prop_assert!(before == Answer::No || !part.certain && before == Answer::Perhaps, "{:#?}", part);
            }
        }
    }

    #[test]
    fn what_was_widened_is_no_widening_on_the_way_back(a in small(), b in small()) {
        // A file that also narrows somewhere widens there on the way back.
        let forth = diff(&a, &b).changes;
        if !forth.is_empty() && forth.iter().all(|change| change.effect == Effect::Widening) {
            let back = diff(&b, &a).effect();
            prop_assert!(!matches!(back, Effect::Neutral | Effect::Widening), "{back:?}");
        }
    }

    /// P3: whoever is let through anew is a gain of some listener, and no gain is of nobody.
    #[test]
    fn there_is_a_gain_exactly_if_somebody_gets_somewhere_anew(a in small(), b in small()) {
        let (old, new) = (reach(&a), reach(&b));
        let all = |reach: &Reach| {
            let targets = reach.targets().map(|target| (target.clone(), reach.backend(target).into_owned()));
            targets.collect::<Vec<_>>()
        };
        let more = all(&new).iter().any(|(target, flows)| !flows.less(&old.backend(target)).is_empty());
        let changes = diff(&a, &b).changes;
        let parts = changes.iter().flat_map(|change| &change.gained);
        prop_assert!(parts.clone().all(|part| !part.flows.is_empty()));
        prop_assert_eq!(parts.clone().any(|part| part.level == Level::Served), more);
    }

    /// P3: what passes step by step passes at once.
    #[test]
    fn passing_is_transitive(steps in shrinking()) {
        let [a, b, c] = &steps;
        prop_assert!(diff(a, b).effect().passes() && diff(b, c).effect().passes());
        prop_assert!(diff(a, c).effect().passes(), "{:#?}", diff(a, c));
    }

    #[test]
    fn what_passes_step_by_step_lets_nobody_in_at_once(a in small(), b in small(), c in small()) {
        if diff(&a, &b).effect().passes() && diff(&b, &c).effect().passes() {
            let (old, new) = (reach(&a), reach(&c));
            for target in new.targets() {
                let more = new.backend(target).audience().minus(&old.backend(target).audience());
                prop_assert!(more.is_empty());
            }
        }
    }
}
