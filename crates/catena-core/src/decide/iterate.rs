//! `repeat_config`: after each iteration, whether there is another one and when; and what it is given.

use super::{Decider, enter::plan_work};
use crate::{
    chain::{Interval, Iterations, IterationsStop, VISITS_TOTAL_MAX},
    event::{Event, Plan},
    expr::{self, Scope},
    failure::{Failure, FailureType},
    ids::VisitNo,
    state::Iteration,
    template::read_whole,
};

/// What follows an iteration.
enum Next {
    Done,
    /// The condition was not met, and there is no iteration left.
    Limit,
    AfterMs(u64),
}

impl Decider<'_> {
    pub(super) fn decide_iterated(&mut self, no: VisitNo) {
        let visit = self.state.visit(no);
        if visit.stopping.is_some() || self.state.is_closing(visit.frame) {
            // It has done its work, even where nobody wants it any more: an undo must know.
            return self.emit(Event::VisitCompleted { visit: no, result: None });
        }
        let iteration = visit.iteration.as_deref().cloned().expect("only what is repeated has an iteration");
        let frame = visit.frame;
        let next = self.evaluate_in(frame, Some(&iteration), |state, scope| {
            let iterations = state.step_of(no).iterations.as_ref();
            next(iterations.expect("only a repeated step has an iteration"), iteration.index + 1, scope)
        });
        match next {
            // It is decided when what it reads is at hand.
            None => {}
            Some(Ok(Next::Done)) => self.emit(Event::VisitCompleted { visit: no, result: None }),
            Some(Ok(Next::Limit)) => self.fail(no, limit_reached(iteration.index + 1)),
            Some(Ok(Next::AfterMs(ms))) => {
                let wake_at = self.outside.now.plus_ms(ms);
                self.emit(Event::IterationScheduled { visit: no, wake_at });
            }
            Some(Err(failure)) => self.fail(no, failure),
        }
    }

    pub(super) fn decide_due(&mut self, no: VisitNo) {
        let visit = self.state.visit(no);
        if visit.stopping.is_some() || self.state.is_closing(visit.frame) {
            return self.end_waiting(no);
        }
        let (frame, step, now) = (visit.frame, visit.step, self.outside.now);
        let iteration = visit.iteration.as_deref().map(|iteration| match visit.block_tries {
            0 => Iteration {
                index: iteration.index + 1,
                previous: iteration.result.clone(),
                ..Iteration::default()
            },
            _ => iteration.clone(),
        });
        if let Some(plan) = self.items_given(step) {
            return self.emit(Event::IterationStarted { visit: no, plan });
        }
        let plan = self.evaluate_in(frame, iteration.as_ref(), |state, scope| {
            plan_work(state.chain(), state.chain().step(step), now, scope)
        });
        let Some(plan) = plan else { return };
        let plan = plan.and_then(|plan| self.keep_plan(plan)).unwrap_or_else(Plan::Fail);
        self.emit(Event::IterationStarted { visit: no, plan });
    }
}

fn next(iterations: &Iterations, done: u32, scope: &dyn Scope) -> Result<Next, Failure> {
    let is_met = match &iterations.stop {
        None => false,
        Some(IterationsStop::Until(condition)) => condition.eval_condition(scope)?,
        Some(IterationsStop::While(condition)) => !condition.eval_condition(scope)?,
    };
    let count_max = iterations.count_max.map_or(VISITS_TOTAL_MAX, |max| max as usize);
    if is_met {
        return Ok(Next::Done);
    }
    if done as usize >= count_max {
        let is_the_plan = iterations.stop.is_none() && iterations.count_max.is_some();
        return Ok(if is_the_plan { Next::Done } else { Next::Limit });
    }
    let first_ms = match &iterations.interval {
        Interval::Ms(ms) => *ms,
        Interval::Expr(expr) => {
            let value = read_whole(&expr.eval(scope)?, scope);
            let micros = expr::duration_of(value.as_json()).map_err(|why| {
                Failure::lasting(FailureType::TemplateError, format!("`repeat_config.interval`: {why}"))
            })?;
            u64::try_from(micros).unwrap_or(0).div_ceil(1_000)
        }
    };
    Ok(Next::AfterMs(iterations.pause_ms(first_ms, done)))
}

fn limit_reached(done: u32) -> Failure {
    let message = format!("its condition was not met after {done} iterations");
    Failure::lasting(FailureType::RepeatLimit, message)
}
