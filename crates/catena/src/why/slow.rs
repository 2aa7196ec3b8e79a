//! What took the time: the steps that took most of it, with waiting for a slot apart from running.

use std::collections::BTreeMap;

use catena_core::{Event, Timestamp, VisitNo, event::Plan, state::Phase};
use catena_store::Entry;

use super::{
    case::Case,
    reason::{About, Reason, span},
};

/// What is over sooner is not called slow.
const SLOW_FROM_US: u64 = 1_000_000;
/// Steps that are named, each of at least a tenth of the whole.
const NAMED: usize = 3;
const PART: u64 = 10;

/// Where the time of a visit went.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Spent {
    pub(super) running_us: u64,
    pub(super) for_slot_us: u64,
    /// Between attempts.
    pub(super) pausing_us: u64,
    /// For an instant, a signal or a person, as its step says.
    pub(super) waiting_us: u64,
}

impl Spent {
    pub(super) fn whole_us(self) -> u64 {
        self.running_us + self.for_slot_us + self.pausing_us + self.waiting_us
    }

    fn words(self) -> String {
        let parts = [
            (self.running_us, "running"),
            (self.for_slot_us, "waiting for a slot"),
            (self.pausing_us, "pausing between attempts"),
            (self.waiting_us, "waiting as its step says"),
        ];
        let large = parts.iter().filter(|(us, _)| *us >= 1_000);
        large.map(|(us, what)| format!("{} {what}", span(*us))).collect::<Vec<_>>().join(", ")
    }
}

pub(super) fn reasons(case: &Case<'_>) -> Vec<Reason> {
    let Some(started) = case.state.started_at() else { return Vec::new() };
    let until = match case.state.phase() {
        Phase::Ended { at, .. } => *at,
        Phase::Created | Phase::Running | Phase::Undoing | Phase::Handling(_) => case.now,
    };
    let whole = until.micros_since(started);
    if whole < SLOW_FROM_US {
        return Vec::new();
    }
    let mut spent: Vec<(VisitNo, Spent)> = spent(case.entries, case.now).into_iter().collect();
    spent.retain(|(no, spent)| is_told_of(case, *no) && spent.whole_us() >= SLOW_FROM_US.max(whole / PART));
    spent.sort_by_key(|(no, spent)| (std::cmp::Reverse(spent.whole_us()), *no));
    spent.iter().take(NAMED).map(|(no, spent)| of_visit(case, *no, *spent, whole)).collect()
}

/// What still waits is told of by what it waits for.
fn is_told_of(case: &Case<'_>, no: VisitNo) -> bool {
    case.is_about(no) && (case.state.visit(no).has_ended() || case.state.live_attempt(no).is_some())
}

fn of_visit(case: &Case<'_>, no: VisitNo, spent: Spent, whole: u64) -> Reason {
    let address = case.address(no);
    let percent = (spent.whole_us() * 100 / whole.max(1)).min(100);
    let message = format!(
        "`{address}` took {} of the {} of the whole ({percent} %): {}",
        span(spent.whole_us()),
        span(whole),
        spent.words()
    );
    let reason = Reason::new(About::Slow, message).at(address);
    match spent.for_slot_us > spent.running_us {
        true => reason.next("catena config show, which shows how many slots there are"),
        false if case.state.visit(no).attempts > 0 => {
            reason.next(format!("catena ps logs {} --timestamps --step {}", case.id(), case.word(no)))
        }
        false => reason,
    }
}

/// What a visit is at since when, on the way through the journal.
#[derive(Clone, Copy)]
enum Since {
    Slot(Timestamp),
    Running(Timestamp),
    Pausing(Timestamp),
    Waiting(Timestamp),
}

