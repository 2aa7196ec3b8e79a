//! Runs the kinds that start a process, through the helper: prepare, launch, wait for the report, classify,
//! answer. A lost helper is reached again and every live attempt sent once more; tokens make that harmless.

use std::{
    collections::HashMap,
    ffi::OsString,
    process::Command,
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
};

use catena_core::event::Answer;

use crate::{
    Attempt, AttemptKey, Places, Sink, StepRunner,
    classify::{self, Expected},
    prepare::{self, GRACE_MS, cannot_start},
    process::{Client, Error, Helper, Launch, Report, Token},
};

/// The bytes of stored step files, by digest.
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
    sink: Arc<dyn Sink>,
    live: Mutex<HashMap<Token, Live>>,
    client: Mutex<Option<Client>>,
    /// Itself, for the callbacks of a connection.
    this: Weak<Self>,
}

/// An attempt that was asked for and has not answered.
struct Live {
    key: AttemptKey,
    expected: Expected,
    /// Kept to be sent again to another helper.
    launch: Launch,
}

impl ProcessRunner {
    pub fn new(
        places: Places,
        files: Box<dyn Files>,
        helper: HelperAccess,
        sink: Arc<dyn Sink>,
    ) -> Arc<Self> {
        Arc::new_cyclic(|this| Self {
            places,
            files,
            helper,
            sink,
            live: Mutex::default(),
            client: Mutex::default(),
            this: Weak::clone(this),
        })
    }

    fn try_start(&self, attempt: &Attempt) -> Result<(), Answer> {
        let launch = prepare::launch(attempt, &self.places, &*self.files)
            .map_err(|failure| Answer::Failed { failure })?;
        let step = attempt.step();
        let expected = Expected {
            parse: step.work.process().and_then(|process| process.parse),
            keeps_result: step.output_key.is_some(),
            timeout_ms: step.timeout_ms,
        };
        let live = Live { key: attempt.key, expected, launch: launch.clone() };
        self.lock_live().insert(launch.token.clone(), live);
        self.send(launch).map_err(|error| {
            let failure = cannot_start(RunnerError(error).to_string());
            Answer::Failed { failure }
        })
    }

    fn send(&self, launch: Launch) -> Result<(), Error> {
        let mut client = self.client.lock().unwrap_or_else(PoisonError::into_inner);
        let connected = match client.take() {
            Some(connected) => connected,
            None => self.connect()?,
        };
        let sent = connected.launch(launch.clone());
        match sent {
            Ok(()) => {
                *client = Some(connected);
                Ok(())
            }
            // The helper has gone between two messages. Its successor knows by the token what became of it.
            Err(_) => {
                let again = self.connect()?;
                let sent = again.launch(launch);
                *client = Some(again);
                sent
            }
        }
    }

    fn connect(&self) -> Result<Client, Error> {
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
                if let Some(runner) = lost.upgrade() {
                    runner.helper_lost();
                }
            },
        )
    }

    fn reported(&self, report: &Report) {
        let Some(live) = self.lock_live().remove(report.token()) else { return };
        let answer = match report {
            Report::Ended(ended) => classify::ended(ended, live.expected),
            Report::CannotStart(refused) => classify::cannot_start(refused),
            Report::Unknown { .. } => Answer::Lost { message: "the machine was restarted".into() },
        };
        self.sink.ended(live.key, answer);
    }

    /// Everything that has not answered is asked of the next helper, which knows what became of it.
    fn helper_lost(&self) {
        drop(self.client.lock().unwrap_or_else(PoisonError::into_inner).take());
        let launches: Vec<Launch> = self.lock_live().values().map(|live| live.launch.clone()).collect();
        for launch in launches {
            let token = launch.token.clone();
            if let Err(error) = self.send(launch)
                && let Some(live) = self.lock_live().remove(&token)
            {
                let message = RunnerError(error).to_string();
                self.sink.ended(live.key, Answer::Lost { message });
            }
        }
    }

    fn lock_live(&self) -> MutexGuard<'_, HashMap<Token, Live>> {
        self.live.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn with_client(&self, use_it: impl FnOnce(&Client) -> Result<(), Error>) {
        let client = self.client.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(client) = client.as_ref() {
            // A helper that cannot be written to is gone, and `helper_lost` is on its way.
            drop(use_it(client));
        }
    }
}

fn token(key: AttemptKey) -> Token {
    Token::new(key.to_string())
}

impl StepRunner for ProcessRunner {
    fn start(&self, attempt: Attempt) {
        if let Err(answer) = self.try_start(&attempt) {
            self.lock_live().remove(&token(attempt.key));
            self.sink.ended(attempt.key, answer);
        }
    }

    fn stop(&self, key: AttemptKey) {
        self.with_client(|client| client.stop(token(key), GRACE_MS));
    }

    fn settle(&self, key: AttemptKey) {
        self.with_client(|client| client.ack(token(key)));
    }
}
