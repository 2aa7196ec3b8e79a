//! Rust functions that an embedding program registered: each call runs on a thread of its own, as long as it
//! likes. They live and die with the engine.

use std::{
    collections::{BTreeMap, HashMap},
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
        mpsc::channel,
    },
};

use catena_core::{
    Failure, FailureType, Value,
    chain::Work,
    event::Answer,
    value::{INLINE_MAX_BYTES, VALUE_MAX_BYTES},
};

use crate::{
    Attempt, AttemptKey, Beginning, Sink, StepRunner, mask::Mask, prepare::cannot_start,
    process_runner::Sources, secrets::Unsealed, threads::Threads, values,
};

/// A registered function.
pub type Function = dyn Fn(&Call) -> Result<Value, Failure> + Send + Sync;

/// The functions that chains may name.
#[derive(Clone, Default)]
pub struct Functions(HashMap<String, Arc<Function>>);

impl Functions {
    /// Registers `function` under `name`; a later one of the same name wins.
    #[must_use]
    pub fn with(
        mut self,
        name: &str,
        function: impl Fn(&Call) -> Result<Value, Failure> + Send + Sync + 'static,
    ) -> Self {
        self.0.insert(name.to_owned(), Arc::new(function));
        self
    }

    pub fn contains(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }
}

/// One call of a function.
pub struct Call {
    key: AttemptKey,
    pub parameters: Value,
    /// What earlier attempts of this visit left.
    pub checkpoints: BTreeMap<String, Value>,
    cancelled: Arc<AtomicBool>,
    sink: Arc<dyn Sink>,
    /// Of the secrets of its chain: a function is given none, but may come across them.
    mask: Option<Arc<Mask>>,
}

impl Call {
    /// Names this attempt for an idempotent receiver: the same execution and visit give the same text in every
    /// attempt.
    pub fn idempotency_key(&self) -> String {
        format!("{}/{}", self.key.execution, self.key.visit)
    }

    /// Whether somebody asked the call to end; a function that takes long looks now and then.
    pub fn is_cancelled(&self) -> bool {
        self.cancelled.load(Ordering::Relaxed)
    }

    /// Leaves a named value for the successor of this attempt; returns when it is durable.
    pub fn checkpoint(&self, name: &str, value: Value) -> Result<(), String> {
        if value.is_larger_than(INLINE_MAX_BYTES) {
            return Err(format!("a checkpoint has at most {INLINE_MAX_BYTES} bytes"));
        }
        let value = match &self.mask {
            Some(mask) => mask.value(&value),
            None => value,
        };
        let (sender, receiver) = channel();
        let recorded = Box::new(move |result| drop(sender.send(result)));
        self.sink.checkpoint(self.key, name.to_owned(), value, recorded);
        receiver.recv().unwrap_or_else(|_| Err("the engine has stopped".to_owned()))
    }
}

pub struct FunctionRunner {
    functions: Functions,
    sink: Arc<dyn Sink>,
    sources: Sources,
    /// The threads: kept warm, bounded by the slots of the engine.
    threads: Threads,
    live: Arc<Mutex<HashMap<AttemptKey, Arc<AtomicBool>>>>,
}

impl FunctionRunner {
    /// `threads` bounds how many calls run at once.
    pub fn new(
        functions: Functions,
        threads: usize,
        sources: Sources,
        sink: Arc<dyn Sink>,
    ) -> std::io::Result<Self> {
        let threads = Threads::new(threads)?;
        Ok(Self { functions, sources, sink, threads, live: Arc::default() })
    }

    fn call(&self, mut attempt: Attempt) -> Result<(), Answer> {
        if attempt.beginning != Beginning::Fresh {
            return Err(Answer::Lost { message: "the engine that ran it ended".into() });
        }
        let Work::Function { function: name, .. } = &attempt.step().work else {
            return Err(Answer::Failed { failure: cannot_start("the step is no function") });
        };
        let Some(function) = self.functions.0.get(name).cloned() else {
            let failure = cannot_start(format!("no function `{name}` is registered in this program"));
            return Err(Answer::Failed { failure });
        };
        let cancelled = Arc::new(AtomicBool::new(false));
        self.live.lock().unwrap_or_else(PoisonError::into_inner).insert(attempt.key, Arc::clone(&cancelled));
        let (sink, live) = (Arc::clone(&self.sink), Arc::clone(&self.live));
        let sources = self.sources.clone();
        self.threads.run(move || {
            let filled_in = values::fill_in(&mut attempt, &*sources.files);
            let parameters = attempt.input.parameters.unwrap_or_else(Value::null);
            let key = attempt.key;
            let has_secrets = !attempt.chain.secrets().is_empty();
            let mask =
                if has_secrets { Unsealed::of(&attempt.chain, &*sources.secrets).mask() } else { None };
            let call = Call { key, parameters, checkpoints: attempt.checkpoints, cancelled, sink, mask };
            let answer = match filled_in {
                Ok(()) => answer(&*function, &call),
                Err(failure) => Answer::Failed { failure },
            };
            let answer = match &call.mask {
                Some(mask) => mask.answer(answer),
                None => answer,
            };
            live.lock().unwrap_or_else(PoisonError::into_inner).remove(&key);
            call.sink.ended(key, answer);
        });
        Ok(())
    }
}

impl Drop for FunctionRunner {
    /// Nobody waits for calls that are still going on: they are asked to end, and what they answer is nobody's.
    fn drop(&mut self) {
        for cancelled in self.live.lock().unwrap_or_else(PoisonError::into_inner).values() {
            cancelled.store(true, Ordering::Relaxed);
        }
    }
}

fn answer(function: &Function, call: &Call) -> Answer {
    match catch_unwind(AssertUnwindSafe(|| function(call))) {
        Ok(Ok(value)) if value.is_larger_than(VALUE_MAX_BYTES) => {
            let message = format!("the result has more than {VALUE_MAX_BYTES} bytes");
            Answer::Failed { failure: Failure::lasting(FailureType::ResultTooLarge, message) }
        }
        Ok(Ok(value)) => Answer::Succeeded { value: Some(value) },
        Ok(Err(_)) if call.is_cancelled() => Answer::Cancelled {},
        Ok(Err(failure)) => Answer::Failed { failure },
        // As an error does, and unlike a lost attempt: the same call would most likely break again.
        Err(panic) => {
            let kind = FailureType::Raised("panic".into());
            Answer::Failed { failure: Failure::lasting(kind, panic_text(&*panic)) }
        }
    }
}

fn panic_text(panic: &(dyn std::any::Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("no message")
}

impl StepRunner for FunctionRunner {
    fn start(&self, attempt: Attempt) {
        let key = attempt.key;
        if let Err(answer) = self.call(attempt) {
            self.sink.ended(key, answer);
        }
    }

    fn stop(&self, key: AttemptKey) {
        if let Some(cancelled) = self.live.lock().unwrap_or_else(PoisonError::into_inner).get(&key) {
            cancelled.store(true, Ordering::Relaxed);
        }
    }

    fn settle(&self, _key: AttemptKey) {}
}
