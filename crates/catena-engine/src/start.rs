//! A request for a new execution.

use std::{collections::BTreeMap, sync::Arc};

use catena_core::{ExecutionId, Value};
use catena_store::{Actor, Version};

#[derive(Clone, Debug)]
pub struct StartRequest {
    pub version: Arc<Version>,
    /// What was given; defaults are filled in.
    pub params: BTreeMap<String, Value>,
    /// The same key, version and input answer the first execution.
    pub key: Option<String>,
    pub actor: Actor,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Started {
    pub execution: ExecutionId,
    /// False where a key named an execution that was there before.
    pub is_new: bool,
}
