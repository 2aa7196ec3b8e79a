//! What happened, appended once, never changed.
//!
//! These types are the journal's format: kinds may be added, none may change. That is why they are stored as
//! they stand rather than through a second set of types; `fixtures/journals` holds journals that must fold to
//! the same states for ever. Whatever an expression or the outside world decided stands in the event, so that
//! folding evaluates nothing.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

pub use crate::handover::{Adopted, Duty, Sight};
use crate::{
    context::GivenContext,
    failure::Failure,
    given::Given,
    ids::{AttemptNo, BlockIx, ExecutionId, FrameNo, ScheduleId, StepIx, VisitNo},
    state::Origin,
    status::End,
    time::Timestamp,
    value::{Value, some},
};

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Event {
    /// Always the first: pins what runs and which revision of the decisions runs it.
    ExecutionCreated {
        chain: String,
        /// Digest of the version.
        version: String,
        engine_rev: u32,
        params: Value,
        trigger: Trigger,
    },
    ExecutionStarted {},
    BlockOpened {
        frame: FrameNo,
        block: BlockIx,
        origin: Origin,
    },
    VisitEntered {
        visit: VisitNo,
        frame: FrameNo,
        step: StepIx,
        /// The how manieth visit of this step in this frame it is, from 1.
        nth: u32,
        plan: Plan,
    },
    AttemptStarted {
        visit: VisitNo,
        attempt: AttemptNo,
    },
    /// A named value that the attempt left for its successor.
    CheckpointRecorded {
        visit: VisitNo,
        attempt: AttemptNo,
        name: String,
        value: Value,
    },
    AttemptEnded {
        visit: VisitNo,
        attempt: AttemptNo,
        answer: Answer,
    },
    RetryScheduled {
        visit: VisitNo,
        wake_at: Timestamp,
    },
    TimerFired {
        visit: VisitNo,
    },
    /// `run_next_after`: the next step of the block is entered no sooner.
    NextDelayed {
        frame: FrameNo,
        after: VisitNo,
        wake_at: Timestamp,
    },
    DelayElapsed {
        frame: FrameNo,
        /// In a graph the visit that is not held up any more; in a sequence there is only one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        after: Option<VisitNo>,
    },
    /// A repeated step has done its work once more, and left this.
    IterationEnded {
        visit: VisitNo,
        result: Value,
    },
    /// There is to be another iteration, no sooner than this.
    IterationScheduled {
        visit: VisitNo,
        wake_at: Timestamp,
    },
    IterationStarted {
        visit: VisitNo,
        plan: Plan,
    },
    /// The step has failed like this for good, and its alternative runs in its place.
    AlternativeStarted {
        visit: VisitNo,
        failure: Failure,
    },
    /// The attempt was lost and may run again: the visit waits for a slot once more.
    AttemptRequeued {
        visit: VisitNo,
    },
    /// What is open below the visit, or its attempt, has to stop.
    VisitStopping {
        visit: VisitNo,
        reason: StopReason,
    },
    VisitCompleted {
        visit: VisitNo,
        /// Absent where it is the value of the attempt's answer.
        #[serde(default, deserialize_with = "some", skip_serializing_if = "Option::is_none")]
        result: Option<Value>,
    },
    VisitFailed {
        visit: VisitNo,
        failure: Failure,
        consequence: Consequence,
    },
    VisitCancelled {
        visit: VisitNo,
    },
    /// Nobody knows whether the attempt had its effect, and it may have it at most once: a person answers.
    VisitInDoubt {
        visit: VisitNo,
    },
    /// The step was lost so often that it may be what brings the engine down: a person answers.
    VisitQuarantined {
        visit: VisitNo,
    },
    /// A person has answered for a visit that waited for that.
    VisitResolved {
        visit: VisitNo,
        resolution: Resolution,
    },
    Jumped {
        frame: FrameNo,
        from: VisitNo,
        to: Jump,
    },
    /// The block has to stop for a reason from outside it.
    BlockStopping {
        frame: FrameNo,
        cause: BlockEnd,
    },
    BlockEnded {
        frame: FrameNo,
        end: BlockEnd,
    },
    CancelRequested {
        rollback: bool,
    },
    /// Nothing new starts until it is resumed; no clock stops.
    ExecutionPaused {},
    ExecutionResumed {},
    /// The chain's own limit has passed: everything stops, and that is its end.
    ExecutionTimedOut {
        limit_ms: u64,
    },
    UndoStarted {},
    /// There is no room for it beside other executions of its chain, and it waits for its turn.
    ExecutionHeld {},
    ExecutionAdmitted {},
    /// Some steps are not to run in this execution, and of some the results are given.
    StepsSelected {
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        left_out: Vec<StepIx>,
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        pinned: Vec<(StepIx, Value)>,
        /// Of what is not adopted from an earlier execution, only this step runs, with what stands in it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        only: Option<StepIx>,
        /// What the steps that run find in place of what others would have left.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        context: Option<Box<GivenContext>>,
    },
    /// Results of an earlier execution stand for the visits that would come to them again.
    ResultsAdopted {
        from: ExecutionId,
        /// Whether the duty to undo them comes along.
        duty: bool,
        results: Vec<Adopted>,
    },
    /// What an earlier execution of the chain has done is all that this one undoes, the last of these first.
    DutiesAdopted {
        from: ExecutionId,
        duties: Vec<Duty>,
    },
    /// A signal has arrived; it is kept until a step waits for it.
    SignalReceived {
        name: String,
        value: Value,
    },
    /// The oldest signal of its name is what the visit has waited for.
    SignalTaken {
        visit: VisitNo,
    },
    ApprovalAnswered {
        visit: VisitNo,
        answer: ApprovalAnswer,
    },
    /// The execution that carries an attempt out.
    ChildStarted {
        visit: VisitNo,
        attempt: AttemptNo,
        child: ExecutionId,
    },
    /// The execution that carries an attempt out waits for a person, or for a signal.
    ChildHalted {
        visit: VisitNo,
        attempt: AttemptNo,
    },
    /// What the latest child of the visit has done that was not taken back is, by an execution of its own.
    ChildUndoStarted {
        visit: VisitNo,
    },
    ChildUndoEnded {
        visit: VisitNo,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        failure: Option<Failure>,
    },
    /// The execution that takes it back waits for a person.
    ChildUndoHalted {
        visit: VisitNo,
        execution: ExecutionId,
    },
    /// Whether an earlier result holds for the visit's input, under this key.
    CacheAnswered {
        visit: VisitNo,
        key: String,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        hit: Option<CacheHit>,
    },
    /// How the execution ends is known; what the chain wants to be done after such an end runs first.
    HandlersStarted {
        end: End,
        output: Value,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        error: Option<Failure>,
    },
    /// A person wants it to stop wherever it is, in an undo or a handler too.
    StopForced {},
    ExecutionEnded {
        end: End,
        output: Value,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        error: Option<Failure>,
    },
}

