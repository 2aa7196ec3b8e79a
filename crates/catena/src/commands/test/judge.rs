//! What a case expects against what came of it: each difference at the place of what was expected.

use catena_core::{State, VisitNo, schedule::Milliseconds, state::Phase, status::StepStatus};
use catena_sim::Run;
use catena_spec::{Case, Code, Placed, Problem};
use serde_json::Value as Json;

/// A value in a message.
const SHOWN_MAX_CHARS: usize = 120;

/// Everything that came out otherwise.
pub(super) fn judge(case: &Case, run: &Run) -> Vec<Problem> {
    let judge = Judge { run, state: &run.state };
    let expect = &case.expect;
    let mut problems: Vec<Problem> = [
        expect.status.as_ref().and_then(|status| judge.status(status)),
        expect.error.as_ref().and_then(|error| judge.error(error)),
        expect.output.as_ref().and_then(|output| judge.output(output)),
        expect.path.as_ref().and_then(|path| list("runs", path, &catena_sim::path(judge.state))),
        expect.undone.as_ref().and_then(|undone| {
            list(
                "is taken back",
                undone,
                &catena_sim::undone(judge.state, run.journal.iter().map(|(_, event)| event)),
            )
        }),
        expect.took.as_ref().and_then(|took| judge.took(case, took)),
    ]
    .into_iter()
    .flatten()
    .collect();
    problems.extend(expect.results.iter().filter_map(|(step, result)| judge.result(step, result)));
    problems.extend(expect.attempts.iter().filter_map(|(step, count)| judge.attempts(step, count)));
    problems.extend(expect.skipped.iter().filter_map(|step| judge.skipped(step)));
    problems.extend(expect.times.iter().filter_map(|(step, ms)| judge.time(case, step, ms)));
    problems
}

struct Judge<'r> {
    run: &'r Run,
    state: &'r State,
}

fn unlike<T>(expected: &Placed<T>, message: String) -> Problem {
    Problem::new(Code::NotAsExpected, expected.span, message).label("expected")
}

impl Judge<'_> {
    fn status(&self, expected: &Placed<String>) -> Option<Problem> {
        let status = self.state.status().as_str();
        if expected.value == status {
            return None;
        }
        let error = match self.state.phase() {
            Phase::Ended { error: Some(error), .. } => format!(": {error}"),
            _ => String::new(),
        };
        let problem = unlike(expected, format!("the execution is {status}{error}"));
        let waits = self.state.waits_for_somebody();
        let help = "give what it waits for: `steps: {…: {result: …}}`, or a signal";
        Some(problem.maybe_help(waits.then(|| help.to_owned())))
    }

    fn error(&self, expected: &Placed<String>) -> Option<Problem> {
        let Phase::Ended { error: Some(error), .. } = self.state.phase() else {
            return Some(unlike(
                expected,
                format!("the execution is {}, without an error", self.state.status()),
            ));
        };
        let is_it = error.kind.as_str() == expected.value;
        (!is_it).then(|| unlike(expected, format!("the execution ends with {error}")))
    }

    fn output(&self, expected: &Placed<Json>) -> Option<Problem> {
        let output = match self.state.phase() {
            Phase::Ended { output, .. } => output.as_json(),
            _ => return Some(unlike(expected, format!("there is no output: it is {}", self.state.status()))),
        };
        difference("the output", &expected.value, output).map(|message| unlike(expected, message))
    }

    fn result(&self, step: &Placed<String>, expected: &Placed<Json>) -> Option<Problem> {
        let Some(no) = self.last(&step.value) else { return Some(self.never(step)) };
        let what = format!("the result of `{}`", self.state.address(no));
        match self.state.visit(no).result() {
            Some(result) => {
                difference(&what, &expected.value, result.as_json()).map(|message| unlike(expected, message))
            }
            None => Some(unlike(expected, format!("there is no result: {}", self.how(no)))),
        }
    }

    fn attempts(&self, step: &Placed<String>, expected: &Placed<u32>) -> Option<Problem> {
        let attempts = match self.last(&step.value) {
            None if expected.value == 0 => return None,
            None => return Some(self.never(step)),
            Some(no) => self.state.visit(no).attempts,
        };
        let message = || format!("`{}` takes {attempts} attempts", step.value);
        (attempts != expected.value).then(|| unlike(expected, message()))
    }

    fn skipped(&self, step: &Placed<String>) -> Option<Problem> {
        let Some(no) = self.last(&step.value) else { return Some(self.never(step)) };
        let is_skipped = self.state.step_status(no) == StepStatus::Skipped;
        (!is_skipped).then(|| unlike(step, format!("`{}` is not skipped: {}", step.value, self.how(no))))
    }

    fn time(&self, case: &Case, step: &Placed<String>, expected: &Placed<u64>) -> Option<Problem> {
        let Some(no) = self.last(&step.value) else { return Some(self.never(step)) };
        let ms = self.state.visit(no).entered_at.micros_since(case.at) / 1_000;
        (ms != expected.value)
            .then(|| unlike(expected, format!("`{}` is entered after {}", step.value, Milliseconds(ms))))
    }

    fn took(&self, case: &Case, expected: &Placed<u64>) -> Option<Problem> {
        let ms = self.run.now().micros_since(case.at) / 1_000;
        (ms != expected.value).then(|| unlike(expected, format!("all of it takes {}", Milliseconds(ms))))
    }

    /// The visit that an address means, or the last one of a step.
    fn last(&self, word: &str) -> Option<VisitNo> {
        let is_meant = |no: VisitNo| {
            let step = self.state.step_of(no);
            self.state.address(no).as_str() == word || step.id.as_str() == word || step.name == word
        };
        self.state.visits().map(|(no, _)| no).filter(|no| is_meant(*no)).last()
    }

    fn never(&self, step: &Placed<String>) -> Problem {
        unlike(step, format!("`{}` is never come to", step.value))
    }

    fn how(&self, no: VisitNo) -> String {
        let failure = self.state.visit(no).failure();
        let why = failure.map(|failure| format!(" ({failure})")).unwrap_or_default();
        format!("it is {}{why}", self.state.step_status(no))
    }
}

