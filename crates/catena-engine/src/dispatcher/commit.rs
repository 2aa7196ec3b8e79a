//! Commit, then act: what was decided goes to the writer, and what follows from it happens when it is durable.

use std::{collections::BTreeSet, sync::Arc};

use catena_core::{
    Decision, Event, ExecutionId, Loaded, State, Timestamp,
    chain::Pool,
    event::Trigger,
    faults::{self, Fault},
    state::ResultOrigin,
};
use catena_runners::{Beginning, Recorded};
use catena_store::{Actor, Append, Cached, Commit, Entry, Error as StoreError, FireRow, Record};

use super::{Ask, CallNews, Caller, Dispatcher, Input, Reply, Shared, is_evictable, news_of, slots_moved};
use crate::{
    Error, Started,
    follow::Update,
    launch::{self, Act},
    load::Wanted,
    schedule::Announcement,
    trace,
};

/// What an execution has answered, and when, and the large values that it had at hand.
pub(super) struct Decided {
    pub(super) at: Timestamp,
    pub(super) decision: Decision,
    pub(super) at_hand: Loaded,
}

/// What happens with a commit besides its events: before it in `records`, after it in the rest.
#[derive(Default)]
pub(super) struct Consequences {
    pub(super) records: Vec<Record>,
    pub(super) acts: Vec<Act>,
    pub(super) reply: Option<Reply<()>>,
    pub(super) recorded: Option<Recorded>,
    pub(super) started: Option<(Started, Option<String>, Reply<Started>)>,
    /// What followers of schedules are told.
    pub(super) news: Vec<Announcement>,
    /// The fire that the execution starts for: its instant may turn out to have one.
    pub(super) fire: Option<Box<Claim>>,
    /// Large values that the next decision reads.
    pub(super) wanted: Option<Wanted>,
    /// Who waits for the end of the execution.
    pub(super) ended: Option<(Caller, CallNews)>,
}

/// The start of an execution for an instant.
pub(crate) struct Claim {
    pub(crate) row: FireRow,
    /// What is written all the same if the instant turns out to have an execution: how far its schedule has come, and
    /// the instants that were missed before.
    pub(crate) beside: Vec<Record>,
}

/// What the writer's thread does when the commit is durable.
struct AfterCommit {
    shared: Arc<Shared>,
    execution: ExecutionId,
    consequences: Consequences,
    /// What followers get; `None` if no event was committed.
    publish: Option<Update>,
    /// Tell the dispatcher, which may then let the execution go.
    durable: Option<u64>,
}

impl Dispatcher {
    /// Commits the events that an execution in memory has just decided.
    pub(super) fn commit(
        &mut self,
        execution: ExecutionId,
        decided: Decided,
        actor: Actor,
        mut consequences: Consequences,
    ) {
        let Decided { at: now, decision: Decision { events, blobs, needs }, at_hand } = decided;
        let is_held_up = !needs.is_empty();
        consequences.wanted = self.values_to_read(execution, needs, at_hand);
        consequences.records.extend(blobs.into_iter().map(Record::Value));
        let Some(state) = self.hot.get(&execution) else { return };
        self.slots.settle(slots_moved(state, &events));
        consequences.records.extend(results_to_keep(state, now, &events));
        consequences.records.extend(results_taken_back(state, &events));
        trace::decided(state, self.shared.lease, &events);
        let effects = state.effects_of(&events);
        consequences
            .acts
            .extend(effects.into_iter().map(|e| launch::act(state, e, self.shared.lease, Beginning::Fresh)));
        let durable = (state.has_ended() || is_evictable(state, now)).then(|| state.seq());
        let wanted: Vec<Option<Pool>> = state.wanted_pools().map(|pool| pool.cloned()).collect();
        let has_ended = state.has_ended();
        consequences.ended = news_of(state);
        let timer = state.agenda().next_timer();
        let append = (!events.is_empty()).then(|| plant_second_end(Append::new(state, now, actor, events)));
        let publish = append.as_ref().map(|append| self.update(append));
        match timer {
            // For one that is held up a timer can do nothing: it is looked at with what is read.
            Some((at, _)) if !is_held_up => self.arm(execution, at),
            Some(_) | None => self.disarm(execution),
        }
        // One that is held up fills no slot; what was read asks for one again.
        if !is_held_up && !self.holds_back && !self.unaccepted.contains_key(&execution) {
            wanted.iter().for_each(|pool| self.slots.wait(execution, pool.as_ref()));
        }
        if has_ended {
            self.gates.ended(execution);
            self.schedules.ended(execution);
        }
        let shared = Arc::clone(&self.shared);
        let after = AfterCommit { shared, execution, consequences, publish, durable };
        self.submit(append, after);
    }

