//! The reference model: what a user sees of an execution, told a second time and in another way.
//!
//! A chain is run as a program: a step is a coroutine, a block one that awaits its steps, and a clock jumps to the
//! next instant when nothing goes on. There are no events, no phases and no agenda. It is written from the pages on the
//! language and knows the definition only as it was written, so that the core and the model can agree by being right,
//! and hardly by being wrong in the same way.
//!
//! What it takes for granted: there is a slot for every attempt, no attempt is lost, nobody cancels, signals or
//! approves. Attempts start when nothing else is left to happen at an instant, or before by the dice. Where two things
//! happen at one instant, the language promises no order: the model then knows several ends, one for each [`Order`].

mod block;
mod clock;
mod condition;
mod nest;
mod visit;

use std::{
    cell::{Cell, RefCell},
    collections::BTreeMap,
    fmt,
    rc::Rc,
};

use catena_core::{
    chain::{Draft, ErrorPolicy, HandlerKind, StepDraft},
    failure::FailureType,
    status::{End, ExecutionStatus, StepStatus},
};

use self::{
    block::{Block, BlockEnd},
    clock::Clock,
};
pub use self::{clock::Order, condition::UNKNOWN};
use crate::sim::Script;

/// How long each handler may take.
const HANDLER_MS: u64 = 10 * 60 * 1_000;

/// What a user sees of an execution.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Outcome {
    pub status: ExecutionStatus,
    /// The type of the failure that it ended with.
    pub error: Option<String>,
    /// By address how each visit ended or where it stands, and how many attempts it took.
    pub visits: BTreeMap<String, (StepStatus, u32)>,
    /// The visits whose undo was begun, in this order, each with the instant at which it had ended.
    pub undone: Vec<(u64, String)>,
}

impl Outcome {
    /// The same where it does not matter in which order visits are undone that ended at one instant: when all is
    /// stopped, nobody has promised what stops first.
    #[must_use]
    pub fn without_ties(mut self) -> Self {
        self.undone.sort_by(|(a, x), (b, y)| b.cmp(a).then_with(|| x.cmp(y)));
        self
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{} {}", self.status, self.error.as_deref().unwrap_or("-"))?;
        for (address, (status, attempts)) in &self.visits {
            writeln!(f, "  {address} {status} {attempts}")?;
        }
        let undone: Vec<&str> = self.undone.iter().map(|(_, address)| address.as_str()).collect();
        writeln!(f, "  undone: {}", undone.join(", "))
    }
}

/// What a chain comes to when its attempts end as the script says.
pub fn outcome(draft: &Draft, script: &Script<'_>, order: Order) -> Outcome {
    let world = World::new(draft, script, order);
    let end = world.clock.run(world.execution());
    let (status, error) = match end {
        Some((end, error)) => (end.into(), error),
        None if world.is_stuck.get() => (ExecutionStatus::Stuck, None),
        None => (ExecutionStatus::Waiting, None),
    };
    Outcome { status, error, visits: world.visits.take(), undone: world.undone.take() }
}

/// Why a step failed, as far as it matters.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Failure {
    kind: FailureType,
    /// Whether another attempt may help.
    again: bool,
}

impl Failure {
    fn of(kind: FailureType) -> Self {
        Self { kind, again: true }
    }

    fn lasting(kind: FailureType) -> Self {
        Self { kind, again: false }
    }
}

/// A completed visit that has an undo.
struct Done<'a> {
    ended_at: u64,
    address: String,
    undo: &'a [StepDraft],
}

/// Whether something has to stop, with all that is around it.
#[derive(Default)]
struct Scope {
    around: Option<Rc<Scope>>,
    stopped: Cell<bool>,
}

impl Scope {
    fn within(around: &Rc<Self>) -> Rc<Self> {
        Rc::new(Self { around: Some(Rc::clone(around)), stopped: Cell::new(false) })
    }

    fn is_stopped(&self) -> bool {
        self.stopped.get() || self.around.as_ref().is_some_and(|around| around.is_stopped())
    }
}

/// One execution.
struct World<'a> {
    draft: &'a Draft,
    script: &'a Script<'a>,
    clock: Clock,
    root: Rc<Scope>,
    visits: RefCell<BTreeMap<String, (StepStatus, u32)>>,
    /// What an undo takes back, the last completed last.
    done: RefCell<Vec<Done<'a>>>,
    undone: RefCell<Vec<(u64, String)>>,
    has_passed: Cell<bool>,
    is_stuck: Cell<bool>,
    /// The steps of the chain's own block were visited too often, or nobody could say where to go on.
    top_failed_itself: Cell<bool>,
    /// What asked for a rollback; what the whole fails with; how an `end` ends it.
    rollback: RefCell<Option<Failure>>,
    verdict: RefCell<Option<Failure>>,
    finish: Cell<Option<End>>,
}

impl<'a> World<'a> {
    fn new(draft: &'a Draft, script: &'a Script<'a>, order: Order) -> Self {
        Self {
            draft,
            script,
            clock: Clock::new(order),
            root: Rc::default(),
            visits: RefCell::default(),
            done: RefCell::default(),
            undone: RefCell::default(),
            has_passed: Cell::new(false),
            is_stuck: Cell::new(false),
            top_failed_itself: Cell::new(false),
            rollback: RefCell::default(),
            verdict: RefCell::default(),
            finish: Cell::new(None),
        }
    }

