//! Tells the sessions of a listener that their time is up. A session that goes on pays two words of
//! memory and a load for it.

use std::{
    cell::{Cell, RefCell},
    pin::Pin,
    task::{Context, Poll, Waker},
};

/// One call that everybody who waits hears, now or later. It stays on one thread, like the sessions
/// of a worker: tokio's `Notify` does the same across threads, and takes a lock each time a session
/// moves bytes.
#[derive(Debug, Default)]
pub(super) struct Stop {
    called: Cell<bool>,
    waiting: RefCell<Slots>,
}

/// The tasks that wait; a slot that is given back is used again.
#[derive(Debug, Default)]
struct Slots {
    wakers: Vec<Option<Waker>>,
    free: Vec<usize>,
}

impl Stop {
    /// Wakes everybody, once and for all.
    pub(super) fn call(&self) {
        self.called.set(true);
        let mut slots = self.waiting.borrow_mut();
        let wakers: Vec<_> = slots.wakers.iter_mut().filter_map(Option::take).collect();
        drop(slots);
        wakers.into_iter().for_each(Waker::wake);
    }

    /// Waits until it is called.
    pub(super) fn called(&self) -> Called<'_> {
        Called { stop: self, slot: None }
    }
}

/// See [`Stop::called`].
#[derive(Debug)]
pub(super) struct Called<'s> {
    stop: &'s Stop,
    slot: Option<usize>,
}

impl Future for Called<'_> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        if self.stop.called.get() {
            return Poll::Ready(());
        }
        let mut slots = self.stop.waiting.borrow_mut();
        let slot = *self.slot.get_or_insert_with(|| slots.take());
        match &mut slots.wakers[slot] {
            Some(waker) => waker.clone_from(cx.waker()),
            empty => *empty = Some(cx.waker().clone()),
        }
        Poll::Pending
    }
}

impl Drop for Called<'_> {
    fn drop(&mut self) {
        if let Some(slot) = self.slot {
            let mut slots = self.stop.waiting.borrow_mut();
            slots.wakers[slot] = None;
            slots.free.push(slot);
        }
    }
}

impl Slots {
    fn take(&mut self) -> usize {
        self.free.pop().unwrap_or_else(|| {
            self.wakers.push(None);
            self.wakers.len() - 1
        })
    }
}

#[cfg(test)]
mod tests {
    use std::rc::Rc;

    use tokio::task;

    use super::*;
    use crate::runtime::sample::test_runtime;

    #[test]
    fn everybody_hears_the_call_who_waits_and_who_comes_later() {
        test_runtime(async {
            let stop = Rc::new(Stop::default());
            let waiting: Vec<_> = (0..3)
                .map(|_| {
                    let stop = Rc::clone(&stop);
                    task::spawn_local(async move { stop.called().await })
                })
                .collect();
            task::yield_now().await;
            assert!(waiting.iter().all(|task| !task.is_finished()));
            stop.call();
            for task in waiting {
                task.await.unwrap();
            }
            stop.called().await;
        });
    }

    #[test]
    fn a_slot_is_used_again() {
        let stop = Stop::default();
        let mut context = Context::from_waker(Waker::noop());
        for _ in 0..100 {
            let (mut one, mut two) = (stop.called(), stop.called());
            assert!(Pin::new(&mut one).poll(&mut context).is_pending());
            assert!(Pin::new(&mut two).poll(&mut context).is_pending());
        }
        assert_eq!(stop.waiting.borrow().wakers.len(), 2);
    }
}
