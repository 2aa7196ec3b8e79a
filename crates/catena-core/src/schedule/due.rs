//! What a schedule does at a moment: which of its instants are due, what becomes of each, and what starts. Pure, so
//! that a jump of the clock, a night's sleep and a host that was away are nothing but other numbers.
//!
//! Every instant that has come gets a row, once. Beyond [`ROWS_MAX`] the earliest are told in one row together: a
//! clock that jumps a year ahead is bounded work.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use super::Overlap;
use crate::{
    status::{FireKind, FireOutcome, FireReason},
    time::Timestamp,
};

/// Rows that one decision writes for instants which were missed; more of them share a row.
pub const ROWS_MAX: usize = 100;
/// Instants that one decision counts.
pub const WALK_MAX: u32 = 10_000;
/// Fires that wait for the running execution to end.
pub const WAITING_MAX: usize = 100;
/// A start up to so much behind its instant is on time: an engine that was just coming up has missed nothing.
pub const GRACE_MS: u64 = 10_000;

/// When a schedule would fire, whatever comes of it.
pub trait Instants {
    /// The first instant after this one.
    fn next_after(&self, after: Timestamp) -> Option<Timestamp>;

    /// How much later than its instant a fire is meant to start.
    fn delay_ms(&self, _at: Timestamp) -> u64 {
        0
    }
}

/// Which missed instants are made up for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MakeUp {
    Nothing,
    Latest,
    /// The latest of them, one after another.
    UpTo(usize),
}

/// Whether a schedule may start anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Gate {
    Open,
    Closed(FireReason),
}

/// All that a decision looks at.
#[derive(Clone, Copy, Debug)]
pub struct Situation {
    pub overlap: Overlap,
    pub make_up: MakeUp,
    /// Instants further back are not made up for.
    pub within_ms: Option<u64>,
    pub gate: Gate,
    /// Every instant up to here has its row.
    pub considered_until: Timestamp,
    pub now: Timestamp,
    /// Executions of the schedule that have not ended.
    pub running: usize,
    /// Fires that wait for those.
    pub waiting: usize,
}

/// What becomes of one instant, or of several that nothing starts for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fire {
    pub at: Timestamp,
    /// The last of several instants.
    pub until: Option<Timestamp>,
    /// How many instants; none where there are more than [`WALK_MAX`].
    pub count: Option<u32>,
    pub kind: FireKind,
    pub outcome: FireOutcome,
    pub reason: Option<FireReason>,
}

impl Fire {
    pub fn one(at: Timestamp, kind: FireKind, outcome: FireOutcome, reason: Option<FireReason>) -> Self {
        Self { at, until: None, count: Some(1), kind, outcome, reason }
    }
}

/// What was decided.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Due {
    /// In order of their instants. What is `started` or `late` starts now; at most one does.
    pub fires: Vec<Fire>,
    /// The running executions are cancelled, and what waits for them is skipped.
    pub cancels_running: bool,
    pub considered_until: Timestamp,
    /// The next instant that is not decided.
    pub next: Option<Timestamp>,
}

/// Decides all instants that have come.
pub fn due(situation: &Situation, instants: &dyn Instants) -> Due {
    let keep = match situation.make_up {
        MakeUp::UpTo(most) => most.max(ROWS_MAX),
        MakeUp::Nothing | MakeUp::Latest => ROWS_MAX,
    };
    let passed = Passed::find(situation, instants, keep);
    let considered_until = passed.latest.back().copied().unwrap_or(situation.considered_until);
    let next = instants.next_after(considered_until);
    let mut due = Due { fires: Vec::new(), cancels_running: false, considered_until, next };
    if let Gate::Closed(reason) = situation.gate {
        due.miss(&passed, passed.latest.len(), reason);
        return due;
    }
    let Some(last) = passed.latest.back().copied() else { return due };
    let meant_at = last.plus_ms(instants.delay_ms(last));
    let is_on_time = situation.now <= meant_at.plus_ms(GRACE_MS);
    let made_up = situation.made_up(&passed.latest, is_on_time);
    due.miss(&passed, passed.latest.len() - made_up, situation.missed_reason(made_up));
    match made_up {
        0 => {}
        1 => due.place(situation, last, is_on_time),
        _ => due.sequence(situation, passed.latest.range(passed.latest.len() - made_up..), is_on_time),
    }
    due
}

/// The outcome of a fire that has waited, when it starts.
pub fn started(at: Timestamp, now: Timestamp) -> FireOutcome {
    if now <= at.plus_ms(GRACE_MS) { FireOutcome::Started } else { FireOutcome::Late }
}

impl Situation {
    /// How many of the latest instants are made up for, the one that is on time among them.
    fn made_up(&self, latest: &VecDeque<Timestamp>, is_on_time: bool) -> usize {
        let most = match self.make_up {
            MakeUp::Nothing => 0,
            MakeUp::Latest => 1,
            MakeUp::UpTo(most) => most,
        };
        let is_within = |at: &&Timestamp| self.within_ms.is_none_or(|within| self.now <= at.plus_ms(within));
        let wanted = latest.iter().rev().take(most).take_while(is_within).count();
        wanted.max(usize::from(is_on_time))
    }

