//! The event stream of an execution: from any point, without gaps, in one order. What was committed before
//! somebody asked comes from the store, what comes after is handed over as it is committed.

use std::{
    collections::{HashMap, VecDeque},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        mpsc::{
            Receiver, RecvTimeoutError, Sender, SyncSender, TryRecvError, TrySendError, channel, sync_channel,
        },
    },
    time::Duration,
};

use catena_core::{Event, ExecutionId};
use catena_store::{Entry, Store};

use crate::{
    Error,
    clock::Clock,
    schedule::{Announcement, ScheduleFollower},
};

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
    inside: Mutex<Inside>,
}

#[derive(Default)]
struct Inside {
    followers: HashMap<ExecutionId, Vec<SyncSender<Update>>>,
    /// Who wants to hear of schedules; the news are few and small.
    listeners: Vec<Sender<Announcement>>,
    /// Those who want to know that anything was committed. A ring that nobody has heard yet stands for all after it.
    bells: Vec<SyncSender<()>>,
    /// Why nothing will be published any more.
    stopped: Option<String>,
}

impl Hub {
    fn subscribe(&self, execution: ExecutionId) -> Result<Receiver<Update>, Error> {
        let mut inside = self.lock();
        if let Some(why) = &inside.stopped {
            return Err(Error::Stopped(why.clone()));
        }
        let (sender, receiver) = sync_channel(BACKLOG_MAX);
        inside.followers.entry(execution).or_default().push(sender);
        Ok(receiver)
    }

    /// Hears of all that is announced from now on.
    pub(crate) fn listen(&self) -> Result<ScheduleFollower, Error> {
        let mut inside = self.lock();
        if let Some(why) = &inside.stopped {
            return Err(Error::Stopped(why.clone()));
        }
        let (sender, news) = channel();
        inside.listeners.push(sender);
        Ok(ScheduleFollower { news })
    }

    pub(crate) fn announce(&self, announcement: &Announcement) {
        self.lock().listeners.retain(|listener| listener.send(announcement.clone()).is_ok());
    }

    /// Rings after commits of any execution, until nothing will be published any more.
    pub(crate) fn bell(&self) -> Receiver<()> {
        let (bell, heard) = sync_channel(1);
        let mut inside = self.lock();
        if inside.stopped.is_none() {
            inside.bells.push(bell);
        }
        heard
    }

    pub(crate) fn is_followed(&self, execution: ExecutionId) -> bool {
        self.lock().followers.contains_key(&execution)
    }

    /// Hands an update to who follows now. A follower that is too far behind loses its channel, and comes again
    /// by way of the store; so does one that has gone, and is forgotten.
    pub(crate) fn publish(&self, execution: ExecutionId, update: &Update) {
        let mut inside = self.lock();
        inside.bells.retain(|bell| !matches!(bell.try_send(()), Err(TrySendError::Disconnected(()))));
        let Some(list) = inside.followers.get_mut(&execution) else { return };
        list.retain(|follower| follower.try_send(update.clone()).is_ok());
        if list.is_empty() {
            inside.followers.remove(&execution);
        }
    }

    /// Nothing of an execution will be published any more.
    pub(crate) fn stop_one(&self, execution: ExecutionId, why: &str) {
        for follower in self.lock().followers.remove(&execution).unwrap_or_default() {
            drop(follower.try_send(Update::Stopped(why.to_owned())));
        }
    }

    pub(crate) fn stop(&self, why: &str) {
        let mut inside = self.lock();
        inside.stopped.get_or_insert_with(|| why.to_owned());
        inside.listeners.clear();
        inside.bells.clear();
        for (_, list) in inside.followers.drain() {
            for follower in list {
                // One that is too far behind to hear it asks again, and is told then.
                drop(follower.try_send(Update::Stopped(why.to_owned())));
            }
        }
    }

    /// Forgets the channels of an execution that nobody listens to.
    fn sweep(&self, execution: ExecutionId) {
        let mut inside = self.lock();
        if let Some(list) = inside.followers.get_mut(&execution) {
            list.retain(|follower| {
                !matches!(follower.try_send(Update::Committed), Err(TrySendError::Disconnected(_)))
            });
            if list.is_empty() {
                inside.followers.remove(&execution);
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inside> {
        self.inside.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Follows one execution.
pub struct Follower {
    store: Arc<dyn Store>,
    hub: Arc<Hub>,
    execution: ExecutionId,
    /// None while it is being dropped.
    updates: Option<Receiver<Update>>,
    queue: VecDeque<Entry>,
    /// Sequence number of the last event that was handed out or queued.
    last: u64,
    ended: bool,
}

impl Follower {
    pub(crate) fn new(
        store: Arc<dyn Store>,
        hub: Arc<Hub>,
        execution: ExecutionId,
        after: u64,
    ) -> Result<Self, Error> {
        let (updates, queue) = (None, VecDeque::new());
        let mut follower = Self { store, hub, execution, updates, queue, last: after, ended: false };
        follower.come()?;
        Ok(follower)
    }

    /// First the ear, then the look back: what is committed in between comes twice and is counted once.
    fn come(&mut self) -> Result<(), Error> {
        let heard = self.hub.subscribe(self.execution);
        self.read_store()?;
        match heard {
            Ok(updates) => self.updates = Some(updates),
            // What is in the store can be followed to its end all the same.
            Err(_) if self.knows_end() => {}
            Err(stopped) => return Err(stopped),
        }
        Ok(())
    }

    fn knows_end(&self) -> bool {
        self.queue.back().is_some_and(|entry| matches!(entry.event, Event::ExecutionEnded { .. }))
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
            match self.updates.as_ref().map(Receiver::recv) {
                Some(Ok(update)) => self.take(update)?,
                Some(Err(_)) | None => self.come()?,
            }
        }
    }

    /// The next event if it comes within `patience`.
    pub fn next_within(&mut self, patience: Duration) -> Result<Option<Entry>, Error> {
        if let Some(entry) = self.next_now()? {
            return Ok(Some(entry));
        }
        if self.ended {
            return Ok(None);
        }
        match self.updates.as_ref().map(|updates| updates.recv_timeout(patience)) {
            Some(Ok(update)) => self.take(update)?,
            Some(Err(RecvTimeoutError::Timeout)) => {}
            Some(Err(RecvTimeoutError::Disconnected)) | None => self.come()?,
        }
        self.next_now()
    }

    pub fn has_ended(&self) -> bool {
        self.ended && self.queue.is_empty()
    }

    fn next_now(&mut self) -> Result<Option<Entry>, Error> {
        while self.queue.is_empty() && !self.ended {
            match self.updates.as_ref().map(Receiver::try_recv) {
                Some(Ok(update)) => self.take(update)?,
                Some(Err(TryRecvError::Empty)) => break,
                Some(Err(TryRecvError::Disconnected)) | None => {
                    self.come()?;
                    if self.queue.is_empty() {
                        break;
                    }
                }
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

impl Drop for Follower {
    fn drop(&mut self) {
        drop(self.updates.take());
        self.hub.sweep(self.execution);
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
