//! The pipes of one attempt: input written, both outputs read as they come, at any speed and in bounded memory.

use std::io::{self, ErrorKind};
use std::path::PathBuf;
use std::sync::Arc;

use jiff::Timestamp;
use tokio::net::unix::pipe;

use super::capture::{Capture, Captured};
use super::child::Pipes;
use super::log::{Log, Stream};
use crate::mask::{Mask, Masking};

/// Bytes taken from a pipe at a time; half of what a pipe holds, and cheap to have on the stack.
const READ_MAX: usize = 32 * 1024;

pub(super) struct Streams {
    input: Option<Input>,
    out: Option<pipe::Receiver>,
    err: Option<pipe::Receiver>,
    kept: Kept,
}

/// What the output leaves: a log, and standard output if it is short enough.
pub(super) struct Kept {
    log: Log,
    stdout: Capture,
    /// For standard output and for standard error, where there is something to mask.
    masking: Option<[Masking; 2]>,
}

struct Input {
    pipe: pipe::Sender,
    text: Vec<u8>,
    written: usize,
}

impl Streams {
    pub(super) fn new(pipes: Pipes, stdin: Option<Vec<u8>>, kept: Kept) -> Self {
        let input = pipes.input.map(|pipe| Input { pipe, text: stdin.unwrap_or_default(), written: 0 });
        Self { input, out: Some(pipes.out), err: Some(pipes.err), kept }
    }

    /// Carries bytes until every pipe is done. May be dropped and called again.
    pub(super) async fn carry(&mut self) {
        while self.input.is_some() || self.out.is_some() || self.err.is_some() {
            tokio::select! {
                () = readable(self.out.as_ref()) => read(&mut self.out, Stream::Out, &mut self.kept),
                () = readable(self.err.as_ref()) => read(&mut self.err, Stream::Err, &mut self.kept),
                () = writable(self.input.as_ref()) => write(&mut self.input),
            }
        }
    }

    /// The reader of the input is dead.
    pub(super) fn close_input(&mut self) {
        self.input = None;
    }

    pub(super) fn finish(self) -> Captured {
        self.kept.finish()
    }
}

impl Kept {
    pub(super) fn new(log: PathBuf, capture_max: u64, mask: Option<&Arc<Mask>>) -> Self {
        let masking = mask.map(|mask| [(); 2].map(|()| Masking::new(Arc::clone(mask))));
        let stdout = Capture::new(capture_max, log.with_added_extension("stdout"));
        Self { log: Log::new(log), stdout, masking }
    }

    fn take(&mut self, stream: Stream, bytes: &[u8]) {
        match &mut self.masking {
            None => self.keep(stream, bytes),
            Some([out, err]) => {
                let masking = if stream == Stream::Out { out } else { err };
                let masked = masking.take(bytes);
                self.keep(stream, &masked);
            }
        }
    }

    fn finish(mut self) -> Captured {
        if let Some([mut out, mut err]) = self.masking.take() {
            self.keep(Stream::Out, &out.finish());
            self.keep(Stream::Err, &err.finish());
        }
        self.log.finish(Timestamp::now());
        self.stdout.finish()
    }

    /// No bytes, no log.
    fn keep(&mut self, stream: Stream, bytes: &[u8]) {
        if bytes.is_empty() {
            return;
        }
        self.log.take(stream, bytes, Timestamp::now());
        if stream == Stream::Out {
            self.stdout.take(bytes);
        }
    }
}

async fn readable(pipe: Option<&pipe::Receiver>) {
    match pipe {
        // An error shows again in the read that follows.
        Some(pipe) => drop(pipe.readable().await),
        None => std::future::pending().await,
    }
}

async fn writable(input: Option<&Input>) {
    match input {
        Some(input) => drop(input.pipe.writable().await),
        None => std::future::pending().await,
    }
}

fn read(pipe: &mut Option<pipe::Receiver>, stream: Stream, kept: &mut Kept) {
    let mut bytes = [0; READ_MAX];
    match pipe.as_ref().map(|pipe| pipe.try_read(&mut bytes)) {
        Some(Ok(read @ 1..)) => kept.take(stream, &bytes[..read]),
        Some(Err(error)) if is_passing(&error) => {}
        Some(Ok(0) | Err(_)) | None => *pipe = None,
    }
}

fn write(slot: &mut Option<Input>) {
    let Some(input) = slot else { return };
    match input.pipe.try_write(&input.text[input.written..]) {
        Ok(written) => input.written += written,
        Err(error) if is_passing(&error) => {}
        // A process need not read its input.
        Err(_) => input.written = input.text.len(),
    }
    if input.written == input.text.len() {
        *slot = None;
    }
}

fn is_passing(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted)
}
