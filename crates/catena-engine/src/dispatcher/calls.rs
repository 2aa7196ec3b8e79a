//! Executions of other chains: steps that are one, and the undo of what those have done. Starts, ends and cancels carry
//! a key and may come twice; nobody asks again and again.

use catena_core::{
    AttemptNo, Command, ExecutionId, Failure, FailureType, State, Value, VisitNo,
    event::{Answer, Trigger},
    state::Phase,
    status::{End, ExecutionStatus},
};
use catena_runners::AttemptKey;
use catena_store::{Actor, InboxCommand};

use super::{Deferred, Dispatcher, Input, Reply};
use crate::{Error, Started, launch::Call, load::Wanted, start::CheckedStart};

/// Who waits for the end of an execution.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Caller {
    /// An attempt of a step.
    Attempt { key: AttemptKey, lets_go: bool },
    /// The rollback of an execution, which undoes what the child of a visit has done.
    Undo { parent: ExecutionId, visit: VisitNo, nth: u32 },
}

impl Caller {
    /// Tells the starts of one caller apart, also after a crash.
    pub(crate) fn start_key(&self) -> String {
        match self {
            Self::Attempt { key, .. } => {
                format!("catena/call/{}/{}/{}", key.execution, key.visit, key.attempt)
            }
            Self::Undo { parent, visit, nth } => format!("catena/undo/{parent}/{visit}/{nth}"),
        }
    }
}

/// What a caller is told.
#[derive(Clone, Debug)]
pub(crate) enum CallNews {
    /// The chain was read and can be started, or not.
    Ready(Result<Box<CheckedStart>, Failure>),
    /// There is nothing to undo.
    NothingToUndo,
    Started(ExecutionId),
    /// It waits for a person.
    Halted(ExecutionId),
    Ended {
        child: ExecutionId,
        answer: Answer,
    },
}

impl Dispatcher {
    pub(super) fn call_news(&mut self, caller: Caller, news: CallNews) {
        match news {
            CallNews::Ready(Ok(mut request)) => {
                if self.stopped.is_some() || self.outage.is_some() {
                    // What is unfinished is asked for again when everything is taken up.
                    return;
                }
                request.key = Some(caller.start_key());
                let inputs = self.shared.inputs.clone();
                let loads = self.shared.loads.clone();
                let reply: Reply<Started> = Box::new(move |started| {
                    let news = match started {
                        Ok(Started { execution, is_new }) => Some((execution, is_new)),
                        // The same call, of a chain that has changed since: the first one stands.
                        Err(Error::KeyConflict { execution, .. }) => Some((execution, false)),
                        // The engine stops, or everything is taken up again.
                        Err(_) => None,
                    };
                    let Some((child, is_new)) = news else { return };
                    drop(inputs.send(Input::Call { caller, news: CallNews::Started(child) }));
                    if !is_new {
                        drop(loads.send(Wanted::Child { child, caller }));
                    }
                });
                self.start(*request, true, reply);
            }
            CallNews::Ready(Err(failure)) => self.call_ended(caller, Answer::Failed { failure }),
            CallNews::NothingToUndo => self.call_ended(caller, Answer::Succeeded { value: None }),
            CallNews::Started(child) => self.call_started(caller, child),
            CallNews::Halted(execution) => {
                let (caller, command) = match caller {
                    Caller::Undo { parent, visit, nth } => {
                        (parent, Command::NoteChildUndoHalted { visit, nth, execution })
                    }
                    Caller::Attempt { key: AttemptKey { execution: parent, visit, attempt }, .. } => {
                        self.call_started(caller, execution);
                        (parent, Command::NoteChildHalted { visit, attempt })
                    }
                };
                self.with_state(caller, Deferred::Command(command));
            }
            CallNews::Ended { child, answer } => match caller {
                Caller::Attempt { lets_go: true, .. } => {}
                Caller::Attempt { .. } | Caller::Undo { .. } => {
                    self.call_started(caller, child);
                    self.call_ended(caller, answer);
                }
            },
        }
    }

    fn call_started(&mut self, caller: Caller, child: ExecutionId) {
        let (execution, visit, attempt, lets_go) = match caller {
            Caller::Attempt { key: AttemptKey { execution, visit, attempt }, lets_go } => {
                (execution, visit, attempt, lets_go)
            }
            Caller::Undo { parent, .. } => {
                return self.with_state(parent, Deferred::UndoIfForced { undo: child });
            }
        };
        self.with_state(execution, Deferred::Command(Command::NoteChild { visit, attempt, child }));
        if lets_go {
            let value = Value::from(serde_json::json!({ "execution": child }));
            let answer = Answer::Succeeded { value: Some(value) };
            self.with_state(execution, Deferred::Command(Command::EndAttempt { visit, attempt, answer }));
        } else {
            self.with_state(execution, Deferred::ChildIfStopped { visit, attempt, child });
        }
    }