/// What started an execution.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Trigger {
    Manual,
    /// An instant of a schedule, in time or made up for.
    Schedule {
        schedule: ScheduleId,
        at: Timestamp,
    },
    /// A person who did not wait for the next instant of a schedule.
    RunNow {
        schedule: ScheduleId,
    },
    /// A person who asked for an instant of the past.
    Backfill {
        schedule: ScheduleId,
        at: Timestamp,
    },
    /// A step of another execution, so many of them deep.
    Call {
        parent: ExecutionId,
        visit: VisitNo,
        attempt: AttemptNo,
        depth: u32,
    },
    /// A person who wants an ended execution to go on from what it has done.
    Rerun {
        of: ExecutionId,
    },
    /// The rollback of another execution, which has this one's chain among its steps.
    Undo {
        of: ExecutionId,
        parent: ExecutionId,
        visit: VisitNo,
        /// The how manieth try it is.
        nth: u32,
    },
}

impl Trigger {
    /// The schedule that the execution belongs to.
    pub fn schedule(self) -> Option<ScheduleId> {
        match self {
            Self::Manual | Self::Call { .. } | Self::Rerun { .. } | Self::Undo { .. } => None,
            Self::Schedule { schedule, .. } | Self::RunNow { schedule } | Self::Backfill { schedule, .. } => {
                Some(schedule)
            }
        }
    }
}

/// What a person has answered.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ApprovalAnswer {
    pub approved: bool,
    pub by: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub comment: Option<String>,
    /// The form as it was filled in.
    #[serde(default, deserialize_with = "some", skip_serializing_if = "Option::is_none")]
    pub form: Option<Value>,
}

