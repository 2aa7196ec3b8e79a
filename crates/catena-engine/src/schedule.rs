//! Schedules and chains as the engine's users ask for them, and what is read of them when an engine opens.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, mpsc::Receiver},
};

use catena_core::{
    Chain, ExecutionId, ScheduleId, Timestamp, Value,
    schedule::Schedule,
    status::{ChainStatus, FireKind},
};
use catena_store::{
    Actor, ChainRow, Error as StoreError, ExecutionFilter, FireFilter, FireRow, ScheduleRow, Store, Version,
};
use serde::{Deserialize, Serialize};

use crate::{
    Engine, Error, Started,
    dispatcher::{Ask, Input},
};

/// Instants that one backfill asks for.
pub const BACKFILL_MAX: usize = 1_000;

/// A chain with all its schedules, as a definition says.
#[derive(Clone, Debug)]
pub struct ScheduleRequest {
    pub version: Arc<Version>,
    /// Schedules of the chain that are not among these end.
    pub schedules: Vec<Schedule>,
    /// What each execution is given.
    pub params: BTreeMap<String, Value>,
    pub actor: Actor,
    pub begin: Begin,
}

/// What else happens when schedules are stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Begin {
    /// An execution starts at once, in place of what was missed.
    AtOnce,
    /// The first one starts at its instant.
    AtInstant,
    /// The same for a chain that must be new.
    NewChain,
    /// A chain that must be new, and starts nothing before its schedules are resumed.
    NewPaused,
}

/// What storing a chain with its schedules came to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Scheduled {
    /// The chain's number.
    pub chain: u64,
    /// In the order of the definition.
    pub schedules: Vec<ScheduleAnswer>,
    /// Schedules that are no longer in the definition.
    pub ended: Vec<ScheduleId>,
    pub first: First,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ScheduleAnswer {
    pub id: ScheduleId,
    pub change: Change,
    pub next_at: Option<Timestamp>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Change {
    Made,
    /// As it was, with its anchor.
    Kept,
    /// As it was, and paused.
    KeptPaused,
    /// Counts from now.
    Restarted,
}

/// The execution that goes with the answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum First {
    None,
    Started(ExecutionId),
    /// One of the schedule was running already.
    Running(ExecutionId),
}

/// What a person does to a chain or a schedule.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Standing {
    Active,
    Paused,
    /// Of chains alone.
    Archived,
}

impl From<Standing> for ChainStatus {
    fn from(standing: Standing) -> Self {
        match standing {
            Standing::Active => Self::Active,
            Standing::Paused => Self::Paused,
            Standing::Archived => Self::Archived,
        }
    }
}

/// What a backfill came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Backfilled {
    /// Tells its fires from others.
    pub trigger: u64,
    /// Instants for which executions start, one after another.
    pub starts: u32,
    /// Instants that have an execution.
    pub skipped: u32,
}

/// Something that followers of schedules want to know.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Announcement {
    pub chain: String,
    pub schedule: ScheduleId,
    pub news: News,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum News {
    Started {
        execution: ExecutionId,
        at: Timestamp,
    },
    /// An instant came, and nothing started.
    NothingStarted {
        at: Timestamp,
    },
    /// The schedule is another, is paused, goes on or has ended.
    Changed,
}

/// Hears what is committed of schedules from the moment it was made.
pub struct ScheduleFollower {
    pub(crate) news: Receiver<Announcement>,
}

impl ScheduleFollower {
    /// Blocks; an error when the engine has stopped.
    pub fn next_news(&self) -> Result<Announcement, Error> {
        self.news.recv().map_err(|_| Error::Stopped("the engine was closed".to_owned()))
    }
}

/// What schedules need of their chain.
#[derive(Clone, Debug)]
pub(crate) struct Head {
    pub(crate) version: String,
    pub(crate) chain: Arc<Chain>,
    pub(crate) status: ChainStatus,
}

/// The schedules of the store.
#[derive(Default)]
pub(crate) struct Found {
    pub(crate) schedules: Vec<ScheduleRow>,
    /// By the names of their chains.
    pub(crate) heads: BTreeMap<String, Head>,
    /// The oldest first.
    pub(crate) waiting: Vec<FireRow>,
    /// Executions of schedules that have not ended.
    pub(crate) running: Vec<(ExecutionId, ScheduleId)>,
}

pub(crate) fn find(store: &dyn Store) -> Result<Found, StoreError> {
    let mut found = Found { schedules: store.schedules()?, ..Found::default() };
    if found.schedules.is_empty() {
        return Ok(found);
    }
    let names: BTreeSet<&str> = found.schedules.iter().map(|row| row.chain.as_str()).collect();
    for name in names {
        if let Some(row) = store.chain(name)? {
            let chain = store.version(&row.version)?.chain;
            found.heads.insert(name.to_owned(), Head { version: row.version, chain, status: row.status });
        }
    }
    let waiting = FireFilter { waiting_only: true, ..FireFilter::default() };
    found.waiting = store.fires(&waiting)?;
    found.waiting.reverse();
    // One question for all: there may be a million executions that no schedule has started.
    let running = FireFilter { unfinished_only: true, ..FireFilter::default() };
    found.running =
        store.fires(&running)?.into_iter().filter_map(|row| Some((row.execution?, row.schedule))).collect();
    Ok(found)
}

