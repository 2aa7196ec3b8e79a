//! One visit of a step: condition, iterations of tries of attempts, then what its policy makes of a failure.

use std::{cell::Cell, pin::Pin, rc::Rc, task::Poll};

use catena_core::{
    chain::{ErrorPolicy, Interval, Iterations, IterationsStop, OnTimeout, StepDraft, Wait, Work},
    event::Answer,
    failure::FailureType,
    status::StepStatus,
};

use super::{Done, Failure, Scope, World, block::Block, condition::holds};

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Ended {
    Completed,
    Failed(Failure, Consequence),
    Skipped { by_when: bool },
    Cancelled,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Consequence {
    Stop,
    Pass,
    Rollback,
}

pub(super) struct Visit<'a> {
    pub(super) step: &'a StepDraft,
    pub(super) block: Rc<Block<'a>>,
    pub(super) address: String,
    /// When its `timeout.total` is over.
    pub(super) deadline: Option<u64>,
    pub(super) attempts: Cell<u32>,
    /// How often its blocks were opened.
    pub(super) openings: Cell<u32>,
}

/// What one try of a step's work came to.
pub(super) enum Tried {
    Well,
    /// It has done its work, though it was to stop: there is no other iteration.
    WellTooLate,
    Failed(Failure),
    /// It was to stop, and did.
    Cancelled,
    TimedOut,
}

impl<'a> World<'a> {
    pub(super) async fn visit(
        &self,
        step: &'a StepDraft,
        block: &Rc<Block<'a>>,
        nth: u32,
        is_unmet: bool,
    ) -> Ended {
        let turn = if nth > 1 { format!("~{nth}") } else { String::new() };
        let visit = Visit {
            step,
            block: Rc::clone(block),
            address: format!("{}{}{turn}", block.path, step.id),
            deadline: step.total_timeout_ms.map(|ms| self.clock.now() + ms),
            attempts: Cell::new(0),
            openings: Cell::new(0),
        };
        self.show_visit(&visit, StepStatus::Waiting);
        let (end, by_alternative) = match step.when.as_ref().map_or(Ok(true), |when| holds(when, block, 0)) {
            _ if is_unmet => (Ended::Skipped { by_when: false }, false),
            Ok(false) => (Ended::Skipped { by_when: true }, false),
            Ok(true) => self.work(&visit).await,
            Err(failure) => self.failed(&visit, failure).await,
        };
        self.remember_undo(&visit, &end, by_alternative);
        self.show_visit(
            &visit,
            match end {
                Ended::Completed => StepStatus::Completed,
                Ended::Failed(..) => StepStatus::Failed,
                Ended::Skipped { .. } => StepStatus::Skipped,
                Ended::Cancelled => StepStatus::Cancelled,
            },
        );
        end
    }

    pub(super) fn show_visit(&self, visit: &Visit<'a>, status: StepStatus) {
        self.show(&visit.address, status);
        visit.block.latest.borrow_mut().insert(visit.step.id.as_str(), status);
        let attempts = visit.attempts.get();
        self.visits.borrow_mut().entry(visit.address.clone()).and_modify(|seen| seen.1 = attempts);
    }

    /// Undo covers what completed; with `if_started` also what began and came to nothing, by itself or in favour of
    /// its alternative.
    fn remember_undo(&self, visit: &Visit<'a>, end: &Ended, by_alternative: bool) {
        let Some(undo) = visit.step.undo.as_ref().filter(|_| !visit.block.is_aside) else { return };
        let has_started = visit.attempts.get() > 0 || visit.openings.get() > 0;
        let is_due = match end {
            Ended::Completed => undo.if_started || !by_alternative,
            Ended::Failed(..) | Ended::Cancelled => undo.if_started && has_started,
            Ended::Skipped { .. } => false,
        };
        if is_due {
            self.done.borrow_mut().push(Done {
                ended_at: self.clock.now(),
                address: visit.address.clone(),
                undo: &undo.block,
            });
        }
    }

    /// How the work of a step ends, and whether its alternative did it.
    async fn work(&self, visit: &Visit<'a>) -> (Ended, bool) {
        match &visit.step.work {
            Work::Set { .. } => (Ended::Completed, false),
            Work::End(end) => {
                if self.finish.get().is_none() {
                    self.finish.set(Some(end.status));
                }
                self.root.stopped.set(true);
                (Ended::Completed, false)
            }
            Work::Fail(fail) => {
                let failure = Failure::lasting(FailureType::from(fail.kind.clone()));
                // The end of what is aside is known already.
                if visit.block.is_aside {
                    return self.failed(visit, failure).await;
                }
                self.give_verdict(failure.clone());
                (Ended::Failed(failure, Consequence::Stop), false)
            }
            _ => self.iterations(visit).await,
        }
    }

