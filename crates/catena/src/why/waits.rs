//! Why it does not go on, or what it is at: nothing here is over.

use catena_core::{
    Event, Timestamp, VisitNo,
    chain::Work,
    state::{Phase, Question, Timer, UndoPhase, Visit, VisitPhase},
};

use super::{
    case::{Case, Hosting},
    reason::{About, NAMED_MAX, Reason, counted, failure_words, named, quoted, span},
};
use crate::{output, question::answers_to};

pub(super) fn reasons(case: &Case<'_>) -> Vec<Reason> {
    if case.state.has_ended() {
        return Vec::new();
    }
    let mut reasons = Vec::new();
    if case.is_whole() {
        let rules = [paused(case), held(case), undoes(case), handles(case)];
        reasons.extend(rules.into_iter().flatten());
    }
    let mut visits: Vec<(VisitNo, &Visit)> = case.visits().filter(|(_, visit)| is_open(visit)).collect();
    // A block is told of by what is open within it, unless it alone is asked about.
    visits.retain(|(_, visit)| !case.is_whole() || !matches!(visit.phase, VisitPhase::Open(_)));
    visits.sort_by_key(|(no, visit)| (urgency(visit), *no));
    reasons.extend(visits.iter().take(NAMED_MAX).filter_map(|(no, _)| of_visit(case, *no)));
    if let Some(more) = visits.len().checked_sub(NAMED_MAX).filter(|more| *more > 0) {
        let message = format!("{} more are open", counted(more, "visit"));
        reasons.push(Reason::new(About::Waits, message).next(format!("catena ps show {}", case.id())));
    }
    if case.is_whole() {
        reasons.extend(delays(case));
        reasons.extend(hostless(case));
    }
    reasons
}

fn is_open(visit: &Visit) -> bool {
    !visit.has_ended() || visit.question().is_some()
}

/// What only a person brings on comes first, what runs by itself last.
fn urgency(visit: &Visit) -> u8 {
    match &visit.phase {
        VisitPhase::InDoubt | VisitPhase::Quarantined | VisitPhase::Ended(_) => 0,
        VisitPhase::Asking { .. } | VisitPhase::Awaiting { .. } => 1,
        VisitPhase::Backoff { .. } | VisitPhase::Waiting { .. } | VisitPhase::Interval { .. } => 2,
        VisitPhase::Attempting { .. } => 3,
        VisitPhase::Ready
        | VisitPhase::Looking
        | VisitPhase::Due
        | VisitPhase::Answered(_)
        | VisitPhase::Iterated => 4,
        VisitPhase::Open(_) => 5,
    }
}

fn waits(case: &Case<'_>, no: VisitNo, message: String) -> Reason {
    Reason::new(About::Waits, message).at(case.address(no))
}

