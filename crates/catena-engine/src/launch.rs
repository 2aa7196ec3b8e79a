//! From effects to runners: which runner carries out which kind.

use std::sync::{Arc, mpsc::Sender};

use catena_core::{
    Effect, ExecutionId, State, Value,
    chain::{ChainName, Work},
    event::Answer,
    state::VisitPhase,
};
use catena_runners::{Attempt, AttemptKey, Beginning, Recorded, Sink, StepRunner};

use catena_store::Lease;

use crate::{
    cache::LookUp,
    context,
    dispatcher::{Caller, Input, call_of},
};

/// An effect with all that a runner needs, made while the state is at hand and carried out after the commit.
pub(crate) enum Act {
    Start(Box<Attempt>),
    Stop(AttemptKey, Runner),
    Settle(AttemptKey, Runner),
    /// An attempt that is an execution of another chain.
    Call(Box<Call>),
    StopCall {
        child: ExecutionId,
        force: bool,
    },
    UndoChild {
        child: ExecutionId,
        caller: Caller,
    },
    LookUp(Box<LookUp>),
    /// What has to be done is not known yet: what comes of it passes it on.
    Nothing,
}

/// An attempt of a step that is another chain.
#[derive(Clone, Debug)]
pub(crate) struct Call {
    pub(crate) caller: Caller,
    pub(crate) chain: ChainName,
    pub(crate) parameters: Option<Value>,
    pub(crate) depth: u32,
}

/// Which runner has an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Runner {
    Function,
    FileExists,
    Http,
    Process,
}

pub(crate) struct Launcher {
    pub(crate) functions: Arc<dyn StepRunner>,
    pub(crate) files: Arc<dyn StepRunner>,
    pub(crate) requests: Arc<dyn StepRunner>,
    pub(crate) processes: Arc<dyn StepRunner>,
}

impl Launcher {
    pub(crate) fn perform(&self, act: Act) {
        match act {
            Act::Start(attempt) => self.runner(runner_of(&attempt.step().work)).start(*attempt),
            Act::Stop(key, runner) => self.runner(runner).stop(key),
            Act::Settle(key, runner) => self.runner(runner).settle(key),
            Act::Call(_) | Act::StopCall { .. } | Act::UndoChild { .. } | Act::LookUp(_) | Act::Nothing => {
                unreachable!("these are no runner's")
            }
        }
    }

    /// All live attempts of the store have been named.
    pub(crate) fn has_all(&self) {
        self.functions.has_all();
        self.files.has_all();
        self.requests.has_all();
        self.processes.has_all();
    }

    fn runner(&self, runner: Runner) -> &dyn StepRunner {
        match runner {
            Runner::Function => &*self.functions,
            Runner::FileExists => &*self.files,
            Runner::Http => &*self.requests,
            Runner::Process => &*self.processes,
        }
    }
}

fn runner_of<B>(work: &Work<B>) -> Runner {
    match work {
        Work::Function { .. } => Runner::Function,
        Work::FileExists { .. } => Runner::FileExists,
        Work::Http(_) => Runner::Http,
        Work::Shell { .. }
        | Work::Command { .. }
        | Work::File { .. }
        | Work::Code { .. }
        | Work::Set { .. }
        | Work::Wait { .. }
        | Work::Group { .. }
        | Work::Parallel { .. }
        | Work::ForEach { .. }
        | Work::Chain(_)
        | Work::End(_)
        | Work::Fail(_) => Runner::Process,
    }
}

/// What `effect` asks of a runner.
pub(crate) fn act(state: &State, effect: Effect, lease: Lease, beginning: Beginning) -> Act {
    match effect {
        Effect::StartAttempt { visit, attempt } => {
            let key = AttemptKey { execution: state.id(), visit, attempt };
            if let Some(call) = call_of(state, key) {
                return Act::Call(Box::new(call));
            }
            Act::Start(Box::new(attempt_of(state, key, lease, beginning)))
        }
        Effect::StopAttempt { visit, .. } if state.step_of(visit).work.is_call() => {
            // One whose start is under way is stopped when it is known.
            let force = state.is_forced();
            state.visit(visit).child().map_or(Act::Nothing, |child| Act::StopCall { child, force })
        }
        Effect::LookUp { visit } => Act::LookUp(Box::new(LookUp::of(state, visit))),
        // To stop it is to ask for it once more: its start is told, and stopped where it is to be.
        Effect::UndoChild { visit, nth } | Effect::StopChildUndo { visit, nth } => {
            let caller = Caller::Undo { parent: state.id(), visit, nth };
            let child = state.visit(visit).standing_children().last().copied();
            child.map_or(Act::Nothing, |child| Act::UndoChild { child, caller })
        }
        Effect::StopAttempt { visit, attempt } => {
            let key = AttemptKey { execution: state.id(), visit, attempt };
            Act::Stop(key, runner_of(&state.step_of(visit).work))
        }
    }
}

pub(crate) fn settle(state: &State, key: AttemptKey) -> Act {
    Act::Settle(key, runner_of(&state.step_of(key.visit).work))
}

fn attempt_of(state: &State, key: AttemptKey, lease: Lease, beginning: Beginning) -> Attempt {
    let visit = state.visit(key.visit);
    debug_assert!(matches!(visit.phase, VisitPhase::Attempting { .. }));
    let step = state.step_of(key.visit);
    Attempt {
        key,
        address: state.address(key.visit),
        chain: Arc::clone(state.chain()),
        step: visit.step,
        input: visit.input.clone(),
        checkpoints: visit.checkpoints.clone(),
        context: context::is_wanted(step).then(|| context::of(state, visit.step)),
        lease: lease.0,
        beginning,
    }
}

/// In place of the runner of requests in a program that was built without it.
#[cfg(not(feature = "http"))]
pub(crate) struct NoRequests(pub(crate) Arc<dyn Sink>);

#[cfg(not(feature = "http"))]
impl StepRunner for NoRequests {
    fn start(&self, attempt: Attempt) {
        use catena_core::{Failure, FailureType};
        let message = "this program was built without the feature `http`";
        let failure = Failure::lasting(FailureType::CannotStart, message);
        self.0.ended(attempt.key, Answer::Failed { failure });
    }

    fn stop(&self, _key: AttemptKey) {}

    fn settle(&self, _key: AttemptKey) {}
}

/// What attempts tell goes to the dispatcher's queue.
pub(crate) struct Inbound(pub(crate) Sender<Input>);

impl Sink for Inbound {
    fn ended(&self, key: AttemptKey, answer: Answer) {
        // Digests are made here, on the runner's thread: the dispatcher has no time for them.
        let mut blobs = Vec::new();
        let answer = answer.keep(&mut blobs);
        // After the dispatcher has gone there is nobody to tell; the runner tells the next engine.
        drop(self.0.send(Input::Ended { key, answer, blobs }));
    }

    fn checkpoint(&self, key: AttemptKey, name: String, value: Value, recorded: Recorded) {
        if let Err(refused) = self.0.send(Input::Checkpoint { key, name, value, recorded })
            && let Input::Checkpoint { recorded, .. } = refused.0
        {
            recorded(Err("the engine has stopped".to_owned()));
        }
    }
}
