//! Names that belong to no execution.

use std::collections::BTreeMap;

use minijinja::Value as Jinja;

use super::{Scope, text_of_instant, to_jinja};
use crate::{schedule::Zone, time::Timestamp, value::Value};

/// Values by name, and an instant that is now.
#[derive(Clone, Debug)]
pub struct Names {
    values: BTreeMap<String, Value>,
    now: Timestamp,
}

impl Names {
    pub fn new(values: BTreeMap<String, Value>, now: Timestamp) -> Self {
        Self { values, now }
    }
}

impl Scope for Names {
    fn get(&self, root: &str, _paths: &[&str]) -> Option<Jinja> {
        match (self.values.get(root), root) {
            (Some(value), _) => Some(to_jinja(value)),
            (None, "now") => Some(Jinja::from(text_of_instant(self.now))),
            (None, "date") => Some(Jinja::from(Zone::utc().day(self.now))),
            (None, _) => None,
        }
    }
}