fn of_visit(case: &Case<'_>, no: VisitNo) -> Option<Reason> {
    let visit = case.state.visit(no);
    let (id, address, word) = (case.id(), case.address(no), case.word(no));
    let reason = |message: String| waits(case, no, message);
    let answers = answers_to(Question::InDoubt);
    match visit.question() {
        Some(Question::InDoubt) => {
            let message = format!(
                "`{address}` is in doubt: nobody saw how attempt {} ended, and it may have its effect only once",
                visit.attempts
            );
            return Some(reason(message).next(format!("catena ps resolve {id} {word} {answers}")));
        }
        Some(Question::Quarantined) => {
            let message = format!(
                "`{address}` is quarantined: {} of its attempts were lost, and it may be what brings Catena down",
                visit.losses
            );
            return Some(reason(message).next(format!("catena ps resolve {id} {word} {answers}")));
        }
        Some(Question::UndoFailed) => {
            let why = undo_failure(visit).unwrap_or_default();
            let left = match case.state.undo_due().len() {
                0 | 1 => String::new(),
                more => format!("; {} before it are still to be taken back", counted(more - 1, "step")),
            };
            let message = format!("stuck: the undo of `{address}` failed{why}{left}");
            let answers = answers_to(Question::UndoFailed);
            return Some(reason(message).next(format!("catena ps resolve {id} {word} {answers}")));
        }
        None => {}
    }
    Some(match &visit.phase {
        VisitPhase::Asking { title, wake_at } => {
            let message = format!("`{address}` waits for an approval{}: {}", until(*wake_at), quoted(title));
            reason(message).next(format!("catena ps approve {id} {word}, or catena ps reject {id} {word}"))
        }
        VisitPhase::Awaiting { wake_at } => {
            let signal = signal_of(case, no);
            let message = format!("`{address}` waits for the signal `{signal}`{}", until(*wake_at));
            reason(message).next(format!("catena ps signal {id} {signal}"))
        }
        VisitPhase::Backoff { wake_at } => {
            let last = visit.last_failure.as_ref().map(failure_words).unwrap_or_default();
            let next = visit.attempts + 1;
            let message = format!(
                "`{address}` waits until {} for attempt {next}; attempt {} failed: {last}",
                output::local(*wake_at),
                visit.attempts
            );
            reason(message).next(format!("catena ps logs {id} --step {word}"))
        }
        VisitPhase::Waiting { wake_at } => {
            reason(format!("`{address}` waits until {}, as its step says", output::local(*wake_at)))
                .next(format!("catena ps watch {id}"))
        }
        VisitPhase::Interval { wake_at } => {
            reason(format!("`{address}` waits until {} for its next iteration", output::local(*wake_at)))
                .next(format!("catena ps watch {id}"))
        }
        VisitPhase::Attempting { attempt, started_at } => of_attempt(case, no, attempt.0, *started_at),
        VisitPhase::Ready => for_slot(case, no),
        VisitPhase::Looking => reason(format!("`{address}` asks the cache for an earlier result")),
        VisitPhase::Open(_) => of_block(case, no),
        VisitPhase::Answered(_) | VisitPhase::Iterated | VisitPhase::Due => {
            reason(format!("what follows on the last attempt of `{address}` is being decided"))
        }
        // It asks nothing: it was answered for above, or there is nothing to say.
        VisitPhase::InDoubt | VisitPhase::Quarantined | VisitPhase::Ended(_) => return None,
    })
}

fn undo_failure(visit: &Visit) -> Option<String> {
    match &visit.undo {
        UndoPhase::Failed(failure) => Some(format!(" with {}", failure_words(failure))),
        UndoPhase::None
        | UndoPhase::Running(_)
        | UndoPhase::Calling
        | UndoPhase::Halted(_)
        | UndoPhase::Done => None,
    }
}

fn until(at: Option<Timestamp>) -> String {
    at.map(|at| format!(", until {}", output::local(at))).unwrap_or_default()
}

fn signal_of<'a>(case: &Case<'a>, no: VisitNo) -> &'a str {
    let waiting = case.state.agenda().awaiting().find(|(_, waiter)| *waiter == no);
    waiting.map_or("", |(name, _)| name)
}

/// An attempt runs: here, or as an execution of its own.
fn of_attempt(case: &Case<'_>, no: VisitNo, attempt: u32, from: Timestamp) -> Reason {
    let (id, address) = (case.id(), case.address(no));
    if let (Work::Chain(call), Some(child)) = (&case.state.step_of(no).work, case.state.visit(no).child()) {
        let message = format!("`{address}` waits for execution {child} of {}", call.chain);
        return waits(case, no, message).next(format!("catena ps why {child}"));
    }
    let since = span(case.now.micros_since(from));
    waits(case, no, format!("`{address}` runs: attempt {attempt}, for {since} now"))
        .next(format!("catena ps logs {id} -f --step {}", case.word(no)))
}

fn for_slot(case: &Case<'_>, no: VisitNo) -> Reason {
    let (address, visit) = (case.address(no), case.state.visit(no));
    let step = case.state.step_of(no);
    let live = case.state.agenda().live_count();
    let pool = step.pool.as_ref().map(|pool| format!("of the pool `{}`", pool.as_str()));
    let what = match (pool, case.state.chain().max_parallel) {
        (_, Some(max)) if live >= max as usize => {
            format!("for its turn: the chain's `max_parallel` is {max}, and {live} run")
        }
        (Some(pool), _) => format!("for a slot {pool}"),
        (None, _) => "for a slot".to_owned(),
    };
    let since = span(case.now.micros_since(visit.entered_at));
    waits(case, no, format!("`{address}` waits {what}; it was entered {since} ago")).next(
        "catena ps ls --unfinished, which shows what holds slots; catena config show, how many there are",
    )
}

