//! While the store takes nothing, because its disk is full or fails: nothing is started, what runs goes on, a cancel
//! stops what it can. What was in memory is dropped, since nobody knows what of it is stored; when the store takes
//! commits again, everything is taken up from there as after a crash.

use std::time::Duration;

use catena_core::{Effect, ExecutionId, Loaded, State};
use catena_runners::Beginning;
use catena_store::{Actor, Error as StoreError, InboxCommand};

use super::{
    Command, Consequences, Decided, Deferred, Dispatcher, Offer, Recovered, Reply, Slots, schedules::Hosting,
};
use crate::{Error, Notice, launch, load::Wanted};

/// Between two looks whether the store takes something again.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

pub(super) struct Outage {
    error: StoreError,
    /// Cancels that were asked for meanwhile: told once more when it is over, since nobody knows which are stored.
    cancels: Vec<Cancel>,
    /// Whether schedules fire here when it is over.
    pub(super) hosting: Hosting,
    /// The loader is looking. What it finds must not change until it is taken up.
    is_looking: bool,
    /// In time as it passes, whatever the clock says of it, and however much comes in meanwhile.
    look_at: Duration,
}

impl Outage {
    pub(super) fn look_at(&self) -> Duration {
        self.look_at
    }
}

struct Cancel {
    execution: ExecutionId,
    rollback: bool,
    force: bool,
    actor: Actor,
    /// None once it was answered.
    reply: Option<Reply<()>>,
}

impl Dispatcher {
    /// Nothing is accepted from here on, and what is in memory is not trusted.
    pub(super) fn suspend(&mut self, error: StoreError) {
        (self.shared.notify)(&Notice::Suspended { why: error.to_string(), is_disk_full: is_full(&error) });
        let (waiting, postponed) = (std::mem::take(&mut self.loading), self.postponed.take_all());
        let hosting = self.schedules.hosting;
        let look_at = self.shared.clock.passed() + LOOK_AGAIN;
        self.outage = Some(Outage { error, cancels: Vec::new(), hosting, is_looking: false, look_at });
        self.forget_all();
        for (execution, deferred) in postponed.into_iter().chain(waiting) {
            for deferred in deferred {
                self.defer_in_outage(execution, deferred);
            }
        }
        self.ask_for_cancels();
    }

    fn forget_all(&mut self) {
        self.hot.clear();
        self.postponed.clear();
        self.unaccepted.clear();
        self.reading.clear();
        self.timers.clear();
        self.armed.clear();
        self.pauses.clear();
        self.schedules.clear();
        self.gates.clear();
        self.inherited.clear();
        self.slots = Slots::new(self.slots_total, &self.pools);
    }

    /// Whether schedules are to fire here when it is over.
    pub(super) fn host_after_outage(&mut self, hosting: Hosting) {
        if let Some(outage) = &mut self.outage {
            outage.hosting = hosting;
        }
    }

    /// Why nothing is started now.
    pub(super) fn refusal(&self) -> Option<Error> {
        let outage = self.outage.as_ref()?;
        Some(Error::Suspended { why: outage.error.to_string(), is_disk_full: is_full(&outage.error) })
    }

    /// Has the loader look whether the store takes something again, unless it does.
    pub(super) fn look_again(&mut self) {
        let next_number = self.next_number;
        let look_at = self.shared.clock.passed() + LOOK_AGAIN;
        if let Some(outage) = &mut self.outage {
            outage.look_at = look_at;
        }
        if let Some(outage) = self.outage.as_mut().filter(|outage| !outage.is_looking) {
            outage.is_looking = true;
            self.load(Wanted::Unfinished { next_number });
        }
    }

    /// What the loader found: everything as it is stored, or that the store still takes nothing.
    pub(super) fn found(&mut self, found: Result<Box<Recovered>, StoreError>) {
        match (found, self.outage.take()) {
            (Ok(found), Some(outage)) => {
                (self.shared.notify)(&Notice::Resumed);
                self.recover(*found);
                for Cancel { execution, rollback, force, actor, reply } in outage.cancels {
                    let command = InboxCommand::Cancel { rollback, force };
                    self.with_state(execution, Deferred::Tell { command, actor, inbox: None, reply });
                }
                if outage.hosting == Hosting::Live {
                    self.host_schedules();
                }
            }
            (Err(error @ (StoreError::Corrupt(_) | StoreError::LeaseLost)), Some(_)) => self.stop(&error),
            (Err(_), Some(outage)) => {
                self.outage = Some(Outage { is_looking: false, ..outage });
                self.ask_for_cancels();
            }
            // It was stopped for good meanwhile.
            (_, None) => {}
        }
    }

