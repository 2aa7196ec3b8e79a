//! Stored values that a decision has at hand. They come from outside, as time does, and are no part of the state.

use std::{
    collections::BTreeMap,
    sync::{Arc, OnceLock},
};

use minijinja::Value as Jinja;

use super::{Stored, Value};

/// Values by digest; cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Loaded(Arc<BTreeMap<String, Entry>>);

#[derive(Clone, Debug)]
pub(crate) enum Entry {
    /// The value, and its form for expressions once one has asked for it.
    Here(Value, OnceLock<Jinja>),
    /// It cannot be read, and never will be.
    Lost(String),
}

impl Loaded {
    pub fn insert(&mut self, stored: &Stored, value: Value) {
        Arc::make_mut(&mut self.0).insert(stored.sha256.clone(), Entry::Here(value, OnceLock::new()));
    }

    /// The value cannot be read: what reads it fails.
    pub fn insert_lost(&mut self, stored: &Stored, why: impl Into<String>) {
        Arc::make_mut(&mut self.0).insert(stored.sha256.clone(), Entry::Lost(why.into()));
    }

    pub fn contains(&self, stored: &Stored) -> bool {
        self.0.contains_key(&stored.sha256)
    }

    /// Lets go of everything but these.
    pub fn retain(&mut self, wanted: &[Stored]) {
        Arc::make_mut(&mut self.0).retain(|sha256, _| wanted.iter().any(|stored| stored.sha256 == *sha256));
    }

    pub(crate) fn get(&self, stored: &Stored) -> Option<&Entry> {
        self.0.get(&stored.sha256)
    }
}
