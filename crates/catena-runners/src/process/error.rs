//! What can go wrong between an engine and its helper, or while the helper starts.

use std::io;

#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The operating system refused; `doing` fits after "failed to".
    #[error("{doing}: {source}")]
    Io { doing: &'static str, source: io::Error },
    /// The helper's process ended before it listened, and said why.
    #[error("start the helper: {message}")]
    HelperFailed { message: String },
    /// Helpers came and went, and none answered in time.
    #[error("reach a helper within {waited_ms} ms: {last}")]
    Unreachable { waited_ms: u64, last: String },
    /// A helper of another release holds the folder; it leaves when its attempts have ended.
    #[error("talk to the running helper: it speaks protocol {theirs}, this program {ours}")]
    Protocol { theirs: u32, ours: u32 },
    /// An engine with a later lease serves the store by now: this one has no say any more.
    #[error("talk to the running helper: it serves lease {theirs}, this process has {ours}")]
    Overtaken { theirs: u64, ours: u64 },
    /// A line that is no message, or one too many bytes long.
    #[error("read a message of the helper: {0}")]
    Malformed(#[from] serde_json::Error),
    /// A process of a dead helper survives even KILL: nothing may run in its place.
    #[error("end process {pid} of a helper that died: it is still alive")]
    StillAlive { pid: i32 },
}

impl Error {
    /// For `map_err`: names what was being done.
    pub(super) fn io<E: Into<io::Error>>(doing: &'static str) -> impl FnOnce(E) -> Self {
        move |source| Self::Io { doing, source: source.into() }
    }
}
