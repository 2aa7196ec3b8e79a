//! "Did you mean": the nearest of some known words, and what other tools call the same thing.

use crate::language::{self, ELSEWHERE, Word};
use crate::node::{Node, Value};

/// The known word that is nearest to what was typed, if it is near enough to be meant.
pub fn nearest<'a>(typed: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let typed_folded = fold(typed);
    // A third of the letters may differ: `wether` means `weather`, `a` does not mean `id`.
    let limit = (typed_folded.len().max(3)) / 3;
    known
        .into_iter()
        .map(|word| (difference(&typed_folded, &fold(word), limit), word))
        .filter(|(distance, _)| *distance <= limit)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, word)| word)
}

/// The sentence for it, ready to be a help.
pub fn did_you_mean<'a>(typed: &str, known: impl IntoIterator<Item = &'a str>) -> Option<String> {
    nearest(typed, known).map(|word| format!("did you mean `{word}`?"))
}

/// What this language calls a key of GitHub Actions, Ansible, Airflow and others, as a help.
pub(crate) fn elsewhere<'a>(typed: &str, known: impl IntoIterator<Item = &'a str>) -> Option<String> {
    let (_, here) = ELSEWHERE.iter().find(|(there, _)| *there == typed)?;
    known.into_iter().find(|name| name == here).map(|name| format!("here it is called `{name}`"))
}

/// What an entry of another tool is as a whole here, where it can be said outright.
pub(crate) fn written_here(key: &str, value: &Node) -> Option<String> {
    let number = value.whole_number();
    let is_true = matches!(value.value, Value::Bool(true));
    let here = match key {
        "retries" | "retry" | "max_retries" => format!("retry_config: {{max_attempts: {}}}", number? + 1),
        "attempts" | "max_attempts" => format!("retry_config: {{max_attempts: {}}}", number?),
        "timeout-minutes" | "timeout_minutes" => format!("timeout: {}m", number?),
        "timeout_seconds" | "execution_timeout" => format!("timeout: {}s", number?),
        "continue-on-error" | "continue_on_error" | "ignore_errors" | "allow_failure" if is_true => {
            "error_policy: continue".to_owned()
        }
        "sleep" | "delay" => format!("wait: {{for: {}s}}", number?),
        _ => return None,
    };
    Some(format!("here it is written `{here}`"))
}

/// A word of another tool for one of a list.
pub(crate) fn word_elsewhere(typed: &str, words: &[Word]) -> Option<&'static str> {
    const WORDS: &[(&str, &str)] = &[
        ("ignore", "continue"),
        ("pass", "continue"),
        ("skip", "continue"),
        ("warn", "continue"),
        ("fail", "stop"),
        ("abort", "stop"),
        ("halt", "stop"),
        ("exit", "stop"),
        ("compensate", "rollback"),
        ("undo", "rollback"),
        ("fallback", "alternative"),
        ("text", "lines"),
        ("yml", "yaml"),
        ("success", "completed"),
        ("succeeded", "completed"),
        ("failure", "failed"),
        ("always", "ended"),
        ("str", "string"),
        ("text", "string"),
        ("int", "integer"),
        ("float", "number"),
        ("double", "number"),
        ("bool", "boolean"),
        ("list", "array"),
        ("dict", "object"),
        ("map", "object"),
    ];
    let typed = typed.trim().to_lowercase();
    let here = |here: &&str| words.iter().any(|word| word.name == *here);
    WORDS.iter().filter(|(there, _)| *there == typed).map(|(_, here)| *here).find(here)
}

/// The same for what names a kind of step.
pub(crate) fn kind_elsewhere(typed: &str) -> Option<&'static str> {
    let (_, here) = ELSEWHERE.iter().find(|(there, _)| *there == typed)?;
    language::find_kind(here).map(|kind| kind.name)
}

/// A word of several is near to the whole: `attempts` means `max_attempts`.
fn difference(typed: &[char], known: &[char], limit: usize) -> usize {
    let part_of = typed.len() >= 4 && known.windows(typed.len()).any(|part| part == typed);
    let distance = distance(typed, known);
    if part_of { distance.min(limit) } else { distance }
}

/// `retryConfig`, `retry-config` and `Retry Config` are all a way to write `retry_config`.
fn fold(word: &str) -> Vec<char> {
    // Longer words are nobody's typing error, and the distance is quadratic.
    let letters = word.chars().filter(|letter| letter.is_alphanumeric()).take(64);
    letters.flat_map(char::to_lowercase).collect()
}

/// Optimal string alignment: insert, delete, replace, and swapped neighbours count one each.
fn distance(a: &[char], b: &[char]) -> usize {
    let mut before = vec![0; b.len() + 1];
    let mut last: Vec<usize> = (0..=b.len()).collect();
    for i in 1..=a.len() {
        let mut row = vec![i; b.len() + 1];
        for j in 1..=b.len() {
            let replaced = last[j - 1] + usize::from(a[i - 1] != b[j - 1]);
            row[j] = replaced.min(last[j] + 1).min(row[j - 1] + 1);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                row[j] = row[j].min(before[j - 2] + 1);
            }
        }
        before = std::mem::replace(&mut last, row);
    }
    last[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(typed: &str, expected: Option<&str>) {
        let known = ["shell", "steps", "retry_config", "weather", "id", "when", "env"];
        assert_eq!(nearest(typed, known), expected, "for {typed:?}");
    }

    #[test]
    fn typing_errors_are_recognised_and_other_words_are_not() {
        check("shel", Some("shell"));
        check("wether", Some("weather"));
        check("stpes", Some("steps"));
        check("retryConfig", Some("retry_config"));
        check("ENV", Some("env"));
        check("config", Some("retry_config"));
        check("banana", None);
        check("", None);
    }
}
