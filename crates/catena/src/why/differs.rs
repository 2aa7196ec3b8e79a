//! What is other than in the last execution of the chain that went well.

use std::collections::BTreeMap;

use catena_core::{State, Value, VisitNo, state::Visit, status::StepStatus};

use super::{
    case::{Case, Subject},
    reason::{About, NAMED_MAX, Reason, counted, named, quoted, span},
};

/// Durations count as other when they differ by more than this, and by this factor.
const DIFFERENCE_US: u64 = 1_000_000;
const FACTOR: u64 = 2;

pub(super) fn reasons(case: &Case<'_>) -> Vec<Reason> {
    let Some(good) = case.good else { return Vec::new() };
    let mut reasons = Vec::new();
    if case.is_whole() {
        reasons.extend(version(case, good));
        reasons.extend(params(case, good));
    }
    let pairs = pairs(case, good);
    reasons.extend(statuses(case, good, &pairs));
    reasons.extend(results(case, good, &pairs));
    reasons.extend(durations(case, good, &pairs));
    reasons
}

/// A visit of both executions, by its address.
struct Pair<'a> {
    address: String,
    no: VisitNo,
    now: &'a Visit,
    good_no: VisitNo,
    then: &'a Visit,
}

fn pairs<'a>(case: &Case<'a>, good: &'a State) -> Vec<Pair<'a>> {
    let then: BTreeMap<String, (VisitNo, &Visit)> =
        good.visits().map(|(no, visit)| (good.address(no).to_string(), (no, visit))).collect();
    let pair = |(no, now): (VisitNo, &'a Visit)| {
        let address = case.address(no);
        let (good_no, then) = *then.get(&address)?;
        Some(Pair { address, no, now, good_no, then })
    };
    case.visits().filter_map(pair).collect()
}

fn differs(message: String) -> Reason {
    Reason::new(About::Differs, message)
}

fn version(case: &Case<'_>, good: &State) -> Option<Reason> {
    if case.state.version() == good.version() {
        return None;
    }
    let short = |digest: &str| digest.chars().take(12).collect::<String>();
    let message = format!(
        "the definition changed: execution {}, which went well, ran version {}, this one {}",
        good.id(),
        short(good.version()),
        short(case.state.version())
    );
    let name = crate::output::shell_word(case.state.chain().name.as_str().as_ref());
    Some(differs(message).next(format!("catena chain versions {name}, then catena chain diff {name}")))
}

fn params(case: &Case<'_>, good: &State) -> Vec<Reason> {
    let fields = |value: &Value| value.fields().unwrap_or_default().into_iter().collect::<BTreeMap<_, _>>();
    let (now, then) = (fields(case.state.params()), fields(good.params()));
    let names: std::collections::BTreeSet<&String> = now.keys().chain(then.keys()).collect();
    let changed = names.into_iter().filter(|name| now.get(*name) != then.get(*name));
    let reason = |name: &String| {
        let value = |value: Option<&Value>| match value {
            None => "nothing".to_owned(),
            Some(value) if value.has_references() => "a large value".to_owned(),
            Some(value) => quoted(&value.as_json().to_string()),
        };
        let (now, then) = (value(now.get(name)), value(then.get(name)));
        differs(format!(
            "the parameter `{name}` is {now}; in execution {}, which went well, it was {then}",
            good.id()
        ))
        .next(format!("catena ps rerun {} --set {name}=…", case.id()))
    };
    changed.take(NAMED_MAX).map(reason).collect()
}

fn statuses(case: &Case<'_>, good: &State, pairs: &[Pair<'_>]) -> Vec<Reason> {
    let mut reasons: Vec<Reason> = Vec::new();
    for pair in pairs {
        let (now, then) = (case.state.step_status(pair.no), good.step_status(pair.good_no));
        if now != then && pair.now.has_ended() {
            let message = format!("`{}` {now} here, and {then} in execution {}", pair.address, good.id());
            reasons.push(differs(message).at(pair.address.clone()).next(format!(
                "catena ps why {} {}",
                good.id(),
                case.word(pair.no)
            )));
        }
    }
    let unreached: Vec<String> = case
        .unreached()
        .into_iter()
        .filter(|step| {
            good.visits()
                .any(|(no, visit)| visit.step == *step && good.step_status(no) == StepStatus::Completed)
        })
        .map(|step| case.step_id(step))
        .collect();
    // Step numbers are those of one version.
    if !unreached.is_empty() && case.state.version() == good.version() {
        let message = format!("{} ran in execution {}, and not here", named(&unreached), good.id());
        reasons.push(differs(message).next(format!("catena ps show {}", good.id())));
    }
    let more = reasons.len().saturating_sub(NAMED_MAX);
    reasons.truncate(NAMED_MAX);
    if more > 0 {
        reasons.push(differs(format!("{} more ended in another way", counted(more, "visit"))));
    }
    reasons
}

/// Results are named, not shown: they are data of whoever ran it.
fn results(case: &Case<'_>, good: &State, pairs: &[Pair<'_>]) -> Option<Reason> {
    let first_failure = case
        .state
        .visits()
        .filter(|(_, visit)| visit.failure().is_some())
        .filter_map(|(_, visit)| visit.ended_at)
        .min();
    let is_before =
        |visit: &Visit| first_failure.is_none_or(|at| visit.ended_at.is_some_and(|ended| ended <= at));
    let is_other = |pair: &&Pair<'_>| match (pair.now.result(), pair.then.result()) {
        (Some(now), Some(then)) => now != then && is_before(pair.now),
        (Some(_), None) | (None, _) => false,
    };
    let names: Vec<String> = pairs.iter().filter(is_other).map(|pair| pair.address.clone()).collect();
    if names.is_empty() || (first_failure.is_none() && case.subject == Subject::Whole) {
        return None;
    }
    let message =
        format!("before the failure, {} left another result than in execution {}", named(&names), good.id());
    Some(differs(message).next(format!(
        "catena ps show {} -o json, beside catena ps show {} -o json",
        case.id(),
        good.id()
    )))
}

fn durations(case: &Case<'_>, good: &State, pairs: &[Pair<'_>]) -> Vec<Reason> {
    let took = |visit: &Visit| Some(visit.ended_at?.micros_since(visit.started_at?));
    let other = |pair: &Pair<'_>| {
        let (now, then) = (took(pair.now)?, took(pair.then)?);
        let is_other = now.abs_diff(then) > DIFFERENCE_US && now.max(then) > FACTOR * now.min(then);
        let message =
            format!("`{}` took {}, and {} in execution {}", pair.address, span(now), span(then), good.id());
        is_other.then(|| {
            (
                now.abs_diff(then),
                differs(message).at(pair.address.clone()).next(format!(
                    "catena ps logs {} --timestamps --step {}",
                    case.id(),
                    case.word(pair.no)
                )),
            )
        })
    };
    let mut reasons: Vec<(u64, Reason)> = pairs.iter().filter_map(other).collect();
    reasons.sort_by_key(|(by, _)| std::cmp::Reverse(*by));
    reasons.into_iter().take(NAMED_MAX).map(|(_, reason)| reason).collect()
}
