//! What one execution leaves to another: results that stand, and the duty to take back what was done.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{
    event::Input,
    ids::{ExecutionId, StepId, StepIx},
    value::Value,
};

/// A result of an earlier execution.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Adopted {
    /// Of the visit that left it, which is that of the visit that it stands for.
    pub address: String,
    pub result: Value,
    #[serde(default, skip_serializing_if = "Input::is_empty")]
    pub input: Input,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub children: Vec<ExecutionId>,
    /// Nobody has to take it back: it came from a cache, or the duty is another execution's.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_free: bool,
    /// Its place in the order of what the earlier execution has to take back.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub place: u32,
    /// What its undo reads of what was there.
    #[serde(default, skip_serializing_if = "Sight::is_empty")]
    pub sight: Sight,
    /// Of a `for_each` only this: the digest of its items. What is below it holds for the same items and no others.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub items: Option<String>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks with a reference")]
fn is_zero(place: &u32) -> bool {
    *place == 0
}

/// What the undo of a visit reads beside its input and its result: names, and what `steps.<id>` means.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Sight {
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub names: BTreeMap<String, Value>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub steps: BTreeMap<StepId, Value>,
}

impl Sight {
    pub fn is_empty(&self) -> bool {
        self.names.is_empty() && self.steps.is_empty()
    }

    pub fn values(&self) -> impl Iterator<Item = &Value> {
        self.names.values().chain(self.steps.values())
    }
}

/// The duty to undo a visit of an earlier execution, with all that the undo reads.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Duty {
    pub step: StepIx,
    pub result: Value,
    #[serde(default, skip_serializing_if = "Input::is_empty")]
    pub input: Input,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub names: BTreeMap<String, Value>,
    /// What `steps.<id>` means.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub steps: BTreeMap<StepIx, Value>,
    /// The executions whose work is to be taken back, the last one first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub children: Vec<ExecutionId>,
}

impl Duty {
    pub(crate) fn values(&self) -> impl Iterator<Item = &Value> {
        let seen = self.names.values().chain(self.steps.values());
        self.input.values().chain([&self.result]).chain(seen)
    }
}

impl Adopted {
    pub(crate) fn values(&self) -> impl Iterator<Item = &Value> {
        self.input.values().chain(self.sight.values()).chain([&self.result])
    }
}