pub(crate) fn expect_not_archived(chain: Option<&ChainRow>) -> Result<(), Error> {
    match chain {
        Some(ChainRow { status: ChainStatus::Archived, name, .. }) => Err(Error::Conflict(format!(
            "chain `{name}` is archived; `catena chain resume {name}` takes it back"
        ))),
        Some(_) | None => Ok(()),
    }
}

impl Engine {
    /// From now on the schedules of the store fire in this engine: first what has come meanwhile, as each says.
    pub fn host_schedules(&self) {
        drop(self.shared().inputs.send(Input::Schedules(Box::new(Ask::Host))));
    }

    /// From now on no schedule fires in this engine: what comes is left to the next host.
    pub fn leave_schedules(&self) {
        drop(self.shared().inputs.send(Input::Schedules(Box::new(Ask::Leave))));
    }

    /// Stores a chain with its schedules; returns when that is durable.
    pub fn schedule(&self, request: ScheduleRequest) -> Result<Scheduled, Error> {
        let secrets = request.version.chain.secrets().iter();
        let missing: Vec<_> = secrets.filter_map(|name| self.secrets().resolve(name).err()).collect();
        if !missing.is_empty() && request.begin == Begin::AtOnce {
            return Err(Error::SecretsMissing(missing));
        }
        if request.begin != Begin::NewChain && request.begin != Begin::NewPaused
            || !request.schedules.is_empty()
        {
            // A schedule whose executions could never start would say so at each of its instants.
            request.version.chain.resolve_params(request.params.clone()).map_err(Error::Params)?;
        }
        let name = request.version.chain.name.as_str().to_owned();
        let row = self.shared().store.chain(&name)?;
        match request.begin {
            Begin::AtOnce | Begin::AtInstant => expect_not_archived(row.as_ref())?,
            Begin::NewChain | Begin::NewPaused if row.is_some() => {
                return Err(catena_store::Error::ChainExists(name).into());
            }
            Begin::NewChain | Begin::NewPaused => {}
        }
        let is_known = row.as_ref().is_some_and(|row| row.version == request.version.digest);
        let status = row.map_or(ChainStatus::Active, |row| row.status);
        let request = Box::new(request);
        let mut answer = self.ask_about(|reply| Ask::Store { request, is_known, status, reply })?;
        answer.chain = self.shared().store.chain(&name)?.map_or(0, |row| row.id);
        Ok(answer)
    }

    /// Pauses, resumes or archives a chain; returns when that is durable.
    pub fn change_chain(&self, chain: &str, standing: Standing) -> Result<(), Error> {
        if standing == Standing::Paused {
            expect_not_archived(self.shared().store.chain(chain)?.as_ref())?;
        }
        let chain = chain.to_owned();
        self.ask_about(|reply| Ask::ChangeChain { chain, standing, reply })
    }

    /// Removes a chain with its versions, schedules and past executions. Refused while one has not ended.
    pub fn remove_chain(&self, chain: &str) -> Result<(), Error> {
        let unfinished = ExecutionFilter {
            chain: Some(chain.to_owned()),
            unfinished_only: true,
            limit: Some(1),
            ..ExecutionFilter::default()
        };
        if let Some(row) = self.shared().store.executions(&unfinished)?.into_iter().next() {
            return Err(catena_store::Error::ChainBusy { chain: row.chain, execution: row.id }.into());
        }
        let chain = chain.to_owned();
        self.ask_about(|reply| Ask::RemoveChain { chain, reply })
    }

    /// Pauses or resumes a schedule; returns when that is durable.
    pub fn change_schedule(&self, id: ScheduleId, standing: Standing) -> Result<(), Error> {
        self.ask_about(|reply| Ask::ChangeSchedule { id, standing, reply })
    }

    /// Starts an execution of a schedule now, whatever else of it runs.
    pub fn run_now(&self, id: ScheduleId, actor: Actor) -> Result<Started, Error> {
        self.ask_about(|reply| Ask::RunNow { id, actor, reply })
    }

    /// Starts an execution for each instant from `from` to `to` that has none, one after another.
    pub fn backfill(
        &self,
        id: ScheduleId,
        (from, to): (Timestamp, Timestamp),
        actor: Actor,
    ) -> Result<Backfilled, Error> {
        let filter = FireFilter { schedule: Some(id), ..FireFilter::default() };
        let fires = self.shared().store.fires(&filter)?;
        let starts = fires.iter().filter(|row| row.execution.is_some() && row.fire.kind != FireKind::RunNow);
        let taken = starts.map(|row| row.fire.at).collect();
        self.ask_about(|reply| Ask::Backfill { id, span: (from, to), taken, actor, reply })
    }

    /// Hears of all schedules from now on.
    pub fn follow_schedules(&self) -> Result<ScheduleFollower, Error> {
        self.shared().hub.listen()
    }

    fn ask_about<T: Send + 'static>(
        &self,
        ask: impl FnOnce(Box<dyn FnOnce(Result<T, Error>) + Send>) -> Ask,
    ) -> Result<T, Error> {
        self.ask(|reply| Input::Schedules(Box::new(ask(reply))))
    }
}