    /// A cancel is carried out as far as it can be; whatever else is asked for has to wait.
    pub(super) fn tell_in_outage(
        &mut self,
        execution: ExecutionId,
        command: InboxCommand,
        actor: Actor,
        reply: Reply<()>,
    ) {
        self.defer_in_outage(execution, Deferred::Tell { command, actor, inbox: None, reply: Some(reply) });
        self.load(Wanted::Cancel(execution));
    }

    fn defer_in_outage(&mut self, execution: ExecutionId, deferred: Deferred) {
        let refusal = self.refusal();
        let Some(outage) = &mut self.outage else { return };
        match deferred {
            Deferred::Tell {
                command: InboxCommand::Cancel { rollback, force },
                actor,
                inbox: None,
                reply,
            } => {
                outage.cancels.push(Cancel { execution, rollback, force, actor, reply });
            }
            Deferred::Tell {
                command:
                    InboxCommand::Pause {}
                    | InboxCommand::Resume {}
                    | InboxCommand::Signal { .. }
                    | InboxCommand::Answer { .. }
                    | InboxCommand::Resolve { .. },
                inbox: None,
                reply,
                ..
            } => {
                if let (Some(reply), Some(refusal)) = (reply, refusal) {
                    reply(Err(refusal));
                }
            }
            // What is in the inbox is found there again.
            Deferred::Tell { inbox: Some(_), .. }
            | Deferred::Command(_)
            | Deferred::ChildIfStopped { .. }
            | Deferred::UndoIfForced { .. }
            | Deferred::Advance => {}
        }
    }

    /// Those that wait for an answer, once more.
    fn ask_for_cancels(&self) {
        let cancels = self.outage.iter().flat_map(|outage| &outage.cancels);
        for cancel in cancels.filter(|cancel| cancel.reply.is_some()) {
            self.load(Wanted::Cancel(cancel.execution));
        }
    }

    fn load(&self, wanted: Wanted) {
        self.shared.loads.send(wanted).expect("the loader lives as long as what it shares");
    }

    /// An execution that is to be cancelled: what runs of it is stopped at once, and the cancel is written with the
    /// space that the reserve has given back.
    pub(super) fn loaded_in_outage(&mut self, execution: ExecutionId, state: Result<Box<State>, StoreError>) {
        let Some(outage) = &mut self.outage else { return };
        let is_looking = outage.is_looking;
        let waits = |cancel: &&mut Cancel| cancel.execution == execution && cancel.reply.is_some();
        let state = match state {
            Ok(state) => state,
            Err(error) => {
                for cancel in outage.cancels.iter_mut().filter(waits) {
                    answer(&mut cancel.reply, &error, execution);
                }
                return;
            }
        };
        // One that was being read for another reason when the outage began is left alone.
        if !outage.cancels.iter_mut().any(|cancel| waits(&cancel)) {
            return;
        }
        self.stop_attempts(&state);
        if is_looking {
            // It is told when the look is over, one way or the other.
            return;
        }
        let Some(outage) = &mut self.outage else { return };
        let Some(cancel) = outage.cancels.iter_mut().find(waits) else { return };
        let (rollback, force) = (cancel.rollback, cancel.force);
        let (actor, reply) = (cancel.actor.clone(), cancel.reply.take());
        let refusal = Error::CancelLater(outage.error.to_string(), is_full(&outage.error));
        self.hot.insert(execution, *state);
        // No slot is offered: nothing starts.
        let outside = self.outside(Offer::default());
        let at = outside.now;
        let decided = self.hot.get_mut(&execution).expect("just put there").decide(
            Command::CancelExecution { rollback, force },
            outside,
            &Loaded::default(),
        );
        match (decided, reply) {
            (Ok(decision), Some(reply)) => {
                let reply: Reply<()> =
                    Box::new(move |written: Result<(), Error>| reply(written.map_err(|_| refusal)));
                let decided = Decided { at, decision, at_hand: Loaded::default() };
                let consequences = Consequences { reply: Some(reply), ..Consequences::default() };
                self.commit(execution, decided, actor, consequences);
            }
            (Err(rejection), Some(reply)) => reply(Err(rejection.into())),
            (Ok(_) | Err(_), None) => {}
        }
        self.forget_all();
    }

    fn stop_attempts(&self, state: &State) {
        for effect in state.pending_effects() {
            let (Effect::StartAttempt { visit, attempt } | Effect::StopAttempt { visit, attempt }) = effect
            else {
                continue;
            };
            let stop = Effect::StopAttempt { visit, attempt };
            self.shared.perform(launch::act(state, stop, self.shared.lease, Beginning::Fresh));
        }
    }
}

fn answer(reply: &mut Option<Reply<()>>, error: &StoreError, execution: ExecutionId) {
    if let Some(reply) = reply.take() {
        reply(Err(match error {
            StoreError::NotFound(_) => Error::UnknownExecution(execution),
            other => other.clone().into(),
        }));
    }
}

fn is_full(error: &StoreError) -> bool {
    matches!(error, StoreError::Unavailable { disk_full: true, .. })
}
