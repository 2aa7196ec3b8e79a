//! Why it failed: the first failure that decided it, and those that were let pass.

use catena_core::{
    Event, FailureType, State, VisitNo,
    chain::Work,
    event::{Consequence, Plan, Resolution},
    failure::Failure,
    state::{Phase, Visit, VisitEnd},
    status::{End, StepStatus},
};

use super::{
    case::Case,
    reason::{About, NAMED_MAX, Reason, counted, failure_words, named, quoted},
};

pub(super) fn reasons(case: &Case<'_>) -> Vec<Reason> {
    if !case.is_whole() {
        return of_visits(case);
    }
    let mut reasons: Vec<Reason> = verdict(case).into_iter().collect();
    reasons.extend(decisive(case));
    reasons.extend(end_step(case));
    if reasons.is_empty() {
        reasons.extend(other_error(case));
    }
    reasons.extend(passed(case));
    reasons.extend(in_handlers(case));
    reasons
}

/// The attempts whose last lines say more than their failures do.
pub(crate) fn wants_last_line(state: &State) -> Vec<(VisitNo, u32)> {
    let failed = state.visits().filter(|(_, visit)| visit.attempts > 0 && failure_of(visit).is_some());
    failed.map(|(no, visit)| (no, visit.attempts)).take(NAMED_MAX).collect()
}

/// Each failed visit of the step that is asked about.
fn of_visits(case: &Case<'_>) -> Vec<Reason> {
    let failed = case.visits().filter(|(_, visit)| failure_of(visit).is_some());
    failed.take(NAMED_MAX).map(|(no, _)| of_visit(case, no)).collect()
}

fn failure_of(visit: &Visit) -> Option<(&Failure, Consequence)> {
    match visit.end()? {
        VisitEnd::Failed { failure, consequence } => Some((failure, *consequence)),
        VisitEnd::Completed(_) | VisitEnd::Skipped(_) | VisitEnd::Cancelled => None,
    }
}

/// The failure that the execution ends with whatever its steps do.
fn verdict(case: &Case<'_>) -> Option<Reason> {
    let failure = case.state.verdict()?;
    let id = case.id();
    let reason = |message: String| Reason::new(About::Failed, message);
    if failure.kind == FailureType::GivenUp {
        let by = case.entries.iter().find_map(|entry| {
            let Event::VisitResolved { visit, resolution: Resolution::GiveUp {} } = entry.event else {
                return None;
            };
            Some((visit, entry.actor.as_str()))
        });
        let (what, who) = by.map_or((String::new(), "somebody"), |(no, by)| {
            (format!(" when asked about `{}`", case.address(no)), by)
        });
        return Some(
            reason(format!("{who} gave the execution up{what}"))
                .next(format!("catena ps rerun {id} --failed")),
        );
    }
    let limit = case.entries.iter().find_map(|entry| {
        let Event::ExecutionTimedOut { limit_ms } = entry.event else { return None };
        Some(limit_ms)
    });
    let seconds = limit? as f64 / 1_000.0;
    let stopped = stopped(case).map(|names| format!(", which stopped {names}")).unwrap_or_default();
    let message = format!("the chain's `timeout` of {seconds} s passed{stopped}");
    Some(
        reason(message)
            .next(format!("catena ps rerun {id} --failed, perhaps with a longer `timeout` and --latest")),
    )
}

/// The visits that a stop from outside has ended.
fn stopped(case: &Case<'_>) -> Option<String> {
    let is_leaf = |no: VisitNo| case.state.step_of(no).work.nested().is_none();
    let visits =
        case.state.visits().filter(|(no, visit)| visit.end() == Some(&VisitEnd::Cancelled) && is_leaf(*no));
    let names: Vec<String> = visits.map(|(no, _)| case.address(no)).collect();
    (!names.is_empty()).then(|| named(&names))
}

/// The failure of a step that decided it, deepest first.
fn decisive(case: &Case<'_>) -> Option<Reason> {
    let top = case.state.verdict().is_none() || is_raised(case);
    let culprit = case.root_culprit().filter(|_| top)?;
    let mut reason = of_visit(case, culprit);
    if let Some(names) = stopped(case) {
        reason.message.push_str(&format!("; it stopped {names}"));
    }
    Some(reason)
}

/// Whether the verdict is that of a `fail` step.
fn is_raised(case: &Case<'_>) -> bool {
    case.entries.iter().any(|entry| matches!(&entry.event, Event::VisitEntered { plan: Plan::Raise(_), .. }))
}