    fn call_ended(&mut self, caller: Caller, answer: Answer) {
        let (execution, command) = match caller {
            Caller::Attempt { key: AttemptKey { execution, visit, attempt }, .. } => {
                (execution, Command::EndAttempt { visit, attempt, answer })
            }
            Caller::Undo { parent, visit, nth } => {
                let failure = match answer {
                    Answer::Succeeded { .. } => None,
                    Answer::Failed { failure } => Some(failure),
                    Answer::TimedOut { .. } | Answer::Cancelled {} | Answer::Lost { .. } => {
                        Some(Failure::new(FailureType::Lost, "the undo of the child was stopped"))
                    }
                };
                (parent, Command::EndChildUndo { visit, nth, failure })
            }
        };
        self.with_state(execution, Deferred::Command(command));
    }

    /// The attempt that the child is has to stop: so has the child.
    pub(super) fn stop_child(&mut self, child: ExecutionId, force: bool) {
        let command = InboxCommand::Cancel { rollback: false, force };
        let cancel = Deferred::Tell { command, actor: Actor::engine(), inbox: None, reply: None };
        self.with_state(child, cancel);
    }

    /// A child whose start was under way when its attempt was told to stop.
    pub(super) fn stop_child_if_stopped(
        &mut self,
        parent: ExecutionId,
        visit: VisitNo,
        attempt: AttemptNo,
        child: ExecutionId,
    ) {
        let Some(state) = self.hot.get(&parent) else { return };
        if state.live_attempt(visit) == Some(attempt) && state.visit(visit).stopping.is_some() {
            self.stop_child(child, state.is_forced());
        }
    }

    /// An undo of a child's work, of an execution that has to stop by force.
    pub(super) fn stop_undo_if_forced(&mut self, parent: ExecutionId, undo: ExecutionId) {
        if self.hot.get(&parent).is_some_and(State::is_forced) {
            self.stop_child(undo, true);
        }
    }
}

/// Who waits for an execution, and what that is told: its end, or that an undo waits for a person.
pub(crate) fn news_of(state: &State) -> Option<(Caller, CallNews)> {
    let caller = match state.trigger()? {
        Trigger::Call { parent, visit, attempt, .. } => {
            Caller::Attempt { key: AttemptKey { execution: parent, visit, attempt }, lets_go: false }
        }
        Trigger::Undo { parent, visit, nth, .. } => Caller::Undo { parent, visit, nth },
        Trigger::Manual
        | Trigger::Schedule { .. }
        | Trigger::RunNow { .. }
        | Trigger::Backfill { .. }
        | Trigger::Rerun { .. } => return None,
    };
    let is_undo = matches!(caller, Caller::Undo { .. });
    let Phase::Ended { end, output, error, .. } = state.phase() else {
        let is_halted = waits_for_a_person(state) || (!is_undo && state.waits_for_somebody());
        return is_halted.then(|| (caller, CallNews::Halted(state.id())));
    };
    let answer = match end {
        End::RolledBack if is_undo => Answer::Succeeded { value: None },
        End::Completed | End::CompletedWithErrors if !is_undo => {
            Answer::Succeeded { value: Some(output.clone()).filter(|output| !output.is_null()) }
        }
        End::Completed | End::CompletedWithErrors | End::Cancelled | End::Failed | End::RolledBack => {
            Answer::Failed { failure: failure_of(state, *end, error.as_ref()) }
        }
    };
    Some((caller, CallNews::Ended { child: state.id(), answer }))
}

fn waits_for_a_person(state: &State) -> bool {
    matches!(state.status(), ExecutionStatus::Stuck | ExecutionStatus::InDoubt | ExecutionStatus::Quarantined)
}

/// The failure of a step whose child has failed: of the child's type, and it says where to look.
fn failure_of(state: &State, end: End, error: Option<&Failure>) -> Failure {
    let (chain, id) = (state.chain().name.as_str(), state.id());
    let message = match error {
        // It comes from deeper, and says from where.
        Some(error) if is_of_child(error) => error.message.clone(),
        Some(error) => format!("chain `{chain}` (execution {id}) {end}: {error}"),
        None => format!("chain `{chain}` (execution {id}) {end}"),
    };
    let detail = serde_json::json!({ "execution": id });
    if state.cancel().is_some() {
        // Whether it was taken back then or not; and nobody who cancels wants it once more.
        return Failure::lasting(FailureType::Raised("cancelled".into()), message).with_detail(detail);
    }
    let kind = error.map_or(FailureType::Raised(end.to_string()), |error| error.kind.clone());
    Failure::new(kind, message).with_detail(detail)
}

fn is_of_child(failure: &Failure) -> bool {
    failure.detail.as_ref().is_some_and(|detail| detail.as_json().get("execution").is_some())
}

/// The call that an attempt is.
pub(crate) fn call_of(state: &State, key: AttemptKey) -> Option<Call> {
    let visit = state.visit(key.visit);
    let catena_core::chain::Work::Chain(step) = &state.step_of(key.visit).work else { return None };
    let depth = match state.trigger() {
        Some(Trigger::Call { depth, .. }) => depth + 1,
        _ => 1,
    };
    Some(Call {
        caller: Caller::Attempt { key, lets_go: step.lets_go },
        chain: step.chain.clone(),
        parameters: visit.input.parameters.clone(),
        depth,
    })
}