/// Of each visit that is not made of others, from one pass over the journal.
pub(super) fn spent(entries: &[Entry], now: Timestamp) -> BTreeMap<VisitNo, Spent> {
    let mut spent: BTreeMap<VisitNo, Spent> = BTreeMap::new();
    let mut open: BTreeMap<VisitNo, Since> = BTreeMap::new();
    for entry in entries {
        let Some(no) = entry.event.visit() else { continue };
        let Some(since) = next_since(entry) else { continue };
        if let Some(before) = open.remove(&no) {
            spent.entry(no).or_default().add(before, entry.at);
        }
        open.extend(since.map(|since| (no, since)));
    }
    open.into_iter().for_each(|(no, since)| spent.entry(no).or_default().add(since, now));
    spent
}

impl Spent {
    fn add(&mut self, since: Since, until: Timestamp) {
        let (sum, from) = match since {
            Since::Slot(from) => (&mut self.for_slot_us, from),
            Since::Running(from) => (&mut self.running_us, from),
            Since::Pausing(from) => (&mut self.pausing_us, from),
            Since::Waiting(from) => (&mut self.waiting_us, from),
        };
        *sum += until.micros_since(from);
    }
}

/// What the visit of an event is at from then on; the outer none where the event changes nothing in that.
fn next_since(entry: &Entry) -> Option<Option<Since>> {
    let at = entry.at;
    match &entry.event {
        Event::VisitEntered { plan, .. } | Event::IterationStarted { plan, .. } => match plan {
            Plan::Attempt(_) => Some(Some(Since::Slot(at))),
            Plan::Wait { .. } | Plan::Await { .. } | Plan::Ask { .. } => Some(Some(Since::Waiting(at))),
            Plan::Blocks
            | Plan::Items(_)
            | Plan::Values(_)
            | Plan::Skip(_)
            | Plan::Fail(_)
            | Plan::End { .. }
            | Plan::Raise(_)
            | Plan::Adopt
            | Plan::Pin(_) => None,
        },
        Event::AttemptStarted { .. } => Some(Some(Since::Running(at))),
        Event::AttemptEnded { .. } => Some(None),
        Event::RetryScheduled { .. } | Event::IterationScheduled { .. } => Some(Some(Since::Pausing(at))),
        Event::TimerFired { .. } | Event::AttemptRequeued { .. } => Some(Some(Since::Slot(at))),
        Event::VisitCompleted { .. }
        | Event::VisitFailed { .. }
        | Event::VisitCancelled { .. }
        | Event::VisitInDoubt { .. }
        | Event::VisitQuarantined { .. } => Some(None),
        Event::ExecutionCreated { .. }
        | Event::ExecutionStarted {}
        | Event::BlockOpened { .. }
        | Event::NextDelayed { .. }
        | Event::DelayElapsed { .. }
        | Event::CheckpointRecorded { .. }
        | Event::IterationEnded { .. }
        | Event::AlternativeStarted { .. }
        | Event::VisitStopping { .. }
        | Event::VisitResolved { .. }
        | Event::Jumped { .. }
        | Event::BlockStopping { .. }
        | Event::BlockEnded { .. }
        | Event::CancelRequested { .. }
        | Event::ExecutionPaused {}
        | Event::ExecutionResumed {}
        | Event::ExecutionTimedOut { .. }
        | Event::UndoStarted {}
        | Event::ExecutionHeld {}
        | Event::ExecutionAdmitted {}
        | Event::StepsSelected { .. }
        | Event::ResultsAdopted { .. }
        | Event::DutiesAdopted { .. }
        | Event::SignalReceived { .. }
        | Event::SignalTaken { .. }
        | Event::ApprovalAnswered { .. }
        | Event::ChildStarted { .. }
        | Event::ChildHalted { .. }
        | Event::ChildUndoStarted { .. }
        | Event::ChildUndoEnded { .. }
        | Event::ChildUndoHalted { .. }
        | Event::CacheAnswered { .. }
        | Event::HandlersStarted { .. }
        | Event::StopForced {}
        | Event::ExecutionEnded { .. } => None,
    }
}
