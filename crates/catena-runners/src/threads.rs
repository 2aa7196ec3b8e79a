//! Threads for calls that may take as long as they like. A burst of short calls wakes few of them: a thread that takes a
//! job calls at most one more, which calls the next, so that no job waits behind a long one and no thread is woken for
//! work that is done before it is there.

use std::{
    collections::VecDeque,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

/// How long a thread waits for another job.
const KEPT_WARM: Duration = Duration::from_secs(10);

type Job = Box<dyn FnOnce() + Send>;

pub(crate) struct Threads(Arc<Shared>);

struct Shared {
    queue: Mutex<Queue>,
    called: Condvar,
    max: usize,
}

#[derive(Default)]
struct Queue {
    jobs: VecDeque<Job>,
    threads: usize,
    idle: usize,
    /// A thread was called and is not there yet.
    is_calling: bool,
    is_closed: bool,
}

/// How one more thread comes to the queue.
enum Call {
    Nobody,
    Wake,
    Spawn,
}

impl Threads {
    /// At most `max` jobs run at once.
    pub(crate) fn new(max: usize) -> std::io::Result<Self> {
        let queue = Queue { threads: 1, ..Queue::default() };
        let max = max.max(1);
        let shared = Shared { queue: Mutex::new(queue), called: Condvar::new(), max };
        let threads = Self(Arc::new(shared));
        // The first thread is there from the start: a later one that cannot be had only means less at once.
        spawn(&threads.0)?;
        Ok(threads)
    }

    pub(crate) fn run(&self, job: impl FnOnce() + Send + 'static) {
        let mut queue = self.0.lock();
        queue.jobs.push_back(Box::new(job));
        let call = queue.call(self.0.max);
        drop(queue);
        carry_out(&self.0, call);
    }
}

impl Drop for Threads {
    /// Waits for nobody: a call that takes long must not keep its engine open.
    fn drop(&mut self) {
        let mut queue = self.0.lock();
        queue.is_closed = true;
        queue.jobs.clear();
        drop(queue);
        self.0.called.notify_all();
    }
}

impl Queue {
    fn call(&mut self, max: usize) -> Call {
        if self.is_calling || self.jobs.is_empty() {
            return Call::Nobody;
        }
        if self.idle > 0 {
            self.is_calling = true;
            return Call::Wake;
        }
        if self.threads < max {
            self.is_calling = true;
            self.threads += 1;
            return Call::Spawn;
        }
        Call::Nobody
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn carry_out(shared: &Arc<Shared>, call: Call) {
    match call {
        Call::Nobody => {}
        Call::Wake => shared.called.notify_one(),
        Call::Spawn => {
            if spawn(shared).is_err() {
                let mut queue = shared.lock();
                queue.threads -= 1;
                queue.is_calling = false;
            }
        }
    }
}

fn spawn(shared: &Arc<Shared>) -> std::io::Result<()> {
    let shared = Arc::clone(shared);
    std::thread::Builder::new().name("catena-function".into()).spawn(move || work(&shared)).map(drop)
}

fn work(shared: &Arc<Shared>) {
    let mut queue = shared.lock();
    queue.is_calling = false;
    loop {
        if let Some(job) = queue.jobs.pop_front() {
            let call = queue.call(shared.max);
            drop(queue);
            carry_out(shared, call);
            job();
            queue = shared.lock();
            continue;
        }
        if queue.is_closed {
            break;
        }
        queue.idle += 1;
        let waited = shared.called.wait_timeout(queue, KEPT_WARM);
        let (woken, timeout) = waited.unwrap_or_else(PoisonError::into_inner);
        queue = woken;
        queue.idle -= 1;
        queue.is_calling = false;
        if timeout.timed_out() && queue.jobs.is_empty() && queue.threads > 1 {
            break;
        }
    }
    queue.threads -= 1;
}

#[cfg(test)]
mod tests {
    use std::sync::{Barrier, mpsc::channel};

    use super::*;

    #[test]
    fn jobs_that_wait_for_each_other_all_run_at_once() {
        let threads = Threads::new(8).unwrap();
        let (barrier, (sender, receiver)) = (Arc::new(Barrier::new(8)), channel());
        for _ in 0..8 {
            let (barrier, sender) = (Arc::clone(&barrier), sender.clone());
            threads.run(move || {
                barrier.wait();
                sender.send(()).unwrap();
            });
        }
        drop(sender);
        assert_eq!(receiver.iter().count(), 8);
    }
}