    async fn iterations(&self, visit: &Visit<'a>) -> (Ended, bool) {
        for index in 0.. {
            match self.tries(visit).await {
                // It has done its work; nobody wants it done again.
                Tried::Well if visit.block.scope.is_stopped() => break,
                Tried::Well => {}
                Tried::WellTooLate => break,
                Tried::Failed(failure) => return self.failed(visit, failure).await,
                Tried::Cancelled => return (Ended::Cancelled, false),
                Tried::TimedOut => return self.failed(visit, Failure::of(FailureType::Timeout)).await,
            }
            let Some(iterations) = &visit.step.iterations else { break };
            let pause_ms = match self.is_last(iterations, &visit.block, index) {
                Ok(true) => break,
                Ok(false) => pause_after(iterations, index),
                Err(failure) => return self.failed(visit, failure).await,
            };
            match self.pause(visit, Some(self.clock.now() + pause_ms)).await {
                Tried::Cancelled => return (Ended::Cancelled, false),
                Tried::TimedOut => return self.failed(visit, Failure::of(FailureType::Timeout)).await,
                Tried::Well | Tried::WellTooLate | Tried::Failed(_) => {}
            }
        }
        (Ended::Completed, false)
    }

    fn is_last(&self, iterations: &Iterations, block: &Block<'_>, index: u32) -> Result<bool, Failure> {
        let is_met = match &iterations.stop {
            None => false,
            Some(IterationsStop::Until(expr)) => holds(expr, block, index)?,
            Some(IterationsStop::While(expr)) => !holds(expr, block, index)?,
        };
        match iterations.count_max {
            _ if is_met => Ok(true),
            Some(max) if index + 1 >= max && iterations.stop.is_some() => {
                Err(Failure::lasting(FailureType::RepeatLimit))
            }
            Some(max) => Ok(index + 1 >= max),
            None => Ok(false),
        }
    }

    /// Tries until one goes well or no other may help.
    async fn tries(&self, visit: &Visit<'a>) -> Tried {
        for n in 1.. {
            let failure = match self.once(visit).await {
                Tried::Failed(failure) => failure,
                end @ (Tried::Well | Tried::WellTooLate | Tried::Cancelled | Tried::TimedOut) => return end,
            };
            let Some(retry) = &visit.step.retry else { return Tried::Failed(failure) };
            if !failure.again || n >= retry.max_attempts || !retry.covers(&failure.kind) {
                return Tried::Failed(failure);
            }
            let grown = retry.initial_delay_ms as f64 * retry.backoff_factor.powi(n as i32 - 1);
            let pause_ms = retry.delay_max_ms.map_or(grown, |max| grown.min(max as f64));
            match self.pause(visit, Some(self.clock.now() + pause_ms as u64)).await {
                Tried::Well | Tried::WellTooLate | Tried::Failed(_) => {}
                end @ (Tried::Cancelled | Tried::TimedOut) => return end,
            }
        }
        unreachable!("the tries of a policy are counted")
    }

    async fn once(&self, visit: &Visit<'a>) -> Tried {
        match &visit.step.work {
            Work::Wait { wait } => self.wait(visit, wait).await,
            Work::Group { .. } | Work::Parallel { .. } | Work::ForEach { .. } => self.blocks(visit).await,
            _ => self.attempt(visit).await,
        }
    }

    async fn wait(&self, visit: &Visit<'a>, wait: &Wait) -> Tried {
        let now = self.clock.now();
        let (until, failure) = match wait {
            Wait::ForMs(ms) => (Some(now + ms), None),
            Wait::Signal { timeout_ms, .. } => (timeout_ms.map(|ms| now + ms), Some(FailureType::Timeout)),
            Wait::Approval(approval) => {
                let failure = match approval.on_timeout {
                    OnTimeout::Fail => Some(FailureType::Timeout),
                    OnTimeout::Approve => None,
                    OnTimeout::Reject => Some(FailureType::Rejected),
                };
                (approval.expires_ms.map(|ms| now + ms), failure)
            }
            Wait::For(_) | Wait::Until(_) | Wait::UntilExpr(_) => panic!("the model knows no such wait"),
        };
        match (self.pause(visit, until).await, failure) {
            (Tried::Well, Some(kind)) => Tried::Failed(Failure::lasting(kind)),
            (end, _) => end,
        }
    }

    /// Waits until an instant, or for ever; well if it has come, and nothing has come before it.
    async fn pause(&self, visit: &Visit<'a>, until: Option<u64>) -> Tried {
        self.show_visit(visit, StepStatus::Waiting);
        let end = std::future::poll_fn(|_| match self.must_stop(visit) {
            Some(end) => Poll::Ready(end),
            None if self.clock.wakes(until) => Poll::Ready(Tried::Well),
            None => Poll::Pending,
        });
        let end = end.await;
        self.clock.changed();
        end
    }