    /// Commits records that belong to no execution; the answer is given when they are durable.
    pub(super) fn commit_records(&mut self, consequences: Consequences) {
        let shared = Arc::clone(&self.shared);
        let execution = ExecutionId(0);
        self.submit(None, AfterCommit { shared, execution, consequences, publish: None, durable: None });
    }

    /// The events as followers get them. Copying them is left out where nobody follows; who begins to before
    /// the commit is durable is then sent to the store.
    fn update(&self, append: &Append) -> Update {
        if !self.shared.hub.is_followed(append.execution) {
            return Update::Committed;
        }
        let numbered = (append.expected + 1..).zip(&append.events);
        let entries = numbered.map(|(seq, event)| Entry {
            seq,
            at: append.at,
            actor: append.actor.clone(),
            lease: self.shared.lease,
            event: event.clone(),
        });
        Update::Events(Arc::new(entries.collect()))
    }

    fn submit(&mut self, append: Option<Append>, mut after: AfterCommit) {
        let records = std::mem::take(&mut after.consequences.records);
        if append.is_none() && records.is_empty() && after.consequences.wanted.is_none() {
            // What was decided before may not be there yet: that commit tells.
            after.durable = None;
            return after.succeeded();
        }
        if faults::is_on(Fault::ActBeforeCommit) {
            std::mem::take(&mut after.consequences.acts).into_iter().for_each(|act| self.shared.perform(act));
        }
        if faults::is_on(Fault::AcknowledgeBeforeCommit) {
            after.acknowledge();
        }
        let commit = Commit { lease: self.shared.lease, records, append };
        self.shared.store.submit(commit, Box::new(move |result| after.committed(result)));
    }

    /// Commits records that belong to no append.
    pub(super) fn submit_records(&mut self, records: Vec<Record>) {
        if records.is_empty() {
            return;
        }
        let inputs = self.shared.inputs.clone();
        let commit = Commit { lease: self.shared.lease, records, append: None };
        self.shared.store.submit(
            commit,
            Box::new(move |result| {
                if let Err(error) = result {
                    drop(inputs.send(Input::Failed { error }));
                }
            }),
        );
    }
}

impl AfterCommit {
    fn committed(self, result: Result<(), StoreError>) {
        match result {
            Ok(()) => self.succeeded(),
            Err(StoreError::KeyTaken { execution, same_input }) => self.key_taken(execution, same_input),
            Err(StoreError::FireTaken { .. }) if self.consequences.fire.is_some() => self.instant_taken(),
            // Its first commit was refused and has its answer; this one was decided before that was known.
            Err(StoreError::Conflict { found: 0, .. }) => self.never_was(),
            Err(error) if is_refusal(&error) && self.consequences.reply.is_some() => self.refused(error),
            Err(error) => self.failed(error),
        }
    }

    fn succeeded(mut self) {
        for act in std::mem::take(&mut self.consequences.acts) {
            self.shared.perform(act);
        }
        if let Some((caller, news)) = self.consequences.ended.take() {
            drop(self.shared.inputs.send(Input::Call { caller, news }));
        }
        self.acknowledge();
        if let Some(wanted) = self.consequences.wanted.take() {
            // A loader that has gone has nobody to read for.
            drop(self.shared.loads.send(wanted));
        }
        if let Some(seq) = self.durable {
            // A dispatcher that has stopped needs to let nothing go.
            drop(self.shared.inputs.send(Input::Durable { execution: self.execution, seq }));
        }
        if let Some(update) = &self.publish {
            self.shared.hub.publish(self.execution, update);
        }
        for announcement in self.consequences.news.drain(..) {
            self.shared.hub.announce(&announcement);
        }
    }

    fn acknowledge(&mut self) {
        if let Some(reply) = self.consequences.reply.take() {
            reply(Ok(()));
        }
        if let Some(recorded) = self.consequences.recorded.take() {
            recorded(Ok(()));
        }
        if let Some((started, key, reply)) = self.consequences.started.take() {
            if key.is_some() {
                drop(self.shared.inputs.send(Input::Accepted { execution: self.execution }));
            }
            reply(Ok(started));
        }
    }

    /// The instant has an execution: this one never was.
    fn instant_taken(mut self) {
        let Some(claim) = self.consequences.fire.take() else { return };
        let error = StoreError::FireTaken { schedule: claim.row.schedule, at: claim.row.fire.at };
        let ask = Ask::InstantTaken { execution: self.execution, claim };
        drop(self.shared.inputs.send(Input::Schedules(Box::new(ask))));
        self.refused(error);
    }

