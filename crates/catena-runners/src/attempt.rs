//! The contract between the engine and a runner: one attempt in, one answer out.

use std::{collections::BTreeMap, fmt, path::PathBuf, sync::Arc};

use catena_core::{
    Address, AttemptNo, Chain, ExecutionId, StepIx, Value, VisitNo,
    chain::Step,
    event::{Answer, Input},
};
use serde::{Serialize, Serializer, ser::SerializeMap as _};

/// Which attempt of all.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AttemptKey {
    pub execution: ExecutionId,
    pub visit: VisitNo,
    pub attempt: AttemptNo,
}

impl fmt::Display for AttemptKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}.{}", self.execution, self.visit, self.attempt)
    }
}

/// One attempt, whose start is in the journal.
#[derive(Clone, Debug)]
pub struct Attempt {
    pub key: AttemptKey,
    pub address: Address,
    pub chain: Arc<Chain>,
    pub step: StepIx,
    /// What is not constant in the step, resolved; the runner reads what it refers to.
    pub input: Input,
    /// What earlier attempts of the visit left.
    pub checkpoints: BTreeMap<String, Value>,
    /// What the execution has done so far, for steps that ask for it.
    pub context: Option<Context>,
    /// The lease under which its start was committed.
    pub lease: u64,
    pub beginning: Beginning,
}

impl Attempt {
    pub fn step(&self) -> &Step {
        self.chain.step(self.step)
    }
}

/// What a step's code can read of its execution. The values are those that the state holds; they are put together where
/// they are written, and never copied before.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Context {
    pub fields: Vec<(&'static str, Value)>,
    /// By `output_key`, each once.
    pub results: Vec<(String, Value)>,
}

impl Context {
    pub(crate) fn values_mut(&mut self) -> impl Iterator<Item = &mut Value> {
        let results = self.results.iter_mut().map(|(_, value)| value);
        self.fields.iter_mut().map(|(_, value)| value).chain(results)
    }
}

/// As the code reads it, when no reference is left in it.
impl Serialize for Context {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        struct Results<'a>(&'a [(String, Value)]);
        impl Serialize for Results<'_> {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_map(self.0.iter().map(|(name, value)| (name, value.as_json())))
            }
        }
        let mut map = serializer.serialize_map(None)?;
        for (name, value) in &self.fields {
            map.serialize_entry(name, value.as_json())?;
        }
        map.serialize_entry("results", &Results(&self.results))?;
        map.end()
    }
}

/// How the engine comes to ask for an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Beginning {
    /// Its start was committed just now.
    Fresh,
    /// Its start was committed by an engine that is gone; `same_boot` says whether the machine has been up
    /// since, so that what a runner has written down is there.
    Recovered { same_boot: bool },
}

/// Called when a checkpoint is durable, or refused.
pub type Recorded = Box<dyn FnOnce(Result<(), String>) + Send>;

/// The engine, as an attempt sees it.
pub trait Sink: Send + Sync {
    /// The attempt has ended; called once. An end that is told twice is accepted once.
    fn ended(&self, key: AttemptKey, answer: Answer);

    /// Leaves a named value for the attempt's successor.
    fn checkpoint(&self, key: AttemptKey, name: String, value: Value, recorded: Recorded);
}

/// Carries out attempts of some kinds. No method waits.
pub trait StepRunner: Send + Sync {
    /// Starts the attempt, or attaches to it where it runs already.
    fn start(&self, attempt: Attempt);

    /// Asks a live attempt to end; its answer comes as every answer does.
    fn stop(&self, key: AttemptKey);

    /// The attempt's end is committed: nothing of it needs to be remembered.
    fn settle(&self, key: AttemptKey);

    /// Every attempt that is live has been named: whatever else there is, nobody will ask for.
    fn has_all(&self) {}
}

/// Where a store keeps what is not in its database.
#[derive(Clone, Debug)]
pub struct Places {
    pub root: PathBuf,
}

impl Places {
    pub fn new(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into() }
    }

    pub fn log(&self, execution: ExecutionId, address: &str, attempt: AttemptNo) -> PathBuf {
        self.logs(execution).join(format!("{address}.{attempt}.log"))
    }

    pub fn logs(&self, execution: ExecutionId) -> PathBuf {
        self.root.join("logs").join(execution.to_string())
    }

    /// The private folder of an execution.
    pub fn run(&self, execution: ExecutionId) -> PathBuf {
        self.root.join("run").join(execution.to_string())
    }

    /// Where stored step files are put to be run.
    pub fn files(&self) -> PathBuf {
        self.root.join("files")
    }

    /// The programs that run code.
    pub fn drivers(&self) -> PathBuf {
        self.root.join("code")
    }

    pub fn helper(&self) -> PathBuf {
        self.root.join("helper")
    }
}
