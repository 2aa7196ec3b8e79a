//! An engine without threads of its own, for whoever wants to decide what happens when: every turn of the dispatcher
//! and of the loader is asked for. Store, clock and runners are given; it is the same dispatcher and the same loader that
//! [`crate::Engine`] has on threads.

use std::{
    collections::BTreeMap,
    path::Path,
    sync::{
        Arc,
        mpsc::{Receiver, channel},
    },
    time::Duration,
};

use catena_core::{ExecutionId, Timestamp, event::Answer, status::ChainStatus};
use catena_runners::{AttemptKey, Sink, StepRunner};
use catena_store::{Actor, InboxCommand, Lease, Store, sqlite::Reserve};

use crate::{
    Clock, Error, Notify, Reach, ScheduleRequest, Scheduled, StartRequest, Started,
    dispatcher::{Ask, Dispatcher, Input, Shared},
    engine::find_unfinished,
    launch::{Inbound, Launcher},
    load::{Loader, Wanted},
    start::{CheckedStart, is_known},
};

/// What a stepped engine is made of.
pub struct Parts<'a> {
    pub store: Arc<dyn Store>,
    /// The right to write, which the store has given.
    pub lease: Lease,
    /// Attempts that started under an earlier one are gone with the boot that they ran in.
    pub first_of_boot: Lease,
    /// Beside it space is kept free.
    pub path: &'a Path,
    pub clock: Arc<dyn Clock>,
    /// What carries out attempts; their ends are told to the engine with [`SteppedEngine::tell_end`].
    pub runner: Arc<dyn StepRunner>,
    pub slots: u32,
    /// What is random follows from it.
    pub seed: u64,
    pub notify: Notify,
}

pub struct SteppedEngine {
    shared: Arc<Shared>,
    dispatcher: Dispatcher,
    inputs: Receiver<Input>,
    loader: Loader,
    wanted: Receiver<Wanted>,
    recovered: Vec<ExecutionId>,
    sink: Arc<dyn Sink>,
    /// Looked at and not taken yet.
    next_input: Option<Input>,
    next_wanted: Option<Wanted>,
}

impl SteppedEngine {
    /// Takes the store over, as [`crate::Engine::open`] does.
    pub fn open(parts: Parts<'_>) -> Result<Self, Error> {
        let Parts { store, lease, first_of_boot, path, clock, runner, slots, seed, notify } = parts;
        let found = find_unfinished(&*store, Reach::All, first_of_boot)?;
        let next_number = store.next_number()?;
        let ((inputs, queue), (loads, wanted)) = (channel(), channel());
        let sink: Arc<dyn Sink> = Arc::new(Inbound(inputs.clone()));
        let launcher = Launcher {
            functions: Arc::clone(&runner),
            files: Arc::clone(&runner),
            requests: Arc::clone(&runner),
            processes: runner,
        };
        let loader = Loader {
            store: Arc::clone(&store),
            lease,
            first_of_boot,
            reach: Reach::All,
            reserve: Reserve::of(path),
            clock: Arc::clone(&clock),
        };
        let shared =
            Arc::new(Shared { store, clock, launcher, hub: Arc::default(), loads, inputs, lease, notify });
        let running = found.running.iter().map(|one| one.state.id());
        let recovered = running.chain(found.sleeping.iter().map(|(id, _)| *id)).collect();
        // It takes its inputs from whoever steps it.
        let (_, nothing) = channel();
        let mut dispatcher =
            Dispatcher::new(Arc::clone(&shared), nothing, (slots, BTreeMap::new()), next_number, seed);
        dispatcher.recover(found);
        Ok(Self {
            shared,
            dispatcher,
            inputs: queue,
            loader,
            wanted,
            recovered,
            sink,
            next_input: None,
            next_wanted: None,
        })
    }

    /// The unfinished executions that were found.
    pub fn recovered(&self) -> &[ExecutionId] {
        &self.recovered
    }

    pub fn has_input(&mut self) -> bool {
        if self.next_input.is_none() {
            self.next_input = self.inputs.try_recv().ok();
        }
        self.next_input.is_some()
    }

    /// Handles the next input, if there is one.
    pub fn take_input(&mut self) {
        if self.has_input() {
            let input = self.next_input.take();
            self.dispatcher.turn(input);
        }
    }

    /// Does what is due.
    pub fn wake(&mut self) {
        self.dispatcher.turn(None);
    }

    /// Whether something is wanted from the store.
    pub fn has_load(&mut self) -> bool {
        if self.next_wanted.is_none() {
            self.next_wanted = self.wanted.try_recv().ok();
        }
        self.next_wanted.is_some()
    }

    /// Reads the next thing that is wanted, and hands it in.
    pub fn load(&mut self) {
        if self.has_load()
            && let Some(wanted) = self.next_wanted.take()
            && let Some(input) = self.loader.serve(wanted)
        {
            self.send(input);
        }
    }

    /// Whether something is due now.
    pub fn is_due(&self) -> bool {
        self.dispatcher.patience() == Some(Duration::ZERO)
    }

    /// When something is due next: by the clock of the wall, and by time that has passed.
    pub fn next_due(&self) -> (Option<Timestamp>, Option<Duration>) {
        self.dispatcher.next_due()
    }

    /// Hands in a start; the answer comes when it is durable.
    pub fn start(
        &self,
        request: StartRequest,
        reply: impl FnOnce(Result<Started, Error>) + Send + 'static,
    ) -> Result<(), Error> {
        let row = self.shared.store.chain(request.version.chain.name.as_str())?;
        let is_known = is_known(&*self.shared.store, &request, row.as_ref());
        let request = CheckedStart::new(request, &*self.shared.store)?;
        self.send(Input::Start { request: Box::new(request), is_known, reply: Box::new(reply) });
        Ok(())
    }

    /// Hands in a chain with its schedules, whose first instants come by themselves.
    pub fn schedule(
        &self,
        request: ScheduleRequest,
        reply: impl FnOnce(Result<Scheduled, Error>) + Send + 'static,
    ) -> Result<(), Error> {
        let row = self.shared.store.chain(request.version.chain.name.as_str())?;
        let is_known = row.as_ref().is_some_and(|row| row.version == request.version.digest);
        let status = row.map_or(ChainStatus::Active, |row| row.status);
        self.ask(Ask::Store { request: Box::new(request), is_known, status, reply: Box::new(reply) });
        Ok(())
    }

    /// From now on schedules fire in this engine.
    pub fn host_schedules(&self) {
        self.ask(Ask::Host);
    }

    fn ask(&self, ask: Ask) {
        self.send(Input::Schedules(Box::new(ask)));
    }

    /// Hands in a command for an execution.
    pub fn tell(
        &self,
        execution: ExecutionId,
        command: InboxCommand,
        actor: Actor,
        reply: impl FnOnce(Result<(), Error>) + Send + 'static,
    ) {
        self.send(Input::Tell { execution, command, actor, reply: Box::new(reply) });
    }

    /// Hands in the end of an attempt, as its runner does.
    pub fn tell_end(&self, key: AttemptKey, answer: Answer) {
        self.sink.ended(key, answer);
    }

    fn send(&self, input: Input) {
        self.shared.inputs.send(input).expect("the receiver is this engine's own");
    }
}
