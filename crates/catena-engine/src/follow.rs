//! The event stream of an execution: from any point, without gaps, in one order. What was committed before
//! somebody asked comes from the store, what comes after is handed over as it is committed.

use std::{
    collections::{HashMap, VecDeque},
    sync::{
        Arc, Mutex, PoisonError,
        mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel},
    },
    time::Duration,
};

use catena_core::{Event, ExecutionId};
use catena_store::{Entry, Store};

use crate::{Error, clock::Clock};

/// Updates that a follower may be behind before it is sent back to the store.
const BACKLOG_MAX: usize = 256;

/// What is new in an execution.
#[derive(Clone, Debug)]
pub enum Update {
    Events(Arc<Vec<Entry>>),
    /// Events were committed that nobody followed when they were decided: they are in the store.
    Committed,
    /// The engine has stopped; the execution goes on with the next one.
    Stopped(String),
}

/// Who follows which execution.
#[derive(Default)]
pub(crate) struct Hub {
    followers: Mutex<HashMap<ExecutionId, Vec<SyncSender<Update>>>>,
}

impl Hub {
    fn subscribe(&self, execution: ExecutionId) -> Receiver<Update> {
        let (sender, receiver) = sync_channel(BACKLOG_MAX);
        self.lock().entry(execution).or_default().push(sender);
        receiver
    }

    pub(crate) fn is_followed(&self, execution: ExecutionId) -> bool {
        self.lock().contains_key(&execution)
    }

    /// Hands an update to who follows now; a follower that is too far behind misses it and asks the store.
    pub(crate) fn publish(&self, execution: ExecutionId, update: &Update) {
        let mut followers = self.lock();
        let Some(list) = followers.get_mut(&execution) else { return };
        list.retain(|follower| {
            let sent = follower.try_send(update.clone());
            !matches!(sent, Err(std::sync::mpsc::TrySendError::Disconnected(_)))
        });
        if list.is_empty() {
            followers.remove(&execution);
        }
    }

    pub(crate) fn stop(&self, why: &str) {
        for (_, list) in self.lock().drain() {
            for follower in list {
                // One that is too far behind to hear it sees its channel close.
                drop(follower.try_send(Update::Stopped(why.to_owned())));
            }
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<ExecutionId, Vec<SyncSender<Update>>>> {
        self.followers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Follows one execution.
pub struct Follower {
    store: Arc<dyn Store>,
    execution: ExecutionId,
    updates: Receiver<Update>,
    queue: VecDeque<Entry>,
    /// Sequence number of the last event that was handed out or queued.
    last: u64,
    ended: bool,
}

impl Follower {
    pub(crate) fn new(
        store: Arc<dyn Store>,
        hub: &Hub,
        execution: ExecutionId,
        after: u64,
    ) -> Result<Self, Error> {
        // First the ear, then the look back: what is committed in between comes twice and is counted once.
        let updates = hub.subscribe(execution);
        let mut follower =
            Self { store, execution, updates, queue: VecDeque::new(), last: after, ended: false };
        follower.read_store()?;
        Ok(follower)
    }

    /// The next event; `Ok(None)` behind the last of an ended execution. Blocks.
    pub fn next_event(&mut self) -> Result<Option<Entry>, Error> {
        loop {
            if let Some(entry) = self.next_now()? {
                return Ok(Some(entry));
            }
            if self.ended {
                return Ok(None);
            }
            match self.updates.recv() {
                Ok(update) => self.take(update)?,
                Err(_) => return Err(Error::Stopped("the engine has gone".to_owned())),
            }
        }
    }

    /// The next event if it comes within `patience`.
    pub fn next_within(&mut self, patience: Duration) -> Result<Option<Entry>, Error> {
        if let Some(entry) = self.next_now()? {
            return Ok(Some(entry));
        }
        match self.updates.recv_timeout(patience) {
            Ok(update) => self.take(update)?,
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => {
                return Err(Error::Stopped("the engine has gone".to_owned()));
            }
        }
        self.next_now()
    }

    pub fn has_ended(&self) -> bool {
        self.ended && self.queue.is_empty()
    }

    fn next_now(&mut self) -> Result<Option<Entry>, Error> {
        while self.queue.is_empty() && !self.ended {
            match self.updates.try_recv() {
                Ok(update) => self.take(update)?,
                Err(_) => break,
            }
        }
        let entry = self.queue.pop_front();
        if let Some(entry) = &entry {
            self.ended |= matches!(entry.event, Event::ExecutionEnded { .. });
        }
        Ok(entry)
    }

    fn take(&mut self, update: Update) -> Result<(), Error> {
        match update {
            Update::Stopped(why) => Err(Error::Stopped(why)),
            Update::Committed => self.read_store(),
            Update::Events(events) if events.first().is_some_and(|first| first.seq > self.last + 1) => {
                self.read_store()
            }
            Update::Events(events) => {
                self.queue_new(events.iter().cloned());
                Ok(())
            }
        }
    }

    fn read_store(&mut self) -> Result<(), Error> {
        let entries = self.store.journal(self.execution, self.last)?;
        self.queue_new(entries);
        Ok(())
    }

    fn queue_new(&mut self, entries: impl IntoIterator<Item = Entry>) {
        for entry in entries {
            if entry.seq > self.last {
                self.last = entry.seq;
                self.queue.push_back(entry);
            }
        }
    }
}

/// An execution's stream for a program that asks now and then rather than follows.
pub struct Stream {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) execution: ExecutionId,
    pub(crate) ttl: Duration,
}

#[derive(Clone, Debug, thiserror::Error)]
pub enum StreamError {
    #[error("there is no stream {0}")]
    Unknown(ExecutionId),
    #[error("the stream of execution {0} has expired")]
    Expired(ExecutionId),
    #[error(transparent)]
    Store(#[from] catena_store::Error),
}

impl Stream {
    /// The stream bears the number of its execution.
    pub fn id(&self) -> ExecutionId {
        self.execution
    }

    pub fn has_events(&self) -> Result<bool, StreamError> {
        Ok(!self.events_after(0)?.is_empty())
    }

    /// The events with a sequence number above `after`.
    pub fn events_after(&self, after: u64) -> Result<Vec<Entry>, StreamError> {
        let row = self.store.execution(self.execution)?.ok_or(StreamError::Unknown(self.execution))?;
        let ttl_ms = u64::try_from(self.ttl.as_millis()).unwrap_or(u64::MAX);
        if row.finished_at.is_some_and(|at| at.plus_ms(ttl_ms) < self.clock.now()) {
            return Err(StreamError::Expired(self.execution));
        }
        Ok(self.store.journal(self.execution, after)?)
    }
}
