//! Pauses as the engine lives through them. A timer is an instant of the wall clock, because it has to outlive the
//! engine; but a pause is so much time, and a clock that is set back meanwhile must not make it longer. So each timer has
//! a second limit by time that has passed, and what is a pause ends at the first of the two.

use std::{
    collections::{BTreeSet, HashMap},
    time::Duration,
};

use catena_core::{
    ExecutionId, State, Timestamp,
    chain::{Wait, Work},
    state::Timer,
};

/// The second limit comes so much later that a clock that is merely corrected never makes it the first.
const SLACK: Duration = Duration::from_secs(1);

#[derive(Default)]
pub(super) struct Pauses {
    limits: BTreeSet<(Duration, ExecutionId)>,
    armed: HashMap<ExecutionId, (Duration, Timestamp)>,
    /// Those whose time has passed while the clock says that it has not, and what the clock was to say.
    over: HashMap<ExecutionId, Timestamp>,
}

impl Pauses {
    /// `left` is how long it is until `wake_at`, `passed` the time that has passed now.
    pub(super) fn arm(
        &mut self,
        execution: ExecutionId,
        wake_at: Timestamp,
        left: Duration,
        passed: Duration,
    ) {
        self.disarm(execution);
        let limit = passed.saturating_add(left).saturating_add(SLACK);
        self.limits.insert((limit, execution));
        self.armed.insert(execution, (limit, wake_at));
    }

    pub(super) fn disarm(&mut self, execution: ExecutionId) {
        if let Some((limit, _)) = self.armed.remove(&execution) {
            self.limits.remove(&(limit, execution));
        }
        self.over.remove(&execution);
    }

    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }

    pub(super) fn next_limit(&self) -> Option<Duration> {
        self.limits.first().map(|(limit, _)| *limit)
    }

    /// The next execution whose limit has come.
    pub(super) fn take_over(&mut self, passed: Duration) -> Option<ExecutionId> {
        let (_, execution) = self.limits.first().copied().filter(|(limit, _)| *limit <= passed)?;
        let (_, wake_at) = self.armed.get(&execution).copied()?;
        self.disarm(execution);
        self.over.insert(execution, wake_at);
        Some(execution)
    }

    /// The time at which an execution decides: the clock's, unless a pause of it is over that the clock makes longer.
    /// It stays over until the execution has decided: a command that is rejected is no decision.
    pub(super) fn now(&self, state: &State, now: Timestamp) -> Timestamp {
        match self.over.get(&state.id()) {
            Some(wake_at) if waits_for_time_to_pass(state, *wake_at) => now.max(*wake_at),
            Some(_) | None => now,
        }
    }
}

/// Whether what is to be woken is a pause or a limit. Who waits for an instant waits for the clock.
fn waits_for_time_to_pass(state: &State, wake_at: Timestamp) -> bool {
    match state.agenda().next_timer().filter(|(at, _)| *at <= wake_at) {
        Some((_, Timer::Wake(visit))) => {
            let work = &state.step_of(visit).work;
            !matches!(work, Work::Wait { wait: Wait::Until(_) | Wait::UntilExpr(_) })
        }
        Some((
            _,
            Timer::Delay(_) | Timer::Held(_) | Timer::Handler(_) | Timer::Deadline(_) | Timer::Execution,
        )) => true,
        None => false,
    }
}
