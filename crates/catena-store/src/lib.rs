//! Where executions are kept. The journal is their truth; execution and step rows are projections that change
//! in the same transaction and can be dropped and rebuilt; versions of chains, the inbox and start keys are
//! records, truths of their own.
//!
//! [`Store`] is the contract, and `tests/` has the suite that each implementation must pass. `sqlite` holds
//! what is particular to it.

mod codec;
mod commit;
mod error;
mod rows;
mod scheduled;
pub mod sqlite;
mod version;

use catena_core::{ExecutionId, Value, value::Stored};

pub use self::{
    codec::{Entry, Head},
    commit::{Actor, Append, Cached, Commit, Done, InboxCommand, InboxItem, Lease, Record},
    error::Error,
    rows::{ChainRow, ExecutionFilter, ExecutionRow, StepRow, VersionRow, project_execution, project_step},
    scheduled::{ChainChange, FireFilter, FireRow, ScheduleRow},
    version::{StepFile, Version},
};

/// The target of warnings about slow commits, which are for everybody rather than for who reads a log.
pub const SLOW_COMMITS: &str = "catena::slow_commits";

/// What the engine asks of a store. Reads are of committed data and may block; `submit` never does.
pub trait Store: Send + Sync {
    /// Queues a commit. What has gathered is committed together; `done` is then called on the writer's thread,
    /// in the order of submission, and must not block.
    fn submit(&self, commit: Commit, done: Done);

    /// The events of an execution with a sequence number above `after`, in order, their checksums verified.
    fn journal(&self, execution: ExecutionId, after: u64) -> Result<Vec<Entry>, Error>;

    fn execution(&self, execution: ExecutionId) -> Result<Option<ExecutionRow>, Error>;

    /// Executions that match, the latest first.
    fn executions(&self, filter: &ExecutionFilter) -> Result<Vec<ExecutionRow>, Error>;

    /// The visits of an execution in the order in which they were entered.
    fn steps(&self, execution: ExecutionId) -> Result<Vec<StepRow>, Error>;

    fn chains(&self) -> Result<Vec<ChainRow>, Error>;

    fn chain(&self, name: &str) -> Result<Option<ChainRow>, Error>;

    /// The versions of a chain, the first one first.
    fn versions(&self, chain: &str) -> Result<Vec<VersionRow>, Error>;

    /// All schedules, those that have ended too, in the order of their numbers.
    fn schedules(&self) -> Result<Vec<ScheduleRow>, Error>;

    /// What became of instants, the latest one first.
    fn fires(&self, filter: &FireFilter) -> Result<Vec<FireRow>, Error>;

    /// A version by its digest.
    fn version(&self, digest: &str) -> Result<Version, Error>;

    /// Whether a version is there already.
    fn has_version(&self, digest: &str) -> Result<bool, Error>;

    /// The bytes of a step file or a large value by their digest.
    fn blob(&self, digest: &str) -> Result<Vec<u8>, Error>;

    /// A large value; it may have references in it.
    fn value(&self, stored: &Stored) -> Result<Value, Error> {
        stored.open(&self.blob(&stored.sha256)?).map_err(|error| Error::Corrupt(error.to_string()))
    }

    /// A state's serial form and the sequence number it stands at.
    fn snapshot(&self, execution: ExecutionId) -> Result<Option<(u64, Vec<u8>)>, Error>;

    /// The execution that was started with a key, and the definition and input that it was started for.
    fn started(&self, key: &str) -> Result<Option<(ExecutionId, String)>, Error>;

    /// A result that was kept under a key.
    fn cached(&self, key: &str) -> Result<Option<Cached>, Error>;

    /// The execution that has taken over the duty to undo what another one has done.
    fn heir(&self, source: ExecutionId) -> Result<Option<ExecutionId>, Error>;

    /// Commands that were acknowledged and not consumed, in order.
    fn inbox(&self) -> Result<Vec<InboxItem>, Error>;

    /// The next number of the store's counter.
    fn next_number(&self) -> Result<u64, Error>;
}

/// The JSON of a value with all that it refers to: for readers.
pub fn whole(store: &dyn Store, value: &Value) -> Result<serde_json::Value, Error> {
    value.whole(&mut |stored| store.value(stored))
}
