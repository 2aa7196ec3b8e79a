//! The clock of the model, and in which order coroutines go on at one instant.
//!
//! Nothing is woken: while anything changes, everything is asked again; when nothing does, limits are looked at, then attempts
//! may start; when none does, the clock jumps to the next instant that somebody waits for. That is slow, and plain to see.

use std::{
    cell::Cell,
    pin::pin,
    task::{Context, Poll, Waker},
};

/// Which of the things that happen at one instant is the first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// As the text has it, and what is around before what is within.
    Levels,
    /// As the text has it, each with all that is within it.
    Text,
    /// The other way round.
    Reverse,
    /// By a throw of dice.
    Dice(u64),
}

pub(super) struct Clock {
    order: Order,
    dice: Cell<u64>,
    /// How many rounds the dice may let somebody wait for others.
    rounds_max: u64,
    now: Cell<u64>,
    /// The next instant that somebody waits for.
    next: Cell<Option<u64>>,
    has_changed: Cell<bool>,
    /// How often everything was asked.
    round: Cell<u64>,
    stage: Cell<Stage>,
    /// Whether somebody who has slept until now may go on, and whether somebody would.
    has_turn: Cell<bool>,
    wants_turn: Cell<bool>,
}

/// What may happen at an instant once nothing before it does any more: what brings something on comes before what
/// cuts it short, and an attempt starts when all else has happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Stage {
    GoOn,
    Limits,
    Starts,
}

impl Clock {
    pub(super) fn new(order: Order) -> Self {
        let (dice, rounds_max) = match order {
            Order::Levels | Order::Text | Order::Reverse => (0, 0),
            Order::Dice(seed) => (seed | 1, 1 + seed % 7),
        };
        Self {
            order,
            dice: Cell::new(dice),
            rounds_max,
            now: Cell::new(0),
            next: Cell::new(None),
            has_changed: Cell::new(false),
            round: Cell::new(0),
            stage: Cell::new(Stage::GoOn),
            has_turn: Cell::new(false),
            wants_turn: Cell::new(false),
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
            self.round.set(self.round.get() + 1);
            self.has_changed.set(false);
            self.wants_turn.set(false);
            self.next.set(None);
            if let Poll::Ready(end) = program.as_mut().poll(&mut cx) {
                return Some(end);
            }
            let next = match (self.has_changed.get(), self.stage.get()) {
                (true, _) => Stage::GoOn,
                // Of those that wake at one instant the next one wakes when all that follows from the last has happened.
                (false, _) if self.wants_turn.get() => {
                    self.has_turn.set(true);
                    Stage::GoOn
                }
                (false, Stage::GoOn) => Stage::Limits,
                (false, Stage::Limits) => Stage::Starts,
                (false, Stage::Starts) => {
                    self.now.set(self.next.get()?);
                    Stage::GoOn
                }
            };
            self.stage.set(next);
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

    /// The same for a limit.
    pub(super) fn is_past(&self, limit: Option<u64>) -> bool {
        self.is_over(limit) && (limit < Some(self.now()) || self.stage.get() >= Stage::Limits)
    }

    /// Whether who sleeps until an instant wakes now.
    pub(super) fn wakes(&self, at: Option<u64>) -> bool {
        let may_wake = self.is_over(at) && self.has_turn.replace(false);
        self.wants_turn.set(self.wants_turn.get() || (self.is_over(at) && !may_wake));
        may_wake
    }

    pub(super) async fn sleep_until(&self, at: u64) {
        std::future::poll_fn(|_| if self.wakes(Some(at)) { Poll::Ready(()) } else { Poll::Pending }).await;
        self.changed();
    }

    /// Whether attempts may start: all else at this instant has happened. By the dice, also before that: where two
    /// attempts end at one instant, what follows the first may start before the second is heard of.
    pub(super) fn may_start(&self) -> bool {
        let is_early = matches!(self.order, Order::Dice(_)) && self.throw().is_multiple_of(4);
        is_early || self.stage.get() == Stage::Starts
    }

    /// Lets others go first, if the order has it so; all that are as deep, before what is deeper.
    pub(super) async fn yield_level(&self) {
        self.let_others(match self.order {
            Order::Levels => 1,
            Order::Text | Order::Reverse => 0,
            Order::Dice(_) => self.throw() % (self.rounds_max + 1),
        })
        .await;
    }

    /// The same between two steps of a block.
    pub(super) async fn yield_step(&self) {
        self.let_others(match self.order {
            Order::Levels | Order::Text | Order::Reverse => 0,
            Order::Dice(_) => self.throw() % (self.rounds_max + 1),
        })
        .await;
    }

    async fn let_others(&self, rounds: u64) {
        let until = self.round.get() + rounds;
        std::future::poll_fn(|_| {
            if self.round.get() >= until {
                return Poll::Ready(());
            }
            self.changed();
            Poll::Pending
        })
        .await;
    }

    /// In which order so many coroutines go on.
    pub(super) fn order_of(&self, count: usize) -> Vec<usize> {
        let mut order: Vec<usize> = (0..count).collect();
        match self.order {
            Order::Levels | Order::Text => {}
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
