//! Stored values as expressions see them: a reference is followed when an expression comes to it, and what it came to
//! is noted, at hand or not.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use minijinja::{
    Value as Jinja,
    value::{Enumerator, Object, ObjectRepr},
};

use crate::{
    expr::{Reading, to_jinja},
    failure::{Failure, FailureType},
    value::{LOADED_MAX_BYTES, Loaded, Stored, Value, loaded::Entry},
};

/// Reads for one evaluation, or several that are decided together. The expression library wants what it is given to be
/// its own and fit for threads: hence the shared pointer and the lock, which nobody else ever holds.
#[derive(Clone, Debug)]
pub(super) struct Reader(Arc<Inside>);

#[derive(Debug)]
struct Inside {
    loaded: Loaded,
    reads: Mutex<Reads>,
    reading: Reading,
}

/// What was asked for.
#[derive(Debug, Default)]
struct Reads {
    asked: BTreeMap<String, Stored>,
    is_unmet: bool,
    failure: Option<Failure>,
}

/// How evaluations came to stand with stored values.
pub(crate) enum Met {
    /// All that they read was at hand.
    Wholly,
    /// They have read, and would read, these values, and not all of them were at hand.
    Not(Vec<Stored>),
    /// They read what they cannot.
    Never(Failure),
}

impl Reader {
    pub(super) fn new(loaded: &Loaded) -> Self {
        Self(Arc::new(Inside {
            loaded: loaded.clone(),
            reads: Mutex::default(),
            reading: Reading::default(),
        }))
    }

    pub(super) fn met(&self) -> Met {
        let reads = self.reads();
        // What follows from a value that was not at hand means nothing, a failure neither: so it does not matter to
        // the outcome what was at hand, and what was asked for first is there the next time.
        match (reads.is_unmet, &reads.failure) {
            (true, _) => Met::Not(reads.asked.values().cloned().collect()),
            (false, Some(failure)) => Met::Never(failure.clone()),
            (false, None) => Met::Wholly,
        }
    }

    /// What a reference stands for, if it is at hand.
    pub(super) fn read(&self, stored: &Stored) -> Option<Value> {
        match self.ask(stored)? {
            Entry::Here(value, _) => Some(value.clone()),
            Entry::Lost(_) => None,
        }
    }

    /// The value as an expression computes on it. What is not at hand is an empty text there, with which it comes
    /// further to what else it reads than with nothing.
    pub(super) fn jinja(&self, value: &Value) -> Jinja {
        if !value.has_references() {
            return to_jinja(value);
        }
        let Some(stored) = value.stored() else {
            return Jinja::from_object(Tree { value: value.clone(), reader: self.clone() });
        };
        match self.ask(&stored) {
            Some(Entry::Here(value, jinja)) if !value.has_references() => {
                jinja.get_or_init(|| to_jinja(value)).clone()
            }
            Some(Entry::Here(value, _)) => self.jinja(value),
            Some(Entry::Lost(_)) | None => Jinja::from(""),
        }
    }

    /// How much was asked for, at hand or not.
    pub(super) fn reading(&self) -> Reading {
        self.0.reading.clone()
    }

    fn ask(&self, stored: &Stored) -> Option<&Entry> {
        let mut reads = self.reads();
        if !reads.asked.contains_key(&stored.sha256) {
            let bytes = self.0.reading.bytes().saturating_add(stored.bytes);
            if bytes > LOADED_MAX_BYTES {
                reads.fail(format!("what is read here has more than {LOADED_MAX_BYTES} bytes in all"));
                return None;
            }
            self.0.reading.has_read(bytes);
            reads.asked.insert(stored.sha256.clone(), stored.clone());
        }
        let entry = self.0.loaded.get(stored);
        match entry {
            None => reads.is_unmet = true,
            Some(Entry::Lost(why)) => reads.fail(why.clone()),
            Some(Entry::Here(..)) => {}
        }
        entry
    }

    fn reads(&self) -> MutexGuard<'_, Reads> {
        self.0.reads.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Reads {
    fn fail(&mut self, message: String) {
        self.failure.get_or_insert_with(|| Failure::lasting(FailureType::TemplateError, message));
    }
}

/// A list or an object with references in it.
#[derive(Debug)]
struct Tree {
    value: Value,
    reader: Reader,
}

impl Object for Tree {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        if self.value.item_count().is_some() { ObjectRepr::Seq } else { ObjectRepr::Map }
    }

    fn get_value(self: &Arc<Self>, key: &Jinja) -> Option<Jinja> {
        let part = match key.as_str() {
            Some(key) => self.value.get(key),
            None => self.value.at(key.as_usize()?),
        };
        part.map(|part| self.reader.jinja(&part))
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        match self.value.item_count() {
            Some(count) => Enumerator::Seq(count),
            None => {
                let fields = self.value.fields().unwrap_or_default();
                Enumerator::Values(fields.into_iter().map(|(key, _)| Jinja::from(key)).collect())
            }
        }
    }
}
