//! Bytes through random splits, pauses and half-closes, both ways at once, by copying, by splicing
//! and by changes between the two: each is compared at the other side.
//!
//! `PORTCULLIS_TEST_MIB=4096` moves more than the gate does, and `PORTCULLIS_TEST_SEED` repeats a
//! run, whose seed is printed.

use std::{
    env,
    hash::{BuildHasher as _, Hasher as _, RandomState},
    io::{Read as _, Write as _},
    net::TcpStream,
    sync::{
        Condvar, Mutex, OnceLock,
        atomic::{AtomicU64, Ordering::SeqCst},
    },
    thread,
    time::Duration,
};

use crate::support::{
    Backend, Program,
    client::{connect, finish},
    namespace::in_namespace,
    wait::DEADLINE,
};

use super::forwarding;

/// How much is moved in all unless the environment says so.
const DEFAULT_MIB: u64 = 192;

/// Sessions at a time.
const SESSIONS: u64 = 3;

/// The most that one direction of a session sends.
const LONGEST: u64 = 8 << 20;

/// A piece that is written at once and a stretch of such pieces, at the most. A direction splices
/// after some reads that fill its buffer of 16 KiB, and copies after some small ones.
const MESSAGE: u64 = 4000;
const BULK_PIECE: u64 = 256 << 10;
const STRETCH: u64 = 4 << 20;

/// How a sender sends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mood {
    /// Messages, each of which is received before the next: those are copied.
    Messages,
    /// As much as is taken: that is spliced.
    Bulk,
    /// Now this, now that.
    Both,
}

#[test]
fn every_byte_arrives_once_and_in_order_however_it_is_moved() {
    in_namespace("faults::bytes::every_byte_arrives_once_and_in_order_however_it_is_moved", || {
        let mib = number("PORTCULLIS_TEST_MIB").unwrap_or(DEFAULT_MIB);
        let seed = number("PORTCULLIS_TEST_SEED")
            .unwrap_or_else(|| RandomState::new().build_hasher().finish());
        tell(&format!("seed {seed}"));
        // Messages wait for each other, so fewer bytes of them take as long.
        for (mood, share) in [(Mood::Messages, 32), (Mood::Bulk, 2), (Mood::Both, 2)] {
            let backend = Backend::new();
            let program = forwarding(backend.address(), &[]);
            let wanted = (mib << 20) / share;
            let (sessions, moved) = exchange(&program, &backend, mood, seed, wanted);
            tell(&format!("{mood:?}: {sessions} sessions, {} MiB", moved >> 20));
            assert_eq!(program.pipe_ends() > 0, mood != Mood::Messages, "whether it spliced");
        }
    });
}

/// Has sessions until so many bytes are moved. Returns how many there were.
fn exchange(
    program: &Program,
    backend: &Backend,
    mood: Mood,
    seed: u64,
    wanted: u64,
) -> (u64, u64) {
    let (moved, mut number) = (AtomicU64::new(0), 0);
    while moved.load(SeqCst) < wanted {
        thread::scope(|scope| {
            for _ in 0..SESSIONS {
                let (client, server) = (connect(program.address("web")), backend.accept());
                number += 1;
                let (dice, moved) = (Dice::new(seed ^ (number << 32)), &moved);
                scope.spawn(move || moved.fetch_add(session(&client, &server, mood, dice), SeqCst));
            }
        });
    }
    (number, moved.into_inner())
}

/// Sends both ways at once, of different lengths, so one side ends while the other goes on.
fn session(client: &TcpStream, server: &TcpStream, mood: Mood, mut dice: Dice) -> u64 {
    let longest = if mood == Mood::Messages { LONGEST / 16 } else { LONGEST };
    // Now and then nothing at all, or a little.
    let lengths: [u64; 2] = [0; 2].map(|_| {
        let bound = [1, 100, longest, longest][dice.index(4)];
        dice.roll(bound)
    });
    thread::scope(|scope| {
        let mut each = |from, to, length| {
            let start = dice.roll(PERIOD);
            let way = Way { mood, length, start, received: 0.into(), arrived: Condvar::new() };
            let (sender, receiver) = (dice.fork(), dice.fork());
            scope.spawn(move || {
                thread::scope(|scope| {
                    scope.spawn(|| way.send(from, sender));
                    way.receive(to, receiver);
                });
            });
        };
        each(client, server, lengths[0]);
        each(server, client, lengths[1]);
    });
    lengths.into_iter().sum()
}

