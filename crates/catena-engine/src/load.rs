//! Bringing an execution into memory: its snapshot, if there is one that fits, and the events behind it.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
        mpsc::{Receiver, Sender, channel},
    },
};

use catena_core::{
    AttemptNo, Event, ExecutionId, Failure, FailureType, GivenContext, Loaded, State, Value, VisitNo,
    command::Legacy, event::Trigger, status::ChainStatus, value::Stored,
};
use catena_runners::AttemptKey;
use catena_store::{Actor, Commit, Entry, Error, Lease, Record, Store, sqlite::Reserve, whole};

use crate::{
    Reach, StartRequest,
    cache::LookUp,
    clock::Clock,
    dispatcher::{CallNews, Caller, Input, Recovered, news_of},
    engine::find_unfinished,
    launch::Call,
    start::{CheckedStart, owed},
};

/// The state of an execution as it is committed.
pub fn load(store: &dyn Store, execution: ExecutionId) -> Result<State, Error> {
    let row = store.execution(execution)?.ok_or_else(|| Error::NotFound(format!("execution {execution}")))?;
    let version = store.version(&row.version)?;
    let snapshot = store.snapshot(execution)?.and_then(|(_, bytes)| {
        // An unreadable snapshot is no loss: the journal says the same.
        State::from_snapshot(execution, Arc::clone(&version.chain), &bytes).ok()
    });
    let mut state = snapshot.unwrap_or_else(|| State::new(execution, version.chain));
    for entry in store.journal(execution, state.seq())? {
        state.apply(entry.at, &entry.event)?;
    }
    Ok(state)
}

/// An execution that has something running, with the host under which each attempt started.
pub(crate) struct Unfinished {
    pub(crate) state: State,
    pub(crate) started_under: BTreeMap<(VisitNo, AttemptNo), Lease>,
}

/// Reads the whole journal: a snapshot does not say which host started what.
pub(crate) fn load_unfinished(store: &dyn Store, execution: ExecutionId) -> Result<Unfinished, Error> {
    let (state, entries) = read_state(store, execution)?;
    let started_under = entries
        .iter()
        .filter_map(|entry| match entry.event {
            Event::AttemptStarted { visit, attempt } => Some(((visit, attempt), entry.lease)),
            _ => None,
        })
        .collect();
    Ok(Unfinished { state, started_under })
}

/// What the dispatcher wants to be read.
pub(crate) enum Wanted {
    Execution(ExecutionId),
    /// The same for a cancel while the store takes nothing: for it the reserve is given up.
    Cancel(ExecutionId),
    /// All that is unfinished, as soon as the store takes commits again.
    Unfinished {
        next_number: u64,
    },
    /// The chain that a step calls.
    Call(Box<Call>),
    /// The end of an execution that another one waits for, if it has come.
    Child {
        child: ExecutionId,
        caller: Caller,
    },
    /// What the child of a visit has done, to be undone.
    ChildUndo {
        child: ExecutionId,
        caller: Caller,
    },
    /// Whether an earlier result holds.
    LookUp(Box<LookUp>),
    /// Large values for a decision, which has some of them.
    Values {
        execution: ExecutionId,
        needs: Vec<Stored>,
        at_hand: Loaded,
    },
}

/// Reads one thing after another for the dispatcher, which does no I/O itself.
/// Counts in `folds` how many executions it has read.
pub(crate) fn serve_loads(
    loader: &Loader,
    wanted: &Receiver<Wanted>,
    inputs: &Sender<Input>,
    folds: &AtomicU64,
) {
    while let Ok(wanted) = wanted.recv() {
        if matches!(wanted, Wanted::Execution(_)) {
            folds.fetch_add(1, Ordering::Relaxed);
        }
        if let Some(input) = loader.serve(wanted)
            && inputs.send(input).is_err()
        {
            break;
        }
    }
}

/// What the loader reads with, and what it does when the store has taken nothing for a while.
pub(crate) struct Loader {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) lease: Lease,
    pub(crate) first_of_boot: Lease,
    pub(crate) reach: Reach,
    pub(crate) reserve: Reserve,
    pub(crate) clock: Arc<dyn Clock>,
}

