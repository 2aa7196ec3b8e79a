//! Why a step did not run: its condition, what it depends on, a jump, or an end before it.

use catena_core::{
    Event, FrameNo, StepIx, VisitNo,
    chain::On,
    event::{BlockEnd, Jump, SkipReason},
    state::{Visit, VisitEnd},
};

use super::{
    case::Case,
    reason::{About, NAMED_MAX, Reason, counted, failure_words, named, quoted},
};

pub(super) fn reasons(case: &Case<'_>) -> Vec<Reason> {
    let skipped: Vec<(VisitNo, SkipReason)> =
        case.visits().filter_map(|(no, visit)| Some((no, skip_of(visit)?))).collect();
    let mut reasons: Vec<Reason> =
        skipped.iter().take(NAMED_MAX).map(|(no, why)| of_visit(case, *no, *why)).collect();
    if let Some(more) = skipped.len().checked_sub(NAMED_MAX).filter(|more| *more > 0) {
        let message = format!("{} more were skipped", counted(more, "visit"));
        reasons.push(Reason::new(About::Skipped, message).next(format!("catena ps show {}", case.id())));
    }
    reasons.extend(unreached(case));
    reasons
}

fn skip_of(visit: &Visit) -> Option<SkipReason> {
    match visit.end()? {
        VisitEnd::Skipped(why) => Some(*why),
        VisitEnd::Completed(_) | VisitEnd::Failed { .. } | VisitEnd::Cancelled => None,
    }
}

fn of_visit(case: &Case<'_>, no: VisitNo, why: SkipReason) -> Reason {
    let (id, address) = (case.id(), case.address(no));
    let (message, next) = match why {
        SkipReason::When => {
            let when =
                case.state.step_of(no).when.as_ref().map(|when| quoted(when.source())).unwrap_or_default();
            (
                format!("its `when` was false: {when}"),
                format!("catena ps show {id} -o json, which has the results it read"),
            )
        }
        SkipReason::LeftOut => (
            "whoever started the execution left it out".to_owned(),
            format!("catena ps rerun {id} --only {}", case.step_id(case.state.visit(no).step)),
        ),
        SkipReason::Unmet { by } => {
            let (chain, root) = unmet(case, no, by);
            let next = match root {
                Some(root) => format!("catena ps why {id} {}", case.word(root)),
                None => format!("catena ps show {id} --graph"),
            };
            (chain, next)
        }
    };
    Reason::new(About::Skipped, format!("`{address}` was skipped: {message}")).at(address).next(next)
}

/// The dependency that was lost, followed to where that began.
fn unmet(case: &Case<'_>, no: VisitNo, by: StepIx) -> (String, Option<VisitNo>) {
    let frame = case.state.visit(no).frame;
    let mut words = format!("it waits for `{}` to have {}, which", case.step_id(by), wanted(case, no, by));
    let mut step = by;
    // A graph has no circles, and each step is followed once.
    loop {
        let Some(visit) = case.state.frame(frame).latest.get(&step).copied() else {
            words.push_str(" never ran");
            return (words, None);
        };
        match case.state.visit(visit).end() {
            Some(VisitEnd::Skipped(SkipReason::Unmet { by })) => {
                words.push_str(&format!(" was skipped because of `{}`, which", case.step_id(*by)));
                step = *by;
            }
            Some(VisitEnd::Skipped(SkipReason::When)) => {
                words.push_str(" was skipped by its own `when`");
                return (words, Some(visit));
            }
            Some(VisitEnd::Skipped(SkipReason::LeftOut)) => {
                words.push_str(" was left out");
                return (words, Some(visit));
            }
            Some(VisitEnd::Failed { failure, .. }) => {
                words.push_str(&format!(" failed: {}", failure_words(failure)));
                return (words, Some(case.root_cause(visit)));
            }
            Some(VisitEnd::Completed(_)) => {
                words.push_str(" completed");
                return (words, Some(visit));
            }
            Some(VisitEnd::Cancelled) => {
                words.push_str(" was cancelled");
                return (words, Some(visit));
            }
            None => {
                words.push_str(" has not ended");
                return (words, Some(visit));
            }
        }
    }
}

