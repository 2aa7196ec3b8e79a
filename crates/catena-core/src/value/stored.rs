//! References to stored values, and what is stored for them: the value's serial form, by its digest. A stored value
//! may itself have references in it; a digest cannot be in what it is the digest of, so there are no circles.

use std::{fmt, sync::Arc};

use serde::{Deserialize, Serialize};
use serde_json::Value as Json;
use sha2::{Digest, Sha256};

use super::{Form, INLINE_MAX_BYTES, Value, tree};
use crate::event::Answer;

/// Names a stored value.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Stored {
    /// SHA-256 of the stored bytes, in hex.
    pub sha256: String,
    /// How many bytes are stored.
    pub bytes: u64,
}

/// A value that has to be stored with the events that refer to it.
#[derive(Clone, PartialEq, Eq)]
pub struct Blob {
    pub stored: Stored,
    pub bytes: Arc<[u8]>,
}

impl fmt::Debug for Blob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.stored.fmt(f)
    }
}

/// What is stored is not what was stored under this digest.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the stored value {0} is not what was stored")]
pub struct Unreadable(pub String);

impl Stored {
    /// The value, given the bytes that are stored for it.
    pub fn open(&self, bytes: &[u8]) -> Result<Value, Unreadable> {
        let unreadable = || Unreadable(self.sha256.clone());
        if bytes.len() as u64 != self.bytes || digest(bytes) != self.sha256 {
            return Err(unreadable());
        }
        serde_json::from_slice(bytes).map_err(|_| unreadable())
    }
}

/// SHA-256 in hex, which names bytes wherever they are stored.
pub fn digest(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

impl Value {
    /// The value as state and journal have it: if it is large, a reference, what it stands for among `blobs`.
    #[must_use]
    pub fn keep(self, blobs: &mut Vec<Blob>) -> Self {
        self.keep_above(INLINE_MAX_BYTES, blobs)
    }

    /// As [`Self::keep`], for a value that may itself have no more than `max` bytes.
    #[must_use]
    pub(crate) fn keep_above(self, max: usize, blobs: &mut Vec<Blob>) -> Self {
        if self.stored().is_some() || !self.is_larger_than(max) {
            return self;
        }
        let bytes: Arc<[u8]> = serde_json::to_vec(&self).expect("a value is JSON").into();
        let stored = Stored { sha256: digest(&bytes), bytes: bytes.len() as u64 };
        let reference = Self(Arc::new(Form::Tree(tree::reference(&stored))));
        blobs.push(Blob { stored, bytes });
        reference
    }

    /// An object whose fields are kept each on its own.
    #[must_use]
    pub fn keep_fields(self, blobs: &mut Vec<Blob>) -> Self {
        match self.fields() {
            Some(fields) if self.is_larger_than(INLINE_MAX_BYTES) => {
                Self::object(fields.into_iter().map(|(name, value)| (name, value.keep(blobs))))
            }
            Some(_) | None => self,
        }
    }

    /// What the value refers to if it is a reference.
    pub fn stored(&self) -> Option<Stored> {
        match &*self.0 {
            Form::Plain(_) => None,
            Form::Tree(json) => match tree::node(json) {
                Some(tree::Node::Stored(stored)) => Some(stored),
                Some(_) | None => None,
            },
        }
    }

    /// The JSON with what it refers to in place of references, and what that refers to.
    pub fn whole<E>(&self, read: &mut dyn FnMut(&Stored) -> Result<Self, E>) -> Result<Json, E> {
        match &*self.0 {
            Form::Plain(json) => Ok(json.clone()),
            Form::Tree(json) => tree::whole(json, read),
        }
    }
}

impl Answer {
    /// The answer as the journal has it: a large value is a reference.
    #[must_use]
    pub fn keep(self, blobs: &mut Vec<Blob>) -> Self {
        match self {
            Self::Succeeded { value } => Self::Succeeded { value: value.map(|value| value.keep(blobs)) },
            Self::Failed { .. } | Self::TimedOut { .. } | Self::Cancelled {} | Self::Lost { .. } => self,
        }
    }
}