/// Two lists of addresses: what is missing and what is too much, line by line.
fn list(what: &str, expected: &Placed<Vec<Placed<String>>>, found: &[String]) -> Option<Problem> {
    let wanted: Vec<&str> = expected.value.iter().map(|address| address.value.as_str()).collect();
    if wanted == found {
        return None;
    }
    let found: Vec<&str> = found.iter().map(String::as_str).collect();
    let at = wanted.iter().zip(&found).take_while(|(wanted, found)| wanted == found).count();
    let place = expected.value.get(at).map_or(expected.span, |address| address.span);
    let message = match (wanted.get(at), found.get(at)) {
        (Some(wanted), Some(found)) => format!("`{found}` {what} here, not `{wanted}`"),
        (Some(wanted), None) => format!("nothing more {what}, and `{wanted}` is expected"),
        (None, Some(found)) => format!("`{found}` {what}, too"),
        (None, None) => format!("something else {what}"),
    };
    let all = match found.is_empty() {
        true => format!("nothing {what}"),
        false => format!("what {what}: [{}]", found.join(", ")),
    };
    Some(Problem::new(Code::NotAsExpected, place, message).label("expected").help(all))
}

/// Where two values differ first, and how.
fn difference(what: &str, expected: &Json, found: &Json) -> Option<String> {
    let (path, expected, found) = first_difference(String::new(), expected, found)?;
    let whole = if path.is_empty() { what.to_owned() } else { format!("`{}` of {what}", &path[1..]) };
    Some(match (expected, found) {
        (Some(expected), Some(found)) => format!("{whole} is {}, not {}", shown(found), shown(expected)),
        (Some(expected), None) => format!("{whole} is missing; it is expected to be {}", shown(expected)),
        (None, Some(found)) => format!("{whole} is there, as {}, and is not expected", shown(found)),
        (None, None) => format!("{whole} is another one"),
    })
}

type Difference<'j> = (String, Option<&'j Json>, Option<&'j Json>);

fn first_difference<'j>(path: String, expected: &'j Json, found: &'j Json) -> Option<Difference<'j>> {
    let part = |key: &str| format!("{path}.{key}");
    match (expected, found) {
        (Json::Object(expected), Json::Object(found)) => {
            let all = expected.keys().chain(found.keys().filter(|key| !expected.contains_key(*key)));
            all.into_iter().find_map(|key| match (expected.get(key), found.get(key)) {
                (Some(expected), Some(found)) => first_difference(part(key), expected, found),
                (expected, found) => Some((part(key), expected, found)),
            })
        }
        (Json::Array(expected), Json::Array(found)) if expected.len() == found.len() => {
            (0..).zip(expected.iter().zip(found)).find_map(|(at, (expected, found)): (usize, _)| {
                first_difference(part(&at.to_string()), expected, found)
            })
        }
        // 3 and 3.0 are one number.
        (Json::Number(one), Json::Number(other)) if one.as_f64() == other.as_f64() => None,
        (expected, found) => (expected != found).then_some((path, Some(expected), Some(found))),
    }
}

fn shown(value: &Json) -> String {
    let text = value.to_string();
    match text.char_indices().nth(SHOWN_MAX_CHARS) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}
