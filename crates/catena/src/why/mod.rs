//! Why an execution, or one of its steps, is as it is: rules over its state and its journal that answer in sentences. They
//! read nothing else; what they need of the disk is part of the case.

mod cancelled;
mod case;
mod differs;
mod ended;
mod failed;
mod reason;
mod retried;
mod skipped;
mod slow;
mod undone;
mod waits;

use catena_core::event::Trigger;

pub(crate) use self::{
    case::{Case, Hosting, LastLines, Subject},
    failed::wants_last_line,
    reason::Reason,
};

/// All that can be said, what matters most first; never nothing.
pub(crate) fn reasons(case: &Case<'_>) -> Vec<Reason> {
    let mut reasons = Vec::new();
    let rules: [fn(&Case<'_>) -> Vec<Reason>; 9] = [
        waits::reasons,
        failed::reasons,
        cancelled::reasons,
        undone::reasons,
        ended::reasons,
        skipped::reasons,
        retried::reasons,
        slow::reasons,
        differs::reasons,
    ];
    rules.iter().for_each(|rule| reasons.extend(rule(case)));
    if reasons.is_empty() {
        reasons.push(ended::fallback(case));
    }
    if let Some(Trigger::Undo { parent, .. }) = case.state.trigger() {
        // What only takes back cannot be run again: who wants it taken back can.
        let reruns = reasons
            .iter_mut()
            .filter(|reason| reason.next.as_ref().is_some_and(|next| next.contains("catena ps rerun")));
        reruns.for_each(|reason| reason.next = Some(format!("catena ps why {parent}")));
    }
    reasons
}
