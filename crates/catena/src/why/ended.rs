//! How it ended, or how far it is, in one sentence: also for what went well.

use catena_core::{
    VisitNo,
    state::{Phase, ResultOrigin, VisitEnd},
    status::{End, StepStatus},
};

use super::{
    case::{Case, Subject},
    reason::{About, NAMED_MAX, Reason, counted, span},
};

pub(super) fn reasons(case: &Case<'_>) -> Vec<Reason> {
    if case.is_whole() { whole(case).into_iter().collect() } else { completed(case) }
}

/// For what no rule had anything to say about.
pub(super) fn fallback(case: &Case<'_>) -> Reason {
    let next = format!("catena ps show {}", case.id());
    let message = match case.subject {
        Subject::Whole => format!("execution {} is {}", case.id(), case.state.status()),
        Subject::Step(step) => format!("`{}` has not been entered yet", case.step_id(step)),
        Subject::Visit(no) => format!("`{}` is {}", case.address(no), case.state.step_status(no)),
    };
    Reason::new(About::Ended, message).next(next)
}

fn whole(case: &Case<'_>) -> Option<Reason> {
    let Phase::Ended { end, at, .. } = case.state.phase() else { return None };
    let took = case.state.started_at().map(|from| span(at.micros_since(from))).unwrap_or_default();
    let done = counted(case.count(StepStatus::Completed), "step");
    let by_end_step =
        case.state.finish().filter(|finish| finish.status == *end).map_or_else(String::new, |finish| {
            format!("; the `end` step `{}` said so", case.address(finish.visit))
        });
    let message = match end {
        End::Completed => format!("completed: nothing failed; {done} completed in {took}{by_end_step}"),
        End::CompletedWithErrors => {
            format!("completed with errors: all failures were let pass; {done} completed in {took}")
        }
        End::Failed => format!("failed after {took}; {done} completed{by_end_step}"),
        End::Cancelled => format!("cancelled after {took}; {done} completed{by_end_step}"),
        End::RolledBack => format!("rolled back after {took}"),
    };
    let id = case.id();
    let reason = Reason::new(About::Ended, message);
    Some(match end {
        End::Completed | End::CompletedWithErrors => reason.next(format!("catena ps show {id}")),
        End::Failed | End::Cancelled | End::RolledBack => {
            reason.next(format!("catena ps rerun {id} --failed"))
        }
    })
}

/// Visits of the step that is asked about and that went well.
fn completed(case: &Case<'_>) -> Vec<Reason> {
    let completed = case.visits().filter(|(_, visit)| matches!(visit.end(), Some(VisitEnd::Completed(_))));
    completed.take(NAMED_MAX).map(|(no, _)| of_visit(case, no)).collect()
}

fn of_visit(case: &Case<'_>, no: VisitNo) -> Reason {
    let visit = case.state.visit(no);
    let address = case.address(no);
    let took = span(case.ended_or_now(visit).micros_since(visit.entered_at));
    let message = match visit.origin {
        ResultOrigin::Own if visit.attempts > 0 => {
            format!("`{address}` completed at attempt {} in {took}", visit.attempts)
        }
        ResultOrigin::Own => format!("`{address}` completed in {took}"),
        ResultOrigin::Adopted { from, .. } => {
            format!("`{address}` did not run: its result is that of execution {from}")
        }
        ResultOrigin::Cached { from } => {
            format!("`{address}` did not run: the cache had its result, of execution {from}")
        }
        ResultOrigin::Pinned => format!("`{address}` did not run: its result was given at the start"),
    };
    let message = match &visit.alternative_to {
        Some(failure) => format!("{message}, by its alternative: {}", super::reason::failure_words(failure)),
        None => message,
    };
    let reason = Reason::new(About::Ended, message).at(address);
    if visit.attempts > 0 {
        reason.next(format!("catena ps logs {} --step {}", case.id(), case.word(no)))
    } else {
        reason
    }
}
