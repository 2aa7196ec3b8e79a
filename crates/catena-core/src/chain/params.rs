//! The parameters of a chain: what a start may give and what it must.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use super::{
    Chain,
    schema::{Mismatch, mismatches},
};
use crate::value::{VALUE_MAX_BYTES, Value, some};

/// One parameter: a JSON Schema, which the value must fit when an execution starts.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Param {
    pub schema: Json,
    #[serde(default, deserialize_with = "some", skip_serializing_if = "Option::is_none")]
    pub default: Option<Value>,
}

/// Why given parameters do not fit a chain.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ParamProblem {
    #[error("parameter `{0}` is required and was not given")]
    Missing(String),
    #[error("there is no parameter `{name}`; the chain has {known}")]
    Unknown { name: String, known: String },
    #[error("parameter `{0}` has more than {VALUE_MAX_BYTES} bytes; give the path of a file instead")]
    TooLarge(String),
    /// `at` is the name with the path below it, `message` how it must be.
    #[error("parameter `{at}` {message}")]
    Unfit { name: String, at: String, message: String },
}

impl Chain {
    /// The parameters of an execution: what was given, checked, and the defaults for the rest.
    pub fn resolve_params(&self, given: BTreeMap<String, Value>) -> Result<Value, Vec<ParamProblem>> {
        let mut problems: Vec<ParamProblem> =
            given.keys().filter(|name| !self.params.contains_key(*name)).map(|n| self.unknown(n)).collect();
        let mut resolved = serde_json::Map::new();
        for (name, param) in &self.params {
            match given.get(name).or(param.default.as_ref()) {
                None => problems.push(ParamProblem::Missing(name.clone())),
                Some(value) if value.is_larger_than(VALUE_MAX_BYTES) => {
                    problems.push(ParamProblem::TooLarge(name.clone()));
                }
                Some(value) => {
                    problems.extend(param.check(name, value.as_json()));
                    resolved.insert(name.clone(), value.as_json().clone());
                }
            }
        }
        if problems.is_empty() { Ok(Value::from(Json::Object(resolved))) } else { Err(problems) }
    }

    fn unknown(&self, name: &str) -> ParamProblem {
        let known: Vec<String> = self.params.keys().map(|k| format!("`{k}`")).collect();
        let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
        ParamProblem::Unknown { name: name.to_owned(), known }
    }
}

impl Param {
    fn check(&self, name: &str, value: &Json) -> Vec<ParamProblem> {
        let unfit = |Mismatch { path, message }| ParamProblem::Unfit {
            name: name.to_owned(),
            at: format!("{name}{path}"),
            message,
        };
        mismatches(&self.schema, value).into_iter().map(unfit).collect()
    }
}
