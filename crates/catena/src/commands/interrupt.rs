//! Signals: the first interrupt asks the execution to end, the second leaves at once. A request to end this
//! process leaves the execution to the next host.

use std::sync::{
    Arc,
    atomic::{AtomicU32, Ordering},
};

use signal_hook::{
    consts::{SIGHUP, SIGINT, SIGTERM},
    iterator::Signals,
};

/// What the signals so far have asked for.
#[derive(Clone, Debug, Default)]
pub(super) struct Interrupts {
    count: Arc<AtomicU32>,
}

impl Interrupts {
    /// Calls `cancel` at the first interrupt and `leave` at the next, or at the first SIGTERM or SIGHUP.
    pub(super) fn watch(
        cancel: impl Fn() + Send + 'static,
        leave: impl Fn() + Send + 'static,
    ) -> std::io::Result<Self> {
        let interrupts = Self::default();
        let count = Arc::clone(&interrupts.count);
        let mut signals = Signals::new([SIGINT, SIGTERM, SIGHUP])?;
        std::thread::Builder::new().name("catena-signals".into()).spawn(move || {
            for signal in &mut signals {
                match (signal, count.fetch_add(1, Ordering::SeqCst)) {
                    (SIGINT, 0) => cancel(),
                    (_, _) => leave(),
                }
            }
        })?;
        Ok(interrupts)
    }

    pub(super) fn any(&self) -> bool {
        self.count.load(Ordering::SeqCst) > 0
    }
}