/// One way of a session.
struct Way {
    mood: Mood,
    length: u64,
    /// Where in the pattern it begins.
    start: u64,
    received: Mutex<u64>,
    /// Told whenever `received` has grown.
    arrived: Condvar,
}

impl Way {
    fn send(&self, mut to: &TcpStream, mut dice: Dice) {
        let (mut sent, mut stretch, mut bulk) = (0, 0, false);
        while sent < self.length {
            if stretch == 0 {
                bulk = match self.mood {
                    Mood::Messages => false,
                    Mood::Bulk => true,
                    Mood::Both => !bulk,
                };
                stretch = 1 + dice.roll(if bulk { STRETCH } else { 50 * MESSAGE });
            }
            let longest = if bulk { BULK_PIECE } else { MESSAGE };
            let piece = (1 + dice.roll(longest)).min(stretch).min(self.length - sent);
            to.write_all(self.bytes(sent, piece)).unwrap();
            sent += piece;
            stretch -= piece;
            if !bulk {
                self.wait_for(sent);
            }
            dice.pause();
        }
        finish(to);
    }

    fn wait_for(&self, sent: u64) {
        let received = self.received.lock().unwrap();
        let missing = |received: &mut u64| *received < sent;
        let waited = self.arrived.wait_timeout_while(received, DEADLINE, missing).unwrap();
        assert!(!waited.1.timed_out(), "{} of {sent} bytes have arrived", waited.0);
    }

    fn receive(&self, mut from: &TcpStream, mut dice: Dice) {
        let mut buffer = vec![0; 300_000];
        loop {
            let room = [1, 1000, 20_000, 300_000][dice.index(4)];
            let count = from.read(&mut buffer[..1 + dice.index(room)]).unwrap();
            let before = *self.received.lock().unwrap();
            if count == 0 {
                return assert_eq!(before, self.length, "it ended");
            }
            let expected = self.bytes(before, count as u64);
            assert!(buffer[..count] == *expected, "other bytes after {before} of {}", self.length);
            *self.received.lock().unwrap() += count as u64;
            self.arrived.notify_one();
            dice.pause();
        }
    }

    fn bytes(&self, at: u64, length: u64) -> &'static [u8] {
        let from = usize::try_from((self.start + at) % PERIOD).unwrap();
        &pattern()[from..][..usize::try_from(length).unwrap()]
    }
}

/// The length after which the pattern repeats: a prime, which no buffer's size divides.
const PERIOD: u64 = 4_194_301;

fn pattern() -> &'static [u8] {
    static PATTERN: OnceLock<Vec<u8>> = OnceLock::new();
    PATTERN.get_or_init(|| {
        let mut dice = Dice::new(42);
        let period: Vec<u8> = (0..PERIOD).map(|_| dice.roll(256).to_le_bytes()[0]).collect();
        [&period[..], &period[..1 << 20]].concat()
    })
}

/// Repeatable chance.
struct Dice(u64);

impl Dice {
    fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    /// Some number below `bound`.
    fn roll(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 16) % bound
    }

    fn index(&mut self, bound: usize) -> usize {
        usize::try_from(self.roll(bound as u64)).unwrap()
    }

    fn fork(&mut self) -> Self {
        Self::new(self.roll(u64::MAX >> 16))
    }

    /// Lets the others run now and then, sometimes for long enough that buffers fill or empty.
    fn pause(&mut self) {
        match self.roll(256) {
            0 => thread::park_timeout(Duration::from_millis(1)),
            1..32 => thread::yield_now(),
            _ => {}
        }
    }
}

fn number(variable: &str) -> Option<u64> {
    Some(env::var(variable).ok()?.parse().expect("a number"))
}

#[expect(clippy::print_stdout, reason = "who repeats a run needs its seed")]
fn tell(what: &str) {
    println!("counted: {what}");
}
