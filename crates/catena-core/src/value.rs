//! The JSON values that steps leave and templates see: shared, never copied on the way through the state.

use std::{fmt, sync::Arc};

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value as Json;

/// The largest value that stands in the state and the journal itself. Larger results fail as
/// `result_too_large` until values are kept by reference.
pub const INLINE_MAX_BYTES: usize = 64 * 1024;

/// Marks what is not a plain value where a value is stored; see [`Value`]'s serial form.
pub(crate) const MARKER: &str = "$catena";

/// A JSON value behind a shared pointer: cloning is cheap.
///
/// Stored as the plain JSON, except for an object whose only key is `$catena`: that is wrapped once more
/// (`{"$catena": {"json": …}}`), so that references to stored values can take the marker's other forms
/// without a change of the journal.
#[derive(Clone, PartialEq)]
pub struct Value(Arc<Json>);

impl Value {
    pub fn null() -> Self {
        Self::from(Json::Null)
    }

    pub fn text(text: impl Into<String>) -> Self {
        Self::from(Json::String(text.into()))
    }

    pub fn as_json(&self) -> &Json {
        &self.0
    }

    pub fn is_null(&self) -> bool {
        self.0.is_null()
    }

    /// The value as a process sees it in an environment variable or an argument: text as it is, everything
    /// else as JSON.
    pub fn to_text(&self) -> String {
        match self.as_json() {
            Json::String(text) => text.clone(),
            other => other.to_string(),
        }
    }

    /// Whether the value's JSON text has more than `max` bytes; stops counting there.
    pub fn is_larger_than(&self, max: usize) -> bool {
        let mut counter = Counter { left: max };
        serde_json::to_writer(&mut counter, self.as_json()).is_err()
    }
}

struct Counter {
    left: usize,
}

impl std::io::Write for Counter {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.left = self.left.checked_sub(bytes.len()).ok_or(std::io::ErrorKind::FileTooLarge)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl From<Json> for Value {
    fn from(json: Json) -> Self {
        Self(Arc::new(json))
    }
}

impl fmt::Debug for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

fn is_marked(json: &Json) -> bool {
    json.as_object().is_some_and(|map| map.len() == 1 && map.contains_key(MARKER))
}

impl Serialize for Value {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if is_marked(&self.0) {
            return serde_json::json!({ MARKER: { "json": self.as_json() } }).serialize(serializer);
        }
        self.0.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut json = Json::deserialize(deserializer)?;
        if !is_marked(&json) {
            return Ok(Self::from(json));
        }
        match json[MARKER].as_object_mut().and_then(|form| form.remove("json")) {
            Some(inner) => Ok(Self::from(inner)),
            None => Err(serde::de::Error::custom("a stored value of a form that this version does not know")),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn every_value_comes_back_as_it_was_stored() {
        for json in [
            json!(null),
            json!("text"),
            json!({"a": [1, 2.5, true]}),
            json!({"$catena": 1}),
            json!({"$catena": {"json": {"$catena": {}}}}),
            json!({"$catena": 1, "b": 2}),
        ] {
            let value = Value::from(json);
            let stored = serde_json::to_string(&value).unwrap();
            assert_eq!(serde_json::from_str::<Value>(&stored).unwrap(), value, "{stored}");
        }
        assert!(serde_json::from_str::<Value>(r#"{"$catena": {"blob": "sha256:…"}}"#).is_err());
    }

    #[test]
    fn size_is_that_of_the_json_text() {
        let value = Value::from(json!("abc"));
        assert!(!value.is_larger_than(5));
        assert!(value.is_larger_than(4));
    }
}