    /// Run, undo, handlers, end.
    async fn execution(&self) -> (End, Option<String>) {
        let root = Block::root(self.draft, &self.root);
        let end = self.within_limit(&self.root, self.draft.timeout_ms, self.block(root), || {
            self.give_verdict(Failure::of(FailureType::Timeout));
        });
        let (end, error) = match end.await {
            end if self.must_undo(&end) => {
                self.undo_all().await;
                let asked = self.rollback.borrow().clone().or_else(|| self.verdict.borrow().clone());
                let why = asked.or(match end {
                    BlockEnd::Failed(failure) => Some(failure),
                    BlockEnd::Completed | BlockEnd::Stopped => None,
                });
                (End::RolledBack, why.map(kind_of))
            }
            end => self.end_of(end),
        };
        let handlers = self.handlers(end).await;
        let is_clean = handlers && !self.has_passed.get();
        let end = if end == End::Completed && !is_clean { End::CompletedWithErrors } else { end };
        (end, error)
    }

    /// How it ends where nothing is undone.
    fn end_of(&self, end: BlockEnd) -> (End, Option<String>) {
        let verdict = self.verdict.borrow().clone();
        match (self.finish.get(), verdict, end) {
            (Some(End::Failed), None, _) => (End::Failed, Some("failed".into())),
            (Some(finish), None, _) => (self.with_errors(finish), None),
            (_, _, BlockEnd::Failed(failure)) => (End::Failed, Some(kind_of(failure))),
            (_, Some(verdict), _) => (End::Failed, Some(kind_of(verdict))),
            (None, None, BlockEnd::Completed | BlockEnd::Stopped) => (self.with_errors(End::Completed), None),
        }
    }

    fn with_errors(&self, end: End) -> End {
        if end == End::Completed && self.has_passed.get() { End::CompletedWithErrors } else { end }
    }

    fn must_undo(&self, end: &BlockEnd) -> bool {
        let rolls_back = self.draft.error_policy == Some(ErrorPolicy::Rollback);
        // The chain's own block may fail where none of its steps does.
        let failed_itself = matches!(end, BlockEnd::Failed(_)) && self.top_failed_itself.get();
        self.rollback.borrow().is_some() || (rolls_back && (self.verdict.borrow().is_some() || failed_itself))
    }

    /// Each completed visit once, the last one first. An undo that fails stops it all: a person has to look.
    async fn undo_all(&self) {
        loop {
            let next = self.done.borrow_mut().pop();
            let Some(done) = next else { return };
            self.undone.borrow_mut().push((done.ended_at, done.address.clone()));
            let block = Block::aside(format!("{}.undo/", done.address), done.undo);
            match self.block(block).await {
                BlockEnd::Completed => self.show(&done.address, StepStatus::Undone),
                BlockEnd::Failed(_) | BlockEnd::Stopped => {
                    self.is_stuck.set(true);
                    std::future::pending::<()>().await;
                }
            }
        }
    }

    /// Whether all that follows this end completed.
    async fn handlers(&self, end: End) -> bool {
        let handlers = &self.draft.handlers;
        let of_outcome = match end {
            End::Completed | End::CompletedWithErrors => (HandlerKind::OnSuccess, &handlers.on_success),
            End::Failed | End::RolledBack => (HandlerKind::OnFailure, &handlers.on_failure),
            End::Cancelled => (HandlerKind::OnFailure, &None),
        };
        let mut all_completed = true;
        for (kind, steps) in [of_outcome, (HandlerKind::Finally, &handlers.finally)] {
            let Some(steps) = steps else { continue };
            let block = Block::aside(format!("chain.{}/", kind.as_str()), steps);
            let scope = Rc::clone(&block.scope);
            let end = self.within_limit(&scope, Some(HANDLER_MS), self.block(block), || {});
            all_completed &= end.await == BlockEnd::Completed;
        }
        all_completed
    }

    /// Stops a block when its time is over.
    async fn within_limit(
        &self,
        scope: &Rc<Scope>,
        limit_ms: Option<u64>,
        block: impl Future<Output = BlockEnd>,
        on_limit: impl Fn(),
    ) -> BlockEnd {
        let deadline = limit_ms.map(|ms| self.clock.now() + ms);
        let mut block = std::pin::pin!(block);
        std::future::poll_fn(move |cx| {
            if !scope.is_stopped() && self.clock.is_past(deadline) {
                scope.stopped.set(true);
                on_limit();
                self.clock.changed();
            }
            block.as_mut().poll(cx)
        })
        .await
    }

    /// The whole ends with this failure, and no policy lets it pass.
    fn give_verdict(&self, failure: Failure) {
        self.verdict.borrow_mut().get_or_insert(failure);
        self.root.stopped.set(true);
    }

    fn show(&self, address: &str, status: StepStatus) {
        self.visits.borrow_mut().entry(address.to_owned()).or_insert((status, 0)).0 = status;
        self.clock.changed();
    }
}

fn kind_of(failure: Failure) -> String {
    failure.kind.as_str().to_owned()
}
