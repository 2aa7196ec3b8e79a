//! An engine in a folder of its own, whose chains say when they pass a mark.

use std::{
    collections::BTreeMap,
    path::Path,
    process::Command,
    sync::{
        Arc, Mutex, PoisonError,
        mpsc::{Receiver, Sender, channel},
    },
    time::{Duration, Instant},
};

use anyhow::Context as _;
use catena_core::{ExecutionId, Value};
use catena_engine::{Config, Engine, Functions, StartRequest};
use catena_store::{Actor, ExecutionFilter, Store as _, Version};
use tempfile::TempDir;

use super::{
    chains::{FILL, GATE, MARK, NOOP},
    run::Setting,
};

/// Nothing that is measured takes so long on any machine.
const PATIENCE: Duration = Duration::from_secs(300);

pub(super) struct Lab {
    pub(super) engine: Engine,
    marks: Receiver<Instant>,
    gate: Sender<()>,
    // Last, so that the engine is closed before its folder goes.
    folder: TempDir,
}

impl Lab {
    pub(super) fn open(setting: &Setting, slots: u32) -> anyhow::Result<Self> {
        let folder = tempfile::tempdir_in(&setting.folder)?;
        let helper_dir = folder.path().join("helper");
        let catena = setting.catena.clone();
        let helper = move || {
            let mut command = Command::new(&catena);
            command.arg("helper").arg("--dir").arg(&helper_dir);
            command
        };
        let (mark, marks) = channel();
        let (gate, opened) = channel::<()>();
        let mut config = Config::new(folder.path(), Arc::new(helper));
        config.slots = slots;
        config.functions = functions(mark, opened);
        let engine = Engine::open(config)?;
        Ok(Self { engine, marks, gate, folder })
    }

    pub(super) fn folder(&self) -> &Path {
        self.folder.path()
    }

    pub(super) fn start(&self, version: &Arc<Version>) -> anyhow::Result<ExecutionId> {
        start(&self.engine, version)
    }

    /// Returns when no execution is unfinished.
    pub(super) fn wait_for_all(&self) -> anyhow::Result<()> {
        let one = ExecutionFilter { unfinished_only: true, limit: Some(1), ..ExecutionFilter::default() };
        while let Some(unfinished) = self.engine.store().executions(&one)?.first() {
            self.engine.wait(unfinished.id)?;
        }
        Ok(())
    }

    /// When the next mark was passed.
    pub(super) fn mark(&self) -> anyhow::Result<Instant> {
        self.marks.recv_timeout(PATIENCE).context("a chain did not come to its mark")
    }

    /// Lets the chain at its gate go on.
    pub(super) fn open_gate(&self) -> anyhow::Result<()> {
        self.gate.send(()).context("nothing waits at a gate")
    }

    /// Runs a chain between two marks; how long it took from the one to the other.
    pub(super) fn run_marked(&self, version: &Arc<Version>) -> anyhow::Result<Duration> {
        let execution = self.start(version)?;
        let begun = self.mark()?;
        let took = self.mark()?.duration_since(begun);
        self.engine.wait(execution)?;
        Ok(took)
    }
}

/// Starts an execution; for threads that share an engine and nothing else.
pub(super) fn start(engine: &Engine, version: &Arc<Version>) -> anyhow::Result<ExecutionId> {
    let (version, params) = (Arc::clone(version), BTreeMap::new());
    let request = StartRequest::new(version, params, Actor::new("bench"));
    Ok(engine.start(request)?.execution)
}

fn functions(mark: Sender<Instant>, opened: Receiver<()>) -> Functions {
    let (marks, gate_marks) = (mark.clone(), mark);
    let opened = Mutex::new(opened);
    Functions::default()
        .with(NOOP, |_| Ok(Value::null()))
        .with(FILL, |call| {
            Ok(Value::text("x".repeat(call.parameters.as_json().as_u64().unwrap_or(0) as usize)))
        })
        .with(MARK, move |_| {
            let _ = marks.send(Instant::now());
            Ok(Value::null())
        })
        .with(GATE, move |_| {
            let _ = gate_marks.send(Instant::now());
            let _ = opened.lock().unwrap_or_else(PoisonError::into_inner).recv();
            Ok(Value::null())
        })
}
