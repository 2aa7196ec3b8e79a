//! Masking: every occurrence of a secret's value becomes `***`, in values, in texts, and in streams that come in
//! pieces. What is masked is the value, its lines where it has several, and both as JSON writes them.

use std::{mem, sync::Arc};

use catena_core::{Failure, Value, event::Answer};
use serde_json::Value as Json;
use zeroize::Zeroizing;

/// What stands where a secret stood.
const MASK: &str = "***";
/// Shorter values and lines are not masked: they stand in every other text by chance.
pub const MASKED_MIN_BYTES: usize = 4;

/// The texts to be masked.
pub(crate) struct Mask {
    /// By the byte that they begin with, the longest first: a large text is compared with few at each place, and
    /// passed over quickly where none begins.
    patterns: Vec<Vec<Zeroizing<Vec<u8>>>>,
}

/// How the patterns stand to what begins at one place.
enum Found {
    Nothing,
    /// So many bytes of the longest pattern that is there.
    Whole(usize),
    /// It depends on what comes.
    Undecided,
}

/// Whether there may be more of a text.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Rest {
    ToCome,
    None,
}

impl Mask {
    /// None if there is nothing to mask.
    pub(crate) fn new<'a>(values: impl IntoIterator<Item = &'a str>) -> Option<Self> {
        let mut patterns: Vec<Zeroizing<Vec<u8>>> = values.into_iter().flat_map(patterns_of).collect();
        patterns.sort_by(|a, b| b.len().cmp(&a.len()).then_with(|| a.cmp(b)));
        patterns.dedup();
        if patterns.is_empty() {
            return None;
        }
        let mut by_first = vec![Vec::new(); 1 << u8::BITS];
        for pattern in patterns {
            by_first[usize::from(pattern[0])].push(pattern);
        }
        Some(Self { patterns: by_first })
    }

    pub(crate) fn bytes(&self, text: &[u8]) -> Vec<u8> {
        let mut masked = Vec::with_capacity(text.len());
        self.pass(text, 0, Rest::None, &mut masked);
        masked
    }

    pub(crate) fn text(&self, text: &str) -> String {
        // A secret is text, so what is left between its occurrences is text.
        String::from_utf8_lossy(&self.bytes(text.as_bytes())).into_owned()
    }

    pub(crate) fn value(&self, value: &Value) -> Value {
        Value::from(self.json(value.as_json()))
    }

    fn json(&self, json: &Json) -> Json {
        match json {
            Json::Null | Json::Bool(_) | Json::Number(_) => json.clone(),
            Json::String(text) => Json::String(self.text(text)),
            Json::Array(items) => Json::Array(items.iter().map(|item| self.json(item)).collect()),
            Json::Object(fields) => {
                Json::Object(fields.iter().map(|(key, value)| (self.text(key), self.json(value))).collect())
            }
        }
    }

    pub(crate) fn answer(&self, answer: Answer) -> Answer {
        match answer {
            Answer::Succeeded { value } => Answer::Succeeded { value: value.map(|value| self.value(&value)) },
            Answer::Failed { failure } => Answer::Failed { failure: self.failure(failure) },
            Answer::Lost { message } => Answer::Lost { message: self.text(&message) },
            Answer::TimedOut { .. } | Answer::Cancelled {} => answer,
        }
    }

    fn failure(&self, failure: Failure) -> Failure {
        let kind = self.text(failure.kind.as_str()).into();
        let (message, detail) =
            (self.text(&failure.message), failure.detail.map(|detail| self.value(&detail)));
        Failure { kind, message, detail, ..failure }
    }

    /// Masks `text`, whose first `covered` bytes belong to an occurrence that is masked already. Returns how many
    /// bytes were decided on, and how many behind those are covered. Occurrences that overlap are one.
    fn pass(&self, text: &[u8], covered: usize, rest: Rest, masked: &mut Vec<u8>) -> (usize, usize) {
        let (mut at, mut covered_to) = (0, covered);
        while at < text.len() {
            let plain = text[at..].iter().take_while(|byte| self.beginning_with(**byte).is_empty()).count();
            masked.extend_from_slice(text.get(covered_to.max(at)..at + plain).unwrap_or_default());
            at += plain;
            match self.find(&text[at..], rest) {
                Found::Undecided => break,
                Found::Whole(length) => {
                    if at >= covered_to {
                        masked.extend_from_slice(MASK.as_bytes());
                    }
                    covered_to = covered_to.max(at + length);
                }
                Found::Nothing if at >= covered_to => masked.extend(text.get(at)),
                Found::Nothing => {}
            }
            at += 1;
        }
        let at = at.min(text.len());
        (at, covered_to.saturating_sub(at))
    }

    fn beginning_with(&self, byte: u8) -> &[Zeroizing<Vec<u8>>] {
        &self.patterns[usize::from(byte)]
    }

    fn find(&self, text: &[u8], rest: Rest) -> Found {
        let Some(first) = text.first() else { return Found::Nothing };
        let may_become =
            |pattern: &[u8]| rest == Rest::ToCome && text.len() < pattern.len() && pattern.starts_with(text);
        for pattern in self.beginning_with(*first) {
            if text.starts_with(pattern) {
                return Found::Whole(pattern.len());
            }
            if may_become(pattern) {
                return Found::Undecided;
            }
        }
        Found::Nothing
    }
}

