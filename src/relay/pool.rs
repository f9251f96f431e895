//! A worker's buffers and pipes. A session borrows one for as long as bytes are in it, and no
//! longer.

use std::{
    cell::{Cell, RefCell},
    mem,
    ops::Range,
    time::Duration,
};

use tokio::time::Instant;

use crate::sys::splice::Pipe;

/// The size of a buffer, and so of a copied read: enough for a request or a response of nearly any
/// protocol in one call, small enough that ten thousand stalled sessions hold no more than 160 MiB
/// each way.
pub(super) const BUFFER_BYTES: usize = 16 * 1024;

/// Buffers that a worker keeps for later; more are in use only while that many peers are slow.
const SPARE_BUFFERS: usize = 64;

/// The size of a pipe: two turns, because packets from a wire fill its slots by less than a page
/// each. Four times as much was measured no faster, and an unprivileged user may have 256 of these
/// before `fs.pipe-user-pages-soft` shrinks the next.
const PIPE_BYTES: usize = 256 * 1024;

/// How long no pipe is asked for after the kernel refused one: a refusal costs four system calls.
const REFUSAL_PAUSE: Duration = Duration::from_secs(1);

/// The buffers and pipes of one worker, last used first: those are still in the cache.
#[derive(Debug)]
pub struct Pool {
    buffers: RefCell<Vec<Box<[u8]>>>,
    pipes: RefCell<Vec<Pipe>>,
    pipes_limit: usize,
    /// Pipes that exist.
    pipes_made: Cell<usize>,
    lent: Cell<usize>,
    refused_at: Cell<Option<Instant>>,
    refusals: Cell<usize>,
}

impl Pool {
    /// An empty pool that will never have more than `pipes` pipes, two descriptors each.
    #[must_use]
    pub fn new(pipes: usize) -> Self {
        Self {
            buffers: RefCell::default(),
            pipes: RefCell::default(),
            pipes_limit: pipes,
            pipes_made: Cell::new(0),
            lent: Cell::new(0),
            refused_at: Cell::new(None),
            refusals: Cell::new(0),
        }
    }

    /// How often bulk had to be copied because no pipe was to be had.
    #[must_use]
    pub fn refusals(&self) -> usize {
        self.refusals.get()
    }

    /// How many buffers and pipes hold bytes now, each for one direction whose sink is slow.
    #[must_use]
    pub fn lent(&self) -> usize {
        self.lent.get()
    }

    /// How many pipes there are, lent or not.
    #[must_use]
    pub fn pipes(&self) -> usize {
        self.pipes_made.get()
    }

    /// An empty buffer.
    pub(super) fn buffer(&self) -> Buffer<'_> {
        let spare = self.buffers.borrow_mut().pop();
        let bytes = spare.unwrap_or_else(|| vec![0; BUFFER_BYTES].into_boxed_slice());
        self.lent.set(self.lent.get() + 1);
        Buffer { bytes, unwritten: 0..0, pool: self }
    }

    /// An empty pipe; none if the pool's are all in use or the kernel refuses to make one.
    pub(super) fn pipe(&self, now: Instant) -> Option<PooledPipe<'_>> {
        let spare = self.pipes.borrow_mut().pop();
        let pipe = spare.or_else(|| self.make_pipe(now));
        let counter = if pipe.is_some() { &self.lent } else { &self.refusals };
        counter.set(counter.get() + 1);
        pipe.map(|pipe| PooledPipe { pipe: Some(pipe), pool: self })
    }

    fn make_pipe(&self, now: Instant) -> Option<Pipe> {
        let paused = self.refused_at.get().is_some_and(|at| now.duration_since(at) < REFUSAL_PAUSE);
        if paused || self.pipes_made.get() >= self.pipes_limit {
            return None;
        }
        // Whatever the reason for the refusal, copying is the answer.
        let pipe = Pipe::new(PIPE_BYTES).ok();
        match pipe {
            Some(_) => self.pipes_made.set(self.pipes_made.get() + 1),
            None => self.refused_at.set(Some(now)),
        }
        pipe
    }

    fn take_back_pipe(&self, pipe: Pipe) {
        self.lent.set(self.lent.get() - 1);
        if pipe.is_empty() {
            self.pipes.borrow_mut().push(pipe);
        } else {
            // Its session ended early. What is in it must never reach another: it is closed.
            self.pipes_made.set(self.pipes_made.get() - 1);
        }
    }
}