impl Loader {
    /// Reads what is wanted; nothing comes of it where it tells by itself.
    pub(crate) fn serve(&self, wanted: Wanted) -> Option<Input> {
        let store = &*self.store;
        Some(match wanted {
            Wanted::Call(call) => {
                let caller = call.caller;
                match called(store, &call) {
                    Ok(start) => Input::Call { caller, news: CallNews::Ready(Ok(Box::new(start))) },
                    Err(Unready::Failed(failure)) => {
                        Input::Call { caller, news: CallNews::Ready(Err(failure)) }
                    }
                    Err(Unready::Later) => Input::Later { wanted: Wanted::Call(call) },
                }
            }
            Wanted::Child { child, caller } => match load(store, child) {
                // An end that has not come tells by itself.
                Ok(state) => Input::Call { caller, news: news_of(&state)?.1 },
                Err(Error::Unavailable { .. }) => Input::Later { wanted: Wanted::Child { child, caller } },
                Err(_) => return None,
            },
            Wanted::ChildUndo { child, caller } => match undo_of(store, child, caller) {
                Ok(news) => Input::Call { caller, news },
                Err(Unready::Failed(failure)) => Input::Call { caller, news: CallNews::Ready(Err(failure)) },
                Err(Unready::Later) => Input::Later { wanted: Wanted::ChildUndo { child, caller } },
            },
            Wanted::LookUp(look_up) => {
                let (execution, visit) = (look_up.execution, look_up.visit);
                Input::LookedUp { execution, visit, found: look_up.answer(store, self.clock.now()) }
            }
            Wanted::Execution(execution) => {
                Input::Loaded { execution, state: load(store, execution).map(Box::new) }
            }
            Wanted::Cancel(execution) => {
                self.reserve.release();
                Input::Loaded { execution, state: load(store, execution).map(Box::new) }
            }
            Wanted::Unfinished { next_number } => {
                Input::Found { found: self.look(next_number).map(Box::new) }
            }
            Wanted::Values { execution, needs, at_hand } => {
                Input::ValuesRead { execution, read: read_values(store, &needs, at_hand) }
            }
        })
    }

    /// Whether the store takes a commit, and if it does, all that is unfinished. What was submitted before has its
    /// answer then, since commits are answered in order.
    fn look(&self, next_number: u64) -> Result<Recovered, Error> {
        if !self.reserve.is_room() {
            let message = "there is no room yet".to_owned();
            return Err(Error::Unavailable { message, disk_full: true });
        }
        let (sender, answer) = channel();
        let commit =
            Commit { lease: self.lease, records: vec![Record::NextNumber(next_number)], append: None };
        self.store.submit(commit, Box::new(move |written| drop(sender.send(written))));
        let closed = Error::Unavailable { message: "its writer has stopped".to_owned(), disk_full: false };
        answer.recv().unwrap_or(Err(closed))?;
        find_unfinished(&*self.store, self.reach, self.first_of_boot)
    }
}

/// How deep executions may call each other.
const DEPTH_MAX: u32 = 32;

/// Why nothing can be started.
enum Unready {
    Failed(Failure),
    /// The store cannot be read now.
    Later,
}

impl From<Error> for Unready {
    fn from(error: Error) -> Self {
        match error {
            Error::Unavailable { .. } => Self::Later,
            other => Self::Failed(Failure::new(FailureType::CannotStart, other.to_string())),
        }
    }
}