/// Where a result comes from that was there already.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CacheHit {
    pub execution: ExecutionId,
    pub result: Value,
}

/// What entering a step came to; decided once, with everything evaluated.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Plan {
    /// An attempt, as soon as there is a slot.
    Attempt(Input),
    /// The blocks of the step, one after another or side by side.
    Blocks,
    /// The block of the step, once for each of these.
    Items(Vec<Value>),
    /// These names, at once.
    Values(Vec<(String, Value)>),
    /// Nothing until this instant.
    Wait {
        until: Timestamp,
    },
    Skip(SkipReason),
    Fail(Failure),
    /// The whole chain ends like this.
    End {
        status: End,
        #[serde(default, deserialize_with = "some", skip_serializing_if = "Option::is_none")]
        output: Option<Value>,
    },
    /// The whole chain ends with this failure.
    Raise(Failure),
    /// Nothing until a signal arrives, or this instant.
    Await {
        #[serde(default, skip_serializing_if = "Option::is_none")]
        until: Option<Timestamp>,
    },
    /// Nothing until a person has answered this, or until this instant.
    Ask {
        title: String,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        until: Option<Timestamp>,
    },
    /// The result that an earlier execution left here.
    Adopt,
    /// The result that was given for it.
    Pin(Value),
}

impl Plan {
    /// The values in it that can be references.
    fn values(&self) -> Vec<&Value> {
        match self {
            Self::Attempt(input) => input.values().collect(),
            Self::Items(items) => items.iter().collect(),
            Self::Values(values) => values.iter().map(|(_, value)| value).collect(),
            Self::End { output, .. } => output.iter().collect(),
            Self::Pin(value) => vec![value],
            Self::Blocks
            | Self::Wait { .. }
            | Self::Await { .. }
            | Self::Ask { .. }
            | Self::Adopt
            | Self::Skip(_)
            | Self::Fail(_)
            | Self::Raise(_) => Vec::new(),
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SkipReason {
    /// Its own `when` was false.
    When,
    /// Too many of the steps that it depends on ended in another way than it waits for; this was the first of them.
    Unmet { by: StepIx },
    /// Whoever started the execution has left it out.
    LeftOut,
}

/// The resolved input of a visit's attempts: the parts of the step that are not constant. Secrets stand in it by name.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Input {
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub env: BTreeMap<String, Given>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub argv: Vec<Value>,
    #[serde(default, deserialize_with = "some", skip_serializing_if = "Option::is_none")]
    pub stdin: Option<Given>,
    #[serde(default, deserialize_with = "some", skip_serializing_if = "Option::is_none")]
    pub parameters: Option<Value>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request: Option<Box<Request>>,
}

/// The request of an `http` step: where it goes, and what of it is not constant.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Request {
    /// As it is sent, without its fragment.
    pub url: String,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub headers: BTreeMap<String, Given>,
    /// `user` and `password`, or `token`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub auth: BTreeMap<String, Given>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub body: Option<Given>,
}

impl Request {
    fn given(&self) -> impl Iterator<Item = &Given> {
        self.headers.values().chain(self.auth.values()).chain(&self.body)
    }

    fn given_mut(&mut self) -> impl Iterator<Item = &mut Given> {
        self.headers.values_mut().chain(self.auth.values_mut()).chain(&mut self.body)
    }

    fn to_value(&self) -> Value {
        let object = |fields: &BTreeMap<String, Given>| {
            Value::object(fields.iter().map(|(name, given)| (name.clone(), given.to_value())))
        };
        let parts = [
            ("url", Some(Value::text(self.url.as_str()))),
            ("headers", (!self.headers.is_empty()).then(|| object(&self.headers))),
            ("auth", (!self.auth.is_empty()).then(|| object(&self.auth))),
            ("body", self.body.as_ref().map(Given::to_value)),
        ];
        Value::object(parts.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))))
    }
}