/// A buffer of the pool, and which part of it is still to be written. Goes back when dropped.
#[derive(Debug)]
pub(super) struct Buffer<'p> {
    bytes: Box<[u8]>,
    unwritten: Range<usize>,
    pool: &'p Pool,
}

impl Buffer<'_> {
    /// All of it, to be read into.
    pub(super) fn room(&mut self) -> &mut [u8] {
        &mut self.bytes
    }

    /// The first `count` bytes have been read and are to be written.
    pub(super) fn note_read(&mut self, count: usize) {
        self.unwritten = 0..count;
    }

    /// What is to be written.
    pub(super) fn unwritten(&self) -> &[u8] {
        &self.bytes[self.unwritten.clone()]
    }

    /// The first `count` of them have been.
    pub(super) fn note_written(&mut self, count: usize) {
        self.unwritten.start += count;
    }
}

impl Drop for Buffer<'_> {
    fn drop(&mut self) {
        self.pool.lent.set(self.pool.lent.get() - 1);
        let mut spare = self.pool.buffers.borrow_mut();
        if spare.len() < SPARE_BUFFERS {
            spare.push(mem::take(&mut self.bytes));
        }
    }
}

/// A pipe of the pool. Goes back when dropped, if it is empty.
#[derive(Debug)]
pub(super) struct PooledPipe<'p> {
    /// Present until it is dropped.
    pipe: Option<Pipe>,
    pool: &'p Pool,
}

impl PooledPipe<'_> {
    /// The pipe.
    pub(super) fn pipe(&mut self) -> &mut Pipe {
        self.pipe.as_mut().expect("only drop takes it")
    }
}

impl Drop for PooledPipe<'_> {
    fn drop(&mut self) {
        if let Some(pipe) = self.pipe.take() {
            self.pool.take_back_pipe(pipe);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{
        io::Write,
        os::{fd::AsFd, unix::net::UnixStream},
    };

    use tokio::time::Instant;

    use super::{Pool, SPARE_BUFFERS};

    #[test]
    fn lends_no_more_pipes_than_it_may_have_and_counts_who_went_without() {
        let pool = Pool::new(1);
        let now = Instant::now();
        let lent = pool.pipe(now).unwrap();
        assert!(pool.pipe(now).is_none());
        assert_eq!(pool.refusals(), 1);
        drop(lent);
        assert!(pool.pipe(now).is_some());
        assert_eq!(pool.refusals(), 1);
    }

    #[test]
    fn a_pipe_with_bytes_in_it_is_never_lent_again() {
        let pool = Pool::new(1);
        let now = Instant::now();
        let (mut source, socket) = UnixStream::pair().unwrap();
        source.write_all(b"secret").unwrap();
        let mut lent = pool.pipe(now).unwrap();
        lent.pipe().fill_from(socket.as_fd(), 6).unwrap();
        drop(lent);
        assert!(pool.pipes.borrow().is_empty());
        assert!(pool.pipe(now).unwrap().pipe().is_empty(), "a new one, in the old one's place");
    }

    #[test]
    fn keeps_a_bounded_number_of_buffers() {
        let pool = Pool::new(0);
        let lent: Vec<_> = (0..2 * SPARE_BUFFERS).map(|_| pool.buffer()).collect();
        drop(lent);
        assert_eq!(pool.buffers.borrow().len(), SPARE_BUFFERS);
        drop(pool.buffer());
        assert_eq!(pool.buffers.borrow().len(), SPARE_BUFFERS);
    }
}
