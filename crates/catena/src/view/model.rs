//! What there is to show of an execution: a fold of its events beside the state's own, with what runs or waits now and
//! how many have ended. An event costs the same in an execution of ten thousand visits.

use std::collections::{BTreeMap, BTreeSet};

use catena_core::{
    Event, ExecutionId, State, StepIx, Timestamp, VisitNo,
    state::{Phase, VisitEnd, VisitPhase},
};
use catena_store::Entry;

use crate::document::steps_aside;

/// One execution as it goes on.
#[derive(Clone, Debug)]
pub(crate) struct Model {
    pub(super) execution: ExecutionId,
    pub(super) since: Option<Timestamp>,
    pub(super) course: Course,
    /// What runs, or waits for something that can be named.
    pub(super) rows: BTreeMap<VisitNo, Row>,
    /// Visits that wait for a slot.
    pub(super) queued: BTreeSet<VisitNo>,
    /// Visits that have not ended, blocks among them.
    open: BTreeSet<VisitNo>,
    /// Steps that have not been entered yet.
    ahead: BTreeSet<StepIx>,
    pub(super) ended: usize,
    pub(super) failed: usize,
    /// Something else that a person should know now.
    pub(super) note: Option<String>,
}

/// Where an execution is going.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Course {
    Forward,
    Cancelling,
    Undoing,
    Ended,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Row {
    pub(super) address: String,
    /// The attempt that runs, or ran last.
    pub(super) attempt: u32,
    pub(super) attempts_max: u32,
    pub(super) doing: Doing,
    /// The newest line of its log.
    pub(super) log: String,
}

/// What a visit is at, the most urgent first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Doing {
    InDoubt,
    Quarantined,
    Running {
        since: Timestamp,
    },
    /// The next attempt starts then.
    Retrying {
        until: Timestamp,
    },
    /// A `wait` step, over then.
    Waiting {
        until: Timestamp,
    },
    /// A person or a signal brings it on.
    Asking,
}

impl Model {
    /// An execution as it is.
    pub(crate) fn of(state: &State) -> Self {
        let in_undo = steps_aside(state.chain());
        let mut model = Self {
            execution: state.id(),
            since: state.started_at(),
            course: Course::Forward,
            rows: BTreeMap::new(),
            queued: BTreeSet::new(),
            open: BTreeSet::new(),
            ahead: state.chain().steps().map(|(ix, _)| ix).filter(|ix| !in_undo.contains(ix)).collect(),
            ended: 0,
            failed: 0,
            note: None,
        };
        for (visit, _) in state.visits() {
            model.open.insert(visit);
            model.place(state, visit);
        }
        model.set_course(state);
        model
    }

    /// One with nothing in it but these rows.
    #[cfg(test)]
    pub(super) fn sample(rows: Vec<Row>, queued: u32, ahead: u32) -> Self {
        let numbered = (0..).map(VisitNo).zip(rows);
        let rows: BTreeMap<VisitNo, Row> = numbered.collect();
        let queued: BTreeSet<VisitNo> = (0..queued).map(|no| VisitNo(1_000 + no)).collect();
        Self {
            execution: ExecutionId(7),
            since: Some(Timestamp::ZERO),
            course: Course::Forward,
            open: rows.keys().chain(&queued).copied().collect(),
            rows,
            queued,
            ahead: (0..ahead).map(StepIx).collect(),
            ended: 12,
            failed: 0,
            note: None,
        }
    }

    /// Takes an event that `state` has folded.
    pub(crate) fn event(&mut self, state: &State, entry: &Entry) {
        if let Event::VisitEntered { visit, .. } = &entry.event {
            self.open.insert(*visit);
        }
        if let Some(visit) = entry.event.visit() {
            self.place(state, visit);
        }
        self.set_course(state);
    }

    /// Visits that are known of: those that were entered, and the steps that may still be.
    pub(super) fn known(&self) -> usize {
        self.ended + self.open.len() + self.ahead.len()
    }

    pub(super) fn running(&self) -> usize {
        self.rows.values().filter(|row| matches!(row.doing, Doing::Running { .. })).count()
    }

    /// The rows, the most urgent and the oldest first.
    pub(super) fn sorted(&self) -> Vec<(VisitNo, &Row)> {
        let mut rows: Vec<(VisitNo, &Row)> = self.rows.iter().map(|(visit, row)| (*visit, row)).collect();
        rows.sort_by_key(|(visit, row)| (row.doing, *visit));
        rows
    }

    /// Whether what is shown changes with time alone.
    pub(super) fn moves(&self) -> bool {
        let moves = |row: &Row| match row.doing {
            Doing::Running { .. } | Doing::Retrying { .. } | Doing::Waiting { .. } => true,
            Doing::InDoubt | Doing::Quarantined | Doing::Asking => false,
        };
        self.rows.values().any(moves)
    }

    fn set_course(&mut self, state: &State) {
        self.since = state.started_at();
        self.course = match state.phase() {
            Phase::Created | Phase::Running if state.cancel().is_some() => Course::Cancelling,
            Phase::Created | Phase::Running | Phase::Handling(_) => Course::Forward,
            Phase::Undoing => Course::Undoing,
            Phase::Ended { .. } => Course::Ended,
        };
        if self.course == Course::Ended {
            self.rows.clear();
            self.queued.clear();
        }
    }

    /// Puts a visit where its phase says that it belongs.
    fn place(&mut self, state: &State, visit: VisitNo) {
        let entered = state.visit(visit);
        self.ahead.remove(&entered.step);
        self.queued.remove(&visit);
        match &entered.phase {
            VisitPhase::Ready => {
                self.queued.insert(visit);
                self.rows.remove(&visit);
            }
            VisitPhase::Attempting { started_at, .. } => {
                self.show(state, visit, Doing::Running { since: *started_at });
            }
            VisitPhase::Backoff { wake_at } => self.show(state, visit, Doing::Retrying { until: *wake_at }),
            VisitPhase::Waiting { wake_at } | VisitPhase::Interval { wake_at } => {
                self.show(state, visit, Doing::Waiting { until: *wake_at });
            }
            VisitPhase::InDoubt => self.show(state, visit, Doing::InDoubt),
            VisitPhase::Quarantined => self.show(state, visit, Doing::Quarantined),
            VisitPhase::Awaiting { .. } | VisitPhase::Asking { .. } => self.show(state, visit, Doing::Asking),
            VisitPhase::Answered(_)
            | VisitPhase::Looking
            | VisitPhase::Iterated
            | VisitPhase::Due
            | VisitPhase::Open(_) => {
                self.rows.remove(&visit);
            }
            VisitPhase::Ended(end) => self.end(visit, end),
        }
    }

    fn show(&mut self, state: &State, visit: VisitNo, doing: Doing) {
        let entered = state.visit(visit);
        let attempts_max = state.step_of(visit).retry.as_ref().map_or(1, |retry| retry.max_attempts);
        let row = Row {
            address: state.address(visit).to_string(),
            attempt: entered.attempts,
            // Attempts that were lost are no tries.
            attempts_max: attempts_max.saturating_add(entered.losses),
            doing,
            log: String::new(),
        };
        self.rows.insert(visit, row);
    }

    fn end(&mut self, visit: VisitNo, end: &VisitEnd) {
        self.rows.remove(&visit);
        if !self.open.remove(&visit) {
            return;
        }
        self.ended += 1;
        match end {
            VisitEnd::Failed { .. } => self.failed += 1,
            VisitEnd::Completed(_) | VisitEnd::Skipped(_) | VisitEnd::Cancelled => {}
        }
    }
}
