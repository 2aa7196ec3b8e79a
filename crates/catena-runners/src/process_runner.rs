//! Runs the kinds that start a process, through the helper: prepare, launch, wait for the report, classify,
//! answer. A lost helper is reached again and every live attempt sent once more; tokens make that harmless.
//!
//! Nothing here waits on the caller's thread, which is the store's writer: a launch is written to a helper that
//! is there, and reaching one is the work of a thread of its own. No lock is held while a client is dropped,
//! since that waits for its reading thread, which takes the same locks.

use std::{
    collections::{HashMap, HashSet},
    ffi::OsString,
    process::Command,
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
    time::Duration,
};

use catena_core::{Failure, event::Answer};

use crate::{
    Attempt, AttemptKey, Beginning, Places, Sink, StepRunner,
    classify::{self, Expected},
    prepare::{self, GRACE_MS, cannot_start},
    process::{Client, Error, Helper, Launch, Report, Token},
    values,
};

/// Between two tries to reach a helper for an attempt that may be running.
const REACH_AGAIN: Duration = Duration::from_secs(1);

/// The bytes of stored step files and large values, by digest.
pub trait Files: Send + Sync {
    fn read(&self, digest: &str) -> Result<Vec<u8>, String>;
}

/// Makes the command that runs the helper.
pub type HelperCommand = Arc<dyn Fn() -> Command + Send + Sync>;

/// How the helper is reached, and with what right.
pub struct HelperAccess {
    pub command: HelperCommand,
    /// What every process starts from.
    pub environment: Vec<(OsString, OsString)>,
    /// The lease under which the engine writes.
    pub lease: u64,
}