/// How the dependency should have ended.
fn wanted(case: &Case<'_>, no: VisitNo, by: StepIx) -> &'static str {
    let chain = case.state.chain();
    let place = chain.step(by).position;
    let node = chain.node_of(case.state.step_of(no));
    let need = node.and_then(|node| node.needs.iter().find(|need| need.step == place));
    match need.map(|need| need.on) {
        Some(On::Failed) => "failed",
        Some(On::Skipped) => "been skipped",
        Some(On::Ended) => "ended",
        Some(On::Completed) | None => "completed",
    }
}

/// Steps that were never entered; those for one and the same reason are told of together.
fn unreached(case: &Case<'_>) -> Vec<Reason> {
    let mut by_cause: Vec<(String, Vec<StepIx>)> = Vec::new();
    for step in case.unreached() {
        let Some(cause) = cause(case, step) else { continue };
        match by_cause.iter_mut().find(|(other, _)| *other == cause) {
            Some((_, steps)) => steps.push(step),
            None => by_cause.push((cause, vec![step])),
        }
    }
    by_cause.into_iter().map(|(cause, steps)| of_steps(case, &cause, &steps)).collect()
}

fn of_steps(case: &Case<'_>, cause: &str, steps: &[StepIx]) -> Reason {
    let names: Vec<String> = steps.iter().map(|step| case.step_id(*step)).collect();
    let message = format!("{} did not run: {cause}", named(&names));
    let reason = Reason::new(About::Skipped, message).next(format!("catena ps show {} --graph", case.id()));
    match names.as_slice() {
        [one] => reason.at(one.clone()),
        _several => reason,
    }
}

/// Why a step was never entered; none where it still may be.
fn cause(case: &Case<'_>, step: StepIx) -> Option<String> {
    if case.aside.contains(&step) {
        return Some(
            "it is part of an undo, an alternative or a handler, and that was not needed".to_owned(),
        );
    }
    let mut block = case.state.chain().step(step).block;
    let mut inner = step;
    let frame = loop {
        if let Some(frame) = case.last_frame_of(block) {
            break frame;
        }
        let Some((owner, outer)) = owner_of(case, inner) else {
            return case
                .state
                .has_ended()
                .then(|| "the execution ended before anything of it ran".to_owned());
        };
        (inner, block) = (owner, outer);
    };
    if inner != step && case.state.visits().any(|(_, visit)| visit.step == inner) {
        return case
            .state
            .has_ended()
            .then(|| format!("`{}`, in which it stands, did not come to it", case.step_id(inner)));
    }
    if let Some(from) = jumped_over(case, frame, inner) {
        return Some(format!("`{}` jumped past it", case.address(from)));
    }
    match case.frame_end(frame)? {
        BlockEnd::Failed(failure) => Some(match case.culprit(frame) {
            Some(culprit) => {
                format!("`{}` failed before that", case.address(case.root_cause(culprit)))
            }
            None => format!("its block had failed with {}", failure_words(failure)),
        }),
        BlockEnd::Cancelled => Some(stopped_before(case)),
        BlockEnd::Completed => Some("its block was over before that".to_owned()),
    }
}

fn stopped_before(case: &Case<'_>) -> String {
    match (case.state.finish(), case.root_culprit()) {
        (Some(finish), _) => {
            format!("the `end` step `{}` ended the chain before that", case.address(finish.visit))
        }
        (None, Some(culprit)) => {
            format!("`{}` failed before that", case.address(case.root_cause(culprit)))
        }
        (None, None) => "everything was stopped before that".to_owned(),
    }
}

/// The step whose block a step stands in, and the block of that.
fn owner_of(case: &Case<'_>, inner: StepIx) -> Option<(StepIx, catena_core::BlockIx)> {
    let chain = case.state.chain();
    let block = chain.step(inner).block;
    let (owner, step) = chain.steps().find(|(_, step)| {
        let undo = step.undo.as_ref().map(|undo| undo.block);
        step.work.blocks().into_iter().chain(step.alternative).chain(undo).any(|inner| inner == block)
    })?;
    Some((owner, step.block))
}

/// The visit whose jump went past a step of its block.
fn jumped_over(case: &Case<'_>, frame: FrameNo, step: StepIx) -> Option<VisitNo> {
    let chain = case.state.chain();
    let place = chain.step(step).position;
    case.entries.iter().find_map(|entry| {
        let Event::Jumped { frame: of, from, to } = &entry.event else { return None };
        let after = case.state.step_of(*from).position;
        let before = match to {
            Jump::Step(to) => chain.step(*to).position,
            Jump::End => u32::MAX,
        };
        (*of == frame && after < place && place < before).then_some(*from)
    })
}