fn of_block(case: &Case<'_>, no: VisitNo) -> Reason {
    let open = case.within(no).into_iter().filter(|no| is_open(case.state.visit(*no)));
    let names: Vec<String> = open.map(|no| case.address(no)).collect();
    let what = if names.is_empty() { "its steps".to_owned() } else { named(&names) };
    let next = names.first().map(|first| output::shell_word(first.as_ref())).unwrap_or_default();
    waits(case, no, format!("`{}` waits for {what}", case.address(no)))
        .next(format!("catena ps why {} {next}", case.id()))
}

fn paused(case: &Case<'_>) -> Option<Reason> {
    if !case.state.is_paused() {
        return None;
    }
    let entry = case.entries.iter().rev().find(|entry| matches!(entry.event, Event::ExecutionPaused {}))?;
    let (who, at) = (entry.actor.as_str(), output::local(entry.at));
    let message = format!("{who} paused it at {at}: nothing new starts until it is resumed");
    Some(Reason::new(About::Waits, message).next(format!("catena ps resume {}", case.id())))
}

fn held(case: &Case<'_>) -> Option<Reason> {
    let limit = case.state.chain().concurrency.as_ref().map_or(1, |concurrency| concurrency.limit);
    let name = output::shell_word(case.state.chain().name.as_str().as_ref());
    let message = format!(
        "it waits for its turn: `concurrency` lets {} of its chain run at once",
        counted(limit as usize, "execution")
    );
    case.state
        .is_held()
        .then(|| Reason::new(About::Waits, message).next(format!("catena ps ls --chain {name} --unfinished")))
}

/// Where no process hosts the store, time alone brings nothing on.
fn hostless(case: &Case<'_>) -> Option<Reason> {
    let message = "no process hosts the store: it goes on with the next `catena run`";
    let would_go_on = !case.state.is_paused() && !case.state.agenda().is_idle();
    (case.hosting == Hosting::Nobody && would_go_on)
        .then(|| Reason::new(About::Waits, message).next("catena run FILE"))
}

fn undoes(case: &Case<'_>) -> Option<Reason> {
    if let Some((visit, execution)) = case.state.halted_undo() {
        let address = case.address(visit);
        let message = format!(
            "stuck: execution {execution} takes back what `{address}` has done, and waits for an answer"
        );
        return Some(Reason::new(About::Waits, message).next(format!("catena ps why {execution}")));
    }
    if *case.state.phase() != Phase::Undoing || case.state.is_stuck() {
        return None;
    }
    let next = case.state.undo_due().last()?;
    let message = match case.state.undoes_child() {
        true => format!("an execution of its own takes back what `{}` has done", case.address(*next)),
        false => format!("what was done is being taken back; `{}` is next", case.address(*next)),
    };
    Some(Reason::new(About::Waits, message).next(format!("catena ps watch {}", case.id())))
}

fn handles(case: &Case<'_>) -> Option<Reason> {
    let Phase::Handling(handling) = case.state.phase() else { return None };
    let message = format!("it ends {}, and what the chain wants to be done after that runs", handling.end);
    Some(Reason::new(About::Waits, message).next(format!("catena ps watch {}", case.id())))
}

/// Pauses between steps, which are no visit's.
fn delays(case: &Case<'_>) -> Vec<Reason> {
    let delay = |(at, timer): (Timestamp, Timer)| {
        let at = output::local(at);
        let message = match timer {
            Timer::Delay(_) => {
                format!("the next step begins at {at}: the one before it has `run_next_after`")
            }
            Timer::Held(visit) => {
                format!("what waits for `{}` begins at {at}: that has `run_next_after`", case.address(visit))
            }
            Timer::Wake(_) | Timer::Handler(_) | Timer::Deadline(_) | Timer::Execution => return None,
        };
        Some(Reason::new(About::Waits, message).next(format!("catena ps watch {}", case.id())))
    };
    case.state.agenda().timers().filter_map(delay).take(NAMED_MAX).collect()
}