    /// Why the instants before those were missed.
    fn missed_reason(&self, made_up: usize) -> FireReason {
        match self.make_up {
            MakeUp::Nothing => FireReason::TooLate,
            MakeUp::Latest if made_up > 0 => FireReason::LaterDue,
            MakeUp::UpTo(most) if made_up >= most => FireReason::TooMany,
            MakeUp::Latest | MakeUp::UpTo(_) => FireReason::TooLate,
        }
    }

    fn is_busy(&self) -> bool {
        self.running > 0 || self.waiting > 0
    }
}

impl Due {
    /// Rows for the first `count` of the latest instants and all before them; the earliest share one.
    fn miss(&mut self, passed: &Passed, count: usize, reason: FireReason) {
        let shared = count.saturating_sub(ROWS_MAX);
        let mut together = passed.earlier;
        for at in passed.latest.iter().take(shared) {
            together = Some(match together {
                None => Together { from: *at, until: *at, count: Some(1) },
                Some(before) => Together { until: *at, count: before.count.map(|n| n + 1), ..before },
            });
        }
        let missed = |at| Fire::one(at, FireKind::Scheduled, FireOutcome::Missed, Some(reason));
        if let Some(Together { from, until, count }) = together {
            self.fires.push(Fire { until: Some(until), count, ..missed(from) });
        }
        self.fires.extend(passed.latest.range(shared..count).map(|at| missed(*at)));
    }

    /// One fire: what happens if the last execution still runs is up to the schedule.
    fn place(&mut self, situation: &Situation, at: Timestamp, is_on_time: bool) {
        let (kind, starts) = kind_of(is_on_time);
        let (outcome, reason) = match situation.overlap {
            Overlap::Allow => (starts, None),
            _ if !situation.is_busy() => (starts, None),
            Overlap::Skip => (FireOutcome::Skipped, Some(FireReason::Running)),
            Overlap::Queue if situation.waiting >= WAITING_MAX => {
                (FireOutcome::Skipped, Some(FireReason::QueueFull))
            }
            Overlap::Queue => (FireOutcome::Waiting, Some(FireReason::Running)),
            Overlap::CancelRunning => {
                self.cancels_running = true;
                (FireOutcome::Waiting, Some(FireReason::Running))
            }
        };
        self.fires.push(Fire::one(at, kind, outcome, reason));
    }

    /// Several fires, one after another.
    fn sequence<'a>(
        &mut self,
        situation: &Situation,
        fires: impl ExactSizeIterator<Item = &'a Timestamp>,
        is_on_time: bool,
    ) {
        let last = fires.len() - 1;
        for (nth, at) in fires.enumerate() {
            let (kind, starts) = kind_of(is_on_time && nth == last);
            let fire = match nth == 0 && !situation.is_busy() {
                true => Fire::one(*at, kind, starts, None),
                false => Fire::one(*at, kind, FireOutcome::Waiting, Some(FireReason::Running)),
            };
            self.fires.push(fire);
        }
    }
}

fn kind_of(is_on_time: bool) -> (FireKind, FireOutcome) {
    match is_on_time {
        true => (FireKind::Scheduled, FireOutcome::Started),
        false => (FireKind::CatchUp, FireOutcome::Late),
    }
}

/// The instants that have come and have no row.
struct Passed {
    /// Those before the latest.
    earlier: Option<Together>,
    /// The latest, in order.
    latest: VecDeque<Timestamp>,
}

#[derive(Clone, Copy)]
struct Together {
    from: Timestamp,
    until: Timestamp,
    count: Option<u32>,
}

impl Passed {
    fn find(situation: &Situation, instants: &dyn Instants, keep: usize) -> Self {
        let Situation { considered_until, now, .. } = *situation;
        let mut found = Self { earlier: None, latest: VecDeque::new() };
        let mut after = considered_until;
        let mut walked = 0;
        while let Some(at) = instants.next_after(after)
            && at.plus_ms(instants.delay_ms(at)) <= now
        {
            walked += 1;
            if walked > WALK_MAX {
                return found.look_back(situation, instants, keep);
            }
            found.latest.push_back(at);
            if found.latest.len() > keep {
                found.fold_first();
            }
            after = at;
        }
        found
    }

    fn fold_first(&mut self) {
        let Some(at) = self.latest.pop_front() else { return };
        self.earlier = Some(match self.earlier {
            None => Together { from: at, until: at, count: Some(1) },
            Some(before) => Together { until: at, count: before.count.map(|n| n + 1), ..before },
        });
    }

    /// There are too many to walk over: the latest are found from the other end.
    fn look_back(self, situation: &Situation, instants: &dyn Instants, keep: usize) -> Self {
        let from = self.earlier.map_or(situation.considered_until, |earlier| earlier.from);
        let mut window_ms = 1_000;
        loop {
            let start = Timestamp(situation.now.0.saturating_sub(window_ms * 1_000)).max(from);
            let mut latest = VecDeque::new();
            let mut dropped = start;
            let mut after = start;
            let mut walked = 0;
            while let Some(at) = instants.next_after(after)
                && at.plus_ms(instants.delay_ms(at)) <= situation.now
                && walked < WALK_MAX
            {
                walked += 1;
                latest.push_back(at);
                if latest.len() > keep {
                    dropped = latest.pop_front().unwrap_or(dropped);
                }
                after = at;
            }
            if latest.len() >= keep || start == from {
                return Self { earlier: Some(Together { from, until: dropped, count: None }), latest };
            }
            window_ms = window_ms.saturating_mul(2);
        }
    }
}
