//! `parse: yaml`: what a process wrote, read within limits that no alias or nesting gets around.

use serde_json::Value as Json;
use serde_saphyr::{
    Error, Options,
    options::{DuplicateKeyPolicy, NonFiniteFloatPolicy},
};

/// Scalars, lists and objects of one result, aliases expanded.
const NODES_MAX: usize = 100_000;
/// Nodes that aliases may add to what the text holds.
const ALIAS_NODES_MAX: usize = 10_000;
/// Lists and objects inside each other.
const DEPTH_MAX: usize = 64;
/// The parser calls itself for every level and takes up to 40 KiB for each without optimisation.
const STACK_BYTES: usize = 8 * 1024 * 1024;

/// The one document of a text; an empty text is null. The error says what is wrong, in which line and column.
pub(crate) fn parse(text: &str) -> Result<Json, String> {
    let read = || read(text);
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().name("catena-yaml".to_owned()).stack_size(STACK_BYTES);
        match thread.spawn_scoped(scope, read) {
            Ok(thread) => thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)),
            Err(error) => Err(format!("no thread to read it: {error}")),
        }
    })
}

fn read(text: &str) -> Result<Json, String> {
    serde_saphyr::from_str_with_options(text, options()).map_err(|error| {
        let place = error.location();
        let what = match root(&error) {
            Error::Budget { .. }
            | Error::AliasReplayLimitExceeded { .. }
            | Error::AliasReplayStackDepthExceeded { .. }
            | Error::AliasExpansionLimitExceeded { .. } => too_much(),
            // The scanner has a limit of its own for what is deep before it is even known what it is.
            other if other.to_string().contains("recursion limit") => too_much(),
            other => without_place(&other.to_string()),
        };
        match place {
            Some(place) => format!("{what}, line {}, column {}", place.line(), place.column()),
            None => what,
        }
    })
}

/// An error inside an alias wraps the one that says what happened.
fn root(error: &Error) -> &Error {
    match error.without_snippet() {
        Error::AliasError { error, .. } => root(error),
        other => other,
    }
}

fn too_much() -> String {
    format!("more than {NODES_MAX} values, {ALIAS_NODES_MAX} by aliases or {DEPTH_MAX} levels")
}

/// The parser's message without the place, which is said once, and on one line.
fn without_place(message: &str) -> String {
    let end = message.find(" at line ").unwrap_or(message.len());
    message[..end].lines().next().unwrap_or_default().trim_end_matches([',', '.', ' ']).to_owned()
}

fn options() -> Options {
    let budget = serde_saphyr::budget! {
        max_depth: DEPTH_MAX,
        flow_nesting_limit: DEPTH_MAX * 2,
        max_nodes: NODES_MAX,
        max_events: NODES_MAX * 2,
        max_aliases: ALIAS_NODES_MAX,
        max_recorded_anchor_events: NODES_MAX,
        max_documents: 2,
    };
    serde_saphyr::options! {
        budget: budget,
        duplicate_keys: DuplicateKeyPolicy::Error,
        alias_limits: serde_saphyr::alias_limits! {
            max_total_replayed_events: ALIAS_NODES_MAX,
            max_replay_stack_depth: DEPTH_MAX,
        },
        // The same YAML as in definitions: `on`, `yes` and `no` are words.
        strict_booleans: true,
        // JSON has neither infinity nor NaN, and null would be something else.
        non_finite_float_policy: NonFiniteFloatPolicy::Reject,
        with_snippet: false,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[track_caller]
    fn check(text: &str, expected: Result<Json, &str>) {
        match (parse(text), expected) {
            (Ok(value), Ok(expected)) => assert_eq!(value, expected, "{text}"),
            (Err(error), Err(part)) => {
                assert!(error.contains(part), "{error}");
                assert!(error.contains("line ") && error.contains("column "), "{error}");
            }
            (got, _) => panic!("{text}: {got:?}"),
        }
    }

    #[test]
    fn yaml_becomes_json() {
        check("a: [1, 2.5, yes, ~, 'x', -0.0]", Ok(json!({"a": [1, 2.5, "yes", null, "x", -0.0]})));
        check("", Ok(json!(null)));
        check("- &a {x: 1}\n- *a\n", Ok(json!([{"x": 1}, {"x": 1}])));
        check("1: a\ntrue: b\n", Ok(json!({"1": "a", "true": "b"})));
        check("18446744073709551615", Ok(json!(u64::MAX)));
    }

    #[test]
    fn what_is_no_yaml_or_too_much_of_it_is_refused_with_its_place() {
        check("a: 1\nb: [1, 2\n", Err("line "));
        check("a: 1\na: 2\n", Err("line 2, column 1"));
        check("a: .nan", Err("line 1"));
        check("---\na: 1\n---\nb: 2\n", Err("line "));
        check("a: &a {b: *a}", Err("line 1"));
        check("a: *nobody", Err("line 1"));
        check(&"[".repeat(100_000), Err("levels"));
        check(&"- ".repeat(100_000), Err("levels"));
        let mut bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n".to_owned();
        for level in 1..40 {
            let before = format!("*a{}", level - 1);
            bomb.push_str(&format!("a{level}: &a{level} [{}]\n", [before.as_str(); 9].join(", ")));
        }
        check(&bomb, Err("by aliases"));
    }
}
