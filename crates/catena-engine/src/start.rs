//! A request for a new execution.

use std::{collections::BTreeMap, sync::Arc};

use catena_core::{ExecutionId, Value, value::Blob};
use catena_store::{Actor, Version};

use crate::Error;

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

/// A request whose parameters fit the chain; large ones are references.
pub(crate) struct CheckedStart {
    pub(crate) version: Arc<Version>,
    pub(crate) params: Value,
    pub(crate) blobs: Vec<Blob>,
    pub(crate) key: Option<String>,
    pub(crate) actor: Actor,
}

impl CheckedStart {
    pub(crate) fn new(request: StartRequest) -> Result<Self, Error> {
        let StartRequest { version, params, key, actor } = request;
        let mut blobs = Vec::new();
        let params = version.chain.resolve_params(params).map_err(Error::Params)?.keep_fields(&mut blobs);
        Ok(Self { version, params, blobs, key, actor })
    }
}
