//! What an engine is opened with.

use std::{collections::BTreeMap, ffi::OsString, path::PathBuf, sync::Arc, time::Duration};

use catena_core::ExecutionId;
use catena_runners::{Functions, HelperCommand, NoSecrets, Places, Secrets};

use crate::clock::{Clock, SystemClock};

pub struct Config {
    /// The SQLite file.
    pub store: PathBuf,
    /// Folder of logs, private folders and the helper.
    pub places: Places,
    /// Attempts that may run at once, of steps without a pool.
    pub slots: u32,
    /// The same for each pool, by its name.
    pub pools: BTreeMap<String, u32>,
    pub functions: Functions,
    /// Asked when an execution is started, and again at the start of each attempt.
    pub secrets: Arc<dyn Secrets>,
    /// Makes the command of the process helper: this program, with the arguments that make it serve the folder.
    pub helper: HelperCommand,
    /// What the processes of steps start from.
    pub environment: Vec<(OsString, OsString)>,
    pub clock: Arc<dyn Clock>,
    pub reach: Reach,
    /// Told when the engine begins to take nothing, and when it goes on; must not block.
    pub notify: Notify,
    /// How long the stream of an ended execution can still be asked.
    pub stream_ttl: Duration,
}

/// What happens to an engine as a whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Notice {
    /// The store takes nothing: nothing is started, and what runs goes on.
    Suspended { why: String, is_disk_full: bool },
    /// The store takes commits again, and everything goes on.
    Resumed,
}

pub type Notify = Arc<dyn Fn(&Notice) + Send + Sync>;

/// Which unfinished executions an engine takes up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    All,
    /// This one alone: for a command that needs the engine for a moment.
    Only(ExecutionId),
    /// None: for a command that changes records alone.
    Records,
}

impl Config {
    /// The defaults of a store in the folder `home`, for a program that is its own helper when it is called with
    /// `helper_args`.
    pub fn new(home: impl Into<PathBuf>, helper: HelperCommand) -> Self {
        let home = home.into();
        let cores = std::thread::available_parallelism().map_or(2, std::num::NonZero::get);
        Self {
            store: home.join("catena.db"),
            places: Places::new(home),
            slots: u32::try_from(4 * cores).unwrap_or(u32::MAX).max(8),
            pools: BTreeMap::new(),
            functions: Functions::default(),
            secrets: Arc::new(NoSecrets),
            helper,
            environment: inherited_environment(),
            clock: Arc::new(SystemClock),
            reach: Reach::All,
            notify: Arc::new(|_| {}),
            stream_ttl: Duration::from_secs(3_600),
        }
    }
}

/// This process's environment without Catena's own variables.
fn inherited_environment() -> Vec<(OsString, OsString)> {
    std::env::vars_os().filter(|(name, _)| !name.to_string_lossy().starts_with("CATENA_")).collect()
}