    fn never_was(mut self) {
        let unknown = Error::UnknownExecution(self.execution);
        if let Some(recorded) = self.consequences.recorded.take() {
            recorded(Err(unknown.to_string()));
        }
        if let Some(reply) = self.consequences.reply.take() {
            reply(Err(unknown));
        }
    }

    fn refused(mut self, error: StoreError) {
        if let Some(reply) = self.consequences.reply.take() {
            reply(Err(error.into()));
        }
    }

    /// The key was used before: this execution never was, and the answer is the first one's.
    fn key_taken(mut self, first: ExecutionId, same_input: bool) {
        drop(self.shared.inputs.send(Input::Forget { execution: self.execution }));
        if let Some((_, key, reply)) = self.consequences.started.take() {
            reply(if same_input {
                Ok(Started { execution: first, is_new: false })
            } else {
                Err(Error::KeyConflict { key: key.unwrap_or_default(), execution: first })
            });
        }
    }

    fn failed(mut self, error: StoreError) {
        drop(self.shared.inputs.send(Input::Failed { error: error.clone() }));
        if let Some(reply) = self.consequences.reply.take() {
            reply(Err(error.clone().into()));
        }
        if let Some(recorded) = self.consequences.recorded.take() {
            recorded(Err(error.to_string()));
        }
        if let Some((_, _, reply)) = self.consequences.started.take() {
            reply(Err(error.into()));
        }
    }
}

impl Shared {
    /// Has an act carried out by whom it is for.
    pub(super) fn perform(&self, act: Act) {
        // A loader or dispatcher that has gone has nobody to do it for.
        match act {
            Act::Call(call) => drop(self.loads.send(Wanted::Call(call))),
            Act::UndoChild { child, caller } => drop(self.loads.send(Wanted::ChildUndo { child, caller })),
            Act::LookUp(look_up) => drop(self.loads.send(Wanted::LookUp(look_up))),
            Act::StopCall { child, force } => drop(self.inputs.send(Input::StopChild { child, force })),
            Act::Nothing => {}
            Act::Start(_) | Act::Stop(..) | Act::Settle(..) => self.launcher.perform(act),
        }
    }
}

/// Results of these events that hold for another time, too.
fn results_to_keep<'e>(
    state: &'e State,
    at: Timestamp,
    events: &'e [Event],
) -> impl Iterator<Item = Record> + 'e {
    events.iter().filter_map(move |event| {
        let Event::VisitCompleted { visit, .. } = event else { return None };
        let visit = state.visit(*visit);
        let key = visit.cache_key.clone().filter(|key| !key.is_empty() && visit.alternative_to.is_none())?;
        let result = visit.result()?.clone();
        Some(Record::Cached { key, cached: Cached { execution: state.id(), at, result } })
    })
}

/// Results that hold no more, since what has led to them is taken back. Under which keys another execution has left its
/// own is not known here: all of them go.
fn results_taken_back<'e>(state: &'e State, events: &'e [Event]) -> impl Iterator<Item = Record> + 'e {
    let undoes = events.iter().any(|event| matches!(event, Event::UndoStarted {}));
    let due = state.undo_due().iter().filter(move |_| undoes).map(|no| state.visit(*no));
    let own = due.clone().filter_map(|visit| visit.cache_key.clone());
    let others = due.filter_map(|visit| match visit.origin {
        ResultOrigin::Adopted { from, .. } => Some(from),
        ResultOrigin::Own | ResultOrigin::Cached { .. } | ResultOrigin::Pinned => None,
    });
    let child = match state.trigger() {
        Some(Trigger::Undo { of, .. }) if undoes => Some(of),
        _ => None,
    };
    let others: BTreeSet<ExecutionId> = others.chain(child).collect();
    let own = own.map(|key| Record::Uncached { execution: state.id(), key: Some(key) });
    own.chain(others.into_iter().map(|execution| Record::Uncached { execution, key: None }))
}

/// What a request can meet; anything else is a failure of the store.
fn is_refusal(error: &StoreError) -> bool {
    matches!(error, StoreError::ChainExists(_) | StoreError::ChainBusy { .. } | StoreError::NotFound(_))
}

/// The planted fault: an end that is written twice.
fn plant_second_end(mut append: Append) -> Append {
    if faults::is_on(Fault::EndTwice)
        && let Some(end @ Event::ExecutionEnded { .. }) = append.events.last().cloned()
    {
        append.events.push(end);
    }
    append
}