impl Input {
    /// Whether all of it is constant.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// The input as an undo reads it.
    pub(crate) fn to_value(&self) -> Value {
        let env = self.env.iter().map(|(name, given)| (name.clone(), given.to_value()));
        let env = (!self.env.is_empty()).then(|| Value::object(env));
        let argv = (!self.argv.is_empty()).then(|| Value::list(self.argv.clone()));
        let parts = [
            ("env", env),
            ("argv", argv),
            ("stdin", self.stdin.as_ref().map(Given::to_value)),
            ("parameters", self.parameters.clone()),
            ("request", self.request.as_ref().map(|request| request.to_value())),
        ];
        let given = parts.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?)));
        Value::object(given)
    }

    /// The values in it.
    pub fn values(&self) -> impl Iterator<Item = &Value> {
        let given = self.env.values().chain(&self.stdin);
        let requested = self.request.iter().flat_map(|request| request.given());
        let given = given.chain(requested).flat_map(Given::values);
        given.chain(&self.argv).chain(&self.parameters)
    }

    pub fn values_mut(&mut self) -> impl Iterator<Item = &mut Value> {
        let given = self.env.values_mut().chain(&mut self.stdin);
        let requested = self.request.iter_mut().flat_map(|request| request.given_mut());
        let given = given.chain(requested).flat_map(Given::values_mut);
        given.chain(&mut self.argv).chain(&mut self.parameters)
    }
}

/// How an attempt ended. A runner knows one attempt: whether there is another is decided here.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Answer {
    Succeeded {
        #[serde(default, deserialize_with = "some", skip_serializing_if = "Option::is_none")]
        value: Option<Value>,
    },
    Failed {
        failure: Failure,
    },
    TimedOut {
        limit_ms: u64,
    },
    Cancelled {},
    /// Its end is not known and never will be.
    Lost {
        message: String,
    },
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StopReason {
    Cancelled,
    /// More failed below it than it tolerates.
    Failed(Failure),
    /// Enough completed below it.
    Satisfied,
    /// The visit has had all its time.
    TimedOut {
        limit_ms: u64,
    },
}

/// What a person answers for a visit in doubt or in quarantine.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Resolution {
    /// It did its work, and this is what it left.
    Completed {
        #[serde(default, deserialize_with = "some", skip_serializing_if = "Option::is_none")]
        value: Option<Value>,
    },
    /// It did not, and its policy says what follows; it is not tried again.
    Failed {},
    /// Another attempt.
    RunAgain {},
    /// The whole execution is given up: it stops and fails.
    GiveUp {},
}

