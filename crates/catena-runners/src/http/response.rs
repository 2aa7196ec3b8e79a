//! What a response means: a result, or a failure of its status or body.

use std::sync::Arc;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use catena_core::{
    Failure, FailureType, Value,
    chain::{HttpStep, Parse, Statuses, Step},
    event::Answer,
    failure::RETRY_AFTER_MS,
    value::VALUE_MAX_BYTES,
};
use jiff::{Timestamp, fmt::rfc2822};
use reqwest::header::{CONTENT_TYPE, HeaderMap, RETRY_AFTER, SET_COOKIE};
use serde_json::{Map, Value as Json, json};

use crate::{classify::fitting, mask::Mask, yaml};

/// How much of the body of a failure is told.
const EXCERPT_BYTES: u64 = 4 * 1024;
/// Headers that a failure tells, at most.
const HEADERS_BYTES: usize = 8 * 1024;
/// The longest pause that a server can ask for.
const RETRY_AFTER_MAX_MS: u64 = 24 * 3_600_000;

/// What the step wants to know of a response.
pub(super) struct Wanted {
    pub(super) status: Statuses,
    retry_on: Statuses,
    parse: Option<Parse>,
    pub(super) keeps_result: bool,
    output: Option<Arc<Json>>,
    pub(super) max_body: u64,
    pub(super) excerpt: u64,
}

impl Wanted {
    pub(super) fn of(step: &Step, request: &HttpStep) -> Self {
        Self {
            status: request.status.clone(),
            retry_on: request.retry_on.clone(),
            parse: request.parse,
            keeps_result: step.keeps_result(),
            output: step.output.clone(),
            max_body: request.max_body,
            excerpt: EXCERPT_BYTES,
        }
    }
}

pub(super) struct Received {
    pub(super) status: u16,
    pub(super) reason: String,
    pub(super) method: String,
    pub(super) url: String,
    pub(super) headers: HeaderMap,
    pub(super) body: Vec<u8>,
    /// How many bytes were read, those that were not kept counted.
    pub(super) bytes: u64,
}

pub(super) fn answer(mut received: Received, wanted: &Wanted, mask: Option<&Mask>) -> Answer {
    // As bytes, before anything makes other text of them.
    if let Some(mask) = mask {
        received.body = mask.bytes(&received.body);
    }
    if !wanted.status.contains(received.status) {
        return Answer::Failed { failure: unexpected(&received, wanted) };
    }
    if !wanted.keeps_result {
        return Answer::Succeeded { value: None };
    }
    match result(&received, wanted.parse) {
        Ok(value) => fitting(value, wanted.output.as_deref()),
        Err(failure) => Answer::Failed { failure },
    }
}

fn unexpected(received: &Received, wanted: &Wanted) -> Failure {
    let Received { status, reason, method, url, .. } = received;
    let message = format!("{method} {url} was answered with {status} {reason}");
    let text = String::from_utf8_lossy(&received.body);
    let body: String = text.chars().take(EXCERPT_BYTES as usize).collect();
    let mut detail = json!({
        "status": status,
        "url": url,
        "headers": headers(&received.headers, HEADERS_BYTES),
        "body": body,
    });
    if let Some(pause_ms) = retry_after_ms(&received.headers, Timestamp::now()) {
        detail[RETRY_AFTER_MS] = pause_ms.into();
    }
    let failure = Failure::new(FailureType::HttpStatus, message.trim_end().to_owned()).with_detail(detail);
    Failure { retriable: wanted.retry_on.contains(*status), ..failure }
}

fn result(received: &Received, parse: Option<Parse>) -> Result<Value, Failure> {
    let mut fields = Map::new();
    fields.insert("status".to_owned(), received.status.into());
    fields.insert("url".to_owned(), received.url.as_str().into());
    fields.insert("headers".to_owned(), headers(&received.headers, usize::MAX));
    let (body, is_text) = body(received, parse)?;
    fields.insert("body".to_owned(), body);
    if !is_text {
        fields.insert("encoding".to_owned(), "base64".into());
    }
    let value = Value::from(Json::Object(fields));
    if value.is_larger_than(VALUE_MAX_BYTES) {
        let message = format!(
            "the response has more than {VALUE_MAX_BYTES} bytes as JSON; fetch larger data into a file"
        );
        return Err(Failure::lasting(FailureType::ResultTooLarge, message));
    }
    Ok(value)
}