#[derive(Debug, thiserror::Error)]
#[error("cannot reach the process helper: {0}")]
pub struct RunnerError(#[from] Error);

pub struct ProcessRunner {
    places: Places,
    files: Box<dyn Files>,
    helper: HelperAccess,
    /// Tells this store's attempts from those of any other that used the same folders.
    store: String,
    sink: Arc<dyn Sink>,
    book: Mutex<Book>,
    connection: Mutex<Connection>,
    /// Held while a helper is being reached, so that it is reached once.
    connecting: Mutex<()>,
    /// Itself, for threads and callbacks.
    this: Weak<Self>,
}

/// What is known of attempts that were asked for.
#[derive(Default)]
struct Book {
    live: HashMap<AttemptKey, Live>,
    keys: HashMap<Token, AttemptKey>,
    /// Those whose large values are being read, and whether they were asked to end meanwhile.
    preparing: HashMap<AttemptKey, bool>,
    /// Ended, and not yet known to be committed.
    unsettled: HashMap<AttemptKey, Token>,
    /// Every attempt that is live in the store is in here.
    has_all: bool,
}

/// An attempt that has not answered.
struct Live {
    expected: Expected,
    /// Kept to be sent again to another helper.
    launch: Launch,
    /// The connection that it was last sent on; 0 before the first.
    sent_on: u64,
    stopping: bool,
    beginning: Beginning,
}

#[derive(Default)]
struct Connection {
    client: Option<Arc<Client>>,
    /// Counts connections.
    serial: u64,
}

impl ProcessRunner {
    pub fn new(
        places: Places,
        files: Box<dyn Files>,
        helper: HelperAccess,
        store: &str,
        sink: Arc<dyn Sink>,
    ) -> Arc<Self> {
        Arc::new_cyclic(|this| Self {
            places,
            files,
            helper,
            store: store.to_owned(),
            sink,
            book: Mutex::default(),
            connection: Mutex::default(),
            connecting: Mutex::default(),
            this: Weak::clone(this),
        })
    }

    fn token(&self, attempt: &Attempt) -> Token {
        Token::new(format!("{}/{}/{}", self.store, attempt.lease, attempt.key))
    }

    /// Enlists an attempt, whose large values are `filled_in` or could not be.
    fn enlist(&self, attempt: &Attempt, filled_in: Result<(), Failure>) -> Result<(), Answer> {
        let token = self.token(attempt);
        let prepared =
            filled_in.and_then(|()| prepare::launch(attempt, token.clone(), &self.places, &*self.files));
        let launch = match (prepared, attempt.beginning) {
            (Ok(launch), _) => launch,
            (Err(failure), Beginning::Fresh) => return Err(Answer::Failed { failure }),
            // It may be running: whatever could not be prepared, its end is what counts.
            (Err(_), Beginning::Recovered { .. }) => prepare::attach(attempt, token.clone(), &self.places),
        };
        let step = attempt.step();
        let expected = Expected {
            parse: step.work.process().and_then(|process| process.parse),
            keeps_result: step.output_key.is_some(),
            timeout_ms: step.timeout_ms,
        };
        let beginning = attempt.beginning;
        let mut book = self.book();
        let stopping = book.preparing.remove(&attempt.key).unwrap_or(false);
        if stopping && beginning == Beginning::Fresh {
            return Err(Answer::Cancelled {});
        }
        book.keys.insert(token, attempt.key);
        book.live.insert(attempt.key, Live { expected, launch, sent_on: 0, stopping, beginning });
        Ok(())
    }

    /// Starts an attempt that has to be filled in first. What it may have running is its own from here on.
    fn start_large(&self, mut attempt: Attempt) {
        let (key, token) = (attempt.key, self.token(&attempt));
        let mut book = self.book();
        book.keys.insert(token.clone(), key);
        book.preparing.insert(key, false);
        drop(book);
        let begun = self.aside(move |runner| {
            let filled_in = values::fill_in(&mut attempt, &*runner.files);
            match runner.enlist(&attempt, filled_in) {
                Ok(()) => runner.dispatch(key),
                Err(answer) => runner.not_started(key, &runner.token(&attempt), answer),
            }
        });
        if let Err(error) = begun {
            let failure = cannot_start(format!("cannot start a thread: {error}"));
            self.not_started(key, &token, Answer::Failed { failure });
        }
    }

    fn not_started(&self, key: AttemptKey, token: &Token, answer: Answer) {
        let mut book = self.book();
        book.preparing.remove(&key);
        book.keys.remove(token);
        drop(book);
        self.sink.ended(key, answer);
    }

    /// Writes the launch to the helper that is there, or has a thread reach one.
    fn dispatch(&self, key: AttemptKey) {
        let mut broken = 0;
        if let Some((client, serial)) = self.current() {
            match self.launch_on(key, &client, serial) {
                Ok(()) => return,
                Err(_) => broken = serial,
            }
        }
        let reached = self.aside(move |runner| {
            runner.retire(broken);
            runner.send(key);
        });
        if let Err(error) = reached {
            self.answer(
                key,
                Answer::Failed { failure: cannot_start(format!("cannot start a thread: {error}")) },
            );
        }
    }

    /// Does what may take long on a thread of its own.
    fn aside(&self, work: impl FnOnce(&Self) + Send + 'static) -> std::io::Result<()> {
        let this = Weak::clone(&self.this);
        let thread = std::thread::Builder::new().name("catena-helper".into()).spawn(move || {
            if let Some(runner) = this.upgrade() {
                work(&runner);
            }
        });
        thread.map(drop)
    }

    /// Sends a launch until a helper has it. An attempt that cannot have started fails if there is none; one
    /// that may be running is not given up, since its end is somewhere.
    fn send(&self, key: AttemptKey) {
        loop {
            let sent = self.client().and_then(|(client, serial)| {
                self.launch_on(key, &client, serial).inspect_err(|_| self.retire(serial))
            });
            let Err(error) = sent else { return };
            let may_run = match self.book().live.get(&key) {
                None => return,
                Some(live) => live.sent_on > 0 || live.beginning != Beginning::Fresh,
            };
            if !may_run {
                let failure = cannot_start(RunnerError(error).to_string());
                return self.answer(key, Answer::Failed { failure });
            }
            std::thread::sleep(REACH_AGAIN);
            if Weak::strong_count(&self.this) == 1 {
                return;
            }
        }
    }

    /// Sends a launch over one connection, unless the attempt has answered or a later one has it already.
    fn launch_on(&self, key: AttemptKey, client: &Client, serial: u64) -> Result<(), Error> {
        let (launch, stopping) = {
            let mut book = self.book();
            let Some(live) = book.live.get_mut(&key).filter(|live| live.sent_on < serial) else {
                return Ok(());
            };
            live.sent_on = serial;
            (live.launch.clone(), live.stopping)
        };
        let token = launch.token.clone();
        client.launch(launch)?;
        if stopping { client.stop(token, GRACE_MS) } else { Ok(()) }
    }

    fn current(&self) -> Option<(Arc<Client>, u64)> {
        let connection = self.connection();
        connection.client.as_ref().map(|client| (Arc::clone(client), connection.serial))
    }

    /// The connection that is there, or a new one.
    fn client(&self) -> Result<(Arc<Client>, u64), Error> {
        if let Some(current) = self.current() {
            return Ok(current);
        }
        let _alone = self.connecting.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(current) = self.current() {
            return Ok(current);
        }
        let serial = self.connection().serial + 1;
        let client = Arc::new(self.connect(serial)?);
        *self.connection() = Connection { client: Some(Arc::clone(&client)), serial };
        if self.book().has_all {
            self.forget_others(&client);
        }
        Ok((client, serial))
    }

    fn connect(&self, serial: u64) -> Result<Client, Error> {
        let dir = self.places.helper();
        let HelperAccess { command, environment, lease } = &self.helper;
        let start = || command();
        let helper = Helper { dir: &dir, start: &start, environment, lease: *lease };
        let (reports, lost) = (Weak::clone(&self.this), Weak::clone(&self.this));
        Client::connect(
            &helper,
            move |report| {
                if let Some(runner) = reports.upgrade() {
                    runner.reported(&report);
                }
            },
            move || {
                // Not on the reading thread: whoever drops its client waits for that.
                if let Some(runner) = lost.upgrade() {
                    drop(runner.aside(move |runner| runner.helper_lost(serial)));
                }
            },
        )
    }

    /// Lets a connection go, if it is still the one in use.
    fn retire(&self, serial: u64) {
        let mut connection = self.connection();
        let gone = if connection.serial == serial { connection.client.take() } else { None };
        drop(connection);
        drop(gone);
    }

    fn reported(&self, report: &Report) {
        let book = self.book();
        let Some(key) = book.keys.get(report.token()).copied() else { return };
        let Some(expected) = book.live.get(&key).map(|live| live.expected) else { return };
        drop(book);
        let answer = match report {
            Report::Ended(ended) => classify::ended(ended, expected),
            Report::CannotStart(refused) => classify::cannot_start(refused),
            Report::Unknown { .. } => Answer::Lost { message: "the machine was restarted".into() },
        };
        self.answer(key, answer);
    }

    fn answer(&self, key: AttemptKey, answer: Answer) {
        let mut book = self.book();
        let Some(live) = book.live.remove(&key) else { return };
        book.unsettled.insert(key, live.launch.token);
        drop(book);
        self.sink.ended(key, answer);
    }

    /// Everything that was sent over a connection that is gone and has not answered is asked of the next
    /// helper, which knows what became of it.
    fn helper_lost(&self, serial: u64) {
        self.retire(serial);
        let sent: Vec<AttemptKey> = {
            let book = self.book();
            book.live
                .iter()
                .filter(|(_, live)| (1..=serial).contains(&live.sent_on))
                .map(|(k, _)| *k)
                .collect()
        };
        sent.into_iter().for_each(|key| self.send(key));
    }

    /// What the helper holds for this store and nobody asks for has been committed: its acknowledgement was lost.
    fn forget_others(&self, client: &Client) {
        let own = format!("{}/", self.store);
        let known: HashSet<Token> = {
            let book = self.book();
            book.keys.keys().cloned().collect()
        };
        for token in client.held().iter().filter(|t| t.as_str().starts_with(&own) && !known.contains(*t)) {
            // A helper that has gone holds it still, and is told next time.
            drop(client.ack(token.clone()));
        }
    }

    fn book(&self) -> MutexGuard<'_, Book> {
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn connection(&self) -> MutexGuard<'_, Connection> {
        self.connection.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl StepRunner for ProcessRunner {
    fn start(&self, attempt: Attempt) {
        if values::has_references(&attempt) {
            return self.start_large(attempt);
        }
        match self.enlist(&attempt, Ok(())) {
            Ok(()) => self.dispatch(attempt.key),
            Err(answer) => self.sink.ended(attempt.key, answer),
        }
    }

    fn stop(&self, key: AttemptKey) {
        let token = {
            let mut book = self.book();
            if let Some(stopping) = book.preparing.get_mut(&key) {
                *stopping = true;
                return;
            }
            let Some(live) = book.live.get_mut(&key) else { return };
            live.stopping = true;
            live.launch.token.clone()
        };
        if let Some((client, _)) = self.current() {
            // Over the next connection it is asked again.
            drop(client.stop(token, GRACE_MS));
        }
    }

    fn settle(&self, key: AttemptKey) {
        let mut book = self.book();
        let Some(token) = book.unsettled.remove(&key) else { return };
        book.keys.remove(&token);
        drop(book);
        if let Some((client, _)) = self.current() {
            // Where this is lost, the next connection finds it among what nobody asks for.
            drop(client.ack(token));
        }
    }

    fn has_all(&self) {
        self.book().has_all = true;
        if let Some((client, _)) = self.current() {
            self.forget_others(&client);
        }
    }
}