/// What a failed visit does to what is around it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Consequence {
    /// Its block fails.
    Stop,
    /// It is recorded, and its block goes on.
    Continue,
    /// The execution stops, and is undone.
    Rollback,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Jump {
    Step(StepIx),
    End,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BlockEnd {
    Completed,
    Failed(Failure),
    Cancelled,
}

impl Event {
    /// The kind as it is stored and printed.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::ExecutionCreated { .. } => "execution_created",
            Self::ExecutionStarted {} => "execution_started",
            Self::BlockOpened { .. } => "block_opened",
            Self::VisitEntered { .. } => "visit_entered",
            Self::AttemptStarted { .. } => "attempt_started",
            Self::CheckpointRecorded { .. } => "checkpoint_recorded",
            Self::AttemptEnded { .. } => "attempt_ended",
            Self::RetryScheduled { .. } => "retry_scheduled",
            Self::TimerFired { .. } => "timer_fired",
            Self::NextDelayed { .. } => "next_delayed",
            Self::DelayElapsed { .. } => "delay_elapsed",
            Self::ExecutionHeld {} => "execution_held",
            Self::ExecutionAdmitted {} => "execution_admitted",
            Self::StepsSelected { .. } => "steps_selected",
            Self::ResultsAdopted { .. } => "results_adopted",
            Self::DutiesAdopted { .. } => "duties_adopted",
            Self::SignalReceived { .. } => "signal_received",
            Self::SignalTaken { .. } => "signal_taken",
            Self::ApprovalAnswered { .. } => "approval_answered",
            Self::ChildStarted { .. } => "child_started",
            Self::ChildHalted { .. } => "child_halted",
            Self::ChildUndoStarted { .. } => "child_undo_started",
            Self::ChildUndoEnded { .. } => "child_undo_ended",
            Self::ChildUndoHalted { .. } => "child_undo_halted",
            Self::CacheAnswered { .. } => "cache_answered",
            Self::IterationEnded { .. } => "iteration_ended",
            Self::IterationScheduled { .. } => "iteration_scheduled",
            Self::IterationStarted { .. } => "iteration_started",
            Self::AlternativeStarted { .. } => "alternative_started",
            Self::AttemptRequeued { .. } => "attempt_requeued",
            Self::VisitStopping { .. } => "visit_stopping",
            Self::VisitCompleted { .. } => "visit_completed",
            Self::VisitFailed { .. } => "visit_failed",
            Self::VisitCancelled { .. } => "visit_cancelled",
            Self::VisitInDoubt { .. } => "visit_in_doubt",
            Self::VisitQuarantined { .. } => "visit_quarantined",
            Self::VisitResolved { .. } => "visit_resolved",
            Self::Jumped { .. } => "jumped",
            Self::BlockStopping { .. } => "block_stopping",
            Self::BlockEnded { .. } => "block_ended",
            Self::CancelRequested { .. } => "cancel_requested",
            Self::ExecutionPaused {} => "execution_paused",
            Self::ExecutionResumed {} => "execution_resumed",
            Self::ExecutionTimedOut { .. } => "execution_timed_out",
            Self::UndoStarted {} => "undo_started",
            Self::HandlersStarted { .. } => "handlers_started",
            Self::StopForced {} => "stop_forced",
            Self::ExecutionEnded { .. } => "execution_ended",
        }
    }

    /// The visit that the event is about, if it is about one.
    pub fn visit(&self) -> Option<VisitNo> {
        match *self {
            Self::VisitEntered { visit, .. }
            | Self::AttemptStarted { visit, .. }
            | Self::CheckpointRecorded { visit, .. }
            | Self::AttemptEnded { visit, .. }
            | Self::RetryScheduled { visit, .. }
            | Self::TimerFired { visit }
            | Self::SignalTaken { visit }
            | Self::ApprovalAnswered { visit, .. }
            | Self::ChildStarted { visit, .. }
            | Self::ChildHalted { visit, .. }
            | Self::ChildUndoStarted { visit }
            | Self::ChildUndoEnded { visit, .. }
            | Self::ChildUndoHalted { visit, .. }
            | Self::CacheAnswered { visit, .. }
            | Self::IterationEnded { visit, .. }
            | Self::IterationScheduled { visit, .. }
            | Self::IterationStarted { visit, .. }
            | Self::AlternativeStarted { visit, .. }
            | Self::AttemptRequeued { visit }
            | Self::VisitStopping { visit, .. }
            | Self::VisitCompleted { visit, .. }
            | Self::VisitFailed { visit, .. }
            | Self::VisitCancelled { visit }
            | Self::VisitInDoubt { visit }
            | Self::VisitQuarantined { visit }
            | Self::VisitResolved { visit, .. } => Some(visit),
            Self::Jumped { from, .. } => Some(from),
            Self::NextDelayed { after, .. } => Some(after),
            Self::ExecutionCreated { .. }
            | Self::ExecutionStarted {}
            | Self::BlockOpened { .. }
            | Self::BlockStopping { .. }
            | Self::BlockEnded { .. }
            | Self::CancelRequested { .. }
            | Self::DelayElapsed { .. }
            | Self::ExecutionPaused {}
            | Self::ExecutionResumed {}
            | Self::ExecutionTimedOut { .. }
            | Self::UndoStarted {}
            | Self::HandlersStarted { .. }
            | Self::StopForced {}
            | Self::ExecutionHeld {}
            | Self::ExecutionAdmitted {}
            | Self::StepsSelected { .. }
            | Self::ResultsAdopted { .. }
            | Self::DutiesAdopted { .. }
            | Self::SignalReceived { .. }
            | Self::ExecutionEnded { .. } => None,
        }
    }

    /// The values in it that can be references.
    pub fn values(&self) -> Vec<&Value> {
        match self {
            Self::ExecutionCreated { params: value, .. }
            | Self::CheckpointRecorded { value, .. }
            | Self::IterationEnded { result: value, .. }
            | Self::SignalReceived { value, .. }
            | Self::HandlersStarted { output: value, .. }
            | Self::ExecutionEnded { output: value, .. } => vec![value],
            Self::VisitEntered { plan, .. } | Self::IterationStarted { plan, .. } => plan.values(),
            Self::AttemptEnded { answer: Answer::Succeeded { value }, .. } => value.iter().collect(),
            Self::ApprovalAnswered { answer, .. } => answer.form.iter().collect(),
            Self::CacheAnswered { hit, .. } => hit.iter().map(|hit| &hit.result).collect(),
            Self::StepsSelected { pinned, context, .. } => {
                let given = context.iter().flat_map(|context| context.values());
                pinned.iter().map(|(_, value)| value).chain(given).collect()
            }
            Self::ResultsAdopted { results, .. } => results.iter().flat_map(Adopted::values).collect(),
            Self::DutiesAdopted { duties, .. } => duties.iter().flat_map(Duty::values).collect(),
            Self::VisitCompleted { result, .. } => result.iter().collect(),
            Self::VisitResolved { resolution: Resolution::Completed { value }, .. } => value.iter().collect(),
            Self::AttemptEnded { .. }
            | Self::ExecutionStarted {}
            | Self::BlockOpened { .. }
            | Self::AttemptStarted { .. }
            | Self::RetryScheduled { .. }
            | Self::TimerFired { .. }
            | Self::ExecutionHeld {}
            | Self::ExecutionAdmitted {}
            | Self::SignalTaken { .. }
            | Self::ChildStarted { .. }
            | Self::ChildHalted { .. }
            | Self::ChildUndoStarted { .. }
            | Self::ChildUndoEnded { .. }
            | Self::ChildUndoHalted { .. }
            | Self::IterationScheduled { .. }
            | Self::AlternativeStarted { .. }
            | Self::AttemptRequeued { .. }
            | Self::VisitStopping { .. }
            | Self::VisitFailed { .. }
            | Self::VisitCancelled { .. }
            | Self::VisitInDoubt { .. }
            | Self::VisitQuarantined { .. }
            | Self::VisitResolved { .. }
            | Self::NextDelayed { .. }
            | Self::DelayElapsed { .. }
            | Self::Jumped { .. }
            | Self::BlockStopping { .. }
            | Self::BlockEnded { .. }
            | Self::CancelRequested { .. }
            | Self::ExecutionPaused {}
            | Self::ExecutionResumed {}
            | Self::ExecutionTimedOut { .. }
            | Self::StopForced {}
            | Self::UndoStarted {} => Vec::new(),
        }
    }

    pub fn attempt(&self) -> Option<AttemptNo> {
        match *self {
            Self::AttemptStarted { attempt, .. }
            | Self::CheckpointRecorded { attempt, .. }
            | Self::ChildStarted { attempt, .. }
            | Self::AttemptEnded { attempt, .. } => Some(attempt),
            Self::ExecutionCreated { .. }
            | Self::ExecutionHeld {}
            | Self::ExecutionAdmitted {}
            | Self::StepsSelected { .. }
            | Self::ResultsAdopted { .. }
            | Self::DutiesAdopted { .. }
            | Self::SignalReceived { .. }
            | Self::SignalTaken { .. }
            | Self::ApprovalAnswered { .. }
            | Self::ChildHalted { .. }
            | Self::ChildUndoStarted { .. }
            | Self::ChildUndoEnded { .. }
            | Self::ChildUndoHalted { .. }
            | Self::CacheAnswered { .. }
            | Self::ExecutionStarted {}
            | Self::BlockOpened { .. }
            | Self::VisitEntered { .. }
            | Self::RetryScheduled { .. }
            | Self::TimerFired { .. }
            | Self::IterationEnded { .. }
            | Self::IterationScheduled { .. }
            | Self::IterationStarted { .. }
            | Self::AlternativeStarted { .. }
            | Self::AttemptRequeued { .. }
            | Self::VisitStopping { .. }
            | Self::VisitCompleted { .. }
            | Self::VisitFailed { .. }
            | Self::VisitCancelled { .. }
            | Self::VisitInDoubt { .. }
            | Self::VisitQuarantined { .. }
            | Self::VisitResolved { .. }
            | Self::NextDelayed { .. }
            | Self::DelayElapsed { .. }
            | Self::Jumped { .. }
            | Self::BlockStopping { .. }
            | Self::BlockEnded { .. }
            | Self::CancelRequested { .. }
            | Self::ExecutionPaused {}
            | Self::ExecutionResumed {}
            | Self::ExecutionTimedOut { .. }
            | Self::UndoStarted {}
            | Self::HandlersStarted { .. }
            | Self::StopForced {}
            | Self::ExecutionEnded { .. } => None,
        }
    }
}