    /// Why a visit that does nothing has to end.
    fn must_stop(&self, visit: &Visit<'a>) -> Option<Tried> {
        if visit.block.scope.is_stopped() {
            Some(Tried::Cancelled)
        } else if self.clock.is_past(visit.deadline) {
            Some(Tried::TimedOut)
        } else {
            None
        }
    }

    /// One attempt, which nothing cuts short: when it is to stop, it may be too late for that.
    async fn attempt(&self, visit: &Visit<'a>) -> Tried {
        self.show_visit(visit, StepStatus::Waiting);
        let stop = std::future::poll_fn(|_| match self.must_stop(visit) {
            Some(end) => Poll::Ready(Some(end)),
            None if self.clock.may_start() => Poll::Ready(None),
            None => Poll::Pending,
        });
        if let Some(end) = stop.await {
            return end;
        }
        visit.attempts.set(visit.attempts.get() + 1);
        self.show_visit(visit, StepStatus::Running);
        let (answer, ms) = (self.script)(&visit.address, visit.attempts.get());
        self.clock.sleep_until(self.clock.now() + ms).await;
        let is_late = visit.deadline.is_some_and(|at| at < self.clock.now());
        let stop = match visit.block.scope.is_stopped() {
            true => Some(Tried::Cancelled),
            false => is_late.then_some(Tried::TimedOut),
        };
        match (answer, stop) {
            (Answer::Succeeded { .. }, None) => Tried::Well,
            (Answer::Succeeded { .. }, Some(_)) => Tried::WellTooLate,
            (Answer::Lost { .. }, _) => panic!("the model loses no attempt"),
            (_, Some(end)) => end,
            (Answer::Failed { failure }, None) => {
                Tried::Failed(Failure { kind: failure.kind, again: failure.retriable })
            }
            (Answer::TimedOut { .. }, None) => Tried::Failed(Failure::of(FailureType::Timeout)),
            (Answer::Cancelled {}, None) => {
                Tried::Failed(Failure::lasting(FailureType::from("cancelled".to_owned())))
            }
        }
    }

    /// The step has failed for good: its alternative does the work, or its policy says what follows.
    fn failed<'w>(
        &'w self,
        visit: &'w Visit<'a>,
        failure: Failure,
    ) -> Pin<Box<dyn Future<Output = (Ended, bool)> + 'w>> {
        Box::pin(async move {
            let default = self.draft.error_policy.filter(|_| visit.block.is_top);
            let alternative = visit.step.alternative.as_deref();
            match visit.step.error_policy.or(default).unwrap_or(ErrorPolicy::Stop) {
                ErrorPolicy::Alternative if !visit.block.scope.is_stopped() && alternative.is_some() => {
                    let step = alternative.expect("it was just seen");
                    (self.alternative(visit, step).await, true)
                }
                ErrorPolicy::Alternative | ErrorPolicy::Stop => {
                    (Ended::Failed(failure, Consequence::Stop), false)
                }
                ErrorPolicy::Rollback if visit.block.is_aside => {
                    (Ended::Failed(failure, Consequence::Stop), false)
                }
                ErrorPolicy::Continue => {
                    self.has_passed.set(true);
                    (Ended::Failed(failure, Consequence::Pass), false)
                }
                ErrorPolicy::Rollback => {
                    self.rollback.borrow_mut().get_or_insert(failure.clone());
                    self.root.stopped.set(true);
                    (Ended::Failed(failure, Consequence::Rollback), false)
                }
            }
        })
    }

    async fn alternative(&self, visit: &Visit<'a>, step: &'a StepDraft) -> Ended {
        self.show_visit(visit, StepStatus::Running);
        let scope = Scope::within(&visit.block.scope);
        let block = visit.block.alternative(format!("{}.alternative/", visit.address), step, &scope);
        match self.one_block(block, visit).await {
            Tried::Well | Tried::WellTooLate => Ended::Completed,
            Tried::Failed(failure) => Ended::Failed(failure, Consequence::Stop),
            Tried::Cancelled | Tried::TimedOut => Ended::Cancelled,
        }
    }
}

/// The pause after an iteration, from 0.
fn pause_after(iterations: &Iterations, index: u32) -> u64 {
    let Interval::Ms(first) = &iterations.interval else { panic!("the model knows no such interval") };
    let grown = *first as f64 * iterations.backoff_factor.max(1.0).powi(index as i32);
    iterations.interval_max_ms.map_or(grown, |max| grown.min(max as f64)).round() as u64
}