/// The start of the chain that a step calls, in its latest version.
fn called(store: &dyn Store, call: &Call) -> Result<CheckedStart, Unready> {
    let cannot = |message: String| Unready::Failed(Failure::lasting(FailureType::CannotStart, message));
    let Call { caller, chain, parameters, depth } = call.clone();
    let Caller::Attempt { key: AttemptKey { execution: parent, visit, attempt }, .. } = caller else {
        return Err(cannot("an undo calls no chain".to_owned()));
    };
    if depth > DEPTH_MAX {
        return Err(cannot(format!("chains call each other at most {DEPTH_MAX} deep")));
    }
    let row = store.chain(chain.as_str())?;
    let Some(row) = row.filter(|row| row.status != ChainStatus::Archived) else {
        return Err(cannot(format!("there is no chain `{chain}`; store it with `catena chain create`")));
    };
    let version = Arc::new(store.version(&row.version)?);
    let parameters = parameters.unwrap_or_else(|| Value::object([]));
    let given = whole(store, &parameters)?;
    let serde_json::Value::Object(given) = given else {
        return Err(cannot(format!("the parameters of chain `{chain}` are no object")));
    };
    let given: BTreeMap<String, Value> =
        given.into_iter().map(|(name, value)| (name, Value::from(value))).collect();
    let mut request = StartRequest::new(version, given, Actor::engine());
    request.key = None;
    let mut start = CheckedStart::new(request, store).map_err(|error| match error {
        crate::Error::Store(error) => Unready::from(error),
        other => cannot(format!("chain `{chain}` cannot start: {other}")),
    })?;
    start.trigger = Trigger::Call { parent, visit, attempt, depth };
    Ok(start)
}

/// An earlier execution that has undone a part of what the child has done, and left the rest.
fn tried_before(store: &dyn Store, child: ExecutionId, caller: Caller) -> Result<Option<State>, Error> {
    let Caller::Undo { parent, visit, nth } = caller else { return Ok(None) };
    let Some(before) = nth.checked_sub(1).filter(|nth| *nth > 0) else { return Ok(None) };
    let key = Caller::Undo { parent, visit, nth: before }.start_key();
    let Some((earlier, _)) = store.started(&key)? else { return Ok(None) };
    let state = load(store, earlier)?;
    let is_of_child = matches!(state.trigger(), Some(Trigger::Undo { of, .. }) if of == child);
    Ok(Some(state).filter(|_| is_of_child))
}

/// The execution that undoes what an ended one has done.
fn undo_of(store: &dyn Store, child: ExecutionId, caller: Caller) -> Result<CallNews, Unready> {
    let Caller::Undo { parent, visit, nth } = caller else { return Ok(CallNews::NothingToUndo) };
    let state = match tried_before(store, child, caller)? {
        Some(before) => before,
        None => load(store, child)?,
    };
    let version = Arc::new(store.version(state.version())?);
    let duties = owed(store, &state)?;
    if duties.is_empty() {
        return Ok(CallNews::NothingToUndo);
    }
    Ok(CallNews::Ready(Ok(Box::new(CheckedStart {
        version,
        params: state.params().clone(),
        blobs: Vec::new(),
        key: None,
        actor: Actor::engine(),
        trigger: Trigger::Undo { of: child, parent, visit, nth },
        left_out: Vec::new(),
        pinned: Vec::new(),
        only: None,
        context: GivenContext::default(),
        legacy: Legacy::Duties { from: child, duties },
    }))))
}

/// Adds to what is at hand what is needed; an error is one that may pass.
fn read_values(store: &dyn Store, needs: &[Stored], mut loaded: Loaded) -> Result<Loaded, Error> {
    for stored in needs {
        if loaded.contains(stored) {
            continue;
        }
        match store.value(stored) {
            Ok(value) => loaded.insert(stored, value),
            Err(error @ Error::Unavailable { .. }) => return Err(error),
            Err(error) => loaded.insert_lost(stored, format!("cannot read a large value: {error}")),
        }
    }
    Ok(loaded)
}

/// The state of an execution and its whole journal.
pub fn read_state(store: &dyn Store, execution: ExecutionId) -> Result<(State, Vec<Entry>), Error> {
    let entries = store.journal(execution, 0)?;
    let Some(Event::ExecutionCreated { version, .. }) = entries.first().map(|entry| &entry.event) else {
        return Err(Error::NotFound(format!("execution {execution}")));
    };
    let version = store.version(version)?;
    let mut state = State::new(execution, version.chain);
    for entry in &entries {
        state.apply(entry.at, &entry.event)?;
    }
    Ok((state, entries))
}
