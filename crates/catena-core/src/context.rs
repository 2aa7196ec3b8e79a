//! What an execution is told of what it has not done itself: its steps find it where they look for what others have
//! left.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{
    ids::StepIx,
    value::{Blob, Value},
};

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct GivenContext {
    /// Results by their `output_key`, `set` names, items of loops. What the execution itself leaves goes before them.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub names: BTreeMap<String, Value>,
    /// In place of those of the chain.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub variables: BTreeMap<String, Value>,
    /// What `steps.<id>` is of steps that are left out.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub steps: BTreeMap<StepIx, Value>,
    /// Failures that were let pass.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub errors: BTreeMap<StepIx, Value>,
    /// What the loops go through that stand around the step which is meant.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub items: BTreeMap<StepIx, Vec<Value>>,
}

impl GivenContext {
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    pub fn values(&self) -> impl Iterator<Item = &Value> {
        let items = self.items.values().flatten();
        let others = self.names.values().chain(self.variables.values());
        others.chain(self.steps.values()).chain(self.errors.values()).chain(items)
    }

    /// Large values become references.
    #[must_use]
    pub(crate) fn keep(mut self, blobs: &mut Vec<Blob>) -> Self {
        let items = self.items.values_mut().flatten();
        for value in self.names.values_mut().chain(self.variables.values_mut()).chain(items) {
            *value = std::mem::replace(value, Value::null()).keep(blobs);
        }
        for value in self.steps.values_mut() {
            *value = std::mem::replace(value, Value::null()).keep_fields(blobs);
        }
        self
    }

    /// What is given here goes before what is there.
    #[must_use]
    pub fn over(mut self, mut before: Self) -> Self {
        before.names.append(&mut self.names);
        before.variables.append(&mut self.variables);
        before.steps.append(&mut self.steps);
        before.errors.append(&mut self.errors);
        before.items.append(&mut self.items);
        before
    }

    /// The same of another version of the chain.
    #[must_use]
    pub fn renumbered(self, same: impl Fn(StepIx) -> Option<StepIx>) -> Self {
        let steps = self.steps.into_iter().filter_map(|(ix, value)| Some((same(ix)?, value))).collect();
        let errors = self.errors.into_iter().filter_map(|(ix, value)| Some((same(ix)?, value))).collect();
        let items = self.items.into_iter().filter_map(|(ix, items)| Some((same(ix)?, items))).collect();
        Self { steps, errors, items, ..self }
    }
}
