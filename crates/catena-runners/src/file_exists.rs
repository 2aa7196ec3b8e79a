//! Looks whether files are there. A look can take for ever, where a folder is on a machine that is gone: it is left to
//! a thread of its own, and whoever waits for it also hears of a cancel and of the time that is up.

use std::{
    collections::HashMap,
    io,
    panic::{AssertUnwindSafe, catch_unwind},
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        mpsc::{RecvTimeoutError, Sender, channel},
    },
    time::Duration,
};

use catena_core::{
    Failure, FailureType, Value,
    chain::{Process, Work},
    event::Answer,
    template::Template,
};
use serde_json::{Value as Json, json};

use crate::{
    Attempt, AttemptKey, Places, Sink, StepRunner,
    classify::fitting,
    prepare::{cannot_start, workdir},
    process_runner::Sources,
    secrets::Unsealed,
    threads::Threads,
    values,
};

pub struct FileExistsRunner {
    places: Places,
    sources: Sources,
    sink: Arc<dyn Sink>,
    threads: Threads,
    live: Arc<Mutex<Live>>,
}

type Live = HashMap<AttemptKey, Sender<Told>>;

/// What an attempt waits for.
enum Told {
    Looked(Answer),
    Stop,
}

impl FileExistsRunner {
    /// `threads` bounds how many attempts wait at once.
    pub fn new(places: Places, threads: usize, sources: Sources, sink: Arc<dyn Sink>) -> io::Result<Self> {
        Ok(Self { places, sources, sink, threads: Threads::new(threads)?, live: Arc::default() })
    }
}

impl StepRunner for FileExistsRunner {
    /// An attempt of an engine that is gone changed nothing: it looks again.
    fn start(&self, attempt: Attempt) {
        let key = attempt.key;
        let (sender, told) = channel();
        lock(&self.live).insert(key, sender.clone());
        let (live, sink) = (Arc::clone(&self.live), Arc::clone(&self.sink));
        let (places, sources) = (self.places.clone(), self.sources.clone());
        let limit_ms = attempt.step().timeout_ms;
        self.threads.run(move || {
            let look = move || {
                let looked = catch_unwind(AssertUnwindSafe(|| look(attempt, &places, &sources)));
                let broke = |_| Answer::Lost { message: "the look at its files broke".into() };
                drop(sender.send(Told::Looked(looked.unwrap_or_else(broke))));
            };
            let thread = std::thread::Builder::new().name("catena-look".into()).spawn(look);
            let answer = match thread {
                Ok(_) => wait(
                    || match limit_ms {
                        Some(limit_ms) => told.recv_timeout(Duration::from_millis(limit_ms)),
                        None => told.recv().map_err(RecvTimeoutError::from),
                    },
                    limit_ms,
                ),
                Err(error) => {
                    Answer::Failed { failure: cannot_start(format!("cannot start a thread: {error}")) }
                }
            };
            lock(&live).remove(&key);
            sink.ended(key, answer);
        });
    }

    fn stop(&self, key: AttemptKey) {
        if let Some(sender) = lock(&self.live).get(&key) {
            drop(sender.send(Told::Stop));
        }
    }

    fn settle(&self, _key: AttemptKey) {}
}

fn lock(live: &Mutex<Live>) -> MutexGuard<'_, Live> {
    live.lock().unwrap_or_else(PoisonError::into_inner)
}

fn wait(told: impl FnOnce() -> Result<Told, RecvTimeoutError>, limit_ms: Option<u64>) -> Answer {
    match told() {
        Ok(Told::Looked(answer)) => answer,
        Ok(Told::Stop) => Answer::Cancelled {},
        Err(RecvTimeoutError::Timeout) => Answer::TimedOut { limit_ms: limit_ms.unwrap_or(0) },
        Err(RecvTimeoutError::Disconnected) => Answer::Cancelled {},
    }
}

fn look(mut attempt: Attempt, places: &Places, sources: &Sources) -> Answer {
    let looked = values::fill_in(&mut attempt, &*sources.files).and_then(|()| paths(&attempt, places));
    let answer = match looked.and_then(|paths| all_there(&paths)) {
        Ok(value) if attempt.step().keeps_result() => fitting(value, attempt.step().output.as_deref()),
        Ok(_) => Answer::Succeeded { value: None },
        Err(failure) => Answer::Failed { failure },
    };
    // A path takes no secret, but data may hold one that came from elsewhere.
    let has_secrets = !attempt.chain.secrets().is_empty();
    let mask = if has_secrets { Unsealed::of(&attempt.chain, &*sources.secrets).mask() } else { None };
    match mask {
        Some(mask) => mask.answer(answer),
        None => answer,
    }
}

/// Absolute paths, as the working folder of the chain makes them.
fn paths(attempt: &Attempt, places: &Places) -> Result<Vec<PathBuf>, Failure> {
    let Work::FileExists { paths } = &attempt.step().work else {
        return Err(cannot_start("the step asks for no file"));
    };
    let constants = paths.iter().filter_map(|path| match path {
        Template::Const(value) => Some(value.clone()),
        Template::Expr(_)
        | Template::Secret(_)
        | Template::Text(_)
        | Template::List(_)
        | Template::Map(_) => None,
    });
    let given: Vec<Value> =
        if attempt.input.argv.is_empty() { constants.collect() } else { attempt.input.argv.clone() };
    let folder = workdir(&attempt.chain, &Process::default(), places);
    // An expression may give a list.
    let texts = given.into_iter().flat_map(|value| value.items().unwrap_or_else(|| vec![value]));
    let path = |value: Value| match value.as_json() {
        Json::String(text) if !text.trim().is_empty() && !text.contains('\0') => Ok(folder.join(text)),
        other => {
            let text: String = other.to_string().chars().take(80).collect();
            Err(Failure::lasting(FailureType::TemplateError, format!("{text} is no path of a file")))
        }
    };
    texts.map(path).collect()
}

/// The paths, if there is something under every one of them.
fn all_there(paths: &[PathBuf]) -> Result<Value, Failure> {
    let found = paths.iter().map(|path| (path, std::fs::metadata(path)));
    let missing: Vec<(&PathBuf, io::Error)> =
        found.filter_map(|(path, looked)| Some((path, looked.err()?))).collect();
    if missing.is_empty() {
        return Ok(Value::list(paths.iter().map(|path| Value::text(text(path)))));
    }
    let named: Vec<String> =
        missing.iter().map(|(path, error)| format!("{}{}", text(path), why(error))).collect();
    let message = match named.as_slice() {
        [one] => format!("{one} is not there"),
        many => format!("{} files are not there: {}", many.len(), many.join(", ")),
    };
    let missing: Vec<String> = missing.iter().map(|(path, _)| text(path)).collect();
    Err(Failure::new(FailureType::FileMissing, message).with_detail(json!({ "missing": missing })))
}

fn text(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}

/// That there is nothing needs no reason.
fn why(error: &io::Error) -> String {
    if error.kind() == io::ErrorKind::NotFound { String::new() } else { format!(" ({error})") }
}