/// Why one visit failed, followed to what failed within it.
fn of_visit(case: &Case<'_>, asked: VisitNo) -> Reason {
    let no = case.root_cause(asked);
    let visit = case.state.visit(no);
    let Some((failure, consequence)) = failure_of(visit) else {
        return Reason::new(About::Failed, "its failure is not known").at(case.address(no));
    };
    let (address, words) = (case.address(no), failure_words(failure));
    let mut message = match matches!(case.state.step_of(no).work, Work::Fail(_)) {
        true => format!("the `fail` step `{address}` ended the chain: {words}"),
        false => format!("`{address}` failed{}: {words}", tries(visit.attempts)),
    };
    if no != asked {
        message = format!("`{}` failed because {message}", case.address(asked));
    }
    // What follows is said by the policy of the visit that is asked about.
    let consequence = failure_of(case.state.visit(asked)).map_or(consequence, |(_, of_asked)| of_asked);
    if let Some(before) = &visit.alternative_to {
        message.push_str(&format!("; its alternative ran because of {}", failure_words(before)));
    }
    if let Some(line) = case.last_lines.get(&(no, visit.attempts)) {
        message.push_str(&format!("; the last line of its log: {}", quoted(line)));
    }
    message.push_str(match consequence {
        Consequence::Stop => "",
        Consequence::Continue => "; its policy let that pass",
        Consequence::Rollback => "; its policy takes everything back",
    });
    Reason::new(About::Failed, message).at(case.address(no)).next(next_of(case, no, failure))
}

fn tries(attempts: u32) -> String {
    match attempts {
        0 => String::new(),
        1 => " at its only attempt".to_owned(),
        many => format!(" at all of its {many} attempts, the last time with this"),
    }
}

/// What a person looks at next, by the type of the failure.
fn next_of(case: &Case<'_>, no: VisitNo, failure: &Failure) -> String {
    let id = case.id();
    let visit = case.state.visit(no);
    if let Some(child) = visit.child() {
        return format!("catena ps why {child}");
    }
    let has_log = case.last_lines.contains_key(&(no, visit.attempts));
    if !case.state.has_ended() && !has_log {
        return format!("catena ps show {id}");
    }
    match &failure.kind {
        FailureType::SecretMissing => "catena config show, then catena ps rerun with --failed".to_owned(),
        FailureType::Rejected => {
            format!("catena ps rerun {id} --from {}, which asks again", case.step_id(visit.step))
        }
        FailureType::Timeout
        | FailureType::ExitCode
        | FailureType::Signal
        | FailureType::CannotStart
        | FailureType::TemplateError
        | FailureType::FileMissing
        | FailureType::HttpStatus
        | FailureType::HttpError
        | FailureType::ParseError
        | FailureType::ResultMismatch
        | FailureType::ResultTooLarge
        | FailureType::ResultNotJson
        | FailureType::Lost
        | FailureType::VisitLimit
        | FailureType::RepeatLimit
        | FailureType::GivenUp
        | FailureType::Raised(_) => match has_log {
            true => format!("catena ps logs {id} --step {}", case.word(no)),
            false => format!("catena ps rerun {id} --failed, once the cause is gone"),
        },
    }
}

/// An `end` step that said so.
fn end_step(case: &Case<'_>) -> Option<Reason> {
    let finish = case.state.finish().filter(|finish| finish.status == End::Failed)?;
    let address = case.address(finish.visit);
    let message = format!("the `end` step `{address}` ended the chain with the status failed");
    Some(Reason::new(About::Failed, message).at(address).next(format!("catena ps show {}", case.id())))
}

/// What failed that is no step: the chain's output, for one.
fn other_error(case: &Case<'_>) -> Option<Reason> {
    let error = match case.state.phase() {
        Phase::Ended { error, .. } => error.as_ref(),
        Phase::Handling(handling) => handling.error.as_ref(),
        Phase::Created | Phase::Running | Phase::Undoing => None,
    }?;
    let message = format!("no step failed, but the chain itself: {}", failure_words(error));
    Some(Reason::new(About::Failed, message).next(format!("catena ps show {}", case.id())))
}

/// Failures that were let pass.
fn passed(case: &Case<'_>) -> Vec<Reason> {
    let passed = case.state.passed();
    let mut reasons: Vec<Reason> = passed.iter().take(NAMED_MAX).map(|no| of_visit(case, *no)).collect();
    if let Some(more) = passed.len().checked_sub(NAMED_MAX).filter(|more| *more > 0) {
        let message = format!("{} more failed and were let pass", counted(more, "visit"));
        reasons.push(Reason::new(About::Failed, message).next(format!("catena ps show {}", case.id())));
    }
    reasons
}

/// What failed in what ran after the end was known, or took something back.
fn in_handlers(case: &Case<'_>) -> Vec<Reason> {
    let passed = case.state.passed();
    let failed = case.state.visits().filter(|(no, _)| {
        case.state.is_aside(*no) && case.state.step_status(*no) == StepStatus::Failed && !passed.contains(no)
    });
    failed.take(NAMED_MAX).map(|(no, _)| of_visit(case, no)).collect()
}
