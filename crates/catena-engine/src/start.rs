//! A request for a new execution.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use catena_core::{
    ExecutionId, GivenContext, State, StepIx, Timestamp, Value,
    address::Openings,
    chain::{Chain, Part},
    command::{Legacy, Outside, Slots, Start},
    event::{Adopted, Duty, Event, Trigger},
    rerun::{Again, Rerun, superseded},
    state::{Phase, ResultOrigin, UndoPhase},
    value::Blob,
};
use catena_store::{Actor, ChainRow, Entry, Store, Version};

use crate::{Error, dispatcher::Caller, load::read_state};

#[derive(Clone, Debug)]
pub struct StartRequest {
    pub version: Arc<Version>,
    /// What was given; defaults are filled in.
    pub params: BTreeMap<String, Value>,
    /// The same key, version and input answer the first execution.
    pub key: Option<String>,
    pub actor: Actor,
    /// The part of the chain that runs, where it is not all of it.
    pub part: Option<Part>,
    /// Results of steps that do not run.
    pub pins: Vec<(StepIx, Value)>,
    /// What the steps that run find in place of what others would have left.
    pub context: GivenContext,
    /// The ended execution whose results stand, and from where it is run again. Its steps are counted in the version
    /// that it ran.
    pub rerun: Option<(ExecutionId, Again)>,
}

