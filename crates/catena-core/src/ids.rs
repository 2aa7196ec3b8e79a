//! Identifiers as types of their own, so that none is taken for another. Numbers are dense within their owner.

use std::fmt;

use serde::{
    Deserialize, Deserializer, Serialize,
    de::{self, Unexpected, Visitor},
};

/// A number, or its text: as the key of an object it is written as text, and within an event it is read as that.
struct Number;

impl Visitor<'_> for Number {
    type Value = u64;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a number")
    }

    fn visit_u64<E: de::Error>(self, number: u64) -> Result<u64, E> {
        Ok(number)
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<u64, E> {
        text.parse().map_err(|_| E::invalid_value(Unexpected::Str(text), &self))
    }
}

macro_rules! number {
    ($(#[$doc:meta])* $name:ident, $inner:ty) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
        #[serde(transparent)]
        pub struct $name(pub $inner);

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let number = deserializer.deserialize_any(Number)?;
                <$inner>::try_from(number).map(Self).map_err(de::Error::custom)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}

number!(
    /// An execution's number, from the one counter of its store.
    ExecutionId, u64
);
number!(
    /// A schedule's number, from the one counter of its store.
    ScheduleId, u64
);
number!(
    /// The place of a step in its chain, in order of definition.
    StepIx, u32
);
number!(
    /// The place of a block in its chain; 0 is the chain's own.
    BlockIx, u32
);
number!(
    /// One entry into a step, numbered in the order in which an execution made them.
    VisitNo, u32
);
number!(
    /// One opening of a block (the root, a group's body, a branch, an item, an undo), numbered in order.
    FrameNo, u32
);
number!(
    /// A try of a visit, from 1; never used twice within a visit.
    AttemptNo, u32
);

impl BlockIx {
    pub const ROOT: Self = Self(0);
}

impl FrameNo {
    pub const ROOT: Self = Self(0);
}

macro_rules! index {
    ($($name:ident),*) => {$(
        impl $name {
            /// The position as an index of the vector that it numbers.
            pub fn index(self) -> usize {
                self.0 as usize
            }

            /// The number of the next element of a vector with `len` elements.
            ///
            /// # Panics
            /// Beyond `u32::MAX` elements: the limits on chains and visits lie far below.
            pub fn next_of(len: usize) -> Self {
                Self(u32::try_from(len).expect("limits keep every count below u32::MAX"))
            }
        }
    )*};
}

index!(StepIx, BlockIx, VisitNo, FrameNo);

/// Why a text is not an identifier.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum IdError {
    #[error("an id cannot be empty")]
    Empty,
    #[error("an id has at most {} bytes", StepId::MAX_BYTES)]
    TooLong,
    #[error("`{0}` cannot stand in an id: lower-case letters, digits and `_` can")]
    Character(char),
}

/// A step's id, or a branch's: lower-case letters, digits and `_`, unique in the whole chain. Parsed, so that it can stand in
/// addresses and file names as it is.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct StepId(std::sync::Arc<str>);

impl StepId {
    /// Keeps `address.attempt.log` below the 255 bytes that a file name may have.
    pub const MAX_BYTES: usize = 100;

    pub fn parse(text: &str) -> Result<Self, IdError> {
        if text.is_empty() {
            return Err(IdError::Empty);
        }
        if text.len() > Self::MAX_BYTES {
            return Err(IdError::TooLong);
        }
        match text.chars().find(|&c| !is_id_char(c)) {
            Some(c) => Err(IdError::Character(c)),
            None => Ok(Self(text.into())),
        }
    }

    /// The id that a name gives: lower case, `_` for what is neither letter nor digit.
    pub fn from_name(name: &str) -> Result<Self, IdError> {
        let lower = name.trim().to_lowercase();
        let mut id: String = lower.chars().map(|c| if c.is_alphanumeric() { c } else { '_' }).collect();
        while id.len() > Self::MAX_BYTES {
            id.pop();
        }
        Self::parse(&id)
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

fn is_id_char(c: char) -> bool {
    c == '_' || (c.is_alphanumeric() && !c.is_uppercase())
}

impl fmt::Display for StepId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl TryFrom<String> for StepId {
    type Error = IdError;

    fn try_from(text: String) -> Result<Self, IdError> {
        Self::parse(&text)
    }
}

impl From<StepId> for String {
    fn from(id: StepId) -> Self {
        id.0.as_ref().to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_become_ids() {
        let check = |name: &str, id: &str| assert_eq!(StepId::from_name(name).unwrap().as_str(), id);
        check("Get Weather", "get_weather");
        check("step1_fetch.py", "step1_fetch_py");
        check("Größe messen", "größe_messen");
        assert_eq!(StepId::from_name("  "), Err(IdError::Empty));
    }

    #[test]
    fn a_number_is_read_back_where_it_was_a_key() {
        use std::collections::BTreeMap;
        #[derive(Debug, PartialEq, Serialize, Deserialize)]
        #[serde(tag = "kind")]
        enum Tagged {
            Some { by: BTreeMap<StepIx, VisitNo> },
        }
        let tagged = Tagged::Some { by: BTreeMap::from([(StepIx(7), VisitNo(8))]) };
        let json = serde_json::to_string(&tagged).unwrap();
        assert_eq!(json, r#"{"kind":"Some","by":{"7":8}}"#);
        assert_eq!(serde_json::from_str::<Tagged>(&json).unwrap(), tagged);
        assert!(serde_json::from_str::<StepIx>("-1").is_err());
        assert!(serde_json::from_str::<StepIx>("4294967296").is_err());
    }

    #[test]
    fn no_id_can_leave_its_folder() {
        for text in ["..", "a/b", "a b", "A", "a.b", "a~2", "a[1]", "a\0", "-a"] {
            assert!(StepId::parse(text).is_err(), "{text}");
        }
    }
}
