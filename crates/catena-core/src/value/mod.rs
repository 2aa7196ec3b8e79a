//! The JSON values that steps leave and templates see: shared, never copied on the way through the state. What is
//! large is not in them: a reference stands for it, and whoever needs the value itself reads it by that.

pub(crate) mod loaded;
mod stored;
mod tree;

use std::{fmt, sync::Arc};

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value as Json;

pub(crate) use self::tree::MARKER;
use self::tree::{Node, is_marked};
pub use self::{
    loaded::Loaded,
    stored::{Blob, Stored, Unreadable, digest},
};

/// The largest value that stands in the state and the journal itself; a larger one is a reference there.
pub const INLINE_MAX_BYTES: usize = 64 * 1024;
/// The largest value that a step can leave or an expression give, as JSON text.
pub const VALUE_MAX_BYTES: usize = 16 * 1024 * 1024;
/// How much of stored values one evaluation, or the input of one attempt, can read in all.
pub const LOADED_MAX_BYTES: u64 = 4 * VALUE_MAX_BYTES as u64;

/// A JSON value behind a shared pointer: cloning is cheap. It may be, or have in it, references to stored values.
///
/// Stored as the plain JSON, except for an object whose only key is `$catena`: that is wrapped once more
/// (`{"$catena": {"json": …}}`), because the key marks what is not plain JSON. A reference is
/// `{"$catena": {"stored": {"sha256": …, "bytes": …}}}`; a list or an object with references in it is
/// `{"$catena": {"tree": …}}`, in which the other forms may stand anywhere. `tree.rs` has all of them.
#[derive(Clone, PartialEq)]
pub struct Value(Arc<Form>);

#[derive(PartialEq)]
enum Form {
    Plain(Json),
    /// JSON in which marked objects mean something: a reference, or lists and objects with references in them.
    Tree(Json),
}

/// For fields that are left out where there is no value: what is there is one, also if it is null.
pub(crate) fn some<'de, D: Deserializer<'de>, T: Deserialize<'de>>(
    deserializer: D,
) -> Result<Option<T>, D::Error> {
    T::deserialize(deserializer).map(Some)
}

impl Value {
    pub fn null() -> Self {
        Self::from(Json::Null)
    }

    pub fn text(text: impl Into<String>) -> Self {
        Self::from(Json::String(text.into()))
    }

    /// The JSON of a value without references; of any other the form in which it is journalled.
    pub fn as_json(&self) -> &Json {
        match &*self.0 {
            Form::Plain(json) | Form::Tree(json) => json,
        }
    }

    pub fn is_null(&self) -> bool {
        self.as_json().is_null()
    }

    /// The value as a process sees it in an environment variable or an argument: text as it is, everything
    /// else as JSON.
    pub fn to_text(&self) -> String {
        match self.as_json() {
            Json::String(text) => text.clone(),
            other => other.to_string(),
        }
    }

    /// How many bytes the value's JSON text has; what it refers to does not count.
    pub(crate) fn json_bytes(&self) -> usize {
        let mut counter = Counter { left: usize::MAX };
        serde_json::to_writer(&mut counter, self.as_json()).expect("nothing is larger than that");
        usize::MAX - counter.left
    }

    /// Whether the value's JSON text has more than `max` bytes; stops counting there. What it refers to does not
    /// count.
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
        Self(Arc::new(Form::Plain(json)))
    }
}

impl fmt::Debug for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.as_json())
    }
}

impl Serialize for Value {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match &*self.0 {
            Form::Plain(json) if is_marked(json) => {
                serde_json::json!({ MARKER: { "json": json } }).serialize(serializer)
            }
            Form::Plain(json) => json.serialize(serializer),
            Form::Tree(json) if is_marked(json) => json.serialize(serializer),
            Form::Tree(json) => serde_json::json!({ MARKER: { "tree": json } }).serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut json = Json::deserialize(deserializer)?;
        if !is_marked(&json) {
            return Ok(Self::from(json));
        }
        let form = match tree::node(&json) {
            Some(Node::Literal(inner)) => Form::Plain(inner.clone()),
            Some(Node::Stored(_) | Node::Object(_)) if tree::is_valid(&json) => Form::Tree(json),
            _ => match json[MARKER].as_object_mut().and_then(|form| form.remove("tree")) {
                Some(inner) if tree::is_valid(&inner) => Form::Tree(inner),
                Some(_) | None => {
                    let message = "a stored value of a form that this version does not know";
                    return Err(serde::de::Error::custom(message));
                }
            },
        };
        Ok(Self(Arc::new(form)))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn every_value_comes_back_as_it_was_stored() {
        let reference = Value::text("x".repeat(INLINE_MAX_BYTES)).keep(&mut Vec::new());
        let marked = Value::from(json!({"$catena": {"stored": {"sha256": "0", "bytes": 1}}}));
        let values = [
            json!(null),
            json!("text"),
            json!({"a": [1, 2.5, true]}),
            json!({"$catena": 1}),
            json!({"$catena": {"json": {"$catena": {}}}}),
            json!({"$catena": 1, "b": 2}),
            json!([{"$catena": {"tree": []}}]),
        ];
        let trees = [
            reference.clone(),
            Value::list([reference.clone(), marked.clone()]),
            Value::object([("a".to_owned(), Value::list([reference.clone()])), ("b".to_owned(), marked)]),
            Value::object([("$catena".to_owned(), reference.clone())]),
            Value::list([Value::object([("$catena".to_owned(), reference)])]),
        ];
        for value in values.into_iter().map(Value::from).chain(trees) {
            let stored = serde_json::to_string(&value).unwrap();
            assert_eq!(serde_json::from_str::<Value>(&stored).unwrap(), value, "{stored}");
        }
        for unknown in [r#"{"$catena": {"blob": "sha256:…"}}"#, r#"{"$catena": {"tree": [{"$catena": 1}]}}"#]
        {
            assert!(serde_json::from_str::<Value>(unknown).is_err(), "{unknown}");
        }
    }

    #[test]
    fn size_is_that_of_the_json_text() {
        let value = Value::from(json!("abc"));
        assert!(!value.is_larger_than(5));
        assert!(value.is_larger_than(4));
    }

    /// Data that looks like a reference is data, wherever it stands.
    #[test]
    fn data_is_never_taken_for_a_reference() {
        let mut blobs = Vec::new();
        let large = Value::text("x".repeat(INLINE_MAX_BYTES));
        let reference = large.clone().keep(&mut blobs);
        let forged = Value::from(reference.as_json().clone());
        assert!(reference.stored().is_some() && forged.stored().is_none());
        let both = Value::list([forged.clone(), reference.clone()]);
        assert_eq!(both.references(), [reference.stored().unwrap()]);
        assert_eq!((both.at(0), both.at(1)), (Some(forged.clone()), Some(reference)));
        let whole = both.whole(&mut |stored| stored.open(&blobs[0].bytes));
        assert_eq!(whole.unwrap(), json!([forged.as_json(), large.as_json()]));
    }

    #[test]
    fn what_is_kept_is_read_again_and_nothing_else() {
        let mut blobs = Vec::new();
        let small = Value::text("x").keep(&mut blobs);
        assert!(small.stored().is_none() && blobs.is_empty());
        let large = Value::from(json!({"$catena": "x".repeat(INLINE_MAX_BYTES)}));
        let stored = large.clone().keep(&mut blobs).stored().unwrap();
        assert_eq!(stored.open(&blobs[0].bytes), Ok(large));
        assert_eq!(stored.open(b"\"other\""), Err(Unreadable(stored.sha256.clone())));
    }
}
