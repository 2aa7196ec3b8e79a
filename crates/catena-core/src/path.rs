//! Plain paths: expressions that only say where a value is, such as `big`, `steps.fetch.result` or `pages[0].text`.
//! What they name can be passed on as it is kept, without being read.

use crate::value::Value;

/// A name and the way from it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Path {
    pub root: String,
    pub way: Vec<Segment>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Segment {
    Key(String),
    Index(usize),
}

impl Segment {
    /// The part of a value that the segment leads to; nothing of what a reference stands for.
    pub fn of(&self, value: &Value) -> Option<Value> {
        match self {
            Self::Key(key) => value.get(key),
            Self::Index(index) => value.at(*index),
        }
    }
}
