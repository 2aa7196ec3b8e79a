//! The clock of the model, and in which order coroutines go on at one instant.
//!
//! Nothing is woken: while anything changes, everything is asked again; when nothing does, attempts may start; when none
//! does that either, the clock jumps to the next instant that somebody waits for. That is slow, and plain to see.

use std::{
    cell::Cell,
    pin::pin,
    task::{Context, Poll, Waker},
};

/// Which of the things that happen at one instant is the first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// As the text has it.
    Text,
    /// The other way round.
    Reverse,
    /// By a throw of dice.
    Dice(u64),
}

pub(super) struct Clock {
    order: Order,
    dice: Cell<u64>,
    now: Cell<u64>,
    /// The next instant that somebody waits for.
    next: Cell<Option<u64>>,
    has_changed: Cell<bool>,
    may_start: Cell<bool>,
}

impl Clock {
    pub(super) fn new(order: Order) -> Self {
        let dice = match order {
            Order::Text | Order::Reverse => 0,
            Order::Dice(seed) => seed | 1,
        };
        Self {
            order,
            dice: Cell::new(dice),
            now: Cell::new(0),
            next: Cell::new(None),
            has_changed: Cell::new(false),
            may_start: Cell::new(false),
        }
    }

    pub(super) fn now(&self) -> u64 {
        self.now.get()
    }

    /// Something has happened that others may have waited for.
    pub(super) fn changed(&self) {
        self.has_changed.set(true);
    }

    /// Runs to the end; None if it waits for what never comes.
    pub(super) fn run<T>(&self, program: impl Future<Output = T>) -> Option<T> {
        let mut program = pin!(program);
        let mut cx = Context::from_waker(Waker::noop());
        loop {
            self.has_changed.set(false);
            self.next.set(None);
            if let Poll::Ready(end) = program.as_mut().poll(&mut cx) {
                return Some(end);
            }
            match (self.has_changed.get(), self.may_start.get()) {
                (true, _) => self.may_start.set(false),
                (false, false) => self.may_start.set(true),
                (false, true) => {
                    self.may_start.set(false);
                    self.now.set(self.next.get()?);
                }
            }
        }
    }

    /// Whether an instant has come; if not, somebody waits for it.
    pub(super) fn is_over(&self, at: Option<u64>) -> bool {
        let Some(at) = at else { return false };
        if at > self.now() {
            self.next.set(Some(self.next.get().map_or(at, |next| next.min(at))));
        }
        at <= self.now()
    }

    pub(super) async fn sleep_until(&self, at: u64) {
        std::future::poll_fn(|_| if self.is_over(Some(at)) { Poll::Ready(()) } else { Poll::Pending }).await;
        self.changed();
    }

    /// Whether attempts may start: all else at this instant has happened.
    pub(super) fn may_start(&self) -> bool {
        self.may_start.get()
    }

    /// Lets others go first, if the order has it so.
    pub(super) async fn yield_now(&self) {
        let mut turns = match self.order {
            Order::Text | Order::Reverse => 0,
            Order::Dice(_) => self.throw() % 3,
        };
        std::future::poll_fn(|_| {
            if turns == 0 {
                return Poll::Ready(());
            }
            turns -= 1;
            self.changed();
            Poll::Pending
        })
        .await;
    }

    /// In which order so many coroutines go on.
    pub(super) fn order_of(&self, count: usize) -> Vec<usize> {
        let mut order: Vec<usize> = (0..count).collect();
        match self.order {
            Order::Text => {}
            Order::Reverse => order.reverse(),
            Order::Dice(_) => order.sort_by_cached_key(|_| self.throw()),
        }
        order
    }

    fn throw(&self) -> u64 {
        // Xorshift: cheap, and the same everywhere.
        let mut dice = self.dice.get();
        dice ^= dice << 13;
        dice ^= dice >> 7;
        dice ^= dice << 17;
        self.dice.set(dice);
        dice >> 11
    }
}