impl StartRequest {
    /// A start of the whole chain.
    pub fn new(version: Arc<Version>, params: BTreeMap<String, Value>, actor: Actor) -> Self {
        Self {
            version,
            params,
            key: None,
            actor,
            part: None,
            pins: Vec::new(),
            context: GivenContext::default(),
            rerun: None,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Started {
    pub execution: ExecutionId,
    /// False where a key named an execution that was there before.
    pub is_new: bool,
}

/// Whether a chain's version is there and need not be written. What is run again runs by its version, and that stays as
/// old as it is.
pub(crate) fn is_known(store: &dyn Store, request: &StartRequest, row: Option<&ChainRow>) -> bool {
    let digest = &request.version.digest;
    let is_latest = row.is_some_and(|row| row.version == *digest);
    is_latest || request.rerun.is_some() && store.version(digest).is_ok()
}

/// A request whose parameters fit the chain; large ones are references.
#[derive(Clone, Debug)]
pub(crate) struct CheckedStart {
    pub(crate) version: Arc<Version>,
    pub(crate) params: Value,
    pub(crate) blobs: Vec<Blob>,
    pub(crate) key: Option<String>,
    pub(crate) actor: Actor,
    pub(crate) trigger: Trigger,
    pub(crate) left_out: Vec<StepIx>,
    pub(crate) pinned: Vec<(StepIx, Value)>,
    pub(crate) only: Option<StepIx>,
    pub(crate) context: GivenContext,
    pub(crate) legacy: Legacy,
}

impl CheckedStart {
    /// Reads what a rerun takes over.
    pub(crate) fn new(request: StartRequest, store: &dyn Store) -> Result<Self, Error> {
        let StartRequest { version, params, key, actor, part, pins, context, rerun } = request;
        let mut blobs = Vec::new();
        let params = version.chain.resolve_params(params).map_err(Error::Params)?.keep_fields(&mut blobs);
        let mut start = Self {
            left_out: part.map(|part| version.chain.left_out(part)).unwrap_or_default(),
            pinned: pins,
            only: None,
            context,
            params,
            blobs,
            key,
            actor,
            trigger: Trigger::Manual,
            legacy: Legacy::None,
            version,
        };
        if let Some((of, again)) = rerun {
            start.take_over(of, again, store)?;
        }
        Ok(start)
    }

    /// What the same key must be used for again.
    pub(crate) fn fingerprint(&self) -> String {
        let mut text = format!("{} {}", self.version.digest, self.params.as_json());
        if !self.left_out.is_empty() || !self.pinned.is_empty() {
            text.push_str(&format!(" {}", serde_json::json!([self.left_out, self.pinned])));
        }
        if !self.context.is_empty() {
            text.push_str(&format!(" {}", serde_json::json!(self.context)));
        }
        text
    }

    fn take_over(&mut self, of: ExecutionId, again: Again, store: &dyn Store) -> Result<(), Error> {
        let (state, entries) = read_state(store, of)?;
        if !state.has_ended() {
            return Err(Error::Conflict(format!(
                "execution {of} has not ended; there is nothing to run again"
            )));
        }
        if let Some(Trigger::Undo { of: undone, .. }) = state.trigger() {
            return Err(Error::Conflict(format!(
                "execution {of} only took back what execution {undone} had done; there is nothing of it to run again"
            )));
        }
        let plan = plan_rerun(store, &state, &entries, again)?;
        self.trigger = Trigger::Rerun { of };
        self.left_out = same_steps(state.chain(), &self.version.chain, &plan.left_out);
        self.only = plan.only.and_then(|step| same_steps(state.chain(), &self.version.chain, &[step]).pop());
        let mut results = plan.results;
        let duty = store.heir(of)?.is_none() && !is_undone_elsewhere(store, &state)?;
        self.edit(&mut results, of, duty)?;
        if duty {
            self.take_duties(&mut results, &state, &entries)?;
        }
        let (old, new) = (state.chain(), &self.version.chain);
        for (step, value) in plan.pinned {
            let here = same_steps(old, new, &[step]).pop();
            let here = here.filter(|step| !self.pinned.iter().any(|(given, _)| given == step));
            self.pinned.extend(here.map(|step| (step, value)));
        }
        let before = plan.context.renumbered(|step| same_steps(old, new, &[step]).pop());
        self.context = std::mem::take(&mut self.context).over(before);
        self.legacy = Legacy::Results { from: of, duty, results };
        Ok(())
    }

    /// What is given as the result of a visit that did not complete, and has something to take back all the same, is
    /// taken over with that.
    fn take_duties(
        &mut self,
        results: &mut Vec<Adopted>,
        state: &State,
        entries: &[Entry],
    ) -> Result<(), Error> {
        let old = state.chain();
        for (pinned, value) in &self.pinned {
            let Some(given) = same_steps(&self.version.chain, old, &[*pinned]).pop() else { continue };
            let owing = state.undo_due().iter().map(|no| (no, state.visit(*no).step));
            for (no, step) in owing.filter(|(_, step)| old.stands_in(*step, given)) {
                let result = old.step(given).keep_result(value.clone(), &mut self.blobs);
                let adopted = state.adopted_as(*no, result, entries.iter().map(|entry| &entry.event));
                if results.iter().any(|one| one.address == adopted.address) {
                    continue;
                }
                if step != given {
                    let (id, address, of) = (&old.step(given).id, &adopted.address, state.id());
                    return Err(Error::Conflict(format!(
                        "with a result given for `{id}`, nobody would take back what `{address}` did in execution {of}"
                    )));
                }
                results.push(adopted);
            }
        }
        Ok(())
    }

    /// Kept results of steps whose results are given are those; what was done stays to be taken back.
    fn edit(&mut self, results: &mut [Adopted], of: ExecutionId, duty: bool) -> Result<(), Error> {
        let chain = &self.version.chain;
        for adopted in results.iter_mut().filter(|adopted| adopted.items.is_none()) {
            let Some(step) = chain.step_of_address(&adopted.address) else { continue };
            let (mut own, mut around) = (None, None);
            for (pinned, value) in &self.pinned {
                match chain.stands_in(step, *pinned) {
                    true if *pinned == step => own = Some(value),
                    true => around = Some(*pinned),
                    false => {}
                }
            }
            if let Some(around) = around.filter(|_| duty)
                && adopted.place > 0
                && !adopted.is_free
            {
                let (id, address) = (&chain.step(around).id, &adopted.address);
                return Err(Error::Conflict(format!(
                    "with a result given for `{id}`, nobody would take back what `{address}` did in execution {of}; \
                     give results of the steps in it"
                )));
            }
            if let Some(value) = own {
                adopted.result = chain.step(step).keep_result(value.clone(), &mut self.blobs);
            }
        }
        Ok(())
    }
}

/// What a rerun of an ended execution takes over: nothing that an heir of it, which had the duty, has undone since.
pub fn plan_rerun(store: &dyn Store, state: &State, journal: &[Entry], again: Again) -> Result<Rerun, Error> {
    let events: Vec<&Event> = journal.iter().map(|entry| &entry.event).collect();
    let mut undone = undone_by_caller(store, state, &superseded(&events))?;
    let mut heir = store.heir(state.id())?;
    while let Some(id) = heir {
        undone.extend(read_state(store, id)?.0.taken_back());
        heir = store.heir(id)?;
    }
    Ok(state.rerun(again, journal.iter().map(|entry| &entry.event), &undone))
}

/// Whether another execution, which has called this one, is to take back what it has done, or has.
fn is_undone_elsewhere(store: &dyn Store, state: &State) -> Result<bool, Error> {
    let Some(Trigger::Call { parent, .. }) = state.trigger() else { return Ok(false) };
    let caller = read_state(store, parent)?.0;
    Ok(!caller.has_ended() || !undone_by_caller(store, state, &Openings::new())?.is_empty())
}

/// The addresses of what a rollback of the caller has taken back of what the execution has done.
fn undone_by_caller(store: &dyn Store, state: &State, gone: &Openings) -> Result<BTreeSet<String>, Error> {
    let mut undone = BTreeSet::new();
    let Some(Trigger::Call { parent, visit, .. }) = state.trigger() else { return Ok(undone) };
    for nth in 1.. {
        let key = Caller::Undo { parent, visit, nth }.start_key();
        let Some((undo, _)) = store.started(&key)? else { break };
        let (undo, _) = read_state(store, undo)?;
        if !matches!(undo.trigger(), Some(Trigger::Undo { of, .. }) if of == state.id()) {
            continue;
        }
        // Its visits are the duties of this one, in their order; a later try has those that were left.
        let duties = state.undo_due().iter().zip(undo.visits());
        let taken_back = duties.filter(|(_, (no, visit))| {
            let is_due = *undo.phase() == Phase::Undoing && undo.undo_due().contains(no);
            visit.undo != UndoPhase::None || visit.children_undone > 0 || is_due
        });
        undone.extend(taken_back.map(|(no, _)| state.address_past(*no, gone).to_string()));
    }
    Ok(undone)
}

/// What an ended execution has to have taken back: what an heir has taken over is that one's to undo.
pub(crate) fn owed(store: &dyn Store, state: &State) -> Result<Vec<Duty>, catena_store::Error> {
    let Some(heir) = store.heir(state.id())? else { return Ok(state.duties()) };
    let taken_over: BTreeSet<String> = store
        .journal(heir, 0)?
        .into_iter()
        .filter_map(|entry| match entry.event {
            Event::ResultsAdopted { duty: true, results, .. } => Some(results),
            _ => None,
        })
        .flatten()
        .map(|adopted| adopted.address)
        .collect();
    let journal = store.journal(state.id(), 0)?;
    let events: Vec<&Event> = journal.iter().map(|entry| &entry.event).collect();
    let gone = superseded(&events);
    let duties = state.undo_due().iter().zip(state.duties());
    let left = duties.filter(|(no, _)| !taken_over.contains(state.address_past(**no, &gone).as_str()));
    Ok(left.map(|(_, duty)| duty).collect())
}

/// The addresses of results that a rerun is offered and does not take, since the items of their loop are others now. Of
/// loops behind steps that run again nothing is known before they have run.
pub fn results_to_drop(
    request: StartRequest,
    store: &dyn Store,
    now: Timestamp,
) -> Result<BTreeSet<String>, Error> {
    let start = CheckedStart::new(request, store)?;
    let Legacy::Results { results, .. } = &start.legacy else { return Ok(BTreeSet::new()) };
    let offered = results.iter().filter(|one| one.items.is_none()).map(|one| one.address.clone());
    let offered: BTreeSet<String> = offered.collect();
    let (version, trigger) = (start.version, start.trigger);
    let first = Start {
        left_out: start.left_out,
        only: start.only,
        context: start.context,
        legacy: start.legacy,
        ..Start::new(&version.digest, start.params, trigger)
    };
    // It is only thought through: without a slot nothing runs.
    let outside = Outside { now, slots: Slots::default(), jitter: 0.0 };
    let (state, _) = State::start(ExecutionId(0), Arc::clone(&version.chain), first, outside);
    let left = &state.adopted().results;
    let taken: BTreeSet<String> = state
        .visits()
        .filter(|(_, visit)| matches!(visit.origin, ResultOrigin::Adopted { .. }) || visit.result().is_some())
        .map(|(no, _)| state.address(no).to_string())
        .collect();
    Ok(offered
        .into_iter()
        .filter(|address| !left.contains_key(address) && !taken.contains(address))
        .collect())
}

/// Steps of one version of a chain in another one, by their ids.
fn same_steps(old: &Chain, new: &Chain, steps: &[StepIx]) -> Vec<StepIx> {
    steps.iter().filter_map(|step| new.step_by_id(old.step(*step).id.as_str())).collect()
}