/// What of a value is masked.
fn patterns_of(value: &str) -> Vec<Zeroizing<Vec<u8>>> {
    let lines = value.lines().map(str::trim);
    let whole = [value, value.trim()].into_iter();
    let plain = whole.chain(lines).filter(|text| text.len() >= MASKED_MIN_BYTES);
    plain.flat_map(|text| [Zeroizing::new(text.as_bytes().to_vec()), in_json(text)]).collect()
}

fn in_json(text: &str) -> Zeroizing<Vec<u8>> {
    let quoted = Zeroizing::new(Json::from(text).to_string());
    Zeroizing::new(quoted.as_bytes()[1..quoted.len() - 1].to_vec())
}

/// Masks a stream. What could be the beginning of a secret is held until the next piece decides; all else goes
/// through at once.
pub(crate) struct Masking {
    mask: Arc<Mask>,
    held: Vec<u8>,
    covered: usize,
}

impl Masking {
    pub(crate) fn new(mask: Arc<Mask>) -> Self {
        Self { mask, held: Vec::new(), covered: 0 }
    }

    /// What can be shown after this piece.
    pub(crate) fn take(&mut self, bytes: &[u8]) -> Vec<u8> {
        self.held.extend_from_slice(bytes);
        self.pass(Rest::ToCome)
    }

    /// What was held, when nothing follows.
    pub(crate) fn finish(&mut self) -> Vec<u8> {
        self.pass(Rest::None)
    }

    fn pass(&mut self, rest: Rest) -> Vec<u8> {
        let text = mem::take(&mut self.held);
        let mut masked = Vec::with_capacity(text.len());
        let (decided, covered) = self.mask.pass(&text, self.covered, rest, &mut masked);
        self.covered = covered;
        self.held = text[decided..].to_vec();
        masked
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const KEY: &str = "-----BEGIN-----\r\nabcd/efgh\nxy\n-----END-----\n";

    /// However the text is cut, what comes out is the same, and is what is expected.
    fn check(secrets: &[&str], text: &str, expected: &str) {
        let mask = Arc::new(Mask::new(secrets.iter().copied()).unwrap());
        assert_eq!(mask.text(text), expected);
        for size in 1..=text.len() {
            let mut masking = Masking::new(Arc::clone(&mask));
            let mut masked: Vec<u8> =
                text.as_bytes().chunks(size).flat_map(|chunk| masking.take(chunk)).collect();
            masked.extend(masking.finish());
            assert_eq!(String::from_utf8_lossy(&masked), expected, "in pieces of {size}");
        }
    }

    #[test]
    fn every_occurrence_is_masked_in_whole_and_in_pieces() {
        check(&["hunter2"], "a hunter2, hunter2hunter2 hunter", "a ***, ****** hunter");
        check(&["hunter2"], "hhunter2 huntehunter2", "h*** hunte***");
        check(&["aaaa"], "aaaaaaaaaaa b aaa", "*** b aaa");
        check(&["abcd", "cdef"], "abcdef abcdeX", "*** ***eX");
        check(&["secret", "secretly"], "secretly secret secretl", "*** *** ***l");
        check(&["pässwörd"], "é pässwörd é", "é *** é");
    }

    #[test]
    fn lines_and_json_of_a_secret_are_masked() {
        check(&[KEY], &format!("<{KEY}>"), "<***>");
        check(&[KEY], "abcd/efgh\nxy\n  -----END-----", "***\nxy\n  ***");
        check(&["say \"so\"\n1"], r#"{"a": "say \"so\"\n1"}"#, r#"{"a": "***"}"#);
        check(&["token\n"], "token;", "***;");
    }

    #[test]
    fn what_is_too_short_is_not_masked() {
        assert!(Mask::new(["", "abc", "a\nb"]).is_none());
        assert!(Mask::new([]).is_none());
    }

    #[test]
    fn only_what_may_be_a_secret_is_held() {
        let mut masking = Masking::new(Arc::new(Mask::new(["hunter2"]).unwrap()));
        assert_eq!(masking.take(b"progress: 10 % h"), b"progress: 10 % ");
        assert_eq!(masking.take(b"alf"), b"half");
        assert_eq!(masking.take(b"\npassword: hunter"), b"\npassword: ");
        assert_eq!(masking.take(b"2"), b"***");
    }

    #[test]
    fn answers_are_masked_to_their_leaves() {
        let mask = Mask::new(["hunter2"]).unwrap();
        let value = mask.value(&Value::from(json!({"a hunter2": ["hunter2", 2, null]})));
        assert_eq!(value.as_json(), &json!({"a ***": ["***", 2, null]}));
        let failure = Failure::new("hunter2".to_owned().into(), "no hunter2").with_detail(json!("hunter2"));
        let masked = mask.answer(Answer::Failed { failure });
        assert!(!format!("{masked:?}").contains("hunter2"), "{masked:?}");
    }
}
