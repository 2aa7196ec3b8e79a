//! The log file of one attempt: a time and a stream before each line, bounded, made when the first byte comes.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use jiff::Timestamp;

/// A longer line is written as several.
pub(super) const LINE_MAX: usize = 64 * 1024;
/// Bytes of one attempt's file, prefixes included; the rest is counted and dropped.
pub(super) const LOG_MAX: u64 = 64 * 1024 * 1024;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stream {
    Out,
    Err,
}

impl Stream {
    fn word(self) -> &'static str {
        match self {
            Self::Out => "out",
            Self::Err => "err",
        }
    }
}

pub(super) struct Log {
    path: PathBuf,
    /// Opened at the first byte; a file that cannot be opened or written loses its lines, never the attempt.
    file: Option<io::Result<File>>,
    out: Vec<u8>,
    err: Vec<u8>,
    block: Vec<u8>,
    written: u64,
    dropped: Dropped,
}

#[derive(Default)]
struct Dropped {
    bytes: u64,
    lines: u64,
}

impl Log {
    pub(super) fn new(path: PathBuf) -> Self {
        let (out, err, block) = (Vec::new(), Vec::new(), Vec::new());
        Self { path, file: None, out, err, block, written: 0, dropped: Dropped::default() }
    }

    /// Takes what a stream has said at `now`. A line without its end is held until the rest comes.
    pub(super) fn take(&mut self, stream: Stream, bytes: &[u8], now: Timestamp) {
        let prefix = prefix(stream.word(), now);
        let mut held = std::mem::take(self.held(stream));
        for piece in bytes.split_inclusive(|byte| *byte == b'\n') {
            self.piece(&prefix, &mut held, piece);
        }
        *self.held(stream) = held;
        self.flush();
    }

    /// Writes the lines that never ended, and what was dropped.
    pub(super) fn finish(&mut self, now: Timestamp) {
        if self.file.is_none() {
            return;
        }
        for stream in [Stream::Out, Stream::Err] {
            let held = std::mem::take(self.held(stream));
            if !held.is_empty() {
                self.line(&prefix(stream.word(), now), &held);
            }
        }
        self.flush();
        self.mark_dropped(now);
    }

    fn held(&mut self, stream: Stream) -> &mut Vec<u8> {
        match stream {
            Stream::Out => &mut self.out,
            Stream::Err => &mut self.err,
        }
    }

    /// `piece` holds at most one line feed, at its end.
    fn piece(&mut self, prefix: &[u8], held: &mut Vec<u8>, piece: &[u8]) {
        let (mut text, ended) = match piece.split_last() {
            Some((b'\n', text)) => (text, true),
            _ => (piece, false),
        };
        while held.len() + text.len() > LINE_MAX {
            let (now, later) = text.split_at(LINE_MAX - held.len());
            held.extend_from_slice(now);
            self.line(prefix, held);
            held.clear();
            text = later;
        }
        held.extend_from_slice(text);
        if ended {
            self.line(prefix, held);
            held.clear();
        }
    }

    /// Once one line did not fit none is written any more: a log with holes would mislead.
    fn line(&mut self, prefix: &[u8], text: &[u8]) {
        let bytes = (prefix.len() + text.len() + 1) as u64;
        if self.dropped.lines > 0 || self.written + bytes > LOG_MAX {
            self.dropped.bytes += text.len() as u64 + 1;
            self.dropped.lines += 1;
            return;
        }
        self.written += bytes;
        self.block.extend_from_slice(prefix);
        self.block.extend_from_slice(text);
        self.block.push(b'\n');
    }

    fn flush(&mut self) {
        let file = self.file.get_or_insert_with(|| open(&self.path));
        if let Ok(open) = file
            && let Err(error) = open.write_all(&self.block)
        {
            *file = Err(error);
        }
        self.block.clear();
    }

    fn mark_dropped(&mut self, now: Timestamp) {
        let Dropped { bytes, lines } = self.dropped;
        if lines > 0 {
            self.block = prefix("log", now);
            let told =
                format!("{bytes} bytes in {lines} lines dropped, the log is bounded to {LOG_MAX} bytes\n");
            self.block.extend_from_slice(told.as_bytes());
            self.flush();
        }
    }
}

/// The log of an attempt that has no process: what is done for it, a line at a time, without secrets.
#[cfg(feature = "http")]
pub(crate) struct AttemptLog {
    log: Log,
    mask: Option<std::sync::Arc<crate::mask::Mask>>,
}

#[cfg(feature = "http")]
impl AttemptLog {
    pub(crate) fn new(path: PathBuf) -> Self {
        Self { log: Log::new(path), mask: None }
    }

    /// From here on these are masked; before, nothing that could hold one is said.
    pub(crate) fn hide(&mut self, mask: std::sync::Arc<crate::mask::Mask>) {
        self.mask = Some(mask);
    }

    /// Writes one line, whatever the text has in it.
    pub(crate) fn say(&mut self, text: &str) {
        let text = match &self.mask {
            Some(mask) => mask.text(text),
            None => text.to_owned(),
        };
        let mut line: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
        line.push('\n');
        self.log.take(Stream::Out, line.as_bytes(), Timestamp::now());
    }
}

fn open(path: &Path) -> io::Result<File> {
    if let Some(folder) = path.parent() {
        DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    }
    OpenOptions::new().append(true).create(true).mode(0o600).open(path)
}

fn prefix(word: &str, now: Timestamp) -> Vec<u8> {
    format!("{} {word} ", now.strftime("%Y-%m-%dT%H:%M:%S%.6fZ")).into_bytes()
}
