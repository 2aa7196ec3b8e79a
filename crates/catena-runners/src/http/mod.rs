//! Runs `http` steps: one thread with one runtime carries out all requests, each as a task of its own. A request that
//! is cancelled, or not done in its time, ends with its task: its connection is dropped at once.

mod exchange;
mod request;
mod response;

use std::{
    collections::HashMap,
    future::Future,
    sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError},
    time::Duration,
};

use catena_core::{Failure, chain::Work, event::Answer};
use tokio::{runtime::Handle, sync::oneshot};

use self::{exchange::Clients, request::Prepared, response::Wanted};
use crate::{
    Attempt, AttemptKey, Beginning, Places, Sink, StepRunner, prepare::cannot_start, process::AttemptLog,
    process_runner::Sources,
};

/// Threads for what has to wait: secrets, large values, names of hosts.
const BLOCKING_MAX: usize = 16;

pub struct HttpRunner {
    places: Places,
    sources: Sources,
    sink: Arc<dyn Sink>,
    clients: Arc<OnceLock<Clients>>,
    runtime: Mutex<Option<Runtime>>,
    live: Arc<Mutex<Live>>,
}

/// The requests that have not answered. Dropping a sender ends its request.
type Live = HashMap<AttemptKey, oneshot::Sender<()>>;

/// The thread that carries requests out; dropping it ends them all, and nobody hears of them.
struct Runtime {
    handle: Handle,
    _closing: oneshot::Sender<()>,
}

impl HttpRunner {
    pub fn new(places: Places, sources: Sources, sink: Arc<dyn Sink>) -> Self {
        let (clients, runtime, live) = (Arc::default(), Mutex::default(), Arc::default());
        Self { places, sources, sink, clients, runtime, live }
    }

    /// The thread is made for the first request: most chains have none.
    fn handle(&self) -> std::io::Result<Handle> {
        let mut runtime = self.runtime.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(runtime) = &*runtime {
            return Ok(runtime.handle.clone());
        }
        let started = start_runtime()?;
        let handle = started.handle.clone();
        *runtime = Some(started);
        Ok(handle)
    }

    fn carry_out(&self, attempt: Attempt) -> Result<(), Answer> {
        // What becomes of a request whose engine has gone nobody knows.
        if attempt.beginning != Beginning::Fresh {
            return Err(Answer::Lost { message: "the engine that sent it ended".into() });
        }
        let handle = self.handle().map_err(|error| {
            failed(cannot_start(format!("cannot start the thread for requests: {error}")))
        })?;
        let key = attempt.key;
        let (stop, stopped) = oneshot::channel();
        lock(&self.live).insert(key, stop);
        let (live, sink) = (Arc::clone(&self.live), Arc::clone(&self.sink));
        let log = self.places.log(key.execution, attempt.address.as_str(), key.attempt);
        let limit = attempt.step().timeout_ms;
        let work = work(attempt, self.sources.clone(), Arc::clone(&self.clients), AttemptLog::new(log));
        handle.spawn(async move {
            let answer = ending(work, limit, stopped).await;
            lock(&live).remove(&key);
            sink.ended(key, answer);
        });
        Ok(())
    }
}

impl StepRunner for HttpRunner {
    fn start(&self, attempt: Attempt) {
        let key = attempt.key;
        if let Err(answer) = self.carry_out(attempt) {
            self.sink.ended(key, answer);
        }
    }

    fn stop(&self, key: AttemptKey) {
        drop(lock(&self.live).remove(&key));
    }

    fn settle(&self, _key: AttemptKey) {}
}

fn lock(live: &Mutex<Live>) -> MutexGuard<'_, Live> {
    live.lock().unwrap_or_else(PoisonError::into_inner)
}

fn failed(failure: Failure) -> Answer {
    Answer::Failed { failure }
}

fn start_runtime() -> std::io::Result<Runtime> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .max_blocking_threads(BLOCKING_MAX)
        .build()?;
    let handle = runtime.handle().clone();
    let (closing, closed) = oneshot::channel::<()>();
    std::thread::Builder::new().name("catena-http".into()).spawn(move || {
        // It only ever ends by its sender being dropped.
        drop(runtime.block_on(closed));
        runtime.shutdown_background();
    })?;
    Ok(Runtime { handle, _closing: closing })
}

/// The answer of `work`, or why it was ended before it had one.
async fn ending(
    work: impl Future<Output = Answer> + Send + 'static,
    limit_ms: Option<u64>,
    stopped: oneshot::Receiver<()>,
) -> Answer {
    // A task of its own, so that a panic in it is an answer as well.
    let mut task = tokio::spawn(work);
    let timeout = async {
        match limit_ms {
            Some(limit_ms) => {
                tokio::time::sleep(Duration::from_millis(limit_ms)).await;
                limit_ms
            }
            None => std::future::pending().await,
        }
    };
    let answer = tokio::select! {
        ended = &mut task => {
            return ended.unwrap_or_else(|error| Answer::Lost { message: format!("its request broke: {error}") });
        }
        limit_ms = timeout => Answer::TimedOut { limit_ms },
        _ = stopped => Answer::Cancelled {},
    };
    task.abort();
    // Only now is its connection closed.
    drop(task.await);
    answer
}

/// One request, from what the step says to its answer.
async fn work(
    attempt: Attempt,
    sources: Sources,
    clients: Arc<OnceLock<Clients>>,
    mut log: AttemptLog,
) -> Answer {
    let Work::Http(step) = &attempt.step().work else {
        return failed(cannot_start("the step is no request"));
    };
    let (step, wanted) = (step.clone(), Wanted::of(attempt.step(), step));
    let prepared = tokio::task::spawn_blocking(move || {
        let prepared = request::prepare(attempt, &sources)?;
        Ok::<(Prepared, Clients), Failure>((prepared, clients.get_or_init(Clients::new).clone()))
    });
    let (prepared, clients) = match prepared.await {
        Ok(Ok(both)) => both,
        Ok(Err(failure)) => return failed(failure),
        Err(error) => return failed(cannot_start(format!("its request could not be made: {error}"))),
    };
    let mask = prepared.mask.clone();
    if let Some(mask) = &mask {
        log.hide(Arc::clone(mask));
    }
    let received = exchange::exchange(&step, prepared, &clients, &wanted, &mut log).await;
    let for_mask = mask.clone();
    let answered = tokio::task::spawn_blocking(move || match received {
        Ok(received) => response::answer(received, &wanted, for_mask.as_deref()),
        Err(failure) => failed(failure),
    });
    let answer = answered
        .await
        .unwrap_or_else(|error| Answer::Lost { message: format!("its response broke: {error}") });
    let answer = match mask {
        Some(mask) => mask.answer(answer),
        None => answer,
    };
    if let Answer::Failed { failure } = &answer {
        log.say(&format!("{failure}"));
    }
    answer
}