/// The body as a value, and whether it is not bytes in Base64.
fn body(received: &Received, parse: Option<Parse>) -> Result<(Json, bool), Failure> {
    let media = Media::of(&received.headers);
    let Some(text) = media.text(&received.body) else {
        return match parse {
            None => Ok((STANDARD.encode(&received.body).into(), false)),
            Some(_) => Err(Failure::new(FailureType::ParseError, "the body of the response is no text")),
        };
    };
    let value = match parse {
        Some(Parse::Lines) => Json::Array(text.lines().map(Json::from).collect()),
        Some(Parse::Json) => {
            serde_json::from_str(&text).map_err(|error| unreadable(&text, "JSON", &error.to_string()))?
        }
        Some(Parse::Yaml) => yaml::parse(&text).map_err(|error| unreadable(&text, "YAML", &error))?,
        None if media.is_json && text.trim().is_empty() => Json::Null,
        // A server that says JSON and sends something else is believed by its text.
        None if media.is_json => serde_json::from_str(&text).unwrap_or(Json::String(text)),
        None => Json::String(text),
    };
    Ok((value, true))
}

fn unreadable(text: &str, what: &str, error: &str) -> Failure {
    let start: String = text.chars().take(80).collect();
    Failure::new(FailureType::ParseError, format!("the body of the response is no {what}: {error}"))
        .with_detail(json!({ "body_begins": start }))
}

/// What the response says of its body.
struct Media {
    is_json: bool,
    is_latin1: bool,
}

impl Media {
    fn of(headers: &HeaderMap) -> Self {
        let text = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let text = text.to_ascii_lowercase();
        let (kind, parameters) = text.split_once(';').unwrap_or((&text, ""));
        let kind = kind.trim();
        let charset = parameters.split(';').find_map(|parameter| parameter.trim().strip_prefix("charset="));
        let is_latin1 = matches!(charset.map(|name| name.trim_matches('"')), Some("iso-8859-1" | "latin1"));
        let is_json = kind == "application/json" || kind == "text/json" || kind.ends_with("+json");
        Self { is_json, is_latin1 }
    }

    fn text(&self, bytes: &[u8]) -> Option<String> {
        if self.is_latin1 {
            return Some(bytes.iter().map(|byte| char::from(*byte)).collect());
        }
        let text = std::str::from_utf8(bytes).ok()?;
        Some(text.strip_prefix('\u{feff}').unwrap_or(text).to_owned())
    }
}

/// By their names in lower case. One that stands there several times is one text, as HTTP has it.
fn headers(headers: &HeaderMap, most_bytes: usize) -> Json {
    let mut fields = Map::new();
    let mut room = most_bytes;
    for name in headers.keys() {
        let values: Vec<_> =
            headers.get_all(name).iter().map(|value| String::from_utf8_lossy(value.as_bytes())).collect();
        let text = values.join(if *name == SET_COOKIE { "\n" } else { ", " });
        let Some(left) = room.checked_sub(name.as_str().len() + text.len()) else { continue };
        room = left;
        fields.insert(name.as_str().to_owned(), text.into());
    }
    Json::Object(fields)
}

/// `Retry-After`, in seconds or as a date.
fn retry_after_ms(headers: &HeaderMap, now: Timestamp) -> Option<u64> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    let pause_ms = match text.parse::<u64>() {
        Ok(seconds) => seconds.saturating_mul(1_000),
        Err(_) => {
            let at = rfc2822::DateTimeParser::new().parse_timestamp(text).ok()?;
            u64::try_from(at.as_millisecond() - now.as_millisecond()).unwrap_or(0)
        }
    };
    Some(pause_ms.min(RETRY_AFTER_MAX_MS))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pause_that_is_asked_for_is_read_in_both_forms_and_bounded() {
        let now: Timestamp = "2026-10-21T07:28:00Z".parse().unwrap();
        let cases = [
            ("120", Some(120_000)),
            ("Wed, 21 Oct 2026 07:28:30 GMT", Some(30_000)),
            ("Wed, 21 Oct 2026 07:27:30 GMT", Some(0)),
            ("99999999999999999999", None),
            ("999999999", Some(RETRY_AFTER_MAX_MS)),
            ("soon", None),
        ];
        for (text, expected) in cases {
            let headers = HeaderMap::from_iter([(RETRY_AFTER, text.parse().unwrap())]);
            assert_eq!(retry_after_ms(&headers, now), expected, "{text}");
        }
    }
}
