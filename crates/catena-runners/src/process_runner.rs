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

use catena_core::{Chain, Failure, chain::Work, event::Answer};

use crate::{
    Attempt, AttemptKey, Beginning, Places, Sink, StepRunner,
    classify::{self, Expected, Teller},
    mask::Mask,
    prepare::{self, Common, GRACE_MS, cannot_start},
    process::{Client, Error, Helper, Launch, Report, Token, WhenUnknown},
    secrets::{Filling, Gaps, Secrets, Unsealed},
    values,
};

/// Between two tries to reach a helper for an attempt that may be running.
const REACH_AGAIN: Duration = Duration::from_secs(1);

/// The bytes of stored step files and large values, by digest.
pub trait Files: Send + Sync {
    fn read(&self, digest: &str) -> Result<Vec<u8>, String>;

    /// The number of a chain, for code that asks for the context of its execution.
    fn chain_number(&self, _chain: &str) -> Option<u64> {
        None
    }
}

/// Where what an attempt needs comes from, beyond its chain.
#[derive(Clone)]
pub struct Sources {
    pub files: Arc<dyn Files>,
    pub secrets: Arc<dyn Secrets>,
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
    sources: Sources,
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
    /// Kept to be sent again to another helper; without the secrets in `filling`.
    launch: Launch,
    filling: Option<Arc<Filling>>,
    mask: Option<Arc<Mask>>,
    /// The connection that it was last sent on; 0 before the first.
    sent_on: u64,
    way: Way,
    stopping: bool,
    beginning: Beginning,
}

/// How far a launch is on its way to the helper.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Way {
    /// Its secrets are being asked for.
    Sealed,
    Ready,
    /// Written to the connection, so that the helper knows what a stop is about.
    Sent,
}

