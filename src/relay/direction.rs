//! One direction of a session: from its source to its sink, and what is under way between them.

use std::io::{self, ErrorKind};

use super::{
    Worker,
    gear::Gear,
    pool::{BUFFER_BYTES, Buffer, PooledPipe},
    stream::Stream,
};

/// Bytes after which a direction lets the worker's other sessions have their turn, and the most
/// that one call moves. Turns twice as long were measured to move bulk for a tenth less and to
/// delay a request that waits behind eight of them by a fifth more.
pub(super) const TURN_BYTES: usize = 128 * 1024;

/// Bytes that are read and thrown away for the sake of an orderly end; a source that has still not
/// ended then gets a reset.
pub(super) const DISCARD_BYTES: u64 = 1024 * 1024;

/// One direction.
#[derive(Debug)]
pub(super) struct Direction<'w> {
    /// Whether bytes may still come.
    pub(super) source: Source,
    /// Whether bytes can still go.
    pub(super) sink: Sink,
    /// Bytes given to the sink.
    pub(super) moved: u64,
    /// Bytes thrown away because the sink takes none.
    discarded: u64,
    gear: Gear,
    held: Held<'w>,
}

/// Whether bytes may still come from the source.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Source {
    /// They may.
    Open,
    /// It has ended in order.
    Ended,
    /// It has broken off.
    Reset,
}

/// Whether the sink takes bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sink {
    /// It does.
    Open,
    /// It was told that there are no more.
    Shut,
    /// It closed in order, after all it had to say, and wants to hear no more (`EPIPE`: its FIN
    /// came before its RST).
    Closed,
    /// It has broken off.
    Reset,
}

/// What a direction waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wait {
    /// That there is something to read from the source.
    Readable,
    /// That the sink takes bytes.
    Writable,
    /// Its next turn.
    Turn,
    /// Nothing: it is over.
    Nothing,
}

/// Bytes that were read and could not be written yet.
#[derive(Debug)]
enum Held<'w> {
    Nothing,
    Bytes(Buffer<'w>),
    Pipe(PooledPipe<'w>),
}

impl<'w> Direction<'w> {
    pub(super) fn new() -> Self {
        Self {
            source: Source::Open,
            sink: Sink::Open,
            moved: 0,
            discarded: 0,
            gear: Gear::START,
            held: Held::Nothing,
        }
    }

    /// Whether neither side has ended.
    pub(super) fn is_whole(&self) -> bool {
        self.source == Source::Open && self.sink == Sink::Open
    }

    /// Whether nothing can come of it any more.
    pub(super) fn is_over(&self) -> bool {
        self.sink != Sink::Open && (self.source != Source::Open || self.discarded >= DISCARD_BYTES)
    }

    /// Moves bytes until one side or the turn is exhausted. Passes the source's end on, but leaves
    /// that to the close of the socket when this is the `last` direction: a close says it too.
    pub(super) fn pump(
        &mut self,
        from: &Stream,
        to: &Stream,
        worker: &'w Worker,
        last: bool,
    ) -> Wait {
        let mut turn = TURN_BYTES;
        loop {
            // Nothing is read before everything that was read is written: that is all the
            // back-pressure there is.
            if self.write_held(to) == Wait::Writable {
                return Wait::Writable;
            }
            if self.source == Source::Ended && self.sink == Sink::Open {
                self.end_sink(to, last);
            }
            if self.is_over() || self.source != Source::Open {
                return Wait::Nothing;
            }
            if turn == 0 {
                return Wait::Turn;
            }
            match self.read(from, worker) {
                Ok(0) => self.source = Source::Ended,
                Ok(count) => turn = turn.saturating_sub(count),
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Wait::Readable,
                Err(_) => self.source = Source::Reset,
            }
        }
    }

    /// Gives the sink up: drops what is held, tells the peer that no more will come, and from now
    /// on reads input only to throw it away.
    pub(super) fn abandon(&mut self, to: &Stream) {
        self.held = Held::Nothing;
        if self.sink == Sink::Open {
            self.end_sink(to, false);
        }
    }

    fn end_sink(&mut self, to: &Stream, by_close: bool) {
        // A socket that cannot be shut down has lost its peer; the read on it will say how.
        self.sink = if by_close || to.end_output().is_ok() { Sink::Shut } else { Sink::Closed };
    }

    /// Reads once, into a pipe or a buffer that is then held. The last read of a turn may overrun
    /// it, because asking for the few bytes that are left would cost as much as asking for many.
    fn read(&mut self, from: &Stream, worker: &'w Worker) -> io::Result<usize> {
        if self.sink != Sink::Open {
            let count = from.try_read(worker.pool.buffer().room())?;
            self.discarded += count as u64;
            return Ok(count);
        }
        if matches!(self.gear, Gear::Splice { .. }) {
            if let Some(mut pooled) = worker.pool.pipe(worker.clock.now()) {
                let count = from.try_fill(pooled.pipe(), TURN_BYTES)?;
                self.hold(Held::Pipe(pooled), count);
                return Ok(count);
            }
            self.gear = Gear::START;
        }
        let mut buffer = worker.pool.buffer();
        let count = from.try_read(buffer.room())?;
        buffer.note_read(count);
        self.hold(Held::Bytes(buffer), count);
        Ok(count)
    }

    fn hold(&mut self, held: Held<'w>, count: usize) {
        if count > 0 {
            self.held = held;
            self.gear = self.gear.after(count, BUFFER_BYTES);
        }
    }

    /// Writes what is held until it is gone or the sink takes no more.
    fn write_held(&mut self, to: &Stream) -> Wait {
        while self.sink == Sink::Open {
            let (written, more) = match &mut self.held {
                Held::Nothing => return Wait::Nothing,
                Held::Bytes(buffer) => {
                    let written = to.try_write(buffer.unwritten());
                    buffer.note_written(*written.as_ref().unwrap_or(&0));
                    (written, !buffer.unwritten().is_empty())
                }
                Held::Pipe(pooled) => {
                    let written = to.try_drain(pooled.pipe());
                    (written, !pooled.pipe().is_empty())
                }
            };
            match written {
                Ok(count) => self.moved += count as u64,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Wait::Writable,
                Err(error) if error.kind() == ErrorKind::BrokenPipe => self.sink = Sink::Closed,
                Err(_) => self.sink = Sink::Reset,
            }
            if !more {
                break;
            }
        }
        self.held = Held::Nothing;
        Wait::Nothing
    }
}
