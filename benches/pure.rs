//! What decides without touching a socket, timed: judging a large file, comparing two, admitting a
//! client, picking a backend.

use std::{fmt::Write as _, hint::black_box, net::IpAddr};

use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use portcullis::{
    address::Date,
    admit,
    balance::RoundRobin,
    compile::{Given, compile, read},
    exposure::{Exposure, diff::diff, reach::Reach},
    policy::{Policy, claim::Assume},
    source::Source,
};

/// As many as a large edge has, all in one file.
const LISTENERS: u16 = 10_000;

/// More backends than a group usually has.
const BACKENDS: u8 = 16;

criterion_group!(benches, judging, comparing, admitting, picking);
criterion_main!(benches);

fn judging(criterion: &mut Criterion) {
    let source = service(20);
    let given = Given {
        facts: None,
        guardrails: &[],
        running: None,
        today: Date::of_unix(1_800_000_000),
        allow_port_zero: false,
    };
    criterion.bench_function("judge 10,000 listeners", |bencher| {
        bencher.iter(|| compile(black_box(&source), &given));
    });
}

fn comparing(criterion: &mut Criterion) {
    let meaning = |source| {
        let policy = policy(&source);
        let reach = Reach::of(&policy, &Exposure::of(&policy), Assume::All);
        (policy, reach)
    };
    let (old, same, moved) = (meaning(service(20)), meaning(service(20)), meaning(service(21)));
    let mut group = criterion.benchmark_group("compare 10,000 listeners");
    for (name, new) in [("of which none has changed", &same), ("all of which have", &moved)] {
        group.bench_function(name, |bencher| {
            bencher.iter(|| diff((&old.0, &old.1), (&new.0, &new.1)));
        });
    }
    group.finish();
}

fn admitting(criterion: &mut Criterion) {
    let policy = policy(&service(20));
    let listener = policy.listeners.values().next().expect("the file has listeners");
    for (name, client) in [("admit a client", [10, 20, 1, 2]), ("turn one away", [192, 0, 2, 1])] {
        let client = Some(IpAddr::from(client));
        criterion.bench_function(name, |bencher| {
            bencher.iter(|| admit::decide(listener, black_box(client), 3));
        });
    }
}

fn picking(criterion: &mut Criterion) {
    let policy = policy(&service(20));
    let group = policy.upstreams.values().next().expect("the file has an upstream");
    criterion.bench_function("pick one of 16 backends", |bencher| {
        let turn = || RoundRobin::after(1, &group.backends);
        let picks = |mut turn: RoundRobin| turn.pick(&group.backends, |at| black_box(at) != 3);
        bencher.iter_batched(turn, picks, BatchSize::SmallInput);
    });
}

fn policy(source: &Source) -> Policy {
    read(source).expect("the file has a meaning").policy
}

/// A file of many private listeners, on addresses with this second octet.
fn service(octet: u8) -> Source {
    let mut text = "portcullis: 1\nupstreams:\n  app: { backends: [".to_owned();
    for n in 1..=BACKENDS {
        write!(text, "10.30.0.{n}:80, ").expect("a string takes everything");
    }
    text.push_str("] }\nlisteners:\n");
    for n in 0..LISTENERS {
        let port = 10_000 + n;
        write!(
            text,
            "  l{n}:\n    purpose: number {n}\n    port: {port}\n    forward: app\n    \
             expose: {{ private: {{ address: 10.{octet}.0.{} }} }}\n    \
             clients: {{ allow: [10.20.0.0/16, 10.40.0.0/16], deny: [10.20.66.0/24] }}\n",
            n % 250 + 1,
        )
        .expect("a string takes everything");
    }
    Source::from_bytes("many.yaml", text.as_bytes()).expect("the text is no longer than a file")
}
