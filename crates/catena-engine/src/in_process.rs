//! Attempts that run in this process: an engine that takes everything up again after an outage of its store asks for
//! them once more, as it asks the process helper. What runs goes on, and what has ended meanwhile answers again.

use std::{
    collections::{HashMap, hash_map::Entry},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use catena_core::{Value, event::Answer};
use catena_runners::{Attempt, AttemptKey, Recorded, Sink, StepRunner};

/// A runner with the memory of what it was asked for.
pub(crate) struct InProcess {
    runner: Box<dyn StepRunner>,
    sink: Arc<dyn Sink>,
    standings: Arc<Mutex<Standings>>,
}

type Standings = HashMap<AttemptKey, Standing>;

/// What is known of an attempt whose end is not committed.
enum Standing {
    Live,
    Ended(Answer),
}

impl InProcess {
    /// Makes the runner, which answers by way of this.
    pub(crate) fn new<E>(
        sink: Arc<dyn Sink>,
        make: impl FnOnce(Arc<dyn Sink>) -> Result<Box<dyn StepRunner>, E>,
    ) -> Result<Self, E> {
        let standings = Arc::default();
        let keeping = Keeping { sink: Arc::clone(&sink), standings: Arc::clone(&standings) };
        Ok(Self { runner: make(Arc::new(keeping))?, sink, standings })
    }
}

impl StepRunner for InProcess {
    fn start(&self, attempt: Attempt) {
        let key = attempt.key;
        let ended = match lock(&self.standings).entry(key) {
            Entry::Occupied(standing) => match standing.get() {
                Standing::Live => return,
                Standing::Ended(answer) => Some(answer.clone()),
            },
            Entry::Vacant(none) => {
                none.insert(Standing::Live);
                None
            }
        };
        match ended {
            Some(answer) => self.sink.ended(key, answer),
            None => self.runner.start(attempt),
        }
    }

    fn stop(&self, key: AttemptKey) {
        self.runner.stop(key);
    }

    fn settle(&self, key: AttemptKey) {
        lock(&self.standings).remove(&key);
        self.runner.settle(key);
    }

    fn has_all(&self) {
        self.runner.has_all();
    }
}

/// The sink of the runner: keeps each answer until it is settled.
struct Keeping {
    sink: Arc<dyn Sink>,
    standings: Arc<Mutex<Standings>>,
}

impl Sink for Keeping {
    fn ended(&self, key: AttemptKey, answer: Answer) {
        if let Some(standing) = lock(&self.standings).get_mut(&key) {
            *standing = Standing::Ended(answer.clone());
        }
        self.sink.ended(key, answer);
    }

    fn checkpoint(&self, key: AttemptKey, name: String, value: Value, recorded: Recorded) {
        self.sink.checkpoint(key, name, value, recorded);
    }
}

fn lock(standings: &Mutex<Standings>) -> MutexGuard<'_, Standings> {
    standings.lock().unwrap_or_else(PoisonError::into_inner)
}