/// The secrets of an attempt that are still to be asked for.
struct Sealed {
    chain: Arc<Chain>,
    gaps: Gaps,
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
        sources: Sources,
        helper: HelperAccess,
        store: &str,
        sink: Arc<dyn Sink>,
    ) -> Arc<Self> {
        Arc::new_cyclic(|this| Self {
            places,
            sources,
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

    /// Enlists an attempt, whose large values are `filled_in` or could not be. Gives the secrets that are to be asked
    /// for before it can be sent, if there are any.
    fn enlist(&self, attempt: &Attempt, filled_in: Result<(), Failure>) -> Result<Option<Sealed>, Answer> {
        let token = self.token(attempt);
        let common = Common {
            places: &self.places,
            files: &*self.sources.files,
            path: self
                .helper
                .environment
                .iter()
                .rev()
                .find(|(name, _)| name == "PATH")
                .map(|(_, path)| path.as_os_str()),
        };
        let prepare = || prepare::launch(attempt, token.clone(), &common);
        let (launch, gaps) = match (filled_in.and_then(|()| prepare()), attempt.beginning) {
            (Ok(prepared), _) => prepared,
            (Err(failure), Beginning::Fresh) => return Err(Answer::Failed { failure }),
            // It may be running: whatever could not be prepared, its end is what counts.
            (Err(_), Beginning::Recovered { .. }) => {
                (prepare::attach(attempt, token.clone(), &self.places), Gaps::default())
            }
        };
        let step = attempt.step();
        let expected = Expected {
            parse: step.work.process().and_then(|process| process.parse),
            keeps_result: step.keeps_result(),
            output: step.output.clone(),
            timeout_ms: step.timeout_ms,
            teller: match step.work {
                Work::Code { .. } => Teller::Driver,
                _ => Teller::Step,
            },
        };
        let beginning = attempt.beginning;
        let mut book = self.book();
        let stopping = book.preparing.remove(&attempt.key).unwrap_or(false);
        if stopping && beginning == Beginning::Fresh {
            return Err(Answer::Cancelled {});
        }
        book.keys.insert(token, attempt.key);
        let has_secrets = !attempt.chain.secrets().is_empty();
        let live = Live {
            expected,
            launch,
            filling: None,
            mask: None,
            sent_on: 0,
            way: if has_secrets { Way::Sealed } else { Way::Ready },
            stopping,
            beginning,
        };
        book.live.insert(attempt.key, live);
        Ok(has_secrets.then(|| Sealed { chain: Arc::clone(&attempt.chain), gaps }))
    }

    /// Asks for the secrets on a thread of its own, and sends the attempt from there.
    fn unseal_aside(&self, key: AttemptKey, sealed: Sealed) {
        let begun = self.aside(move |runner| runner.unseal_and_send(key, &sealed));
        self.expect_thread(key, begun);
    }

    fn unseal_and_send(&self, key: AttemptKey, sealed: &Sealed) {
        match self.unseal(key, sealed) {
            Ok(()) => self.send(key),
            Err(answer) => self.answer(key, answer),
        }
    }

    fn unseal(&self, key: AttemptKey, sealed: &Sealed) -> Result<(), Answer> {
        let unsealed = Unsealed::of(&sealed.chain, &*self.sources.secrets);
        let filling = unsealed.fill(&sealed.gaps);
        let mut book = self.book();
        let Some(live) = book.live.get_mut(&key) else { return Ok(()) };
        (live.mask, live.way) = (unsealed.mask(), Way::Ready);
        match (filling, live.beginning) {
            (Ok(filling), _) => live.filling = Some(Arc::new(filling)),
            (Err(failure), Beginning::Fresh) => return Err(Answer::Failed { failure }),
            // It may be running, with the secrets that were there: its end is what counts.
            (Err(_), Beginning::Recovered { .. }) => live.launch.unknown = WhenUnknown::Report,
        }
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
            let filled_in = values::fill_in(&mut attempt, &*runner.sources.files);
            match runner.enlist(&attempt, filled_in) {
                Ok(None) => runner.dispatch(key),
                Ok(Some(sealed)) => runner.unseal_and_send(key, &sealed),
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
        self.expect_thread(key, reached);
    }

    fn expect_thread(&self, key: AttemptKey, begun: std::io::Result<()>) {
        if let Err(error) = begun {
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
        let (mut launch, filling) = {
            let mut book = self.book();
            let Some(live) = book.live.get_mut(&key).filter(|live| live.sent_on < serial) else {
                return Ok(());
            };
            (live.sent_on, live.way) = (serial, Way::Ready);
            (live.launch.clone(), live.filling.clone())
        };
        if let Some(filling) = filling {
            filling.apply(&mut launch);
        }
        let token = launch.token.clone();
        client.launch(launch)?;
        if self.is_to_stop(key) { client.stop(token, GRACE_MS) } else { Ok(()) }
    }

    /// Notes that the helper has been told of the attempt, and whether somebody asked it to end meanwhile.
    fn is_to_stop(&self, key: AttemptKey) -> bool {
        let mut book = self.book();
        let Some(live) = book.live.get_mut(&key) else { return false };
        live.way = Way::Sent;
        live.stopping
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
        let (instance, held) = (client.instance(), client.held().len());
        tracing::info!(lease = self.helper.lease, serial, instance, held, "connected to the process helper");
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
        if gone.is_some() {
            tracing::info!(lease = self.helper.lease, serial, "the connection to the process helper is gone");
        }
        drop(connection);
        drop(gone);
    }

    fn reported(&self, report: &Report) {
        let book = self.book();
        let Some(key) = book.keys.get(report.token()).copied() else { return };
        let Some(live) = book.live.get(&key) else { return };
        let (expected, mask, beginning) = (live.expected.clone(), live.mask.clone(), live.beginning);
        let output = mask.as_ref().map(|_| live.launch.output.clone());
        drop(book);
        let answer = match report {
            Report::Ended(ended) => classify::ended(ended, &expected),
            Report::CannotStart(refused) => classify::cannot_start(refused),
            Report::Unknown { .. } => Answer::Lost { message: why_unknown(beginning).into() },
        };
        // The helper has masked what it tells, except where it died with the attempt.
        if matches!(answer, Answer::Lost { .. })
            && let Some(output) = output
        {
            drop(std::fs::remove_file(output));
        }
        self.answer(
            key,
            match mask {
                Some(mask) => mask.answer(answer),
                None => answer,
            },
        );
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

/// What it means that a helper does not know an attempt which it was not to start.
fn why_unknown(beginning: Beginning) -> &'static str {
    match beginning {
        Beginning::Fresh | Beginning::Recovered { same_boot: false } => "the machine was restarted",
        // It could not be prepared again, so it was not started either.
        Beginning::Recovered { same_boot: true } => "the process helper does not know it",
    }
}

impl StepRunner for ProcessRunner {
    fn start(&self, attempt: Attempt) {
        if values::takes_time(&attempt) {
            return self.start_large(attempt);
        }
        match self.enlist(&attempt, Ok(())) {
            Ok(None) => self.dispatch(attempt.key),
            Ok(Some(sealed)) => self.unseal_aside(attempt.key, sealed),
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
            match (live.way, live.beginning) {
                // However long its secrets take: it has not begun, and now it never does.
                (Way::Sealed, Beginning::Fresh) => None,
                // Whoever sends it sends this behind it.
                (Way::Sealed | Way::Ready, _) => return,
                (Way::Sent, _) => Some(live.launch.token.clone()),
            }
        };
        match (token, self.current()) {
            (None, _) => self.answer(key, Answer::Cancelled {}),
            // Over the next connection it is asked again.
            (Some(token), Some((client, _))) => drop(client.stop(token, GRACE_MS)),
            (Some(_), None) => {}
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
